"""Search for fixed and slow points of a map from visited states, in float64 (science.md#fixed-points).

Adam moves each start into a basin of q(s) = |s - F(s)|^2 / 2. From there Newton's method, damped as an implicit step
of the flow itself (pseudo-transient continuation; Kelley & Keyes 1998), follows the long valleys of gated cells to
the fixed point, where Levenberg-Marquardt is slow; Levenberg-Marquardt, which never raises q, finds slow points
(local minima above zero), which Newton's method passes. Each point stops independently.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.maps import Map, iterate
from rnnspike.trials.data import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class SearchOptions:
    """Settings of the search for fixed and slow points.

    ``tolerance`` is on q relative to the squared scale of the visited states; ``merge`` the relative distance under
    which two points are one; ``slow_bins`` the least dwell time (spread over speed) of a slow point; ``noise`` how
    far starts are perturbed, in standard deviations of the visited states; ``first_step`` is that of the
    continuation, in bins.
    """

    n_starts: int = 256
    adam_steps: int = 100
    learning_rate: float = 0.05
    continuation_steps: int = 40
    first_step: float = 100.0
    newton_steps: int = 100
    tolerance: float = 1e-20
    merge: float = 1e-6
    slow_bins: float = 10.0
    noise: tuple[float, float] = (0.1, 0.5)


@dataclass(frozen=True)
class Scale:
    """Size of the visited states.

    ``norm`` root mean square of |s|, ``spread`` of |s - mean|, ``per_unit`` (state,) standard deviations.
    """

    norm: float
    spread: float
    per_unit: FloatArray

    @classmethod
    def of(cls, visited: FloatArray) -> Scale:
        """Measure visited states (sample, state); all ones where they are constant."""
        centred = visited - visited.mean(axis=0)
        norm = float(np.sqrt((visited**2).sum(axis=1).mean()))
        spread = float(np.sqrt((centred**2).sum(axis=1).mean()))
        norm = norm if norm > 1e-12 else 1.0
        spread = spread if spread > 1e-9 * norm else norm
        per_unit = np.maximum(centred.std(axis=0), 0.05 * spread / np.sqrt(visited.shape[1]))
        return cls(norm, spread, per_unit)


@dataclass(frozen=True)
class Solutions:
    """Where each start ended: ``states`` (start, state), ``q`` (start,), ``local_minimum`` bool (start,)."""

    states: FloatArray
    q: FloatArray
    local_minimum: BoolArray


def choose_starts(
    system: Map, visited: FloatArray, options: SearchOptions, rng: np.random.Generator, n_forward: int = 500
) -> FloatArray:
    """Return starts (start, state), visited states spread apart.

    A quarter each: visited states, perturbed ones, points between two of them, and iterates of the map. Points
    between two visited states lead to saddles that separate basins; iterates lead to attractors even where all
    visited states are transients.
    """
    n = options.n_starts
    chosen = visited[spread_apart(visited, n, rng)]
    starts = chosen[np.arange(n) % len(chosen)].copy()
    scale = Scale.of(visited)
    _, perturbed, between, forward = (slice(n * k // 4, n * (k + 1) // 4) for k in range(4))
    width = rng.uniform(*options.noise, size=(starts[perturbed].shape[0], 1))
    starts[perturbed] += width * scale.per_unit * rng.normal(size=starts[perturbed].shape)
    weight = rng.uniform(0.3, 0.7, size=(starts[between].shape[0], 1))
    starts[between] += weight * (chosen[rng.integers(len(chosen), size=len(weight))] - starts[between])
    with np.errstate(over="ignore", invalid="ignore"):
        carried = iterate(system, starts[forward], n_forward)
    kept = np.isfinite(carried).all(axis=1) & (np.abs(carried).max(axis=1) < 1e6 * scale.norm)
    starts[forward][kept] = carried[kept]
    return starts


def spread_apart(
    visited: FloatArray, n: int, rng: np.random.Generator, n_candidates: int = 4000
) -> npt.NDArray[np.int64]:
    """Return indices of at most ``n`` visited states, rare ones included (the seeding of k-means++)."""
    pool = np.arange(len(visited))
    if len(pool) > n_candidates:
        pool = np.sort(rng.choice(len(visited), n_candidates, replace=False))
    states = visited[pool]
    chosen = [int(rng.integers(len(pool)))]
    distance_2 = ((states - states[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < min(n, len(pool)) and distance_2.sum() > 0:
        chosen.append(int(rng.choice(len(pool), p=distance_2 / distance_2.sum())))
        distance_2 = np.minimum(distance_2, ((states - states[chosen[-1]]) ** 2).sum(axis=1))
    return pool[chosen].astype(np.int64)


def solve(system: Map, starts: FloatArray, scale: Scale, options: SearchOptions) -> Solutions:
    """Move starts (start, state) to fixed points, or to local minima of q."""
    # one thread is faster for small matrices
    with threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
        near = _adam(system, starts, scale, options)
        states, q = _continue(system, near, scale, options)
        q = np.where(system.reachable(states), q, np.inf)
        arrived = q < options.tolerance * scale.norm**2
        # Newton's method may have passed a slow point on a long path: search some of these again, with a small budget
        far = np.flatnonzero(arrived & (np.linalg.norm(states - near, axis=1) > 0.3 * scale.spread))
        far = far[:: len(far) // max(len(near) // 4, 1) + 1]
        again = np.concatenate([np.flatnonzero(~arrived), far])
        budget = np.where(arrived[again], options.newton_steps // 3, options.newton_steps)
        lowered = _levenberg_marquardt(system, near[again], scale, budget)
        minimum = np.zeros(len(near), dtype=bool)
        minimum[again] = lowered.local_minimum
        better = ~arrived[again] | (lowered.local_minimum & (lowered.q > options.tolerance * scale.norm**2))
        states[again[better]], q[again[better]] = lowered.states[better], lowered.q[better]
        _polish(system, states, q, scale, options)
        return Solutions(states, np.where(system.reachable(states), q, np.inf), minimum)


def speed_q(system: Map, states: FloatArray) -> FloatArray:
    """Return q(s) = |s - F(s)|^2 / 2, (...); infinite where the map overflows."""
    residual = states - system.step(states)
    q = 0.5 * (residual**2).sum(axis=-1)
    return np.asarray(np.where(np.isfinite(q), q, np.inf))


def _adam(system: Map, starts: FloatArray, scale: Scale, options: SearchOptions) -> FloatArray:
    """Adam on q, independently for each point, in units of each coordinate's spread; returns the best states."""
    state, best = starts.copy(), starts.copy()
    best_q = np.full(len(starts), np.inf)
    mean, square = np.zeros_like(state), np.zeros_like(state)
    active = np.arange(len(state))
    done_q = 1e-10 * scale.norm**2  # Newton's method is faster from here
    for step in range(1, options.adam_steps + 1):
        at = state[active]
        residual = at - system.step(at)
        q = 0.5 * (residual**2).sum(axis=1)
        better = q < best_q[active]
        best[active[better]], best_q[active[better]] = at[better], q[better]
        going = np.isfinite(q) & (q > done_q)
        active, at, residual = active[going], at[going], residual[going]
        if not len(active):
            break
        gradient = (residual - system.pull_back(at, residual)) * scale.per_unit
        mean[active] += 0.1 * (gradient - mean[active])
        square[active] += 0.01 * (gradient**2 - square[active])
        corrected = np.sqrt(square[active] / (1 - 0.99**step)) + 1e-12
        rate = options.learning_rate * 0.5 * (1 + np.cos(np.pi * step / options.adam_steps))
        state[active] = at - rate * scale.per_unit * (mean[active] / (1 - 0.9**step)) / corrected
    return best


