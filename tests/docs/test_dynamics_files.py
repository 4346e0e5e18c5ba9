"""docs/dynamics_files.md names every array and column that is written."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.dynamics.analyse import AnalysisOptions, NamedInput, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.drive import driven_orbits
from rnnspike.dynamics.network import single
from rnnspike.dynamics.population.completion import PatternCompletion
from rnnspike.dynamics.population.phases import NetworkPhases, PopulationRhythm
from rnnspike.dynamics.population.result import PopulationResult
from rnnspike.dynamics.rows import COLUMNS, FIGURES
from rnnspike.dynamics.state_dict import initialised_like
from rnnspike.models.networks.cell import Readout
from rnnspike.rhythm import SpikeRhythm
from rnnspike.runs.stored.dynamics_store import write_network
from rnnspike.runs.stored.store import read_arrays

PAGE = Path(__file__).parents[2] / "docs" / "dynamics_files.md"


@pytest.fixture(scope="module")
def documented() -> set[str]:
    first_cells = re.findall(r"^\| (.*?) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name for cell in first_cells for name in re.findall(r"`([a-z0-9_]+)`", cell)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network on a limit cycle, with data whose rhythm it is compared with, and a linear unit: every array."""
    rng = np.random.default_rng(0)
    angle = 2 * np.pi / 30
    turn = 1.1 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    readout = Readout(np.array([[0.5, 0.0]]), np.log([0.05]))
    network = single("rnn", [0.3 * np.eye(2), turn], 0.001, readout=readout)
    inputs = [NamedInput("silent", np.zeros(2)), NamedInput("closed-loop", np.zeros(2), (0,))]
    result = analyse(
        network,
        driven_orbits(network, 0.3 * rng.normal(size=(4, 120, 2))),
        inputs,
        rng,
        untrained=initialised_like(network, rng),
        data_rhythm=SpikeRhythm(0.03, 0.5, np.zeros(3), np.zeros(3)),
        history_s=0.05,
        options=AnalysisOptions(search=SearchOptions(n_starts=32), n_orbits=16, max_steps=300),
    )
    path = tmp_path_factory.mktemp("files")
    write_network(path, result, pictures=False)
    unit = single("lru", [np.ones((2, 1)), np.diag([0.9, 0.5])], 0.001, readout=readout)
    orbits = driven_orbits(unit, rng.normal(size=(4, 60, 1)))
    held, few = [NamedInput("silent", np.zeros(1))], AnalysisOptions(SearchOptions(n_starts=16), n_orbits=8)
    alone = analyse(unit, orbits, held, rng, options=few)
    write_network(path / "unit", alone, pictures=False)
    nothing = PatternCompletion(np.empty((0, 2)), (), np.nan, np.nan, np.nan)
    phase = np.ones(2, complex)
    data = PopulationRhythm(SpikeRhythm(0.03, 0.5, np.zeros(3), np.zeros(3)), np.ones(2), phase, 0)
    trials = np.zeros((3, 5, 2)), np.zeros(3, np.int64), ("all",)
    found = PopulationResult(nothing, data, NetworkPhases(phase, 0.03, "mode"), 1.0, 1.0, *trials)
    write_network(path / "all", replace(alone, population=found), pictures=False)
    return path


@pytest.mark.parametrize("name", ["silent", "closed-loop", "memory"])
def test_every_array_is_documented(documented: set[str], folder: Path, name: str) -> None:
    arrays = read_arrays(folder / f"{name}.npz")
    undocumented = {key.removeprefix("untrained_") for key in arrays} - documented
    assert undocumented <= {"cycle2", "cycle3", "plane_cycle1", "plane_cycle2", "plane_cycle3"}
    if name != "memory":
        n_points, n_state = arrays["points"].shape
        assert arrays["jacobians"].shape == (n_points, n_state, n_state)
        assert arrays["input_jacobians"].shape == (n_points, n_state, 2)
        assert arrays["plane_points"].shape == (n_points, 2) and arrays["plane_flow"].shape == (225, 2)
        assert len(arrays["cycle_period_s"]) == len(arrays["cycle_share"]) >= 1 and "cycle0" in arrays


def test_every_documented_array_is_written(documented: set[str], folder: Path) -> None:
    written = {key for file in folder.rglob("*.npz") for key in read_arrays(file)}
    columns = set(COLUMNS)
    inputs_and_ends = {"cycle1", "silent", "mean", "base", "untrained_"}
    assert documented - columns - written <= inputs_and_ends | {name for name in documented if "closed" in name}


def test_every_column_is_documented(documented: set[str]) -> None:
    ranges = {f"{name}_{end}" for name in FIGURES for end in ("low", "high")}
    assert set(COLUMNS) - ranges <= documented
