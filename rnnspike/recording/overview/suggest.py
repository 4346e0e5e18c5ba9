"""The suggested fit command for a recording: the event at time zero, the window, the condition and the input.

Candidate events are compared by the modulation of firing rates around them: with the mean counts (bin,) of odd rows a
and even rows b around the event, and the mean count m of a bin over the whole recording,

    depth^2 = sum over units of mean_k (a - mean a)(b - mean b)  /  sum over units of m^2

estimates the variance of the rate over its squared mean. Noise that rows do not share (bursts included) cancels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.recording.checks.assemble import alignable_tables
from rnnspike.recording.checks.clean import time_columns
from rnnspike.recording.checks.time_series import series_findings
from rnnspike.recording.checks.times import known_times
from rnnspike.recording.data import Covariate, FloatArray, ReadOptions, Recording
from rnnspike.recording.overview.summary import column_summaries, extent_s
from rnnspike.units_of_time import DURATIONS
from rnnspike.wording import command_line

#: Names of columns that hold experimental conditions, best first.
_CONDITION_NAMES = re.compile(
    r"condition|stim(ulus)?|odou?r|direction|orientation|contrast|object|target|image|frequency|cue|sound|side|"
    r"label|type|step|amplitude|intensity",
    re.IGNORECASE,
)
_ONSET = re.compile(r"stim|onset|odou?r|cue|go_|target|sound|song|image|zero|_on|start", re.IGNORECASE)
_OFFSET = re.compile(r"(^|_|[a-z])(off(set)?|stop|end)(_?times?|_s)?$", re.IGNORECASE)
#: Series that drive the cell in every kind of trial, by their name, kind or unit.
_DRIVE = re.compile(r"inject|current|stimul|command|drive|input|optogenetic|laser", re.IGNORECASE)
_AMPERE = re.compile(r"^([pnuµm]|pico|nano|micro|milli)?(A|amp(ere)?s?)$")
#: Kinds of series that are recorded responses, not inputs.
_RESPONSES = ("ElectricalSeries", "signal", "SpikeEventSeries", "CurrentClampSeries", "VoltageClampSeries")
#: A condition is suggested if its rarest level has this many trials: one per outer fold.
MIN_TRIALS_PER_CONDITION = 5
#: Signals with more channels are recorded responses, not inputs.
MAX_INPUT_CHANNELS = 8
#: Shortest useful trial (s); intervals that a window around an event must hold, and limits of its length (s).
MIN_TRIAL_S, MIN_INTERVALS, MIN_WINDOW_S, MAX_WINDOW_S = 0.2, 5, 0.2, 1.0
#: Window around an event in which rates are compared (s), bin width (s), and most rows and units used.
BEFORE_S, AFTER_S, BIN_S, MAX_ROWS, MAX_UNITS = 0.25, 0.75, 0.025, 300, 12
#: Another event is preferred if its squared depth is larger by this factor and by this many standard errors.
MIN_DEPTH_RATIO, MIN_STANDARD_ERRORS = 1.25, 3.0
#: A slow rhythm: shortest period (s) that segments of two seconds are too short for, bins to look for it (s and most
#: of them), fewest spikes, and by how much the periods of units may differ.
SLOW_S, RHYTHM_BIN_S, MAX_RHYTHM_BINS, MIN_RHYTHM_SPIKES, RHYTHM_WITHIN = 1.0, 0.02, 200_000, 100, 0.15
#: Most events compared, and most alternatives listed.
MAX_EVENTS, MAX_ALTERNATIVES = 24, 4


@dataclass(frozen=True)
class Event:
    """A column of times that can be time zero; ``options`` are the command-line options for it.

    ``squared_depth`` is the variance of the rate over its squared mean within the ``seconds`` around the event,
    ``error`` its standard error.
    """

    table: str
    column: str
    options: tuple[str, ...]
    seconds: float
    squared_depth: float
    error: float

    @property
    def name(self) -> str:
        """Table and column."""
        return f"{self.table}.{self.column}"

    @property
    def depth(self) -> float:
        """Standard deviation of the rate over its mean."""
        return float(np.sqrt(max(self.squared_depth, 0.0)))

    @property
    def is_offset(self) -> bool:
        """Return whether the event is the end of something."""
        return bool(_OFFSET.search(self.column))

    def beats(self, other: Event) -> bool:
        """Return whether rates are modulated more by this event than by another one."""
        mine, others = self.squared_depth * self.seconds, other.squared_depth * other.seconds
        error = np.hypot(self.error * self.seconds, other.error * other.seconds)
        return bool(mine > MIN_DEPTH_RATIO * others and mine - others > MIN_STANDARD_ERRORS * error)


@dataclass(frozen=True)
class Suggestion:
    """The suggested fit command, the event that it aligns to (None: segments), and commands for other events.

    ``options`` are those of the command; ``rhythm_s`` is the period of a slow rhythm that most units share, and
    ``rhythm_line`` the command for it.
    """

    line: str
    options: tuple[str, ...]
    event: Event | None
    alternatives: tuple[tuple[Event, str], ...] = ()
    rhythm_s: float | None = None
    rhythm_line: str | None = None

    @property
    def depth(self) -> float | None:
        """Depth of modulation around the event, None without one."""
        return self.event.depth if self.event else None


def suggested_fit(recording: Recording, options: ReadOptions | None = None) -> Suggestion | None:
    """Return the suggested ``rnnspike fit`` command for a recording, with the read options that it needed.

    None without spikes, or if a finding of level error prevents a fit.
    """
    if not any(len(unit.spike_times_s) for unit in recording.units):
        return None
    if any(item.level == "error" for item in recording.findings):
        return None

    reading = _read_options(options or ReadOptions())

    def line(arguments: Sequence[str]) -> str:
        words = ["rnnspike", "fit", str(recording.path), *reading, *arguments]
        return command_line(words)

    events = list(alignable_events(recording))
    best = best_event(events)
    if best is None:
        covariates, rhythm_s = _covariate_options(recording, any_series=True), slow_rhythm(recording)
        slow = None if rhythm_s is None else line([*_rhythm_options(rhythm_s, recorded_s(recording)), *covariates])
        chosen = ["--segment", _segment(recording), *covariates]
        return Suggestion(line(chosen), (*reading, *chosen), None, rhythm_s=rhythm_s, rhythm_line=slow)
    others = sorted((event for event in events if event is not best), key=lambda event: -event.squared_depth)
    chosen = _event_options(recording, best)
    return Suggestion(
        line(chosen),
        (*reading, *chosen),
        best,
        tuple((event, line(_event_options(recording, event))) for event in others[:MAX_ALTERNATIVES]),
    )


def best_event(events: Sequence[Event]) -> Event | None:
    """Return the first event that no other one clearly beats; an end of something only if there is nothing else."""
    onsets = [event for event in events if not event.is_offset] or list(events)
    best = onsets[0] if onsets else None
    for event in onsets[1:]:
        best = event if best is None or event.beats(best) else best
    return best


def alignable_events(recording: Recording) -> Iterator[Event]:
    """Yield the events with enough rows and long enough windows, in order of preference if rates do not differ."""
    trains = sorted((unit.spike_times_s for unit in recording.units), key=len, reverse=True)[:MAX_UNITS]
    need_s = _min_window_s(trains)
    n_seen = 0
    for name in alignable_tables(recording.intervals, recording.events):
        table = recording.intervals.get(name, recording.events.get(name, pd.DataFrame()))
        for column in _columns(table):
            window_s, window_options = _window(table, column, need_s)
            if window_s is None or n_seen >= MAX_EVENTS:
                continue
            n_seen += 1
            zero_s = np.sort(table[column].to_numpy(np.float64))
            low, high = max(window_s[0], -BEFORE_S), min(window_s[1], AFTER_S)
            aligned = () if column == "start_time" else ("--align", column)
            found = modulation(trains, zero_s[known_times(zero_s)], (low, high))
            yield Event(name, column, (*aligned, *window_options), high - low, *found)


def _columns(table: pd.DataFrame) -> list[str]:
    """Return the columns with a time in most rows: onsets at variable times within trials first, then the start."""
    start = table["start_time"].to_numpy(np.float64)
    ranked = []
    seen: list[FloatArray] = []
    for name in time_columns(table):
        values = table[name].to_numpy(np.float64)
        if any(np.array_equal(values, other, equal_nan=True) for other in seen):
            continue  # the same times under two names are one event
        seen.append(values)
        known = known_times(values)
        if name == "stop_time" or known.sum() < MIN_TRIALS_PER_CONDITION or known.mean() < 0.9:
            continue
        moves = name != "start_time" and float(np.nanstd((values - start)[known])) >= 0.001
        onset = moves and "stop_time" in table and bool(_ONSET.search(name)) and not _OFFSET.search(name)
        ranked.append((0 if onset else 1 if name == "start_time" else 2, name))
    return [name for _, name in sorted(ranked, key=lambda each: each[0])]


def _min_window_s(trains: Sequence[FloatArray]) -> float:
    """Return the window length around events that holds several intervals of a typical unit, s."""
    typical = [float(np.median(np.diff(times[:20_000]))) for times in trains if len(times) > 1]
    return float(np.clip(MIN_INTERVALS * np.median(typical), MIN_WINDOW_S, MAX_WINDOW_S)) if typical else 1.0


def _window(table: pd.DataFrame, column: str, need_s: float) -> tuple[tuple[float, float] | None, list[str]]:
    """Return the window around an event and its options; None if events are too dense.

    Within the trials if these are long enough, else within the time between events.
    """
    zero = table[column].to_numpy(np.float64)
    if "stop_time" in table:
        start, stop = (table[name].to_numpy(np.float64) for name in ("start_time", "stop_time"))
        before, after = zero - start, stop - zero
        known = np.isfinite(before) & np.isfinite(after) & (stop > start)
        if known.mean() >= 0.9 and column == "start_time" and float(np.median(after[known])) >= MIN_TRIAL_S:
            return (0.0, float(np.median(after[known]))), []
        low, high = (float(np.floor(side[known].min(initial=np.inf) * 100) / 100) for side in (before, after))
        if known.mean() >= 0.9 and low + high >= MIN_TRIAL_S and low >= 0 and high > 0:
            return _window_options(-low, high)
    gaps = np.diff(np.sort(zero[known_times(zero)]))
    gap_s = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else 0.0
    low, high = min(0.5, np.floor(gap_s * 25) / 100), min(1.0, np.floor(gap_s * 60) / 100)
    return _window_options(-low, high) if low + high >= need_s else (None, [])


def _window_options(low_s: float, high_s: float) -> tuple[tuple[float, float], list[str]]:
    bare = DURATIONS["window"]
    edges = [f"{edge:g}{'' if bare.low_s <= edge <= bare.high_s else 's'}" for edge in (low_s + 0.0, high_s)]
    return (low_s, high_s), ["--window", *edges]


def modulation(
    trains: Sequence[FloatArray], zero_s: FloatArray, window_s: tuple[float, float]
) -> tuple[float, float]:
    """Return the squared depth of modulation of trains around events (row,) within a window, and its error."""
    low, high = window_s
    n_bins = int((high - low) / BIN_S + 1e-6)
    zero_s = zero_s[:: -(-len(zero_s) // MAX_ROWS)]
    edges = zero_s[:, None] + low + BIN_S * np.arange(n_bins + 1)
    shared = noise = size = 0.0
    for times in trains:
        counts = np.diff(np.searchsorted(times, edges), axis=1)  # (row, bin)
        odd, even = counts[::2].mean(axis=0), counts[1::2].mean(axis=0)
        shared += float(np.mean((odd - odd.mean()) * (even - even.mean())))
        noise += float(odd.mean() * even.mean()) * 4 / len(zero_s) ** 2 / n_bins  # variance of that if Poisson
        size += (len(times) * BIN_S / max(float(np.ptp(times)), BIN_S)) ** 2 if len(times) else 0.0
    return shared / size, float(np.sqrt(noise)) / size


def _read_options(options: ReadOptions) -> list[str]:
    pairs: list[tuple[str, Any]] = [
        ("--time-scale", options.time_scale),
        ("--event-offset", options.event_offset_s or None),
        ("--events", options.events_file),
        ("--units-table", options.units_table),
        ("--sampling-rate", options.sampling_rate_hz),
    ]
    arguments = [word for flag, value in pairs if value is not None for word in (flag, _plain(value))]
    arguments += ["--drop-duplicates"] if options.drop_duplicates else []
    arguments += ["--allow-pickle"] if options.allow_pickle else []
    return arguments + (["--follow-links"] if options.follow_links else [])


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _event_options(recording: Recording, event: Event) -> list[str]:
    """Return the options for trials around an event: table, alignment and window, condition, input."""
    names = alignable_tables(recording.intervals, recording.events)
    default = names == [event.table] or (event.table == names[0] and event.table in ("trials", "epochs"))
    table = recording.intervals.get(event.table, recording.events.get(event.table, pd.DataFrame()))
    options = [*([] if default else ["--trials", event.table]), *event.options]
    condition = suggested_condition(table)
    options += [] if condition is None else ["--condition", condition]
    return options + _covariate_options(recording, any_series=condition is None and _has_unique_values(table))


def suggested_condition(table: pd.DataFrame) -> str | None:
    """Return the column of experimental conditions, each with enough trials for the folds; None without one."""
    candidates = [
        column.name
        for column in column_summaries(table)
        if column.role == "condition"
        and _CONDITION_NAMES.search(column.name)
        and int(table[column.name].value_counts().min()) >= MIN_TRIALS_PER_CONDITION
    ]
    return min(candidates, key=_condition_rank, default=None)


def _condition_rank(name: str) -> int:
    match = _CONDITION_NAMES.search(name)
    words = _CONDITION_NAMES.pattern.split("|")
    return next((i for i, word in enumerate(words) if match and re.search(word, name, re.IGNORECASE)), len(words))


def _has_unique_values(table: pd.DataFrame) -> bool:
    """Return whether a column of conditions has a different value in most rows."""
    telling = [
        name for name in table.columns if _CONDITION_NAMES.search(str(name)) and not str(name).endswith("_time")
    ]
    return any(table[name].nunique() * 2 > len(table) for name in telling if name not in time_columns(table))


def _segment(recording: Recording) -> str:
    """Return a length that gives at least thirty segments if possible."""
    total_s = recorded_s(recording)
    return "2s" if total_s >= 60 else "1s" if total_s >= 15 else "500ms"


def recorded_s(recording: Recording) -> float:
    """Return how long a recording is (s): the longest observed time of a unit, where known."""
    recorded = [np.diff(unit.observed_s, axis=1).sum() for unit in recording.units if unit.observed_s is not None]
    return float(max(recorded)) if recorded else extent_s(recording)


def slow_rhythm(recording: Recording) -> float | None:
    """Return the period (s) of a rhythm of ``SLOW_S`` or longer that most of the busiest units share, else None."""
    from rnnspike.rhythm import spike_rhythm

    units = sorted(recording.units, key=lambda unit: len(unit.spike_times_s), reverse=True)[:MAX_UNITS]
    units = [unit for unit in units if len(unit.spike_times_s) >= MIN_RHYTHM_SPIKES]
    found = []
    for unit in units:
        times = unit.spike_times_s
        n_bins = min(int(np.ptp(times) / RHYTHM_BIN_S), MAX_RHYTHM_BINS)
        edges = times.min() + RHYTHM_BIN_S * np.arange(n_bins + 1)
        observed = recording.observes(unit, edges[:-1] + RHYTHM_BIN_S / 2)
        period_s = spike_rhythm(np.histogram(times, edges)[0][None], RHYTHM_BIN_S, observed=observed[None]).period_s
        found += [period_s] if period_s is not None and period_s >= SLOW_S else []
    if not found:
        return None
    period_s = float(np.median(found))
    agree = sum(abs(each / period_s - 1) <= RHYTHM_WITHIN for each in found)
    return period_s if 2 * agree > len(units) else None


def _rhythm_options(period_s: float, total_s: float) -> list[str]:
    """Return options for a slow rhythm: segments of two periods, or a tenth of the recording, and the past of one."""
    from rnnspike.rhythm import bin_for

    segment_s = max(min(np.ceil(2 * period_s), np.floor(total_s / 10)), 1.0)
    return ["--segment", f"{segment_s:g}s", "--burn-in", f"{np.ceil(period_s):g}s", "--bin", bin_for(period_s)]


def _covariate_options(recording: Recording, any_series: bool) -> list[str]:
    """Return the option for the first series that drives the cells, or (``any_series``) that may be an input."""
    inputs = [series for series in recording.covariates.values() if _is_input(series, recording)]
    drives = [series for series in inputs if _drives(series)]
    sound = (series.name for series in drives + (inputs if any_series else []) if _is_sound(series, recording))
    return [word for name in sound for word in ("--covariate", name)][:2]


def _drives(series: Covariate) -> bool:
    return bool(_DRIVE.search(series.name) or _DRIVE.search(series.kind) or _AMPERE.search(series.unit))


def _is_input(series: Covariate, recording: Recording) -> bool:
    """Return whether a series may be an input: few channels, not a recorded response, covers half the spikes."""
    if series.n_channels > MAX_INPUT_CHANNELS or series.kind in _RESPONSES:
        return False
    if series.span_s is None:
        return True
    inside = [np.diff(np.searchsorted(unit.spike_times_s, series.span_s))[0] for unit in recording.units]
    return bool(2 * sum(inside) >= sum(len(unit.spike_times_s) for unit in recording.units))


def _is_sound(series: Covariate, recording: Recording) -> bool:
    """Return whether a series has no finding that prevents its use; it is loaded."""
    return all(
        item.id in ("covariate-nan", "covariate-unsorted", "covariate-infinite")
        for item in series_findings(replace(recording, covariates={series.name: series}))
    )
