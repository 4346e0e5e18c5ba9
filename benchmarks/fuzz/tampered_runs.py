"""Run directories whose files were changed, cut, removed or swapped, through the commands that read them."""

from __future__ import annotations

import csv
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz.cases import Case, Corpus
from benchmarks.fuzz.damage import damaged
from benchmarks.fuzz.texts import hostile_text

Change = Callable[[np.random.Generator, Path], None]
RUN = "out/one_unit"
_ATTACK = "@pd.io.common.os.system('touch canary') == 0"


class _Touch:
    """What a pickle runs when it is opened."""

    def __reduce__(self) -> tuple[Any, tuple[str, ...]]:
        return os.system, ("touch canary",)


def _odd_value(rng: np.random.Generator, value: Any) -> Any:
    values = (
        None,
        -1,
        0,
        1e308,
        float("nan"),
        float("inf"),
        10**30,
        True,
        "",
        "x",
        [],
        {},
        [[]],
        {"a": 1},
        "../../canary",
        _ATTACK,
        hostile_text(rng),
        [value],
        str(value),
        "/nowhere/x.nwb",
        [value] * 3,
        "1 ms",
    )
    return values[rng.integers(len(values))]


def _places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in inner for place in ((*here, key), *_places(item, (*here, key)))]


def _tamper_json(rng: np.random.Generator, text: str) -> str:
    """Change, remove or add one entry."""
    document = json.loads(text)
    places = _places(document)
    if not places or rng.random() < 0.05:
        return json.dumps(_odd_value(rng, document))
    *way, key = places[rng.integers(len(places))]
    holder = document
    for step in way:
        holder = holder[step]
    choice = rng.random()
    if choice < 0.25:
        del holder[key]
    elif choice < 0.35 and isinstance(holder, dict):
        holder[hostile_text(rng)] = holder[key]
    else:
        holder[key] = _odd_value(rng, holder[key])
    return json.dumps(document)


def json_entry(rng: np.random.Generator, path: Path) -> None:
    path.write_text(_tamper_json(rng, path.read_text()), encoding="utf-8", errors="replace")


def json_line(rng: np.random.Generator, path: Path) -> None:
    lines = path.read_text().splitlines()
    if not lines:
        return
    i = int(rng.integers(len(lines)))
    choice = rng.random()
    if choice < 0.6:
        lines[i] = _tamper_json(rng, lines[i])
    elif choice < 0.75:
        del lines[i]
    else:
        lines.insert(i, str(rng.choice([lines[i], "", "{", "null", "[]", "5", lines[i][:-5]])))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="replace")


def table(rng: np.random.Generator, path: Path) -> None:
    rows = list(csv.reader(io.StringIO(path.read_text())))
    if not rows or not rows[0]:
        return
    i, j = int(rng.integers(len(rows))), int(rng.integers(len(rows[0])))
    choice = int(rng.integers(6))
    if choice == 0:
        rows = [row[:j] + row[j + 1 :] for row in rows]
    elif choice == 1:
        del rows[i]
    elif choice == 2:
        rows = rows[:1]
    elif choice == 3:
        rows[i] = [*rows[i], "1", "2"]
    else:
        rows[i][j % len(rows[i])] = str(
            rng.choice(["", "x", "nan", "inf", "-1", "1e400", "99999999999", hostile_text(rng)[:40]])
        )
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8", errors="replace")


def archive(rng: np.random.Generator, path: Path) -> None:
    """Change one array of an .npz: its shape, its type, or a pickle in its place."""
    with np.load(path) as content:
        arrays = dict(content)
    if not arrays:
        return
    name = sorted(arrays)[rng.integers(len(arrays))]
    array = arrays[name]
    choices: tuple[Any, ...] = (
        array.ravel()[:-1],
        array[None],
        array * 0 + 255,
        array.astype(str),
        np.zeros(0),
        np.float64(3),
        array.astype(np.complex128),
        np.full(array.shape, np.nan),
        np.array([_Touch()], object),
        None,
        np.flip(array),
    )
    value = choices[rng.integers(len(choices))]
    arrays.pop(name)
    if value is not None:
        arrays[name] = value
    np.savez(path, **arrays)
    if rng.random() < 0.1:
        with zipfile.ZipFile(path, "a") as file:
            file.writestr("../../canary.npy", b"x")


