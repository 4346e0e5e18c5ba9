"""One unit, all its models, all its held-out trials: everything that rows, pairs and figures are made of.

``evaluate_unit`` is what a run calls for each unit, ``finalise_verdicts`` what it calls once for the rows of all
units of a recording. Figures are drawn from ``UnitEvaluation.per_trial`` and ``.curves`` alone; the arrays in
``curves`` are listed in ``rnnspike.evaluation.curves``.

Per trial in which the unit was held (``per_trial``; others have no row): ``trial`` (number in the session),
``start_s``, ``condition``, ``n_spikes``, ``exposure_bins``, ``fold`` where known, and ``ll_<model>``, the held-out
log-likelihood in nats, per model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.evaluation.calibration import Calibration, calibration_arrays, calibration_fields
from rnnspike.evaluation.capture import MEMORYLESS, Capture, significant_over_units, verdict
from rnnspike.evaluation.comparison import TrialBootstrap, attained_share, compare_models, score_models
from rnnspike.evaluation.curves import UnitCurves, smoothed_psth
from rnnspike.evaluation.departures import Departures
from rnnspike.evaluation.goodness import goodness
from rnnspike.evaluation.history import history_of, trial_blocks
from rnnspike.evaluation.likelihood import (
    MIN_SPIKES,
    bits_per_spike,
    count_infinite,
    evaluated_mean_null,
    expected_counts,
    log_likelihood,
)
from rnnspike.evaluation.predictive import FreeRunChecks
from rnnspike.evaluation.refractoriness import violations
from rnnspike.evaluation.resampling import MIN_TRIALS
from rnnspike.evaluation.rescaling import draw_uniform
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials

Row = dict[str, Any]
CALIBRATION_P = "calibration_p_"
#: Intervals times randomisations that are made; beyond, a unit has so many intervals that few randomisations do.
MOST_RANDOMISED, FEWEST_RANDOMISATIONS = 4_000_000, 5


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

    ``null`` is the model of bits/spike 0, ``reference`` that of capture 0 (science.md a); where the reference was
    not fitted, the first of ``psth``, ``constant`` that was. ``oracle`` and ``oracle_reference`` are the ends of
    the attained share.
    """

    null: str = "constant"
    reference: str = "psth-gain"
    oracle: str = "oracle"
    oracle_reference: str = "psth"
    n_bootstrap: int = 2000
    n_flips: int = 4999
    n_randomisations: int = 20
    n_examples: int = 12


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
    simulated, simulated_trials
        Free runs per model, uint8 (run, trial, bin), over the design of these trials (index into
        ``trials``, of those with a scored bin); see ``free_run.simulate_replicates``.
    n_replicates
        How many data sets are put together of them (``predictive.FreeRunChecks``); None: each run is one.
    folds
        (trial,) which fold held each trial out, kept in the per-trial table.

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
    for name, values in mu.items():
        if tuple(values.shape[:2]) != trials.counts.shape[:2]:
            raise ValueError(f"{name}: mu has shape {values.shape}, the trials {trials.counts.shape[:2]}")
    if simulated_trials is not None:
        place = np.full(trials.n_trials, -1)
        place[order] = np.arange(len(order))
        simulated_trials = place[simulated_trials]
        if (simulated_trials < 0).any():
            raise ValueError("free runs are of trials without a scored bin")
    unit = _Unit(trials.take(order), mu, order, settings, rng)
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


