"""What a notebook imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rnnspike
from tests.report.conftest import small_run


def test_every_public_name_is_there() -> None:
    for name in rnnspike.__all__:
        assert getattr(rnnspike, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rnnspike.nothing


def test_rooms_other_than_dynamics_are_imported_by_their_whole_name() -> None:
    import rnnspike.nwb_export.nwb as room

    assert room.export_nwb is not None and callable(rnnspike.export)


def test_modules_of_dynamics_are_imported_from_it() -> None:
    from rnnspike.dynamics import analyse

    assert analyse.__name__ == "rnnspike.dynamics.analyse" and callable(rnnspike.dynamics)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, rnnspike; print([m for m in ('numpy', 'torch', 'pandas', 'plotly') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_interface_imports_no_package_whose_objects_it_takes() -> None:
    code = (
        "import sys, rnnspike; rnnspike.fit, rnnspike.inspect, rnnspike.as_recording; "
        "print([m for m in ('torch', 'neo', 'pynapple', 'spikeinterface', 'plotly', 'pynwb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fit_in_one_call(tmp_path: Path) -> None:
    options = rnnspike.SessionOptions(n_trials=12, duration_s=0.5, seed=3)
    path = tmp_path / "cell.nwb"
    rnnspike.simulate_cell("refractory", 1, options).write(path)
    seen: list[int] = []
    folder = rnnspike.fit(
        path,
        models=("psth", "glm"),
        effort="fast",
        out=tmp_path / "runs",
        replicates=0,
        progress=lambda done, total, label: seen.append(total - done),
    )
    assert {row["model"] for row in rnnspike.read_rows(folder)} >= {"constant", "psth", "psth-gain", "glm", "oracle"}
    assert (folder / "report.html").is_file()
    assert seen[-1] == 0


def test_paths_as_text(tmp_path: Path) -> None:
    from rnnspike.report.load import load_run

    run_folder = small_run(tmp_path)
    rows = rnnspike.read_rows(str(run_folder))
    assert rows == load_run(str(run_folder)).rows
    assert next(rnnspike.compare_stored([str(run_folder)]))["n_units"] == 2
    assert rnnspike.reopen(str(run_folder)).units == ["0", "1"]
    assert rnnspike.build_report(str(run_folder)) == run_folder / "report.html"
