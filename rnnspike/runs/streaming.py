"""Rows of a unit as soon as it is evaluated, before its run is complete."""

from __future__ import annotations

from typing import Any

from rnnspike.evaluation.departures.verdicts import finalise_verdicts
from rnnspike.runs.fitting.finish import append_messages, read_finished
from rnnspike.runs.job import Job
from rnnspike.runs.stored.directory import unit_rows
from rnnspike.runs.tasks import Lost

#: Says of a row that its verdicts may change when all units are known.
NOT_CORRECTED = "verdicts are not yet corrected over units"


def rows_of_unit(job: Job, unit: str, lost: Lost) -> list[dict[str, Any]]:
    """Return the rows of an evaluated unit of an unfinished run.

    They are those of the run directory, but that verdicts are not corrected over units: scored rows say so in their
    ``message``.
    """
    finished = read_finished(job, unit, lost)
    evaluated = finalise_verdicts({**each, "unit": unit} for each in finished["rows"])
    rows = unit_rows(job.name, finished, evaluated)
    return [append_messages(row, [NOT_CORRECTED]) if row["status"] == "ok" else row for row in rows]