def tensors(rng: np.random.Generator, path: Path) -> None:
    """Change the header of a safetensors file: names, shapes, types, offsets, its length."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = data[8 : 8 + length].decode(), data[8 + length :]
    header = _tamper_json(rng, header)
    stated = len(header) if rng.random() < 0.8 else int(rng.choice([0, 2**31, 2**62, len(header) - 3]))
    path.write_bytes(stated.to_bytes(8, "little") + header.encode("utf-8", "replace") + body)


def raw_bytes(rng: np.random.Generator, path: Path) -> None:
    path.write_bytes(damaged(rng, path.read_bytes())[0])


def removed(rng: np.random.Generator, path: Path) -> None:
    path.unlink()


def emptied(rng: np.random.Generator, path: Path) -> None:
    path.write_bytes(b"")


def a_folder(rng: np.random.Generator, path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link(rng: np.random.Generator, path: Path) -> None:
    path.unlink()
    path.symlink_to(str(rng.choice(["nowhere", path.name, "/dev/null", "../../../in/one_unit.nwb", "."])))


def a_pickle(rng: np.random.Generator, path: Path) -> None:
    path.write_bytes(pickle.dumps(_Touch()))


_ANY: tuple[Change, ...] = (raw_bytes, raw_bytes, removed, emptied, a_folder, a_link, a_pickle)
_BY_SUFFIX: dict[str, tuple[Change, ...]] = {
    ".json": (json_entry,) * 12,
    ".jsonl": (json_line,) * 10,
    ".csv": (table,) * 10,
    ".npz": (archive,) * 10,
    ".safetensors": (tensors,) * 8,
}


def make(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    """Tamper with one file of a run (two, one time in four) and read it with one of four commands."""
    (folder / "in").mkdir()
    shutil.copytree(corpus.folder / "runs" / "one_unit", folder / RUN)
    command, arguments = _command(rng)
    names = []
    for _ in range(1 + int(rng.random() < 0.25)):
        path = _file(rng, folder / RUN, command)
        choices = _BY_SUFFIX.get(path.suffix, ()) + _ANY
        change = choices[rng.integers(len(choices))]
        try:
            change(rng, path)
        except (ValueError, OSError, UnicodeError, KeyError, TypeError):
            raw_bytes(rng, path) if path.is_file() else None  # changed before into what it cannot parse
        names.append(f"{change.__name__} of {path.relative_to(folder / RUN)}")
    return Case(command, "; ".join(names), arguments)


def _file(rng: np.random.Generator, run: Path, command: str) -> Path:
    """Return a file of the run, mostly one of the few that tell of the whole run or that the command needs."""
    files = sorted(path for path in run.rglob("*") if path.is_file() and not path.is_symlink())
    top = [path for path in files if len(path.relative_to(run).parts) <= 3]
    weights = [path for path in files if "models" in path.parts and (command != "dynamics" or "gru" in path.parts)]
    share = {"simulate": 0.5, "dynamics": 0.5}.get(command, 0.05)
    chosen = weights if weights and rng.random() < share else top or files
    return chosen[rng.integers(len(chosen))]


def _command(rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    choice = rng.random()
    if choice < 0.35:
        html = ("report", RUN, "--out", "out/page.html")
        return "report", html if rng.random() < 0.4 else ("report", RUN, "--format", "md")
    if choice < 0.65:
        return "compare", ("compare", RUN, "--format", "jsonl")
    if choice < 0.85:
        return "simulate", ("simulate", RUN, "--out", "out/again.nwb", "--format", "jsonl")
    return "dynamics", ("dynamics", RUN, "--members", "1", "--starts", "8", "--no-pictures", "--format", "jsonl")
