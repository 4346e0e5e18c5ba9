"""Links of simulated networks are found in their direction; units on a hidden drive are not called so."""

from __future__ import annotations

from benchmarks.links import network_tests
from rnnspike.evaluation.links import DIRECTED, SHARED, verdicts
from rnnspike.neurons.session import Session, SessionOptions, simulate_network


def network(name: str) -> Session:
    return simulate_network(name, 3, SessionOptions(100, 2.0, inter_trial_s=0.5, seed=4))


def test_a_chain_is_found_in_its_direction() -> None:
    tests, synchrony = network_tests(network("chain"))
    found = {pair: verdict for pair, (_, verdict) in verdicts({k: t.p for k, t in tests.items()}, synchrony).items()}
    assert {pair for pair, verdict in found.items() if verdict == DIRECTED} == {("1", "0"), ("2", "1")}
    link = tests["1", "0"]
    assert link.peak_lag_ms < 10 and link.gain > 0.01
    assert all(test.p > 1e-4 for pair, test in tests.items() if pair not in {("1", "0"), ("2", "1")})


def test_a_hidden_drive_is_not_called_a_link() -> None:
    tests, synchrony = network_tests(network("hidden-drive"))
    found = verdicts({pair: test.p for pair, test in tests.items()}, synchrony)
    assert {verdict for _, verdict in found.values()} == {SHARED}
