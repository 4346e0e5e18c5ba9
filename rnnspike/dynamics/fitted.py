"""A fitted recurrent model of this package as the network, orbits and named inputs that ``analyse`` takes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.dynamics.analyse import NamedInput, Orbits
from rnnspike.dynamics.cell import Cell, Link, Network, Readout
from rnnspike.models.cells import HasCell, RecurrentCell
from rnnspike.trials.data import BoolArray, FloatArray, Observation, Trials

#: Visited states that an analysis holds: enough for every figure, whatever the recording's length.
MOST_TRIALS, MOST_BINS = 24, 4000


@dataclass(frozen=True)
class Case:
    """What ``analyse`` needs of a fitted model: see there."""

    network: Network
    orbits: Orbits
    inputs: tuple[NamedInput, ...]
    untrained: Network
    left_out: int


def fitted_case(model: HasCell, trials: Trials, rng: np.random.Generator, n_conditions: int = 4) -> Case:
    """Return a fitted model, what it visits on held-out trials of one unit, and its named inputs.

    Silent: no spikes, drive and covariates at their means. Mean: all at their means, the spikes at their rate.
    Conditions: the means over a condition's trials (the first ``n_conditions``; ``left_out`` says how many are not
    looked at). Closed loop: the own expected spike, the others at their means.
    """
    some = trials.take(_spread_over(trials.condition, MOST_TRIALS))
    first, last = _middle(model.n_warm_up(some), some.n_bins)
    window = slice(first, last)
    inputs, log_drive = model.inputs(some)[:, window], model.log_drive(some)[:, window]
    states = model.states(some)[:, window]
    network = network_of(model.cell, model.readout.weight, model.readout.bias + float(log_drive.mean()), some)
    bins = slice(first - model.n_warm_up(some), last - model.n_warm_up(some))
    spikes, observed = some.spikes[:, bins, 0].astype(np.float64), some.observed[:, bins, 0]
    log_mu = log_drive + model.readout.log_gain(model.cell.hidden(states))
    slope = loss_slope(log_mu, spikes, observed, some.observation)[..., None]
    named = _named_inputs(inputs, some, n_conditions)
    n_left_out = max(len(np.unique(trials.condition)) - n_conditions, 0)
    return Case(network, Orbits(states, inputs, slope), named, _untrained(network, model.cell, rng), n_left_out)


def network_of(cell: RecurrentCell, weight: FloatArray, bias: float, trials: Trials) -> Network:
    """Return the network of a fitted cell and its readout (the mean log drive belongs in ``bias``)."""
    link: Link = "cloglog" if trials.observation == "bernoulli" else "exp"
    return Network((cell_of(cell),), cell.bin_s, Readout(weight[None], np.array([bias]), link), cell.input_names)


def cell_of(cell: RecurrentCell) -> Cell:
    """Return a fitted cell with torch's two biases: they are one, but for the GRU's n gate."""
    bias = cell.weights["bias"]
    inner = np.zeros_like(bias)
    if cell.architecture == "gru":
        inner[2 * cell.n_hidden :] = cell.weights["bias_hn"]
    return Cell(cell.architecture, cell.weights["weight_ih"], cell.weights["weight_hh"], bias, inner)


def loss_slope(log_mu: FloatArray, spikes: FloatArray, observed: BoolArray, observation: Observation) -> FloatArray:
    """Return d negative log-likelihood / d log mu of every bin, 0 where not observed (science.md b.2)."""
    mu = np.exp(np.clip(log_mu, -20.0, 3.0))
    # Bernoulli: mu - y log(exp(mu) - 1); Poisson: mu - y log mu
    spent = mu / -np.expm1(-mu) if observation == "bernoulli" else np.ones_like(mu)
    slope: FloatArray = (mu - spikes * spent) * observed
    return slope


def _spread_over(condition: np.ndarray, n_most: int) -> np.ndarray:
    """Return at most ``n_most`` trials, as evenly over conditions and time as can be, in order."""
    rank = np.empty(len(condition), dtype=np.int64)
    for one in np.unique(condition):
        members = np.flatnonzero(condition == one)
        # halving order: any first few of a condition's trials are spread over it
        order = np.argsort([int(f"{k:016b}"[::-1], 2) for k in range(len(members))], kind="stable")
        rank[members[order]] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:n_most])


def _middle(warm_up: int, n_bins: int) -> tuple[int, int]:
    """Return the stretch of the sequences that is looked at: the window, or the middle of a long one."""
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


def _untrained(network: Network, cell: RecurrentCell, rng: np.random.Generator) -> Network:
    """Return the cell as the model's own training starts it, without a readout (it starts at zero)."""
    from rnnspike.models.recurrent_net import initial_layer

    arrays = initial_layer(cell.architecture, cell.n_inputs, cell.n_hidden, 2.0 / cell.bin_s, rng)
    fresh = RecurrentCell.from_torch(cell.architecture, arrays, input_names=cell.input_names, bin_s=cell.bin_s)
    return Network((cell_of(fresh),), network.bin_s, None, network.input_names)
