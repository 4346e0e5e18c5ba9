"""What the network section is drawn from: rows, points, eigenvalues and curves of ``rnnspike dynamics``.

The stored files are described in ``docs/dynamics_files.md``; what a run of an older version lacks is left out, and
the page says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from rnnspike.report.load import Curves
from rnnspike.report.packing import packed, spread
from rnnspike.runs.stored.store import read_arrays, read_jsonl, safe_name

#: Networks that a page holds, points of an input with their eigenvalues, eigenvalues at visited states.
MAX_NETWORKS, MAX_POINTS, MAX_VISITED = 48, 12, 400
#: Trajectories and bins of each, points of a curve.
MAX_TRAJECTORIES, MAX_BINS, MAX_CURVE = 6, 250, 150
#: Columns of the table of networks: key of a summary row -> heading.
COLUMNS = {
    "unit": "unit",
    "model": "model",
    "input": "input",
    "n_seeds": "networks",
    "n_stable": "stable",
    "n_saddle": "saddle",
    "n_slow": "slow",
    "slowest_tau_ms": "slowest τ, ms",
    "frequencies_hz": "frequencies, Hz",
    "gate_tau_ms": "gate τ, ms",
    "eigenvalue_tau_ms": "eigenvalue τ, ms",
    "measured_tau_ms": "measured τ, ms",
    "memory_horizon_ms": "gradient horizon, ms",
    "gradient_flow": "gradient",
    "settles": "settles",
    "cycle_period_ms": "cycle, ms",
}
SCALARS = ("bin_s", "window_s", "eigenvalue_tau_s", "measured_tau_s", "horizon_s", "untrained_horizon_s", "history_s",
           "superposition")  # fmt: skip
CURVES = (
    ("decay_lag_s", "decay"),
    ("gradient_lag_s", "gradient"),
    ("untrained_gradient_lag_s", "untrained_gradient"),
    ("product_lag_s", "product", "bound"),
    ("rhythm_lag_s", "rhythm_data"),
    ("rhythm_free_lag_s", "rhythm_free"),
)


def network_payload(folder: Path, units: list[str]) -> dict[str, Any] | None:
    """Return what the page shows of a run's ``dynamics`` folder; None where it was not analysed."""
    rows_file = folder / "rows.jsonl"
    if not rows_file.is_file():
        return None
    summary = folder / "summary.jsonl"
    rows = read_jsonl(summary if summary.is_file() else rows_file, {"model": str, "input": str})
    memories = sorted(folder.glob("*/*/*/memory.npz"))
    order = {safe_name(unit): k for k, unit in enumerate(units)}
    memories.sort(key=lambda file: order.get(file.parents[2].name, len(order)))
    unit_of = dict(zip(order, units, strict=False))
    return {
        "columns": list(COLUMNS.values()),
        "table": [[_cell(row.get(key)) for key in COLUMNS] for row in rows],
        "said": list(dict.fromkeys(_sentence(row) for row in rows if row.get("message") or row.get("reconciled"))),
        "networks": [
            _network(file, unit_of.get(file.parents[2].name, file.parents[2].name))
            for file in memories[:MAX_NETWORKS]
        ],
        "left_out": max(0, len(memories) - MAX_NETWORKS),
    }


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.3g}")
    if isinstance(value, list):
        return ", ".join(f"{each:.3g}" for each in value[:4])
    return value


def _sentence(row: dict[str, Any]) -> str:
    parts = "; ".join(str(row[key]) for key in ("reconciled", "message") if row.get(key))
    return f"Unit {row.get('unit') or '–'}, {row['model']}, {row['input']}: {parts}."


def _network(memory_file: Path, unit: str) -> dict[str, Any]:
    """Return one network: its memory, and its points under each input."""
    seed = memory_file.parent
    memory = read_arrays(memory_file)
    inputs = sorted(file for file in seed.glob("*.npz") if file != memory_file)
    inputs.sort(key=lambda file: file.stem != "silent")
    return {
        "unit": unit,
        "model": seed.parent.name,
        "seed": seed.name,
        "memory": _memory(memory),
        "inputs": [
            {"name": unquote(file.stem, errors="backslashreplace"), **_input(read_arrays(file), memory)}
            for file in inputs
        ],
    }


def _memory(memory: Curves) -> dict[str, Any]:
    kept = {name: packed(memory[name]) for name in SCALARS if name in memory}
    for names in CURVES:
        present = [name for name in names if name in memory]
        if len(present) == len(names):
            keep = spread(len(memory[names[0]]), MAX_CURVE)
            kept |= {name: packed(_log_safe(name, memory[name][keep])) for name in names}
    if "gate_tau_s" in memory:
        kept["gate_tau_s"] = packed(memory["gate_tau_s"])
    if "bend_sum" in memory:
        keep = spread(len(memory["bend_sum"]), 400)
        kept |= {name: packed(memory[name][keep]) for name in ("bend_sum", "bend_both")}
    if "visited_eigenvalues" in memory:
        kept["visited_eigenvalues"] = _complex(memory["visited_eigenvalues"].ravel(), MAX_VISITED)
    if "trajectories" in memory:
        some = memory["trajectories"][spread(len(memory["trajectories"]), MAX_TRAJECTORIES), :MAX_BINS]
        kept |= {"trajectories": packed(some), "plane_explained": packed(memory["plane_explained"])}
    if "input_gain" in memory and "input_names" in memory:
        kept |= {name: packed(memory[name]) for name in ("input_names", "input_gain", "input_gain_variation")}
    return kept


def _log_safe(name: str, values: Any) -> Any:
    """Return norms as their log10, since they span many decades; other curves as they are."""
    if name.endswith("_s") or name.startswith("rhythm"):
        return values
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip(np.log10(np.abs(values)), -12, 12)


def _complex(values: Any, most: int) -> dict[str, Any]:
    values = values[spread(len(values), most)]
    return {"re": packed(values.real), "im": packed(values.imag)}


def _input(arrays: Curves, memory: Curves) -> dict[str, Any]:
    """Return the points of one input, the leading ones with their eigenvalues."""
    plane = arrays.get("plane_points")
    n = len(arrays["points"])
    leading = np.arange(min(n, MAX_POINTS))
    kinds = [str(kind) if fixed else "slow" for kind, fixed in zip(arrays["stability"], arrays["fixed"], strict=True)]
    found: dict[str, Any] = {
        "n": n,
        "kind": kinds[:200],
        "eigenvalues": _complex(arrays["eigenvalues"][leading].ravel(), 10_000),
        "n_modes": int(arrays["eigenvalues"].shape[1]) if n else 0,
        "note": [str(each) for each in arrays["note"][leading].ravel()],
        "basin_shares": packed(arrays["basin_shares"]),
    }
    for name in ("speed_per_s", "dwell_s", "n_starts"):
        found[name] = packed(arrays[name][:200])
    for name in ("lyapunov_per_s", "cycle_period_s", "cycle_share", "merge_tolerance", "n_at_tolerance"):
        if name in arrays:
            found[name] = packed(arrays[name])
    if plane is not None:
        found["plane_points"] = packed(plane[:200])
        found |= {name: packed(arrays[name]) for name in ("plane_grid", "plane_flow") if name in arrays}
        found["cycles"] = [packed(arrays[name]) for name in sorted(arrays) if name.startswith("plane_cycle")]
    return found
