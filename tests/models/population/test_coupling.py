"""Coupling on a simulated pair: what it finds, its stepper and folder, and what shuffled trials leave of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.population import coupling
from rnnspike.models.population.coupling import Coupling, FittedCoupling, ShuffledCoupling
from rnnspike.models.population.screening import strongest
from rnnspike.models.protocol import FittedModel
from rnnspike.neurons.session import Session
from rnnspike.runs.job import PlannedRecording
from rnnspike.trials.data import Trials

Fitted = dict[str, tuple[FittedModel, ...]]


def test_most_of_what_the_truth_gains_is_gained(
    fitted: Fitted, trials: Trials, planned: PlannedRecording, session: Session
) -> None:
    here = planned.folds == 1
    test, truth = trials.take(here), session.mu[here, session.n_before :, 1:2]
    scores = {
        name: log_likelihood(mu, test).sum()
        for name, mu in [("true", truth), *((name, models[0].intensity(test)) for name, models in fitted.items())]
    }
    gain, most = scores["coupling"] - scores["glm"], scores["true"] - scores["glm"]
    assert gain > 0.6 * most
    assert abs(scores["coupling-shuffled"] - scores["glm"]) < 0.05 * most


def test_the_kernel_is_that_of_the_simulation(fitted: Fitted) -> None:
    model = fitted["coupling"][0]
    assert isinstance(model, FittedCoupling)
    lags_s = 0.001 * np.arange(1, 16)
    found = model.kernel("0", 15)
    np.testing.assert_allclose(found.mean(), (1.2 * np.exp(-lags_s / 0.01)).mean(), atol=0.2)
    assert np.abs(model.kernel("2", 15)).max() < 0.2


def test_fed_the_recorded_spikes_its_stepper_is_its_intensity(
    fitted: Fitted, trials: Trials, walk: Callable[..., np.ndarray]
) -> None:
    some, model = trials.take(range(6)), fitted["coupling"][0]
    np.testing.assert_allclose(walk(model.stepper(some), some), model.intensity(some)[:, :, 0], rtol=1e-9)


def test_it_comes_back_from_its_folder(fitted: Fitted, trials: Trials, tmp_path: Path) -> None:
    some = trials.take(range(6))
    for cls, name in ((Coupling, "coupling"), (ShuffledCoupling, "coupling-shuffled")):
        fitted[name][0].save(tmp_path / name)
        back = cls.load(tmp_path / name)
        assert back.name == name
        np.testing.assert_array_equal(back.intensity(some), fitted[name][0].intensity(some))


def test_without_a_share_that_is_earned_it_is_the_glm(
    fitted: Fitted, trials: Trials, planned: PlannedRecording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coupling, "EARNED", 1e9)
    model, some = fitted["coupling"][0], trials.take(planned.folds == 0)
    assert isinstance(model, FittedCoupling)
    weighted = coupling.weighted(model, some)
    np.testing.assert_array_equal(weighted.intensity(some), fitted["glm"][0].intensity(some))


def test_it_needs_other_units_and_the_glm(fitted: Fitted, trials: Trials) -> None:
    alone, rng = replace(trials, others=None), np.random.default_rng(0)
    with pytest.raises(ModelError, match="same observed time"):
        Coupling().fit(alone, [alone], rng, {"glm": fitted["glm"][:1]})
    with pytest.raises(ModelError, match="needs the glm"):
        Coupling().fit(trials, [trials], rng, {})
    with pytest.raises(ModelError, match="do not hold"):
        fitted["coupling"][0].intensity(alone)


def test_of_many_units_those_that_tell_most_are_read(fitted: Fitted, trials: Trials) -> None:
    offset = np.log(fitted["glm"][0].intensity(trials)[:, :, 0])
    assert strongest(trials, offset, 1) == ("0",)
    assert strongest(trials, offset, 5) == ("0", "2")
