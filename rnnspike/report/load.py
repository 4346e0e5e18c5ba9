"""A run directory as plain data: all that a report is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from rnnspike.runs.directory import open_run, read_rows
from rnnspike.runs.rows import PAIR_COLUMNS
from rnnspike.runs.store import distinct_name, read_arrays, read_csv, read_json, read_jsonl, safe_name

if TYPE_CHECKING:
    import pandas as pd

Curves = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Run:
    """A finished run directory; rows and tables are read at once, a unit's curves when asked for."""

    folder: Path
    rows: list[dict[str, Any]]
    pairs: pd.DataFrame
    findings: list[dict[str, Any]]
    settings: dict[str, Any]
    provenance: dict[str, Any]

    @property
    def name(self) -> str:
        """Name of the recording."""
        return str(self.rows[0]["recording"]) if self.rows else self.folder.name

    @cached_property
    def units(self) -> list[str]:
        """Units that were fitted, in order."""
        return list(dict.fromkeys(row["unit"] for row in self.rows if row["status"] == "ok"))

    @cached_property
    def models(self) -> list[str]:
        """Models with a score for any unit, in the ladder's order."""
        return list(dict.fromkeys(row["model"] for row in self.rows if row["status"] == "ok"))

    def unit_rows(self, unit: str) -> list[dict[str, Any]]:
        """Return a unit's rows."""
        return [row for row in self.rows if row["unit"] == unit]

    def curves(self, unit: str) -> Curves:
        """Return a unit's curves."""
        return read_arrays(self.folder / "units" / safe_name(unit) / "curves.npz")

    @cached_property
    def n_simulated(self) -> int:
        """Trials that were run free in every replicate, of the first unit; 0 where none was."""
        return len(self.curves(self.units[0]).get("free_run.trials", ())) if self.units else 0

    def per_trial(self, unit: str) -> pd.DataFrame:
        """Return a unit's table of trials, those in which it was held."""
        return read_csv(self.folder / "units" / safe_name(unit) / "per_trial.csv", ("trial", "n_spikes"))

    def stack_weights(self, unit: str) -> dict[str, dict[str, float]]:
        """Return the stack's weights of each test fold; empty where there is no stack."""
        file = self.folder / "units" / safe_name(unit) / "stack.json"
        return dict(read_json(file)) if file.is_file() else {}

    def trainings(self, unit: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield (model, member, training) of every network, pooled ones included."""
        for owner in (self.folder / "units" / safe_name(unit), self.folder):
            for config in sorted((owner / "models").glob("*/*/*.json")):
                training = _training_of(read_json(config))
                if training:
                    yield config.parent.parent.name, config.parent.name, training


def load_run(folder: str | Path) -> Run:
    """Read a run directory; RunError where it is none, or damaged."""
    folder = open_run(folder)
    return Run(
        folder=folder,
        rows=read_rows(folder),
        pairs=read_csv(folder / "pairs.csv", PAIR_COLUMNS, unit=str, recording=str),
        findings=read_jsonl(folder / "findings.jsonl"),
        settings=read_json(folder / "settings.json"),
        provenance=read_json(folder / "run.json"),
    )


def distinct_names(named: Iterable[tuple[str, Run]]) -> list[str]:
    """Return a name for each run: the one given, or where another run has it the one that ``fit`` would give."""
    names: list[str] = []
    for name, run in named:
        names.append(distinct_name(name, str(run.provenance["sha256"]), names))
    return names


def _training_of(config: Any) -> dict[str, Any] | None:
    found = config.get("training") if isinstance(config, dict) else None
    return found if isinstance(found, dict) else None
