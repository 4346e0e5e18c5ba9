"""Writes lines as they come to a CSV, jsonl or Parquet file, which is there whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnspike.errors import ConfigError
from rnnspike.files import replacing
from rnnspike.names import plain, to_json
from rnnspike.runs.rows import Column
from rnnspike.runs.stored.store import csv_line

if TYPE_CHECKING:
    import pyarrow

Row = Mapping[str, Any]
Write = Callable[[Path, Sequence[Column], Iterable[Row]], None]

#: Lines of a row group of Parquet: so many are in memory at a time.
GROUP = 20_000


def writer_of(path: Path) -> Write:
    """Return what writes a table to this path, by its ending; ConfigError where there is none."""
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise ConfigError(f"--out {path}: must end in {', '.join(WRITERS)}")
    if suffix == ".parquet":
        _pyarrow(path)
    return WRITERS[suffix]


def write_table(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Write a table to a file of the kind that its ending names; what was there stays until it is whole.

    Parameters
    ----------
    path
        A file that ends in .csv, .jsonl or .parquet.
    columns
        The columns, in order.
    rows
        Its lines; a column that a line lacks is null.

    Raises
    ------
    ConfigError
        Where the ending is another, or Parquet is asked for and pyarrow is not installed.
    """
    write = writer_of(path)
    with replacing(path) as temporary:
        write(temporary, columns, rows)


def _write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    names = [column.name for column in columns]
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.write(csv_line(names))
        file.writelines(csv_line(row.get(name) for name in names) for row in rows)


def _write_jsonl(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    names = [column.name for column in columns]
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{to_json(plain({name: row.get(name) for name in names}))}\n" for row in rows)


def _write_parquet(path: Path, columns: Sequence[Column], rows: Iterable[Row]) -> None:
    from pyarrow import Table, parquet

    schema, waiting = _arrow_schema(columns), iter(rows)
    with parquet.ParquetWriter(path, schema) as writer:
        for group in iter(lambda: list(islice(waiting, GROUP)), []):
            arrays = {column.name: [_arrow_value(row.get(column.name)) for row in group] for column in columns}
            writer.write_table(Table.from_pydict(arrays, schema=schema))


def _arrow_schema(columns: Sequence[Column]) -> pyarrow.Schema:
    import pyarrow

    types = {int: pyarrow.int64(), float: pyarrow.float64(), bool: pyarrow.bool_()}
    return pyarrow.schema(
        pyarrow.field(
            column.name,
            types.get(column.type, pyarrow.string()),
            metadata={"meaning": column.meaning, "unit": column.unit},
        )
        for column in columns
    )


def _arrow_value(value: Any) -> Any:
    """Return a value that Arrow takes: names from files need not be UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _pyarrow(path: Path) -> None:
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ConfigError(f"--out {path}: Parquet needs pyarrow (pip install 'rnnspike[parquet]')") from None


#: Ending -> what writes such a file.
WRITERS: dict[str, Write] = {".csv": _write_csv, ".jsonl": _write_jsonl, ".parquet": _write_parquet}
