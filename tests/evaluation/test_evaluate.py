from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rnnspike.evaluation.departures.capture import deviance
from rnnspike.evaluation.evaluate import EvaluationSettings, UnitEvaluation, evaluate_unit
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.observation import draw

QUICK = EvaluationSettings(n_bootstrap=300, n_flips=299)


def evaluate(cell: object, seed: int = 0, **kwargs: object) -> UnitEvaluation:
    return evaluate_unit(cell.trials, cell.mu, rng=np.random.default_rng(seed), settings=QUICK, **kwargs)  # type: ignore[attr-defined, arg-type]


def by_model(result: UnitEvaluation) -> dict[str, dict]:
    return {row["model"]: row for row in result.rows}


@pytest.fixture
def adapting(make_cell: Callable) -> object:
    return make_cell(n_trials=80, burn_in=1000, adaptation=0.5, rate_hz=60.0)


def test_rows_tell_the_truth_about_a_known_cell(adapting: object) -> None:
    rows = by_model(evaluate(adapting))
    oracle, reference = rows["oracle"], rows["psth-gain"]
    assert (oracle["refractory_kind"], oracle["adaptation_kind"]) == ("dip", "falling")
    assert oracle["refractory_verdict"] == "captured"
    assert oracle["adaptation_verdict"] in ("captured", "consistent")
    assert reference["refractory_verdict"] == reference["adaptation_verdict"] == "missed"
    assert reference["refractory_capture"] == reference["adaptation_capture"] == 0.0
    assert oracle["ks_p"] > 0.05 > reference["ks_p"]
    assert oracle["bits_per_spike_low"] > reference["bits_per_spike_high"]
    assert oracle["oracle_share"] == pytest.approx(1.0)
    assert rows["constant"]["bits_per_spike"] == 0.0
    for name in ("constant", "psth"):  # know no spike, whatever little their expectations differ by
        assert rows[name]["refractory_verdict"] == rows[name]["adaptation_verdict"] == "missed"


def test_a_renewal_model_misses_adaptation_alone(make_cell: Callable) -> None:
    """Refractoriness scaled to the mean rate: right at short lags, blind to the spikes before the last."""
    cell = make_cell(n_trials=200, burn_in=1000, adaptation=0.5, rate_hz=60.0)
    cell.mu["renewal"] = cell.mu["renewal"] * cell.mu["oracle"].sum() / cell.mu["renewal"].sum()
    row = by_model(evaluate(cell))["renewal"]
    assert row["refractory_capture"] > 0.5
    assert row["adaptation_capture"] < row["refractory_capture"]
    assert row["adaptation_verdict"] != "captured"
    assert row["lag1_autocorrelation"] < -0.03


def test_refractoriness_alone_is_not_taken_for_adaptation(make_cell: Callable) -> None:
    """Long and strong: beyond it the reference expects too little, by one factor, whatever came before."""
    found = []
    for seed in range(8):
        cell = make_cell(n_trials=100, burn_in=1000, dead_bins=6, recovery_bins=2.0, seed=seed)
        row = by_model(evaluate(cell))["psth-gain"]
        assert row["refractory_verdict"] == "missed"
        found.append(row["adaptation_verdict"])
    assert found.count("nothing to capture") >= 7


def test_a_poisson_unit_has_nothing_to_capture(make_cell: Callable) -> None:
    row = by_model(evaluate(make_cell(dead_bins=0, recovery_bins=1e-6)))["psth-gain"]
    assert row["refractory_verdict"] == row["adaptation_verdict"] == "nothing to capture"
    assert row["refractory_capture"] is None


def test_figures_follow_from_what_is_stored(adapting: object) -> None:
    """Capture, KS and likelihoods can be worked out again from curves and the per-trial table."""
    result = evaluate(adapting)
    rows, curves, table = by_model(result), result.curves, result.per_trial
    model = list(curves["models"]).index("renewal")
    for kind in ("refractory", "adaptation"):
        d = deviance(curves[f"{kind}.observed"], curves[f"{kind}.expected"][model])
        assert d == pytest.approx(rows["renewal"][f"{kind}_deviance"])
        n_windows = len(np.unique(curves["adaptation.window_ms"])) if kind == "adaptation" else 0
        strata = len(curves[f"{kind}.observed"]) - n_windows
        assert strata == rows["renewal"][f"{kind}_strata"]
        reference = rows["renewal"][f"{kind}_reference_deviance"]
        assert rows["renewal"][f"{kind}_capture"] == pytest.approx(1 - max(0, d - strata) / (reference - strata))
    z, rank, n = curves["ks.z"][model].astype(float), curves["ks.z_rank"], int(curves["ks.n"])
    assert np.maximum(rank / n - z, z - (rank - 1) / n).max() == pytest.approx(rows["renewal"]["ks_d"], abs=2e-3)
    gain = (table["ll_renewal"] - table["ll_constant"]).sum() / table["n_spikes"].sum() / np.log(2)
    assert gain == pytest.approx(rows["renewal"]["bits_per_spike"])
    assert table["ll_renewal"].sum() == pytest.approx(rows["renewal"]["log_likelihood"])


