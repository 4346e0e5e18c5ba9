"""From a reader's contents to a Recording: options are applied, everything is checked, spike times are cleaned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.recording.checks.clean import clean_intervals, clean_table, clean_times, close_intervals, timed_rows
from rnnspike.recording.checks.clock import (
    clock_signs,
    count_restarts,
    events_scale_finding,
    sampling_rate_finding,
    scale_finding,
    tables_end,
    trial_relative_finding,
    with_sampling_rate_option,
)
from rnnspike.recording.checks.rescale import apply_clock_options
from rnnspike.recording.checks.shared_spikes import shared_findings
from rnnspike.recording.checks.spike_trains import Train, train_counts
from rnnspike.recording.checks.tables import TABLE_CHECKS, rows_without_start, unknown_times
from rnnspike.recording.checks.times import known_times, overlaps
from rnnspike.recording.contents import Contents, RawUnit, as_float, repeated_ids, unique_names
from rnnspike.recording.data import Finding, FloatArray, ReadOptions, Recording, Unit
from rnnspike.recording.findings import TABLES_UNREAD, found
from rnnspike.recording.provenance import StoredRecording
from rnnspike.wording import counted

#: Formats whose spike times are sample indices, converted to seconds by a sampling rate.
SAMPLED = ("Phy", "KlustaKwik")
#: Messages of the findings of a unit, after the count.
_MESSAGES = {
    "spike-times-nan": "spike time{s} {are} NaN: dropped",
    "spike-times-infinite": "spike time{s} {are} infinite: write the file again",
    "spike-times-sentinel": "spike time{s} {are} padding (-1 or zeros at the end): dropped",
    "clock-reset": "time{s} step{v} back by more than 1 s: the clock was reset, or recordings were joined; split the "
    "file there",
    "spike-times-unsorted": "time{s} step{v} back by less than 1 s: sorted",
    "duplicate-spikes": "spike{s} repeat{v} a time exactly: kept",
    "duplicates-dropped": "spike{s} repeat{v} a time exactly: dropped",
    "short-isis": "interval{s} {are} under 1 ms: kept",
    "contaminated-unit": "pair{s} of spikes within 1.5 ms",
    "spikes-outside-observed": "spike{s} lie{v} outside the observed intervals: not scored",
    "silent-unit": "no spikes: kept, its metrics are null",
    "negative-times": "spike{s} lie{v} before time zero",
    "obs-intervals-overlap": "observed interval{s} overlap{v} an earlier one: merged",
    "obs-intervals-bad": "observed interval{s} {have} no duration or no times: dropped",
    "obs-intervals-open": "observed interval{s} {have} no end: extended to the end of the recording",
}
_UNIT_LEVEL_FLAG = {"silent-unit"}


def assemble(path: Path, contents: Contents, options: ReadOptions) -> Recording:
    """Return the recording of a reader's contents with all findings; bad contents raise nothing."""
    stored = _with_distinct_ids(_with_clean_tables(contents))
    contents = apply_clock_options(stored, options)
    units, trains, findings = _checked_units(contents, options)
    intervals, events, table_findings = _checked_tables(contents)
    back = {item.unit for item in findings if item.id in ("clock-reset", "spike-times-unsorted")}
    resets = {raw.id: count_restarts(raw.times) for raw in contents.units if raw.id in back}
    invalid_s, invalid_findings = _checked_invalid(contents)
    clock = _clock_findings(contents, trains, resets)
    if clock and options.time_scale is not None:
        clock = [_with_time_scale_option(clock[0], options.time_scale, stored, trains, resets)]
    elif contents.format in SAMPLED and options.sampling_rate_hz is not None:
        clock = _sampling_rate_findings(clock, trains, {**events, **intervals}, options.sampling_rate_hz)
    if any(item.id == "trial-relative-times" for item in clock):
        findings = [item for item in findings if item.id not in ("clock-reset", "spike-times-unsorted")]
    sources = () if contents.in_memory else contents.sources or (path,)
    return StoredRecording(
        path=path,
        sha256="",
        size_bytes=sum(source.stat().st_size for source in sources),
        sources=sources,
        format=contents.format,
        units=units,
        intervals=intervals,
        events=events,
        covariates=contents.covariates,
        invalid_s=invalid_s,
        span_s=_credible_span(contents.span_s, trains),
        session=contents.session,
        findings=tuple(
            dict.fromkeys(
                [
                    *clock,
                    *contents.findings,
                    *findings,
                    *table_findings,
                    *invalid_findings,
                    *_whole_findings(contents, units, intervals, events),
                ]
            )
        ),
    )


