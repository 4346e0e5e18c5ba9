"""Spike history on top of a given rate: its scale is found, steps are exact, a Poisson cell gains nothing."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.free_running.stability import quasi_renewal
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.glm.given_drive import FittedHistory, GivenDrive, HistoryOnGiven
from rnnspike.models.glm.model import HistoryGlm
from rnnspike.models.protocol import HasSpikeFeedback

N_TRIALS, N_BINS, N_BEFORE = 120, 600, 200


@pytest.fixture(scope="module")
def drive() -> np.ndarray:
    """Expected counts without history (trial, bin), of another phase in each trial: no trial average shows them."""
    phase = np.random.default_rng(5).uniform(0, 2 * np.pi, (N_TRIALS, 1))
    return 0.04 * np.exp(np.sin(2 * np.pi * np.arange(N_BEFORE + N_BINS) / 300 + phase))


def spikes(drive: np.ndarray, refractory_bins: int) -> np.ndarray:
    """Spikes (trial, bin, 1) of a cell that is silent for some bins after each."""
    rng, counts = np.random.default_rng(6), np.zeros((*drive.shape, 1), np.uint8)
    age = np.full(len(drive), 1000)
    for k in range(drive.shape[1]):
        counts[:, k, 0] = (rng.random(len(drive)) < -np.expm1(-drive[:, k])) & (age > refractory_bins)
        age = np.where(counts[:, k, 0] > 0, 1, age + 1)
    return counts


def fit(trials, mu: np.ndarray) -> FittedHistory:
    model = HistoryOnGiven("mine+history", GivenDrive(mu))
    return model.fit(trials.take(range(90)), [trials.take(range(90, 105))], np.random.default_rng(0))[0]


def nats(model, trials) -> float:
    return float(log_likelihood(model.intensity(trials), trials).sum())


@pytest.fixture
def refractory(make_trials, drive):
    counts = spikes(drive, 8)
    return make_trials(counts[:, N_BEFORE:], burn_in=counts[:, :N_BEFORE])


def test_the_drive_is_found_from_its_flattened_power(refractory, drive) -> None:
    model = fit(refractory, np.sqrt(drive[:, N_BEFORE:]))
    assert model.glm.given_gain == pytest.approx(2.0, abs=0.25)
    mu, dead = model.intensity(refractory)[:, :, 0], dead_bins(refractory)
    assert mu[dead].mean() < 0.1 * mu.mean()
    free = ~dead
    assert np.corrcoef(np.log(mu[free]), np.log(drive[:, N_BEFORE:][free]))[0, 1] > 0.95


def dead_bins(trials) -> np.ndarray:
    """Bins of the window (trial, bin) within 8 bins after a spike."""
    whole = trials.past_and_window()[0][:, :, 0] > 0
    after = np.zeros_like(whole)
    for lag in range(1, 9):
        after[:, lag:] |= whole[:, :-lag]
    return after[:, trials.n_burn_in :]


def test_a_drive_of_single_trials_is_worth_more_than_the_glm_finds(refractory, drive) -> None:
    train, test = refractory.take(range(90)), refractory.take(range(105, 120))
    glm = HistoryGlm().fit(train, [refractory.take(range(90, 105))], np.random.default_rng(0))[0]
    assert nats(fit(refractory, drive[:, N_BEFORE:]), test) > nats(glm, test) + 20


def test_the_scale_of_the_rate_does_not_matter(refractory, drive) -> None:
    test = refractory.take(range(105, 120))
    one, ten = (nats(fit(refractory, scale * drive[:, N_BEFORE:]), test) for scale in (1, 10))
    assert one == pytest.approx(ten, abs=1.0)


def test_a_poisson_cell_gains_nothing(make_trials, drive) -> None:
    counts, mu = spikes(drive, 0), drive[:, N_BEFORE:]
    trials = make_trials(counts[:, N_BEFORE:], burn_in=counts[:, :N_BEFORE])
    model, test = fit(trials, mu), trials.take(range(105, 120))
    true = float(log_likelihood(mu[105:, :, None], test).sum())
    assert abs(nats(model, test) - true) < 0.01 * test.counts.sum()
    assert model.glm.given_gain == pytest.approx(1.0, abs=0.1)


def test_step_by_step_with_gaps(make_trials, drive, walk) -> None:
    counts = spikes(drive, 8)
    observed = np.ones((N_TRIALS, N_BINS, 1), bool)
    observed[3:60, 100:180] = False
    trials = make_trials(counts[:, N_BEFORE:], burn_in=counts[:, :N_BEFORE], observed=observed)
    model, some = fit(trials, drive[:, N_BEFORE:]), trials.take([7, 2, 110])
    np.testing.assert_allclose(walk(model.stepper(some), some), model.intensity(some)[:, :, 0], rtol=1e-6)


@pytest.mark.parametrize("scale", [1, 10])
def test_the_rate_that_sustains_itself_is_that_of_the_cell(make_trials, scale: int) -> None:
    constant = np.full((N_TRIALS, N_BEFORE + N_BINS), 0.04)
    counts = spikes(constant, 8)
    trials = make_trials(counts[:, N_BEFORE:], burn_in=counts[:, :N_BEFORE])
    model = fit(trials, scale * constant[:, N_BEFORE:])
    assert isinstance(model, HasSpikeFeedback)
    known = model.spike_feedback()
    assert known is not None
    found = quasi_renewal(known.log_drive, known.kernel, known.last_spike, known.bin_s, slow=known.slow_gain)
    assert found.stable_hz[0] == pytest.approx(1000 * trials.counts.mean(), rel=0.1)
