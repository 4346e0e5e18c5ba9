"""What an estimate counts, with round numbers for the seconds, which are a benchmark's matter."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings
from rnnspike.models.registry import MODELS, default_models
from rnnspike.rates.given import GivenRates
from rnnspike.recording.data import Recording, Unit
from rnnspike.runs.fitting import estimate as module
from rnnspike.runs.fitting.estimate import PROCESS_BYTES, START_S, Estimate, Size, estimate, training_s
from rnnspike.runs.job import PlannedRecording, planned
from rnnspike.runs.plan import tasks_of
from rnnspike.runs.tasks import Pair, Task

SIZE = Size(200_000, 4000, 100)
#: Units of the tasks that are written out below, in groups of which each shares a network.
UNITS = {"a": Size(2_000_000, 1000, 500), "b": Size(2_000_000, 3000, 500), "c": Size(2_000_000, 0, 500)}
GROUPS = [("a", "b"), ("c",)]
FIRST, SECOND = Pair(0, 1), Pair(2, 3)


def planned_units(units: Collection[str], settings: FitSettings) -> PlannedRecording:
    """Return a plan of units that are observed all the time."""
    trials = pd.DataFrame({"start_time": np.arange(20.0), "stop_time": np.arange(20.0) + 0.5})
    spikes = np.arange(0.0, 20.0, 0.05)
    trains = tuple(Unit(name, spikes + 1e-3 * k, np.array([[0.0, 20.0]])) for k, name in enumerate(units))
    return planned(Recording(Path("s.nwb"), "", 0, "nwb", trains, intervals={"trials": trials}), settings)


def expected(units: dict[str, Size], **changes: object) -> Estimate:
    """Return the estimate of a whole fit of units."""
    settings = FitSettings(**changes)  # type: ignore[arg-type]
    loaded = planned_units(units, settings)
    return estimate(tasks_of(loaded, settings), settings, units, loaded.n_folds, loaded.groups)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Round numbers: by itself, per million bins (of all trials), per thousand spikes."""
    own = {"renewal": (0.0, 0.0, 0.0), "drive": (0.0, 0.0, 0.0), "glm": (10.0, 0.0, 0.0), "bins": (100.0, 1.0, 0.0)}
    pooled = {"spikes": (1.0, 0.5, 2.0), "network of all units": (20.0, 0.0, 0.0)}
    monkeypatch.setattr(module, "TRAINING_S", own | pooled)
    monkeypatch.setattr(module, "LONGER", {"fast": {}, "standard": {"bins": 3.0}})
    monkeypatch.setattr(module, "READ_S", (5.0, 0.25))
    monkeypatch.setattr(module, "FINISH_S", {"fast": (3.0, 0.5)})
    monkeypatch.setattr(module, "WRITE_S", 1.0)
    monkeypatch.setattr(module, "JOINT_S", {"fast": (5.0, 0.5)})
    monkeypatch.setattr(module, "JOINT_UNITS", 2)


def cost(task: Task, slow: float = 1.0, **changes: object) -> float:
    """Return the estimate of one task of a fit of ``UNITS``, four folds held out."""
    settings = FitSettings(**{"effort": "fast", **changes})  # type: ignore[arg-type]
    return estimate([task], settings, UNITS, 4, GROUPS, slow).seconds


def test_given_rates_are_models_more_and_history_on_top_is_the_glm(seconds: None) -> None:
    rates = GivenRates("mine", "", "hz", True, 1, 0.001, ("a",), "", np.empty(0))
    with_history = replace(rates, add_history=True)

    def finish(unit: str, *given: GivenRates) -> float:
        settings = FitSettings(effort="fast", models=("psth",))
        return estimate([Task("finish", unit)], settings, UNITS, 4, GROUPS, rates=given).seconds

    assert finish("a", rates) - finish("a") == 0.5 * 2
    assert finish("a", with_history) - finish("a") == 2 * 0.5 * 2 + 2 * 10.0
    assert finish("b", with_history) == finish("b")


def test_the_whole_is_the_sum_over_units() -> None:
    alone = [expected({name: size}).seconds for name, size in (("a", SIZE), ("b", Size(900_000, 90, 100)))]
    both = expected({"a": SIZE, "b": Size(900_000, 90, 100)})
    assert both.seconds == pytest.approx(sum(alone))
    assert both.seconds == pytest.approx(sum(both.by_task.values()))


