"""Every recording and every task is one shard's."""

from __future__ import annotations

import pytest

from rnnspike.errors import ConfigError
from rnnspike.runs.engines.shards import Shard, parse_shard
from rnnspike.runs.tasks import Pair, Task

TRAININGS = [Task("fit", unit, Pair(0, fold)) for fold in (1, 2) for unit in "abc"]
POOLED = [Task("pooled", pair=Pair(0, fold), rung="spike-lstm") for fold in (1, 2)]
TASKS = {
    **{task: [] for task in TRAININGS},
    **{task: [each for each in TRAININGS if each.pair == task.pair] for task in POOLED},
    **{Task("finish", unit): [*(each for each in TRAININGS if each.unit == unit), *POOLED] for unit in "abc"},
}


@pytest.mark.parametrize(("n", "of"), [(7, 3), (3, 3), (100, 7)])
def test_every_recording_is_one_shards(n: int, of: int) -> None:
    shards = [Shard(k, of) for k in range(1, of + 1)]
    assert sorted(i for shard in shards for i in shard.recordings(n)) == list(range(n))
    assert not any(shard.divides_recordings(n) for shard in shards)


def test_few_recordings_are_every_shards() -> None:
    assert Shard(2, 5).divides_recordings(4) and Shard(2, 5).recordings(4) == range(4)


def test_every_task_is_one_shards_once_what_it_needs_is_done() -> None:
    done: set[Task] = set()
    for expected in (set(TRAININGS), set(POOLED), {task for task in TASKS if task.kind == "finish"}):
        mine = [shard.tasks(TASKS, "abc", done.__contains__) for shard in (Shard(1, 2), Shard(2, 2))]
        new = [task for tasks in mine for task in tasks if task not in done]
        assert len(new) == len(set(new)) and set(new) == expected
        done |= expected


def test_without_pooled_rungs_a_shard_evaluates_its_units_at_once() -> None:
    own = {task: [need for need in needs if need.unit] for task, needs in TASKS.items() if task.unit}
    mine = Shard(2, 3).tasks(own, "abc", lambda _: False)
    assert {task.unit for task in mine} == {"b"} and [task.kind for task in mine] == ["fit", "fit", "finish"]


def array(task: int, low: int, high: int, step: int = 1) -> dict[str, str]:
    names = {"ID": task, "MIN": low, "MAX": high, "STEP": step}
    return {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("1/1", {}, Shard(1, 1)),
        (" 3 / 10", {}, Shard(3, 10)),
        ("slurm", array(0, 0, 9), Shard(1, 10)),
        ("SLURM", array(7, 1, 13, 3), Shard(3, 5)),
    ],
)
def test_a_shard_is_named(text: str, environment: dict[str, str], shard: Shard) -> None:
    assert parse_shard(text, environment) == shard


def test_an_array_that_leaves_parts_out_is_refused() -> None:
    with pytest.raises(ConfigError, match="leaves out some of its 5 parts"):
        parse_shard("slurm", {**array(3, 3, 7), "SLURM_ARRAY_TASK_COUNT": "2"})
    assert parse_shard("slurm", {**array(3, 3, 7), "SLURM_ARRAY_TASK_COUNT": "5"}) == Shard(1, 5)


@pytest.mark.parametrize(
    "environment",
    [
        array(30, 1, 9),
        array(0, 1, 9),
        array(3, 1, 9, 4),
        array(1, 1, 9, 0),
        array(1, 1, 9) | {"SLURM_ARRAY_TASK_COUNT": "x"},
    ],
)
def test_a_task_that_is_none_of_its_array_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"--shard slurm: .*sbatch --array"):
        parse_shard("slurm", environment)


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "slurm"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard"):
        parse_shard(text, {})
