"""Factors of a penalised Hessian where single precision has made it a little less than singular."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.models.banded import Factor


def lacking(less: float) -> Factor:
    """Factorise a Hessian whose columns the drive holds, its block of the columns lacking a little."""
    rng = np.random.default_rng(0)
    cross = rng.normal(size=(30, 4))
    inner = cross.T @ cross
    return Factor.of(np.ones((1, 30)), cross, inner - less * np.diag(np.diag(inner)))


def test_a_hessian_short_of_singular_by_rounding_is_eased() -> None:
    """The step is finite and goes uphill on no gradient: its product with every gradient is positive."""
    factor, rng = lacking(2e-6), np.random.default_rng(1)
    for _ in range(20):
        gradient = rng.normal(size=34)
        assert gradient @ factor.solve(gradient) > 0


def test_a_hessian_that_is_not_one_is_refused() -> None:
    with pytest.raises(ModelError, match="singular"):
        lacking(0.1)
