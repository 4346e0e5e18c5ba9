"""``rnnspike dynamics``: the trained networks as dynamical systems."""

from __future__ import annotations

from collections.abc import Mapping
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
from rnnspike.cli.terminal.output import Failures, Log, RowWriter
from rnnspike.cli.terminal.progress import progress_bar
from rnnspike.cli.terminal.tables import Column, Table, below, cell

CELLS = ("rnn", "rnn-relu", "linear", "gru", "lstm")
LINKS = ("identity", "cloglog", "exp", "logit")
#: Options of only one of the two forms.
OF_A_RUN = ("units", "models", "members", "workers", "allow_pickle", "follow_links")
OF_FILES = (
    *("bin_s", "cell", "module", "readout", "link", "alpha", "inputs", "conditions"),
    *("feedback", "untrained", "history_s", "seeds", "out"),
)
#: Columns of the table, with how soon they go where the width is not enough.
HEADINGS = (
    Column("unit", "name"),
    Column("model"),
    Column("networks", rank=9),
    Column("input", "name"),
    Column("fixed", rank=1),
    Column("stable"),
    Column("saddle", rank=7),
    Column("slow", rank=8),
    Column("tau at the point"),
    Column("Hz", rank=2),
    Column("gate tau ms", rank=6),
    Column("readout tau ms", rank=4),
    Column("gradient reach ms", rank=5),
)


@click.command("dynamics")
@click.argument("runs", nargs=-1, metavar="[RUN...]", type=click.Path(path_type=Path))
@click.option(
    "--unit", "units", multiple=True, help="Only this unit of a run (repeatable); all: the networks of all units."
)
@click.option(
    "--models", "-m", multiple=True, help="Only this model of a run (repeatable; default: all recurrent ones)."
)
@click.option(
    "--members",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Networks per unit and model, each of a training of its own (--effort fast has two); values get a range over"
    " three or more.",
)
@click.option(
    "--model-file",
    "model_files",
    multiple=True,
    type=click.Path(path_type=Path),
    help="State dict of your own nn.RNN, nn.GRU or nn.LSTM (safetensors or torch); several files are seeds.",
)
@click.option("--dt", "bin_s", type=Duration("dt"), help="Duration of one step of the network, for --model-file.")
@click.option("--cell", type=click.Choice(CELLS), help="Type of its cell, if the shapes are ambiguous.")
@click.option("--module", help="Recurrent module to use, if the file has several.")
@click.option("--readout", help="Linear layer that is the readout, or none.")
@click.option(
    "--link",
    type=click.Choice(LINKS),
    default="identity",
    show_default=True,
    help="Function from the readout to the fed-back input.",
)
@click.option("--alpha", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="Leak of a leaky rnn.")
@click.option(
    "--inputs",
    type=click.Path(path_type=Path),
    help="Inputs (trial, time, channel) as .npy; default: silence, noise and pulses.",
)
@click.option("--conditions", type=click.Path(path_type=Path), help="Constant inputs (condition, channel) as .npy.")
@click.option(
    "--feedback",
    multiple=True,
    type=click.IntRange(0),
    help="Input channel that receives the output: closes the loop (repeatable, one per output).",
)
@click.option(
    "--untrained",
    type=click.Path(path_type=Path),
    help="The network before training, to compare gradients (default: torch's initialisation).",
)
@click.option(
    "--history",
    "history_s",
    type=Duration("history"),
    help="Longest lag that the task of a --model-file needs: warns if its gradients do not reach it.",
)
@click.option(
    "--starts", type=click.IntRange(8), help="Starting points of each search.  [default: 128, of a --model-file 256]"
)
@click.option(
    "--seeds",
    type=click.IntRange(1),
    default=3,
    show_default=True,
    help="Searches per single --model-file; values get a range over them.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the first search.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for points, Jacobians and pictures of --model-file (for a run: its dynamics/).",
)
@click.option("--pictures/--no-pictures", default=True, show_default=True, help="Draw state space and memory.")
@click.option("--workers", "-j", type=click.IntRange(1), default=1, show_default=True, help="Processes, for runs.")
@only_flags
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, runs: tuple[Path, ...], **values: Any) -> None:
    """Find the fixed points, time constants, rhythms, basins and gradients of trained networks.

    \b
    Examples:
      rnnspike dynamics out/session
      rnnspike dynamics out/session --unit 3 --models gru --members 5
      rnnspike dynamics --model-file gru.safetensors --dt 1ms
      rnnspike dynamics --model-file rnn.pt --dt 10ms --cell rnn --inputs inputs.npy --out gru_dynamics

    Each network is analysed under named inputs: silent, mean, each condition, closed-loop (its own expected spikes as
    input). Rows with seed null are medians over seeds, with _low and _high.
    """
    from rnnspike.errors import ConfigError

    log = log_from(values)
    if bool(runs) == bool(values["model_files"]):
        raise ConfigError("dynamics takes run directories, or --model-file FILE --dt 1ms")
    if values["model_files"]:
        refuse_unused(ctx, OF_A_RUN, "with --model-file, only on a RUN")
        _analyse_files(values, log)
    else:
        refuse_unused(ctx, OF_FILES, "on a RUN, only with --model-file")
        _analyse_runs(ctx, runs, values, log)


