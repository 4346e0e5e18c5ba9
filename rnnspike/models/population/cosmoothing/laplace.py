r"""Latents given spikes, by Laplace's approximation, and loadings given latents.

.. math:: y_n(t) \sim \mathrm{Poisson}(\exp(d_n + C_n x(t))), \qquad x_k = \Psi_k z_k, \quad z_k \sim N(0, I)

with eigenfunctions :math:`\Psi_k` of latent k. Trials are solved together, each by Newton steps of its own length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnspike.trials.data import FloatArray, IntArray

#: Newton steps at the most, and the largest gain in nats of any trial below which they end.
STEPS, SETTLED = 12, 0.05
#: Halvings of a step that lowers the log density.
HALVINGS = 5
#: Precision of the prior of each loading: keeps units with few spikes near 0.
RIDGE = 1.0
#: The largest log of an expected count on the way.
HIGHEST = 6.0
#: Values of the Hessians that are in memory at a time.
BLOCK = 4_000_000


@dataclass(frozen=True)
class Stretches:
    """Counts float64 (stretch, bin, unit), and weights (stretch, bin): 1 where they were observed, else 0."""

    counts: FloatArray
    weight: FloatArray

    def take(self, rows: slice | IntArray) -> Stretches:
        """Return some of the stretches."""
        return Stretches(self.counts[rows], self.weight[rows])


@dataclass(frozen=True)
class Loadings:
    """Log rates ``level`` (unit,) and loadings (unit, latent)."""

    level: FloatArray
    weights: FloatArray

    def of(self, units: IntArray) -> Loadings:
        """Return those of some units."""
        return Loadings(self.level[units], self.weights[units])


@dataclass(frozen=True)
class Posterior:
    """Mean (stretch, bin, latent) and covariance (stretch, bin, latent, latent) of the latents in each bin.

    ``z`` (stretch, function) is the mode; ``evidence`` the log marginal likelihood of the counts, without constants.
    """

    mean: FloatArray
    covariance: FloatArray
    z: FloatArray
    evidence: float

    def expected(self, loadings: Loadings) -> FloatArray:
        """Return the expected counts (stretch, bin, unit), the latents' uncertainty included."""
        log_mu = self.mean @ loadings.weights.T + loadings.level
        for n, weight in enumerate(loadings.weights):
            spread = (self.covariance.reshape(-1, len(weight)) @ weight).reshape(self.mean.shape)
            log_mu[:, :, n] += 0.5 * spread @ weight
        return np.exp(np.minimum(log_mu, HIGHEST))


def infer(
    data: Stretches, loadings: Loadings, functions: Sequence[FloatArray], start: FloatArray | None = None
) -> Posterior:
    """Return the latents given the counts of the units with these loadings.

    Parameters
    ----------
    data
        Counts of those units.
    loadings
        Theirs.
    functions
        Eigenfunctions of each latent, (bin, function).
    start
        z (stretch, function) to begin with.
    """
    size = sum(each.shape[1] for each in functions)
    if start is None or start.shape[1] != size:
        start = np.zeros((len(data.counts), size))
    n_blocks = max(1, -(-len(start) * size * size // BLOCK))
    step = -(-len(start) // n_blocks)
    blocks = [slice(first, first + step) for first in range(0, len(start), step)]
    parts = [_infer(data.take(rows), loadings, functions, start[rows]) for rows in blocks]
    return Posterior(
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.covariance for part in parts]),
        np.concatenate([part.z for part in parts]),
        sum(part.evidence for part in parts),
    )


def _infer(data: Stretches, loadings: Loadings, functions: Sequence[FloatArray], z: FloatArray) -> Posterior:
    density, mu = _density(data, loadings, functions, z)
    for _ in range(STEPS):
        residual = data.weight[:, :, None] * data.counts - mu
        gradient = _onto(functions, residual @ loadings.weights) - z  # (stretch, function)
        hessian = _hessian(mu, loadings.weights, functions)
        move = np.asarray(np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0], np.float64)
        promise = 0.5 * (move * gradient).sum(axis=1)
        z, density, mu = _climb(data, loadings, functions, z, move, density)
        if promise.max(initial=0.0) < SETTLED:
            break
    hessian = _hessian(mu, loadings.weights, functions)
    evidence = float(density.sum() - 0.5 * np.linalg.slogdet(hessian)[1].sum())
    return Posterior(
        _paths(functions, z), _in_bins(np.asarray(np.linalg.inv(hessian), np.float64), functions), z, evidence
    )


