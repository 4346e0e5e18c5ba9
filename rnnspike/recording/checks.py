"""What can be wrong or odd in a recording: a registry of tiny pure checks, each with an id and a level.

``FINDINGS`` is the whole list, those included that a reader raises at once because nothing can be read. A check
of a spike train returns how many spikes it concerns, a check of a table how many rows; checks of the whole
recording look at units and tables together. Nothing here mends anything (``clean.py`` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Finding, FloatArray, Level
from rnnspike.recording.violations import VIOLATION_S, Violations, pairs_within

#: A step back in time by more than this is another clock, by less it is jitter.
CLOCK_RESET_S = 1.0
#: Intervals shorter than this are told as short.
SHORT_ISI_S = 0.001
#: No clock counts this far, in any unit of time.
NO_TIME_S = 1e17
#: Rounding of times that is no overlap, no drift and no step back.
TIME_ROUNDING_S = 1e-6


@dataclass(frozen=True)
class Kind:
    """A kind of finding: its level, what it means (for the guide) and the option that mends it."""

    id: str
    level: Level
    meaning: str
    option: str | None = None


FINDINGS: dict[str, Kind] = {
    kind.id: kind
    for kind in (
        Kind("no-units-table", "error", "the file holds no units", "--units-table"),
        Kind("no-spike-times", "error", "the units table holds no spike times", "--units-table"),
        Kind("units-table-ambiguous", "error", "several units tables and none is the main one", "--units-table"),
        Kind("units-index-broken", "error", "the index of the spike times does not fit them"),
        Kind("nwb-1", "error", "NWB 1.x, which has no tables"),
        Kind("truncated", "error", "the file ends too early"),
        Kind("locked", "error", "another program has the file open for writing"),
        Kind("link-broken", "error", "an external link of the spike times leads nowhere"),
        Kind("filter-missing", "error", "a dataset is compressed with a filter that is not installed"),
        Kind(
            "sampling-rate-missing", "error", "spike times are sample indices and no rate is given", "--sampling-rate"
        ),
        Kind("pickle-refused", "error", "pickles can run code", "--allow-pickle"),
        Kind("clock-reset", "error", "spike times step back by more than 1 s: two clocks"),
        Kind("trial-relative-times", "error", "spike times are relative to their trial's start"),
        Kind("spike-times-scale", "error", "spike times are not in seconds", "--time-scale"),
        Kind(
            "event-times-scale",
            "error",
            "trials are not in seconds, though spikes are",
            "--events",
        ),
        Kind("spike-times-infinite", "error", "infinite spike times"),
        Kind("event-times-equal", "error", "all trials start at the same time", "--events"),
        Kind("spike-times-unsorted", "warning", "spike times step back a little: sorted"),
        Kind("spike-times-nan", "warning", "NaN spike times (padding): dropped"),
        Kind("spike-times-sentinel", "warning", "-1 or trailing zeros as padding: dropped"),
        Kind("float32-times", "warning", "times stored as float32: promoted, their rounding stays"),
        Kind("duplicate-spikes", "warning", "spikes that repeat a time exactly: kept", "--drop-duplicates"),
        Kind("short-isis", "warning", "inter-spike intervals under 1 ms: kept", "--units"),
        Kind("contaminated-unit", "warning", "refractory violations tell of foreign spikes", "--units"),
        Kind("units-identical", "warning", "two units have the same spikes", "--units"),
        Kind("unit-ids-repeated", "warning", "unit ids repeat: told apart by a number"),
        Kind("obs-intervals-overlap", "warning", "observed intervals overlap: merged"),
        Kind("obs-intervals-bad", "warning", "observed intervals without a duration: dropped"),
        Kind("spikes-outside-observed", "warning", "spikes outside the observed intervals: not scored"),
        Kind("event-times-nan", "warning", "rows without a time: dropped"),
        Kind("intervals-not-positive", "warning", "rows that stop before they start: dropped"),
        Kind("table-column-broken", "warning", "a column has not one value a row: left out"),
        Kind(
            "sampling-rate-doubtful", "warning", "the times that the rate given leads to are odd", "--sampling-rate"
        ),
        Kind("covariate-broken", "warning", "a time series has no usable times: left out"),
        Kind("covariate-clock-reset", "warning", "times of a series step back by more than 1 s: no covariate"),
        Kind("covariate-empty", "warning", "a series without a single number: no covariate"),
        Kind(
            "covariate-off-trials",
            "warning",
            "a series that runs in none of the trials: no covariate",
            "--event-offset",
        ),
        Kind("covariate-unsorted", "warning", "times of a series run backwards: sorted"),
        Kind("covariate-infinite", "warning", "infinite samples of a series: treated as missing"),
        Kind("covariate-constant", "warning", "a series that never varies: of no use as a covariate"),
        Kind("intervals-are-events", "info", "all intervals have no duration: taken as events"),
        Kind("covariate-nan", "info", "NaN in a series: bins without a sample are not scored"),
        Kind("no-obs-intervals", "info", "no observed intervals: exposure is assumed to be the trials"),
        Kind("silent-unit", "info", "units without spikes: kept, their metrics are null"),
        Kind("negative-times", "info", "spikes before the session's time zero"),
        Kind("no-trials", "info", "no trials table", "--segment 2s"),
        Kind("several-tables", "info", "several tables to align to", "--trials"),
        Kind("several-units-tables", "info", "several units tables; the main one is read", "--units-table"),
        Kind("extension-types", "info", "types of an extension, read without it"),
        Kind("reference-time-offset", "info", "times count from a reference other than the session's start"),
        Kind("segments-laid-out", "info", "segments without a common clock: laid one after another"),
        Kind("trial-extent-assumed", "info", "the file does not say when trials start and stop", "--events"),
        Kind("noise-clusters", "info", "clusters that the sorter calls noise: left out"),
        Kind("unsorted-clusters", "info", "unsorted spikes kept as units", "--units"),
        Kind("tables-rescaled", "info", "tables shared the spikes' unit of time and were scaled with them"),
        Kind("events-file", "info", "trials read from the events file"),
    )
}


def found(
    finding_id: str, message: str, *, count: int = 0, unit: str | None = None, option: str | None = None
) -> Finding:
    """Return a finding of a registered kind; ``option`` makes the kind's option more exact."""
    kind = FINDINGS[finding_id]
    return Finding(
        kind.id, kind.level, message, count=count, unit=unit, option=kind.option if option is None else option or None
    )


