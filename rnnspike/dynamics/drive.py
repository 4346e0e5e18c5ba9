"""Orbits of a network without its data: driven by given inputs, or by silence, noise and pulses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnspike.dynamics.analyse import NamedInput, Orbits
from rnnspike.dynamics.network import Network
from rnnspike.errors import ModelError
from rnnspike.trials.data import FloatArray


def driven_orbits(network: Network, inputs: FloatArray, n_skipped: int = 0) -> Orbits:
    """Return the orbits under these inputs (trial, time, input), from a state of zeros, as in torch."""
    states = network.run(np.zeros((len(inputs), network.n_state)), inputs)
    return Orbits(states[:, n_skipped:], inputs[:, n_skipped:])


def default_orbits(network: Network, rng: np.random.Generator, n_trials: int = 12, n_times: int = 600) -> Orbits:
    """Return orbits of a network whose inputs are not known.

    Memory is measured in silence from random states; the search for fixed points starts from there and from the
    states under white noise and under rare pulses of either sign, which visit several attractors where there are
    several.
    """
    silent = np.zeros((n_trials, n_times, network.n_input))
    noise = rng.normal(size=silent.shape)
    pulses = (rng.random(silent.shape) < 0.03) * rng.choice([-1.0, 1.0], size=silent.shape)
    starts = rng.uniform(-1, 1, size=(n_trials, network.n_state))
    with np.errstate(over="ignore", invalid="ignore"):
        states = network.run(starts, silent)
        driven = [network.run(starts, inputs).reshape(-1, network.n_state) for inputs in (noise, pulses)]
    if not np.isfinite(states).all() or np.abs(states).max() > 1e6:
        raise ModelError("the network diverges without input: it has no bounded dynamics to analyse")
    visited = np.concatenate(driven)
    bounded = np.isfinite(visited).all(axis=1) & (np.abs(visited) < 1e6).all(axis=1)
    return Orbits(states, silent, more_visited=visited[bounded], driven=noise)


def load_inputs(path: Path, network: Network) -> FloatArray:
    """Return inputs (trial, time, input) from a .npy file; ModelError where they do not fit the network."""
    inputs = _load_npy(path)
    if inputs.ndim == 2:
        inputs = inputs[None]
    if inputs.ndim != 3 or inputs.shape[2] != network.n_input or inputs.shape[1] < 10:
        raise ModelError(
            f"{path}: shape {inputs.shape}, but the network needs (trial, time, {network.n_input}), "
            "at least 10 steps (--inputs)"
        )
    return inputs


def load_conditions(path: Path, network: Network) -> list[NamedInput]:
    """Return the constant inputs of a .npy file (condition, input), one per row."""
    rows = np.atleast_2d(_load_npy(path))
    if rows.ndim != 2 or rows.shape[1] != network.n_input:
        raise ModelError(f"{path}: shape {rows.shape}, but the network needs (condition, {network.n_input})")
    return [NamedInput(f"condition {k}", row) for k, row in enumerate(rows)]


def _load_npy(path: Path) -> FloatArray:
    try:
        array = np.load(path, allow_pickle=False)
        values = np.asarray(array, dtype=np.float64)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise ModelError(f"{path}: not a .npy file of numbers") from error
    if not np.isfinite(values).all():
        raise ModelError(f"{path}: holds NaN or infinity")
    return values


def named_inputs(network: Network, inputs: FloatArray | None, feedback: tuple[int, ...] = ()) -> list[NamedInput]:
    """Return the named inputs: silent, the mean of the given inputs, and the closed loop where there is one."""
    silent = np.zeros(network.n_input)
    if feedback and max(feedback) >= network.n_input:
        raise ModelError(f"no input channel {max(feedback)}: the network has {network.n_input} (--feedback 0)")
    named = [NamedInput("silent", silent)]
    if inputs is not None:
        named.append(NamedInput("mean", inputs.mean(axis=(0, 1))))
    if feedback:
        held = silent if inputs is None else inputs.mean(axis=(0, 1))
        held = held.copy()
        held[list(feedback)] = 0.0
        named.append(NamedInput("closed-loop", held, feedback))
    return named
