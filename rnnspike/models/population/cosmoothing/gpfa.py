r"""Poisson Gaussian-process factor analysis: smooth latents that all units share (science.md#co-smoothing).

Yu et al. (2009), with Poisson counts as in Macke et al. (2011). Fitted to all units of the training trials by
expectation-maximisation with Laplace's approximation; each latent has a time constant of its own. In held-out trials
the latents come from the units that are read, and the other units from their loadings, which were fitted to latents
that do not know these units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.baselines.binned import kernel
from rnnspike.models.population.cosmoothing.eigenfunctions import Smoothness
from rnnspike.models.population.cosmoothing.laplace import Loadings, Posterior, Stretches, infer, loaded
from rnnspike.models.population.cosmoothing.smoothed import FOR_BIN_S
from rnnspike.models.population.cosmoothing.task import Group, Prediction, Task, evenly_spaced
from rnnspike.models.protocol import MU_CEILING, MU_FLOOR
from rnnspike.trials.data import FloatArray, IntArray

#: Numbers of latents that are tried in order, until one adds less than this share of what those before it gained over
#: the mean rates on validation trials.
LATENTS, WORTH = (1, 2, 3, 5, 8), 0.02
#: Steps of expectation-maximisation while the number is chosen, and then.
CHOOSING_STEPS, STEPS = 8, 12
#: Newton steps of the loadings in each, and where they are fitted anew.
LOADING_STEPS, FRESH_STEPS = 2, 6
#: Longer trials are cut into equal stretches of at most so many bins, each with latents of its own; stretches are
#: longer where the bins ahead would be more than half of the last one.
STRETCH_BINS = 200
#: Bins that a fit reads at the most, in evenly spaced trials, while the number is chosen, and then.
CHOOSING_BINS, MOST_BINS = 20_000, 60_000
#: First time constant, s, for bins up to ``FOR_BIN_S``; wider bins begin with a longer one.
TAU_S = 0.1
#: Factor between the time constants that are compared, and the stretches that they are judged by at the most.
RATIO, JUDGED = 1.5, 16


def gpfa(task: Task, n_latents: int | None = None) -> Iterator[Prediction]:
    """Yield what the latents of the units that are read lead to expect of held-out trials.

    Parameters
    ----------
    task
        What is predicted from what.
    n_latents
        Number of latents; None: chosen on validation trials in each fold.

    Raises
    ------
    ModelError
        For more latents than units.
    """
    n_units = task.trials.n_units
    if n_latents is not None and n_latents > n_units:
        raise ModelError(f"{n_latents} latents are more than the {n_units} units (try --latents {n_units - 1})")
    for train, test in task.splits():
        n = n_latents or choose_latents(task.part(train))
        model = Gpfa.fit(task.part(evenly_spaced(train, MOST_BINS // task.trials.n_bins)), n, STEPS)
        held_out = task.part(test)
        for group in task.groups:
            yield Prediction(test, group.targets, model.predict(held_out, group))


def choose_latents(task: Task) -> int:
    """Return the number of latents that predicts one fold of these trials best from the others."""
    fold = int(task.folds.min())
    fit, check = np.flatnonzero(task.folds != fold), np.flatnonzero(task.folds == fold)
    held_out = task.part(evenly_spaced(check, CHOOSING_BINS // task.trials.n_bins))
    training = task.part(evenly_spaced(fit, CHOOSING_BINS // task.trials.n_bins))
    mean = np.maximum(training.trials.counts[training.observed].mean(axis=0), MU_FLOOR)
    null = sum(_nats(held_out, group, mean[group.targets]) for group in task.groups)
    best, most = LATENTS[0], -np.inf
    for n in LATENTS:
        if n >= max(task.trials.n_units, 2):
            break
        model = Gpfa.fit(training, n, CHOOSING_STEPS)
        gain = sum(_nats(held_out, group, model.predict(held_out, group)) for group in task.groups) - null
        if n > best and gain <= most + WORTH * abs(most):
            break
        best, most = n, gain
    return best


def _nats(task: Task, group: Group, mu: FloatArray) -> float:
    """Return the log-likelihood of the predicted bins, without constants."""
    seen = task.observed[:, task.scored]
    counts = task.trials.counts[:, task.scored][:, :, group.targets][seen].astype(np.float64)
    mu = np.broadcast_to(mu, (*seen.shape, len(group.targets)))[seen]
    return float((counts * np.log(mu) - mu).sum())


@dataclass(frozen=True)
class Gpfa:
    """A fitted model: time constants and loadings of all units, and the training task."""

    task: Task
    smoothness: Smoothness
    loadings: Loadings

    @staticmethod
    def fit(task: Task, n_latents: int, steps: int) -> Gpfa:
        """Fit all units of all trials of the task."""
        cut = Cut.of(task)
        data = cut.stretches(task, np.arange(task.trials.n_units), slice(0, task.trials.n_bins))
        tau = TAU_S * max(1.0, task.trials.bin_s / FOR_BIN_S) / task.trials.bin_s
        smoothness = Smoothness(cut.n_bins, (min(tau, float(cut.n_bins)),) * n_latents)
        loadings = first_loadings(data, n_latents, tau / 2)
        sample = data.take(evenly_spaced(np.arange(len(data.counts)), JUDGED))
        start: FloatArray | None = None
        for step in range(steps):
            posterior = infer(data, loadings, smoothness.functions(), start)
            loadings, start = loaded(data, posterior, loadings, LOADING_STEPS), posterior.z
            if step + 1 < steps:
                smoothness = likelier(sample, loadings, smoothness, RATIO if step % 2 else 1 / RATIO)
        return Gpfa(task, smoothness, loadings)

    def latents(self, task: Task, group: Group) -> Posterior:
        """Return the latents given the sources' spikes in the bins that are read."""
        data = Cut.of(task).stretches(task, group.sources, slice(0, task.n_seen))
        return infer(data, self.loadings.of(group.sources), self.smoothness.functions())

    def read_out(self, group: Group) -> Loadings:
        """Return the targets' loadings fitted anew to the training trials, with latents from the sources alone."""
        data = Cut.of(self.task).stretches(self.task, group.targets, self.task.scored)
        return loaded(data, self.latents(self.task, group), self.loadings.of(group.targets), FRESH_STEPS)

    def predict(self, task: Task, group: Group) -> FloatArray:
        """Return the expected counts (trial, scored bin, target) of other trials."""
        expected = self.latents(task, group).expected(self.read_out(group))
        return np.clip(Cut.of(task).whole(expected)[:, task.scored], MU_FLOOR, MU_CEILING)


