"""Three measures of a network's memory, and their differences (science.md#memory).

Gates give the decay time of a unit by itself, the Jacobian's eigenvalues that of the whole recurrent network, and a
perturbation the time for which the *readout* is affected. Only the last is memory that the output uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.dynamics.eigenvalues import ComplexArray, Modes, describe_tau, read_modes
from rnnspike.dynamics.jacobian import state_jacobian
from rnnspike.dynamics.network import Network
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class Timescales:
    """Memory time constants in seconds.

    Attributes
    ----------
    gate_s
        (unit,) of every unit from its gate (LSTM forget, GRU z, leak), NaN where the cell has none.
    eigenvalue_s
        Slowest decay of the Jacobian, median over visited states under their inputs (NaN where all grow).
    eigenvalue_growing
        Share of visited states where some direction grows.
    visited_eigenvalues
        complex (visited, state), largest modulus first: spectrum of the Jacobian at visited states.
    measured_s
        Decay of a perturbation in the readout (infinite where it does not decay).
    decay_lag_s, decay
        (lag,) root mean square change of the readout after a perturbation of the state, 1 at its largest.
    reconciled
        One sentence that compares the three.
    """

    gate_s: FloatArray
    eigenvalue_s: float
    eigenvalue_growing: float
    visited_eigenvalues: ComplexArray
    measured_s: float
    decay_lag_s: FloatArray
    decay: FloatArray
    reconciled: str

    @property
    def gate_median_s(self) -> float:
        """Median over units of the gates' time constants (NaN where there are none)."""
        return float(np.median(self.gate_s)) if np.isfinite(self.gate_s).any() else float("nan")


def measure_timescales(
    network: Network,
    states: FloatArray,
    inputs: FloatArray,
    rng: np.random.Generator,
    *,
    n_jacobians: int = 64,
    n_probes: int = 128,
    max_lag: int = 1000,
) -> Timescales:
    """Measure the memory of a network along the orbits it visits.

    Parameters
    ----------
    network
        The network.
    states
        (trial, time, state), the state after each input.
    inputs
        (trial, time, input).
    n_jacobians
        Visited states whose spectrum is taken.
    n_probes
        Visited states that are perturbed.
    max_lag
        Longest lag of the perturbation, in bins.
    """
    gate_s = gate_timescales(network, states, inputs)
    modes = visited_modes(network, states, inputs, rng, n_jacobians)
    eigenvalue_s, growing = slowest_decay(modes), float((modes.n_unstable > 0).mean())
    lags_s, decay = perturbation_decay(network, states, inputs, rng, n_probes=n_probes, max_lag=max_lag)
    measured_s = fit_decay(lags_s, decay)
    window_s = states.shape[1] * network.bin_s
    known = gate_s[np.isfinite(gate_s)]
    gate_median = float(np.median(known)) if len(known) else float("nan")
    sentence = reconcile(gate_median, eigenvalue_s, measured_s, network.bin_s, window_s, growing)
    return Timescales(gate_s, eigenvalue_s, growing, modes.eigenvalues, measured_s, lags_s, decay, sentence)


def gate_timescales(network: Network, states: FloatArray, inputs: FloatArray) -> FloatArray:
    """Return each unit's tau in seconds, all layers (unit,), from the gates along orbits (trial, time, ...).

    -bin / mean(ln f): the geometric mean, because a value decays by the product of the gates; the arithmetic mean
    overestimates the memory of a gate that sometimes closes. The leak of a leaky unit gives -bin / ln(1 - alpha).
    """
    taus: list[FloatArray] = []
    before, signal = states[:, :-1], inputs[:, 1:]
    after = network.split(states[:, 1:])
    for k, (layer, part) in enumerate(zip(network.layers, network.split(before), strict=True)):
        kept = layer.log_retention(part, signal)
        if kept is not None:
            log_gate = kept.mean(axis=(0, 1))
        elif layer.alpha < 1:
            log_gate = np.full(layer.n_hidden, np.log(1 - layer.alpha))
        else:
            log_gate = np.full(layer.n_hidden, np.nan)
        with np.errstate(divide="ignore"):
            taus.append(-network.bin_s / log_gate)
        signal = layer.hidden(after[k])
    return np.concatenate(taus)


def visited_modes(
    network: Network, states: FloatArray, inputs: FloatArray, rng: np.random.Generator, n_jacobians: int = 64
) -> Modes:
    """Return the modes (visited, state) of the Jacobian at visited states under their own inputs."""
    trials, times = visited_pairs(states, n_jacobians, rng)
    jacobians = state_jacobian(network, states[trials, times - 1], inputs[trials, times])
    return read_modes(np.linalg.eigvals(jacobians), network.bin_s)


def slowest_decay(modes: Modes) -> float:
    """Return the slowest decay (s) of modes (visited, state), median over states; NaN where all grow."""
    tau_s = float(np.median(np.nan_to_num(modes.tau_s, nan=-1.0, posinf=1e12).max(axis=-1)))
    return float("nan") if tau_s < 0 else tau_s if tau_s < 1e11 else float("inf")


