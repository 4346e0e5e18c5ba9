"""What a fit on a CPU leaves alone: torch takes longer to import than a small network to train."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FIT = """
import sys
from rnnspike.cli.main import main
arguments = ["fit", sys.argv[1], "--out", sys.argv[2], "--effort", "fast", "--replicates", "8", "--quiet"]
arguments += ["--window", "100ms", "500ms"]
try:
    main([*arguments, *(word for name in sys.argv[3:] for word in ("-m", name))])
except SystemExit as end:
    assert not end.code, end.code
print("torch" in sys.modules)
"""


def test_a_fit_on_a_cpu_does_without_torch(sample_data: Path, tmp_path: Path) -> None:
    networks = ("lstm", "gru", "rnn", "linear-rnn", "lru", "spike-lstm", "stack")
    done = subprocess.run(
        [sys.executable, "-c", FIT, str(sample_data / "human_motor_unit.nwb"), str(tmp_path), *networks],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("False\n")
    assert list(tmp_path.glob("*/report.html"))
