"""How often given rates in a wrong order of units or trials are reported, and in the right one (score.md#order).

    python benchmarks/rates_order.py

simulates sessions of 8 cells, 60 trials of 1 s and 4 stimuli each. In half of them every cell has stimuli of its own,
in the others all have the same. It prints in how many of them which rates are reported.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.rates.given import GivenRates
from rnnspike.rates.trial_order import TrialOrder
from rnnspike.rates.unit_order import unit_order
from rnnspike.trials.data import FloatArray, IntArray, TrialOptions, Trials
from rnnspike.trials.plan import plan_trials

CELLS = ("poisson", "refractory", "adapting", "bursting", "resonant", "power-law", "poisson", "refractory")
#: Width of the Gaussian of a PSTH, bins, and expected count added to it.
SMOOTH, FLOOR = 15.0, 1e-3

Session = tuple[list[Trials], FloatArray]


def simulated(seed: int, same: bool, n_trials: int) -> Session:
    """Return the trials of every unit and the true mu (trial, bin, unit); refractory cells if the ``same``."""
    options = SessionOptions(n_trials=n_trials, n_conditions=4, inter_trial_s=0.5, seed=seed)
    if same:
        session = simulate_cell("refractory", len(CELLS), options)
        plan = plan_trials(session.recording, TrialOptions(condition=("condition",)))
        units = [plan.trials((unit_id,)) for unit_id in plan.unit_ids]
        return units, session.mu[:, session.n_before :, [int(unit_id) for unit_id in plan.unit_ids]]
    units, rates = [], []
    for k, cell in enumerate(CELLS):
        session = simulate_cell(cell, 1, replace(options, seed=1000 * (k + 1) + seed))
        plan = plan_trials(session.recording, TrialOptions(condition=("condition",), min_spikes=1))
        own = plan.trials()
        first = units[0] if units else own
        # trials in the order of the first unit's conditions
        row = np.argsort(own.condition, kind="stable")[np.argsort(np.argsort(first.condition, kind="stable"))]
        units.append(replace(first, counts=own.counts[row], observed=own.observed[row], unit_ids=(str(k),)))
        rates.append(session.mu[row, session.n_before :, 0])
    return units, np.stack(rates, axis=2)


def psth(units: list[Trials], fold: IntArray) -> FloatArray:
    """Return the smoothed trial average of each condition (trial, bin, unit), without its fold (none: -1)."""
    condition, means = units[0].condition, []
    pairs = list(zip(condition, fold, strict=True))
    for trials in units:
        spikes = gaussian_filter1d(trials.counts[:, :, 0].astype(np.float64), SMOOTH, axis=1)
        means.append(np.array([spikes[(condition == c) & ((fold != f) | (f < 0))].mean(axis=0) for c, f in pairs]))
    return np.stack(means, axis=2) + FLOOR


def given(units: list[Trials], mu: FloatArray, rng: np.random.Generator) -> Iterator[tuple[str, FloatArray]]:
    """Yield rates (trial, bin, unit) by name."""
    n, n_units, condition = len(mu), mu.shape[2], units[0].condition
    apart = {
        "psth of all trials": np.full(n, -1),
        "psth of other trials": np.arange(n),
        "psth of other folds": np.arange(n) % 5,
    }
    kinds = {"true": mu} | {name: psth(units, fold) for name, fold in apart.items()}
    summed = gaussian_filter1d(
        np.sum([each.counts[:, :, 0] for each in units], axis=0, dtype=np.float64), SMOOTH, axis=1
    )
    own = np.stack(
        [gaussian_filter1d(each.counts[:, :, 0].astype(np.float64), SMOOTH, axis=1) for each in units], axis=2
    )
    kinds["psth of other folds and other units"] = kinds["psth of other folds"] * (
        0.7 + 0.3 * (summed[:, :, None] - own) / (summed[:, :, None] - own).mean(axis=(0, 1))
    )
    yield "constant", np.broadcast_to(mu.mean(axis=(0, 1)), mu.shape)
    by_condition, others = np.argsort(condition, kind="stable"), rng.permutation(n_units)
    swapped = np.r_[1, 0, 2:n_units]
    for kind, rates in kinds.items():
        yield kind, rates
        yield f"{kind}, two units swapped", rates[:, :, swapped]
        yield f"{kind}, units shuffled", rates[:, :, others]
        yield f"{kind}, sorted by condition", rates[by_condition]
        yield f"{kind}, reversed", rates[::-1]
        yield f"{kind}, a trial late", np.roll(rates, 1, axis=0)
        yield f"{kind}, a trial early", np.roll(rates, -1, axis=0)


def reported(units: list[Trials], mu: FloatArray) -> tuple[bool, bool]:
    """Return whether another order of units, and of trials, is reported."""
    ids = tuple(trials.unit_ids[0] for trials in units)
    rates = GivenRates("given", "", "counts", True, mu.shape[1], units[0].bin_s, ids, "", mu)
    order = TrialOrder(units[0])
    for k, trials in enumerate(units):
        order.add(trials, mu[:, :, k])
    by_id = dict(zip(ids, units, strict=True))
    found = unit_order(rates, by_id.__getitem__), order.finding("given")
    return found[0] is not None, found[1] is not None


def main() -> None:
    """Simulate, check and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=24, help="of each kind")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="of the first session")
    options = parser.parse_args()
    for same in (False, True):
        counts: dict[str, list[tuple[bool, bool]]] = {}
        n_spikes = []
        for seed in range(options.seed, options.seed + options.sessions):
            units, mu = simulated(seed, same, options.trials)
            n_spikes.append(sum(int(trials.counts.sum()) for trials in units))
            for kind, rates in given(units, mu, np.random.default_rng(seed)):
                counts.setdefault(kind, []).append(reported(units, rates))
        stimuli = "the same stimuli for all units" if same else "stimuli of their own"
        print(f"\n{options.sessions} sessions, {stimuli}, {min(n_spikes)} to {max(n_spikes)} spikes: units, trials")
        for kind, each in counts.items():
            print(f"{kind}: {sum(a for a, _ in each)}, {sum(b for _, b in each)}", flush=True)


if __name__ == "__main__":
    main()
