"""The linear recurrent unit on cells whose time constants, frequency and intensity are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnspike.dynamics.fitted import fitted_case
from rnnspike.dynamics.memory.modes import measure_modes
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.trials.data import FloatArray, TrialOptions, Trials
from rnnspike.trials.plan import plan_trials


def session(cell: str, n_trials: int, bin_s: float = 0.001, **options: float) -> tuple[Trials, FloatArray]:
    """Return the trials of a simulated cell and their true mu (trial, bin, unit)."""
    simulated = simulate_cell(cell, 1, SessionOptions(n_trials=n_trials, bin_s=bin_s, **options))
    trials = plan_trials(simulated.recording, TrialOptions(bin_s=bin_s, burn_in_s=1.0)).trials()
    return trials, np.maximum(simulated.mu[:, simulated.n_before :], 1e-9)


def fitted(trials: Trials, n_train: int, n_stop: int, *names: str) -> dict[str, tuple[FittedModel, ...]]:
    """Return models by name, stopped on the trials after those of training."""
    split = trials.take(range(n_train)), [trials.take(range(n_train, n_train + n_stop))]
    found: dict[str, tuple[FittedModel, ...]] = {}
    for name in ("drive", *names):
        found[name] = build(name, "fast").fit(*split, np.random.default_rng(0), found)
    return found


def test_two_time_constants_of_adaptation_give_most_of_the_oracles_gain():
    trials, truth = session("adapting2", 260)
    models = fitted(trials, 120, 40, "glm", "lru-linear", "lru")
    test = trials.take(range(160, 260))
    nats = {name: float(log_likelihood(each[0].intensity(test), test).sum()) for name, each in models.items()}
    oracle = float(log_likelihood(truth[160:], test).sum())
    share = {name: (value - nats["drive"]) / (oracle - nats["drive"]) for name, value in nats.items()}
    assert share["lru-linear"] > 0.8 and share["lru"] > 0.8
    assert share["glm"] > 0.8


def test_a_used_mode_has_the_frequency_of_the_cells_rhythm(rng):
    trials, _ = session("rhythm-0.5s", 100, bin_s=0.002, duration_s=2.0)
    (model,) = fitted(trials, 70, 15, "lru")["lru"]
    assert isinstance(model, FittedRecurrent)
    case = fitted_case(model, trials.take(range(85, 100)), rng)
    modes = measure_modes(case.network, case.orbits.states)
    turning = [row for row in modes.rows(0.002) if row["frequency_hz"] and row["tau_ms"] > 100]
    lead = max(turning, key=lambda row: row["share"])
    assert lead["share"] > 0.02
    assert lead["frequency_hz"] == pytest.approx(2.0, rel=0.1)


def test_the_unit_with_a_bend_contains_the_one_without(rng):
    trials, _ = session("adapting", 30)
    (linear,) = fitted(trials, 20, 10, "lru-linear")["lru-linear"]
    (bent,) = fitted(trials, 20, 10, "lru")["lru"]
    straight = replace(bent.readout, bend=replace(bent.readout.bend, weight=np.zeros_like(bent.readout.bend.weight)))
    bent = replace(
        bent, cell=linear.cell, readout=replace(straight, weight=linear.readout.weight, bias=linear.readout.bias)
    )
    bent = replace(bent, log_mu_range=linear.log_mu_range)
    np.testing.assert_allclose(bent.intensity(trials), linear.intensity(trials), rtol=1e-6)
    assert MODELS["lru"].extends == "lru-linear" and not MODELS["lru"].default
