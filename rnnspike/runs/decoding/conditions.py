"""Decoding of a run: the likelihood of held-out trials under each condition, by each model, and what it tells."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RunError
from rnnspike.evaluation.decoding.conditions import accuracy_interval, by_number_of_units, chance, confusion
from rnnspike.evaluation.decoding.posterior import DecodingBootstrap, information, log2_posterior, tempered
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.registry import MODELS, is_population, nearest_extended
from rnnspike.names import plain
from rnnspike.runs.decoding.likelihoods import (
    fitted_models,
    interval,
    mean_log_mu,
    members_of_fold,
    over_folds,
    reopen_once,
    stack_pools,
    units_with,
    without,
)
from rnnspike.runs.engines.engine import Engine, completed
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.rows import DECODE_COLUMNS, DECODE_SCHEMA
from rnnspike.runs.stored.decoding import write_decoding
from rnnspike.runs.stored.reopen import Reopened, reopen
from rnnspike.runs.tasks import Progress, rng_for
from rnnspike.trials.data import FloatArray, IntArray, Trials

Prior = Literal["uniform", "empirical"]
#: Models that are decoded by where none is asked for, as far as they were fitted; and population models.
DEFAULT = ("psth", "psth-gain", "glm", "stack")
#: Pieces of the window after which the posterior is looked at.
PIECES = 40
#: Bins times units that one model predicts at a time.
MOST_BINS = 20_000_000


@dataclass(frozen=True)
class DecodeOptions:
    """What is decoded, and by which models.

    ``models`` and ``units`` empty: ``DEFAULT`` and population models, and all units that have these. ``granted`` are
    the settings that ``reopen`` does not take from the run.
    """

    models: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    prior: Prior = "uniform"
    seed: int = 0
    granted: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """One call of a worker: the trials of a fold under some conditions, by models that have not seen them."""

    folder: Path
    granted: tuple[tuple[str, bool], ...]
    models: tuple[str, ...]
    units: tuple[str, ...]
    fold: int
    conditions: tuple[int, ...]


#: By model: log-likelihood of each unit (condition, trial, unit), and of all units up to the end of each piece of the
#: window (condition, trial, piece).
Likelihoods = dict[str, tuple[FloatArray, FloatArray]]


def decode_run(
    folder: str | Path,
    options: DecodeOptions | None = None,
    engine: Engine | None = None,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Decode the condition of each held-out trial of a run, and write ``decode.jsonl`` and ``decode.npz`` into it.

    Parameters
    ----------
    folder
        A finished run directory whose trials have conditions.
    options
        Models, units, prior.
    engine
        Where the work is done; in this process where None.
    progress
        Called with (parts done, parts in all, what was done last).

    Returns
    -------
    list
        One row per model (``runs.rows.DECODE``).

    Raises
    ------
    RunError
        Where there is no such run, it has one condition alone, or no unit has these models.
    """
    folder, options = Path(folder), options or DecodeOptions()
    run = reopen(folder, **options.granted)
    if len(run.loaded.plan.conditions) < 2:
        raise RunError(f"{folder}: its trials have one condition: fit it with --condition COLUMN")
    models = [name for name in fitted_models(run, options.models, DEFAULT, is_population) if name != "constant"]
    if not models:
        raise RunError(f"{folder}: constant knows no conditions (--models)")
    units, left_out = units_with(run, options.units, models)
    found = _likelihoods(run, options, models, units, engine or InProcess(), progress)
    rows, arrays = _decoded(run, options, units, left_out, found)
    write_decoding(folder, rows, arrays)
    return rows


def _likelihoods(
    run: Reopened,
    options: DecodeOptions,
    models: Sequence[str],
    units: Sequence[str],
    engine: Engine,
    progress: Progress | None,
) -> Likelihoods:
    """Return log-likelihoods of all trials, in their order."""
    n_conditions, folds = len(run.loaded.plan.conditions), run.loaded.folds
    n_parts = min(n_conditions, math.ceil(4 * engine.capacity / run.loaded.n_folds))
    granted = tuple(options.granted.items())
    parts = [
        Part(run.job.folder, granted, tuple(models), tuple(units), fold, tuple(some.tolist()))
        for fold in range(run.loaded.n_folds)
        for some in np.array_split(np.arange(n_conditions), n_parts)
    ]
    n_trials, n_pieces = len(folds), len(_piece_starts(run.loaded.plan.grid.n_bins))
    found = {
        name: (np.zeros((n_trials, n_conditions, len(units))), np.zeros((n_trials, n_conditions, n_pieces)))
        for name in models
    }
    if progress:
        progress(0, len(parts), "likelihoods")
    calls = [(k, (part,)) for k, part in enumerate(parts)]
    for done, (k, likelihoods) in enumerate(completed(engine, part_likelihoods, calls), start=1):
        rows, conditions = np.flatnonzero(folds == parts[k].fold), np.array(parts[k].conditions)
        for name, arrays in likelihoods.items():
            for whole, some in zip(found[name], arrays, strict=True):
                whole[np.ix_(rows, conditions)] = np.swapaxes(some, 0, 1)
        if progress:
            progress(done, len(parts), f"fold {parts[k].fold}")
    return found


