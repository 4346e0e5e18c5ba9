r"""History GLM: a smooth drive and spike history fitted jointly (science.md b.4, d.1), and the drive alone.

.. math:: \log\mu_k = \mathrm{drive}_c(t_k) + \sum_{j<k} h(k-j)\,y_j + a(\text{time since the last spike})
          + \text{covariates} + \text{gains}

The drive is a penalised cubic spline, with a penalised deviation of each condition; h has boxcars at the first lags
and raised cosines in log time to 2 s; a has the same to 1 s and a weight for "unknown". Covariates pass through
eight exponential filters; the gains are log ratios of recorded to expected counts of earlier trials. Penalties are
chosen on validation trials along a warm-started path: one path serves every validation set.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from rnnspike.models.basis import LogTimeBasis, SplineBasis, exponential_filters, second_difference_penalty
from rnnspike.models.gain import slow_ratio
from rnnspike.models.history import UNKNOWN, Past, convolve_history
from rnnspike.models.penalised import Coefficients, LogLinear, Penalty, newton
from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, FittedModel, Stepper
from rnnspike.models.psth import Psth
from rnnspike.models.rows import Rows, age_columns, compact, history_columns
from rnnspike.models.table import IntensityTable
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, Trials

#: Time constants of a covariate's filters, s, and which of them also enter squared.
FILTERS_S = tuple(0.001 * 2.0**i for i in range(8))
SQUARED = (2, 5)
#: Time constants of the gains in trials, and the pseudo-spikes that hold them at 0.
GAIN_TAUS, GAIN_PRIOR = (2.0, 8.0), 4.0
#: Spacing of the drive's knots, s: the PSTH's bandwidth within these.
KNOTS_S = (0.004, 0.05)
#: Ridge that keeps a column out.
OFF = 1e6
#: Share of the way to the optimum, in nats, that a step along the path may leave.
TOLERANCE = 0.02


@dataclass(frozen=True)
class Parts:
    """What enters beside the drive."""

    history: bool = True
    age: bool = True
    gains: bool = True
    covariates: bool = True


@dataclass(frozen=True)
class Strengths:
    """Penalties of one fit: roughness of the drive, of its deviations, ridges of history, covariates and gains."""

    smooth: float = 100.0
    history: float = 3.0
    deviation: float = 3.0
    covariates: float = 1.0
    gains: float = OFF


@dataclass(frozen=True)
class Layout:
    """Shape of a model: its bins, bases, columns, and what standardises them (plain values, kept as json)."""

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

    @cached_property
    def spline(self) -> SplineBasis:
        """Basis of the drive."""
        return SplineBasis(self.n_bins, self.spacing_bins)

    @cached_property
    def history(self) -> LogTimeBasis:
        """Basis of the spike history."""
        return LogTimeBasis(self.bin_s, last_s=max(2.0, 20 * self.bin_s))

    @cached_property
    def age(self) -> LogTimeBasis:
        """Basis of the time since the last spike."""
        return LogTimeBasis(self.bin_s, last_s=max(1.0, 10 * self.bin_s), cosines_per_decade=4.0)

    @cached_property
    def groups(self) -> dict[str, slice]:
        """Columns of each part, in order."""
        parts = self.parts
        sizes = {
            "history": self.history.n_functions if parts.history else 0,
            "age": self.age.n_functions + 1 if parts.age else 0,
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
    def of(cls, train: Trials, parts: Parts) -> Layout:
        """Return the layout for training trials of one unit."""
        n_spikes, exposure = float(train.spikes[train.observed].sum()), max(float(train.observed.sum()), 1.0)
        n_conditions = len(train.conditions) if train.has_repeats else 1
        mean, sd = _covariate_scale(train) if parts.covariates and train.covariates.shape[2] else ((), ())
        return cls(
            bin_s=train.bin_s,
            n_bins=train.n_bins,
            spacing_bins=_knot_spacing(train),
            n_conditions=n_conditions,
            n_channels=train.covariates.shape[2] if parts.covariates else 0,
            parts=parts,
            fill=n_spikes / exposure,
            unit_id=train.unit_ids[0],
            condition_mu=tuple(_condition_mu(train, n_spikes / exposure)),
            covariate_mean=mean,
            covariate_sd=sd,
        )

    def per_trial_gains(self, trials: Trials) -> FloatArray:
        """Return the gains (trial, gain): log recorded over expected counts of earlier trials."""
        table = np.array(self.condition_mu)[:, None, None]
        base = IntensityTable("constant", table, (self.unit_id,), {})
        return np.stack([np.log(slow_ratio(base, trials, tau, GAIN_PRIOR)) for tau in GAIN_TAUS], axis=1)

    def covariates(self, trials: Trials) -> FloatArray:
        """Return filtered, standardised covariates (trial, bin, column) of the window."""
        return np.asarray((_filtered(trials) - np.array(self.covariate_mean)) / np.array(self.covariate_sd))

    def conditions(self, trials: Trials) -> npt.NDArray[np.int64]:
        """Return the condition of each trial; all 0 where the drive does not tell them apart."""
        return trials.condition if self.n_conditions > 1 else np.zeros(trials.n_trials, np.int64)

    def design(self, trials: Trials) -> LogLinear:
        """Return the compacted rows of these trials with all columns."""
        past = Past.of(trials)
        rows = compact(past, self.age.n_lags, self._widest)
        columns = np.empty((rows.n_rows, self.n_columns), dtype=np.float32)
        groups = self.groups
        if self.parts.history:
            columns[:, groups["history"]] = history_columns(rows, past, self.history, self.fill)
        if self.parts.age:
            columns[:, groups["age"]] = age_columns(rows, self.age)
        if self.covariate_mean:
            columns[:, groups["covariates"]] = _at_rows(self.covariates(trials), rows, past)
        if self.parts.gains:
            columns[:, groups["gains"]] = self.per_trial_gains(trials)[rows.trial]
        return LogLinear(
            spline=self.spline,
            position=rows.centre - past.n_burn_in,
            condition=self.conditions(trials)[rows.trial],
            n_conditions=self.n_conditions,
            columns=columns,
            bins=rows.bins,
            spikes=rows.spikes,
            observation=trials.observation,
        )

    @property
    def _widest(self) -> int:
        """Widest block of silent bins: narrower than the drive's knots, and than the quickest covariate filters."""
        if self.covariate_mean:
            return max(1, round(0.002 / self.bin_s))
        return max(1, int(self.spacing_bins / 2)) if self.spacing_bins > 0 else max(1, round(0.05 / self.bin_s))

    def penalty(self, strengths: Strengths) -> Penalty:
        """Return the penalty of these strengths."""
        columns = np.zeros((self.n_columns, self.n_columns))
        half_spike = np.zeros(self.n_columns)
        for name, basis in (("history", self.history), ("age", self.age)):
            group, boxes = self.groups[name], basis.n_boxcars
            if group.stop == group.start:
                continue
            cosines = slice(group.start + boxes, group.start + basis.n_functions)
            columns[cosines, cosines] = strengths.history * _rough(basis.n_cosines)
            columns[group, group] += 0.1 * np.eye(group.stop - group.start)
            if name == "age":
                half_spike[group.start : group.start + boxes] = 0.5
                columns[group.stop - 1, group.stop - 1] += 1.0
        for name, ridge in (("covariates", strengths.covariates), ("gains", strengths.gains)):
            group = self.groups[name]
            columns[group, group] = ridge * np.eye(group.stop - group.start)
        return Penalty(
            smooth=strengths.smooth,
            columns=columns,
            half_spike=half_spike,
            deviation_smooth=10 * strengths.deviation,
            deviation=strengths.deviation,
        )

    def path(self) -> Iterator[tuple[str, tuple[float, ...]]]:
        """Yield the strengths that are gone through in turn, each with the values tried."""
        if self.spacing_bins > 0:
            yield "smooth", (10.0, 1000.0, 10000.0)
        if self.parts.history or self.parts.age:
            yield "history", (0.3, 30.0)
        if self.n_conditions > 1:
            yield "deviation", (0.3, 30.0, 1000.0)
        if self.covariate_mean:
            yield "covariates", (30.0,)
        if self.parts.gains:
            yield "gains", (1.0,)


