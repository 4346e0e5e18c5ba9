"""A sound NWB file whose structure is changed: some ways must not alter what is read, others break it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import h5py
import numpy as np

from benchmarks.fuzz.cases import INSPECT, PSTH, Case, Corpus, Truth
from benchmarks.fuzz.nwb_neutral import NEUTRAL
from benchmarks.fuzz.nwb_odd import ODD, data_from_outside, linked_away

#: First unit id of the recording that lies outside the case's own folder.
SECRET = "98765432"


def make(rng: np.random.Generator, corpus: Corpus, folder: Path) -> Case:
    """Change one file in one to three ways; where all are neutral, its counts must stay what they were."""
    is_single = rng.random() < 0.3
    truth = corpus.one_unit if is_single else corpus.truth
    path = folder / "in" / "odd.nwb"
    path.parent.mkdir(parents=True)
    shutil.copy(corpus.folder / ("one_unit.nwb" if is_single else "made.nwb"), path)
    _secret(corpus, folder / "elsewhere")
    is_neutral = rng.random() < 0.5
    pool = NEUTRAL if is_neutral else NEUTRAL + ODD * 2
    chosen = [pool[rng.integers(len(pool))] for _ in range(int(rng.integers(1, 4)))]
    done = []
    with h5py.File(path, "r+") as file:
        for change in sorted(chosen, key=lambda change: change in ODD):
            try:
                change(rng, file)
                done.append(change.__name__)
            except (ValueError, TypeError, KeyError, OSError, RuntimeError, OverflowError) as error:
                done.append(f"{change.__name__}!{type(error).__name__}")  # HDF5 itself cannot write that
    is_neutral = all(change in NEUTRAL for change in chosen) and not any("!" in name for name in done)
    case = _case(rng, "+".join(done), truth if is_neutral else None)
    odd = {change for change in chosen if change in ODD}
    # that table's row numbers are not read
    is_read = "linked_away" in done and not _is_link(path, "intervals/trials/id")
    said = "link" if odd == {linked_away} and is_read else ""
    return dataclasses.replace(case, must_refuse=odd == {data_from_outside}, must_say=said)


def _is_link(path: Path, place: str) -> bool:
    with h5py.File(path, "r") as file:
        folder, _, name = place.rpartition("/")
        group = file.get(folder)
        return isinstance(group, h5py.Group) and not isinstance(group.get(name, getlink=True), h5py.HardLink)


def _secret(corpus: Corpus, folder: Path) -> None:
    folder.mkdir()
    shutil.copy(corpus.folder / "made.nwb", folder / "secret.nwb")
    with h5py.File(folder / "secret.nwb", "r+") as file:
        file["units/id"][...] = int(SECRET) + np.arange(file["units/id"].size)
    np.cumsum(np.full(2000, 0.0625)).tofile(folder / "secret.raw")


def _case(rng: np.random.Generator, what: str, truth: Truth | None) -> Case:
    path = "in/odd.nwb"
    forbidden = (SECRET,)
    if truth is not None and rng.random() < 0.4:
        return Case("psth", what, (*PSTH, path), truth=truth, is_valid_hdf5=True, forbidden=forbidden)
    if truth is None and rng.random() < 0.25:
        arguments = (*PSTH, path, *(("--condition", "side") if rng.random() < 0.5 else ()))
        return Case("psth", what, arguments, is_valid_hdf5=True, forbidden=forbidden)
    command = INSPECT if truth is not None or rng.random() < 0.8 else ("inspect", "--format", "table")
    return Case(
        "inspect", what, (*command, path), truth=truth, independent=path if command == INSPECT else None,
        is_valid_hdf5=True, forbidden=forbidden,
    )  # fmt: skip
