"""Per-trial log-likelihoods of stored runs, for comparisons over units and recordings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.errors import ConfigError, RunError
from rnnspike.evaluation.across import (
    Comparison,
    Correction,
    Pair,
    UnitTable,
    compare_runs,
    corrected,
    in_ladder_order,
    pairs_of,
)
from rnnspike.runs.claim import is_run
from rnnspike.runs.directory import open_run, read_rows
from rnnspike.runs.rows import SCHEMA
from rnnspike.runs.store import distinct_name, read_csv, read_json, safe_name


def find_runs(folders: Sequence[str | Path]) -> list[Path]:
    """Return the run directories named: each folder itself, or those in it where it is none.

    Raises
    ------
    RunError
        Where a folder neither is a finished run nor holds one.
    """
    runs: list[Path] = []
    for folder in map(Path, folders):
        inside = (
            [] if (folder / "done.json").is_file() else sorted(mark.parent for mark in folder.glob("*/done.json"))
        )
        runs += inside or [open_run(folder)]
    return list(dict.fromkeys(runs))


def unfinished_runs(folders: Sequence[str | Path]) -> list[Path]:
    """Return the run directories in these folders that ``find_runs`` leaves out: begun and not finished."""
    return [
        inside
        for folder in map(Path, folders)
        if not (folder / "done.json").is_file()
        for inside in sorted(each for each in folder.glob("*/") if is_run(each))
        if not (inside / "done.json").is_file()
    ]


def read_tables(runs: Sequence[Path]) -> list[UnitTable]:
    """Return the tables of all scored units of runs.

    Recordings are told apart by their content: those of one name have names of their own, and runs of different
    units of one recording are of that one.

    Raises
    ------
    RunError
        Where a folder is no finished run, or a unit of a recording is in two: it would count twice.
    """
    names: dict[str, str] = {}  # of each recording, by its hash
    held: dict[tuple[str, str], Path] = {}  # the run of each unit
    tables: list[UnitTable] = []
    for run in runs:
        sha256 = str(read_json(run / "run.json")["sha256"])
        for table in read_unit_tables(run):
            names.setdefault(sha256, distinct_name(table.recording, sha256, names.values()))
            if (other := held.setdefault((sha256, table.unit), run)) is not run:
                raise RunError(
                    f"{run}: holds unit {table.unit} of the same recording as {other} (name one of the two)"
                )
            tables.append(replace(table, recording=names[sha256]))
    return tables


def read_unit_tables(folder: Path) -> list[UnitTable]:
    """Return the tables of all units of a run that were scored.

    Raises
    ------
    RunError
        Where the folder is no finished run, or its tables are missing.
    """
    rows = read_rows(open_run(folder))
    units = list(dict.fromkeys((row["recording"], row["unit"]) for row in rows if row["bits_per_spike"] is not None))
    return [_unit_table(folder, recording, unit) for recording, unit in units]


def _unit_table(folder: Path, recording: str, unit: str) -> UnitTable:
    file = folder / "units" / safe_name(unit) / "per_trial.csv"
    table = read_csv(file, ("trial", "n_spikes"))
    likelihoods = {name[3:]: table[name].to_numpy(np.float64) for name in table.columns if name.startswith("ll_")}
    return UnitTable(
        recording=recording,
        unit=unit,
        trial=table["trial"].to_numpy(np.int64),
        n_spikes=table["n_spikes"].to_numpy(np.int64),
        log_likelihoods=likelihoods,
        fold=table["fold"].to_numpy(np.int64) if "fold" in table.columns else None,
    )


def compare_stored(
    folders: Sequence[str | Path],
    *,
    pairs: Sequence[Pair] = (),
    against: str | None = None,
    by: str = "all",
    correction: Correction = "holm",
    folds: bool = False,
    draws: int = 2000,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Compare the models of stored runs, over everything, or ``by`` recording or unit; yield one row a pair.

    The rows are those of ``evaluation.across.Comparison`` with ``schema``, ``recording`` and ``unit`` (None where
    they go over all), p corrected over all of them. ``pairs`` and ``against`` choose the pairs; without either, all
    are compared.

    Raises
    ------
    RunError
        Where a folder is no run, or nothing in it was scored.
    ConfigError
        Where a model was not fitted, or folds are asked for and not stored.
    """
    tables = read_tables(find_runs(folders))
    if not tables:
        raise RunError(f"{', '.join(map(str, folders))}: no unit was scored in these runs")
    chosen = _chosen_pairs(tables, pairs, against)
    if not any(set(pair) <= table.log_likelihoods.keys() for pair in chosen for table in tables):
        wanted = ", ".join(" and ".join(pair) for pair in chosen) or "two models"
        raise RunError(f"{', '.join(map(str, folders))}: no unit was scored by {wanted} (fit it again with both)")
    results: list[tuple[str | None, str | None, Comparison]] = []
    for (recording, unit), members in _grouped(tables, by).items():
        known = set(pairs_of(members)) | {(b, a) for a, b in pairs_of(members)}
        here = [pair for pair in chosen if pair in known]
        try:
            found = compare_runs(
                members, np.random.default_rng(seed), pairs=here, n_draws=draws, correction="none", folds=folds
            )
        except ValueError as error:
            raise ConfigError(str(error)) from error
        results += [(recording, unit, each) for each in found]
    whole = corrected([each for _, _, each in results], correction)
    for (recording, unit, _), row in zip(results, whole, strict=True):
        yield {"schema": SCHEMA, "recording": recording, "unit": unit, **asdict(row)}


def _grouped(tables: Sequence[UnitTable], by: str) -> dict[tuple[str | None, str | None], list[UnitTable]]:
    groups: dict[tuple[str | None, str | None], list[UnitTable]] = {}
    for table in tables:
        key = (table.recording if by != "all" else None, table.unit if by == "unit" else None)
        groups.setdefault(key, []).append(table)
    return groups


def _chosen_pairs(tables: Sequence[UnitTable], pairs: Sequence[Pair], against: str | None) -> list[Pair]:
    names = in_ladder_order(name for table in tables for name in table.log_likelihoods)
    for name in [name for pair in pairs for name in pair] + ([against] if against else []):
        if name not in names:
            raise ConfigError(f"--pair or --against {name}: these runs hold {', '.join(names)}")
    for name, other in pairs:
        if name == other:
            raise ConfigError(f"--pair {name} {other}: name two models, one has no gain over itself")
    chosen = list(pairs) + [(name, against) for name in names if against and name != against]
    return chosen or pairs_of(tables)
