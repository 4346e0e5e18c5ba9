"""The documentation names what there is."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rnnspike.cli.main import COMMANDS, cli
from rnnspike.recording.findings import FINDINGS
from rnnspike.runs.rows import reference
from tests.docs import cli_page

ROOT = Path(__file__).parents[2]
#: Options of other programs that the pages show.
OTHERS = {"--array", "--nthreads", "--nworkers", "--cores", "--keep-going"}
#: Commands of benchmarks, which have options of their own.
OF_BENCHMARKS = r"python (?:-m )?benchmarks[^`\n]*"


def test_every_page_is_in_the_navigation() -> None:
    pages = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert pages == set(re.findall(r'= "([\w/-]+\.md)"', (ROOT / "zensical.toml").read_text()))


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    text = re.sub(OF_BENCHMARKS, "", page.read_text())
    options = {"--help", "--debug", "--version"}
    for module, _ in COMMANDS.values():
        command = importlib.import_module(module).command
        for each in [command, *getattr(command, "commands", {}).values()]:
            options |= {name for parameter in each.params for name in (*parameter.opts, *parameter.secondary_opts)}
    named = set(re.findall(r"(?<![\w-])--[a-z]+(?:-[a-z]+)*(?![\w-])", text)) - OTHERS
    assert named <= options
    assert set(re.findall(r"^(?: {4}|exec )rnnspike ([a-z]+)", text, re.M)) <= set(COMMANDS)


def test_the_table_of_commands_is_that_of_the_program() -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    shown = dict(re.findall(r"^\| \[`rnnspike (\w+)`\]\(#rnnspike-\w+\) \| (.*) \|$", text, re.M))
    assert shown == {name: text for name, (_, text) in COMMANDS.items()}
    assert set(shown) == set(cli.list_commands(click.Context(cli)))


def test_the_reference_is_what_help_prints() -> None:
    # in a process of its own: click keeps the help option of the first call of a command
    code = "from tests.docs.cli_page import page; print(page())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert cli_page.PAGE.read_text().split() == done.stdout.split()


def test_the_page_of_columns_is_generated_from_their_declaration() -> None:
    assert (ROOT / "docs" / "rows.md").read_text() == reference() + "\n"


def test_every_finding_is_in_the_table_of_findings() -> None:
    rows = re.findall(
        r"^\| `(\S+)` \| (\w+) \| (.*) \| (?:`(.*)`)? ?\|$", (ROOT / "docs" / "bad_inputs.md").read_text(), re.M
    )
    shown = {name: (level, meaning, option or None) for name, level, meaning, option in rows}
    assert shown == {kind.id: (kind.level, kind.meaning, kind.option) for kind in FINDINGS.values()}


def test_pictures_are_there_and_small() -> None:
    text = "".join((ROOT / "docs" / page).read_text() for page in ("report.md", "index.md", "gallery.md"))
    shown = set(re.findall(r"\]\(figures/(\S+)\)", text))
    stored = {file.name: file.stat().st_size for file in (ROOT / "docs" / "figures").iterdir()}
    assert shown == set(stored)
    assert max(stored.values()) < 60_000


def test_documented_python_exists() -> None:
    for name in re.findall(r"^::: (rnnspike\S+)$", (ROOT / "docs" / "api.md").read_text(), re.M):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            assert hasattr(importlib.import_module(module), attribute), name


def test_exit_codes_are_those_of_the_program() -> None:
    from rnnspike.errors import ExitCode

    text = (ROOT / "docs" / "batches.md").read_text()
    shown = {int(code) for codes in re.findall(r"^\| ([\d, ]+) \| ", text, re.M) for code in codes.split(",")}
    assert shown <= {code.value for code in ExitCode}
    assert {0, 1, 2, 3, 4} <= shown


def test_files_that_contributors_are_sent_to_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    named = re.findall(r"`((?:rnnspike|tests|docs)/[^`*]*)`", text)
    assert len(named) > 20
    assert [name for name in named if "/a/" not in name and not (ROOT / name).exists()] == []
