r"""Penalised log-linear models by structured Newton steps (science.md#glm, #glm-fit).

The log of the expected count of a row is a drive, shared by all trials, plus columns of its own:

.. math:: \log\mu_i = \sum_k B_k(t_i)\,(\theta_{0k} + \theta_{c_i k}) + \sum_j x_{ij} w_j

with B a spline over the window, theta_0 common to the conditions and theta_c a penalised deviation of condition c.
``banded.py`` solves for a Newton step. Both observation models are convex: Poisson, and Bernoulli with
p = 1 - exp(-mu).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from rnnspike.models.glm import spline_loops
from rnnspike.models.glm.banded import Factor
from rnnspike.models.numerics.basis import SplineBasis, second_difference_penalty
from rnnspike.observation import Observation, loss_by_log_mu
from rnnspike.trials.data import FloatArray, IntArray

#: Largest log of an expected count during optimisation.
_LOG_MU_CAP = 12.0
#: Rows per block when the columns' Gram matrix is summed.
_GRAM_ROWS = 8192


@dataclass(frozen=True)
class Coefficients:
    """``drive`` (1 + deviation, knot), shared spline first; ``columns`` (column,)."""

    drive: FloatArray
    columns: FloatArray

    def flat(self) -> FloatArray:
        """Return them as one vector, the drive in order of splines."""
        return np.concatenate([self.drive.ravel(), self.columns])

    def step(self, direction: FloatArray, size: float = 1.0) -> Coefficients:
        """Return the coefficients moved along a flat direction."""
        n_drive = self.drive.size
        drive = self.drive + size * direction[:n_drive].reshape(self.drive.shape)
        return Coefficients(drive, self.columns + size * direction[n_drive:])

    def by_condition(self) -> FloatArray:
        """Return the spline of each condition (condition, knot)."""
        return self.drive if len(self.drive) == 1 else self.drive[:1] + self.drive[1:]


@dataclass(frozen=True)
class Penalty:
    """Penalty of the coefficients: half the weight times the square, in nats.

    ``smooth`` (knot - 2,), or one for all, is the weight of second differences of the shared spline,
    ``deviation_smooth`` of those of the conditions' deviations, and ``deviation`` of the deviations themselves;
    ``columns`` (column, column) is a quadratic form. ``half_spike`` (column,) adds half a spike expected and half a
    spike seen to a column that marks single bins: a gamma(1/2) prior on its factor, which keeps a lag without spikes
    finite (quasi-separation).
    """

    smooth: FloatArray | float
    columns: FloatArray
    half_spike: FloatArray
    deviation_smooth: FloatArray | float = 0.0
    deviation: float = 0.0

    def value(self, at: Coefficients) -> float:
        """Return the penalty in nats."""
        rough = np.diff(at.drive, n=2, axis=1) if at.drive.shape[1] > 2 else np.zeros((len(at.drive), 0))
        total = np.sum(self.smooth * rough[0] ** 2) + np.sum(self.deviation_smooth * rough[1:] ** 2)
        total += self.deviation * np.sum(at.drive[1:] ** 2) + at.columns @ self.columns @ at.columns
        pseudo = self.half_spike * (np.exp(np.minimum(at.columns, _LOG_MU_CAP)) - at.columns)
        return float(0.5 * total + pseudo.sum())

    def drive_bands(self, shape: tuple[int, int]) -> FloatArray:
        """Return the Hessian of the drive's part by knots apart (3, 1 + deviation, knot)."""
        deviations = second_difference_penalty(shape[1], self.deviation_smooth)
        bands = np.repeat(deviations[:, None], shape[0], axis=1)
        bands[:, 0] = second_difference_penalty(shape[1], self.smooth)
        bands[0, 1:] += self.deviation
        return bands

    def gradient(self, at: Coefficients) -> FloatArray:
        """Return the gradient, flat."""
        bands = self.drive_bands(at.drive.shape)
        drive = bands[0] * at.drive
        for apart in (1, 2):
            drive[:, :-apart] += bands[apart][:, :-apart] * at.drive[:, apart:]
            drive[:, apart:] += bands[apart][:, :-apart] * at.drive[:, :-apart]
        pseudo = self.half_spike * (np.exp(np.minimum(at.columns, _LOG_MU_CAP)) - 1)
        return Coefficients(drive, self.columns @ at.columns + pseudo).flat()


