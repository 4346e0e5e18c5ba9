"""Pictures of a unit: raster above, PSTH with its bands below, by condition; for papers, without a display."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from rnnspike.errors import ConfigError
from rnnspike.files import write_file
from rnnspike.models.baselines.psth_bands import PsthResult
from rnnspike.names import in_picture
from rnnspike.report.colours import CONDITION_COLOURS, condition_colours
from rnnspike.report.figures.drawing import unwritten_scripts
from rnnspike.report.words import condition_columns, short_labels
from rnnspike.trials.data import IntArray, Trials

#: Inches: one column and a half of a journal, and what each further unit of a picture takes.
PANEL = (4.6, 4.0)
#: Ticks of more spikes are drawn as pixels within an SVG.
MOST_TICKS = 5000
#: A picture, or a page of a PDF, holds at most so many units.
MOST_UNITS = 24
#: Formats of pictures, and what leaves the date out of each.
UNDATED: Any = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnspike",
    "pdf.fonttype": 42,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.frameon": False,
    "legend.fontsize": 7,
}
UNSEEN = "#e6e6e6"
#: Rows of a raster that can be told apart: with more trials, ticks are as high as so many would have.
MOST_ROWS = 110


def picture(panels: Sequence[tuple[Trials, PsthResult]], recording: str) -> Figure:
    """Return one figure with a panel a unit, side by side.

    Parameters
    ----------
    panels
        Trials of one unit each, and their PSTH.
    recording
        Name for the heading.
    """
    n_columns = int(np.ceil(np.sqrt(len(panels))))
    n_rows = int(np.ceil(len(panels) / n_columns))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(PANEL[0] * n_columns, PANEL[1] * n_rows), layout="constrained")
        FigureCanvasAgg(figure)
        parts = np.atleast_1d(figure.subfigures(n_rows, n_columns, squeeze=False)).ravel()
        for part, (trials, result) in zip(parts, panels, strict=False):
            draw_unit(part, trials, result, recording)
    return figure


def draw_unit(part: SubFigure, trials: Trials, result: PsthResult, recording: str) -> None:
    """Draw raster and PSTH of one unit."""
    heat = len(result.conditions) > len(CONDITION_COLOURS)
    part.suptitle(
        f"{in_picture(recording)}, unit {in_picture(result.unit)}", x=0.02, ha="left", fontsize=9, fontweight="bold"
    )
    raster, rate = part.subplots(2, 1, sharex=True, height_ratios=(1.1, 1.0))
    colours = condition_colours(len(result.conditions))
    draw_raster(raster, trials, colours)
    if heat:
        _heat_map(part, rate, result)
    else:
        _curves(rate, result, colours)
    for axes in (raster, rate):
        if trials.window_s[0] < 0 < trials.window_s[1]:
            colour = "white" if heat and axes is rate else "#444444"
            axes.axvline(0, color=colour, linewidth=0.7, linestyle=(0, (4, 3)), zorder=3)
    rate.set_xlabel("Time (s)")
    rate.set_xlim(*trials.window_s)
    rate.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    rate.xaxis.set_major_formatter("{x:g}")
    if len(result.conditions) > 1 and not heat:
        _legend(raster, rate, result)
    rate.text(
        1.0, -0.3, _caption(result, heat), transform=rate.transAxes, ha="right", va="top", fontsize=6, color="#555"
    )


def _legend(raster: Any, rate: Any, result: PsthResult) -> None:
    """Name the conditions above the raster, and once the columns that they are made of."""
    labels = [f"{name} ({n})" for name, n in zip(_condition_names(result), result.n_trials, strict=True)]
    columns = in_picture(", ".join(condition_columns(result.conditions))) or None
    lines = rate.get_lines()[: len(labels)]
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0), "borderaxespad": 0.2}
    legend = raster.legend(lines, labels, ncols=3, handlelength=1.2, columnspacing=1.2, title=columns, **place)
    legend.set_alignment("left")
    legend.get_title().set_fontsize(7)


def _condition_names(result: PsthResult) -> list[str]:
    """Return the conditions as ticks and legends name them; a legend leaves out what begins with an underscore."""
    names = [in_picture(name, 32) for name in short_labels(result.conditions)]
    return [f" {name}" if name.startswith("_") else name for name in names]


def draw_raster(axes: Any, trials: Trials, colours: Sequence[Any]) -> None:
    """Draw a tick a spike, trials from top to bottom by condition and then time; unobserved time is grey."""
    order = np.argsort(trials.condition, kind="stable")  # (row,)
    row = np.empty(len(order), np.int64)
    row[order] = np.arange(len(order))
    trial, k = np.nonzero(trials.counts[:, :, 0])
    time_s = trials.window_s[0] + (k + 0.5) * trials.bin_s
    heavy = len(trial) > MOST_TICKS
    width = float(np.clip(150 / max(trials.n_trials, 1), 0.5, 0.8))
    half = max(0.42, 0.5 * trials.n_trials / MOST_ROWS)  # of a row; many trials overlap rather than vanish
    for c, colour in enumerate(colours):
        own = trials.condition[trial] == c
        middle = row[trial[own]] + 0.5
        axes.vlines(
            time_s[own], middle - half, middle + half, color=colour, linewidth=width, rasterized=heavy, zorder=2
        )
    _grey_where_unobserved(axes, trials, order)
    _separate_conditions(axes, trials, order)
    axes.set_ylim(trials.n_trials, 0)
    steps = [n for n in MaxNLocator(5, integer=True).tick_values(1, trials.n_trials) if 1 < n <= trials.n_trials]
    ticks = [1, *steps]
    axes.set_yticks([n - 0.5 for n in ticks], [f"{n:g}" for n in ticks])
    axes.set_ylabel("Trial")
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(bottom=False)


def _grey_where_unobserved(axes: Any, trials: Trials, order: IntArray) -> None:
    hidden = ~trials.observed[order][:, :, 0]
    if not hidden.any():
        return
    extent = (*trials.window_s, trials.n_trials, 0)
    shade = np.zeros((*hidden.shape, 4))
    shade[hidden] = mpl.colors.to_rgba(UNSEEN)
    axes.imshow(shade, extent=extent, aspect="auto", interpolation="nearest", zorder=0)


def _separate_conditions(axes: Any, trials: Trials, order: IntArray) -> None:
    sizes = np.bincount(trials.condition[order], minlength=len(trials.conditions))
    for edge in np.cumsum(sizes)[:-1]:
        axes.axhline(edge, color="#bbbbbb", linewidth=0.4, zorder=1)


def _curves(axes: Any, result: PsthResult, colours: Sequence[Any]) -> None:
    with_pointwise = len(result.conditions) <= 2
    for c, colour in enumerate(colours):
        time_s = result.time_s
        axes.fill_between(
            time_s, result.band_low_hz[c], result.band_high_hz[c], color=colour, alpha=0.16, linewidth=0, zorder=1
        )
        if with_pointwise:
            axes.fill_between(
                time_s, result.low_hz[c], result.high_hz[c], color=colour, alpha=0.25, linewidth=0, zorder=2
            )
        axes.plot(time_s, result.rate_hz[c], color=colour, linewidth=1.1, zorder=4)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("Rate (spikes/s)")


def _heat_map(part: SubFigure, axes: Any, result: PsthResult) -> None:
    step = result.time_s[1] - result.time_s[0] if len(result.time_s) > 1 else 1.0
    n = len(result.conditions)
    extent = (result.time_s[0] - step / 2, result.time_s[-1] + step / 2, n, 0)
    image = axes.imshow(result.rate_hz, extent=extent, aspect="auto", cmap="viridis", vmin=0, interpolation="nearest")
    axes.set_yticks(np.arange(n) + 0.5, _condition_names(result), fontsize=float(np.clip(100 / n, 3.5, 7)))
    axes.tick_params(left=False)
    axes.set_facecolor(UNSEEN)
    bar = part.colorbar(image, ax=axes, pad=0.01, fraction=0.05)
    bar.set_label("Rate (spikes/s)", fontsize=7)
    bar.outline.set_visible(False)


def _caption(result: PsthResult, heat: bool) -> str:
    kernel = f"Gaussian kernel, SD {result.bandwidth_s * 1e3:.3g} ms; {int(result.n_trials.sum())} trials"
    if heat:
        return kernel
    level = f"{result.level:.0%}"
    bands = f"band: {level} of whole curves"
    if len(result.conditions) <= 2:
        bands += f", dark: {level} at each time"
    return f"{kernel}\n{bands} (trial bootstrap)"


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG (text stays text) or PDF, by the name's ending; equal figures give equal bytes.

    Raises
    ------
    ConfigError
        Where the ending is none of these.
    """
    kind = path.suffix.lower()
    if kind not in UNDATED:
        raise ConfigError(f"{path}: a picture is one of {', '.join(UNDATED)}")
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE), unwritten_scripts():
        figure.savefig(buffer, format=kind[1:], dpi=300, metadata=UNDATED[kind])
    write_file(path, buffer.getvalue())


