"""Which format a path is: told from its name and first bytes, never by trying readers in turn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from rnnspike.errors import RecordingError
from rnnspike.recording.checks import fatal

_PACKED = (".gz", ".zip", ".bz2", ".xz", ".7z", ".tar", ".tgz", ".zst", ".rar")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NEO = "rnnspike.recording.neo_formats"


@dataclass(frozen=True)
class Format:
    """A format: its name, the reader ``module:function``, and how a path of it looks."""

    name: str
    reader: str
    pattern: str


#: By file name, first match; folders are told from what is in them (``_FOLDERS``).
FORMATS: tuple[Format, ...] = (
    Format("NWB", "rnnspike.recording.nwb:read_nwb", r"\.nwb$"),
    Format("NIX", "rnnspike.recording.nix:read_nix", r"\.nix$"),
    Format("Neo MATLAB", "rnnspike.recording.neo_mat:read_neo_mat", r"\.mat$"),
    Format("Neo pickle", f"{_NEO}:read_pickle", r"\.(pkl|pickle)$"),
    Format("NeuroExplorer", "rnnspike.recording.nex:read_nex", r"\.nex5?$"),
    Format("Blackrock", f"{_NEO}:read_blackrock", r"\.nev$"),
    Format("Plexon", f"{_NEO}:read_plexon", r"\.plx$"),
    Format("Neuralynx", "rnnspike.recording.neuralynx:read_neuralynx", r"\.(nse|ntt)$"),
    Format("Spike2", f"{_NEO}:read_spike2", r"\.smr$"),
    Format("Spike2", f"{_NEO}:read_spike2x", r"\.smrx$"),
    Format("TDT", f"{_NEO}:read_tdt", r"\.(tsq|tev|tbk|tdx)$"),
    Format("AlphaOmega", f"{_NEO}:read_alphaomega", r"\.mpx$"),
    Format("KlustaKwik", "rnnspike.recording.klustakwik:read_klustakwik", r"\.(res|clu|fet)(\.\d+)?$"),
    Format("CSV", "rnnspike.recording.text:read_csv", r"\.(csv|tsv)$"),
    Format("text", "rnnspike.recording.text:read_text", r"\.(txt|dat|asc|spk|times)$"),
)

PHY = Format("Phy", "rnnspike.recording.phy:read_phy", "")
NEURALYNX_FOLDER = Format("Neuralynx", "rnnspike.recording.neuralynx:read_neuralynx", "")
TDT_FOLDER = Format("TDT", f"{_NEO}:read_tdt", "")
KLUSTAKWIK_FOLDER = Format("KlustaKwik", "rnnspike.recording.klustakwik:read_klustakwik", "")
TEXT_FOLDER = Format("text", "rnnspike.recording.text:read_folder", "")
OPEN_EPHYS = Format("Open Ephys", f"{_NEO}:read_open_ephys", "")

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
        Where it is none that can be read, with the formats that can.
    """
    if path.is_dir():
        return _folder_format(path)
    head = _head(path)
    named = next((item for item in FORMATS if re.search(item.pattern, path.name, re.IGNORECASE)), None)
    if named and named.name == "Blackrock" and _is_neuralynx(head):
        raise RecordingError(path, "these are Neuralynx events without spikes: name the folder that holds them")
    if head.startswith(_HDF5) and (named is None or named.name not in ("NWB", "NIX")):
        return _hdf5_format(path)
    if named is not None:
        return named
    if path.suffix.lower() in _PACKED:
        raise RecordingError(path, f"this is packed ({path.suffix}): unpack it first")
    if head and _looks_like_text(head):
        return _named("CSV" if b"," in head.split(b"\n")[0] else "text")
    readable = ", ".join(dict.fromkeys(item.name for item in FORMATS))
    raise RecordingError(path, f"the suffix {path.suffix or '(none)'} is no format that can be read ({readable})")


def _named(name: str) -> Format:
    return next(item for item in FORMATS if item.name == name)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(4096)


def _hdf5_format(path: Path) -> Format:
    from rnnspike.recording import h5

    with h5.open_file(path) as file:
        return _named("NIX" if h5.attribute(file, "format") == "nix" else "NWB")


def _is_neuralynx(head: bytes) -> bool:
    return head.startswith(b"######## Neuralynx")


def _looks_like_text(head: bytes) -> bool:
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)


def _folder_format(path: Path) -> Format:
    try:
        names = sorted(item.name for item in path.iterdir())
    except PermissionError as error:
        raise RecordingError(path, "no permission to read the folder: chmod u+rx") from error
    if {".zgroup", ".zattrs", "zarr.json"} & set(names):
        raise RecordingError(path, "this is NWB in Zarr; export it to HDF5 (hdmf-zarr's NWBZarrIO, then NWBHDF5IO)")
    for pattern, chosen in _FOLDERS:
        if any(re.search(pattern, name, re.IGNORECASE) for name in names):
            return chosen
    nwb = [name for name in names if name.endswith(".nwb")]
    if nwb:
        raise RecordingError(path, f"this folder holds {len(nwb)} NWB files: name them ({path}/*.nwb)")
    raise RecordingError(
        path, "this folder holds no recording that can be read (Phy, Neuralynx, TDT, KlustaKwik, text)"
    )


def refuse_pickle(path: Path) -> RecordingError:
    """Return the refusal of a pickle."""
    return fatal(path, "pickle-refused", "pickles can run code when read; if this one is your own")
