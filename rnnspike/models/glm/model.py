r"""History GLM: a smooth drive and spike history fitted jointly (science.md#glm), and the drive alone.

.. math:: \log\mu_k = \mathrm{drive}_c(t_k) + \sum_{j<k} h(k-j)\,y_j + a(\text{time since the last spike})
          + \sum_i w_i \log z_i(k) + \text{covariates} + \text{gains}

The drive is a penalised cubic spline, with a penalised deviation of each condition; h has boxcars at the first lags
and raised cosines in log time to 2 s, and at equal spacing in time too where a unit has a rhythm; a has the same to
1 s and a weight for "unknown"; z are leaky counts of the unit's own spikes (10 ms to 3 s), whose logarithm saturates
where a linear filter does not. Covariates pass through eight exponential filters; the gains are log ratios of
recorded to expected counts of earlier trials.

Penalties are set by restricted maximum likelihood (``reml.py``); then validation trials choose among multiples of
them and whether traces, gains and covariates stay, from one fit for every validation set (two with covariates).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rnnspike.models.glm.fitted import FittedGlm
from rnnspike.models.glm.layout import FORM_STARTS, Layout, Parts
from rnnspike.models.glm.penalised import Coefficients, Gram, LogLinear, Point, refine
from rnnspike.models.glm.reml import LEAST, MOST, Penalties, Strengths, fit_reml
from rnnspike.models.protocol import FittedModel
from rnnspike.trials.data import Trials

__all__ = ["Drive", "FittedGlm", "HistoryGlm", "LastSpikeGlm", "LogLinearModel"]

#: Multiples of the strengths that validation chooses among.
MULTIPLES = (0.1, 10.0)
#: Nats on validation trials by which other strengths must be better, since few trials favour some by chance.
EARNED = 2.0
#: Predicted gain in nats on training trials above which functions for a rhythm are added. The twelve functions gain 6
#: by chance; units without a rhythm, simulated or recorded, 2 to 12 and a few up to 29; the resonant cell 35 to 55.
RHYTHM_WORTH = 25.0
#: Every third training trial is tested first: there a rhythm gains a third of what it adds to chance.
RHYTHM_LOOK, RHYTHM_FIRST = 3, 10.0


class LogLinearModel:
    """A log-linear model to be fitted; subclasses name the rung and its parts."""

    name: ClassVar[str]
    parts: ClassVar[Parts]

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
        """Fit coefficients and penalties on training trials; validation sets choose multiples of the penalties."""
        layout = Layout.of(train, self.parts, *(fitted or {}).get("psth", ())[:1])
        model, penalties = layout.design(train), layout.penalties()
        choices = [_Choice(model, penalties, {})]
        if (rhythm := _rhythm(layout, train, choices[0])) is not None:
            richer, worth = rhythm
            del model  # two designs of many rows would take too much memory
            model = richer.design(train)
            if worth(model) > RHYTHM_WORTH:
                layout, penalties = richer, richer.penalties()
                choices = [_Choice(model, penalties, {})]
            else:
                model = layout.design(train)
        if layout.covariate_mean:
            choices.append(_Choice(model, penalties, {"covariates": MOST}))
        chosen = [_best(choices, layout.design(each)) for each in validation]
        fits: dict[Any, FittedGlm] = {}
        for strengths, near, gram in chosen:
            if strengths.key() not in fits:
                fit = refine(model, penalties.penalty(strengths), gram, near)
                fits[strengths.key()] = FittedGlm(self.name, layout, fit, strengths, layout.ceiling(model, fit))
        return tuple(fits[strengths.key()] for strengths, _, _ in chosen)

    @classmethod
    def load(cls, folder: Path) -> FittedGlm:
        """Return a fitted model from its folder."""
        return FittedGlm.load(folder)


class Drive(LogLinearModel):
    """Smooth drive, covariates and gains, without history: the base of recurrent models."""

    name = "drive"
    parts = Parts(history=False, age=False, traces=False)


class HistoryGlm(LogLinearModel):
    """Drive and spike history, fitted jointly."""

    name = "glm"
    parts = Parts()


class LastSpikeGlm(LogLinearModel):
    """Drive times a function of the time since the last spike: Kass and Ventura's IMI model (science.md#renewal)."""

    name = "imi"
    parts = Parts(history=False, traces=False, gains=False, covariates=False)


