"""Options that several commands share, as decorators, and how they become the library's options."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnnspike.cli.output import FORMATS, Log
from rnnspike.units_of_time import parse_duration

if TYPE_CHECKING:
    from rnnspike.recording.data import ReadOptions
    from rnnspike.trials.data import TrialOptions

Command = TypeVar("Command", bound=Callable[..., Any])


class Duration(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A duration in seconds, written 1ms, 0.5s or 2."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Width(Duration):
    """A duration above zero."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        seconds = super().convert(value, param, ctx)
        if not seconds > 0:
            self.fail(f"{value} is not above zero (1ms, 0.5s)", param, ctx)
        return seconds


DURATION = Duration()
WIDTH = Width()


def _stack(*decorators: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def apply(function: Command) -> Command:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


recordings_argument = click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")

read_options = _stack(
    click.option("--time-scale", type=float, help="Multiply spike times by this (0.001 for milliseconds)."),
    click.option("--event-offset", type=DURATION, default=0.0, help="Add this to all event times."),
    click.option("--events", type=click.Path(path_type=Path), help="CSV of trials (start_time, stop_time, ...)."),
    click.option("--units-table", help="Which units table, where a file has several."),
    click.option("--sampling-rate", type=float, help="Samples per second, for formats that do not say."),
    click.option("--drop-duplicates", is_flag=True, help="Drop spikes that repeat a time exactly."),
    click.option("--allow-pickle", is_flag=True, help="Read Neo pickles; they can run code, so only your own."),
)

trial_options = _stack(
    click.option("--trials", "table", help="Interval or event table to align to (default: the first)."),
    click.option("--align", help="Column of that table that is time zero (default: start_time)."),
    click.option("--window", type=DURATION, nargs=2, help="Start and stop around time zero, e.g. -0.2 1.0."),
    click.option("--condition", multiple=True, help="Column that tells conditions apart (repeatable)."),
    click.option("--units", help="Which units: a pandas query on id, n_spikes, rate_hz and the metadata."),
    click.option("--covariate", "covariates", multiple=True, help="Time series to use as input (repeatable)."),
    click.option("--bin", "bin_s", type=DURATION, default=0.001, show_default="1ms", help="Bin width."),
    click.option("--burn-in", "burn_in_s", type=DURATION, default=2.0, show_default="2s",
                 help="Recorded past before the window that models may read."),
    click.option("--segment", "segment_s", type=DURATION, help="Cut a recording without trials into pieces."),
    click.option("--observation", type=click.Choice(["auto", "bernoulli", "poisson"]), default="auto",
                 show_default=True, help="How bins are scored; auto is Bernoulli up to 2 ms."),
    click.option("--min-spikes", type=int, default=50, show_default=True, help="Leave out quieter units."),
)  # fmt: skip

format_option = click.option(
    "--format", "output_format", type=click.Choice(FORMATS), help="Default: table on a terminal, else jsonl."
)

log_options = _stack(
    click.option("-q", "--quiet", count=True, help="Less on stderr."),
    click.option("-v", "--verbose", count=True, help="More on stderr."),
    click.option("--log-file", type=click.Path(dir_okay=False), help="Append all messages to this file."),
)


def read_options_from(values: dict[str, Any]) -> ReadOptions:
    """Take the values of ``read_options`` out of a command's keyword arguments."""
    from rnnspike.recording.data import ReadOptions

    return ReadOptions(
        time_scale=values.pop("time_scale"),
        event_offset_s=values.pop("event_offset"),
        events_file=values.pop("events"),
        units_table=values.pop("units_table"),
        sampling_rate_hz=values.pop("sampling_rate"),
        drop_duplicates=values.pop("drop_duplicates"),
        allow_pickle=values.pop("allow_pickle"),
    )


def trial_options_from(values: dict[str, Any]) -> TrialOptions:
    """Take the values of ``trial_options`` out of a command's keyword arguments."""
    from rnnspike.trials.data import TrialOptions

    names = [
        "table",
        "align",
        "condition",
        "units",
        "covariates",
        "bin_s",
        "burn_in_s",
        "segment_s",
        "observation",
        "min_spikes",
    ]
    window = values.pop("window") or None
    return TrialOptions(window_s=window, **{name: values.pop(name) for name in names})


def log_from(values: dict[str, Any]) -> Log:
    """Take the values of ``log_options`` out of a command's keyword arguments."""
    return Log(values.pop("verbose") - values.pop("quiet"), values.pop("log_file"))


def expand_paths(arguments: Sequence[str]) -> list[Path]:
    """Return the recordings named, ``-`` standing for a list on stdin, one path a line."""
    paths: list[Path] = []
    for argument in arguments:
        if argument == "-":
            paths += [Path(line.strip()) for line in sys.stdin if line.strip()]
        else:
            paths.append(Path(argument))
    if not paths:
        raise click.UsageError("-: nothing was named on stdin (one path a line)")
    return list(dict.fromkeys(paths))
