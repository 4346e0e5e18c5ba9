r"""Scores by the definitions of other packages, for comparison with figures that were made with these.

All take bins as Poisson and as null the mean of the very bins that are scored, which has seen them. With the
log-likelihoods :math:`\ell(\mu)` of the model and :math:`\ell(\bar y)` of that null, and :math:`\ell(y)` of a model
that expects every count: nlb_tools' bits per spike; nemos' McFadden :math:`1 - \ell(\mu) / \ell(\bar y)` and Cohen
:math:`1 - (\ell(y) - \ell(\mu)) / (\ell(y) - \ell(\bar y))`, and its log-likelihood, which is the mean over bins.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np

from rnnspike.evaluation.scores.cosmoothing import co_bps
from rnnspike.evaluation.scores.likelihood import evaluated_mean_null, log_likelihood
from rnnspike.models.protocol import MU_FLOOR
from rnnspike.trials.data import BoolArray, CountArray, FloatArray


def package_fields(
    packages: Collection[str], mu: FloatArray, counts: CountArray, observed: BoolArray, bin_s: float
) -> dict[str, Any]:
    """Return the columns of these packages; None where a score is undefined.

    Parameters
    ----------
    packages
        Some of ``config.METRICS``: ``nlb``, ``nemos``.
    mu
        Expected counts (trial, bin) of one unit.
    counts, observed
        All its spikes, and which bins are scored, of that shape.
    bin_s
        Bin width, s.
    """
    fields: dict[str, Any] = {}
    if not packages:
        return fields
    floored = np.where(observed, np.maximum(mu, MU_FLOOR), 1.0)
    if "nlb" in packages:
        score = co_bps(floored[:, :, None], counts[:, :, None], observed[:, :, None])
        fields["nlb_bits_per_spike"] = score if math.isfinite(score) else None
    if "nemos" in packages:
        null = evaluated_mean_null(counts[:, :, None], observed[:, :, None], "poisson")[:, :, 0]
        known = np.maximum(counts, MU_FLOOR)
        model, base, best = (
            float(log_likelihood(each, counts, observed, "poisson").sum()) for each in (floored, null, known)
        )
        n_bins = int(observed.sum())
        fields |= {
            "pseudo_r2_mcfadden": 1 - model / base if base else None,
            "pseudo_r2_cohen": 1 - (best - model) / (best - base) if best > base else None,
            "poisson_log_likelihood_per_bin": model / n_bins,
            "poisson_log_likelihood_per_s": model / (n_bins * bin_s),
        }
    return fields
