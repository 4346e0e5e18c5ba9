"""Which units are modelled: a query on what is known of them, enough spikes, bins that can hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Finding, Recording
from rnnspike.trials.data import Observation, TrialOptions
from rnnspike.trials.masks import Exposure, duration_s

#: Units with a greater share of spikes merged into shared bins are left out of a Bernoulli run.
MOST_MERGED = 0.05
#: The reason of units that the query leaves out.
NOT_ASKED_FOR = "not in --units"


@dataclass(frozen=True)
class UnitInWindows:
    """What of a unit falls into the windows: spikes in observed bins, those merged with another, observed bins.

    ``n_repeats`` of the merged spikes repeat a time exactly.
    """

    n_spikes: int
    n_merged: int
    n_observed_bins: int
    n_repeats: int = 0

    @property
    def merged_share(self) -> float:
        """Share of the spikes that a binary bin does not score."""
        return self.n_merged / max(self.n_spikes, 1)

    @property
    def cure(self) -> str:
        """Option that keeps spikes from sharing bins: without exact repeats where these are most of them."""
        if 2 * self.n_repeats > self.n_merged:
            return "--drop-duplicates"
        return "--observation poisson or a finer --bin"


def unit_frame(recording: Recording, exposure: Exposure) -> pd.DataFrame:
    """Return a row a unit: ``id`` (text), ``n_spikes`` and ``rate_hz`` over its observed time, and its metadata."""
    rows = []
    for unit in recording.units:
        seconds = duration_s(exposure.of(unit))
        rate_hz = len(unit.spike_times_s) / seconds if 0 < seconds < np.inf else np.nan
        rows.append({**unit.metadata, "id": unit.id, "n_spikes": len(unit.spike_times_s), "rate_hz": rate_hz})
    return pd.DataFrame(rows)


def query_units(recording: Recording, exposure: Exposure, query: str | None) -> list[str]:
    """Return the ids of the units that a pandas query keeps, in the recording's order.

    Ids are text; a query that finds none is tried with numeric ids (``id < 10``) where they are all numbers.

    Raises
    ------
    RecordingError
        Where the query cannot be evaluated, or keeps no unit.
    """
    if not query:
        return [unit.id for unit in recording.units]
    frame = unit_frame(recording, exposure)
    kept: list[str] = []
    problem: Exception | None = None
    for candidate in _frames(frame):
        try:
            chosen = _yes_or_no(candidate.eval(query, engine="python"), len(frame))
        except Exception as error:  # pandas lets through whatever the expression raises
            problem = problem or error
            continue
        if chosen is None:
            first = recording.units[0].id
            message = f"--units {query!r} is no condition that is true or false of each unit"
            cures = f"""--units 'id == "{first}"' or --units 'index < 3'"""
            raise RecordingError(recording.path, f"{message} (columns: {', '.join(map(str, frame.columns))})", cures)
        kept = [unit.id for unit, keep in zip(recording.units, chosen, strict=True) if keep]
        if kept:
            return kept
    columns = ", ".join(str(name) for name in frame.columns)
    if problem is not None:
        why = f"{problem}".splitlines()[0] if f"{problem}" else type(problem).__name__
        raise RecordingError(recording.path, f"--units {query!r}: {why} (columns: {columns})")
    raise RecordingError(recording.path, f"--units {query!r} keeps none of {len(frame)} units (columns: {columns})")


def _yes_or_no(answer: object, n_units: int) -> list[bool] | None:
    """Return the answer of a query as a truth value a unit, None where it is anything else; NaN is no."""
    values = list(answer) if isinstance(answer, (pd.Series, pd.Index, np.ndarray)) else []
    if len(values) != n_units or not all(isinstance(value, (bool, np.bool_)) or pd.isna(value) for value in values):
        return None
    return [bool(value) and not pd.isna(value) for value in values]


def _frames(frame: pd.DataFrame) -> list[pd.DataFrame]:
    ids = pd.to_numeric(frame["id"], errors="coerce")
    return [frame] if ids.isna().any() else [frame, frame.assign(id=ids)]


def leave_out(
    recording: Recording,
    queried: list[str],
    stats: Mapping[str, UnitInWindows],
    options: TrialOptions,
    observation: Observation,
) -> dict[str, str]:
    """Return the units that are not modelled, each with its reason."""
    left_out = {unit.id: NOT_ASKED_FOR for unit in recording.units if unit.id not in stats}
    for unit_id in queried:
        reason = _reason(stats[unit_id], options, observation)
        if reason:
            left_out[unit_id] = reason
    return left_out


def _reason(unit: UnitInWindows, options: TrialOptions, observation: Observation) -> str | None:
    if unit.n_observed_bins == 0:
        return "not observed in any window"
    if unit.n_spikes < options.min_spikes:
        return f"{unit.n_spikes} spikes in the windows, fewer than --min-spikes {options.min_spikes}"
    per_bin = unit.n_spikes / unit.n_observed_bins
    if per_bin > options.most_per_bin:
        finer_ms = float(f"{1e3 * options.bin_s / per_bin:.1g}")
        return f"{per_bin:.0f} spikes a bin on average, too many for models of single spikes (--bin {finer_ms:g}ms)"
    if observation == "bernoulli" and unit.merged_share > MOST_MERGED:
        width = f"{options.bin_s * 1e3:g} ms"
        most = f", {unit.n_repeats / unit.n_spikes:.0%} repeat a time exactly" if unit.n_repeats else ""
        return f"{unit.merged_share:.0%} of its spikes share a bin of {width}{most} ({unit.cure})"
    return None


def merged_findings(
    stats: Mapping[str, UnitInWindows], left_out: Mapping[str, str], bin_s: float
) -> tuple[Finding, ...]:
    """Return a finding for each modelled unit that loses spikes to shared bins."""
    return tuple(
        Finding(
            "multi-spike-bins",
            "warning",
            f"unit {unit_id}: {unit.n_merged} of {unit.n_spikes} spikes share a {bin_s * 1e3:g} ms bin, not scored",
            count=unit.n_merged,
            unit=unit_id,
            option="--observation poisson" if 2 * unit.n_repeats <= unit.n_merged else unit.cure,
        )
        for unit_id, unit in stats.items()
        if unit.n_merged and unit_id not in left_out
    )


def asked_for(findings: Iterable[Finding], left_out: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return findings without those of units that were not asked for."""
    return tuple(each for each in findings if left_out.get(each.unit or "") != NOT_ASKED_FOR)
