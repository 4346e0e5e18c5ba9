"""Per-trial log-likelihoods of stored runs, for comparisons over units and recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnspike.errors import ConfigError, RunError, damage_errors
from rnnspike.evaluation.scores.across import (
    Comparison,
    Correction,
    Pair,
    UnitTable,
    compare_runs,
    corrected,
    in_ladder_order,
    pairs_of,
)
from rnnspike.runs.rows import FURTHER_TRIAL_TYPES, SCHEMA, SESSION_TYPES, TRIAL_TYPES
from rnnspike.runs.stored.claim import FOLDERS, is_run
from rnnspike.runs.stored.directory import RESOLVED, open_run, read_provenance, read_rows, read_settings
from rnnspike.runs.stored.store import distinct_name, read_csv, safe_name

if TYPE_CHECKING:
    import pandas as pd


#: How many folders down a run directory may lie in one that is named.
DEEPEST = 12


def find_runs(folders: Sequence[str | Path]) -> list[Path]:
    """Return the run directories named: each folder itself, or those in it where it is none.

    Raises
    ------
    RunError
        Where a folder neither is a finished run nor holds one.
    """
    runs: list[Path] = []
    for folder in map(Path, folders):
        inside = [] if is_run(folder) else [each for each in _runs_below(folder) if is_finished(each)]
        runs += inside or [open_run(folder)]
    return distinct(runs)


def distinct(runs: Sequence[Path]) -> list[Path]:
    """Return each run directory once, by the first of the paths that lead to it."""
    by_place: dict[Path, Path] = {}
    for run in runs:
        by_place.setdefault(run.resolve(), run)
    return list(by_place.values())


def unfinished_runs(folders: Sequence[str | Path]) -> list[Path]:
    """Return the run directories among these folders, or in them, that were begun and not finished."""
    found = [each for folder in map(Path, folders) for each in ([folder] if is_run(folder) else _runs_below(folder))]
    return [each for each in found if not is_finished(each)]


def is_finished(folder: Path) -> bool:
    """Say whether a folder holds the mark of a finished run."""
    return (folder / "done.json").is_file()


def _runs_below(folder: Path, depth: int = DEEPEST) -> Iterator[Path]:
    """Yield the run directories in a folder, in order: those of a layout lie some folders down, or in another run."""
    own = FOLDERS if is_run(folder) or is_finished(folder) else ()
    for inside in sorted(folder.glob("*/")):
        if inside.name in own:
            continue
        if is_run(inside) or is_finished(inside):
            yield inside
        if depth > 1 and not inside.is_symlink() and not inside.name.startswith("."):
            yield from _runs_below(inside, depth - 1)


@dataclass(frozen=True)
class Protocol:
    """What runs must share for their scores to be pooled; None where a run does not say.

    ``window`` is the one that was asked for: where none was, trials of all lengths go together.
    """

    observation: str | None
    bin_ms: float | None
    window: tuple[float, ...] | None
    table: str | None
    align: str | None
    condition: tuple[str, ...] | None
    segment_s: float | None

    def __str__(self) -> str:
        """Name it in words."""
        window = f"{self.window[0]:g} to {self.window[1]:g} s" if self.window else "whole trials"
        parts = [
            f"{self.observation or 'unknown'} bins of "
            + ("unknown width" if self.bin_ms is None else f"{self.bin_ms:g} ms"),
            f"{window} around {self.align or 'unknown'} ({self.table or 'unknown'})",
            *([f"by {', '.join(self.condition)}"] if self.condition else []),
            *([f"pieces of {self.segment_s:g} s"] if self.segment_s else []),
        ]
        return ", ".join(parts)


def protocol_of(run: Path) -> Protocol:
    """Return the protocol of a run; RunError where its settings are damaged."""
    file = run / "settings.json"
    with damage_errors(file):
        stored = read_settings(run, resolved=RESOLVED)
        values = {name: entry["value"] for name, entry in stored["settings"].items()}
        resolved, bin_s, asked = stored["resolved"], values.get("bin"), values.get("observation")
        return Protocol(
            observation=resolved.get("observation") or (None if asked == "auto" else asked),
            bin_ms=None if bin_s is None else round(1e3 * float(bin_s), 6),
            window=tuple(round(float(edge), 9) for edge in values["window"]) if values.get("window") else None,
            table=resolved.get("table"),
            align=resolved.get("align"),
            condition=tuple(map(str, values["condition"])) if "condition" in values else None,
            segment_s=values.get("segment"),
        )


@dataclass(frozen=True)
class ScoredRun:
    """What a comparison takes of a run: how it was scored, the hash of its recording, and the tables of its units."""

    folder: Path
    protocol: Protocol
    sha256: str
    tables: tuple[UnitTable, ...]


def read_scored(folder: Path) -> ScoredRun:
    """Return what a comparison takes of a run; RunError where it is no finished run, or damaged."""
    tables = tuple(read_unit_tables(folder))
    return ScoredRun(folder, protocol_of(folder), read_provenance(folder)["sha256"], tables)


def by_protocol(runs: Sequence[ScoredRun]) -> dict[Protocol, list[ScoredRun]]:
    """Return the runs of each protocol, in order; scores of different ones are never pooled."""
    groups: dict[Protocol, list[ScoredRun]] = {}
    for run in runs:
        groups.setdefault(run.protocol, []).append(run)
    return groups


def not_pooled(groups: Mapping[Protocol, Sequence[ScoredRun]]) -> str | None:
    """Say in one line which runs are not pooled and why; None where all are."""
    if len(groups) < 2:
        return None
    named = [f"{', '.join(run.folder.name for run in runs)} ({protocol})" for protocol, runs in groups.items()]
    return f"not pooled, as they were not scored alike: {'; '.join(named)}"


def pooled(runs: Sequence[ScoredRun]) -> list[UnitTable]:
    """Return the tables of all scored units of runs.

    Recordings are told apart by their content: those of one name have names of their own, and runs of different
    units of one recording are of that one.

    Raises
    ------
    RunError
        Where a unit of a recording is in two runs: it would count twice.
    """
    names: dict[str, str] = {}  # of each recording, by its hash
    held: dict[tuple[str, str], Path] = {}  # the run of each unit
    tables: list[UnitTable] = []
    for run in runs:
        for table in run.tables:
            names.setdefault(run.sha256, distinct_name(table.recording, run.sha256, names.values()))
            if (other := held.setdefault((run.sha256, table.unit), run.folder)) is not run.folder:
                raise RunError(
                    f"{run.folder}: holds unit {table.unit} of the same recording as {other} (name one of the two)"
                )
            tables.append(replace(table, recording=names[run.sha256]))
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
    table = read_per_trial(folder, unit)
    likelihoods = {name[3:]: table[name].to_numpy(np.float64) for name in table.columns if name.startswith("ll_")}
    return UnitTable(
        recording=recording,
        unit=unit,
        trial=table["trial"].to_numpy(np.int64),
        n_spikes=table["n_spikes"].to_numpy(np.int64),
        log_likelihoods=likelihoods,
        fold=table["fold"].to_numpy(np.int64) if "fold" in table.columns else None,
    )


def read_per_trial(folder: Path, unit: str, **more: type) -> pd.DataFrame:
    """Return a unit's table of trials, those in which it was held; ``more`` columns that there must be."""
    file = folder / "units" / safe_name(unit) / "per_trial.csv"
    return read_csv(file, TRIAL_TYPES | more, SESSION_TYPES | FURTHER_TRIAL_TYPES)


