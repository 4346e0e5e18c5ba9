"""How often the checks of given rates are right on simulated cells whose rates are known (score.md#what-is-checked).

    python benchmarks/rates.py

simulates every cell of ``rnnspike simulate --neuron``, 60 trials of 1 s each, and prints in how many of them the
true rates, these rates shifted by bins, and the recorded spikes smoothed by Gaussians are reported as what.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter1d

from rnnspike.neurons.registry import CELLS
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.neurons.truth import true_intensity
from rnnspike.rates.checks import Evidence
from rnnspike.recording.read import read_recording
from rnnspike.trials.data import FloatArray, Trials
from rnnspike.trials.plan import plan_trials

#: Expected count added to smoothed spikes, so that no bin with a spike has none.
FLOOR = 1e-4


def simulated(name: str, n_trials: int, seed: int) -> tuple[Trials, FloatArray] | None:
    """Return the trials and the true mu (trial, bin) of a cell's first unit; None where it is left out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cell.nwb"
        simulate_cell(name, CELLS[name].units, SessionOptions(n_trials=n_trials, seed=seed)).write(path)
        recording = read_recording(path)
        plan = plan_trials(recording)
        if not plan.unit_ids:
            return None
        trials = plan.trials(plan.unit_ids[:1])
        mu = true_intensity(recording, trials)
    return None if mu is None else (trials, mu[:, :, 0])


def given(trials: Trials, mu: FloatArray) -> Iterator[tuple[str, FloatArray]]:
    """Yield rates (trial, bin) by name: true, shifted, and smoothed from the scored spikes."""
    yield "true", mu
    for shift in (-2, -1, 1, 2):
        name = f"{abs(shift)} bin{'s' * (abs(shift) > 1)} {'late' if shift > 0 else 'early'}"
        yield name, np.roll(mu, shift, axis=1)
    for sd in (5, 20, 50):
        spikes = trials.counts[:, :, 0].astype(np.float64)
        yield f"smoothed, {sd} ms", gaussian_filter1d(spikes, sd, axis=1, mode="constant") + FLOOR


def findings(trials: Trials, mu: FloatArray) -> list[str]:
    """Return what is reported of rates with history."""
    evidence = Evidence()
    evidence.add(trials, mu, 1)
    shift = evidence.shift(history=True)
    found = [f"shifted {shift:+d}"] if shift else []
    return found + (["in-sample"] if evidence.in_sample() else [])


def main() -> None:
    """Simulate, check and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=3)
    options = parser.parse_args()
    reported: dict[str, Counter[str]] = {}
    n_spikes = []
    for name in CELLS:
        cell = simulated(name, options.trials, options.seed)
        if cell is None:
            print(f"{name}: left out, too few spikes")
            continue
        trials, mu = cell
        n_spikes.append(int(trials.counts.sum()))
        by_rates = {kind: findings(trials, rates) for kind, rates in given(trials, mu)}
        for kind, found in by_rates.items():
            reported.setdefault(kind, Counter()).update(found or ["nothing"])
        said = "; ".join(f"{kind}: {', '.join(found)}" for kind, found in by_rates.items() if found)
        print(f"{name}, {n_spikes[-1]} spikes: {said}", flush=True)
    print(f"\n{len(n_spikes)} cells, {min(n_spikes)} to {max(n_spikes)} spikes")
    for kind, counts in reported.items():
        print(f"{kind}: {', '.join(f'{found} {n}' for found, n in counts.most_common())}")


if __name__ == "__main__":
    main()
