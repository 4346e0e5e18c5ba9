"""A covariate decoded from a run: place cells with known tuning, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import poisson

import rnnspike
from rnnspike.errors import ConfigError, RunError
from rnnspike.evaluation.decoding.covariate import Grid
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.data import Covariate, Recording
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import build_report
from rnnspike.report.catalogue import DECODED_COVARIATE, DECODING
from rnnspike.report.figures.export import drawn
from rnnspike.report.load import load_run
from rnnspike.runs.rows import DECODE_COVARIATE_COLUMNS
from rnnspike.runs.stored.decoding import COVARIATE_ARRAYS, read_covariate
from rnnspike.runs.stored.reopen import reopen

CENTRES, WIDTH, PEAK_HZ, BIN_S = np.linspace(-1.5, 1.5, 5), 0.6, 40.0, 0.01


def rates_hz(position: np.ndarray) -> np.ndarray:
    """Rates (..., unit) of five place cells at positions (...)."""
    return 0.5 + PEAK_HZ * np.exp(-0.5 * ((position[..., None] - CENTRES) / WIDTH) ** 2)


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Five Poisson place cells along a slow sine, in the places of a simulated session's cells and stimulus."""
    options = SessionOptions(60, duration_s=1.0, inter_trial_s=1.0, seed=2)
    found = simulate_session([cell_spec("refractory")] * 5, options).recording
    rng = np.random.default_rng(3)
    time_s = np.arange(12_000) * BIN_S
    position = 1.8 * np.sin(2 * np.pi * time_s / 7.3)
    counts = rng.poisson(rates_hz(position) * BIN_S)
    units = [
        replace(
            unit, spike_times_s=np.sort(np.repeat(time_s, counts[:, u]) + rng.uniform(0, BIN_S, counts[:, u].sum()))
        )
        for u, unit in enumerate(found.units)
    ]
    values = position[:, None]
    where = Covariate("position", "m", len(values), 1, lambda: (time_s + BIN_S / 2, values), 1 / BIN_S)
    return replace(found, units=tuple(units), covariates={"position": where})


@pytest.fixture(scope="module")
def run(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("track") / "track.nwb"
    write_nwb(path, recording)
    settings: dict[str, Any] = {"effort": "fast", "replicates": 0, "report": False, "bin": 0.005, "segment": 1.0}
    return rnnspike.fit(
        path, models=("glm",), covariate=("position",), out=tmp_path_factory.mktemp("runs"), **settings
    )


@pytest.fixture(scope="module")
def row(run: Path) -> dict[str, Any]:
    (row,) = rnnspike.decode(run, covariate="position", length=0.25)
    return row


def test_the_position_is_decoded_as_well_as_true_tuning_allows(run: Path, row: dict[str, Any]) -> None:
    assert tuple(row) == DECODE_COVARIATE_COLUMNS and row["model"] == "glm" and row["n_units"] == 5
    found = read_covariate(run)
    assert found is not None and set(found.arrays) == set(COVARIATE_ARRAYS)
    recorded, decoded = found.arrays["recorded"], found.arrays["decoded"][0]
    np.testing.assert_allclose(
        recorded[:, 0], 1.8 * np.sin(2 * np.pi * found.arrays["time_s"] / 7.3), atol=0.03
    )  # the right windows, in the right order
    error = np.abs(recorded - decoded)
    assert np.median(error) == pytest.approx(row["median_error"])
    assert np.sqrt(np.mean(error**2)) == pytest.approx(row["rms_error"])
    assert row["median_error_low"] < row["median_error"] < row["median_error_high"]
    assert row["rms_error_low"] < row["rms_error"] < row["rms_error_high"]
    spikes = reopen_counts(run, found.arrays["trial"], found.arrays["time_s"])
    grid = Grid(found.arrays["points"], found.arrays["prior"])
    expected = 0.25 * rates_hz(grid.points[:, 0])  # (point, unit)
    log_p = poisson.logpmf(spikes[:, None, :], expected[None]).sum(axis=2) + np.log(grid.prior)
    p = np.exp(log_p - log_p.max(axis=1, keepdims=True))
    best = np.sqrt(np.mean(((p / p.sum(axis=1, keepdims=True)) @ grid.points[:, 0] - recorded[:, 0]) ** 2))
    assert best < 0.4 * row["prior_rms_error"]
    assert row["rms_error"] < 1.5 * best
    assert row["error_p"] < 0.01 and row["chance_error"] > 2 * row["rms_error"]
    assert row["information_low"] > 1.0 and 0.5 < row["temperature"] <= 2


def reopen_counts(run: Path, trial: np.ndarray, time_s: np.ndarray) -> np.ndarray:
    """Return the spikes of each unit in windows of .25 s (window, unit)."""
    recording = reopen(run).loaded.recording
    return np.stack(
        [np.diff(np.searchsorted(u.spike_times_s, np.stack([time_s - 0.125, time_s + 0.125]), "left"), axis=0)[0]
         for u in recording.units], axis=1)  # fmt: skip


def test_the_page_shows_it(run: Path, row: dict[str, Any], tmp_path: Path) -> None:
    page = build_report(run, tmp_path / "page.html").read_text()
    assert 'id="d-covariate"' in page and f"{row['rms_error']:.4g}" in page and 'id="d-confusion"' not in page
    (picture,) = drawn((*DECODING, *DECODED_COVARIATE), load_run(run))
    assert picture.name == "decoding_covariate" and len(picture.numbers) == row["n_windows"]


@pytest.mark.slow
def test_workers_and_units(run: Path, row: dict[str, Any]) -> None:
    before = (run / "decode_covariate.npz").read_bytes()
    (one,) = rnnspike.decode(run, covariate="position", length=0.25, unit="2")
    assert one["n_units"] == 1 and one["rms_error"] > 1.5 * row["rms_error"]
    assert rnnspike.decode(run, covariate="position", length=0.25, workers=2) == [row]
    assert (run / "decode_covariate.npz").read_bytes() == before


def test_what_cannot_be_decoded_is_refused(run: Path) -> None:
    with pytest.raises(RunError, match="was fitted with position: fit it with covariate speed"):
        rnnspike.decode(run, covariate="speed")
    with pytest.raises(RunError, match="psth-gain cannot decode a covariate"):
        rnnspike.decode(run, covariate="position", models=["psth-gain"])
    with pytest.raises(ConfigError, match="no part of trials of 1 s"):
        rnnspike.decode(run, covariate="position", length=2.0)
