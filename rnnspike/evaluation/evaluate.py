"""One unit, all its models, all its held-out trials: everything that rows, pairs and figures are made of.

``evaluate_unit`` is what a run calls for each unit; verdicts corrected over the units of a recording come after it
(``departures.verdicts``). Figures are drawn from ``UnitEvaluation.per_trial`` and ``.curves`` alone; the arrays in
``curves`` are listed in ``rnnspike.evaluation.curves``.

Per trial in which the unit was held (``per_trial``; others have no row): ``trial`` (number in the session),
``start_s``, ``condition``, ``n_spikes``, ``exposure_bins``, ``fold`` where known, and ``ll_<model>``, the held-out
log-likelihood in nats, per model (``shuffled_ll_<model>``: of a population model on shuffled trials).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.evaluation.curves import UnitCurves, smoothed_psth
from rnnspike.evaluation.departures.calibration import Calibration, calibration_arrays, calibration_fields
from rnnspike.evaluation.departures.capture import Capture
from rnnspike.evaluation.departures.departures import Departures
from rnnspike.evaluation.departures.kinds import kind_fields, others_kind
from rnnspike.evaluation.departures.others import others_activity
from rnnspike.evaluation.departures.refractoriness import violations
from rnnspike.evaluation.free_running.free_run import rate_ratio
from rnnspike.evaluation.free_running.predictive import FreeRunChecks
from rnnspike.evaluation.goodness_of_fit.goodness import goodness
from rnnspike.evaluation.goodness_of_fit.rescaling import draw_uniform
from rnnspike.evaluation.history import History, history_of, trial_blocks
from rnnspike.evaluation.scores.comparison import (
    AtSpikes,
    TrialBootstrap,
    attained_share,
    compare_models,
    score_models,
)
from rnnspike.evaluation.scores.likelihood import (
    MIN_SPIKES,
    bits_per_spike,
    count_infinite,
    evaluated_mean_null,
    log_likelihood,
)
from rnnspike.evaluation.scores.null import SHUFFLED, null_fields, null_remark
from rnnspike.evaluation.scores.packages import package_fields
from rnnspike.evaluation.scores.resampling import MIN_TRIALS, N_FLIPS
from rnnspike.models.registry import is_memoryless, is_population
from rnnspike.observation import expected_counts, spike_term
from rnnspike.recording.checks.violations import Violations
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials
from rnnspike.wording import counted

Row = dict[str, Any]
#: Intervals times randomisations that are made; beyond, a unit has so many intervals that few randomisations do.
MOST_RANDOMISED, FEWEST_RANDOMISATIONS = 4_000_000, 5
#: Spikes that tell how much a spike adds to each log-likelihood.
MOST_SPIKES = 20_000


class Intensity(Protocol):
    """Held-out mu (trial, bin[, 1]) of one model: an array, or one kept elsewhere that is read by trials."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return (trial, bin[, 1])."""

    def __getitem__(self, rows: IntArray, /) -> npt.NDArray[Any]:
        """Return the values of these trials."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How a unit is evaluated.

    ``null`` is the model of bits/spike 0, ``reference`` that of capture 0 (science.md#capture); where the reference
    was not fitted, the first of ``psth``, ``constant`` that was. ``own`` is the unit's own model, which the other
    units' activity is measured against. ``oracle`` and ``oracle_reference`` are the ends of the attained share.
    ``metrics`` are packages whose scores are added (``config.METRICS``).
    """

    null: str = "constant"
    reference: str = "psth-gain"
    own: str = "glm"
    oracle: str = "oracle"
    oracle_reference: str = "psth"
    n_bootstrap: int = 2000
    n_flips: int = N_FLIPS
    n_randomisations: int = 20
    n_examples: int = 12
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True)
class UnitEvaluation:
    """What was found for one unit: rows (one per model), pairs, curves, and the per-trial table."""

    unit: str
    rows: list[Row]
    pairs: list[Row]
    curves: dict[str, npt.NDArray[Any]]
    per_trial: pd.DataFrame


