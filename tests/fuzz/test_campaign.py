"""Cases of the fuzzing suite (``python -m benchmarks.fuzz``), always the same ones: a hundred, more if slow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


READING = ["bytes", "nwb", "names", "queries"]


@pytest.mark.parametrize(("kinds", "n_cases"), [
    (READING, 92), (["runs"], 4),
    pytest.param(READING, 460, marks=pytest.mark.slow), pytest.param(["runs"], 40, marks=pytest.mark.slow),
])  # fmt: skip
def test_every_case_ends_as_it_should(tmp_path: Path, kinds: list[str], n_cases: int) -> None:
    command = [sys.executable, "-m", "benchmarks.fuzz", "--seed", "7", "--cases", str(n_cases), "--jsonl", "--kinds"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}  # as users have it
    done = subprocess.run([*command, *kinds], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    failed = [f"{v['kind']}:{v['seed']} {v['what'][:80]!r}: {v['faults']}" for v in verdicts if v["faults"]]
    assert not failed and len(verdicts) == n_cases, "\n".join([*failed[:20], done.stderr[-2000:]])
