"""Joint free runs: exact given recorded spikes, independent without coupling, and with the right correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.networks.cell import Cell
from rnnspike.models.population.blocks import Clock
from rnnspike.models.population.features import LagBasis
from rnnspike.models.population.fitted import FittedCoupling
from rnnspike.models.population.joint import joint_stepper, simulate_together
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import build
from rnnspike.runs.job import PlannedRecording
from rnnspike.trials.data import FloatArray, Trials

UNITS = ["0", "1", "2"]


@pytest.fixture(scope="module")
def whole(planned: PlannedRecording) -> Trials:
    return planned.trials(UNITS)


@pytest.fixture(scope="module")
def glms(whole: Trials, planned: PlannedRecording) -> list[FittedModel]:
    train, validation = whole.take(planned.rows_of(0)), whole.take(planned.folds == 0)
    rng = np.random.default_rng(0)
    return [build("glm").fit(train.unit(u), [validation.unit(u)], rng)[0] for u in range(3)]


@pytest.fixture(scope="module")
def coupled(whole: Trials, planned: PlannedRecording, glms: list[FittedModel]) -> list[FittedModel]:
    found = []
    for u, glm in enumerate(glms):
        trials = planned.trials([UNITS[u]])
        train, validation = trials.take(planned.rows_of(0)), trials.take(planned.folds == 0)
        found += build("coupling").fit(train, [validation], np.random.default_rng(0), {"glm": (glm,)})
    return found


def shared(glms: Sequence[FittedModel], size: float = 0.4) -> FittedSharedState:
    rng = np.random.default_rng(1)
    weights = [rng.normal(0, 0.3, shape) for shape in ((24, 3), (24, 8), (24,), (24,))]
    cell = Cell("gru", *(each.astype(np.float32) for each in weights))
    base = PerUnit(tuple(UNITS), list(glms), "glm")
    ones = np.ones(3)
    weight = rng.normal(0, size, (3, 8))
    return FittedSharedState(
        "population-gru", base, cell, ones, 0.02 * ones, weight, 0 * ones, ones, 3 * ones, Clock(5, 3)
    )


def rngs(n: int = 3, seed: int = 0) -> list[np.random.Generator]:
    return np.random.default_rng(seed).spawn(n)


def fed_recorded(models: Sequence[FittedModel], trials: Trials) -> FloatArray:
    """Return mu (trial, bin, unit) of a joint stepper that is given the recorded spikes."""
    stepper, mu = joint_stepper(models, trials, np.arange(trials.n_trials)), []
    for at in range(trials.n_bins):
        mu.append(stepper.predict(at).copy())
        stepper.advance(at, np.ascontiguousarray(trials.spikes[:, at]))
    return np.stack(mu, axis=1)


def test_given_the_recorded_spikes_coupled_units_have_their_intensity(
    coupled: list[FittedModel], whole: Trials, planned: PlannedRecording
) -> None:
    some = [0, 5, 9]
    exact = [planned.trials([unit]).take(some) for unit in UNITS]
    expected = np.concatenate([m.intensity(t) for m, t in zip(coupled, exact, strict=True)], axis=2)
    assert coupled[1].share > 0
    np.testing.assert_allclose(fed_recorded(coupled, whole.take(some)), expected, rtol=1e-6)


def test_units_that_are_not_run_keep_their_recorded_spikes(
    coupled: list[FittedModel], planned: PlannedRecording
) -> None:
    some, pair = [0, 5, 9], planned.trials(["1", "2"])
    mu = fed_recorded(coupled[1:], pair.take(some))
    np.testing.assert_allclose(mu[:, :, :1], coupled[1].intensity(planned.trials(["1"]).take(some)), rtol=1e-6)


def test_given_the_recorded_spikes_a_shared_state_has_its_intensity(
    glms: list[FittedModel], whole: Trials, planned: PlannedRecording
) -> None:
    model, some = shared(glms), [0, 5, 9]
    trials = whole.take(some)
    np.testing.assert_allclose(fed_recorded([model] * 3, trials), model.intensity(trials), rtol=1e-6)
    pair = planned.trials(["0", "2"]).take(some)
    np.testing.assert_allclose(fed_recorded([model] * 2, pair), model.intensity(pair), rtol=1e-6)


def test_without_coupling_the_bytes_are_those_of_independent_runs(
    coupled: list[FittedModel], glms: list[FittedModel], whole: Trials
) -> None:
    trials, apart = whole.take(range(6)), rngs()
    alone = [simulate_together([glm], trials.unit(u), [apart[u]]) for u, glm in enumerate(glms)]
    without = [replace(model, share=0.0, base=glm) for model, glm in zip(coupled, glms, strict=True)]
    silent = replace(shared(glms), shares=np.zeros(3))
    expected = np.concatenate(alone, axis=2)
    assert expected.sum() > 100
    for models in (glms, without, [silent] * 3):
        np.testing.assert_array_equal(simulate_together(models, trials, rngs()), expected)


@pytest.mark.parametrize("weight", [1.5, -2.5])
def test_a_link_gives_coincidences_of_its_sign(glms: list[FittedModel], whole: Trials, weight: float) -> None:
    basis = LagBasis((2.0, 6.0), ())

    def linked(glm: FittedModel, source: str, size: float) -> FittedCoupling:
        weights = np.array([[size, size]])
        return FittedCoupling("coupling", glm, basis, (source,), (0.0,), weights, 0.0, 1.0, 3.0)

    models = [linked(glms[0], "2", 0.0), linked(glms[1], "0", 0.0), linked(glms[2], "0", weight)]
    counts = simulate_together(models, whole, rngs(), np.tile(np.arange(whole.n_trials), 4)).astype(float)
    after = sum((counts[:, :-lag, 0] * counts[:, lag:, 2]).sum() for lag in range(1, 7))
    before = sum((counts[:, :-lag, 2] * counts[:, lag:, 0]).sum() for lag in range(1, 7))
    assert (after - before) * np.sign(weight) > 4 * np.sqrt(before)


def test_what_would_run_away_is_bounded(glms: list[FittedModel], whole: Trials) -> None:
    weights = np.full((1, 1), 30.0)
    wild = [
        FittedCoupling("coupling", glm, LagBasis((6.0,), ()), (UNITS[u - 1],), (0.0,), weights, 0.0, 1.0, 50.0)
        for u, glm in enumerate(glms)
    ]
    counts = simulate_together(wild, whole.take(range(4)), rngs())
    assert counts.max() == 1 and counts.mean() > 0.5


def test_bins_that_were_not_observed_hold_no_spikes(glms: list[FittedModel], whole: Trials) -> None:
    observed = whole.observed.copy()
    observed[:, 200:300] = False
    trials = replace(whole, observed=observed).take(range(8))
    counts = simulate_together([shared(glms)] * 3, trials, rngs())
    assert counts.sum() > 0 and not counts[:, 200:300].any()
