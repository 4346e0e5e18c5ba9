"""Terms of a log-linear model of a unit: bases, columns, and their penalties (science.md#glm)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rnnspike.models.baselines.gain import slow_ratio
from rnnspike.models.baselines.psth import fit_psth
from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.ceiling import Ceiling
from rnnspike.models.glm.compact_design import Rows, age_columns, compact, history_columns
from rnnspike.models.glm.penalised import Coefficients, LogLinear
from rnnspike.models.glm.reml import Form, Penalties
from rnnspike.models.numerics.basis import (
    COVARIATE_SQUARES,
    COVARIATE_TAU_S,
    LogTimeBasis,
    SplineBasis,
    ended_difference_penalty,
    exponential_filters,
)
from rnnspike.models.past import Past, leaky_traces
from rnnspike.models.protocol import MU_FLOOR, FittedModel
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: Time constants of the gains in trials, and the pseudo-spikes that pull them to 0.
GAIN_TAUS, GAIN_PRIOR = (2.0, 8.0), 1.0
#: Time constants of the leaky traces of the unit's own spikes, and the pseudo-spikes in their logarithm.
TRACE_TAUS_S, TRACE_PRIOR = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0), 0.5
#: Widest spacing of the drive's knots, s: the spacing is the PSTH's bandwidth, at least one bin. With many knots and
#: conditions, or many bins (`_finest_bins`), it is at least the second value.
WIDEST_KNOTS_S, COARSE_KNOTS_S = 0.05, 0.004
#: Knots times squared splines, and bins, up to which there may be a knot at each bin: limits of the time to factorise
#: a Hessian, and of a design's memory.
MOST_FACTOR, MOST_BINS = 1_000_000, 2_000_000
#: Pieces of the window in which the drive has its own smoothness: knots per piece, and most pieces.
PIECE_KNOTS, MOST_PIECES, DEVIATION_PIECES = 5, 20, 4
#: Fixed ridge of the history's and the age's functions, and of the flag that the age is unknown.
RIDGE, UNKNOWN_RIDGE = 0.1, 1.0
#: Fixed ridge of the exponents of traces, a given rate (less 1) and gains, and of standardised covariates, which few
#: trials cannot determine.
FIXED = {"traces": 0.2, "given": 0.5, "covariates": 0.3, "gains": 0.5}
#: Fewest training trials that two gains are fitted to.
GAIN_TRIALS = 6
#: Range of lags of the functions for a rhythm, s; the widest block of silent bins with them.
RHYTHM_S, RHYTHM_BLOCK_S = (0.01, 0.17), 0.006
#: Initial strengths, close to those that most units end with.
FORM_STARTS = {
    "history": 300.0,
    "rhythm": 30.0,
    "age": 20.0,
    "traces": 5.0,
    "given": 10.0,
    "covariates": 1.0,
    "gains": 10.0,
}


@dataclass(frozen=True)
class Parts:
    """Terms beside the drive: filter of all spikes, time since the last, leaky traces, gains, covariates.

    ``given``: the log of a given rate is part of the drive; it is the trials' only covariate (``given_drive.py``).
    ``rhythm`` adds functions at equal spacing in time to the filter, for units with a rhythm.
    """

    history: bool = True
    age: bool = True
    traces: bool = True
    gains: bool = True
    covariates: bool = True
    given: bool = False
    rhythm: bool = False


@dataclass(frozen=True)
class Layout:
    """Shape of a model: its bins, bases, columns and their scaling (plain values, stored as json)."""

    bin_s: float
    n_bins: int
    spacing_bins: float
    n_conditions: int
    n_channels: int
    parts: Parts
    fill: float
    unit_id: str
    condition_mu: tuple[float, ...]
    covariate_mean: tuple[float, ...] = ()
    covariate_sd: tuple[float, ...] = ()
    covariate_low: tuple[float, ...] = ()
    covariate_high: tuple[float, ...] = ()

    @cached_property
    def spline(self) -> SplineBasis:
        """Basis of the drive."""
        return SplineBasis(self.n_bins, self.spacing_bins)

    @cached_property
    def history(self) -> LogTimeBasis:
        """Basis of the spike history."""
        rhythm = RHYTHM_S if self.parts.rhythm else None
        return LogTimeBasis(self.bin_s, last_s=max(2.0, 20 * self.bin_s), rhythm_s=rhythm)

    @cached_property
    def age(self) -> LogTimeBasis:
        """Basis of the time since the last spike (11 raised cosines on bins of 1 ms)."""
        return LogTimeBasis(self.bin_s, last_s=max(1.0, 10 * self.bin_s), cosines_per_decade=4.0)

    @cached_property
    def trace_taus(self) -> tuple[float, ...]:
        """Time constants of the leaky traces in bins; those under two bins are left out."""
        return tuple(tau / self.bin_s for tau in TRACE_TAUS_S if self.parts.traces and tau >= 2 * self.bin_s)

    @cached_property
    def groups(self) -> dict[str, slice]:
        """Columns of each part, in order."""
        parts = self.parts
        sizes = {
            "history": self.history.n_functions if parts.history else 0,
            "age": self.age.n_functions + 1 if parts.age else 0,
            "traces": len(self.trace_taus),
            "given": 1 if parts.given else 0,
            "covariates": len(self.covariate_mean),
            "gains": len(GAIN_TAUS) if parts.gains else 0,
        }
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    @property
    def n_columns(self) -> int:
        """Columns in all."""
        return int(max(group.stop for group in self.groups.values()))

    @classmethod
    def of(cls, train: Trials, parts: Parts, psth: FittedModel | None = None) -> Layout:
        """Return the layout for training trials of one unit; ``psth`` is their PSTH, if it was fitted before."""
        n_spikes, exposure = float(train.spikes[train.observed].sum()), max(float(train.observed.sum()), 1.0)
        if train.observed.any(axis=(1, 2)).sum() < GAIN_TRIALS:
            parts = replace(parts, gains=False)
        scale = _covariate_scale(train) if parts.covariates and train.covariates.shape[2] else {}
        return cls(
            bin_s=train.bin_s,
            n_bins=train.n_bins,
            spacing_bins=_knot_spacing(train, psth),
            n_conditions=len(train.conditions) if train.has_repeats else 1,
            n_channels=train.covariates.shape[2] if parts.covariates else 0,
            parts=parts,
            fill=n_spikes / exposure,
            unit_id=train.unit_ids[0],
            condition_mu=tuple(_condition_mu(train, n_spikes / exposure)),
            **scale,
        )

    def per_trial_gains(self, trials: Trials) -> FloatArray:
        """Return the gains (trial, gain): log recorded over expected counts of earlier trials."""
        table = np.array(self.condition_mu)[:, None, None]
        base = IntensityTable("constant", table, (self.unit_id,), {})
        return np.stack([np.log(slow_ratio(base, trials, tau, GAIN_PRIOR)) for tau in GAIN_TAUS], axis=1)

    def covariates(self, trials: Trials) -> FloatArray:
        """Return filtered, standardised covariates (trial, bin, column) of the window.

        Each is clipped to its range in training.
        """
        seen = np.clip(_filtered(trials), self.covariate_low, self.covariate_high)
        return np.asarray((seen - np.array(self.covariate_mean)) / np.array(self.covariate_sd))

    @property
    def log_fill(self) -> float:
        """Log of the mean count per bin of the training trials."""
        return float(np.log(max(self.fill, MU_FLOOR)))

    def given(self, trials: Trials) -> FloatArray:
        """Return the log of the given rate, in units of the mean rate, (trial, bin)."""
        return trials.covariates[:, :, 0].astype(np.float64) - self.log_fill

    def log_trace(self, trace: FloatArray, tau: float) -> FloatArray:
        """Return the log of a leaky trace over the expected one; half a spike is added, so that it is finite."""
        return np.asarray(np.log(trace + TRACE_PRIOR)) - self._log_expected(tau)

    def trace_gain(self, weights: FloatArray, traces: FloatArray) -> FloatArray:
        """Return the weighted sum of ``log_trace`` of leaky traces (trace, trial, bin), (trial, bin)."""
        logs = traces + TRACE_PRIOR
        np.log(logs, out=logs)  # another array of this size takes longer than the logarithm
        return np.asarray(np.tensordot(weights, logs, 1) - weights @ self.log_expected_traces)

    def _log_expected(self, tau: float) -> float:
        return float(np.log(self.fill / (1.0 - np.exp(-1.0 / tau)) + TRACE_PRIOR))

    @cached_property
    def log_expected_traces(self) -> FloatArray:
        """What ``log_trace`` subtracts from the log of each trace, (trace,)."""
        return np.array([self._log_expected(tau) for tau in self.trace_taus])

    def conditions(self, trials: Trials) -> IntArray:
        """Return the condition of each trial; all 0 where the drive does not distinguish them."""
        return trials.condition if self.n_conditions > 1 else np.zeros(trials.n_trials, np.int64)

    def design(self, trials: Trials) -> LogLinear:
        """Return the compacted rows of these trials with all columns."""
        past = Past.of(trials)
        rows = compact(past, self.age.n_lags, self._widest)
        columns = np.empty((rows.n_rows, self.n_columns), dtype=np.float32)
        offset: FloatArray | float = 0.0
        groups = self.groups
        if self.parts.history:
            columns[:, groups["history"]] = history_columns(rows, past, self.history, self.fill)
        if self.parts.age:
            columns[:, groups["age"]] = age_columns(rows, self.age)
        traces = leaky_traces(past, self.trace_taus, self.fill)
        for j, tau in enumerate(self.trace_taus):
            trace = _at_rows(traces[j], rows, past)
            columns[:, groups["traces"].start + j] = self.log_trace(trace, tau)
        if self.parts.given:
            offset = _at_rows(self.given(trials), rows, past)
            columns[:, groups["given"].start] = offset
        if self.covariate_mean:
            columns[:, groups["covariates"]] = _at_rows(self.covariates(trials), rows, past)
        if self.parts.gains:
            columns[:, groups["gains"]] = self.per_trial_gains(trials)[rows.trial]
        return LogLinear(
            spline=self.spline,
            position=self._places(rows.centre - past.n_burn_in),
            condition=self.conditions(trials)[rows.trial],
            n_conditions=self.n_conditions,
            columns=columns,
            bins=rows.bins,
            spikes=rows.spikes,
            observation=trials.observation,
            age=rows.age,
            trial=rows.trial,
            offset=offset,
        )

    def ceiling(self, model: LogLinear, at: Coefficients) -> Ceiling:
        """Return the upper bound of predictions from rows of training trials, by age if the model depends on it."""
        if model.age is None or not self.parts.age:
            return Ceiling.of(model.log_mu(at), np.full(model.n_rows, 1.0), 0, self.log_fill, model.bins)
        return Ceiling.of(model.log_mu(at), model.age, self.age.n_lags, self.log_fill, model.bins)

    def _places(self, position: FloatArray) -> FloatArray:
        """Return positions on a grid of a thirty-second of the knots' spacing (half bins at the finest)."""
        step = max(0.5, np.floor(self.spacing_bins / 16) / 2)
        return np.asarray(np.minimum(np.round(position / step) * step, self.n_bins - 1.0))

    @property
    def _widest(self) -> int:
        """Widest block of silent bins: narrower than the drive's knots and the fastest functions."""
        quickest_s = (
            0.002 if self.covariate_mean or self.parts.given else RHYTHM_BLOCK_S if self.parts.rhythm else 0.05
        )
        widest = max(1, round(quickest_s / self.bin_s))
        return min(widest, max(1, int(self.spacing_bins / 2))) if self.spacing_bins > 0 else widest

    def with_rhythm(self) -> Layout:
        """Return the layout with functions for a rhythm; the same where bins are too wide for one."""
        layout = replace(self, parts=replace(self.parts, rhythm=self.parts.history))
        return layout if layout.history.n_rhythm else self

    def placed(self, at: Coefficients, other: Layout) -> Coefficients:
        """Return coefficients of another layout (with equal splines) in this one, 0 for columns it lacks."""
        columns = np.zeros(self.n_columns)
        for name, group in other.groups.items():
            start = self.groups[name].start
            columns[start : start + group.stop - group.start] = at.columns[group]
        return Coefficients(at.drive, columns)

    def penalties(self) -> Penalties:
        """Return the penalties on the model's coefficients."""
        fixed, half_spike, forms = np.zeros((self.n_columns, self.n_columns)), np.zeros(self.n_columns), []
        for name, basis in (("history", self.history), ("age", self.age)):
            group = self.groups[name]
            if group.stop > group.start:
                fixed[group, group] += RIDGE * np.eye(group.stop - group.start)
                first = group.start + basis.n_boxcars
                cosines = slice(first, first + basis.n_cosines)
                forms.append(Form(name, cosines, ended_difference_penalty(basis.n_cosines)))
                if basis.n_rhythm:
                    rhythm = slice(cosines.stop, cosines.stop + basis.n_rhythm)
                    forms.append(Form("rhythm", rhythm, np.eye(basis.n_rhythm)))
        if self.parts.age:
            start, last = self.groups["age"].start, self.groups["age"].stop - 1
            half_spike[start : start + self.age.n_boxcars] = 0.5
            fixed[last, last] += UNKNOWN_RIDGE
        for name in FIXED:
            group = self.groups[name]
            if group.stop > group.start:
                identity = np.eye(group.stop - group.start)
                fixed[group, group] += FIXED[name] * identity
                forms.append(Form(name, group, identity))
        n_knots = self.spline.n_functions
        n_splines = 1 if self.n_conditions == 1 else 1 + self.n_conditions
        n_pieces = int(np.clip(n_knots // PIECE_KNOTS, 1, MOST_PIECES))
        n_deviation_pieces = min(DEVIATION_PIECES, n_pieces)
        return Penalties(n_knots, n_splines, n_pieces, n_deviation_pieces, tuple(forms), fixed, half_spike)


def _knot_spacing(train: Trials, psth: FittedModel | None) -> float:
    """Return the spacing of the drive's knots in bins: the PSTH's bandwidth; 0 (a constant) without repeats."""
    if not train.has_repeats:
        return 0.0
    model = psth if isinstance(psth, IntensityTable) else fit_psth(train)
    found = model.config.get("bandwidth_s", WIDEST_KNOTS_S)
    bandwidth_s = float(np.atleast_1d(np.asarray(found, dtype=np.float64))[0])
    return max(min(bandwidth_s, WIDEST_KNOTS_S) / train.bin_s, _finest_bins(train))


def _finest_bins(train: Trials) -> float:
    """Return the smallest spacing of knots, in bins, that keeps time and memory bounded."""
    n_splines = 1 + len(train.conditions) if len(train.conditions) > 1 else 1
    wanted = max(train.n_bins * n_splines**2 / MOST_FACTOR, float(train.observed.sum()) / MOST_BINS)
    return max(min(wanted, COARSE_KNOTS_S / train.bin_s), 1.0)


def _condition_mu(train: Trials, mean: float) -> FloatArray:
    """Return the mean count per bin of each condition, shrunk to the mean by a prior of five spikes."""
    n = len(train.conditions)
    spikes = np.bincount(train.condition, (train.spikes * train.observed).sum(axis=(1, 2)), minlength=n)
    exposure = np.bincount(train.condition, train.observed.sum(axis=(1, 2)), minlength=n)
    return np.asarray((spikes + 5.0) / (exposure + 5.0 / max(mean, MU_FLOOR)))


def _filtered(trials: Trials) -> FloatArray:
    """Return every covariate through every filter, and the squares, (trial, bin, column)."""
    whole = np.concatenate([trials.covariates_burn_in, trials.covariates], axis=1).astype(np.float64)
    columns = []
    for channel in range(whole.shape[2]):
        filters = [exponential_filters(whole[:, :, channel], tau, trials.bin_s) for tau in COVARIATE_TAU_S]
        columns += filters + [filters[i] ** 2 for i in COVARIATE_SQUARES]
    return np.stack(columns, axis=2)[:, trials.n_burn_in :]


def _covariate_scale(train: Trials) -> dict[str, tuple[float, ...]]:
    """Return mean, standard deviation and range of each filtered covariate over observed bins."""
    seen = _filtered(train)[train.observed[:, :, 0]]
    return {
        "covariate_mean": tuple(seen.mean(axis=0).tolist()),
        "covariate_sd": tuple(np.maximum(seen.std(axis=0), 1e-9).tolist()),
        "covariate_low": tuple(seen.min(axis=0).tolist()),
        "covariate_high": tuple(seen.max(axis=0).tolist()),
    }


def _at_rows(values: FloatArray, rows: Rows, past: Past) -> npt.NDArray[np.float64]:
    """Return values (trial, bin, ...) of the window at the middle of each row, interpolated between bins."""
    middle = rows.centre - past.n_burn_in
    low, high = np.floor(middle).astype(np.int64), np.ceil(middle).astype(np.int64)
    return np.asarray(0.5 * (values[rows.trial, low] + values[rows.trial, high]))
