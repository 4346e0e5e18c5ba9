"""Verdicts on the models of all units of a recording, corrected over units (science.md#capture).

They need nothing but the rows: a run is finished, or read again, without its arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rnnspike.evaluation.departures.capture import Capture, significant_over_units, verdict
from rnnspike.models.registry import is_memoryless

Row = dict[str, Any]
#: Departures that a model may capture, as rows name them.
DEPARTURES = ("refractory", "adaptation", "shared")
#: Start of the columns of a row that hold a p of calibration, one per kind of strata.
CALIBRATION_P = "calibration_p_"
#: What the column ``given`` says of rates that were given, the last of those that history was fitted on top of.
WITH_HISTORY, WITHOUT_HISTORY, HISTORY_ADDED = "with history", "without history", "history added"
#: Upper end of the share of foreign spikes beyond which refractoriness cannot be judged (science.md#capture).
MOST_FOREIGN = 0.2


def finalise_verdicts(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return the rows of all units of a recording with verdicts corrected over units (science.md#capture).

    A departure from the reference is there to be captured, and a model's deviance is significant, at .05 by Benjamini
    and Hochberg: the one over all units, the other over those that have something to capture. Likewise over units,
    ``calibration_rejected`` lists the kinds of strata in which a model is off ("none" where it is not). Rows of
    models that were not scored pass unchanged; needs nothing but the rows.
    """
    finished = [dict(row) for row in rows]
    for kind in DEPARTURES:
        _clear_chance_departures(finished, kind)
        _clear_without_kind(finished, kind)
        for group in _by_model(finished, f"{kind}_capture"):
            significant = significant_over_units(np.array([row[f"{kind}_p"] for row in group]))
            for row, is_significant in zip(group, significant, strict=True):
                row[f"{kind}_verdict"] = verdict(
                    _stored_capture(row, kind), bool(is_significant), row_is_memoryless(row)
                )
    for row in finished:
        if row.get("refractory_capture") is not None and _foreign_spikes_may_fill(row):
            row["refractory_verdict"] = "cannot be judged"
    for row in finished:
        if any(key.startswith(CALIBRATION_P) for key in row):
            row["calibration_rejected"] = "none"
    for key in sorted({key for row in finished for key in row if key.startswith(CALIBRATION_P)}):
        for group in _by_model(finished, key):
            rejected = significant_over_units(np.array([row[key] for row in group]))
            for row in (row for row, is_rejected in zip(group, rejected, strict=True) if is_rejected):
                known = [] if row["calibration_rejected"] == "none" else [row["calibration_rejected"]]
                row["calibration_rejected"] = ", ".join([*known, key.removeprefix(CALIBRATION_P)])
    return finished


def row_is_memoryless(row: Mapping[str, Any]) -> bool:
    """Say whether a row is of a model that knows no spike history: of the ladder, or rates that were given so."""
    return is_memoryless(row["model"]) or row.get("given") == WITHOUT_HISTORY


def _clear_chance_departures(rows: Sequence[Row], kind: str) -> None:
    """Leave nothing to capture in units whose departure from the reference is not significant over all units."""
    by_unit = {row["unit"]: row[f"{kind}_reference_p"] for row in rows if row.get(f"{kind}_reference_p") is not None}
    real = dict(zip(by_unit, significant_over_units(np.array(list(by_unit.values()))), strict=True))
    for row in rows:
        if row.get(f"{kind}_capture") is not None and not real.get(row["unit"], True):
            row |= {f"{kind}_capture{end}": None for end in ("", "_low", "_high")}
            row[f"{kind}_verdict"] = "nothing to capture"


def _clear_without_kind(rows: Sequence[Row], kind: str) -> None:
    """Leave nothing to capture in units whose departure has no direction that could be named."""
    for row in rows:
        if row.get(f"{kind}_capture") is not None and row.get(f"{kind}_kind") == "none":
            row |= {f"{kind}_capture{end}": None for end in ("", "_low", "_high")}
            row[f"{kind}_verdict"] = "nothing to capture"


def foreign_share_is_high(row: Row) -> bool:
    """Say whether foreign spikes may be so many that a refractory dip would not show, or are not known."""
    share = row.get("contamination_high")
    return share is None or not share <= MOST_FOREIGN


def _foreign_spikes_may_fill(row: Row) -> bool:
    return "dip" in (row.get("refractory_kind") or "") and foreign_share_is_high(row)


def _by_model(rows: Iterable[Row], key: str) -> Iterable[list[Row]]:
    """Return the rows that have a value for this key, model by model."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        if row.get(key) is not None:
            groups.setdefault(row["model"], []).append(row)
    return groups.values()


def _stored_capture(row: Row, kind: str) -> Capture:
    score, low, high = (row[f"{kind}_capture{end}"] for end in ("", "_low", "_high"))
    nan = float("nan")
    return Capture(score, low, high, nan, row[f"{kind}_p"], nan, nan, 0, "missed")
