"""What a unit looks like: rasters, PSTH and single trials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.names import in_picture
from rnnspike.report.colours import CONDITION_COLOURS, EVENT_COLOURS, condition_colours, on_paper
from rnnspike.report.figures.drawing import WIDE, Picture, axes, row_of_axes
from rnnspike.report.figures.shown import Shown
from rnnspike.report.packing import spread
from rnnspike.report.trials.events import events_of, time_label
from rnnspike.report.trials.rasters import rasters
from rnnspike.report.words import short_labels
from rnnspike.trials.data import IntArray

#: Spikes of one raster of a picture.
MOST_TICKS = 20_000
#: How events are told apart, as in the page: lines of those that do not move, marks of those that do.
LINES: tuple[Any, ...] = ("--", ":", "-.", (0, (6, 2)), (0, (2, 3)), (0, (6, 2, 1, 2)))
MARKS = ("v", "D", "s", "o", "x", "*")


def raster(shown: Shown) -> Picture | None:
    """Return the recorded raster beside one of the same trials by the model fed its own spikes, by condition."""
    c = shown.curves
    if "raster.trial" not in c:
        return None
    found = rasters(c, shown.run.per_trial(shown.unit), MOST_TICKS)
    parts = {"recorded": "data"} | (
        {f"{shown.model}, simulated": shown.model} if f"raster.{shown.model}.bin" in found else {}
    )
    rows, condition = found["raster.row"], found["raster.condition"]
    names = conditions_of(shown)
    figure, on = row_of_axes(len(parts), sharex=True, sharey=True)
    height = float(np.clip(100 / max(len(rows), 1), 2, 6))  # of a tick, points
    tables = []
    for each, (title, source) in zip(on, parts.items(), strict=True):
        row = np.repeat(np.arange(len(rows)), found[f"raster.{source}.count"])
        time = float(c["window_s"][0]) + (found[f"raster.{source}.bin"] + 0.5) * float(c["bin_s"])
        for code, colour in enumerate(condition_colours(len(names))):
            mine = condition[row] == code
            look: dict[str, Any] = {"ls": "", "marker": "|", "ms": height, "mew": 0.4, "color": colour}
            each.plot(time[mine], row[mine], rasterized=len(time) > 500, **look)
        mark_events(each, shown, rows)
        each.set(xlabel=f"{time_label(shown.run)} (s)", title=title, xlim=tuple(c["window_s"]))
        tables.append(
            pd.DataFrame(
                {"raster": title, "trial": rows[row], "condition": [names[k] for k in condition[row]], "time_s": time}
            )
        )
    number_rows(on[0], rows)
    name_blocks(on[-1], condition, names)
    if handles := on[0].get_legend_handles_labels()[0]:
        figure.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=1.6)
    return Picture("raster", figure, pd.concat(tables, ignore_index=True))


def conditions_of(shown: Shown) -> list[str]:
    """Return the names of the conditions; one without a name where there are none."""
    return short_labels(shown.run.conditions) or ["all"]


def mark_events(on: Any, shown: Shown, rows: IntArray | None = None, trial: int | None = None) -> None:
    """Mark time zero and the events of the trials' table.

    They are lines where they do not move, or where one trial is shown; else marks in each of the rows.
    """
    low, high = shown.curves["window_s"]
    colour, _ = EVENT_COLOURS
    if low < 0 < high:
        on.axvline(
            0, color=colour, lw=0.8, label=f"{in_picture(shown.run.settings['resolved']['align'])} (time zero)"
        )
    for k, event in enumerate(events_of(shown.run)):
        at = event.constant_s if trial is None else event.time_s[trial]
        if at is not None and np.isfinite(at):
            on.axvline(at, color=colour, lw=0.8, ls=LINES[k], label=in_picture(event.name))
        elif rows is not None and np.isfinite(event.time_s[rows]).any():
            on.plot(
                event.time_s[rows], np.arange(len(rows)), MARKS[k], ms=2, color=colour, label=in_picture(event.name)
            )


def number_rows(on: Any, rows: IntArray) -> None:
    """Write the numbers of some trials beside their rows, the first at the top."""
    ticks = spread(len(rows), 6)
    on.set_yticks(ticks, [str(trial) for trial in rows[ticks]])
    on.set(ylabel="trial", ylim=(len(rows) - 0.5, -0.5))


def name_blocks(on: Any, condition: IntArray, names: Sequence[str]) -> None:
    """Name the conditions at the right of their rows, and draw a line between them, where there are several."""
    if len(names) < 2:
        return
    colours = condition_colours(len(names))
    size = float(np.clip(110 / len(names), 3.5, 7))
    for code in np.unique(condition):
        mine = np.flatnonzero(condition == code)
        place: dict[str, Any] = {"transform": on.get_yaxis_transform(), "va": "center", "fontsize": size}
        on.text(1.02, mine.mean(), in_picture(names[code], 24), color=colours[code], **place)
    for other in on.figure.axes:
        for edge in np.flatnonzero(np.diff(condition)):
            other.axhline(edge + 0.5, color="0.75", lw=0.4, zorder=0)


def psth(shown: Shown) -> Picture | None:
    """Return the PSTH of the data, with its band where it was stored, and what the models expect; by condition."""
    c = shown.curves
    if "psth.time_s" not in c:
        return None
    if len(c.get("smooth.condition", ())) > 1:
        return _psth_by_condition(shown)
    figure, on = axes(f"{time_label(shown.run)} (s)", "rate (Hz)")
    if "smooth.time_s" in c:
        on.fill_between(c["smooth.time_s"], c["smooth.low_hz"][0], c["smooth.high_hz"][0], color="0.85", lw=0)
        on.plot(c["smooth.time_s"], c["smooth.rate_hz"][0], color="black", lw=0.9, label="data")
    else:
        on.plot(c["psth.time_s"], c["psth.data_hz"], color="0.4", lw=0.8, label="data")
    for name, k in shown.drawn:
        on.plot(c["psth.time_s"], c["psth.model_hz"][k], color=on_paper(name), label=name)
    mark_events(on, shown)
    on.set_ylim(bottom=0)
    on.legend()
    table = {"time_s": c["psth.time_s"], "data_hz": c["psth.data_hz"], **shown.by_model("psth.model_hz", "_hz")}
    return Picture("psth", figure, pd.DataFrame(table))


def _psth_by_condition(shown: Shown) -> Picture:
    """Draw a curve per condition with its band, and the model's dotted; a map of the rates where they are many."""
    c, time = shown.curves, shown.curves["smooth.time_s"]
    names = short_labels([str(label) for label in c["smooth.condition"]])
    figure, on = axes(f"{time_label(shown.run)} (s)", "rate (Hz)")
    rates = {part: c[f"smooth.{part}_hz"] for part in ("rate", "low", "high")}  # (condition, point)
    expected = c.get("psth.model_by_condition_hz")
    model = None if expected is None else expected[shown.models.index(shown.model)]
    if len(names) > len(CONDITION_COLOURS):
        extent = (time[0], time[-1], len(names) - 0.5, -0.5)
        image = on.imshow(rates["rate"], extent=extent, aspect="auto", vmin=0, interpolation="nearest")
        on.set_yticks(range(len(names)), [in_picture(name, 24) for name in names])
        on.tick_params(axis="y", labelsize=float(np.clip(110 / len(names), 3.5, 7)), left=False)
        on.set_ylabel("")
        figure.colorbar(image, ax=on, label="rate (Hz)")
    else:
        for k, (name, colour) in enumerate(zip(names, condition_colours(len(names)), strict=True)):
            on.fill_between(time, rates["low"][k], rates["high"][k], color=colour, alpha=0.15, lw=0)
            on.plot(time, rates["rate"][k], color=colour, lw=1.0, label=in_picture(name))
            if model is not None:
                on.plot(c["psth.time_s"], model[k], ":", color=colour, lw=0.9)
        on.set_ylim(bottom=0)
    mark_events(on, shown)
    if on.get_legend_handles_labels()[0]:
        dotted = None if model is None else f"dotted: {shown.model}"
        few = None if len(names) > len(CONDITION_COLOURS) else dotted
        figure.legend(loc="outside lower center", ncols=3, handlelength=1.4, title=few, title_fontsize=7)
    table = {"condition": np.repeat(names, len(time)), "time_s": np.tile(time, len(names))}
    table |= {f"{part}_hz": values.ravel() for part, values in rates.items()}
    if model is not None:
        table[f"{shown.model}_hz"] = np.concatenate([np.interp(time, c["psth.time_s"], each) for each in model])
    return Picture("psth", figure, pd.DataFrame(table))


