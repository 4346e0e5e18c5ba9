"""Small edits of an NWB file with h5py, which its changes are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import h5py
import numpy as np

Change = Callable[[np.random.Generator, h5py.File], None]
NEEDED = (
    "units/id", "units/spike_times", "units/spike_times_index", "intervals/trials/id", "intervals/trials/start_time",
    "intervals/trials/stop_time",
)  # fmt: skip
SPARE = ("units/quality", "units/depth", "intervals/trials/side", "intervals/trials/contrast")
GROUPS = ("units", "intervals", "intervals/trials", "acquisition", "acquisition/speed")


def pick(rng: np.random.Generator, items: tuple[Any, ...]) -> Any:
    """Return one of the items."""
    return items[rng.integers(len(items))]


def replace(file: h5py.File, place: str, data: Any = None, **how: Any) -> h5py.Dataset:
    """Write a data set anew under its name, attributes kept (an index that points at it follows)."""
    old = file[place]
    attributes = dict(old.attrs)
    pointing = [item for item in old.parent.values() if isinstance(item, h5py.Dataset) and _targets(item, old)]
    del file[place]
    made = file.create_dataset(place, data=data, **how)
    for name, value in attributes.items():
        made.attrs[name] = value
    for item in pointing:
        item.attrs["target"] = made.ref
    return made


def _targets(item: h5py.Dataset, old: h5py.Dataset) -> bool:
    target = item.attrs.get("target")
    return isinstance(target, h5py.Reference) and bool(target) and item.file[target] == old


def present(file: h5py.File, places: tuple[str, ...]) -> tuple[str, ...]:
    """Return those places where the file has a data set."""
    return tuple(place for place in places if isinstance(file.get(place), h5py.Dataset))


def is_objects(values: Any) -> bool:
    """Return whether values are an array of Python objects, which are texts here."""
    return isinstance(values, np.ndarray) and values.dtype.kind == "O"


def add_column(table: h5py.Group, name: str, values: Any) -> None:
    """Add a column to a table and its ``colnames``."""
    if name in table:
        return
    is_text = isinstance(values, str) or is_objects(values)
    if is_text and not isinstance(values, str):
        values = np.array([str(value).replace("\0", "") for value in values], object)
    table.create_dataset(name, data=values, dtype=h5py.string_dtype() if is_text else None)
    table.attrs["colnames"] = [*table.attrs["colnames"], name] if "colnames" in table.attrs else [name]
