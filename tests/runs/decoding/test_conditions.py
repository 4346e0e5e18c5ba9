"""Decoding of a run: likelihoods are those of the fit, the truth is the limit, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rnnspike
from rnnspike.errors import RunError
from rnnspike.evaluation.decoding.posterior import information, log2_posterior
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.data import Recording
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import build_report
from rnnspike.report.catalogue import DECODING
from rnnspike.report.figures.export import drawn
from rnnspike.report.load import load_run
from rnnspike.runs.decoding.conditions import Part, part_likelihoods
from rnnspike.runs.rows import DECODE_COLUMNS
from rnnspike.runs.stored.decoding import ARRAYS, ARRAYS_FILE, read_decoding
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.store import read_jsonl, write_arrays

#: Rates (condition, unit) of Poisson units that double half way through the trial, Hz.
RATES_HZ = np.array([[6.0, 12.0, 9.0], [9.0, 6.0, 12.0], [14.0, 9.0, 6.0]])


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Three Poisson units whose rates are known, 90 trials of .6 s under three conditions."""
    options = SessionOptions(90, duration_s=0.6, inter_trial_s=0.5, n_conditions=3, seed=3)
    found = simulate_session([cell_spec("refractory")] * 3, options).recording
    table, rng = found.intervals["trials"], np.random.default_rng(1)
    condition = table["condition"].str.split().str[-1].astype(int)
    units = []
    for u, unit in enumerate(found.units):
        times = []
        for start, code in zip(table["start_time"], condition, strict=True):
            for half, gain in enumerate((1.0, 2.0)):
                n = rng.poisson(0.3 * gain * RATES_HZ[code, u])
                times.append(np.sort(rng.uniform(start + 0.3 * half, start + 0.3 * half + 0.3, n)))
        units.append(replace(unit, spike_times_s=np.concatenate(times)))
    return replace(found, units=tuple(units))


