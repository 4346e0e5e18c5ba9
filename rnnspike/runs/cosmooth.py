"""Co-smoothing of a recording: trials, folds and groups of units, the methods, and their rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.config import checked
from rnnspike.errors import ConfigError, ModelError, RecordingError, RunError
from rnnspike.evaluation.scores.cosmoothing import Score, scores
from rnnspike.evaluation.scores.likelihood import MIN_SPIKES, evaluated_mean_null, log_likelihood
from rnnspike.models.population.cosmoothing.average import psth
from rnnspike.models.population.cosmoothing.gpfa import gpfa
from rnnspike.models.population.cosmoothing.ridge import ridge
from rnnspike.models.population.cosmoothing.task import Prediction, Task, forward_groups, left_out_groups
from rnnspike.names import plain
from rnnspike.recording.data import Finding, Recording
from rnnspike.recording.read import read_recording
from rnnspike.runs.job import SHARED_SPIKES, PlannedRecording, planned
from rnnspike.runs.rows import COSMOOTH, COSMOOTH_SCHEMA
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.store import run_name
from rnnspike.runs.tasks import Progress, rng_for
from rnnspike.trials.align import count_bins
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.units import of_requested_units

#: Width of the bins where none is asked for, s.
BIN_S = 0.01
METHODS = ("psth", "ridge", "gpfa")
#: Settings that apply: those of reading, trials and units, and the folds.
APPLIES = frozenset(
    {"trials", "align", "window", "condition", "units", "segment", "min_spikes", "bin"}
    | {"time_scale", "event_offset", "events", "units_table", "sampling_rate", "drop_duplicates"}
    | {"allow_pickle", "follow_links", "folds", "fold_scheme"}
)
#: Those of them that a configuration gives; its bins are those of fits, which are narrower.
INHERITED = APPLIES - {"bin"}


@dataclass(frozen=True)
class CosmoothOptions:
    """What is predicted, and by which methods.

    Attributes
    ----------
    methods
        Of ``METHODS``.
    forward_s
        Predict this long an end of each trial from what came before, s; 0: co-smoothing.
    sigmas_s
        Standard deviations of the kernels of ``ridge``, s; empty: ``default_sigmas``.
    n_latents
        Latents of ``gpfa``; None: chosen on validation trials.
    seed
        Seed of the bootstrap.
    """

    methods: Sequence[str] = METHODS
    forward_s: float = 0.0
    sigmas_s: Sequence[float] = ()
    n_latents: int | None = None
    seed: int = 0

    @property
    def score(self) -> str:
        """Name of the score."""
        return "fp_bps" if self.forward_s else "co_bps"

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the rows, in order."""
        other = "co_bps" if self.forward_s else "fp_bps"
        return tuple(column.name for column in COSMOOTH if not column.name.startswith(other))

    def method(self, name: str) -> Callable[[Task], Iterator[Prediction]]:
        """Return a method by its name."""
        if name == "ridge":
            return partial(ridge, sigmas_s=self.sigmas_s or None)
        return partial(gpfa, n_latents=self.n_latents) if name == "gpfa" else psth


@dataclass(frozen=True)
class Population:
    """The units of a recording that were observed together, on Poisson bins.

    ``apart`` are units that were not, with the reason; ``doubled`` pairs of units that share spikes.
    """

    name: str
    loaded: PlannedRecording
    unit_ids: tuple[str, ...]
    apart: dict[str, str] = field(default_factory=dict)

    @property
    def left_out(self) -> dict[str, str]:
        """Units that take no part, with the reason."""
        return {**self.loaded.plan.left_out, **self.apart}

    @property
    def findings(self) -> list[Finding]:
        """What was odd in the recording and its trials."""
        found = (*self.loaded.recording.findings, *self.loaded.plan.findings)
        return list(of_requested_units(found, self.loaded.plan.left_out))

    @property
    def doubled(self) -> list[tuple[int, int]]:
        """Pairs of units that share spikes, by index."""
        index = {unit: u for u, unit in enumerate(self.unit_ids)}
        pairs = (sorted(index[unit] for unit in pair if unit in index) for pair in self.loaded.doubled)
        return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]

    def task(self, forward_s: float) -> Task:
        """Return what is predicted from what; RecordingError where the bins do not allow it."""
        trials, n = self.loaded.plan.trials(self.unit_ids), len(self.unit_ids)
        n_forward = count_bins(forward_s, trials.bin_s)
        path, (low, high), bin_s = self.loaded.recording.path, trials.window_s, trials.bin_s
        if forward_s and n_forward < 1:
            message = f"--forward {1e3 * forward_s:g}ms is less than a bin of {1e3 * bin_s:g} ms"
            raise RecordingError(path, message, f"--forward {1e3 * bin_s:g}ms or a narrower --bin")
        if n_forward >= trials.n_bins:
            message = f"--forward {forward_s:g}s leaves nothing to predict from in trials of {high - low:g} s"
            raise RecordingError(path, message, "a shorter --forward")
        groups = forward_groups(n) if forward_s else left_out_groups(n, self.doubled)
        return Task(trials, self.loaded.folds, groups, n_forward)


