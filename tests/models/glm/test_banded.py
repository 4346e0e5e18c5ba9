"""Factors of a penalised Hessian against the dense one, and where single precision left it less than singular."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.models.glm import banded
from rnnspike.models.glm.banded import Arrow, Band, Factor, Interleaved
from rnnspike.models.glm.penalised import Coefficients, LogLinear, Penalty
from rnnspike.models.numerics.basis import SplineBasis
from rnnspike.trials.data import FloatArray

#: A drive that is constant, or a spline, without conditions and with few and many: (conditions, knots' spacing).
SHAPES = [(1, 0.0), (1, 5.0), (2, 0.0), (2, 3.0), (7, 6.0)]
#: One band whatever the shape, and conditions first wherever there are some.
WAYS = [0, 10**6]


def model(n_conditions: int, spacing: float, n_columns: int, n_bins: int = 40, n_rows: int = 400) -> LogLinear:
    """Return rows anywhere in a window, a third of it unseen in condition 0."""
    rng = np.random.default_rng(n_conditions)
    condition = rng.integers(n_conditions, size=n_rows)
    position = rng.integers(n_bins, size=n_rows).astype(float)
    position[condition == 0] /= 1.5
    spline = SplineBasis(n_bins, spacing)
    columns, ones = rng.normal(size=(n_rows, n_columns)), np.ones(n_rows)
    return LogLinear(spline, position.round(), condition, n_conditions, columns, ones, np.zeros(n_rows))


def factor_and_dense(n_conditions: int, spacing: float, n_columns: int) -> tuple[Factor, FloatArray, tuple[int, ...]]:
    """Return a factorised Hessian, the dense one, and the shape of its drive (spline, knot)."""
    rows, rng = model(n_conditions, spacing, n_columns), np.random.default_rng(0)
    curvature, here = rng.gamma(1.0, size=rows.n_rows), rows.zero()
    ridge = np.diag([0.5, 0.1, 0.2][:n_columns])
    penalty = Penalty(3.0, ridge, np.zeros(n_columns), deviation_smooth=2.0, deviation=0.7)
    shared = rows.spline.matrix(rows.position).toarray()
    own = [shared * (rows.condition == c)[:, None] for c in range(n_conditions)] if n_conditions > 1 else []
    design = np.concatenate([shared, *own, rows.columns], axis=1)
    n_drive = here.drive.size
    pull = [
        penalty.gradient(Coefficients(unit[:n_drive].reshape(here.drive.shape), unit[n_drive:]))
        for unit in np.eye(design.shape[1])
    ]
    whole = design.T @ (curvature[:, None] * design) + np.array(pull)
    return rows.gram(curvature).factor(penalty, here), whole, here.drive.shape


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n_columns", [3, 0])
@pytest.mark.parametrize("arrow_knots", WAYS)
def test_solve_and_covariances_are_those_of_the_dense_hessian(
    shape: tuple[int, float], arrow_knots: int, n_columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(banded, "ARROW_KNOTS", arrow_knots)
    factor, whole, (n_splines, n_knots) = factor_and_dense(*shape, n_columns)
    assert isinstance(factor.drive, Arrow if arrow_knots and n_splines > 1 else Interleaved)
    inverse, n_drive = np.linalg.inv(whole), n_splines * n_knots
    gradient = np.random.default_rng(2).normal(size=len(whole))
    scale = np.abs(inverse).max()
    assert factor.solve(gradient) == pytest.approx(inverse @ gradient, abs=1e-5 * scale)
    assert factor.columns_covariance == pytest.approx(inverse[n_drive:, n_drive:], abs=1e-6 * scale)
    covariance = factor.drive_covariance()
    for apart in range(3):
        for spline in range(n_splines):
            block = inverse[:n_drive, :n_drive][spline * n_knots :, spline * n_knots :][:n_knots, :n_knots]
            expected = np.pad(np.diag(block, apart), (0, min(apart, n_knots)))
            assert covariance[apart, spline] == pytest.approx(expected, abs=1e-6 * scale)


def test_few_knots_in_many_conditions_are_eliminated_condition_by_condition() -> None:
    assert isinstance(factor_and_dense(7, 6.0, 3)[0].drive, Arrow)
    assert isinstance(factor_and_dense(2, 1.0, 3)[0].drive, Interleaved)


@pytest.mark.parametrize("width", [1, 4])
def test_a_band_solves_and_inverts(width: int) -> None:
    band = np.random.default_rng(width).normal(size=(9, width))
    band[:, 0] = 10.0
    whole = np.zeros((9, 9))
    for row, apart in np.ndindex(*band.shape):
        if row + apart < 9:
            whole[row, row + apart] = whole[row + apart, row] = band[row, apart]
    factor = Band.of(band)
    assert factor.solve(whole) == pytest.approx(np.eye(9), abs=1e-12)
    entries, inverse = factor.inverse(), np.linalg.inv(whole)
    for apart in range(width):
        assert entries[: 9 - apart, apart] == pytest.approx(np.diag(inverse, apart), abs=1e-12)


def lacking(less: float) -> Factor:
    """Factorise a Hessian whose columns the drive holds, its block of the columns lacking a little."""
    rng = np.random.default_rng(0)
    cross = rng.normal(size=(30, 4))
    inner = cross.T @ cross
    return Factor.of(np.ones((1, 1, 30)), np.zeros((3, 1, 30)), cross, inner - less * np.diag(np.diag(inner)))


def test_a_hessian_short_of_singular_by_rounding_is_eased() -> None:
    """The step is finite and goes uphill on no gradient: its product with every gradient is positive."""
    factor, rng = lacking(2e-6), np.random.default_rng(1)
    for _ in range(20):
        gradient = rng.normal(size=34)
        assert gradient @ factor.solve(gradient) > 0


def test_a_hessian_that_is_not_one_is_refused() -> None:
    with pytest.raises(ModelError, match="singular"):
        lacking(0.1)
