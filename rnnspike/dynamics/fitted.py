"""A fitted recurrent model of this package as the network, orbits and named inputs that ``analyse`` takes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnspike.dynamics.analyse import NamedInput, Orbits
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import HasCell, Link
from rnnspike.observation import Observation, spike_probability
from rnnspike.trials.data import BoolArray, FloatArray, Trials
from rnnspike.trials.split import spread_over

#: Most visited states of an analysis, whatever the recording's length.
MOST_TRIALS, MOST_BINS = 24, 4000


@dataclass(frozen=True)
class Case:
    """The arguments of ``analyse`` for a fitted model."""

    network: Network
    orbits: Orbits
    inputs: tuple[NamedInput, ...]
    untrained: Network
    left_out: int


def fitted_case(
    model: HasCell, trials: Trials, rng: np.random.Generator, n_conditions: int = 4, n_trials: int = MOST_TRIALS
) -> Case:
    """Return the network of a fitted model, its orbits on held-out trials of one unit, and its named inputs.

    Of the trials, ``n_trials`` at the most are taken, spread over the conditions.

    Silent: no spikes, drive and covariates at their means. Mean: all at their means, the spikes at their rate.
    Conditions: the means over a condition's trials (the first ``n_conditions``; ``left_out`` is the number of the
    others). Closed loop: the network's own expected spike, other channels at their means.
    """
    some = trials.take(spread_over(trials.condition, n_trials))
    first, last = _middle(model.n_warm_up(some), some.n_bins)
    window = slice(first, last)
    inputs, log_drive = model.inputs(some)[:, window], model.log_drive(some)[:, window]
    states = model.states(some)[:, window]
    link: Link = "cloglog" if some.observation == "bernoulli" else "exp"
    readout = replace(model.readout, bias=model.readout.bias + float(log_drive.mean()), link=link)
    network = Network((model.cell,), model.bin_s, readout, model.input_names)
    bins = slice(first - model.n_warm_up(some), last - model.n_warm_up(some))
    spikes, observed = some.spikes[:, bins, 0].astype(np.float64), some.observed[:, bins, 0]
    log_mu = log_drive + model.readout.log_gain(model.cell.hidden(states))
    slope = loss_slope(log_mu, spikes, observed, some.observation)[..., None]
    named = _named_inputs(inputs, some, n_conditions)
    n_left_out = max(len(np.unique(trials.condition)) - n_conditions, 0)
    return Case(network, Orbits(states, inputs, slope), named, _untrained(network, rng), n_left_out)


def loss_slope(log_mu: FloatArray, spikes: FloatArray, observed: BoolArray, observation: Observation) -> FloatArray:
    """Return d negative log-likelihood / d log mu of every bin, 0 where not observed.

    See science.md#observation-model.
    """
    mu = np.exp(np.clip(log_mu, -20.0, 3.0))
    # Bernoulli: mu - y log(exp(mu) - 1); Poisson: mu - y log mu
    spent = mu / spike_probability(mu) if observation == "bernoulli" else np.ones_like(mu)
    slope: FloatArray = (mu - spikes * spent) * observed
    return slope


def _middle(warm_up: int, n_bins: int) -> tuple[int, int]:
    """Return the part of the sequences that is analysed: the window, or the middle of a long one."""
    spare = max(n_bins - MOST_BINS, 0)
    first = warm_up + spare // 2
    return first, first + n_bins - spare


def _named_inputs(inputs: FloatArray, trials: Trials, n_conditions: int) -> tuple[NamedInput, ...]:
    mean = inputs.mean(axis=(0, 1))
    silent = mean.copy()
    silent[:2] = 0.0  # neither spikes nor unknown bins
    named = [NamedInput("silent", silent), NamedInput("mean", mean)]
    present = np.unique(trials.condition)
    if len(present) > 1:
        for condition in present[:n_conditions]:
            value = inputs[trials.condition == condition].mean(axis=(0, 1))
            named.append(NamedInput(f"condition {trials.conditions[condition]}", value))
    return (*named, NamedInput("closed-loop", silent, (0,)))


def _untrained(network: Network, rng: np.random.Generator) -> Network:
    """Return the cell with the initial weights of the model's training, without a readout (initially zero)."""
    from rnnspike.models.networks.bin_clock.net import initial_layer, layer_cell

    (cell,) = network.layers
    arrays = initial_layer(cell.architecture, cell.n_input, cell.n_hidden, 2.0 / network.bin_s, rng)
    return replace(network, layers=(layer_cell(cell.architecture, arrays),), readout=None)
