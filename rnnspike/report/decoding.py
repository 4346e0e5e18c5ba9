"""What can be decoded from the units, in words and for the page (``runs.stored.decoding``)."""

from __future__ import annotations

import math
from typing import Any

from rnnspike.report.cells import p_text
from rnnspike.report.packing import packed, rounded
from rnnspike.report.words import short_labels
from rnnspike.runs.stored.decoding import Decoding
from rnnspike.wording import counted

#: Arrays that are packed where they are long.
PACKED = ("confusion", "time.information", "time.information_low", "time.information_high", "time.accuracy")


def decoding_payload(found: Decoding | None) -> dict[str, Any] | None:
    """Return what the figures of decoding are drawn from; None where nothing was decoded.

    Parameters
    ----------
    found
        Rows and arrays.
    """
    if found is None:
        return None
    arrays = found.arrays
    kept = {name: packed(arrays[name]) for name in PACKED}
    kept |= {name: rounded(values) for name, values in arrays.items() if name.startswith("units.")}
    return {
        **kept,
        "model": [row["model"] for row in found.rows],
        "conditions": short_labels(arrays["conditions"].tolist()),
        "time_s": rounded(arrays["time_s"]),
        "bits": math.log2(found.rows[0]["n_conditions"]),
    }


def decoding_sentence(found: Decoding) -> str:
    """Return what was decoded, from what, and against which chance."""
    row = found.rows[0]
    prior = "every condition as likely" if row["prior"] == "uniform" else "conditions as likely as they were frequent"
    return (
        f"The condition of {row['n_trials']} held-out trials, {row['n_conditions']} conditions, from the spikes of "
        f"{counted(row['n_units'], 'unit{s}')} together, {prior} before the trial. The likelihood is taken to a "
        "power, the temperature, that was chosen on other folds. Chance: labels permuted within blocks of "
        "neighbouring trials."
    )


def decoding_table(found: Decoding) -> list[list[str]]:
    """Return the cells of a table: model, accuracy, chance, p, information, temperature, gain, p."""
    return [
        [
            row["model"],
            _interval(row, "accuracy"),
            f"{row['chance_accuracy']:.3f}",
            p_text(row["accuracy_p"]),
            _interval(row, "information"),
            f"{row['temperature']:.2f}",
            f"{_interval(row, 'gain', '+')} over {row['over']}" if row["over"] else "–",
            p_text(row["gain_p"]),
        ]
        for row in found.rows
    ]


def _interval(row: dict[str, Any], name: str, sign: str = "") -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return "–"
    return f"{value:{sign}.3f}" + ("" if low is None else f" ({low:{sign}.3f} to {high:{sign}.3f})")