@dataclass(frozen=True)
class FittedGlm:
    """A fitted log-linear model of one unit."""

    name: str
    layout: Layout
    coefficients: Coefficients
    strengths: Strengths

    @cached_property
    def drive(self) -> FloatArray:
        """Log of the drive (condition, bin): the expected count without history."""
        basis = self.layout.spline.matrix(np.arange(self.layout.n_bins, dtype=np.float64))
        return np.asarray((basis @ self.coefficients.by_condition().T).T)

    def _part(self, name: str) -> FloatArray:
        return self.coefficients.columns[self.layout.groups[name]]

    @cached_property
    def kernel(self) -> FloatArray:
        """Log gain of a spike at lags 1, 2, ... bins, (lag,); empty without history."""
        if not self.layout.parts.history:
            return np.zeros(0)
        return np.asarray(self.layout.history.table()[1:] @ self._part("history"))

    @cached_property
    def age_table(self) -> FloatArray:
        """Log gain by time since the last spike: ages 0, 1, ... bins, longer ones, and unknown (the last)."""
        n_lags = self.layout.age.n_lags
        table = np.zeros(n_lags + 3)
        if self.layout.parts.age:
            weights = self._part("age")
            table[: n_lags + 1] = self.layout.age.table() @ weights[:-1]
            table[-1] = weights[-1]
        return table

    def history_filter(self) -> tuple[FloatArray, FloatArray]:
        """Return lags in s and the log gain of a spike at that lag, (lag,)."""
        return np.arange(1.0, len(self.kernel) + 1) * self.layout.bin_s, self.kernel

    def last_spike_curve(self) -> tuple[FloatArray, FloatArray]:
        """Return times since the last spike in s and their log gain, (lag,)."""
        n_lags = self.layout.age.n_lags
        return np.arange(1.0, n_lags + 1) * self.layout.bin_s, self.age_table[1 : n_lags + 1]

    def without_spikes(self, trials: Trials) -> FloatArray:
        """Return what does not depend on spikes: drive, covariates and gains, log, (trial, bin)."""
        layout = self.layout
        log_mu = self.drive[layout.conditions(trials)]
        if layout.covariate_mean:
            log_mu = log_mu + layout.covariates(trials) @ self._part("covariates")
        if layout.parts.gains:
            log_mu = log_mu + (layout.per_trial_gains(trials) @ self._part("gains"))[:, None]
        return np.asarray(log_mu)

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1) given the recorded past."""
        past = Past.of(trials)
        log_mu = self.without_spikes(trials)
        if self.layout.parts.history:
            log_mu = log_mu + convolve_history(past, self.kernel, self.layout.fill * self.kernel)
        if self.layout.parts.age:
            ages, _ = past.ages(self.layout.age.n_lags)
            log_mu = log_mu + self.age_table[ages]  # UNKNOWN is -1: the last entry
        return bounded(log_mu)[:, :, None]

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        return GlmStepper(self, trials.unit(unit))

    def save(self, folder: Path) -> None:
        """Write coefficients (safetensors) and layout (json)."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"drive": self.coefficients.drive, "columns": self.coefficients.columns}
        save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, folder / "weights.safetensors")
        config = {"name": self.name, "layout": asdict(self.layout), "strengths": asdict(self.strengths)}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> FittedGlm:
        """Return what ``save`` wrote."""
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text())
        layout = config["layout"]
        layout["parts"] = Parts(**layout["parts"])
        for name in ("condition_mu", "covariate_mean", "covariate_sd"):
            layout[name] = tuple(layout[name])
        weights = load_file(folder / "weights.safetensors")
        coefficients = Coefficients(weights["drive"], weights["columns"])
        return cls(config["name"], Layout(**layout), coefficients, Strengths(**config["strengths"]))