def _continue(system: Map, starts: FloatArray, scale: Scale, options: SearchOptions) -> tuple[FloatArray, FloatArray]:
    """(I / dt + I - J) d = F(s) - s; dt grows as the residual falls, until it is Newton's method. States and q."""
    state: FloatArray = starts.copy()
    q = speed_q(system, state)
    dt = np.full(len(state), options.first_step)
    identity = np.eye(state.shape[1])
    floor = 1e-28 * scale.norm**2
    active = np.arange(len(state))
    for _ in range(options.continuation_steps):
        active = active[(q[active] > floor) & np.isfinite(q[active])]
        if not len(active):
            break
        at = state[active]
        matrix = (1 + 1 / dt[active])[:, None, None] * identity - system.jacobian(at)
        state[active] = at + _solve(matrix, system.step(at) - at)
        following = speed_q(system, state[active])
        fallen = np.sqrt(q[active] / np.maximum(following, 1e-300))
        dt[active] = np.clip(dt[active] * np.clip(fallen, 0.1, 10.0), 1.0, 1e12)
        q[active] = following
    return state, q


def _polish(system: Map, states: FloatArray, q: FloatArray, scale: Scale, options: SearchOptions) -> None:
    """Refine fixed points to rounding error by Newton's method, in place, where q falls.

    In a slow direction, a point may be far from the exact one at a very small q, and would be counted twice.
    """
    for _ in range(10):
        short = np.flatnonzero((q < options.tolerance * scale.norm**2) & (q > 1e-28 * scale.norm**2))
        if not len(short):
            return
        at = states[short]
        proposal = at + _solve(np.eye(states.shape[1]) - system.jacobian(at), system.step(at) - at)
        following = speed_q(system, proposal)
        better = following < q[short]
        if not better.any():
            return
        states[short[better]], q[short[better]] = proposal[better], following[better]