def _with_distinct_ids(contents: Contents) -> Contents:
    """Return the contents with unique unit ids, which all later steps require."""
    ids = [unit.id for unit in contents.units]
    repeated = repeated_ids(ids)
    if not repeated:
        return contents
    units = tuple(replace(unit, id=own) for unit, own in zip(contents.units, unique_names(ids), strict=True))
    return replace(contents, units=units, findings=(*contents.findings, *repeated))


def _with_clean_tables(contents: Contents) -> Contents:
    return replace(
        contents,
        intervals={name: clean_table(table) for name, table in contents.intervals.items()},
        events={name: clean_table(table) for name, table in contents.events.items()},
    )


def _checked_units(
    contents: Contents, options: ReadOptions
) -> tuple[tuple[Unit, ...], dict[str, FloatArray], list[Finding]]:
    units, findings = [], []
    duration_s = contents.span_s[1] - contents.span_s[0] if contents.span_s else None
    for raw in contents.units:
        observed, observed_findings = _checked_observed(raw, contents)
        findings += observed_findings
        as_stored = Train(raw.times, observed, duration_s)
        times = clean_times(as_stored, drop_duplicates=options.drop_duplicates)
        cleaned = as_stored if times is raw.times else Train(times, observed, duration_s)
        findings += _unit_findings(raw.id, as_stored, cleaned)
        if options.drop_duplicates and (dropped := len(clean_times(as_stored)) - len(times)):
            message = _message("duplicates-dropped", raw.id, dropped)
            findings.append(found("duplicates-dropped", message, count=dropped, unit=raw.id))
        units.append(Unit(raw.id, times, observed, raw.metadata))
    return tuple(units), {unit.id: unit.spike_times_s for unit in units}, findings


def _unit_findings(unit_id: str, as_stored: Train, cleaned: Train) -> list[Finding]:
    return [
        found(finding_id, _message(finding_id, unit_id, count, cleaned), count=count, unit=unit_id)
        for finding_id, count in train_counts(as_stored, cleaned)
    ]


def _message(finding_id: str, unit_id: str, count: int, train: Train | None = None) -> str:
    if finding_id in _UNIT_LEVEL_FLAG:
        return f"unit {unit_id}: {_MESSAGES[finding_id]}"
    text = f"unit {unit_id}: {counted(count, _MESSAGES[finding_id])}"
    if finding_id == "contaminated-unit" and train is not None:
        share = train.violations.contamination
        text += (
            f": about {share:.0%} foreign spikes" if share < 0.5 else ": as many as expected between unrelated spikes"
        )
    return text


def _checked_observed(raw: RawUnit, contents: Contents) -> tuple[FloatArray | None, list[Finding]]:
    """Return a unit's observed intervals (None if the file has no usable ones) and the findings."""
    if raw.observed is None:
        return None, []
    observed = as_float(raw.observed)
    is_open = ~known_times(observed).all(axis=1) & ~np.isnan(observed).any(axis=1)
    if is_open.any():
        observed = close_intervals(observed, extent(contents))
    usable = observed[:, 1] > observed[:, 0]
    counts = {
        "obs-intervals-bad": int((~usable).sum()),
        "obs-intervals-open": int((is_open & usable).sum()),
        "obs-intervals-overlap": overlaps(observed[usable]),
    }
    none_left = "; none is left: treated as not stated" if len(observed) and not usable.any() else ""
    findings = [
        found(finding_id, _message(finding_id, raw.id, count) + none_left, count=count, unit=raw.id)
        for finding_id, count in counts.items()
        if count
    ]
    return None if none_left else clean_intervals(observed), findings


