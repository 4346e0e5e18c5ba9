"""Where orbits end: basins of attraction, limit cycles, and the return from a known disturbance (science.md b.10)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from rnnspike.dynamics.cycles import Cycle, find_cycle, lyapunov_of_map
from rnnspike.dynamics.fixed_points import Scale, spread_apart
from rnnspike.dynamics.maps import Map, iterate
from rnnspike.dynamics.points import Points
from rnnspike.trials.data import FloatArray, IntArray

#: Labels of orbits that end at no attractor known by number.
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
        Share that stand still elsewhere: on a continuum or at a slow or missed point.
    irregular
        Share that neither stand still nor come back within the steps taken.
    n_orbits, n_steps
        Orbits followed, and for how many bins.
    lyapunov_per_s
        Largest exponent along orbits where they have ended: below 0 they forget, above 0 chaos.
    completion
        One entry a size of disturbance.
    ends
        (orbit, state) the last states.
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
    ends: FloatArray = field(repr=False)


@dataclass(frozen=True)
class _Ends:
    labels: IntArray
    states: FloatArray
    cycles: tuple[Cycle, ...]


def find_basins(
    system: Map,
    points: Points,
    visited: FloatArray,
    bin_s: float,
    rng: np.random.Generator,
    *,
    n_orbits: int = 128,
    sizes: tuple[float, ...] = (0.1, 0.3, 1.0),
    max_steps: int = 5000,
) -> Basins:
    """Follow orbits from visited states (sample, state), half of them perturbed, to where they end."""
    scale = Scale.of(visited)
    n_steps = settling_steps(points, bin_s, max_steps)
    chosen = visited[spread_apart(visited, n_orbits, rng)]
    starts = chosen[np.arange(n_orbits) % len(chosen)].copy()
    starts[1::2] += 0.5 * scale.per_unit * rng.normal(size=starts[1::2].shape)
    with np.errstate(over="ignore", invalid="ignore"):
        ends = _follow(system, starts, points, n_steps, bin_s, scale)
        followed = np.isfinite(ends.states).all(axis=1)
        some = ends.states[followed][:8]
        lyapunov = lyapunov_of_map(system, some, bin_s) if len(some) else float("inf")
        completion = tuple(
            _complete(system, chosen[:48], size, points, n_steps, bin_s, scale, ends.cycles, rng) for size in sizes
        )
    n_attractors = len(points.attractors)

    def count(label: int) -> float:
        return float((ends.labels == label).mean())

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
        completion=completion,
        ends=ends.states,
    )


def settling_steps(points: Points, bin_s: float, max_steps: int) -> int:
    """Return how many bins to run: 15 of the slowest decay at an attractor, 300 to ``max_steps``."""
    stable = np.array([kind == "stable" for kind in points.stability], dtype=bool) & points.fixed
    slowest = points.modes.tau_s[stable].max() / bin_s if stable.any() else 0.0
    return int(np.clip(15 * slowest, 300, max_steps)) if np.isfinite(slowest) else max_steps


def _follow(
    system: Map,
    starts: FloatArray,
    points: Points,
    n_steps: int,
    bin_s: float,
    scale: Scale,
    known: tuple[Cycle, ...] = (),
) -> _Ends:
    """Run starts (orbit, state) forward and name the end of each."""
    states = iterate(system, starts, n_steps)
    labels = _nearest_attractor(states, points.attractors, scale)
    speed = np.linalg.norm(system.step(states) - states, axis=1)
    still = (labels == IRREGULAR) & (speed * 1000 < scale.spread)
    labels[still] = SETTLED
    moving = np.flatnonzero((labels == IRREGULAR) & np.isfinite(states).all(axis=1))
    cycles = list(known)
    if len(moving):
        # a slow cycle needs several turns to be seen
        orbits = iterate(system, states[moving], max(2000, n_steps), keep_every=1)
        labels[moving] = _nearest_attractor(orbits[-1], points.attractors, scale)
        for k, orbit in zip(moving, np.moveaxis(orbits, 0, 1), strict=True):
            if labels[k] != IRREGULAR:
                continue
            known_one = next((j for j, other in enumerate(cycles) if other.passes(orbit[-1])), None)
            if known_one is None and (cycle := find_cycle(orbit, bin_s)) is not None:
                known_one = _same_cycle(cycle, cycles, scale)
            if known_one is not None:
                labels[k] = len(points.attractors) + known_one
    return _Ends(labels, states, tuple(cycles))


def _same_cycle(cycle: Cycle, cycles: list[Cycle], scale: Scale) -> int:
    """Return the index of a cycle among those known, added where it is new."""
    for k, other in enumerate(cycles):
        near = np.linalg.norm(cycle.orbit.mean(axis=0) - other.orbit.mean(axis=0)) < 0.1 * scale.spread
        if near and abs(cycle.period_s - other.period_s) < 0.02 * other.period_s:
            return k
    cycles.append(cycle)
    return len(cycles) - 1


def _nearest_attractor(states: FloatArray, attractors: FloatArray, scale: Scale) -> IntArray:
    """Return which attractor each state (orbit, state) lies at, ``IRREGULAR`` where at none."""
    labels = np.full(len(states), IRREGULAR, dtype=np.int64)
    for k, attractor in enumerate(attractors):
        labels[np.linalg.norm(states - attractor, axis=1) < 1e-3 * scale.norm] = k
    return labels


def _complete(
    system: Map,
    states: FloatArray,
    size: float,
    points: Points,
    n_steps: int,
    bin_s: float,
    scale: Scale,
    cycles: tuple[Cycle, ...],
    rng: np.random.Generator,
) -> Completion:
    """Disturb visited states (sample, state) by ``size`` spreads and compare with their undisturbed orbits."""
    direction = rng.normal(size=states.shape)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    base, disturbed = states, states + size * scale.spread * direction
    distance = [np.linalg.norm(disturbed - base, axis=1)]
    for _ in range(min(n_steps, 500)):
        base, disturbed = system.step(base), system.step(disturbed)
        distance.append(np.linalg.norm(disturbed - base, axis=1))
    near = np.array(distance) < np.exp(-1) * distance[0]
    first = np.where(near.any(axis=0), near.argmax(axis=0), np.inf)
    both = _follow(system, np.concatenate([base, disturbed]), points, n_steps, bin_s, scale, cycles)
    undisturbed, after = both.labels[: len(states)], both.labels[len(states) :]
    # on a continuum "the same end" means close by, not merely standing still somewhere
    together = np.linalg.norm(both.states[: len(states)] - both.states[len(states) :], axis=1) < 0.05 * scale.spread
    same = np.where(undisturbed >= 0, undisturbed == after, together)
    median = float(np.median(first))
    return Completion(size, float(same.mean()), median * bin_s if np.isfinite(median) else float("nan"))
