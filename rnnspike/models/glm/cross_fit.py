"""Cross-fitted predictions of a log-linear model on the trials that it was trained on (science.md#cross-fitting).

A model's own predictions of its training trials include noise that it has fitted, so a network that starts from them
learns to rely on them too much. Each part of the trials is therefore predicted by the model refitted to the other
parts at the same strengths, by a few Newton steps from its optimum.
"""

from __future__ import annotations

import weakref

import numpy as np

from rnnspike.errors import ConfigError
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.glm.fitted import FittedGlm
from rnnspike.models.glm.penalised import LogLinear, Point, refine
from rnnspike.models.protocol import FittedModel
from rnnspike.trials.data import FloatArray, Trials
from rnnspike.trials.split import assign_folds

#: Parts of the training trials; with fewer trials, the model's own predictions are used.
N_PARTS, FEWEST_TRIALS = 4, 8

#: The last model and trials, and what was predicted: several rungs of a split ask for the same in turn.
_latest: list[tuple[weakref.ref[FittedGlm], weakref.ref[Trials], FloatArray]] = []


def cross_fitted(model: FittedGlm, train: Trials) -> FloatArray:
    """Return mu (trial, bin, 1) of the training trials, read-only, each from the model refitted without its part."""
    for known_model, known_trials, mu in _latest:
        if known_model() is model and known_trials() is train:
            return mu
    mu = _cross_fit(model, train)
    mu.flags.writeable = False
    _latest[:] = [(weakref.ref(model), weakref.ref(train), mu)]
    return mu


def _cross_fit(model: FittedGlm, train: Trials) -> FloatArray:
    try:
        parts = assign_folds(train.condition, train.group, N_PARTS)
    except ConfigError:  # too few groups of trials that do not overlap
        return model.intensity(train)
    if train.n_trials < FEWEST_TRIALS:
        return model.intensity(train)
    mu = np.empty((train.n_trials, train.n_bins, 1))
    design = model.layout.design(train)
    for part in range(N_PARTS):
        left_out = np.flatnonzero(parts == part)
        mu[left_out] = refitted(model, design.of_trials(parts != part)).intensity(train.take(left_out))
    return mu


def cross_fitted_units(base: FittedModel, train: Trials) -> FloatArray:
    """Return mu (trial, bin, unit) of training trials by the GLM of each unit, or of the only one, cross-fitted.

    A base of another kind, which cannot be refitted, predicts them as it is.
    """
    columns = []
    for u, unit_id in enumerate(train.unit_ids):
        glm = base.member(unit_id) if isinstance(base, PerUnit) else base
        trials = train.unit(u)
        columns.append(cross_fitted(glm, trials) if isinstance(glm, FittedGlm) else glm.intensity(trials))
    return np.concatenate(columns, axis=2)


def refitted(model: FittedGlm, design: LogLinear) -> FittedGlm:
    """Return the model fitted to a design of its own layout, of other trials, at its own strengths."""
    layout = model.layout
    penalty = layout.penalties().penalty(model.strengths)
    gram = design.gram(Point.of(design, model.coefficients).curvature)
    fit = refine(design, penalty, gram, model.coefficients)
    return FittedGlm(model.name, layout, fit, model.strengths, layout.ceiling(design, fit))
