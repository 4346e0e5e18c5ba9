"""Calibration by the other units' activity: strata, kinds and captures on simulated pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnspike.evaluation.departures.departures import Departures
from rnnspike.evaluation.departures.kinds import others_kind
from rnnspike.evaluation.departures.others import others_activity
from rnnspike.evaluation.history import history_of
from rnnspike.evaluation.scores.resampling import bootstrap_weights
from rnnspike.trials.data import FloatArray, Trials
from rnnspike.trials.others import OtherUnits, UnitSpikes

SHAPE = (80, 500)


def pair(make_trials, rng: np.random.Generator, link: float) -> tuple[Trials, FloatArray]:
    """Return trials of a unit whose log rate another one changes for 40 bins, and its true expected counts."""
    other = (rng.random(SHAPE) < 0.02).astype(np.uint8)
    passed = np.cumsum(np.pad(other, ((0, 0), (41, 0))), axis=1)
    recent = passed[:, 40:-1] - passed[:, :-41]
    p = -np.expm1(-0.02 * np.exp(link * recent))
    trials = make_trials((rng.random(SHAPE) < p).astype(np.uint8)[:, :, None])
    observed = np.ones((SHAPE[0], trials.n_burn_in + SHAPE[1]), bool)
    spikes = UnitSpikes.of(np.pad(other, ((0, 0), (trials.n_burn_in, 0))), observed)
    return replace(trials, others=OtherUnits(("other",), lambda _: spikes)), p


def test_strata_hold_each_bin_once_and_expect_alike(make_trials, rng: np.random.Generator) -> None:
    trials, p = pair(make_trials, rng, 0.5)
    history = history_of(trials)
    found = others_activity(history, trials, p)
    assert found is not None and found.window_s == (0.05, 0.2)
    known = [rank >= 0 for rank in found.ranks]
    n_back = 50 - trials.n_burn_in
    assert known[0][:, max(n_back, 0) :].all() and not known[0][:, : max(n_back, 0)].any()
    sums = np.bincount(found.ranks[1][known[1]], p[known[1]])
    assert len(sums) >= 4 and sums.min() > 0.05 * sums.sum()
    by_stratum, _ = found.strata.by_trial(history.spikes)
    at = found.strata.window_s == 0.05
    assert by_stratum[:, at].sum() == history.spikes[known[0]].sum()
    assert (np.diff(found.quantile[at]) > 0).all()


@pytest.mark.parametrize(("link", "kind"), [(0.8, "rising"), (-1.5, "falling")])
def test_a_link_shows_and_the_truth_captures_it(make_trials, link: float, kind: str) -> None:
    rng = np.random.default_rng(3)
    trials, p = pair(make_trials, rng, link)
    history, flat = history_of(trials), np.full(SHAPE, p.mean())
    activity = others_activity(history, trials, flat)
    assert activity is not None
    weights = bootstrap_weights(SHAPE[0], 500, rng)
    assert others_kind(history, flat, activity, weights) == kind
    departures = Departures(history, flat)
    departures.add_others(history, activity, flat)
    shared = dict(departures.by_kind())["shared"]
    truth, _ = shared.capture(p, weights)
    blind, _ = shared.capture(flat, weights)
    assert truth.reference_p < 1e-3 and truth.score > 0.8 and truth.verdict in ("captured", "consistent")
    assert blind.score == 0.0 and blind.verdict == "missed"
    assert set(departures.describe(0.001)) >= {"shared.window_ms", "shared.quantile", "shared.observed"}


def test_units_without_a_link_are_rarely_called(make_trials) -> None:
    off, named = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        trials, p = pair(make_trials, rng, 0.0)
        history = history_of(trials)
        activity = others_activity(history, trials, p)
        assert activity is not None
        departures = Departures(history, p)
        departures.add_others(history, activity, p)
        off += departures.shared is not None and departures.shared.reference_p < 0.05
        named += others_kind(history, p, activity, bootstrap_weights(SHAPE[0], 300, rng)) != "none"
    assert off <= 5 and named <= 5


def test_without_other_units_there_is_none(make_trials, rng: np.random.Generator) -> None:
    trials, p = pair(make_trials, rng, 0.0)
    assert others_activity(history_of(trials), replace(trials, others=None), p) is None
    silent = UnitSpikes.of(np.zeros((SHAPE[0], trials.n_burn_in + SHAPE[1]), np.uint8), trials.observed[:, :, 0])
    assert (
        others_activity(history_of(trials), replace(trials, others=OtherUnits(("x",), lambda _: silent)), p) is None
    )