def load_population(source: Path | Recording, given: Mapping[str, Any], **granted: bool) -> Population:
    """Read the trials of a recording, or those of a run directory with its folds.

    Parameters
    ----------
    source
        A recording, its path or a run directory.
    given
        Fields of ``FitSettings`` (``APPLIES``); beside a run directory ``bin`` alone, by default that of the run or
        ``BIN_S``, whichever is wider.
    granted
        Settings of ``config.ONLY_FLAGS`` with which the recording of a run is read again.

    Raises
    ------
    ConfigError
        For settings that do not apply, or that cannot be used.
    RecordingError
        Where the recording cannot be used, or fewer than two units were recorded together.
    RunError
        Where a run directory cannot be.
    """
    if unused := sorted({*given} - APPLIES):
        raise ConfigError(f"{', '.join(unused)}: does not apply to co-smoothing (leave it out)")
    if isinstance(source, Recording) or not is_run(source):
        settings = checked({"bin": BIN_S, **given}, dict.fromkeys(given, "cosmooth"))
        settings = settings.model_copy(update={"observation": "poisson", "burn_in": 0.0})
        recording = source if isinstance(source, Recording) else read_recording(source, settings.read_options())
        return _together(run_name(recording.path), planned(recording, settings))
    if unused := sorted({*given} - {"bin", *granted}):
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in unused)
        raise ConfigError(f"{source}: a run has its own trials, units and folds: leave out {flags}")
    run = reopen(source, **granted)
    bin_s = given.get("bin") or max(run.job.settings.bin, BIN_S)
    options = replace(run.job.settings.trial_options(), bin_s=bin_s, observation="poisson", burn_in_s=0.0)
    plan = plan_trials(run.loaded.recording, options)
    if plan.n_trials != run.loaded.plan.n_trials:
        raise RunError(f"{source}: has other trials with bins of {bin_s:g} s (give --bin as in the run)")
    loaded = PlannedRecording(run.loaded.recording, plan, run.loaded.folds, run.loaded.n_folds)
    return _together(run.job.name, loaded)


def is_run(source: Path) -> bool:
    """Return whether a path is a run directory."""
    return (source / "settings.json").is_file()


def _together(name: str, loaded: PlannedRecording) -> Population:
    """Return the largest set of units that were observed in the same time."""
    by_time: dict[bytes, list[str]] = {}
    for unit in loaded.plan.unit_ids:
        by_time.setdefault(loaded.observed_time(unit), []).append(unit)
    kept = max(by_time.values(), key=len)
    if len(kept) < 2:
        alone = len(loaded.plan.unit_ids) == 1
        why = (
            "1 unit is left, and at least two are needed" if alone else "no two units were observed in the same time"
        )
        raise RecordingError(loaded.recording.path, why, "--units or --min-spikes 10")
    apart = {unit: "another observed time" for unit in loaded.plan.unit_ids if unit not in kept}
    return Population(name, loaded, tuple(kept), apart)