def fatal(path: object, finding_id: str, message: str, option: str | None = None) -> RecordingError:
    """Return the error of a finding after which nothing can be read."""
    kind = FINDINGS[finding_id]
    return RecordingError(path, message, option or kind.option, finding_id)


class Train:
    """One spike train (spike,) float64 and what several checks need of it, computed once.

    ``shortest_isi`` is the smallest step between successive stored times: NaN where a time is missing, infinity where
    there are fewer than two. ``is_plain`` says that times are finite, ascending and no padding: most trains are, and
    then need no further look.
    """

    def __init__(self, times: FloatArray, observed: FloatArray | None = None, span_s: float | None = None) -> None:
        self.times, self.observed, self._span_s = times, observed, span_s
        with np.errstate(invalid="ignore"):
            self.shortest_isi = float((times[1:] - times[:-1]).min()) if len(times) > 1 else np.inf
        self.is_plain = len(times) == 0 or (
            self.shortest_isi >= 0
            and bool(times[0] > -NO_TIME_S and times[-1] < NO_TIME_S)
            and not (self.shortest_isi == 0 and times[0] == times[1] == -1.0)
        )

    @cached_property
    def isi(self) -> FloatArray:
        """Steps between successive stored times (spike - 1,)."""
        return self.times[1:] - self.times[:-1]

    @cached_property
    def duration_s(self) -> float:
        """Observed time, or from the first to the last spike where that is not known."""
        if self.observed is not None and len(self.observed):
            return float(np.sum(self.observed[:, 1] - self.observed[:, 0]))
        if self._span_s:
            return self._span_s
        return float(self.times[-1] - self.times[0]) if len(self.times) > 1 else 0.0

    @cached_property
    def n_short(self) -> int:
        """Intervals under 1 ms, exact duplicates among them; an interval of 1 ms on a 1 ms grid is none."""
        if self.shortest_isi >= SHORT_ISI_S - TIME_ROUNDING_S:
            return 0
        return int(np.count_nonzero(self.isi < SHORT_ISI_S - TIME_ROUNDING_S))

    @cached_property
    def violations(self) -> Violations:
        """Pairs of spikes within 1.5 ms of each other, in observed time."""
        tau_s = VIOLATION_S - TIME_ROUNDING_S
        n_pairs = pairs_within(self.times, tau_s) if self.shortest_isi < tau_s else 0
        return Violations(n_pairs, len(self.times), self.duration_s)


