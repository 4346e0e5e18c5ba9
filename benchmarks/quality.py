"""Held-out bits/spike of the ladder on real recordings and simulated cells, in one table.

See science.md#ladder, #oracle-share.

    python benchmarks/quality.py --data FOLDER
    python benchmarks/quality.py --data FOLDER --recordings e070528 stn --models psth glm spike-lstm
    python benchmarks/quality.py --cells burst-counter adapting --trials 200

The protocol is that of ``rnnspike fit``: five outer folds, trainings that leave out the pairs of folds that the rung
is trained at, the model chosen on one fold predicts the other, members of a test fold averaged in log rate, and a
stack whose weights come from folds that its members were not trained on. ``gain`` columns are paired over trials,
with 95 % intervals.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.evaluation.scores.comparison import TrialBootstrap, compare_models
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.combine.stack import fallback_of, fit_scale, fit_weights
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.recording.read import read_recording
from rnnspike.runs.tasks import Pair, members_of, pairs_of
from rnnspike.trials.data import FloatArray, IntArray, TrialOptions, Trials
from rnnspike.trials.plan import TrialPlan, plan_trials
from rnnspike.trials.split import assign_folds

N_FOLDS = 5
DEFAULT_MODELS = ("psth", "psth-gain", "renewal", "glm", "lstm", "spike-lstm", "spike-lstm-glm")
SINGLE = ("psth", "psth-gain", "renewal")  # as the prototype's: one fit a fold, not a bag


@dataclass(frozen=True)
class Case:
    """A recording, how its trials are taken, and what a prototype reached on its units, by column."""

    file: str
    options: TrialOptions = field(default_factory=TrialOptions)
    figures: dict[str, dict[str, float]] = field(default_factory=dict)


def _figures(psth: float, imi: float, glm: float, drive: float, on_glm: float, stack: float) -> dict[str, float]:
    return {
        "psth": psth,
        "renewal": imi,
        "glm": glm,
        "spike-lstm": drive,
        "spike-lstm-glm": on_glm,
        "stack": stack,
    }


CASES = {
    "e070528": Case(
        "star_cockroach_e070528.nwb",
        TrialOptions(window_s=(1.0, 13.0)),
        {
            "0": _figures(0.667, 0.909, 0.962, 1.000, 0.996, 1.006),
            "1": _figures(-0.003, 0.477, 0.651, 0.661, 0.667, 0.667),
            "2": _figures(-0.004, 0.304, 0.443, 0.461, 0.455, 0.459),
            "3": _figures(-0.022, 0.285, 0.465, 0.472, 0.470, 0.476),
        },
    ),
    "CAL2": Case(
        "star_cockroach_CAL2.nwb",
        TrialOptions(window_s=(1.0, 15.0)),
        {"0": _figures(0.091, 0.445, 0.471, 0.485, 0.476, 0.482)},
    ),
    "boot_neuro": Case(
        "boot_neuro.nwb",
        TrialOptions(window_s=(0.1, 0.5)),
        {"*": _figures(0.231, 2.161, 2.199, 2.221, 2.235, 2.244)},
    ),
    "bp1005": Case(
        "nd_it_bp1005.nwb",
        TrialOptions(window_s=(0.1, 1.0), condition=("condition",)),
        {"most": _figures(-0.006, 0.052, 0.106, 0.147, 0.150, 0.150)},
    ),
    "bp1020": Case(
        "nd_it_bp1020.nwb",
        TrialOptions(window_s=(0.1, 1.0), condition=("condition",)),
        {"most": _figures(0.052, 0.127, 0.183, 0.195, 0.193, 0.194)},
    ),
    "stn": Case(
        "case_stn.nwb",
        TrialOptions(window_s=(0.25, 2.0), condition=("condition",)),
        {"*": _figures(0.061, 0.155, 0.144, 0.142, 0.144, 0.147)},
    ),
    "locust": Case("locust_20000613.nwb", TrialOptions(window_s=(0.0, 20.0))),
    "bbp": Case("bbp_steps.nwb", TrialOptions(covariates=("injected_current",))),
    "grasshopper": Case("grasshopper.nwb", TrialOptions(segment_s=0.5)),
    "sPK": Case("star_purkinje_sPK.nwb", TrialOptions(segment_s=5.0)),
    "mPK": Case("star_purkinje_mPK.nwb", TrialOptions(segment_s=5.0)),
    "aplysia": Case("aplysia_Feb1312da06.nwb", TrialOptions(segment_s=2.0)),
    "nelpy": Case("nelpy_linear_track.nwb", TrialOptions(segment_s=10.0)),
}


@dataclass
class UnitScores:
    """Held-out log-likelihoods of one unit by model, (trial,), its spikes, seconds and stack weights."""

    unit: str
    n_spikes: IntArray
    log_likelihood: dict[str, FloatArray]
    seconds: dict[str, float]
    weights: dict[str, float]


class Ladder:
    """Predictions of every rung for the trials of one recording, all units."""

    def __init__(self, trials: Trials, models: Sequence[str], effort: str, seed: int = 0) -> None:
        self.trials, self.effort, self.seed = trials, effort, seed
        self.folds = assign_folds(trials.condition, trials.group, N_FOLDS)
        self.wanted = list(models)
        self.names = self._with_needs(models)
        self.seconds: dict[str, float] = defaultdict(float)
        #: (model, test fold, validation fold, fold predicted) -> log mu (trial, bin, unit)
        self.log_mu: dict[tuple[str, int, int, int], FloatArray] = {}
        self.dropped: dict[str, str] = {}

    @staticmethod
    def _with_needs(models: Sequence[str]) -> list[str]:
        needed = set(models)
        for _ in MODELS:
            needed |= {need for each in needed for need in MODELS[each].needs}
        return [name for name in MODELS if name in needed]

    def run(self) -> None:
        """Train on every pair of folds left out."""
        for a, b in combinations(range(N_FOLDS), 2):
            train = self.trials.take((self.folds != a) & (self.folds != b))
            held_out = [self.trials.take(self.folds == fold) for fold in (a, b)]
            fitted: dict[str, Sequence[FittedModel]] = {}
            for name in [name for name in self.names if name not in self.dropped]:
                if Pair(a, b) not in pairs_of(name, N_FOLDS, self.effort):  # type: ignore[arg-type]
                    continue
                try:
                    fitted[name] = self._fit(name, train, held_out, fitted, (a, b))
                except ModelError as error:
                    self.dropped[name] = str(error)
                    continue
                if name in self.wanted:
                    self._predict(name, fitted[name], held_out, (a, b))

    def _fit(
        self,
        name: str,
        train: Trials,
        held_out: Sequence[Trials],
        fitted: dict[str, Sequence[FittedModel]],
        pair: tuple[int, int],
    ) -> Sequence[FittedModel]:
        started = time.process_time()
        if MODELS[name].pooled:
            models = build(name, self.effort).fit(train, held_out, self._rng(name, pair), fitted)  # type: ignore[arg-type]
        else:
            models = self._fit_units(name, train, held_out, fitted, pair)
        self.seconds[name] += time.process_time() - started
        return models

    def _fit_units(
        self,
        name: str,
        train: Trials,
        held_out: Sequence[Trials],
        fitted: dict[str, Sequence[FittedModel]],
        pair: tuple[int, int],
    ) -> Sequence[FittedModel]:
        by_unit = []
        for u in range(train.n_units):
            own = {need: [model.members[u] for model in fitted[need]] for need in MODELS[name].needs}  # type: ignore[attr-defined]
            sets = [trials.unit(u) for trials in held_out]
            model = build(name, self.effort)  # type: ignore[arg-type]
            by_unit.append(model.fit(train.unit(u), sets, self._rng(name, pair), own))
        return [PerUnit(train.unit_ids, tuple(models[i] for models in by_unit), name) for i in range(len(held_out))]

    def _rng(self, name: str, pair: tuple[int, int]) -> np.random.Generator:
        return np.random.default_rng([self.seed, *pair, *name.encode()])

    def _predict(
        self, name: str, models: Sequence[FittedModel], held_out: Sequence[Trials], pair: tuple[int, int]
    ) -> None:
        started = time.process_time()
        for i, model in enumerate(models):
            test, validation = pair[1 - i], pair[i]
            for fold, trials in zip(pair, held_out, strict=True):
                self.log_mu[name, test, validation, fold] = np.log(model.intensity(trials))
        self.seconds[name] += time.process_time() - started

    def single(self, name: str) -> FloatArray:
        """Return log mu of one fit a fold, on all training folds (trial, bin, unit)."""
        log_mu = np.empty(self.trials.counts.shape)
        for test in range(N_FOLDS):
            train, held_out = self.trials.take(self.folds != test), self.trials.take(self.folds == test)
            inner = self.trials.take(self.folds == (test + 1) % N_FOLDS)
            fitted: dict[str, Sequence[FittedModel]] = {}
            for each in self._with_needs([name]):
                fitted[each] = self._fit_units(each, train, [inner], fitted, (test, test))
            log_mu[self.folds == test] = np.log(fitted[name][0].intensity(held_out))
        return log_mu

    def validations(self, names: Sequence[str], test: int) -> list[int]:
        """Return the validation folds on which all these rungs have a member that predicts this test fold."""
        found = [members_of(name, N_FOLDS, self.effort) for name in names]  # type: ignore[arg-type]
        return [v for v in range(N_FOLDS) if all((test, v) in members for members in found)]

    def bag(self, name: str) -> FloatArray:
        """Return log mu of the bag over validation folds (trial, bin, unit)."""
        log_mu = np.empty(self.trials.counts.shape)
        for test in range(N_FOLDS):
            members = [self.log_mu[name, test, v, test] for v in self.validations([name], test)]
            log_mu[self.folds == test] = np.mean(members, axis=0)
        return log_mu

    def stack(
        self, names: Sequence[str], unit: int, prior_nats: float | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Return log mu (trial, bin) of the stack of a unit, and its weights (fold, member)."""
        log_mu, all_weights = np.empty(self.trials.counts.shape[:2]), []
        options = {} if prior_nats is None else {"prior_nats": prior_nats}
        bags = [self.bag(name)[:, :, unit] for name in names]
        for test in range(N_FOLDS):
            folds = self.validations(names, test)
            seen = self.trials.take(np.concatenate([np.flatnonzero(self.folds == v) for v in folds])).unit(unit)
            members = [np.concatenate([self.log_mu[name, test, v, v][:, :, unit] for v in folds]) for name in names]
            scored = seen.spikes[:, :, 0], seen.observed[:, :, 0], seen.observation
            weights = fit_weights(members, *scored, fallback_of(names), **options)
            here = self.folds == test
            log_mu[here] = sum(w * bag[here] for w, bag in zip(weights, bags, strict=True))
            log_mu[here] += np.log(fit_scale(members, weights, *scored))
            all_weights.append(weights)
        return log_mu, np.array(all_weights)