def _climb(
    data: Stretches,
    loadings: Loadings,
    functions: Sequence[FloatArray],
    z: FloatArray,
    move: FloatArray,
    density: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return z, log density and mu after steps that are halved, in each stretch, until the density rises."""
    length = np.ones((len(z), 1))
    for _ in range(HALVINGS):
        there = z + length * move
        found, mu = _density(data, loadings, functions, there)
        lower = found < density - 1e-9
        if not lower.any():
            return there, found, mu
        length[lower] *= 0.5
    there = np.where(lower[:, None], z, there)
    return there, *_density(data, loadings, functions, there)


def _places(functions: Sequence[FloatArray]) -> list[slice]:
    """Return where each latent's functions are among all."""
    ends = np.cumsum([each.shape[1] for each in functions]).tolist()
    return [slice(end - each.shape[1], end) for end, each in zip(ends, functions, strict=True)]


def _paths(functions: Sequence[FloatArray], z: FloatArray) -> FloatArray:
    """Return the latents (stretch, bin, latent)."""
    return np.stack([z[:, own] @ each.T for each, own in zip(functions, _places(functions), strict=True)], axis=2)


def _onto(functions: Sequence[FloatArray], values: FloatArray) -> FloatArray:
    """Return values (stretch, bin, latent) summed against each function, (stretch, function)."""
    return np.concatenate([values[:, :, k] @ each for k, each in enumerate(functions)], axis=1)


def _density(
    data: Stretches, loadings: Loadings, functions: Sequence[FloatArray], z: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the log density (stretch,) without constants, and mu (stretch, bin, unit), 0 where not observed."""
    paths = _paths(functions, z)
    log_mu = (paths.reshape(-1, len(functions)) @ loadings.weights.T).reshape(*paths.shape[:2], -1)
    log_mu = np.minimum(log_mu + loadings.level, HIGHEST)
    weight = data.weight[:, :, None]
    mu = weight * np.exp(log_mu)
    nats = (weight * data.counts * log_mu - mu).sum(axis=(1, 2)) - 0.5 * (z**2).sum(axis=1)
    return nats, mu


def _hessian(mu: FloatArray, weights: FloatArray, functions: Sequence[FloatArray]) -> FloatArray:
    """Return minus the second derivatives of the log density by z, (stretch, function, function)."""
    places = _places(functions)
    out = np.empty((len(mu), places[-1].stop, places[-1].stop))
    products = (weights[:, :, None] * weights[:, None, :]).reshape(len(weights), -1)
    curvature = (mu.reshape(-1, len(weights)) @ products).reshape(*mu.shape[:2], len(functions), len(functions))
    for k, first in enumerate(functions):
        for j, second in enumerate(functions[: k + 1]):
            pairs = (first[:, :, None] * second[:, None, :]).reshape(len(first), -1)
            block = (curvature[:, :, k, j] @ pairs).reshape(len(mu), first.shape[1], second.shape[1])
            out[:, places[k], places[j]] = block
            out[:, places[j], places[k]] = block.transpose(0, 2, 1)
    return out + np.eye(places[-1].stop)


def _in_bins(covariance: FloatArray, functions: Sequence[FloatArray]) -> FloatArray:
    """Return the covariance of the latents in each bin, (stretch, bin, latent, latent)."""
    places, n_latents = _places(functions), len(functions)
    out = np.empty((len(covariance), len(functions[0]), n_latents, n_latents))
    for k in range(n_latents):
        for j in range(k + 1):
            each = ((functions[k] @ covariance[:, places[k], places[j]]) * functions[j]).sum(axis=2)
            out[:, :, k, j], out[:, :, j, k] = each, each
    return out


def loaded(data: Stretches, posterior: Posterior, start: Loadings, steps: int) -> Loadings:
    """Return level and loadings of each unit given the latents' posterior, by Newton steps from a start.

    They maximise the expected log-likelihood less a small ridge; ``data`` are counts of the units with that start.
    """
    seen = data.weight > 0
    mean, covariance = posterior.mean[seen], posterior.covariance[seen]  # (row, latent[, latent])
    levels, weights = start.level.copy(), start.weights.copy()
    for n in range(len(levels)):
        y = data.counts[:, :, n][seen]
        levels[n], weights[n] = _load(y, mean, covariance, levels[n], weights[n], steps)
    return Loadings(levels, weights)


def _load(
    y: FloatArray, mean: FloatArray, covariance: FloatArray, level: float, weight: FloatArray, steps: int
) -> tuple[float, FloatArray]:
    """Return level and loadings (latent,) of one unit from its counts (row,)."""
    total, product = y.sum(), y @ mean
    flat = covariance.reshape(-1, len(weight))

    def cost(at: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return minus the expected log-likelihood, mu and the latents' mean where the spikes are, (row, latent)."""
        spread = (flat @ at[1:]).reshape(mean.shape)
        mu = np.exp(np.minimum(at[0] + (mean + 0.5 * spread) @ at[1:], HIGHEST))
        nats = mu.sum() - at[0] * total - product @ at[1:] + 0.5 * RIDGE * at[1:] @ at[1:]
        return float(nats), mu, mean + spread

    at = np.concatenate([[level], weight])
    least, mu, tilted = cost(at)
    for _ in range(steps):
        gradient = np.concatenate([[total - mu.sum()], product - mu @ tilted - RIDGE * at[1:]])
        columns = np.column_stack([np.ones(len(y)), tilted])
        hessian = (columns * mu[:, None]).T @ columns + np.diag(np.append(1e-6, np.full(len(weight), RIDGE)))
        hessian[1:, 1:] += np.tensordot(mu, covariance, axes=1)
        move = np.linalg.solve(hessian, gradient)
        for _ in range(HALVINGS):
            found, *rest = cost(at + move)
            if found <= least:
                at, least, (mu, tilted) = at + move, found, rest
                break
            move = move / 2
    return float(at[0]), at[1:]
