"""Refractory violations of a unit, and the share of foreign spikes that they tell of (science.md b.7).

One definition for the whole recording (``inspect``, findings) and for the bins that a fit scores (rows).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnspike.recording.data import FloatArray

#: Spikes closer than this are not both of one neuron.
VIOLATION_S = 0.0015
#: Fewer violations accuse no unit; a share is given where so many are found, or to be expected of unrelated spikes.
FEW_PAIRS = 5
#: Share of foreign spikes from which a unit is doubtful, and contaminated (two equal units in one have .29).
DOUBTFUL, CONTAMINATED = 0.1, 0.25
Gate = Literal["clean", "doubtful", "contaminated"]


@dataclass(frozen=True)
class Violations:
    """Pairs of spikes within ``tau_s`` of each other, among ``n_spikes`` in ``observed_s`` seconds."""

    n_pairs: int
    n_spikes: int
    observed_s: float
    tau_s: float = VIOLATION_S

    @property
    def expected(self) -> float:
        """Pairs that spikes which ignore each other would make: ``N^2 tau / T``."""
        return self.n_spikes**2 * self.tau_s / self.observed_s if self.observed_s > 0 else 0.0

    @property
    def contamination(self) -> float:
        """Share of foreign spikes, 0 to 1; NaN where there are too few spikes to tell.

        ``1 - sqrt(1 - V T / (N^2 tau))`` with V pairs (Hill, Mehta & Kleinfeld 2011; Llobet, Wyngaard & Barbour
        2022): 1 for a Poisson train, and where there are more pairs than in one.

        Examples
        --------
        >>> round(Violations(n_pairs=40, n_spikes=10_000, observed_s=1500.0).contamination, 3)
        0.225
        """
        if max(self.n_pairs, self.expected) < FEW_PAIRS:
            return math.nan
        return 1.0 - math.sqrt(max(0.0, 1.0 - self.n_pairs / self.expected)) if self.expected > 0 else 1.0

    @property
    def gate(self) -> Gate | None:
        """What the share says of the unit, None where it is undefined: no model can learn what sorting broke."""
        share = self.contamination
        if math.isnan(share):
            return None
        if share < DOUBTFUL or self.n_pairs < FEW_PAIRS:
            return "clean"
        return "doubtful" if share < CONTAMINATED else "contaminated"


def pairs_within(times_s: FloatArray, tau_s: float) -> int:
    """Return how many pairs of ascending times (spike,) are closer than this.

    Examples
    --------
    >>> pairs_within(np.array([0.0, 1.0, 1.5, 4.0]), 2.0)
    3
    """
    return int((np.searchsorted(times_s, times_s + tau_s) - np.arange(1, len(times_s) + 1)).sum())