def score(ladder: Ladder, truth: FloatArray | None = None) -> Iterator[UnitScores]:
    """Yield the scores of every unit."""
    trials = ladder.trials
    names = [name for name in ladder.wanted if name not in ladder.dropped]
    log_mu = {name: ladder.single(name) if name in SINGLE else ladder.bag(name) for name in names}
    log_mu["constant"] = ladder.single("constant")
    for u in range(trials.n_units):
        one = trials.unit(u)
        columns = {name: values[:, :, u] for name, values in log_mu.items()}
        weights: dict[str, float] = {}
        if len(names) > 1:
            columns["stack"], found = ladder.stack(names, u)
            weights = dict(zip(names, found.mean(axis=0), strict=True))
        if truth is not None:
            columns["oracle"] = np.log(truth[:, :, u])
        likelihoods = {name: log_likelihood(np.exp(c)[:, :, None], one)[:, 0] for name, c in columns.items()}
        seconds = {name: value / trials.n_units for name, value in ladder.seconds.items()}
        yield UnitScores(one.unit_ids[0], one.spikes.sum(axis=(1, 2), dtype=np.int64), likelihoods, seconds, weights)


def rows_of(case: str, scores: UnitScores, figures: dict[str, float]) -> Iterator[dict[str, object]]:
    """Yield a row for each model: bits/spike, the prototype's figure, gain over the best baseline."""
    bootstrap = TrialBootstrap(len(scores.n_spikes), np.random.default_rng(0))
    total = float(scores.n_spikes.sum()) * np.log(2)
    null = scores.log_likelihood["constant"]
    bits = {name: float((ll - null).sum()) / total for name, ll in scores.log_likelihood.items()}
    baselines = [name for name in bits if name in (*SINGLE, "glm")]
    best = max(baselines, key=bits.__getitem__) if baselines else None
    for name, value in bits.items():
        row: dict[str, object] = {"case": case, "unit": scores.unit, "spikes": int(scores.n_spikes.sum())}
        row |= {"model": name, "bits": value, "figure": figures.get(name), "best": best}
        if best is not None and name not in (best, "constant"):
            pair = compare_models({best: scores.log_likelihood[best], name: scores.log_likelihood[name]},
                                  scores.n_spikes, bootstrap)[0]  # fmt: skip
            row |= {"gain": pair.gain, "low": pair.gain_low, "high": pair.gain_high}
        row |= {"seconds": scores.seconds.get(name), "weight": scores.weights.get(name)}
        if "oracle" in bits and "psth" in bits:
            row["share"] = (value - bits["psth"]) / (bits["oracle"] - bits["psth"])
        yield row