def evaluate_unit(
    trials: Trials,
    mu: Mapping[str, Intensity],
    *,
    rng: np.random.Generator,
    settings: EvaluationSettings = EvaluationSettings(),
    simulated: Mapping[str, CountArray] | None = None,
    simulated_trials: IntArray | None = None,
    n_replicates: int | None = None,
    folds: IntArray | None = None,
    nulls: Mapping[str, Intensity] | None = None,
    memoryless: Collection[str] = (),
) -> UnitEvaluation:
    """Score models on the held-out trials of one unit.

    Parameters
    ----------
    trials
        All held-out trials of one unit; taken in order of ``start_s``, those without a scored bin left out.
    mu
        Per model, in the ladder's order, the held-out integrated intensity (trial, bin) or (trial, bin, 1): each
        trial's from models that have not seen it. Must hold ``settings.null``. An array, or anything with a
        ``shape`` that gives one when indexed by trials: one model's is in memory at a time.
    rng
        Source of bootstrap draws and randomisations; the same state gives the same figures.
    settings
        Null, reference, numbers of draws and strata (``EvaluationSettings``).
    simulated, simulated_trials
        Free runs per model, uint8 (run, trial, bin), over the design of these trials (index into
        ``trials``, of those with a scored bin); see ``free_run.simulate_replicates``.
    n_replicates
        How many data sets are put together of them (``predictive.FreeRunChecks``); None: each run is one.
    folds
        (trial,) which fold held each trial out, kept in the per-trial table.
    nulls
        Per population model, that of the same model on shuffled trials, as in ``mu``; it has no row of its own.
    memoryless
        Models that know no spike history, beside those of the ladder that do not.

    Returns
    -------
    UnitEvaluation
        Undefined figures are None or NaN. Verdicts are those of this unit alone until
        ``finalise_verdicts`` has seen all units.

    Raises
    ------
    ValueError
        Where a shape does not fit, the null is missing, or the trials hold more than one unit.
    """
    order = np.argsort(trials.start_s, kind="stable")
    order = order[trials.observed[order].any(axis=(1, 2))]
    shuffled = {SHUFFLED.format(name): values for name, values in (nulls or {}).items()}
    for name, values in {**mu, **shuffled}.items():
        if tuple(values.shape[:2]) != trials.counts.shape[:2]:
            raise ValueError(f"{name}: mu has shape {values.shape}, the trials {trials.counts.shape[:2]}")
    if simulated_trials is not None:
        place = np.full(trials.n_trials, -1)
        place[order] = np.arange(len(order))
        simulated_trials = place[simulated_trials]
        if (simulated_trials < 0).any():
            raise ValueError("free runs are of trials without a scored bin")
    unit = _Unit(trials.take(order), mu, shuffled, order, settings, rng, memoryless)
    rows = [unit.row(name) for name in mu]
    if simulated and simulated_trials is not None:
        unit.free_runs(rows, simulated, simulated_trials, n_replicates)
    return UnitEvaluation(
        trials.unit_ids[0],
        rows,
        unit.pairs(),
        unit.curves(),
        unit.per_trial(folds if folds is None else folds[order]),
    )


