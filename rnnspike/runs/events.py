"""What happens in a batch of fits, as it is told to whoever asked for them."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspike.runs.plan import Plan
from rnnspike.runs.tasks import Lost, Task


@dataclass(frozen=True)
class Begun:
    """A recording was read, and what it asks for is known; ``tasks`` are those that are done here."""

    index: int
    plan: Plan
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class TaskDone:
    """A task of a recording is done or given up: ``n_done`` of ``n_tasks``; ``lost`` are all that were given up."""

    index: int
    plan: Plan
    n_done: int
    n_tasks: int
    task: Task
    lost: Lost


@dataclass(frozen=True)
class Fitted:
    """A run directory is complete; ``lost`` are the tasks that were given up, each with the reason."""

    index: int
    plan: Plan
    lost: Lost


@dataclass(frozen=True)
class PartDone:
    """The tasks of a recording that this shard has are done; ``lost`` are those that were given up."""

    index: int
    plan: Plan
    lost: Lost


@dataclass(frozen=True)
class Failed:
    """A recording could not be fitted."""

    index: int
    error: Exception


Event = Begun | TaskDone | Fitted | PartDone | Failed
