"""The ``rnnspike`` group: commands are imported only when called, so that ``--help`` stays quick."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from rnnspike._version import __version__
from rnnspike.errors import ExitCode, RnnspikeError
from rnnspike.threads import ask_for_one_thread

#: Command -> (module, one-line help): shown by ``--help`` without importing the module.
COMMANDS: dict[str, tuple[str, str]] = {
    "inspect": (
        "rnnspike.cli.inspect",
        "What a recording holds, what is odd in it, and the fit line to use.",
    ),
    "psth": ("rnnspike.cli.psth", "PSTHs with simultaneous bands, as table, jsonl, csv or picture."),
    "fit": ("rnnspike.cli.fit", "The main job: the ladder of models, held-out scores, a run directory."),
    "report": ("rnnspike.cli.report", "The report again from stored runs; several runs give a comparison."),
    "compare": ("rnnspike.cli.compare", "Pairs of models over units and recordings, hierarchical interval."),
    "dynamics": (
        "rnnspike.cli.dynamics",
        "Fixed points, time constants and rhythms of the trained networks.",
    ),
    "simulate": ("rnnspike.cli.simulate", "Trials from a fitted model or a simulated cell, as NWB."),
    "config": ("rnnspike.cli.config", "Settings in force and where each comes from."),
    "completion": ("rnnspike.cli.completion", "Shell completion for bash, zsh or fish."),
}

EPILOG = "Exit codes: " + ", ".join(
    f"{code.value} {text}"
    for code, text in {
        ExitCode.OK: "done",
        ExitCode.SOME_FAILED: "some recording failed, the others kept",
        ExitCode.USAGE: "usage",
        ExitCode.BAD_INPUT: "bad input or config, nothing was run",
        ExitCode.NOTHING_USABLE: "nothing usable under --strict",
        ExitCode.INTERRUPTED: "interrupted",
        ExitCode.CLOSED_PIPE: "closed pipe",
        ExitCode.TERMINATED: "terminated, checkpoint saved",
    }.items()
)


class _ClosedPipe(Exception):
    """stdout was closed by its reader (click would turn the plain error into exit code 1)."""


class LazyGroup(click.Group):
    """A group whose commands live in modules named by ``COMMANDS``, each with an object ``command``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a closed pipe leaves as ``_ClosedPipe``."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError as error:
            raise _ClosedPipe from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order a user meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its ``command``."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from ``COMMANDS``, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EPILOG,
)
@click.version_option(__version__, "--version", prog_name="rnnspike")
@click.option("--debug", is_flag=True, help="Show a traceback when something fails.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """How much of your units' single-trial spiking is memory, and which model has captured it.

    \b
    Examples:
      rnnspike inspect session.nwb
      rnnspike fit session.nwb
      rnnspike fit *.nwb -j 8 --out runs | jq .bits_per_spike
      ls *.nwb | rnnspike fit - --window -0.2 1.0 --align stimulus_on
    """
    ctx.obj = {"debug": debug}


def _terminated(signum: int, frame: object) -> NoReturn:
    raise SystemExit(ExitCode.TERMINATED)


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and leave with the documented exit code (``ExitCode``)."""
    arguments = sys.argv[1:] if argv is None else argv
    signal.signal(signal.SIGTERM, _terminated)
    ask_for_one_thread()
    try:
        code: Any = cli.main(args=arguments, prog_name="rnnspike", standalone_mode=False)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("rnnspike: interrupted", err=True)
        code = ExitCode.INTERRUPTED
    except _ClosedPipe:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.CLOSED_PIPE
    except RnnspikeError as error:
        if "--debug" in arguments:
            raise
        click.echo(f"rnnspike: {error}", err=True)
        code = error.exit_code
    sys.exit(int(code or 0))
