"""What is found of a population network beside what is found of any network."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspike.dynamics.population.completion import PatternCompletion
from rnnspike.dynamics.population.phases import NetworkPhases, PopulationRhythm
from rnnspike.trials.data import FloatArray, IntArray


@dataclass(frozen=True)
class PopulationResult:
    """A population network: patterns and phases of its closed loop, and its states in single trials.

    Attributes
    ----------
    completion
        Which disturbed patterns come back.
    data, phases
        The population's rhythm in the spikes, and that of the closed loop (None where nothing oscillates).
    phase_correlation, phase_p
        Circular correlation of the units' phases in both, and its p; NaN where one of them has no rhythm.
    states, condition, conditions
        (trial, block, state) of held-out trials, the condition (trial,) of each, and their names.
    """

    completion: PatternCompletion
    data: PopulationRhythm
    phases: NetworkPhases | None
    phase_correlation: float
    phase_p: float
    states: FloatArray
    condition: IntArray
    conditions: tuple[str, ...]
