"""Phy folders (Kilosort and others): spike samples and clusters as npy, labels as tsv; ``params.py`` is not run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.checks import found
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import Finding, ReadOptions

#: Rates that differ by less than this are one, rounded.
SAME_RATE = 1e-4
_LABELS = ("cluster_info.tsv", "cluster_group.tsv", "cluster_KSLabel.tsv", "cluster_groups.csv")


def read_phy(path: Path, options: ReadOptions) -> Contents:
    """Read a Phy folder; clusters labelled noise are left out and counted.

    Raises
    ------
    RecordingError
        Where the arrays are missing or do not fit, or nothing tells the sampling rate.
    """
    samples = _array(path, "spike_times.npy")
    clusters_file = "spike_clusters.npy" if (path / "spike_clusters.npy").exists() else "spike_templates.npy"
    clusters = _array(path, clusters_file)
    if len(samples) != len(clusters):
        raise RecordingError(
            path, f"{len(samples)} spike times but {len(clusters)} clusters: export the folder again"
        )
    labels = _labels(path)
    times, findings = _seconds(path, samples, options)
    units = []
    noise = []
    for cluster in np.union1d(np.unique(clusters), np.array(list(labels), dtype=clusters.dtype)):
        metadata = labels.get(int(cluster), {})
        if str(metadata.get("group", "")).lower() == "noise":
            noise.append(str(cluster))
        else:
            units.append(RawUnit(str(cluster), times[clusters == cluster], None, metadata))
    if noise:
        message = f"{len(noise)} clusters labelled noise are left out: {', '.join(noise[:10])}"
        findings.append(found("noise-clusters", message, count=len(noise)))
    sources = [path / "spike_times.npy", path / clusters_file, path / "params.py", *(path / name for name in _LABELS)]
    return Contents(
        format="Phy",
        units=tuple(units),
        findings=tuple(findings),
        sources=tuple(source for source in sources if source.exists()),
    )


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(path / name, allow_pickle=False)).ravel()
    except FileNotFoundError as error:
        raise RecordingError(path, f"{name} is missing from this Phy folder") from error
    except (OSError, ValueError, EOFError) as error:
        raise RecordingError(path, f"{name} is damaged ({' '.join(str(error).split())[:100]})") from error


def _seconds(
    path: Path, samples: npt.NDArray[Any], options: ReadOptions
) -> tuple[npt.NDArray[np.float64], list[Finding]]:
    own_hz = _rate_of(path / "params.py")
    rate_hz = rate_from(options) or own_hz
    if rate_hz is None and samples.dtype.kind == "f" and bool(np.any(samples != np.round(samples))):
        return samples.astype(np.float64), []
    times, findings = to_seconds(samples, rate_hz, "the folder has no params.py with a sample_rate")
    return times, findings + rates_differ(options, own_hz, "params.py")


def rate_from(options: ReadOptions) -> float | None:
    """Return the sampling rate asked for; 1 where a time scale was given, which then does all the scaling."""
    return options.sampling_rate_hz or (1.0 if options.time_scale is not None else None)


def rates_differ(options: ReadOptions, own_hz: float | None, file: str) -> list[Finding]:
    """Return the finding that the rate asked for is not the one that a file beside the spikes tells."""
    asked_hz = options.sampling_rate_hz
    if asked_hz is None or own_hz is None or abs(asked_hz / own_hz - 1) < SAME_RATE:
        return []
    message = f"--sampling-rate {asked_hz:g} is taken, though {file} says {own_hz:g}"
    return [found("sampling-rate-doubtful", message, count=1, option="leaving out --sampling-rate")]


def to_seconds(
    samples: npt.NDArray[Any], rate_hz: float | None, why: str
) -> tuple[npt.NDArray[np.float64], list[Finding]]:
    """Return sample indices as seconds; without a rate, as they are with a finding of level error."""
    if rate_hz is not None:
        return samples.astype(np.float64) / rate_hz, []
    message = f"spike times are sample indices and {why}"
    finding = found("sampling-rate-missing", message, count=len(samples), option="--sampling-rate 30000")
    return samples.astype(np.float64), [finding]


def _rate_of(params: Path) -> float | None:
    """Return ``sample_rate`` from a params.py, read as text."""
    if not params.exists():
        return None
    match = re.search(r"^\s*sample_rate\s*=\s*([0-9.eE+]+)", params.read_text(errors="replace"), re.MULTILINE)
    return float(match[1]) if match and float(match[1]) > 0 else None


def _labels(path: Path) -> dict[int, dict[str, Any]]:
    """Return cluster -> its row of the first label file that has one; a curated group goes before the sorter's."""
    labels: dict[int, dict[str, Any]] = {}
    for name in _LABELS:
        if not (path / name).exists():
            continue
        try:
            table = pd.read_csv(path / name, sep="\t")
        except (ValueError, OSError) as error:
            raise RecordingError(path / name, f"cannot be read ({' '.join(str(error).split())[:100]})") from error
        key = next((column for column in ("cluster_id", "id") if column in table), None)
        for row in table.to_dict("records") if key else []:
            known = labels.setdefault(int(row[key]), {})
            for column, value in row.items():
                if column != key and not pd.isna(value):
                    known.setdefault(str(column), value)
    return labels
