"""Hostile names of units, conditions, columns, tables, series and files."""

from __future__ import annotations

import csv
from pathlib import Path

import h5py
import numpy as np

from benchmarks.fuzz.cases import PSTH, Case, Corpus, Truth
from benchmarks.fuzz.corpus import write_nwb
from benchmarks.fuzz.texts import hostile_text


def _distinct(rng: np.random.Generator, n: int) -> list[str]:
    """Return n different texts, none blank, without NUL, which no file holds."""
    found: list[str] = []
    while len(found) < n:
        text = hostile_text(rng).replace("\0", "")
        if text.strip() and text not in found:
            found.append(text)
    return found


def make(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    """Give hostile names to units, conditions, columns, tables, series or the file itself."""
    (folder / "in").mkdir()
    return (_named_csv if rng.random() < 0.25 else _named_nwb)(rng, corpus, folder)


def _named_csv(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    names = _distinct(rng, len(corpus.truth.trains_s))
    rows = sorted(
        (time, name) for name, times in zip(names, corpus.truth.trains_s.values(), strict=True) for time in times
    )
    with (folder / "in" / "odd.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["unit", "time_s"])
        writer.writerows([name, f"{time:.6f}"] for time, name in rows)
    form = str(rng.choice(["table", "jsonl", "csv"]))
    return Case("csv", f"units {names!r}", ("inspect", "--format", form, "in/odd.csv"))


def _named_nwb(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    truth = corpus.truth
    n_rows = len(truth.starts_s)
    levels, units = _distinct(rng, 2), _distinct(rng, len(truth.trains_s))
    column = _column_name(rng)
    file_name, named = _file_name(rng)
    path = folder / "in" / "odd.nwb"
    write_nwb(path, truth, **{column: np.array([levels[i % 2] for i in range(n_rows)], object)})
    with h5py.File(path, "r+") as file:
        ids = file["units"].create_dataset(
            "rnnspike_unit_id", data=np.array(units, object), dtype=h5py.string_dtype()
        )
        ids.attrs.update({"neurodata_type": "VectorData", "namespace": "hdmf-common", "description": "x"})
        file["units"].attrs["colnames"] = [*file["units"].attrs["colnames"], "rnnspike_unit_id"]
        file.move("acquisition/speed", f"acquisition/{_column_name(rng)}")
        del file["session_description"]
        file["session_description"] = hostile_text(rng).replace("\0", "")
    path.rename(folder.joinpath("in", file_name))
    path_argument = f"in/{named}"
    what = f"units {units!r}, levels {levels!r}, column {column!r}, file {file_name!r}"
    good = Truth(dict(zip(units, truth.trains_s.values(), strict=True)), truth.starts_s, n_rows)
    return _named_case(rng, what, path_argument, column, good)


def _named_case(rng: np.random.Generator, what: str, path: str, column: str, truth: Truth) -> Case:
    form = str(rng.choice(["table", "jsonl", "csv", "json"]))
    choice = rng.random()
    if choice < 0.015:
        fit = (
            "fit",
            path,
            "--window",
            "0",
            "0.3",
            "--models",
            "constant",
            "--models",
            "psth",
            "--folds",
            "3",
            "--effort",
            "fast",
            "--replicates",
            "0",
            "--min-spikes",
            "5",
            "--out",
            "out",
            "--format",
            form,
        )
        return Case("fit", what, (*fit, f"--condition={column}"))
    if choice < 0.35:
        picture = ("--picture", "out/x.png") if rng.random() < 0.1 else ()
        arguments = (*PSTH[:-1], form, path, f"--condition={column}", *picture)
        return Case("psth", what, arguments)
    is_plain = not any(ord(char) < 32 or 127 <= ord(char) < 160 for unit in truth.trains_s for char in unit)
    return Case(
        "inspect", what, ("inspect", "--format", form, path), truth=truth if form == "jsonl" and is_plain else None
    )


def _column_name(rng: np.random.Generator) -> str:
    """Return a name that HDF5 can hold as one name."""
    name = hostile_text(rng).replace("\0", "").replace("/", "⁄")
    return name if name not in ("", ".", "..", "id", "start_time", "stop_time") else "col"


def _file_name(rng: np.random.Generator) -> tuple[str, str]:
    """Return the file's name and how the command line holds it; some are no UTF-8."""
    if rng.random() < 0.6:
        return "odd.nwb", "odd.nwb"
    if rng.random() < 0.3:
        name = b"caf\xe9\xff.nwb".decode("utf-8", "surrogateescape")
        return name, name
    stem = "".join(char for char in hostile_text(rng) if char not in "/\0")[:60]
    name = f"{stem.encode('utf-8', 'replace').decode()}.nwb"
    return name, name
