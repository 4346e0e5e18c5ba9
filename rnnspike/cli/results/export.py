"""``rnnspike export``: the results of a run as NWB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from rnnspike.cli.options import command_line_only_from, only_flags
from rnnspike.cli.terminal.output import Log, echo_path
from rnnspike.errors import RunError, failure_on_one_line, output_errors


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--nwb", required=True, type=click.Path(path_type=Path), metavar="FILE", help="NWB file to write.")
@click.option(
    "--model",
    "-m",
    "models",
    multiple=True,
    metavar="NAME",
    help="Model whose results are written (repeatable: intensities of each, columns of the first).  "
    "[default: the stack, or the best model]",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@only_flags
def command(run: Path, nwb: Path, models: tuple[str, ...], overwrite: bool, **values: Any) -> None:
    """Write a copy of a run's recording as NWB, with its results.

    The units table gets columns rnnspike_bits_per_spike, its interval, KS test and verdicts. With --save-intensities
    in the fit, /processing/rnnspike gets the held-out intensity of each unit, on all bins of the trials. The
    recording itself is not changed. A recording in another format is written as NWB; so is one fitted with
    --time-scale, --event-offset or --events, with the times and trials of the fit.

    \b
    Examples:
      rnnspike export rnnspike_runs/session --nwb session_rnnspike.nwb
      rnnspike export rnnspike_runs/session --nwb both.nwb --model glm --model lstm
    """
    from rnnspike.nwb_export.nwb import export_nwb

    with failure_on_one_line(run, RunError), output_errors(nwb, "--nwb"):
        done = export_nwb(run, nwb, models, overwrite, **command_line_only_from(values))
    for note in done.notes:
        Log().info(f"{nwb}: {note}")
    echo_path(done.path)