def cosmooth_rows(
    population: Population, options: CosmoothOptions, progress: Progress | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of each method as it is done: every unit, then all units pooled.

    Parameters
    ----------
    population
        Of ``load_population``.
    options
        What is predicted, and how.
    progress
        Called with (methods done, methods in all, the last one).

    Raises
    ------
    RecordingError
        Where ``forward_s`` is longer than the trials.
    ConfigError
        For a method that there is not.
    """
    for unknown in sorted({*options.methods} - {*METHODS}):
        raise ConfigError(f"--method {unknown}: no such method (there are {', '.join(METHODS)})")
    task = population.task(options.forward_s)
    remarks, n_read = _remarks(population, task), dict[int, int]()
    for group in task.groups:
        n_read |= dict.fromkeys(group.targets.tolist(), len(group.sources))
    for done, name in enumerate(options.methods, start=1):
        began = time.perf_counter()
        head = {
            "schema": COSMOOTH_SCHEMA,
            "recording": population.name,
            "method": name,
            "bin_ms": task.trials.bin_s * 1e3,
        }
        try:
            pooled, units = scored(task, options.method(name), options.seed)
        except ModelError as error:
            yield _row(options, {**head, "unit": None, "status": "skipped", "message": str(error)})
            if progress:
                progress(done, len(options.methods), f"{name} skipped")
            continue
        for u, (unit, score) in enumerate(zip(population.unit_ids, units, strict=True)):
            read, known = (0, None) if name == "psth" else (n_read[u], remarks.get(unit))
            why_none = f"no score: fewer than {MIN_SPIKES} spikes are scored" if math.isnan(score.value) else None
            message = "; ".join(filter(None, (known, why_none))) or None
            yield _row(options, {**head, "unit": unit, "n_read": read, "message": message, **_fields(options, score)})
        seconds = time.perf_counter() - began
        none = f"no score: no unit has {MIN_SPIKES} scored spikes" if math.isnan(pooled.value) else None
        yield _row(options, {**head, "unit": None, "seconds": seconds, "message": none, **_fields(options, pooled)})
        if progress:
            progress(done, len(options.methods), name)


def _row(options: CosmoothOptions, values: dict[str, Any]) -> dict[str, Any]:
    whole = plain(values)
    return {name: whole.get(name) for name in options.columns}


def _fields(options: CosmoothOptions, score: Score) -> dict[str, Any]:
    ends = {f"{options.score}_low": score.low, f"{options.score}_high": score.high}
    counts = {"n_trials": score.n_trials, "n_spikes": score.n_spikes}
    return {"status": "ok", options.score: score.value, **ends, **counts}


def _remarks(population: Population, task: Task) -> dict[str, str]:
    """Return by unit which others it is not predicted from because they share spikes."""
    if task.n_forward:
        return {}
    found: dict[str, list[str]] = {}
    for pair in population.doubled:
        for own, other in (pair, pair[::-1]):
            found.setdefault(population.unit_ids[own], []).append(population.unit_ids[other])
    return {
        unit: f"does not read unit{'s' * (len(others) > 1)} {', '.join(others)}: {SHARED_SPIKES}"
        for unit, others in found.items()
    }


def scored(task: Task, method: Callable[[Task], Iterator[Prediction]], seed: int = 0) -> tuple[Score, list[Score]]:
    """Return the score of a method on held-out trials: of all units pooled, and of each.

    Parameters
    ----------
    task
        What is predicted from what.
    method
        ``psth``, ``ridge`` or ``gpfa``.
    seed
        Seed of the bootstrap.

    Raises
    ------
    ModelError
        Where the method cannot predict such trials.
    """
    counts, observed = task.trials.counts[:, task.scored], task.observed[:, task.scored]
    found = np.full((len(counts), counts.shape[2]), np.nan)
    for each in method(task):
        spikes = counts[each.rows][:, :, each.targets]
        seen = np.broadcast_to(observed[each.rows][:, :, None], spikes.shape)
        found[np.ix_(each.rows, each.targets)] = log_likelihood(each.mu, spikes, seen, "poisson")
    everywhere = np.broadcast_to(observed[:, :, None], counts.shape)
    null = log_likelihood(evaluated_mean_null(counts, everywhere, "poisson"), counts, everywhere, "poisson")
    held = np.asarray(observed.any(axis=1))
    return scores(found, null, counts.sum(axis=1, dtype=np.int64), held, rng_for("co-smoothing", seed))
