"""Where a map stands still: search from visited states, float64 (science.md b.10).

Adam brings each start into a basin of q(s) = |s - F(s)|^2 / 2, Levenberg-Marquardt brings it to the floor; each point
stops by itself. A start that ends in a local minimum above zero is a slow point, not a failure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.maps import Map, iterate
from rnnspike.trials.data import BoolArray, FloatArray


@dataclass(frozen=True)
class SearchOptions:
    """How to look for fixed and slow points.

    ``tolerance`` is on q relative to the squared scale of the visited states; ``merge`` the relative distance under
    which two points are one; ``slow_bins`` the least dwell time (spread over speed) of a slow point; ``noise`` how
    far starts are perturbed, in standard deviations of the visited states.
    """

    n_starts: int = 256
    adam_steps: int = 150
    learning_rate: float = 0.05
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
        """Measure visited states (sample, state); all ones where they never move."""
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
    system: Map, visited: FloatArray, options: SearchOptions, rng: np.random.Generator, n_forward: int = 1000
) -> FloatArray:
    """Return starts (start, state), visited states spread apart.

    A quarter each as they are, perturbed, between two of them, and carried forward by the map.
    States between two visited ones find the saddles that divide basins; those carried forward find attractors even
    where the visited states are all transients.
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
    """Bring starts (start, state) to fixed points, or to local minima of q."""
    # one thread: matrices this small only wait for one another
    with threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
        near = _adam(system, starts, scale, options)
        return _levenberg_marquardt(system, near, scale, options)


def speed_q(system: Map, states: FloatArray) -> FloatArray:
    """Return q(s) = |s - F(s)|^2 / 2, (...); infinite where the map overflows."""
    residual = states - system.step(states)
    q = 0.5 * (residual**2).sum(axis=-1)
    return np.asarray(np.where(np.isfinite(q), q, np.inf))


def _adam(system: Map, starts: FloatArray, scale: Scale, options: SearchOptions) -> FloatArray:
    """Adam on q, each point by itself, in units of each coordinate's spread; keeps the best state of each point."""
    state, best = starts.copy(), starts.copy()
    best_q = np.full(len(starts), np.inf)
    mean, square = np.zeros_like(state), np.zeros_like(state)
    active = np.arange(len(state))
    done_q = 1e-10 * scale.norm**2  # from here Newton is quicker
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


def _levenberg_marquardt(system: Map, starts: FloatArray, scale: Scale, options: SearchOptions) -> Solutions:
    """(A'A + rho I) d = -A'(s - F), A = I - J; a step is taken where q falls, rho / 5 then, else rho * 4."""
    state = starts.copy()
    n_state = state.shape[1]
    q = speed_q(system, state)
    rho = np.full(len(state), 1e-2)
    minimum = np.zeros(len(state), dtype=bool)
    active = np.flatnonzero(np.isfinite(q))
    floor = 1e-30 * scale.norm**2
    identity = np.eye(n_state)
    for _ in range(options.newton_steps):
        active = active[(q[active] > floor) & ~minimum[active] & (rho[active] < 1e10)]
        if not len(active):
            break
        at = state[active]
        residual = at - system.step(at)
        matrix = identity - system.jacobian(at)
        transposed = np.swapaxes(matrix, -1, -2)
        gradient = (transposed @ residual[..., None])[..., 0]
        minimum[active] = np.linalg.norm(gradient, axis=1) < 1e-6 * np.linalg.norm(residual, axis=1)
        normal = transposed @ matrix
        largest = np.einsum("bii->bi", normal).max(axis=1)  # on a continuum A is singular: never quite undamped
        normal[:, np.arange(n_state), np.arange(n_state)] += np.maximum(rho[active], 1e-13 * largest)[:, None]
        proposal = at - np.linalg.solve(normal, gradient[..., None])[..., 0]
        new_q = speed_q(system, proposal)
        taken = new_q < q[active]
        state[active[taken]], q[active[taken]] = proposal[taken], new_q[taken]
        rho[active] = np.maximum(np.where(taken, rho[active] / 5, rho[active] * 4), 1e-14)
    return Solutions(state, q, minimum)
