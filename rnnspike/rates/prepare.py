"""From a file of rates to what a run scores: aligned, its quantity known, its values checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rnnspike import observation
from rnnspike.errors import RatesError
from rnnspike.rates.align import digest, on_trials
from rnnspike.rates.checks import Evidence
from rnnspike.rates.given import QUANTITIES, GivenRates, Quantity, counts_in_bins
from rnnspike.rates.read import RateSeries, RateTable
from rnnspike.rates.trial_order import TrialOrder
from rnnspike.rates.unit_order import unit_order
from rnnspike.recording.data import Finding
from rnnspike.recording.findings import found
from rnnspike.trials.data import FloatArray
from rnnspike.trials.plan import TrialPlan
from rnnspike.wording import counted

#: Expected over recorded spikes may differ by this factor: beyond, the values are not what they were taken for.
MOST_OFF = 3.0
IN_WORDS: dict[Quantity, str] = {
    "hz": "spikes/s",
    "counts": "expected counts per bin",
    "log-hz": "the log of spikes/s",
    "log-counts": "the log of expected counts per bin",
}


def prepare(
    name: str,
    table: RateTable | RateSeries,
    plan: TrialPlan,
    quantity: Quantity | Literal["auto"] = "auto",
    history: bool = True,
    add_history: bool = False,
) -> tuple[GivenRates, list[Finding]]:
    """Return rates as a run scores them, and what there is to say about them.

    Parameters
    ----------
    name
        What the model is called.
    table
        What was read of its file.
    plan
        The run's trials, bins and units.
    quantity
        What the values are; ``auto``: what brings the expected spikes nearest to the recorded ones.
    history
        Whether the rates depend on the unit's recorded past.
    add_history
        Whether spike history is to be fitted on top of them.

    Raises
    ------
    RatesError
        Where shape, trials or units do not fit, a scored bin has no finite rate or a negative one, or no reading of
        the values comes near the recorded rate.
    """
    aligned = _with_numbers(on_trials(table, plan))
    units = aligned.unit_ids or ()
    chosen, findings = _quantity(name, aligned, _Level.of(aligned, plan), quantity)
    rates = GivenRates(
        name,
        table.source,
        chosen,
        history,
        plan.grid.n_bins,
        plan.bin_s,
        units,
        digest(aligned.values),
        aligned.values,
        add_history,
    )
    step = max(1, plan.grid.n_bins // aligned.values.shape[1])
    evidence = Evidence()
    order = TrialOrder(plan.trials(units[:1]))
    for unit_id in units:
        trials, mu = plan.trials((unit_id,)), rates.mu(unit_id)
        evidence.add(trials, mu, step)
        order.add(trials, mu)
    missing = [unit_id for unit_id in plan.unit_ids if unit_id not in units]
    if missing:
        some = ", ".join(missing[:5]) + (", ..." if len(missing) > 5 else "")
        message = (
            f"{name}: no rates of {len(missing)} of {counted(len(plan.unit_ids), 'unit{s}')} ({some}); not scored"
        )
        findings.append(found("rates-units-missing", message, count=len(missing)))
    findings += [*_resampled(name, aligned.values.shape[1], plan), *evidence.findings(name, history)]
    other = unit_order(rates, lambda unit_id: plan.trials((unit_id,)))
    findings += [each for each in (other, order.finding(name)) if each is not None]
    return rates, findings


def _with_numbers(table: RateTable) -> RateTable:
    """Return the rates of those units that have any."""
    assert table.unit_ids is not None
    given = [k for k, unit_id in enumerate(table.unit_ids) if not np.isnan(_values(table, unit_id)).all()]
    if not given:
        raise RatesError(table.source, "holds no number but NaN for the units of the run")
    if len(given) == len(table.unit_ids):
        return table
    return replace(table, values=table.values[:, :, given], unit_ids=tuple(table.unit_ids[k] for k in given))


def _values(table: RateTable, unit_id: str) -> FloatArray:
    assert table.unit_ids is not None
    return np.asarray(table.values[:, :, table.unit_ids.index(unit_id)], np.float64)


@dataclass
class _Level:
    """Spikes that each reading of the values expects, beside those recorded, and values that no rate can have."""

    expected: dict[Quantity, float]
    n_spikes: int = 0
    n_negative: int = 0
    n_unknown: int = 0
    n_infinite: int = 0

    @classmethod
    def of(cls, table: RateTable, plan: TrialPlan) -> _Level:
        """Sum over the units of the table, in observed bins."""
        level = cls(dict.fromkeys(QUANTITIES, 0.0))
        for unit_id in table.unit_ids or ():
            values, trials = _values(table, unit_id), plan.trials((unit_id,))
            observed, scored_as = trials.observed[:, :, 0], trials.observation
            level.n_spikes += int(trials.spikes[:, :, 0][observed].sum())
            for quantity in QUANTITIES:
                mu = counts_in_bins(values, quantity, plan.grid.n_bins, plan.bin_s)[observed]
                level.expected[quantity] += float(observation.expected_counts(np.maximum(mu, 0.0), scored_as).sum())
                if quantity == "counts":
                    level.n_negative += int((mu < 0).sum())
                    level.n_unknown += int(np.isnan(mu).sum())
                    level.n_infinite += int((mu == np.inf).sum())
        return level

    def off(self, quantity: Quantity) -> float:
        """Return by which factor the expected spikes differ from the recorded ones, in log."""
        return abs(float(np.log(max(self.expected[quantity], 1e-300) / max(self.n_spikes, 1))))

    def in_words(self, quantity: Quantity) -> str:
        """Return expected and recorded spikes."""
        return f"{self.expected[quantity]:.4g} spikes expected, {self.n_spikes} recorded"

    def nearest(self) -> Quantity:
        """Return the reading nearest to the recorded spikes."""
        return min(QUANTITIES, key=self.off)


def _quantity(
    name: str, table: RateTable, level: _Level, asked: Quantity | Literal["auto"]
) -> tuple[Quantity, list[Finding]]:
    """Return what the values are and what to say of it; RatesError where they cannot be rates."""
    if level.n_unknown or level.n_infinite:
        unknown = counted(level.n_unknown, "scored bin{s} without a number")
        what = unknown if level.n_unknown else "infinite values"
        raise RatesError(
            table.source, f"holds {what}: every observed bin is scored", "a --window with rates throughout"
        )
    nearest = level.nearest()
    chosen = nearest if asked == "auto" else asked
    if level.n_negative and not chosen.startswith("log-"):
        cure = "--rates log-hz or log-counts where they are logarithms"
        raise RatesError(table.source, f"holds {counted(level.n_negative, 'negative rate{s}')}", cure)
    if not level.expected[chosen] > 0:
        raise RatesError(table.source, "holds only zeros for the units of the run")
    near, said = level.off(chosen) <= np.log(MOST_OFF), level.in_words(chosen)
    if asked != "auto":
        if near:
            return chosen, []
        if level.off(nearest) > np.log(MOST_OFF):
            return chosen, [found("rates-level", f"{name}: {said}")]
        instead = f"as {IN_WORDS[nearest]} they would be {level.expected[nearest]:.4g}"
        return chosen, [found("rates-level", f"{name}: {said}; {instead}", option=f"--rates {nearest}")]
    if not near:
        message = f"what its values are is not clear: read as {IN_WORDS[chosen]}, {said}"
        raise RatesError(table.source, message, "--rates")
    return chosen, [found("rates-read-as", f"{name}: the values are read as {IN_WORDS[chosen]} ({said})")]


def _resampled(name: str, n_given: int, plan: TrialPlan) -> list[Finding]:
    if n_given == plan.grid.n_bins:
        return []
    from_ms = 1e3 * plan.bin_s * plan.grid.n_bins / n_given
    message = (
        f"{name}: resampled from bins of {from_ms:g} ms to {1e3 * plan.bin_s:g} ms, the expected count conserved"
    )
    return [found("rates-resampled", message)]
