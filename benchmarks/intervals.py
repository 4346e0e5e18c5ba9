"""How often 95 % intervals of bits/spike hold the truth, on simulated sessions (science.md#uncertainty).

    python benchmarks/intervals.py --cells poisson refractory shared-gain --trials 40 80 240 --sessions 200

The truth is what the very models that were fitted would score on average. ``repeats``: over repeats of the
session, the same stimuli and drift with new spikes. ``path``: given the recorded spikes before each bin, whose
true intensity is known. Prints per cell and number of trials how often each is held, of bits/spike and of the
other pairs of models, with a 95 % binomial interval (over sessions and pairs as if they were independent), and
how often p and interval disagree on 0.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.stats import binomtest

from rnnspike.evaluation.scores.comparison import AtSpikes, PairRow, TrialBootstrap, compare_models
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.registry import build
from rnnspike.neurons.loglinear import LogLinear
from rnnspike.neurons.registry import CELLS, CellSpec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.observation import log_spike_probability, spike_probability
from rnnspike.trials.data import FloatArray, IntArray, TrialOptions, Trials
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.split import assign_folds

MODELS = ("constant", "psth", "psth-gain", "renewal")
N_FOLDS, N_REPEATS = 5, 6
#: Trials are short, so that a session of a given number of them is quick; the slow gain lasts several of them.
DURATION_S, INTER_TRIAL_S, SLOW_TAU_S = 0.5, 0.5, 6.0
#: Sessions that are simulated together (on one stimulus).
TOGETHER = 5
SPECS = {
    **{name: CELLS[name] for name in ("poisson", "refractory", "adapting", "bursting")},
    "flat": CellSpec("flat", LogLinear(20.0, gain=0.1), "log-linear", ""),
    "shared-gain": replace(CELLS["shared-gain"], slow_tau_s=SLOW_TAU_S),
}


@dataclass(frozen=True)
class Scored:
    """One session: held-out log-likelihoods and what they were to be expected to be, nats (model, trial).

    ``n_spikes`` (trial,); ``path`` and ``repeats`` are log-likelihoods expected on the recorded path and over
    repeats, ``path_spikes`` and ``repeat_spikes`` the expected spikes of all trials. ``at_spikes`` (model, spike) is
    what each spike adds to the log-likelihood.
    """

    log_likelihood: FloatArray
    n_spikes: IntArray
    path: FloatArray
    path_spikes: float
    repeats: FloatArray
    repeat_spikes: float
    at_spikes: FloatArray


def expected_score(mu: FloatArray, p: FloatArray) -> FloatArray:
    """Return the expected log-likelihood (trial,) of predictions mu where spikes have probability p (trial, bin)."""
    return np.asarray((p * log_spike_probability(mu) - (1 - p) * mu).sum(axis=1))


def score(repeats: Sequence[Trials], p: FloatArray) -> Scored:
    """Fit and score one session: the first of the repeats is the recorded one; ``p`` (repeat, trial, bin) is true."""
    recorded = repeats[0]
    folds = assign_folds(recorded.condition, recorded.group, N_FOLDS)
    shape = (len(MODELS), recorded.n_trials)
    found, path, again = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    at_spikes: list[FloatArray] = []
    for fold in range(N_FOLDS):
        test, train = np.flatnonzero(folds == fold), recorded.take(np.flatnonzero(folds != fold))
        spikes = recorded.spikes[test, :, 0]
        gained = []
        for m, name in enumerate(MODELS):
            model = build(name).fit(train, [train], np.random.default_rng(0), {})[0]
            mu = [model.intensity(trials.take(test))[:, :, 0] for trials in repeats]
            found[m, test] = log_likelihood(mu[0], spikes)
            gained.append(log_spike_probability(mu[0][spikes > 0]) + mu[0][spikes > 0])
            path[m, test] = expected_score(mu[0], p[0, test])
            again[m, test] = np.mean([expected_score(mu[k], p[k, test]) for k in range(1, len(repeats))], axis=0)
        at_spikes.append(np.stack(gained))
    n_spikes = recorded.spikes.sum(axis=(1, 2), dtype=np.int64)
    return Scored(
        found, n_spikes, path, float(p[0].sum()), again, float(p[1:].sum() / (len(repeats) - 1)), np.hstack(at_spikes)
    )


def sessions(cell: str, n_trials: int, n_sessions: int, seed: int) -> Iterator[Scored]:
    """Yield scored sessions of a cell; units of one simulation are the repeats, stretches of it the sessions."""
    for first in range(0, n_sessions, TOGETHER):
        together = min(TOGETHER, n_sessions - first)
        options = SessionOptions(together * n_trials, DURATION_S, INTER_TRIAL_S, seed=seed + first)
        found = simulate_session([SPECS[cell]] * (1 + N_REPEATS), options, cell)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trials = plan_trials(found.recording, TrialOptions(burn_in_s=INTER_TRIAL_S, min_spikes=0)).trials()
        p = np.moveaxis(spike_probability(found.mu[:, found.n_before :]), 2, 0)  # (repeat, trial, bin)
        for k in range(together):
            rows = np.arange(k * n_trials, (k + 1) * n_trials)
            repeats = [replace(trials.unit(i).take(rows), unit_ids=("0",)) for i in range(1 + N_REPEATS)]
            yield score(repeats, p[:, rows])


def pairs_of(scored: Scored, seed: int) -> list[PairRow]:
    """Return the pairs of models with their intervals, as a run gives them."""
    names = dict(zip(MODELS, scored.log_likelihood, strict=True))
    at_spikes = AtSpikes.of(dict(zip(MODELS, scored.at_spikes, strict=True)))
    return compare_models(
        names, scored.n_spikes, TrialBootstrap(len(scored.n_spikes), np.random.default_rng(seed)), at_spikes
    )


def truth_of(scored: Scored, pair: PairRow) -> tuple[float, float]:
    """Return the true gain of a pair over repeats and given the path, bits/spike."""
    a, b = MODELS.index(pair.model_a), MODELS.index(pair.model_b)
    found = []
    for scores, spikes in ((scored.repeats, scored.repeat_spikes), (scored.path, scored.path_spikes)):
        found.append(float((scores[a] - scores[b]).sum() / spikes / np.log(2)))
    return found[0], found[1]


@dataclass
class Held:
    """Which intervals held each truth, and which p and interval disagreed, of one kind of pair."""

    repeats: list[bool] = field(default_factory=list)
    path: list[bool] = field(default_factory=list)
    disagree: list[bool] = field(default_factory=list)

    def add(self, pair: PairRow, scored: Scored) -> None:
        """Count one interval; two models that agree in every bin have one of no width."""
        low, high = pair.gain_low - 1e-9, pair.gain_high + 1e-9
        for truth, held in zip(truth_of(scored, pair), (self.repeats, self.path), strict=True):
            held.append(low <= truth <= high)
        self.disagree.append((pair.p < 0.05) != (pair.gain_low > 0 or pair.gain_high < 0))

    def line(self) -> str:
        """Return coverages with their intervals, and the share of disagreements."""
        return f"repeats {share(self.repeats)}  path {share(self.path)}  p disagrees {np.mean(self.disagree):.3f}"


def share(held: Sequence[bool]) -> str:
    """Return a share with its 95 % interval."""
    ends = binomtest(sum(held), len(held)).proportion_ci(method="wilson")
    return f"{np.mean(held):.3f} [{ends.low:.3f}, {ends.high:.3f}]"


def coverage(found: Iterable[Scored]) -> dict[str, Held]:
    """Return how often intervals of bits/spike and of the other pairs hold the truth."""
    kinds = {"bits/spike": Held(), "pairs": Held()}
    for seed, scored in enumerate(found):
        for pair in pairs_of(scored, seed):
            kinds["bits/spike" if pair.model_b == "constant" else "pairs"].add(pair, scored)
    return kinds


def main() -> None:
    """Print the coverage of every cell and number of trials."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", choices=SPECS, default=list(SPECS))
    parser.add_argument("--trials", nargs="+", type=int, default=[40, 80, 240])
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for cell in options.cells:
        for n_trials in options.trials:
            made = coverage(sessions(cell, n_trials, options.sessions, options.seed))
            for kind, held in made.items():
                print(f"{cell:12} {n_trials:4} trials {kind:10} {held.line()}", flush=True)


if __name__ == "__main__":
    main()
