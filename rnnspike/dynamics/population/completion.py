"""Pattern completion: which disturbed states the closed loop of a population network brings back.

See science.md#population-loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.stats import binomtest

from rnnspike.dynamics.attractors.basins import SETTLED, Basins
from rnnspike.dynamics.attractors.fixed_points import Scale
from rnnspike.dynamics.attractors.points import Points
from rnnspike.dynamics.maps import ClosedLoop, iterate
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

#: Disturbances: shares of the way to another pattern, spreads of the visited states in a random direction, and
#: shares of the units silenced.
SIZES: dict[str, tuple[float, ...]] = {
    "towards": (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "displaced": (0.1, 0.3, 1.0, 3.0),
    "silenced": (0.25, 0.5, 0.75),
}
#: Steps for which units are silenced, most steps after it, and patterns disturbed by each size.
N_SILENT, MOST_STEPS, N_PATTERNS = 50, 1000, 64
#: Patterns from which on disturbances towards another one have an interval: of fewer they are copies of a few.
FEWEST_PATTERNS = 5
#: Distance of two ends, in spreads of the patterns, up to which they are the same pattern.
SAME = 0.2


@dataclass(frozen=True)
class Disturbed:
    """Patterns disturbed by one ``size`` of a ``kind`` of ``SIZES``.

    ``completed`` is the share of them that came back, with its 95 % interval (Wilson); NaN where there is none.
    """

    kind: str
    size: float
    completed: float
    low: float
    high: float


@dataclass(frozen=True)
class PatternCompletion:
    """How far patterns may be disturbed.

    ``rates_hz`` (pattern, unit) are those in each of the states of rest that differ; ``by_size`` has each
    disturbance, none where fewer than two patterns differ. ``basin_size`` is the share of the way to another pattern
    from which half of them come back, with its 95 % interval (bootstrap over patterns) from ``FEWEST_PATTERNS`` on;
    NaN where there is none.
    """

    rates_hz: FloatArray
    by_size: tuple[Disturbed, ...]
    basin_size: float
    basin_low: float
    basin_high: float

    @property
    def n_patterns(self) -> int:
        """Number of patterns."""
        return len(self.rates_hz)

    def silenced(self, share: float) -> Disturbed | None:
        """Return what was found with this share of the units silenced."""
        return next((each for each in self.by_size if (each.kind, each.size) == ("silenced", share)), None)


def complete_patterns(
    system: ClosedLoop, points: Points, basins: Basins, visited: FloatArray, rng: np.random.Generator
) -> PatternCompletion:
    """Disturb the states in which the loop comes to rest, and see which come back.

    A pattern is completed where it ends, after as many steps as one that was not disturbed, within ``SAME`` of that
    one. Silenced units, at least one, show no spikes to the network for ``N_SILENT`` steps, while the others fire as
    it expects. ``visited`` (sample, state) gives the spread.
    """
    distinct = resting_states(points, basins)
    rates_hz = rates_of(system, distinct)
    if len(distinct) < 2:
        return PatternCompletion(rates_hz, (), np.nan, np.nan, np.nan)
    n_steps, spread = min(basins.n_steps, MOST_STEPS), Scale.of(visited).spread
    same = SAME * _spread(distinct)
    own, other = pairs_of_patterns(len(distinct), rng)
    patterns, others = distinct[own], distinct[other]
    disturbed = [patterns + share * (others - patterns) for share in SIZES["towards"]]
    disturbed += [_displaced(patterns, size * spread, rng) for size in SIZES["displaced"]]
    n_silent = [max(1, round(share * len(system.channels))) for share in SIZES["silenced"]]
    disturbed += [_silenced(system, patterns, n, rng) for n in n_silent]
    undisturbed = iterate(system, patterns, N_SILENT)  # the silenced ones have come as far
    ends = iterate(system, np.concatenate([patterns, undisturbed, *disturbed]), n_steps)
    at_rest, later, *after = ends.reshape(2 + len(disturbed), *patterns.shape)
    kinds = [(kind, size) for kind, sizes in SIZES.items() for size in sizes]
    back = [
        np.linalg.norm(end - (later if kind == "silenced" else at_rest), axis=1) < same
        for end, (kind, _) in zip(after, kinds, strict=True)
    ]
    n_towards = len(SIZES["towards"])
    towards = np.array(back[:n_towards])[:, : len(distinct) * (len(distinct) - 1)]  # (size, pair), no pair twice
    by_size = [_shared(*kind, each) for kind, each in zip(kinds, [*towards, *back[n_towards:]], strict=True)]
    size, low, high = half_way(towards.mean(axis=1)), np.nan, np.nan
    if len(distinct) < FEWEST_PATTERNS:
        by_size[:n_towards] = [replace(each, low=np.nan, high=np.nan) for each in by_size[:n_towards]]
    else:
        low, high = _basin_interval(towards, own[: towards.shape[1]], rng)
    return PatternCompletion(rates_hz, tuple(by_size), size, low, high)


def pairs_of_patterns(n_patterns: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Return which pattern is disturbed, and towards which other one, (disturbance,): each pair before any again."""
    own, turn = np.arange(N_PATTERNS) % n_patterns, np.arange(N_PATTERNS) // n_patterns
    steps = rng.permuted(np.tile(np.arange(1, n_patterns), (n_patterns, 1)), axis=1)
    return own, (own + steps[own, turn % (n_patterns - 1)]) % n_patterns


