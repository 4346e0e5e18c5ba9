"""Free runs: a fitted model reads its own spikes (science.md#free-run).

The time to the next spike is drawn at once: with E from an exponential law, the spike falls into the first bin where
the sum of mu since the last one reaches E, since no spike in a bin has probability exp(-mu) under both observation
models. So the cost of a row is proportional to its spikes, and rows are at different bins.
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics import free_run_loops
from rnnspike.models.protocol import MU_CEILING, FittedModel
from rnnspike.trials.data import BoolArray, CountArray, IntArray, Trials

#: Rows times bins that are predicted at once, and the most bins.
_BLOCK, _LONGEST = 32768, 512
#: A prediction of n bins costs n plus an overhead of o bins, and bins after the spike are wasted: sqrt(2 o ISI) bins
#: are best. This is 2 o, a compromise between models that step every bin and those that do not.
_LOOK = 24.0
#: The same for the overhead per prediction that does not depend on the number of rows, in bins of one row.
_LOOK_ALONE = 500.0


def simulate(
    model: FittedModel, trials: Trials, rng: np.random.Generator, unit: int = 0, rows: IntArray | None = None
) -> CountArray:
    """Run a fitted model free over the design of these trials (science.md#free-run).

    Counts are bounded: at most one spike per bin, or Poisson draws of at most ``MU_CEILING`` expected spikes.

    Parameters
    ----------
    model
        A model of the unit.
    trials
        The design: bins, covariates, burn-in and observed time.
    rng
        Source of the spikes.
    unit
        Index of the unit in the trials.
    rows
        (row,) indices of the trials to run, which may be repeated; None: each trial once.

    Returns
    -------
    uint8 array (row, bin)
        Spikes drawn; 0 where not observed.
    """
    rows = np.arange(trials.n_trials) if rows is None else np.asarray(rows, dtype=np.int64)
    stepper = model.stepper(trials, unit).copy_rows(rows)
    ends = stretch_ends(trials.observed[:, :, unit])
    several = trials.observation == "poisson"
    counts = np.zeros((len(rows), trials.n_bins), dtype=np.uint8)
    at = np.zeros(len(rows), dtype=np.int64)
    clock = rng.standard_exponential(len(rows))  # what remains of E
    active, bins_gone, spikes_gone = np.arange(len(rows)), 128.0, 1.0
    while len(active):
        here = at[active]
        n = int(np.sqrt((_LOOK + _LOOK_ALONE / len(active)) * bins_gone / (spikes_gone + 0.5)))
        n = max(1, min(n, _LONGEST, _BLOCK // len(active)))
        mu, fresh = stepper.predict_until_spike(active, here, n), rng.standard_exponential(len(active))
        moved, spiked, over = np.empty_like(here), np.empty(len(here), np.bool_), np.empty(len(here))
        free_run_loops.next_spikes(mu, MU_CEILING, active, rows, ends, fresh, at, clock, moved, spiked, over)
        spikes = spiked.astype(np.uint8)
        if several:  # the first spike of a bin comes when E is used up; more may follow in the rest of the bin
            spikes[spiked] = np.minimum(1 + rng.poisson(over[spiked]), 255)
        stepper.advance(active, here, moved, spikes)
        counts[active, at[active] - 1] = spikes
        bins_gone, spikes_gone = 0.8 * bins_gone + moved.sum(), 0.8 * spikes_gone + np.count_nonzero(spikes)
        active = active[at[active] < trials.n_bins]
    return counts


def stretch_ends(observed: BoolArray) -> IntArray:
    """Return for each bin the first one after it where the mask (trial, bin) changes, or the window's end."""
    n_bins = observed.shape[1]
    changes = np.full(observed.shape, n_bins, dtype=np.int64)
    at = np.where(observed[:, 1:] != observed[:, :-1], np.arange(1, n_bins), n_bins)
    changes[:, :-1] = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]
    return changes