def _loss(
    log_mu: FloatArray, bins: FloatArray, spikes: FloatArray, observation: Observation
) -> tuple[float, FloatArray, FloatArray]:
    """Return ``loss_by_log_mu`` with log mu capped, so that intensities are finite during optimisation."""
    return loss_by_log_mu(np.minimum(log_mu, _LOG_MU_CAP), bins, spikes, observation)


@dataclass(frozen=True)
class LogLinear:
    """Rows of a log-linear model and the structure of its Hessian.

    ``position`` (row,) in bins from the window's start, ``condition`` (row,), ``columns`` (row, column) float32 or
    float64, ``bins`` and ``spikes`` (row,). ``n_conditions`` 1 has no deviations. ``age`` (row,) in bins since the
    last spike (``ceiling.py``) and the ``trial`` (row,) are not needed for the fit. ``offset`` (row,) is the known
    part of log mu.
    """

    spline: SplineBasis
    position: FloatArray
    condition: IntArray
    n_conditions: int
    columns: npt.NDArray[Any]
    bins: FloatArray
    spikes: FloatArray
    observation: Observation = "bernoulli"
    age: FloatArray | None = None
    trial: IntArray | None = None
    offset: FloatArray | float = 0.0
    _design: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def n_splines(self) -> int:
        """Shared spline and deviations."""
        return 1 if self.n_conditions == 1 else 1 + self.n_conditions

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.bins)

    def zero(self) -> Coefficients:
        """Return the initial coefficients: a flat drive at the mean rate."""
        drive = np.zeros((self.n_splines, self.spline.n_functions))
        drive[0] = np.log(max(self.spikes.sum(), 0.5) / max(self.bins.sum(), 1.0))
        return Coefficients(drive, np.zeros(self.columns.shape[1]))

    def select(self, chosen: npt.NDArray[np.bool_]) -> LogLinear:
        """Return the model with these columns only."""
        return replace(self, columns=np.ascontiguousarray(self.columns[:, chosen]), _design=dict(self._design))

    def of_trials(self, chosen: npt.NDArray[np.bool_]) -> LogLinear:
        """Return the rows of these trials, ``chosen`` (trial,); the model has to know the trial of each row."""
        assert self.trial is not None
        rows = np.flatnonzero(chosen[self.trial])
        per_row = ["position", "condition", "columns", "bins", "spikes", "age", "trial", "offset"]
        values = {name: getattr(self, name) for name in per_row}
        kept: dict[str, Any] = {name: each[rows] for name, each in values.items() if isinstance(each, np.ndarray)}
        return replace(self, **kept, _design={})

    def log_mu(self, at: Coefficients) -> FloatArray:
        """Return log mu of one bin of each row."""
        slots, slot = self._slots()
        drive = (slots @ at.by_condition().ravel())[slot]
        columns: FloatArray = (self.columns @ at.columns.astype(self.columns.dtype)).astype(np.float64)
        return np.asarray(drive + columns + self.offset)

    def nll(self, at: Coefficients) -> float:
        """Return the negative log-likelihood in nats."""
        return _loss(self.log_mu(at), self.bins, self.spikes, self.observation)[0]

    def _slots(self) -> tuple[sparse.csr_matrix, IntArray]:
        """Return the spline at each distinct place (slot, condition * knot), and each row's slot.

        A place is a condition and a position; rows of many trials share it.
        """
        if "slots" not in self._design:
            half = (2 * self.position).astype(np.int64)
            width = 2 * self.spline.n_bins
            place, slot = _unique(self.condition * width + half, self.n_conditions * width)
            first, values = self.spline.local((place % width) / 2)
            start = place // width * self.spline.n_functions + first
            columns = start[:, None] + np.arange(self.spline.order)
            indptr = np.arange(len(place) + 1) * self.spline.order
            shape = (len(place), self.n_conditions * self.spline.n_functions)
            slots = sparse.csr_matrix((values.ravel(), columns.ravel(), indptr), shape=shape)
            self._design.update(slots=(slots, slot), slots_t=slots.T.tocsr())
        return self._design["slots"]  # type: ignore[no-any-return]

    def drive_gradient(self, slope: FloatArray) -> FloatArray:
        """Return the gradient by the drive's coefficients (1 + deviation, knot) from that by log mu."""
        slots, slot = self._slots()
        by_place = np.bincount(slot, slope, minlength=slots.shape[0])
        each = (self._design["slots_t"] @ by_place).reshape(self.n_conditions, -1)
        return each if self.n_splines == 1 else np.concatenate([each.sum(axis=0, keepdims=True), each])

    def gradient(self, slope: FloatArray) -> FloatArray:
        """Return the flat gradient from the derivative by log mu (row,)."""
        columns = (slope.astype(self.columns.dtype) @ self.columns).astype(np.float64)
        return Coefficients(self.drive_gradient(slope), columns).flat()

    def gram(self, curvature: FloatArray) -> Gram:
        """Return the Hessian of the loss from the second derivative by log mu (row,)."""
        slots, slot = self._slots()
        n_knots = self.spline.n_functions
        if "products" not in self._design:
            self._design["products"] = [_products(slots, apart) for apart in range(self.spline.order)]
        by_place = np.bincount(slot, curvature, minlength=slots.shape[0])
        drive = [(each @ by_place).reshape(self.n_conditions, n_knots) for each in self._design["products"]]
        cross = self._cross(curvature).reshape(self.n_conditions, n_knots, -1)
        if self.n_splines > 1:
            cross = np.concatenate([cross.sum(axis=0, keepdims=True), cross])
        return Gram(np.stack(drive), cross.reshape(self.n_splines * n_knots, -1), self._weighted_gram(curvature))

    def _cross(self, curvature: FloatArray) -> FloatArray:
        """Return B'WX (condition * knot, column)."""
        (slots, slot), dtype, n_columns = self._slots(), self.columns.dtype, self.columns.shape[1]
        first = slots.indices[:: self.spline.order].astype(np.int64)
        values = slots.data.reshape(-1, self.spline.order)
        by_place, cross = np.zeros((slots.shape[0], n_columns), dtype), np.zeros((slots.shape[1], n_columns))
        spline_loops.cross(slot, curvature.astype(dtype), self.columns, first, values, by_place, cross)
        return cross

    def _weighted_gram(self, curvature: FloatArray) -> FloatArray:
        """Return X'WX (column, column), in blocks of rows that fit into the cache, without a second copy of X."""
        inner = np.zeros((self.columns.shape[1],) * 2)
        root = np.sqrt(curvature).astype(self.columns.dtype)[:, None]
        room = np.empty_like(
            self.columns[:_GRAM_ROWS]
        )  # allocated once: an allocation per block would double the time
        for start in range(0, len(root), _GRAM_ROWS):
            rows = slice(start, start + _GRAM_ROWS)
            some = np.multiply(self.columns[rows], root[rows], out=room[: len(root) - start])
            inner += some.T @ some  # a product of an array with itself takes half the work
        return inner

    def hessian(self, curvature: FloatArray, penalty: Penalty, at: Coefficients) -> Factor:
        """Return the factorised Hessian of loss and penalty."""
        return self.gram(curvature).factor(penalty, at)


