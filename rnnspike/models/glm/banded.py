"""Linear algebra of the Hessian: splines over the window, dense columns, and their coupling.

The drive's block A of the Hessian [[A, C], [C', D]] is sparse in two ways. Splines overlap over a few knots, so A is
a band when ordered by knot (``Interleaved``). And conditions are coupled only through the shared spline, so the band
of each can be eliminated first (``Arrow``). The columns are then solved by the Schur complement D - C'A^-1 C
(science.md#glm-fit).

Coefficients of a drive are in order of splines, the shared one first: ``spline * n_knots + knot``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cholesky_banded

from rnnspike.errors import ModelError
from rnnspike.models.glm import band_loops
from rnnspike.trials.data import FloatArray

#: Knots for each condition below which eliminating the conditions first is cheaper than one band (measured at 2 to 60
#: conditions and 12 to 500 knots).
ARROW_KNOTS = 8
#: Shares of the columns' diagonal that are added to it, tried in turn until the factorisation succeeds.
_EASING = (1e-7, 1e-6, 1e-5, 1e-4)


class DriveFactor(Protocol):
    """A factorised Hessian A of the drive."""

    def solve(self, values: FloatArray) -> FloatArray:
        """Return A^-1 times values (drive, right-hand side)."""

    def covariance(self) -> FloatArray:
        """Return entries of A^-1 between a knot and those 0, 1, 2 later in its spline (3, spline, knot), else 0."""


def factor_drive(loss: FloatArray, penalty: FloatArray) -> DriveFactor:
    """Factorise the drive's Hessian in the cheaper way.

    ``loss`` (apart, condition, knot) is the sum of products of splines ``apart`` knots apart, per condition;
    ``penalty`` (3, spline, knot) that of the shared spline and of each condition's deviation.
    """
    n_splines, n_knots = penalty.shape[1:]
    own = loss.copy() if n_splines == 1 else np.concatenate([loss.sum(axis=1, keepdims=True), loss], axis=1)
    own[: len(penalty)] += penalty[: len(own)]
    own[0] += 1e-8 + 1e-10 * own[0].max()
    return Arrow.of(own, loss) if n_knots < ARROW_KNOTS * (n_splines - 1) else Interleaved.of(own, loss)


@dataclass(frozen=True)
class Band:
    """A symmetric band, factorised: L of LL' by its columns, (column, apart)."""

    factor: FloatArray

    @staticmethod
    def of(band: FloatArray) -> Band:
        """Factorise a band (row, apart), whose entry ``[i, d]`` is that of row i and column i + d."""
        return Band(np.ascontiguousarray(cholesky_banded(band.T, lower=True, check_finite=False).T))

    def solve(self, values: FloatArray) -> FloatArray:
        """Return the inverse times values (row, right-hand side)."""
        solved = np.array(values, dtype=np.float64, order="C")
        band_loops.solve(self.factor, solved)
        return solved

    def inverse(self) -> FloatArray:
        """Return the inverse's entries within the band, laid out as the band."""
        n, width = self.factor.shape
        entries = np.zeros((n, 2 * width - 1))
        band_loops.inverse(self.factor, entries)
        return entries[:, width - 1 :]


