"""Simulated cells whose conditional intensity is known exactly."""

from rnnspike.neurons.cell import Cell, intensity, simulate
from rnnspike.neurons.registry import CELLS, CellSpec, cell_spec
from rnnspike.neurons.session import Session, SessionOptions, simulate_cell, simulate_session
from rnnspike.neurons.truth import has_truth, true_intensity

__all__ = [
    "CELLS",
    "Cell",
    "CellSpec",
    "Session",
    "SessionOptions",
    "cell_spec",
    "has_truth",
    "intensity",
    "simulate",
    "simulate_cell",
    "simulate_session",
    "true_intensity",
]