TrainCheck = Callable[[Train], int]
#: Checks of times as stored, of short intervals, and of trains in general.
STORED_CHECKS: dict[str, TrainCheck] = {}
ISI_CHECKS: dict[str, TrainCheck] = {}
TRAIN_CHECKS: dict[str, TrainCheck] = {}
TABLE_CHECKS: dict[str, Callable[[pd.DataFrame], int]] = {}


def _register(registry: dict[str, Callable[..., int]], finding_id: str) -> Callable[..., Callable[..., int]]:
    assert finding_id in FINDINGS

    def add(function: Callable[..., int]) -> Callable[..., int]:
        registry[finding_id] = function
        return function

    return add


@_register(STORED_CHECKS, "spike-times-nan")
def nan_times(train: Train) -> int:
    """Return how many times are NaN."""
    return 0 if train.is_plain else int(np.count_nonzero(np.isnan(train.times)))


@_register(STORED_CHECKS, "spike-times-infinite")
def infinite_times(train: Train) -> int:
    """Return how many times are infinite, or beyond any clock (damage)."""
    return 0 if train.is_plain else int(np.count_nonzero(np.abs(train.times) > NO_TIME_S))


@_register(STORED_CHECKS, "spike-times-sentinel")
def sentinel_times(train: Train) -> int:
    """Return how many times are padding: -1 out of order or repeated, zeros at the end."""
    return 0 if train.is_plain else int(np.count_nonzero(sentinels(train.times)))