class GlmStepper:
    """Runs a GLM forward over trials: what past spikes add to later bins is kept in a table per trial."""

    def __init__(self, model: FittedGlm, trials: Trials) -> None:
        past = Past.of(trials)
        self.model, self.bin = model, 0
        self.observed: BoolArray = past.observed[:, past.n_burn_in :]
        window = past.spikes.copy()
        window[:, past.n_burn_in :] = 0
        before = Past(window, past.observed, past.n_burn_in)
        self.log_mu = model.without_spikes(trials)
        if model.layout.parts.history:
            self.log_mu = self.log_mu + convolve_history(before, model.kernel, model.layout.fill * model.kernel)
        self.longest = model.layout.age.n_lags
        start = past.n_burn_in
        burn_in, known = before.spikes[:, :start] > 0, past.observed[:, :start]
        self.last = _last_true(burn_in) - start  # bins, relative to the window; far negative: none
        self.gap = np.where((~known).any(axis=1), _last_true(~known), -1) - start

    def mu(self) -> FloatArray:
        """Return the expected count (trial,) of the bin that comes next."""
        log_mu = self.log_mu[:, self.bin]
        if self.model.layout.parts.age:
            known = self.bin - self.gap - 1
            age = np.where(known >= self.longest, self.longest + 1, UNKNOWN)
            age = np.where(self.last > self.gap, np.minimum(self.bin - self.last, self.longest + 1), age)
            log_mu = log_mu + self.model.age_table[age]
        return bounded(log_mu)

    def push(self, spikes: npt.NDArray[np.bool_] | CountArray) -> None:
        """Take the spikes (trial,) of that bin; where it is not observed they are not known to the model."""
        k, kernel = self.bin, self.model.kernel
        here = self.observed[:, k]
        counts = np.asarray(spikes, dtype=np.float64)
        fired = np.flatnonzero((counts > 0) & here)
        stop = min(self.log_mu.shape[1], k + 1 + len(kernel))
        if len(fired) and stop > k + 1:
            self.log_mu[fired, k + 1 : stop] += counts[fired, None] * kernel[: stop - k - 1]
        self.last[fired] = k
        self.gap[~here] = k
        self.bin += 1


