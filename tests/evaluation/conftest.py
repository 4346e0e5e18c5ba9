"""Simulated cells with known intensity: refractory, adapting, Poisson."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from rnnspike.trials.data import Trials


@dataclass(frozen=True)
class Cell:
    """Trials of one unit with the intensities of the truth and of some wrong models, each (trial, bin)."""

    trials: Trials
    mu: dict[str, np.ndarray]


def run_cell(
    drive: np.ndarray,
    rng: np.random.Generator,
    dead_bins: int = 2,
    recovery_bins: float = 5.0,
    adaptation: float = 0.0,
    tau_bins: float = 200.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spikes, true mu, and mu without adaptation, each (trial, bin), for a drive (trial, bin) in expected counts."""
    n_trials, n_bins = drive.shape
    spikes, mu, renewal = (np.zeros((n_trials, n_bins)) for _ in range(3))
    lag, trace = np.full(n_trials, 1e9), np.zeros(n_trials)
    for k in range(n_bins):
        lag += 1
        recovered = np.where(lag <= dead_bins, 1e-9, 1 - np.exp(-(lag - dead_bins) / recovery_bins))
        renewal[:, k] = drive[:, k] * recovered
        mu[:, k] = np.maximum(renewal[:, k] * np.exp(-adaptation * trace), 1e-9)
        spikes[:, k] = rng.random(n_trials) < -np.expm1(-mu[:, k])
        lag[spikes[:, k] > 0] = 0
        trace = trace * np.exp(-1 / tau_bins) + spikes[:, k]
    return spikes, mu, np.maximum(renewal, 1e-9)


@pytest.fixture
def make_cell(make_trials: Callable[..., Trials]) -> Callable[..., Cell]:
    """Cells with a modulated drive; models: constant, psth (the mean over trials of the truth), renewal, oracle."""

    def make(
        n_trials: int = 60, n_bins: int = 500, rate_hz: float = 40.0, burn_in: int = 0, seed: int = 0, **cell: float
    ) -> Cell:
        rng = np.random.default_rng(seed)
        time = np.arange(-burn_in, n_bins) / 1000
        drive = np.tile(rate_hz / 1000 * (1 + 0.6 * np.sin(2 * np.pi * 2 * time)), (n_trials, 1))
        spikes, mu, renewal = run_cell(drive, rng, **cell)  # type: ignore[arg-type]
        window = slice(burn_in, None)
        trials = make_trials(spikes[:, window, None], burn_in=spikes[:, :burn_in, None])
        psth = np.tile(mu.mean(axis=0), (n_trials, 1))
        models = {"psth-gain": psth, "renewal": renewal, "oracle": mu}
        models = {name: values[:, window] for name, values in models.items()}
        constant = np.full(trials.counts.shape[:2], spikes[:, window].mean())
        return Cell(trials, {"constant": constant, "psth": models["psth-gain"]} | models)

    return make
