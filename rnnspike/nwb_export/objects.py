"""NWB objects written into an open HDF5 file, as NWB 2 and hdmf-common define them.

Columns and series are added in place, by h5py: pynwb refuses files whose extensions are missing, and would read the
others whole.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rnnspike.recording.data import FloatArray
from rnnspike.recording.write import even_rate

_NAMESPACE = uuid.UUID("0c8f6f0e-0d7f-4b43-9f1e-6a2c2f1f5d11")
_TEXT = h5py.string_dtype()
#: Samples of a chunk of a series.
_CHUNK = 2**16


@dataclass(frozen=True)
class Writer:
    """Writes objects whose ids follow from ``key`` and their place: equal results, equal ids."""

    key: str

    def mark(
        self, item: h5py.Group | h5py.Dataset, kind: str, namespace: str, description: str | None = None
    ) -> None:
        """Give an object its type, its id and its description."""
        item.attrs["neurodata_type"] = kind
        item.attrs["namespace"] = namespace
        item.attrs["object_id"] = str(uuid.uuid5(_NAMESPACE, f"{self.key} {item.name}"))
        if description is not None:
            item.attrs["description"] = description

    def module(self, file: h5py.File, name: str, description: str) -> h5py.Group:
        """Return a processing module, made where it is missing."""
        processing = file.require_group("processing")
        if name not in processing:
            self.mark(processing.create_group(name), "ProcessingModule", "core", description)
        return processing[name]

    def column(self, table: h5py.Group, name: str, values: npt.ArrayLike, description: str) -> h5py.Dataset:
        """Add a column to a table, in place of one of that name."""
        if name in table:
            del table[name]
        array = np.asarray(values)
        text = array.dtype.kind in "OU"
        made = table.create_dataset(name, data=array.astype(object) if text else array, dtype=_TEXT if text else None)
        self.mark(made, "VectorData", "hdmf-common", description)
        names = [each.decode() if isinstance(each, bytes) else str(each) for each in table.attrs.get("colnames", ())]
        table.attrs["colnames"] = np.array([*(each for each in names if each != name), name], dtype=_TEXT)
        return made

    def table(self, parent: h5py.Group, name: str, n_rows: int, description: str) -> h5py.Group:
        """Return a new table without columns, in place of one of that name."""
        if name in parent:
            del parent[name]
        made = parent.create_group(name)
        self.mark(made, "DynamicTable", "hdmf-common", description)
        made.attrs["colnames"] = np.array([], dtype=_TEXT)
        self.mark(made.create_dataset("id", data=np.arange(n_rows)), "ElementIdentifiers", "hdmf-common")
        return made

    def region(self, table: h5py.Group, name: str, rows: Sequence[int], target: h5py.Group, description: str) -> None:
        """Add a column of rows of another table."""
        made = self.column(table, name, np.asarray(rows, np.int64), description)
        made.attrs["neurodata_type"] = "DynamicTableRegion"
        made.attrs["table"] = target.ref

    def series(
        self, parent: h5py.Group, name: str, times_s: FloatArray, n_columns: int, unit: str, about: Mapping[str, str]
    ) -> h5py.Dataset:
        """Return the empty data (sample, column), float32, of a new time series, in place of one of that name."""
        if name in parent:
            del parent[name]
        made = parent.create_group(name)
        self.mark(made, "TimeSeries", "core", about["description"])
        made.attrs["comments"] = about["comments"]
        data: h5py.Dataset = made.create_dataset(
            "data",
            (len(times_s), n_columns),
            np.float32,
            chunks=(min(max(len(times_s), 1), _CHUNK), 1),
            compression="gzip",
            shuffle=True,
            fillvalue=np.nan,
        )
        data.attrs.update({"unit": unit, "conversion": np.float64(1), "offset": np.float64(0), "resolution": -1.0})
        rate_hz = even_rate(times_s)
        if rate_hz is None:
            clock: Any = made.create_dataset("timestamps", data=times_s, compression="gzip", shuffle=True)
            clock.attrs.update({"interval": np.int32(1), "unit": "seconds"})
        else:
            clock = made.create_dataset("starting_time", data=np.float64(times_s[0]))
            clock.attrs.update({"rate": np.float64(rate_hz), "unit": "seconds"})
        return data
