"""What the page is drawn from: the stored arrays, shortened, and nothing else."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnspike.report.load import Run, load_run
from rnnspike.report.network import network_payload
from rnnspike.report.packing import PACK_FROM, deflated, packed, spread, to_script
from rnnspike.report.payload import dropped, merged, pooled_hazard, session, unit_payload


def unpacked(value: Any) -> np.ndarray:
    """What the page's script makes of a packed array."""
    if not isinstance(value, dict):
        return np.array(value, dtype=float)
    low, high = np.frombuffer(base64.b64decode(value["b"]), np.uint8).reshape(2, -1).astype(int)
    numbers = (low + 256 * high).reshape(value["shape"])
    return np.where(numbers == 65535, np.nan, value["lo"] + value["step"] * numbers.astype(float))


def test_packed_arrays_keep_their_values(rng: np.random.Generator) -> None:
    values = rng.normal(size=(6, 40)) * 1e-4
    values[2, 3:9] = np.nan
    np.testing.assert_allclose(unpacked(packed(values)), values, atol=np.ptp(values[np.isfinite(values)]) / 1.2e5)
    assert packed(np.full(PACK_FROM, 2.5))["lo"] == 2.5
    np.testing.assert_array_equal(unpacked(packed(np.arange(300))), np.arange(300))
    assert packed(np.arange(PACK_FROM - 1.0)) == list(np.arange(PACK_FROM - 1.0))
    assert packed(np.array([7, 70000] * 40))[1] == 70000


def test_spread_keeps_first_and_last() -> None:
    assert spread(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert spread(100, 3).tolist() == [0, 50, 99]


def test_pooled_hazard_adds_up() -> None:
    lags = 200
    curves = {
        "hazard.lag_ms": np.arange(1.0, lags + 1),
        "hazard.at_risk": np.linspace(5000, 100, lags).round(),
        "hazard.spikes": np.full(lags, 4.0),
        "hazard.model": np.full((2, lags), 0.01),
    }
    found = pooled_hazard(curves)
    assert (found["hazard.data"] * found["hazard.at_risk"]).sum() == pytest.approx(4 * lags)
    np.testing.assert_allclose(found["hazard.model"], 0.01)
    assert found["hazard.lag_low_ms"][0] == 1 and found["hazard.lag_high_ms"][-1] == lags
    assert ((found["hazard.low"] <= found["hazard.data"]) & (found["hazard.data"] <= found["hazard.high"])).all()


def test_pieces_that_expect_too_little_are_joined() -> None:
    assert merged(np.arange(7), np.array([3.0, 1, 1, 1, 5, 2]), 3).tolist() == [0, 1, 4, 6]
    assert merged(np.arange(4), np.zeros(3), 3).tolist() == [0, 3]


def test_session_sums_up_to_the_gain(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    curves, trials = run.curves("0"), run.per_trial("0")
    found = session(trials, curves, 1000)
    k = [str(model) for model in curves["models"]].index("glm")
    gain = run.pairs[(run.pairs.unit == "0") & (run.pairs.model_a == "glm") & (run.pairs.model_b == "psth-gain")].gain
    assert found["session.gain_bits"][k, -1] == pytest.approx(gain.item() * trials.n_spikes.sum())


def test_a_unit_is_small_and_holds_every_figure(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    whole, small = (unit_payload(run, "0", share) for share in (1.0, 0.25))
    for name in ("hazard.data", "ks.pit", "isi.mean", "serial.mean", "fano.mean", "statistic.p", "raster.glm.bin",
                 "smooth.low_hz", "ogata.wiener", "calibration.lag.z", "autocorrelation.low"):  # fmt: skip
        assert name in whole["curves"], name
    assert len(to_script(small)) < 100_000
    assert [each["model"] for each in whole["training"]] == ["lstm"]


def test_of_many_conditions_each_has_fewer_points(whole_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = load_run(whole_folder)
    curves = run.curves("0")
    many = {
        name: np.repeat(values, 12, axis=1 if name == "psth.model_by_condition_hz" else 0)
        for name, values in curves.items()
        if name
        in ("psth.model_by_condition_hz", "smooth.condition", "smooth.rate_hz", "smooth.low_hz", "smooth.high_hz")
    }
    monkeypatch.setattr(Run, "curves", lambda run, unit: curves | many)
    found = unit_payload(run, "0")["curves"]
    assert found["smooth.rate_hz"]["shape"][0] == 24
    assert found["smooth.rate_hz"]["shape"][1] * 24 <= 6 * 1000 + 24
    assert found["psth.model_by_condition_hz"]["shape"][2] < len(curves["psth.time_s"])


def test_example_trials_have_their_condition(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    curves = unit_payload(run, "0")["curves"]
    stored = run.per_trial("0").set_index("trial").condition
    assert curves["example.condition"] == stored.loc[curves["example.trial"]].tolist()


def test_what_was_dropped_is_said(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    trials = run.per_trial("0")
    trials = trials.iloc[5:].copy()
    trials.loc[7, "exposure_bins"] = 100
    run.findings.append(
        {"id": "short-isi", "level": "warning", "message": "2 violations", "unit": "0", "option": None}
    )
    said = " ".join(dropped(run, "0", trials))
    assert "Not scored: 5 of 30 trials" in said and "1 trial is scored in part" in said
    assert "short-isi: 2 violations" in said


def test_network_section_is_the_stored_analysis(whole_folder: Path) -> None:
    found = network_payload(load_run(whole_folder))
    assert found is not None
    one = found["networks"][0]
    stored = np.load(whole_folder / "dynamics" / "0" / "lstm" / one["seed"] / "silent.npz", allow_pickle=False)
    silent = next(each for each in one["inputs"] if each["name"] == "silent")
    np.testing.assert_allclose(unpacked(silent["plane_points"]), stored["plane_points"], rtol=1e-3, atol=1e-3)
    leading = stored["eigenvalues"][:12].ravel()
    np.testing.assert_allclose(unpacked(silent["eigenvalues"]["re"]), leading.real, atol=1e-4)
    assert found["table"][0][:3] == ["0", "lstm", "silent"]
    assert found["brief"].startswith("A brief reading, made by fit: up to ")  # of the other unit


def test_without_an_analysis_there_is_no_network_section(run_folder: Path) -> None:
    assert network_payload(load_run(run_folder)) is None


def test_what_is_compressed_is_read_back_by_raw_inflation() -> None:
    text = json.dumps({"unit": "é", "values": list(range(300))})
    assert zlib.decompress(base64.b64decode(deflated(text)), -zlib.MAX_WBITS).decode() == text


def test_coarse_steps_keep_a_thousandth_of_the_range(rng: np.random.Generator) -> None:
    values = rng.normal(size=200)
    np.testing.assert_allclose(unpacked(packed(values, 1000)), values, atol=np.ptp(values) / 1999)
