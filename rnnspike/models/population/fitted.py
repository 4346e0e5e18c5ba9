"""A fitted coupling model, and its stepper: a free run of one unit takes the others' recorded spikes as given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models import registry
from rnnspike.models.population.features import LagBasis, gain, kernel, past_of, shuffled, sources_of
from rnnspike.models.protocol import LOG_MU_RANGE, FittedModel, Stepper, bounded_exp, following_bins
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials


@dataclass(frozen=True)
class FittedCoupling:
    """A base and the weights (source, column) of the others' past, of which a ``share`` is kept.

    ``fills`` are the spikes that an unobserved bin of each source counts as; predictions are at most ``highest`` in
    log, where the base's own are not higher. ``n_left_out`` sources were screened out. ``shuffled``: it reads the
    others' trials shuffled, as it was fitted to them. ``offset`` is the base's log mu of the training trials, which a
    model in memory still knows.
    """

    name: str
    base: FittedModel
    basis: LagBasis
    sources: tuple[str, ...]
    fills: tuple[float, ...]
    weights: FloatArray
    intercept: float
    share: float
    highest: float
    n_left_out: int = 0
    shuffled: bool = False
    offset: FloatArray | None = field(default=None, repr=False, compare=False)

    def coupling(self, trials: Trials) -> FloatArray:
        """Return what the others' past adds to log mu, all of it (trial, bin)."""
        missing = set(self.sources) - set(sources_of(trials))
        if missing:
            raise ModelError(f"{self.name} reads units that these trials do not hold: {', '.join(sorted(missing))}")
        trials = shuffled(trials) if self.shuffled else trials
        total = np.full((trials.n_trials, trials.n_bins), self.intercept)
        for source, weights, fill in zip(self.sources, self.weights, self.fills, strict=True):
            total += gain(past_of(trials, source), weights, self.basis, fill)
        return total

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1), given the recorded past of all units."""
        mu = self.base.intensity(trials)
        return self.coupled(mu, self.share * self.coupling(trials)[:, :, None]) if self.share else mu

    def coupled(self, mu: FloatArray, added: FloatArray) -> FloatArray:
        """Return the base's mu with what the others add, no higher than both the base and training allow."""
        log_mu = np.log(mu)
        return bounded_exp(log_mu + added, high=np.maximum(log_mu, min(self.highest, LOG_MU_RANGE[1])))

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials, with the recorded spikes of the other units."""
        one = trials.unit(unit)
        base = self.base.stepper(one)
        return CoupledStepper.of(self, base, self.share * self.coupling(one)) if self.share else base

    def kernel(self, source: str, n_lags: int) -> FloatArray:
        """Return the log gain of a spike of a source at lags 1, 2, ... bins, (lag,)."""
        return self.share * kernel(self.weights[self.sources.index(source)], self.basis, n_lags)

    def save(self, folder: Path) -> None:
        """Write weights and config, and the base into a folder of its own."""
        config = {
            "name": self.name,
            "base": self.base.name,
            "peaks": list(self.basis.peaks),
            "taus": list(self.basis.taus),
            "sources": list(self.sources),
            "fills": list(self.fills),
            "intercept": self.intercept,
            "share": self.share,
            "highest": self.highest,
            "n_left_out": self.n_left_out,
            "shuffled": self.shuffled,
        }
        save_weights(folder, {"weights": self.weights}, config)
        self.base.save(folder / "base")

    @classmethod
    def load(cls, folder: Path) -> FittedCoupling:
        """Return what ``save`` wrote."""
        arrays, config = load_weights(folder)
        basis = LagBasis(tuple(config["peaks"]), tuple(config["taus"]))
        base = registry.load(config["base"], folder / "base")
        sources, fills = tuple(config["sources"]), tuple(config["fills"])
        numbers = config["intercept"], config["share"], config["highest"], config["n_left_out"], config["shuffled"]
        return cls(config["name"], base, basis, sources, fills, arrays["weights"], *numbers)


@dataclass(frozen=True)
class CoupledStepper:
    """The stepper of a base times what the others' recorded spikes add, ``added`` (trial, bin); ``trial`` (row,)."""

    model: FittedCoupling
    base: Stepper
    added: FloatArray
    trial: IntArray

    @classmethod
    def of(cls, model: FittedCoupling, base: Stepper, added: FloatArray) -> CoupledStepper:
        """Return a stepper with one row per trial."""
        return cls(model, base, added, np.arange(len(added)))

    def copy_rows(self, rows: IntArray) -> CoupledStepper:
        """Return a stepper whose rows are copies of these."""
        return replace(self, base=self.base.copy_rows(rows), trial=self.trial[rows])

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        bins = following_bins(at, n, self.added.shape[1])
        return self.model.coupled(
            self.base.predict_until_spike(rows, at, n), self.added[self.trial[rows, None], bins]
        )

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance the base."""
        self.base.advance(rows, at, n_bins, counts)