@dataclass(frozen=True)
class Gram:
    """Hessian of the loss: products of splines (apart, condition, knot), C (drive, column), D (column, column)."""

    drive: FloatArray
    cross: FloatArray
    inner: FloatArray

    def factor(self, penalty: Penalty, at: Coefficients) -> Factor:
        """Return the factorised Hessian of loss and penalty."""
        inner = self.inner + penalty.columns
        inner[np.diag_indices_from(inner)] += penalty.half_spike * np.exp(np.minimum(at.columns, _LOG_MU_CAP))
        return Factor.of(self.drive, penalty.drive_bands(at.drive.shape), self.cross, inner)


def _unique(keys: IntArray, n_keys: int) -> tuple[IntArray, IntArray]:
    """Return the distinct keys and the index of each key among them, by counting."""
    used = np.bincount(keys, minlength=n_keys) > 0
    place = np.flatnonzero(used)
    return place, (np.cumsum(used) - 1)[keys]


def _products(slots: sparse.csr_matrix, apart: int) -> sparse.csr_matrix:
    """Return the products of splines ``apart`` knots apart at each place (condition * knot, slot)."""
    n_slots, order = slots.shape[0], np.diff(slots.indptr[:2])[0]
    values = slots.data.reshape(n_slots, order)
    columns = slots.indices.reshape(n_slots, order)
    product = values[:, : order - apart] * values[:, apart:]
    where = (columns[:, : order - apart].ravel(), np.repeat(np.arange(n_slots), order - apart))
    return sparse.csr_matrix((product.ravel(), where), shape=slots.shape[::-1])


