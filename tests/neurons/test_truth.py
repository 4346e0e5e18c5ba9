from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnspike.neurons.registry import CELLS
from rnnspike.neurons.session import Session, SessionOptions, simulate_cell, simulate_session
from rnnspike.neurons.truth import has_truth, on_bins, true_intensity, why_not_exact
from rnnspike.recording.data import Recording
from rnnspike.recording.read import read_recording
from rnnspike.trials.data import Trials

OPTIONS = SessionOptions(n_trials=8, duration_s=0.3, inter_trial_s=0.2, seed=2)


@pytest.fixture
def written(tmp_path: Path) -> tuple[Session, Recording]:
    session = simulate_cell("adapting", 3, OPTIONS)
    session.write(tmp_path / "cell.nwb")
    return session, read_recording(tmp_path / "cell.nwb")


def trials_of(session: Session, make_trials: Callable[..., Trials], units: list[int]) -> Trials:
    trials = make_trials(session.counts[:, 200:][:, :, units])
    start_s = session.recording.intervals["trials"]["start_time"].to_numpy()
    return replace(trials, start_s=start_s, unit_ids=tuple(str(u) for u in units))


def test_truth_is_read_back_to_the_last_bit(
    written: tuple[Session, Recording], make_trials: Callable[..., Trials]
) -> None:
    session, recording = written
    mu = true_intensity(recording, trials_of(session, make_trials, [2, 0]))
    assert mu is not None
    np.testing.assert_array_equal(mu, session.mu[:, 200:][:, :, [2, 0]])


def test_truth_on_wider_bins_is_the_sum(
    written: tuple[Session, Recording], make_trials: Callable[..., Trials]
) -> None:
    session, recording = written
    trials = make_trials(session.counts[:, 200:, :1].reshape(8, 60, 5, 1).sum(axis=2), bin_s=0.005)
    trials = replace(trials, start_s=session.recording.intervals["trials"]["start_time"].to_numpy())
    mu = true_intensity(recording, trials)
    np.testing.assert_allclose(mu, session.mu[:, 200:, :1].reshape(8, 60, 5, 1).sum(axis=2), rtol=1e-9)


def test_the_truth_is_exact_on_its_own_bernoulli_bins_alone(
    written: tuple[Session, Recording], make_trials: Callable[..., Trials]
) -> None:
    session, recording = written
    trials = trials_of(session, make_trials, [0])
    assert why_not_exact(recording, trials) is None
    wide = make_trials(session.counts[:, 200:, :1].reshape(8, 60, 5, 1).sum(axis=2), bin_s=0.005)
    wide = replace(wide, start_s=trials.start_s)
    assert "--bin 1ms" in str(why_not_exact(recording, wide))
    assert "--bin 1ms" in str(why_not_exact(recording, replace(trials, start_s=trials.start_s + 0.0004)))
    assert "--observation bernoulli" in str(why_not_exact(recording, replace(trials, observation="poisson")))
    without = simulate_cell("poisson", 1, OPTIONS).recording
    assert why_not_exact(without, trials) is None


def test_a_recording_without_truth_gives_none(make_trials: Callable[..., Trials]) -> None:
    session = simulate_cell("poisson", 1, OPTIONS)
    assert not has_truth(session.recording)
    assert true_intensity(session.recording, trials_of(session, make_trials, [0])) is None


def test_truth_has_to_cover_every_observed_bin(tmp_path: Path, make_trials: Callable[..., Trials]) -> None:
    session = simulate_session([CELLS["adapting"]], OPTIONS, truth_in="trials")
    session.write(tmp_path / "cell.nwb")
    recording = read_recording(tmp_path / "cell.nwb")
    trials = trials_of(session, make_trials, [0])
    early = replace(trials, start_s=trials.start_s - 0.1)
    assert true_intensity(recording, early) is None
    observed = early.observed.copy()
    observed[:, :100] = False
    mu = true_intensity(recording, replace(early, observed=observed))
    assert mu is not None
    assert np.isnan(mu[:, :100]).all()
    np.testing.assert_array_equal(mu[:, 100:], session.mu[:, 200:400])


@settings(max_examples=100)
@given(st.floats(0.0, 0.05), st.floats(0.0003, 0.004))
def test_integrals_over_any_bins_are_those_of_the_step_function(start_s: float, bin_s: float) -> None:
    times_s = np.arange(100) * 0.001
    lambda_hz = 10.0 + np.arange(100) % 7
    mu = on_bins(times_s, lambda_hz, np.array([start_s]), 5, bin_s)[0]
    fine_s = start_s + (np.arange(5 * 400) + 0.5) * bin_s / 400
    fine = lambda_hz[(fine_s / 0.001).astype(int)].reshape(5, 400).mean(axis=1) * bin_s
    np.testing.assert_allclose(mu, fine, rtol=0.01)


def test_bins_beyond_the_series_are_nan() -> None:
    mu = on_bins(np.arange(10) * 0.001, np.full(10, 5.0), np.array([-0.002, 0.0075]), 4, 0.001)
    assert np.isnan(mu[0]).tolist() == [True, True, False, False]
    assert np.isnan(mu[1]).tolist() == [False, False, True, True]
