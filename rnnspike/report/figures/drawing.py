"""What figures for papers have in common: size, style, a picture with the numbers behind it, and its files."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnspike.files import write_file
from rnnspike.runs.stored.store import frame_csv

#: One column of a journal, inches; and two.
SIZE, WIDE = (3.35, 2.4), (6.9, 2.6)
STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnspike",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.3,
}


@dataclass(frozen=True, eq=False, repr=False)
class Picture:
    """One figure and the table behind it."""

    name: str
    figure: Figure
    numbers: pd.DataFrame

    def __repr__(self) -> str:
        return f"<Picture {self.name}: figure, numbers ({len(self.numbers)} rows)>"

    def _repr_png_(self) -> bytes:
        return _drawn(self.figure, "png", dpi=150)


def write_picture(picture: Picture, folder: Path) -> list[Path]:
    """Write a figure as SVG (text stays text) and PNG, its numbers as CSV; equal figures give equal bytes."""
    svg = _drawn(picture.figure, "svg", metadata={"Date": None})
    png = _drawn(picture.figure, "png", dpi=300, metadata={"Software": None})
    contents = {"svg": svg, "png": png, "csv": frame_csv(picture.numbers)}
    files = {folder / f"{picture.name}.{suffix}": content for suffix, content in contents.items()}
    for file, content in files.items():
        write_file(file, content)
    return list(files)


def _drawn(figure: Figure, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), unwritten_scripts():
        figure.savefig(buffer, format=form, **options)
    return buffer.getvalue()


@contextmanager
def unwritten_scripts() -> Iterator[None]:
    """Draw names in scripts that the font lacks as boxes, without a word for each letter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+")
        yield


def axes(x: str, y: str, size: tuple[float, float] = SIZE) -> tuple[Figure, Any]:
    """Return a figure with one set of axes, named."""
    figure = Figure(figsize=size, layout="constrained")
    found = figure.add_subplot()
    found.set(xlabel=x, ylabel=y)
    return figure, found


def row_of_axes(n: int, size: tuple[float, float] = WIDE, **options: Any) -> tuple[Figure, Any]:
    """Return a figure with n sets of axes side by side."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, np.atleast_1d(figure.subplots(1, n, **options))


def levels(on: Any, *at: float) -> None:
    """Draw dashed lines at these heights."""
    for level in at:
        on.axhline(level, color="0.5", ls="--", lw=0.7, zorder=0)
