"""Joint free runs: all units of a recording at once, each fed its own and the others' simulated spikes.

All rows are at the same bin, since a spike of any unit changes what the others do in the next one
(science.md#joint-free-run).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rnnspike.models.past import Past
from rnnspike.models.population import joint_loops
from rnnspike.models.population.features import gain, past_of
from rnnspike.models.population.fitted import FittedCoupling
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.protocol import MU_CEILING, FittedModel, Stepper
from rnnspike.observation import draw, expected_counts
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

#: Time constants after which a trace has faded: a billionth is left.
FADED = 20.0


class JointStepper(Protocol):
    """Models of several units that run forward together, many rows at once; a row is a trial or a copy of one."""

    def predict(self, at: int) -> FloatArray:
        """Return mu (row, unit) of bin ``at`` from the window's start, given all spikes before it."""

    def advance(self, at: int, counts: CountArray) -> None:
        """Take the spikes (row, unit) of bin ``at``, which was predicted just before."""


@dataclass(frozen=True)
class SideBySide:
    """Single-unit models that do not read each other: the product of them. ``steppers`` one per unit."""

    steppers: Sequence[Stepper]
    rows: IntArray

    @classmethod
    def of(cls, models: Sequence[FittedModel], trials: Trials, trial: IntArray) -> SideBySide:
        """Return the steppers of one model per unit of the trials, over rows that are copies of ``trial`` (row,)."""
        steppers = [model.stepper(trials.unit(u)).copy_rows(trial) for u, model in enumerate(models)]
        return cls(steppers, np.arange(len(trial)))

    def predict(self, at: int) -> FloatArray:
        """Return mu (row, unit) of a bin."""
        here = np.full(len(self.rows), at)
        return np.concatenate([each.predict_until_spike(self.rows, here, 1) for each in self.steppers], axis=1)

    def advance(self, at: int, counts: CountArray) -> None:
        """Take the spikes (row, unit) of a bin."""
        here, one = np.full(len(self.rows), at), np.ones(len(self.rows), np.int64)
        for each, own in zip(self.steppers, counts.T, strict=True):
            each.advance(self.rows, here, one, np.ascontiguousarray(own))


@dataclass(frozen=True)
class CoupledTogether:
    """Units coupled by their spikes.

    ``added`` (unit, row, bin) is what all spikes so far add to the log mu of each unit; ``kernels`` (source, target,
    lag) what a spike of a source adds at lags 1, 2, ... bins, where the target ``reads`` it (source, target).
    ``observed`` (trial, bin, unit).
    """

    models: Sequence[FittedCoupling]
    own: SideBySide
    added: FloatArray
    kernels: FloatArray
    reads: BoolArray
    observed: BoolArray
    trial: IntArray

    @classmethod
    def of(cls, models: Sequence[FittedCoupling], trials: Trials, trial: IntArray) -> CoupledTogether:
        """Return a stepper; units that the models read beside those of the trials keep their recorded spikes."""
        place = {unit_id: u for u, unit_id in enumerate(trials.unit_ids)}
        reach = max(length for m in models for length in (m.basis.n_lags, *(FADED * tau for tau in m.basis.taus)))
        n_lags = min(max(trials.n_bins - 1, 0), round(reach))
        kernels = np.zeros((trials.n_units, trials.n_units, n_lags))
        reads = np.zeros(kernels.shape[:2], bool)
        added = np.zeros((trials.n_units, trials.n_trials, trials.n_bins))
        for target, model in enumerate(models):
            if not model.share:
                continue
            added[target] = model.share * model.intercept
            for source, weights, fill in zip(model.sources, model.weights, model.fills, strict=True):
                j = place.get(source)
                past = past_of(trials, source) if j is None else _before_window(Past.of(trials, j))
                added[target] += model.share * gain(past, weights, model.basis, fill)
                if j is not None:
                    kernels[j, target], reads[j, target] = model.kernel(source, n_lags), True
        own = SideBySide.of([model.base for model in models], trials, trial)
        return cls(models, own, added[:, trial], kernels, reads, trials.observed, trial)

    def predict(self, at: int) -> FloatArray:
        """Return mu (row, unit) of a bin."""
        mu = self.own.predict(at)
        for u, model in enumerate(self.models):
            if model.share:
                mu[:, u] = model.coupled(mu[:, u], self.added[u, :, at])
        return mu

    def advance(self, at: int, counts: CountArray) -> None:
        """Take the spikes (row, unit) of a bin; those of bins that were not observed are not known to the models."""
        self.own.advance(at, counts)
        joint_loops.add_spikes(counts * self.observed[self.trial, at], at, self.reads, self.kernels, self.added)


