"""Units that share spike times: split or doubled clusters (science.md#shared-spikes).

Two units that fire independently coincide within a quarter of a millisecond no more often than 5 to 10 ms apart. An
excess, as a share of the spikes of the rarer unit, tells of spikes that were assigned to both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.recording.data import Finding, FloatArray, Unit
from rnnspike.recording.findings import found

#: Largest difference of shared times, and the lags at which the chance level is taken, s.
SAME_S, LEVEL_S = 0.00025, (0.005, 0.01)
#: Share of the rarer unit's spikes from which on a pair is called so, the spikes there must be, and standard errors
#: by which they exceed chance.
SHARE, FEWEST, CERTAIN = 0.05, 10, 5.0
#: Spikes of the rarer unit with which the chance level is first looked at.
FIRST_LOOK = 1000
#: Spikes that are looked at together: what is made of them then stays in the processor's cache.
BLOCK = 100_000
#: Spikes of a unit below which it is not judged.
FEWEST_SPIKES = 50


@dataclass(frozen=True)
class SharedSpikes:
    """Two units, the coincidences beyond chance, and their share of the spikes of the rarer unit."""

    units: tuple[str, str]
    n_shared: int
    share: float


def shared_spikes(units: Sequence[Unit]) -> list[SharedSpikes]:
    """Return the pairs of units that share spikes, in order.

    Parameters
    ----------
    units
        With ascending spike times.
    """
    judged = [unit for unit in units if len(unit.spike_times_s) >= FEWEST_SPIKES]
    if len(judged) < 2:
        return []
    near, grid_s = _coincidences([unit.spike_times_s for unit in judged])
    n_spikes = np.array([len(unit.spike_times_s) for unit in judged])
    rarer_of = np.minimum(n_spikes[:, None], n_spikes)
    pairs = []
    for i, j in zip(*np.nonzero(near >= np.maximum(FEWEST, SHARE * rarer_of)), strict=True):
        first, second, rarer = judged[i], judged[j], int(rarer_of[i, j])
        few, many = sorted((first.spike_times_s, second.spike_times_s), key=len)
        for step in (-(-len(few) // FIRST_LOOK), 1):  # of most pairs some spikes tell that they share none
            seen = _pairs_apart(few[::step], many)
            width_s = step * max(2 * SAME_S, grid_s) / (2 * (LEVEL_S[1] - LEVEL_S[0]))
            chance, error = seen * width_s, (seen + 1) ** 0.5 * width_s if step > 1 else 0.0
            beyond = float(near[i, j]) - chance
            if beyond + CERTAIN * error < max(FEWEST, SHARE * rarer, CERTAIN * chance**0.5):
                break
        else:
            pairs.append(SharedSpikes((first.id, second.id), round(beyond), min(beyond / rarer, 1.0)))
    return pairs


def _coincidences(trains: Sequence[FloatArray]) -> tuple[npt.NDArray[np.int64], float]:
    """Return coincidences (unit, unit), above the diagonal, and the grid that spike times lie on (s, 0: none)."""
    n = len(trains)
    times = np.concatenate(trains)
    owner = np.repeat(np.arange(n, dtype=np.int32), [len(train) for train in trains])
    order = np.argsort(times)
    times, owner = times[order], owner[order]
    steps_s = np.diff(times)
    finest_s = float(steps_s[steps_s > 1e-7].min(initial=np.inf))
    grid_s = finest_s if np.isfinite(finest_s) and finest_s > 2 * SAME_S else 0.0
    near = np.zeros(n * n, np.int64)
    for start in range(0, len(times), BLOCK):
        close, step = np.arange(start, min(start + BLOCK, len(times))), 1
        while len(close):  # whoever is near the spike so many later is near those between
            close = close[: np.searchsorted(close, len(times) - step)]
            close = close[times[close + step] - times[close] <= SAME_S]
            np.add.at(near, owner[close] * n + owner[close + step], 1)
            step += 1
    either_first = near.reshape(n, n)
    return np.triu(either_first + either_first.T, 1), grid_s


def _pairs_apart(first: FloatArray, second: FloatArray) -> int:
    """Return the number of pairs of spikes at the lags of the chance level, on both sides."""
    low, high = LEVEL_S
    ends = [np.searchsorted(second, first + lag) for lag in (low, high, -high, -low)]
    return int((ends[1] - ends[0]).sum() + (ends[3] - ends[2]).sum())


def shared_findings(units: Sequence[Unit]) -> list[Finding]:
    """Return a finding for each pair of units that share spikes."""
    return [
        found(
            "units-share-spikes",
            f"units {each.units[0]} and {each.units[1]} share {each.n_shared} spikes beyond chance, {each.share:.0%}"
            " of the rarer unit's: perhaps a split or doubled cluster",
            count=each.n_shared,
        )
        for each in shared_spikes(units)
    ]
