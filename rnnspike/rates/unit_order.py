"""What the spikes say of the order of units in given rates: whether rates of one unit stand for another.

Every column of rates is held against the spikes of every unit, scaled to the unit's mean rate, so that only its
course in time and over trials counts. Where another assignment of columns to units is better, the units that it moves
are compared bin by bin, with the standard error over trials, and with a constant rate: of noise, the flattest column
fits best. Of true rates no other column is expected to fit better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import linear_sum_assignment

from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.protocol import MU_FLOOR
from rnnspike.rates.checks import SURE, WORTH_NATS, Gain, filled
from rnnspike.rates.given import GivenRates
from rnnspike.recording.data import Finding
from rnnspike.recording.findings import found
from rnnspike.trials.data import FloatArray, IntArray, Trials
from rnnspike.wording import counted

#: Rates that are read at spikes, over all pairs of units: of many units, some of the spikes serve to find pairs.
READS = 2**28
#: Standard errors by which two units at the least must gain, beside the sum over those that change places.
EACH_SURE = 3.0
#: Units that lose may lose this share of what the others gain: one poor column is no wrong order.
LOSE = 0.1
#: Of the gain over the own column, the share that there must be over the lower quartile of the other columns. Where
#: rates read other units' spikes, every column but its own knows those of a unit, and fits it better.
STANDS_OUT = 0.75

TrialsOf = Callable[[str], Trials]


def unit_order(rates: GivenRates, trials_of: TrialsOf) -> Finding | None:
    """Return a finding where the rates seem to be of other units than those they are given for.

    Parameters
    ----------
    rates
        Rates of the run's trials.
    trials_of
        Gives the trials of a unit by its id.
    """
    ids = rates.unit_ids
    if len(ids) < 2:
        return None
    per_spike, n_spikes = _matrix(rates, trials_of)
    # an own column is left only for one that is worth it
    column = linear_sum_assignment(
        (per_spike - WORTH_NATS * (1 - np.eye(len(ids)))) * n_spikes[:, None], maximize=True
    )[1]
    moved: dict[int, Gain] = {}
    for cycle in _cycles(column):
        if not _stands_out(per_spike, n_spikes, column, cycle):
            continue
        gains = {unit: _gains(trials_of(ids[unit]), rates, ids[unit], ids[column[unit]]) for unit in cycle}
        if _sure([over_better for _, over_better in gains.values()]):
            moved |= {unit: over_own for unit, (over_own, _) in gains.items()}
    if not moved:
        return None
    unit = max(moved, key=lambda each: moved[each].z)
    n = sum(gain.z >= EACH_SURE for gain in moved.values())
    message = (
        f"{rates.name}: these rates seem to be of other units: those given for unit {ids[column[unit]]} fit "
        f"unit {ids[unit]} better than its own by {moved[unit].in_words()}; the same holds for {n} of "
        f"{counted(len(ids), 'unit{s}')} in all; give the rates with their unit ids (unit_ids)"
    )
    return found("rates-other-units", message, count=n)


def _matrix(rates: GivenRates, trials_of: TrialsOf) -> tuple[FloatArray, FloatArray]:
    """Return what each unit gains with each column (unit, column), nats per spike, and spikes (unit,)."""
    n_units = len(rates.unit_ids)
    most = max(100, READS // n_units**2)
    spikes, n_spikes, exposure = [], np.zeros(n_units), []
    for unit, unit_id in enumerate(rates.unit_ids):
        trials = trials_of(unit_id)
        observed = trials.observed[:, :, 0]
        at = np.flatnonzero((trials.spikes[:, :, 0] > 0) & observed)
        n_spikes[unit] = len(at)
        spikes.append(at[:: max(1, -(-len(at) // most))])
        exposure.append(observed.mean(axis=1))
    n_read = np.array([len(at) for at in spikes])
    read, of_unit = np.concatenate(spikes), np.repeat(np.arange(n_units), n_read)
    nats = np.zeros((n_units, n_units))  # (unit, column), per spike
    for column, unit_id in enumerate(rates.unit_ids):
        mu = filled(rates.mu(unit_id))
        log_mu = np.log(mu.ravel()[read])
        expected = np.array(exposure) @ mu.sum(axis=1)
        nats[:, column] = np.bincount(of_unit, log_mu, n_units) / np.maximum(n_read, 1)
        nats[:, column] -= np.log(np.maximum(expected, MU_FLOOR))
    return nats - np.diag(nats)[:, None], n_spikes


def _stands_out(per_spike: FloatArray, n_spikes: FloatArray, column: IntArray, cycle: list[int]) -> bool:
    """Return whether units fit their new columns better than most columns, not only better than their own."""
    over_own = over_others = 0.0
    for unit in cycle:
        gain = per_spike[unit, column[unit]]
        others = np.delete(per_spike[unit], [unit, column[unit]])
        over_own += n_spikes[unit] * gain
        over_others += n_spikes[unit] * (gain - np.quantile(others, 0.25) if len(others) else gain)
    return bool(over_others >= STANDS_OUT * over_own)


def _cycles(column: IntArray) -> Iterator[list[int]]:
    """Yield the units that change places with each other."""
    left = set(np.flatnonzero(column != np.arange(len(column))).tolist())
    while left:
        cycle, unit = [], min(left)
        while unit in left:
            left.remove(unit)
            cycle.append(unit)
            unit = int(column[unit])
        yield cycle


def _gains(trials: Trials, rates: GivenRates, own: str, other: str) -> tuple[Gain, Gain]:
    """Return what a unit's spikes gain with the rates of another one, all scaled to its mean rate.

    The first is over its own rates, the second over the better of these and a constant rate.
    """
    spikes, observed = trials.spikes[:, :, 0], trials.observed[:, :, 0]
    n_spikes = int(spikes[observed].sum())
    fits = []
    for mu in (filled(rates.mu(own)), np.ones(spikes.shape), filled(rates.mu(other))):
        mu *= n_spikes / mu[observed].sum()
        fits.append(log_likelihood(mu, spikes, observed, trials.observation))
    better = max(fits[:2], key=np.sum)
    return Gain(fits[2] - fits[0], n_spikes), Gain(fits[2] - better, n_spikes)


def _sure(gains: list[Gain]) -> bool:
    """Return whether units that change places fit better, and not some at the cost of the others."""
    together = Gain(np.sum([gain.nats for gain in gains], axis=0), sum(gain.n_spikes for gain in gains))
    totals = np.array([gain.nats.sum() for gain in gains])
    lost, won = -totals[totals < 0].sum(), totals[totals > 0].sum()
    return together.z >= SURE and sorted(gain.z for gain in gains)[-2] >= EACH_SURE and lost <= LOSE * won
