"""What can be decoded: confusion matrix, information by time and by number of units."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes, levels, row_of_axes
from rnnspike.report.load import Run
from rnnspike.report.words import short_labels


def confusion(run: Run) -> Picture | None:
    """Return the confusion matrix of the last model."""
    if run.decoding is None:
        return None
    found = run.decoding.arrays
    table, names = found["confusion"][-1], short_labels(found["conditions"].tolist())
    figure, on = axes("decoded", "condition")
    image = on.imshow(table / np.maximum(table.sum(axis=1, keepdims=True), 1), cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, label="share of trials")
    step = max(1, len(names) // 12)
    on.set_xticks(range(0, len(names), step), names[::step], rotation=90)
    on.set_yticks(range(0, len(names), step), names[::step])
    on.set_title(str(found["model"][-1]))
    numbers = {"condition": np.repeat(names, len(names)), "decoded": np.tile(names, len(names))}
    return Picture("decoding_confusion", figure, pd.DataFrame({**numbers, "n_trials": table.ravel()}))


def by_time(run: Run) -> Picture | None:
    """Return the information that spikes up to each time tell of the condition, by model."""
    if run.decoding is None:
        return None
    found = run.decoding.arrays
    figure, on = axes("time (s)", "information (bits)")
    numbers = {"time_s": found["time_s"]}
    for k, model in enumerate(map(str, found["model"])):
        low, value, high = (found[f"time.information{end}"][k] for end in ("_low", "", "_high"))
        on.fill_between(found["time_s"], low, high, color=on_paper(model), alpha=0.12, lw=0)
        on.plot(found["time_s"], value, color=on_paper(model), label=model)
        numbers |= {model: value, f"{model}_low": low, f"{model}_high": high}
    levels(on, 0.0)
    on.legend()
    return Picture("decoding_time", figure, pd.DataFrame(numbers))


def by_units(run: Run) -> Picture | None:
    """Return the information by number of units, mean of subsets, by model."""
    if run.decoding is None:
        return None
    found = run.decoding.arrays
    figure, on = axes("units", "information (bits)")
    numbers = {"units": found["units.n"][0]}
    for k, model in enumerate(map(str, found["model"])):
        mean = found["units.information_mean"][k]
        on.plot(found["units.n"][k], mean, marker="o", ms=3, color=on_paper(model), label=model)
        numbers |= {model: mean}
    levels(on, 0.0)
    on.set_xscale("log", base=2)
    on.set_xticks(found["units.n"][0], [str(n) for n in found["units.n"][0]])
    on.legend()
    return Picture("decoding_units", figure, pd.DataFrame(numbers))


def covariate(run: Run) -> Picture | None:
    """Return a covariate over time, recorded and decoded by the last model, channel by channel."""
    if run.decoded_covariate is None:
        return None
    found = run.decoded_covariate.arrays
    model, names = str(found["model"][-1]), found["channel"].tolist()
    figure, on = row_of_axes(len(names))
    table = {"time_s": found["time_s"]}
    for c, name in enumerate(names):
        on[c].plot(found["time_s"], found["decoded"][-1][:, c], color=on_paper(model), lw=0.6, label=model)
        on[c].plot(found["time_s"], found["recorded"][:, c], color="black", lw=0.6, label="recorded")
        on[c].set(xlabel="time in the session (s)", ylabel=name)
        table |= {f"{name}_recorded": found["recorded"][:, c], f"{name}_decoded": found["decoded"][-1][:, c]}
    on[0].legend()
    return Picture("decoding_covariate", figure, pd.DataFrame(table))