COLUMNS = (
    "case",
    "unit",
    "spikes",
    "model",
    "bits",
    "figure",
    "best",
    "gain",
    "low",
    "high",
    "seconds",
    "weight",
    "share",
)


def _cell(value: object) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def print_table(rows: Iterable[dict[str, object]]) -> None:
    """Write rows as aligned columns to stdout."""
    for row in rows:
        widths = (11, 6, 6, 14, 8, 8, 10, 8, 8, 8, 7, 7, 7)
        print(" ".join(f"{_cell(row.get(c)):>{w}}" for c, w in zip(COLUMNS, widths, strict=True)), flush=True)


def real_plan(case: Case, folder: Path) -> TrialPlan:
    return plan_trials(read_recording(folder / case.file), case.options)


def real_case(name: str, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the rows of a recording: all units fitted (pooled), those with figures first."""
    case, plan = CASES[name], real_plan(CASES[name], args.data)
    ladder = Ladder(plan.trials(), args.models, args.effort, args.seed)
    ladder.run()
    for model, why in ladder.dropped.items():
        print(f"# {name}: {model}: {why}", file=sys.stderr)
    most = ladder.trials.unit_ids[int(ladder.trials.spikes.sum(axis=(0, 1)).argmax())]
    for scores in score(ladder):
        figures = case.figures.get(scores.unit) or case.figures.get("*") or {}
        if scores.unit == most:
            figures = figures or case.figures.get("most", {})
        yield from rows_of(name, scores, figures)


def cell_case(name: str, args: argparse.Namespace) -> Iterator[dict[str, object]]:
    """Yield the rows of a simulated cell, with the share of the oracle's gain over the PSTH."""
    session = simulate_cell(name, None, SessionOptions(n_trials=args.trials, seed=args.seed))
    trials = plan_trials(session.recording, TrialOptions()).trials()
    truth = session.mu[:, session.n_before :]
    ladder = Ladder(trials, args.models, args.effort, args.seed)
    ladder.run()
    for scores in score(ladder, np.clip(truth, 1e-9, 20.0)):
        yield from rows_of(name, scores, {})


def main() -> None:
    """Print the table, and write it as csv where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="*", choices=CASES, default=None)
    parser.add_argument("--cells", nargs="*", default=(), help="simulated cells by name")
    parser.add_argument("--models", nargs="+", default=DEFAULT_MODELS)
    parser.add_argument("--effort", default="standard", choices=("fast", "standard", "thorough"))
    parser.add_argument("--trials", type=int, default=200, help="trials of a simulated cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    chosen = (
        args.recordings
        if args.recordings is not None
        else []
        if args.cells
        else [c for c in CASES if CASES[c].figures]
    )
    if chosen and args.data is None:
        parser.error("recordings need --data FOLDER")
    print_table([dict(zip(COLUMNS, COLUMNS, strict=True))])
    written = []
    for name, make in [*((c, real_case) for c in chosen), *((c, cell_case) for c in args.cells)]:
        rows = list(make(name, args))
        print_table(rows)
        written += rows
    if args.csv:
        with args.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(written)


if __name__ == "__main__":
    main()
