"""Lists of what was odd in the input."""

from __future__ import annotations

from typing import Any

from rnnspike.report.overview.findings import MOST_TOGETHER, listed


def finding(kind: str, level: str = "warning", unit: str | None = None) -> dict[str, Any]:
    return {"id": kind, "level": level, "unit": unit, "message": f"{kind} of {unit}"}


def test_few_findings_are_one_list_without_a_heading() -> None:
    few = [finding("short-isis", unit=str(u)) for u in range(MOST_TOGETHER)]
    assert [(each.heading, each.lines) for each in listed(few)] == [("", tuple(few))]
    assert listed([]) == []


def test_many_findings_are_folded_by_kind_warnings_first_and_none_is_lost() -> None:
    many = [
        finding("clock", "info"),
        *(finding("short-isis", unit=str(u)) for u in range(40)),
        *(finding("contaminated-unit", unit=str(u)) for u in range(2)),
        finding("short-isis", unit="3"),
        finding("trials-too-short"),
    ]
    lists = listed(many)
    assert [each.heading for each in lists] == [
        "short-isis: 41 findings in 40 units",
        "contaminated-unit: 2 units",
        "trials-too-short: 1 finding",
        "clock: 1 finding",
    ]
    assert sum(len(each.lines) for each in lists) == len(many)
