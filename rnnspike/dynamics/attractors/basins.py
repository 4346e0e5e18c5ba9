"""Where orbits end: basins of attraction, limit cycles, and the return from a known disturbance.

See science.md#basins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, pdist

from rnnspike.dynamics.attractors.cycles import Cycle, find_cycle, lyapunov_of_map
from rnnspike.dynamics.attractors.fixed_points import Scale, spread_apart
from rnnspike.dynamics.attractors.points import Points
from rnnspike.dynamics.maps import Map, iterate
from rnnspike.trials.data import FloatArray, IntArray

#: Labels of orbits that end at no known attractor.
SETTLED, IRREGULAR = -1, -2


@dataclass(frozen=True)
class Completion:
    """Return of visited states after a disturbance of ``size`` spreads in a random direction.

    ``returned`` share that end where the undisturbed state ends; ``return_s`` median time until the distance to the
    undisturbed orbit has fallen to 1/e (NaN where less than half of them get there).
    """

    size: float
    returned: float
    return_s: float


@dataclass(frozen=True)
class Basins:
    """Where forward orbits from visited and perturbed states end.

    Attributes
    ----------
    attractors
        (attractor, state) the stable fixed points.
    share
        (attractor,) share of orbits that end at each.
    cycles, cycle_share
        Limit cycles found, and the share of orbits that end on each.
    settled
        Share that come to rest elsewhere: on a continuum, at a slow point, or at a point that was not found.
    irregular
        Share that neither come to rest nor return to a previous state.
    n_orbits, n_steps
        Orbits followed, and for how many bins.
    lyapunov_per_s
        Largest Lyapunov exponent after convergence: below 0 perturbations decay, above 0 the dynamics are chaotic.
    completion
        One entry per size of disturbance.
    starts, ends
        (orbit, state) the first states, and those after ``n_steps``.
    labels
        int (orbit,) the attractor that an orbit ends at, after those the cycle, else ``SETTLED`` or ``IRREGULAR``.
    """

    attractors: FloatArray
    share: FloatArray
    cycles: tuple[Cycle, ...]
    cycle_share: tuple[float, ...]
    settled: float
    irregular: float
    n_orbits: int
    n_steps: int
    lyapunov_per_s: float
    completion: tuple[Completion, ...]
    starts: FloatArray = field(repr=False)
    ends: FloatArray = field(repr=False)
    labels: IntArray = field(repr=False)


@dataclass(frozen=True)
class _Ends:
    """Where orbits ended: ``labels`` (orbit,), ``states`` (orbit, state), and ``early`` (bin, orbit, state) bins."""

    labels: IntArray
    states: FloatArray
    early: FloatArray
    cycles: tuple[Cycle, ...]


def find_basins(
    system: Map,
    points: Points,
    visited: FloatArray,
    bin_s: float,
    rng: np.random.Generator,
    *,
    n_orbits: int = 128,
    n_pushed: int = 32,
    sizes: tuple[float, ...] = (0.1, 0.3, 1.0),
    max_steps: int = 5000,
) -> Basins:
    """Follow orbits from visited states (sample, state), half of them perturbed, to where they end.

    In addition, ``n_pushed`` visited states are displaced by each of ``sizes`` spreads in a random direction.
    """
    scale = Scale.of(visited)
    n_steps = settling_steps(points, bin_s, max_steps)
    chosen = visited[spread_apart(visited, n_orbits, rng)]
    starts = chosen[np.arange(n_orbits) % len(chosen)].copy()
    starts[1::2] += 0.5 * scale.per_unit * rng.normal(size=starts[1::2].shape)
    base = chosen[:n_pushed]
    pushed = [base + size * scale.spread * _directions(base, rng) for size in sizes]
    with np.errstate(over="ignore", invalid="ignore"):
        # one batch: a step of many orbits takes little longer than a step of few
        ends = _follow(system, np.concatenate([starts, base, *pushed]), points, n_steps, scale, bin_s)
        followed = np.isfinite(ends.states[:n_orbits]).all(axis=1)
        some = ends.states[:n_orbits][followed][:8]
        lyapunov = _lyapunov(system, some, ends.cycles, bin_s) if len(some) else float("inf")
        completion = [
            _completion(size, ends, slice(first, first + len(base)), n_orbits, scale, bin_s)
            for size, first in zip(sizes, range(n_orbits + len(base), len(ends.labels), len(base)), strict=True)
        ]
    n_attractors, labels = len(points.attractors), ends.labels[:n_orbits]

    def count(label: int) -> float:
        return float((labels == label).mean())

    return Basins(
        attractors=points.attractors,
        share=np.array([count(k) for k in range(n_attractors)]),
        cycles=ends.cycles,
        cycle_share=tuple(count(n_attractors + k) for k in range(len(ends.cycles))),
        settled=count(SETTLED),
        irregular=count(IRREGULAR),
        n_orbits=n_orbits,
        n_steps=n_steps,
        lyapunov_per_s=lyapunov,
        completion=tuple(completion),
        starts=starts,
        ends=ends.states[:n_orbits],
        labels=labels,
    )


def _lyapunov(system: Map, states: FloatArray, cycles: tuple[Cycle, ...], bin_s: float) -> float:
    """Return the largest exponent along orbits from states (orbit, state), over whole turns of the slowest cycle."""
    if not cycles:
        return lyapunov_of_map(system, states, bin_s)
    period = max(cycle.period_s for cycle in cycles) / bin_s
    skipped, counted = round(max(period, 100)), round(period * max(round(300 / period), 1))
    return lyapunov_of_map(system, states, bin_s, skipped + counted, n_skipped=skipped)


def _directions(states: FloatArray, rng: np.random.Generator) -> FloatArray:
    direction = rng.normal(size=states.shape)
    return np.asarray(direction / np.linalg.norm(direction, axis=1, keepdims=True))


def settling_steps(points: Points, bin_s: float, max_steps: int) -> int:
    """Return how many bins to run: 15 times the slowest decay at an attractor, between 300 and ``max_steps``."""
    stable = np.array([kind == "stable" for kind in points.stability], dtype=bool) & points.fixed
    slowest = points.modes.tau_s[stable].max() / bin_s if stable.any() else 0.0
    return int(np.clip(15 * slowest, 300, max_steps)) if np.isfinite(slowest) else max_steps


def _follow(
    system: Map, starts: FloatArray, points: Points, n_steps: int, scale: Scale, bin_s: float, n_early: int = 300
) -> _Ends:
    """Run starts (orbit, state) forward and label the end of each.

    Orbits that have arrived are dropped and orbits that have met are merged, so that few are left most of the time.
    """
    early = iterate(system, starts, min(n_early, n_steps), keep_every=1)
    states = early[-1].copy()
    labels = _nearest_attractor(states, points.attractors, scale)
    leader = np.arange(len(states))
    for step in range(len(early) - 1, n_steps, 100):
        own = (leader == np.arange(len(states))) & np.isfinite(states).all(axis=1)
        going = np.flatnonzero(own & (labels == IRREGULAR))
        if not len(going):
            break
        leader[going] = going[_first_of_group(states[going], 0.01 * scale.spread)]
        going = np.unique(leader[going])
        states[going] = iterate(system, states[going], min(100, n_steps - step))
        labels[going] = _nearest_attractor(states[going], points.attractors, scale)
    while (leader[leader] != leader).any():
        leader = leader[leader]
    states, labels = states[leader], labels[leader]
    speed = np.linalg.norm(system.step(states) - states, axis=1)
    labels[(labels == IRREGULAR) & (speed * 1000 < scale.spread)] = SETTLED
    cycles = _name_cycles(system, states, labels, points, _cycle_steps(points, bin_s, n_steps), scale, bin_s)
    return _Ends(labels, states, early, tuple(cycles))


def _first_of_group(states: FloatArray, width: float) -> IntArray:
    """Return for each state (orbit, state) the first of its group; groups have a diameter of at most ``width``."""
    if len(states) < 2:
        return np.zeros(len(states), dtype=np.int64)
    groups = fcluster(linkage(states, "complete"), width, "distance")
    _, first, of = np.unique(groups, return_index=True, return_inverse=True)
    return np.asarray(first[of], dtype=np.int64)


def _cycle_steps(points: Points, bin_s: float, n_steps: int, most: int = 20_000) -> list[int]:
    """Return the number of bins in which to search for a cycle, and a larger one if that fails.

    A slow cycle needs several turns to be detected: eight of the slowest oscillation at an unstable point.
    """
    leaving = (np.abs(points.modes.eigenvalues) > 1) & (points.modes.frequency_hz > 0)
    slowest_hz = points.modes.frequency_hz[leaving].min() if leaving.any() else np.inf
    first = int(np.clip(max(2000, n_steps, 8 / (slowest_hz * bin_s)), 2000, most))
    return sorted({first, min(4 * first, most)})


def _name_cycles(
    system: Map,
    states: FloatArray,
    labels: IntArray,
    points: Points,
    lengths: Sequence[int],
    scale: Scale,
    bin_s: float,
    n_at_once: int = 12,
) -> list[Cycle]:
    """Search for cycles among orbits (orbit, state) that still move, and label those that end on one."""
    cycles: list[Cycle] = []
    for length in lengths:
        moving = np.flatnonzero((labels == IRREGULAR) & np.isfinite(states).all(axis=1))
        for _ in range(4):
            group, moving = moving[:n_at_once], moving[n_at_once:]
            if not len(group):
                break
            orbits = iterate(system, states[group], length, keep_every=1)
            labels[group] = _nearest_attractor(orbits[-1], points.attractors, scale)
            for k, orbit in zip(group, np.moveaxis(orbits, 0, 1), strict=True):
                if labels[k] == IRREGULAR:
                    labels[k] = _cycle_of(orbit, cycles, len(points.attractors), scale, bin_s)
            known = [_known_cycle(states[k], cycles) for k in moving]
            labels[moving] = [IRREGULAR if j is None else len(points.attractors) + j for j in known]
            moving = moving[labels[moving] == IRREGULAR]
    return cycles


def _cycle_of(orbit: FloatArray, cycles: list[Cycle], n_attractors: int, scale: Scale, bin_s: float) -> int:
    """Return the label of the cycle that an orbit (time, state) follows; a new one is added to ``cycles``."""
    known = _known_cycle(orbit[-1], cycles)
    if known is None and (cycle := find_cycle(orbit, bin_s)) is not None:
        known = _same_cycle(cycle, cycles, scale)
    return IRREGULAR if known is None else n_attractors + known


def _known_cycle(state: FloatArray, cycles: Sequence[Cycle]) -> int | None:
    return next((j for j, cycle in enumerate(cycles) if cycle.passes(state)), None)


def _same_cycle(cycle: Cycle, cycles: list[Cycle], scale: Scale) -> int:
    """Return the index of a cycle among those known, added where it is new."""
    for k, other in enumerate(cycles):
        near = np.linalg.norm(cycle.orbit.mean(axis=0) - other.orbit.mean(axis=0)) < 0.1 * scale.spread
        if near and abs(cycle.period_s - other.period_s) < 0.02 * other.period_s:
            return k
    cycles.append(cycle)
    return len(cycles) - 1


def _nearest_attractor(states: FloatArray, attractors: FloatArray, scale: Scale) -> IntArray:
    """Return the attractor that each state (orbit, state) has reached, ``IRREGULAR`` where none.

    Reached means closer than a hundredth of the scale and than a tenth of the distance between two attractors.
    """
    if not len(attractors):
        return np.full(len(states), IRREGULAR, dtype=np.int64)
    apart = float(pdist(attractors).min()) if len(attractors) > 1 else np.inf
    distance = cdist(states, attractors)
    near = np.nan_to_num(distance, nan=np.inf).min(axis=1) < min(0.01 * scale.norm, 0.1 * apart)
    return np.where(near, distance.argmin(axis=1), IRREGULAR).astype(np.int64)


def _completion(size: float, ends: _Ends, pushed: slice, first_base: int, scale: Scale, bin_s: float) -> Completion:
    """Compare displaced orbits with the undisturbed ones, which begin at index ``first_base``."""
    base = slice(first_base, first_base + pushed.stop - pushed.start)
    distance = np.linalg.norm(ends.early[:, pushed] - ends.early[:, base], axis=2)  # (bin, orbit)
    near = distance < np.exp(-1) * distance[0]
    first = np.where(near.any(axis=0), near.argmax(axis=0), np.inf)
    # on a continuum, the same end means a nearby state, not only any state of rest
    together = np.linalg.norm(ends.states[base] - ends.states[pushed], axis=1) < 0.05 * scale.spread
    undisturbed, after = ends.labels[base], ends.labels[pushed]
    same = np.where(undisturbed >= 0, undisturbed == after, together)
    median = float(np.median(first))
    return Completion(size, float(same.mean()), median * bin_s if np.isfinite(median) else float("nan"))