def _analyse_files(values: Mapping[str, Any], log: Log) -> None:
    from rnnspike.dynamics.state_dict import CellOptions
    from rnnspike.errors import ConfigError, ModelError, output_errors
    from rnnspike.runs.dynamics import FileOptions, analyse_files

    if values["bin_s"] is None:
        raise ConfigError("--model-file needs the duration of one step of the network (--dt 1ms)")
    options = FileOptions(
        bin_s=values["bin_s"],
        cell=CellOptions(values["cell"], values["module"], values["readout"], values["link"], values["alpha"]),
        inputs=values["inputs"],
        conditions=values["conditions"],
        feedback=values["feedback"],
        untrained=values["untrained"],
        history_s=values["history_s"],
        n_seeds=values["seeds"],
        seed=values["seed"],
        n_starts=values["starts"] or FileOptions.n_starts,
        out=values["out"],
        pictures=values["pictures"],
    )
    if options.out is not None:
        with output_errors(options.out, "--out"):
            options.out.mkdir(parents=True, exist_ok=True)
    writer = _writer(values)
    try:
        with progress_bar("dynamics", log) as progress:
            rows = analyse_files(values["model_files"], options, progress, writer.write_all)
    except ModelError as error:
        raise ConfigError(str(error)) from error
    writer.close()
    if values["cell"] is None and any("rnn" in str(row["model"]) for row in rows):
        log.info("one gate per unit is assumed to be the tanh of nn.RNN; otherwise give --cell rnn-relu or linear")
    if options.inputs is None:
        log.info(
            "without --inputs, memory and gates are those for silence; searches also started from noise and pulses"
        )
    if options.out is None:
        log.info("--out FOLDER stores points, eigenvalues, Jacobians and pictures")
    else:
        log.info(f"points, eigenvalues, Jacobians and pictures: {options.out}")


def _analyse_runs(ctx: click.Context, runs: tuple[Path, ...], values: Mapping[str, Any], log: Log) -> None:
    from rnnspike.errors import RunError
    from rnnspike.runs.dynamics import DynamicsOptions, analyse_run
    from rnnspike.runs.engines.engine import engine_for

    options = DynamicsOptions(
        units=values["units"],
        models=values["models"],
        n_members=values["members"],
        n_starts=values["starts"] or DynamicsOptions.n_starts,
        seed=values["seed"],
        pictures=values["pictures"],
        granted=command_line_only_from(values),
    )
    writer, failures = _writer(values), Failures(log, RunError)
    with engine_for(values["workers"]) as engine:
        for run in runs:
            with failures.alone(run):
                with progress_bar(run.name, log) as progress:
                    analyse_run(run, options, engine, progress, writer.write_all)
                log.info(f"{run}: rows, arrays and pictures in {run / 'dynamics'}")
    writer.close()
    ctx.exit(failures.exit_code)


def _writer(values: Mapping[str, Any]) -> RowWriter:
    from rnnspike.dynamics.rows import COLUMNS

    return RowWriter(values["output_format"], COLUMNS, render)


def render(rows: list[dict[str, Any]]) -> Any:
    """Return the table, with one line per unit, model and input over its networks, and notes."""
    from rich.console import Group

    from rnnspike.dynamics.memory.modes import modes_text
    from rnnspike.dynamics.rows import spread_text, tau_text

    table, last = Table(HEADINGS), ("", "", "")
    notes, shared = list[str](), list[str]()
    for row in rows:
        if row.get("seed") is not None:
            continue
        who = " ".join(str(row[key]) for key in ("unit", "model") if row.get(key) is not None)
        about = row.get("about_network") or ""
        own = (row.get("message") or "").removesuffix(about).removesuffix("; ")
        notes += [f"{who}, {row['input']} input: {own}"] if own else []
        modes = modes_text(row["modes"], row.get("bend_share")) if row.get("modes") else None
        shared += [f"{who}: {text}" for text in (modes, row.get("reconciled"), about) if text]
        here = str(row.get("unit") or row.get("recording")), row["model"], str(row["n_seeds"])
        named = here if here != last else ("", "", "")
        if here[0] != last[0]:
            table.section()
        hz = ", ".join(f"{f:.4g}" for f in row.get("frequencies_hz") or []) or None
        points = [spread_text(row, name) for name in ("n_fixed", "n_stable", "n_saddle", "n_slow")]
        times = [spread_text(row, name) for name in ("gate_tau_ms", "measured_tau_ms", "memory_horizon_ms")]
        table.add(*named, row["input"], *map(cell, (*points, tau_text(row), hz, *times)))
        last = here
    return Group(table, *below(dict.fromkeys([*notes, *shared])))