def _rhythm(layout: Layout, train: Trials, without: _Choice) -> tuple[Layout, Callable[[LogLinear], float]] | None:
    """Return the layout with functions for a rhythm, and a search on its design.

    None where a test on some of the trials predicts no gain from them.
    """
    richer = layout.with_rhythm()
    if richer == layout:
        return None
    start, penalties = richer.placed(without.here.at, layout), richer.penalties()

    def worth(model: LogLinear) -> float:
        here = Point.of(model, start)
        gram, loss_gradient = model.gram(here.curvature), model.gradient(here.slope)

        def promised(strength: float) -> float:
            forms = {**without.found.forms, "rhythm": strength}
            penalty = penalties.penalty(replace(without.found, forms=forms))
            gradient = loss_gradient + penalty.gradient(here.at)
            return 0.5 * float(gradient @ gram.factor(penalty, here.at).solve(gradient))

        return promised(LEAST) - promised(MOST)

    some = train.take(np.arange(0, train.n_trials, RHYTHM_LOOK))
    if worth(richer.design(some)) < RHYTHM_FIRST:
        return None
    return richer, worth


def _best(choices: Sequence[_Choice], validation: LogLinear) -> tuple[Strengths, Coefficients, Gram]:
    """Return the best of several searches on these validation trials, with the Hessian near it."""
    found = [(*choice.best(validation), choice.gram) for choice in choices]
    return min(found, key=lambda each: each[0])[1:]


class _Choice:
    """Comparison on validation trials of multiples of the strengths, near the optimum at the strengths found.

    The optimum at other strengths is one Newton step away with the same Hessian of the loss, without a pass over
    rows.
    """

    def __init__(self, model: LogLinear, penalties: Penalties, pinned: Mapping[str, float]) -> None:
        self.penalties = penalties
        self.here, self.found = fit_reml(model, penalties, penalties.start(FORM_STARTS), pinned)
        self.gram = model.gram(self.here.curvature)
        self.gradient = model.gradient(self.here.slope)
        self.moved: dict[Any, Coefficients] = {}

    def best(self, validation: LogLinear) -> tuple[float, Strengths, Coefficients]:
        """Return the best on these validation trials: nats, strengths, and coefficients close to the optimum."""
        best = self.found
        nll = validation.nll(self._at(best))
        for options, earned in self._options():
            most = nll - earned
            for each in options(best):
                tried = validation.nll(self._at(each))
                if tried < min(most, nll):
                    best, nll = each, tried
        return nll, best, self._at(best)

    def _at(self, strengths: Strengths) -> Coefficients:
        key = strengths.key()
        if key not in self.moved:
            penalty, at = self.penalties.penalty(strengths), self.here.at
            self.moved[key] = at.step(-self.gram.factor(penalty, at).solve(self.gradient + penalty.gradient(at)))
        return self.moved[key]

    def _options(self) -> list[tuple[Any, float]]:
        """Return the changes to try in turn: functions from the best so far to alternatives, and required nats."""
        names = [form.name for form in self.penalties.forms]

        def drive(s: Strengths) -> list[Strengths]:
            return [
                replace(
                    s,
                    smooth=tuple(m * each for each in s.smooth),
                    deviation_smooth=tuple(m * each for each in s.deviation_smooth),
                    deviation=m * s.deviation,
                )
                for m in MULTIPLES
            ]

        def forms(s: Strengths) -> list[Strengths]:
            return [replace(s, forms={name: m * value for name, value in s.forms.items()}) for m in MULTIPLES]

        def without(name: str) -> Any:
            return lambda s: [replace(s, forms={**s.forms, name: MOST})]

        splines = [(drive, EARNED)] if self.penalties.n_knots > 2 else []
        simpler = [(without(name), 0.0) for name in ("traces", "gains") if name in names]
        return splines + ([(forms, EARNED)] if names else []) + simpler
