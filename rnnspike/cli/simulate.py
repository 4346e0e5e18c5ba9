"""``rnnspike simulate``: trials from a simulated cell whose intensity is known, or from a fitted model, as NWB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from rnnspike.cli.options import DURATION, format_option, log_from, log_options
from rnnspike.cli.output import Log, RowWriter
from rnnspike.errors import ConfigError, told_if_unwritable

CELL_COLUMNS = ("neuron", "kind", "units", "does")
#: Options of one form only: of the other they would say nothing.
OF_A_CELL = {
    "n_trials": "--trials",
    "duration_s": "--duration",
    "inter_trial_s": "--inter-trial",
    "n_units": "--units",
    "n_conditions": "--conditions",
    "bin_s": "--bin",
}
OF_A_RUN = {"model": "--model"}
UNIT_COLUMNS = ("recording", "unit", "cell", "n_trials", "n_spikes", "rate_hz")


@click.command("simulate")
@click.argument("run", required=False, type=click.Path(path_type=Path), metavar="[RUN]")
@click.option("--neuron", metavar="NAME", help="Simulated cell (--list shows them).")
@click.option("--list", "list_cells", is_flag=True, help="List the simulated cells.")
@click.option("--model", metavar="NAME", help="With RUN: rung to simulate (default: the stack or the best).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="NWB file to write.")
@click.option(
    "--trials", "n_trials", type=int, default=200, show_default=True, help="With --neuron: number of trials."
)
@click.option(
    "--duration",
    "duration_s",
    type=DURATION,
    default=1.0,
    show_default="1s",
    help="With --neuron: length of a trial.",
)
@click.option(
    "--inter-trial",
    "inter_trial_s",
    type=DURATION,
    default=2.0,
    show_default="2s",
    help="With --neuron: recorded time before each trial.",
)
@click.option("--units", "n_units", type=int, help="With --neuron: number of units (default: see --list).")
@click.option(
    "--conditions", "n_conditions", type=int, default=1, show_default=True, help="With --neuron: number of stimuli."
)
@click.option("--bin", "bin_s", type=DURATION, default=0.001, show_default="1ms", help="With --neuron: bin width.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all draws.")
@click.option("--overwrite", is_flag=True, help="Replace FILE where it exists.")
@format_option
@log_options
@click.pass_context
def command(
    ctx: click.Context, /, run: Path | None, list_cells: bool, output_format: str | None, **values: Any
) -> None:
    """Simulate trials and write them as NWB, with the true intensity beside the spikes.

    \b
    Examples:
      rnnspike simulate --list
      rnnspike simulate --neuron adapting --out adapting.nwb
      rnnspike simulate --neuron burst-counter --trials 400 --duration 2s --units 4 --seed 1 --out bursts.nwb
      rnnspike simulate runs/session --model stack --out session_stack.nwb

    With --neuron, --trials and the like say how long and how many; of a RUN, the trials are its own. One row a unit
    goes to stdout. `rnnspike fit` on the file adds the row `oracle`.
    """  # fmt: skip
    log = log_from(values)
    if list_cells or values["neuron"] == "list":
        _list_cells(output_format)
        return
    if (run is None) == (values["neuron"] is None):
        raise click.UsageError("give either a RUN directory or --neuron NAME (--list shows the cells)")
    _refuse_idle_options(ctx, run)
    out = _free_path(values.pop("out"), values.pop("overwrite"))
    model = values.pop("model")
    if run is not None:
        _from_run(run, model, values["seed"], out, output_format, log)
    else:
        _from_cell(values, out, output_format, log)


def _list_cells(output_format: str | None) -> None:
    from rnnspike.neurons.registry import CELLS

    writer = RowWriter(output_format, CELL_COLUMNS)
    for spec in CELLS.values():
        writer.write({"neuron": spec.name, "kind": spec.kind, "units": spec.units, "does": spec.does})
    writer.close()


def _refuse_idle_options(ctx: click.Context, run: Path | None) -> None:
    """Refuse options of the other form that were given: they would change nothing."""
    idle, why = (OF_A_CELL, "a RUN has its own trials, units and bins") if run else (OF_A_RUN, "a cell has no rungs")
    given = [flag for name, flag in idle.items() if ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    if given:
        raise click.UsageError(f"leave out {', '.join(given)}: {why}, so that it would change nothing")


def _free_path(out: Path | None, overwrite: bool) -> Path:
    """Return where to write; refuse a missing folder, and a file that is there."""
    if out is None:
        raise click.UsageError("give --out FILE.nwb")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and not overwrite:
        raise ConfigError(f"--out {out}: exists already (try --overwrite)")
    return out


def _from_cell(values: dict[str, Any], out: Path, output_format: str | None, log: Log) -> None:
    from rnnspike.neurons.session import SessionOptions, simulate_cell

    name, n_units = values.pop("neuron"), values.pop("n_units")
    session = simulate_cell(name, n_units, SessionOptions(**values))
    with told_if_unwritable(out, "--out"):
        session.write(out)
    writer = RowWriter(output_format, UNIT_COLUMNS)
    for row in session.rows():
        writer.write({"recording": str(out), **row})
    writer.close()
    log.info(f"wrote {out}; next: rnnspike fit {out}")


def _from_run(run: Path, model: str | None, seed: int, out: Path, output_format: str | None, log: Log) -> None:
    from rnnspike.recording.write import write_nwb
    from rnnspike.report.load import load_run
    from rnnspike.report.words import headline_model
    from rnnspike.runs.reopen import reopen
    from rnnspike.runs.simulation import simulate_run

    simulated = simulate_run(reopen(run), model or headline_model(load_run(run)), seed)
    with told_if_unwritable(out, "--out"):
        write_nwb(out, simulated.recording)
    writer = RowWriter(output_format, UNIT_COLUMNS)
    for row in simulated.rows:
        writer.write({"recording": str(out), **row})
    writer.close()
    log.info(f"wrote {out}; next: rnnspike fit {out}")