def extent(contents: Contents) -> tuple[float, float]:
    """Return start and stop of a recording: its span, or the extent of spikes, tables and intervals."""
    if contents.span_s is not None:
        return contents.span_s
    tables = [*contents.intervals.values(), *contents.events.values()]
    times = [unit.times for unit in contents.units]
    times += [unit.observed.ravel() for unit in contents.units if unit.observed is not None]
    times += [
        table[name].to_numpy(np.float64) for table in tables for name in ("start_time", "stop_time") if name in table
    ]
    ends = [(each.min(), each.max()) for each in (part[known_times(part)] for part in times) if len(each)]
    return (float(min(low for low, _ in ends)), float(max(high for _, high in ends))) if ends else (0.0, 0.0)


def _checked_invalid(contents: Contents) -> tuple[FloatArray, list[Finding]]:
    n_bad = int((~(contents.invalid_s[:, 1] > contents.invalid_s[:, 0])).sum())
    message = f"{n_bad} invalid times have no duration or no times: not used"
    return clean_intervals(contents.invalid_s), [found("invalid-times-bad", message, count=n_bad)] if n_bad else []


def _checked_tables(
    contents: Contents,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], list[Finding]]:
    """Return interval and event tables, and their findings."""
    intervals: dict[str, pd.DataFrame] = {}
    events: dict[str, pd.DataFrame] = {}
    findings: list[Finding] = []
    for name, table in {**contents.events, **contents.intervals}.items():
        if why := _no_durations(table):
            message = f"table {name}: {why}: treated as events"
            findings.append(found("intervals-are-events", message, count=len(table)))
            table = table.drop(columns="stop_time")
        findings += _table_findings(name, table)
        (intervals if "stop_time" in table else events)[name] = timed_rows(table)
    return intervals, events, findings


def _no_durations(table: pd.DataFrame) -> str:
    """Return why no row of an interval table has a duration; an empty text if some have one."""
    if "stop_time" not in table or len(table) == 0:
        return ""
    unknown = unknown_times(table, "stop_time")
    if unknown.all():
        return f"none of {len(table)} rows has a stop time"
    at_once = unknown | (table["stop_time"] == table["start_time"]).to_numpy()
    return f"all {len(table)} rows stop when they start" if at_once.all() else ""


def _table_findings(name: str, table: pd.DataFrame) -> list[Finding]:
    messages = {
        "event-times-nan": "rows have no start time: used only with another column as time zero",
        "stop-times-nan": "rows have no stop time: used only with a window",
        "intervals-not-positive": "rows stop at or before their start: used only with a window",
        "event-times-equal": "rows all start at the same time: spikes cannot be aligned to them",
    }
    findings = []
    for finding_id, check in TABLE_CHECKS.items():
        count = check(table)
        if count and (name == "trials" or finding_id != "event-times-equal"):
            findings.append(found(finding_id, f"table {name}: {count} {messages[finding_id]}", count=count))
    return findings


def _clock_findings(contents: Contents, trains: Mapping[str, FloatArray], resets: Mapping[str, int]) -> list[Finding]:
    if any(item.id == "sampling-rate-missing" for item in contents.findings):
        return []
    events = events_scale_finding(trains, {**contents.events, **contents.intervals})
    if events:
        return [events]
    relative = trial_relative_finding(trains, resets, contents.intervals)
    if relative:
        return [relative]
    observed = [unit.observed for unit in contents.units if unit.observed is not None]
    stop = tables_end([*contents.intervals.values()], observed, contents.span_s)
    scale = scale_finding(clock_signs(list(trains.values()), stop), contents.resolution_s)
    return [scale] if scale else []


