"""What is marked in single trials: time zero, conditions, and times of the trials' table in the window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnspike.report.load import Run
from rnnspike.report.packing import packed
from rnnspike.report.words import condition_columns, short_labels
from rnnspike.runs.stored.trials import EVENT
from rnnspike.trials.data import FloatArray

#: Events that can be told apart by their marks; of more, those that lie in the window of most trials are kept.
MOST_EVENTS = 6
#: Part of the window within which times are the same to the eye.
SAME = 2e-3


@dataclass(frozen=True, eq=False)
class Event:
    """A time column of the trials' table.

    ``time_s`` (trial,) is from time zero, NaN outside the window, whose length is ``span_s``.
    """

    name: str
    time_s: FloatArray
    span_s: float

    @property
    def constant_s(self) -> float | None:
        """The time of the event where it is the same in all trials, else None."""
        is_constant = bool(np.isfinite(self.time_s).all()) and np.ptp(self.time_s) <= SAME * self.span_s
        return float(np.median(self.time_s)) if is_constant else None


def events_of(run: Run) -> list[Event]:
    """Return the events of a run in the order of their columns, without time zero itself and without doubles."""
    if run.trials is None:
        return []
    low, high = run.settings["resolved"]["window_s"]
    margin_s = SAME * (high - low)
    found: list[Event] = []
    for column in run.trials:
        if not str(column).startswith(EVENT):
            continue
        times_s = run.trials[column].to_numpy(np.float64)
        inside = (times_s > low + margin_s) & (times_s < high - margin_s)
        times_s = np.where(inside, times_s, np.nan)
        is_zero = bool(np.all(np.abs(times_s[inside]) <= margin_s))
        if not is_zero and not any(np.array_equal(times_s, each.time_s, equal_nan=True) for each in found):
            found.append(Event(str(column).removeprefix(EVENT), times_s, high - low))
    most = sorted(found, key=lambda event: -int(np.isfinite(event.time_s).sum()))[:MOST_EVENTS]
    return [event for event in found if event in most]


def time_label(run: Run) -> str:
    """Return what the axis of time is called: after the column that is time zero."""
    if run.setting("segment") is not None:
        return "time in the segment"
    return f"time from {run.settings['resolved']['align']}"


def session_payload(run: Run) -> dict[str, Any]:
    """Return what figures of single trials say of the session: time, conditions by name, and events.

    An event has ``at_s`` where it is the same in all trials, else ``time_s`` (trial,).
    """
    return {
        "time": time_label(run),
        "zero": run.settings["resolved"]["align"],
        "columns": condition_columns(run.conditions),
        "conditions": short_labels(run.conditions),
        "events": [
            {"name": event.name} | ({"time_s": packed(event.time_s)} if at is None else {"at_s": at})
            for event in events_of(run)
            for at in [event.constant_s]
        ],
    }
