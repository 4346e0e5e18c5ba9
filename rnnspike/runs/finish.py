"""The last task of a unit: predictions put together, free runs, evaluation, and its folder in the run directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnspike.evaluation.capture import MEMORYLESS
from rnnspike.evaluation.evaluate import Intensity, evaluate_unit
from rnnspike.evaluation.free_run import folds_to_simulate, long_run, simulate_long, simulated_trials
from rnnspike.evaluation.predictive import raster_arrays
from rnnspike.evaluation.stability import quasi_renewal
from rnnspike.models.glm import FittedGlm
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS
from rnnspike.models.simulate import simulate
from rnnspike.models.stack import NOT_NETWORKS, beyond_training
from rnnspike.neurons.truth import true_intensity, why_not_exact
from rnnspike.runs.job import Job, load_job
from rnnspike.runs.predictions import Rung, UnitPredictions
from rnnspike.runs.store import plain, read_json, safe_name, write_arrays, write_bytes, write_json
from rnnspike.runs.tasks import CLOSED_FORM, rng_for
from rnnspike.runs.training import MOST_TRAINING_SPIKES
from rnnspike.trials.data import CountArray, IntArray, Trials

#: How often a trial is run free: replicates are put together of these runs (``evaluation.predictive``).
FREE_RUNS = {"fast": 8, "standard": 20, "thorough": 200}
#: Bins times rows that the free runs of one model may take: a sub-design of trials keeps it bounded.
FREE_RUN_BINS = {"fast": 100_000, "standard": 400_000, "thorough": 40_000_000}
#: Folds at the least whose models are run free. Each goes from spike to spike by itself: few rows of two models take
#: nearly twice as long as all of them of one.
FREE_RUN_FOLDS = {"fast": 1, "standard": 2, "thorough": 2}
#: Bins of all trials of the raster of a free run, and how many long trials it shows at the least.
RASTER_BINS, FEWEST_SHOWN = 100_000, 10
#: Length of a long free run, s, and how many trials of a fold it takes.
LONG_RUN_S, LONG_RUN_TRIALS = 30.0, 20
#: A network that loses this part of what a plainer model finds has not learned what there is.
FAR_BEHIND = 0.1
#: With fewer trials in which the unit was held, rows carry a warning.
FEW_TRIALS = 10


def finish_unit(job: Job, unit_id: str) -> dict[str, Any]:
    """Evaluate a unit on its held-out trials and write ``units/<id>/``; return what the rows are made of.

    The result (``rows``, ``pairs``, ``rungs``) is kept in the work folder and returned from there when the task
    was done before.
    """
    done = job.work / f"finished_{safe_name(unit_id)}.json"
    if done.is_file():
        return dict(read_json(done))
    predictions = UnitPredictions(job, unit_id)
    trials, rungs, folds = predictions.trials, predictions.rungs(), predictions.loaded.folds
    mu: dict[str, Intensity] = {name: rung.mu for name, rung in rungs.items() if rung.mu is not None}
    outcomes = [rung_outcome(rung) for rung in rungs.values()]
    recording = load_job(job).recording
    why = why_not_exact(recording, trials)
    if why is not None:
        outcomes.append({"model": "oracle", "status": "skipped", "message": why, "seconds": 0.0})
    elif (truth := true_intensity(recording, trials)) is not None:
        mu["oracle"] = truth[:, :, 0]
    effort, n_replicates = job.settings.effort, job.settings.replicates
    n_runs = min(FREE_RUNS[effort], n_replicates)
    design, shown = trials_to_run(trials, folds, max(n_runs, 1), FREE_RUN_BINS[effort], FREE_RUN_FOLDS[effort])
    runs = free_runs(job, unit_id, predictions, rungs, design, shown, n_runs) if n_runs else ({}, {})
    simulated, rasters = runs
    result = evaluate_unit(
        trials,
        mu,
        simulated=simulated or None,
        simulated_trials=design,
        n_replicates=n_replicates,
        folds=folds,
        rng=rng_for(job.id, unit_id, "evaluation"),
    )
    rng = rng_for(job.id, unit_id, "long free run")
    rows = [with_quasi_renewal(row, rungs.get(row["model"]), predictions, rng) for row in result.rows]
    beyond, share = n_beyond_training(trials, folds), {name: rung.share for name, rung in rungs.items()}
    rows = [with_warnings(without_feedback(row), trials, beyond, share.get(row["model"], 1.0)) for row in rows]
    rows = [said(row, [behind(row, result.rows, result.pairs, effort)]) for row in rows]
    folder = job.folder / "units" / safe_name(unit_id)
    write_arrays(folder / "curves.npz", result.curves | raster_arrays(shown, rasters))
    write_bytes(folder / "per_trial.csv", result.per_trial.to_csv(index=False, lineterminator="\n").encode())
    write_json(
        folder / "stack.json", {str(t): w for t, w in rungs["stack"].weights.items()} if "stack" in rungs else {}
    )
    if job.settings.save_intensities:
        write_arrays(
            folder / "intensity.npz",
            {name: each[np.arange(trials.n_trials)].astype(np.float32) for name, each in mu.items()},
        )
    finished = {
        "unit": unit_id,
        "rows": rows,
        "pairs": result.pairs,
        "rungs": outcomes,
    }
    write_json(done, finished)
    return dict(plain(finished))


def trials_to_run(
    trials: Trials, folds: IntArray, n_runs: int, most_bins: int, fewest_folds: int = 2
) -> tuple[IntArray, IntArray]:
    """Return which trials are run free ``n_runs`` times, and which once, for the raster (index into ``trials``)."""
    held = trials.observed.any(axis=(1, 2))
    n_trials = len(simulated_trials(trials, n_runs, most_bins))
    around = np.flatnonzero(held & np.isin(folds, folds_to_simulate(folds[held], n_trials, fewest_folds)))
    some = trials.take(around)
    shown = simulated_trials(some, 1, max(RASTER_BINS, FEWEST_SHOWN * trials.n_bins))
    return around[simulated_trials(some, n_runs, most_bins)], around[shown]


def rung_outcome(rung: Rung) -> dict[str, Any]:
    """Return what became of a rung, without its arrays."""
    return {"model": rung.name, "status": rung.status, "message": rung.message, "seconds": rung.seconds}


def free_runs(
    job: Job,
    unit_id: str,
    predictions: UnitPredictions,
    rungs: Mapping[str, Rung],
    design: IntArray,
    shown: IntArray,
    n_runs: int,
) -> tuple[dict[str, CountArray], dict[str, CountArray]]:
    """Run every rung free over held-out trials: often over ``design``, once over ``shown``, the trials of the raster.

    Returns (run, trial, bin) for each rung, of the one and of the other. A trial is simulated by a model that
    never saw it: of a bag, the member chosen on its first validation fold.
    """
    trials = predictions.trials
    simulated, rasters = {}, {}
    for name, rung in rungs.items():
        if rung.mu is None or rung.free_runner is None:
            continue
        often = np.zeros((n_runs, len(design), trials.n_bins), np.uint8)
        once = np.zeros((1, len(shown), trials.n_bins), np.uint8)
        for test in range(predictions.n_folds):
            mine, mine_once = (np.flatnonzero(predictions.loaded.folds[each] == test) for each in (design, shown))
            if len(mine) or len(mine_once):
                rows = np.concatenate([np.tile(design[mine], n_runs), shown[mine_once]])
                needed, rows = np.unique(rows, return_inverse=True)
                rng = rng_for(job.id, unit_id, name, test, "free run")
                runs = simulate(rung.free_runner(test), trials.take(needed), rng, rows=rows)
                n_often = n_runs * len(mine)
                often[:, mine] = runs[:n_often].reshape(n_runs, len(mine), trials.n_bins)
                once[0, mine_once] = runs[n_often:]
        simulated[name], rasters[name] = often, once
    return simulated, rasters


def n_beyond_training(trials: Trials, folds: IntArray) -> int:
    """Return in how many trials a covariate lies beyond those of the trials that train their models."""
    held = trials.observed.any(axis=(1, 2))
    return sum(
        int(beyond_training(trials, here)[here & held].sum()) for here in (folds == f for f in np.unique(folds))
    )


def with_warnings(row: dict[str, Any], trials: Trials, n_beyond: int, share: float = 1.0) -> dict[str, Any]:
    """Return a row that says what to know of its figures: few trials, an input never seen, or more than enough."""
    model, held, remarks = row["model"], int(trials.observed.any(axis=(1, 2)).sum()), list[str]()
    if held < FEW_TRIALS and model not in (*CLOSED_FORM, "oracle"):
        remarks.append(
            f"the unit was held in {held} trials only: what a rung learns of them need not hold for others"
        )
    if n_beyond and model in MODELS and model not in (*NOT_NETWORKS, "constant"):
        remarks.append(
            f"in {n_beyond} of {held} trials a covariate lies beyond all that training showed: what networks say of"
            " them means little (the stack leaves networks out there)"
        )
    if share < 1:
        remarks.append(
            f"trained on {share:.0%} of the training trials, some {MOST_TRAINING_SPIKES:,} spikes a unit: enough"
        )
    return said(row, remarks)


def behind(
    row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]], effort: str
) -> str | None:
    """Return what to know of a network that finds spikes far less likely than a plainer model of its unit does.

    Far is a tenth of what that model gains, outside the paired interval: the figure is then one of a training that
    was too short or had too few spikes, not of the architecture.
    """
    model, bits = row["model"], row.get("bits_per_spike")
    if bits is None or model not in MODELS or model in (*NOT_NETWORKS, "constant"):
        return None
    plain = [each for each in rows if each["model"] in NOT_NETWORKS and each.get("bits_per_spike") is not None]
    best = max(plain, key=lambda each: float(each["bits_per_spike"]), default=None)
    if best is None or best["bits_per_spike"] - bits < FAR_BEHIND * abs(best["bits_per_spike"]):
        return None
    lost = [_gain(pair, best["model"], model) for pair in pairs]
    low, high = next((each for each in lost if each is not None), (np.nan, np.nan))
    if not low > 0:
        return None
    more = {"fast": "standard", "standard": "thorough"}.get(effort)
    hint = f" (--effort {more} trains longer)" if more else ""
    return (
        f"{low:.2g} to {high:.2g} bits/spike behind {best['model']}: trained too little, or on too few spikes{hint}"
    )


def _gain(pair: Mapping[str, Any], model: str, over: str) -> tuple[float, float] | None:
    """Return the interval of a model's gain over another where the pair is of these two."""
    if (pair["model_a"], pair["model_b"]) == (model, over):
        return pair["gain_low"], pair["gain_high"]
    if (pair["model_b"], pair["model_a"]) == (model, over):
        return -pair["gain_high"], -pair["gain_low"]
    return None


