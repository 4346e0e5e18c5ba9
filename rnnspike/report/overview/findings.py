"""What was odd in the input, as the page lists it: of very many findings one folded list for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rnnspike.wording import counted

#: Up to this many findings make one list.
MOST_TOGETHER = 30


@dataclass(frozen=True)
class Findings:
    """A list of findings; with a ``heading`` it is folded below that."""

    heading: str
    lines: tuple[Mapping[str, Any], ...]


def listed(findings: Sequence[Mapping[str, Any]]) -> list[Findings]:
    """Return the lists of a run's findings (rows of findings.jsonl), warnings first."""
    if len(findings) <= MOST_TOGETHER:
        return [Findings("", tuple(findings))] if findings else []
    kinds: dict[tuple[bool, str], list[Mapping[str, Any]]] = {}
    for finding in findings:
        kinds.setdefault((finding["level"] == "info", finding["id"]), []).append(finding)
    return [
        Findings(f"{kind}: {_how_many(lines)}", tuple(lines))
        for (_, kind), lines in sorted(kinds.items(), key=lambda each: each[0][0])
    ]


def _how_many(lines: Sequence[Mapping[str, Any]]) -> str:
    units = {each["unit"] for each in lines if each["unit"]}
    of_units = counted(len(units), "unit{s}")
    if len(units) == len(lines):
        return of_units
    return counted(len(lines), "finding{s}") + (f" in {of_units}" if units else "")
