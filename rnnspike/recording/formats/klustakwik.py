"""KlustaKwik: ``NAME.res.K`` (sample of each spike) beside ``NAME.clu.K`` (number of clusters, cluster of each)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import Finding, ReadOptions
from rnnspike.recording.findings import found
from rnnspike.recording.formats.phy import rate_conflict, refuse_time_scale, to_seconds
from rnnspike.recording.formats.refusals import readable_file

_NAME = re.compile(r"^(?P<stem>.*)\.(?P<kind>res|clu|fet)(?P<group>\.\d+)?$", re.IGNORECASE)
#: Meaning of the first two clusters in a file that has others besides.
_RESERVED = {0: "noise", 1: "unsorted"}


def read_klustakwik(path: Path, options: ReadOptions) -> Contents:
    """Read one group by any of its files, or all groups of a folder.

    The sampling rate is given by the option, else by a Neuroscope ``NAME.xml`` in the same folder.

    Raises
    ------
    RecordingError
        If a file of a pair is missing, the two do not match, or a folder holds several sessions.
    """
    groups = _groups(path) if path.is_dir() else [path]
    many = len(groups) > 1
    parts = [_read_group(file, options, many) for file in groups]
    return Contents(
        format="KlustaKwik",
        units=tuple(unit for units, _, _ in parts for unit in units),
        findings=tuple(dict.fromkeys(finding for _, findings, _ in parts for finding in findings)),
        sources=tuple(source for _, _, sources in parts for source in sources),
    )


def _groups(folder: Path) -> list[Path]:
    """Return the .clu files of the only session in a folder, by number of group."""
    named = {file: match for file in sorted(folder.iterdir()) if (match := _NAME.match(file.name))}
    groups = {
        file: match
        for file, match in named.items()
        if match["kind"].lower() == "clu" and not match["stem"].endswith(".temp")  # a temporary file of KlustaKwik
    }
    sessions = list(dict.fromkeys(match["stem"] for match in groups.values()))
    if len(sessions) > 1:
        shown = ", ".join(sessions[:5]) + (", ..." if len(sessions) > 5 else "")
        remedy = f"give a file of one session ({next(iter(groups))}), or one folder per session"
        raise RecordingError(folder, f"this folder holds {len(sessions)} KlustaKwik sessions ({shown}): {remedy}")
    return sorted(groups, key=lambda file: int((groups[file]["group"] or ".0")[1:]))


def _read_group(
    file: Path, options: ReadOptions, many: bool
) -> tuple[list[RawUnit], list[Finding], tuple[Path, ...]]:
    match = _NAME.match(file.name)
    assert match is not None
    stem, group = match["stem"], match["group"] or ""
    clu = file.with_name(f"{stem}.clu{group}")
    res = file.with_name(f"{stem}.res{group}")
    fet = file.with_name(f"{stem}.fet{group}")
    clusters = _cluster_numbers(clu)
    source = res if res.exists() or not fet.exists() else fet
    samples = _numbers(res) if source == res else _last_feature(fet)
    if len(samples) != len(clusters):
        raise RecordingError(file, f"{source.name} has {len(samples)} spikes, {clu.name} {len(clusters)}")
    xml = file.with_name(f"{stem}.xml")
    own_hz = _rate_of(xml)
    refuse_time_scale(file, options, own_hz)
    rate_hz = options.sampling_rate_hz or own_hz
    times, findings = to_seconds(samples, rate_hz, "no .xml in the folder states the rate")
    findings = findings + rate_conflict(options, own_hz, xml.name)
    prefix = f"{group.strip('.')}." if many else ""
    labels = np.unique(clusters)
    units = [RawUnit(f"{prefix}{k}", times[clusters == k], None, _metadata(int(k), labels, group)) for k in labels]
    reserved = [unit.id for unit in units if unit.metadata["quality"] != "sorted"]
    if reserved:
        message = f"clusters 0 and 1 are KlustaKwik's noise and unsorted spikes: {', '.join(reserved)} kept"
        findings = [
            *findings,
            found("unsorted-clusters", message, count=len(reserved), option="--units 'quality == \"sorted\"'"),
        ]
    return units, findings, (clu, source)


def _metadata(cluster: int, labels: npt.NDArray[np.int64], group: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"electrode_group": group.strip(".")} if group else {}
    # With clusters numbered from 0 or 1 without a gap this is uncertain: reported, never dropped.
    quality = _RESERVED.get(cluster, "sorted") if len(labels) > 1 else "sorted"
    return {**metadata, "quality": quality}


def _cluster_numbers(clu: Path) -> npt.NDArray[np.int64]:
    numbers = _numbers(clu)[1:]
    if not np.all(np.isfinite(numbers)) or np.any(numbers != np.round(numbers)):
        raise RecordingError(clu, "holds something other than cluster numbers")
    return numbers.astype(np.int64)


def _numbers(file: Path) -> npt.NDArray[np.float64]:
    if not file.exists() and not file.is_symlink():
        raise RecordingError(file, "is missing: .res and .clu belong together")
    try:
        return np.array(readable_file(file).read_bytes().split(), dtype=np.float64)
    except (OSError, ValueError) as error:
        raise RecordingError(file, f"holds something other than numbers ({str(error)[:80]})") from error


def _last_feature(file: Path) -> npt.NDArray[np.float64]:
    """Return the last column of a .fet file, which is the sample of each spike."""
    numbers = _numbers(file)
    n_features = int(numbers[0]) if len(numbers) else 0
    if n_features < 1 or (len(numbers) - 1) % n_features:
        raise RecordingError(file, "is not a feature file: its numbers do not fill its columns")
    return numbers[1:].reshape(-1, n_features)[:, -1]


def _rate_of(xml: Path) -> float | None:
    """Return ``samplingRate`` of a Neuroscope parameter file, read as text."""
    if not xml.exists():
        return None
    match = re.search(r"<samplingRate[^>]*>\s*([0-9.]+(?:e\+?\d+)?)\s*<", xml.read_text(errors="replace"))
    return float(match[1]) if match and float(match[1]) > 0 else None
