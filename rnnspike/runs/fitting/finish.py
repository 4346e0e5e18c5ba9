"""The last task of a unit: predictions put together, free runs, evaluation, and its folder in the run directory."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.evaluation.departures.verdicts import WITHOUT_HISTORY, row_is_memoryless
from rnnspike.evaluation.evaluate import EvaluationSettings, Intensity, evaluate_unit
from rnnspike.evaluation.free_running.free_run import folds_to_simulate, long_run, simulate_long, simulated_trials
from rnnspike.evaluation.free_running.predictive import raster_arrays
from rnnspike.evaluation.free_running.stability import quasi_renewal
from rnnspike.evaluation.scores.comparison import nadeau_bengio
from rnnspike.files import write_file
from rnnspike.models.combine.stack import beyond_training
from rnnspike.models.packed import FOLDER, pack
from rnnspike.models.protocol import FittedModel, HasSpikeFeedback
from rnnspike.models.registry import MODELS, has_memory, is_network, is_population, without_history
from rnnspike.models.simulate import simulate
from rnnspike.neurons.truth import is_known, true_intensity, why_not_exact
from rnnspike.recording.data import Recording
from rnnspike.runs.fitting.links import BASE, write_tests
from rnnspike.runs.fitting.population import population_remarks
from rnnspike.runs.fitting.predictions import ModelPrediction, UnitPredictions, held_out_file, rung_names
from rnnspike.runs.fitting.reading import reading_file
from rnnspike.runs.fitting.training import (
    MOST_TRAINING_SPIKES,
    capture_failure,
    is_done,
    pair_folder,
    pooled_folder,
    predictions_file,
    rung_folder,
    together_folder,
)
from rnnspike.runs.job import Job, load_job
from rnnspike.runs.stored.store import frame_csv, read_json, safe_name, write_arrays, write_json
from rnnspike.runs.tasks import Lost, Task, ladder, pairs_of, rng_for
from rnnspike.trials.data import CountArray, IntArray, Trials

log = logging.getLogger(__name__)

#: How often a trial is run free: replicates are put together of these runs (``evaluation.free_running.predictive``).
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
#: Lags of the history filter that tell of adaptation (science.md#kinds).
LATE_HISTORY_S = (0.1, 1.0)
#: A network that loses this part of what a plainer model finds has not learned what there is.
FAR_BEHIND = 0.1
#: Why rates that depend on spikes have no free-run checks.
NOT_RUN_FREE = "not run free: the rates are given for the recorded past only"
#: With fewer trials in which the unit was held, rows carry a warning.
FEW_TRIALS = 10


def finish_unit(job: Job, unit_id: str, lost: Lost | None = None) -> None:
    """Evaluate a unit on its held-out trials and write ``units/<id>/``; keep what its rows are made of.

    That (``rows``, ``pairs``, ``rungs``) lies in the work folder, and is not made again unless trainings of the unit
    were ``lost`` (``read_finished``).
    """
    if finished_file(job, unit_id).is_file():
        return
    predictions = UnitPredictions(job, unit_id, lost)
    trials, rungs, folds = predictions.trials, predictions.rungs(), predictions.loaded.folds
    mu: dict[str, Intensity] = {name: rung.mu for name, rung in rungs.items() if rung.mu is not None}
    status, why = capture_failure(lambda: write_tests(job, predictions, rungs))
    if status != "ok":
        log.warning("%s: unit %s: links to other units were not tested: %s", job.name, unit_id, why)
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
    nulls = shuffled_predictions(predictions, rungs)
    result = evaluate_unit(
        trials,
        mu,
        simulated=simulated or None,
        simulated_trials=design,
        n_replicates=n_replicates,
        folds=folds,
        nulls={name: null.mu for name, null in nulls.items() if null.mu is not None},
        memoryless=[name for name, rung in rungs.items() if rung.given == WITHOUT_HISTORY],
        rng=rng_for(job.id, unit_id, "evaluation"),
        settings=EvaluationSettings(metrics=job.settings.metrics),
    )
    rng = rng_for(job.id, unit_id, "long free run")
    rows = [with_given(row, rungs.get(row["model"])) for row in result.rows]
    rows = [with_quasi_renewal(row, rungs.get(row["model"]), predictions, rng) for row in rows]
    rows = [with_late_history(row, rungs.get(row["model"]), predictions.n_folds) for row in rows]
    beyond, share = n_beyond_training(trials, folds), {name: rung.share for name, rung in rungs.items()}
    rows = [with_warnings(without_feedback(row), trials, beyond, share.get(row["model"], 1.0)) for row in rows]
    rows = [
        append_messages(row, population_remarks(trials, rungs[row["model"]].free_runner, nulls.get(row["model"])))
        if is_population(row["model"])
        else row
        for row in rows
    ]
    rows = [append_messages(row, [added_history_remark(row["model"], result.pairs)]) for row in rows]
    rows = [append_messages(row, [underperformance_warning(row, result.rows, result.pairs, effort)]) for row in rows]
    folder = job.folder / "units" / safe_name(unit_id)
    write_arrays(folder / "curves.npz", result.curves | raster_arrays(shown, rasters))
    write_file(folder / "per_trial.csv", frame_csv(result.per_trial))
    stack = rungs.get("stack", ModelPrediction("stack"))
    write_json(folder / "stack.json", {t: {"weights": w, "scale": stack.scales[t]} for t, w in stack.weights.items()})
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
    pack(folder / FOLDER)
    write_json(finished_file(job, unit_id, whole=not lost), finished)
    if not lost:
        remove_predictions(job, unit_id)


def finished_file(job: Job, unit_id: str, whole: bool = True) -> Path:
    """Return where what the rows of a unit are made of lies; not ``whole``, where trainings of it were lost."""
    return job.work / f"{'finished' if whole else 'partly'}_{safe_name(unit_id)}.json"


def remove_predictions(job: Job, unit_id: str) -> None:
    """Remove what only the evaluation of a unit reads, which is most of the work folder, and of its group with it."""
    loaded, effort = load_job(job), job.settings.effort
    for name in ladder(job.settings.models):
        pooled = MODELS[name].pooled
        if name != BASE and not is_population(name):  # these are tested for all units together
            held_out_file(job, unit_id, name).unlink(missing_ok=True)
        group = loaded.group_of(name, unit_id)
        units = loaded.pooled_units(name)[group] if pooled else (unit_id,)
        if all(finished_file(job, each).is_file() for each in units):
            for pair in pairs_of(name, loaded.n_folds, effort):
                (rung_folder(job, name, unit_id, pair) / predictions_file(name)).unlink(missing_ok=True)


def is_task_done(job: Job, task: Task) -> bool:
    """Say whether a task left its mark in the work folder."""
    if task.kind == "finish":
        return finished_file(job, str(task.unit)).is_file()
    if task.kind == "read":
        return reading_file(job, str(task.unit)).is_file()
    if task.kind == "together":
        return is_done(together_folder(job, str(task.rung)))
    assert task.pair is not None
    if task.kind == "pooled":
        return is_done(pooled_folder(job, str(task.rung), task.pair, task.group))
    return is_done(pair_folder(job, str(task.unit), task.pair))


def read_finished(
    job: Job, unit_id: str, lost: Lost | None = None, recording: Recording | None = None
) -> dict[str, Any]:
    """Return what the rows of a unit are made of: ``rows``, ``pairs`` and ``rungs``; all failed where it was lost.

    The recording, where it was read, tells whether there is a true intensity, which has a row too.
    """
    file = finished_file(job, unit_id)
    if not file.is_file():
        why = (lost or {}).get(Task("finish", unit_id))
        if why is not None:
            outcome = {"status": "failed", "message": why, "seconds": 0.0}
            names = [*rung_names(job), *(["oracle"] if recording and is_known(recording, unit_id) else [])]
            rungs = [{"model": name, **outcome} for name in names]
            return {"unit": unit_id, "rows": [], "pairs": [], "rungs": rungs}
        file = finished_file(job, unit_id, whole=False)
    return read_json(file, {"unit": str})


def shuffled_predictions(
    predictions: UnitPredictions, rungs: Mapping[str, ModelPrediction]
) -> dict[str, ModelPrediction]:
    """Return what each population model that was fitted predicts on shuffled trials, or why it does not."""
    nulls = {name: predictions.null(name) for name, rung in rungs.items() if rung.mu is not None}
    return {name: null for name, null in nulls.items() if null is not None}


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


def rung_outcome(rung: ModelPrediction) -> dict[str, Any]:
    """Return what became of a rung, without its arrays."""
    return {"model": rung.name, "status": rung.status, "message": rung.message, "seconds": rung.seconds}


def free_runs(
    job: Job,
    unit_id: str,
    predictions: UnitPredictions,
    rungs: Mapping[str, ModelPrediction],
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
    if held < FEW_TRIALS and has_memory(model):
        remarks.append(
            f"the unit was held in {held} trials only: what a rung learns of them need not hold for others"
        )
    if n_beyond and is_network(model):
        remarks.append(
            f"in {n_beyond} of {held} trials a covariate lies beyond all that training showed: what networks say of"
            " them means little (the stack leaves networks out there)"
        )
    if share < 1:
        remarks.append(
            f"trained on {share:.0%} of the training trials, some {MOST_TRAINING_SPIKES:,} spikes a unit: enough"
        )
    return append_messages(row, remarks)


def underperformance_warning(
    row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], pairs: Sequence[Mapping[str, Any]], effort: str
) -> str | None:
    """Return what to know of a network that finds spikes far less likely than a plainer model of its unit does.

    Far is a tenth of what that model gains, outside the paired interval: the figure is then one of a training that
    was too short or had too few spikes, not of the architecture.
    """
    model, bits = row["model"], row.get("bits_per_spike")
    if bits is None or not is_network(model):
        return None
    plain = [each for each in rows if _is_plain(each["model"]) and each.get("bits_per_spike") is not None]
    best = max(plain, key=lambda each: float(each["bits_per_spike"]), default=None)
    if best is None or best["bits_per_spike"] - bits < FAR_BEHIND * abs(best["bits_per_spike"]):
        return None
    lost = [_gain(pair, best["model"], model) for pair in pairs]
    low, high = next((each for each in lost if each is not None), (np.nan, np.nan))
    if not low > 0:
        return None
    more = {"fast": "standard", "standard": "thorough"}.get(effort)
    hint = f" (--effort {more} trains longer)" if more else ""
    behind = f"{low:.2g} to {high:.2g} bits/spike behind {best['model']}"
    return f"{behind}: perhaps trained too little, or on too few spikes{hint}"


def _is_plain(model: str) -> bool:
    """Say whether a model is one that a network should not fall behind: a plainer one of the unit's own past."""
    return model in MODELS and MODELS[model].stacked and not is_network(model) and not is_population(model)


