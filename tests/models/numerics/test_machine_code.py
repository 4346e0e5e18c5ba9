"""Machine code on disk goes with all compiled sources, and never ends a fit."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rnnspike.models.numerics import functions, machine_code

PROBE = """
import numpy as np
from rnnspike.models.numerics.compilation import compiled
from rnnspike.models.numerics.functions import tanh

@compiled
def probe(x):
    return tanh(x)
"""
ASK = """
import numpy as np
from rnnspike.models.numerics.probe_loops import probe
print(probe(np.float32(0.5)), sum(probe.stats.cache_hits.values()))
"""


def ask(folder: Path) -> tuple[float, int]:
    """Return what the probe of a copy of the package gives in a new process, and how often its code was kept."""
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | {
        "PYTHONPATH": str(folder)
    }
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=env, cwd=folder, capture_output=True, text=True, check=True
    )
    value, hits = done.stdout.split()
    return float(value), int(hits)


@pytest.fixture
def copy(tmp_path):
    """A copy of what a compiled function needs, with one that calls another file's."""
    for name in ("__init__.py", "_version.py", "files.py", "models/__init__.py", "models/numerics"):
        source, target = machine_code.PACKAGE / name, tmp_path / "rnnspike" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    (tmp_path / "rnnspike/models/numerics/probe_loops.py").write_text(PROBE)
    return tmp_path


def test_a_change_of_a_function_reaches_those_that_call_it(copy):
    assert ask(copy) == (pytest.approx(np.tanh(0.5), rel=1e-6), 0)
    assert ask(copy)[1] == 1
    changed = copy / "rnnspike/models/numerics/functions.py"
    changed.write_text(changed.read_text().replace("return x * over / under", "return np.float32(3.0)"))
    assert ask(copy) == (3.0, 0)


def test_every_compiled_file_is_part_of_the_key():
    decorated = {path for path in machine_code.PACKAGE.rglob("*.py") if "\n@compiled\n" in path.read_text()}
    assert decorated
    assert decorated <= set(machine_code.sources())


def test_the_first_folder_that_can_be_written_is_taken(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    folders = (tmp_path / "file" / "compiled-1", tmp_path / "user" / "compiled-1")
    monkeypatch.setattr(machine_code, "folders", lambda: folders)
    assert machine_code.writable_folder.__wrapped__() == folders[1]
    monkeypatch.setattr(machine_code, "folders", lambda: folders[:1])
    assert machine_code.writable_folder.__wrapped__() is None


def test_places_are_numbas_then_the_package_then_the_users(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/n")
    monkeypatch.setenv("XDG_CACHE_HOME", "/c")
    assert list(machine_code.places()) == [Path("/n"), machine_code.PACKAGE / "__pycache__", Path("/c/rnnspike")]


def test_old_folders_are_cleared_but_the_last_two(tmp_path):
    for age in range(4):
        (tmp_path / f"compiled-{age}").mkdir()
        os.utime(tmp_path / f"compiled-{age}", (1e9 - age, 1e9 - age))
    machine_code.clear_old(tmp_path / "compiled-3")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["compiled-0", "compiled-1", "compiled-3"]


@pytest.mark.parametrize("content", [None, b"", b"cut short", b"\x80\x63abc", b"cnowhere\nnothing\n."])
def test_code_that_cannot_be_read_or_written_is_compiled_anew(tmp_path, monkeypatch, content):
    code, target = machine_code.MachineCode(functions.tanh), functions.tanh.targetctx
    monkeypatch.setattr(machine_code, "folders", lambda: (tmp_path,))
    monkeypatch.setattr(machine_code, "writable_folder", lambda: None)
    if content is not None:
        (tmp_path / code._file_name("signature", target.codegen())).write_bytes(content)
    assert code.load_overload("signature", target) is None
    code.save_overload("signature", SimpleNamespace(codegen=target.codegen()))


@pytest.mark.parametrize(
    ("module", "seconds", "n_lines"), [("rnnspike.a", 1.5, 1), ("rnnspike.a", 0.5, 0), ("b", 9, 0)]
)
def test_long_compiling_is_told_once(module, seconds, n_lines, monkeypatch, caplog):
    clock = iter(np.arange(0.0, 100.0, seconds))
    monkeypatch.setattr(machine_code.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(machine_code, "told_elsewhere", lambda: False)
    told = machine_code._Told()
    happened = SimpleNamespace(data={"dispatcher": SimpleNamespace(py_func=SimpleNamespace(__module__=module))})
    with caplog.at_level(logging.INFO, "rnnspike"):
        for _ in range(3):
            told.on_start(happened)
            told.on_end(happened)
    assert [record.message for record in caplog.records] == [machine_code.MESSAGE] * n_lines


def test_one_process_tells_for_all(tmp_path, monkeypatch):
    monkeypatch.setattr(machine_code, "writable_folder", lambda: tmp_path)
    assert not machine_code.told_elsewhere()
    assert machine_code.told_elsewhere()
    os.utime(tmp_path / "told", (1e9, 1e9))
    assert not machine_code.told_elsewhere()
