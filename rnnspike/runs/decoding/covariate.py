"""A covariate over time from the spikes of a run: likelihoods on a grid of its values, and what they tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ConfigError, RunError
from rnnspike.evaluation.decoding.covariate import Grid, chance_error, distances, error_interval, median, rms
from rnnspike.evaluation.decoding.posterior import DecodingBootstrap, information, tempered
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.registry import MODELS
from rnnspike.names import plain
from rnnspike.runs.decoding.likelihoods import (
    fitted_models,
    interval,
    mean_log_mu,
    members_of_fold,
    over_folds,
    reopen_once,
    units_with,
    without,
)
from rnnspike.runs.engines.engine import Engine, completed
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.rows import DECODE_COVARIATE_COLUMNS, DECODE_SCHEMA
from rnnspike.runs.stored.decoding import write_covariate
from rnnspike.runs.stored.reopen import Reopened, reopen
from rnnspike.runs.tasks import Progress, rng_for
from rnnspike.trials.align import count_bins
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, Trials

#: Models that are decoded by where none is asked for, as far as they were fitted; those that cannot be.
DEFAULT, UNABLE = ("glm", "coupling"), ("constant", "psth", "psth-gain", "renewal", "stack")
#: Values of the covariate times bins that one unit's model predicts: of more, evenly spaced trials are taken.
MOST_WORK = 400_000_000


@dataclass(frozen=True)
class CovariateOptions:
    """Which covariate is decoded, in windows of ``window_s``, by which models of which units (all where empty)."""

    covariate: str
    window_s: float = 0.5
    models: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    seed: int = 0
    granted: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One call of a worker: a unit's trials of a fold, by models that have not seen them, for each value."""

    folder: Path
    granted: tuple[tuple[str, bool], ...]
    models: tuple[str, ...]
    unit: str
    fold: int
    rows: IntArray
    columns: tuple[int, ...]
    points: FloatArray
    starts: IntArray
    width: int


