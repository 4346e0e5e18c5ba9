"""Refractory violations of a unit, and the share of foreign spikes (contamination) that they indicate.

See science.md#refractory-violations.

One definition for the whole recording (``inspect``, findings) and for the bins that a fit scores (rows).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnspike.recording.data import FloatArray

#: Two spikes closer than this cannot both come from one neuron.
VIOLATION_S = 0.0015
#: Fewer violations are no evidence; a share is given for at least this many, found or expected of unrelated spikes.
FEW_PAIRS = 5
#: Share of foreign spikes above which a unit is doubtful, and contaminated (two equal merged units have .29).
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
        """Number of pairs expected of independent spikes: ``N^2 tau / T``."""
        return self.n_spikes**2 * self.tau_s / self.observed_s if self.observed_s > 0 else 0.0

    @property
    def contamination(self) -> float:
        """Share of foreign spikes, 0 to 1; NaN with too few spikes for an estimate.

        ``1 - sqrt(1 - V T / (N^2 tau))`` with V pairs (Hill, Mehta & Kleinfeld 2011; Llobet, Wyngaard & Barbour
        2022): 1 for a Poisson train, or with more pairs than in one.

        Examples
        --------
        >>> round(Violations(n_pairs=40, n_spikes=10_000, observed_s=1500.0).contamination, 3)
        0.225
        """
        return self._share(self.n_pairs)

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of the share, from Garwood's interval of the number of pairs; NaN as the share.

        Examples
        --------
        >>> low, high = Violations(n_pairs=40, n_spikes=10_000, observed_s=1500.0).interval
        >>> round(low, 3), round(high, 3)
        (0.155, 0.325)
        """
        from rnnspike.observation import garwood  # imports scipy, which is not needed to read a recording

        low, high = garwood(np.array([float(self.n_pairs)]))
        return self._share(float(low[0])), self._share(float(high[0]))

    def _share(self, n_pairs: float) -> float:
        if max(self.n_pairs, self.expected) < FEW_PAIRS:
            return math.nan
        return 1.0 - math.sqrt(max(0.0, 1.0 - n_pairs / self.expected)) if self.expected > 0 else 1.0

    @property
    def gate(self) -> Gate | None:
        """Quality of the unit according to the share; None if that is undefined."""
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
