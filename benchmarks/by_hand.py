"""The LSTM that a competent user would write in an afternoon: the opponent of ``benchmarks/fit.py``.

A plain ``nn.LSTM(32)`` with a linear readout to the logit of a spike in the bin. Its inputs are the spike of the bin
before and the log PSTH, that of the condition where there are few; the output bias starts at the mean rate. It is
trained on chunks of one second, eight at a time, with Adam and the Bernoulli likelihood. Whole validation trials are
scored after each epoch; training stops twenty epochs after the best one, whose weights count. There is one network
per test fold; the fold after it is the validation fold. Of three learning rates, the one best on the validation
fold of the first network serves for all.

What was tried and is worse: batches of 32 and a patience of ten epochs (``boot_neuro``: .60 instead of 1.90
bits/spike), a PSTH per condition (``bp1005``, 21 conditions: .01 instead of .07), and recorded spikes before the
window as further input (``boot_neuro``, ``stn``).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter1d

from rnnspike.trials.data import FloatArray, IntArray, Trials

if TYPE_CHECKING:
    import torch

HIDDEN, BATCH, PATIENCE, MOST_EPOCHS = 32, 8, 20, 300
LEARNING_RATES = (1e-3, 3e-3, 1e-2)
CHUNK_S, PSTH_BANDWIDTH_S = 1.0, 0.02
#: More conditions than these share one PSTH.
FEW_CONDITIONS = 8


def held_out(trials: Trials, folds: IntArray) -> FloatArray:
    """Return mu (trial, bin) of each trial from the network that has not seen its fold."""
    n_folds = int(folds.max()) + 1
    mu = np.empty(trials.counts.shape[:2])
    rates = LEARNING_RATES
    for test in range(n_folds):
        validation = (test + 1) % n_folds
        train = trials.take((folds != test) & (folds != validation))
        parts = [trials.take(folds == f) for f in (validation, test)]
        networks = {rate: _network(train, *parts, rate) for rate in rates}
        best = min(networks, key=lambda rate: networks[rate][0])
        mu[folds == test], rates = networks[best][1], (best,)
    return mu


def _network(train: Trials, validation: Trials, test: Trials, rate: float) -> tuple[float, FloatArray]:
    """Train a network; return its loss on the validation trials, and mu (trial, bin) of the test trials."""
    import torch

    torch.manual_seed(0)
    psth = _log_psth(train)
    (x, y), held, (unseen, _) = (_tensors(part, psth) for part in (train, validation, test))
    lstm, readout = torch.nn.LSTM(x.shape[2], HIDDEN, batch_first=True), torch.nn.Linear(HIDDEN, 1)
    torch.nn.init.constant_(readout.bias, float(torch.logit(y.mean())))

    def logits(inputs: torch.Tensor) -> torch.Tensor:
        return readout(lstm(inputs)[0])[..., 0]  # (trial, bin)

    loss = _fit(torch.nn.ModuleList([lstm, readout]), logits, _chunks(x, y, train.bin_s), held, rate)
    with torch.no_grad():
        return loss, np.logaddexp(0.0, logits(unseen).double().numpy())  # -log(1 - p)


def _fit(
    network: torch.nn.Module,
    logits: Callable[[torch.Tensor], torch.Tensor],
    chunks: tuple[torch.Tensor, torch.Tensor],
    held: tuple[torch.Tensor, torch.Tensor],
    rate: float,
) -> float:
    """Train until the validation trials have gained nothing for some epochs; keep the best epoch, return its loss."""
    import torch

    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    best, since, kept = np.inf, 0, copy.deepcopy(network.state_dict())
    for _ in range(MOST_EPOCHS):
        for batch in torch.randperm(len(chunks[0])).split(BATCH):
            optimiser.zero_grad()
            loss_of(logits(chunks[0][batch]), chunks[1][batch]).backward()
            optimiser.step()
        with torch.no_grad():
            loss = float(loss_of(logits(held[0]), held[1]))
        since += 1
        if loss < best:
            best, since, kept = loss, 0, copy.deepcopy(network.state_dict())
        if since == PATIENCE:
            break
    network.load_state_dict(kept)
    return best


def _log_psth(train: Trials) -> FloatArray:
    """Return the log PSTH of each condition, or of all trials for each, standardised, (condition, bin)."""
    spikes, n = train.spikes[:, :, 0], len(train.conditions)
    members = [train.condition == c if n <= FEW_CONDITIONS else np.ones(len(spikes), bool) for c in range(n)]
    mean = np.array([spikes[own].mean(axis=0) for own in members])
    log = np.log(gaussian_filter1d(mean, PSTH_BANDWIDTH_S / train.bin_s, axis=1) + 1e-4)
    return np.asarray((log - log.mean()) / max(float(log.std()), 1e-6))


def _tensors(part: Trials, psth: FloatArray) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the inputs (trial, bin, 2) and the spikes (trial, bin)."""
    import torch

    past, _ = part.past_and_window()
    y = torch.from_numpy(part.spikes[:, :, 0].astype(np.float32))
    before = torch.from_numpy(past[:, part.n_burn_in - 1 : -1, 0].astype(np.float32))
    return torch.stack([before, torch.from_numpy(psth[part.condition]).float()], dim=2), y


def _chunks(x: torch.Tensor, y: torch.Tensor, bin_s: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return inputs and spikes cut into equal chunks of about a second, (chunk, bin, ...)."""
    n = max(1, round(y.shape[1] * bin_s / CHUNK_S))
    size = y.shape[1] // n
    return x[:, : n * size].reshape(len(x) * n, size, -1), y[:, : n * size].reshape(-1, size)
