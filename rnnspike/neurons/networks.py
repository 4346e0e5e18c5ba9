"""Simulated networks by name (``rnnspike simulate --network``): known links between units, and hidden common drive.

Units are refractory cells that differ in rate. A spike of a source changes the log intensity of its target by a
weight that decays with 10 ms (in the ring, 100 ms). Units on a hidden drive share a random input which is in no
file: they fire together though none drives another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rnnspike.errors import ConfigError
from rnnspike.neurons.cell import State
from rnnspike.neurons.inputs import lorenz, slow_path
from rnnspike.neurons.loglinear import Kernel, LogLinear
from rnnspike.trials.data import CountArray, FloatArray, IntArray

#: Rates of units at zero input, Hz, and the decay of what a spike does to its targets, s.
RATES_HZ, LINK_TAU_S = (12.0, 35.0), 0.01
#: Weights of links at the first lag, and the share of links that are inhibitory.
EXCITING, INHIBITING, INHIBITORY_SHARE = (0.8, 1.3), (-2.5, -1.5), 0.25
#: Time constants (s) and sizes (SD of the log rate) of hidden drives, and the units on each.
DRIVE_TAU_S, DRIVE_SD, DRIVEN = (0.02, 0.06), (0.5, 0.9), 4
#: The shared slow gain: its time constant (s) and size (SD of the log rate).
GAIN_TAU_S, GAIN_SD = 5.0, 0.5
#: Loadings on the Lorenz state (SD of the log rate per dimension), and rates of its units, Hz.
LOADING_SD, LORENZ_RATES_HZ = 0.6, (5.0, 20.0)
#: The ring: decay of what a spike does, s; its strength on units of the same angle and on all, summed over units; and
#: the rate of every unit without input, Hz.
RING_TAU_S, RING_NEAR, RING_ALL, RING_RATE_HZ = 0.1, 6.0, 3.0, 15.0


@dataclass(frozen=True)
class Network:
    """Log-linear cells that read each other's past spikes.

    ``weights`` (target, source) change the log intensity, with decay ``tau_s``; ``own`` has a rate of 1 Hz,
    ``rates_hz`` (unit,) theirs.
    State: that of ``own``, and the trace of each unit's spikes (row, unit).
    """

    own: LogLinear
    rates_hz: FloatArray
    weights: FloatArray
    tau_s: float = LINK_TAU_S

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state."""
        return (*self.own.start(n_rows, n_units, bin_s), np.zeros((n_rows, n_units)))

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        return self.own.intensity_hz(state[:3], x) * self.rates_hz * np.exp(state[3] @ self.weights.T)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        trace = state[3] * np.exp(-bin_s / self.tau_s) + spikes
        return (*self.own.advance(state[:3], x, spikes, bin_s), trace)


