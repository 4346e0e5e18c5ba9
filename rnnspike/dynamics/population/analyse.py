"""The analysis of one population network: that of any network, its patterns and the phases of its units."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.analyse import AnalysisOptions, DynamicsResult, analyse
from rnnspike.dynamics.maps import ClosedLoop
from rnnspike.dynamics.population.case import population_case, shown_states
from rnnspike.dynamics.population.completion import complete_patterns
from rnnspike.dynamics.population.phases import (
    PopulationRhythm,
    circular_correlation,
    free_run_phases,
    network_phases,
)
from rnnspike.dynamics.population.result import PopulationResult
from rnnspike.dynamics.rows import slowest_point
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.trials.data import Trials


def analyse_population(
    model: FittedSharedState,
    trials: Trials,
    rhythm: PopulationRhythm,
    history_s: float,
    rng: np.random.Generator,
    options: AnalysisOptions,
) -> DynamicsResult:
    """Analyse the network of a fitted shared state.

    Parameters
    ----------
    model
        The fitted model.
    trials
        Held-out trials of all its units.
    rhythm, history_s
        The rhythm of the recorded population, and how far back (s) spikes affect the rates.
    rng
        Random generator.
    options
        Settings of the analysis.
    """
    case = population_case(model, trials, rng)
    result = analyse(
        case.network,
        case.orbits,
        case.inputs,
        rng,
        untrained=case.untrained,
        data_rhythm=rhythm.rhythm,
        history_s=history_s,
        signal=rhythm.weights,
        options=options,
    )
    looked = result.inputs[-1]
    loop = looked.input.map_of(case.network)
    assert isinstance(loop, ClosedLoop)
    if result.rhythm.free_run_s is None:
        phases = network_phases(case.network, looked.basins, looked.points, slowest_point(looked.points))
    else:
        phases = free_run_phases(loop, rhythm.weights, result.rhythm.free_run_s, rng)
    correlation = (float("nan"), float("nan"))
    if phases is not None and len(rhythm.phase):
        correlation = circular_correlation(np.angle(rhythm.phase), np.angle(phases.phase), rng)
    with threadpool_limits(1, "blas"):
        completion = complete_patterns(loop, looked.points, looked.basins, case.orbits.visited, rng)
        shown = shown_states(model, case.network, trials)
    found = PopulationResult(completion, rhythm, phases, *correlation, *shown, trials.conditions)
    return replace(result, population=found)