def _with_time_scale_option(
    finding: Finding, scale: float, stored: Contents, trains: Mapping[str, FloatArray], resets: Mapping[str, int]
) -> Finding:
    """Return a finding of the clock, with the option that corrects a given time scale: none, or another one."""
    without = _clock_findings(stored, {unit: times / scale for unit, times in trains.items()}, resets)
    message = f"with --time-scale {scale:g}, {finding.message}"
    return replace(finding, message=message, option=without[0].option if without else "leaving out --time-scale")


def _sampling_rate_findings(
    clock: list[Finding], trains: Mapping[str, FloatArray], tables: Mapping[str, pd.DataFrame], rate_hz: float
) -> list[Finding]:
    if clock:
        return [with_sampling_rate_option(finding, rate_hz) for finding in clock]
    doubt = sampling_rate_finding(trains, tables, rate_hz)
    return [doubt] if doubt else []


def _credible_span(
    span_s: tuple[float, float] | None, trains: Mapping[str, FloatArray]
) -> tuple[float, float] | None:
    """Return the span if it contains all spikes (to a second); otherwise it describes something else."""
    if span_s is None:
        return None
    ends = [(times[0], times[-1]) for times in trains.values() if len(times)]
    inside = all(span_s[0] - 1.0 <= first and last <= span_s[1] + 1.0 for first, last in ends)
    return span_s if inside else None


def _whole_findings(
    contents: Contents,
    units: Sequence[Unit],
    intervals: Mapping[str, pd.DataFrame],
    events: Mapping[str, pd.DataFrame],
) -> list[Finding]:
    """Return the findings about the recording as a whole."""
    findings = [*_identical_units(units), *shared_findings(units)]
    if not units:
        findings.append(found("no-units-table", "the recording has no units: sort the spikes first", option=""))
    n_spikes = sum(len(unit.spike_times_s) for unit in units)
    if contents.times_as_stored in ("float32", "float16") and n_spikes:
        last = max(float(unit.spike_times_s[-1]) for unit in units if len(unit.spike_times_s))
        step_us = float(np.spacing(np.asarray(last, dtype=contents.times_as_stored))) * 1e6
        message = f"spike times are stored as {contents.times_as_stored}: rounded to {step_us:.3g} us at the end"
        findings.append(found("float32-times", message, count=n_spikes))
    unobserved = [unit.id for unit in units if unit.observed_s is None]
    if unobserved:
        message = (
            f"{len(unobserved)} of {len(units)} units have no observed intervals: "
            "exposure is assumed to be the trials"
        )
        findings.append(found("no-obs-intervals", message, count=len(unobserved)))
    tables = alignable_tables(intervals, events)
    if not tables and not any(item.id in TABLES_UNREAD for item in contents.findings):
        findings.append(found("no-trials", "no table of trials or events to align to"))
    elif len(tables) > 1:
        default = f"the default is {tables[0]}" if tables[0] in ("trials", "epochs") else "choose one"
        message = f"tables to align to: {', '.join(tables)}; {default}"
        findings.append(found("several-tables", message, count=len(tables)))
    return findings


def alignable_tables(intervals: Mapping[str, pd.DataFrame], events: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the tables that define trials: at least two rows with times (epochs: five), the default first."""
    n_rows = {name: len(table) - rows_without_start(table) for name, table in {**events, **intervals}.items()}
    enough = [name for name in intervals if n_rows[name] >= (5 if name == "epochs" else 2) or name == "trials"]
    enough.sort(key=lambda name: {"trials": 0, "epochs": 1}.get(name, 2))
    return enough + [name for name in events if n_rows[name] >= 2 and name not in enough]


def _identical_units(units: Sequence[Unit]) -> list[Finding]:
    seen: dict[tuple[int, float, float], list[Unit]] = {}
    findings = []
    for unit in units:
        times = unit.spike_times_s
        if len(times) < 10:
            continue
        twins = seen.setdefault((len(times), float(times[0]), float(times[-1])), [])
        twin = next((other for other in twins if np.array_equal(other.spike_times_s, times)), None)
        if twin:
            message = f"units {twin.id} and {unit.id} have the same {len(times)} spikes"
            findings.append(found("units-identical", message, count=len(times)))
        twins.append(unit)
    return findings
