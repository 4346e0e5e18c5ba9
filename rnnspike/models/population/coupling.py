r"""Coupling: the other units' past on top of the unit's own history model (science.md#coupling).

.. math:: \log\mu_i(t) = o_i(t) + w\,\bigl(a_i + \sum_{j\ne i}\sum_b \beta_{jb}\,(B_b * y_j)(t)\bigr)

The offset o is the log intensity of the GLM, of training trials cross-fitted. B are raised cosines in log lag and
leaky traces, of lags of one bin or more: a spike of the same bin tells nothing. The weight w is the one of five that
validation trials favour, 0 where none earns its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.glm.cross_fit import cross_fitted
from rnnspike.models.glm.fitted import FittedGlm
from rnnspike.models.population.design import Design
from rnnspike.models.population.features import LagBasis, shuffled, sources_of
from rnnspike.models.population.fitted import FittedCoupling
from rnnspike.models.population.screening import strongest
from rnnspike.models.population.solve import solve
from rnnspike.models.protocol import HEADROOM, LOG_MU_RANGE, FittedModel
from rnnspike.models.shares import SHARES, earned_share
from rnnspike.observation import loss_by_log_mu
from rnnspike.trials.data import FloatArray, Trials

__all__ = ["Coupling", "FittedCoupling", "ShuffledCoupling"]

#: Nats by which a share of the coupling must be better than none on validation trials.
EARNED = 2.0
#: Other units that are read at the most: with twice as many the gain was a tenth smaller on 80 simulated units with
#: few links, and the same on 60 that share a state.
MOST_SOURCES = 16


class Coupling:
    """The other units' past on top of the GLM."""

    name: ClassVar[str] = "coupling"
    shuffled: ClassVar[bool] = False

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Any:
        """Return the model; it is the same at every effort."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Fit the weights of all sources on training trials; validation chooses how much of them is kept.

        One fit serves every base: they are GLMs of the same trials that differ in their strengths alone.
        """
        bases = (fitted or {}).get("glm")
        if not bases:
            raise ModelError(f"{self.name} needs the glm fitted on the same split")
        offset = self.offset(bases[0], train, fitted or {})
        if self.shuffled:
            train, validation = shuffled(train), [shuffled(each) for each in validation]
        found = fit_coupling(train, offset, bases[0])
        members = [replace(found, name=self.name, base=base, shuffled=self.shuffled) for base in bases]
        return tuple(weighted(member, each) for member, each in zip(members, validation, strict=True))

    def offset(self, base: FittedModel, train: Trials, fitted: Mapping[str, Sequence[FittedModel]]) -> FloatArray:
        """Return log mu of the base on the training trials (trial, bin), cross-fitted."""
        assert isinstance(base, FittedGlm)
        return np.log(cross_fitted(base, train)[:, :, 0])

    @classmethod
    def load(cls, folder: Path) -> FittedModel:
        """Return a fitted model from its folder."""
        return FittedCoupling.load(folder)


class ShuffledCoupling(Coupling):
    """The same on trials shuffled within condition and fold: what is gained without anything shared in a trial."""

    name = "coupling-shuffled"
    shuffled = True

    def offset(self, base: FittedModel, train: Trials, fitted: Mapping[str, Sequence[FittedModel]]) -> FloatArray:
        """Return the one that the model on trials as recorded was fitted with."""
        for model in fitted.get(Coupling.name, ()):
            if isinstance(model, FittedCoupling) and model.offset is not None:
                return model.offset
        return super().offset(base, train, fitted)


def fit_coupling(train: Trials, offset: FloatArray, base: FittedModel) -> FittedCoupling:
    """Fit the weights of other units to trials, with offset (trial, bin) the base's log mu.

    Raises
    ------
    ModelError
        Without other units.
    """
    sources = strongest(train, offset, MOST_SOURCES)
    if not sources:
        raise ModelError("needs other units recorded in the same observed time that share no spikes with this one")
    basis = LagBasis.of(train)
    design = Design.of(train, offset, sources, basis)
    solution = solve(design.problem)
    highest = float(design.problem.log_mu(solution.at).max(initial=LOG_MU_RANGE[0])) + HEADROOM
    return FittedCoupling(
        name=Coupling.name,
        base=base,
        basis=basis,
        sources=tuple(sources),
        fills=tuple(design.fills),
        weights=design.raw_weights(solution),
        intercept=design.raw_intercept(solution),
        share=1.0,
        highest=min(highest, LOG_MU_RANGE[1]),
        n_left_out=len(sources_of(train)) - len(sources),
        offset=offset,
    )


def weighted(model: FittedCoupling, validation: Trials) -> FittedCoupling:
    """Return the model with the share of its coupling that validation trials favour."""
    seen = validation.observed
    if not seen.any():
        return replace(model, share=0.0)
    mu, added = model.base.intensity(validation), model.coupling(validation)[:, :, None]
    spikes = validation.spikes[seen].astype(np.float64)
    ones = np.ones(len(spikes))
    log_mu = (np.log(model.coupled(mu, share * added)[seen]) for share in SHARES)
    nats = [loss_by_log_mu(each, ones, spikes, validation.observation)[0] for each in log_mu]
    return replace(model, share=earned_share(nats, EARNED))
