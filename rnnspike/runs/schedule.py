"""Which tasks of a recording can be done now, and which depend on one that was lost."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence

from rnnspike.runs.tasks import WRITE, Task


class Schedule:
    """The tasks of one recording; each comes when what it needs is done. Last comes ``WRITE``, unless others write.

    A task that needs one that was lost is lost with it. Only what tells of the loss is done all the same: the
    evaluation of units, and the run directory.
    """

    def __init__(self, tasks: Mapping[Task, Sequence[Task]], write: bool = True) -> None:
        needs = {**tasks, WRITE: list(tasks)} if write else dict(tasks)
        self.n_tasks, self.n_done = len(tasks), 0
        self._n_ended, self._n_all = 0, len(needs)
        self.lost: dict[Task, str] = {}
        self._left = {task: len(needed) for task, needed in needs.items()}
        self._needs = needs
        self._needed_by: defaultdict[Task, list[Task]] = defaultdict(list)
        for task, needed in needs.items():
            for need in needed:
                self._needed_by[need].append(task)
        self._short, self._long = deque[Task](), deque[Task]()
        for task in [task for task, left in self._left.items() if left == 0]:
            self._make_ready(task)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks but ``WRITE``."""
        return tuple(task for task in self._needs if task != WRITE)

    @property
    def is_over(self) -> bool:
        """Whether every task is done or lost."""
        return self._n_ended == self._n_all

    def next(self) -> Task | None:
        """Return a task that can be done now; None where there is none. A long one that is ready goes first."""
        ready = self._long or self._short
        return ready.popleft() if ready else None

    def done(self, task: Task, lost: str | None = None) -> None:
        """Note that a task was done, or lost and why."""
        self.n_done += task != WRITE
        self._n_ended += 1
        if lost is not None:
            self.lost[task] = lost
        for other in self._needed_by[task]:
            self._left[other] -= 1
            if self._left[other] == 0:
                self._make_ready(other)

    def lost_needs(self, task: Task) -> dict[Task, str]:
        """Return what a task needs and was lost, with the reasons."""
        return {need: self.lost[need] for need in self._needs[task] if need in self.lost} if self.lost else {}

    def _make_ready(self, task: Task) -> None:
        lost = self.lost_needs(task)
        if lost and task.kind not in ("finish", "write"):
            self.done(task, next(iter(lost.values())))
        else:
            (self._short if task.kind == "fit" else self._long).append(task)