class LogLinearModel:
    """A log-linear model to be fitted; subclasses name the rung and its parts."""

    name: ClassVar[str]
    parts: ClassVar[Parts]

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Any:
        """Return the model; the path is the same at every effort."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Go through the path of penalties on the training trials; choose on each validation set alone."""
        layout = Layout.of(train, self.parts)
        walk = _Walk(layout, layout.design(train), [layout.design(each) for each in validation])
        return tuple(FittedGlm(self.name, layout, *walk.best(i)) for i in range(len(validation)))

    @classmethod
    def load(cls, folder: Path) -> FittedGlm:
        """Return a fitted model from its folder."""
        return FittedGlm.load(folder)


class Drive(LogLinearModel):
    """Smooth drive, covariates and gains, without history: the base of recurrent models."""

    name = "drive"
    parts = Parts(history=False, age=False)


class HistoryGlm(LogLinearModel):
    """Drive and spike history, fitted jointly."""

    name = "glm"
    parts = Parts()


class LastSpikeGlm(LogLinearModel):
    """Drive times a function of the time since the last spike: Kass and Ventura's IMI model (science.md b.6)."""

    name = "imi"
    parts = Parts(history=False, gains=False, covariates=False)


class _Walk:
    """Fits along the path: each strength in turn, from the best so far of every validation set, warm-started."""

    def __init__(self, layout: Layout, train: LogLinear, validation: Sequence[LogLinear]) -> None:
        self.layout, self.train, self.validation = layout, train, validation
        self.fits: dict[Strengths, tuple[Coefficients, list[float]]] = {}
        start = Strengths()
        self._fit(start, train.zero())
        for name, values in layout.path():
            for best in {self._best(i) for i in range(len(validation))}:
                for value in values:
                    changed = Strengths(**{**asdict(best), name: value})
                    self._fit(changed, self.fits[best][0])

    def _fit(self, strengths: Strengths, start: Coefficients) -> None:
        if strengths in self.fits:
            return
        found, _ = newton(self.train, self.layout.penalty(strengths), start, tolerance=TOLERANCE)
        self.fits[strengths] = found, [each.nll(found) for each in self.validation]

    def _best(self, i: int) -> Strengths:
        return min(self.fits, key=lambda strengths: self.fits[strengths][1][i])

    def best(self, i: int) -> tuple[Coefficients, Strengths]:
        """Return the fit that validation set i likes best."""
        strengths = self._best(i)
        return self.fits[strengths][0], strengths