def resting_states(points: Points, basins: Basins) -> FloatArray:
    """Return the stable points, and of a continuum ends of orbits that differ, (pattern, state).

    A slow state that has not yet come to rest is no pattern.
    """
    if points.continuum is None:
        return points.attractors[:N_PATTERNS]
    settled = (basins.labels == SETTLED) | ((basins.labels >= 0) & (basins.labels < len(points.attractors)))
    ends = np.asarray(basins.ends[settled])
    if len(ends) < 2:
        return ends
    same = fcluster(linkage(ends, "complete"), SAME * _spread(ends), "distance")
    return ends[np.unique(same, return_index=True)[1]][:N_PATTERNS]


def _spread(states: FloatArray) -> float:
    """Return the root mean square distance of states (pattern, state) from their mean."""
    return float(np.sqrt(((states - states.mean(axis=0)) ** 2).sum(axis=1).mean()))


def rates_of(system: ClosedLoop, states: FloatArray) -> FloatArray:
    """Return the rates (..., unit), Hz, that the network expects of all units in states (..., state)."""
    network = system.network
    assert network.readout is not None
    expected = network.readout.expected(states[..., network.hidden_columns])
    return np.asarray(expected * network.bins_per_step / network.bin_s)


def _displaced(patterns: FloatArray, length: float, rng: np.random.Generator) -> FloatArray:
    direction = rng.normal(size=patterns.shape)
    return np.asarray(patterns + length * direction / np.linalg.norm(direction, axis=1, keepdims=True))


def _silenced(system: ClosedLoop, states: FloatArray, n_silent: int, rng: np.random.Generator) -> FloatArray:
    """Return states (pattern, state) after ``N_SILENT`` steps without the spikes of some of the units."""
    n_units = len(system.channels)
    ranks = rng.permuted(np.tile(np.arange(n_units), (len(states), 1)), axis=1)
    silent = np.zeros((len(states), system.network.n_input), dtype=bool)
    silent[:, list(system.channels)] = ranks < n_silent
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


def _basin_interval(
    back: BoolArray, own: IntArray, rng: np.random.Generator, n_draws: int = 500
) -> tuple[float, float]:
    """Return the 95 % interval of ``half_way`` of what came back (size, pair) over the patterns ``own`` (pair,)."""
    of_pattern = np.eye(own.max() + 1)[own]  # (pair, pattern)
    came_back, n_pairs, n = back @ of_pattern, of_pattern.sum(axis=0), of_pattern.shape[1]
    draws = rng.integers(n, size=(n_draws, n))
    sizes = np.array([half_way(came_back[:, drawn].sum(axis=1) / n_pairs[drawn].sum()) for drawn in draws])
    low, high = np.quantile(sizes, [0.025, 0.975])
    return float(low), float(high)