def compare_stored(
    folders: Sequence[str | Path] | Sequence[ScoredRun],
    *,
    pairs: Sequence[Pair] = (),
    against: str | None = None,
    by: str = "all",
    correction: Correction = "holm",
    folds: bool = False,
    draws: int = 2000,
    seed: int = 0,
) -> Iterator[dict[str, Any]]:
    """Compare the models of stored runs; the rows are those of ``evaluation.scores.across.Comparison``.

    Parameters
    ----------
    folders
        Run directories, or what ``read_scored`` returned of them.
    pairs
        (a, b): gain of a over b; all where neither this nor ``against`` is given.
    against
        Compare every other model with this one.
    by
        ``all``, ``recording`` or ``unit``: over what each row goes.
    correction
        Of p over all rows: ``holm``, ``bh`` or ``none``.
    folds
        Take folds for the witnesses instead of trials, with Nadeau and Bengio's variance.
    draws
        Bootstrap draws per pair.
    seed
        Seed of the bootstrap.

    Yields
    ------
    dict
        One row per pair, with ``schema``, ``recording`` and ``unit`` (None where it goes over all); bits/spike.

    Raises
    ------
    RunError
        Where a folder is no run, one is damaged, or nothing in them was scored.
    ConfigError
        Where a model was not fitted, or folds are asked for and not stored.
    """
    runs = [each for each in folders if isinstance(each, ScoredRun)]
    runs += map(read_scored, find_runs([each for each in folders if not isinstance(each, ScoredRun)]))
    named = ", ".join(str(run.folder) for run in runs)
    groups = {str(protocol): pooled(members) for protocol, members in by_protocol(runs).items()}
    tables = [table for members in groups.values() for table in members]
    if not tables:
        raise RunError(f"{named}: no unit was scored in these runs")
    chosen = _chosen_pairs(tables, pairs, against)
    if not any(set(pair) <= table.log_likelihoods.keys() for pair in chosen for table in tables):
        wanted = ", ".join(" and ".join(pair) for pair in chosen) or "two models"
        raise RunError(f"{named}: no unit was scored by {wanted} (fit it again with both)")
    results: list[tuple[str | None, str | None, str, Comparison]] = []
    each_group = ((name, *group) for name, members in groups.items() for group in _grouped(members, by).items())
    for protocol, (recording, unit), members in each_group:
        known = set(pairs_of(members)) | {(b, a) for a, b in pairs_of(members)}
        here = [pair for pair in chosen if pair in known]
        try:
            found = compare_runs(
                members, np.random.default_rng(seed), pairs=here, n_draws=draws, correction="none", folds=folds
            )
        except ValueError as error:
            raise ConfigError(str(error)) from error
        results += [(recording, unit, protocol, each) for each in found]
    whole = corrected([each for *_, each in results], correction)
    for (recording, unit, protocol, _), row in zip(results, whole, strict=True):
        yield {"schema": SCHEMA, "recording": recording, "unit": unit, **asdict(row), "protocol": protocol}


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
