"""Parts of a batch that need no coordination: many processes are given the same command, and each its own part.

With at least as many recordings as shards, a shard fits whole recordings. With fewer, it takes its share of the tasks
of every recording: those whose needs are done, so that the run is complete after the shards were called a few times,
or once ``rnnspike collect`` did what was left.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rnnspike.errors import ConfigError
from rnnspike.runs.tasks import Task

FORM = "K/N, such as 1/10, or slurm"


@dataclass(frozen=True)
class Shard:
    """The ``number``-th (from 1) of ``of`` shards."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def recordings(self, n: int) -> range:
        """Return which of n recordings this shard works on (index from 0)."""
        return range(n) if self.divides_recordings(n) else range(self.number - 1, n, self.of)

    def divides_recordings(self, n: int) -> bool:
        """Say whether n recordings are so few that each is divided among the shards."""
        return n < self.of

    def tasks(
        self, tasks: Mapping[Task, Sequence[Task]], units: Sequence[str], is_done: Callable[[Task], bool]
    ) -> dict[Task, list[Task]]:
        """Return this shard's tasks of a recording: those whose needs are done, or are its own.

        A unit's trainings and its evaluation belong to the same shard.
        """
        order = {unit: i for i, unit in enumerate(units)}
        mine: dict[Task, list[Task]] = {}
        for i, (task, needs) in enumerate(tasks.items()):
            owner = i if task.unit is None else order[task.unit]
            if owner % self.of == self.number - 1 and all(need in mine or is_done(need) for need in needs):
                mine[task] = [need for need in needs if need in mine]
        return mine


def parse_shard(text: str, environment: Mapping[str, str] | None = None) -> Shard:
    """Return the shard that a text names: ``K/N``, or ``slurm`` for the task of a SLURM array.

    Raises
    ------
    ConfigError
        Where it names none.

    Examples
    --------
    >>> parse_shard("3/10")
    Shard(number=3, of=10)
    >>> parse_shard("slurm", {"SLURM_ARRAY_TASK_ID": "4", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "9"})
    Shard(number=5, of=10)
    """
    if text.strip().lower() == "slurm":
        return _of_slurm(os.environ if environment is None else environment)
    found = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", text)
    if found is None:
        raise ConfigError(f"--shard {text}: is not a shard (write {FORM})")
    number, of = int(found[1]), int(found[2])
    if not 1 <= number <= of:
        raise ConfigError(f"--shard {text}: shards are numbered from 1 to the number of shards (write {FORM})")
    return Shard(number, of)


def _of_slurm(environment: Mapping[str, str]) -> Shard:
    """Return the place of this task among those of its array, which may begin anywhere and go by any step.

    An array that leaves other numbers out is refused: nobody would do their parts.
    """
    try:
        task, low, high = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "MIN", "MAX"))
        step = int(environment.get("SLURM_ARRAY_TASK_STEP") or 1)
        of = (high - low) // step + 1
        n_tasks = int(environment.get("SLURM_ARRAY_TASK_COUNT") or of)
    except (KeyError, ValueError, ZeroDivisionError):
        raise ConfigError(
            "--shard slurm: SLURM_ARRAY_TASK_ID, _MIN and _MAX are not set, or no numbers: this is not a task of a "
            "job array (submit it with sbatch --array, or write --shard K/N)"
        ) from None
    if step < 1 or not low <= task <= high or (task - low) % step:
        raise ConfigError(
            f"--shard slurm: SLURM_ARRAY_TASK_ID {task} is none of the numbers {low} to {high} in steps of {step} "
            "(submit it with sbatch --array, or write --shard K/N)"
        )
    if n_tasks != of:
        raise ConfigError(
            f"--shard slurm: the array leaves out some of its {of} parts (submit all, what is finished is skipped; "
            "or write --shard K/N)"
        )
    return Shard((task - low) // step + 1, of)
