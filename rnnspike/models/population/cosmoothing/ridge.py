r"""Poisson regression on the other units' smoothed counts, strengths by restricted maximum likelihood.

.. math:: \log\mu_i(t) = \log\bar\mu_i + a + \sum_{j \ne i}\sum_s \beta_{js}\,(K_s * y_j)(t), \qquad
    \beta_{js} \sim N(0, 1 / \lambda_s)

with Gaussian kernels K of a few widths, columns standardised (science.md#co-smoothing). For the end of a trial the
kernels reach back from its last bin that is read, and the PSTH of all trials replaces the mean rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rnnspike.models.baselines.psth import fit_psth
from rnnspike.models.population.cosmoothing.smoothed import Float32Array, before, default_sigmas, smoothed
from rnnspike.models.population.cosmoothing.task import Group, Prediction, Task, evenly_spaced
from rnnspike.models.population.solve import Problem, solve
from rnnspike.models.protocol import HEADROOM, LOG_MU_RANGE
from rnnspike.trials.data import FloatArray, IntArray

#: Units that a regression reads at the most: those whose smoothed counts go most with the targets'.
MOST_SOURCES = 128
#: Values of the columns that a regression is fitted to at the most, in evenly spaced trials, and of a block that is
#: predicted at a time.
MOST_VALUES, BLOCK_VALUES = 40_000_000, 4_000_000


def ridge(task: Task, sigmas_s: Sequence[float] | None = None) -> Iterator[Prediction]:
    """Yield what the regressions expect of held-out trials.

    Parameters
    ----------
    task
        What is predicted from what.
    sigmas_s
        Standard deviations of the kernels, s; None: ``default_sigmas``.
    """
    widths = tuple(sigmas_s or default_sigmas(task.trials.bin_s, task.n_forward > 0))
    for train, test in task.splits():
        base = log_base(task, train)
        for group in task.groups:
            yield from _predictions(task, group, train, test, widths, base)


def log_base(task: Task, train: IntArray) -> FloatArray:
    """Return log mu (scored bin, unit) without regression: the mean rate; of the end of repeated trials, the PSTH."""
    if task.n_forward and task.trials.has_repeats:
        alike = replace(task.trials.take(train), condition=np.zeros(len(train), np.int64), conditions=("all",))
        return np.asarray(np.log(fit_psth(alike).mu_table[0, task.scored]))
    observed, trials = task.observed[train], task.trials
    spikes = np.array([trials.counts[train, :, u][observed].sum() for u in range(trials.n_units)], np.float64)
    mean = np.maximum(spikes, 0.5) / max(int(observed.sum()), 1)
    return np.log(np.broadcast_to(mean, (trials.n_bins, trials.n_units))[task.scored])


def _predictions(
    task: Task, group: Group, train: IntArray, test: IntArray, sigmas_s: Sequence[float], base: FloatArray
) -> Iterator[Prediction]:
    """Yield predictions of the units of a group, fitted to training trials."""
    read = before if task.n_forward else smoothed
    sources = strongest(task, group, train, max(sigmas_s))
    per_trial = task.trials.n_bins * max(len(sources) * len(sigmas_s), 1)
    train = evenly_spaced(train, MOST_VALUES // per_trial)
    columns = read(task, train, sources, sigmas_s)
    scale = Scale.of(columns)
    seen = task.observed[train, task.scored]
    features = scale(columns[seen])
    del columns
    fits = []
    for target in group.targets:
        spikes = task.trials.counts[train, task.scored, target][seen].astype(np.float64)
        offset = np.broadcast_to(base[:, target], seen.shape)[seen]
        fits.append(_fit(features, offset, spikes, len(sigmas_s)))
    for rows in np.array_split(test, -(-len(test) * per_trial // BLOCK_VALUES)):
        scaled = scale(read(task, rows, sources, sigmas_s))
        mu = [
            np.exp(np.clip(base[:, target] + at[0] + scaled @ at[1:].astype(np.float32), LOG_MU_RANGE[0], highest))
            for target, (at, highest) in zip(group.targets, fits, strict=True)
        ]
        yield Prediction(rows, group.targets, np.stack(mu, axis=2))


def _fit(
    features: Float32Array, offset: FloatArray, spikes: FloatArray, n_strengths: int
) -> tuple[FloatArray, float]:
    """Return intercept and weights of a unit, and the highest log mu that it may expect."""
    n_columns = features.shape[1]
    if not n_columns or not spikes.any():
        return np.zeros(1 + n_columns), LOG_MU_RANGE[1]
    problem = Problem(features, offset, np.ones(len(spikes)), spikes, "poisson", n_columns // n_strengths)
    at = solve(problem).at
    return at, min(float(problem.log_mu(at).max()) + HEADROOM, LOG_MU_RANGE[1])


@dataclass(frozen=True)
class Scale:
    """Mean and inverse standard deviation of each column over training bins, (column,)."""

    mean: Float32Array
    inverse: Float32Array

    @staticmethod
    def of(columns: Float32Array) -> Scale:
        """Return the scale of columns (row, bin, column)."""
        deviation = columns.std(axis=(0, 1), dtype=np.float64)
        inverse = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0)
        return Scale(columns.mean(axis=(0, 1), dtype=np.float64).astype(np.float32), inverse.astype(np.float32))

    def __call__(self, columns: Float32Array) -> Float32Array:
        """Return standardised columns (..., column)."""
        return (columns - self.mean) * self.inverse


def strongest(task: Task, group: Group, train: IntArray, sigma_s: float) -> IntArray:
    """Return the sources, where there are many those that correlate most with any target on training trials."""
    if len(group.sources) <= MOST_SOURCES:
        return group.sources
    targets = task.trials.counts[train, task.scored][:, :, group.targets].astype(np.float64)
    targets = (targets - targets.mean(axis=(0, 1))).reshape(-1, len(group.targets))
    targets /= np.maximum(np.linalg.norm(targets, axis=0), 1e-12)
    strength = np.empty(len(group.sources))
    for s, source in enumerate(group.sources):
        column = smoothed(task, train, np.array([source]), [sigma_s])[:, task.scored].astype(np.float64).ravel()
        column -= column.mean()
        strength[s] = np.abs(column @ targets).max() / max(float(np.linalg.norm(column)), 1e-12)
    return np.sort(group.sources[np.argsort(-strength, kind="stable")[:MOST_SOURCES]])