def sentinels(times: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which times (spike,) are padding and no spikes."""
    is_sentinel: npt.NDArray[np.bool_] = np.asarray(times == -1.0)
    if is_sentinel.sum() == 1:
        place = int(np.flatnonzero(is_sentinel)[0])
        is_sentinel[place] = place > 0 and bool(np.any(times[:place] > -1.0))
    spikes = np.flatnonzero((times != 0.0) & ~is_sentinel & np.isfinite(times))
    if len(spikes) and times[spikes[-1]] > 0:
        is_sentinel[spikes[-1] + 1 :] |= times[spikes[-1] + 1 :] == 0.0
    return is_sentinel


@_register(STORED_CHECKS, "clock-reset")
def clock_resets(train: Train) -> int:
    """Return how often time steps back by more than 1 s, padding apart."""
    return 0 if train.is_plain else int(np.count_nonzero(_steps(train) < -CLOCK_RESET_S))


@_register(STORED_CHECKS, "spike-times-unsorted")
def jitter(train: Train) -> int:
    """Return how often time steps back by up to 1 s, padding apart."""
    if train.is_plain:
        return 0
    steps = _steps(train)
    return int(np.count_nonzero((steps < 0) & (steps >= -CLOCK_RESET_S)))


def _steps(train: Train) -> FloatArray:
    return np.diff(train.times[np.isfinite(train.times) & ~sentinels(train.times)])


@_register(ISI_CHECKS, "duplicate-spikes")
def duplicates(train: Train) -> int:
    """Return how many spikes repeat the time of the one before."""
    return 0 if train.shortest_isi > 0 else int(np.count_nonzero(train.isi == 0))


@_register(ISI_CHECKS, "short-isis")
def short_isis(train: Train) -> int:
    """Return how many intervals are under 1 ms, exact duplicates (counted apart) left out."""
    return train.n_short - duplicates(train)


@_register(ISI_CHECKS, "contaminated-unit")
def refractory_violations(train: Train) -> int:
    """Return the number of pairs of spikes within 1.5 ms where they tell of 10 % foreign spikes or more."""
    return train.violations.n_pairs if train.violations.gate in ("doubtful", "contaminated") else 0


@_register(TRAIN_CHECKS, "spikes-outside-observed")
def spikes_outside_observed(train: Train) -> int:
    """Return how many spikes lie outside the (merged) observed intervals."""
    if train.observed is None:
        return 0
    edges = train.observed + np.array([-TIME_ROUNDING_S, TIME_ROUNDING_S])
    inside = np.diff(np.searchsorted(train.times, edges), axis=1).sum()
    return int(len(train.times) - inside)


@_register(TRAIN_CHECKS, "silent-unit")
def silent(train: Train) -> int:
    """Return 1 where there is no spike."""
    return int(len(train.times) == 0)


@_register(TRAIN_CHECKS, "negative-times")
def negative_times(train: Train) -> int:
    """Return how many spikes lie before the session's time zero."""
    return int(np.searchsorted(train.times, 0.0)) if len(train.times) and train.times[0] < 0 else 0


@_register(TABLE_CHECKS, "event-times-nan")
def rows_without_time(table: pd.DataFrame) -> int:
    """Return how many rows have no start (or no stop) time."""
    return int(missing_time(table).sum())


def missing_time(table: pd.DataFrame) -> pd.Series[bool]:
    """Return which rows have no finite start or stop time."""
    columns = [column for column in ("start_time", "stop_time") if column in table]
    return ~pd.DataFrame(np.isfinite(table[columns].to_numpy(np.float64)), index=table.index).all(axis=1)


@_register(TABLE_CHECKS, "intervals-not-positive")
def intervals_not_positive(table: pd.DataFrame) -> int:
    """Return how many rows stop at or before their start."""
    return int((table["stop_time"] <= table["start_time"]).sum()) if "stop_time" in table else 0


@_register(TABLE_CHECKS, "event-times-equal")
def all_start_together(table: pd.DataFrame) -> int:
    """Return the number of rows where there are several and all start at the same time."""
    starts = table["start_time"].dropna()
    return len(starts) if len(starts) > 1 and starts.nunique() == 1 else 0


def overlaps(observed: FloatArray) -> int:
    """Return how many intervals (interval, 2) start before an earlier one has stopped."""
    ordered = observed[np.argsort(observed[:, 0], kind="stable")]
    latest_stop = np.maximum.accumulate(ordered[:, 1])
    return int(np.count_nonzero(ordered[1:, 0] < latest_stop[:-1] - TIME_ROUNDING_S))


def train_counts(as_stored: Train, cleaned: Train) -> Iterator[tuple[str, int]]:
    """Yield (finding id, count) of every check that finds something in a train, as stored and as cleaned.

    A train that is plain and has no short interval (most have none) is spared the checks that look for such.
    """
    if not as_stored.is_plain:
        yield from _counts(STORED_CHECKS, as_stored)
    if cleaned.shortest_isi < VIOLATION_S:
        yield from _counts(ISI_CHECKS, cleaned)
    yield from _counts(TRAIN_CHECKS, cleaned)


def _counts(registry: Mapping[str, TrainCheck], train: Train) -> Iterator[tuple[str, int]]:
    for finding_id, check in registry.items():
        count = check(train)
        if count:
            yield finding_id, count


def grouped(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings with those of one id and level over several units put together; errors first.

    The message of a group is its kind's meaning with the number of units and the three that it concerns most.
    """
    order = {"error": 0, "warning": 1, "info": 2}
    groups: dict[str, list[Finding]] = {}
    for item in findings:
        groups.setdefault(item.id if item.unit is not None else f"{item.id} {item.message}", []).append(item)
    merged = [members[0] if len(members) == 1 else _together(members) for members in groups.values()]
    return sorted(merged, key=lambda item: order[item.level])


def _together(members: list[Finding]) -> Finding:
    worst = sorted(members, key=lambda item: -item.count)
    kind = FINDINGS.get(members[0].id)
    named = ", ".join(f"{item.unit} ({item.count})" for item in worst[:3]) + (", ..." if len(worst) > 3 else "")
    meaning = kind.meaning if kind else members[0].message
    message = f"{len(members)} units: {meaning}; {named}"
    return Finding(
        members[0].id, members[0].level, message, count=sum(item.count for item in members), option=members[0].option
    )
