"""Refusals of paths that hold no readable recording: what the path is, and what to do, in one line.

Judged by the name, the first bytes and the files in the same folder.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from rnnspike.errors import RecordingError

_ADDRESS = re.compile(r"^([a-z][a-z0-9+.-]+):/", re.IGNORECASE)
_DANDI = re.compile(r"^dandi:", re.IGNORECASE)
_PACKED = re.compile(r"\.(gz|zip|bz2|xz|7z|tar|tgz|zst|rar)$", re.IGNORECASE)
_SORT = "raw data, not sorted spikes: sort them, and give the sorter's output"
_AS_CSV = "export the spike times as CSV or NWB"
#: Name pattern -> what such a file is and what to do.
_NAMES: tuple[tuple[str, str], ...] = (
    (r"\.lindi\.(json|tar)$", "a LINDI index of a remote file, not the data: download the NWB file itself"),
    (r"\.(ap|lf|nidq|obx\d*)\.(bin|cbin|meta)$|\.meta$", f"SpikeGLX {_SORT}"),
    (r"\.(rhd|rhs)$", f"Intan {_SORT}"),
    (r"\.(continuous|oebin)$", f"Open Ephys {_SORT}"),
    (r"\.ns[1-9x]$", "Blackrock raw data: give the .nev file of the same name, which holds the spikes"),
    (r"\.ncs$", "Neuralynx raw data: give the .nse or .ntt files, or their folder"),
    (r"\.(bin|cbin|raw|mda|edf|bdf|abf)$", _SORT),
    (r"\.pl2$", f"a Plexon .pl2 file, which cannot be read: save it as .plx, or {_AS_CSV}"),
    (r"\.set$", f"the settings of an Axona recording, whose spike files cannot be read: {_AS_CSV}"),
    (r"\.zarr$", "NWB in Zarr: export it to HDF5 (hdmf-zarr's NWBZarrIO, then NWBHDF5IO)"),
    (r"\.(xlsx?|ods)$", "a spreadsheet: save it as CSV"),
    (r"\.npy$", f"a single array: {_AS_CSV}"),
    (r"\.json$", f"JSON, not a recording: {_AS_CSV}"),
    (r"\.py$", "a program, not a recording"),
)
_OF_PHY = re.compile(r"^(params\.py|.*\.npy|cluster_\w+\.(tsv|csv))$")
#: First bytes -> what such a file is and what to do.
_HEADS: tuple[tuple[bytes, str], ...] = (
    (
        rb"\s*(\.\./)*(\.git)?/annex/objects/",
        "a git-annex pointer, not the data: fetch it with git annex get (or datalad get)",
    ),
    (rb"version https://git-lfs\.github\.com/spec/", "a Git LFS pointer, not the data: fetch it with git lfs pull"),
    (rb"\s*\{(?s:.*)\"refs\"\s*:", "a LINDI (or kerchunk) index, not the data: download the NWB file itself"),
    (rb"\s*(?i:<!doctype html|<html)", "a web page saved under this name: download the file itself"),
    (rb"\s*<\?xml(?s:.*)<Error>", "a server's error message saved under this name: download the file again"),
    (rb"MATLAB 7\.3 ", "a MATLAB 7.3 file, which cannot be read: save it again with -v7"),
)


def refuse_missing(path: Path) -> None:
    """Refuse a path that is neither a folder nor a readable file; pipes and devices are never opened.

    Raises
    ------
    RecordingError
        With what the path is: an address, a link whose content was not fetched.
    """
    try:
        if not path.exists():
            raise RecordingError(path, _missing(path))
        if path.is_dir():
            return
        if not path.is_file():
            raise RecordingError(path, "neither a file nor a folder (a pipe, socket or device): save it as a file")
        with path.open("rb"):
            pass
    except PermissionError as error:
        raise RecordingError(path, "no permission to read it: chmod u+r") from error
    except OSError as error:
        raise RecordingError(path, f"cannot be opened ({error.strerror})") from error


def _missing(path: Path) -> str:
    name = str(path)
    if _DANDI.match(name):
        return "a DANDI identifier, not a file: download it first (dandi download)"
    if address := _ADDRESS.match(name):
        return f"an address ({address[1]}), not a file: download it first"
    if path.is_symlink():
        target = path.readlink()
        if "annex/objects" in target.as_posix():
            return "a git-annex link whose content is not here: fetch it with git annex get (or datalad get)"
        return f"a link to {target}, which is missing"
    if re.search(r"[*?\[]", name):
        return "no file or folder matches this pattern"
    return "no such file or folder"


def readable_file(file: Path) -> Path:
    """Return a file of a recording after checking that it can be read and is not a placeholder (git-annex)."""
    refuse_missing(file)
    with file.open("rb") as stream:
        refuse_by_head(file, stream.read(4096))
    return file


def refuse_by_head(path: Path, head: bytes) -> None:
    """Refuse a file whose first bytes contradict its name."""
    for pattern, what in _HEADS:
        if re.match(pattern, head):
            raise RecordingError(path, f"this is {what}")
    if is_utf16(head):
        raise RecordingError(path, "this is text in UTF-16: save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")


def is_utf16(head: bytes) -> bool:
    """Return whether bytes are UTF-16 text, with or without a byte order mark."""
    head = head.removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff")
    return any(
        len(text) > 1 and high.count(0) > 0.8 * len(high) and looks_like_text(text)
        for text, high in ((head[::2], head[1::2]), (head[1::2], head[::2]))
    )


def looks_like_text(head: bytes) -> bool:
    """Return whether bytes are plain ASCII text."""
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)


def refuse_by_name(path: Path) -> None:
    """Refuse a file of a known kind without readable spikes."""
    if _OF_PHY.match(path.name) and (path.parent / "spike_times.npy").exists():
        raise RecordingError(path, f"this is one file of a Phy folder: give the folder ({path.parent})")
    if _PACKED.search(path.name):
        raise RecordingError(path, f"this is packed ({path.suffix}): unpack it first")
    what = _by_name(path.name)
    if what:
        raise RecordingError(path, f"this is {what}")


def _by_name(name: str) -> str | None:
    return next((what for pattern, what in _NAMES if re.search(pattern, name, re.IGNORECASE)), None)


def is_zarr(names: Sequence[str]) -> bool:
    """Return whether a folder with files of these names is a Zarr store."""
    return bool({".zgroup", ".zattrs", "zarr.json"} & set(names))


def no_recording(folder: Path, names: Sequence[str], recordings: Sequence[str]) -> RecordingError:
    """Return the refusal of a folder; ``recordings`` are the names in it that are themselves recordings."""
    if is_zarr(names) or folder.suffix == ".zarr":
        return RecordingError(folder, f"this is {_by_name('.zarr')}")
    if recordings:
        shown = ", ".join(recordings[:3]) + (", ..." if len(recordings) > 3 else "")
        held = f"{len(recordings)} recordings" if len(recordings) > 1 else "a recording"
        return RecordingError(folder, f"this folder holds {held} ({shown}): give the files or folders in it")
    raw = next((name for name in names if (_by_name(name) or "").endswith(_SORT)), None)
    if raw:
        return RecordingError(folder, f"this folder holds {_by_name(raw)} ({raw})")
    return RecordingError(
        folder, "this folder holds no recording that can be read (Phy, Neuralynx, TDT, Open Ephys, KlustaKwik, text)"
    )
