from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnspike.neurons.cell import intensity, simulate
from rnnspike.neurons.states import Bistable, BurstCounter


def rate_after(cell: Bistable | BurstCounter, spike_bins: list[int], at: list[int]) -> list[float]:
    """Intensity (Hz) in these bins of 1 ms, given spikes in those; at no input."""
    counts = np.zeros((1, max(at) + 1, 1), np.uint8)
    counts[0, spike_bins] = 1
    mu = intensity(cell, counts, np.zeros(counts.shape), 0.001)
    return [1000 * float(mu[0, k, 0]) for k in at]


def test_a_full_burst_ends_in_a_long_pause_a_broken_one_in_a_short_one() -> None:
    cell = BurstCounter(rate_hz=25.0, burst_hz=150.0)
    full = rate_after(cell, [0, 5, 10, 15], [18, 18 + 60, 15 + 121])
    broken = rate_after(cell, [0, 5, 10], [13, 10 + 15, 10 + 21])
    assert full == pytest.approx([1.25, 1.25, 25.0], rel=0.01)
    assert broken == pytest.approx([150.0, 1.25, 25.0], rel=0.01)


def test_the_last_spike_and_its_neighbours_do_not_tell_the_count() -> None:
    cell = BurstCounter()
    assert rate_after(cell, [100, 112], [116]) != rate_after(cell, [88, 100, 112, 124], [128])
    assert rate_after(cell, [0, 1, 2], [6]) == rate_after(cell, [0], [6])


def test_no_simulated_burst_is_longer_than_full(rng: np.random.Generator) -> None:
    counts, _ = simulate(BurstCounter(), np.zeros((100, 2000, 1)), 0.001, rng)
    lengths, pauses = [], {True: [], False: []}
    for row in counts[:, :, 0]:
        length = 1
        for gap in np.diff(np.flatnonzero(row)):
            if gap <= 12 and length < 4:
                length += 1
            else:
                lengths.append(length)
                pauses[length == 4].append(gap)
                length = 1
    assert set(lengths) == {1, 2, 3, 4}
    assert np.median(pauses[True]) > 100 > 2 * np.percentile(pauses[False], 30)


@settings(max_examples=20)
@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_the_bistable_state_is_the_parity_of_doublets(doublets: list[bool]) -> None:
    spikes = [b for i, is_doublet in enumerate(doublets) for b in ([50 * i, 50 * i + 4] if is_doublet else [50 * i])]
    rate_hz = rate_after(Bistable(), spikes, [50 * len(doublets) + 200])[0]
    assert rate_hz == pytest.approx(70.0 if sum(doublets) % 2 else 14.0, rel=0.01)


def test_a_triplet_is_one_doublet() -> None:
    assert rate_after(Bistable(), [0, 4, 8], [200])[0] == pytest.approx(70.0, rel=0.01)
    assert rate_after(Bistable(), [0, 4, 8, 12], [200])[0] == pytest.approx(14.0, rel=0.01)


def test_both_bistable_states_last(rng: np.random.Generator) -> None:
    cell = Bistable()
    counts, _ = simulate(cell, np.zeros((200, 3000, 1)), 0.001, rng)
    up_share, dwell_ms = [], []
    for row in counts[:, :, 0]:
        times, state, may_open, changes = np.flatnonzero(row), 0, False, [0]
        for previous, time in pairwise([-1000, *times]):
            closes = may_open and time - previous <= 6
            may_open = not closes
            if closes:
                state = 1 - state
                changes.append(time)
        dwell_ms += list(np.diff(changes))
        up_share.append(len(changes) % 2 == 0)
    assert 0.2 < np.mean(up_share) < 0.8
    assert 150 < np.mean(dwell_ms) < 1500
