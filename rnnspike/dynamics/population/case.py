"""A fitted population network as the network, orbits and named inputs that ``analyse`` takes.

A step is a block of bins. Inputs are the residuals of the block before, spikes of a bin less what the units' own
models expect, one channel per unit; outputs are the log mu of a bin of each unit, the network's gain on the mean of
what its own model expects (science.md#population-loop).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnspike.dynamics.analyse import NamedInput, Orbits
from rnnspike.dynamics.fitted import MOST_TRIALS, Case
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import Cell, Readout
from rnnspike.models.population.blocks import Blocks, delayed
from rnnspike.models.population.network import PopulationNetwork
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.models.registry import build
from rnnspike.observation import Observation, expected_counts
from rnnspike.trials.data import FloatArray, IntArray, Trials
from rnnspike.trials.split import spread_over

#: Trials whose states are kept, for a picture by condition and time.
MOST_SHOWN = 200


def population_case(model: FittedSharedState, trials: Trials, rng: np.random.Generator) -> Case:
    """Return the network of a fitted shared state, its orbits on held-out trials of all its units, and its inputs.

    ``base``: residuals of 0, the units fire as their own models expect. ``closed-loop``: the network's own expected
    residuals, with the units' own models at their means.
    """
    some = trials.take(spread_over(trials.condition, MOST_TRIALS))
    mu = model.base.intensity(some)
    mean = np.asarray(mu.mean(axis=(0, 1)))
    network = network_of(model, mean, some.observation, some.bin_s)
    blocks, first = Blocks.of(some, mu, model.clock, model.mean), model.clock.warm_up
    inputs = delayed(blocks.residual) / model.clock.width
    states = network.run(np.zeros((some.n_trials, network.n_state)), inputs)
    gain = model.read(states[..., network.hidden_columns], list(range(some.n_units)))
    slope = blocks.exposure * np.exp(gain) - blocks.counts
    orbits = Orbits(states[:, first:], inputs[:, first:], slope[:, first:])
    loop = NamedInput("closed-loop", -expected_counts(mean, some.observation), tuple(range(some.n_units)))
    inputs_of = (NamedInput("base", np.zeros(some.n_units)), loop)
    return Case(network, orbits, inputs_of, untrained_network(model, network, rng), 0)


def network_of(model: FittedSharedState, mean: FloatArray, observation: Observation, bin_s: float) -> Network:
    """Return the network of a fitted shared state where the units' own models expect ``mean`` (unit,) mu of a bin."""
    width, cell = model.clock.width, model.cell
    log_mean = np.log(mean)
    readout = Readout(
        model.shares[:, None] * model.weight,
        model.shares * model.bias + log_mean,
        "cloglog" if observation == "bernoulli" else "exp",
        highest=np.maximum(log_mean, np.minimum(model.highest, LOG_MU_RANGE[1])),
    )
    return Network((per_bin(cell, model),), width * bin_s, readout, model.unit_ids, bins_per_step=width)


def per_bin(cell: Cell, model: FittedSharedState) -> Cell:
    """Return a cell of a shared state that takes residuals per bin, not those of a block on the model's scale."""
    return replace(cell, weight_ih=cell.weight_ih * model.scale * model.clock.width)


def untrained_network(model: FittedSharedState, network: Network, rng: np.random.Generator) -> Network:
    """Return the network with initial weights of the model's training, without a readout (initially zero)."""
    from rnnspike.models.population.train import initial_cell

    trained = build(model.name)
    assert isinstance(trained, PopulationNetwork)
    cell = initial_cell(trained.architecture, model.cell.n_input, model.clock.warm_up, rng, trained.with_memory)
    return replace(network, layers=(per_bin(cell, model),), readout=None)


def shown_states(
    model: FittedSharedState, network: Network, trials: Trials, most: int = MOST_SHOWN
) -> tuple[FloatArray, IntArray]:
    """Return states (trial, block, state) of held-out trials in their windows, and the condition (trial,) of each."""
    some = trials.take(spread_over(trials.condition, most))
    inputs = delayed(model.residuals(some)) / model.clock.width
    states = network.run(np.zeros((some.n_trials, network.n_state)), inputs)
    return states[:, model.clock.warm_up :], some.condition