def test_per_trial_table(adapting: object) -> None:
    table = evaluate(adapting, folds=np.arange(80) % 5).per_trial
    assert list(table)[:6] == ["trial", "start_s", "condition", "n_spikes", "exposure_bins", "fold"]
    expected = log_likelihood(adapting.mu["psth"][:, :, None], adapting.trials)  # type: ignore[attr-defined]
    np.testing.assert_allclose(table["ll_psth"], expected[:, 0])


def test_trials_without_a_scored_bin_have_no_part(make_cell: Callable) -> None:
    cell = make_cell(n_trials=40)
    held = np.flatnonzero(np.arange(40) % 4 > 0)
    observed = cell.trials.observed & np.isin(np.arange(40), held)[:, None, None]
    partly = replace(cell.trials, observed=observed)
    simulated = {"psth": np.zeros((3, 5, partly.n_bins), np.uint8)}
    simulated["psth"][:, :, 7] = 1
    settings = {"rng": np.random.default_rng(0), "settings": QUICK, "simulated": simulated}
    found = evaluate_unit(partly, cell.mu, **settings, simulated_trials=held[5:10], folds=np.arange(40) % 5)
    assert found.per_trial["trial"].tolist() == held.tolist()
    assert (found.per_trial["fold"] == held % 5).all()
    assert set(found.curves["raster.trial"]) <= set(held)
    assert set(found.curves["example.trial"]) <= set(held)
    assert found.curves["free_run.trials"].tolist() == held[5:10].tolist()
    assert set(found.curves["free_raster.psth.trial"]) == set(held[5:10])
    settings["rng"] = np.random.default_rng(0)
    mu = {name: values[held] for name, values in cell.mu.items()}
    alone = evaluate_unit(partly.take(held), mu, **settings, simulated_trials=np.arange(5, 10))
    assert pd.DataFrame(alone.rows).equals(pd.DataFrame(found.rows)) and alone.pairs == found.pairs
    with pytest.raises(ValueError, match="without a scored bin"):
        evaluate_unit(partly, cell.mu, **settings, simulated_trials=np.arange(5))


def test_pairs_cover_the_ladder(adapting: object) -> None:
    pairs = evaluate(adapting).pairs
    assert len(pairs) == 10
    assert {"model_a", "model_b", "gain", "gain_low", "gain_high", "p"} <= set(pairs[0])


def test_the_same_seed_gives_the_same_bytes(adapting: object) -> None:
    one, other = evaluate(adapting, seed=5), evaluate(adapting, seed=5)
    assert one.rows == other.rows
    assert one.pairs == other.pairs
    for name, values in one.curves.items():
        np.testing.assert_array_equal(values, other.curves[name])


def test_trials_are_taken_in_order_of_time(adapting: object) -> None:
    order = np.random.default_rng(1).permutation(80)
    cell = adapting
    shuffled = evaluate_unit(
        cell.trials.take(order),  # type: ignore[attr-defined]
        {name: values[order] for name, values in cell.mu.items()},  # type: ignore[attr-defined]
        rng=np.random.default_rng(0),
        settings=QUICK,
        folds=(np.arange(80) % 5)[order],
    )
    straight = evaluate(cell, folds=np.arange(80) % 5)
    assert shuffled.rows == straight.rows
    assert shuffled.per_trial.equals(straight.per_trial)


def test_free_runs_are_set_beside_the_data(make_cell: Callable) -> None:
    cell, rng = make_cell(n_trials=80, rate_hz=80.0), np.random.default_rng(2)
    index = np.arange(0, 80, 4)
    mu = cell.mu["psth"][index]
    simulated = {"psth": draw(np.broadcast_to(mu, (40, *mu.shape)), "bernoulli", rng)}
    result = evaluate(cell, simulated=simulated, simulated_trials=index)
    row = by_model(result)["psth"]
    assert row["free_run_stability"] == "stable"
    assert row["free_run_rate_ratio"] == pytest.approx(1.0, abs=0.2)
    assert row["predictive_p_cv2"] < 0.1  # a Poisson model fires too irregularly
    assert row["free_run_cv_ratio"] > 1.0
    assert "free_run_stability" not in by_model(result)["oracle"]
    assert result.curves["statistic.p"].shape == (1, len(result.curves["statistic.names"]))
    assert set(result.curves["free_raster.psth.trial"]) <= set(index)


def test_replicates_of_other_trials_are_refused(adapting: object) -> None:
    with pytest.raises(ValueError, match="free runs"):
        evaluate(adapting, simulated={"psth": np.zeros((3, 5, 7), np.uint8)}, simulated_trials=np.arange(5))


def test_too_few_spikes_give_null_scores_and_say_so(make_cell: Callable, make_trials: Callable) -> None:
    counts = np.zeros((10, 100, 1))
    counts[0, :5, 0] = 1
    run_free = {"simulated": {"constant": np.zeros((3, 5, 100), np.uint8)}, "simulated_trials": np.arange(5)}
    mu = {"constant": np.full((10, 100), 0.005)}
    result = evaluate_unit(make_trials(counts), mu, rng=np.random.default_rng(0), **run_free)
    row = result.rows[0]
    assert "free_run_stability" not in row
    assert "bits_per_spike" not in row
    assert row["n_spikes"] == 5
    assert "too few" in row["message"]
    assert result.pairs == []
    assert result.curves == {}
    assert len(result.per_trial) == 10


