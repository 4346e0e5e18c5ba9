"""Population networks of a run analysed: rows, agreement over trainings, files and pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import resolve_settings
from rnnspike.errors import RunError
from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.networks.cell import Cell
from rnnspike.models.population.blocks import Clock
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report.catalogue import NETWORK_POPULATION
from rnnspike.report.figures.export import drawn
from rnnspike.report.figures.network import Analysed
from rnnspike.report.load import load_run
from rnnspike.report.network import network_payload
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.dynamics import ALL_UNITS, DynamicsOptions, analyse_run, network_tasks
from rnnspike.runs.fitting.training import model_folder
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.store import read_arrays
from rnnspike.runs.tasks import member_name

UNITS = ("a", "b/1", "c", "d")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four units, half of them in each of two patterns that a network keeps; five trainings of two members each."""
    rng = np.random.default_rng(8)
    path = tmp_path_factory.mktemp("population")
    starts = np.arange(40) * 0.7 + 1.0
    units = tuple(Unit(name, np.sort(rng.uniform(0, 30, 600)), np.array([[0.0, 30.0]])) for name in UNITS)
    trials = pd.DataFrame(
        {"start_time": starts, "stop_time": starts + 0.5, "side": np.where(starts % 2 > 1, "l", "r")}
    )
    write_nwb(path / "s.nwb", Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    flags = {"models": ["psth"], "out": path / "runs", "replicates": 0, "report": False, "condition": ["side"]}
    job, loaded = make_job(path / "s.nwb", resolve_settings(flags, environment={})[0])
    fit_recording(job, loaded)
    base = PerUnit(UNITS, tuple(flat_or_psth(loaded.trials([unit])) for unit in UNITS))
    pattern, ones, none = np.array([1.0, 1.0, -1.0, -1.0]), np.ones(4), np.zeros(1)
    for k in range(5):
        weight = (1.4 + 0.1 * k) * pattern[:, None]
        cell = Cell("rnn", 1.5 * pattern[None], np.zeros((1, 1)), none, none)
        for member in ((k, (k + 1) % 5), ((k + 1) % 5, k)):
            model = FittedSharedState(
                "population-gru", base, cell, 2 * ones, 0.02 * ones, weight, 0 * ones, ones, 0 * ones, Clock(5, 20)
            )
            model.save(model_folder(job, "population-gru", "all", None) / member_name(*member))
    return job.folder


def test_members_are_of_different_trainings(folder: Path) -> None:
    tasks = network_tasks(folder, DynamicsOptions(n_members=5))
    assert {task.unit for task in tasks} == {ALL_UNITS}
    assert len({frozenset((task.test, task.validation)) for task in tasks}) == 5
    assert len({task.test for task in tasks}) == 5


def test_rows_files_and_pictures_of_a_population(folder: Path) -> None:
    rows = analyse_run(folder, DynamicsOptions(units=(ALL_UNITS,), n_starts=32))
    networks = [row for row in rows if row["seed"]]
    assert {row["input"] for row in networks} == {"base", "closed-loop"} and len(networks) == 6
    base, loop = (next(row for row in networks if row["input"] == name) for name in ("base", "closed-loop"))
    assert (base["n_stable"], loop["n_stable"]) == (1, 2) and loop["n_patterns"] == 2
    assert loop["bin_ms"] == 5 and base.get("n_patterns") is None
    assert 0.3 < loop["basin_size"] < 0.7 and 0 <= loop["completion_share"] <= 1
    assert "(no interval: fewer than 5 patterns make too few pairs)" in loop["message"]
    assert all((each["low"] is None) == (each["kind"] == "towards") for each in loop["pattern_completion"])
    kinds = {each["kind"] for each in loop["pattern_completion"]}
    assert kinds == {"towards", "displaced", "silenced"}
    summary = next(row for row in rows if row["seed"] is None and row["input"] == "closed-loop")
    (mode,) = summary["leading_modes"]
    assert mode["n"] == 3 and mode["tau_ms_low"] < mode["tau_ms"] < mode["tau_ms_high"]
    assert (
        "95 % interval over 3 networks" in summary["message"]
        and "3 of 3 networks have patterns" in summary["message"]
    )
    stored = [json.loads(line) for line in (folder / "dynamics" / "rows.jsonl").read_text().splitlines()]
    assert stored == json.loads(json.dumps(networks))
    member = folder / "dynamics" / "all" / "population-gru" / "test0-stop1"
    arrays = read_arrays(member / "memory.npz")
    assert arrays["trial_plane"].shape == (8, 100, 2) and set(arrays["trial_condition"]) == {"side=l", "side=r"}
    assert (member / "patterns.png").is_file() and read_arrays(member / "memory.npz")["pattern_hz"].shape == (2, 4)
    assert (member / "trials.png").is_file() and len(list(member.parent.rglob("trials.png"))) == 1
    payload = network_payload(load_run(folder))
    assert payload is not None and payload["networks"][0]["unit"] == ALL_UNITS
    shown = payload["networks"][0]["memory"]
    assert sorted(shown["pattern_units"]) == ["a", "b/1", "c", "d"] and sorted(shown["pattern_numbers"]) == [1, 2]
    rate_hz, names = arrays["pattern_hz"], arrays["input_names"].tolist()
    for u, unit in enumerate(shown["pattern_units"]):
        wanted = [rate_hz[k - 1, names.index(unit)] for k in shown["pattern_numbers"]]
        np.testing.assert_allclose(shown["pattern_hz"][u], wanted, rtol=1e-3)
    table = next(drawn(NETWORK_POPULATION, Analysed.read(member / "memory.npz"))).numbers
    for pattern, unit, rate in table.itertuples(index=False):
        assert rate == rate_hz[pattern - 1, names.index(unit)]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"units": (ALL_UNITS,), "models": ("gru",)}, "gru: one network per unit, none of all units"),
        ({"units": ("a",), "models": ("population-gru",)}, "population-gru: one network of all units, none per unit"),
        ({"units": (ALL_UNITS,), "models": ("population-lstm",)}, "holds no fitted population-lstm .fit it again"),
        ({"models": ("gru", "population-lstm")}, "no fitted gru or population-lstm .fit it again with --models gru"),
        ({"units": ("z",)}, "no fitted unit z .--unit; it has a, b/1, c, d, all"),
    ],
)
def test_networks_of_all_units_that_are_not_there_are_named(folder: Path, options: dict, text: str) -> None:
    with pytest.raises(RunError, match=text):
        network_tasks(folder, DynamicsOptions(**options))
