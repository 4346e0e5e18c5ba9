"""Files of a run directory: written under a temporary name and put in place whole; equal inputs, equal bytes."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RunError

if TYPE_CHECKING:
    import pandas as pd


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: numpy scalars and arrays plain, NaN and infinity null, paths as text."""
    if isinstance(value, np.ndarray):
        return [plain(inner) for inner in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON."""
    write_bytes(path, (json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


@contextmanager
def _told_if_damaged(path: Path) -> Iterator[None]:
    """Make one line of what is wrong with a file of a run directory."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing from the run (fit the recording again with --overwrite)") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, BadZipFile, EOFError) as error:
        raise RunError(f"{path}: is damaged and cannot be read (fit the recording again with --overwrite)") from error


def read_json(path: Path) -> Any:
    """Read a JSON file; RunError where it is missing or damaged, as from all that read a run's files."""
    with _told_if_damaged(path):
        return json.loads(path.read_text(encoding="utf-8"))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as lines of JSON."""
    lines = [json.dumps(plain(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    write_bytes(path, "".join(lines).encode())


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read lines of JSON."""
    with _told_if_damaged(path):
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        if not all(isinstance(row, dict) for row in rows):
            raise ValueError("a line is no object")
        return rows


def read_csv(path: Path, columns: Sequence[str], **dtype: type) -> pd.DataFrame:
    """Read a table that has at least these columns; ``dtype`` of those that are not what they look like."""
    import pandas as pd

    with _told_if_damaged(path):
        table = pd.read_csv(path, dtype=dtype or None)
        if not set(columns) <= set(table.columns):
            raise ValueError("columns are missing")
        return table


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write rows as CSV; null is an empty cell. Columns that rows have beyond ``columns`` follow them."""
    rows = [plain(row) for row in rows]
    extra = dict.fromkeys(key for row in rows for key in row if key not in columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, *extra], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: "" if value is None else value for key, value in row.items()})
    write_bytes(path, text.getvalue().encode())


def write_arrays(path: Path, arrays: Mapping[str, npt.ArrayLike], compressed: bool = True) -> None:
    """Write arrays as an npz whose bytes depend on the arrays alone."""
    buffer = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(buffer, **{name: np.asarray(arrays[name]) for name in sorted(arrays)})  # type: ignore[arg-type]
    write_bytes(path, buffer.getvalue())


def read_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an npz; pickled objects are refused."""
    with _told_if_damaged(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def read_arrays_named(path: Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Read some arrays of an npz and leave the others on disk."""
    with _told_if_damaged(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in names}


def safe_name(text: str) -> str:
    """Return a file name for a unit id: itself where it is harmless, else escaped byte by byte (%2F).

    Examples
    --------
    >>> safe_name("12"), safe_name("a/b"), safe_name("..")
    ('12', 'a%2Fb', '%2E%2E')
    """
    if re.fullmatch(r"\.*", text):
        return "".join(f"%{byte:02X}" for byte in text.encode()) or "%"
    return re.sub(r"[^A-Za-z0-9._+-]", lambda found: "".join(f"%{byte:02X}" for byte in found[0].encode()), text)


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
    return next(each for each in chain((name, hashed), numbered) if each not in taken)
