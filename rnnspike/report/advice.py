"""What to look at or do next: each sentence follows from a number of the run, and names it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from rnnspike.evaluation.departures.verdicts import MOST_FOREIGN
from rnnspike.models.registry import closed_loop, is_network
from rnnspike.report import tallies
from rnnspike.report.load import Run
from rnnspike.report.overview import commands
from rnnspike.wording import counted

#: A recording of fewer trials gets a warning.
FEW_TRIALS = 30
#: Units that a command names at the most.
MOST_LISTED = 20
#: Kind of strata in which a model is off -> what that usually means.
LACKS = {
    "lag": "time since the last spike (a narrower --bin, or memory that the rung lacks)",
    "previous_interval": "the interval before the last spike (memory over more than one interval)",
    "recent_count": "recent firing (adaptation, bursts or slow drift)",
    "position": "place in the trial (the stimulus response differs between trials, or the window is too wide)",
    "spike_index": "rank of the spike in the trial",
    "condition": "condition (--condition names the column that tells them apart)",
}


def warnings(run: Run, model: str) -> list[str]:
    """Return what a reader must know before believing the page."""
    resolved, said = run.settings["resolved"], []
    serious = [each for each in run.findings if each["level"] in ("error", "warning")]
    if serious:
        said.append(f'The input has {counted(len(serious), "warning{s}")}: see "What was odd in the input".')
    if resolved["n_trials"] < FEW_TRIALS:
        said.append(
            f"{resolved['n_trials']} trials are few: intervals are over trials, and wide or too narrow with so few."
        )
    if run.settings["settings"]["effort"]["value"] == "fast" and any(map(is_network, run.models)):
        said.append(
            "A first look: with --effort fast networks are trained briefly, so which of two networks is better, and "
            "whether one passes the KS test, can change. Fit with the default effort before quoting figures."
        )
    rows = tallies.scored(run, model)
    if foreign := [row["unit"] for row in rows if row.get("contamination_gate") == "contaminated"]:
        said.append(
            f"{_units(foreign)}: intervals within a refractory period are so many that spikes of other cells "
            "are among them, or the cell has none."
        )
    if unjudged := [row["unit"] for row in rows if row.get("refractory_verdict") == "cannot be judged"]:
        said.append(
            f"{_units(unjudged)}: refractoriness cannot be judged, since more than {100 * MOST_FOREIGN:g} % of "
            "the spikes may be foreign (upper end of the 95 % interval, or no estimate)."
        )
    said += _failures(run)
    return said


def _failures(run: Run) -> list[str]:
    said = []
    left_out = {row["unit"] for row in run.rows} - set(run.units)
    if left_out:
        said.append(counted(len(left_out), 'unit{s} {are} not fitted: see "What was dropped".'))
    lost = [row for row in run.rows if row["status"] != "ok" and row["unit"] not in left_out]
    counts = Counter((row["model"], row["status"]) for row in lost)
    for (model, status), number in counts.items():
        said.append(f'{model} was {status} on {counted(number, "unit{s}")}: see "What was dropped".')
    loud = [row for row in run.rows if row.get("free_run_stability") == "divergent"]
    for rung, number in Counter(row["model"] for row in loud).items():
        said.append(f"{rung} runs away on {counted(number, 'unit{s}')} when fed its own spikes: do not simulate.")
    return said


@dataclass(frozen=True)
class Step:
    """What to do next: why, in a sentence, and the command that does it; None where it is something to look at."""

    text: str
    command: str | None = None


def next_steps(run: Run, model: str, has_dynamics: bool) -> list[Step]:
    """Return what to do next, most telling first; ``has_dynamics``: ``rnnspike dynamics`` was run."""
    settings = run.settings["settings"]
    found = [_quick(run)] if settings["effort"]["value"] == "fast" and any(map(is_network, run.models)) else []
    found += _off(run, model)
    drift = [unit for unit, _, low, _ in tallies.gains_over(run, "psth-gain", "psth") if low > 0]
    if drift and run.setting("fold_scheme") != "blocked":
        text = (
            f"A slow gain helps on {counted(len(drift), 'unit{s}')} (95 % interval above 0): the rate follows that "
            "of earlier trials, as with drift or arousal. Check with --fold-scheme blocked that the gains hold."
        )
        found.append(Step(text, commands.fit_otherwise(run, "blocked", fold_scheme="blocked")))
    found += _foreign(run, model)
    repeats = [each["unit"] for each in run.findings if each["id"] == "duplicate-spikes" and each["unit"]]
    if repeats:
        text = f"{_units(repeats)}: spikes that repeat a time exactly are kept. --drop-duplicates takes them out."
        found.append(Step(text, commands.fit_otherwise(run, "no_duplicates", drop_duplicates=True)))
    if run.setting("replicates") == 0:
        text = (
            "No model was run free: with the default --replicates the page also compares simulated spike trains with "
            "the recorded ones."
        )
        found.append(Step(text, commands.fit_otherwise(run, "run_free", replicates=None)))
    if set(run.models) & set(closed_loop()) and not has_dynamics:
        text = "rnnspike dynamics looks into the trained networks in depth; rnnspike report then shows it here."
        found.append(Step(text, commands.analyse(run)))
    return found


def _quick(run: Run) -> Step:
    text = "This was a first look (--effort fast). Fit with the default effort before quoting figures of networks."
    return Step(text, commands.fit_otherwise(run, "standard", effort=None))


def _off(run: Run, model: str) -> list[Step]:
    """Return the strata in which the model is off on most units, and what helps where that is an option."""
    lacking = Counter(
        kind
        for row in tallies.scored(run, model)
        for kind in str(row.get("calibration_rejected") or "none").split(", ")
        if kind in LACKS
    )
    helps = {
        "lag": lambda: commands.fit_otherwise(run, "narrow_bins", bin=run.settings["settings"]["bin"]["value"] / 2),
        "position": lambda: commands.look_at_recording(run),
        "condition": lambda: commands.look_at_recording(run),
    }
    if run.settings["settings"]["models"]["source"] != "default" and not any(map(is_network, run.models)):
        ladder = commands.fit_otherwise(run, "whole_ladder", models=None)
        helps |= dict.fromkeys(("previous_interval", "recent_count", "spike_index"), lambda: ladder)
    return [
        Step(
            f"On {counted(number, 'unit{s}')} {model} is still off by {LACKS[kind]}: see Calibration by stratum.",
            helps[kind]() if kind in helps else None,
        )
        for kind, number in lacking.most_common(3)
    ]


def _foreign(run: Run, model: str) -> list[Step]:
    units = [row["unit"] for row in tallies.scored(run, model) if row.get("contamination_gate") == "contaminated"]
    if not units or len(units) == len(run.units):
        return []
    text = f"{_units(units)}: sort again, or leave out the units that hold spikes of other cells."
    return [Step(text, commands.fit_without(run, units) if len(units) <= MOST_LISTED else None)]


def _units(names: list[str]) -> str:
    return f"Unit{'s' * (len(names) != 1)} {_some(names)}"


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
