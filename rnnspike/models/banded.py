"""Linear algebra of a drive and its columns: a band, a dense block, and what couples them (science.md d.1).

The drive's coefficients are kept knot by knot (``knot * n_splines + spline``), so that its block A of the Hessian
[[A, C], [C', D]] is a band; the columns are eliminated by the Schur complement D - C'A^-1 C.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cho_factor, cho_solve, cho_solve_banded, cholesky_banded

from rnnspike.errors import ModelError
from rnnspike.trials.data import FloatArray

#: Size at which the blocks of a block-tridiagonal inverse are cut, in coefficients.
_BLOCK = 48
#: Shares of the columns' diagonal that are added to it, each where the one before is too little.
_EASING = (1e-7, 1e-6, 1e-5, 1e-4)


def interleave(gram: FloatArray, penalty: FloatArray) -> FloatArray:
    """Return the drive's Hessian as upper bands, coefficients knot by knot (LAPACK's layout).

    ``gram`` (apart, condition, knot) holds the products of splines ``apart`` knots apart, per condition; ``penalty``
    (apart, spline, knot) that of the shared spline and of each condition's deviation.
    """
    order, n_conditions, n_knots = gram.shape
    n_splines = penalty.shape[1]
    apart_most = max(order - 1, 2 if n_knots > 2 else 0)
    upper = apart_most * n_splines + n_splines - 1
    band = np.zeros((upper + 1, n_knots, n_splines))  # row upper - offset, column's knot and spline

    def add(apart: int, row: int, column: int, values: FloatArray) -> None:
        offset = apart * n_splines + column - row
        band[upper - offset, apart:, column] += values[: n_knots - apart]

    for apart in range(order):
        add(apart, 0, 0, gram[apart].sum(axis=0))
        for c in range(n_conditions if n_splines > 1 else 0):
            add(apart, 1 + c, 1 + c, gram[apart, c])
            add(apart, 0, 1 + c, gram[apart, c])
            if apart:
                add(apart, 1 + c, 0, gram[apart, c])
    for apart in range(min(3, apart_most + 1)):
        for j in range(n_splines):
            add(apart, j, j, penalty[apart, j])
    band[upper] += 1e-8 + 1e-10 * band[upper].max()
    return band.reshape(upper + 1, n_knots * n_splines)


@dataclass(frozen=True)
class Factor:
    """A factorised Hessian."""

    band: FloatArray  # A, upper bands
    chol: FloatArray
    solved: FloatArray  # A^-1 C, (drive, column)
    cross: FloatArray  # C, (drive, column)
    schur: tuple[FloatArray, bool]
    inner: FloatArray  # D, (column, column)

    @staticmethod
    def of(band: FloatArray, cross: FloatArray, inner: FloatArray) -> Factor:
        """Factorise; ModelError where the Hessian is not positive definite."""
        try:
            chol = cholesky_banded(band, lower=False, check_finite=False)
            solved = cho_solve_banded((chol, False), cross, check_finite=False)
            schur = _cho_factor_eased(inner - cross.T @ solved, np.diag(inner)) if len(inner) else (inner, False)
        except np.linalg.LinAlgError as error:
            raise ModelError(f"the Hessian is singular ({error})") from error
        return Factor(band, chol, solved, cross, schur, inner)

    def solve(self, gradient: FloatArray) -> FloatArray:
        """Return the Hessian's inverse times a flat gradient."""
        n_drive = len(self.solved)
        drive = cho_solve_banded((self.chol, False), gradient[:n_drive], check_finite=False)
        if not len(self.inner):
            return np.asarray(drive)
        columns = cho_solve(self.schur, gradient[n_drive:] - self.cross.T @ drive, check_finite=False)
        return np.concatenate([drive - self.solved @ columns, columns])

    @cached_property
    def columns_covariance(self) -> FloatArray:
        """Return the columns' block of the inverse, (column, column)."""
        n = len(self.inner)
        return np.asarray(cho_solve(self.schur, np.eye(n), check_finite=False)) if n else np.zeros((0, 0))

    def drive_covariance(self, n_splines: int) -> FloatArray:
        """Return entries of the inverse between a coefficient and those of its spline 0, 1, 2 knots on.

        (3, spline, knot); 0 where there is no such knot.
        """
        bands = inverse_bands(self.band, n_splines)
        if len(self.inner):
            weighted = self.solved @ self.columns_covariance
            for apart in range(3):
                shift = apart * n_splines
                if shift < len(weighted):
                    product = (weighted[: len(weighted) - shift] * self.solved[shift:]).sum(axis=1)
                    bands[apart, : len(product)] += product
        return np.asarray(bands.reshape(3, -1, n_splines).transpose(0, 2, 1))


def _cho_factor_eased(complement: FloatArray, scale: FloatArray) -> tuple[FloatArray, bool]:
    """Factorise what is left of the columns' block, eased along its diagonal by as little of ``scale`` as will do.

    Columns that the drive nearly holds leave almost nothing, and less than the rounding of their sums over many rows
    in single precision. The gradient stays exact, so easing shortens steps and moves no optimum.
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


def inverse_bands(band: FloatArray, n_splines: int) -> FloatArray:
    """Return entries of a band's inverse 0, 1 and 2 knots apart, (3, drive), without forming the inverse.

    Takahashi's recursion on the blocks of a block-tridiagonal matrix: with U_i the block right of diagonal block i
    and F_i the eliminated one, the inverse has blocks G_i = F_i^-1 + F_i^-1 U_i G_(i+1) U_i' F_i^-1 on its diagonal
    and -F_i^-1 U_i G_(i+1) beside it.
    """
    upper, n = len(band) - 1, band.shape[1]
    size = max(upper, 2 * n_splines, min(_BLOCK, n))
    starts = list(range(0, n, size))
    diagonal = [_block(band, s, s, min(size, n - s), min(size, n - s)) for s in starts]
    beside = [_block(band, s, s + size, size, min(size, n - s - size)) for s in starts[:-1]]
    eliminated: list[FloatArray] = []
    for i, block in enumerate(diagonal):
        if i:
            block = block - beside[i - 1].T @ eliminated[-1] @ beside[i - 1]
        eliminated.append(np.asarray(np.linalg.inv(block), dtype=np.float64))
    bands = np.zeros((3, n))
    inverse = eliminated[-1]
    _take_bands(bands, inverse, None, starts[-1], n_splines)
    for i in range(len(starts) - 2, -1, -1):
        right = -eliminated[i] @ beside[i] @ inverse
        inverse = eliminated[i] - right @ beside[i].T @ eliminated[i]
        _take_bands(bands, inverse, right, starts[i], n_splines)
    return bands


def _block(band: FloatArray, row: int, column: int, height: int, width: int) -> FloatArray:
    """Return a dense block of a symmetric matrix in upper bands."""
    upper = len(band) - 1
    rows, columns = np.arange(row, row + height)[:, None], np.arange(column, column + width)[None]
    offset = np.abs(columns - rows)
    values = band[np.maximum(upper - offset, 0), np.maximum(rows, columns)]
    return np.asarray(np.where(offset <= upper, values, 0.0))


def _take_bands(bands: FloatArray, inverse: FloatArray, right: FloatArray | None, start: int, n_splines: int) -> None:
    """Write the entries of one diagonal block of the inverse, and of the block beside it, into the bands."""
    size = len(inverse)
    whole = inverse if right is None else np.concatenate([inverse, right], axis=1)
    for apart in range(3):
        shift = apart * n_splines
        rows = np.arange(min(size, whole.shape[1] - shift))
        bands[apart, start + rows] = whole[rows, rows + shift]
