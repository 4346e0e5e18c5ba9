"""From what a reader found to a Recording: options applied, everything checked, what can be mended mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.recording import checks
from rnnspike.recording.checks import Train, found
from rnnspike.recording.clean import clean_intervals, clean_table, clean_times, scale_table, shift_table
from rnnspike.recording.clock import (
    clock_signs,
    doubtful_rate,
    events_scale,
    of_sampling_rate,
    scale_finding,
    starts_over,
    tables_end,
    trial_relative,
)
from rnnspike.recording.contents import Contents, RawUnit, as_float
from rnnspike.recording.data import Finding, FloatArray, ReadOptions, Recording, Unit
from rnnspike.recording.provenance import StoredRecording

#: Formats whose spike times are sample indices, which a sampling rate puts into seconds.
SAMPLED = ("Phy", "KlustaKwik")
#: What a unit's finding says after its count.
_SAYS = {
    "spike-times-nan": "spike times are NaN: dropped",
    "spike-times-infinite": "spike times are infinite: write the file again",
    "spike-times-sentinel": "spike times are padding (-1 or zeros at the end): dropped",
    "clock-reset": "times step back by more than 1 s: two clocks were put together; split the file there",
    "spike-times-unsorted": "times step back by less than 1 s: sorted",
    "duplicate-spikes": "spikes repeat a time exactly: kept",
    "short-isis": "intervals are under 1 ms: kept",
    "contaminated-unit": "pairs of spikes within 1.5 ms",
    "spikes-outside-observed": "spikes lie outside the observed intervals: not scored",
    "silent-unit": "no spikes: kept, its metrics are null",
    "negative-times": "spikes lie before time zero",
    "obs-intervals-overlap": "observed intervals overlap an earlier one: merged",
    "obs-intervals-bad": "observed intervals have no duration or no times: dropped",
}
_UNIT_LEVEL_FLAG = {"silent-unit"}


def assemble(path: Path, contents: Contents, options: ReadOptions) -> Recording:
    """Return the recording of a reader's contents, with every finding; nothing is raised for bad contents."""
    stored, contents = contents, _on_the_clock(contents, options)
    units, trains, findings = _checked_units(contents.units, contents.span_s, options)
    intervals, events, table_findings = _checked_tables(contents)
    back = {item.unit for item in findings if item.id in ("clock-reset", "spike-times-unsorted")}
    resets = {raw.id: starts_over(raw.times) for raw in contents.units if raw.id in back}
    clock = _clock_findings(contents, trains, resets)
    if clock and options.time_scale is not None:
        clock = [_of_time_scale(clock[0], options.time_scale, stored, trains, resets)]
    elif contents.format in SAMPLED and options.sampling_rate_hz is not None:
        clock = _of_rate(clock, trains, {**events, **intervals}, options.sampling_rate_hz)
    if any(item.id == "trial-relative-times" for item in clock):
        findings = [item for item in findings if item.id not in ("clock-reset", "spike-times-unsorted")]
    sources = contents.sources or (path,)
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
        invalid_s=clean_intervals(contents.invalid_s),
        span_s=_credible_span(contents.span_s, trains),
        session=contents.session,
        findings=(
            *clock,
            *contents.findings,
            *findings,
            *table_findings,
            *_whole_findings(contents, units, intervals, events),
        ),
    )


def _on_the_clock(contents: Contents, options: ReadOptions) -> Contents:
    """Apply ``time_scale`` to spike times and ``event_offset_s`` to tables.

    Observed intervals and tables that fitted the spikes before the scaling, and no longer would, were in the same
    unit of time and are scaled too.
    """
    offset_s = options.event_offset_s
    if options.time_scale is not None:
        contents = _scaled(contents, options.time_scale)
    if offset_s:
        contents = replace(
            contents,
            intervals={name: shift_table(table, offset_s) for name, table in contents.intervals.items()},
            events={name: shift_table(table, offset_s) for name, table in contents.events.items()},
        )
    return contents


