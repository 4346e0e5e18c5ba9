"""The LSTM that starts from the GLM, on simulated cells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.networks.bin_clock.model import LstmOnGlm
from rnnspike.models.networks.cell import Readout
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import build
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.trials.data import TrialOptions, Trials
from rnnspike.trials.plan import plan_trials


@pytest.fixture(scope="module")
def trials() -> Trials:
    session = simulate_cell("bursting", 1, SessionOptions(n_trials=40, duration_s=0.5))
    return plan_trials(session.recording, TrialOptions(burn_in_s=0.5)).trials()


@pytest.fixture(scope="module")
def fitted(trials: Trials) -> dict[str, tuple[FittedModel, ...]]:
    found: dict[str, tuple[FittedModel, ...]] = {}
    for name in ("drive", "glm", "lstm-glm"):
        split = trials.take(range(30)), [trials.take(range(30, 40))]
        found[name] = build(name, "fast").fit(*split, np.random.default_rng(0), found)
    return found


def with_gain(model: FittedModel) -> FittedRecurrent:
    """The model with a readout of its own, whatever it earned."""
    assert isinstance(model, FittedRecurrent)
    weight = np.random.default_rng(0).normal(0, 0.5, (1, 16))
    return replace(model, readout=Readout(weight, np.array([0.1])))


def test_its_stepper_runs_the_glm_beside_the_network(
    trials: Trials, fitted: dict[str, tuple[FittedModel, ...]]
) -> None:
    model = with_gain(fitted["lstm-glm"][0])
    mu, stepper = model.intensity(trials)[:, :, 0], model.stepper(trials).copy_rows(np.arange(trials.n_trials))
    rows, one = np.arange(trials.n_trials), np.ones(trials.n_trials, np.int64)
    for k in range(trials.n_bins):
        at = np.full(trials.n_trials, k)
        np.testing.assert_allclose(stepper.predict_until_spike(rows, at, 1)[:, 0], mu[:, k], rtol=1e-4)
        stepper.advance(rows, at, one, trials.counts[:, k, 0])


def test_without_a_gain_that_is_earned_it_is_the_glm(
    trials: Trials, fitted: dict[str, tuple[FittedModel, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rnnspike.models.networks.bin_clock.task.EARNED_NATS", 1e9)
    split = trials.take(range(30)), [trials.take(range(30, 40))]
    (model,) = build("lstm-glm", "fast").fit(*split, np.random.default_rng(0), fitted)
    np.testing.assert_allclose(model.intensity(trials), fitted["glm"][0].intensity(trials), rtol=1e-12)


def test_it_comes_back_from_its_folder(
    trials: Trials, fitted: dict[str, tuple[FittedModel, ...]], tmp_path: Path
) -> None:
    model = with_gain(fitted["lstm-glm"][0])
    model.save(tmp_path)
    np.testing.assert_array_equal(LstmOnGlm.load(tmp_path).intensity(trials), model.intensity(trials))


def test_it_needs_the_glm(trials: Trials) -> None:
    with pytest.raises(ModelError, match="needs the glm"):
        build("lstm-glm", "fast").fit(trials, [trials], np.random.default_rng(0), {})