def _gain(pair: Mapping[str, Any], model: str, over: str) -> tuple[float, float] | None:
    """Return the interval of a model's gain over another where the pair is of these two."""
    if (pair["model_a"], pair["model_b"]) == (model, over):
        return pair["gain_low"], pair["gain_high"]
    if (pair["model_b"], pair["model_a"]) == (model, over):
        return -pair["gain_high"], -pair["gain_low"]
    return None


def append_messages(row: Mapping[str, Any], more: Sequence[str | None]) -> dict[str, Any]:
    """Return a row whose message goes on with these."""
    return {**row, "message": "; ".join(filter(None, [row.get("message"), *more])) or None}


def with_given(row: Mapping[str, Any], rung: ModelPrediction | None) -> dict[str, Any]:
    """Return a row of rates that were given with word of it, and why they were not run free."""
    if rung is None or rung.given is None:
        return dict(row)
    row = {**row, "given": rung.given}
    return row if rung.free_runner else append_messages(row, [NOT_RUN_FREE])


def added_history_remark(model: str, pairs: Sequence[Mapping[str, Any]]) -> str | None:
    """Return what spike history on top of given rates gained over them, in words; None for any other model."""
    plain = without_history(model)
    pair = next((each for each in pairs if {each["model_a"], each["model_b"]} == {model, plain}), None)
    if pair is None:
        return None
    sign = 1 if pair["model_a"] == model else -1
    gain, *ends = (sign * pair[name] for name in ("gain", "gain_low", "gain_high"))
    interval = f" ({min(ends):.3f} to {max(ends):.3f})" if np.isfinite(ends).all() else ""
    return f"history gains {gain:+.3f} bits/spike over {plain}{interval}"


