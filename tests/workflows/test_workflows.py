"""The scripts for clusters and pipelines do what they say, on small recordings."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import session  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
ARRAY, SNAKEFILE, DASK = (ROOT / "workflows" / name for name in ("fit_array.sh", "Snakefile", "dask_cluster.py"))
OPTIONS = ["--replicates", "0", "-m", "constant", "--folds", "3", "--no-report"]


@pytest.fixture
def recordings(session: Path, tmp_path: Path) -> Path:  # noqa: F811
    """A list of three recordings, one of them bad."""
    paths = [tmp_path / f"{name}.nwb" for name in ("a 1", "bad", "c")]
    for path in paths:
        shutil.copy(session, path)
    paths[1].write_bytes(b"not a recording")
    listed = tmp_path / "recordings.txt"
    listed.write_text("".join(f"{path}\n" for path in paths))
    return listed


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Commands of this checkout, and a queue that writes down what it is told."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {
        "rnnspike": f'exec "{sys.executable}" -m rnnspike "$@"',
        "scontrol": f'echo "$@" >> "{tmp_path}/requeued"',
    }.items():
        (folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / name).chmod(0o755)
    path = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}


def array_task(environment: dict[str, str], number: int, of: int) -> dict[str, str]:
    names = {"ID": number, "MIN": 1, "MAX": of, "COUNT": of}
    variables = {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in names.items()}
    return {**environment, **variables, "SLURM_ARRAY_JOB_ID": "77"}


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_array_script_is_sound() -> None:
    assert subprocess.run(["bash", "-n", str(ARRAY)], check=False).returncode == 0
    shellcheck = shutil.which(
        "shellcheck", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if shellcheck is None:
        pytest.skip("shellcheck is not installed")
    done = subprocess.run([shellcheck, str(ARRAY)], capture_output=True, text=True, check=False)
    assert done.stdout == ""


def test_the_array_fits_its_parts(recordings: Path, environment: dict[str, str], tmp_path: Path) -> None:
    command = ["bash", str(ARRAY), str(recordings), str(tmp_path / "runs"), *OPTIONS]
    codes = [
        subprocess.run(command, env=array_task(environment, k, 2), capture_output=True, check=False).returncode
        for k in (1, 2)
    ]
    assert codes == [0, 3]  # the second has the bad recording alone
    out = ["rnnspike", "collect", str(tmp_path / "runs"), "--out", str(tmp_path / "rows.csv")]
    subprocess.run(out, env=environment, check=True, capture_output=True)
    assert [row["recording"] for row in rows_of(tmp_path / "rows.csv")] == ["a%201", "a%201", "c", "c"]


def test_an_array_task_whose_time_is_over_goes_back_into_the_queue(
    recordings: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """SIGTERM to the shell alone, as SLURM's --signal=B: sends it."""
    more = ["-v", "-m", "renewal", "-m", "spike-lstm"]
    command = ["bash", str(ARRAY), str(recordings), str(tmp_path / "runs"), *OPTIONS, *more]
    child = subprocess.Popen(command, env=array_task(environment, 1, 1), stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert any("folds" in line for line in child.stderr)
    child.send_signal(signal.SIGTERM)
    _, stderr = child.communicate(timeout=120)
    assert child.returncode == 143, stderr
    assert "the same command continues where it stopped" in stderr
    assert (tmp_path / "requeued").read_text() == "requeue 77_1\n"


@pytest.mark.slow
def test_the_snakefile_fits_good_recordings_beside_bad_ones(
    recordings: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    """One is damaged, one is missing; two have the same name, with braces in it."""
    (tmp_path / "day2").mkdir()
    same = [tmp_path / "e{x}.nwb", tmp_path / "day2" / "e{x}.nwb"]
    for path in same:
        shutil.copy(tmp_path / "c.nwb", path)
    with recordings.open("a") as listed:
        listed.writelines(f"{path}\n" for path in (tmp_path / "missing.nwb", *same))
    if shutil.which("snakemake", path=environment["PATH"]) is None:
        pytest.skip("snakemake is not installed")
    chosen = [f"recordings={recordings}", "out=runs", f"options={' '.join(OPTIONS)}"]
    command = ["snakemake", "-s", str(SNAKEFILE), "--cores", "2", "--keep-going", "--config", *chosen]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    fitted = [row["recording"] for row in rows_of(tmp_path / "runs.csv")]
    assert sorted(fitted) == ["a%201"] * 2 + ["c"] * 2 + ["e%7Bx%7D"] * 4, done.stderr
    assert "missing.nwb" in (tmp_path / "runs.log" / "00004-missing.txt").read_text()
    assert "bad.nwb" in (tmp_path / "runs.log" / "00002-bad.txt").read_text()
    again = subprocess.run(
        [*command, "--dry-run"], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert "wildcards: job=00002-bad" in again.stdout and "wildcards: job=00001" not in again.stdout


@pytest.mark.slow
def test_the_dask_recipe_fits_good_recordings_beside_a_bad_one(
    recordings: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    fit = ["rnnspike", "fit", "--files-from", str(recordings), "--out", str(tmp_path / "runs"), *OPTIONS]
    command = [sys.executable, str(DASK), "--local", "2", "--", *fit, "--format", "csv"]
    begun = time.monotonic()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1 and "bad.nwb" in done.stderr, (done.stderr, time.monotonic() - begun)
    assert [row.split(",")[1] for row in done.stdout.splitlines()[1:]] == ["a%201", "a%201", "bad", "c", "c"]
