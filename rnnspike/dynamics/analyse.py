"""One network, several named inputs: everything of this room, put together.

``analyse`` knows a network, the orbits it visits and the inputs that drove it, and nothing of runs or recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.basins import Basins, find_basins
from rnnspike.dynamics.cell import Network
from rnnspike.dynamics.eigenvalues import henrici, transient_growth
from rnnspike.dynamics.fixed_points import SearchOptions
from rnnspike.dynamics.gating import Gating, measure_gating
from rnnspike.dynamics.gradient_flow import GradientFlow, measure_gradient_flow
from rnnspike.dynamics.jacobian import input_jacobian
from rnnspike.dynamics.loop import free_run, noise_free_period
from rnnspike.dynamics.maps import ClosedLoop, HeldInput, Map
from rnnspike.dynamics.points import Points, find_points
from rnnspike.dynamics.rhythm import (
    NetworkRhythm,
    Rhythm,
    SpikeRhythm,
    compare_rhythms,
    network_rhythm,
    resonance,
    spike_rhythm,
)
from rnnspike.dynamics.timescales import Timescales, measure_timescales
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class NamedInput:
    """An input under which the network is looked at.

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
        """Return what the network takes in at states (point, state) of this input's map, (point, input)."""
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
        (sample, state) states to search from besides.
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
    """How thorough to look. ``window_s`` is what the network was trained on (None: not known, nothing is guarded)."""

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
        The input, what stands still under it, and where orbits end.
    input_jacobians
        (point, state, input) d next state / d input at each point.
    departure
        (point,) Henrici number of its Jacobian.
    growth, growth_s
        (point,) largest transient growth, and when it is reached; infinite where a direction grows for ever.
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
    """One network in all of its inputs. ``untrained`` is the gradient flow of a network before training, if known."""

    network: Network
    orbits: Orbits
    inputs: tuple[InputResult, ...]
    timescales: Timescales
    flow: GradientFlow
    untrained: GradientFlow | None
    gating: Gating
    rhythm: Rhythm
    history_s: float | None
    window_s: float | None


def analyse(
    network: Network,
    orbits: Orbits,
    inputs: Sequence[NamedInput],
    rng: np.random.Generator,
    *,
    untrained: Network | None = None,
    data_rhythm: SpikeRhythm | None = None,
    history_s: float | None = None,
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
        Named inputs; the first one's silence is what superposition counts as no input.
    rng
        Random generator; the same seed gives the same result.
    untrained
        The same network before training, for its gradient flow.
    data_rhythm, history_s
        The spikes' own rhythm and how far back their history bears on them, where there are data.
    """
    # one thread: matrices this small only wait for one another, and the same bytes come out for any number of them
    with threadpool_limits(1, "blas"):
        return _analyse(network, orbits, inputs, rng, untrained, data_rhythm, history_s, options or AnalysisOptions())


def _analyse(
    network: Network,
    orbits: Orbits,
    inputs: Sequence[NamedInput],
    rng: np.random.Generator,
    untrained: Network | None,
    data_rhythm: SpikeRhythm | None,
    history_s: float | None,
    options: AnalysisOptions,
) -> DynamicsResult:
    looked_at = tuple(_look(network, orbits.visited, named, rng, options) for named in inputs)
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
        rhythm=_rhythm(network, looked_at, data_rhythm, orbits, rng),
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
    network: Network, visited: FloatArray, named: NamedInput, rng: np.random.Generator, options: AnalysisOptions
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
        rhythm=_own_rhythm(network, named, points, basins, by_input),
    )


def _growth(points: Points, n_most: int = 32) -> tuple[FloatArray, FloatArray]:
    """Return ``transient_growth`` of the first points; NaN for the others."""
    growth = np.full((2, len(points.states)), np.nan)
    growth[:, :n_most] = transient_growth(points.jacobians[:n_most], points.modes.eigenvalues[:n_most])
    return growth[0], growth[1]


def _own_rhythm(
    network: Network, named: NamedInput, points: Points, basins: Basins, by_input: FloatArray
) -> NetworkRhythm | None:
    """Return the rhythm under one input; resonances are those of the points that orbits stay at."""
    if network.n_input == 0:
        return None
    channel = named.feedback[0] if named.feedback else 0
    held = [k for k, kind in enumerate(points.stability) if kind in ("stable", "neutral") and points.fixed[k]]
    held = held or [k for k in range(len(points.states)) if points.fixed[k]]
    found = [resonance(network, points.jacobians[k], by_input[k, :, channel]) for k in held[:8]]
    return network_rhythm(basins.cycles, basins.cycle_share, found, named.name)


def _rhythm(
    network: Network,
    looked_at: Sequence[InputResult],
    data: SpikeRhythm | None,
    orbits: Orbits,
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
    spikes, modes = free_run(system, n_bins, rng)
    run = spike_rhythm(spikes, network.bin_s, longest_s=3 * data.period_s)
    spiking = {
        "modes of the spiking loop": modes.period_bins(int(3 * data.period_s / network.bin_s)),
        "its cycle without noise": noise_free_period(system, n_bins),
    }
    found = [NetworkRhythm(turn * network.bin_s, name) for name, turn in spiking.items() if turn is not None]
    # a limit cycle goes first, but the loop with its spikes before a resonance without them
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
