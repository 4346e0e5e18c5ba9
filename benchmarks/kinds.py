"""Kinds of departure and verdicts on simulated sessions: how often each cell gets those that its memory has.

    python benchmarks/kinds.py --trials 40 100 400 --sessions 200
    python benchmarks/kinds.py --models psth-gain --sessions 200    (without the rungs that take time to fit)

Prints, per cell and number of trials, the share of sessions with the right kind soon after a spike and by recent
spikes, every kind that was given, and per model the share of right verdicts on either departure with every verdict.
See science.md#kinds, #capture.
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnnspike.evaluation.departures.verdicts import finalise_verdicts, foreign_share_is_high
from rnnspike.evaluation.evaluate import EvaluationSettings, Row, evaluate_unit
from rnnspike.models.registry import build, is_memoryless
from rnnspike.neurons.loglinear import LogLinear
from rnnspike.neurons.registry import CELLS, CellSpec
from rnnspike.neurons.session import Session, SessionOptions, simulate_session
from rnnspike.recording.data import Recording, Unit
from rnnspike.trials.data import FloatArray, TrialOptions, Trials
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.split import assign_folds

N_FOLDS, TOGETHER = 5, 5
FOREIGN_SHARE = 0.3
GAMMA_HZ, GAMMA_SHAPE = 25.0, 4.0
HELD = {"captured", "consistent"}
SHORT = {"partly", "missed", "consistent"}


@dataclass(frozen=True)
class Case:
    """A cell and what is right of it: kinds, and verdicts of ``renewal`` where they are not those of the truth."""

    spec: CellSpec
    early: set[str]
    late: set[str]
    renewal: dict[str, set[str]] = field(default_factory=dict)
    judged: bool = True
    own_truth: bool = True

    def right(self, row: Row, departure: str) -> set[str]:
        """Return the right verdicts on ``refractory`` or ``adaptation``, given the kind that the row tells."""
        if row[f"{departure}_kind"] == "none":
            return {"nothing to capture"}
        model = row["model"]
        unsure = departure == "refractory" and foreign_share_is_high(row)  # few spikes
        if unsure or (departure == "refractory" and not self.judged):
            return {"cannot be judged"}
        if is_memoryless(model):
            return {"missed"}
        return self.renewal.get(departure, HELD) if model == "renewal" else HELD


LATE = {"adaptation": SHORT}
ANY = {"refractory": HELD | SHORT, "adaptation": HELD | SHORT}
SLOW = replace(CELLS["adapting"], slow_sd=1.5)
CASES = {
    "poisson": Case(CELLS["poisson"], {"none"}, {"none"}),
    "slow-gain-poisson": Case(
        CellSpec("slow-gain-poisson", LogLinear(25.0), "log-linear", "", slow_sd=1.0),
        {"none"},
        {"rising", "none"},
        ANY,
    ),
    "refractory": Case(CELLS["refractory"], {"dip"}, {"none"}),
    "adapting": Case(CELLS["adapting"], {"dip"}, {"falling"}, LATE),
    "adapting2": Case(CELLS["adapting2"], {"dip"}, {"falling"}, LATE),
    "bursting": Case(CELLS["bursting"], {"dip and excess"}, {"falling", "none"}, ANY),
    "resonant": Case(CELLS["resonant"], {"dip"}, {"none", "rising"}, ANY),
    "adapting-slow-gain": Case(SLOW, {"dip"}, {"rising", "mixed"}, ANY),
    "contaminated": Case(CELLS["refractory"], {"dip"}, {"none"}, judged=False, own_truth=False),
    "gamma": Case(CELLS["poisson"], {"dip"}, {"none"}, own_truth=False),
}


def altered(case: str, found: Recording, seed: int) -> Recording:
    """Return the recording with foreign spikes among the cell's, or with intervals of a gamma law in their place."""
    rng, unit = np.random.default_rng([seed, 9]), found.units[0]
    assert found.span_s is not None
    end_s, times = found.span_s[1], unit.spike_times_s
    if case == "contaminated":
        foreign = rng.uniform(0, end_s, rng.poisson(len(times) * FOREIGN_SHARE / (1 - FOREIGN_SHARE)))
        times = np.sort(np.concatenate([times, foreign]))
    elif case == "gamma":
        mean_s = 1 / GAMMA_HZ
        times = np.cumsum(rng.gamma(GAMMA_SHAPE, mean_s / GAMMA_SHAPE, int(1.3 * end_s / mean_s) + 50))
    return replace(found, units=(Unit("0", times[times < end_s], np.array([[0.0, end_s]])),))


