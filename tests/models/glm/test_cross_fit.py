"""Cross-fitted predictions of training trials, on a simulated cell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.glm.cross_fit import cross_fitted, cross_fitted_units
from rnnspike.models.glm.model import HistoryGlm
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.trials.data import TrialOptions, Trials
from rnnspike.trials.plan import plan_trials


@pytest.fixture(scope="module")
def trials() -> Trials:
    session = simulate_cell("refractory", 1, SessionOptions(n_trials=40, duration_s=0.5))
    return plan_trials(session.recording, TrialOptions(burn_in_s=0.5)).trials()


def test_they_are_less_sure_of_the_spikes_than_the_model_itself(trials: Trials) -> None:
    (model,) = HistoryGlm().fit(trials, [trials], np.random.default_rng(0))
    own, crossed = (log_likelihood(mu, trials).sum() for mu in (model.intensity(trials), cross_fitted(model, trials)))
    assert 1.0 < own - crossed < 60.0  # about twice the effective parameters, in nats


def test_a_part_is_predicted_without_its_own_spikes(trials: Trials) -> None:
    """Moved spikes of one trial leave that trial's prediction at its first bins as it was."""
    (model,) = HistoryGlm().fit(trials, [trials], np.random.default_rng(0))
    counts = trials.counts.copy()
    counts[3] = counts[3, ::-1]
    moved = replace(trials, counts=counts)
    first = slice(0, int(min(np.argmax(trials.counts[3, :, 0]), np.argmax(counts[3, :, 0]))))
    before, after = (cross_fitted(model, each)[3, first, 0] for each in (trials, moved))
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_few_trials_are_predicted_by_the_model_itself(trials: Trials) -> None:
    few = trials.take(range(6))
    (model,) = HistoryGlm().fit(few, [few], np.random.default_rng(0))
    np.testing.assert_array_equal(cross_fitted(model, few), model.intensity(few))


def test_units_are_predicted_each_by_its_own_model(trials: Trials) -> None:
    (model,) = HistoryGlm().fit(trials, [trials], np.random.default_rng(0))
    units = PerUnit(trials.unit_ids, (model,))
    np.testing.assert_array_equal(cross_fitted_units(units, trials), cross_fitted(model, trials))
    np.testing.assert_array_equal(cross_fitted_units(model, trials), cross_fitted(model, trials))
