"""Files of a run directory: written under a temporary name and put in place whole; equal inputs, equal bytes."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import damage_errors
from rnnspike.files import write_file
from rnnspike.names import any_text, from_cell, plain, to_cell, to_json

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import TypeAdapter

#: Characters of a file name that stands for a unit or a recording; others are put before and behind it.
MOST_OF_A_NAME = 100
#: No figure that a run holds is larger in size: one that is comes of damage, and would overflow what is made of it.
LARGEST = 1e100
#: Key -> type of its value, or the form of an object in its place.
Form = Mapping[str, Any]


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    write_file(path, (to_json(plain(value), indent=2) + "\n").encode())


def read_json(path: Path, form: Form) -> dict[str, Any]:
    """Read a JSON file of an object with these keys, of these types; RunError where it is missing or another.

    Keys whose type takes None may be absent, and there may be others.
    """
    with damage_errors(path):
        content = path.read_bytes()
    return parse_json(path, content, form)


def parse_json(path: Path, content: bytes, form: Form) -> dict[str, Any]:
    """Return what ``read_json`` does, of the content of ``path``."""
    with damage_errors(path):
        return _of_form(content.decode("utf-8"), form)


def _of_form(text: str, form: Form) -> dict[str, Any]:
    """Return the object that a JSON text holds, null where a number is not finite."""
    value: dict[str, Any] = plain(json.loads(text))
    refuse_other_form(value, form)
    if any(abs(number) > LARGEST for number in _numbers(value)):
        raise ValueError("a number is too large")
    return value


def refuse_other_form(value: Any, form: Form) -> None:
    """Raise ValueError where a value is no object with these keys, of these types."""
    if not isinstance(value, dict):
        raise ValueError("is no object")
    for key, kind in form.items():
        if isinstance(kind, Mapping):
            refuse_other_form(value.get(key), kind)
        else:
            _type(kind).validate_python(value.get(key), strict=True)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, (int, float)):
        yield value
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


@lru_cache
def _type(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def read_stack(path: Path) -> dict[str, tuple[dict[str, float], float]]:
    """Return weights of the rungs and scale of a unit's stack by test fold; older runs hold weights alone."""
    with damage_errors(path):
        pools = {
            test: (pool.get("weights", pool), pool.get("scale", 1.0)) for test, pool in read_json(path, {}).items()
        }
        return {
            test: ({name: float(w) for name, w in ws.items()}, float(scale)) for test, (ws, scale) in pools.items()
        }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as lines of JSON."""
    write_file(path, "".join(to_json(plain(row)) + "\n" for row in rows).encode())


def read_jsonl(path: Path, form: Form) -> list[dict[str, Any]]:
    """Read lines of JSON, each an object as ``read_json`` says."""
    with damage_errors(path):
        return [_of_form(line, form) for line in path.read_text(encoding="utf-8").split("\n") if line]


def read_csv(path: Path, columns: Mapping[str, Any], optional: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Read a table of ``write_csv`` with these columns; those of an ``optional`` name (or start) may be absent.

    Types are ``str``, ``int`` for whole numbers from 0 on, ``float``, and ``float | None`` where cells may be empty.
    """
    import pandas as pd

    types = {**columns, **(optional or {})}
    with damage_errors(path), any_text():
        _refuse_cut_short(path)
        table = pd.read_csv(  # a unit may be called NA
            path,
            dtype={name: str for name, kind in types.items() if kind is str} or None,
            keep_default_na=False,
            na_values=[""],
            encoding_errors="surrogatepass",
        )
        texts = {str(name): column.map(from_cell) for name, column in table.items() if column.dtype.kind == "O"}
        table = table.assign(**texts).rename(columns=from_cell)
        if not set(columns) <= set(table.columns):
            raise ValueError("columns are missing")
        for name, column in table.items():
            kinds = [kind for known, kind in types.items() if name == known or str(name).startswith(f"{known}_")]
            _refuse_other_type(column, *kinds[:1])
        return table


def _refuse_cut_short(path: Path) -> None:
    """Raise ValueError where a file does not end with the end of a line."""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(-min(1, file.tell()), os.SEEK_END)
        if file.read() != b"\n":
            raise ValueError("the last line is cut short")


