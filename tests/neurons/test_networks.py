"""Simulated networks: their intensity is that of their links, and hidden drives are in no file."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.neurons.cell import intensity
from rnnspike.neurons.inputs import lorenz
from rnnspike.neurons.networks import NETWORKS, Wiring
from rnnspike.neurons.session import Session, SessionOptions, simulate_network

OPTIONS = SessionOptions(n_trials=20, duration_s=0.5, inter_trial_s=0.25, seed=3)


def wired(name: str, n_units: int, seed: int = 0) -> Wiring:
    return NETWORKS[name].wire(n_units, np.random.default_rng(seed))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n_units", [8, 17])
def test_links_are_those_of_the_name(name: str, n_units: int) -> None:
    wiring = wired(name, n_units)
    links = set(wiring.links)
    both_ways = {link for link in links if link[::-1] in links}
    driven = np.flatnonzero(wiring.drives >= 0)
    assert not {unit for link in links for unit in link} & set(driven.tolist())
    hidden_alone = ("hidden-drive", "lorenz", "shared-gain")
    assert bool(both_ways) == (name in ("reciprocal", "mixed", "ring"))
    assert bool(len(driven)) == (name in (*hidden_alone, "mixed"))
    assert bool(links) == (name not in hidden_alone)
    assert all(np.count_nonzero(wiring.drives == drive) > 1 for drive in range(len(wiring.drive_sd)))


def test_the_truth_is_the_intensity_given_the_past_of_all_units() -> None:
    session = simulate_network("chain", 4, OPTIONS)
    wire = np.random.default_rng(np.random.SeedSequence(OPTIONS.seed).spawn(4)[0])
    cell = NETWORKS["chain"].wire(4, wire).cell(wire)
    signal = session.recording.covariates["stimulus"].load()[1].reshape(20, 750, 1).astype(np.float64)
    mu = intensity(cell, session.counts, np.repeat(signal, 4, axis=2), 0.001)
    np.testing.assert_array_equal(mu, session.mu)
    stored = session.truth["true_intensity_2"][1].astype(np.float64).reshape(20, 750) * 0.001
    np.testing.assert_array_equal(stored, mu[:, :, 2])


def test_a_target_fires_after_its_source_and_rates_differ() -> None:
    session = simulate_network("chain", 6, SessionOptions(n_trials=60, seed=2))
    weights = NETWORKS["chain"].wire(6, np.random.default_rng(np.random.SeedSequence(2).spawn(4)[0])).weights
    for source in range(5):
        after = np.zeros(session.counts.shape[:2], bool)
        for lag in range(1, 6):
            after[:, lag:] |= session.counts[:, :-lag, source] > 0
        ratio = session.counts[:, :, source + 1][after].mean() / session.counts[:, :, source + 1].mean()
        assert (ratio > 1.2) if weights[source + 1, source] > 0 else (ratio < 0.7)
    assert np.ptp([row["rate_hz"] for row in session.rows()]) > 5


def test_units_on_a_hidden_drive_fire_together_and_have_no_truth() -> None:
    session = simulate_network("hidden-drive", 4, SessionOptions(n_trials=60, seed=2))
    pooled = session.counts.reshape(60, -1, 10, 4).sum(axis=2).astype(float)
    correlation = np.corrcoef((pooled - pooled.mean(axis=0)).reshape(-1, 4).T)
    assert correlation[np.triu_indices(4, 1)].min() > 0.02
    assert not session.truth
    assert {unit.metadata["hidden_drive"] for unit in session.recording.units} == {"0"}


def rates_by_trial(session: Session) -> np.ndarray:
    """Spikes (trial, unit) in blocks."""
    return session.counts.sum(axis=1).astype(float)


@pytest.mark.parametrize("name", ["lorenz", "shared-gain"])
def test_the_intensity_given_a_hidden_state_is_stored_and_the_state_is_not(name: str) -> None:
    session = simulate_network(name, 5, OPTIONS)
    assert set(session.truth) == {f"true_intensity_{unit}" for unit in range(5)}
    assert set(session.recording.covariates) == {"stimulus"}
    stored = session.truth["true_intensity_3"][1].astype(np.float64).reshape(20, 750) * 0.001
    np.testing.assert_array_equal(stored, session.mu[:, :, 3])
    ratio = session.counts.sum() / session.mu.sum()
    assert 0.9 < ratio < 1.1


def test_a_lorenz_state_begins_anew_in_each_trial_and_moves_smoothly() -> None:
    path = lorenz(200, 1000, 0.001, np.random.default_rng(0))
    assert path.shape == (200, 1000, 3)
    np.testing.assert_allclose(path.std(axis=(0, 1)), 1.0, atol=0.15)
    np.testing.assert_allclose(path.mean(axis=(0, 1)), 0.0, atol=0.15)
    assert abs(np.corrcoef(path[:-1, -1, 0], path[1:, 0, 0])[0, 1]) < 0.2
    assert np.abs(np.diff(path, axis=1)).max() < 0.05
    coarse = lorenz(200, 100, 0.01, np.random.default_rng(0))
    np.testing.assert_allclose(coarse.std(axis=(0, 1)), 1.0, atol=0.15)


def test_a_shared_gain_raises_and_lowers_all_units_over_neighbouring_trials() -> None:
    session = simulate_network("shared-gain", 6, SessionOptions(n_trials=80, inter_trial_s=0.5, seed=1))
    total = rates_by_trial(session).sum(axis=1)
    assert np.corrcoef(total[:-1], total[1:])[0, 1] > 0.4
    correlation = np.corrcoef(rates_by_trial(session).T)
    assert correlation[np.triu_indices(6, 1)].min() > 0.3


def test_the_bump_of_a_ring_persists_and_drifts() -> None:
    session = simulate_network("ring", 24, SessionOptions(n_trials=20, inter_trial_s=1.0, seed=1))
    wire = np.random.default_rng(np.random.SeedSequence(1).spawn(4)[0])
    weights = NETWORKS["ring"].wire(24, wire).weights
    order = np.argsort(-weights[0] - np.eye(24)[0])  # unit 0, its two neighbours, ... its opposite
    assert weights[0, order[1]] > 0 > weights[0, order[-1]]
    values, vectors = np.linalg.eigh(weights + np.diag([weights.max()] * 24))
    around = vectors[:, np.argsort(-values)[:2]] @ [1, 1j]  # unit vectors at the preferred angles
    counts = session.counts.reshape(20, -1, 100, 24).sum(axis=2)
    bump = counts @ around
    kept = [np.abs((bump[:, k:] * bump[:, : bump.shape[1] - k].conj()).mean()) for k in (0, 3, 15)]
    assert kept[1] > 0.4 * kept[0] and kept[2] < 0.5 * kept[1]
    assert counts.mean() < 5  # does not run away
    assert len(session.truth) == 24