def _scaled(contents: Contents, scale: float) -> Contents:
    last = max((float(np.nanmax(unit.times)) for unit in contents.units if len(unit.times)), default=0.0)
    observed = [unit.observed for unit in contents.units if unit.observed is not None and len(unit.observed)]
    observed_too = bool(observed) and _same_unit_of_time(float(np.nanmax(np.concatenate(observed))), last, scale)
    units = tuple(
        replace(
            unit,
            times=unit.times * scale,
            observed=unit.observed * scale if observed_too and unit.observed is not None else unit.observed,
        )
        for unit in contents.units
    )
    intervals = {name: _scaled_table(table, last, scale) for name, table in contents.intervals.items()}
    events = {name: _scaled_table(table, last, scale) for name, table in contents.events.items()}
    tables = {**contents.intervals, **contents.events}
    changed = [name for name, table in {**intervals, **events}.items() if table is not tables[name]]
    findings = contents.findings
    if changed:
        message = f"scaled with the spike times: {', '.join(changed)}"
        findings = (*findings, found("tables-rescaled", message, count=len(changed)))
    return replace(contents, units=units, intervals=intervals, events=events, findings=findings)


def _same_unit_of_time(stop: float, last_spike: float, scale: float) -> bool:
    """Return whether a table ending at ``stop`` fits spikes up to ``last_spike`` better before than after scaling."""
    if not (stop > 0 and last_spike > 0):
        return False
    return bool(abs(np.log(stop / last_spike)) < abs(np.log(stop / (last_spike * scale))))


def _scaled_table(table: pd.DataFrame, last_spike: float, scale: float) -> pd.DataFrame:
    column = "stop_time" if "stop_time" in table else "start_time"
    stop = float(table[column].max()) if len(table) else 0.0
    return scale_table(table, scale) if _same_unit_of_time(stop, last_spike, scale) else table


def _checked_units(
    raw_units: Sequence[RawUnit], span_s: tuple[float, float] | None, options: ReadOptions
) -> tuple[tuple[Unit, ...], dict[str, FloatArray], list[Finding]]:
    units, findings = [], []
    duration_s = span_s[1] - span_s[0] if span_s else None
    for raw in raw_units:
        observed, observed_findings = _checked_observed(raw)
        findings += observed_findings
        as_stored = Train(raw.times, observed, duration_s)
        times = clean_times(as_stored, drop_duplicates=options.drop_duplicates)
        cleaned = as_stored if times is raw.times else Train(times, observed, duration_s)
        findings += _unit_findings(raw.id, as_stored, cleaned)
        units.append(Unit(raw.id, times, observed, raw.metadata))
    return tuple(units), {unit.id: unit.spike_times_s for unit in units}, findings


def _unit_findings(unit_id: str, as_stored: Train, cleaned: Train) -> list[Finding]:
    return [
        found(finding_id, _message(finding_id, unit_id, count, cleaned), count=count, unit=unit_id)
        for finding_id, count in checks.train_counts(as_stored, cleaned)
    ]


def _message(finding_id: str, unit_id: str, count: int, train: Train) -> str:
    if finding_id in _UNIT_LEVEL_FLAG:
        return f"unit {unit_id}: {_SAYS[finding_id]}"
    text = f"unit {unit_id}: {count} {_SAYS[finding_id]}"
    if finding_id == "contaminated-unit":
        share = train.violations.contamination
        text += f": about {share:.0%} foreign spikes" if share < 0.5 else ": as many as among unrelated spikes"
    return text


def _checked_observed(raw: RawUnit) -> tuple[FloatArray | None, list[Finding]]:
    if raw.observed is None:
        return None, []
    observed = as_float(raw.observed)
    usable = np.isfinite(observed).all(axis=1) & (observed[:, 1] > observed[:, 0])
    counts = {"obs-intervals-bad": int((~usable).sum()), "obs-intervals-overlap": checks.overlaps(observed[usable])}
    findings = [
        found(finding_id, f"unit {raw.id}: {count} {_SAYS[finding_id]}", count=count, unit=raw.id)
        for finding_id, count in counts.items()
        if count
    ]
    return clean_intervals(observed), findings


def _checked_tables(
    contents: Contents,
) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame], list[Finding]]:
    """Return interval and event tables cleaned, and what was found in them."""
    intervals: dict[str, pd.DataFrame] = {}
    events: dict[str, pd.DataFrame] = {}
    findings: list[Finding] = []
    for name, table in {**contents.events, **contents.intervals}.items():
        if _has_no_durations(table):
            message = f"table {name}: all {len(table)} rows stop when they start: taken as events"
            findings.append(found("intervals-are-events", message, count=len(table)))
            table = table.drop(columns="stop_time")
        findings += _table_findings(name, table)
        (intervals if "stop_time" in table else events)[name] = clean_table(table)
    return intervals, events, findings


