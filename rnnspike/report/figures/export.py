"""Figures for papers: SVG (text stays text) and PNG of publication size, with the numbers behind each as CSV."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from rnnspike.names import any_text
from rnnspike.report.catalogue import (
    CAPTURED,
    COMPARISON,
    DECODED_COVARIATE,
    DECODING,
    GLANCE,
    NETWORK,
    NETWORK_POPULATION,
    PAIRS,
    POPULATION,
    SINGLE_TRIALS,
    UNIT_GROUPS,
)
from rnnspike.report.figures.declaration import Figure
from rnnspike.report.figures.drawing import STYLE, Picture, write_picture
from rnnspike.report.figures.network import Analysed
from rnnspike.report.figures.shown import Shown
from rnnspike.report.load import Run
from rnnspike.runs.stored.store import safe_name


def write_figures(run: Run, folder: Path) -> list[Path]:
    """Write every figure of a run as SVG, PNG and CSV.

    Parameters
    ----------
    run
        A finished run.
    folder
        Where to write; made where it is missing.

    Returns
    -------
    list of Path
        The files.
    """
    written = _write(run_figures(run), folder)
    for unit in run.units:
        written += _write(unit_figures(run, unit), folder / f"unit_{safe_name(unit)}")
    analysed = run.folder / "dynamics"
    for file in sorted(analysed.glob("*/*/*/memory.npz")):
        place = folder / "network" / file.parent.relative_to(analysed)
        written += _write(drawn((*NETWORK, *NETWORK_POPULATION), Analysed.read(file)), place)
    return written


def write_comparison_figures(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write the figures of a comparison across recordings, and return the files."""
    return _write(drawn(COMPARISON, runs), folder)


def run_figures(run: Run) -> Iterator[Picture]:
    """Yield the figures of a run as a whole."""
    return drawn((*GLANCE, *CAPTURED, *POPULATION, *PAIRS, *SINGLE_TRIALS, *DECODING, *DECODED_COVARIATE), run)


def unit_figures(run: Run, unit: str) -> Iterator[Picture]:
    """Yield the figures of a unit, those that its stored curves allow: of the headline model, or the last one."""
    shown = Shown.of(run, unit)
    if shown is not None:
        for _, figures in UNIT_GROUPS:
            yield from drawn([figure for figure in figures if not figure.lacks(shown.curves)], shown)


def drawn(figures: Iterable[Figure], shown: Any) -> Iterator[Picture]:
    """Yield the pictures of these figures, each drawn by the functions that its declaration names."""
    for figure in figures:
        for path in figure.paper:
            module, name = path.split(":")
            made = getattr(importlib.import_module(f"rnnspike.report.figures.{module}"), name)(shown)
            pictures = made if isinstance(made, Iterator) else [made]
            yield from (picture for picture in pictures if picture is not None)


def _write(pictures: Iterable[Picture], folder: Path) -> list[Path]:
    with mpl.rc_context(STYLE), any_text():
        return [file for picture in pictures for file in write_picture(picture, folder)]
