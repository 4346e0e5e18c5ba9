"""Networks of a run analysed: rows, ranges and files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.config import resolve_settings
from rnnspike.errors import RunError
from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.networks.bin_clock.inputs import OWN_INPUTS, Scaling
from rnnspike.models.networks.cell import GATES, Cell, Readout
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.dynamics import DynamicsOptions, analyse_run, network_tasks
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.fitting.training import model_folder
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.store import read_arrays
from rnnspike.runs.tasks import member_name

QUICK = DynamicsOptions(n_starts=32, pictures=False)


def decaying(architecture: str, bin_s: float, seed: int, n_hidden: int = 4) -> tuple[Cell, Readout]:
    """A leaky unit bank with one known slow mode of 20 ms, and other weights by seed."""
    rng = np.random.default_rng(seed)
    rows = len(GATES[architecture]) * n_hidden
    weight_ih, weight_hh, bias = 0.2 * rng.normal(size=(rows, 3)), np.zeros((rows, n_hidden)), np.zeros(rows)
    weight_hh[-n_hidden:] = np.diag(np.exp(-bin_s / np.array([0.02, 0.01, 0.005, 0.003])))
    cell = Cell(architecture, weight_ih, weight_hh, bias, bias)
    return cell, Readout(rng.normal(size=(1, n_hidden)), np.zeros(1))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two units whose networks are put in place by hand: each fold's member of two architectures."""
    rng = np.random.default_rng(8)
    folder = tmp_path_factory.mktemp("dynamics")
    starts = np.arange(40) * 0.7 + 1.0
    units = tuple(Unit(name, np.sort(rng.uniform(0, 30, 600)), np.array([[0.0, 30.0]])) for name in ("a", "b/1"))
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(folder / "s.nwb", Recording(folder, "", 0, "nwb", units, intervals={"trials": trials}))
    flags = {"models": ["psth"], "out": folder / "runs", "replicates": 0, "report": False}
    job, loaded = make_job(folder / "s.nwb", resolve_settings(flags, environment={})[0])
    fit_recording(job, loaded)
    for unit in ("a", "b/1"):
        base = flat_or_psth(loaded.trials([unit]))
        for architecture, name in (("linear", "linear-rnn"), ("rnn", "rnn")):
            for test in range(5):
                cell, readout = decaying(architecture, 0.001, seed=test)
                scaling = Scaling(OWN_INPUTS, (0.0, 0.0, -3.0), (1.0, 1.0, 0.5))
                model = FittedRecurrent(name, cell, readout, scaling, 0.001, base, 50)
                model.save(model_folder(job, name, unit, None) / member_name(test, (test + 1) % 5))
    return job.folder


def test_rows_have_every_network_and_their_range(run_folder: Path) -> None:
    came, steps = [], []
    options = DynamicsOptions(units=("a",), models=("linear-rnn",), n_starts=32)
    rows = analyse_run(run_folder, options, progress=lambda *step: steps.append(step), on_rows=came.append)
    assert [row for each in came for row in each] == rows and len(came) == steps[-1][1] + 1
    assert steps[0][:2] == (0, len(came) - 1)
    networks, summary = [r for r in rows if r["seed"]], [r for r in rows if r["seed"] is None]
    assert len(networks) == 3 * 3 and len(summary) == 3
    assert {row["input"] for row in rows} == {"silent", "mean", "closed-loop"}
    silent = next(row for row in summary if row["input"] == "silent")
    assert silent["n_seeds"] == 3 and silent["slowest_tau_ms_low"] == pytest.approx(20)
    assert silent["slowest_tau_ms"] == silent["slowest_tau_ms_high"] == pytest.approx(20)
    assert silent["superposition"] < 1e-12 and silent["recording"] == "s"
    stored = [json.loads(line) for line in (run_folder / "dynamics" / "rows.jsonl").read_text().splitlines()]
    assert [row["seed"] for row in stored] == [row["seed"] for row in networks]
    member = run_folder / "dynamics" / "a" / "linear-rnn" / "test0-stop1"
    arrays = read_arrays(member / "silent.npz")
    assert arrays["jacobians"].shape == (1, 4, 4) and arrays["eigenvalues"].shape == (1, 4)
    assert (member / "state_space.png").is_file() and (member / "memory.png").is_file()
    pictures = list((run_folder / "dynamics" / "a" / "linear-rnn").rglob("*.png"))
    assert len(pictures) == 2  # of the first network of a unit and model
    memory = read_arrays(member / "memory.npz")
    assert np.allclose(memory["bend_sum"], memory["bend_both"], atol=1e-12)
    assert memory["gradient"].shape == memory["untrained_gradient"].shape and memory["input_names"][0] == "spike"


def test_members_with_different_held_out_trials_come_first(run_folder: Path) -> None:
    tasks = network_tasks(run_folder, DynamicsOptions(n_members=4))
    assert [(t.unit, t.model) for t in tasks[::4]] == [
        ("a", "linear-rnn"),
        ("a", "rnn"),
        ("b/1", "linear-rnn"),
        ("b/1", "rnn"),
    ]
    assert len({task.test for task in tasks[:4]}) == 4


def test_the_same_run_gives_the_same_bytes_for_any_number_of_workers(run_folder: Path) -> None:
    options = DynamicsOptions(units=("b/1",), models=("rnn",), n_members=2, n_starts=32, pictures=False)
    analyse_run(run_folder, options)
    files = [*(run_folder / "dynamics").rglob("*.npz"), run_folder / "dynamics" / "rows.jsonl"]
    first = [file.read_bytes() for file in files]
    with engine_for(2) as engine:
        analyse_run(run_folder, options, engine)
    assert first == [file.read_bytes() for file in files]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"units": ("z",)}, "no fitted unit z"),
        ({"models": ("lstm",)}, "no fitted lstm"),
        ({"models": ("glm",)}, "glm has no dynamics"),
    ],
)
def test_what_is_not_there_is_said(run_folder: Path, options: dict, text: str) -> None:
    with pytest.raises(RunError, match=text):
        network_tasks(run_folder, DynamicsOptions(**options))


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run"):
        analyse_run(tmp_path, QUICK)


def test_command_on_a_run(run_folder: Path) -> None:
    arguments = ["dynamics", str(run_folder), "--unit", "a", "-m", "rnn", "--members", "1", "--starts", "32"]
    result = CliRunner().invoke(cli, [*arguments, "--no-pictures", "--format", "jsonl"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert {row["input"] for row in rows} == {"silent", "mean", "closed-loop"}
    table = CliRunner().invoke(cli, [*arguments, "--no-pictures", "--format", "table"])
    assert "tau at the point" in table.stdout and "closed-loop" in table.stdout
