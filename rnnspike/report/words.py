"""What the numbers say, in plain words; nothing that they do not carry."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnspike.report.load import Run

#: Rungs whose gain over ``psth-gain`` is memory of spikes.
MEMORY = ("renewal", "glm", "linear-rnn", "rnn", "gru", "lstm", "spike-lstm", "spike-lstm-glm", "stack")
#: A free run over fewer trials is said to be a first look.
FEW_SIMULATED = 10
VERDICTS = ("captured", "partly", "missed", "nothing to capture")


def headline_model(run: Run) -> str:
    """Return the rung that tiles and sentences speak of: the stack, or the best rung with memory, or the last one."""
    if "stack" in run.models:
        return "stack"
    memory = [model for model in run.models if model in MEMORY]
    return max(memory, key=lambda model: median_bits(run, model)) if memory else run.models[-1]


def scored(run: Run, model: str) -> list[dict[str, Any]]:
    """Return the rows of a model that have a score."""
    return [row for row in run.rows if row["model"] == model and row["bits_per_spike"] is not None]


def median_bits(run: Run, model: str) -> float:
    """Return the median bits/spike over units."""
    values = [row["bits_per_spike"] for row in scored(run, model)]
    return float(np.median(values)) if values else float("nan")


def protocol_line(run: Run) -> str:
    """Return recording and protocol in one line."""
    resolved = run.settings["resolved"]
    start, stop = resolved["window_s"]
    bin_ms = 1000 * run.settings["settings"]["bin"]["value"]
    return (
        f"{_units(len(run.units))}, {resolved['n_trials']} trials of {start:g} to {stop:g} s around "
        f"{resolved['align']} ({resolved['table']}), {bin_ms:g} ms bins, {resolved['n_folds']} folds: every trial is "
        "scored by models that have not seen it"
    )


def verdict_counts(run: Run, model: str, kind: str) -> dict[str, int]:
    """Return how many units have each verdict (``kind`` is refractory or adaptation)."""
    found = Counter(row[f"{kind}_verdict"] for row in scored(run, model))
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def gains_over(run: Run, model: str, base: str) -> list[tuple[str, float, float, float]]:
    """Return (unit, gain, low, high) of a model over another, from the stored pairs."""
    found = []
    for row in run.pairs.dropna(subset=["gain"]).to_dict("records"):
        if {row["model_a"], row["model_b"]} == {model, base}:
            sign = 1.0 if row["model_a"] == model else -1.0
            low, high = sorted((sign * float(row["gain_low"]), sign * float(row["gain_high"])))
            found.append((str(row["unit"]), sign * float(row["gain"]), low, high))
    return found


def summary(run: Run) -> list[str]:
    """Return the sentences at the head of the report."""
    if not run.units:
        return ["No unit could be fitted; the table of rows says why for each."]
    model = headline_model(run)
    sentences = [_memory_sentence(run, model), _sufficient_sentence(run, model)]
    sentences += [_verdict_sentence(run, model, kind) for kind in ("refractory", "adaptation")]
    sentences += [_ks_sentence(run, model), _free_run_sentence(run, model)]
    failed = [row for row in run.rows if row["status"] == "failed"]
    if failed:
        sentences.append(f"{len(failed)} fits failed; their rows say why.")
    return [sentence for sentence in sentences if sentence]


def _memory_sentence(run: Run, model: str) -> str:
    gains = gains_over(run, model, "psth-gain")
    if not gains:
        return f"{model} has a median of {median_bits(run, model):.3f} bits/spike over the mean rate."
    above = sum(low > 0 for _, _, low, _ in gains)
    below = sum(high < 0 for _, _, _, high in gains)
    middle = float(np.median([gain for _, gain, _, _ in gains]))
    have = "has" if len(gains) == 1 else "have"
    text = (
        f"{above} of {_units(len(gains))} {have} held-out spikes that spike history helps to predict: {model} finds "
        f"them more likely than the trial average with a slow gain does, outside the 95 % interval (median gain over "
        f"all units {middle:+.3f} bits/spike)."
    )
    if len(gains) > 1:
        text += f" These are {len(gains)} tests, one a unit; without any memory 1 in 40 would come out so by chance."
    return text + (f" On {below} it is worse, outside the interval." if below else "")


def sufficient(run: Run, model: str) -> dict[str, str]:
    """Return, for each unit, the first rung that ``model`` does not beat outside the 95 % interval."""
    beaten = {
        (str(row["unit"]), row["model_b"] if row["model_a"] == model else row["model_a"])
        for row in run.pairs.dropna(subset=["gain"]).to_dict("records")
        if (row["model_a"] == model and row["gain_low"] > 0) or (row["model_b"] == model and row["gain_high"] < 0)
    }
    return {
        row["unit"]: next(rung for rung in run.models if rung == model or (row["unit"], rung) not in beaten)
        for row in scored(run, model)
    }


def _sufficient_sentence(run: Run, model: str) -> str:
    with_memory = {unit for unit, _, low, _ in gains_over(run, model, "psth-gain") if low > 0}
    counts = Counter(rung for unit, rung in sufficient(run, model).items() if unit in with_memory)
    others = [rung for rung in run.models if counts[rung] and rung != model]
    if model not in MEMORY or not counts:
        return ""
    parts = ", ".join(f"{rung} on {counts[rung]}" for rung in others)
    simplest = f"On units with a gain the simplest rung that it does not beat outside the interval is {parts}."
    whole = f" On {counts[model]} {model} beats every other rung." if counts[model] else ""
    return ((simplest if parts else "") + whole).strip()


def _verdict_sentence(run: Run, model: str, kind: str) -> str:
    counts = verdict_counts(run, model, kind)
    if not counts:
        return ""
    what = {"refractory": "Refractoriness", "adaptation": "Adaptation"}[kind]
    parts = ", ".join(f"{verdict} on {number}" for verdict, number in counts.items())
    return f"{what}, by {model}: {parts}."


def _ks_sentence(run: Run, model: str) -> str:
    rows = [row for row in scored(run, model) if row["ks_p"] is not None]
    if not rows:
        return ""
    passed = sum(row["ks_p"] >= 0.05 for row in rows)
    worst = max(row["ks_d"] for row in rows)
    share = f"{passed} of {len(rows)}"
    seen = float(np.median([row["ks_d_detectable"] for row in rows if row.get("ks_d_detectable")] or [np.nan]))
    power = f"; a D under {seen:.3f} could not be told from 0 on half of them" if np.isfinite(seen) else ""
    return f"Time-rescaled intervals of {model} pass the KS test at 5 % on {share} (largest D {worst:.3f}{power})."


def _free_run_sentence(run: Run, model: str) -> str:
    rows = [row for row in scored(run, model) if row.get("free_run_stability")]
    if not rows:
        return ""
    stable = sum(row["free_run_stability"] == "stable" for row in rows)
    near = sum(abs((row["free_run_rate_ratio"] or 0.0) - 1) <= 0.1 for row in rows)
    rate = f"its rate is within 10 % of the recorded one on {near}"
    trials = f"over {run.n_simulated} of {run.settings['resolved']['n_trials']} trials"
    few = ", too few for more than a first look" if run.n_simulated < FEW_SIMULATED else ""
    return f"Fed its own spikes {trials}{few}, {model} stays stable on {stable} of {len(rows)}; {rate}."


def _units(total: int) -> str:
    return f"{total} unit{'s' * (total != 1)}"


def repeat_command(run: Run) -> str:
    """Return the command that repeats the run, from its settings alone."""
    words = ["rnnspike", "fit", run.provenance["input"].replace("\\", "/").rsplit("/", 1)[-1]]
    for name, entry in run.settings["settings"].items():
        if entry["source"] != "default" and name != "report":
            words += _option(name, entry["value"])
    return shlex.join(words)


def _option(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [option] if value else []
    if value is None:
        return []
    if name == "window":
        return [option, *map(str, value)]
    several: Sequence[Any] = value if isinstance(value, list) else [value]
    return [word for each in several for word in (option, str(each))]


def short_labels(labels: Sequence[str]) -> list[str]:
    """Return labels without the column's name where all have the same one."""
    names = {label.split("=", 1)[0] for label in labels if label.count("=") == 1}
    alike = len(names) == 1 and all(label.count("=") == 1 for label in labels)
    return [label.split("=", 1)[1] for label in labels] if alike else list(labels)
