"""How well the models of a unit predict, over rungs and over the session, and how they were fitted."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.report import tallies
from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes
from rnnspike.report.figures.shown import Shown
from rnnspike.report.payload import session as session_curves
from rnnspike.report.payload import trainings


def unit_ladder(shown: Shown) -> Picture | None:
    """Return bits/spike of a unit by rung, with intervals; in the table the gain over the model extended."""
    columns = ["model", "bits_per_spike", "bits_per_spike_low", "bits_per_spike_high"]
    rows = [
        row for row in shown.run.unit_rows(shown.unit) if row["status"] == "ok" and row["bits_per_spike"] is not None
    ]
    table = pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[1:], float))
    if table.empty:
        return None
    figure, on = axes("bits/spike", "")
    y, value = np.arange(len(table)), table.bits_per_spike
    on.hlines(y, table.bits_per_spike_low, table.bits_per_spike_high, color="0.5", lw=0.9)
    on.scatter(value, y, c=[on_paper(model) for model in table.model], s=14, zorder=3)
    on.set_yticks(y, table.model)
    on.invert_yaxis()
    steps = {step["model"]: step for step in tallies.steps(shown.run) if step["unit"] == shown.unit}
    for name in ("over", "gain", "low", "high"):
        table[name if name == "over" else f"step_{name}"] = [steps.get(model, {}).get(name) for model in table.model]
    return Picture("unit_ladder", figure, table)


def session(shown: Shown) -> Picture | None:
    """Return the gain over the reference summed up over the session."""
    trials = shown.run.per_trial(shown.unit)
    found = session_curves(trials, shown.curves, len(trials))
    if not found:
        return None
    figure, on = axes("trial, in order of time", f"gain over {shown.curves['reference']} (bits)")
    for name, k in shown.drawn:
        on.plot(found["session.trial"], found["session.gain_bits"][k], color=on_paper(name), label=name)
    on.legend()
    table = {"trial": found["session.trial"], "start_s": found["session.start_s"], "spikes": found["session.spikes"]}
    table |= {f"{name}_bits": found["session.gain_bits"][k] for k, name in enumerate(shown.models)}
    return Picture("session", figure, pd.DataFrame(table))


def training(shown: Shown) -> Picture | None:
    """Return training (dotted) and validation loss by epoch, one member of each network."""
    figure, on = axes("epoch", "loss (nats)")
    tables = []
    for each in trainings(shown.run, shown.unit):
        for key, style in (("train_loss", ":"), ("validation_loss", "-")):
            loss = np.array(each.get(key) or [], dtype=np.float64)
            epoch, known = np.arange(len(loss)), np.isfinite(loss)
            label = each["model"] if style == "-" else None
            on.plot(epoch[known], loss[known], style, color=on_paper(each["model"]), label=label)
            tables.append(pd.DataFrame({"model": each["model"], "loss": key, "epoch": epoch, "nats": loss}))
    if not tables:
        return None
    on.legend()
    return Picture("training", figure, pd.concat(tables, ignore_index=True))


def stack(shown: Shown) -> Picture | None:
    """Return the stack's weights, mean over test folds and each fold."""
    folds = pd.DataFrame(shown.run.stack_weights(shown.unit)).T
    if folds.empty:
        return None
    figure, on = axes("", "weight")
    on.bar(folds.columns, folds.mean(), color=[on_paper(model) for model in folds.columns])
    for _, weights in folds.iterrows():
        on.plot(folds.columns, weights, ls="", marker="_", color="black", ms=5)
    on.set_ylim(0, 1)
    on.tick_params(axis="x", rotation=35)
    return Picture("stack", figure, folds.rename_axis("fold").reset_index())