@dataclass(frozen=True)
class Wiring:
    """Links and hidden drives of a network.

    ``weights`` (target, source) of the links, 0 where there is none; ``drives`` (unit,) the hidden drive of each
    unit, -1 for none; ``drive_tau_s`` and ``drive_sd`` (drive,). ``tells_truth``: files hold the intensity of units
    on a hidden drive too, given that drive.
    """

    weights: FloatArray
    drives: IntArray
    drive_tau_s: FloatArray
    drive_sd: FloatArray
    rates_hz: tuple[float, float] = RATES_HZ
    tau_s: float = LINK_TAU_S
    tells_truth: bool = False

    @property
    def links(self) -> list[tuple[int, int]]:
        """The links, (source, target)."""
        target, source = np.nonzero(self.weights)
        return list(zip(source.tolist(), target.tolist(), strict=True))

    def cell(self, rng: np.random.Generator) -> Network:
        """Return the network as a cell, with rates drawn at random."""
        rates_hz = _log_uniform(self.rates_hz, len(self.weights), rng)
        own = LogLinear(1.0, gain=0.5, absolute_s=0.002, kernels=(Kernel(-3.0, 0.008),))
        return Network(own, rates_hz, self.weights, self.tau_s)

    def hidden(self, times_s: FloatArray, n_trials: int, rng: np.random.Generator) -> FloatArray:
        """Return what hidden drives add to the log intensity, (trial, bin, unit), at times that trials share out."""
        total = np.zeros((n_trials, len(times_s) // n_trials, len(self.drives)))
        for drive, (tau_s, sd) in enumerate(zip(self.drive_tau_s, self.drive_sd, strict=True)):
            path = slow_path(times_s, tau_s, rng).reshape(total.shape[:2])
            total += np.where(self.drives == drive, sd, 0.0) * path[:, :, None]
        return total


@dataclass(frozen=True)
class LorenzDriven(Wiring):
    """Units without links on one hidden state; ``loadings`` (unit, dimension)."""

    loadings: FloatArray = field(default_factory=lambda: np.zeros((0, 3)))

    def hidden(self, times_s: FloatArray, n_trials: int, rng: np.random.Generator) -> FloatArray:
        """Return what the state adds to the log intensity, (trial, bin, unit); each trial begins elsewhere."""
        n_bins = len(times_s) // n_trials
        return lorenz(n_trials, n_bins, float(times_s[1] - times_s[0]), rng) @ self.loadings.T


def _log_uniform(ends: tuple[float, float], n: int, rng: np.random.Generator) -> FloatArray:
    return np.exp(rng.uniform(math.log(ends[0]), math.log(ends[1]), n))


@dataclass(frozen=True)
class NetworkSpec:
    """A simulated network: its name, how it is wired, and its default and least number of units."""

    name: str
    wire: Callable[[int, np.random.Generator], Wiring]
    description: str
    units: int = 12
    fewest: int = 2


def _wiring(n: int, links: list[tuple[int, int]], driven: list[list[int]], rng: np.random.Generator) -> Wiring:
    weights, drives = np.zeros((n, n)), np.full(n, -1)
    for source, target in links:
        inhibits = rng.random() < INHIBITORY_SHARE
        weights[target, source] = rng.uniform(*(INHIBITING if inhibits else EXCITING))
    for drive, units in enumerate(driven):
        drives[units] = drive
    return Wiring(weights, drives, _log_uniform(DRIVE_TAU_S, len(driven), rng), rng.uniform(*DRIVE_SD, len(driven)))


def _shared_gain(n: int, rng: np.random.Generator) -> Wiring:
    drives, tau_s, sd = np.zeros(n, np.int64), np.array([GAIN_TAU_S]), np.array([GAIN_SD])
    return Wiring(np.zeros((n, n)), drives, tau_s, sd, tells_truth=True)


def _lorenz(n: int, rng: np.random.Generator) -> Wiring:
    return LorenzDriven(
        weights=np.zeros((n, n)),
        drives=np.zeros(n, np.int64),
        drive_tau_s=np.zeros(0),
        drive_sd=np.zeros(0),
        rates_hz=LORENZ_RATES_HZ,
        tells_truth=True,
        loadings=rng.normal(0.0, LOADING_SD, (n, 3)),
    )


def _ring(n: int, rng: np.random.Generator) -> Wiring:
    """Place units on a ring in random order: near ones excite each other, far ones inhibit."""
    angle = 2 * np.pi * rng.permutation(n) / n
    weights = (RING_NEAR * np.cos(np.subtract.outer(angle, angle)) - RING_ALL) / n
    np.fill_diagonal(weights, 0.0)
    rates_hz = (RING_RATE_HZ, RING_RATE_HZ)
    return Wiring(weights, np.full(n, -1), np.zeros(0), np.zeros(0), rates_hz, RING_TAU_S)


def _one_way_links(units: list[int], n_links: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return links from units earlier to later in a random order, at most two into a unit."""
    order, found, into = rng.permutation(units).tolist(), list[tuple[int, int]](), dict.fromkeys(units, 0)
    pairs = [(a, b) for i, a in enumerate(order) for b in order[i + 1 :]]
    for k in rng.permutation(len(pairs)):
        source, target = pairs[k]
        if into[target] < 2 and len(found) < n_links:
            found.append((source, target))
            into[target] += 1
    return found


def _one_way(n: int, rng: np.random.Generator) -> Wiring:
    return _wiring(n, _one_way_links(list(range(n)), max(1, round(0.75 * n)), rng), [], rng)


def _chain(n: int, rng: np.random.Generator) -> Wiring:
    return _wiring(n, [(i, i + 1) for i in range(n - 1)], [], rng)


def _reciprocal(n: int, rng: np.random.Generator) -> Wiring:
    pairs = [(i, i + 1) for i in range(0, n - 1, 2)]
    return _wiring(n, [*pairs, *((b, a) for a, b in pairs)], [], rng)


def _hidden_drive(n: int, rng: np.random.Generator) -> Wiring:
    groups = [list(range(i, min(i + DRIVEN, n))) for i in range(0, n, DRIVEN)]
    return _wiring(n, [], [group for group in groups if len(group) > 1], rng)


def _mixed(n: int, rng: np.random.Generator) -> Wiring:
    """Put a third of the units on hidden drives, and a chain, a pair and one-way links on the rest."""
    units = rng.permutation(n).tolist()
    driven, linked = units[: n // 3], units[n // 3 :]
    chain, pair, rest = linked[:3], linked[3:5], linked[5:]
    links = [(chain[0], chain[1]), (chain[1], chain[2]), (pair[0], pair[1]), (pair[1], pair[0])]
    links += _one_way_links(rest, max(1, round(0.75 * len(rest))), rng) if len(rest) > 1 else []
    groups = [driven[i : i + DRIVEN] for i in range(0, len(driven), DRIVEN)]
    return _wiring(n, links, [group for group in groups if len(group) > 1], rng)


NETWORKS: dict[str, NetworkSpec] = {
    spec.name: spec
    for spec in (
        NetworkSpec("one-way", _one_way, "links in one direction, three for every four units"),
        NetworkSpec("chain", _chain, "each unit drives the next", units=6),
        NetworkSpec("reciprocal", _reciprocal, "pairs linked in both directions", units=8),
        NetworkSpec("hidden-drive", _hidden_drive, "no links: groups of four share a hidden fast input", units=8),
        NetworkSpec(
            "mixed", _mixed, "hidden drives, a chain, a reciprocal pair and one-way links", units=16, fewest=8
        ),
        NetworkSpec(
            "lorenz",
            _lorenz,
            "no links: a hidden Lorenz state, begun anew in each trial, with random loadings; the intensity is "
            "conditional on the state",
            units=30,
        ),
        NetworkSpec(
            "shared-gain",
            _shared_gain,
            "no links: one hidden slow gain (5 s) over all units; the intensity is conditional on the gain",
            units=20,
        ),
        NetworkSpec(
            "ring",
            _ring,
            "a ring attractor: near units excite each other, far ones inhibit, so that a bump persists and drifts",
            units=24,
            fewest=8,
        ),
    )
}


def network_spec(name: str, n_units: int | None) -> tuple[NetworkSpec, int]:
    """Return a network by its name and its number of units; ConfigError where there is none such."""
    if name not in NETWORKS:
        raise ConfigError(f"--network {name}: no such network (there are {', '.join(NETWORKS)})")
    spec = NETWORKS[name]
    n = spec.units if n_units is None else n_units
    if n < spec.fewest:
        raise ConfigError(f"--units {n}: the network {name} has {spec.fewest} units at the least")
    return spec, n
