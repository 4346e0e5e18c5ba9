"""Modes of a linear recurrence: from the eigenvalues, with shares of what is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnspike.dynamics.analyse import AnalysisOptions, NamedInput, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.drive import driven_orbits
from rnnspike.dynamics.memory.modes import measure_modes, modes_text, summarise_modes
from rnnspike.dynamics.network import Network, single
from rnnspike.dynamics.rows import result_rows
from rnnspike.models.networks import diagonal
from rnnspike.models.networks.cell import Bend, Readout
from tests.dynamics.networks import random_network

BIN_S = 0.001


def unit(weight: list[float], bend: Bend | None = None) -> Network:
    """Real modes of 5 and 80 ms, and one of 50 ms at 12.5 Hz; its parts are the last two units."""
    real = np.exp(-1 / np.array([5.0, 80.0, 50.0]))
    angle = 2 * np.pi * 0.0125
    w_h = diagonal.matrix(real * np.array([1, 1, np.cos(angle)]), real[2:] * np.sin(angle))
    readout = Readout(np.array([weight]), np.array([-3.0]), bend=bend)
    return single("lru", [np.array([[1.0], [0.2], [0.3], [0.0]]), w_h], BIN_S, readout=readout)


def test_time_constants_and_frequencies_are_those_of_the_eigenvalues(rng):
    network = unit([1.0, 1.0, 1.0, 0.0])
    states = driven_orbits(network, rng.normal(size=(5, 400, 1))).states
    rows = {row["mode"]: row for row in measure_modes(network, states).rows(BIN_S)}
    assert [rows[k]["tau_ms"] for k in range(3)] == pytest.approx([5.0, 80.0, 50.0])
    assert [rows[k]["frequency_hz"] for k in range(3)] == pytest.approx([0.0, 0.0, 12.5])


def test_shares_of_a_linear_readout_add_to_one_and_unread_modes_have_none(rng):
    network = unit([1.0, 0.0, 0.4, 0.2])
    states = driven_orbits(network, rng.normal(size=(5, 400, 1))).states
    found = measure_modes(network, states)
    assert found.share[1] == 0 and found.share[0] > 0.1 and found.share[2] > 0.1
    assert found.share.sum() == pytest.approx(1.0) and found.bend_share == 0
    silent = measure_modes(unit([0.0] * 4), states)
    assert not silent.share.any() and silent.bend_share == 0


def test_a_mode_that_only_the_bend_reads_is_used(rng):
    inner = np.array([[0.0, 0.5, 0.0, 0.0]])
    bent = unit([0.0] * 4, Bend(np.array([[1.0]]), inner, np.zeros(1)))
    states = driven_orbits(bent, rng.normal(size=(5, 400, 1))).states
    found = measure_modes(bent, states)
    assert found.share[[0, 2]] == pytest.approx([0, 0]) and found.share[1] > 0.5
    assert found.share.sum() + found.bend_share == pytest.approx(1.0)
    steep = measure_modes(
        replace(bent, readout=unit([0.0] * 4, Bend(np.ones((1, 1)), 20 * inner, np.zeros(1))).readout), states
    )
    assert abs(steep.bend_share) > abs(found.bend_share)


def test_other_networks_have_no_such_modes(rng):
    assert measure_modes(random_network("gru"), rng.normal(size=(2, 9, 6))) is None
    assert measure_modes(replace(unit([1.0] * 4), readout=None), rng.normal(size=(2, 9, 4))) is None


def test_a_summary_gives_the_range_of_each_mode_over_networks():
    members = [
        [
            {"mode": 1, "tau_ms": tau, "frequency_hz": 10.0, "share": 0.7},
            {"mode": 0, "tau_ms": 3.0, "frequency_hz": 0.0, "share": 0.004},
        ]
        for tau in (40.0, 50.0, 90.0)
    ]
    first, second = summarise_modes(members)
    assert (first["mode"], first["tau_ms"], first["tau_ms_low"], first["tau_ms_high"]) == (1, 50.0, 40.0, 90.0)
    assert second["tau_ms_low"] == second["tau_ms_high"] == 3.0
    text = modes_text([first, second], 0.25)
    assert "50 (40–90) ms at 10 Hz 70%, bend 25%; 1 more under 1%" in text
    assert modes_text([second], 0.0) == "modes: none is read"


@pytest.mark.parametrize("bend", [None, Bend(np.array([[0.5]]), np.array([[0.3, 0.5, 0.2, 0.1]]), np.zeros(1))])
def test_the_whole_analysis_finds_the_one_fixed_point_of_a_held_input(bend, rng):
    network = unit([0.5, 0.3, 0.3, 0.1], bend)
    inputs = [NamedInput("silent", np.zeros(1)), NamedInput("closed-loop", np.zeros(1), (0,))]
    options = AnalysisOptions(SearchOptions(n_starts=24), n_orbits=8, max_steps=800)
    result = analyse(network, driven_orbits(network, rng.normal(size=(4, 150, 1))), inputs, rng, options=options)
    silent, closed = result_rows(result, recording=None, unit=None, model="lru", seed=0)
    assert silent["n_fixed"] == silent["n_stable"] == 1 and silent["slowest_tau_ms"] == pytest.approx(80.0)
    assert silent["frequencies_hz"] == pytest.approx([12.5])
    assert silent["modes"] == closed["modes"] and len(silent["modes"]) == 3
    assert closed["n_fixed"] >= 1
    assert (silent["superposition"] < 1e-9) == (bend is None) == (silent["gain_variation"] < 1e-9)
