"""NeuroExplorer .nex and .nex5 (formats 104-106 and 500-502), by NeuroExplorer's published specification.

Read directly: Neo reads no .nex5 and the markers of a .nex wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents, RawUnit, unique_names
from rnnspike.recording.data import Covariate, FloatArray, ReadOptions
from rnnspike.recording.findings import fatal

NEX_MAGIC, NEX5_MAGIC = 827868494, 894977358
NEURON, EVENT, INTERVAL, WAVEFORM, POPULATION, CONTINUOUS, MARKER = range(7)

_NEX_HEADER = np.dtype(
    [("magic", "<i4"), ("version", "<i4"), ("comment", "S256"), ("frequency_hz", "<f8"), ("begin", "<i4"),
     ("end", "<i4"), ("n_variables", "<i4"), ("padding", "V260")]
)  # fmt: skip
_NEX5_HEADER = np.dtype(
    [("magic", "<i4"), ("version", "<i4"), ("comment", "S256"), ("frequency_hz", "<f8"), ("begin", "<i8"),
     ("n_variables", "<i4"), ("metadata_offset", "<u8"), ("end", "<i8"), ("padding", "V56")]
)  # fmt: skip
_NEX_VARIABLE = np.dtype(
    [("type", "<i4"), ("version", "<i4"), ("name", "S64"), ("offset", "<u4"), ("count", "<i4"), ("wire", "<i4"),
     ("unit", "<i4"), ("gain", "<i4"), ("filter", "<i4"), ("x", "<f8"), ("y", "<f8"), ("rate_hz", "<f8"),
     ("to_millivolts", "<f8"), ("n_points", "<i4"), ("n_fields", "<i4"), ("field_length", "<i4"),
     ("millivolts_offset", "<f8"), ("prethreshold_s", "<f8"), ("padding", "V52")]
)  # fmt: skip
_NEX5_VARIABLE = np.dtype(
    [("type", "<i4"), ("version", "<i4"), ("name", "S64"), ("offset", "<u8"), ("count", "<u8"),
     ("times_are_64_bit", "<i4"), ("values_are_float", "<i4"), ("rate_hz", "<f8"), ("units", "S32"),
     ("to_units", "<f8"), ("units_offset", "<f8"), ("n_points", "<u8"), ("prethreshold_s", "<f8"),
     ("marker_is_number", "<i4"), ("n_fields", "<i4"), ("field_length", "<i4"), ("first_points_are_64_bit", "<i4"),
     ("padding", "V60")]
)  # fmt: skip


@dataclass(frozen=True)
class _File:
    """The file's bytes, its clock tick, and whether it is a .nex5."""

    path: Path
    content: npt.NDArray[np.uint8]
    tick_s: float
    is_nex5: bool

    def values(self, offset: int, dtype: str, count: int) -> npt.NDArray[Any]:
        """Return ``count`` values at ``offset``; RecordingError if the file is shorter."""
        size = np.dtype(dtype).itemsize * count
        if offset < 0 or offset + size > len(self.content):
            raise fatal(self.path, "truncated", "the file is truncated: copy or export it again")
        return self.content[offset : offset + size].view(dtype)

    def time_type(self, variable: Any) -> str:
        """Return the type of a variable's timestamps."""
        return "<i8" if self.is_nex5 and variable["times_are_64_bit"] else "<i4"


def read_nex(path: Path, options: ReadOptions) -> Contents:
    """Read neurons, events, intervals, markers and (as covariates) continuous variables.

    Waveform variables repeat the spikes of the neuron of the same name; they are used only without that neuron.

    Raises
    ------
    RecordingError
        If the file is not a NeuroExplorer file or is truncated.
    """
    file, header, variables = _open(path)
    names = unique_names([_text(variable["name"]) or f"variable{i}" for i, variable in enumerate(variables)])
    by_type: dict[int, dict[str, Any]] = {}
    for name, variable in zip(names, variables, strict=True):
        by_type.setdefault(int(variable["type"]), {})[name] = variable
    spikes = by_type.get(NEURON) or by_type.get(WAVEFORM, {})
    units = tuple(
        RawUnit(_text(variable["name"]) or name, _times(file, variable), None, _place(variable))
        for name, variable in spikes.items()
    )
    events = {name: pd.DataFrame({"start_time": _times(file, v)}) for name, v in by_type.get(EVENT, {}).items()}
    events |= {name: _marker(file, variable) for name, variable in by_type.get(MARKER, {}).items()}
    return Contents(
        format="NeuroExplorer 5" if file.is_nex5 else "NeuroExplorer",
        units=units,
        intervals={name: _intervals(file, variable) for name, variable in by_type.get(INTERVAL, {}).items()},
        events={name: table for name, table in events.items() if len(table)},
        covariates=_covariates(path, file, by_type.get(CONTINUOUS, {})),
        span_s=_span(file, header),
        session={"comment": _text(header["comment"])} if _text(header["comment"]) else {},
        sources=(path,),
        resolution_s=file.tick_s,
    )


