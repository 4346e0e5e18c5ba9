"""Convolved history against a sum over every bin of the past, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.models.past import Past, convolve_history


@pytest.mark.parametrize("n_burn_in", [0, 7, 30])
def test_convolved_history_is_the_sum_over_the_past(n_burn_in: int) -> None:
    rng = np.random.default_rng(n_burn_in)
    observed = np.ones((8, 60), bool)
    observed[1, -1:] = False  # the last bin is before none
    observed[2, :40] = False
    observed[3, 20:35] = False
    observed[4] = False
    observed[5, [3, 10, 11, 59]] = False
    spikes = np.where(observed, rng.poisson(0.2, observed.shape), 0).astype(np.uint8)
    kernel, gap_kernel = rng.normal(size=12), rng.normal(size=12)
    wanted = np.zeros((8, 60 - n_burn_in))
    for trial, bin_ in np.ndindex(wanted.shape):
        for lag in range(1, 13):
            before = n_burn_in + bin_ - lag
            known = before >= 0 and observed[trial, before]  # nothing is known of time before the burn-in
            wanted[trial, bin_] += spikes[trial, before] * kernel[lag - 1] if known else gap_kernel[lag - 1]
    found = convolve_history(Past(spikes, observed, n_burn_in), kernel, gap_kernel)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
