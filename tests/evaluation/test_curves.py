from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from rnnspike.evaluation import curves as module
from rnnspike.evaluation.curves import EXAMPLE_BINS, choose_examples, piece_edges, smoothed_psth
from rnnspike.evaluation.evaluate import EvaluationSettings, evaluate_unit
from rnnspike.evaluation.free_running.predictive import raster_arrays
from rnnspike.evaluation.history import history_of
from rnnspike.trials.data import Trials


@pytest.fixture
def arrays(make_cell: Callable) -> dict[str, np.ndarray]:
    cell = make_cell(n_trials=30, burn_in=600)
    simulated = {name: np.repeat(cell.trials.counts[None, ::3, :, 0], 5, axis=0) for name in ("psth", "oracle")}
    settings = EvaluationSettings(n_bootstrap=50, n_flips=49)
    return evaluate_unit(
        cell.trials, cell.mu, rng=np.random.default_rng(0), settings=settings,
        simulated=simulated, simulated_trials=np.arange(0, 30, 3),
    ).curves  # fmt: skip


def documented() -> set[str]:
    """Names in the module's table; ``.low`` after a comma has the prefix of the name before."""
    names: set[str] = set()
    for line in (module.__doc__ or "").splitlines():
        first, *others = re.split(r"\s{2,}", line)[0].split(", ")
        prefix = first.rsplit(".", 1)[0] + "." if "." in first else ""
        names |= {
            first,
            *(other if prefix and other.startswith(prefix) else prefix + other.lstrip(".") for other in others),
        }
    return names


def test_every_array_is_in_the_table(arrays: dict[str, np.ndarray]) -> None:
    kinds = "|".join(arrays["calibration.kinds"])
    for name in arrays:
        general = re.sub(rf"^calibration\.({kinds})\.", "calibration.<kind>.", name)
        assert re.sub(r"^free_raster\.(.+)\.", "free_raster.<model>.", general) in documented(), name


def test_shapes_agree_with_the_models(arrays: dict[str, np.ndarray]) -> None:
    n_models, n_free = len(arrays["models"]), len(arrays["free_run.models"])
    assert (n_models, n_free) == (5, 2)
    for name in (
        "hazard.model",
        "ks.pit",
        "psth.model_hz",
        "refractory.expected",
        "calibration.lag.z",
        "ogata.wiener",
    ):
        assert len(arrays[name]) == n_models
    for name in ("statistic.p", "isi.mean", "serial.low", "fano.high", "divergence.surviving"):
        assert len(arrays[name]) == n_free


def test_no_array_needs_a_pickle(arrays: dict[str, np.ndarray]) -> None:
    assert all(values.dtype.kind in "fiubU" for values in arrays.values())


def test_data_that_are_their_own_replicates_lie_in_the_band(arrays: dict[str, np.ndarray]) -> None:
    for name in ("isi", "serial", "fano", "autocorrelation"):
        np.testing.assert_allclose(arrays[f"{name}.mean"], np.tile(arrays[f"{name}.data"], (2, 1)))


def test_expected_rates_by_condition_average_to_those_of_all(make_cell: Callable) -> None:
    cell = make_cell(n_trials=30, burn_in=600)
    condition = (np.arange(30) % 3 == 0).astype(np.int64)
    trials = replace(cell.trials, condition=condition, conditions=("x=0", "x=1"))
    mu = {**cell.mu, "one": cell.mu["oracle"] * np.where(condition, 2.0, 1.0)[:, None]}
    settings = EvaluationSettings(n_bootstrap=50, n_flips=49)
    found = evaluate_unit(trials, mu, rng=np.random.default_rng(0), settings=settings).curves
    rates, every = found["psth.model_by_condition_hz"], found["psth.model_hz"]
    assert rates.shape == (len(found["models"]), 2, every.shape[1])
    np.testing.assert_allclose((20 * rates[:, 0] + 10 * rates[:, 1]) / 30, every, rtol=1e-5)
    one = list(found["models"]).index("one")
    doubled = -1000 * np.expm1(-2 * cell.mu["oracle"][condition == 1])  # Hz: chances of bins of 1 ms
    seen = cell.trials.observed[condition == 1, :, 0]
    edges = piece_edges(500)[:-1]
    spikes, exposure = (np.add.reduceat(each.sum(axis=0, dtype=float), edges) for each in (doubled * seen, seen))
    np.testing.assert_allclose(rates[one, 1], spikes / exposure, rtol=1e-5)
    alone = evaluate_unit(cell.trials, cell.mu, rng=np.random.default_rng(0), settings=settings).curves
    assert "psth.model_by_condition_hz" not in alone


def test_psth_and_hazard_add_up_to_the_spikes(arrays: dict[str, np.ndarray]) -> None:
    n = int(arrays["ks.n"])
    width_s = np.diff(piece_edges(500)) * 0.001
    assert (arrays["psth.data_hz"] * width_s).sum() * 30 == pytest.approx(n)
    assert len(arrays["raster.bin"]) == n


def test_examples_of_long_trials_show_the_busiest_piece(make_trials: Callable) -> None:
    counts = np.zeros((5, 5000, 1))
    counts[1:, 4000:4100:10] = 1
    examples, first = choose_examples(history_of(make_trials(counts)), 3)
    assert examples.tolist() == [1, 2, 4]
    assert first <= 4000
    assert first + EXAMPLE_BINS > 4090


def test_short_windows_have_a_piece_a_bin() -> None:
    assert piece_edges(30).tolist() == list(range(31))
    assert len(piece_edges(5000)) == 201


def test_smoothed_psth_runs_through_the_rate_of_each_condition(make_trials: Callable[..., Trials]) -> None:
    """The band holds the true rate at most points, over twelve sessions: one band lies wholly off at times."""
    rate, condition, inside = np.array([0.01, 0.04]), np.arange(80) % 2, []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        counts = (rng.random((80, 300, 1)) < rate[condition][:, None, None]).astype(np.uint8)
        found = smoothed_psth(make_trials(counts, condition=condition), rng)
        low, mid, high = (found[f"smooth.{name}_hz"] for name in ("low", "rate", "high"))
        np.testing.assert_allclose(mid.mean(axis=1), 1000 * rate, rtol=0.25)
        assert (low <= mid).all()
        inside.append(((low <= 1000 * rate[:, None]) & (1000 * rate[:, None] <= high)).mean())
    assert np.mean(inside) > 0.85


def test_smoothed_psth_is_absent_without_repeats(
    make_trials: Callable[..., Trials], rng: np.random.Generator
) -> None:
    trials = replace(make_trials(np.ones((3, 20, 1), np.uint8)), has_repeats=False)
    assert smoothed_psth(trials, rng) == {}


def test_rasters_of_free_runs_name_the_trials_of_the_table() -> None:
    counts = np.zeros((1, 2, 5), np.uint8)
    counts[0, 0, 3] = counts[0, 1, [0, 4]] = 1
    found = raster_arrays(np.array([4, 9]), {"glm": counts})
    np.testing.assert_array_equal(found["free_raster.trials"], [4, 9])
    np.testing.assert_array_equal(found["free_raster.glm.trial"], [4, 9, 9])
    np.testing.assert_array_equal(found["free_raster.glm.bin"], [3, 0, 4])