def part_likelihoods(part: Part) -> Likelihoods:
    """Return the log-likelihoods of a fold's trials under some conditions."""
    run = reopen_once(part.folder, part.granted)
    rows = np.flatnonzero(run.loaded.folds == part.fold)
    plan, n_units = run.loaded.plan, len(part.units)
    starts = _piece_starts(plan.grid.n_bins)
    shape = len(part.conditions), len(rows)
    found = {name: (np.zeros((*shape, n_units)), np.zeros((*shape, len(starts)))) for name in part.models}
    size = max(1, MOST_BINS // (plan.grid.n_bins * n_units))
    for some in np.array_split(np.arange(len(rows)), -(-len(rows) // size)):
        of_units = [run.trials(unit).take(rows[some]) for unit in part.units]
        for c, condition in enumerate(part.conditions):
            code = np.full(len(some), condition)
            shared = _of_all_units(run, part, rows[some], code)
            for u, (unit, trials) in enumerate(zip(part.units, of_units, strict=True)):
                given = replace(trials, condition=code)
                for name, mu in _predictions(run, part, unit, given, shared).items():
                    pieces = _by_piece(mu, given, starts)
                    found[name][0][c, some, u] = pieces.sum(axis=1)
                    found[name][1][c, some] += pieces
    return {name: (whole, np.cumsum(pieces, axis=2)) for name, (whole, pieces) in found.items()}


def _needed(run: Reopened, part: Part, unit: str) -> tuple[list[str], dict[str, float], float]:
    """Return the models whose predictions are needed for a unit, and the stack's weights and scale."""
    weights, scale = stack_pools(run, unit)[str(part.fold)] if "stack" in part.models else ({}, 1.0)
    weights = {name: weight for name, weight in weights.items() if weight}
    return [name for name in dict.fromkeys([*part.models, *weights]) if name != "stack"], weights, scale


def _of_all_units(run: Reopened, part: Part, rows: IntArray, code: IntArray) -> dict[str, dict[str, FloatArray]]:
    """Return log mu (trial, bin) by model and unit of networks of all units: once, not once a unit."""
    found: dict[str, dict[str, FloatArray]] = {}
    for name in dict.fromkeys(name for unit in part.units for name in _needed(run, part, unit)[0]):
        if MODELS[name].pooled == "all":
            networks = members_of_fold(run, name, part.units[0], part.fold)
            assert isinstance(networks[0], FittedSharedState)
            unit_ids = list(networks[0].unit_ids)
            log_mu = mean_log_mu(networks, replace(run.loaded.trials(unit_ids).take(rows), condition=code))
            found[name] = {unit: log_mu[:, :, u] for u, unit in enumerate(unit_ids)}
    return found


def _predictions(
    run: Reopened, part: Part, unit: str, trials: Trials, shared: Mapping[str, Mapping[str, FloatArray]]
) -> dict[str, FloatArray]:
    """Return mu (trial, bin) of each model."""
    needed, weights, scale = _needed(run, part, unit)
    log_mu: dict[str, FloatArray] = {name: shared[name][unit] for name in needed if name in shared}
    for name in [name for name in needed if name not in shared]:
        log_mu[name] = mean_log_mu(members_of_fold(run, name, unit, part.fold), trials)[:, :, 0]
    found = {name: np.exp(log_mu[name]) for name in part.models if name != "stack"}
    if "stack" in part.models:
        found["stack"] = scale * np.exp(sum(weight * log_mu[name] for name, weight in weights.items()))
    return found


def _piece_starts(n_bins: int) -> IntArray:
    return np.linspace(0, n_bins, min(PIECES, n_bins), endpoint=False).astype(np.int64)


def _by_piece(mu: FloatArray, trials: Trials, starts: IntArray) -> FloatArray:
    """Return the log-likelihood of each piece of the window, (trial, piece)."""
    ends = np.append(starts[1:], mu.shape[1])
    spikes, observed, observation = trials.spikes[:, :, 0], trials.observed[:, :, 0], trials.observation
    columns = [
        log_likelihood(mu[:, a:b], spikes[:, a:b], observed[:, a:b], observation)
        for a, b in zip(starts, ends, strict=True)
    ]
    return np.stack(columns, axis=1)


def _decoded(
    run: Reopened, options: DecodeOptions, units: Sequence[str], left_out: Sequence[str], found: Likelihoods
) -> tuple[list[dict[str, Any]], dict[str, npt.ArrayLike]]:
    """Return rows and arrays of all models, on the trials in which any of the units was observed."""
    plan, models = run.loaded.plan, list(found)
    held = np.any([run.loaded.spikes(unit).observed[:, plan.grid.n_before :].any(axis=1) for unit in units], axis=0)
    label, n_conditions = plan.condition[held], len(plan.conditions)
    prior = np.full(n_conditions, 1 / n_conditions)
    if options.prior == "empirical":
        prior = np.bincount(label, minlength=n_conditions) / len(label)
    fold = run.loaded.folds[held]
    decoded = {name: tempered(found[name][1][held, :, -1], label, prior, fold) for name in models}
    whole = {name: posterior for name, (posterior, _) in decoded.items()}
    bits = {name: information(whole[name], label, prior) for name in models}
    seeds = run.job.id, "decoding", options.seed
    bootstrap = DecodingBootstrap(len(label), rng_for(*seeds))
    remarks = without(left_out)
    rows, curves = [], []
    for name in models:
        base = nearest_extended(name, [each for each in models if each != name])
        rows.append(
            {
                "schema": DECODE_SCHEMA,
                "recording": run.job.name,
                "model": name,
                "n_trials": len(label),
                "n_conditions": n_conditions,
                "n_units": len(units),
                "prior": options.prior,
                **_scores(whole[name], bits[name], label, prior, bootstrap, rng_for(*seeds, name)),
                **_untempered(found[name][1][held, :, -1], label, prior, bootstrap),
                **over_folds("temperature", decoded[name][1]),
                **_gain(base, bits[name] - bits[base] if base else None, bootstrap),
                "message": "; ".join(remarks) or None,
            }
        )
        curves.append(_curves(found[name], held, label, prior, fold, bootstrap, rng_for(*seeds, name, "units")))
    arrays: dict[str, npt.ArrayLike] = {
        "model": np.array(models, dtype=str),
        "unit": np.array(units, dtype=str),
        "conditions": np.array(plan.conditions, dtype=str),
        "trial": np.flatnonzero(held),
        "condition": label,
        "fold": fold,
        "log2_posterior": np.array([whole[name] for name in models], np.float32),
        "confusion": np.array([confusion(whole[name], label) for name in models]),
        "time_s": plan.window_s[0] + plan.bin_s * np.append(_piece_starts(plan.grid.n_bins)[1:], plan.grid.n_bins),
        **{key: np.array([each[key] for each in curves]) for key in curves[0]},
    }
    return [plain({column: row.get(column) for column in DECODE_COLUMNS}) for row in rows], arrays


def _scores(
    posterior: FloatArray,
    bits: FloatArray,
    label: IntArray,
    prior: FloatArray,
    bootstrap: DecodingBootstrap,
    rng: np.random.Generator,
) -> dict[str, Any]:
    n_right = int((posterior.argmax(axis=1) == label).sum())
    low, high = accuracy_interval(n_right, len(label))
    by_chance, mean = chance(posterior, label, prior, rng), bootstrap.means(bits[:, None])
    loss = bootstrap.means(-np.take_along_axis(posterior, label[:, None], axis=1))
    return {
        "accuracy": n_right / len(label),
        "accuracy_low": low,
        "accuracy_high": high,
        "chance_accuracy": by_chance.accuracy,
        "accuracy_p": by_chance.p_accuracy,
        **interval("information", mean),
        "information_p": by_chance.p_information,
        **interval("log_loss", loss),
    }


def _gain(base: str | None, difference: FloatArray | None, bootstrap: DecodingBootstrap) -> dict[str, Any]:
    if difference is None:
        return {}
    found = bootstrap.means(difference[:, None])
    return {"over": base, **interval("gain", found), "gain_p": float(bootstrap.p(difference[:, None])[0])}


def _untempered(
    log_likelihood: FloatArray, label: IntArray, prior: FloatArray, bootstrap: DecodingBootstrap
) -> dict[str, float]:
    bits = information(log2_posterior(log_likelihood, prior), label, prior)
    return interval("untempered_information", bootstrap.means(bits[:, None]))


def _curves(
    likelihoods: tuple[FloatArray, FloatArray],
    held: npt.NDArray[np.bool_],
    label: IntArray,
    prior: FloatArray,
    fold: IntArray,
    bootstrap: DecodingBootstrap,
    rng: np.random.Generator,
) -> dict[str, npt.ArrayLike]:
    """Return accuracy and information by time in the trial, and by number of units."""
    by_unit, by_time = (each[held] for each in likelihoods)
    posterior, _ = tempered(np.moveaxis(by_time, 2, 0), label, prior, fold)  # (piece, trial, condition)
    over_time = bootstrap.means(information(posterior, label, prior).T)
    subsets = list(by_number_of_units(by_unit, label, prior, fold, rng))
    return {
        "time.information": over_time.value,
        "time.information_low": over_time.low,
        "time.information_high": over_time.high,
        "time.accuracy": (posterior.argmax(axis=2) == label).mean(axis=1),
        "units.n": [size for size, _, _ in subsets],
        **{f"units.accuracy_{name}": [each(right) for _, right, _ in subsets] for name, each in OVER_SUBSETS.items()},
        **{
            f"units.information_{name}": [each(bits) for _, _, bits in subsets] for name, each in OVER_SUBSETS.items()
        },
    }


OVER_SUBSETS: dict[str, Callable[[FloatArray], Any]] = {"mean": np.mean, "lowest": np.min, "highest": np.max}
