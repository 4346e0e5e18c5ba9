"""Values of HDF5 datasets and attributes; every read goes through ``values``, which refuses implausible sizes.

Writers differ in the shape of a list (MATLAB has no vectors and no empty dimensions): ``column`` accepts (), (1,),
(n, 1) and (1, n) as a list of n, ``number`` accepts an array of one value as a scalar.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rnnspike.recording.data import FloatArray
from rnnspike.recording.formats.hdf5.h5 import BROKEN, ContentError, LinkError, other_storage

#: Largest compression factor of DEFLATE, reached on constant data.
MAX_COMPRESSION = 1032
#: Bytes in memory that are accepted regardless of the stored size, since other filters compress constants without
#: limit: for a fully written dataset (10^6 numbers) and for one that holds, at least in part, only fill values.
WRITTEN_BYTES, UNWRITTEN_BYTES = 2**23, 2**19
#: Largest dataset that is read.
MAX_BYTES = 2**34
#: Least bytes per value in memory: a number as float64, a text as an object.
_NUMBER_BYTES, _TEXT_BYTES = 8, 64
#: Most values of an attribute.
MAX_ATTRIBUTE_VALUES = 2**16
#: Texts read at a time, and least limit of their total bytes: many may refer to one stored text.
_TEXTS_AT_ONCE, _LEAST_TEXT_BYTES = 256, 2**24


def refuse_size(dataset: h5py.Dataset) -> None:
    """Raise ContentError if a dataset declares more values than its stored bytes can hold.

    The stored bytes times the largest compression factor bound what was written. The rest would be fill values
    created on reading, and a file of a few kilobytes can declare 10^9 of them.
    """
    if dataset.shape is None:
        return
    n_bytes = dataset.size * max(dataset.dtype.itemsize, 1)
    least = _TEXT_BYTES if is_text(dataset) else _NUMBER_BYTES
    in_memory = dataset.size * max(dataset.dtype.itemsize, least)
    if in_memory <= UNWRITTEN_BYTES:
        return
    stored = stored_bytes(dataset)
    is_written = stored > 0 and dataset.id.get_space_status() != h5py.h5d.SPACE_STATUS_PART_ALLOCATED
    if n_bytes > MAX_COMPRESSION * stored and not (is_written and in_memory <= WRITTEN_BYTES):
        raise ContentError(f"declares {n_bytes} bytes, but only {stored} are stored")


def stored_bytes(dataset: h5py.Dataset) -> int:
    """Return the stored size of a dataset's values in bytes, in its own file or in others."""
    own = os.fsdecode(h5py.h5f.get_name(dataset.id))
    others = {own if file == "." else os.path.join(os.path.dirname(own), file) for file, _ in other_storage(dataset)}
    if others:
        return sum(os.path.getsize(file) for file in others if os.path.isfile(file))
    return min(int(dataset.id.get_storage_size()), os.path.getsize(own))


