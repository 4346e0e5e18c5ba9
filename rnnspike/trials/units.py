"""Choice of units: a query on their properties, enough spikes, and few spikes that share a bin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.observation import Observation
from rnnspike.recording.data import Finding, Recording
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.masks import Exposure, duration_s
from rnnspike.trials.query import NumberedText, QueryError, abbreviated, matching_rows

#: Units with a larger share of spikes that share a bin are left out of a Bernoulli run.
MOST_MERGED = 0.05
#: Reason for units that the query leaves out.
NOT_REQUESTED = "not in --units"


@dataclass(frozen=True)
class UnitInWindows:
    """Counts of a unit in the windows: spikes in observed bins, those merged with another, observed bins.

    ``n_repeats`` of the merged spikes have exactly the same time as another.
    """

    n_spikes: int
    n_merged: int
    n_observed_bins: int
    n_repeats: int = 0

    @property
    def merged_share(self) -> float:
        """Share of the spikes that are not scored in binary bins."""
        return self.n_merged / max(self.n_spikes, 1)

    @property
    def option(self) -> str:
        """Option that avoids shared bins: dropping duplicates if most merged spikes are exact repeats."""
        if 2 * self.n_repeats > self.n_merged:
            return "--drop-duplicates"
        return "--observation poisson or a narrower --bin"


def unit_rows(recording: Recording, exposure: Exposure) -> list[dict[str, Any]]:
    """Return one row per unit: metadata, ``id`` (text), ``n_spikes`` and ``rate_hz`` over its observed time."""
    columns = list(dict.fromkeys(name for unit in recording.units for name in unit.metadata))
    rows = []
    for unit, unit_id in zip(recording.units, _ids(recording), strict=True):
        observed = exposure.of(unit)
        seconds = duration_s(observed)
        n_inside = int(np.diff(np.searchsorted(unit.spike_times_s, observed), axis=1).sum())
        rate_hz = n_inside / seconds if 0 < seconds < np.inf else None
        known = {name: _plain(unit.metadata.get(name)) for name in columns}
        rows.append({**known, "id": unit_id, "n_spikes": len(unit.spike_times_s), "rate_hz": rate_hz})
    return rows


def _ids(recording: Recording) -> list[str]:
    """Return the ids, as ``NumberedText`` if all of them are numbers (``id < 10``)."""
    texts = [unit.id for unit in recording.units]
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce")
    return texts if numbers.isna().any() else list(map(NumberedText.of, texts, numbers.tolist()))


def _plain(value: Any) -> Any:
    """Return a metadata value for queries: numpy scalars as Python values, None if missing."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if pd.api.types.is_scalar(value) and pd.isna(value) else value


def query_units(recording: Recording, exposure: Exposure, query: str | None) -> list[str]:
    """Return the ids of the units that match a query (``trials.query``), in the order of the recording.

    Raises
    ------
    RecordingError
        If the query cannot be evaluated, or matches no unit.
    """
    if not query:
        return [unit.id for unit in recording.units]
    rows = unit_rows(recording, exposure)
    asked, columns = f"--units {abbreviated(query)!r}", f"(columns: {', '.join(rows[0] if rows else ())})"
    try:
        chosen = matching_rows(query, rows)
    except QueryError as error:
        raise RecordingError(recording.path, f"{asked}: {error} {columns}") from None
    if chosen is None:
        remedies = f"""--units 'id == "{recording.units[0].id}"' or --units 'index < 3'"""
        message = f"{asked} is not a condition that is true or false for each unit {columns}"
        raise RecordingError(recording.path, message, remedies)
    if not any(chosen):
        raise RecordingError(recording.path, f"{asked} matches none of {len(rows)} units {columns}")
    return [unit.id for unit, keep in zip(recording.units, chosen, strict=True) if keep]


def leave_out(
    recording: Recording,
    queried: list[str],
    stats: Mapping[str, UnitInWindows],
    options: TrialOptions,
    observation: Observation,
) -> dict[str, str]:
    """Return the units that are left out, each with the reason."""
    left_out = {unit.id: NOT_REQUESTED for unit in recording.units if unit.id not in stats}
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
        narrower_ms = float(f"{1e3 * options.bin_s / per_bin:.1g}")
        return (
            f"{per_bin:.0f} spikes per bin on average, too many for models of single spikes (--bin {narrower_ms:g}ms)"
        )
    if observation == "bernoulli" and unit.merged_share > MOST_MERGED:
        width = f"{options.bin_s * 1e3:g} ms"
        most = f", {unit.n_repeats / unit.n_spikes:.0%} repeat a time exactly" if unit.n_repeats else ""
        return f"{unit.merged_share:.0%} of its spikes share a bin of {width}{most} ({unit.option})"
    return None


def merged_findings(
    stats: Mapping[str, UnitInWindows], left_out: Mapping[str, str], bin_s: float
) -> tuple[Finding, ...]:
    """Return a finding for each modelled unit with spikes that share a bin."""
    return tuple(
        Finding(
            "multi-spike-bins",
            "warning",
            f"unit {unit_id}: {unit.n_merged} of {unit.n_spikes} spikes share a {bin_s * 1e3:g} ms bin: not scored",
            count=unit.n_merged,
            unit=unit_id,
            option="--observation poisson" if 2 * unit.n_repeats <= unit.n_merged else unit.option,
        )
        for unit_id, unit in stats.items()
        if unit.n_merged and unit_id not in left_out
    )


def of_requested_units(findings: Iterable[Finding], left_out: Mapping[str, str]) -> tuple[Finding, ...]:
    """Return findings without those of units that the query leaves out."""
    return tuple(each for each in findings if left_out.get(each.unit or "") != NOT_REQUESTED)