def said(row: Mapping[str, Any], more: Sequence[str | None]) -> dict[str, Any]:
    """Return a row whose message goes on with these."""
    return {**row, "message": "; ".join(filter(None, [row.get("message"), *more])) or None}


def without_feedback(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row; a rung that does not read its own spikes cannot run away, however far off its rate is."""
    feeds_back = row["model"] not in MEMORYLESS or row.get("free_run_stability") is None
    return dict(row) if feeds_back else {**row, "free_run_stability": "stable"}


def with_quasi_renewal(
    row: Mapping[str, Any], rung: Rung | None, predictions: UnitPredictions, rng: np.random.Generator
) -> dict[str, Any]:
    """Return a row with the quasi-renewal verdict of a history filter, and stability checked against it.

    The analysis treats all spikes but the last on average, and warns of filters that keep their rate; where it warns
    of one whose short free runs were stable, and where these hold few escapes, a long one decides (science.md b.5).
    """
    model = rung.free_runner(0) if rung is not None and rung.free_runner is not None else None
    if not isinstance(model, FittedGlm) or not model.layout.parts.history:
        return dict(row)
    last_spike = model.age_table[1 : model.layout.age.n_lags + 1]
    found = quasi_renewal(
        float(model.drive.mean()), model.kernel, last_spike, model.layout.bin_s, slow=model.trace_log_gain
    )
    verdict = row.get("free_run_stability")
    if verdict == "fragile" or (verdict == "stable" and found.verdict != "stable"):
        held_out = predictions.trials.take(np.flatnonzero(predictions.loaded.folds == 0)[:LONG_RUN_TRIALS])
        verdict = long_run_stability(model, held_out, rng)
    return {
        **row,
        "free_run_stability": verdict,
        "quasi_renewal": found.verdict,
        "quasi_renewal_stable_hz": found.stable_hz[0] if found.stable_hz else None,
        "quasi_renewal_unstable_hz": found.unstable_hz[0] if found.unstable_hz else None,
    }


def long_run_stability(model: FittedModel, trials: Trials, rng: np.random.Generator) -> str:
    """Return the verdict of windows simulated on end, each from the spikes of the one before."""
    n_rounds = int(np.clip(np.ceil(LONG_RUN_S / (trials.n_bins * trials.bin_s)), 4, 100))
    return long_run(simulate_long(model, trials, n_rounds, rng), trials).stability