def bounded(log_mu: FloatArray) -> FloatArray:
    """Return mu within the bounds that every model keeps."""
    return np.asarray(np.exp(np.clip(log_mu, np.log(MU_FLOOR), np.log(MU_CEILING))))


def _last_true(mask: BoolArray) -> npt.NDArray[np.int64]:
    """Return the index of the last True of each row; far below 0 where there is none."""
    n = mask.shape[1]
    if n == 0:
        return np.full(len(mask), -(10**9), np.int64)
    last = n - 1 - np.argmax(mask[:, ::-1], axis=1)
    return np.where(mask.any(axis=1), last, -(10**9))


def _knot_spacing(train: Trials) -> float:
    """Return the spacing of the drive's knots in bins: the PSTH's bandwidth; 0 (a constant) without repeats."""
    if not train.has_repeats:
        return 0.0
    (model,) = Psth().fit(train, [train], np.random.default_rng(0))
    assert isinstance(model, IntensityTable)
    found = model.config.get("bandwidth_s", KNOTS_S[1])
    bandwidth_s = float(np.atleast_1d(np.asarray(found, dtype=np.float64))[0])
    return max(float(np.clip(bandwidth_s, *KNOTS_S)) / train.bin_s, 1.0)


def _condition_mu(train: Trials, mean: float) -> FloatArray:
    """Return the mean count per bin of each condition, drawn to the mean by five spikes."""
    n = len(train.conditions)
    spikes = np.bincount(train.condition, (train.spikes * train.observed).sum(axis=(1, 2)), minlength=n)
    exposure = np.bincount(train.condition, train.observed.sum(axis=(1, 2)), minlength=n)
    return np.asarray((spikes + 5.0) / (exposure + 5.0 / max(mean, MU_FLOOR)))


def _filtered(trials: Trials) -> FloatArray:
    """Return every covariate through every filter, and the squares, (trial, bin, column)."""
    whole = np.concatenate([trials.covariates_burn_in, trials.covariates], axis=1).astype(np.float64)
    columns = []
    for channel in range(whole.shape[2]):
        filters = [exponential_filters(whole[:, :, channel], tau, trials.bin_s) for tau in FILTERS_S]
        columns += filters + [filters[i] ** 2 for i in SQUARED]
    return np.stack(columns, axis=2)[:, trials.n_burn_in :]


def _covariate_scale(train: Trials) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each filtered covariate over observed bins."""
    seen = _filtered(train)[train.observed[:, :, 0]]
    return tuple(seen.mean(axis=0).tolist()), tuple(np.maximum(seen.std(axis=0), 1e-9).tolist())


def _at_rows(values: FloatArray, rows: Rows, past: Past) -> FloatArray:
    """Return values (trial, bin, column) of the window at the middle bin of each row."""
    middle = np.floor(rows.centre).astype(np.int64) - past.n_burn_in
    return values[rows.trial, middle]


def _rough(n: int) -> FloatArray:
    """Return the penalty of first differences of n neighbours (they share the ridge elsewhere)."""
    bands = second_difference_penalty(n)
    square = np.diag(bands[0])
    for apart in (1, 2):
        square += np.diag(bands[apart][: n - apart], apart) + np.diag(bands[apart][: n - apart], -apart)
    return np.asarray(square + 0.1 * np.eye(n))
