"""Commands for what to do next, whole, as they can be pasted into a terminal beside the recording."""

from __future__ import annotations

from typing import Any

from rnnspike.config import FitSettings
from rnnspike.report.load import Run
from rnnspike.report.words import repeat_command
from rnnspike.runs.scoring import OUT as SCORES
from rnnspike.wording import command_line

#: Folder of the new run: the one of this run holds a run of this name already.
ELSEWHERE = "runs_{}"


def run_folder(run: Run) -> str:
    """Return where the run lies if ``--out`` was left at its default; the page puts its own place there."""
    home = SCORES if run.settings["resolved"].get("rates") else FitSettings.model_fields["out"].default
    return f"{home}/{run.folder.resolve().name}"


def fit_otherwise(run: Run, name: str, **changed: Any) -> str:
    """Return the command that fits the recording again with some settings changed.

    Parameters
    ----------
    run
        The run.
    name
        A word for the change, for the folder of the new run: that of this one holds it already.
    changed
        The settings that change; None for their default.
    """
    return repeat_command(run, **changed, out=ELSEWHERE.format(name))


def fit_without(run: Run, units: list[str]) -> str:
    """Return the command that fits the recording again without some of its units."""
    asked = run.setting("units") or ""
    quote = '"' if '"' in asked or any("'" in unit for unit in units) else "'"  # one kind in the whole query
    listed = ", ".join(f"{quote}{unit}{quote}" for unit in units)
    others = f"id not in [{listed}]"
    return fit_otherwise(run, "fewer_units", units=f"({asked}) and {others}" if asked else others)


def analyse(run: Run) -> str:
    """Return the commands that look into the run's networks and show them in its page."""
    folder = run_folder(run)
    return "\n".join(command_line(["rnnspike", command, folder]) for command in ("dynamics", "report"))


def look_at_recording(run: Run) -> str:
    """Return the command that tells of the recording: its tables and columns, and the events that rates follow."""
    return command_line(["rnnspike", "inspect", run.input_name])
