"""Are spike times in seconds, and on the session's clock? Evidence that real recordings do not give by chance.

No single sign is sufficient: a quiet recording has long intervals, and trials may fill a small part of a session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from rnnspike.recording.data import Finding, FloatArray
from rnnspike.recording.findings import found

#: Units of time other than seconds, and their factors to seconds.
SCALES = {"milliseconds": 1e-3, "microseconds": 1e-6, "samples at 30 kHz": 1 / 30000}
_SAMPLE_UNITS, _SAMPLE_SPIKES = 40, 20_000
#: Typical firing rate of a neuron (middle of the range on a logarithmic scale), Hz.
COMMON_RATE_HZ = 8.0
#: A longer session is doubtful if its units also fire more slowly than any neuron.
LONG_SESSION_S = 36_000.0
#: Trials further apart than this are doubtful if they also end long after the spikes.
LONG_STEP_S = 60.0
#: A sampling rate is doubtful if it leads to a recording shorter or longer than this (s), to units that fire faster
#: (Hz), or to trials that end earlier or later than the spikes by this factor.
SHORTEST_S, LONGEST_S, FASTEST_HZ, ENDS_APART = 1.0, 864_000.0, 1000.0, 2.0


@dataclass(frozen=True)
class ClockSigns:
    """Evidence for the unit of time: a sample of intervals over units, the last spike and the end of the tables."""

    n_spikes: int
    isi: FloatArray
    whole_numbers: bool
    first: float
    last: float
    shortest_train: float
    tables_stop: float | None

    @property
    def median_isi(self) -> float:
        """Median of the positive intervals; 0 if there are none."""
        return float(np.median(self.isi)) if len(self.isi) else 0.0

    @property
    def refractory_in_seconds(self) -> bool:
        """Return whether intervals under half a second are far rarer than in Poisson trains of the same rate.

        If times are in milliseconds, half a unit of time is within the refractory period of any neuron; in seconds it
        is not, even for slow neurons.
        """
        if not len(self.isi):
            return False
        expected = len(self.isi) * -np.expm1(-0.5 * np.log(2) / self.median_isi)
        return bool(expected >= 7 and np.count_nonzero(self.isi < 0.5) <= 0.2 * expected)

    @property
    def scale_to_tables(self) -> str | None:
        """Return the unit of time with which spikes and tables end together, within a factor of three."""
        if not self.tables_stop or self.last <= 0:
            return None
        ratio = self.tables_stop / self.last
        name = min(SCALES, key=lambda key: abs(np.log(SCALES[key] / ratio)))
        return name if 1 / 3 < SCALES[name] / ratio < 3 else None


def clock_signs(trains: Sequence[FloatArray], tables_stop: float | None) -> ClockSigns:
    """Return the evidence from ascending trains; ``tables_stop`` is the end of trials and observed intervals."""
    filled = [times for times in trains if len(times)]
    sample = filled[:: max(1, len(filled) // _SAMPLE_UNITS)]
    heads = [times[: _SAMPLE_SPIKES // len(sample)] for times in sample]
    isi = np.concatenate([np.diff(times) for times in heads]) if heads else np.empty(0)
    pooled = np.concatenate(heads) if heads else np.empty(0)
    return ClockSigns(
        n_spikes=sum(len(times) for times in filled),
        isi=isi[isi > 0],
        whole_numbers=len(np.unique(pooled)) >= 20 and bool(np.all(pooled == np.round(pooled))),
        first=min((float(times[0]) for times in filled), default=0.0),
        last=max((float(times[-1]) for times in filled), default=0.0),
        shortest_train=min((float(times[-1] - times[0]) for times in filled), default=0.0),
        tables_stop=tables_stop,
    )


def scale_finding(signs: ClockSigns, resolution_s: float | None = None) -> Finding | None:
    """Return the finding that spike times are not in seconds, or None."""
    reason = _reason(signs)
    if reason is None:
        return None
    name, scale = suggested_scale(signs, resolution_s)
    return found(
        "spike-times-scale",
        f"spike times look like {name}, not seconds: {reason}",
        count=signs.n_spikes,
        option=f"--time-scale {scale:.10g}",
    )


def _reason(signs: ClockSigns) -> str | None:
    if signs.whole_numbers:
        return "all are whole numbers"
    if signs.scale_to_tables and signs.median_isi > 1.0 and len(signs.isi) >= 20:
        return f"they end at {signs.last:.6g} while the tables end at {signs.tables_stop:.6g} s"
    if signs.last - signs.first > LONG_SESSION_S and signs.median_isi > 2.0 and signs.refractory_in_seconds:
        return f"the median interval would be {signs.median_isi:.3g} s over {signs.last / 3600:.3g} hours"
    if len(signs.isi) >= 200 and signs.median_isi < 0.0004:
        return f"the median interval would be {signs.median_isi * 1e3:.2g} ms"
    return None


def suggested_scale(signs: ClockSigns, resolution_s: float | None = None) -> tuple[str, float]:
    """Return the most likely unit of time and its factor.

    By the clock's tick if stated; else by the ratio to the end of the tables if that fits a unit; else by the unit
    that brings the typical interval nearest to that of a neuron.
    """
    if signs.median_isi < 0.0004 and not signs.whole_numbers:
        return "minutes or hours", 60.0 if signs.last < 1000 else 3600.0
    if signs.whole_numbers and resolution_s is not None and resolution_s < 0.5e-3:
        return "samples", resolution_s
    if signs.scale_to_tables:
        return signs.scale_to_tables, SCALES[signs.scale_to_tables]
    if not signs.whole_numbers or not len(signs.isi):
        return "milliseconds", SCALES["milliseconds"]
    name = min(SCALES, key=lambda key: abs(np.log(SCALES[key] * signs.median_isi * COMMON_RATE_HZ)))
    return name, SCALES[name]


def tables_end(
    tables: Sequence[pd.DataFrame], observed: Sequence[FloatArray], span_s: tuple[float, float] | None
) -> float | None:
    """Return the latest end of interval tables, observed intervals and the span; None without any.

    Tables of a few rows (one baseline at the start of a session) say little about the length of the session.
    """
    stops = [float(table["stop_time"].max()) for table in tables if "stop_time" in table and len(table) >= 5]
    stops += [float(times.max()) for intervals in observed if len(times := intervals[np.isfinite(intervals)])]
    stops += [span_s[1]] if span_s else []
    stops = [stop for stop in stops if np.isfinite(stop)]
    return max(stops) if stops else None


def trial_relative_finding(
    trains: Mapping[str, FloatArray], resets: Mapping[str, int], intervals: Mapping[str, pd.DataFrame]
) -> Finding | None:
    """Return the finding that spike times are relative to their trial's start, or None.

    ``trains`` are ascending; ``resets`` is how often the stored times of each unit start over (``count_restarts``).
    Either they start over repeatedly within the length of a trial, or all spikes lie within the length of one trial
    although there are many trials.
    """
    filled = {unit: times for unit, times in trains.items() if len(times)}
    if not filled:
        return None
    low, high = min(times[0] for times in filled.values()), max(times[-1] for times in filled.values())
    table = intervals.get("trials", next(iter(intervals.values()), None))
    longest, covered, n_trials = _trial_lengths(table)
    n_resets = float(np.median([resets.get(unit, 0) for unit in filled]))
    again_and_again = n_resets >= max(2.0, 0.3 * n_trials) and high - low <= (2 * longest if longest else 60.0)
    n_spikes = sum(map(len, filled.values()))
    in_one_trial = n_trials >= 5 and covered > 3 * longest and high - low <= 1.2 * longest and n_spikes >= 50
    if not (again_and_again or in_one_trial):
        return None
    message = (
        f"all spikes lie within {high - low:.4g} s: times are relative to each trial's start; "
        "export them as CSV with columns trial, unit, time_s"
    )
    return found("trial-relative-times", message, count=n_spikes)


def events_scale_finding(trains: Mapping[str, FloatArray], tables: Mapping[str, pd.DataFrame]) -> Finding | None:
    """Return the finding that trials are in another unit of time than spikes, which are in seconds; or None.

    Such trials end about a thousand times later than the spikes and are at least a minute apart, which no experiment
    does; trials of spikes that are relative to their trial's start are shorter.
    """
    name = "trials" if "trials" in tables else next(iter(tables), "")
    starts = np.sort(tables[name]["start_time"].to_numpy(np.float64)) if name else np.empty(0)
    starts = starts[np.isfinite(starts)]
    n_spikes, last = sum(map(len, trains.values())), max((t[-1] for t in trains.values() if len(t)), default=0.0)
    if len(starts) < 5 or n_spikes < 20 or last <= 0 or np.median(np.diff(starts)) < LONG_STEP_S:
        return None
    unit = min(SCALES, key=lambda key: abs(np.log(SCALES[key] * starts[-1] / last)))
    if not 1 / 3 < SCALES[unit] * starts[-1] / last < 3:
        return None
    message = (
        f"the times of table {name} look like {unit}, not seconds: "
        f"its last row is at {starts[-1]:.6g}, the last spike at {last:.6g} s"
    )
    remedy = "--events FILE with columns start_ms, stop_ms" if unit == "milliseconds" else "--events FILE in seconds"
    return found("event-times-scale", message, count=len(starts), option=remedy)


def with_sampling_rate_option(finding: Finding, rate_hz: float) -> Finding:
    """Return a finding of the clock, with the option that corrects a given sampling rate."""
    remedy = "a lower --sampling-rate"
    if finding.option and finding.option.startswith("--time-scale "):
        scale = float(finding.option.split()[1])
        remedy = f"--sampling-rate {rate_hz / scale:.6g}" if scale < 1 else remedy
    message = f"with --sampling-rate {rate_hz:g}, {finding.message}"
    return replace(finding, message=message, option=remedy)


def sampling_rate_finding(
    trains: Mapping[str, FloatArray], tables: Mapping[str, pd.DataFrame], rate_hz: float
) -> Finding | None:
    """Return the finding that a sampling rate leads to an implausible recording, or None.

    Judged are the length of the recording, the rate of its fastest unit, and the ends of trials and spikes.
    """
    filled = [times for times in trains.values() if len(times)]
    n_spikes = sum(map(len, filled))
    if n_spikes < 20:
        return None
    last = max(float(times[-1]) for times in filled)
    length_s = last - min(float(times[0]) for times in filled)
    busiest_hz = max((len(t) / (t[-1] - t[0]) for t in filled if len(t) >= 20 and t[-1] > t[0]), default=0.0)
    ends = [
        float(table["stop_time" if "stop_time" in table else "start_time"].max())
        for table in tables.values()
        if len(table) >= 5
    ]
    stop = max((end for end in ends if np.isfinite(end)), default=0.0)
    if length_s < SHORTEST_S or length_s > LONGEST_S:
        why = (
            f"all spikes lie within {length_s:.3g} s"
            if length_s < SHORTEST_S
            else f"it lasts {length_s / 86400:.3g} days"
        )
    elif busiest_hz > FASTEST_HZ:
        why = f"the fastest unit fires at {busiest_hz:.4g} Hz"
    elif stop > 0 and last > 0 and not 1 / ENDS_APART < stop / last < ENDS_APART:
        why = f"spikes end at {last:.5g} s, trials at {stop:.5g} s"
    else:
        return None
    return found("sampling-rate-doubtful", f"with --sampling-rate {rate_hz:g}, {why}", count=n_spikes)


def count_restarts(times: FloatArray) -> int:
    """Return how often stored times (spike,) step back by a large part of their range."""
    times = times[np.isfinite(times)]
    return int(np.count_nonzero(np.diff(times) < -0.3 * np.ptp(times))) if len(times) > 1 else 0


def _trial_lengths(table: pd.DataFrame | None) -> tuple[float, float, int]:
    """Return the longest trial, the time from the first start to the last stop, and the number of trials."""
    if table is None or "stop_time" not in table or len(table) == 0:
        return 0.0, 0.0, 0
    length = float((table["stop_time"] - table["start_time"]).max())
    return length, float(table["stop_time"].max() - table["start_time"].min()), len(table)
