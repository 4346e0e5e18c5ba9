"""What the numbers say, in plain words; nothing that they do not carry."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnspike.config import FitSettings
from rnnspike.evaluation.departures.verdicts import foreign_share_is_high
from rnnspike.models.registry import has_memory, is_population, without_history
from rnnspike.report.load import Run
from rnnspike.report.population.shared import shared_sentences
from rnnspike.report.tallies import (
    LEVEL,
    NEAR_RATE,
    beaten,
    gains_over,
    headline_model,
    median_bits,
    rate_kept,
    rungs,
    scored,
    scored_rungs,
    sufficient,
    verdict_counts,
)
from rnnspike.wording import command_line, counted

#: A free run over fewer trials is said to be a first look.
FEW_SIMULATED = 10
#: Verdicts of a model on a departure that is there, in the order in which they are told.
VERDICTS = ("captured", "consistent", "partly", "missed")
#: How a sentence tells of units with a kind of departure.
_SAID = {
    "refractory": {
        "dip": "a refractory dip",
        "dip and excess": "a refractory dip, then early excess (bursting)",
        "excess": "early excess (bursting)",
    },
    "adaptation": {
        "falling": "a rate that falls with recent spikes (adaptation)",
        "rising": "a rate that rises with recent spikes (slow drive or bursting)",
        "mixed": "a rate that falls and rises with recent spikes, by window",
    },
}


def protocol_line(run: Run) -> str:
    """Return recording and protocol in one line."""
    resolved = run.settings["resolved"]
    start, stop = resolved["window_s"]
    bin_ms = 1000 * run.settings["settings"]["bin"]["value"]
    return (
        f"{_units(len(run.units))}, {resolved['n_trials']} trials of {start:g} to {stop:g} s around "
        f"{resolved['align']} ({resolved['table']}), {bin_ms:g} ms bins, {resolved['n_folds']} folds: every trial is "
        "scored by fits that have not seen it"
    )


def summary(run: Run) -> list[str]:
    """Return the sentences at the head of the report."""
    if not run.units:
        return ["No unit could be fitted; the table of rows says why for each."]
    model = headline_model(run)
    sentences = [_memory_sentence(run, model), _sufficient_sentence(run, model)]
    sentences += [_verdict_sentence(run, model, kind) for kind in ("refractory", "adaptation")]
    sentences += [_ks_sentence(run, model), _free_run_sentence(run, model), *_added_history_sentences(run)]
    sentences += _population_sentences(run)
    sentences += shared_sentences(run.population, run.rows)
    failed = [row for row in run.rows if row["status"] == "failed"]
    if failed:
        sentences.append(counted(len(failed), "fit{s} failed: see 'What was dropped'."))
    return [sentence for sentence in sentences if sentence]


def _memory_sentence(run: Run, model: str) -> str:
    gains = gains_over(run, model, "psth-gain")
    if not gains:
        return f"{model} has a median of {median_bits(run, model):.3f} bits/spike over the mean rate."
    above = sum(low > 0 for _, _, low, _ in gains)
    below = sum(high < 0 for _, _, _, high in gains)
    middle = float(np.median([gain for _, gain, _, _ in gains]))
    if above:
        text = (
            f"{model} finds the held-out spikes more likely than psth-gain does, the trial average with a slow gain, "
            f"on {above} of {_units(len(gains))} (95 % interval above 0; median gain over all units {middle:+.3f} "
            "bits/spike): spike history, or a better estimate of the drive."
        )
    else:
        of = "the unit" if len(gains) == 1 else f"any of {_units(len(gains))}"
        median = "gain" if len(gains) == 1 else "median gain"
        text = (
            f"It is not shown on {of} that {model} finds the held-out spikes more likely than psth-gain does, the "
            f"trial average with a slow gain ({median} {middle:+.3f} bits/spike; no 95 % interval above 0)."
        )
    if above and len(gains) > 1:
        text += f" These are {len(gains)} tests, one per unit; without any gain 1 in 40 would come out so by chance."
    return text + (f" On {below} it is worse (95 % interval below 0)." if below else "")


def _sufficient_sentence(run: Run, model: str) -> str:
    gained = {unit for unit, _, low, _ in gains_over(run, model, "psth-gain") if low > 0}
    found = {unit: rung for unit, rung in sufficient(run, model).items() if unit in gained}
    if not has_memory(model) or not found:
        return ""
    counts = Counter(found.values())
    parts = ", ".join(f"{rung} on {counts[rung]}" for rung in rungs(run) if counts[rung] and rung != model)
    simplest = f"On those units the simplest rung that it does not beat is {parts} (p < {LEVEL:g}, Holm over rungs)."
    whole = _beats_sentence(run, model, [unit for unit, rung in found.items() if rung == model])
    return " ".join(filter(None, [simplest if parts else "", whole]))


def _beats_sentence(run: Run, model: str, units: Sequence[str]) -> str:
    """Return on how many of these units the model beats every other rung, or those before it alone."""
    lost = beaten(run, model)
    every = sum(lost[unit] >= set(scored_rungs(run, unit)) - {model} for unit in units)
    parts = {"every other rung": every, "every simpler rung": len(units) - every}
    said = [f"beats {what} on {n}" for what, n in parts.items() if n]
    return f"{model} {' and '.join(said)} (p < {LEVEL:g}, Holm over rungs)." if said else ""


def _verdict_sentence(run: Run, model: str, departure: str) -> str:
    counts = verdict_counts(run, model, departure)
    total = sum(sum(verdicts.values()) for verdicts in counts.values())
    if not total:
        return ""
    parts = [
        f"{said} on {sum(counts[kind].values())} of {_units(total)}{_verdict_list(counts[kind], model)}"
        for kind, said in _SAID[departure].items()
        if kind in counts
    ]
    if none := sum(counts.get("none", Counter()).values()):
        neither = {"refractory": "no dip or excess shown on", "adaptation": "no rise or fall shown on"}[departure]
        parts.append(f"{neither} {none}{_hidden_dips(run, model) if departure == 'refractory' else ''}")
    head = {"refractory": "Soon after a spike", "adaptation": "By the number of recent spikes"}[departure]
    return f"{head}: {'; '.join(parts)}."


def _hidden_dips(run: Run, model: str) -> str:
    """Return on how many of the units that show no departure soon after a spike foreign spikes may hide a dip."""
    none = [row for row in scored(run, model) if row["refractory_verdict"] == "nothing to capture"]
    hidden = sum(foreign_share_is_high(row) for row in none)
    return f" (foreign spikes may hide a dip on {hidden})" if hidden else ""


def _verdict_list(verdicts: Counter[str], model: str) -> str:
    """Return what became of the units of one kind: those that cannot be judged, then the verdicts on the model."""
    unjudged = verdicts["cannot be judged"]
    text = f" ({unjudged} cannot be judged: foreign spikes may fill the dip)" if unjudged else ""
    judged = [f"{verdict} on {verdicts[verdict]}" for verdict in VERDICTS if verdicts[verdict]]
    return text + (f" ({model}: {', '.join(judged)})" if judged else "")


def _added_history_sentences(run: Run) -> list[str]:
    """Return for each of the given rates what spike history on top of it gained."""
    said = []
    for model in run.models:
        plain = without_history(model)
        gains = gains_over(run, model, plain) if plain else []
        if gains:
            above, middle = sum(low > 0 for _, _, low, _ in gains), np.median([gain for _, gain, _, _ in gains])
            said.append(
                f"Spike history fitted on top of {plain} gains {middle:+.3f} bits/spike (median over units); the "
                f"95 % interval is above 0 on {above} of {_units(len(gains))}."
            )
    return said


def _population_sentences(run: Run) -> list[str]:
    """Return for each population model on how many units it finds more than on shuffled trials."""
    said = []
    for model in filter(is_population, run.models):
        rows = [row for row in run.rows if row["model"] == model and row.get("population_difference_low") is not None]
        gains = [row["population_difference"] for row in rows if row["population_difference_low"] > 0]
        if rows:
            most = f"; at most {max(gains):+.3f} bits/spike" if gains else ""
            said.append(
                f"{model} reads the other units: it gains more over {rows[0]['population_base']} than on shuffled "
                f"trials on {len(gains)} of {_units(len(rows))} (95 % intervals{most})."
            )
    return said


def _ks_sentence(run: Run, model: str) -> str:
    rows = [row for row in scored(run, model) if row["ks_p"] is not None]
    if not rows:
        return ""
    passed = sum(row["ks_p"] >= 0.05 for row in rows)
    worst = max(row["ks_d"] for row in rows)
    share = f"{passed} of {len(rows)}"
    seen = float(np.median([row["ks_d_detectable"] for row in rows if row.get("ks_d_detectable")] or [np.nan]))
    power = (
        f"; with this many intervals, D below {seen:.3f} is not significant (median over units)"
        if np.isfinite(seen)
        else ""
    )
    return f"Time-rescaled intervals of {model} pass the KS test at 5 % on {share} (largest D {worst:.3f}{power})."


def _free_run_sentence(run: Run, model: str) -> str:
    rows = [row for row in scored(run, model) if row.get("free_run_stability")]
    if not rows:
        return ""
    stable = sum(row["free_run_stability"] == "stable" for row in rows)
    return (
        f"Fed its own spikes ({simulated_trials(rows)}), {model} does not run away on {stable} of {len(rows)}. "
        f"Its {rate_words(rows)}."
    )


def simulated_trials(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return on how many trials and runs the free runs of these rows rest."""
    names = ("free_run_runs", "free_run_trials", "n_trials")
    runs, some, every = (_span([row[name] for row in rows if row.get(name)]) for name in names)
    few = any((row.get("free_run_trials") or 0) < FEW_SIMULATED for row in rows)
    return f"{runs} run{'s' * (runs != '1')} of {some} of {every} trials" + (", a first look" if few else "")


