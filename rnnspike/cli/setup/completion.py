"""``rnnspike completion``: the shell's completion script."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from rnnspike.cli.terminal.output import emit


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      eval "$(rnnspike completion bash)"
      rnnspike completion fish > ~/.config/fish/completions/rnnspike.fish
    """
    from rnnspike.cli.main import cli

    complete = get_completion_class(shell)
    assert complete is not None
    emit(complete(cli, {}, "rnnspike", "_RNNSPIKE_COMPLETE").source() + "\n")
