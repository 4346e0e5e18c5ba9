"""Settings of each recording from rnnspike.toml: in fit, psth and inspect, and as ``config show`` shows them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from rnnspike.cli.main import cli

TEXT = """models = ["constant", "psth"]
replicates = 0
folds = 3
report = false
[[recording]]
match = "mouse3_*"
window = [0, "400ms"]
[[recording]]
match = "*_day2.nwb"
models = ["constant"]
bin = "2ms"
report = true
"""
BLOCK = 'rnnspike.toml [[recording]] match = "mouse3_*"'
RECORDINGS = ("mouse3_day1.nwb", "mouse4_day1.nwb", "mouse3_day2.nwb")


@pytest.fixture(autouse=True)
def folder(session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three copies of a recording, and settings for some of them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    for name in RECORDINGS:
        shutil.copy(session, name)
    Path("rnnspike.toml").write_text(TEXT)
    return tmp_path


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0, (result.stderr, result.exception)
    return result


def contents(out: str) -> dict[str, bytes]:
    """All that a batch wrote, but where and when it was made."""
    files = (file for file in Path(out).rglob("*") if file.is_file() and file.name not in ("run.json", "lock"))
    return {str(file.relative_to(out)): file.read_bytes() for file in files}


def test_a_batch_has_the_settings_of_each_recording_with_any_engine() -> None:
    rows = [json.loads(line) for line in run("fit", *RECORDINGS, "--out", "one").stdout.splitlines()]
    assert {row["recording"] for row in rows if row["model"] == "psth"} == {"mouse3_day1", "mouse4_day1"}
    stored = {
        name: json.loads(Path(f"one/{name}/settings.json").read_text())["settings"] for name in map(stem, RECORDINGS)
    }
    assert stored["mouse3_day1"]["window"] == {"value": [0.0, 0.4], "source": BLOCK}
    assert stored["mouse4_day1"]["window"] == {"value": None, "source": "default"}
    assert stored["mouse3_day2"]["bin"]["source"] == 'rnnspike.toml [[recording]] match = "*_day2.nwb"'
    assert [Path(f"one/{name}/report.html").is_file() for name in map(stem, RECORDINGS)] == [False, False, True]

    run("fit", *RECORDINGS, "--out", "workers", "--task-timeout", "1h")  # in a process of its own
    for shard in ("1/2", "2/2"):
        run("fit", *RECORDINGS, "--out", "shards", "--shard", shard)
    assert contents("workers") == contents("one") == contents("shards")


def test_shards_of_one_recording_leave_its_settings_to_who_finishes_it() -> None:
    Path("lab").mkdir()
    Path("lab/a.toml").write_text(TEXT.replace("mouse3_*", f"{Path.cwd()}/mouse?_*"))
    path = str(Path(RECORDINGS[0]).absolute())
    run("fit", path, "--out", "one", "--config", "lab/a.toml")
    for shard in ("1/3", "2/3"):
        run("fit", path, "--out", "shards", "--shard", shard, "--config", "lab/a.toml")
    shutil.rmtree("lab")
    run("collect", "shards")
    assert contents("shards") == contents("one")
    source = json.loads(Path("one/mouse3_day1/settings.json").read_text())["settings"]["window"]["source"]
    assert source == f'a.toml [[recording]] match = "{Path.cwd()}/mouse?_*"'


def test_a_dry_run_lists_what_the_fit_would_do() -> None:
    def ids(*options: str) -> dict[str, str]:
        lines = map(json.loads, run("fit", *RECORDINGS, "--dry-run", *options).stdout.splitlines())
        return {line["recording"]: line["content_id"] for line in lines}

    own = ids()
    assert len(set(own.values())) == 3
    Path("rnnspike.toml").write_text(TEXT.split("[[recording]]")[0])
    assert own["mouse3_day1"] == ids("--window", "0", "400ms")["mouse3_day1"]
    assert own["mouse4_day1"] == ids()["mouse4_day1"] == ids()["mouse3_day1"]


def test_psth_takes_windows_and_queries_of_the_recording() -> None:
    lines = run("psth", *RECORDINGS[:2], "--draws", "100", "--step", "10ms", "--format", "csv").stdout.splitlines()
    assert [sum(f",{stem(name)}," in line for line in lines) for name in RECORDINGS[:2]] == [40, 50]
    lines = run("psth", RECORDINGS[0], "--draws", "100", "--step", "10ms", "--format", "csv", "--window", "0", "0.2")
    assert len(lines.stdout.splitlines()) == 21


def test_inspect_reads_as_the_recording_asks_for() -> None:
    Path("rnnspike.toml").write_text('[[recording]]\nmatch = "mouse4*"\ntime-scale = 2\n')
    rows = [json.loads(line) for line in run("inspect", *RECORDINGS[:2]).stdout.splitlines()]
    rates = {row["recording"]: row["rate_hz"] for row in rows if row["row"] == "unit"}
    assert rates[RECORDINGS[1]] == pytest.approx(rates[RECORDINGS[0]] / 2)


@pytest.mark.parametrize("command", [("fit", "--dry-run"), ("psth", "--draws", "100"), ("inspect",)])
def test_a_pattern_that_matches_no_recording_of_a_batch_is_told_once(command: tuple[str, ...]) -> None:
    Path("rnnspike.toml").write_text('[[recording]]\nmatch = "mouse33_*"\n')
    several = run(*command, *RECORDINGS).stderr
    assert several.count('[[recording]] match = "mouse33_*" matches none of the 3 recordings') == 1
    assert "matches none" not in run(*command, RECORDINGS[0]).stderr


@pytest.mark.parametrize("command", ["fit", "psth", "inspect"])
def test_a_block_that_cannot_be_used_ends_any_command(command: str) -> None:
    Path("rnnspike.toml").write_text('[[recording]]\nmatch = "other"\nbinn = "2ms"\n')
    result = CliRunner().invoke(cli, [command, RECORDINGS[0]])
    assert "match = \"other\": unknown setting 'binn', did you mean 'bin'?" in str(result.exception)


@pytest.mark.parametrize("command", [("fit", "--out", "runs"), ("psth", "--draws", "100")])
def test_an_error_of_a_block_names_recording_and_block(command: tuple[str, ...]) -> None:
    Path("rnnspike.toml").write_text(TEXT.replace('window = [0, "400ms"]', 'segment = "1s"\nwindow = [0, "400ms"]'))
    done = CliRunner().invoke(cli, [*command, *RECORDINGS[:2]])
    assert done.exit_code == 1 and "mouse4_day1" in done.stdout
    (line,) = [line for line in done.stderr.splitlines() if "--segment cuts" in line]
    assert line.startswith("rnnspike: error: mouse3_day1.nwb: --segment cuts") and BLOCK in line


def shown(*arguments: str) -> dict[str, dict[str, Any]]:
    lines = run("config", "show", "--format", "jsonl", *arguments).stdout.splitlines()
    return {row.pop("setting"): row for row in map(json.loads, lines)}


def test_the_settings_of_a_recording_are_shown_with_their_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNSPIKE_FOLDS", "7")
    rows = shown("elsewhere/mouse3_day9.nwb")
    assert (rows["window"]["value"], rows["window"]["source"]) == ([0.0, 0.4], BLOCK)
    assert [rows[name]["source"] for name in ("folds", "replicates", "bin")] == [
        "RNNSPIKE_FOLDS",
        "rnnspike.toml",
        "default",
    ]


def test_without_a_recording_what_holds_for_all_is_shown_and_that_there_is_more() -> None:
    assert shown()["window"]["source"] == "default"
    result = run("config", "show", "--format", "table")
    assert "2 [[recording]] blocks have settings for some recordings only" in result.stderr
    assert "constant psth" in result.stdout


def stem(name: str) -> str:
    return Path(name).stem
