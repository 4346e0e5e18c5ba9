"""Pattern completion: which disturbed states the closed loop of a population network brings back.

See science.md#population-loop.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from rnnspike.dynamics.attractors.basins import SETTLED, Basins
from rnnspike.dynamics.attractors.fixed_points import Scale
from rnnspike.dynamics.attractors.points import Points
from rnnspike.dynamics.maps import ClosedLoop, iterate
from rnnspike.trials.data import BoolArray, FloatArray

#: Disturbances: shares of the way to another pattern, spreads of the visited states in a random direction, and
#: shares of the units silenced.
SIZES: dict[str, tuple[float, ...]] = {
    "towards": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "displaced": (0.1, 0.3, 1.0, 3.0),
    "silenced": (0.25, 0.5, 0.75),
}
#: Steps for which units are silenced, most steps after it, and patterns disturbed by each size.
N_SILENT, MOST_STEPS, N_PATTERNS = 50, 1000, 64
#: Distance of two ends, in spreads of the patterns, up to which they are the same pattern.
SAME = 0.2


@dataclass(frozen=True)
class Disturbed:
    """Patterns disturbed by one ``size`` of a ``kind`` of ``SIZES``.

    ``completed`` is the share of them that came back, with its 95 % interval (Wilson).
    """

    kind: str
    size: float
    completed: float
    low: float
    high: float


@dataclass(frozen=True)
class PatternCompletion:
    """How far patterns may be disturbed.

    ``n_patterns`` states of rest that differ; ``by_size`` each disturbance, none where fewer than two patterns
    differ. ``basin_size`` with its 95 % interval (bootstrap over patterns) is the share of the way to another pattern
    from which half of them come back; NaN without patterns.
    """

    n_patterns: int
    by_size: tuple[Disturbed, ...]
    basin_size: float
    basin_low: float
    basin_high: float

    def silenced(self, share: float) -> Disturbed | None:
        """Return what was found with this share of the units silenced."""
        return next((each for each in self.by_size if (each.kind, each.size) == ("silenced", share)), None)


def complete_patterns(
    system: ClosedLoop, points: Points, basins: Basins, visited: FloatArray, rng: np.random.Generator
) -> PatternCompletion:
    """Disturb the states in which the loop comes to rest, and see which come back.

    A pattern is completed where it ends, after as many steps as one that was not disturbed, within ``SAME`` of that
    one. Silenced units show no spikes to the network for ``N_SILENT`` steps, while the others fire as it expects.
    ``visited`` (sample, state) gives the spread.
    """
    distinct = resting_states(points, basins)
    if len(distinct) < 2:
        return PatternCompletion(len(distinct), (), np.nan, np.nan, np.nan)
    n_steps, spread = min(basins.n_steps, MOST_STEPS), Scale.of(visited).spread
    same = SAME * float(np.sqrt(((distinct - distinct.mean(axis=0)) ** 2).sum(axis=1).mean()))
    own = np.arange(max(N_PATTERNS, len(distinct))) % len(distinct)
    patterns = distinct[own]
    other = distinct[(own + rng.integers(1, len(distinct), size=len(own))) % len(distinct)]
    disturbed = [patterns + share * (other - patterns) for share in SIZES["towards"]]
    disturbed += [_displaced(patterns, size * spread, rng) for size in SIZES["displaced"]]
    disturbed += [_silenced(system, patterns, share, rng) for share in SIZES["silenced"]]
    undisturbed = iterate(system, patterns, N_SILENT)  # the silenced ones have come as far
    ends = iterate(system, np.concatenate([patterns, undisturbed, *disturbed]), n_steps)
    at_rest, later, *others = ends.reshape(2 + len(disturbed), *patterns.shape)
    kinds = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]
    back = [
        np.linalg.norm(end - (later if kind == "silenced" else at_rest), axis=1) < same
        for end, (kind, _) in zip(others, kinds, strict=True)
    ]
    towards = np.array(back[: len(SIZES["towards"])])  # (size, pattern)
    return PatternCompletion(
        len(distinct),
        tuple(_shared(*kind, each) for kind, each in zip(kinds, back, strict=True)),
        half_way(towards.mean(axis=1)),
        *_basin_interval(towards, rng),
    )


def resting_states(points: Points, basins: Basins) -> FloatArray:
    """Return the stable points, and of a continuum the ends of orbits, (pattern, state).

    A slow state that has not yet come to rest is no pattern.
    """
    if points.continuum is not None:
        settled = (basins.labels == SETTLED) | ((basins.labels >= 0) & (basins.labels < len(points.attractors)))
        return np.asarray(basins.ends[settled][:N_PATTERNS])
    return points.attractors[:N_PATTERNS]


def _displaced(patterns: FloatArray, length: float, rng: np.random.Generator) -> FloatArray:
    direction = rng.normal(size=patterns.shape)
    return np.asarray(patterns + length * direction / np.linalg.norm(direction, axis=1, keepdims=True))


def _silenced(system: ClosedLoop, states: FloatArray, share: float, rng: np.random.Generator) -> FloatArray:
    """Return states (pattern, state) after ``N_SILENT`` steps without the spikes of a share of the units."""
    n_units = len(system.channels)
    ranks = rng.permuted(np.tile(np.arange(n_units), (len(states), 1)), axis=1)
    silent = np.zeros((len(states), system.network.n_input), dtype=bool)
    silent[:, list(system.channels)] = ranks < round(share * n_units)
    for _ in range(N_SILENT):
        states = system.network.step(states, np.where(silent, system.input, system.fed(states)))
    return states


def _shared(kind: str, size: float, back: BoolArray) -> Disturbed:
    found = binomtest(int(back.sum()), len(back))
    interval = found.proportion_ci(method="wilson")
    return Disturbed(kind, size, float(back.mean()), float(interval.low), float(interval.high))


def half_way(share: FloatArray) -> float:
    """Return the share of the way to another pattern at which a share (size,) that came back falls to half.

    Examples
    --------
    >>> half_way(np.array([1.0, 1.0, 1.0, 0.75, 0.25, 0.0, 0.0, 0.0, 0.0])).__round__(3)
    0.45
    """
    way, shares = np.array([0.0, *SIZES["towards"], 1.0]), np.array([1.0, *share, 0.0])
    k = int(np.flatnonzero(shares < 0.5)[0])
    return float(np.interp((shares[k - 1] - 0.5) / (shares[k - 1] - shares[k]), [0, 1], way[k - 1 : k + 1]))


def _basin_interval(back: BoolArray, rng: np.random.Generator, n_draws: int = 500) -> tuple[float, float]:
    """Return the 95 % interval of ``half_way`` over patterns (size, pattern)."""
    n = back.shape[1]
    sizes = np.array([half_way(back[:, rng.integers(n, size=n)].mean(axis=1)) for _ in range(n_draws)])
    low, high = np.quantile(sizes, [0.025, 0.975])
    return float(low), float(high)
