"""The shape of the estimate: sums over units, more of anything takes longer. Its numbers are a benchmark's matter."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings
from rnnspike.models.registry import MODELS, default_models
from rnnspike.recording.data import Recording, Unit
from rnnspike.runs import job as jobs
from rnnspike.runs.fitting.estimate import PROCESS_BYTES, READ_S, START_S, Estimate, Size, estimate, training_s
from rnnspike.runs.job import PlannedRecording, planned
from rnnspike.runs.plan import tasks_of
from rnnspike.runs.tasks import ladder

SIZE = Size(200_000, 4000)


def planned_units(units: Collection[str], settings: FitSettings) -> PlannedRecording:
    """Return a plan of units that are observed all the time."""
    trials = pd.DataFrame({"start_time": np.arange(20.0), "stop_time": np.arange(20.0) + 0.5})
    spikes = np.arange(0.0, 20.0, 0.05)
    trains = tuple(Unit(name, spikes + 1e-3 * k, np.array([[0.0, 20.0]])) for k, name in enumerate(units))
    return planned(Recording(Path("s.nwb"), "", 0, "nwb", trains, intervals={"trials": trials}), settings)


def expected(units: dict[str, Size], **changes: object) -> Estimate:
    settings = FitSettings(**changes)  # type: ignore[arg-type]
    loaded = planned_units(units, settings)
    pooled = {name: loaded.pooled_units(name) for name in ladder(settings.models) if MODELS[name].pooled}
    return estimate(tasks_of(loaded, settings), settings, units, loaded.n_folds, pooled)


def of_kind(found: Estimate, kind: str) -> list[float]:
    return [cost for task, cost in found.by_task.items() if task.kind == kind]


def test_the_whole_is_the_sum_over_units() -> None:
    alone = [expected({name: size}).seconds for name, size in (("a", SIZE), ("b", Size(900_000, 90)))]
    both = expected({"a": SIZE, "b": Size(900_000, 90)})
    assert both.seconds == pytest.approx(sum(alone))
    assert both.seconds == pytest.approx(sum(both.by_task.values()))


@pytest.mark.parametrize(
    "more",
    [{"size": Size(2_000_000, 4000)}, {"size": Size(200_000, 40_000)}, {"effort": "standard"}, {"models": ("all",)}],
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
    assert estimate([], FitSettings(), {"a": SIZE}, 5, {}).seconds == 0


def test_a_pooled_network_costs_what_its_group_does(monkeypatch: pytest.MonkeyPatch) -> None:
    units = {str(k): SIZE for k in range(8)}
    whole = of_kind(expected(units, models=("spike-lstm",)), "pooled")
    monkeypatch.setattr(jobs, "MOST_POOLED_BINS", 2 * 20 * 3000)  # some two units' trials, with what is before them
    groups = of_kind(expected(units, models=("spike-lstm",)), "pooled")
    assert len(groups) >= 2 * len(whole)
    assert sum(groups) == pytest.approx(sum(whole))


def test_networks_trained_together_cost_as_much_as_one_after_another() -> None:
    units = {"a": SIZE, "b": Size(900_000, 90)}
    apart, together = (expected(units, models=("lstm",), device=device) for device in ("cpu", "cuda"))
    assert len(of_kind(together, "together")) == 1
    assert together.seconds == pytest.approx(apart.seconds)


def test_a_reading_costs_something() -> None:
    with_it, without = (expected({"a": SIZE}, models=("lstm",), dynamics=dynamics) for dynamics in (True, False))
    assert with_it.seconds == pytest.approx(without.seconds + READ_S)