def _solve(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Solve (start, state, state) for (start, state); NaN, which stops that start, where one of them is singular."""
    try:
        solved = np.asarray(np.linalg.solve(matrices, vectors[..., None])[..., 0], dtype=np.float64)
    except np.linalg.LinAlgError:
        solvable = np.linalg.matrix_rank(matrices) == matrices.shape[-1]
        solved = np.full_like(vectors, np.nan)
        solved[solvable] = np.linalg.solve(matrices[solvable], vectors[solvable, :, None])[..., 0]
    return solved


def _levenberg_marquardt(system: Map, starts: FloatArray, scale: Scale, budget: IntArray) -> Solutions:
    """(A'A + rho I) d = -A'(s - F), A = I - J; a step is taken where q falls, rho / 5 then, else rho * 4.

    At most ``budget`` (start,) steps of each start.
    """
    state = starts.copy()
    n_state = state.shape[1]
    q = speed_q(system, state)
    rho = np.full(len(state), 1e-2)
    minimum = np.zeros(len(state), dtype=bool)
    active = np.flatnonzero(np.isfinite(q))
    floor = 1e-28 * scale.norm**2
    identity = np.eye(n_state)
    for step in range(int(budget.max(initial=0))):
        going = (q[active] > floor) & ~minimum[active] & (rho[active] < 1e10) & (step < budget[active])
        active = active[going]
        if not len(active):
            break
        at = state[active]
        residual = at - system.step(at)
        matrix = identity - system.jacobian(at)
        transposed = np.swapaxes(matrix, -1, -2)
        gradient = (transposed @ residual[..., None])[..., 0]
        minimum[active] = np.linalg.norm(gradient, axis=1) < 1e-6 * np.linalg.norm(residual, axis=1)
        normal = transposed @ matrix
        largest = np.einsum("bii->bi", normal).max(axis=1)  # A is singular on a continuum: keep some damping
        normal[:, np.arange(n_state), np.arange(n_state)] += np.maximum(rho[active], 1e-13 * largest)[:, None]
        proposal = at - np.linalg.solve(normal, gradient[..., None])[..., 0]
        new_q = speed_q(system, proposal)
        taken = new_q < q[active]
        state[active[taken]], q[active[taken]] = proposal[taken], new_q[taken]
        rho[active] = np.maximum(np.where(taken, rho[active] / 5, rho[active] * 4), 1e-14)
    return Solutions(state, q, minimum)