def likelier(data: Stretches, loadings: Loadings, smoothness: Smoothness, factor: float) -> Smoothness:
    """Return the time constants, each times a factor where the counts are then likelier."""
    most = infer(data, loadings, smoothness.functions()).evidence
    for latent, tau in enumerate(smoothness.taus):
        tried = smoothness.with_tau(latent, tau * factor)
        found = -np.inf if tried is None else infer(data, loadings, tried.functions()).evidence
        if tried is not None and found > most:
            smoothness, most = tried, found
    return smoothness


@dataclass(frozen=True)
class Cut:
    """Trials cut into ``n_each`` stretches of ``n_bins`` bins; ``n_pad`` bins before the first are not there."""

    n_each: int
    n_bins: int
    n_pad: int

    @staticmethod
    def of(task: Task) -> Cut:
        """Return the cut of trials as long as these: the bins ahead are at most half of a stretch if it can be."""
        n_bins = task.trials.n_bins
        n_each = -(-n_bins // STRETCH_BINS)
        if task.n_forward:
            n_each = min(n_each, max(1, n_bins // (2 * task.n_forward)))
        length = -(-n_bins // n_each)
        return Cut(n_each, length, n_each * length - n_bins)

    def stretches(self, task: Task, units: IntArray, bins: slice) -> Stretches:
        """Return the counts of units; ``bins`` are those of each trial that count."""
        counts = np.zeros((task.trials.n_trials, self.n_each * self.n_bins, len(units)))
        weight = np.zeros(counts.shape[:2])
        counts[:, self.n_pad :] = task.trials.counts[:, :, units]
        weight[:, self.n_pad :][:, bins] = task.observed[:, bins]
        return Stretches(counts.reshape(-1, self.n_bins, len(units)), weight.reshape(-1, self.n_bins))

    def whole(self, values: FloatArray) -> FloatArray:
        """Return values (stretch, bin, unit) of all trials, (trial, bin, unit)."""
        return values.reshape(-1, self.n_each * self.n_bins, values.shape[2])[:, self.n_pad :]


def first_loadings(data: Stretches, n_latents: int, sigma_bins: float) -> Loadings:
    """Return loadings from the principal components of smoothed counts, less the noise of Poisson spikes."""
    exposure = max(float(data.weight.sum()), 1.0)
    mean = np.maximum(np.einsum("rt,rtn->n", data.weight, data.counts), 0.5) / exposure
    smooth = kernel(data.counts.shape[1], sigma_bins)
    seen = smooth(data.weight)[:, None, :] + 1e-3
    counts = np.moveaxis(data.counts * data.weight[:, :, None], 2, 1)  # (stretch, unit, bin)
    rate = (smooth(counts) + 1e-3 * mean[:, None]) / seen
    deviation = (rate / mean[:, None] - 1) * np.sqrt(mean)[:, None] * data.weight[:, None, :]
    covariance = np.einsum("rnt,rmt->nm", deviation, deviation, optimize=True) / exposure
    covariance[np.diag_indices_from(covariance)] -= float((smooth.weight**2).sum())
    values, vectors = np.linalg.eigh(covariance)
    first = np.argsort(-values)[:n_latents]
    weights = vectors[:, first] * np.sqrt(np.maximum(values[first], 1e-2 * mean.mean())) / np.sqrt(mean)[:, None]
    weights *= np.minimum(1.0, 2.0 / np.maximum(np.abs(weights).max(axis=0), 1e-9))
    return Loadings(np.log(mean) - 0.5 * (weights**2).sum(axis=1), weights)