def _refuse_other_type(column: pd.Series[Any], kind: Any = str) -> None:
    """Raise ValueError where a column holds what is not of its type; a log-likelihood may be -inf."""
    if kind is str or not len(column):
        return
    if column.dtype.kind not in ("iu" if kind is int else "iuf"):
        raise ValueError(f"column {column.name} is of another type")
    values = column.to_numpy(np.float64)
    high, low = values > LARGEST, (values < -LARGEST) & np.isfinite(values)
    if high.any() or low.any() or (kind is int and (values < 0).any()) or (kind is float and np.isnan(values).any()):
        raise ValueError(f"column {column.name} holds a value that it cannot have")


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV; null is an empty cell. Columns that rows have beyond ``columns`` follow them."""
    rows = [plain(row) for row in rows]
    extra = dict.fromkeys(key for row in rows for key in row if key not in columns)
    names = [*columns, *extra]
    lines = [csv_line(names), *(csv_line(row.get(name) for name in names) for row in rows)]
    write_file(path, "".join(lines).encode("utf-8", "surrogatepass"))


def csv_line(values: Iterable[Any]) -> str:
    """Return a line of CSV; null is an empty cell, and no text is a formula (``names.to_cell``)."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(map(to_cell, values))  # it quotes what ends a line
    return f"{text.getvalue()[:-2]}\n"


def frame_csv(frame: pd.DataFrame) -> bytes:
    """Return a table as ``write_csv`` writes it, numbers in full and infinity as such."""
    lines = [csv_line(frame.columns), *map(csv_line, zip(*(_cells(frame[name]) for name in frame), strict=True))]
    return "".join(lines).encode("utf-8", "surrogatepass")


def _cells(column: pd.Series[Any]) -> list[Any]:
    values = column.astype(str).astype(float) if column.dtype == np.float32 else column  # its figures, no more
    return [None if missing else value for value, missing in zip(values.tolist(), column.isna(), strict=True)]


def write_arrays(path: Path, arrays: Mapping[str, npt.ArrayLike], compressed: bool = True) -> None:
    """Write arrays as an npz whose bytes depend on the arrays alone."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, **{name: np.asarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    write_file(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an npz; pickled objects are refused."""
    with damage_errors(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def refuse_other_axes(path: Path, arrays: Mapping[str, npt.NDArray[Any]], axes: Mapping[str, int]) -> None:
    """Raise RunError where an array that was read from a file is missing, or has another number of axes."""
    with damage_errors(path):
        for name, n_axes in axes.items():
            if np.ndim(arrays[name]) != n_axes:
                raise ValueError(f"{name} has {np.ndim(arrays[name])} axes, not {n_axes}")


def read_arrays_named(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read some arrays of an npz and leave the others on disk."""
    with damage_errors(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}


def safe_name(text: str) -> str:
    """Return a file name for a unit id: itself where it is harmless, else escaped byte by byte (%2F).

    Long ones end in a hash, after %~ that no other name holds.

    Examples
    --------
    >>> safe_name("12"), safe_name("a/b"), safe_name(".."), len(safe_name("a" * 300))
    ('12', 'a%2Fb', '%2E%2E', 100)
    """
    name = re.sub(r"." if re.fullmatch(r"\.*", text) else r"[^A-Za-z0-9._+-]", _escaped, text) or "%"
    if len(name) <= MOST_OF_A_NAME:
        return name
    figures = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: MOST_OF_A_NAME - 18]}%~{figures}"


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def run_name(path: Path) -> str:
    """Return the plain name of a recording, as of its run directory."""
    return safe_name(path.stem or path.name)


def distinct_name(name: str, sha256: str, taken: Collection[str]) -> str:
    """Return a name; where it is taken with the first figures of the recording's hash, and then with a number.

    Examples
    --------
    >>> distinct_name("session", "0123456789", ["session"])
    'session-01234567'
    """
    hashed = f"{name}-{sha256[:8]}"
    numbered = (f"{hashed}-{k}" for k in count(2))
    held = {each.casefold() for each in taken}  # some file systems do not tell A from a
    return next(each for each in chain((name, hashed), numbered) if each.casefold() not in held)
