"""The command line as a whole: quick help, exit codes, documentation of every command."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from rnnspike.cli.main import COMMANDS, RESUMES, STARTS_OVER, _resume_hint, main

HEAVY = ("torch", "pandas", "pynwb", "neo", "plotly", "matplotlib", "scipy", "h5py")


def run(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "rnnspike", *arguments]
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom rnnspike.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    result = run(code=code)
    assert result.stderr.strip() == "[]"
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", ["config", "completion", "fit"])
def test_help_of_commands_starts_with_examples(name: str) -> None:
    result = run(name, "--help")
    assert result.returncode == 0
    assert "Examples:" in result.stdout


def test_usage_errors_exit_with_2() -> None:
    assert run("fit").returncode == 2
    assert run("nonsense").returncode == 2


def test_bad_input_is_one_line_and_exits_with_3(tmp_path) -> None:
    result = run("fit", str(tmp_path / "absent.nwb"))
    assert result.returncode == 3
    assert "absent.nwb" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["inspect", "psth", "fit", "compare"])
def test_an_empty_list_on_stdin_is_wrong_use(name: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    with pytest.raises(SystemExit) as left:
        main([name, "-"])
    assert left.value.code == 2 and "no recordings on stdin" in capsys.readouterr().err


def test_a_warning_ends_a_child_process_of_the_tests() -> None:
    """As it ends a test: nothing that numpy warns of reaches standard error unseen."""
    result = run(code="import numpy as np; np.zeros(1) / np.zeros(1)")
    assert result.returncode == 1 and "RuntimeWarning" in result.stderr


@pytest.mark.parametrize(("said", "meant"), [("ft", "fit"), ("inspct", "inspect"), ("psht", "psth")])
def test_a_command_that_is_not_known_names_the_one_that_may_be_meant(said: str, meant: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main([said])
    assert ended.value.code == 2 and f"Did you mean {meant}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["fit", "a.nwb"], ": the same command continues where it stopped"),
        (["score", "a.nwb", "--overwrite"], ": the same command without --overwrite continues where it stopped"),
        (["--debug", "collect", "runs"], ": the same command continues where it stopped"),
        (["dynamics", "run"], ": the same command starts over"),
        (["fit", "a.nwb", "--dry-run"], ""),
        (["inspect", "a.nwb"], ""),
    ],
)
def test_what_the_same_command_does_after_an_interruption(words: list[str], hint: str) -> None:
    assert _resume_hint(words) == hint


def test_every_command_is_told_to_go_on_or_to_start_over_at_most_once() -> None:
    assert not set(RESUMES) & set(STARTS_OVER) and {*RESUMES, *STARTS_OVER} <= set(COMMANDS)
