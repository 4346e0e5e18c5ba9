r"""Strengths of penalties by restricted maximum likelihood, estimated together with the model.

Each penalty is a Gaussian prior of precision :math:`\lambda_j S_j`. Between two Newton steps every strength is
multiplied by

.. math:: \frac{\mathrm{tr}(S_\lambda^- S_j) - \mathrm{tr}(V S_j)}{\beta' S_j \beta}

with V the inverse of the penalised Hessian and :math:`S_\lambda = \sum_j \lambda_j S_j`: the generalised
Fellner-Schall step (Wood and Fasiolo 2017), which climbs the Laplace approximation of the marginal likelihood. There
may thus be many penalties: the drive is penalised more where it is smooth and less where the stimulus drives it, if a
fit with a common strength shows that its roughness varies. Validation trials then only choose among multiples of the
strengths found (``model.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from rnnspike.models.glm.banded import Band, Factor
from rnnspike.models.glm.penalised import Coefficients, LogLinear, Penalty, Point, descend
from rnnspike.models.numerics.basis import hat_functions, second_difference_penalty
from rnnspike.trials.data import FloatArray

#: Bounds of a strength, and the most that one step changes it.
LEAST, MOST, FACTOR = 1e-3, 1e7, 30.0
#: The step at which pieces of the shared spline may get separate strengths, and the predicted gain per piece in nats
#: above which they do: it is .1 to .3 for smooth drives of simulated cells, and .4 to 1.1 for responses to odours or
#: pulses.
PARTED_AT, PARTED_BY = 3, 0.25
#: Predicted fall in nats of a Newton step below which the search ends: predictions then no longer change.
SETTLED = 0.3


@dataclass(frozen=True)
class Form:
    """A penalty on neighbouring columns: a group of them and the quadratic form (column, column)."""

    name: str
    group: slice
    matrix: FloatArray


@dataclass(frozen=True)
class Strengths:
    """Strengths of one fit: pieces of the shared spline and of the deviations, the deviations' ridge, the forms.

    ``parted``: the pieces of the shared spline have separate strengths.
    """

    smooth: tuple[float, ...]
    deviation_smooth: tuple[float, ...]
    deviation: float
    forms: Mapping[str, float] = field(default_factory=dict)
    parted: bool = False

    def key(self) -> tuple[object, ...]:
        """Return a hashable key of the strengths."""
        return self.smooth, self.deviation_smooth, self.deviation, tuple(sorted(self.forms.items()))


@dataclass(frozen=True)
class Penalties:
    """The penalties of a model: number of pieces of its splines, the forms, and fixed penalties.

    ``fixed`` (column, column) is added to every penalty; ``half_spike`` as in ``Penalty``.
    """

    n_knots: int
    n_splines: int
    n_pieces: int
    n_deviation_pieces: int
    forms: tuple[Form, ...]
    fixed: FloatArray
    half_spike: FloatArray

    @cached_property
    def pieces(self) -> FloatArray:
        """Weights of the shared spline's second differences, (piece, knot - 2)."""
        return hat_functions(max(self.n_knots - 2, 0), self.n_pieces)

    @cached_property
    def deviation_pieces(self) -> FloatArray:
        """Weights of the deviations' second differences, (piece, knot - 2)."""
        return hat_functions(max(self.n_knots - 2, 0), self.n_deviation_pieces)

    def start(self, forms: Mapping[str, float]) -> Strengths:
        """Return the initial strengths."""
        smooth, deviations = len(self.pieces), len(self.deviation_pieces)
        return Strengths(
            (30.0,) * smooth, (1e2,) * deviations, 10.0, {each.name: forms[each.name] for each in self.forms}
        )

    def penalty(self, strengths: Strengths) -> Penalty:
        """Return the penalty of these strengths."""
        columns = self.fixed.copy()
        for form in self.forms:
            columns[form.group, form.group] += strengths.forms[form.name] * form.matrix
        return Penalty(
            smooth=np.array(strengths.smooth) @ self.pieces,
            columns=columns,
            half_spike=self.half_spike,
            deviation_smooth=np.array(strengths.deviation_smooth) @ self.deviation_pieces,
            deviation=strengths.deviation,
        )

    def stepped(self, strengths: Strengths, at: Coefficients, factor: Factor, *, may_part: bool = False) -> Strengths:
        """Return the strengths after one Fellner-Schall step; ``may_part``: pieces may get separate strengths."""
        strengths = replace(strengths, forms=self._forms(strengths, at, factor))
        if self.n_knots <= 2:
            return strengths
        covariance = factor.drive_covariance()
        smooth, parted = self._smooth(strengths, at, covariance, may_part)
        stepped = replace(strengths, smooth=smooth, parted=parted)
        if self.n_splines == 1:
            return stepped
        deviation_smooth, deviation = self._deviations(strengths, at, covariance)
        return replace(stepped, deviation_smooth=deviation_smooth, deviation=deviation)

    def _smooth(
        self, strengths: Strengths, at: Coefficients, covariance: FloatArray, may_part: bool
    ) -> tuple[tuple[float, ...], bool]:
        smooth = np.array(strengths.smooth)
        weights = smooth @ self.pieces
        prior = self.pieces @ (1.0 / weights)  # S is D'WD with D of full rank: tr(S^- D'PD) = sum of P / W
        posterior = self.pieces @ _rough_variance(covariance[:, 0])
        gained, size = prior - posterior, self.pieces @ np.diff(at.drive[0], n=2) ** 2
        parted = strengths.parted or (may_part and promised(smooth * gained, smooth * size) > PARTED_BY * len(smooth))
        if not parted:
            gained, size = (np.full(len(smooth), each.sum()) for each in (gained, size))
        return tuple(_moved(smooth, gained, size).tolist()), parted

    def _deviations(
        self, strengths: Strengths, at: Coefficients, covariance: FloatArray
    ) -> tuple[tuple[float, ...], float]:
        n = self.n_splines - 1
        weights = np.array(strengths.deviation_smooth) @ self.deviation_pieces
        precision = second_difference_penalty(self.n_knots, weights)
        precision[0] += strengths.deviation
        prior = Band.of(precision.T).inverse().T  # (apart, knot)
        posterior = covariance[:, 1:].sum(axis=1)
        gained = self.deviation_pieces @ (n * _rough_variance(prior) - _rough_variance(posterior))
        size = self.deviation_pieces @ (np.diff(at.drive[1:], n=2, axis=1) ** 2).sum(axis=0)
        smooth = _moved(np.array(strengths.deviation_smooth), gained, size)
        ridge = _moved(
            np.array([strengths.deviation]),
            np.array([n * prior[0].sum() - posterior[0].sum()]),
            np.array([np.sum(at.drive[1:] ** 2)]),
        )
        return tuple(smooth.tolist()), float(ridge[0])

    def _forms(self, strengths: Strengths, at: Coefficients, factor: Factor) -> dict[str, float]:
        result = {}
        for form in self.forms:
            group, strength = form.group, strengths.forms[form.name]
            prior = np.linalg.inv(self.fixed[group, group] + strength * form.matrix + 1e-9 * np.eye(len(form.matrix)))
            gained = np.sum((prior - factor.columns_covariance[group, group]) * form.matrix)
            size = at.columns[group] @ form.matrix @ at.columns[group]
            result[form.name] = float(_moved(np.array([strength]), np.array([gained]), np.array([size]))[0])
        return result


