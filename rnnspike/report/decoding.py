"""What can be decoded from the units, in words and for the page (``runs.stored.decoding``)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rnnspike.evaluation.decoding.covariate import LEAST_P
from rnnspike.report.packing import packed, rounded
from rnnspike.report.words import short_labels
from rnnspike.runs.stored.decoding import Decoding
from rnnspike.wording import counted, p_text

#: Windows of a decoded covariate that are drawn at the most.
MOST_WINDOWS = 3000
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


def covariate_payload(found: Decoding | None) -> dict[str, Any] | None:
    """Return what the figure of a decoded covariate is drawn from; None where none was decoded.

    Parameters
    ----------
    found
        Rows and arrays.
    """
    if found is None:
        return None
    arrays, some = found.arrays, slice(MOST_WINDOWS)
    return {
        "model": [row["model"] for row in found.rows],
        "channel": arrays["channel"].tolist(),
        "n_windows": len(arrays["time_s"]),
        "time_s": packed(arrays["time_s"][some]),
        "recorded": packed(arrays["recorded"][some].T),
        "decoded": packed(np.swapaxes(arrays["decoded"][:, some], 1, 2)),
    }


def covariate_sentence(found: Decoding) -> str:
    """Return which covariate was decoded, from what, and against which chance."""
    row = found.rows[0]
    return (
        f"{row['covariate']} in {row['n_windows']} windows of {row['window_ms']:g} ms in held-out trials, from the "
        f"spikes of {counted(row['n_units'], 'unit{s}')} together, on {row['n_points']} values that it has, each as "
        "likely before as it is frequent. Without spikes: the mean over the session. Chance: the decoded series "
        "shifted in time."
    )


def covariate_table(found: Decoding) -> list[list[str]]:
    """Return the cells of a table: model, errors with chance, information, temperature."""
    return [
        [
            row["model"],
            _interval(row, "rms_error", form=".4g"),
            f"{row['prior_rms_error']:.4g}",
            f"{row['chance_error']:.4g}",
            p_text(row["error_p"], LEAST_P),
            _interval(row, "median_error", form=".4g"),
            _interval(row, "information"),
            f"{row['temperature']:.2f}",
        ]
        for row in found.rows
    ]


def _interval(row: dict[str, Any], name: str, sign: str = "", form: str = ".3f") -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if value is None:
        return "–"
    form = sign + form
    return f"{value:{form}}" + ("" if low is None else f" ({low:{form}} to {high:{form}})")
