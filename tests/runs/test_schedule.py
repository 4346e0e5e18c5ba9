"""The order of tasks, and what depends on one that was lost."""

from __future__ import annotations

from rnnspike.runs.schedule import Schedule
from rnnspike.runs.tasks import WRITE, Task

SHORT = [Task("fit", str(i)) for i in range(4)]
LONG, FIRST, SECOND = Task("pooled", rung="long"), Task("finish", "first"), Task("finish", "second")
TASKS = {task: [] for task in SHORT} | {LONG: SHORT[:2], FIRST: [*SHORT[:2], LONG], SECOND: SHORT[2:]}


def test_a_long_task_goes_before_short_ones_as_soon_as_it_is_ready() -> None:
    schedule, order = Schedule(TASKS), []
    while (task := schedule.next()) is not None:
        order.append(task)
        schedule.done(task)
    assert order == [*SHORT[:2], LONG, FIRST, *SHORT[2:], SECOND, WRITE]
    assert (schedule.n_done, schedule.n_tasks) == (7, 7)


def test_what_hangs_on_a_lost_task_is_lost_but_units_are_evaluated() -> None:
    schedule, order = Schedule(TASKS), []
    while (task := schedule.next()) is not None:
        order.append(task)
        schedule.done(task, "killed" if task == SHORT[1] else None)
    assert order == [*SHORT[:2], FIRST, *SHORT[2:], SECOND, WRITE]
    assert schedule.lost == {SHORT[1]: "killed", LONG: "killed"} == schedule.lost_needs(FIRST)
    assert schedule.lost_needs(SECOND) == {}
    assert schedule.n_done == 7
