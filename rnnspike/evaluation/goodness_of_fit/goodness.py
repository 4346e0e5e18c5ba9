"""All tests of fit of one model on the rescaled clock, made once and read by rows and curves.

See science.md#time-rescaling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnspike.evaluation.goodness_of_fit.ogata import OgataBattery, ogata_battery
from rnnspike.evaluation.goodness_of_fit.rescaling import (
    Independence,
    KsTest,
    RescaledTrain,
    independence,
    ks_test,
    rescale,
)
from rnnspike.evaluation.history import Scored
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class Goodness:
    """Spikes on a model's clock, their z (draw, spike), and what the tests say of them.

    The Ogata battery looks at the randomisation whose KS distance is the median one.
    """

    train: RescaledTrain
    z: FloatArray
    ks: KsTest
    independence: Independence
    ogata: OgataBattery

    def fields(self) -> dict[str, Any]:
        """Return what a row tells of them."""
        return {
            "ks_d": self.ks.d,
            "ks_p": self.ks.p,
            "ks_n": self.ks.n,
            "ks_d_low": self.ks.d_low,
            "ks_d_high": self.ks.d_high,
            "ks_d_detectable": self.ks.d_detectable,
            "lag1_autocorrelation": float(self.independence.autocorrelation[0]),
            "ljung_box_p": self.independence.ljung_box_p,
            "ogata_uniform_p": self.ogata.uniform_p,
            "ogata_wiener_inside": self.ogata.wiener_inside,
            "ogata_variance_inside": self.ogata.variance_inside,
        }


def goodness(mu: FloatArray, scored: Scored, r: FloatArray) -> Goodness:
    """Return the tests of one model, from mu (trial, bin) in order of time and random numbers ``r`` (draw, spike)."""
    train = rescale(mu, scored.spikes, scored.observed, scored.observation)
    z = train.uniform(r)
    ks = ks_test(z)
    xi = -np.log1p(-np.minimum(z[ks.draw], 1 - 1e-15))
    return Goodness(train, z, ks, independence(z), ogata_battery(xi))