def _has_no_durations(table: pd.DataFrame) -> bool:
    return "stop_time" in table and len(table) > 0 and bool((table["stop_time"] == table["start_time"]).all())


def _table_findings(name: str, table: pd.DataFrame) -> list[Finding]:
    says = {
        "event-times-nan": "rows have no time: dropped",
        "intervals-not-positive": "rows stop at or before their start: dropped",
        "event-times-equal": "rows all start at the same time, so nothing can be aligned",
    }
    findings = []
    for finding_id, check in checks.TABLE_CHECKS.items():
        count = check(table)
        if count and (name == "trials" or finding_id != "event-times-equal"):
            findings.append(found(finding_id, f"table {name}: {count} {says[finding_id]}", count=count))
    return findings


def _clock_findings(contents: Contents, trains: Mapping[str, FloatArray], resets: Mapping[str, int]) -> list[Finding]:
    if any(item.id == "sampling-rate-missing" for item in contents.findings):
        return []
    events = events_scale(trains, {**contents.events, **contents.intervals})
    if events:
        return [events]
    relative = trial_relative(trains, resets, contents.intervals)
    if relative:
        return [relative]
    observed = [unit.observed for unit in contents.units if unit.observed is not None]
    stop = tables_end([*contents.intervals.values()], observed, contents.span_s)
    scale = scale_finding(clock_signs(list(trains.values()), stop), contents.resolution_s)
    return [scale] if scale else []


def _of_time_scale(
    finding: Finding, scale: float, stored: Contents, trains: Mapping[str, FloatArray], resets: Mapping[str, int]
) -> Finding:
    """Return a finding of the clock with what mends it where a time scale was given: none, or another one."""
    without = _clock_findings(stored, {unit: times / scale for unit, times in trains.items()}, resets)
    message = f"with --time-scale {scale:g}, {finding.message}"
    return replace(finding, message=message, option=without[0].option if without else "leaving out --time-scale")


def _of_rate(
    clock: list[Finding], trains: Mapping[str, FloatArray], tables: Mapping[str, pd.DataFrame], rate_hz: float
) -> list[Finding]:
    if clock:
        return [of_sampling_rate(finding, rate_hz) for finding in clock]
    doubt = doubtful_rate(trains, tables, rate_hz)
    return [doubt] if doubt else []


def _credible_span(
    span_s: tuple[float, float] | None, trains: Mapping[str, FloatArray]
) -> tuple[float, float] | None:
    """Return the span where all spikes lie within it (to a second): else it is the span of something else."""
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
    """Return what concerns the recording as a whole."""
    findings = [*_identical_units(units)]
    if not units:
        findings.append(found("no-units-table", "there are no units in it: sort the spikes first", option=""))
    n_spikes = sum(len(unit.spike_times_s) for unit in units)
    if contents.times_as_stored in ("float32", "float16") and n_spikes:
        last = max(float(unit.spike_times_s[-1]) for unit in units if len(unit.spike_times_s))
        step_us = float(np.spacing(np.asarray(last, dtype=contents.times_as_stored))) * 1e6
        message = f"spike times are stored as {contents.times_as_stored}: rounded to {step_us:.3g} us at the end"
        findings.append(found("float32-times", message, count=n_spikes))
    unobserved = [unit.id for unit in units if unit.observed_s is None]
    if unobserved:
        message = (
            f"{len(unobserved)} of {len(units)} units have no observed intervals: exposure is taken to be the trials"
        )
        findings.append(found("no-obs-intervals", message, count=len(unobserved)))
    tables = alignable_tables(intervals, events)
    if not tables:
        findings.append(found("no-trials", "no table of trials or events to align to"))
    elif len(tables) > 1:
        default = f"the default is {tables[0]}" if tables[0] in ("trials", "epochs") else "name one"
        message = f"tables to align to: {', '.join(tables)}; {default}"
        findings.append(found("several-tables", message, count=len(tables)))
    return findings


def alignable_tables(intervals: Mapping[str, pd.DataFrame], events: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the tables that trials can be cut from: two rows at least (epochs: five), the default first."""
    enough = [
        name for name, table in intervals.items() if len(table) >= (5 if name == "epochs" else 2) or name == "trials"
    ]
    enough.sort(key=lambda name: {"trials": 0, "epochs": 1}.get(name, 2))
    return enough + [name for name, table in events.items() if len(table) >= 2 and name not in enough]


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
