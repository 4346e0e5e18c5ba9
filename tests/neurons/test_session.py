from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import ConfigError
from rnnspike.neurons.cell import intensity
from rnnspike.neurons.registry import CELLS
from rnnspike.neurons.session import SessionOptions, simulate_cell, simulate_session, spike_times
from rnnspike.recording.read import read_recording

OPTIONS = SessionOptions(n_trials=12, duration_s=0.5, inter_trial_s=0.25, seed=3)


def test_spike_times_fall_into_the_bins_they_were_drawn_in() -> None:
    session = simulate_cell("bursting", 2, OPTIONS)
    for unit in session.recording.units:
        edges = np.arange(12 * 750 + 1) * 0.001
        binned = np.histogram(unit.spike_times_s, edges)[0].reshape(12, 750)
        np.testing.assert_array_equal(binned, session.counts[:, :, int(unit.id)])


def test_trials_start_after_the_time_between_them() -> None:
    trials = simulate_cell("poisson", 1, OPTIONS).recording.intervals["trials"]
    assert trials["start_time"].tolist() == pytest.approx(0.25 + 0.75 * np.arange(12))
    assert (trials["stop_time"] - trials["start_time"]).tolist() == pytest.approx([0.5] * 12)
    assert "condition" not in trials


def test_conditions_are_balanced_and_differ_in_their_stimulus() -> None:
    session = simulate_cell("poisson", 1, replace(OPTIONS, n_conditions=3))
    condition = session.recording.intervals["trials"]["condition"]
    assert condition.value_counts().tolist() == [4, 4, 4]
    of_trial = session.mu[:, 250:, 0]
    same = [(of_trial[i] == of_trial[0]).all() for i in range(12)]
    assert same == (condition == condition[0]).tolist()


def test_the_same_seed_gives_the_same_session_and_units_do_not_depend_on_their_number() -> None:
    one, three, other = (
        simulate_cell("adapting", n, replace(OPTIONS, seed=seed)) for n, seed in ((1, 3), (3, 3), (1, 4))
    )
    np.testing.assert_array_equal(one.counts[:, :, 0], three.counts[:, :, 0])
    assert (three.counts[:, :, 0] != three.counts[:, :, 1]).any()
    assert (one.counts != other.counts).any()


def test_the_stored_truth_is_the_cell_s_intensity_given_the_recorded_spikes() -> None:
    session = simulate_cell("bistable", 1, OPTIONS)
    x = session.recording.covariates["stimulus"].load()[1].reshape(12, 750, 1).astype(np.float64)
    mu = intensity(CELLS["bistable"].cell, session.counts, x, 0.001)
    times_s, lambda_hz, unit = session.truth["true_intensity_0"]
    np.testing.assert_array_equal(lambda_hz.astype(np.float64).reshape(12, 750) * 0.001, mu[:, :, 0])
    assert (len(times_s), unit) == (9000, "Hz")


def test_truth_between_trials_can_be_left_out() -> None:
    session = simulate_session([CELLS["adapting"]], OPTIONS, truth_in="trials")
    stored = session.truth["true_intensity_0"][1].reshape(12, 750)
    assert np.isnan(stored[:, :250]).all()
    assert np.isfinite(stored[:, 250:]).all()


def test_units_of_a_shared_gain_rise_and_fall_together() -> None:
    counts = simulate_cell("shared-gain", 2, SessionOptions(n_trials=150, inter_trial_s=3.0)).counts.sum(axis=1)
    apart = simulate_cell("refractory", 2, SessionOptions(n_trials=150, inter_trial_s=3.0)).counts.sum(axis=1)
    assert np.corrcoef(counts.T)[0, 1] > 0.6
    assert abs(np.corrcoef(apart.T)[0, 1]) < 0.25


def test_frozen_noise_is_the_same_in_every_trial_of_a_stimulus_and_of_unit_variance() -> None:
    session = simulate_cell("precise", 1, replace(OPTIONS, n_conditions=2))
    noise = session.truth["frozen_noise_1ms"][1].reshape(12, 750)
    condition = session.recording.intervals["trials"]["condition"]
    same = [(noise[i] == noise[0]).all() for i in range(12)]
    assert same == (condition == condition[0]).tolist()
    assert not noise[:, :250].any() and noise[:, 250:].std() == pytest.approx(1.0, abs=0.1)


def test_rows_count_the_spikes_within_trials() -> None:
    session = simulate_cell("coupled-pair", None, OPTIONS)
    rows = session.rows()
    assert [row["unit"] for row in rows] == ["0", "1"]
    assert rows[1]["n_spikes"] == session.counts[:, 250:, 1].sum()
    assert rows[1]["rate_hz"] == pytest.approx(rows[1]["n_spikes"] / (12 * 0.5))


def test_a_written_session_is_read_back(tmp_path: Path) -> None:
    session = simulate_cell("adapting", 2, OPTIONS)
    session.write(tmp_path / "cell.nwb")
    read = read_recording(tmp_path / "cell.nwb")
    for ours, theirs in zip(session.recording.units, read.units, strict=True):
        np.testing.assert_array_equal(ours.spike_times_s, theirs.spike_times_s)
        assert theirs.metadata["cell"] == "adapting"
    assert read.intervals["trials"]["start_time"].tolist() == pytest.approx(0.25 + 0.75 * np.arange(12))
    assert {"stimulus", "true_intensity_0", "true_intensity_1"} <= set(read.covariates)


def test_two_writings_are_equal_to_the_byte(tmp_path: Path) -> None:
    for name in ("a.nwb", "b.nwb"):
        simulate_cell("poisson", 1, OPTIONS).write(tmp_path / name)
    assert (tmp_path / "a.nwb").read_bytes() == (tmp_path / "b.nwb").read_bytes()


@pytest.mark.parametrize(
    ("n_units", "options", "message"),
    [
        (3, OPTIONS, "--units 3"),
        (0, OPTIONS, "--units 0"),
        (2, replace(OPTIONS, n_trials=0), "--trials"),
        (2, replace(OPTIONS, duration_s=0.0), "--duration"),
        (2, replace(OPTIONS, n_conditions=13), "--conditions 13"),
    ],
)
def test_impossible_sessions_are_refused(n_units: int, options: SessionOptions, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        simulate_cell("coupled-pair", n_units, options)


def test_spike_times_are_never_on_an_edge(rng: np.random.Generator) -> None:
    times_s = spike_times(np.ones((1, 5000, 1), np.uint8), 0.001, rng)[0]
    inside = times_s / 0.001 % 1
    assert 0.015 < inside.min() < inside.max() < 0.985
