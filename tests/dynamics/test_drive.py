import numpy as np
import pytest

from rnnspike.dynamics.drive import default_orbits, driven_orbits, load_conditions, load_inputs, named_inputs
from rnnspike.errors import ModelError
from tests.dynamics.networks import flip_flops, linear_network, random_network


def test_default_orbits_pass_through_every_attractor(rng):
    orbits = default_orbits(flip_flops(3), rng)
    corners = np.unique(np.sign(orbits.more_visited[np.abs(orbits.more_visited).min(axis=1) > 0.7]), axis=0)
    assert len(corners) == 8
    assert not orbits.inputs.any() and orbits.driven.any()


def test_a_network_that_runs_away_is_refused(rng):
    with pytest.raises(ModelError, match="diverges without input"):
        default_orbits(linear_network(np.array([[1.2]])), rng)


def test_driven_orbits_start_at_zero(rng):
    network = random_network("gru")
    inputs = rng.normal(size=(3, 20, 2))
    orbits = driven_orbits(network, inputs)
    assert np.allclose(orbits.states[:, 0], network.step(np.zeros((3, network.n_state)), inputs[:, 0]))
    assert orbits.visited.shape == (60, network.n_state)


@pytest.mark.parametrize("shape", [(4, 20, 3), (4, 5, 2), (20,), (2, 4, 20, 2)])
def test_inputs_that_do_not_fit_are_refused(shape, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(ModelError, match=r"x\.npy: shape"):
        load_inputs(tmp_path / "x.npy", random_network("gru"))


def test_inputs_of_one_trial_and_what_is_no_array(tmp_path):
    network = random_network("gru")
    np.save(tmp_path / "x.npy", np.zeros((20, 2), np.float32))
    assert load_inputs(tmp_path / "x.npy", network).shape == (1, 20, 2)
    (tmp_path / "text.npy").write_text("no")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.full((20, 2), np.nan))
    for name in ("text.npy", "objects.npy", "nan.npy", "absent.npy"):
        with pytest.raises(ModelError, match=name):
            load_inputs(tmp_path / name, network)


def test_named_inputs_hold_the_fed_channel_at_nothing(rng, tmp_path):
    network = random_network("gru")
    inputs = np.ones((2, 20, 2)) * [3.0, 5.0]
    named = {one.name: one for one in named_inputs(network, inputs, (0,))}
    assert list(named) == ["silent", "mean", "closed-loop"]
    assert named["mean"].value.tolist() == [3, 5] and named["closed-loop"].value.tolist() == [0, 5]
    assert [one.name for one in named_inputs(network, None)] == ["silent"]
    np.save(tmp_path / "c.npy", np.eye(2))
    assert [one.name for one in load_conditions(tmp_path / "c.npy", network)] == ["condition 0", "condition 1"]
