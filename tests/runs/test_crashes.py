"""A fit that is killed, or refused a file operation, completes when it is begun again (all of them: benchmarks)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.crash_sweep import sweep


@pytest.mark.parametrize(("offset", "overwrite"), [(5, False), (20, True)])
def test_some_operations(tmp_path: Path, offset: int, overwrite: bool) -> None:
    found = list(sweep(tmp_path, stride=79, offset=offset, overwrite=overwrite))
    assert len({fault for _, fault, _ in found}) >= 3
    assert [case for case in found if case[2] is not None] == []


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_some_killed_processes() -> None:
    """In a process of its own, since fits are forked from it."""
    command = [sys.executable, "-m", "benchmarks.kill", "--kills", "6", "--seed", "1"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "\n0 of 6 kills failed" in done.stdout, done
