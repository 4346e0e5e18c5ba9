"""Damage to the bytes of a file, positions mostly in its header, and to a file of every format."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.fuzz.cases import INSPECT, PSTH, Case, Corpus

Change = Callable[[np.random.Generator, bytearray], None]

#: Numbers that sizes and offsets break at.
_NUMBERS = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0x7FFFFFFFFFFFFFFF,
    0xFFFFFFFFFFFFFFFF,
)


def position(rng: np.random.Generator, size: int) -> int:
    """Return a position in a file: two in three near its start."""
    power = 4.0 if rng.random() < 0.67 else 1.0
    return min(size - 1, int(size * rng.random() ** power))


def _span(rng: np.random.Generator, data: bytearray, longest: int = 64) -> slice:
    start = position(rng, len(data))
    return slice(start, min(len(data), start + int(rng.integers(1, longest + 1))))


def flip(rng: np.random.Generator, data: bytearray) -> None:
    """Change one bit."""
    data[position(rng, len(data))] ^= 1 << int(rng.integers(8))


def byte(rng: np.random.Generator, data: bytearray) -> None:
    """Change one byte."""
    data[position(rng, len(data))] = int(rng.integers(256))


def zeros(rng: np.random.Generator, data: bytearray) -> None:
    """Overwrite a run with zeros."""
    span = _span(rng, data)
    data[span] = bytes(span.stop - span.start)


def noise(rng: np.random.Generator, data: bytearray) -> None:
    """Overwrite a run with noise."""
    span = _span(rng, data)
    data[span] = rng.bytes(span.stop - span.start)


def number(rng: np.random.Generator, data: bytearray) -> None:
    """Overwrite four or eight bytes with a number that sizes break at."""
    width = int(rng.choice([4, 8]))
    start = position(rng, len(data)) // 4 * 4
    value = _NUMBERS[rng.integers(len(_NUMBERS))] & ((1 << 8 * width) - 1)
    data[start : start + width] = value.to_bytes(width, "little")[: len(data) - start]


def truncate(rng: np.random.Generator, data: bytearray) -> None:
    """Cut the file off."""
    del data[position(rng, len(data)) if rng.random() < 0.5 else int(rng.integers(len(data))) :]


def repeat(rng: np.random.Generator, data: bytearray) -> None:
    """Write a block a second time, behind itself."""
    span = _span(rng, data, 512)
    data[span.stop : span.stop] = data[span]


def insert(rng: np.random.Generator, data: bytearray) -> None:
    """Insert noise."""
    start = position(rng, len(data))
    data[start:start] = rng.bytes(int(rng.integers(1, 33)))


def cut_out(rng: np.random.Generator, data: bytearray) -> None:
    """Leave a run out."""
    del data[_span(rng, data, 128)]


def append(rng: np.random.Generator, data: bytearray) -> None:
    """Add noise at the end."""
    data += rng.bytes(int(rng.integers(1, 200)))


CHANGES: tuple[Change, ...] = (
    flip,
    flip,
    byte,
    byte,
    zeros,
    noise,
    number,
    number,
    truncate,
    repeat,
    insert,
    cut_out,
    append,
)


def damaged(rng: np.random.Generator, content: bytes) -> tuple[bytes, str]:
    """Return a content with one to four changes, and their names."""
    data, names = bytearray(content), []
    for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
        if data:
            change = CHANGES[rng.integers(len(CHANGES))]
            change(rng, data)
            names.append(change.__name__)
    return bytes(data), "+".join(names)


#: Seed files that are recordings, and what to name of those that are folders (None: the folder).
FORMATS: tuple[tuple[str, str | None], ...] = (
    ("made.nwb", None), ("made.nwb", None), ("own.nwb", None), ("made.nix", None), ("made.mat", None),
    ("packed.mat", None), ("made.pkl", None), ("made.nex", None), ("made.nex5", None), ("made.nev", None),
    ("made.plx", None), ("neuralynx", None), ("neuralynx", "SE1.nse"), ("klustakwik", None),
    ("klustakwik", "rat.res.1"), ("phy", None), ("phy", None), ("made.csv", None), ("made.txt", None),
    ("events.csv", None), ("rnnspike.toml", None),
)  # fmt: skip


def make(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    """Damage one file of a recording; one case in four has a sound recording beside it."""
    name, inside = FORMATS[rng.integers(len(FORMATS))]
    target = folder / "in" / name
    target.parent.mkdir(parents=True)
    source = corpus.folder / name
    shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
    file = target
    if target.is_dir():
        files = sorted(target.iterdir())
        file = files[rng.integers(len(files))]
    content, what = damaged(rng, file.read_bytes())
    file.write_bytes(content)
    if name == "events.csv":
        return _events_case(rng, corpus, folder, what)
    if name == "rnnspike.toml":
        return _settings_case(corpus, folder, what)
    named = f"in/{name}" + (f"/{inside}" if inside else "")
    independent = None if inside else named
    what = f"{what} in {file.name}"
    if rng.random() < 0.25:
        shutil.copy(corpus.folder / "made.nwb", folder / "in" / "sound.nwb")
        good = ("sound.nwb", corpus.truth)
        return Case(name, what, (*INSPECT, named, "in/sound.nwb"), good=good)
    if rng.random() < 0.15:
        return Case(name, what, (*PSTH, named))
    arguments = INSPECT if rng.random() < 0.8 else ("inspect", "--format", "table")
    return Case(name, what, (*arguments, named), independent=independent if arguments == INSPECT else None)


def _events_case(rng: np.random.Generator, corpus: Corpus, folder: Path, what: str) -> Case:
    shutil.copy(corpus.folder / "made.csv", folder / "in" / "made.csv")
    command = PSTH if rng.random() < 0.4 else INSPECT
    return Case("events.csv", what, (*command, "in/made.csv", "--events", "in/events.csv"))


def _settings_case(corpus: Corpus, folder: Path, what: str) -> Case:
    (folder / "in" / "rnnspike.toml").rename(folder / "rnnspike.toml")
    shutil.copy(corpus.folder / "made.nwb", folder / "in" / "made.nwb")
    return Case("rnnspike.toml", what, ("fit", "in/made.nwb", "--dry-run", "--out", "out"))
