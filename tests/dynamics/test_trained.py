"""Networks trained on tasks whose solution is known (science.md#fixed-points; minutes: run with -m slow)."""

import numpy as np
import pytest

from rnnspike.dynamics.attractors.points import Points, find_points
from rnnspike.dynamics.drive import default_orbits, driven_orbits
from rnnspike.dynamics.maps import HeldInput, iterate
from rnnspike.dynamics.memory.gradient_flow import GradientFlow, measure_gradient_flow
from tests.dynamics.networks import BIN_S
from tests.dynamics.tasks import Trained, train_flip_flops, train_recall


def points_of(trained: Trained, seed: int) -> Points:
    visited = driven_orbits(trained.network, trained.inputs, 5).visited
    return find_points(HeldInput(trained.network, np.zeros(3)), visited, BIN_S, np.random.default_rng(seed))


def memories(trained: Trained, points: Points) -> int:
    """How many of the eight combinations of bits the stable points hold."""
    readout = trained.network.readout.eta(points.attractors[:, trained.network.hidden_columns])
    return len(np.unique(np.sign(readout[np.abs(readout).min(axis=1) > 0.5]), axis=0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "seed"),
    [(kind, seed) for kind in ("rnn", "gru", "lstm") for seed in (0, 1, 2) if (kind, seed) != ("gru", 1)],
)
def test_trained_flip_flops_have_eight_memories_and_saddles_between(kind, seed):
    trained = train_flip_flops(kind, seed)
    points = points_of(trained, seed)
    assert trained.loss < 0.02
    assert points.count("stable") == 8 and memories(trained, points) == 8
    assert points.count("saddle") >= 12  # one on each edge of the cube at the least
    assert points.q[points.fixed].max() < 1e-20 and points.verified[points.fixed].all()


@pytest.mark.slow
def test_a_network_that_holds_only_six_of_eight_is_not_given_more():
    """This GRU solves its task of 64 steps with two memories that drift: orbits of 20000 steps end at six points."""
    trained = train_flip_flops("gru", 1)
    points = points_of(trained, 1)
    visited = driven_orbits(trained.network, trained.inputs, 5).visited[::200]
    ends = iterate(HeldInput(trained.network, np.zeros(3)), visited, 20_000)
    held = np.unique(np.sign(trained.network.readout.eta(ends)), axis=0)
    assert points.count("stable") == len(held) == memories(trained, points) == 6


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_flip_flops_are_found_without_their_inputs(seed):
    trained = train_flip_flops("rnn", seed)
    rng = np.random.default_rng(seed)
    orbits = default_orbits(trained.network, rng)
    points = find_points(HeldInput(trained.network, np.zeros(3)), orbits.visited, BIN_S, rng)
    assert points.count("stable") == 8 and points.count("saddle") >= 12


def flow_of(trained: Trained, delay: int) -> GradientFlow:
    orbits = driven_orbits(trained.network, trained.inputs)
    return measure_gradient_flow(
        trained.network, orbits.states, orbits.inputs, np.random.default_rng(0), max_lag=delay + 1
    )


@pytest.mark.slow
def test_recall_after_100_steps_is_beyond_the_vanilla_network_and_the_gradient_says_why():
    vanilla, vanilla_right = train_recall("rnn", 100, seed=0)
    gated, gated_right = train_recall("lstm", 100, seed=0)
    assert gated_right > 0.98 and vanilla_right < 0.7
    lost, kept = flow_of(vanilla, 100), flow_of(gated, 100)
    assert lost.flow == "vanishing" and lost.horizon_s < 0.05  # half of the delay at the most
    assert kept.flow != "vanishing"


@pytest.mark.slow
def test_recall_after_10_steps_is_within_reach_of_both():
    for kind in ("rnn", "lstm"):
        assert train_recall(kind, 10, seed=0)[1] > 0.98
