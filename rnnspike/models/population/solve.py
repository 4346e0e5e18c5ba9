r"""Weights of many sources of a log-linear model, each with a strength found by restricted maximum likelihood.

The log of the expected count is :math:`o + a + X\beta` with a fixed offset :math:`o`, and
:math:`\beta_j \sim N(0, I / \lambda_j)` for each source. Newton steps with a fresh Hessian alternate with
Fellner-Schall steps :math:`\lambda_j \leftarrow (B - \lambda_j\,\mathrm{tr}V_{jj}) / |\beta_j|^2`, V the inverse of
the penalised Hessian (Wood and Fasiolo 2017; science.md#coupling). A Hessian kept from the start fails where a state
is shared.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.observation import Observation, loss_by_log_mu
from rnnspike.trials.data import FloatArray

#: Strengths: the first, and the least and most there are; the most that a step changes one.
START, LEAST, MOST, FACTOR = 100.0, 0.1, 1e6, 30.0
#: Steps at the most; predicted fall in nats of one below which the search ends, once strengths have had three.
MAX_STEPS, MIN_STEPS, SETTLED = 10, 4, 0.1
#: Halvings of a step that does not lower the penalised loss.
HALVINGS = 8
#: Rows whose share of the Hessian is computed at a time.
BLOCK = 16384


@dataclass(frozen=True)
class Problem:
    """Rows of a log-linear model: features (row, column), offset, bins and spikes (row,) as in ``loss_by_log_mu``.

    ``n_columns`` is the number of columns of each source.
    """

    features: npt.NDArray[np.float32]
    offset: FloatArray
    bins: FloatArray
    spikes: FloatArray
    observation: Observation
    n_columns: int

    def log_mu(self, at: FloatArray) -> FloatArray:
        """Return log mu (row,) of an intercept and weights."""
        return np.asarray(self.offset + at[0] + self.features @ at[1:].astype(np.float32))

    def hessian(self, curvature: FloatArray) -> FloatArray:
        """Return the Hessian of the loss, the intercept first."""
        n = self.features.shape[1]
        root = np.sqrt(curvature).astype(np.float32)
        total = np.zeros((n + 1, n + 1))
        for start in range(0, len(root), BLOCK):
            here = slice(start, start + BLOCK)
            weighted = self.features[here] * root[here, None]
            total[1:, 1:] += weighted.T @ weighted
            total[0, 1:] += root[here] @ weighted
        total[1:, 0] = total[0, 1:]
        total[0, 0] = curvature.sum()
        return total


@dataclass(frozen=True)
class Solution:
    """Intercept and weights (1 + column,), the strength of each source, and the Hessian of the loss there."""

    at: FloatArray
    strengths: FloatArray
    hessian: FloatArray

    def by_source(self) -> FloatArray:
        """Return the weights (source, column)."""
        return self.at[1:].reshape(len(self.strengths), -1)

    def block_tests(self) -> FloatArray:
        """Return the Wald statistic of each source without a penalty of its own, the others' kept (source,).

        Chi-squared with as many degrees of freedom as a source has columns where a source adds nothing.
        """
        weights = self.by_source()
        n_sources, n_columns = weights.shape
        penalised = self.hessian + np.diag(_precision(self.strengths, n_columns))
        gradient = np.zeros(len(self.at))  # of the loss at the optimum: minus that of the penalty
        gradient[1:] = -(self.strengths[:, None] * weights).ravel()
        inverse, statistics = np.linalg.inv(penalised), np.empty(n_sources)
        for j in range(n_sources):
            block = slice(1 + j * n_columns, 1 + (j + 1) * n_columns)
            # Without its own penalty the block's information is inv(V_jj) - lambda_j I, its score that of the loss.
            information = np.linalg.inv(inverse[block, block]) - self.strengths[j] * np.eye(n_columns)
            free = np.linalg.solve(_positive(information), information @ weights[j] - gradient[block])
            statistics[j] = float(free @ information @ free)
        return statistics


def _positive(matrix: FloatArray) -> FloatArray:
    """Return a symmetric matrix kept away from singular."""
    return np.asarray(matrix + 1e-9 * np.trace(matrix) / len(matrix) * np.eye(len(matrix)))


def _precision(strengths: FloatArray, n_columns: int) -> FloatArray:
    """Return the prior's precision of every coefficient; the intercept has none."""
    return np.concatenate([[0.0], np.repeat(strengths, n_columns)])


def solve(problem: Problem) -> Solution:
    """Return weights and strengths."""
    n_sources = problem.features.shape[1] // problem.n_columns
    at, strengths = np.zeros(1 + problem.features.shape[1]), np.full(n_sources, START)
    loss, slope, curvature = _loss(problem, at)
    for step in range(MAX_STEPS):
        hessian, precision = problem.hessian(curvature), _precision(strengths, problem.n_columns)
        gradient = np.concatenate([[slope.sum()], slope.astype(np.float32) @ problem.features]) + precision * at
        inverse = np.asarray(np.linalg.inv(hessian + np.diag(precision)), np.float64)
        move = -inverse @ gradient
        promise = -0.5 * float(move @ gradient)
        at, loss, slope, curvature = _descend(problem, at, move, precision, (loss, slope, curvature))
        if step >= MIN_STEPS and promise < SETTLED:
            break
        if step < MAX_STEPS - 1:
            strengths = _stepped(strengths, at, inverse, problem.n_columns)
    return Solution(at, strengths, problem.hessian(curvature))


def _loss(problem: Problem, at: FloatArray) -> tuple[float, FloatArray, FloatArray]:
    return loss_by_log_mu(problem.log_mu(at), problem.bins, problem.spikes, problem.observation)


def _descend(
    problem: Problem,
    at: FloatArray,
    move: FloatArray,
    precision: FloatArray,
    here: tuple[float, FloatArray, FloatArray],
) -> tuple[FloatArray, float, FloatArray, FloatArray]:
    """Return the point, and loss and derivatives there, of a step halved until the penalised loss falls."""
    most, size = here[0] + 0.5 * float(precision @ at**2), 1.0
    for _ in range(HALVINGS):
        there = at + size * move
        found = _loss(problem, there)
        if found[0] + 0.5 * float(precision @ there**2) <= most:
            return there, *found
        size /= 2
    return at, *here


def _stepped(strengths: FloatArray, at: FloatArray, inverse: FloatArray, n_columns: int) -> FloatArray:
    """Return the strengths after a Fellner-Schall step."""
    spread = np.diag(inverse)[1:].reshape(len(strengths), n_columns).sum(axis=1)
    square = (at[1:].reshape(len(strengths), n_columns) ** 2).sum(axis=1)
    free = np.maximum(n_columns - strengths * spread, 1e-6)
    wanted = np.clip(free / np.maximum(square, 1e-12), strengths / FACTOR, strengths * FACTOR)
    return np.asarray(np.clip(wanted, LEAST, MOST))