@dataclass(frozen=True)
class Interleaved:
    """A drive's Hessian as one band, with coefficients in order of knots."""

    band: Band
    n_splines: int

    @staticmethod
    def of(own: FloatArray, loss: FloatArray) -> Interleaved:
        """Factorise from the blocks of each spline, and of the deviations with the shared spline."""
        width, n_splines, n_knots = own.shape
        band = np.zeros((n_knots, n_splines, width * n_splines))
        band[:, :, ::n_splines] = own.transpose(2, 1, 0)
        if n_splines > 1:
            band[:, 0].reshape(n_knots, width, n_splines)[:, :, 1:] = loss.transpose(2, 0, 1)
            for c in range(n_splines - 1):
                band[:, 1 + c, n_splines - 1 - c : -1 - c : n_splines] = loss[1:, c].T
        return Interleaved(Band.of(band.reshape(n_knots * n_splines, -1)), n_splines)

    def solve(self, values: FloatArray) -> FloatArray:
        """Return A^-1 times values (drive, right-hand side)."""
        n_rows, n_sides = values.shape
        by_knot = values.reshape(self.n_splines, n_rows // self.n_splines, n_sides).swapaxes(0, 1)
        solved = self.band.solve(by_knot.reshape(values.shape))
        return solved.reshape(by_knot.shape).swapaxes(0, 1).reshape(values.shape)

    def covariance(self) -> FloatArray:
        """Return entries of A^-1 between a knot and the knots 0, 1, 2 later in its spline, (3, spline, knot)."""
        entries = self.band.inverse()[:, :: self.n_splines]  # (knot * n_splines + spline, apart)
        return _first_three(entries.reshape(-1, self.n_splines, entries.shape[1]).T)


@dataclass(frozen=True)
class Arrow:
    """A drive's Hessian with the deviations eliminated: A_d is their block, C_s their coupling to the shared spline.

    ``deviations`` is A_d in order of conditions, ``held`` A_d^-1 C_s (condition * knot, knot), ``shared`` the
    Cholesky factor of the shared spline's Schur complement.
    """

    deviations: Band
    held: FloatArray
    shared: tuple[FloatArray, bool]

    @staticmethod
    def of(own: FloatArray, loss: FloatArray) -> Arrow:
        """Factorise from the blocks of each spline, and of the deviations with the shared spline."""
        width, _, n_knots = own.shape
        deviations = Band.of(own[:, 1:].reshape(width, -1).T)
        coupling = dense(loss).reshape(-1, n_knots)
        held = deviations.solve(coupling)
        return Arrow(deviations, held, cho_factor(dense(own[:, 0]) - coupling.T @ held, check_finite=False))

    def solve(self, values: FloatArray) -> FloatArray:
        """Return A^-1 times values (drive, right-hand side)."""
        n_knots = self.held.shape[1]
        shared = cho_solve(self.shared, values[:n_knots] - self.held.T @ values[n_knots:], check_finite=False)
        return np.concatenate([shared, self.deviations.solve(values[n_knots:]) - self.held @ shared])

    def covariance(self) -> FloatArray:
        """Return entries of A^-1 between a knot and the knots 0, 1, 2 later in its spline, (3, spline, knot)."""
        n_knots = self.held.shape[1]
        shared = np.asarray(cho_solve(self.shared, np.eye(n_knots), check_finite=False))
        own = self.deviations.inverse().reshape(-1, n_knots, self.deviations.factor.shape[1]).transpose(2, 0, 1)
        through = _neighbours(self.held @ shared, self.held, n_knots)
        return np.concatenate([_upper_bands(shared)[:, None], _first_three(own) + through], axis=1)


@dataclass(frozen=True)
class Factor:
    """A factorised Hessian."""

    drive: DriveFactor  # A
    solved: FloatArray  # A^-1 C, (drive, column)
    cross: FloatArray  # C, (drive, column)
    schur: tuple[FloatArray, bool]
    n_knots: int

    @staticmethod
    def of(loss: FloatArray, penalty: FloatArray, cross: FloatArray, inner: FloatArray) -> Factor:
        """Factorise from A, as ``factor_drive`` takes it, C and D; ModelError where it is not positive definite."""
        try:
            drive = factor_drive(loss, penalty)
            solved = drive.solve(cross)
            schur = _cho_factor_eased(inner - cross.T @ solved, np.diag(inner)) if len(inner) else (inner, False)
        except np.linalg.LinAlgError as error:
            raise ModelError(f"the Hessian is singular ({error})") from error
        return Factor(drive, solved, cross, schur, loss.shape[2])

    def solve(self, gradient: FloatArray) -> FloatArray:
        """Return the Hessian's inverse times a flat gradient."""
        n_drive, n_columns = self.cross.shape
        drive = self.drive.solve(gradient[:n_drive, None])[:, 0]
        if not n_columns:
            return drive
        columns = cho_solve(self.schur, gradient[n_drive:] - self.cross.T @ drive, check_finite=False)
        return np.concatenate([drive - self.solved @ columns, columns])

    @cached_property
    def columns_covariance(self) -> FloatArray:
        """Return the columns' block of the inverse, (column, column)."""
        n = self.cross.shape[1]
        return np.asarray(cho_solve(self.schur, np.eye(n), check_finite=False)) if n else np.zeros((0, 0))

    def drive_covariance(self) -> FloatArray:
        """Return entries of the inverse between a knot and those 0, 1, 2 later in its spline, (3, spline, knot)."""
        through = _neighbours(self.solved @ self.columns_covariance, self.solved, self.n_knots)
        return self.drive.covariance() + through


def _cho_factor_eased(complement: FloatArray, scale: FloatArray) -> tuple[FloatArray, bool]:
    """Factorise the columns' Schur complement, with the smallest share of ``scale`` on its diagonal that suffices.

    Columns that are nearly combinations of the drive leave less than the rounding error of sums over many rows in
    single precision. The gradient stays exact, so this shortens steps but does not move the optimum.
    """
    for share in _EASING:
        eased = complement + np.diag(share * np.maximum(scale, 1e-6))
        try:
            lower: tuple[FloatArray, bool] = cho_factor(eased, check_finite=False)
            return lower
        except np.linalg.LinAlgError:
            if share == _EASING[-1]:
                raise
    raise AssertionError("there is no easing")


def _first_three(bands: FloatArray) -> FloatArray:
    """Return bands (apart, ...) 0, 1, 2 apart, 0 where there are fewer."""
    result = np.zeros((3, *bands.shape[1:]))
    result[: len(bands)] = bands[:3]
    return result


def _neighbours(left: FloatArray, right: FloatArray, n_knots: int) -> FloatArray:
    """Return products of rows (spline * n_knots + knot, k) with those 0, 1, 2 knots later, (3, spline, knot)."""
    left, right = (each.reshape(len(each) // n_knots, n_knots, each.shape[1]) for each in (left, right))
    result = np.zeros((3, *left.shape[:2]))
    for apart in range(min(3, n_knots)):
        last = n_knots - apart
        result[apart, :, :last] = np.einsum("skj,skj->sk", left[:, :last], right[:, apart:])
    return result


def _upper_bands(matrix: FloatArray) -> FloatArray:
    """Return entries of a symmetric matrix 0, 1, 2 right of its diagonal (3, row), 0 where there are none."""
    n = len(matrix)
    return np.stack([np.pad(np.diag(matrix, apart), (0, min(apart, n))) for apart in range(3)])


def dense(bands: FloatArray) -> FloatArray:
    """Return symmetric matrices (..., knot, knot) from their upper bands (apart, ..., knot)."""
    n = bands.shape[-1]
    whole = np.zeros((*bands.shape[1:], n))
    for apart, band in enumerate(bands):
        row = np.arange(n - apart)
        whole[..., row, row + apart] = whole[..., row + apart, row] = band[..., : n - apart]
    return whole
