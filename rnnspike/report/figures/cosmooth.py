"""A picture of co-smoothing: the score of each unit by method, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from rnnspike.names import in_picture
from rnnspike.report.psth.raster import STYLE, save

#: Colours of the methods.
COLOURS = {"psth": "#999999", "ridge": "#0072B2", "gpfa": "#D55E00"}
#: Units named below the axis at the most.
MOST_NAMED = 60


def draw(rows: Sequence[dict[str, Any]], score: str, path: Path) -> None:
    """Draw bars of the score by unit and method into a file, all units pooled first.

    Parameters
    ----------
    rows
        Rows of ``rnnspike cosmooth`` of one recording.
    score
        Name of the score, ``co_bps`` or ``fp_bps``.
    path
        Picture to write (.png, .svg, .pdf).
    """
    with mpl.rc_context(STYLE):
        figure = figure_of([row for row in rows if row["status"] == "ok"], score)
    save(figure, path)


def figure_of(rows: Sequence[dict[str, Any]], score: str) -> Figure:
    """Return the figure."""
    units = [None, *dict.fromkeys(row["unit"] for row in rows if row["unit"] is not None)]
    methods = list(dict.fromkeys(row["method"] for row in rows))
    figure = Figure(figsize=(float(np.clip(1.5 + 0.45 * len(units), 4.0, 16.0)), 3.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    width = 0.8 / max(len(methods), 1)
    for m, method in enumerate(methods):
        mine = [row for row in rows if row["method"] == method and row[score] is not None]
        at = np.array([units.index(row["unit"]) for row in mine]) + (m - (len(methods) - 1) / 2) * width
        value = np.array([row[score] for row in mine], np.float64)
        ends = np.array([[row[f"{score}_{end}"] for row in mine] for end in ("low", "high")], np.float64)
        reach = np.nan_to_num(np.maximum(np.abs(ends - value), 0.0))
        bars = {"width": width, "color": COLOURS.get(method, "#555555"), "label": method}
        axes.bar(at, value, yerr=reach, error_kw={"elinewidth": 0.6, "ecolor": "#1a1a1a"}, **bars)
    axes.axhline(0, color="#1a1a1a", linewidth=0.6)
    named = range(len(units)) if len(units) <= MOST_NAMED else range(1)
    names = ["all units", *(in_picture(str(unit), 12) for unit in units[1:])]
    axes.set_xticks(list(named), [names[u] for u in named], rotation=90 if len(units) > 12 else 0)
    axes.set_xlabel("Unit")
    axes.set_ylabel(f"{score.replace('_', '-')} (bits/spike)")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(in_picture(rows[0]["recording"]) if rows else "", loc="left", fontsize=9, fontweight="bold")
    return figure