def finalise_verdicts(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of all units of a recording with verdicts corrected over units (science.md a).

    A departure from the reference is there to be captured, and a model's deviance is significant, at .05 by Benjamini
    and Hochberg: the one over all units, the other over those that have something to capture. Likewise over units,
    ``calibration_rejected`` lists the kinds of strata in which a model is off ("none" where it is not). Rows of
    models that were not scored pass unchanged; needs nothing but the rows.
    """
    finished = [dict(row) for row in rows]
    for kind in ("refractory", "adaptation"):
        _clear_chance_departures(finished, kind)
        for group in _by_model(finished, f"{kind}_capture"):
            significant = significant_over_units(np.array([row[f"{kind}_p"] for row in group]))
            for row, is_significant in zip(group, significant, strict=True):
                row[f"{kind}_verdict"] = verdict(_stored_capture(row, kind), bool(is_significant), row["model"])
    for row in finished:
        if any(key.startswith(CALIBRATION_P) for key in row):
            row["calibration_rejected"] = "none"
    for key in sorted({key for row in finished for key in row if key.startswith(CALIBRATION_P)}):
        for group in _by_model(finished, key):
            rejected = significant_over_units(np.array([row[key] for row in group]))
            for row in (row for row, is_rejected in zip(group, rejected, strict=True) if is_rejected):
                known = [] if row["calibration_rejected"] == "none" else [row["calibration_rejected"]]
                row["calibration_rejected"] = ", ".join([*known, key.removeprefix(CALIBRATION_P)])
    return finished


def _clear_chance_departures(rows: Sequence[Row], kind: str) -> None:
    """Leave nothing to capture in units whose departure from the reference is not significant over all units."""
    by_unit = {row["unit"]: row[f"{kind}_reference_p"] for row in rows if row.get(f"{kind}_reference_p") is not None}
    real = dict(zip(by_unit, significant_over_units(np.array(list(by_unit.values()))), strict=True))
    for row in rows:
        if row.get(f"{kind}_capture") is not None and not real.get(row["unit"], True):
            row |= {f"{kind}_capture{end}": None for end in ("", "_low", "_high")}
            row[f"{kind}_verdict"] = "nothing to capture"


def _by_model(rows: Iterable[Row], key: str) -> Iterable[list[Row]]:
    """Return the rows that have a value for this key, model by model."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get(key) is not None:
            groups.setdefault(row["model"], []).append(row)
    return groups.values()


def _stored_capture(row: Row, kind: str) -> Capture:
    score, low, high = (row[f"{kind}_capture{end}"] for end in ("", "_low", "_high"))
    nan = float("nan")
    return Capture(score, low, high, nan, row[f"{kind}_p"], nan, nan, 0, "missed")


class _Unit:
    """What the models of a unit share, worked out once."""

    def __init__(
        self,
        trials: Trials,
        mu: Mapping[str, Intensity],
        order: IntArray,
        settings: EvaluationSettings,
        rng: np.random.Generator,
    ) -> None:
        if settings.null not in mu:
            raise ValueError(f"bits/spike need the null {settings.null!r} among the models")
        self.trials, self.settings, self._mu, self._order = trials, settings, mu, order
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
        for name in mu:
            self._score(name)
        self.enough = self.total >= MIN_SPIKES and settings.null in self.log_likelihoods
        self.scores = (
            score_models(self.log_likelihoods, settings.null, self.n_spikes, self.bootstrap) if self.enough else {}
        )
        null = evaluated_mean_null(self.scored.spikes, self.scored.observed, trials.observation)
        self._evaluated_null = log_likelihood(null, self.scored.spikes, self.scored.observed, trials.observation)
        self._common = self._shared_fields()
        self.shares = self._oracle_shares()
        self.reference = next(
            (n for n in (settings.reference, "psth", settings.null) if n in self.log_likelihoods), ""
        )
        if self.enough:
            self.departures = Departures(history, self._expected(self.intensity(self.reference)))
            self.calibration = Calibration(history, trials)
            self._curves = UnitCurves(trials, history, settings.n_examples)
        self._expected_spikes: dict[str, FloatArray] = {}  # model -> (trial,)
        self._extra: dict[str, npt.NDArray[Any]] = {}

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
            "contamination": found.contamination if found else None,
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
        fit, examples = goodness(mu, self.scored, self.r), self._curves.examples(mu)
        expected = self._expected(mu)
        self._expected_spikes[name] = expected.sum(axis=1)
        strata = {}
        for kind, departure in self.departures.by_kind():
            capture, strata[f"{kind}.expected"] = departure.capture(name, expected, self.bootstrap.weights)
            row |= _capture_fields(kind, capture)
        calibrated = self.calibration.of_model(expected)
        strata |= calibration_arrays(calibrated)
        row |= self._bits(name) | fit.fields() | calibration_fields(calibrated)
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
        """Add to the rows what the models do when they read their own spikes, and keep the curves."""
        checks = FreeRunChecks(self.scored, self.trials, index, n_replicates)
        for row in rows:
            if row["model"] in simulated:
                row |= checks.add(row["model"], simulated[row["model"]])
                row["free_run_rate_ratio"] *= self._design_effect(row["model"], index)
        self._extra = checks.arrays()

    def _design_effect(self, name: str, index: IntArray) -> float:
        """Return the factor from a ratio to the data of the simulated trials to one to those of all trials.

        What a model without memory expects of both tells how far the few that were simulated are off: for one with
        memory, the reference. Its own expectation follows the recorded past, which a free run does not.
        """
        without_memory = name if name in MEMORYLESS else self.reference
        by_trial = self._expected_spikes.get(without_memory, np.zeros(self.trials.n_trials))
        if not by_trial[index].sum() > 0:
            return 1.0
        expected, recorded = by_trial[index].sum() / by_trial.sum(), self.n_spikes[index].sum() / self.total
        return float(recorded / expected)

    def pairs(self) -> list[Row]:
        """Return all pairs of models that could be scored."""
        if not self.enough:
            return []
        return [asdict(pair) for pair in compare_models(self.log_likelihoods, self.n_spikes, self.bootstrap)]

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
        return pd.DataFrame(table | {f"ll_{name}": values for name, values in self.log_likelihoods.items()})

    def curves(self) -> dict[str, npt.NDArray[Any]]:
        """Return the curves of all models that could be scored; empty where there are too few spikes."""
        if not self.enough:
            return {}
        about = {"reference": np.array(self.reference), **self.departures.describe(self.trials.bin_s)}
        about |= smoothed_psth(self.trials, self._rng)
        return {**self._curves.arrays(), **about, **self.calibration.describe(), **self._extra}


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
        remarks.append(f"{row['n_infinite']} spikes in bins where the model claims there can be none")
    if row["contamination_gate"] == "contaminated" and row.get("refractory_verdict") in ("missed", "partly"):
        remarks.append(f"about {row['contamination']:.0%} foreign spikes: sorting, not the model, may be at fault")
    if row["n_merged"]:
        remarks.append(f"{row['n_merged']} spikes share a bin with another and are not scored (narrower --bin)")
    if trials.n_trials < MIN_TRIALS:
        remarks.append(f"no intervals with {trials.n_trials} trials")
    overlapping = int((np.diff(trials.start_s) < trials.n_bins * trials.bin_s * (1 - 1e-9)).sum())
    if overlapping:
        remarks.append(f"{overlapping} trials overlap the next: their common spikes count twice in tests of fit")
    return "; ".join(remarks) or None
