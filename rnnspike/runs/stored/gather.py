"""Tables of many runs as one: rows, pairs or trials, one run at a time, each line with where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnspike.errors import damage_errors
from rnnspike.names import plain
from rnnspike.runs.rows import COLUMNS, PAIR_TYPES, PAIRS, PROVENANCE, SCHEMA, TRIALS, Column
from rnnspike.runs.stored.directory import VERSIONS, open_run, read_provenance, read_rows
from rnnspike.runs.stored.store import read_csv
from rnnspike.runs.stored.tables import read_per_trial

Row = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """A kind of table: its columns, and how the lines of one run are read."""

    columns: tuple[Column, ...]
    read: Callable[[Path], Iterator[Row]]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Columns with those of provenance, which stand last."""
        return (*self.columns, *PROVENANCE)


def gather(folders: Iterable[Path], table: Table) -> Iterator[Row]:
    """Yield the lines of finished runs, each with all columns of the table, null where there is nothing.

    Raises
    ------
    RunError
        Where a run is not finished, or damaged.
    """
    for folder in folders:
        found = read_provenance(open_run(folder), versions=VERSIONS)
        where = {
            "run": str(folder),
            "input": found["input"],
            "sha256": found["sha256"],
            "rnnspike": found["versions"].get("rnnspike"),
        }
        empty: Row = dict.fromkeys(column.name for column in table.columns)
        for line in table.read(folder):
            yield {**empty, **line, **where}


def _pairs(folder: Path) -> Iterator[Row]:
    file = folder / "pairs.csv"
    yield from _records(read_csv(file, PAIR_TYPES))


def _trials(folder: Path) -> Iterator[Row]:
    units = dict.fromkeys(
        (row["recording"], row["unit"]) for row in read_rows(folder) if row["bits_per_spike"] is not None
    )
    for recording, unit in units:
        table = read_per_trial(folder, unit)
        with damage_errors(folder):
            models = [name for name in table.columns if name.startswith("ll_")]
            others = [name for name in table.columns if name not in models]
            long = table.melt(others, models, "model", "log_likelihood")
            known = [name for name in long.columns if name in {column.name for column in TRIALS}]
            for line in _records(long[known]):
                line["model"] = line["model"].removeprefix("ll_")
                yield {"schema": SCHEMA, "recording": recording, "unit": unit, **line}


def _records(frame: Any) -> Iterator[Row]:
    """Yield the rows of a table as plain values, null where a cell is empty."""
    names = [str(name) for name in frame.columns]
    for values in frame.itertuples(index=False, name=None):
        yield {name: _value(value) for name, value in zip(names, values, strict=True)}


def _value(value: Any) -> Any:
    """Return a plain value; a log-likelihood may be minus infinity, which no JSON holds but other tables do."""
    return value if isinstance(value, float) and value == -float("inf") else plain(value)


TABLES: Mapping[str, Table] = {
    "rows": Table(COLUMNS, lambda folder: iter(read_rows(folder))),
    "pairs": Table(PAIRS, _pairs),
    "trials": Table(TRIALS, _trials),
}