class _Unit:
    """What the models of a unit share, worked out once."""

    def __init__(
        self,
        trials: Trials,
        mu: Mapping[str, Intensity],
        shuffled: Mapping[str, Intensity],
        order: IntArray,
        settings: EvaluationSettings,
        rng: np.random.Generator,
        memoryless: Collection[str] = (),
    ) -> None:
        if settings.null not in mu:
            raise ValueError(f"bits/spike need the null {settings.null!r} among the models")
        self.trials, self.settings, self._order = trials, settings, order
        self._memoryless = {name for name in mu if is_memoryless(name)} | {*memoryless}
        self._mu = {**mu, **shuffled}
        self._models = [*mu]
        history = history_of(trials)
        self.scored = history.scored
        self.n_spikes, self.exposure = self.scored.n_spikes, self.scored.exposure_bins
        self.total = int(self.n_spikes.sum())
        boot, draws, self._rng = rng.spawn(3)
        self.bootstrap = TrialBootstrap(trials.n_trials, boot, settings.n_bootstrap, settings.n_flips)
        n_draws = int(
            np.clip(MOST_RANDOMISED // max(self.total, 1), FEWEST_RANDOMISATIONS, settings.n_randomisations)
        )
        self.r = draw_uniform(self.total, draws, n_draws)
        self.bad: dict[str, str] = {}
        self.n_infinite: dict[str, int] = {}
        self.log_likelihoods: dict[str, FloatArray] = {}
        spiking = np.flatnonzero(self.scored.spikes)  # of observed bins alone
        self._some_spikes = spiking[:: 1 + len(spiking) // MOST_SPIKES]
        self._terms: dict[str, FloatArray] = {}
        for name in self._mu:
            self._score(name)
        self.enough = self.total >= MIN_SPIKES and settings.null in self.log_likelihoods
        self.at_spikes = AtSpikes.of(self._terms) if self.enough else None
        self.scores = (
            score_models(self.log_likelihoods, settings.null, self.n_spikes, self.bootstrap, self.at_spikes)
            if self.enough
            else {}
        )
        null = evaluated_mean_null(self.scored.spikes, self.scored.observed, trials.observation)
        self._evaluated_null = log_likelihood(null, self.scored.spikes, self.scored.observed, trials.observation)
        self._common = self._shared_fields()
        self.shares = self._oracle_shares()
        self.reference = next(
            (n for n in (settings.reference, "psth", settings.null) if n in self.log_likelihoods), ""
        )
        if self.enough:
            expected = self._expected(self.intensity(self.reference))
            self.departures = Departures(history, expected)
            self._common |= kind_fields(history, expected, self.departures.horizon, self.bootstrap.weights)
            self._add_others(history)
            self.calibration = Calibration(history, trials)
            self._curves = UnitCurves(trials, history, settings.n_examples)
        self._expected_spikes: dict[str, FloatArray] = {}  # model -> (trial,)
        self._extra: dict[str, npt.NDArray[Any]] = {}

    def _add_others(self, history: History) -> None:
        """Add the departure by the other units' activity, where a model reads these."""
        own = self.settings.own
        if own not in self.log_likelihoods or not any(is_population(name) for name in self._models):
            return
        expected = self._expected(self.intensity(own))
        activity = others_activity(history, self.trials, expected)
        if activity is not None:
            self.departures.add_others(history, activity, expected)
            self._common["shared_kind"] = others_kind(history, expected, activity, self.bootstrap.weights)

    def intensity(self, name: str) -> FloatArray:
        """Return a model's mu in order of time, (trial, bin), the caller's to change."""
        values = np.empty(self.scored.spikes.shape)
        for rows in trial_blocks(self.trials.n_trials, self.trials.n_bins):
            some = self._mu[name][self._order[rows]]
            values[rows] = some.reshape(some.shape[:2])
        return values

    def _score(self, name: str) -> None:
        """Take down a model's log-likelihoods, or why it has none."""
        scored, mu = self.scored, self.intensity(name)
        wrong = int(np.count_nonzero(~(np.isfinite(mu) & (mu >= 0)) & scored.observed))
        if wrong:
            self.bad[name] = f"the intensity is not a finite, non-negative number in {wrong} bins"
            return
        self.n_infinite[name] = count_infinite(mu, scored.spikes, scored.observed)
        self.log_likelihoods[name] = log_likelihood(mu, scored.spikes, scored.observed, scored.observation)
        counts = scored.spikes.ravel()[self._some_spikes]
        terms = spike_term(mu.ravel()[self._some_spikes], counts, scored.observation)
        self._terms[name] = np.repeat(terms / counts, counts)

    def _expected(self, mu: FloatArray) -> FloatArray:
        """Return expected counts (trial, bin) in the place of mu, 0 where not observed."""
        expected = expected_counts(mu, self.trials.observation, out=mu)
        expected[~self.scored.observed] = 0.0
        return expected

    def _shared_fields(self) -> Row:
        exposure_s = float(self.exposure.sum()) * self.trials.bin_s
        rate_hz = self.total / exposure_s if exposure_s > 0 else None
        found = violations(self.trials)
        return {
            "n_trials": self.trials.n_trials,
            "n_spikes": self.total,
            "rate_hz": rate_hz,
            "n_merged": self.trials.n_merged,
            **_foreign_share(found),
            "contamination_gate": found.gate if found else None,
        }

    def row(self, name: str) -> Row:
        """Return the row of one model, and keep its curves."""
        row: Row = {"unit": self.trials.unit_ids[0], "model": name, **self._common, "message": None}
        if name in self.bad:
            return row | {"message": self.bad[name]}
        log_lik = self.log_likelihoods[name]
        row["log_likelihood"] = float(log_lik.sum())
        row["n_infinite"] = self.n_infinite[name]
        if not self.enough:
            return row | {"message": f"{self.total} held-out spikes are too few to score (at least {MIN_SPIKES})"}
        mu = self.intensity(name)
        row |= package_fields(
            self.settings.metrics, mu, self.trials.counts[:, :, 0], self.scored.observed, self.trials.bin_s
        )
        fit, examples = goodness(mu, self.scored, self.r), self._curves.examples(mu)
        expected = self._expected(mu)
        self._expected_spikes[name] = expected.sum(axis=1)
        strata = {}
        for kind, departure in self.departures.by_kind():
            capture, strata[f"{kind}.expected"] = departure.capture(
                expected, self.bootstrap.weights, name in self._memoryless
            )
            row |= _capture_fields(kind, capture)
        calibrated = self.calibration.of_model(expected)
        strata |= calibration_arrays(calibrated)
        row |= self._bits(name) | fit.fields() | calibration_fields(calibrated)
        row |= null_fields(name, self.log_likelihoods, self.n_spikes, self.bootstrap, self.at_spikes)
        row |= {
            "observed_within_3ms": self.calibration.observed_within,
            "expected_within_3ms": self.calibration.expected_within(expected),
            "uniform_within_strata_p": self.calibration.uniform_within_strata(fit.z),
        }
        row |= {
            "capture_reference": self.reference,
            "recovery_ms": 1000 * self.departures.horizon * self.trials.bin_s,
        }
        row["message"] = _remarks(row, self.trials)
        self._curves.add(name, examples, expected, fit, strata)
        return row

    def _bits(self, name: str) -> Row:
        value, low, high = self.scores[name]
        fields: Row = {
            "bits_per_spike": value,
            "bits_per_spike_low": low,
            "bits_per_spike_high": high,
            "bits_per_spike_evaluated_null": bits_per_spike(
                self.log_likelihoods[name], self._evaluated_null, self.n_spikes
            ),
        }
        if name in self.shares:
            keys = ("oracle_share", "oracle_share_low", "oracle_share_high")
            fields |= dict(zip(keys, self.shares[name], strict=True))
        return fields

    def _oracle_shares(self) -> dict[str, tuple[float, float, float]]:
        oracle, reference = self.settings.oracle, self.settings.oracle_reference
        if not self.enough or not {oracle, reference} <= set(self.log_likelihoods):
            return {}
        return attained_share(self.log_likelihoods, reference, oracle, self.bootstrap.weights)

    def free_runs(
        self, rows: list[Row], simulated: Mapping[str, CountArray], index: IntArray, n_replicates: int | None
    ) -> None:
        """Add to the rows what scored models do when they read their own spikes, and keep the curves."""
        if not self.enough:
            return
        checks = FreeRunChecks(self.scored, self.trials, index, n_replicates)
        for row in rows:
            if row["model"] in simulated and row["model"] in self._expected_spikes:
                row |= checks.add(row["model"], simulated[row["model"]])
                row |= self._rate_ratio(row["model"], simulated[row["model"]], index)
        self._extra = checks.arrays()

    def _rate_ratio(self, name: str, counts: CountArray, index: IntArray) -> Row:
        """Return the rate of free runs (run, trial, bin) over that of all trials, with its interval.

        What a model without memory expects tells how far the few trials that were simulated are from all: for one
        with memory, the reference. Its own expectation follows the recorded past, which a free run does not.
        """
        without_memory = name if name in self._memoryless else self.reference
        reference = self._expected_spikes.get(without_memory, self.n_spikes.astype(np.float64))
        by_run = (counts * self.scored.observed[index]).sum(axis=2, dtype=np.float64)
        ends = rate_ratio(by_run, index, reference, self._expected_spikes[name], self.total)
        keys = ("free_run_rate_ratio", "free_run_rate_ratio_low", "free_run_rate_ratio_high")
        return {key: end if math.isfinite(end) else None for key, end in zip(keys, ends, strict=True)}

    def pairs(self) -> list[Row]:
        """Return all pairs of models that could be scored."""
        if not self.enough:
            return []
        scored = {name: each for name, each in self.log_likelihoods.items() if name in self._models}
        pairs = compare_models(scored, self.n_spikes, self.bootstrap, self.at_spikes)
        return [asdict(pair) for pair in pairs]

    def per_trial(self, folds: IntArray | None) -> pd.DataFrame:
        """Return the per-trial table, in order of time."""
        table = {
            "trial": self.trials.session_index,
            "start_s": self.trials.start_s,
            "condition": self.trials.condition,
            "n_spikes": self.n_spikes,
            "exposure_bins": self.exposure,
        }
        if folds is not None:
            table["fold"] = folds
        scored = {name: f"ll_{name}" for name in self._models}
        scored |= {SHUFFLED.format(name): f"shuffled_ll_{name}" for name in self._models}
        likelihoods = {scored[name]: values for name, values in self.log_likelihoods.items()}
        return pd.DataFrame(table | likelihoods)

    def curves(self) -> dict[str, npt.NDArray[Any]]:
        """Return the curves of all models that could be scored; empty where there are too few spikes."""
        if not self.enough:
            return {}
        about = {"reference": np.array(self.reference), **self.departures.describe(self.trials.bin_s)}
        about |= smoothed_psth(self.trials, self._rng)
        return {**self._curves.arrays(), **about, **self.calibration.describe(), **self._extra}


def _foreign_share(found: Violations | None) -> Row:
    """Return the estimated share of foreign spikes with its interval, null where it cannot be estimated."""
    share, low, high = (math.nan,) * 3 if found is None else (found.contamination, *found.interval)
    return {"contamination": share, "contamination_low": low, "contamination_high": high}


def _capture_fields(kind: str, capture: Capture) -> Row:
    return {
        f"{kind}_capture": capture.score,
        f"{kind}_capture_low": capture.low,
        f"{kind}_capture_high": capture.high,
        f"{kind}_verdict": capture.verdict,
        f"{kind}_deviance": capture.deviance,
        f"{kind}_p": capture.deviance_p,
        f"{kind}_reference_deviance": capture.reference_deviance,
        f"{kind}_reference_p": capture.reference_p,
        f"{kind}_strata": capture.n_strata,
    }


def _remarks(row: Row, trials: Trials) -> str | None:
    """Say what a reader of the row must know, None where nothing."""
    remarks: list[str] = []
    if row["n_infinite"]:
        remarks.append(counted(row["n_infinite"], "spike{s} in bins where the model claims there can be none"))
    if row["contamination_gate"] == "contaminated" and row.get("refractory_verdict") in ("missed", "partly"):
        remarks.append(f"about {row['contamination']:.0%} foreign spikes: sorting, not the model, may be at fault")
    if null := null_remark(row):
        remarks.append(null)
    if row["n_merged"]:
        remarks.append(counted(row["n_merged"], "spike{s} share{v} a bin and {are} not scored (narrower --bin)"))
    if trials.n_trials < MIN_TRIALS:
        remarks.append(f"no intervals with {trials.n_trials} trials")
    overlapping = int((np.diff(trials.start_s) < trials.n_bins * trials.bin_s * (1 - 1e-9)).sum())
    if overlapping:
        remarks.append(
            counted(overlapping, "trial{s} overlap{v} the next: common spikes count twice in tests of fit")
        )
    return "; ".join(remarks) or None
