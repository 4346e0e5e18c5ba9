"""The shape of the estimate: sums over units, more of anything takes longer. Its numbers are a benchmark's matter."""

from __future__ import annotations

import itertools

import pytest

from rnnspike.config import FitSettings
from rnnspike.models.registry import MODELS, default_models
from rnnspike.runs.fitting.estimate import PROCESS_BYTES, START_S, Estimate, Size, estimate, training_s
from rnnspike.runs.tasks import Task, ladder, pairs_of

SIZE = Size(200_000, 4000)


def tasks(units: list[str], settings: FitSettings, n_folds: int = 5) -> list[Task]:
    rungs = ladder(settings.models)
    own, pooled = ([name for name in rungs if bool(MODELS[name].pooled) == shared] for shared in (False, True))
    pairs = sorted({pair for name in own for pair in pairs_of(name, n_folds, settings.effort)}, key=str)
    found = [Task("fit", unit, pair) for unit in units for pair in pairs]
    found += [
        Task("pooled", pair=pair, rung=name) for name in pooled for pair in pairs_of(name, n_folds, settings.effort)
    ]
    return found + [Task("finish", unit) for unit in units]


def expected(units: dict[str, Size], **settings: object) -> Estimate:
    chosen = FitSettings(**settings)  # type: ignore[arg-type]
    return estimate(tasks(list(units), chosen), chosen, units, 5)


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
    assert estimate([], FitSettings(), {"a": SIZE}, 5).seconds == 0
