from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rnnspike.evaluation.scores.comparison import (
    AtSpikes,
    PairRow,
    TrialBootstrap,
    attained_share,
    compare_models,
    nadeau_bengio,
    score_models,
)
from rnnspike.evaluation.scores.resampling import bootstrap_weights


def ladder(n_trials: int = 60, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Per-trial log-likelihoods of three models, the third no better than the second, and spikes."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(10, n_trials) + 1
    base = -5.0 * n + rng.standard_normal(n_trials)
    better = base + 0.3 * n * math.log(2) + 0.5 * rng.standard_normal(n_trials)
    return {"constant": base, "psth": better, "glm": better + 0.3 * rng.standard_normal(n_trials)}, n


def bootstrap(n_trials: int = 60, seed: int = 1) -> TrialBootstrap:
    return TrialBootstrap(n_trials, np.random.default_rng(seed), n_draws=500, n_flips=999)


def test_score_is_the_ratio_of_sums_and_lies_in_its_interval() -> None:
    ll, n = ladder()
    value, low, high = score_models(ll, "constant", n, bootstrap())["psth"]
    assert value == pytest.approx((ll["psth"] - ll["constant"]).sum() / n.sum() / math.log(2))
    assert low < 0.3 < high
    assert score_models(ll, "constant", n, bootstrap())["constant"] == (0.0, 0.0, 0.0)


def test_pairs_are_later_minus_earlier_and_paired() -> None:
    ll, n = ladder()
    pairs = {(pair.model_a, pair.model_b): pair for pair in compare_models(ll, n, bootstrap())}
    assert list(pairs) == [("psth", "constant"), ("glm", "constant"), ("glm", "psth")]
    assert pairs["psth", "constant"].gain_low > 0
    assert pairs["psth", "constant"].p == pytest.approx(0.001)
    close = pairs["glm", "psth"]
    assert close.gain_low < 0 < close.gain_high
    assert close.p > 0.05
    apart = pairs["glm", "constant"]
    assert close.gain_high - close.gain_low < 0.7 * (apart.gain_high - apart.gain_low)


def test_gains_add_up() -> None:
    ll, n = ladder()
    gain = {(pair.model_a, pair.model_b): pair.gain for pair in compare_models(ll, n, bootstrap())}
    assert gain["glm", "constant"] == pytest.approx(gain["glm", "psth"] + gain["psth", "constant"])


def test_the_same_seed_gives_the_same_figures() -> None:
    ll, n = ladder()
    assert compare_models(ll, n, bootstrap(seed=3)) == compare_models(ll, n, bootstrap(seed=3))
    assert compare_models(ll, n, bootstrap(seed=3)) != compare_models(ll, n, bootstrap(seed=4))


def width(pair: PairRow) -> float:
    return pair.gain_high - pair.gain_low


def test_drifting_differences_have_wider_intervals() -> None:
    rng = np.random.default_rng(5)
    n = np.full(100, 10)
    drift = 2 + np.convolve(rng.standard_normal(130), np.ones(15), "valid")[:100]
    pair = compare_models({"a": np.zeros(100), "b": drift}, n, bootstrap(100))[0]
    shuffled = compare_models({"a": np.zeros(100), "b": rng.permutation(drift)}, n, bootstrap(100))[0]
    assert width(pair) > 1.5 * width(shuffled)
    assert pair.p > shuffled.p


def test_spikes_vary_at_least_as_they_do_given_the_past() -> None:
    """Half of the spikes add 1 bit, half take 1: sd sqrt(N) bits, though every trial has the same sum."""
    n, rng = np.full(50, 10), np.random.default_rng(8)
    ll = {"constant": np.zeros(50), "psth": 1e-3 * rng.standard_normal(50)}
    at = {"constant": np.zeros(500), "psth": math.log(2) * np.resize([1.0, -1.0], 500)}
    pair = compare_models(ll, n, bootstrap(50), AtSpikes.of(at))[0]
    assert width(pair) == pytest.approx(2 * stats.t.ppf(0.975, 49) / math.sqrt(500), rel=0.1)
    assert width(compare_models(ll, n, bootstrap(50))[0]) < 0.01 * width(pair)


def test_what_is_learned_from_noise_has_twice_its_variance() -> None:
    """Each trial's difference is noise times what was learned from the others' noise (leave one out)."""
    rng, inside = np.random.default_rng(9), 0
    n = np.full(40, 10)
    for seed in range(100):
        noise = rng.standard_normal((40, 10))
        learned = (noise.sum(axis=0) - noise) / 39
        ll = (noise * learned - learned**2 / 2).sum(axis=1)
        pair = compare_models({"psth": np.zeros(40), "glm": ll}, n, bootstrap(40, seed))[0]
        truth = -(learned**2 / 2).sum() / n.sum() / math.log(2)
        inside += int(pair.gain_low <= truth <= pair.gain_high)
    assert inside >= 84  # 76 with the trials' own variance


def test_too_few_trials_give_no_interval() -> None:
    ll, n = ladder(4)
    pair = compare_models(ll, n, bootstrap(4))[0]
    assert math.isfinite(pair.gain)
    assert math.isnan(pair.gain_low)
    assert math.isnan(pair.p)


def test_share_runs_from_the_reference_to_the_oracle() -> None:
    rng = np.random.default_rng(6)
    psth, gain = rng.standard_normal(50), rng.gamma(5, 1, 50)
    ll = {"psth": psth, "half": psth + 0.5 * gain, "oracle": psth + gain}
    shares = attained_share(ll, "psth", "oracle", bootstrap_weights(50, 200, rng))
    assert shares["psth"][0] == 0
    assert shares["half"] == pytest.approx((0.5, 0.5, 0.5))
    assert shares["oracle"] == pytest.approx((1.0, 1.0, 1.0))


def test_nothing_to_share_where_the_oracle_gains_nothing() -> None:
    rng = np.random.default_rng(7)
    ll = {"psth": np.zeros(50), "oracle": 0.01 * rng.standard_normal(50)}
    shares = attained_share(ll, "psth", "oracle", bootstrap_weights(50, 200, rng))
    assert math.isnan(shares["oracle"][0])


def test_folds_share_training_data_and_so_are_worth_less() -> None:
    values = [0.1, 0.2, 0.15, 0.05, 0.12]
    plain = stats.ttest_1samp(values, 0)
    mean, low, high, p = nadeau_bengio(values, 1, 4)
    assert mean == pytest.approx(np.mean(values))
    assert (high - low) / 2 == pytest.approx(
        stats.t.ppf(0.975, 4) * np.std(values, ddof=1) * math.sqrt(1 / 5 + 1 / 4), rel=1e-12
    )
    assert p > plain.pvalue
    with pytest.raises(ValueError, match="two"):
        nadeau_bengio([0.1], 1, 4)
