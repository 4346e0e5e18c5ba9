"""The rhythm of a population and the phase of each unit in it, in spikes and in a network.

See science.md#population-loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.dynamics.attractors.basins import Basins
from rnnspike.dynamics.attractors.points import Points
from rnnspike.dynamics.eigenvalues import ComplexArray, oscillating, read_modes
from rnnspike.dynamics.loop import spiking_step
from rnnspike.dynamics.maps import ClosedLoop
from rnnspike.dynamics.network import Network
from rnnspike.dynamics.rhythm import WITHIN
from rnnspike.rhythm import SpikeRhythm, first_components, signal_rhythm, spike_rhythm
from rnnspike.trials.data import BoolArray, FloatArray

#: Free runs, and turns of the rhythm in each.
N_FREE, N_TURNS = 8, 20
#: Spikes of free runs held at a time: fewer runs of long rhythms.
MOST_DRAWN = 20_000_000
#: Permutations of the units' phases.
N_PERMUTED = 1999
#: The least p that so many permutations can give.
LEAST_P = 1 / (1 + N_PERMUTED)


@dataclass(frozen=True)
class PopulationRhythm:
    """The rhythm of the first principal component of the units' rates.

    ``weights`` (unit,) of its spikes' counts; ``phase`` complex (unit,) amplitude and phase of each unit's
    standardised count in it, empty without a rhythm; ``n_units`` whose own spikes have that period within 10 %.
    """

    rhythm: SpikeRhythm
    weights: FloatArray
    phase: ComplexArray
    n_units: int


@dataclass(frozen=True)
class NetworkPhases:
    """``phase`` complex (unit,) of each unit's log-rate in a network's rhythm, its period and where it is from."""

    phase: ComplexArray
    period_s: float
    source: str


def population_rhythm(counts: npt.NDArray[Any], observed: BoolArray, bin_s: float) -> PopulationRhythm:
    """Return the rhythm of all units' counts (row, bin, unit) of any number type; unobserved (row, bin) are left out.

    The rates are smoothed over several widths; of the first components the one with the strongest rhythm is taken.
    """
    components = first_components(counts, observed)
    found = [(signal_rhythm(weighted(counts, weights), bin_s, observed=observed), weights) for weights in components]
    rhythm, weights = max(found, key=lambda each: each[0].strength)
    if rhythm.period_s is None:
        return PopulationRhythm(rhythm, weights, np.zeros(0, complex), 0)
    own = [spike_rhythm(each, bin_s, observed=observed).period_s for each in np.moveaxis(counts, 2, 0)]
    alike = [period is not None and abs(period / rhythm.period_s - 1) <= WITHIN for period in own]
    phase = phases_in(counts, weighted(counts, weights), rhythm.period_s / bin_s, observed)
    return PopulationRhythm(rhythm, weights, phase, sum(alike))


def weighted(counts: npt.NDArray[Any], weights: FloatArray) -> FloatArray:
    """Return the weighted sum (row, bin) of counts (row, bin, unit), which are not copied to float64 as a whole."""
    return np.asarray(np.einsum("rbu,u->rb", counts, weights))


def phases_in(
    counts: npt.NDArray[Any], signal: FloatArray, period: float, observed: BoolArray | None = None
) -> ComplexArray:
    """Return amplitude and phase, complex (unit,), of counts (row, bin, unit) in a signal (row, bin).

    ``period`` in bins; unobserved (row, bin) are left out, default none. The signal's own phase is that of its part
    at half to one and a half times its frequency, so that a rhythm may drift; a unit that follows the signal has
    phase 0, one that precedes it a positive one.
    """
    seen = np.ones(signal.shape, bool) if observed is None else observed
    mean = (signal * seen).sum(axis=1, keepdims=True) / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    spectrum = np.fft.fft((signal - mean) * seen, axis=1)
    turns = np.fft.fftfreq(signal.shape[1]) * period
    analytic = np.fft.ifft(spectrum * ((turns > 0.5) & (turns < 1.5)), axis=1)[seen]
    back = np.conj(analytic) / np.maximum(np.abs(analytic), 1e-300)
    units = [back @ _standardised(counts[..., unit][seen]) for unit in range(counts.shape[2])]
    return np.asarray(units, dtype=np.complex128) / max(len(back), 1)


def _standardised(values: npt.NDArray[Any]) -> FloatArray:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-12))


def free_run_phases(
    system: ClosedLoop, weights: FloatArray, period_s: float, rng: np.random.Generator
) -> NetworkPhases:
    """Return the phases of the units' spikes in the rhythm of a free run, as those of the data are found.

    ``weights`` (unit,) make the signal of that ``period_s``.
    """
    bin_s = system.network.bin_s
    n_turn = round(period_s / bin_s)
    n_free = int(np.clip(MOST_DRAWN // (N_TURNS * n_turn * len(weights)), 1, N_FREE))
    state = np.zeros((n_free, system.network.n_state))
    drawn = np.empty((n_free, N_TURNS * n_turn, len(weights)), np.float32)
    for k in range(-n_turn, drawn.shape[1]):
        state, spikes = spiking_step(system, state, rng)
        if k >= 0:
            drawn[:, k] = spikes
    return NetworkPhases(phases_in(drawn, weighted(drawn, weights), period_s / bin_s), period_s, "free run")


def network_phases(network: Network, basins: Basins, points: Points, point: int | None) -> NetworkPhases | None:
    """Return the phases of the outputs on a network's most visited limit cycle, else in its longest oscillating mode.

    The mode is one of the ``point`` given; None where nothing oscillates.
    """
    if basins.cycles:
        cycle = basins.cycles[int(np.argmax(basins.cycle_share))]
        eta = network.log_rate(cycle.orbit)
        turn = np.exp(-2j * np.pi * np.arange(len(eta)) / len(eta))
        return NetworkPhases(turn @ eta / len(eta), cycle.period_s, "limit cycle")
    if point is None or network.readout is None:
        return None
    values, vectors = np.linalg.eig(points.jacobians[point])
    order = np.argsort(-np.abs(values), kind="stable")
    values, vectors = values[order].astype(complex), vectors[:, order]
    chosen = np.flatnonzero(oscillating(read_modes(values, network.bin_s)) & (values.imag > 0))
    if not len(chosen):
        return None
    k, columns = int(chosen[0]), network.hidden_columns
    slope = network.readout.slope(points.states[point][columns])
    return NetworkPhases(slope @ vectors[columns, k], float(2 * np.pi / np.angle(values[k]) * network.bin_s), "mode")


def circular_correlation(a: FloatArray, b: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the circular correlation of two sets of angles (unit,), and its p over permutations of the units.

    That of Fisher and Lee (1983): 1 where the order is the same up to a rotation, -1 where it is reversed.
    """
    of_a, of_b = (np.sin(each[:, None] - each) for each in (a, b))
    size = float(np.sqrt((of_a**2).sum() * (of_b**2).sum()))
    if size == 0:
        return float("nan"), float("nan")
    found = float((of_a * of_b).sum() / size)
    orders = (rng.permutation(len(b)) for _ in range(N_PERMUTED))
    drawn = np.array([(of_a * of_b[order][:, order]).sum() / size for order in orders])
    return found, float((1 + (np.abs(drawn) >= abs(found) - 1e-12).sum()) / (1 + N_PERMUTED))