def _span(values: Sequence[int]) -> str:
    if not values:
        return "–"
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def rate_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return how the rates of free runs compare with the recorded ones, by their intervals, for a sentence."""
    counts = Counter(rate_kept(row) for row in rows)
    parts = [f"within {100 * NEAR_RATE:g} % of the recorded one on {counts[True]}"]
    parts += [f"off by more on {counts[False]}"] if counts[False] else []
    parts += [f"undecided on {counts[None]} (too few trials)"] if counts[None] else []
    return f"rate is {', '.join(parts)} (95 % intervals)"


def _units(total: int) -> str:
    return counted(total, "unit{s}")


def repeat_command(run: Run, **changed: Any) -> str:
    """Return the command that repeats the run, from its settings alone.

    Parameters
    ----------
    run
        The run.
    changed
        Settings that are to be others than those of the run; None for their default.
    """
    rates = run.settings.get("resolved", {}).get("rates", [])
    words = ["rnnspike", "score" if rates else "fit", run.input_name]
    for each in rates:
        words += ["--intensity", f"{each['name']}={each['file']}"]
    if rates:
        words += ["--rates", rates[0]["quantity"], *([] if rates[0]["history"] else ["--no-history"])]
        words += ["--add-history"] if rates[0].get("add_history") else []
    for name, entry in run.settings["settings"].items():
        if name not in changed and entry["source"] != "default" and name != "report":
            words += _option(name, entry["value"])
    for name, value in changed.items():
        words += _option(name, value)
    return command_line(words)


def _option(name: str, value: Any) -> list[str]:
    option = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        on_by_default = name in FitSettings.model_fields and FitSettings.model_fields[name].default is True
        return [option] if value else [option.replace("--", "--no-")] if on_by_default else []
    if value is None:
        return []
    if name == "window":
        return [option, *map(str, value)]
    several: Sequence[Any] = value if isinstance(value, list) else [value]
    return [word for each in several for word in (option, str(each))]


def short_labels(labels: Sequence[str]) -> list[str]:
    """Return labels of conditions by their values alone, where all have the same columns.

    Examples
    --------
    >>> short_labels(["side=left, contrast=0.5", "side=right, contrast=1"])
    ['left, 0.5', 'right, 1']
    """
    columns = condition_columns(labels)
    return [", ".join(_parts(label, columns) or ()) for label in labels] if columns else list(labels)


def without_names(labels: Sequence[str]) -> tuple[str, list[str]]:
    """Return the names of the columns that labels of conditions are of, and the labels by their values alone.

    Examples
    --------
    >>> without_names(["side=left, drug=no", "side=right, drug=no"])
    ('side, drug', ['left, no', 'right, no'])
    >>> without_names(["all"])
    ('condition', ['all'])
    """
    return ", ".join(condition_columns(labels)) or "condition", short_labels(labels)


def condition_columns(labels: Sequence[str]) -> list[str]:
    """Return the columns that labels of conditions name; none where labels have no columns, or not the same.

    Examples
    --------
    >>> condition_columns(["side=left, contrast=0.5"]), condition_columns(["all"])
    (['side', 'contrast'], [])
    """
    found: list[list[str]] = [re.findall(r"(?:^|, )([^=,]+)=", label) for label in labels]
    names = min(found, key=len, default=[])  # values may look like columns
    return names if names and all(_parts(label, names) for label in labels) else []


def _parts(label: str, columns: Sequence[str]) -> tuple[str, ...] | None:
    """Return the values of these columns in a label; None where it does not name them in this order."""
    pattern = ", ".join(f"{re.escape(column)}=(.*)" for column in columns)
    match = re.fullmatch(pattern, label, re.DOTALL)
    return match.groups() if match else None