@dataclass(frozen=True)
class SharedTogether:
    """Units that share a state.

    ``places`` (unit,) are theirs in the network, ``recorded`` (trial, block, network unit) the residuals of all its
    units as recorded, which those beside these keep. Per row: the ``state`` of its block (row, state), and the
    residuals in it so far, ``sums`` (row, unit).
    """

    model: FittedSharedState
    own: SideBySide
    places: list[int]
    recorded: FloatArray
    trials: Trials
    trial: IntArray
    state: FloatArray
    sums: FloatArray

    @classmethod
    def of(cls, model: FittedSharedState, trials: Trials, trial: IntArray) -> SharedTogether:
        """Return a stepper of the units of the trials."""
        places = [model.index(unit_id) for unit_id in trials.unit_ids]
        own = SideBySide.of([model.base.member(unit_id) for unit_id in trials.unit_ids], trials, trial)
        everyone = len(places) == len(model.unit_ids)
        recorded, before = model.recorded_residuals(trials), model.clock.warm_up
        state = model.states(recorded[:, : before + 1])[trial, before].astype(np.float64)
        beside = np.zeros((0, 0, 0)) if everyone else recorded[:, before:]
        return cls(model, own, places, beside, trials, trial, state, np.zeros((len(trial), len(places))))

    def predict(self, at: int) -> FloatArray:
        """Return mu (row, unit) of a bin."""
        mu, width = self.own.predict(at), self.model.clock.width
        if at and at % width == 0:
            if self.recorded.size:
                seen = self.recorded[self.trial, at // width - 1]
            else:
                seen = np.empty((len(self.trial), len(self.places)))
            seen[:, self.places] = self.sums
            self.state[:] = self.model.cell.step(self.state, seen * self.model.scale)
            self.sums[:] = 0.0
        self.sums[:] -= expected_counts(mu, self.trials.observation) * self.trials.observed[self.trial, at]
        return self.model.added(mu, self.model.read(self.model.cell.hidden(self.state), self.places), self.places)

    def advance(self, at: int, counts: CountArray) -> None:
        """Take the spikes (row, unit) of a bin; those of bins that were not observed are not known to the model."""
        self.own.advance(at, counts)
        self.sums[:] += counts * self.trials.observed[self.trial, at]


def joint_stepper(models: Sequence[FittedModel], trials: Trials, rows: IntArray) -> JointStepper:
    """Return what runs one model per unit of these trials together.

    Parameters
    ----------
    models
        One per unit, in the order of the trials' units: coupling models, one model of a shared state for each, or
        models that do not read other units.
    trials
        The design: bins, covariates, burn-in and observed time.
    rows
        (row,) trial of each row.
    """
    coupled = [model for model in models if isinstance(model, FittedCoupling)]
    if len(coupled) == len(models):
        return CoupledTogether.of(coupled, trials, rows)
    if isinstance(models[0], FittedSharedState):
        return SharedTogether.of(models[0], trials, rows)
    return SideBySide.of(models, trials, rows)


def simulate_together(
    models: Sequence[FittedModel],
    trials: Trials,
    rngs: Sequence[np.random.Generator],
    rows: IntArray | None = None,
) -> CountArray:
    """Run the models of several units free together (science.md#joint-free-run).

    Counts are bounded as in a free run of one unit: at most one spike per bin, or Poisson draws of at most
    ``MU_CEILING`` expected spikes.

    Parameters
    ----------
    models
        One per unit of the trials (``joint_stepper``).
    trials
        The design, of all units that are run.
    rngs
        Source of the spikes, one per unit: what one unit draws does not depend on which others are run.
    rows
        (row,) indices of the trials to run, which may be repeated; None: each trial once.

    Returns
    -------
    uint8 array (row, bin, unit)
        Spikes drawn; 0 where not observed.
    """
    rows = np.arange(trials.n_trials) if rows is None else np.asarray(rows, dtype=np.int64)
    stepper = joint_stepper(models, trials, rows)
    counts = np.zeros((len(rows), trials.n_bins, trials.n_units), np.uint8)
    for at in range(trials.n_bins):
        mu = np.minimum(stepper.predict(at), MU_CEILING)
        drawn = [draw(each, trials.observation, rng) for each, rng in zip(mu.T, rngs, strict=True)]
        counts[:, at] = np.stack(drawn, axis=1)
        stepper.advance(at, counts[:, at])
    counts[~trials.observed[rows]] = 0
    return counts


def _before_window(past: Past) -> Past:
    """Return the past without the spikes of the window."""
    spikes = past.spikes.copy()
    spikes[:, past.n_burn_in :] = 0
    return replace(past, spikes=spikes)