@pytest.fixture(scope="module")
def run(recording: Recording, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("decoding") / "known.nwb"
    write_nwb(path, recording)
    models = ("psth", "glm", "coupling", "population-gru", "stack")
    settings: dict[str, Any] = {"condition": ("condition",), "effort": "fast", "replicates": 0, "report": False}
    return rnnspike.fit(path, models=models, out=tmp_path_factory.mktemp("runs"), **settings).folder


@pytest.fixture(scope="module")
def rows(run: Path) -> dict[str, dict[str, Any]]:
    return {row["model"]: row for row in rnnspike.decode(run)}


def test_rows_have_their_columns_and_are_stored(run: Path, rows: dict[str, dict[str, Any]]) -> None:
    assert list(rows) == ["psth", "psth-gain", "glm", "coupling", "population-gru", "stack"]
    for row in rows.values():
        assert tuple(row) == DECODE_COLUMNS
        assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
        assert row["information"] == pytest.approx(np.log2(3) - row["log_loss"])
        assert row["temperature_low"] <= row["temperature"] <= row["temperature_high"]
    assert read_jsonl(run / "decode.jsonl", {"model": str}) == list(rows.values())
    assert rows["psth"]["over"] is None and rows["glm"]["over"] == "psth-gain" and rows["stack"]["over"] == "glm"


def test_the_likelihood_of_the_recorded_condition_is_that_of_the_fit(
    run: Path, rows: dict[str, dict[str, Any]]
) -> None:
    reopened = reopen(run)
    condition, folds = reopened.loaded.plan.condition, reopened.loaded.folds
    units = tuple(reopened.units)
    for fold in range(reopened.loaded.n_folds):
        found = part_likelihoods(Part(run, (), tuple(rows), units, fold, (0, 1, 2)))
        trials = np.flatnonzero(folds == fold)
        for u, unit in enumerate(units):
            stored = pd.read_csv(run / "units" / unit / "per_trial.csv").set_index("trial").loc[trials]
            for name, (by_unit, by_time) in found.items():
                own = by_unit[condition[trials], np.arange(len(trials)), u]
                np.testing.assert_allclose(own, stored[f"ll_{name}"], rtol=1e-4, atol=1e-3, err_msg=name)
                np.testing.assert_allclose(by_time[..., -1], by_unit.sum(axis=2), atol=1e-6)


def test_what_is_decoded_comes_near_what_the_truth_gives(
    run: Path, recording: Recording, rows: dict[str, dict[str, Any]]
) -> None:
    found = read_decoding(run)
    assert found is not None
    reopened = reopen(run)
    spikes = np.stack([reopened.trials(unit).spikes[:, :, 0] for unit in reopened.units], axis=2)
    rate = RATES_HZ[:, None, :] * np.repeat([1.0, 2.0], 300)[None, :, None] * 0.001  # (condition, bin, unit)
    truth = np.stack([(spikes * np.log(each) - each).sum(axis=(1, 2)) for each in rate], axis=1)
    prior, label = np.full(3, 1 / 3), reopened.loaded.plan.condition
    bits = information(log2_posterior(truth, prior), label, prior).mean()
    assert 0.4 < bits < 1.4
    assert rows["psth"]["information_low"] < bits and rows["psth"]["information"] > 0.6 * bits
    assert rows["psth"]["information_p"] < 0.01 and rows["psth"]["accuracy_p"] < 0.01
    over_time = found.arrays["time.information"][0]
    assert over_time[-1] == pytest.approx(rows["psth"]["information"]) and over_time[-1] > 1.5 * over_time[9]
    assert found.arrays["units.information_mean"][0, -1] == pytest.approx(rows["psth"]["information"])


@pytest.mark.slow
def test_units_prior_and_workers(run: Path, rows: dict[str, dict[str, Any]]) -> None:
    before = (run / ARRAYS_FILE).read_bytes(), (run / "decode.jsonl").read_bytes()
    one = rnnspike.decode(run, models=["psth"], unit=["1"], prior="empirical")
    assert [row["model"] for row in one] == ["psth"] and one[0]["n_units"] == 1 and one[0]["prior"] == "empirical"
    assert one[0]["information"] < rows["psth"]["information"]
    rnnspike.decode(run, workers=2)
    assert ((run / ARRAYS_FILE).read_bytes(), (run / "decode.jsonl").read_bytes()) == before


def test_what_cannot_be_decoded_is_refused(run: Path, recording: Recording, tmp_path: Path) -> None:
    for more, why in (
        ({"models": ["gru"]}, "gru was not fitted"),
        ({"models": ["constant"]}, "constant knows no conditions"),
        ({"unit": ["9"]}, "no fitted unit 9"),
    ):
        with pytest.raises(RunError, match=why):
            rnnspike.decode(run, **more)
    path = tmp_path / "known.nwb"
    write_nwb(path, recording)
    alike = rnnspike.fit(path, models=("psth",), out=tmp_path / "runs", effort="fast", replicates=0, report=False)
    with pytest.raises(RunError, match="condition='COLUMN'"):
        rnnspike.decode(alike)


def test_the_page_shows_it(run: Path, rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    page = build_report(run, tmp_path / "page.html").read_text()
    assert "90 held-out trials, 3 conditions, from the spikes of 3 units together" in page
    assert f"{rows['glm']['accuracy']:.3f}" in page and 'id="d-confusion"' in page and "over psth-gain" in page
    pictures = {picture.name: picture.numbers for picture in drawn(DECODING, load_run(run))}
    assert set(pictures) == {f"decoding_{name}" for name in ("confusion", "time", "units")}
    assert pictures["decoding_confusion"]["n_trials"].sum() == 90


def test_a_damaged_file_is_reported(run: Path, rows: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    found = read_decoding(run)
    assert found is not None and set(found.arrays) == set(ARRAYS)
    (tmp_path / "decode.jsonl").write_bytes((run / "decode.jsonl").read_bytes())
    write_arrays(tmp_path / ARRAYS_FILE, {**found.arrays, "time_s": np.zeros((2, 2))})
    with pytest.raises(RunError, match=ARRAYS_FILE):
        read_decoding(tmp_path)
    assert read_decoding(tmp_path / "elsewhere") is None
