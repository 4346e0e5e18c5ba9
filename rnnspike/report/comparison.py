"""One page across recordings: ladders, the gain over recordings, verdicts, and a link to each unit's own page."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from rnnspike.evaluation.scores.across import in_ladder_order
from rnnspike.files import write_file
from rnnspike.models.registry import has_memory, is_given
from rnnspike.report import tallies, words
from rnnspike.report.build import page, write_report
from rnnspike.report.cells import page_columns
from rnnspike.report.colours import all_colours
from rnnspike.report.load import Run, distinct_names, load_run
from rnnspike.report.packing import columnar, to_script
from rnnspike.runs.stored.tables import ScoredRun, compare_stored
from rnnspike.wording import counted

#: What the gain is over: the first of these that all recordings have.
BASES = ("psth-gain", "psth", "constant")
#: With fewer recordings the page says so.
FEW_RECORDINGS = 5


def to_compare(folder: Path) -> Run:
    """Return a run of which all that a comparison shows could be read; write its own report where it is missing.

    Raises
    ------
    RunError
        Where the folder is no finished run, or damaged.
    """
    run = load_run(folder)
    write_report(folder)
    _ = run.scored  # read here, where it fails alone
    return run


def build_comparison(runs: Sequence[Run], path: Path) -> Path:
    """Write one page that compares several runs and links to the runs' own reports.

    Parameters
    ----------
    runs
        The runs, as ``to_compare`` returned them.
    path
        The page to write.

    Returns
    -------
    Path
        The page.
    """
    model, base = common_pair(runs)
    payload = comparison_payload(runs, model, base, path)
    text = page(
        "comparison.html.j2",
        title=f"{len(runs)} recordings · rnnspike",
        recordings=payload["recordings"],
        summary=summary(payload),
        overview=Markup(to_script(payload)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, text.encode("utf-8"))
    return path


def common_pair(runs: Sequence[Run]) -> tuple[str, str]:
    """Return the model and the base that the comparison speaks of: of those that all recordings have."""
    shared = [name for name in runs[0].models if all(name in run.models for run in runs)]
    memory = [name for name in shared if has_memory(name)] or [name for name in shared if is_given(name)]
    model = "stack" if "stack" in shared else (memory or shared or [""])[-1]
    base = next((name for name in BASES if name in shared and name != model), "")
    return model, base


def comparison_payload(runs: Sequence[Run], model: str, base: str, path: Path) -> dict[str, Any]:
    """Return what the page shows; names of recordings are made different where they are not."""
    names = distinct_names((run.name, run) for run in runs)
    recordings, rows, units = [], [], []
    for run, name in zip(runs, names, strict=True):
        link = quote(os.fsencode(os.path.relpath(run.folder / "report.html", path.parent).replace(os.sep, "/")))
        recordings.append(_recording(run, name, model, link))
        rows += [{**row, "recording": name, "link": link} for row in run.rows if row["status"] == "ok"]
        for unit, gain, low, high in tallies.gains_over(run, model, base):
            units.append({"recording": name, "unit": unit, "gain": gain, "low": low, "high": high, "link": link})
    return {
        "models": in_ladder_order(each for run in runs for each in run.models),
        "headline": model,
        "base": base,
        "recordings": recordings,
        "rows": columnar(rows),
        "gains": units,
        "over": hierarchical(runs, names, model, base),
        "colours": all_colours(each for run in runs for each in run.models),
        "columns": page_columns(across=True),
    }


def _recording(run: Run, name: str, model: str, link: str) -> dict[str, Any]:
    return {
        "name": name,
        "link": link,
        "n_units": len(run.units),
        "protocol": words.protocol_line(run),
        "findings": sum(each["level"] in ("error", "warning") for each in run.findings),
        "verdicts": {each: _verdicts(run, model, each) for each in ("refractory", "adaptation")},
    }


def _verdicts(run: Run, model: str, departure: str) -> dict[str, int]:
    """Return how many units have each verdict on a dip, or on a rate that falls; the others under their kind."""
    told = tallies.DIPS if departure == "refractory" else tallies.FALLING
    counts: Counter[str] = Counter()
    for kind, verdicts in tallies.verdict_counts(run, model, departure).items():
        counts.update(verdicts if kind in told else {kind: sum(verdicts.values())})
    return dict(counts)


def hierarchical(runs: Sequence[Run], names: Sequence[str], model: str, base: str) -> list[dict[str, Any]]:
    """Return the gain of ``model`` over ``base`` in each recording, then over all (science.md#across-recordings)."""
    if not base or not any(tallies.gains_over(run, model, base) for run in runs):
        return []
    found = []
    for run, name in zip(runs, names, strict=True):
        if tallies.gains_over(run, model, base):
            found += [
                {**_gain(row), "recording": name} for row in compare_stored([run.scored], pairs=[(model, base)])
            ]
    counted: list[ScoredRun] = []
    held: set[tuple[Any, ...]] = set()
    for run in runs:  # a unit fitted twice counts once
        units = {(run.scored.protocol, run.scored.sha256, unit) for unit in run.units}
        if not units & held:
            counted.append(run.scored)
            held |= units
    found += [{**_gain(row), "recording": None} for row in compare_stored(counted, pairs=[(model, base)])]
    return found


def _gain(row: dict[str, Any]) -> dict[str, Any]:
    keys = (
        "gain",
        "gain_low",
        "gain_high",
        "p",
        "level",
        "n_units",
        "n_recordings",
        "n_above",
        "n_below",
        "gain_median",
        "protocol",
    )
    return {key: row[key] for key in keys}


def summary(payload: dict[str, Any]) -> list[str]:
    """Return the sentences at the head of the page."""
    whole = [row for row in payload["over"] if row["recording"] is None]
    model, base = payload["headline"], payload["base"]
    if not whole:
        return ["These recordings have no pair of rungs in common that could be compared."]
    if len(whole) > 1:
        text = ["The runs were not scored alike, and are not pooled:"]
        return text + [f"{row['protocol']}: {_gain_sentence(row, model, base)}" for row in whole]
    row = whole[0]
    text = [_gain_sentence(row, model, base)]
    text.append(f"Unit by unit the interval lies above 0 on {row['n_above']} and below 0 on {row['n_below']}.")
    if row["level"] != "recording":
        text.append("Units of one recording are not independent: this says nothing about other recordings.")
    elif row["n_recordings"] < FEW_RECORDINGS:
        text.append(f"{row['n_recordings']} recordings are few, and the interval is wide for that reason.")
    return text


def _gain_sentence(row: dict[str, Any], model: str, base: str) -> str:
    where = f"on average over {counted(row['n_units'], 'unit{s}')} of {counted(row['n_recordings'], 'recording{s}')}"
    return f"Gain of {model} over {base}: {row['gain']:+.3f} bits/spike {where}. {_interval_sentence(row)}"


def _interval_sentence(row: dict[str, Any]) -> str:
    low, high = row["gain_low"], row["gain_high"]
    if math.isnan(low):
        return "There is no interval: one recording with one unit has no others to be compared with."
    interval = f"The 95 % interval over {row['level']}s, {low:+.3f} to {high:+.3f},"
    if low > 0:
        return f"{interval} lies above 0."
    return f"{interval} lies below 0." if high < 0 else f"{interval} holds 0: a gain in general is not shown."
