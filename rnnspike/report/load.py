"""A run directory as plain data: all that a report is made of."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

import numpy.typing as npt

from rnnspike.errors import damage_errors
from rnnspike.models.packed import FOLDER, packed_files
from rnnspike.runs.rows import COUPLING_TYPES, PAIR_TYPES, SESSION_TYPES
from rnnspike.runs.stored.decoding import Decoding, read_covariate, read_decoding
from rnnspike.runs.stored.directory import (
    FINDING,
    RESOLVED,
    VERSIONS,
    open_run,
    read_provenance,
    read_rows,
    read_settings,
)
from rnnspike.runs.stored.population import read_population, read_single_trials
from rnnspike.runs.stored.store import (
    distinct_name,
    parse_json,
    read_arrays,
    read_csv,
    read_jsonl,
    read_stack,
    safe_name,
)
from rnnspike.runs.stored.tables import ScoredRun, read_per_trial, read_scored
from rnnspike.runs.stored.trials import read_trials
from rnnspike.wording import counted

if TYPE_CHECKING:
    import pandas as pd

Curves = dict[str, npt.NDArray[Any]]
#: Configs of fitted models in a folder of models: of a unit or all of them, and of a group of units.
CONFIGS = ("*/test*/*.json", "*/group*/test*/*.json")


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished run directory; rows and tables are read at once, a unit's curves when asked for.

    It stands for the path of its folder wherever a path is taken.

    Attributes
    ----------
    folder
        The run directory.
    rows
        One per unit and model (docs/rows.md).
    pairs
        One row per unit and pair of models.
    findings
        What was found wrong or odd in the recording.
    settings
        Those of the fit.
    provenance
        Versions, hash of the input, command line, host and times.
    """

    folder: Path
    rows: list[dict[str, Any]]
    pairs: pd.DataFrame
    findings: list[dict[str, Any]]
    settings: dict[str, Any]
    provenance: dict[str, Any]

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Self:
        """Return the run of a directory.

        Parameters
        ----------
        folder
            The run directory.

        Returns
        -------
        Self
            What it holds; RunError where it is none, or damaged.
        """
        folder = open_run(folder)
        return cls(
            folder=folder,
            rows=read_rows(folder),
            pairs=read_csv(folder / "pairs.csv", PAIR_TYPES),
            findings=[dict.fromkeys(FINDING) | each for each in read_jsonl(folder / "findings.jsonl", FINDING)],
            settings=read_settings(folder, resolved=RESOLVED),
            provenance=read_provenance(folder, versions=VERSIONS),
        )

    def __fspath__(self) -> str:
        return str(self.folder)

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.folder / name

    def __repr__(self) -> str:
        units, models = counted(len(self.units), "unit{s}"), counted(len(self.models), "model{s}")
        found = counted(len(self.findings), "finding{s}")
        return f"<{type(self).__name__} {self.name}: {units}, {models}, {found}; {self.folder}>"

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

    @property
    def n_replicates(self) -> int:
        """Replicates that posterior predictive checks are put together of."""
        return int(self.settings["settings"]["replicates"]["value"])

    @cached_property
    def gains(self) -> dict[tuple[str, str, str], tuple[float, float, float]]:
        """Gain of a model over another with its interval, by unit and these two, each pair both ways round."""
        found = {}
        for row in self.pairs.dropna(subset=["gain"]).to_dict("records"):
            unit, a, b = str(row["unit"]), str(row["model_a"]), str(row["model_b"])
            gain, low, high = float(row["gain"]), float(row["gain_low"]), float(row["gain_high"])
            found[unit, a, b], found[unit, b, a] = (gain, low, high), (-gain, -high, -low)
        return found

    @cached_property
    def links(self) -> pd.DataFrame | None:
        """The tests of all pairs of units; None for a run without population models."""
        file = self.folder / "coupling.csv"
        return read_csv(file, COUPLING_TYPES) if file.is_file() else None

    @cached_property
    def population(self) -> dict[str, Any] | None:
        """What units share and what joint free runs come to; None for a run without population models."""
        return read_population(self.folder)

    @cached_property
    def single_trials(self) -> Curves | None:
        """Single trials of all units; None where fewer than two were fitted, or without population models."""
        return read_single_trials(self.folder)

    @cached_property
    def decoding(self) -> Decoding | None:
        """What ``rnnspike decode`` found; None where it was not run."""
        return read_decoding(self.folder)

    @cached_property
    def decoded_covariate(self) -> Decoding | None:
        """What ``rnnspike decode --covariate`` found; None where it was not run."""
        return read_covariate(self.folder)

    @cached_property
    def trials(self) -> pd.DataFrame | None:
        """The trials of the run with the times of events in each; None for a run of an older version."""
        return read_trials(self.folder)

    @property
    def unit_names(self) -> dict[str, str]:
        """The file's own names of units, by id, where it has them."""
        return self.settings["resolved"].get("unit_names") or {}

    @cached_property
    def conditions(self) -> list[str]:
        """Labels of the conditions, in the order of their codes; of an older version those of the first PSTH."""
        stored = self.settings["resolved"].get("conditions")
        if stored is None and self.units:
            stored = [str(label) for label in self.curves(self.units[0]).get("smooth.condition", ())]
        return stored or []

    def unit_rows(self, unit: str) -> list[dict[str, Any]]:
        """Return a unit's rows.

        Parameters
        ----------
        unit
            The unit's id.
        """
        return self._rows_of.get(unit, [])

    @cached_property
    def _rows_of(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.rows:
            found.setdefault(row["unit"], []).append(row)
        return found

    def unit_pairs(self, unit: str) -> pd.DataFrame:
        """Return a unit's pairs of models.

        Parameters
        ----------
        unit
            The unit's id.
        """
        return self._pairs_of.get(unit, self.pairs[:0])

    @cached_property
    def _pairs_of(self) -> dict[str, pd.DataFrame]:
        return {str(unit): pairs for unit, pairs in self.pairs.groupby("unit", sort=False)}

    def curves(self, unit: str) -> Curves:
        """Return a unit's curves.

        Parameters
        ----------
        unit
            The unit's id.
        """
        return read_arrays(self.folder / "units" / safe_name(unit) / "curves.npz")

    def per_trial(self, unit: str) -> pd.DataFrame:
        """Return a unit's table of trials, those in which it was held.

        Parameters
        ----------
        unit
            The unit's id.
        """
        if unit not in self._per_trial:
            self._per_trial[unit] = read_per_trial(self.folder, unit, **SESSION_TYPES)
        return self._per_trial[unit]

    @cached_property
    def _per_trial(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def scored(self) -> ScoredRun:
        """What a comparison over runs takes of this one."""
        return read_scored(self.folder)

    def setting(self, name: str) -> Any:
        """Return the value of a setting, None where the run has none of this name.

        Parameters
        ----------
        name
            As settings.json spells it.

        Returns
        -------
        Any
            As JSON holds it.
        """
        return self.settings["settings"].get(name, {}).get("value")

    @property
    def input_name(self) -> str:
        """Name of the recording's file, also of one that was fitted on Windows."""
        return str(self.provenance["input"]).replace("\\", "/").rsplit("/", 1)[-1]

    def stack_weights(self, unit: str) -> dict[str, dict[str, float]]:
        """Return the stack's weights of each test fold; empty where there is no stack.

        Parameters
        ----------
        unit
            The unit's id.
        """
        file = self.folder / "units" / safe_name(unit) / "stack.json"
        return {test: weights for test, (weights, _) in read_stack(file).items()}

    def trainings(self, unit: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield what each network's training did, pooled ones included.

        Parameters
        ----------
        unit
            The unit's id.

        Yields
        ------
        tuple of (str, str, dict)
            Model, member, and the training's report.
        """
        for model, member, config in _configs(self.folder / "units" / safe_name(unit)):
            if config.get("training"):
                yield model, member, config["training"]
        for model, member, config in self._pooled_configs:
            if config.get("training") and unit in config.get("unit_ids", (unit,)):
                yield model, member, config["training"]

    @cached_property
    def _pooled_configs(self) -> list[tuple[str, str, dict[str, Any]]]:
        return list(_configs(self.folder))


def _configs(owner: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield model, member and config of the fitted models that lie in the folder of a unit, or of a run."""
    folder = owner / FOLDER
    with damage_errors(folder):
        found = list(packed_files(folder, _is_config))
    for name, content in found:
        model, *_, member, _ = name.parts
        yield model, member, parse_json(folder / name, content, {"training": dict[str, Any] | None})


def _is_config(name: PurePosixPath) -> bool:
    return any(name.match(pattern) and len(name.parts) == pattern.count("/") + 1 for pattern in CONFIGS)


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read a run directory; RunError where it is none, or damaged."""
    return Run.read(folder)


def distinct_names(named: Iterable[tuple[str, Run]]) -> list[str]:
    """Return a name for each run: the one given, or where another run has it the one that ``fit`` would give."""
    names: list[str] = []
    for name, run in named:
        names.append(distinct_name(name, str(run.provenance["sha256"]), names))
    return names
