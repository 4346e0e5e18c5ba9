"""A row as a line of a table, for the terminal, for Markdown and for the page; what a departure is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from rnnspike.wording import interval, number, p_text

Tone = Literal["good", "fair", "bad", "none"]
#: How the page shows a column's values: digits after the point, or by their own rule.
Form = Literal["text", "0", "2", "3", "p", "interval", "verdict", "remark"]

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
#: Columns of the page's table of units: name in the rows (or of what the page adds), heading, and how it is shown.
#: ``interval``: the columns ``_low`` and ``_high`` of the name; ``verdict``: with its colour.
PAGE_COLUMNS: tuple[tuple[str, str, Form], ...] = (
    ("recording", "recording", "text"),
    ("unit", "unit", "text"),
    ("n_spikes", "spikes", "0"),
    ("rate_hz", "rate, Hz", "2"),
    ("bits_per_spike", "bits/spike", "3"),
    ("bits_per_spike", "95 % interval", "interval"),
    ("sufficient", "simplest sufficient", "text"),
    ("ks_d", "KS D", "3"),
    ("ks_p", "KS p", "p"),
    ("refractory_kind", "after a spike", "text"),
    ("refractory_verdict", "verdict", "verdict"),
    ("refractory_capture", "capture", "2"),
    ("adaptation_kind", "recent spikes", "text"),
    ("adaptation_verdict", "verdict", "verdict"),
    ("adaptation_capture", "capture", "2"),
    ("free_run_stability", "free run", "verdict"),
    ("free_run_rate_ratio", "rate ratio", "2"),
    ("free_run_rate_ratio", "95 % interval", "interval"),
    ("message", "remark", "remark"),
)


def page_columns(across: bool = False) -> list[dict[str, str]]:
    """Return the columns of the page's table, of one run or across recordings."""
    left_out = "sufficient" if across else "recording"
    named = (dict(zip(("key", "label", "form"), column, strict=True)) for column in PAGE_COLUMNS)
    return [column for column in named if column["key"] != left_out]


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
