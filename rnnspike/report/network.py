"""What the network section is drawn from: rows, points, eigenvalues and curves of ``rnnspike dynamics``.

The stored files are described in ``docs/dynamics_files.md``; what a run of an older version lacks is left out, and
the page says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from rnnspike.dynamics.population.pictures import map_order
from rnnspike.dynamics.rows import spread_text
from rnnspike.models.registry import closed_loop
from rnnspike.names import visible
from rnnspike.report.load import Curves, Run
from rnnspike.report.packing import packed, spread
from rnnspike.runs.stored.store import read_arrays, read_jsonl, safe_name

#: Networks that a page holds, points of an input with their eigenvalues, eigenvalues at visited states.
MAX_NETWORKS, MAX_POINTS, MAX_VISITED = 48, 12, 400
#: Trajectories and bins of each, points of a curve.
MAX_TRAJECTORIES, MAX_BINS, MAX_CURVE = 6, 250, 150
#: Patterns of a population network.
MAX_PATTERNS = 40
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


def network_rows(run: Run) -> list[dict[str, Any]] | None:
    """Return the rows over networks of a run's ``dynamics`` folder; None where it was not analysed."""
    rows_file, summary = (run.folder / "dynamics" / name for name in ("rows.jsonl", "summary.jsonl"))
    if not rows_file.is_file():
        return None
    return read_jsonl(summary if summary.is_file() else rows_file, {"model": str})


def has_dynamics(run: Run) -> bool:
    """Say whether ``rnnspike dynamics`` looked into a network of the run, beyond the brief reading of a fit."""
    return any(not row.get("brief") for row in network_rows(run) or [])


def why_no_network(run: Run) -> str:
    """Return why the page shows no network, and what to do about it."""
    found = [model for model in closed_loop() if any(row["model"] == model for row in run.rows)]
    if not found:
        return "This run has no network with a step per bin to look into: fit with --models lstm."
    names = " and ".join(found)
    return f"Not analysed: rnnspike dynamics RUN looks into {names}, rnnspike report RUN then shows it here."


def network_payload(run: Run) -> dict[str, Any] | None:
    """Return what the page shows of a run's ``dynamics`` folder; None where it was not analysed."""
    folder, units, rows = run.folder / "dynamics", run.units, network_rows(run)
    if rows is None:
        return None
    memories = sorted(folder.glob("*/*/*/memory.npz"))
    order = {safe_name(unit): k for k, unit in enumerate(units)}
    memories.sort(key=lambda file: order.get(file.parents[2].name, len(order)))
    unit_of = dict(zip(order, units, strict=False))
    return {
        "columns": list(COLUMNS.values()),
        "table": [[_cell(row, key) for key in COLUMNS] for row in rows],
        "said": list(dict.fromkeys(_sentence(row) for row in rows if row.get("message") or row.get("reconciled"))),
        "brief": brief_note(rows),
        "care": behind_glm(run, rows),
        "networks": [
            _network(file, unit_of.get(file.parents[2].name, file.parents[2].name))
            for file in memories[:MAX_NETWORKS]
        ],
        "left_out": max(0, len(memories) - MAX_NETWORKS),
    }


def brief_note(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Say what is less in the brief readings of a fit; None where there are none."""
    brief = [row for row in rows if row.get("brief") and row.get("status") == "ok"]
    if not brief:
        return None
    starts, lag_ms = max(row["n_starts"] for row in brief), max(row["longest_lag_ms"] for row in brief)
    return (
        f"A brief reading, made by fit: up to {max(row['n_seeds'] for row in brief)} networks per unit, one input "
        f"({brief[0]['input']}), {starts:g} starts per search, gradients followed back to {lag_ms:.3g} ms. There "
        "may be more fixed points than it found. rnnspike dynamics RUN looks for them from 128 starts and adds the "
        "closed loop, basins, cycles and the rhythm."
    )


def behind_glm(run: Run, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a warning for each network that finds the held-out spikes less likely than the GLM of its unit does."""
    said = []
    for unit, model in dict.fromkeys((row.get("unit"), row["model"]) for row in rows):
        gain, low, high = run.gains.get((str(unit), model, "glm"), (0.0, 0.0, 0.0))
        ends = f"{-gain:.3f} bits/spike (95 % interval {-high:.3f} to {-low:.3f})"
        if high < 0:
            said.append(
                f"Unit {unit}: read it with care. On held-out trials {model} finds the spikes less likely than glm "
                f"by {ends}."
            )
        elif gain < 0:
            said.append(f"Unit {unit}: {model} is not shown to be worse or better than glm; it is behind by {ends}.")
    return said


def _cell(row: Mapping[str, Any], key: str) -> Any:
    """Return a cell of the table: a value, with the range over networks where they differ."""
    value = row.get(key)
    if f"{key}_low" in row and isinstance(value, float):
        return spread_text(row, key)
    if isinstance(value, float):
        return float(f"{value:.3g}")
    if isinstance(value, list):
        return ", ".join(f"{each:.3g}" for each in value[:4])
    return value


def _sentence(row: dict[str, Any]) -> str:
    parts = "; ".join(str(row[key]) for key in ("reconciled", "message") if row.get(key))
    input_name = f", {row['input']}" if row.get("input") else f" {row['status']}"
    return f"Unit {row.get('unit') or '–'}, {row['model']}{input_name}: {parts}.{_ranges(row)}"


def _ranges(row: Mapping[str, Any]) -> str:
    """Return the numbers behind the words: medians over networks with their ranges, and the reach of the spikes."""
    names = {
        "gate_tau_ms": "gates",
        "eigenvalue_tau_ms": "slowest mode at visited states",
        "measured_tau_ms": "read-out",
    }
    names["memory_horizon_ms"] = "gradient reach"
    known = {words: spread_text(row, name) for name, words in names.items() if row.get(name) is not None}
    if not known or not row.get("n_seeds"):
        return ""
    text = ", ".join(f"{words} {value} ms" for words, value in known.items())
    history = (
        f"; history in the spikes reaches {row['history_ms']:.3g} ms" if row.get("history_ms") is not None else ""
    )
    return f" Medians (ranges) over {row['n_seeds']}: {text}{history}."


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
    return kept | _population(memory)


def _population(memory: Curves) -> dict[str, Any]:
    """Return the patterns of a population network's closed loop; nothing of another network."""
    rates_hz = memory.get("pattern_hz", np.empty((0, 0)))
    if not len(rates_hz):
        return {}
    units, patterns = map_order(rates_hz)
    some = patterns[:MAX_PATTERNS]
    return {
        "pattern_hz": packed(rates_hz[some][:, units].T),
        "pattern_units": [visible(str(memory["input_names"][unit])) for unit in units],
        "pattern_numbers": [int(k) + 1 for k in some],
        "n_patterns": len(rates_hz),
    }


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
    }
    for name in ("speed_per_s", "dwell_s", "n_starts"):
        found[name] = packed(arrays[name][:200])
    for name in (
        "basin_shares",
        "lyapunov_per_s",
        "cycle_period_s",
        "cycle_share",
        "merge_tolerance",
        "n_at_tolerance",
    ):
        if name in arrays:
            found[name] = packed(arrays[name])
    if plane is not None:
        found["plane_points"] = packed(plane[:200])
        found |= {name: packed(arrays[name]) for name in ("plane_grid", "plane_flow") if name in arrays}
        found["cycles"] = [packed(arrays[name]) for name in sorted(arrays) if name.startswith("plane_cycle")]
    return found