def promised(freedom: FloatArray, size: FloatArray) -> float:
    """Return the gain in nats of marginal likelihood predicted for separate strengths of pieces (piece,).

    ``freedom`` are the effective degrees of freedom of each, ``size`` its squared differences times the strength: the
    best strength of a piece is freedom / size times its present one, and its gain is freedom / 2 (size / freedom - 1
    - log(size / freedom)).
    """
    freedom = np.maximum(freedom, 1e-8)
    ratio = np.maximum(size / freedom, 1e-12)
    return float((0.5 * freedom * (ratio - 1.0 - np.log(ratio))).sum())


def _moved(strength: FloatArray, gained: FloatArray, size: FloatArray) -> FloatArray:
    """Return strength * gained / size within bounds."""
    moved = strength * np.maximum(gained, 1e-8) / np.maximum(size, 1e-14)
    return np.clip(moved, np.maximum(LEAST, strength / FACTOR), np.minimum(MOST, strength * FACTOR))


def fit_reml(
    model: LogLinear, penalties: Penalties, start: Strengths, pinned: Mapping[str, float], *, max_steps: int = 15
) -> tuple[Point, Strengths]:
    """Fit coefficients and strengths together, by alternating Newton steps and Fellner-Schall steps.

    ``pinned`` are strengths of forms that stay fixed.
    """
    here, strengths = Point.of(model, model.zero()), replace(start, forms={**start.forms, **pinned})
    for step in range(1, max_steps + 1):
        penalty = penalties.penalty(strengths)
        factor = model.hessian(here.curvature, penalty, here.at)
        here, promise = descend(model, penalty, here, factor)
        if promise < SETTLED:
            break
        moved = penalties.stepped(strengths, here.at, factor, may_part=step == PARTED_AT)
        strengths = replace(moved, forms={**moved.forms, **pinned})
    return here, strengths


def _rough_variance(bands: FloatArray) -> FloatArray:
    """Return the variance of second differences (knot - 2,) from covariances 0, 1, 2 knots apart (3, knot)."""
    own, next_one, next_but_one = bands
    result = own[:-2] + 4 * own[1:-1] + own[2:] - 4 * next_one[:-2] - 4 * next_one[1:-1] + 2 * next_but_one[:-2]
    return np.asarray(result)
