import numpy as np
import pytest

from rnnspike.dynamics.maps import FunctionMap
from rnnspike.dynamics.state_space import Plane


def test_plane_finds_the_widest_directions(rng):
    states = rng.normal(size=(4000, 4)) * [0.1, 3.0, 0.2, 1.0] + [1, 2, 3, 4]
    plane = Plane.of(states)
    assert np.abs(plane.axes[0] @ [0, 1, 0, 0]) == pytest.approx(1, abs=1e-2)
    assert np.abs(plane.axes[1] @ [0, 0, 0, 1]) == pytest.approx(1, abs=1e-2)
    assert plane.explained.sum() == pytest.approx(0.995, abs=0.01)
    assert plane.project(plane.mean) == pytest.approx([0, 0])


def test_flow_is_the_movement_in_the_plane(rng):
    states = rng.normal(size=(500, 3)) * [3, 2, 0.1]
    system = FunctionMap(3, lambda s: 0.9 * s, lambda s: 0.9 * np.eye(3))
    plane = Plane.of(states)
    grid, moved = plane.flow(system, np.array([-1.0, -1]), np.array([1.0, 1]), n=5)
    centre = plane.project(np.zeros(3))
    assert moved == pytest.approx(-0.1 * (grid - centre), abs=1e-12)


def test_one_dimension_still_has_a_plane(rng):
    plane = Plane.of(rng.normal(size=(50, 1)))
    assert plane.axes.shape == (2, 1) and plane.explained == pytest.approx([1, 0])
