"""Formats and their readers; the format of a path is decided by its name and first bytes, not by trial and error."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnspike.errors import RecordingError
from rnnspike.recording.findings import fatal
from rnnspike.recording.formats.refusals import is_zarr, looks_like_text, no_recording, refuse_by_head, refuse_by_name

_HDF5 = b"\x89HDF\r\n\x1a\n"
_NEO = "rnnspike.recording.formats.neo_formats"
_RAW = ("neo.rawio",)


@dataclass(frozen=True)
class Format:
    """A format: its name, reader (``module:function``), pattern of file names, and the reader's deferred imports."""

    name: str
    reader: str
    pattern: str = ""
    imports: tuple[str, ...] = ()


#: Formats by file name, first match; folders are recognised by their files (``_FOLDERS``).
FORMATS: tuple[Format, ...] = (
    Format("NWB", "rnnspike.recording.formats.nwb.file:read_nwb", r"\.nwb$"),
    Format("NIX", "rnnspike.recording.formats.nix:read_nix", r"\.nix$"),
    Format("Neo MATLAB", "rnnspike.recording.formats.neo_matlab:read_neo_mat", r"\.mat$", ("scipy.io",)),
    Format("Neo pickle", f"{_NEO}:read_pickle", r"\.(pkl|pickle)$", ("neo.io",)),
    Format("NeuroExplorer", "rnnspike.recording.formats.nex:read_nex", r"\.nex5?$"),
    Format("Blackrock", f"{_NEO}:read_blackrock", r"\.nev$", _RAW),
    Format("Plexon", f"{_NEO}:read_plexon", r"\.plx$", _RAW),
    Format("Neuralynx", "rnnspike.recording.formats.neuralynx:read_neuralynx", r"\.(nse|ntt)$"),
    Format("Spike2", f"{_NEO}:read_spike2", r"\.smr$", _RAW),
    Format("Spike2", f"{_NEO}:read_spike2x", r"\.smrx$", _RAW),
    Format("TDT", f"{_NEO}:read_tdt", r"\.(tsq|tev|tbk|tdx)$", _RAW),
    Format("AlphaOmega", f"{_NEO}:read_alphaomega", r"\.mpx$", _RAW),
    Format("KlustaKwik", "rnnspike.recording.formats.klustakwik:read_klustakwik", r"\.(res|clu|fet)(\.\d+)?$"),
    Format("CSV", "rnnspike.recording.formats.text.spike_times:read_csv", r"\.(csv|tsv)$"),
    Format("text", "rnnspike.recording.formats.text.spike_times:read_text", r"\.(txt|dat|asc|spk|times)$"),
)

PHY = Format("Phy", "rnnspike.recording.formats.phy:read_phy")
NEURALYNX_FOLDER = Format("Neuralynx", "rnnspike.recording.formats.neuralynx:read_neuralynx")
TDT_FOLDER = Format("TDT", f"{_NEO}:read_tdt", imports=_RAW)
KLUSTAKWIK_FOLDER = Format("KlustaKwik", "rnnspike.recording.formats.klustakwik:read_klustakwik")
TEXT_FOLDER = Format("text", "rnnspike.recording.formats.text.spike_times:read_folder")
HDF5 = Format("HDF5", "rnnspike.recording.formats.nix:read_hdf5")
OPEN_EPHYS = Format("Open Ephys", f"{_NEO}:read_open_ephys", imports=_RAW)

_FOLDERS: tuple[tuple[str, Format], ...] = (
    (r"^spike_(times|clusters)\.npy$", PHY),
    (r"\.(nse|ntt|ncs)$", NEURALYNX_FOLDER),
    (r"\.(tsq|tev)$", TDT_FOLDER),
    (r"\.clu(\.\d+)?$", KLUSTAKWIK_FOLDER),
    (r"\.spikes$", OPEN_EPHYS),
    (r"\.(txt|csv|dat)$", TEXT_FOLDER),
)


def format_of(path: Path) -> Format:
    """Return the format of a path.

    Raises
    ------
    RecordingError
        If it cannot be read: what it is and what to do, or the formats that can be read.
    """
    if path.is_dir():
        return _folder_format(path)
    head, named = _head(path), _by_name(path.name)
    refuse_by_head(path, head)
    if head.startswith(_HDF5) and (named is None or named.name not in ("NWB", "NIX")):
        return HDF5
    if named and named.name == "Blackrock" and _is_neuralynx(head):
        raise RecordingError(path, "these are Neuralynx events without spikes: give their folder")
    refuse_by_name(path)
    if named is not None:
        return named
    if head and looks_like_text(head):
        return _named("CSV" if b"," in head.split(b"\n")[0] else "text")
    readable = ", ".join(dict.fromkeys(item.name for item in FORMATS))
    raise RecordingError(path, f"the suffix {path.suffix or '(none)'} is not a format that can be read ({readable})")


def _by_name(name: str) -> Format | None:
    return next((item for item in FORMATS if re.search(item.pattern, name, re.IGNORECASE)), None)


def _named(name: str) -> Format:
    return next(item for item in FORMATS if item.name == name)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _is_neuralynx(head: bytes) -> bool:
    return head.startswith(b"######## Neuralynx")


def _folder_format(path: Path) -> Format:
    try:
        names = sorted(item.name for item in path.iterdir())
    except PermissionError as error:
        raise RecordingError(path, "no permission to read the folder: chmod u+rx") from error
    chosen = _by_files(names)
    if chosen is None:
        raise no_recording(path, names, [name for name in names if _is_recording(path / name)])
    return chosen


def _by_files(names: Sequence[str]) -> Format | None:
    """Return the format of a folder with files of these names, or None."""
    held = (chosen for pattern, chosen in _FOLDERS if any(re.search(pattern, name, re.IGNORECASE) for name in names))
    return None if is_zarr(names) else next(held, None)


def _is_recording(path: Path) -> bool:
    """Return whether a path looks like a recording by its name or files."""
    try:
        if path.is_dir():
            return _by_files([item.name for item in path.iterdir()]) is not None
    except OSError:
        return False
    return _by_name(path.name) is not None


def refuse_pickle(path: Path) -> RecordingError:
    """Return the error for a pickle without ``--allow-pickle``."""
    return fatal(path, "pickle-refused", "pickles can run code when they are opened; only if you trust this one")
