"""The tutorials run as they stand: their code, their assertions, and the output that they show."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("[0-9]*.md"))
FENCE = re.compile(r"^( *)```(python|bash|text)\n(.*?)^\1```$", re.M | re.S)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def blocks(page: Path) -> Iterator[tuple[str, str]]:
    """Language and text of each block, solutions included."""
    for found in FENCE.finditer(page.read_text()):
        yield found[2], textwrap.dedent(found[3])


def is_shown(shown: str, printed: str) -> bool:
    """Whether words are equal, and numbers to a tenth or two of the last decimal: processors differ a little."""
    if NUMBER.sub("#", " ".join(shown.split())) != NUMBER.sub("#", " ".join(printed.split())):
        return False
    numbers = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(abs(float(one) - float(other)) <= max(0.1 * abs(float(one)), 2 * digit(one)) for one, other in numbers)


def digit(number: str) -> float:
    """What one is in the last decimal of a number: .01 of 3.14; 0 of a whole number, which may be a count."""
    decimals = number.partition(".")[2].partition("e")[0]
    return 10.0 ** -len(decimals) if decimals else 0.0


def run_python(code: str, names: dict[str, Any]) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<tutorial>", "exec"), names)
    return out.getvalue()


def run_bash(code: str) -> str:
    done = subprocess.run(["bash", "-e", "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{code}\n{done.stderr}"
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_runs_and_prints_what_it_shows(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "sample_data", tmp_path / "sample_data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    names: dict[str, Any] = {"__name__": "tutorial"}
    printed = ""
    for language, text in blocks(page):
        if language == "text":
            assert is_shown(text, printed), f"shown:\n{text}\nprinted:\n{printed}"
        else:
            printed = run_python(text, names) if language == "python" else run_bash(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_it_asserts_and_ends_with_a_solved_exercise(page: Path) -> None:
    text = page.read_text()
    assert text.count("assert ") >= 3
    assert "\n## Exercise\n" in text and '\n??? example "Solution"\n' in text.partition("\n## Exercise\n")[2]


def test_the_output_of_another_fit_is_told_from_rounding() -> None:
    assert is_shown("glm 1.10", "glm   1.12\n")
    assert not is_shown("glm 1.10", "glm 1.40")
    assert not is_shown("glm 1.10", "lstm 1.10")
    assert not is_shown("failed 1", "failed 2")