def without_feedback(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row; a rung that does not read its own spikes cannot run away, however far off its rate is."""
    feeds_back = not row_is_memoryless(row) or row.get("free_run_stability") is None
    return dict(row) if feeds_back else {**row, "free_run_stability": "stable"}


def with_quasi_renewal(
    row: Mapping[str, Any], rung: ModelPrediction | None, predictions: UnitPredictions, rng: np.random.Generator
) -> dict[str, Any]:
    """Return a row with the quasi-renewal verdict of a history filter, and stability checked against it.

    The analysis treats all spikes but the last on average, and warns of filters that keep their rate; where it warns
    of one whose short free runs were stable, and where these hold few escapes, a long one decides
    (science.md#free-run).
    """
    model = rung.free_runner(0) if rung is not None and rung.free_runner is not None else None
    feedback = model.spike_feedback() if isinstance(model, HasSpikeFeedback) else None
    if model is None or feedback is None:
        return dict(row)
    found = quasi_renewal(
        feedback.log_drive, feedback.kernel, feedback.last_spike, feedback.bin_s, slow=feedback.slow_gain
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


def with_late_history(row: Mapping[str, Any], rung: ModelPrediction | None, n_folds: int) -> dict[str, Any]:
    """Return a row with the late part of a model's history filter: a witness of adaptation that slow drive hides.

    Interval over folds, whose training sets overlap (Nadeau and Bengio 2003).
    """
    runner = rung.free_runner if rung is not None else None
    if runner is None or not isinstance(runner(0), HasSpikeFeedback):
        return dict(row)
    sums = [late_history(runner(fold)) for fold in range(n_folds)]
    known = [each for each in sums if each is not None]
    if len(known) < n_folds:
        return dict(row)
    value, low, high, _ = nadeau_bengio(known, 1.0, n_folds - 1.0)
    return {**row, "late_history": value, "late_history_low": low, "late_history_high": high}


def late_history(model: FittedModel) -> float | None:
    """Return the log gain of one spike summed over lags of 100 to 1000 ms; None for a model without history."""
    feedback = model.spike_feedback() if isinstance(model, HasSpikeFeedback) else None
    if feedback is None:
        return None
    first, last = (round(each / feedback.bin_s) for each in LATE_HISTORY_S)
    return float(feedback.kernel[first - 1 : last].sum())


def long_run_stability(model: FittedModel, trials: Trials, rng: np.random.Generator) -> str:
    """Return the verdict of windows simulated on end, each from the spikes of the one before."""
    n_rounds = int(np.clip(np.ceil(LONG_RUN_S / (trials.n_bins * trials.bin_s)), 4, 100))
    return long_run(simulate_long(model, trials, n_rounds, rng), trials).stability
