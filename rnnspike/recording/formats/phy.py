"""Phy folders (Kilosort and others): spike samples and clusters as npy, labels as tsv; ``params.py`` never runs."""

from __future__ import annotations

import ast
import operator
import re
import tokenize
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import Finding, FloatArray, ReadOptions
from rnnspike.recording.findings import found
from rnnspike.recording.formats.refusals import readable_file
from rnnspike.recording.formats.text.delimited import header_line
from rnnspike.wording import counted

#: Rates that differ by less than this are equal up to rounding.
SAME_RATE = 1e-4
#: Plausible sampling rates of spike recordings, Hz.
_LIKELY_HZ = (1e3, 1e6)
#: Label files, the most trusted first: saved by phy on curation (new and old name), then its table of all labels.
_CURATED = ("cluster_group.tsv", "cluster_groups.csv", "cluster_info.tsv")
_ID_TYPES = {"cluster_id": str, "id": str}
#: Cluster number of spikes without a cluster.
_NO_CLUSTER = -1
_RATE_LINE = re.compile(r"^[ \t]*sample_rate[ \t]*(?::[^=\n]*)?=(?!=)[ \t]*(.*?)[ \t;]*$", re.MULTILINE)
_NUMBER_TYPES = re.compile(r"^(float|int|double)\d*$")
_OPERATIONS: dict[type[ast.operator], Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def read_phy(path: Path, options: ReadOptions) -> Contents:
    """Read a Phy folder; clusters labelled noise are left out and counted.

    Raises
    ------
    RecordingError
        If arrays are missing or do not match, or the sampling rate is not known.
    """
    samples = _array(path, "spike_times.npy")
    clusters, source, findings = _clusters(path)
    if len(samples) != len(clusters):
        raise RecordingError(
            path, f"{len(samples)} spike times but {len(clusters)} clusters: export the folder again"
        )
    times, clock_findings = _seconds(path, samples, options)
    ids = np.unique(clusters[clusters != _NO_CLUSTER])
    tables = _label_tables(path)
    labels, label_findings = _labels(tables, ids)
    noise = [cluster for cluster in ids.tolist() if _is_noise(labels[cluster])]
    units = [
        RawUnit(str(cluster), times[clusters == cluster], None, labels[cluster])
        for cluster in ids.tolist()
        if cluster not in noise
    ]
    findings += clock_findings + label_findings + _left_out(noise, int(np.sum(clusters == _NO_CLUSTER)))
    sources = [path / "spike_times.npy", source, path / "params.py", *(table.file for table in tables)]
    return Contents(
        format="Phy",
        units=tuple(units),
        findings=tuple(findings),
        sources=tuple(source for source in sources if source.exists()),
    )


def _left_out(noise: Sequence[int], n_without: int) -> list[Finding]:
    findings = []
    if noise:
        message = f"{len(noise)} clusters labelled noise are left out: {_named(noise)}"
        findings.append(found("noise-clusters", message, count=len(noise)))
    if n_without:
        message = counted(n_without, "spike{s} {have} no cluster (-1 or not an integer): left out")
        findings.append(found("noise-clusters", message, count=n_without))
    return findings


def _named(items: Sequence[object]) -> str:
    return ", ".join(map(str, items[:10])) + (", ..." if len(items) > 10 else "")


def _array(path: Path, name: str) -> npt.NDArray[Any]:
    if not (path / name).exists() and not (path / name).is_symlink():
        raise RecordingError(path, f"{name} is missing from this Phy folder")
    try:
        return np.asarray(np.load(readable_file(path / name), allow_pickle=False)).ravel()
    except (OSError, ValueError, EOFError, TypeError, SyntaxError, tokenize.TokenError) as error:  # of its header too
        raise RecordingError(path, f"{name} is damaged ({' '.join(str(error).split())[:100]})") from error


def _clusters(path: Path) -> tuple[npt.NDArray[np.int64], Path, list[Finding]]:
    """Return the cluster of each spike (``_NO_CLUSTER`` without one), the file, and findings."""
    file, findings = path / "spike_clusters.npy", []
    templates = path / "spike_templates.npy"
    if not file.exists() and not file.is_symlink() and templates.exists():
        message = "spike_clusters.npy is missing: units are the sorter's templates, without curation"
        file, findings = templates, [found("clusters-from-templates", message, count=1)]
    stored = _array(path, file.name)
    if stored.dtype.kind not in "iuf":
        raise RecordingError(path, f"{file.name} holds {stored.dtype}, not cluster numbers: export the folder again")
    none = stored < 0 if stored.dtype.kind in "if" else stored == np.iinfo(stored.dtype).max
    if stored.dtype.kind == "f":
        none |= ~np.isfinite(stored) | (stored != np.round(stored))
    return np.where(none, _NO_CLUSTER, np.where(none, 0, stored).astype(np.int64)), file, findings


def _seconds(path: Path, samples: npt.NDArray[Any], options: ReadOptions) -> tuple[FloatArray, list[Finding]]:
    own_hz, findings = _rate_of(path / "params.py")
    rate_hz = options.sampling_rate_hz or own_hz
    if rate_hz is None and samples.dtype.kind == "f" and bool(np.any(samples != np.round(samples))):
        return samples.astype(np.float64), []
    refuse_time_scale(path, options, own_hz)
    why = findings[0].message if findings else "the folder has no params.py with a sample_rate"
    times, missing = to_seconds(samples, rate_hz, why)
    return times, missing or [*findings, *rate_conflict(options, own_hz, "params.py")]


def refuse_time_scale(path: Path, options: ReadOptions, own_hz: float | None) -> None:
    """Refuse ``--time-scale`` for spike times that are sample indices: only a sampling rate converts them."""
    if options.time_scale is not None:
        remedy = "--sampling-rate 30000" if own_hz is None else "leaving it out, or --sampling-rate"
        raise RecordingError(path, "--time-scale is not for spike times that are sample indices", remedy)


def rate_conflict(options: ReadOptions, own_hz: float | None, file: str) -> list[Finding]:
    """Return the finding that the requested rate differs from the one stated in a file of the recording."""
    asked_hz = options.sampling_rate_hz
    if asked_hz is None or own_hz is None or abs(asked_hz / own_hz - 1) < SAME_RATE:
        return []
    message = f"--sampling-rate {asked_hz:g} is used, although {file} states {own_hz:g}"
    return [found("sampling-rate-doubtful", message, count=1, option="leaving out --sampling-rate")]


def to_seconds(samples: npt.NDArray[Any], rate_hz: float | None, why: str) -> tuple[FloatArray, list[Finding]]:
    """Return sample indices as seconds; without a rate, unchanged with a finding of level error."""
    if rate_hz is not None:
        return samples.astype(np.float64) / rate_hz, []
    message = f"spike times are sample indices and {why}"
    finding = found("sampling-rate-missing", message, count=len(samples), option="--sampling-rate 30000")
    return samples.astype(np.float64), [finding]


def _rate_of(params: Path) -> tuple[float | None, list[Finding]]:
    """Return ``sample_rate`` of a params.py, read as text, and the finding that it is invalid or implausible."""
    lines = _RATE_LINE.findall(readable_file(params).read_text("utf-8-sig", "replace")) if params.exists() else []
    if not lines:
        return None, []
    rate_hz, said = _value(lines[-1]), f"sample_rate = {lines[-1][:40]} in params.py"
    if rate_hz is None or not 0 < rate_hz < np.inf:
        return None, [found("sampling-rate-doubtful", f"{said} is not a rate: not used", count=1)]
    if not _LIKELY_HZ[0] <= rate_hz <= _LIKELY_HZ[1]:
        return rate_hz, [found("sampling-rate-doubtful", f"{said} is not a plausible rate for spikes", count=1)]
    return rate_hz, []


def _value(expression: str) -> float | None:
    """Return the value of a Python expression of literals; it is parsed, never executed."""
    try:
        return _literal(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError):
        return None


def _literal(node: ast.expr) -> float:
    """Return the number of a literal, quoted or not, of a sum or product, or of a call such as ``float(30000)``."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        return float(_OPERATIONS[type(node.op)](_literal(node.left), _literal(node.right)))
    if isinstance(node, (ast.List, ast.Tuple)) and len(node.elts) == 1:
        return _literal(node.elts[0])
    if isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if _NUMBER_TYPES.match(name) or name == "array":
            return _literal(node.args[0])
    raise ValueError(ast.dump(node))


@dataclass(frozen=True)
class _LabelTable:
    """One label file: its rows by cluster, and the content of the id column in rows without a valid id."""

    file: Path
    rows: Mapping[int, Mapping[str, Any]]
    without_id: tuple[str, ...] = ()


def _label_tables(path: Path) -> list[_LabelTable]:
    """Return the label files of a folder, the most trusted first."""
    others = sorted(file.name for file in path.iterdir() if re.fullmatch(r"cluster_\w+\.(tsv|csv)", file.name))
    names = dict.fromkeys([*(name for name in _CURATED if name in others), *others])
    return [_label_table(path / name) for name in names]


def _label_table(file: Path) -> _LabelTable:
    try:
        separator = "\t" if "\t" in header_line(readable_file(file)) else ","
        table = pd.read_csv(file, sep=separator, encoding="utf-8-sig", index_col=False, dtype=_ID_TYPES)
    except (ValueError, OSError) as error:
        raise RecordingError(file, f"cannot be read ({' '.join(str(error).split())[:100]})") from error
    table.columns = [str(name).strip() for name in table.columns]
    key = next((column for column in _ID_TYPES if column in table), None)
    if key is None:
        return _LabelTable(file, {}, ("no column cluster_id",))
    rows: dict[int, dict[str, Any]] = {}
    without_id = []
    for label, row in zip(table.pop(key).tolist(), table.to_dict("records"), strict=True):
        cluster = _cluster_id(label)
        if cluster is None:
            without_id.append("blank" if pd.isna(label) else str(label)[:20])
        else:
            rows.setdefault(cluster, {str(name): value for name, value in row.items() if not pd.isna(value)})
    return _LabelTable(file, rows, tuple(without_id))


def _cluster_id(label: Any) -> int | None:
    """Return a cluster id stored in a label file, None if it is not an integer of at least 0."""
    match = re.fullmatch(r"\s*\+?(\d{1,18})(\.0*)?\s*", str(label))
    return int(match[1]) if match else None


def _labels(
    tables: Sequence[_LabelTable], ids: npt.NDArray[np.int64]
) -> tuple[dict[int, dict[str, Any]], list[Finding]]:
    """Return cluster -> its labels, each from the most trusted file that has it, and findings about the files."""
    labels: dict[int, dict[str, Any]] = {cluster: {} for cluster in ids.tolist()}
    findings = []
    for table in tables:
        for cluster in labels.keys() & table.rows.keys():
            labels[cluster] = {**table.rows[cluster], **labels[cluster]}
        if table.without_id:
            message = f"{table.file.name}: rows without a usable cluster id are left out ({_named(table.without_id)})"
            findings.append(found("cluster-labels-broken", message, count=len(table.without_id)))
    silent = sorted({cluster for table in tables for cluster in table.rows} - set(labels))
    if silent:
        message = f"{len(silent)} labelled clusters have no spikes: left out ({_named(silent)})"
        findings.append(found("labels-without-spikes", message, count=len(silent)))
    return labels, findings + _disagreements(tables, labels)


def _disagreements(tables: Sequence[_LabelTable], labels: Mapping[int, Mapping[str, Any]]) -> list[Finding]:
    """Return a finding for each file that assigns clusters another group than a more trusted file."""
    findings = []
    for table in tables:
        groups = {cluster: _group(row) for cluster, row in table.rows.items() if cluster in labels and _group(row)}
        other = sorted(cluster for cluster, group in groups.items() if group != _group(labels[cluster]))
        if other:
            taken = next(each.file.name for each in tables if _group(each.rows.get(other[0], {})))
            message = f"{len(other)} clusters have another group in {table.file.name} than in {taken}, which is used"
            findings.append(found("cluster-labels-differ", f"{message} ({_named(other)})", count=len(other)))
    return findings


def _group(row: Mapping[str, Any]) -> str:
    return str(row.get("group", "")).strip().lower()


def _is_noise(row: Mapping[str, Any]) -> bool:
    """Return whether a cluster is noise by curation or, without curation, by the sorter."""
    return (_group(row) or str(row.get("KSLabel", "")).strip().lower()) == "noise"