def values(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """Return all values of a dataset; ContentError if its declared size is implausible or too large."""
    if dataset.shape is None:
        return np.empty(0, _plain_type(dataset))
    refuse_size(dataset)
    if dataset.size * dataset.dtype.itemsize > MAX_BYTES:
        raise ContentError(f"holds {dataset.size} values, too many to read")
    return np.asarray(dataset[()], dtype=_plain_type(dataset))


def _plain_type(dataset: h5py.Dataset) -> Any:
    return object if dataset.dtype.kind == "O" else dataset.dtype


def is_list(shape: tuple[int, ...] | None) -> bool:
    """Return whether a shape is that of a list: at most one dimension is longer than one."""
    return shape is None or sum(length != 1 for length in shape) <= 1


def length(dataset: h5py.Dataset) -> int:
    """Return the number of values of a list, or the number of rows of any other dataset."""
    if dataset.shape is None:
        return 0
    return int(dataset.size) if is_list(dataset.shape) else int(dataset.shape[0])


def column(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """Return a list (value,) of any of these shapes; ContentError if it is not a list."""
    if not is_list(dataset.shape):
        raise ContentError(f"has shape {dataset.shape}, not one value per row")
    return values(dataset).ravel()


def numbers(dataset: h5py.Dataset) -> FloatArray:
    """Return a list of numbers (value,) as float64; ContentError if it holds anything else."""
    _refuse_other_than_numbers(dataset)
    return column(dataset).astype(np.float64, copy=False)


def floats(dataset: h5py.Dataset) -> FloatArray:
    """Return numbers as float64, in the stored shape; ContentError if it holds anything else."""
    _refuse_other_than_numbers(dataset)
    return values(dataset).astype(np.float64, copy=False)


def _refuse_other_than_numbers(dataset: h5py.Dataset) -> None:
    if not is_number(dataset):
        raise ContentError(f"holds {kind_of(dataset)}, not numbers")


def number(value: Any, what: str) -> float:
    """Return a stored number, also from an array of one; ContentError (naming it as ``what``) if it is not one."""
    array = np.asarray(values(value) if isinstance(value, h5py.Dataset) else value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ContentError(f"has {what} {text(array)[:40]!r}, which is not a number")
    return float(array.ravel()[0])


def whole_numbers(dataset: h5py.Dataset) -> npt.NDArray[np.int64]:
    """Return a list of counts or indices (value,), none below zero; ContentError if it holds anything else."""
    _refuse_other_than_numbers(dataset)
    stored = column(dataset)
    with np.errstate(invalid="ignore"):
        whole = stored.astype(np.int64)
    if not np.array_equal(whole, stored) or bool(np.any(whole < 0)) or bool(np.any(stored >= 2**63)):
        raise ContentError("holds values that are not integers of at least 0")
    return whole


def is_text(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset holds strings or references."""
    dtype = dataset.dtype
    return h5py.check_string_dtype(dtype) is not None or h5py.check_ref_dtype(dtype) is h5py.Reference


def is_number(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset holds real numbers."""
    return dataset.dtype.kind in "biuf"


def kind_of(dataset: h5py.Dataset) -> str:
    """Return the kind of values of a dataset, as text."""
    if h5py.check_ref_dtype(dataset.dtype) is not None:
        return "references"
    if is_text(dataset):
        return "text"
    words = {"V": "compound or opaque values", "O": "lists", "c": "complex numbers"}
    return "numbers" if is_number(dataset) else words.get(dataset.dtype.kind, str(dataset.dtype))


def text(value: Any) -> str:
    """Return a stored string (bytes, array of one, str) as text."""
    if isinstance(value, h5py.Empty):
        return ""
    if isinstance(value, np.ndarray):
        value = ", ".join(text(item) for item in value.ravel())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def attribute(item: Any, name: str) -> Any:
    """Return an attribute, None if there is none; ContentError if it has implausibly many values."""
    if name not in item.attrs:
        return None
    shape = h5py.h5a.open(item.id, name.encode()).shape
    if shape is not None and int(np.prod(shape, dtype=object)) > MAX_ATTRIBUTE_VALUES:
        raise ContentError(f"has an attribute {name} of shape {shape}")
    return item.attrs[name]


def label(item: Any, name: str, default: str = "") -> str:
    """Return an attribute as text, the default if it is missing or cannot be read."""
    try:
        value = attribute(item, name)
    except BROKEN:
        return default
    return default if value is None else text(value)


def labels(item: Any, name: str) -> list[str]:
    """Return an attribute that lists names; an empty list if it is missing or cannot be read."""
    try:
        value = attribute(item, name)
    except BROKEN:
        return []
    return [] if value is None or isinstance(value, h5py.Empty) else [text(one) for one in np.ravel(value)]


def strings(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """Return a list of text (value,) as an object array of str; references as the name of their target."""
    if not is_list(dataset.shape):
        raise ContentError(f"has shape {dataset.shape}, not one value per row")
    if h5py.check_ref_dtype(dataset.dtype) is not None:
        return np.array([_referred(dataset.file, item) for item in column(dataset)], dtype=object)
    known: dict[Any, str] = {}
    result = [known.setdefault(item, text(item)) for item in _texts(dataset)]
    return np.array(result, dtype=object)


def _texts(dataset: h5py.Dataset) -> Iterator[Any]:
    """Yield the strings of a list, read in parts, since many may refer to the same long text."""
    if dataset.shape is None:
        return
    refuse_size(dataset)
    most = max(_LEAST_TEXT_BYTES, os.path.getsize(os.fsdecode(h5py.h5f.get_name(dataset.id))))
    long_axis = int(np.argmax(dataset.shape)) if dataset.shape else 0
    for start, stop in pairwise([*range(0, length(dataset), _TEXTS_AT_ONCE), length(dataset)]):
        place = () if not dataset.shape else (slice(None),) * long_axis + (slice(start, stop),)
        part = np.asarray(dataset[place], dtype=_plain_type(dataset)).ravel().tolist()
        most -= sum(map(len, part)) if dataset.dtype.kind == "O" else 0
        if most < 0:
            raise ContentError("holds more text than the file stores")
        yield from part


def _referred(file: h5py.File, reference: Any) -> str:
    try:
        return str(file[reference].name).rsplit("/", 1)[-1]
    except BROKEN:
        return ""


def refuse_unsafe_contents(group: h5py.Group) -> None:
    """Raise if a group holds, at any depth, a link that is not allowed or a dataset of implausible size.

    Used before another library opens the file.
    """
    waiting, seen = [group], set()
    while waiting:
        here = waiting.pop()
        info = h5py.h5o.get_info(here.id)
        if (here.filename, info.addr) in seen:
            continue
        seen.add((here.filename, info.addr))
        for name in here:
            try:
                item = here[name]
                if isinstance(item, h5py.Dataset):
                    refuse_size(item)
            except LinkError as error:
                if error.outside:
                    raise
            except ContentError as error:
                raise ContentError(f"{here.name}/{name} {error}") from error
            else:
                waiting += [item] if isinstance(item, h5py.Group) else []
