"""What was dropped on the way from the recording to the scores: trials, units and spikes, each with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rnnspike.report.load import Run
from rnnspike.trials.units import NOT_REQUESTED
from rnnspike.wording import counted

#: Findings that say how many of a unit's spikes are not scored.
SPIKES = (
    "spike-times-nan",
    "spike-times-sentinel",
    "duplicates-dropped",
    "spikes-outside-observed",
    "multi-spike-bins",
    "covariate-gaps",
)
#: Findings that say how many trials were dropped, also where they do not name them.
TRIALS = (
    "trial-rows-dropped",
    "trials-too-short",
    "windows-miss-recording",
    "covariate-absent",
    "conditions-missing",
)
#: A list with more lines is folded.
MOST_OPEN = 6


@dataclass(frozen=True)
class Dropped:
    """One kind of what was dropped: a sentence with the counts, and a line for each part with its reason."""

    what: str
    lines: tuple[tuple[str, str], ...]

    @property
    def is_long(self) -> bool:
        """Whether the page folds it."""
        return len(self.lines) > MOST_OPEN


def dropped(run: Run) -> list[Dropped]:
    """Return what was dropped of a run's trials, units, spikes and fits; what lost nothing is not among it."""
    return [each for each in (_trials(run), _units(run), _spikes(run), _fits(run)) if each.lines]


def spans(numbers: Iterable[int]) -> str:
    """Return numbers in words, neighbours joined.

    Examples
    --------
    >>> spans([3, 7, 9, 10, 11, 13, 14])
    '3, 7, 9 to 11, 13, 14'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def _trials(run: Run) -> Dropped:
    table, n_trials = run.settings["resolved"]["table"], int(run.settings["resolved"]["n_trials"])
    lines, n_rows = [], 0
    for finding in run.findings:
        if finding["id"] in TRIALS:
            rows = finding["rows"] or []
            n_rows += len(rows) or finding["count"] or 0
            lines.append((f"table {table}, {_many('row', rows)}" if rows else f"table {table}", finding["message"]))
    unseen, partly = _unobserved(run, n_trials)
    for why, found in (("not observed in", unseen), ("observed in part only, the rest not scored, in", partly)):
        lines += [(_many("trial", trials), f"{why} {_many('unit', units)}") for trials, units in found.items()]
    some = len({trial for trials in unseen for trial in trials})
    parts = [f"{counted(n_rows, 'row{s}')} of {table} {'was' if n_rows == 1 else 'were'} not used" if n_rows else ""]
    parts += [f"{some} of {counted(n_trials, 'trial{s} {are}')} not observed in some unit" if some else ""]
    parts += ["some trials are scored in part" if partly else ""]
    return Dropped(f"Trials: {'; '.join(filter(None, parts))}", tuple(lines))


def _unobserved(run: Run, n_trials: int) -> tuple[dict[tuple[int, ...], list[str]], dict[tuple[int, ...], list[str]]]:
    """Return which trials were not observed, and which in part, with the units of which that is so."""
    unseen: dict[tuple[int, ...], list[str]] = {}
    partly: dict[tuple[int, ...], list[str]] = {}
    for unit in run.units:
        trials = run.per_trial(unit)
        held, exposure = trials["trial"], trials["exposure_bins"]
        missing = tuple(sorted(set(range(n_trials)) - set(held.tolist())))
        short = tuple(held[exposure < exposure.max()].tolist())
        for found, which in ((unseen, missing), (partly, short)):
            if which:
                found.setdefault(which, []).append(unit)
    return unseen, partly


def _units(run: Run) -> Dropped:
    left_out: dict[str, str] = run.settings["resolved"].get("left_out") or {
        row["unit"]: row["message"] or "" for row in run.rows if row["unit"] not in run.units
    }
    others = [unit for unit, why in left_out.items() if why == NOT_REQUESTED]
    lines = [(f"unit {unit}", why) for unit, why in left_out.items() if why != NOT_REQUESTED]
    lines += [(_many("unit", others), NOT_REQUESTED)] if others else []
    together = (run.population or {}).get("left_out") or {}
    lines += [(f"unit {unit}", f"not run together with the others: {why}") for unit, why in together.items()]
    total = counted(len(left_out) + len(run.units), "unit{s} {are}")
    parts = [f"{len(left_out)} of {total} not fitted" if left_out else ""]
    parts += [counted(len(together), "unit{s} {are} not run together with the others") if together else ""]
    return Dropped(f"Units: {'; '.join(filter(None, parts))}", tuple(lines))


def _spikes(run: Run) -> Dropped:
    found = [each for each in run.findings if each["id"] in SPIKES and each["unit"] not in _left_out(run)]
    lines = tuple((f"unit {each['unit']}" if each["unit"] else "all units", each["message"]) for each in found)
    own = [each for each in found if each["id"] != "covariate-gaps"]  # whose count is of bins, for all units
    some, total = len({each["unit"] for each in own}), sum(each["count"] or 0 for each in own)
    parts = [f"{counted(total, 'spike{s} {are}')} not scored, of {counted(some, 'unit{s}')}"] if own else []
    parts += ["time without a covariate is not scored"] if len(own) < len(found) else []
    return Dropped(f"Spikes: {'; '.join(parts)}", lines)


def _left_out(run: Run) -> set[str]:
    return set(run.settings["resolved"].get("left_out") or ())


def _fits(run: Run) -> Dropped:
    """Return the models without a score of units that have others."""
    lost = [row for row in run.rows if row["status"] != "ok" and row["unit"] in run.units]
    lines = tuple((f"unit {row['unit']}, {row['model']}", f"{row['status']}: {row['message'] or ''}") for row in lost)
    return Dropped(f"Fits: {counted(len(lost), 'model{s} of a unit {have}')} no score", lines)


def _many(what: str, which: Sequence[int] | Sequence[str]) -> str:
    """Return what they are and which, with their number where there are several."""
    named = spans(map(int, which)) if what != "unit" else ", ".join(map(str, which))
    return f"{what} {named}" if len(which) == 1 else f"{len(which)} {what}s: {named}"
