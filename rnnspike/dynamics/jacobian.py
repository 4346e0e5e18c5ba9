"""Jacobians in closed form, batched, float64 (science.md#jacobians).

The state is the full one, for the LSTM (h, c): its memory is in c, so the h block alone is not informative.
``pull_back`` multiplies by a Jacobian from the left without forming it, as a gradient through time needs.
"""

from __future__ import annotations

import numpy as np

from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import Cell, Slopes
from rnnspike.trials.data import FloatArray


def state_jacobian(network: Network, states: FloatArray, inputs: FloatArray) -> FloatArray:
    """Return d next state / d state, (..., state, state), with the input held.

    Parameters
    ----------
    network
        The network.
    states
        (..., state).
    inputs
        (..., input).
    """
    if len(network.layers) == 1:
        layer = network.layers[0]
        return layer_state_jacobian(layer, layer.slopes(states, inputs))
    batch = np.broadcast_shapes(states.shape[:-1], inputs.shape[:-1])
    jacobian = np.zeros((*batch, network.n_state, network.n_state))
    ends = network.offsets
    signal = inputs
    for k, (layer, part) in enumerate(zip(network.layers, network.split(states), strict=True)):
        slopes = layer.slopes(part, signal)
        rows = slice(ends[k], ends[k + 1])
        jacobian[..., rows, rows] = layer_state_jacobian(layer, slopes)
        if k:
            # this layer's input is the h that the layer below has just computed
            below = slice(ends[k - 1], ends[k - 1] + network.layers[k - 1].n_hidden)
            jacobian[..., rows, : ends[k]] = layer_input_jacobian(layer, slopes) @ jacobian[..., below, : ends[k]]
        signal = layer.hidden(layer.step(part, signal))
    return jacobian


def input_jacobian(network: Network, states: FloatArray, inputs: FloatArray) -> FloatArray:
    """Return d next state / d input, (..., state, input)."""
    blocks: list[FloatArray] = []
    signal = inputs
    for layer, part in zip(network.layers, network.split(states), strict=True):
        own = layer_input_jacobian(layer, layer.slopes(part, signal))
        below = network.layers[len(blocks) - 1].n_hidden if blocks else 0
        blocks.append(own @ blocks[-1][..., :below, :] if blocks else own)
        signal = layer.hidden(layer.step(part, signal))
    return np.concatenate(blocks, axis=-2)


def pull_back(
    network: Network, states: FloatArray, inputs: FloatArray, vectors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return ``vectors @ d next state / d state`` (..., state) and ``vectors @ d next state / d input`` (..., input).

    ``vectors`` (..., state) is a gradient with respect to the next state; no Jacobian is formed.
    """
    signals = [inputs]
    parts = network.split(states)
    for layer, part in zip(network.layers[:-1], parts[:-1], strict=True):
        signals.append(layer.hidden(layer.step(part, signals[-1])))
    pulled: list[FloatArray] = []
    by_signal: FloatArray = np.zeros(0)
    for k in reversed(range(len(parts))):
        layer, vector = network.layers[k], network.split(vectors)[k]
        if pulled:
            vector = vector.copy()
            vector[..., : layer.n_hidden] += by_signal
        by_state, by_signal = layer_pull_back(layer, layer.slopes(parts[k], signals[k]), vector)
        pulled.insert(0, by_state)
    return (pulled[0] if len(pulled) == 1 else np.concatenate(pulled, axis=-1)), by_signal


def layer_state_jacobian(cell: Cell, slopes: Slopes) -> FloatArray:
    """Return one layer's d next state / d state, (..., state, state), from its slopes."""
    blocks, hidden = cell.n_blocks, cell.n_hidden
    by_hidden = _weighted_rows(slopes.recurrent, cell.weight_hh.reshape(cell.n_gates, hidden, hidden))
    if blocks == 1:
        jacobian = by_hidden[..., 0, :, :]
        diagonal = np.arange(hidden)
        jacobian[..., diagonal, diagonal] += slopes.carry[..., 0, 0, :]
        return jacobian
    batch = by_hidden.shape[:-3]
    jacobian = np.zeros((*batch, cell.n_state, cell.n_state))
    jacobian[..., :hidden] = by_hidden.reshape(*batch, cell.n_state, hidden)
    unit = np.arange(hidden)
    for k in range(blocks):
        for j in range(blocks):
            jacobian[..., k * hidden + unit, j * hidden + unit] += slopes.carry[..., k, j, :]
    return jacobian


def layer_input_jacobian(cell: Cell, slopes: Slopes) -> FloatArray:
    """Return one layer's d next state / d input, (..., state, input), from its slopes."""
    by_input = _weighted_rows(slopes.input, cell.weight_ih.reshape(cell.n_gates, cell.n_hidden, cell.n_input))
    return by_input.reshape(*by_input.shape[:-3], cell.n_state, cell.n_input)


def layer_pull_back(cell: Cell, slopes: Slopes, vectors: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ``vectors`` times one layer's state Jacobian and times its input Jacobian."""
    by_block = vectors.reshape(*vectors.shape[:-1], cell.n_blocks, cell.n_hidden)
    recurrent = (by_block[..., :, None, :] * slopes.recurrent).sum(axis=-3)  # (..., gate, hidden)
    driven = (by_block[..., :, None, :] * slopes.input).sum(axis=-3)
    carried = (by_block[..., :, None, :] * slopes.carry).sum(axis=-3)  # (..., block, hidden)
    carried[..., 0, :] += recurrent.reshape(*recurrent.shape[:-2], -1) @ cell.weight_hh
    by_state = carried.reshape(*carried.shape[:-2], cell.n_state)
    return by_state, driven.reshape(*driven.shape[:-2], -1) @ cell.weight_ih


def _weighted_rows(slopes: FloatArray, weight: FloatArray) -> FloatArray:
    """Sum over gates of slopes (..., K, G, H) times the rows of weight (G, H, M): (..., K, H, M)."""
    total: FloatArray = slopes[..., 0, :, None] * weight[0]
    for gate in range(1, weight.shape[0]):
        total += slopes[..., gate, :, None] * weight[gate]
    return total