def sessions(case: str, n_trials: int, n_sessions: int, seed: int) -> Iterator[tuple[Trials, FloatArray | None]]:
    """Yield trials and their true mu (trial, bin), where known; stretches of one simulation are sessions."""
    for first in range(0, n_sessions, TOGETHER):
        together = min(TOGETHER, n_sessions - first)
        options = SessionOptions(n_trials=together * n_trials, seed=seed + first)
        found: Session = simulate_session([CASES[case].spec], options, case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plan = plan_trials(altered(case, found.recording, seed + first), TrialOptions(burn_in_s=1.5))
        trials, mu = plan.trials(), found.mu[:, found.n_before :, 0]
        for rows in np.arange(together * n_trials).reshape(together, n_trials):
            yield trials.take(rows), mu[rows] if CASES[case].own_truth else None


def held_out(trials: Trials, models: Sequence[str]) -> dict[str, FloatArray]:
    """Return mu (trial, bin) per model, each trial's from the other folds."""
    folds = assign_folds(trials.condition, trials.group, N_FOLDS)
    mu = {name: np.zeros(trials.counts.shape[:2]) for name in models}
    for fold in range(N_FOLDS):
        train, test = trials.take(np.flatnonzero(folds != fold)), np.flatnonzero(folds == fold)
        for name in models:
            model = build(name).fit(train, [train], np.random.default_rng(0), {})[0]
            mu[name][test] = model.intensity(trials.take(test))[:, :, 0]
    return mu


def rows_of(trials: Trials, truth: FloatArray | None, models: Sequence[str], seed: int) -> list[Row]:
    """Return the finished rows of one session."""
    mu = held_out(trials, list(dict.fromkeys(("constant", "psth-gain", *models))))
    if truth is not None:
        mu["oracle"] = truth
    settings = EvaluationSettings(n_bootstrap=1000, n_flips=99, n_randomisations=1)
    found = evaluate_unit(trials, mu, rng=np.random.default_rng(seed), settings=settings)
    return [row for row in finalise_verdicts(found.rows) if row["model"] in (*models, "oracle")]


def tally(case: Case, found: Sequence[Row], departure: str, model: str) -> tuple[float, dict[str, int]]:
    """Return the share of right verdicts of a model and how often each was given."""
    rows = [row for row in found if row["model"] == model]
    verdict = f"{departure}_verdict"
    right = [row[verdict] in case.right(row, departure) for row in rows]
    return float(np.mean(right)), dict(Counter(row[verdict] for row in rows))


def report(name: str, n_trials: int, found: Sequence[Row]) -> None:
    """Print the lines of one cell and number of trials."""
    case, models = CASES[name], list(dict.fromkeys(row["model"] for row in found))
    for departure, kinds in (("refractory", case.early), ("adaptation", case.late)):
        given = [row[f"{departure}_kind"] for row in found if row["model"] == models[0]]
        share = float(np.mean([kind in kinds for kind in given]))
        print(f"{name:20} {n_trials:4} {departure:10} kind       {share:.3f}  {dict(Counter(given))}")
        for model in models:
            share, verdicts = tally(case, found, departure, model)
            print(f"{name:20} {n_trials:4} {departure:10} {model:10} {share:.3f}  {verdicts}", flush=True)


def main() -> None:
    """Print how often kinds and verdicts are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--trials", nargs="+", type=int, default=[40, 100, 400])
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--models", nargs="+", default=["psth-gain", "renewal"])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for case in options.cells:
        for n_trials in options.trials:
            made = sessions(case, n_trials, options.sessions, options.seed)
            found = [
                row for k, (trials, truth) in enumerate(made) for row in rows_of(trials, truth, options.models, k)
            ]
            report(case, n_trials, found)


if __name__ == "__main__":
    main()
