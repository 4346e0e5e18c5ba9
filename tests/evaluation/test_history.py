from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnnspike.evaluation.history import History, history_of, strata_of, sums_by_value
from rnnspike.trials.data import Trials
from tests.conftest import trials_from_counts


def history(counts: list[int], observed: list[int] | None = None, burn_in: list[int] | None = None) -> History:
    seen = None if observed is None else np.array(observed, bool)[None, :, None]
    before = None if burn_in is None else np.array(burn_in)[None, :, None]
    return history_of(trials_from_counts(np.array(counts)[None, :, None], observed=seen, burn_in=before))


def test_lag_counts_from_the_last_spike() -> None:
    found = history([0, 1, 0, 0, 1, 1, 0])
    assert found.silent_bins[0].tolist() == [0, 1, 0, 1, 2, 0, 0]
    assert found.lag_known[0].tolist() == [False, False, True, True, True, True, True]


def test_the_burn_in_is_read() -> None:
    found = history([0, 0, 1], burn_in=[1, 0])
    assert (found.silent_bins[0] + 1).tolist() == [2, 3, 4]
    assert found.lag_known.all()
    assert found.recent_count(3)[0].tolist() == [-1, 1, 0]


def test_a_gap_is_not_silence() -> None:
    found = history([1, 0, 0, 0, 0], observed=[1, 1, 0, 1, 1])
    assert found.lag_known[0].tolist() == [False, True, True, False, False]
    assert found.silent_bins[0].tolist() == [0, 0, 1, 0, 1]
    assert found.recent_count(1)[0].tolist() == [-1, 1, -1, -1, 0]


def test_previous_interval_is_the_one_that_ended_with_the_last_spike() -> None:
    found = history([1, 0, 0, 1, 0, 1, 0])
    assert found.previous_interval[0].tolist() == [0, 0, 0, 0, 3, 3, 2]
    assert history([1, 0, 0, 1, 0], observed=[1, 0, 1, 1, 1]).previous_interval[0].tolist() == [0] * 5


def test_spike_index_counts_in_the_window_only() -> None:
    assert history([1, 0, 1, 0], burn_in=[1, 1]).spike_index()[0].tolist() == [0, 1, 1, 2]


@settings(max_examples=60)
@given(arrays(np.bool_, (2, 25)), arrays(np.bool_, (2, 25)), st.integers(1, 12))
def test_lag_and_count_are_those_of_the_definition(spikes: np.ndarray, seen: np.ndarray, n_back: int) -> None:
    counts = (spikes & seen).astype(int)
    before = {"burn_in": counts[:, :5, None], "burn_in_observed": seen[:, :5, None]}
    found = history_of(trials_from_counts(counts[:, 5:, None], observed=seen[:, 5:, None], **before))
    recent = found.recent_count(n_back)
    for row in range(2):
        for k in range(5, 25):
            before, known = counts[row, :k][::-1], seen[row, :k][::-1]
            reach = int(np.argmax(before)) if before.any() else k
            clear = int(np.argmin(known)) if not known.all() else k
            assert found.lag_known[row, k - 5] == (before.any() and reach < clear)
            if found.lag_known[row, k - 5]:
                assert found.silent_bins[row, k - 5] == reach
            defined = seen[row, k] and k >= n_back and known[:n_back].all()
            assert recent[row, k - 5] == (before[:n_back].sum() if defined else -1)


def test_strata_sum_by_trial() -> None:
    strata = strata_of(np.array([[0, 1, -1], [1, 1, 0]]), 2)
    assert strata.by_trial(np.array([[1.0, 2.0, 9.0], [3.0, 4.0, 5.0]])).tolist() == [[1, 2], [5, 7]]
    assert strata.size().tolist() == [[1, 1], [1, 2]]


@pytest.mark.parametrize("n_strata", [7, 300])
def test_strata_sum_what_they_hold_in_runs_or_one_by_one(n_strata: int, rng: np.random.Generator) -> None:
    stratum, values = rng.integers(-1, n_strata, (3, 200)), rng.random((3, 200))
    stratum[1] = np.repeat(stratum[1, :20], 10)
    found = strata_of(stratum, n_strata)
    for sums, weights in ((found.by_trial(values), values), (found.size(), np.ones((3, 200)))):
        for own, each, weight in zip(sums, stratum, weights, strict=True):
            np.testing.assert_allclose(own, np.bincount(each + 1, weight, n_strata + 1)[1:], rtol=1e-12)


def test_sums_do_not_depend_on_how_many_trials_are_taken_at_a_time(
    make_cell: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that walks over trials in blocks, on one block and on blocks of one, two or three trials."""
    cell = make_cell(burn_in=100)
    found = []
    for most in (1 << 18, 1, 1100, 1700):
        monkeypatch.setattr("rnnspike.evaluation.history.BLOCK_BINS", most)
        history = history_of(cell.trials)
        strata = strata_of(np.arange(history.n_bins)[None] % 5 - 1 + 0 * history.spikes.astype(int), 4)
        recent = history.recent_count(150)
        found.append(
            [
                history.silent_bins,
                history.previous_interval,
                recent,
                strata.by_trial(cell.mu["psth"]),
                strata.size(),
                sums_by_value(recent, cell.mu["psth"]),
            ]
        )
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
    direct = [cell.mu["psth"][recent == k].sum() for k in range(int(recent.max()) + 1)]
    np.testing.assert_allclose(found[0][-1], direct)


def test_one_unit_at_a_time(make_trials: Callable[..., Trials]) -> None:
    with pytest.raises(ValueError, match="one unit"):
        history_of(make_trials(np.zeros((2, 5, 2))))
