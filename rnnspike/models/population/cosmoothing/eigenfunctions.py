"""Smooth latents as few numbers: eigenfunctions of a Gaussian kernel over a stretch of bins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from rnnspike.trials.data import FloatArray

#: Share of a latent's variance that its eigenfunctions hold.
SHARE = 0.98
#: The longest time constant as a share of the stretch.
LONGEST = 2.0
#: Eigenfunctions of a latent at the most: they bound the shortest time constant.
MOST = 48


@lru_cache(maxsize=256)
def spectrum(n_bins: int, tau_bins: float) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues (descending) and eigenvectors (bin, eigenvalue) of ``exp(-lag^2 / 2 tau^2)``."""
    lag = np.subtract.outer(np.arange(n_bins), np.arange(n_bins))
    values, vectors = np.linalg.eigh(np.exp(-0.5 * (lag / tau_bins) ** 2))
    return np.maximum(values[::-1], 0.0), np.ascontiguousarray(vectors[:, ::-1])


def n_needed(n_bins: int, tau_bins: float) -> int:
    """Return how many eigenfunctions hold ``SHARE`` of the variance."""
    values, _ = spectrum(n_bins, tau_bins)
    return int(np.searchsorted(np.cumsum(values), SHARE * values.sum()) + 1)


@dataclass(frozen=True)
class Smoothness:
    """The time constant of each latent in bins, over stretches of ``n_bins``."""

    n_bins: int
    taus: tuple[float, ...]

    def functions(self) -> list[FloatArray]:
        """Return the eigenfunctions of each latent times the root of their variance, (bin, function)."""
        found = []
        for tau in self.taus:
            values, vectors = spectrum(self.n_bins, tau)
            n = n_needed(self.n_bins, tau)
            found.append(vectors[:, :n] * np.sqrt(values[:n]))
        return found

    def with_tau(self, latent: int, tau: float) -> Smoothness | None:
        """Return the same with another time constant of one latent; None where it is out of bounds."""
        if tau > LONGEST * self.n_bins or n_needed(self.n_bins, tau) > MOST:
            return None
        return replace(self, taus=(*self.taus[:latent], tau, *self.taus[latent + 1 :]))
