"""The reference in ``docs/cli.md`` is what ``--help`` prints: ``python tests/docs/cli_page.py`` writes it again."""

from __future__ import annotations

from pathlib import Path

import click

from rnnspike.cli.main import cli

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"
MARK = "<!-- From here on, what --help prints: python tests/docs/cli_page.py -->\n"
WIDTH = 90  # of a page's column


def commands(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Names and help texts of a command and of those below it."""
    texts = [(context.command_path, command.get_help(context))]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            texts += commands(below, click.Context(below, info_name=name, parent=context))
    return texts


def page() -> str:
    """The page with its reference renewed."""
    settings = {**cli.context_settings, "terminal_width": WIDTH}
    texts = commands(cli, click.Context(cli, info_name="rnnspike", **settings))
    head, _, _ = PAGE.read_text().partition(MARK)
    return head + MARK + "".join(f"\n## {name}\n\n```text\n{text}\n```\n" for name, text in texts)


if __name__ == "__main__":
    PAGE.write_text(page())
