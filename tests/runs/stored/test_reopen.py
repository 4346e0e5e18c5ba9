"""A run is data: what it names is read as a recording, and nothing in it is run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.config import FitSettings
from rnnspike.errors import RnnspikeError, RunError
from rnnspike.runs.rows import SCHEMA
from rnnspike.runs.stored.reopen import reopen, stored_settings
from rnnspike.runs.stored.store import write_json


def run_folder(folder: Path, recording: object, **settings: Any) -> Path:
    """Write the files of a run that ``reopen`` reads, as a stranger could."""
    values = FitSettings().model_dump(mode="json") | settings
    write_json(folder / "done.json", {"schema": SCHEMA, "id": "0", "units": ["a"]})
    stored = {name: {"value": value, "source": "flag"} for name, value in values.items()}
    write_json(folder / "settings.json", {"settings": stored})
    write_json(folder / "run.json", {"input": str(recording), "sha256": "0"})
    return folder


def spike_times(folder: Path) -> Path:
    """Write a recording of one unit."""
    np.savetxt(folder / "spikes.txt", np.arange(0.0, 60.0, 0.2))
    return folder / "spikes.txt"


class Touch:
    """What makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_run_does_not_allow_its_pickle(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(Touch(tmp_path / "ran")))
    run = run_folder(tmp_path / "run", tmp_path / "a.pkl", allow_pickle=True)
    simulate = ["simulate", str(run), "--model", "glm", "--out", str(tmp_path / "o.nwb")]
    told = [CliRunner().invoke(cli, command) for command in (["dynamics", str(run)], simulate)]
    assert "pickles can run code" in told[0].output and "(try --allow-pickle)" in str(told[1].exception)
    assert not (tmp_path / "ran").exists()
    assert stored_settings(run, {"allow_pickle": True}).allow_pickle and not stored_settings(run, {}).allow_pickle


@pytest.mark.parametrize("query", ["@pd.io.common.os.mkdir('{}') == 0", "id.to_csv('{}') == 0"])
def test_a_query_of_a_run_is_not_run(tmp_path: Path, query: str) -> None:
    run = run_folder(tmp_path / "run", spike_times(tmp_path), segment=1, units=query.format(tmp_path / "ran"))
    with pytest.raises(RnnspikeError, match="--units"):
        reopen(run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("named", ["/etc/passwd", "/dev/zero", "fifo", "", "/"])
def test_what_is_no_recording_is_told(tmp_path: Path, named: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    for run in (
        run_folder(tmp_path / "a", tmp_path / named),
        run_folder(tmp_path / "b", tmp_path / "fifo", events=str(tmp_path / named)),
    ):
        with pytest.raises(RnnspikeError):
            reopen(run)


def test_a_fifo_as_events_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(RnnspikeError, match="the events file is not a regular file"):
        reopen(run_folder(tmp_path / "run", spike_times(tmp_path), events=str(tmp_path / "fifo")))


@pytest.mark.parametrize("settings", [{"folds": -1}, {"nope": 1}, {"models": ["../../x"]}, {"device": "cuda:$(ls)"}])
def test_settings_that_no_fit_has_are_one_line(tmp_path: Path, settings: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"settings\.json: is damaged"):
        stored_settings(run_folder(tmp_path, "x.nwb", **settings), {})
    (tmp_path / "settings.json").write_text(json.dumps([1]))
    with pytest.raises(RunError, match=r"settings\.json: is damaged"):
        stored_settings(tmp_path, {})
