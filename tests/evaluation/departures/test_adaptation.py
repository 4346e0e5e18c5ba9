from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnspike.evaluation.departures.adaptation import count_edges, recent_counts
from rnnspike.evaluation.history import history_of, sums_by_value
from rnnspike.trials.data import Trials


def test_edges_make_strata_of_equal_expectation() -> None:
    count = np.repeat(np.arange(10), 100)[None]
    reference = np.full(count.shape, 0.1)
    edges = count_edges(sums_by_value(count, reference))
    assert edges.tolist() == [0, 2, 4, 6, 8]
    assert count_edges(sums_by_value(np.full((1, 9), -1), np.ones((1, 9)))).tolist() == []


def test_rare_counts_join_the_last_stratum() -> None:
    count = np.array([[0] * 500 + [1] * 500 + [2] * 3])
    assert count_edges(sums_by_value(count, np.full(count.shape, 0.1))).tolist() == [0, 1]


def test_strata_are_sums_over_their_bins(make_cell: Callable) -> None:
    cell = make_cell(burn_in=1000, adaptation=0.3)
    history = history_of(cell.trials)
    counts = recent_counts(history, cell.mu["psth"], 10)
    by_trial, cells = counts.by_trial(cell.mu["psth"])
    beyond = history.silent_bins >= 10
    for stratum in range(counts.n_strata):
        window, lowest = counts.window_s[stratum], counts.lowest_count[stratum]
        same = counts.lowest_count[(counts.window_s == window) & (counts.lowest_count > lowest)]
        count = history.recent_count(round(window * 1000))
        inside = beyond & (count >= lowest) & (count < (same.min() if len(same) else 10**6))
        assert by_trial[:, stratum].sum() == pytest.approx(cell.mu["psth"][inside].sum())
    assert set(counts.window_s) == {0.1, 0.5, 1.0}
    assert cells.sum() == pytest.approx(cell.mu["psth"][beyond].sum())


def test_windows_longer_than_the_known_past_are_left_out(make_cell: Callable) -> None:
    counts = recent_counts(history_of((cell := make_cell(n_bins=300)).trials), cell.mu["psth"], 10)
    assert set(counts.window_s) == {0.1}


def test_no_history_no_strata(make_trials: Callable[..., Trials]) -> None:
    trials = make_trials(np.zeros((3, 50, 1)))
    counts = recent_counts(history_of(trials), np.full((3, 50), 0.01), 5)
    assert counts.n_strata == 0
    assert counts.by_trial(np.ones((3, 50)))[0].shape == (3, 0)


def test_tail_of_the_truth_is_uniform(make_cell: Callable) -> None:
    """The three windows sort the same bins: a chi-square with as many degrees as strata would be wrong."""
    from rnnspike.evaluation.departures.capture import deviance

    p = []
    for seed in range(60):
        cell = make_cell(n_trials=40, n_bins=300, burn_in=1000, adaptation=0.3, seed=seed)
        counts = recent_counts(history_of(cell.trials), cell.mu["psth"], 15)
        observed = counts.by_trial(cell.trials.spikes[:, :, 0])[0].sum(axis=0)
        expected, cells = counts.by_trial(cell.mu["oracle"])
        levelled = counts.levelled(expected.sum(axis=0), observed)
        p.append(counts.tail(float(deviance(observed, levelled)), cells))
    assert np.mean(np.array(p) < 0.05) <= 0.1
    assert 0.35 < np.mean(p) < 0.65
