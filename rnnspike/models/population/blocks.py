"""Coarse counts of all units, and what their own models expect: a network's input (science.md#shared-state)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnspike.models.protocol import FittedModel
from rnnspike.observation import expected_counts
from rnnspike.rhythm import first_components, history_reach
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: Widths of a block, s; the first is taken of which the units' memory holds at most ``MOST_BLOCKS``.
WIDTHS_S, MOST_BLOCKS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2), 200
#: Blocks that are read to find how far that memory reaches; the longest sequence in training, without its warm-up.
MOST_READ, LONGEST = 4_000_000, 200


@dataclass(frozen=True)
class Clock:
    """Steps of a network: ``width`` bins each, and ``warm_up`` of them before the window.

    The warm-up is as long as the units' memory requires, whatever the burn-in: what is not recorded is unknown.
    """

    width: int
    warm_up: int

    @staticmethod
    def of(trials: Trials) -> Clock:
        """Return steps as fine as the memory of these units allows; the warm-up is twice as long as this memory."""
        reach_s = common_reach(trials)
        width_s = next((each for each in WIDTHS_S if reach_s <= MOST_BLOCKS * each), WIDTHS_S[-1])
        width = max(1, round(width_s / trials.bin_s))
        return Clock(width, min(-(-round(2 * reach_s / trials.bin_s) // width), MOST_BLOCKS))

    def training_bins(self, n_bins: int) -> int:
        """Return the length of the sequences, warm-up included, that windows of ``n_bins`` are cut to in training."""
        return self.width * (self.warm_up + piece_length(-(-n_bins // self.width)))


def piece_length(n_blocks: int) -> int:
    """Return the length of equal pieces of ``n_blocks``, at most ``LONGEST`` each."""
    return n_blocks // -(-n_blocks // LONGEST)


def common_reach(trials: Trials) -> float:
    """Return how far back (s) spikes affect the rates (science.md#bin-clock).

    Single units are tested all together, then the first components of the rates. A component may be
    a slow rhythm that passes through zero.
    """
    width = max(1, round(WIDTHS_S[0] / trials.bin_s))
    n_read = (trials.n_burn_in + trials.n_bins) // width * trials.n_units
    some = trials.take(np.arange(0, trials.n_trials, max(1, trials.n_trials * n_read // MOST_READ)))
    counts, observed = (_summed(each.astype(np.float64), width) for each in some.past_and_window())
    whole = observed == width
    counts *= whole
    own = some.condition + (some.condition.max() + 1) * np.arange(trials.n_units)[:, None]  # averaged unit by unit
    rows = [np.moveaxis(each, 2, 0).reshape(-1, each.shape[1]) for each in (counts, whole.astype(np.float64))]
    bin_s, seen = width * trials.bin_s, whole.all(axis=2)
    reaches = [history_reach(rows[0], bin_s, rows[1] > 0, own.ravel())]
    if seen.any():
        components = first_components(counts, seen)
        reaches += [history_reach(counts @ each, bin_s, seen, some.condition, oscillates=True) for each in components]
    return max(reaches)


@dataclass(frozen=True)
class Blocks:
    """Sums over blocks of bins, each (trial, warm-up + block, unit).

    ``residual`` are spikes less those that the units' own models expect given the past of each bin; in the warm-up,
    where these models do not predict, less the mean rate. ``counts`` are spikes, and ``exposure`` is what a log gain
    g multiplies in the loss ``exposure exp(g) - counts g``, which is exact for Poisson bins and to order mu^2 for
    Bernoulli ones: half of mu in a bin with a spike. Both are 0 in the warm-up, which is not scored.
    """

    residual: FloatArray
    counts: FloatArray
    exposure: FloatArray

    @staticmethod
    def of(trials: Trials, mu: FloatArray, clock: Clock, mean: FloatArray) -> Blocks:
        """Sum the bins of these trials, with ``mu`` (trial, bin, unit) of the units' own models, ``mean`` (unit,)."""
        observed = trials.observed
        spikes = np.where(observed, trials.spikes, 0).astype(np.float64)
        expected = np.where(observed, expected_counts(mu, trials.observation), 0.0)
        halved = 1 - 0.5 * spikes if trials.observation == "bernoulli" else 1.0
        exposure = np.where(observed, mu * halved, 0.0)
        before = _warm_up(trials, clock, mean)
        residual = np.concatenate([before, _summed(spikes - expected, clock.width)], axis=1)
        counts, exposed = (
            np.concatenate([np.zeros_like(before), _summed(each, clock.width)], axis=1) for each in (spikes, exposure)
        )
        return Blocks(residual, counts, exposed)


def _warm_up(trials: Trials, clock: Clock, mean: FloatArray) -> FloatArray:
    """Return spikes less their mean rate in the blocks before the window, (trial, block, unit).

    0, the residual of what is not known, before the burn-in and where that was not observed.
    """
    n_known = min(clock.warm_up, trials.n_burn_in // clock.width)
    counts, observed = trials.past_and_window()
    past = slice(trials.n_burn_in - n_known * clock.width, trials.n_burn_in)
    known = _summed(np.where(observed[:, past], counts[:, past] - mean, 0.0), clock.width)
    return np.pad(known, ((0, 0), (clock.warm_up - n_known, 0), (0, 0)))


def mean_counts(trials: Trials) -> FloatArray:
    """Return the spikes per observed bin of each unit, (unit,)."""
    spikes = np.where(trials.observed, trials.spikes, 0).sum(axis=(0, 1), dtype=np.float64)
    return np.asarray(spikes / np.maximum(trials.observed.sum(axis=(0, 1)), 1))


def _summed(values: FloatArray, width: int) -> FloatArray:
    n_trials, n_bins, n_units = values.shape
    padded = np.pad(values, ((0, 0), (0, -n_bins % width), (0, 0)))
    return np.asarray(padded.reshape(n_trials, -1, width, n_units).sum(axis=2))


def delayed(residual: FloatArray) -> FloatArray:
    """Return what the network reads in each block: the residuals of the block before, 0 in the first."""
    return np.concatenate([np.zeros_like(residual[:, :1]), residual[:, :-1]], axis=1)


def everyone(trials: Trials, unit_ids: tuple[str, ...], rows: IntArray | None = None) -> Trials:
    """Return these units in the same trials of the session, or in the trials ``rows`` of it."""
    if trials.unit_ids == unit_ids and rows is None:
        return trials
    assert trials.others is not None and trials.others.bin is not None
    if rows is not None:
        return trials.others.bin(unit_ids).take(rows)
    return replace(trials.others.bin(unit_ids).take(trials.session_index), condition=trials.condition)


def residuals(trials: Trials, base: FittedModel, clock: Clock, mean: FloatArray) -> FloatArray:
    """Return the residuals (trial, warm-up + block, unit) of these units under their own models."""
    return Blocks.of(trials, base.intensity(trials), clock, mean).residual
