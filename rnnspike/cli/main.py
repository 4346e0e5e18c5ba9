"""The ``rnnspike`` group: commands are imported only when called, so that ``--help`` is fast."""

from __future__ import annotations

import atexit
import importlib
import signal
import sys
from contextlib import suppress
from difflib import get_close_matches
from io import TextIOWrapper
from typing import Any, NoReturn

import click

from rnnspike._version import __version__
from rnnspike.cli.terminal.output import flush_results, open_streams, say, silence
from rnnspike.cli.terminal.signals import ending_by_signals
from rnnspike.errors import ExitCode, RnnspikeError
from rnnspike.names import in_message
from rnnspike.threads import ask_for_one_thread

#: Command -> (module, one-line help): shown by ``--help`` without importing the module.
COMMANDS: dict[str, tuple[str, str]] = {
    "inspect": (
        "rnnspike.cli.inspect",
        "Contents of a recording, its problems, and the fit command to use.",
    ),
    "psth": ("rnnspike.cli.psth", "PSTHs with simultaneous bands, as table, jsonl, csv or picture."),
    "fit": ("rnnspike.cli.fit", "Fit the ladder of models: held-out scores, a report, a run directory."),
    "collect": (
        "rnnspike.cli.results.collect",
        "Finish runs begun by shards; one table over all runs, as CSV, jsonl or Parquet.",
    ),
    "report": (
        "rnnspike.cli.results.report",
        "Write the report of stored runs again; several runs give a comparison.",
    ),
    "compare": (
        "rnnspike.cli.results.compare",
        "Compare models over units and recordings, with intervals over recordings.",
    ),
    "dynamics": (
        "rnnspike.cli.dynamics",
        "Fixed points, time constants and rhythms of the trained networks.",
    ),
    "cosmooth": (
        "rnnspike.cli.cosmooth",
        "How well each unit is predicted from the others, over whole trials held out.",
    ),
    "decode": (
        "rnnspike.cli.decode",
        "Which condition was it: decoding of single trials, with chance and intervals.",
    ),
    "score": ("rnnspike.cli.score", "Rates of any other model through the same held-out scores, checks and report."),
    "simulate": ("rnnspike.cli.simulate", "Trials from a fitted model or a simulated cell, as NWB."),
    "export": (
        "rnnspike.cli.results.export",
        "Results of a run as NWB: columns of the units table, held-out intensities.",
    ),
    "cite": ("rnnspike.cli.results.cite", "A methods section for a run, made from its settings, with references."),
    "config": ("rnnspike.cli.setup.config", "Settings in effect, and the source of each."),
    "completion": ("rnnspike.cli.setup.completion", "Shell completion for bash, zsh or fish."),
}

#: Commands that keep what they have done, and commands of long work that do not.
RESUMES = ("fit", "score", "collect")
STARTS_OVER = ("psth", "cosmooth", "decode", "dynamics", "simulate")

EPILOG = "Exit codes: " + ", ".join(
    f"{code.value} {text}"
    for code, text in {
        ExitCode.OK: "done",
        ExitCode.SOME_FAILED: "some recordings failed, the others are kept",
        ExitCode.USAGE: "usage",
        ExitCode.BAD_INPUT: "bad input or config, nothing was run",
        ExitCode.NOTHING_USABLE: "nothing usable under --strict",
        ExitCode.HUNG_UP: "terminal closed",
        ExitCode.INTERRUPTED: "interrupted",
        ExitCode.CLOSED_PIPE: "closed pipe",
        ExitCode.TERMINATED: "terminated",
    }.items()
)


class _ClosedPipe(Exception):
    """stdout was closed by its reader (click would exit with code 1)."""


class LazyGroup(click.Group):
    """A group whose commands live in modules named by ``COMMANDS``, each with an object ``command``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a closed pipe raises ``_ClosedPipe``."""
        try:
            result = super().invoke(ctx)
            flush_results()
            return result
        except BrokenPipeError as error:
            raise _ClosedPipe from error

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its ``command``."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(COMMANDS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of a name; of one that is not known, say which may be meant."""
        near = (
            [] if args[0] in COMMANDS or args[0].startswith("-") else get_close_matches(args[0], COMMANDS, cutoff=0.5)
        )
        if near and not ctx.resilient_parsing:
            ctx.fail(f"No such command {args[0]!r}. Did you mean {' or '.join(near)}?")
        return super().resolve_command(ctx, args)

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
    """Measure how much of single-trial spiking depends on past spikes, and which models capture it.

    \b
    Examples:
      rnnspike inspect session.nwb
      rnnspike fit session.nwb
      rnnspike fit *.nwb -j 8 --out runs | jq .bits_per_spike
      ls *.nwb | rnnspike fit - --window -0.2 1.0 --align stimulus_on
    """
    ctx.obj = {"debug": debug}


def main(argv: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with the documented code (``ExitCode``)."""
    arguments = sys.argv[1:] if argv is None else argv
    open_streams()
    ask_for_one_thread()
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be UTF-8
    with ending_by_signals(lambda why: say(f"rnnspike: {why}{_resume_hint(arguments)}")) as stop:
        try:
            code = _run(arguments)
        except (KeyboardInterrupt, click.Abort):
            code = ExitCode.INTERRUPTED
        finally:
            if stop.ending is not None:  # any other error was caused by the signal
                stop.leave(stop.ending)
    atexit.register(
        signal.signal, signal.SIGINT, signal.SIG_IGN
    )  # nothing is left to interrupt: Python is shutting down
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    """Run the command line and return its exit code; every expected failure is one line on stderr."""
    try:
        return int(cli.main(args=arguments, prog_name="rnnspike", standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        return ExitCode.USAGE
    except _ClosedPipe:
        silence(sys.stdout)
        return ExitCode.CLOSED_PIPE
    except (RnnspikeError, OSError) as error:
        if "--debug" in arguments:
            raise
        if isinstance(error, OSError):
            silence(sys.stdout)
        say(f"rnnspike: {in_message(str(error))}")
        return error.exit_code if isinstance(error, RnnspikeError) else ExitCode.SOME_FAILED


def _resume_hint(arguments: list[str]) -> str:
    """Return what the same command does after a signal has ended it; an empty text where that is plain."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    if command in STARTS_OVER:
        return ": the same command starts over"
    again = "the same command without --overwrite" if "--overwrite" in arguments else "the same command"
    return f": {again} continues where it stopped" if command in RESUMES and "--dry-run" not in arguments else ""
