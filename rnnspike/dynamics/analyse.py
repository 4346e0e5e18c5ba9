"""The analysis of one network under several named inputs.

``analyse`` takes a network, the orbits it visits and the inputs that drove it; it does not depend on runs or
recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.attractors.basins import Basins, find_basins
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.attractors.points import Points, find_points
from rnnspike.dynamics.eigenvalues import henrici, transient_growth
from rnnspike.dynamics.jacobian import input_jacobian
from rnnspike.dynamics.loop import free_run, noise_free_period
from rnnspike.dynamics.maps import ClosedLoop, HeldInput, Map
from rnnspike.dynamics.memory.gating import Gating, measure_gating
from rnnspike.dynamics.memory.gradient_flow import GradientFlow, measure_gradient_flow
from rnnspike.dynamics.memory.modes import ReadModes, measure_modes
from rnnspike.dynamics.memory.timescales import Timescales, measure_timescales
from rnnspike.dynamics.network import Network
from rnnspike.dynamics.population.result import PopulationResult
from rnnspike.dynamics.rhythm import NetworkRhythm, Rhythm, compare_rhythms, network_rhythm, resonance
from rnnspike.rhythm import SpikeRhythm, signal_rhythm, spike_rhythm
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class NamedInput:
    """An input under which the network is analysed.

    ``value`` (input,) is held; where ``feedback`` names channels, they also take the network's own expected output.
    """

    name: str
    value: FloatArray
    feedback: tuple[int, ...] = ()

    def map_of(self, network: Network) -> Map:
        """Return the autonomous map of a network under this input."""
        if self.feedback:
            return ClosedLoop(network, self.value, self.feedback)
        return HeldInput(network, self.value)

    def at(self, system: Map, states: FloatArray) -> FloatArray:
        """Return the network's inputs (point, input) at states (point, state) of this input's map."""
        if isinstance(system, ClosedLoop):
            return system.fed(states)
        return np.broadcast_to(self.value, (len(states), len(self.value)))


@dataclass(frozen=True)
class Orbits:
    """What a network does on its data.

    Attributes
    ----------
    states, inputs
        (trial, time, state) after each input (trial, time, input).
    loss_slope
        (trial, time, output) d loss / d eta, where the data are known.
    more_visited
        (sample, state) further states to search from.
    driven
        (trial, time, input) inputs to measure superposition on, where ``inputs`` are not driven.
    """

    states: FloatArray
    inputs: FloatArray
    loss_slope: FloatArray | None = None
    more_visited: FloatArray | None = None
    driven: FloatArray | None = None

    @property
    def visited(self) -> FloatArray:
        """Return all visited states (sample, state)."""
        own = self.states.reshape(-1, self.states.shape[-1])
        return own if self.more_visited is None else np.concatenate([own, self.more_visited])


@dataclass(frozen=True)
class AnalysisOptions:
    """Settings of an analysis. ``window_s`` is the length of the training sequences (None: not known, no guard)."""

    search: SearchOptions = field(default_factory=SearchOptions)
    n_orbits: int = 128
    max_steps: int = 5000
    max_lag: int = 1000
    window_s: float | None = None


@dataclass(frozen=True)
class InputResult:
    """One network under one input.

    Attributes
    ----------
    input, points, basins
        The input, its fixed and slow points, and the basins of its orbits.
    input_jacobians
        (point, state, input) d next state / d input at each point.
    departure
        (point,) Henrici number of its Jacobian.
    growth, growth_s
        (point,) largest transient growth, and when it is reached; infinite where a direction grows.
    rhythm
        Limit cycle or resonance, where there is one.
    """

    input: NamedInput
    points: Points
    basins: Basins
    input_jacobians: FloatArray
    departure: FloatArray
    growth: FloatArray
    growth_s: FloatArray
    rhythm: NetworkRhythm | None


@dataclass(frozen=True)
class DynamicsResult:
    """One network in all of its inputs.

    ``untrained`` is the gradient flow of a network before training, if known; ``modes`` are those of a linear
    recurrent unit; ``population`` is what is known of a population network only.
    """

    network: Network
    orbits: Orbits
    inputs: tuple[InputResult, ...]
    timescales: Timescales
    flow: GradientFlow
    untrained: GradientFlow | None
    gating: Gating
    modes: ReadModes | None
    rhythm: Rhythm
    history_s: float | None
    window_s: float | None
    population: PopulationResult | None = None


def analyse(
    network: Network,
    orbits: Orbits,
    inputs: Sequence[NamedInput],
    rng: np.random.Generator,
    *,
    untrained: Network | None = None,
    data_rhythm: SpikeRhythm | None = None,
    history_s: float | None = None,
    signal: FloatArray | None = None,
    options: AnalysisOptions | None = None,
) -> DynamicsResult:
    """Analyse one network.

    Parameters
    ----------
    network
        The network.
    orbits
        What it visits on its data.
    inputs
        Named inputs; superposition is measured relative to the first one.
    rng
        Random generator; the same seed gives the same result.
    untrained
        The same network before training, for its gradient flow.
    data_rhythm, history_s
        The rhythm of the recorded spikes, and how far back their history affects their rate, if there are data.
    signal
        (output,) weights of the outputs in the signal whose rhythm is compared; default the first output.
    options
        Settings of the analysis.
    """
    # one thread: it is faster for small matrices, and the result does not depend on the number of threads
    with threadpool_limits(1, "blas"):
        data = data_rhythm, history_s, signal
        return _analyse(network, orbits, inputs, rng, untrained, *data, options or AnalysisOptions())


def _analyse(
    network: Network,
    orbits: Orbits,
    inputs: Sequence[NamedInput],
    rng: np.random.Generator,
    untrained: Network | None,
    data_rhythm: SpikeRhythm | None,
    history_s: float | None,
    signal: FloatArray | None,
    options: AnalysisOptions,
) -> DynamicsResult:
    looked_at = tuple(_look(network, orbits.visited, named, signal, rng, options) for named in inputs)
    flow = measure_gradient_flow(
        network, orbits.states, orbits.inputs, rng, loss_slope=orbits.loss_slope, max_lag=options.max_lag
    )
    return DynamicsResult(
        network=network,
        orbits=orbits,
        inputs=looked_at,
        timescales=measure_timescales(network, orbits.states, orbits.inputs, rng, max_lag=options.max_lag),
        flow=flow,
        untrained=_flow_before(untrained, orbits, rng, options) if untrained else None,
        gating=_gating(network, orbits, inputs[0].value, rng),
        modes=measure_modes(network, orbits.states),
        rhythm=_rhythm(network, looked_at, data_rhythm, signal, rng),
        history_s=history_s,
        window_s=options.window_s,
    )


def _gating(network: Network, orbits: Orbits, resting: FloatArray, rng: np.random.Generator) -> Gating:
    states, inputs = orbits.states, orbits.inputs
    if orbits.driven is not None:
        inputs = orbits.driven
        states = network.run(np.zeros((len(inputs), network.n_state)), inputs)
    return measure_gating(network, states, inputs, rng, resting=resting)


def _look(
    network: Network,
    visited: FloatArray,
    named: NamedInput,
    signal: FloatArray | None,
    rng: np.random.Generator,
    options: AnalysisOptions,
) -> InputResult:
    system = named.map_of(network)
    points = find_points(system, visited, network.bin_s, rng, options=options.search, window_s=options.window_s)
    basins = find_basins(
        system, points, visited, network.bin_s, rng, n_orbits=options.n_orbits, max_steps=options.max_steps
    )
    held = named.at(system, points.states)
    by_input = input_jacobian(network, points.states, held)
    growth, n_bins = _growth(points)
    return InputResult(
        input=named,
        points=points,
        basins=basins,
        input_jacobians=by_input,
        departure=henrici(points.jacobians, points.modes.eigenvalues),
        growth=growth,
        growth_s=n_bins * network.bin_s,
        rhythm=_own_rhythm(network, named, points, basins, by_input, signal),
    )


def _growth(points: Points, n_most: int = 32) -> tuple[FloatArray, FloatArray]:
    """Return ``transient_growth`` of the first points; NaN for the others."""
    growth = np.full((2, len(points.states)), np.nan)
    growth[:, :n_most] = transient_growth(points.jacobians[:n_most], points.modes.eigenvalues[:n_most])
    return growth[0], growth[1]


def _own_rhythm(
    network: Network,
    named: NamedInput,
    points: Points,
    basins: Basins,
    by_input: FloatArray,
    signal: FloatArray | None,
) -> NetworkRhythm | None:
    """Return the rhythm under one input; resonances are those of points at which orbits stay."""
    if network.n_input == 0:
        return None
    channel = named.feedback[0] if named.feedback else 0
    drive = by_input[..., channel] if signal is None else by_input @ signal  # channels are the units, as outputs are
    held = [k for k, kind in enumerate(points.stability) if kind in ("stable", "neutral") and points.fixed[k]]
    held = held or [k for k in range(len(points.states)) if points.fixed[k]]
    found = [resonance(network, points.states[k], points.jacobians[k], drive[k], signal) for k in held[:8]]
    return network_rhythm(basins.cycles, basins.cycle_share, found, named.name)


def _rhythm(
    network: Network,
    looked_at: Sequence[InputResult],
    data: SpikeRhythm | None,
    signal: FloatArray | None,
    rng: np.random.Generator,
) -> Rhythm:
    """Compare the spikes' rhythm with the network's under its own spikes, or the last input's."""
    closed = [result for result in looked_at if result.input.feedback]
    chosen = (closed or list(looked_at))[-1] if looked_at else None
    own = [chosen.rhythm] if chosen and chosen.rhythm else []
    if data is None or data.period_s is None or not closed or network.readout is None:
        return compare_rhythms(data, own, None)
    system = closed[-1].input.map_of(network)
    assert isinstance(system, ClosedLoop)
    n_bins = int(min(max(40 * data.period_s / network.bin_s, 4000), 40_000))
    spikes, modes = free_run(system, n_bins, rng, signal=signal)
    rhythm_of = spike_rhythm if signal is None else signal_rhythm
    run = rhythm_of(spikes, network.bin_s, longest_s=3 * data.period_s)
    spiking = {"modes of the spiking loop": modes.period_bins(int(3 * data.period_s / network.bin_s))}
    if signal is None:  # the spikes of many units have no common count
        spiking["its cycle without noise"] = noise_free_period(system, n_bins)
    found = [NetworkRhythm(turn * network.bin_s, name) for name, turn in spiking.items() if turn is not None]
    # a limit cycle comes first; the spiking loop comes before a resonance of the mean-field map
    at = len([rhythm for rhythm in own if rhythm.source.startswith("limit cycle")])
    own[at:at] = found
    return compare_rhythms(data, own, run)


def _flow_before(
    untrained: Network, orbits: Orbits, rng: np.random.Generator, options: AnalysisOptions
) -> GradientFlow:
    """Return the gradient flow before training, on the same inputs (at most 16 trials)."""
    inputs = orbits.inputs[:16]
    states = untrained.run(np.zeros((len(inputs), untrained.n_state)), inputs)
    return measure_gradient_flow(untrained, states, inputs, rng, max_lag=options.max_lag)
