"""What the spikes say of the order of trials in given rates: whether another one fits better.

Few orders are tried: those of the usual mistakes. One is reported only if it fits better than the given order, and
better than orders that nobody means (trials of a condition shuffled, other shifts by up to 3 trials) by nearly as
much. For held-out rates of other trials were fitted to the spikes of this one: in any order they may fit it better.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from rnnspike.observation import spike_term
from rnnspike.rates.checks import SURE, WORTH_NATS, Gain, filled
from rnnspike.recording.data import Finding
from rnnspike.recording.findings import found
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: Trials below which nothing is said.
FEWEST = 10
#: Shuffled orders, whose mean is taken.
SHUFFLES = 4
#: Shifts, in trials, that an order must be better than (unless it is one of them).
SHIFTS = (-3, -2, -1, 1, 2, 3)
#: Columns of the trial table by which rates may have been sorted.
COLUMNS = 6
#: Share of the gain over the given order that there must be over each order that nobody means, and standard errors.
ALSO, ALSO_SURE = 0.6, 4.0


class TrialOrder:
    """Log-likelihood of each trial in several orders of the rates, summed over units.

    Parameters
    ----------
    trials
        The run's trials, of any unit.
    """

    def __init__(self, trials: Trials) -> None:
        n = trials.n_trials
        self.n_spikes = 0
        self.names: list[str] = []
        orders = [np.arange(n)]  # row of the rates that each trial reads
        for name, order in _candidates(trials):
            if not any(np.array_equal(order, other) for other in orders):
                self.names.append(name)
                orders.append(order)
        rng = np.random.default_rng(0)
        orders += [_shuffled(trials.condition, rng) for _ in range(SHUFFLES)]
        orders += [np.roll(np.arange(n), shift) for shift in SHIFTS]
        self.orders = orders
        self.nats = np.zeros((len(orders), n))

    def add(self, trials: Trials, mu: FloatArray) -> None:
        """Take in one unit: its trials, and mu (trial, bin) in the given order."""
        observed = trials.observed[:, :, 0]
        mu = filled(mu)
        trial, at = np.nonzero((trials.spikes[:, :, 0] > 0) & observed)
        spikes, whole = trials.spikes[trial, at, 0], observed.all(axis=1)
        sums = mu.sum(axis=1)
        for nats, order in zip(self.nats, self.orders, strict=True):
            expected = np.where(whole, sums[order], 0.0)
            expected[~whole] = (mu[order[~whole]] * observed[~whole]).sum(axis=1)
            log_spikes = spike_term(mu[order[trial], at], spikes, trials.observation)
            nats += np.bincount(trial, log_spikes, len(mu)) - expected
        self.n_spikes += int(spikes.sum())

    def finding(self, name: str) -> Finding | None:
        """Return a finding where the rates of this name seem to be in another order of trials."""
        if self.nats.shape[1] < FEWEST or not self.n_spikes:
            return None
        given, n = self.nats[0], len(self.names)
        gains = [Gain(each - given, self.n_spikes) for each in self.nats[1 : 1 + n]]
        best = max(range(n), key=lambda k: gains[k].nats.sum())
        gain = gains[best]
        if gain.z < SURE or gain.nats.sum() < WORTH_NATS * self.n_spikes:
            return None
        over = [Gain(self.nats[1 + best] - rival, self.n_spikes) for rival in self._rivals(self.orders[1 + best])]
        if any(each.z < ALSO_SURE or each.nats.sum() < ALSO * gain.nats.sum() for each in over):
            return None
        message = (
            f"{name}: the trials of these rates seem to be {self.names[best]}: put in order, they gain "
            f"{gain.in_words()}; give the rates with the number (trial) or start (start_s) of each trial"
        )
        return found("rates-trial-order", message)

    def _rivals(self, order: IntArray) -> Iterator[FloatArray]:
        """Yield the log-likelihood of each trial in the orders that nobody means."""
        first = 1 + len(self.names)
        shifted = first + SHUFFLES
        yield self.nats[first:shifted].mean(axis=0)
        for other, nats in zip(self.orders[shifted:], self.nats[shifted:], strict=True):
            if not np.array_equal(order, other):
                yield nats


def _candidates(trials: Trials) -> Iterator[tuple[str, IntArray]]:
    """Yield what the order of the rates may be, and the row that each trial then reads."""
    n = trials.n_trials
    yield "one trial late", np.roll(np.arange(n), -1)
    yield "one trial early", np.roll(np.arange(n), 1)
    yield "in reverse order", np.arange(n)[::-1]
    for name, values in _sorted_by(trials):
        for sort in (True, False):
            codes = pd.factorize(values, sort=sort)[0]
            yield f"sorted by {name}", np.argsort(np.argsort(codes, kind="stable"))


def _sorted_by(trials: Trials) -> Iterator[tuple[str, pd.Series]]:
    """Yield columns of the trial table with few different values of one type, and the conditions."""
    columns = [(str(name), column) for name, column in trials.table.items() if _is_condition(column)]
    yield from columns[:COLUMNS]
    yield "condition", pd.Series(trials.condition)


def _is_condition(column: pd.Series) -> bool:
    one_type = column.map(type).nunique() == 1 and isinstance(column.iloc[0], str | int | float | np.generic)
    return one_type and not column.isna().any() and 1 < column.nunique() <= len(column) // 2


def _shuffled(condition: IntArray, rng: np.random.Generator) -> IntArray:
    """Return an order that shuffles trials within their condition."""
    order = np.arange(len(condition))
    for each in np.unique(condition):
        mine = np.flatnonzero(condition == each)
        order[mine] = rng.permutation(mine)
    return order
