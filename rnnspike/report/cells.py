"""A row as a line of a table, for the terminal, for Markdown and for the page; what a departure is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from rnnspike.wording import interval, number, p_text

Tone = Literal["good", "fair", "bad", "none"]
#: How the page shows a column's values: digits after the point, or by their own rule.
Form = Literal["text", "0", "2", "3", "p", "verdict", "remark"]

#: Kinds of departure (``evaluation.departures.kinds``) in words.
KIND_WORDS = {
    "refractory": {
        "dip": "refractory dip",
        "excess": "early excess (bursting)",
        "dip and excess": "refractory dip, then early excess (bursting)",
        "none": "no dip or excess shown soon after a spike",
    },
    "adaptation": {
        "falling": "falling with recent spikes (adaptation)",
        "rising": "rising with recent spikes (slow drive or bursting)",
        "mixed": "falling and rising with recent spikes, by window",
        "none": "no rise or fall with recent spikes shown",
    },
}
_TONES: dict[str, Tone] = {"captured": "good", "stable": "good", "partly": "fair", "fragile": "fair"}
_TONES |= {"missed": "bad", "divergent": "bad"}
#: Headings after unit and model; the first three hold numbers.
HEADINGS = ("bits/spike", "95 % interval", "KS D (p)", "after a spike", "recent spikes", "free run")
N_NUMBERS = 3


class PageColumn(NamedTuple):
    """A column of the page's table of units.

    Attributes
    ----------
    key
        Its name in the rows, or of what the page adds.
    label
        Its heading.
    form
        How its values are shown; ``verdict``: with its colour.
    group
        Heading above it and its neighbours of the same group.
    shown
        Whether the table has it at first; others can be chosen.
    interval
        Whether the interval of the columns ``_low`` and ``_high`` of its name stands below the value.
    """

    key: str
    label: str
    form: Form
    group: str = ""
    shown: bool = True
    interval: bool = False


PAGE_COLUMNS = (
    PageColumn("recording", "recording", "text"),
    PageColumn("unit", "unit", "text"),
    PageColumn("n_trials", "trials", "0", shown=False),
    PageColumn("n_spikes", "spikes", "0"),
    PageColumn("rate_hz", "rate, Hz", "2"),
    PageColumn("bits_per_spike", "bits/spike", "3", interval=True),
    PageColumn("sufficient", "simplest sufficient", "text"),
    PageColumn("ks_d", "D", "3", "KS test"),
    PageColumn("ks_p", "p", "p", "KS test"),
    PageColumn("refractory_kind", "kind", "text", "after a spike"),
    PageColumn("refractory_verdict", "verdict", "verdict", "after a spike"),
    PageColumn("refractory_capture", "share", "2", "after a spike", interval=True),
    PageColumn("adaptation_kind", "kind", "text", "recent spikes"),
    PageColumn("adaptation_verdict", "verdict", "verdict", "recent spikes"),
    PageColumn("adaptation_capture", "share", "2", "recent spikes", interval=True),
    PageColumn("shared_verdict", "verdict", "verdict", "others' activity", shown=False),
    PageColumn("shared_capture", "share", "2", "others' activity", shown=False, interval=True),
    PageColumn(
        "population_difference",
        "gain beyond shuffled, bits/spike",
        "3",
        "others' activity",
        shown=False,
        interval=True,
    ),
    PageColumn("free_run_stability", "stability", "verdict", "free run"),
    PageColumn("free_run_rate_ratio", "rate ratio", "2", "free run", interval=True),
    PageColumn("contamination", "foreign spikes, share", "2", shown=False, interval=True),
    PageColumn("calibration_rejected", "calibration off by", "text", shown=False),
    PageColumn("message", "remark", "remark"),
)


def page_columns(across: bool = False) -> list[dict[str, Any]]:
    """Return the columns of the page's table, of one run or across recordings."""
    left_out = "sufficient" if across else "recording"
    return [column._asdict() for column in PAGE_COLUMNS if column.key != left_out]


@dataclass(frozen=True)
class Cell:
    """Text of a cell, and whether it is good news."""

    text: str
    tone: Tone = "none"


def cells(row: Mapping[str, Any]) -> list[Cell]:
    """Return the cells of a scored row under ``HEADINGS``."""
    stability, ratio = row.get("free_run_stability"), row.get("free_run_rate_ratio")
    free_run = "–" if stability is None else stability + ("" if ratio is None else f" ×{ratio:.2f}")
    return [
        Cell(number(row.get("bits_per_spike"))),
        Cell(interval(row.get("bits_per_spike_low"), row.get("bits_per_spike_high"))),
        Cell(f"{number(row.get('ks_d'))} ({p_text(row.get('ks_p'))})"),
        departure_cell(row, "refractory"),
        departure_cell(row, "adaptation"),
        Cell(free_run, _TONES.get(stability or "", "none")),
    ]


def departure_cell(row: Mapping[str, Any], departure: str) -> Cell:
    """Return a departure's kind, the model's verdict and its capture: ``dip: captured 0.97``."""
    kind, verdict, value = (row.get(f"{departure}_{name}") for name in ("kind", "verdict", "capture"))
    if kind in (None, "none") or verdict in (None, "nothing to capture"):
        return Cell("none" if verdict == "nothing to capture" else "–")
    share = "" if value is None or verdict == "cannot be judged" else f" {number(value, '.2f')}"
    return Cell(f"{kind}: {verdict}{share}", _TONES.get(verdict, "none"))
