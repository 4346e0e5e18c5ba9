"""Tests of all pairs of units put together when a run is written: ``coupling.csv``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.evaluation.links import NONE, Synchrony, verdicts
from rnnspike.models.population.features import sources_of
from rnnspike.models.population.links import source_tests
from rnnspike.models.registry import is_population
from rnnspike.runs.fitting.predictions import ModelPrediction, UnitPredictions, held_out_file
from rnnspike.runs.job import Job, PlannedRecording, load_job
from rnnspike.runs.rows import COUPLING_COLUMNS, SCHEMA
from rnnspike.runs.stored.store import read_json, safe_name, write_csv, write_json
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

#: The model whose residuals are tested, and the file of the pairs.
BASE, COUPLING_FILE = "glm", "coupling.csv"
#: Bins times units that are in memory at a time.
BLOCK_BINS = 4_000_000
NOT_TESTED = "not tested"


def write_tests(job: Job, predictions: UnitPredictions, rungs: Mapping[str, ModelPrediction]) -> None:
    """Test the other units' past on a unit, over its history model's held-out mu, and keep the result as work."""
    base, trials = rungs[BASE].mu if BASE in rungs else None, predictions.trials
    if base is None or not any(is_population(name) for name in rungs):
        return
    tests = source_tests(trials, np.log(base[np.arange(trials.n_trials)].astype(np.float64)))
    found = {"tests": [asdict(test) for test in tests], "passed_over": len(sources_of(trials)) - len(tests)}
    write_json(_tests_file(job, predictions.unit_id), found)


def _tests_file(job: Job, unit_id: str) -> Path:
    """Return where the tests of a unit lie until the run is complete."""
    return job.work / f"links_{safe_name(unit_id)}.json"


def write_links(job: Job) -> None:
    """Write ``coupling.csv``: pairs of units with their test, and what may be said of them."""
    write_csv(job.folder / COUPLING_FILE, link_rows(job, load_job(job)), COUPLING_COLUMNS)


def link_rows(job: Job, loaded: PlannedRecording) -> Iterator[dict[str, Any]]:
    """Yield a row for each target and source, but those that a first look passed over: of many units nearly all."""
    tested = [unit for unit in loaded.plan.unit_ids if _tests_file(job, unit).is_file()]
    stored = {
        target: read_json(_tests_file(job, target), {"tests": list[dict[str, Any]], "passed_over": int})
        for target in tested
    }
    tests = {(target, test["source"]): test for target, each in stored.items() for test in each["tests"]}
    n_passed_over = sum(each["passed_over"] for each in stored.values())
    passed_over = {
        (target, source)
        for target, each in stored.items()
        if each["passed_over"]
        for source in loaded.others([target]).unit_ids
        if (target, source) not in tests
    }
    pairs = [pair for pair in permutations(loaded.plan.unit_ids, 2) if pair not in passed_over]
    synchrony = residual_synchrony(job, tested, {frozenset(pair) for pair in pairs if set(pair) <= stored.keys()})
    found = verdicts({pair: test["p"] for pair, test in tests.items()}, synchrony, n_passed_over)
    for pair in pairs:
        yield _row(job.name, pair, tests.get(pair, {}), found.get(pair), synchrony, loaded.doubled)


def _row(
    recording: str,
    pair: tuple[str, str],
    test: Mapping[str, Any],
    found: tuple[float, str] | None,
    synchrony: Mapping[frozenset[str], float],
    doubled: Mapping[frozenset[str], float],
) -> dict[str, Any]:
    q, verdict = found or (None, NOT_TESTED)
    peak = test.get("peak") if verdict not in (NONE, NOT_TESTED) else None
    return {
        "schema": SCHEMA,
        "recording": recording,
        "target": pair[0],
        "source": pair[1],
        **{name: test.get(name) for name in ("statistic", "df", "p")},
        "q": q,
        **{name: test.get(name) for name in ("gain", "peak", "peak_lag_ms")},
        "sign": None if peak is None else "more" if peak > 0 else "fewer",
        "synchrony_z": synchrony.get(frozenset(pair)),
        "shared_spikes": doubled.get(frozenset(pair), 0.0),
        "verdict": verdict,
    }


def residual_synchrony(
    job: Job, units: Sequence[str], pairs: Collection[frozenset[str]]
) -> dict[frozenset[str], float]:
    """Return the standardised covariance of the residuals in the same bin of pairs of these units."""
    if len(units) < 2:
        return {}
    loaded = load_job(job)
    plan = loaded.plan
    total = Synchrony(len(units), plan.observation)
    for rows in _blocks(plan.n_trials, plan.grid.n_bins * len(units)):
        columns = [_bins(job, loaded, unit, rows) for unit in units]
        total.add(*(np.stack(each, axis=1) for each in zip(*columns, strict=True)))
    z, at = total.z, {unit_id: k for k, unit_id in enumerate(units)}
    return {pair: float(z[tuple(at[unit_id] for unit_id in pair)]) for pair in pairs}


def _blocks(n_trials: int, bins_each: int) -> Iterator[IntArray]:
    step = max(1, BLOCK_BINS // max(bins_each, 1))
    for start in range(0, n_trials, step):
        yield np.arange(start, min(start + step, n_trials))


def _bins(
    job: Job, loaded: PlannedRecording, unit_id: str, rows: IntArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return spikes as scored, mu and mask of a unit's bins in some trials, each (bin,)."""
    spikes, window = loaded.spikes(unit_id), slice(loaded.plan.grid.n_before, None)
    mu = np.load(held_out_file(job, unit_id, BASE), mmap_mode="r")[rows]
    counts = spikes.counts(rows)[:, window].astype(np.float64)
    return counts.ravel(), np.asarray(mu, np.float64).ravel(), spikes.observed[rows, window].ravel()
