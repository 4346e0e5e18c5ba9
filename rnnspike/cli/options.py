"""Options shared by several commands, as decorators, and their conversion to options of the library."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from rnnspike.cli.terminal.output import FORMATS, LibraryMessages, Log
from rnnspike.errors import output_errors
from rnnspike.units_of_time import parse_duration, parse_window

if TYPE_CHECKING:
    from rnnspike.config import Configuration

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A duration in seconds, written 1ms, 0.5s or 2; ``option`` is its long name (``DURATIONS``)."""

    name = "duration"

    def __init__(self, option: str) -> None:
        self.option = option

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        try:
            return parse_duration(value, self.option)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _window(ctx: click.Context, param: click.Parameter, value: Any) -> tuple[float, float] | None:
    try:
        return None if value is None else parse_window(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _stack(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def apply(function: Command) -> Command:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


recordings_argument = _stack(
    click.argument("recordings", nargs=-1, metavar="RECORDING..."),
    click.option(
        "--files-from", multiple=True, metavar="FILE", help="Read names of recordings from a file, - for stdin."
    ),
    click.option("-0", "--null", "null", is_flag=True, help="Names in lists end with a null byte (find -print0)."),
)

#: Options that can only be given on the command line (``config.ONLY_FLAGS``), also when a run's recording is read
#: again.
only_flags = _stack(
    click.option(
        "--allow-pickle", is_flag=True, help="Read Neo pickles; they can run code, so only use files you trust."
    ),
    click.option("--follow-links", is_flag=True, help="Follow HDF5 links to files outside the recording's folder."),
)

read_options = _stack(
    click.option(
        "--time-scale",
        type=float,
        help="Multiply spike times, and all times in the same unit, by this factor (0.001 for milliseconds).",
    ),
    click.option(
        "--event-offset",
        type=Duration("event-offset"),
        default=0.0,
        help="Add this to the times of trials and events (not to invalid times or series).",
    ),
    click.option("--events", type=click.Path(path_type=Path), help="CSV of trials (start_time, stop_time, ...)."),
    click.option("--units-table", help="Units table to read, if a file has several."),
    click.option("--sampling-rate", type=float, help="Samples per second, for formats without a sampling rate."),
    click.option("--drop-duplicates", is_flag=True, help="Drop spikes that repeat a time exactly."),
    only_flags,
)

_segment = click.option(
    "--segment",
    "segment_s",
    type=Duration("segment"),
    help="Cut a recording without trials into segments of this length.",
)
_min_spikes = click.option(
    "--min-spikes", type=int, default=50, show_default=True, help="Leave out units with fewer spikes."
)
_chosen = _stack(
    click.option("--trials", "table", help="Interval or event table to align to (default: the first)."),
    click.option("--align", help="Column of that table that is time zero (default: start_time)."),
    click.option("--window", type=click.UNPROCESSED, nargs=2, callback=_window, metavar="START STOP",
                 help="Start and stop around time zero, e.g. -0.2 1.0."),
    click.option("--condition", multiple=True, help="Column that defines the conditions (repeatable)."),
    click.option("--units", help="Units to use: a query on id, n_spikes, rate_hz and the metadata."),
)  # fmt: skip

#: Which trials and units, whatever is made of them.
which_trials = _stack(_chosen, _segment, _min_spikes)

trial_options = _stack(
    _chosen,
    click.option("--covariate", "covariates", multiple=True, help="Time series to use as input (repeatable)."),
    click.option("--bin", "bin_s", type=Duration("bin"), default=0.001, show_default="1ms", help="Bin width."),
    click.option("--burn-in", "burn_in_s", type=Duration("burn-in"), default=2.0, show_default="2s",
                 help="Recorded time before the window that models may use."),
    _segment,
    click.option("--observation", type=click.Choice(["auto", "bernoulli", "poisson"]), default="auto",
                 show_default=True, help="Observation model of the bins; auto is Bernoulli up to 2 ms."),
    _min_spikes,
)  # fmt: skip

#: How models are fitted and scored.
scoring_options = _stack(
    click.option("--folds", type=int, help="Outer folds over trials.  [default: 5; fast: 4]"),
    click.option(
        "--fold-scheme",
        type=click.Choice(["interleaved", "blocked"]),
        help="How trials are assigned to folds; blocked for strong drift.",
    ),
    click.option("--effort", type=click.Choice(["fast", "standard", "thorough"]), help="Amount of training."),
    click.option("--replicates", type=int, help="Free-run replicates, 0 for none.  [default: 200]"),
    click.option(
        "--metrics",
        multiple=True,
        type=click.Choice(["nlb", "nemos"]),
        help="Add scores by the definitions of a package (repeatable).",
    ),
    click.option(
        "--save-intensities", is_flag=True, help="Store every held-out intensity (units/<id>/intensity.npz)."
    ),
    click.option("--seed", type=int, help="Seed of all random numbers.  [default: 0]"),
)

#: What is written, and whether it replaces what is there.
report_option = click.option("--report/--no-report", default=True, help="Write report.html.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Delete the run that is in the run directory.")

#: Parameters whose names differ from those of the settings.
RENAMED = {
    "table": "trials",
    "bin_s": "bin",
    "burn_in_s": "burn_in",
    "segment_s": "segment",
    "covariates": "covariate",
}

config_option = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Settings (default ./rnnspike.toml)."
)

workers_option = click.option("--workers", "-j", type=int, help="Processes.  [default: 1]")

#: Where tasks are done, beside ``--workers``.
scheduler_options = _stack(
    click.option(
        "--task-timeout",
        type=Duration("task-timeout"),
        help="End a task that takes longer (one of tens of a recording).  [default: 24h, none with one process]",
    ),
    click.option("--scheduler", metavar="ADDRESS", help="Have the workers of this dask scheduler do the tasks."),
    click.option(
        "--scheduler-file",
        type=click.Path(path_type=Path),
        help="Like --scheduler, by the file that it wrote.",
    ),
)

dry_run_option = click.option("--dry-run", is_flag=True, help="List the tasks as jsonl without running them.")


def begin_workers(values: Mapping[str, Any]) -> None:
    """Begin what workers are forked from, where options ask for some: while it imports, this process goes on."""
    from rnnspike.runs.engines import processes

    here = not (values["dry_run"] or values["scheduler"] or values["scheduler_file"])
    if here and ((values["workers"] or 1) > 1 or values["task_timeout"]):
        processes.begin()


format_option = click.option(
    "--format", "output_format", type=click.Choice(FORMATS), help="Default: table on a terminal, else jsonl."
)

log_options = _stack(
    click.option("-q", "--quiet", count=True, help="Less on stderr."),
    click.option("-v", "--verbose", count=True, help="More on stderr."),
    click.option(
        "--log-file",
        type=click.Path(dir_okay=False),
        help="Append messages here, also those of workers and those that -q hides.",
    ),
)


def command_line_only_from(values: Mapping[str, Any]) -> dict[str, bool]:
    """Return the settings that only the command line can give, if they were given."""
    from rnnspike.config import ONLY_FLAGS

    return {name: values[name] for name in ONLY_FLAGS}


def refuse_unused(ctx: click.Context, names: Collection[str], where: str) -> None:
    """Refuse options of these names that were given, and say where they have no effect."""
    flags = [
        max(each.opts, key=len)
        for each in ctx.command.params
        if each.name in names and ctx.get_parameter_source(each.name) == ParameterSource.COMMANDLINE
    ]
    if flags:
        raise click.UsageError(f"leave out {', '.join(flags)}: no effect {where}")


def given(ctx: click.Context) -> dict[str, Any]:
    """Return the settings given as options, by the names of the settings."""
    from rnnspike.config import FitSettings

    flags = {}
    for name, value in ctx.params.items():
        setting = RENAMED.get(name, name)
        on_line = ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if on_line and setting in FitSettings.model_fields:
            flags[setting] = list(value) if isinstance(value, tuple) else value
    return flags


def configuration_from(
    ctx: click.Context, values: dict[str, Any], recordings: Sequence[Path], log: Log
) -> Configuration:
    """Return the settings of a command, and warn of patterns that match none of its recordings.

    A pattern that does not match a lone recording is most likely meant for others.
    """
    from rnnspike.config import read_configuration

    configuration = read_configuration(given(ctx), values.pop("config_file"))
    for source in configuration.unmatched(recordings) if len(recordings) > 1 else ():
        log.warning(f"{source} matches none of the {len(recordings)} recordings (by file name or path, as given)")
    return configuration


def log_from(values: dict[str, Any]) -> Log:
    """Take the values of ``log_options`` out of a command's keyword arguments; the library logs there too."""
    log = Log(values.pop("verbose") - values.pop("quiet"), values.pop("log_file"))
    if context := click.get_current_context(silent=True):
        context.call_on_close(log.close)
    library = logging.getLogger("rnnspike")
    messages = LibraryMessages(log)
    library.handlers = [messages]
    library.setLevel(logging.INFO if messages.log_file else messages.shown_from)
    return log


def recordings_from(arguments: Sequence[str], values: dict[str, Any]) -> list[Path]:
    """Return the given recordings, with those that the files of ``--files-from`` name."""
    lists, null = values.pop("files_from"), values.pop("null")
    if not arguments and not lists:
        raise click.UsageError("Missing argument 'RECORDING...' (or --files-from FILE)")
    if [*arguments, *lists].count("-") > 1:
        raise click.UsageError("-: stdin holds one list of recordings")
    paths = _paths(arguments, null)
    for name in lists:
        paths += _listed(name, null)
    return _distinct(paths, "the lists name no recordings" if lists else "-: no recordings on stdin")


def check_picture(path: Path | None, recordings: Sequence[Path], otherwise: str) -> None:
    """Refuse a picture of another format, or of several recordings; make its folder."""
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise click.BadParameter(f"{path} must end in .png, .svg or .pdf", param_hint="--picture")
    if len(recordings) > 1:
        raise click.UsageError(otherwise)
    with output_errors(path, "--picture"):
        path.parent.mkdir(parents=True, exist_ok=True)


def expand_paths(arguments: Sequence[str]) -> list[Path]:
    """Return the given paths; ``-`` reads a list from stdin, one path per line."""
    return _distinct(_paths(arguments), "-: no recordings on stdin (one path per line)")


def _distinct(paths: Sequence[Path], why_none: str) -> list[Path]:
    if not paths:
        raise click.UsageError(why_none)
    return list(dict.fromkeys(paths))


def _paths(arguments: Sequence[str], null: bool = False) -> list[Path]:
    paths: list[Path] = []
    for argument in arguments:
        if not argument.strip():
            raise click.UsageError("a name is empty: was the shell variable set?")
        paths += _listed("-", null) if argument == "-" else [Path(argument)]
    return paths


def _listed(file: str, null: bool) -> list[Path]:
    """Return the paths that a file or stdin lists; names need not be UTF-8, as in arguments."""
    try:
        content = _stdin() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise click.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="--files-from") from None
    names = content.split(b"\0") if null else re.split(rb"\r?\n", content)
    if not null and b"\0" in content:
        raise click.UsageError(f"{file}: names in it end with null bytes: give -0")
    return [Path(os.fsdecode(name)) for name in names if name.strip()]


def _stdin() -> bytes:
    buffer = getattr(sys.stdin, "buffer", None)
    content: bytes = os.fsencode(sys.stdin.read()) if buffer is None else buffer.read()
    return content