@pytest.mark.parametrize(
    "more",
    [
        {"size": Size(2_000_000, 4000, 100)},
        {"size": Size(200_000, 40_000, 100)},
        {"effort": "standard"},
        {"models": ("all",)},
    ],
    ids=str,
)
def test_more_of_anything_takes_longer(more: dict[str, object]) -> None:
    size = more.pop("size", SIZE)
    assert expected({"a": size}, **{"effort": "fast", **more}).seconds > expected({"a": SIZE}, effort="fast").seconds


def test_efforts_are_in_order_and_models_that_are_left_out_cost_nothing() -> None:
    by_effort = [expected({"a": SIZE}, effort=effort).seconds for effort in ("fast", "standard", "thorough")]
    assert by_effort == sorted(by_effort)
    assert expected({"a": SIZE}, models=("glm",)).seconds < expected({"a": SIZE}, models=default_models()).seconds


def test_every_model_that_is_trained_costs_something() -> None:
    unseen = {"constant", "psth", "psth-gain"}
    trained = [name for name, spec in MODELS.items() if spec.fitted and name not in unseen]
    assert all(training_s(name, SIZE, "fast") > 0 for name in trained)


def test_workers_divide_the_time_but_no_task_and_each_takes_memory() -> None:
    units = {str(k): SIZE for k in range(8)}
    found = expected(units)
    walls = [found.wall_s(n) for n in (1, 2, 4, 8, 1000)]
    assert all(a >= b for a, b in itertools.pairwise(walls))
    assert walls[0] == pytest.approx(START_S + found.seconds)
    assert walls[-1] == pytest.approx(START_S + max(found.by_task.values()))
    assert found.memory_bytes(4) > 2 * found.memory_bytes(1) > 2 * PROCESS_BYTES


def test_free_runs_cost_something() -> None:
    assert expected({"a": SIZE}, replicates=0).seconds < expected({"a": SIZE}).seconds


def test_nothing_left_costs_nothing() -> None:
    assert estimate([], FitSettings(), {"a": SIZE}, 5, []).seconds == 0


@pytest.mark.usefixtures("seconds")
@pytest.mark.parametrize(
    ("task", "models", "expected_s"),
    [
        (Task("fit", "a", FIRST), ["glm"], 10.0),
        (Task("fit", "b", FIRST), ["lstm"], 102.0),
        (Task("fit", "a", SECOND), ["lstm", "lstm-glm"], 10.0 + 102.0 + 102.0),
        (Task("fit", "a", FIRST), ["spike-lstm"], 0.0),  # a task of its own
        (Task("pooled", pair=FIRST, rung="spike-lstm"), ["spike-lstm"], (2 + 2) + (2 + 6) + (2 + 0)),
        (Task("pooled", pair=FIRST, rung="spike-lstm", group=0), ["spike-lstm"], (2 + 2) + (2 + 6)),
        (Task("pooled", pair=FIRST, rung="spike-lstm", group=1), ["spike-lstm"], 2.0),
        (Task("pooled", pair=FIRST, rung="population-gru"), ["population-gru"], 3 * 20.0),
        (Task("read", "a"), ["lstm"], 5.0 + 0.25 * 4),
        (Task("write"), ["lstm"], 0.0),
    ],
    ids=str,
)
def test_what_a_task_costs(task: Task, models: list[str], expected_s: float) -> None:
    assert cost(task, models=models) == pytest.approx(expected_s)
    assert cost(task, models=models, slow=2.0) == pytest.approx(2 * expected_s)


@pytest.mark.usefixtures("seconds")
def test_an_evaluation_counts_the_models_and_what_all_units_share() -> None:
    alone_s = 3.0 + 1.0 + 0.5 * 3 * 2  # models: constant, psth and psth-gain
    alone = {"models": ["psth"]}
    assert cost(Task("finish", "a"), replicates=3, **alone) == pytest.approx(alone_s)
    assert cost(Task("finish", "a"), replicates=0, **alone) == pytest.approx(0.4 * alone_s)
    with_others_s = (
        3.0 + 1.0 + 0.5 * 5 * 2 + (5.0 + 0.5 * 4) * 2 / 3
    )  # models: constant, psth-gain, glm, coupling and its null
    assert cost(Task("finish", "a"), replicates=3, models=["coupling"]) == pytest.approx(with_others_s)


@pytest.mark.usefixtures("seconds")
def test_networks_trained_together_cost_each_unit_and_pair_of_folds() -> None:
    batch = {"models": ["lstm"], "device": "cuda"}
    assert cost(Task("together", rung="lstm"), **batch) == pytest.approx(2 * 3 * 102.0)
    assert cost(Task("fit", "a", FIRST), **batch) == 0.0  # only closed forms are left for it
    assert cost(Task("together", rung="lstm"), effort="standard", **batch) == pytest.approx(4 * 3 * 3 * 102.0)