def _open(path: Path) -> tuple[_File, Any, npt.NDArray[Any]]:
    content = np.fromfile(path, dtype=np.uint8)
    magic = int(content[:4].view("<i4")[0]) if len(content) >= 4 else 0
    if magic not in (NEX_MAGIC, NEX5_MAGIC):
        raise RecordingError(path, "this is not a NeuroExplorer file, despite its suffix")
    is_nex5 = magic == NEX5_MAGIC
    header_type, variable_type = (_NEX5_HEADER, _NEX5_VARIABLE) if is_nex5 else (_NEX_HEADER, _NEX_VARIABLE)
    file = _File(path, content, 1.0, is_nex5)
    header = file.values(0, header_type, 1)[0]  # type: ignore[arg-type]
    if not header["frequency_hz"] > 0 or header["n_variables"] < 0:
        raise RecordingError(path, "the header is damaged: no clock frequency")
    variables = file.values(header_type.itemsize, variable_type, int(header["n_variables"]))  # type: ignore[arg-type]
    return _File(path, content, 1.0 / float(header["frequency_hz"]), is_nex5), header, variables


def _text(value: bytes) -> str:
    return value.split(b"\0")[0].decode("utf-8", "replace").strip()


def _times(file: _File, variable: Any) -> FloatArray:
    ticks = file.values(int(variable["offset"]), file.time_type(variable), int(variable["count"]))
    return ticks.astype(np.float64) * file.tick_s


def _place(variable: Any) -> Mapping[str, Any]:
    names = variable.dtype.names
    return {key: int(variable[key]) for key in ("wire", "unit") if key in names and variable[key]}


def _intervals(file: _File, variable: Any) -> pd.DataFrame:
    count, dtype = int(variable["count"]), file.time_type(variable)
    ticks = file.values(int(variable["offset"]), dtype, 2 * count).astype(np.float64)
    return pd.DataFrame({"start_time": ticks[:count] * file.tick_s, "stop_time": ticks[count:] * file.tick_s})


def _marker(file: _File, variable: Any) -> pd.DataFrame:
    """Return a marker's times with one column per field; a field is a name of 64 bytes and one value per row."""
    count, dtype = int(variable["count"]), file.time_type(variable)
    columns: dict[str, Any] = {"start_time": _times(file, variable)}
    offset = int(variable["offset"]) + np.dtype(dtype).itemsize * count
    numbers = file.is_nex5 and bool(variable["marker_is_number"])
    value_type = "<u4" if numbers else f"S{max(1, int(variable['field_length']))}"
    for i in range(int(variable["n_fields"])):
        name = _text(file.values(offset, "S64", 1)[0]) or f"field{i}"
        values = file.values(offset + 64, value_type, count)
        columns[name] = values if numbers else [_text(value) for value in values]
        offset += 64 + np.dtype(value_type).itemsize * count
    return pd.DataFrame(columns)


def _span(file: _File, header: Any) -> tuple[float, float] | None:
    begin_s, end_s = float(header["begin"]) * file.tick_s, float(header["end"]) * file.tick_s
    return (begin_s, end_s) if end_s > begin_s else None


def _covariates(path: Path, file: _File, variables: Mapping[str, Any]) -> dict[str, Covariate]:
    return {
        name: Covariate(
            name,
            _unit(variable),
            int(variable["n_points"]),
            1,
            partial(load_continuous, path, i),
            rate_hz=float(variable["rate_hz"]) or None,
        )
        for i, (name, variable) in enumerate(variables.items())
        if variable["n_points"] > 1
    }


def _unit(variable: Any) -> str:
    return (_text(variable["units"]) or "unknown") if "units" in variable.dtype.names else "mV"


def load_continuous(path: Path, index: int) -> tuple[FloatArray, FloatArray]:
    """Return times_s (sample,) and values (sample, 1) of the index-th continuous variable, over all fragments."""
    file, _, variables = _open(path)
    variable = [item for item in variables if item["type"] == CONTINUOUS][index]
    n_fragments, n_points = int(variable["count"]), int(variable["n_points"])
    starts_s = _times(file, variable)
    offset = int(variable["offset"]) + np.dtype(file.time_type(variable)).itemsize * n_fragments
    wide = file.is_nex5 and bool(variable["first_points_are_64_bit"])
    index_type = "<u8" if wide else "<u4"
    firsts = file.values(offset, index_type, n_fragments).astype(np.int64)
    offset += np.dtype(index_type).itemsize * n_fragments
    value_type = "<f4" if file.is_nex5 and variable["values_are_float"] else "<i2"
    values = file.values(offset, value_type, n_points).astype(np.float64)
    if value_type == "<i2":
        scale, shift = ("to_units", "units_offset") if file.is_nex5 else ("to_millivolts", "millivolts_offset")
        values = values * float(variable[scale]) + float(variable[shift])
    fragment = np.searchsorted(firsts, np.arange(n_points), side="right") - 1
    times_s = starts_s[fragment] + (np.arange(n_points) - firsts[fragment]) / float(variable["rate_hz"])
    return times_s, values[:, None]
