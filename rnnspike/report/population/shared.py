"""What units share, in words and for the page: ``population.json`` and the verdicts by the others' activity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rnnspike.evaluation.departures.capture import ALPHA
from rnnspike.evaluation.shared.capture import LEAST_P, LEAST_P_SHUFFLED
from rnnspike.models.registry import is_population
from rnnspike.report.packing import rounded
from rnnspike.wording import p_text

#: The window that sentences speak of, ms: the nearest one is taken.
TOLD_MS = 50.0
#: What the page shows of each check, and of a model.
CHECKS = ("noise_correlation", "variance_ratio", "correlogram")
FIELDS = ("model", "joint", "verdict", "capture", "capture_low", "capture_high", "marks")

#: Verdicts and stabilities in a sentence.
VERDICTS = {
    "captured": "captured",
    "consistent": "not distinguishable from the recorded one, with too few trials to call it captured",
    "partly": "captured in part",
    "missed": "missed",
    "nothing to capture": "too small beside chance to say what share is captured",
}
STABILITIES = {"stable": "does not run away", "fragile": "is fragile", "divergent": "runs away"}


def shared_sentences(found: Mapping[str, Any] | None, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what the joint runs of a recording show, and the verdicts of its units, in sentences.

    Parameters
    ----------
    found
        What ``population.json`` holds; None where there is none.
    rows
        Rows of the run.
    """
    return [*(_recording_sentences(found) if found else []), *_unit_sentences(rows)]


def _recording_sentences(found: Mapping[str, Any]) -> list[str]:
    why = [f"{found['message']}."] if found["message"] else []
    if found["status"] != "ok":
        return [f"Units were not run together: {each}" for each in why]
    apart, joint, p = found["models"][0], found["models"][1:], found["shared"]
    where = f"{len(found['units'])} units, {found['n_trials']} held-out trials, {found['n_runs']} runs"
    tests = (
        f"p {p_text(p['p_side_by_side'], LEAST_P)} against {apart['model']} run unit by unit, "
        f"{p_text(p['p_shuffled'], LEAST_P_SHUFFLED)} against shuffled trials"
    )
    if p["p"] >= ALPHA:
        return [f"Noise correlations ({where}): {tests}; shared activity was not shown.", *why]
    w = told_window(found)
    recorded = found["recorded"]["noise_correlation"][w]
    told = "unknown" if recorded is None else f"{recorded:+.3f}"
    first = (
        f"Noise correlations, pair by pair ({where}): {tests}. Their mean may be unchanged if some are above 0 and "
        f"others below: in {found['window_ms'][w]:g} ms it is {told} recorded, unit by unit {_check(apart, w)}."
    )
    beside = len(found["left_out"])
    not_run = f" ({beside} more units were not run; where a model reads one, it is given its recorded spikes)"
    return [first, *(_model_sentence(model, w, not_run if beside else "") for model in joint), *why]


def told_window(found: Mapping[str, Any]) -> int:
    """Return the place of the window that sentences speak of."""
    return min(range(len(found["window_ms"])), key=lambda k: abs(found["window_ms"][k] - TOLD_MS))


def _model_sentence(model: Mapping[str, Any], window: int, not_run: str) -> str:
    ends = model["capture_low"], model["capture_high"]
    interval = "no interval" if None in ends else f"{ends[0]:.2f} to {ends[1]:.2f}"
    share = "" if model["capture"] is None else f", share {model['capture']:.2f} ({interval})"
    return (
        f"{model['model']} with the units fed their own and each other's simulated spikes{not_run}: "
        f"{_check(model, window)}; shared activity {VERDICTS[model['verdict']]}{share}, "
        f"p of what is left {p_text(model['p'], LEAST_P)}; it {STABILITIES[model['stability']]}."
    )


def _check(model: Mapping[str, Any], window: int) -> str:
    mean, low, high = (model["noise_correlation"][part][window] for part in ("mean", "low", "high"))
    return "unknown" if None in (mean, low, high) else f"{mean:+.3f} (95 % of replicates {low:+.3f} to {high:+.3f})"


def _unit_sentences(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    mine = [row for row in rows if is_population(row["model"]) and row.get("shared_verdict")]
    if not mine:
        return []
    judged, told = {row["unit"] for row in mine}, []
    off = {row["unit"] for row in mine if row["shared_verdict"] != "nothing to capture"}
    for model in dict.fromkeys(row["model"] for row in mine if row["unit"] in off):
        counts = Counter(row["shared_verdict"] for row in mine if row["model"] == model and row["unit"] in off)
        told.append(f"{model}: " + ", ".join(f"{verdict} on {n}" for verdict, n in counts.items()))
    verdicts = f" ({'; '.join(told)})" if told else ""
    first = "Sorted by the others' spikes in the last 50 and 200 ms, spikes rise or fall against what the GLM expects"
    return [f"{first} on {len(off)} of {len(judged)} units (corrected over units){verdicts}."]


def shared_payload(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the figures of shared activity are drawn from, or why there is nothing; None without joint runs.

    Parameters
    ----------
    found
        What ``population.json`` holds.
    """
    if found is None or found["status"] != "ok":
        return None if found is None else {"missing": found["message"]}
    kept = {name: found[name] for name in ("n_trials", "n_runs", "window_ms", "lag_ms", "shared")}
    models = [
        {name: model[name] for name in FIELDS}
        | {name: {part: _short(values) for part, values in model[name].items()} for name in CHECKS}
        for model in found["models"]
    ]
    recorded = {name: _short(found["recorded"][name]) for name in CHECKS}
    n_units = {"n_units": len(found["units"]), "n_left_out": len(found["left_out"])}
    return {**kept, **n_units, "recorded": recorded, "models": models}


def _short(values: Sequence[float | None]) -> Any:
    return rounded([float("nan") if value is None else value for value in values])
