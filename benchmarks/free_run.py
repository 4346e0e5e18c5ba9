"""Does the free-run verdict agree with long simulation? One line a model, and a table of agreement.

See science.md#free-run.

    python benchmarks/free_run.py --data FOLDER
    python benchmarks/free_run.py --recordings e070528 --cells --filters

The verdict is that of a run: 200 replicates of held-out trials, and a run of 30 s where quasi-renewal analysis warns.
Compared with 100 runs of 60 s, judged by the same thresholds (``free_run.py``): GLMs fitted to recordings
and to simulated cells, and the bursty cell's smooth filter with its positive weights times 1, 1.3 and 1.6.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from glm_peers import N_FUNCTIONS, bursty_spikes, design, ours, raised_cosines
from quality import CASES, N_FOLDS, real_plan

from rnnspike.evaluation.free_running.free_run import (
    FreeRun,
    escapes,
    free_run,
    long_run,
    simulate_long,
    simulate_replicates,
)
from rnnspike.evaluation.free_running.spike_statistics import spike_sets, tile_counts
from rnnspike.evaluation.free_running.stability import quasi_renewal
from rnnspike.models.glm.model import FittedGlm, HistoryGlm
from rnnspike.neurons.registry import CELLS
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.runs.fitting.finish import FREE_RUN_BINS, FREE_RUNS, LONG_RUN_S, LONG_RUN_TRIALS
from rnnspike.trials.data import CountArray, FloatArray, TrialOptions, Trials
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.split import assign_folds

TRUTH_S, TRUTH_RUNS = 60.0, 100


@dataclass(frozen=True)
class Line:
    """What is said of one model, and what long simulation shows."""

    name: str
    renewal: str
    short: FreeRun
    verdict: str
    long: FreeRun

    def __str__(self) -> str:
        agrees = "" if self.verdict == self.long.stability else "  <-- differs"
        return (
            f"{self.name:24s} {self.renewal:9s} {self.short.stability:9s} {self.verdict:9s} {self.long.stability:9s}"
            f" {self.short.rate_ratio:7.2f} {self.long.rate_ratio:7.2f} {self.short.escapes_per_minute:8.3f}"
            f" {self.long.escapes_per_minute:8.3f}{agrees}"
        )


def rounds(trials: Trials, seconds: float) -> int:
    return int(np.clip(np.ceil(seconds / (trials.n_bins * trials.bin_s)), 4, 400))


def verdict_of(model: FittedGlm, trials: Trials, name: str) -> Line:
    """Return the verdict of a run beside that of long simulation."""
    rng = np.random.default_rng(0)
    index, counts = simulate_replicates(model, trials, FREE_RUNS["standard"], rng, FREE_RUN_BINS["standard"])
    observed, spikes = trials.observed[:, :, 0], trials.spikes[:, :, 0]
    data = spike_sets(spikes[None], observed, trials.condition, trials.bin_s)
    most = int(tile_counts(data, max(1, min(round(0.1 / trials.bin_s), trials.n_bins))).max(initial=0))
    of_design = [
        spike_sets(each, observed[index], trials.condition[index], trials.bin_s)
        for each in (counts, spikes[None, index])
    ]
    short = free_run(of_design[0], of_design[1], most)
    last = model.age_table[1 : model.layout.age.n_lags + 1]
    drive = float(model.drive.mean())
    renewal = quasi_renewal(drive, model.kernel, last, model.layout.bin_s, slow=model.trace_log_gain).verdict
    verdict: str = short.stability
    if verdict == "fragile" or (verdict == "stable" and renewal != "stable"):
        some = trials.take(range(min(trials.n_trials, LONG_RUN_TRIALS)))
        verdict = long_run(simulate_long(model, some, rounds(some, LONG_RUN_S), rng), some).stability
    many = trials.take(np.resize(np.arange(trials.n_trials), TRUTH_RUNS))
    return Line(name, renewal, short, verdict, long_run(simulate_long(model, many, rounds(many, TRUTH_S), rng), many))


def fitted(trials: Trials, name: str) -> Iterator[Line]:
    """Yield a line for each unit: a GLM fitted without two folds, run over one of them."""
    folds = assign_folds(trials.condition, trials.group, N_FOLDS)
    for u in range(trials.n_units):
        one = trials.unit(u)
        train, validation, test = (one.take(where) for where in (folds > 1, folds == 1, folds == 0))
        if not test.observed.any() or train.spikes[train.observed].sum() < 50:
            continue
        model = HistoryGlm().fit(train, [validation], np.random.default_rng(0))[0]
        assert isinstance(model, FittedGlm)
        yield verdict_of(model, test, f"{name} {one.unit_ids[0]}")


def run_filter(log_drive: float, kernel: FloatArray, n_runs: int, n_bins: int) -> CountArray:
    """Run a filter from silence, many runs side by side; (run, bin)."""
    rng = np.random.default_rng(1)
    log_mu = np.full((n_runs, n_bins + len(kernel) + 1), log_drive)
    counts = np.zeros((n_runs, n_bins), np.uint8)
    for k in range(n_bins):
        fired = np.flatnonzero(rng.random(n_runs) < -np.expm1(-np.exp(np.minimum(log_mu[:, k], 3.0))))
        counts[fired, k] = 1
        log_mu[fired, k + 1 : k + 1 + len(kernel)] += kernel
    return counts


def filters() -> Iterator[Line]:
    """Yield a line for the smooth filter of the bursty cell, and for its positive weights times 1.3 and 1.6."""
    x, y = design(0)
    weights, log_drive, _ = ours(x, y, 0.0)
    data = bursty_spikes(np.random.default_rng(7), 200_000).astype(np.uint8)
    most, rate = int(data.reshape(-1, 100).sum(axis=1).max()), float(data.mean())
    for factor in (1.0, 1.3, 1.6):
        kernel = raised_cosines() @ np.where(weights > 0, factor * weights, weights)
        found = quasi_renewal(log_drive, kernel, np.zeros(N_FUNCTIONS), 0.001).verdict
        short, long = (
            run_filter(log_drive, kernel, n_runs, n_bins) for n_runs, n_bins in ((2000, 1000), (100, 60_000))
        )
        runs = [
            escapes(
                spike_sets(counts[None], np.ones(counts.shape, bool), np.zeros(len(counts), np.int64), 0.001),
                float(counts[:, counts.shape[1] // 2 :].mean()) / rate,
                most,
            )
            for counts in (short, long)
        ]
        yield Line(f"filter x {factor}", found, runs[0], runs[0].stability, runs[1])


def cells() -> Iterator[Line]:
    """Yield lines for GLMs fitted to the simulated cells."""
    for name in CELLS:
        session = simulate_cell(name, None, SessionOptions(n_trials=100, seed=0))
        yield from fitted(plan_trials(session.recording, TrialOptions()).trials(), name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="*", choices=CASES, default=None, help="default: all there are")
    parser.add_argument("--cells", action="store_true", help="only what is named: simulated cells")
    parser.add_argument("--filters", action="store_true", help="only what is named: the smooth filter")
    args = parser.parse_args()
    everything = args.recordings is None and not args.cells and not args.filters
    names = list(CASES) if everything else args.recordings or []
    print(f"{'model':24s} {'renewal':9s} {'short':9s} {'verdict':9s} {'long':9s}   rate x short, long  escapes/min")
    table: Counter[tuple[str, str]] = Counter()

    def show(lines: Iterator[Line]) -> None:
        for line in lines:
            print(line, flush=True)
            table[line.verdict, line.long.stability] += 1

    if everything or args.filters:
        show(filters())
    for name in names:
        if (args.data / CASES[name].file).is_file():
            show(fitted(real_plan(CASES[name], args.data).trials(), name))
    if everything or args.cells:
        show(cells())
    for (verdict, long), n in sorted(table.items()):
        print(f"{n:4d}  verdict {verdict}, long simulation {long}")


if __name__ == "__main__":
    main()
