"""Classification of points: fixed or slow, distinct or a continuum, distance to visited states, verification.

See science.md#fixed-points. The entry point is ``find_points``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.attractors.fixed_points import Scale, SearchOptions, Solutions, choose_starts, solve
from rnnspike.dynamics.eigenvalues import Modes, read_modes, stability
from rnnspike.dynamics.maps import Map
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

#: Relative distances at which distinct points are counted: the count is constant for isolated points.
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
#: |1 - lambda| under which a direction may belong to a continuum.
NEUTRAL_DIRECTION = 1e-2
#: Points per direction from which on they can fill a sheet: fewer, with more neutral directions, only decay slowly.
POINTS_ACROSS = 4
#: Least dwell time at each step along a continuum: in bins, and in windows, where the training window is known.
CONTINUUM_BINS, CONTINUUM_WINDOWS = 1000.0, 10.0
#: Fewest distinct points of a continuum, and most spreads of the visited states from one to the next (median).
FEWEST_POINTS, NEIGHBOURS = 12, 0.4
#: Gap, in spreads of the visited states, under which slow points belong to one slow region.
SLOW_REGION = 0.1


@dataclass(frozen=True)
class Continuum:
    """A line, ring or sheet of fixed points.

    ``share`` of the points that can be continued along a neutral direction, ``dimension`` the usual number of such
    directions, ``drift`` the largest speed along the continuum, in spreads per bin (0 where it is exact).
    """

    share: float
    dimension: int
    drift: float


@dataclass(frozen=True)
class Points:
    """Distinct fixed points, then slow points (the slowest of each slow region), of one map.

    Attributes
    ----------
    states
        (point, state).
    fixed
        bool (point,): a fixed point; else slow.
    q
        (point,) |s - F(s)|^2 / 2.
    speed_per_s, dwell_s
        (point,) |s - F(s)| over the bin, and the spread of the visited states over that speed (infinite if 0).
    n_starts
        (point,) number of starts that ended there.
    distance
        (point,) to the nearest visited state, in median nearest-neighbour distances of the visited states.
    outlier
        bool (point,): farther than ten of those; flagged, not removed.
    jacobians, modes
        (point, state, state), and their modes (point, mode).
    stability
        (point,) ``stable``, ``saddle``, ``unstable`` or ``neutral``.
    verified
        bool (point,): a small perturbation evolves as the Jacobian predicts.
    counts_by_tolerance
        Distinct fixed points by relative distance.
    n_rejected
        Starts that ended in neither.
    """

    states: FloatArray
    fixed: BoolArray
    q: FloatArray
    speed_per_s: FloatArray
    dwell_s: FloatArray
    n_starts: IntArray
    distance: FloatArray
    outlier: BoolArray
    jacobians: FloatArray
    modes: Modes
    stability: tuple[str, ...]
    verified: BoolArray
    counts_by_tolerance: Mapping[float, int]
    n_rejected: int
    continuum: Continuum | None

    def count(self, *classes: str) -> int:
        """Return how many fixed points have one of these stabilities."""
        return sum(kind in classes for kind, fixed in zip(self.stability, self.fixed, strict=True) if fixed)

    @property
    def n_fixed(self) -> int:
        """Number of distinct fixed points."""
        return int(self.fixed.sum())

    @property
    def n_slow(self) -> int:
        """Number of slow regions."""
        return int((~self.fixed).sum())

    @property
    def attractors(self) -> FloatArray:
        """Return the stable fixed points (point, state)."""
        stable = np.array([kind == "stable" for kind in self.stability], dtype=bool)
        chosen: FloatArray = self.states[self.fixed & stable]
        return chosen


def find_points(
    system: Map,
    visited: FloatArray,
    bin_s: float,
    rng: np.random.Generator,
    *,
    options: SearchOptions | None = None,
    window_s: float | None = None,
) -> Points:
    """Find and classify the fixed and slow points of a map, from visited states (sample, state)."""
    options = options or SearchOptions()
    scale = Scale.of(visited)
    with threadpool_limits(1, "blas"):  # one thread is faster for small matrices
        found = solve(system, choose_starts(system, visited, options, rng), scale, options)
        found = _between(system, found, scale, options, rng)
        return _sort_out(system, found, visited, scale, bin_s, options, window_s)


def _sort_out(
    system: Map,
    found: Solutions,
    visited: FloatArray,
    scale: Scale,
    bin_s: float,
    options: SearchOptions,
    window_s: float | None,
) -> Points:
    dwell_bins = scale.spread / np.maximum(np.sqrt(2 * found.q), 1e-300)
    fixed = found.q < options.tolerance * scale.norm**2
    valley = dwell_bins >= CONTINUUM_BINS  # so slow that the search may not have converged
    slow = ~fixed & (dwell_bins >= options.slow_bins) & (found.local_minimum | valley)
    tree = _clustering(found.states[fixed])
    slow_tree = _clustering(found.states[slow], "single")
    own = _groups(found, np.flatnonzero(fixed), tree, options.merge * scale.norm)
    regions = _groups(found, np.flatnonzero(slow), slow_tree, SLOW_REGION * scale.spread)
    pieces = _groups(found, np.flatnonzero(slow), slow_tree, 1e-3 * scale.norm)
    chosen = np.array([best for best, _ in own + regions], dtype=np.int64)
    states, step = found.states[chosen], np.sqrt(2 * found.q[chosen])
    jacobians = system.jacobian(states)
    values = np.linalg.eigvals(jacobians)
    distance = distance_to_visited(states, visited)
    verified = np.zeros(len(chosen), dtype=bool)
    verified[: len(own)] = verify(system, states[: len(own)], jacobians[: len(own)], scale)
    return Points(
        states=states,
        fixed=fixed[chosen],
        q=found.q[chosen],
        speed_per_s=step / bin_s,
        dwell_s=bin_s * np.divide(scale.spread, step, out=np.full(len(step), np.inf), where=step > 0),
        n_starts=np.array([size for _, size in own + regions], dtype=np.int64),
        distance=distance,
        outlier=distance > 10.0,
        jacobians=jacobians,
        modes=read_modes(values, bin_s, window_s),
        stability=tuple(stability(v) for v in values),
        verified=verified,
        counts_by_tolerance={t: _n_clusters(tree, int(fixed.sum()), t * scale.norm) for t in TOLERANCES},
        n_rejected=int((~fixed & ~slow).sum()),
        continuum=find_continuum(
            system,
            found.states[[best for best, _ in own + pieces]],
            scale,
            max(CONTINUUM_BINS, CONTINUUM_WINDOWS * (window_s or 0.0) / bin_s),
        ),
    )


def _between(
    system: Map, found: Solutions, scale: Scale, options: SearchOptions, rng: np.random.Generator
) -> Solutions:
    """Search again from the means of two or more fixed points, because saddles lie between attractors."""
    fixed = np.flatnonzero(found.q < options.tolerance * scale.norm**2)
    groups = _groups(found, fixed, _clustering(found.states[fixed]), options.merge * scale.norm)
    if not 2 <= len(groups) <= options.n_starts // 4:
        return found
    distinct = found.states[[best for best, _ in groups]]
    n_extra = options.n_starts // 4
    weights = np.zeros((n_extra, len(distinct)))
    for row, size in zip(weights, rng.integers(2, min(len(distinct), 8) + 1, size=n_extra), strict=True):
        row[rng.choice(len(distinct), size=size, replace=False)] = 1 / size
    more = solve(system, weights @ distinct, scale, options)
    return Solutions(
        np.concatenate([found.states, more.states]),
        np.concatenate([found.q, more.q]),
        np.concatenate([found.local_minimum, more.local_minimum]),
    )


def distance_to_visited(states: FloatArray, visited: FloatArray) -> FloatArray:
    """Return the distance (point,) to the nearest visited state over the median distance between neighbours there."""
    distinct = np.unique(visited, axis=0)
    distinct = distinct[:: len(distinct) // 1000 + 1]
    typical = float(np.median(_to_neighbour(distinct))) if len(distinct) > 1 else 1.0
    nearest = cdist(states, distinct).min(axis=1) if len(states) else np.empty(0)
    return np.asarray(nearest / max(typical, 1e-9 * Scale.of(visited).spread))


def _to_neighbour(states: FloatArray) -> FloatArray:
    """Return the distance of each state (point, state) to the nearest other one."""
    between = cdist(states, states)
    np.fill_diagonal(between, np.inf)
    return np.asarray(between.min(axis=1))


def verify(system: Map, states: FloatArray, jacobians: FloatArray, scale: Scale) -> BoolArray:
    """Return whether a perturbation of each point (point, state) evolves as its Jacobian predicts, bool (point,).

    The perturbation is along the leading eigenvector and is followed for 1/|1 - |lambda|| bins (1 to 1000): it decays
    at a stable point and grows at the rate of the eigenvalue at a saddle.
    """
    values, vectors = np.linalg.eig(jacobians)
    lead = np.argmax(np.abs(values), axis=1)[:, None]
    modulus = np.abs(np.take_along_axis(values, lead, axis=1))[:, 0]
    direction = np.take_along_axis(vectors, lead[:, None], axis=2)[..., 0].real
    n_steps = np.clip(np.ceil(1 / np.maximum(np.abs(1 - modulus), 1e-12)), 1, 1000).astype(int)
    linear = 1e-6 * scale.norm * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    actual = states + linear
    going = np.arange(len(states))
    for step in range(int(n_steps.max(initial=0))):
        going = going[n_steps[going] > step]
        with np.errstate(over="ignore", invalid="ignore"):
            actual[going] = system.step(actual[going])
        linear[going] = (jacobians[going] @ linear[going, :, None])[..., 0]
    error = np.linalg.norm(actual - states - linear, axis=1)
    return np.asarray(error < 0.05 * np.linalg.norm(linear, axis=1) + 1e-11 * scale.norm)


def find_continuum(
    system: Map, states: FloatArray, scale: Scale, least_bins: float = CONTINUUM_BINS, n_most: int = 12
) -> Continuum | None:
    """Return the continuum that these points (point, state) belong to, or None where they are isolated.

    A continuum has many distinct points with close neighbours, most with a direction of eigenvalue 1, along which
    states up to a fifth of the visited states' spread away are nearly fixed (pseudo-arclength: |s - F(s)| is kept
    smallest while the position along the direction is held): each needs ``least_bins`` to move by the spread. Few
    points for the directions, or points far apart, are isolated however slow they are.
    """
    if len(states) < FEWEST_POINTS or np.median(_to_neighbour(states)) > NEIGHBOURS * scale.spread:
        return None
    values, vectors = np.linalg.eig(system.jacobian(states))
    near_one = np.abs(values - 1) < NEUTRAL_DIRECTION
    walkable = np.flatnonzero(near_one.any(axis=1))
    if len(walkable) < 0.5 * len(states):
        return None
    tried = walkable[np.linspace(0, len(walkable) - 1, min(n_most, len(walkable))).astype(int)]
    dimensions, drifts = [], [0.0]
    for k in tried:
        directions = vectors[k][:, near_one[k]].real.T
        walks = [_walk(system, states[k], each / np.linalg.norm(each), scale, least_bins) for each in directions]
        dimensions.append(sum(went for went, _ in walks))
        drifts += [speed for went, speed in walks if went]
    share = float(np.mean(np.array(dimensions) > 0) * len(walkable) / len(states))
    if share < 0.5:
        return None
    dimension = int(np.median([each for each in dimensions if each]))
    return Continuum(share, dimension, max(drifts)) if len(states) >= POINTS_ACROSS**dimension else None


def _walk(
    system: Map, state: FloatArray, direction: FloatArray, scale: Scale, least_bins: float, n: int = 10
) -> tuple[bool, float]:
    """Follow a direction for a fifth of the spread; return whether each step dwells long enough, and top speed."""
    stride = 0.2 * scale.spread / n
    at, worst, gone = state, 0.0, 0.0
    identity = np.eye(len(state))
    for _ in range(n):
        target = at + stride * direction
        new = target
        for _ in range(4):
            matrix = np.vstack([identity - system.jacobian(new), direction])
            residual = np.append(new - system.step(new), direction @ (new - target))
            normal = matrix.T @ matrix + 1e-12 * identity  # a sheet has more neutral directions than the one held
            new = new - np.linalg.solve(normal, matrix.T @ residual)
        worst = max(worst, float(np.linalg.norm(new - system.step(new))) / scale.spread)
        moved = new - at
        gone += float(np.linalg.norm(moved))
        direction, at = moved / max(float(np.linalg.norm(moved)), 1e-300), new
        if not worst * least_bins < 1:
            return False, worst
    return gone > 0.1 * scale.spread, worst


def _clustering(states: FloatArray, method: str = "complete") -> FloatArray | None:
    """Tree of states (point, state); complete: a cluster's diameter stays under the cut, single: its gaps do."""
    return np.asarray(linkage(states, method)) if len(states) > 1 else None


def _labels(tree: FloatArray | None, n: int, distance: float) -> IntArray:
    if tree is None:
        return np.zeros(n, dtype=np.int64)
    return np.asarray(fcluster(tree, distance, "distance"), dtype=np.int64)


def _n_clusters(tree: FloatArray | None, n: int, distance: float) -> int:
    return len(np.unique(_labels(tree, n, distance)))


def _groups(found: Solutions, index: IntArray, tree: FloatArray | None, distance: float) -> list[tuple[int, int]]:
    """Return (start with the smallest q, number of starts) of each cluster, the most visited first."""
    labels = _labels(tree, len(index), distance)
    groups = []
    for label in np.unique(labels):
        members = index[labels == label]
        groups.append((int(members[np.argmin(found.q[members])]), len(members)))
    return sorted(groups, key=lambda group: (-group[1], group[0]))
