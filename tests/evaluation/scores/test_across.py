from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rnnspike.evaluation.scores.across import UnitTable, compare_runs, in_ladder_order, pairs_of, student_interval


def nested(
    seed: int, between: float = 0.05, units: float = 0.05, gain: float = 0.0, n_recordings: int = 5, n_units: int = 10
) -> list[UnitTable]:
    """Units in recordings whose true gain is ``gain`` bits/spike on average, 40 trials each."""
    rng = np.random.default_rng(seed)
    tables = []
    for recording in range(n_recordings):
        of_recording = rng.normal(gain, between)
        for unit in range(n_units):
            n = rng.poisson(10, 40) + 1
            of_unit = of_recording + rng.normal(0, units)
            difference = n * of_unit * math.log(2) + 0.3 * np.sqrt(n) * rng.standard_normal(40)
            ll = {"glm": -5.0 * n, "lstm": -5.0 * n + difference}
            tables.append(UnitTable(f"r{recording}", str(unit), np.arange(40), n, ll))
    return tables


def p_of(tables: list[UnitTable], seed: int, n_draws: int = 400) -> float:
    return compare_runs(tables, np.random.default_rng(seed), n_draws=n_draws)[0].p


def naive_p(tables: list[UnitTable]) -> float:
    per_trial = [(t.log_likelihoods["lstm"] - t.log_likelihoods["glm"]) / t.n_spikes for t in tables]
    return float(stats.ttest_1samp(np.concatenate(per_trial), 0).pvalue)


def false_positives(n_studies: int) -> tuple[float, float]:
    studies = [nested(seed) for seed in range(n_studies)]
    ours = np.mean([p_of(tables, seed) < 0.05 for seed, tables in enumerate(studies)])
    return float(ours), float(np.mean([naive_p(tables) < 0.05 for tables in studies]))


def test_null_data_are_rarely_called_significant() -> None:
    ours, naive = false_positives(30)
    assert ours <= 0.07
    assert naive > 0.45


@pytest.mark.slow
def test_null_data_are_rarely_called_significant_over_many_studies() -> None:
    """science.md#across-recordings: 10 units x 5 sessions."""
    ours, naive = false_positives(400)
    assert ours <= 0.07
    assert naive > 0.45


@pytest.mark.slow
@pytest.mark.parametrize(("n_recordings", "n_units"), [(1, 8), (3, 3), (5, 4)])
def test_intervals_hold_the_mean_over_studies(n_recordings: int, n_units: int) -> None:
    held = []
    for seed in range(300):
        between = 0.05 if n_recordings > 1 else 0.0
        tables = nested(seed, between, gain=0.1, n_recordings=n_recordings, n_units=n_units)
        found = compare_runs(tables, np.random.default_rng(seed))[0]
        held.append(
            (found.gain_low <= 0.1 <= found.gain_high, found.gain_pooled_low <= 0.1 <= found.gain_pooled_high)
        )
    assert (np.abs(np.mean(held, axis=0) - 0.95) <= 0.03).all()


def resampled_mean_gains(tables: list[UnitTable], rng: np.random.Generator, n_draws: int = 400) -> np.ndarray:
    """Mean gains of studies whose recordings, units and trials are all resampled."""
    gains = np.reshape([t.log_likelihoods["lstm"] - t.log_likelihoods["glm"] for t in tables], (5, -1, 40))
    spikes = np.reshape([t.n_spikes for t in tables], gains.shape)
    n_units, draws = gains.shape[1], (n_draws, 5, gains.shape[1])
    recording, unit = rng.integers(0, 5, (n_draws, 5))[..., None], rng.integers(0, n_units, draws)
    trial = rng.integers(0, 40, (*draws, 40))
    at = recording[..., None], unit[..., None], trial
    return np.asarray((gains[at].sum(axis=-1) / spikes[at].sum(axis=-1)).mean(axis=(1, 2)) / math.log(2))


@pytest.mark.slow
@pytest.mark.parametrize("n_units", [4, 10])
def test_resampling_units_and_trials_once_more_counts_them_twice(n_units: int) -> None:
    """science.md#across-recordings: such intervals, with Student's quantile for five recordings, are too wide."""
    held = []
    for seed in range(200):
        means = resampled_mean_gains(nested(seed, gain=0.1, n_units=n_units), np.random.default_rng(seed))
        reach = stats.t.ppf(0.975, 4) * means.std() * math.sqrt(5 / 4)
        held.append(abs(means.mean() - 0.1) <= reach)
    assert np.mean(held) >= 0.975


def test_recordings_are_the_witnesses() -> None:
    """Equal units: the interval is that of a t-test over the means of recordings."""
    tables = nested(8, n_recordings=4, n_units=3, gain=0.1)
    found = compare_runs(tables, np.random.default_rng(0))[0]
    gains = [(t.log_likelihoods["lstm"] - t.log_likelihoods["glm"]).sum() / t.n_spikes.sum() for t in tables]
    means = np.reshape(gains, (4, 3)).mean(axis=1) / math.log(2)
    low, high = stats.t.interval(0.95, 3, means.mean(), stats.sem(means))
    assert (found.gain_low, found.gain_high) == pytest.approx((low, high))


def test_a_real_gain_is_found() -> None:
    found = compare_runs(nested(0, gain=0.2), np.random.default_rng(0), n_draws=400)[0]
    assert found.gain_low > 0
    assert found.gain == pytest.approx(0.2, abs=0.06)
    assert found.p < 0.05
    assert found.level == "recording"
    assert (found.n_recordings, found.n_units, found.n_trials) == (5, 50, 200)
    assert found.n_above > 40
    assert found.n_below == 0


