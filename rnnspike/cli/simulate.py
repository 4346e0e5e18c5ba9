"""``rnnspike simulate``: trials from a simulated cell or network that is known, or from a fitted model, as NWB."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from rnnspike.cli.options import (
    Duration,
    command_line_only_from,
    format_option,
    log_from,
    log_options,
    only_flags,
    refuse_unused,
)
from rnnspike.cli.terminal.output import Log, RowWriter, plain_table
from rnnspike.errors import ConfigError, RunError, failure_on_one_line, output_errors

CELL_COLUMNS = ("neuron", "kind", "units", "does")
#: Options of only one of the two forms.
OF_A_CELL = ("n_trials", "duration_s", "inter_trial_s", "n_units", "n_conditions", "bin_s")
OF_A_RUN = ("model", "allow_pickle", "follow_links")
UNIT_COLUMNS = ("recording", "unit", "cell", "n_trials", "n_spikes", "rate_hz")


@click.command("simulate")
@click.argument("run", required=False, type=click.Path(path_type=Path), metavar="[RUN]")
@click.option("--neuron", metavar="NAME", help="Simulated cell (--list shows them).")
@click.option("--network", metavar="NAME", help="Simulated network with known links (--list shows them).")
@click.option("--list", "list_cells", is_flag=True, help="List the simulated cells and networks.")
@click.option("--model", metavar="NAME", help="With RUN: model to simulate (default: the stack, or the best model).")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="NWB file to write.")
@click.option(
    "--trials", "n_trials", type=int, default=200, show_default=True, help="Cell or network: number of trials."
)
@click.option(
    "--duration",
    "duration_s",
    type=Duration("duration"),
    default=1.0,
    show_default="1s",
    help="Cell or network: length of a trial.",
)
@click.option(
    "--inter-trial",
    "inter_trial_s",
    type=Duration("inter-trial"),
    default=2.0,
    show_default="2s",
    help="Cell or network: recorded time before each trial.",
)
@click.option("--units", "n_units", type=int, help="Cell or network: number of units (default: see --list).")
@click.option(
    "--conditions", "n_conditions", type=int, default=1, show_default=True, help="Cell or network: number of stimuli."
)
@click.option(
    "--bin", "bin_s", type=Duration("bin"), default=0.001, show_default="1ms", help="Cell or network: bin width."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all random numbers.")
@only_flags
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@format_option
@log_options
@click.pass_context
def command(
    ctx: click.Context, /, run: Path | None, list_cells: bool, output_format: str | None, **values: Any
) -> None:
    """Simulate trials and write them as NWB, with the true intensity of the spikes.

    \b
    Examples:
      rnnspike simulate --list
      rnnspike simulate --neuron adapting --out adapting.nwb
      rnnspike simulate --neuron burst-counter --trials 400 --duration 2s --units 4 --seed 1 --out bursts.nwb
      rnnspike simulate --network mixed --units 16 --duration 2s --out network.nwb
      rnnspike simulate runs/session --model stack --out session_stack.nwb

    With --neuron or --network, --trials and similar options set number and length of the trials; a RUN has its own
    trials. One row per unit goes to stdout. `rnnspike fit` on the file adds the row `oracle`. The units table of a
    network says which units drive each (`driven_by`), and which share a hidden drive.
    """  # fmt: skip
    log = log_from(values)
    if list_cells or values["neuron"] == "list":
        _list_cells(output_format)
        return
    if sum(each is not None for each in (run, values["neuron"], values["network"])) != 1:
        raise click.UsageError("give a RUN directory, --neuron NAME or --network NAME (--list shows the names)")
    if run is not None:
        refuse_unused(ctx, OF_A_CELL, "on a RUN, which has its own trials, units and bins")
    else:
        refuse_unused(ctx, OF_A_RUN, "on simulated cells, which are not read from a run")
    out = _free_path(values.pop("out"), values.pop("overwrite"))
    model, granted = values.pop("model"), {name: values.pop(name) for name in command_line_only_from(values)}
    if run is not None:
        _from_run(run, granted, model, values["seed"], out, output_format, log)
    else:
        _from_cell(values, out, output_format, log)


def _list_cells(output_format: str | None) -> None:
    from rnnspike.neurons.networks import NETWORKS
    from rnnspike.neurons.registry import CELLS

    writer = RowWriter(output_format, CELL_COLUMNS, partial(plain_table, columns=CELL_COLUMNS, prose=["does"]))
    for spec in CELLS.values():
        writer.write({"neuron": spec.name, "kind": spec.kind, "units": spec.units, "does": spec.description})
    for network in NETWORKS.values():
        row = {"kind": "network", "units": network.units, "does": network.description}
        writer.write({"neuron": network.name, **row})
    writer.close()


def _free_path(out: Path | None, overwrite: bool) -> Path:
    """Return the output path; refuse a missing folder or an existing file."""
    if out is None:
        raise click.UsageError("give --out FILE.nwb")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}")
    if out.exists() and not overwrite:
        raise ConfigError(f"--out {out}: exists already (try --overwrite)")
    return out


def _from_cell(values: dict[str, Any], out: Path, output_format: str | None, log: Log) -> None:
    from rnnspike.neurons.session import SessionOptions, simulate_cell, simulate_network

    neuron, network, n_units = (values.pop(name) for name in ("neuron", "network", "n_units"))
    options = SessionOptions(**values)
    session = simulate_cell(neuron, n_units, options) if neuron else simulate_network(network, n_units, options)
    with output_errors(out, "--out"):
        session.write(out)
    writer = RowWriter(output_format, UNIT_COLUMNS)
    for row in session.rows():
        writer.write({"recording": str(out), **row})
    writer.close()
    log.info(f"wrote {out}; next: rnnspike fit {out}")


def _from_run(
    run: Path,
    granted: Mapping[str, bool],
    model: str | None,
    seed: int,
    out: Path,
    output_format: str | None,
    log: Log,
) -> None:
    from rnnspike.recording.write import write_nwb
    from rnnspike.report.load import load_run
    from rnnspike.report.tallies import headline_model
    from rnnspike.runs.simulation import simulate_run
    from rnnspike.runs.stored.reopen import reopen

    with failure_on_one_line(run, RunError):
        simulated = simulate_run(reopen(run, **granted), model or headline_model(load_run(run)), seed)
    with output_errors(out, "--out"):
        write_nwb(out, simulated.recording)
    writer = RowWriter(output_format, UNIT_COLUMNS)
    for row in simulated.rows:
        writer.write({"recording": str(out), **row})
    writer.close()
    log.info(f"wrote {out}; next: rnnspike fit {out}")