def decode_covariate_run(
    folder: str | Path,
    options: CovariateOptions,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Decode a covariate in each window of held-out trials; write ``decode_covariate.jsonl`` and ``.npz``.

    Parameters
    ----------
    folder
        A finished run directory that was fitted with this covariate.
    options
        Covariate, window, models, units.
    engine
        Where the work is done; in this process where None.
    progress
        Called with (parts done, parts in all, what was done last).

    Returns
    -------
    list
        One row per model (``runs.rows.DECODE_COVARIATE``).

    Raises
    ------
    RunError
        Where there is no such run, or it was fitted without this covariate.
    ConfigError
        Where the covariate has more than two channels, or the window is no part of a trial.
    """
    folder = Path(folder)
    run = reopen(folder, **options.granted)
    columns = _columns(run, options.covariate)
    models = fitted_models(run, options.models, DEFAULT)
    for unable in [name for name in models if name in UNABLE or MODELS[name].pooled == "all"]:
        raise RunError(f"{folder}: {unable} cannot decode a covariate (--models glm)")
    units, left_out = units_with(run, options.units, models)
    trials = run.trials(units[0])
    width = _width(trials, options)
    starts = np.arange(0, trials.n_bins - width + 1, width)
    grid = Grid.of(_visited(trials, columns))
    rows = _rows(trials, grid)
    granted = tuple(options.granted.items())
    parts = [
        Part(folder, granted, tuple(models), unit, fold, held, tuple(columns), grid.points, starts, width)
        for fold in range(run.loaded.n_folds)
        for held in [rows[run.loaded.folds[rows] == fold]]
        if len(held)
        for unit in units
    ]
    found = {name: np.zeros((len(rows), len(starts), len(grid.points))) for name in models}
    if progress:
        progress(0, len(parts), "likelihoods")
    waiting, added = dict[int, dict[str, FloatArray]](), 0
    calls = [(k, (part,)) for k, part in enumerate(parts)]
    for done, (k, likelihoods) in enumerate(completed(engine or InProcess(), part_likelihoods, calls), start=1):
        waiting[k] = likelihoods
        while added in waiting:  # in one order, whatever comes first: sums are equal to the last bit
            at = np.searchsorted(rows, parts[added].rows)
            for name, each in waiting.pop(added).items():
                found[name][at] += each
            added += 1
        if progress:
            progress(done, len(parts), f"unit {parts[k].unit}, fold {parts[k].fold}")
    windows = _Windows.of(trials.take(rows), columns, starts, width, run.loaded.folds[rows])
    decoded, arrays = _decoded(run, options, grid, windows, found)
    trial, window = np.nonzero(windows.known)
    arrays |= {
        "unit": np.array(units, dtype=str),
        "channel": np.array([trials.covariate_names[k] for k in columns], dtype=str),
        "trial": rows[trial],
        "time_s": trials.start_s[rows][trial] + trials.bin_s * (starts[window] + width / 2),
    }
    remarks = without(left_out)
    if len(rows) < trials.n_trials:
        remarks.append(f"{len(rows)} of {trials.n_trials} trials, evenly spaced")
    message = "; ".join(remarks) or None
    out = [{**row, "n_units": len(units), "message": message} for row in decoded]
    out = [plain({column: row.get(column) for column in DECODE_COVARIATE_COLUMNS}) for row in out]
    write_covariate(folder, out, arrays)
    return out


def _columns(run: Reopened, covariate: str) -> list[int]:
    names = run.loaded.plan.covariate_names
    columns = [k for k, name in enumerate(names) if name == covariate or name.startswith(f"{covariate}[")]
    if not columns:
        has = f"with {', '.join(names)}" if names else "without covariates"
        raise RunError(f"{run.job.folder}: was fitted {has}: fit it with --covariate {covariate}")
    if len(columns) > 2:
        raise ConfigError(f"--covariate {covariate}: has {len(columns)} channels; one or two can be decoded")
    return columns


def _width(trials: Trials, options: CovariateOptions) -> int:
    width = count_bins(options.window_s, trials.bin_s)
    if not 1 <= width <= trials.n_bins:
        low, high = trials.window_s
        raise ConfigError(f"--length {options.window_s:g}s: is no part of trials of {high - low:g} s")
    return width


def _visited(trials: Trials, columns: Sequence[int]) -> FloatArray:
    values = trials.covariates[:, :, columns][trials.observed[:, :, 0]]
    return np.asarray(values[:: max(1, len(values) // 1_000_000)], np.float64)


def _rows(trials: Trials, grid: Grid) -> IntArray:
    most = max(1, MOST_WORK // (trials.n_bins * len(grid.points)))
    if trials.n_trials <= most:
        return np.arange(trials.n_trials)
    return np.unique(np.linspace(0, trials.n_trials - 1, most).round().astype(np.int64))


def part_likelihoods(part: Part) -> dict[str, FloatArray]:
    """Return by model the log-likelihood of a unit's spikes in each window for each value (trial, window, point)."""
    run = reopen_once(part.folder, part.granted)
    trials = run.trials(part.unit).take(part.rows)
    found = {name: np.empty((len(part.rows), len(part.starts), len(part.points))) for name in part.models}
    members = {name: members_of_fold(run, name, part.unit, part.fold) for name in part.models}
    columns = list(part.columns)
    for k, point in enumerate(part.points):
        during, before = trials.covariates.copy(), trials.covariates_burn_in.copy()
        during[:, :, columns], before[:, :, columns] = point, point
        given = replace(trials, covariates=during, covariates_burn_in=before)
        for name, models in members.items():
            found[name][:, :, k] = _by_window(np.exp(mean_log_mu(models, given))[:, :, 0], given, part)
    return found


def _by_window(mu: FloatArray, trials: Trials, part: Part) -> FloatArray:
    """Return the log-likelihood of each window (trial, window)."""
    spikes, observed = trials.spikes[:, :, 0], trials.observed[:, :, 0]
    pieces = [slice(start, start + part.width) for start in part.starts]
    return np.stack(
        [log_likelihood(mu[:, at], spikes[:, at], observed[:, at], trials.observation) for at in pieces], axis=1
    )


@dataclass(frozen=True)
class _Windows:
    """What was recorded in each window (trial, window, ...), and which windows are at least half observed."""

    recorded: FloatArray
    known: BoolArray
    fold: IntArray

    @staticmethod
    def of(trials: Trials, columns: Sequence[int], starts: IntArray, width: int, fold: IntArray) -> _Windows:
        pieces = [slice(start, start + width) for start in starts]
        seen = np.stack([trials.observed[:, at, 0].sum(axis=1) for at in pieces], axis=1)  # (trial, window)
        values = [
            np.where(trials.observed[:, at], trials.covariates[:, at][:, :, columns], 0.0).sum(axis=1)
            for at in pieces
        ]
        recorded = np.stack(values, axis=1) / np.maximum(seen, 1)[:, :, None]
        return _Windows(recorded, 2 * seen >= width, np.repeat(fold[:, None], len(starts), axis=1))


def _decoded(
    run: Reopened, options: CovariateOptions, grid: Grid, windows: _Windows, found: Mapping[str, FloatArray]
) -> tuple[list[dict[str, Any]], dict[str, npt.ArrayLike]]:
    """Return rows and arrays of all models."""
    known = windows.known
    recorded, fold = windows.recorded[known], windows.fold[known]
    label = grid.nearest(recorded)
    held = known.any(axis=1)
    bootstrap = DecodingBootstrap(int(held.sum()), rng_for(run.job.id, "decoding", options.covariate, options.seed))
    rows, posteriors = [], []
    for name, likelihood in found.items():
        rng = rng_for(run.job.id, "decoding", options.covariate, options.seed, name)
        posterior, power = tempered(likelihood[known], label, grid.prior, fold)
        decoded = grid.mean(posterior)
        errors = np.full(known.shape, np.nan)
        errors[known] = distances(decoded, recorded)
        by_chance, p = chance_error(decoded, recorded, rng)
        bits = np.full(known.shape, np.nan)
        bits[known] = information(posterior, label, grid.prior)
        mean = bootstrap.means(np.nanmean(bits[held], axis=1)[:, None])
        rows.append(
            {
                "schema": DECODE_SCHEMA,
                "recording": run.job.name,
                "model": name,
                "covariate": options.covariate,
                "window_ms": 1000 * options.window_s,
                "n_windows": int(known.sum()),
                "n_trials": int(held.sum()),
                "n_points": len(grid.points),
                **_errors(errors, known, rng),
                "prior_rms_error": rms(distances(grid.prior @ grid.points, recorded)),
                "chance_error": by_chance,
                "error_p": p,
                **interval("information", mean),
                **over_folds("temperature", power),
            }
        )
        posteriors.append(posterior)
    arrays: dict[str, npt.ArrayLike] = {
        "model": np.array(list(found), dtype=str),
        "fold": fold,
        "points": grid.points,
        "prior": grid.prior,
        "recorded": recorded,
        "log2_posterior": np.array(posteriors, np.float32),
        "decoded": np.array([grid.mean(each) for each in posteriors]),
    }
    return rows, arrays


def _errors(errors: FloatArray, known: BoolArray, rng: np.random.Generator) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, statistic in (("rms_error", rms), ("median_error", median)):
        low, high = error_interval(errors, known, statistic, rng)
        found |= {name: statistic(errors[known]), f"{name}_low": low, f"{name}_high": high}
    return found
