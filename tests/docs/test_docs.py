"""The documentation names what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rnnspike.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]


def test_every_page_is_in_the_navigation() -> None:
    pages = {page.name for page in (ROOT / "docs").glob("*.md")}
    assert pages == set(re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M))


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_commands_and_options_that_are_named_exist(page: Path) -> None:
    import importlib

    text = page.read_text()
    options = {"--help", "--debug", "--version"}
    for module, _ in COMMANDS.values():
        command = importlib.import_module(module).command
        for each in [command, *getattr(command, "commands", {}).values()]:
            options |= {name for parameter in each.params for name in parameter.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--array", "--cpus-per-task"}
    assert named <= options
    assert set(re.findall(r"`?rnnspike ([a-z]+) ", text)) & set(
        re.findall(r"^ +rnnspike ([a-z]+)", text, re.M)
    ) <= set(COMMANDS)
