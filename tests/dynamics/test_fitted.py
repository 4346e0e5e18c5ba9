import numpy as np
import pytest
import torch

from rnnspike.dynamics.analyse import AnalysisOptions, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.fitted import fitted_case, loss_slope
from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.networks.bin_clock.inputs import OWN_INPUTS, Scaling
from rnnspike.models.networks.cell import GATES, Cell, Readout
from rnnspike.models.networks.torch_training import loss_by_bin
from rnnspike.trials.data import Trials

ARCHITECTURES = ["linear", "rnn", "gru", "lstm"]


def recurrent(architecture: str, trials: Trials, seed: int = 0, n_hidden: int = 5) -> FittedRecurrent:
    rng = np.random.default_rng(seed)
    rows = len(GATES[architecture]) * n_hidden
    weight_ih = 0.5 * rng.normal(size=(rows, 3))
    weight_hh = 0.5 * rng.normal(size=(rows, n_hidden)) / np.sqrt(n_hidden)
    bias, inner = 0.3 * rng.normal(size=rows), np.zeros(rows)
    if architecture == "gru":
        inner[2 * n_hidden :] = 0.3 * rng.normal(size=n_hidden)
    cell = Cell(architecture, weight_ih, weight_hh, bias, inner)
    readout = Readout(0.3 * rng.normal(size=(1, n_hidden)), np.array([0.1]))
    scaling = Scaling(OWN_INPUTS, (0.0, 0.0, -3.0), (1.0, 1.0, 0.5))
    return FittedRecurrent(architecture, cell, readout, scaling, trials.bin_s, flat_or_psth(trials), 20)


@pytest.fixture
def trials(make_trials, rng) -> Trials:
    counts = rng.random((30, 150, 1)) < 0.05
    return make_trials(counts, burn_in=rng.random((30, 40, 1)) < 0.05, condition=np.arange(30) % 3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_orbits_are_the_visited_states_and_each_follows_from_the_last(architecture, trials, rng):
    model = recurrent(architecture, trials)
    case = fitted_case(model, trials, rng)
    states, inputs = case.orbits.states, case.orbits.inputs
    assert states.shape[1] == trials.n_bins and case.network.n_state == model.cell.n_state
    assert np.allclose(case.network.step(states[:, 3], inputs[:, 4]), states[:, 4], atol=1e-12)


def test_inputs_are_named_and_mean_what_they_say(trials, rng):
    model = recurrent("gru", trials)
    case = fitted_case(model, trials, rng, n_conditions=2)
    named = {one.name: one for one in case.inputs}
    assert list(named) == ["silent", "mean", "condition 0", "condition 1", "closed-loop"] and case.left_out == 1
    assert named["silent"].value[0] == 0 < named["mean"].value[0] == pytest.approx(0.05, abs=0.02)
    assert named["closed-loop"].feedback == (0,)
    log_drive = model.log_drive(trials)
    assert case.network.readout.bias[0] - 0.1 == pytest.approx(log_drive.mean(), abs=0.05)


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_loss_slope_is_the_derivative_of_the_loss_that_trains(observation, rng):
    log_mu = rng.normal(-2, 1, size=(3, 10))
    spikes, observed = (rng.random((3, 10)) < 0.3).astype(float), rng.random((3, 10)) < 0.8
    at = torch.from_numpy(log_mu).requires_grad_()
    scored = torch.from_numpy(observed.astype(float))
    (loss_by_bin(at, torch.from_numpy(spikes), observation) * scored).sum().backward()
    assert np.allclose(loss_slope(log_mu, spikes, observed, observation), at.grad.numpy(), atol=1e-12)


def test_long_windows_are_looked_at_in_their_middle(make_trials, rng):
    trials = make_trials(rng.random((2, 9000, 1)) < 0.02)
    case = fitted_case(recurrent("rnn", trials), trials, rng)
    assert case.orbits.states.shape[:2] == (2, 4000)


def test_trials_are_taken_from_every_condition(make_trials, rng):
    trials = make_trials(rng.random((200, 60, 1)) < 0.05, condition=np.repeat([0, 1, 2, 3], 50))
    case = fitted_case(recurrent("rnn", trials), trials, rng)
    assert len(case.orbits.states) == 24
    assert [one.name for one in case.inputs][2:6] == [f"condition {k}" for k in range(4)]


def test_a_linear_network_superposes_and_a_gated_one_does_not(trials, rng):
    quick = AnalysisOptions(search=SearchOptions(n_starts=32), n_orbits=16, max_steps=400)
    index = {}
    for architecture in ("linear", "gru"):
        case = fitted_case(recurrent(architecture, trials), trials, rng)
        result = analyse(case.network, case.orbits, case.inputs[:1], rng, untrained=case.untrained, options=quick)
        index[architecture] = result.gating.superposition
        assert result.untrained.gradient[0] == 1
    assert index["linear"] < 1e-12 < 1e-4 < index["gru"]