def visited_pairs(
    states: FloatArray, n: int, rng: np.random.Generator, first: int = 1, last: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (trial, time) index arrays of at most ``n`` visited states with first <= time < last."""
    n_trials, n_times = states.shape[:2]
    last = n_times if last is None else last
    span = max(last - first, 1)
    chosen = np.sort(rng.choice(n_trials * span, size=min(n, n_trials * span), replace=False))
    return chosen // span, first + chosen % span


def perturbation_decay(
    network: Network,
    states: FloatArray,
    inputs: FloatArray,
    rng: np.random.Generator,
    *,
    n_probes: int = 128,
    max_lag: int = 1000,
    size: float = 1e-5,
) -> tuple[FloatArray, FloatArray]:
    """Perturb visited states and return lags (s) and the readout's change, 1 at its largest.

    The change is the root mean square over probes without the largest fifth at each lag.

    The disturbed and undisturbed state run on under the same recorded inputs. Half of the disturbances are random
    directions, half are along the readout. At most half the window, so that every probe has the same lags.
    """
    n_times = states.shape[1]
    n_lags = int(min(max_lag, max(n_times // 2, 2)))
    trials, times = visited_pairs(states, n_probes, rng, 0, max(n_times - n_lags, 1))
    base = states[trials, times]
    direction = rng.normal(size=base.shape)
    if network.readout is not None:
        along, columns = np.zeros_like(base[::2]), network.hidden_columns
        along[:, columns] = network.readout.slope(base[::2][:, columns])[:, 0]
        direction[::2] = np.where(np.abs(along).sum(axis=1, keepdims=True) > 0, along, direction[::2])
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    spread = float(np.sqrt(((states - states.mean(axis=(0, 1))) ** 2).sum(axis=-1).mean())) or 1.0
    disturbed = base + size * spread * direction
    changes = [network.log_rate(disturbed) - network.log_rate(base)]
    for lag in range(1, n_lags):
        x = inputs[trials, np.minimum(times + lag, n_times - 1)]
        base, disturbed = network.step(base, x), network.step(disturbed, x)
        changes.append(network.log_rate(disturbed) - network.log_rate(base))
    squared = np.sort(np.array([(change**2).sum(axis=-1) for change in changes]), axis=1)
    # a probe at the edge of a basin grows and would dominate the others
    decay = np.sqrt(squared[:, : max(int(0.8 * squared.shape[1]), 1)].mean(axis=1))
    return np.arange(n_lags, dtype=np.float64) * network.bin_s, decay / max(float(decay.max()), 1e-300)


def fit_decay(lags_s: FloatArray, decay: FloatArray, floor: float = 1e-2) -> float:
    """Return the time constant of a decay curve (lag,), by a line through its log from its peak down to 1 %.

    Infinite where the curve does not fall; less than a bin where it decays at once.
    """
    start = int(np.argmax(decay))
    below = np.flatnonzero(decay[start:] < floor)
    stop = start + int(below[0]) + 1 if len(below) else len(decay)
    lags, values = lags_s[start:stop], np.maximum(decay[start:stop], 1e-12)
    if len(lags) < 2:
        return float("inf") if decay[-1] >= floor else 0.0
    slope = float(np.polyfit(lags, np.log(values), 1)[0])
    return -1 / slope if slope < -1e-9 / max(float(lags[-1] - lags[0]), 1e-12) else float("inf")


def reconcile(
    gate_s: float, eigenvalue_s: float, measured_s: float, bin_s: float, window_s: float, growing: float
) -> str:
    """Return one sentence that compares gates, spectrum and readout."""

    def words(tau_s: float) -> str:
        note = "< 2 bins" if tau_s < 2 * bin_s else "> window" if np.isfinite(tau_s) and tau_s > window_s else ""
        return describe_tau(tau_s, note)

    parts = [f"gates have {words(gate_s)} (median unit)"] if np.isfinite(gate_s) else []
    parts.append(f"the slowest mode {words(eigenvalue_s)} at visited states")
    parts.append(f"the readout {words(measured_s)}")
    figures = ", ".join(parts)
    # beyond the window, time constants cannot be compared
    gate_s, eigenvalue_s, measured_s = (min(tau, window_s) for tau in (gate_s, eigenvalue_s, measured_s))
    held = max(tau for tau in (gate_s, eigenvalue_s, 0.0) if not np.isnan(tau))
    if growing > 0.5:
        verdict = "most visited states have a growing direction, so memory depends on the attractor, not on decay"
    elif measured_s > max(3 * held, 2 * bin_s):
        verdict = "memory lasts longer than gates and modes: it depends on transitions between states"
    elif held > 3 * max(measured_s, bin_s):
        verdict = "the network holds memory that the readout does not show"
    elif np.isfinite(gate_s) and eigenvalue_s > 1.3 * gate_s:
        verdict = "some mode lasts longer than the typical gate, and the readout shows it"
    elif np.isfinite(gate_s) and eigenvalue_s < gate_s / 1.3:
        verdict = "no mode lasts as long as the typical gate"
    else:
        verdict = "they agree"
    return f"{figures}: {verdict}"