def single_trials(shown: Shown, n_most: int = 4) -> Picture | None:
    """Return the conditional intensity on some held-out trials, over their spikes."""
    c = shown.curves
    if "example.rate_hz" not in c or not len(c["example.trial"]):
        return None
    n, time = min(n_most, len(c["example.trial"])), c["example.time_s"]
    figure = axes("", "", (WIDE[0], 0.8 + 0.7 * n))[0]
    figure.clear()
    rows = np.atleast_1d(figure.subplots(n, 1, sharex=True))
    for i, on in enumerate(rows):
        for name, k in shown.drawn:
            on.plot(time, c["example.rate_hz"][k, i], color=on_paper(name), lw=0.9, label=name)
        on.plot(
            time[c["example.spikes"][i] > 0], np.zeros(int((c["example.spikes"][i] > 0).sum())), "|", color="black"
        )
        trial = int(c["example.trial"][i])
        on.set_ylabel(f"trial {trial}\n(Hz)")
        mark_events(on, shown, trial=trial)
    named = {name: handle for on in rows for handle, name in zip(*on.get_legend_handles_labels(), strict=True)}
    figure.legend(named.values(), named, loc="outside lower center", ncols=5, handlelength=1.6)
    rows[-1].set_xlabel(f"{time_label(shown.run)} (s)")
    table = {"trial": np.repeat(c["example.trial"][:n], len(time)), "time_s": np.tile(time, n)}
    table["spikes"] = c["example.spikes"][:n].ravel()
    table |= {f"{name}_hz": c["example.rate_hz"][k, :n].ravel() for k, name in enumerate(shown.models)}
    return Picture("single_trials", figure, pd.DataFrame(table))