def page_paths(path: Path, n_units: int) -> list[Path]:
    """Return the files that a picture of so many units takes: one, or one per page, numbered, unless it is a PDF.

    Examples
    --------
    >>> [each.name for each in page_paths(Path("psth.png"), 60)]
    ['psth_1.png', 'psth_2.png', 'psth_3.png']
    """
    n_pages = -(-n_units // MOST_UNITS)
    if n_pages <= 1 or path.suffix.lower() == ".pdf":
        return [path]
    digits = len(str(n_pages))
    return [path.with_stem(f"{path.stem}_{k:0{digits}}") for k in range(1, n_pages + 1)]


class Pages:
    """A picture of many units, with as many pages as they need, each drawn once it is full.

    Parameters
    ----------
    path
        The file; a PDF has pages, other pictures of many units are several files (``page_paths``).
    recording
        Name for the headings.
    n_units
        Number of units to come.
    """

    def __init__(self, path: Path, recording: str, n_units: int) -> None:
        self.path, self.recording = path, recording
        self.panels: list[tuple[Trials, PsthResult]] = []
        self.buffer = io.BytesIO()
        self.paths = iter(page_paths(path, n_units))
        several = n_units > MOST_UNITS and path.suffix.lower() == ".pdf"
        self.pdf: Any = PdfPages(self.buffer, metadata=UNDATED[".pdf"]) if several else None

    def add(self, trials: Trials, result: PsthResult) -> None:
        """Add a unit."""
        self.panels.append((trials, result))
        if len(self.panels) == MOST_UNITS:
            self._turn()

    def _turn(self) -> None:
        page = picture(self.panels, self.recording)
        if self.pdf is None:
            save(page, next(self.paths))
        else:
            with mpl.rc_context(STYLE), unwritten_scripts():
                self.pdf.savefig(page, dpi=300)
        self.panels = []

    def close(self) -> None:
        """Write what is left; nothing if there was no unit."""
        if self.panels:
            self._turn()
        if self.pdf is not None:
            self.pdf.close()
            write_file(self.path, self.buffer.getvalue())
