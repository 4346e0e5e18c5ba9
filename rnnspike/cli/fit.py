"""``rnnspike fit``: the main job."""

from __future__ import annotations

import datetime
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from rnnspike.cli.options import (
    expand_paths,
    format_option,
    log_from,
    log_options,
    read_options,
    recordings_argument,
    trial_options,
)
from rnnspike.cli.output import Log, RowWriter, shown_names
from rnnspike.errors import ExitCode, RnnspikeError
from rnnspike.memory import importing

if TYPE_CHECKING:
    from rnnspike.config import FitSettings

#: Options of the command whose names differ from the settings'.
RENAMED = {
    "table": "trials",
    "bin_s": "bin",
    "burn_in_s": "burn_in",
    "segment_s": "segment",
    "covariates": "covariate",
}


@click.command("fit")
@recordings_argument
@trial_options
@read_options
@click.option("--models", "-m", multiple=True, help="Rung of the ladder (repeatable; default: the whole ladder).")
@click.option("--folds", type=int, help="Outer folds over trials.  [default: 5; fast: 4]")
@click.option("--fold-scheme", type=click.Choice(["interleaved", "blocked"]), help="Blocked for strong drift.")
@click.option("--effort", type=click.Choice(["fast", "standard", "thorough"]), help="How much is trained.")
@click.option("--replicates", type=int, help="Free-run replicates, 0 for none.  [default: 200]")
@click.option("--save-intensities", is_flag=True, help="Store every held-out intensity (units/<id>/intensity.npz).")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where networks are trained.")
@click.option("--seed", type=int, help="Seed of everything random.  [default: 0]")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of run directories.  [default: rnnspike_runs]")
@click.option("--workers", "-j", type=int, help="Processes.  [default: 1]")
@click.option("--report/--no-report", default=True, help="Write report.html.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="Settings (default ./rnnspike.toml).")
@click.option("--overwrite", is_flag=True, help="Throw away the run that lies in the run directory.")
@click.option("--dry-run", is_flag=True, help="List the tasks as jsonl and do nothing.")
@click.option("--strict", is_flag=True, help="Exit with 4 where a recording has nothing usable.")
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Climb the ladder of models on each recording and score every rung on held-out trials.

    Each recording gets a run directory OUT/NAME; finished work is not done again. Rows go to stdout, one per unit
    and model; progress and findings to stderr.

    \b
    Examples:
      rnnspike fit session.nwb
      rnnspike fit session.nwb --align stimulus_on --window -0.2 1.0 --condition direction -j 4
      rnnspike fit rest.nwb --segment 2s
      rnnspike fit sound.nwb --segment 1s --covariate envelope
      ls *.nwb | rnnspike fit - -j 8 --format jsonl > rows.jsonl
    """
    from rnnspike.runs import pool

    if (values["workers"] or 1) > 1 and not values["dry_run"]:
        pool.begin()
    from rnnspike.config import resolve_settings
    from rnnspike.device import check_device

    log = log_from(values)
    settings, sources = resolve_settings(given(ctx), values["config_file"])
    paths = expand_paths(recordings)
    check_device(settings.device)
    if values["dry_run"]:
        ctx.exit(show_tasks(paths, settings, log))
    provenance = {
        "sources": sources,
        "argv": sys.argv,
        "start": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    ctx.exit(fit_all(paths, settings, log, values, provenance))


def given(ctx: click.Context) -> dict[str, Any]:
    """Return the settings that were given as flags, by the settings' names."""
    from rnnspike.config import FitSettings

    flags = {}
    for name, value in ctx.params.items():
        setting = RENAMED.get(name, name)
        on_line = ctx.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if on_line and setting in FitSettings.model_fields:
            flags[setting] = list(value) if isinstance(value, tuple) else value
    return flags


def show_tasks(paths: list[Path], settings: FitSettings, log: Log) -> int:
    """List the tasks of all recordings."""
    from rnnspike.runs.engine import dry_run

    writer = RowWriter("jsonl", [])
    failed = 0
    for path in paths:
        try:
            for task in dry_run(path, settings):
                writer.write(task)
        except RnnspikeError as error:
            failed += 1
            log.error(str(error))
    return _exit_code(failed, len(paths), only_bad_input=True)


def fit_all(
    paths: list[Path], settings: FitSettings, log: Log, values: dict[str, Any], provenance: dict[str, Any]
) -> int:
    """Fit every recording; one that fails does not stop the others."""
    from rnnspike.runs.pool import workers

    errors: list[RnnspikeError] = []
    shown = shown_names(paths)
    with workers(settings.workers) as executor:
        with importing():
            from rnnspike.cli.batch import fits
            from rnnspike.runs.rows import ROW_COLUMNS

            if executor is None:
                import rnnspike.runs.worker  # noqa: F401

        writer = RowWriter(values["output_format"], ROW_COLUMNS, render)
        for path, fit in fits(paths, settings, values["overwrite"], provenance, executor, log):
            try:
                fitted = fit()
                for row in fitted.rows:
                    writer.write(row)
                where = f"report {fitted.folder / 'report.html'}" if settings.report else f"run {fitted.folder}"
                log.info(f"{shown[path]}: {summary(fitted.rows)}; {where}")
            except RnnspikeError as error:
                errors.append(error)
                log.error(str(error))
    writer.close()
    if values["strict"] and any("no unit is left" in str(error) for error in errors):
        return ExitCode.NOTHING_USABLE
    return _exit_code(len(errors), len(paths), all(error.exit_code == ExitCode.BAD_INPUT for error in errors))


def _exit_code(failed: int, total: int, only_bad_input: bool) -> int:
    if failed == 0:
        return ExitCode.OK
    return ExitCode.BAD_INPUT if failed == total and only_bad_input else ExitCode.SOME_FAILED


def summary(rows: list[dict[str, Any]]) -> str:
    """Return one line on what came out."""
    units = {row["unit"] for row in rows if row["status"] == "ok"}
    failed = [f"{row['unit']}/{row['model']}" for row in rows if row["status"] == "failed"]
    text = f"{len(units)} unit{'s' * (len(units) != 1)} fitted"
    return text + (f", {len(failed)} rows failed ({', '.join(failed[:5])})" if failed else "")


def render(rows: list[dict[str, Any]]) -> Any:
    """Return the table of a fit: a line per unit and model, best rung of each unit in bold."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for name in ("unit", "model"):
        table.add_column(name)
    for name in ("bits/spike", "95 % interval", "KS D (p)"):
        table.add_column(name, justify="right")
    for name in ("refractoriness", "adaptation", "free run"):
        table.add_column(name)
    several = len({row["recording"] for row in rows}) > 1
    last: tuple[Any, Any] | None = None
    for row in rows:
        here = (row["recording"], row["unit"])
        if last is not None and here != last:
            table.add_section()
        label = "" if here == last else (f"{row['recording']} " if several else "") + str(row["unit"])
        last = here
        if row["status"] != "ok":
            table.add_row(label, row["model"], f"[yellow]{row['status']}[/]", "", "", "", "", "")
            continue
        table.add_row(label, row["model"], *_cells(row))
    return Group(table, *(Text(line) for line in remarks(rows)))


def remarks(rows: list[dict[str, Any]]) -> list[str]:
    """Return what the rows say in words, each thing once, with the units and models that it is said of."""
    several = len({row["recording"] for row in rows}) > 1
    said: dict[str, dict[str, list[str]]] = {}
    n_models: dict[str, int] = {}
    for row in rows:
        unit = f"{row['recording']} {row['unit']}" if several else str(row["unit"])
        n_models[unit] = n_models.get(unit, 0) + 1
        texts = (
            (row["message"] or "").split("; ") if row["status"] == "ok" else [f"{row['status']}: {row['message']}"]
        )
        for text in filter(None, texts):
            said.setdefault(text, {}).setdefault(unit, []).append(row["model"])
    lines = []
    for text, models_of in said.items():
        alike: dict[str, list[str]] = {}
        for unit, models in models_of.items():
            names = "all models" if len(models) == n_models[unit] else ", ".join(models)
            alike.setdefault(names, []).append(unit)
        lines += [
            f"unit{'s' * (len(units) > 1)} {', '.join(units)} ({names}): {text}" for names, units in alike.items()
        ]
    return lines


def _cells(row: dict[str, Any]) -> list[str]:
    def number(name: str, form: str = ".3f") -> str:
        value = row.get(name)
        return "–" if value is None else format(value, form)

    def verdict(kind: str) -> str:
        text, value = row.get(f"{kind}_verdict"), row.get(f"{kind}_capture")
        colour = {"captured": "green", "partly": "yellow", "missed": "red"}.get(text or "", "dim")
        return f"[{colour}]{text or '–'}[/]" + ("" if value is None else f" {value:.2f}")

    stability, ratio = row.get("free_run_stability"), row.get("free_run_rate_ratio")
    return [
        number("bits_per_spike"),
        f"{number('bits_per_spike_low')} to {number('bits_per_spike_high')}",
        f"{number('ks_d')} ({number('ks_p', '.2g')})",
        verdict("refractory"),
        verdict("adaptation"),
        "–" if stability is None else stability + ("" if ratio is None else f" ×{ratio:.2f}"),
    ]