def test_gains_by_hand() -> None:
    tables = [
        UnitTable("r", "a", np.arange(10), np.full(10, 2), {"x": np.zeros(10), "y": np.full(10, 2 * math.log(2))}),
        UnitTable("r", "b", np.arange(10), np.full(10, 6), {"x": np.zeros(10), "y": np.full(10, 3 * math.log(2))}),
    ]
    found = compare_runs(tables, np.random.default_rng(0))[0]
    assert found.gain == pytest.approx(0.75)
    assert found.gain_pooled == pytest.approx(50 / 80)
    assert found.gain_median == pytest.approx(0.75)
    assert (found.gain_worst, found.worst_unit) == (pytest.approx(0.5), "r b")
    assert found.level == "unit"


def test_one_unit_is_compared_over_its_trials() -> None:
    found = compare_runs(nested(1, gain=0.3, n_recordings=1, n_units=1), np.random.default_rng(0))[0]
    assert found.level == "trial"
    assert found.gain_low < found.gain < found.gain_high


def test_units_recorded_together_share_their_trials() -> None:
    """Twenty copies of one unit are no more evidence than the one."""
    one = nested(2, n_recordings=1, n_units=1)
    copies = [UnitTable("r0", str(i), one[0].trial, one[0].n_spikes, one[0].log_likelihoods) for i in range(20)]
    alone, many = (compare_runs(t, np.random.default_rng(0), n_draws=2000)[0] for t in (one, copies))
    width = lambda c: c.gain_high - c.gain_low
    assert width(many) > 0.8 * width(alone)


def test_units_without_spikes_or_models_are_left_out() -> None:
    tables = nested(3, n_recordings=2, n_units=2)
    quiet = UnitTable("r0", "quiet", np.arange(3), np.ones(3, int), {"glm": np.zeros(3), "lstm": np.ones(3)})
    other = UnitTable("r1", "other", np.arange(9), np.full(9, 9), {"glm": np.zeros(9)})
    assert compare_runs([*tables, quiet, other], np.random.default_rng(0))[0].n_units == 4


def test_pairs_follow_the_ladder() -> None:
    tables = [
        UnitTable("r", "a", np.arange(1), np.ones(1, int), dict.fromkeys(("constant", "glm", "lstm"), np.zeros(1)))
    ]
    assert pairs_of(tables) == [("glm", "constant"), ("lstm", "constant"), ("lstm", "glm")]


def test_models_of_several_runs_stand_in_the_ladder_s_order() -> None:
    named = ["constant", "glm", "stack", "oracle", "gru", "psth", "glm"]
    assert in_ladder_order(named) == ["constant", "psth", "glm", "gru", "stack", "oracle"]


@pytest.mark.parametrize(("n_recordings", "n_units"), [(4, 3), (1, 3), (1, 1)])
def test_a_pair_comes_out_the_same_in_any_order(n_recordings: int, n_units: int) -> None:
    tables = nested(7, n_recordings=n_recordings, n_units=n_units)
    for table in tables:
        table.log_likelihoods["constant"] = table.log_likelihoods["glm"] - 1.0  # type: ignore[index]
    straight, backwards = (compare_runs(t, np.random.default_rng(0), n_draws=400) for t in (tables, tables[::-1]))
    assert straight == backwards
    alone = compare_runs(tables, np.random.default_rng(0), n_draws=400, pairs=[("lstm", "glm")])[0]
    among = next(each for each in straight if (each.model_a, each.model_b) == ("lstm", "glm"))
    assert (alone.gain_low, alone.gain_high, alone.p) == (among.gain_low, among.gain_high, among.p)
    turned = compare_runs(tables, np.random.default_rng(0), n_draws=400, pairs=[("glm", "lstm")])[0]
    assert (turned.gain_low, turned.gain_high) == pytest.approx((-alone.gain_high, -alone.gain_low))


def test_p_is_corrected_over_pairs() -> None:
    pairs = [("lstm", "glm"), ("glm", "lstm")]
    for correction, factor in (("holm", 2.0), ("bh", 1.0), ("none", 1.0)):
        found = compare_runs(nested(4, gain=0.1), np.random.default_rng(0), pairs=pairs, correction=correction)  # type: ignore[arg-type]
        assert found[0].p_adjusted == pytest.approx(min(1.0, factor * min(found[0].p, found[1].p)), rel=0.3)
        assert found[0].correction == correction


def test_folds_as_witnesses() -> None:
    tables = [
        UnitTable(t.recording, t.unit, t.trial, t.n_spikes, t.log_likelihoods, t.trial % 5)
        for t in nested(5, gain=0.3, n_recordings=1)
    ]
    found = compare_runs(tables, np.random.default_rng(0), folds=True)[0]
    assert found.level == "fold"
    assert found.gain_low > 0
    with pytest.raises(ValueError, match="fold"):
        compare_runs(nested(5), np.random.default_rng(0), folds=True)


def test_models_that_nobody_has_are_refused() -> None:
    with pytest.raises(ValueError, match="gru"):
        compare_runs(nested(6), np.random.default_rng(0), pairs=[("gru", "glm")])


def test_student_interval() -> None:
    low, high, p = student_interval(1.0, 0.5, 4)
    assert (low, high) == pytest.approx(stats.t.interval(0.95, 4, 1.0, 0.5))
    assert p == pytest.approx(2 * stats.t.sf(2.0, 4))
    assert all(math.isnan(each) for each in student_interval(1.0, 0.5, 0))
    assert student_interval(0.0, 0.0, 3) == (0.0, 0.0, 1.0)