@dataclass(frozen=True)
class Point:
    """Coefficients with the loss there, and its first and second derivatives by log mu (row,)."""

    at: Coefficients
    nll: float
    slope: FloatArray
    curvature: FloatArray

    @staticmethod
    def of(model: LogLinear, at: Coefficients) -> Point:
        """Evaluate the loss."""
        return Point(at, *_loss(model.log_mu(at), model.bins, model.spikes, model.observation))


def descend(model: LogLinear, penalty: Penalty, here: Point, factor: Factor) -> tuple[Point, float]:
    """Return the point after one Newton step, halved until the loss falls, and the fall in nats predicted for it."""
    gradient = model.gradient(here.slope) + penalty.gradient(here.at)
    direction = -factor.solve(gradient)
    promise = max(-0.5 * float(gradient @ direction), 0.0)
    value, size = here.nll + penalty.value(here.at), 1.0
    slack = 1e-9 * abs(value)
    while True:
        there = Point.of(model, here.at.step(direction, size))
        if there.nll + penalty.value(there.at) <= value - 1e-4 * size * promise + slack:
            return there, promise
        size /= 2
        if size < 1e-6:
            return here, 0.0


def newton(
    model: LogLinear,
    penalty: Penalty,
    start: Coefficients,
    *,
    tolerance: float = 1e-3,
    max_steps: int = 30,
) -> tuple[Coefficients, Factor]:
    """Minimise loss and penalty from a start; stop after a step whose predicted fall is below ``tolerance`` nats."""
    here = Point.of(model, start)
    for _ in range(max_steps):
        factor = model.hessian(here.curvature, penalty, here.at)
        here, promise = descend(model, penalty, here, factor)
        if promise < tolerance:
            break
    return here.at, factor


def refine(
    model: LogLinear,
    penalty: Penalty,
    gram: Gram,
    start: Coefficients,
    *,
    tolerance: float = 1e-2,
    max_steps: int = 6,
) -> Coefficients:
    """Minimise from a near point with the loss's Hessian there; by full Newton steps where that is too slow."""
    here = Point.of(model, start)
    for _ in range(max_steps):
        here, promise = descend(model, penalty, here, gram.factor(penalty, here.at))
        if promise < tolerance:
            return here.at
    return newton(model, penalty, here.at, tolerance=tolerance)[0]