def test_a_model_that_is_not_finite_fails_alone(adapting: object) -> None:
    adapting.mu["broken"] = np.where(np.arange(500) == 3, np.nan, 0.1) * np.ones((80, 1))  # type: ignore[attr-defined]
    simulated = {name: np.zeros((3, 5, 500), np.uint8) for name in ("broken", "psth")}
    rows = by_model(evaluate(adapting, simulated=simulated, simulated_trials=np.arange(5)))
    assert "not a finite" in rows["broken"]["message"] and "free_run_stability" not in rows["broken"]
    assert rows["psth"]["free_run_rate_ratio"] == 0
    assert rows["oracle"]["bits_per_spike"] > 0


def test_an_impossible_spike_is_reported(adapting: object) -> None:
    adapting.mu["certain"] = np.full((80, 500), 1e-9)  # type: ignore[attr-defined]
    row = by_model(evaluate(adapting))["certain"]
    assert row["n_infinite"] == row["n_spikes"]
    assert "claims there can be none" in row["message"]


def test_masked_bins_change_nothing(make_cell: Callable, make_trials: Callable) -> None:
    cell = make_cell(n_trials=40, n_bins=300)
    spikes = cell.trials.counts.astype(int)
    observed = np.ones((40, 400, 1), bool)
    observed[:, 300:] = False
    padded = make_trials(np.pad(spikes, ((0, 0), (0, 100), (0, 0))), observed=observed)
    padded_mu = {name: np.pad(mu, ((0, 0), (0, 100)), constant_values=5.0) for name, mu in cell.mu.items()}
    plain, with_pad = (
        evaluate_unit(trials, mu, rng=np.random.default_rng(0), settings=QUICK).rows[3]
        for trials, mu in ((cell.trials, cell.mu), (padded, padded_mu))
    )
    for name in ("bits_per_spike", "ks_d", "refractory_capture", "log_likelihood", "rate_hz", "ks_p"):
        assert with_pad[name] == pytest.approx(plain[name], rel=1e-9), name


def test_wide_poisson_bins(make_trials: Callable) -> None:
    rng = np.random.default_rng(3)
    mu = np.tile(0.5 + 0.4 * np.sin(np.arange(50) / 5), (60, 1))
    trials = make_trials(rng.poisson(mu)[:, :, None], bin_s=0.02, observation="poisson")
    models = {"constant": np.full(mu.shape, mu.mean()), "psth-gain": mu}
    rows = {r["model"]: r for r in evaluate_unit(trials, models, rng=rng, settings=QUICK).rows}
    assert rows["psth-gain"]["ks_p"] > 0.05
    assert rows["psth-gain"]["bits_per_spike_low"] > 0
    assert rows["psth-gain"]["refractory_verdict"] == "nothing to capture"


def test_merged_spikes_are_counted(make_trials: Callable) -> None:
    counts = np.random.default_rng(4).poisson(0.05, (20, 200, 1))
    mu = {"constant": np.full((20, 200), 0.05)}
    row = evaluate_unit(make_trials(counts), mu, rng=np.random.default_rng(0), settings=QUICK).rows[0]
    assert row["n_merged"] == (counts - np.minimum(counts, 1)).sum() > 0
    assert "share a bin" in row["message"]


def test_a_contaminated_unit_is_called_that(make_cell: Callable, make_trials: Callable) -> None:
    one, other = (make_cell(n_trials=100, rate_hz=60.0, seed=seed).trials for seed in (1, 2))
    trials = make_trials(one.counts + other.counts)
    mu = {"constant": np.full(trials.counts.shape[:2], trials.counts.mean())}
    row = evaluate_unit(trials, mu, rng=np.random.default_rng(0), settings=QUICK).rows[0]
    assert row["refractory_verdict"] == "missed"
    assert row["contamination_gate"] == "contaminated"
    assert "sorting" in row["message"]


def test_trials_that_overlap_are_pointed_out(make_cell: Callable) -> None:
    cell = make_cell(n_trials=20)
    close = replace(cell.trials, start_s=cell.trials.start_s * 0.3)
    rows = evaluate_unit(close, cell.mu, rng=np.random.default_rng(0), settings=QUICK).rows
    assert "19 trials overlap" in rows[0]["message"]


def test_the_null_is_needed(make_cell: Callable) -> None:
    cell = make_cell()
    with pytest.raises(ValueError, match="null"):
        evaluate_unit(cell.trials, {"psth": cell.mu["psth"]}, rng=np.random.default_rng(0))


def test_shapes_are_checked(make_cell: Callable) -> None:
    cell = make_cell()
    with pytest.raises(ValueError, match="psth: mu has shape"):
        evaluate_unit(
            cell.trials, {"constant": cell.mu["constant"], "psth": np.ones((2, 2))}, rng=np.random.default_rng(0)
        )
