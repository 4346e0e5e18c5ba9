"""Is decoding calibrated? Labels that tell nothing, and what the true likelihood gives.

    python benchmarks/decoding.py --seeds 20

Sessions of Poisson units with known rates by condition are fitted with the trial average and the GLM at fast effort,
once with their labels, once with labels that are permuted before the fit.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import rnnspike
from rnnspike.evaluation.decoding.posterior import information, log2_posterior
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.data import Recording
from rnnspike.recording.write import write_nwb
from rnnspike.runs.stored.reopen import reopen

N_TRIALS, DURATION_S, N_CONDITIONS, N_UNITS = 120, 0.5, 4, 4
MODELS = ("psth", "glm")


def session(seed: int, shuffled: bool) -> tuple[Recording, np.ndarray]:
    """Return a session of Poisson units, and their rates (condition, unit), Hz."""
    rng = np.random.default_rng([seed, 1])
    options = SessionOptions(N_TRIALS, DURATION_S, 0.3, n_conditions=N_CONDITIONS, seed=seed)
    found = simulate_session([cell_spec("poisson")] * N_UNITS, options).recording
    table = found.intervals["trials"].copy()
    code = table["condition"].str.split().str[-1].astype(int).to_numpy()
    rates_hz = rng.gamma(4.0, 4.0, size=(N_CONDITIONS, N_UNITS))
    units = []
    for u, unit in enumerate(found.units):
        n = rng.poisson(DURATION_S * rates_hz[code, u])
        start = table["start_time"].to_numpy()
        times = np.repeat(start, n) + rng.uniform(0, DURATION_S, n.sum())
        units.append(replace(unit, spike_times_s=np.sort(times)))
    if shuffled:
        table["condition"] = rng.permutation(table["condition"].to_numpy())
    return replace(found, units=tuple(units), intervals={"trials": table}), rates_hz


def fitted(recording: Recording, folder: Path) -> Path:
    """Return the run of a session."""
    write_nwb(folder / "session.nwb", recording)
    settings = {"condition": ("condition",), "effort": "fast", "replicates": 0, "report": False}
    return rnnspike.fit(folder / "session.nwb", models=MODELS, out=folder / "runs", **settings).folder


def true_information(run: Path, rates_hz: np.ndarray) -> float:
    """Return the bits that the true rates tell of the condition."""
    reopened = reopen(run)
    counts = np.stack([reopened.trials(unit).spikes[:, :, 0].sum(axis=1) for unit in reopened.units], axis=1)
    expected = DURATION_S * rates_hz
    log_p = counts @ np.log(expected).T - expected.sum(axis=1)
    prior = np.full(N_CONDITIONS, 1 / N_CONDITIONS)
    condition = reopened.loaded.plan.condition
    return float(information(log2_posterior(log_p, prior), condition, prior).mean())


def main() -> None:
    """Print one line per seed, then how often chance was beaten, and the share of the true information."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    n_seeds = parser.parse_args().seeds
    beaten, shares = {name: [] for name in MODELS}, {name: [] for name in MODELS}
    chance, accuracy, bits = [], [], []
    for seed in range(n_seeds):
        for shuffled in (True, False):
            with tempfile.TemporaryDirectory() as folder:
                recording, rates_hz = session(seed, shuffled)
                run = fitted(recording, Path(folder))
                rows = {row["model"]: row for row in rnnspike.decode(run, models=MODELS)}
                truth = true_information(run, rates_hz)
            if shuffled:
                for name, row in rows.items():
                    beaten[name].append((row["accuracy_p"] < 0.05, row["information_p"] < 0.05))
                    accuracy.append(row["accuracy"])
                    chance.append(row["chance_accuracy"])
                    bits.append(row["information"])
            else:
                for name, row in rows.items():
                    shares[name].append(row["information"] / truth)
                found = ", ".join(f"{name} {row['information']:.3f}" for name, row in rows.items())
                print(f"seed {seed}: true {truth:.3f} bits, {found}", flush=True)
    print(
        f"permuted labels, {n_seeds} seeds: accuracy {np.mean(accuracy):.3f}, chance {np.mean(chance):.3f}, ", end=""
    )
    print(f"information {np.mean(bits):+.4f} ({min(bits):+.4f} to {max(bits):+.4f})")
    for name in MODELS:
        right, known = np.array(beaten[name]).sum(axis=0)
        print(f"{name}: p < .05 on {right} (accuracy) and {known} (information) of {n_seeds}; ", end="")
        print(f"share of the true information {np.median(shares[name]):.2f} ", end="")
        print(f"({min(shares[name]):.2f} to {max(shares[name]):.2f})")


if __name__ == "__main__":
    main()
