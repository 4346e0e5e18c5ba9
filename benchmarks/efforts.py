"""Whether ``--effort fast`` contradicts ``--effort standard``: both on the same recordings and simulated cells.

    python benchmarks/efforts.py --data FOLDER --recordings e070528 stn boot_neuro CAL2
    python benchmarks/efforts.py --cells adapting bursting bistable resonant --trials 100

Prints, per case, what turned into its opposite: pairs of models whose gain is significant in both efforts with
another sign, and verdicts that are captured in one and missed in the other. Then, per model and effort, on how many
units KS passes, the median rate of its free run over the recorded one, and the seconds. See science.md#ladder.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import rnnspike
from rnnspike.neurons.session import SessionOptions, simulate_cell

EFFORTS = ("fast", "standard")
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "e070528": ("star_cockroach_e070528.nwb", {"window": (1.0, 13.0)}),
    "CAL2": ("star_cockroach_CAL2.nwb", {"window": (1.0, 15.0)}),
    "boot_neuro": ("boot_neuro.nwb", {"window": (0.1, 0.5)}),
    "stn": ("case_stn.nwb", {"window": (0.25, 2.0), "condition": ("condition",)}),
    "bp1005": ("nd_it_bp1005.nwb", {"window": (0.1, 1.0), "condition": ("condition",)}),
    "bp1020": ("nd_it_bp1020.nwb", {"window": (0.1, 1.0), "condition": ("condition",)}),
}
Rows = dict[tuple[str, str], dict[str, Any]]


def main() -> None:
    """Fit each case twice and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of recordings")
    parser.add_argument("--recordings", nargs="*", default=[], choices=list(CASES))
    parser.add_argument("--cells", nargs="*", default=[])
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    if given.recordings and given.data is None:
        parser.error("--recordings needs --data FOLDER")
    told: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as work:
        for name, path, settings in cases(given, Path(work)):
            runs = {
                effort: rnnspike.fit(
                    path,
                    effort=effort,
                    out=Path(work) / effort,
                    report=False,
                    replicates=20,
                    workers=given.workers,
                    **settings,
                )
                for effort in EFFORTS
            }
            compare(name, runs, told)
    summary(told)


def cases(given: argparse.Namespace, work: Path) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Yield name, file and settings of every case."""
    for name in given.recordings:
        file, settings = CASES[name]
        yield name, given.data / file, settings
    for name in given.cells:
        path = work / f"{name}.nwb"
        simulate_cell(name, None, SessionOptions(n_trials=given.trials, seed=1)).write(path)
        yield name, path, {}


def compare(name: str, runs: Mapping[str, Path], told: dict[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Print what turned into its opposite between the efforts, and keep the rows."""
    rows = {effort: rows_of(folder) for effort, folder in runs.items()}
    pairs = {effort: pairs_of(folder) for effort, folder in runs.items()}
    for effort, found in rows.items():
        for (_, model), row in found.items():
            told[model, effort].append(row)
    shared = pairs["fast"].keys() & pairs["standard"].keys()
    sides = {key: [side(pairs[effort][key]) for effort in EFFORTS] for key in sorted(shared)}
    both = [key for key, (a, b) in sides.items() if a and b]
    print(f"{name}: {len(shared)} pairs, {len(both)} significant in both efforts")
    for key in both:
        if sides[key][0] != sides[key][1]:
            gains = ", ".join(
                f"{e} {pairs[e][key][0]:+.4f} [{pairs[e][key][1]:+.4f}, {pairs[e][key][2]:+.4f}]" for e in EFFORTS
            )
            print(f"  unit {key[0]}, {key[1]} over {key[2]}: {gains}")
    for key in sorted(rows["fast"].keys() & rows["standard"].keys()):
        for column in ("refractory_verdict", "adaptation_verdict"):
            verdicts = [rows[effort][key].get(column) for effort in EFFORTS]
            if set(verdicts) == {"captured", "missed"}:
                print(f"  unit {key[0]}, {key[1]}: {column} {verdicts[0]} (fast), {verdicts[1]} (standard)")


def rows_of(folder: Path) -> Rows:
    """Return the rows of a run by unit and model."""
    lines = (folder / "rows.jsonl").read_text().splitlines()
    return {(row["unit"], row["model"]): row for row in map(json.loads, lines) if row["status"] == "ok"}


def pairs_of(folder: Path) -> dict[tuple[str, str, str], tuple[float, float, float]]:
    """Return gain, low and high of the pairs of a run by unit and models."""
    table = pd.read_csv(folder / "pairs.csv", dtype={"unit": str}).dropna(subset=["gain_low", "gain_high"])
    columns = table[["unit", "model_a", "model_b", "gain", "gain_low", "gain_high"]]
    return {(str(unit), a, b): (gain, low, high) for unit, a, b, gain, low, high in columns.itertuples(index=False)}


def side(gain: tuple[float, float, float]) -> int:
    """Return 1 or -1 for a gain that is significantly above or below 0, else 0."""
    return int(gain[1] > 0) - int(gain[2] < 0)


def summary(told: Mapping[tuple[str, str], list[dict[str, Any]]]) -> None:
    """Print KS, free runs and seconds per model and effort."""
    print(f"\n{'model':>16} {'effort':>9} {'KS passes':>10} {'free run':>9} {'bits':>7} {'s/unit':>7}")
    for model in dict.fromkeys(model for model, _ in told):
        for effort in EFFORTS:
            rows = told.get((model, effort), [])
            if not rows:
                continue
            tested = [row["ks_p"] for row in rows if row.get("ks_p") is not None]
            passes = f"{sum(p > 0.05 for p in tested)} of {len(tested)}"
            known = (
                [row[name] for row in rows if row.get(name) is not None]
                for name in ("free_run_rate_ratio", "bits_per_spike", "seconds")
            )
            median = [np.median(each) if each else np.nan for each in known]
            print(f"{model:>16} {effort:>9} {passes:>10} {median[0]:9.3f} {median[1]:7.4f} {median[2]:7.2f}")


if __name__ == "__main__":
    main()
