"""Second, simple readers for the suite: they say a count only where there is no doubt about it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

#: Larger data sets are not read: a declared size costs nothing to write.
LARGEST = 1_000_000


@dataclass(frozen=True)
class Read:
    """What a file holds beyond doubt: empty or None where there is some.

    ``counts`` are spikes by row of the units table, ``by_id`` by unit id; ``ids`` are those of all rows.
    """

    n_units: int = 0
    counts: dict[int, int] = field(default_factory=dict)
    by_id: dict[str, int] = field(default_factory=dict)
    ids: list[str] | None = None
    n_trials: int | None = None


def read(path: Path) -> Read:
    """Read a recording of one of the formats that are simple enough."""
    try:
        if path.suffix == ".nwb":
            return nwb(path)
        if path.suffix == ".csv":
            return Read(by_id=_csv(path))
        if path.name == "klustakwik":
            return Read(by_id=_klustakwik(path))
        if path.name == "phy":
            return Read(by_id=_phy(path))
    except (OSError, ValueError, UnicodeError, EOFError, OverflowError):
        pass
    return Read()


def _counted(units: list[str], times: np.ndarray) -> dict[str, int]:
    """Return unit id -> spikes where ids are plain numbers, of units whose times ascend."""
    is_plain = all(re.fullmatch(r"[1-9]\d{0,4}", unit) for unit in units)
    if not is_plain or len(units) != len(times) or not np.all(np.isfinite(times) & (times > 0) & (times < 86400)):
        return {}
    of_unit = {unit: times[[other == unit for other in units]] for unit in set(units)}
    return {unit: len(own) for unit, own in of_unit.items() if np.all(np.diff(own) > 0)}


def _csv(path: Path) -> dict[str, int]:
    header, *rows = path.read_text("utf-8").split("\n")
    cells = [row.split(",") for row in rows if row]
    if header != "unit,time_s" or any(len(row) != 2 or not re.fullmatch(r"\d+\.\d{6}", row[1]) for row in cells):
        return {}
    return _counted([unit for unit, _ in cells], np.array([float(time) for _, time in cells]))


def _klustakwik(folder: Path) -> dict[str, int]:
    samples, clusters = ((folder / f"rat.{name}.1").read_text("ascii") for name in ("res", "clu"))
    if not re.fullmatch(r"(\d{1,9}\n)+", samples) or not re.fullmatch(r"(\d{1,9}\n)+", clusters):
        return {}
    return _counted(clusters.split()[1:], np.array([float(sample) for sample in samples.split()]) / 20000)


def _phy(folder: Path) -> dict[str, int]:
    labels = b"".join(path.read_bytes() for path in folder.glob("*.tsv"))
    samples, clusters = (np.load(folder / f"spike_{name}.npy") for name in ("times", "clusters"))
    if b"noise" in labels or samples.dtype.kind != "u" or clusters.dtype.kind != "i" or samples.ndim != 1:
        return {}
    return _counted([str(cluster) for cluster in clusters.tolist()], samples / 20000)


def nwb(path: Path) -> Read:
    """Read what is beyond doubt; an error inside HDF5 leaves all in doubt."""
    try:
        with h5py.File(path, "r") as file:
            counts, n_units = _counts(file)
            return Read(n_units, counts, ids=_ids(file, n_units), n_trials=_trials(file))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, SystemError):
        return Read()


def _vector(file: h5py.File, name: str, kinds: str) -> np.ndarray | None:
    """Return a data set of numbers as one dimension; None where it is missing, large or has two long dimensions."""
    try:
        data: Any = file.get(name)
        if not isinstance(data, h5py.Dataset) or data.shape is None or data.dtype.kind not in kinds:
            return None
        if not 0 < data.size < LARGEST or max(data.shape, default=1) != data.size:
            return None
        values = np.asarray(data[()]).ravel()
        return values.astype(np.float64) if data.dtype.kind == "f" else values
    except (OSError, RuntimeError, KeyError):
        return None


def _is_local(file: h5py.File, *names: str) -> bool:
    return all(isinstance(file.get(name, getlink=True), h5py.HardLink) for name in names)


def _counts(file: h5py.File) -> tuple[dict[int, int], int]:
    """Return row -> spikes, of rows whose spikes are finite, positive, ascending and under a day."""
    times, ends = _vector(file, "units/spike_times", "f"), _vector(file, "units/spike_times_index", "iu")
    if times is None or ends is None or not _is_local(file, "units", "units/spike_times"):
        return {}, 0
    ends = ends.astype(np.int64)
    if ends[-1] != len(times) or np.any(np.diff(ends, prepend=0) < 0):
        return {}, 0
    if not np.all(np.isfinite(times)) or times.max() > 86400 or times.min() <= 0:
        return {}, 0
    trains = np.split(times, ends[:-1])
    return {i: len(train) for i, train in enumerate(trains) if np.all(np.diff(train) > 0)}, len(ends)


def _ids(file: h5py.File, n_units: int) -> list[str] | None:
    ids = _vector(file, "units/id", "iu")
    named = {"rnnspike_unit_id", "unit_name", "unit_id", "cluster_id"} & set(file.get("units", {}))
    if named or ids is None or len(ids) != n_units or not _is_local(file, "units/id"):
        return None
    if len(np.unique(ids)) != n_units:
        return None
    return [str(value) for value in ids.tolist()]


def _trials(file: h5py.File) -> int | None:
    """Return the rows of /intervals/trials where every one has a sensible start and stop."""
    start, stop = (_vector(file, f"intervals/trials/{name}", "fiu") for name in ("start_time", "stop_time"))
    if start is None or stop is None or len(start) != len(stop) or not _is_local(file, "intervals/trials"):
        return None
    if not np.all(np.isfinite(start) & np.isfinite(stop) & (start >= 0) & (stop > start) & (stop < 86400)):
        return None
    return len(start)
