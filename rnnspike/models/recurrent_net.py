"""The networks clocked by bins, in torch: layer, initialisation, readout and loss (science.md b.8).

h_t = phi(W_h h_(t-1) + W_x x_t + b), log mu_t = log drive_t + W_y h_t + c. W_y and c start at zero, so that an
untrained network is its drive. The initial W_x makes each hidden unit a trace of the spikes, with time constants from
one bin to ``longest_bins``, half of them reset by a spike: from there an LSTM needs a third of the updates that it
needs from torch's initial values with chrono biases (measured on the recordings of science.md d).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from rnnspike.models.cells import N_GATES, Architecture
from rnnspike.models.compiled import Single, layers
from rnnspike.models.loss import CompiledLoss
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.models.scans import Weights, array_of, by_name, is_ours, scan
from rnnspike.trials.data import Observation

#: W_y and c are this much larger than the parameters that AdamW moves, which need not travel as far.
READOUT_SCALE = 3.0
_SHUT = -12.0  # what a gate's input weight takes to shut it

#: h, or (h, c) of the LSTM, each (1, row, hidden).
State = torch.Tensor | tuple[torch.Tensor, torch.Tensor]


class LinearLayer(nn.Module):
    """h_t = W_h h_(t-1) + W_x x_t + b, with torch's names of weights and torch's signature.

    All steps at once, by doubling: after pass k, h_t holds the last 2^k inputs; log2(time) products of matrices in
    place of ``time`` steps (Hillis & Steele 1986).
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        self.hidden_size = n_hidden
        self.weight_ih_l0 = nn.Parameter(torch.empty(n_hidden, n_inputs))
        self.weight_hh_l0 = nn.Parameter(torch.empty(n_hidden, n_hidden))
        self.bias_ih_l0 = nn.Parameter(torch.empty(n_hidden))
        self.bias_hh_l0 = nn.Parameter(torch.empty(n_hidden))

    def forward(self, inputs: torch.Tensor, state: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return h (time, row, hidden) and the last h (1, row, hidden)."""
        h = inputs @ self.weight_ih_l0.T + (self.bias_ih_l0 + self.bias_hh_l0)
        if state is not None:
            h = torch.cat([h[:1] + state @ self.weight_hh_l0.T, h[1:]])
        power, reach = self.weight_hh_l0.T, 1
        while reach < len(h):
            h = torch.cat([h[:reach], h[reach:] + h[:-reach] @ power])
            power, reach = power @ power, 2 * reach
        return h, h[-1:]


LAYERS: dict[Architecture, type[nn.Module]] = {
    "linear": LinearLayer,
    "rnn": nn.RNN,
    "gru": nn.GRU,
    "lstm": nn.LSTM,
}


class RecurrentNet(nn.Module):
    """One recurrent layer and a linear readout; input 0 is the own spike, input 1 the flag ``unknown``."""

    def __init__(
        self,
        architecture: Architecture,
        n_inputs: int,
        n_hidden: int,
        longest_bins: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        with torch.random.fork_rng(devices=[]):  # torch's own initial values draw from the global generator
            self.layer = LAYERS[architecture](n_inputs, n_hidden)
            self.readout = nn.Linear(n_hidden, 1)
        with torch.no_grad():
            nn.init.zeros_(self.readout.weight)
            nn.init.zeros_(self.readout.bias)
            initialise(self.layer, architecture, longest_bins, generator)

    def forward(
        self, inputs: torch.Tensor, log_drive: torch.Tensor, state: State | None = None
    ) -> tuple[torch.Tensor, State]:
        """Return log mu (time, row) and the last state, for inputs (time, row, channel) and log drive (time, row)."""
        hidden, state = self.layer(inputs, state)
        return self._log_mu(hidden, log_drive), state

    def _log_mu(self, hidden: torch.Tensor, log_drive: torch.Tensor) -> torch.Tensor:
        log_gain: torch.Tensor = READOUT_SCALE * self.readout(hidden)[..., 0]
        return (log_drive + log_gain).clamp(*LOG_MU_RANGE)

    @torch.no_grad()
    def run(self, inputs: torch.Tensor) -> tuple[torch.Tensor, State]:
        """Return h (time, row, hidden) and the last state under inputs (time, row, channel), from zeros."""
        if not self._is_compiled(inputs):
            hidden, state = self.layer(inputs)
            return hidden, state
        path = scan(self.architecture, array_of(inputs), Weights.of(self.layer), None, backwards=False)
        return torch.from_numpy(path.states), _to_state(path.last)

    @torch.no_grad()
    def log_mu(self, inputs: torch.Tensor, log_drive: torch.Tensor) -> torch.Tensor:
        """Return log mu (time, row) as ``forward`` does, without a gradient."""
        return self._log_mu(self.run(inputs)[0], log_drive)

    def loss(
        self, inputs: torch.Tensor, targets: torch.Tensor, observation: Observation, state: State | None = None
    ) -> tuple[torch.Tensor | CompiledLoss, State]:
        """Return the summed loss in nats over scored bins and the last state; ``targets`` as in ``Sequences``.

        The state that it starts from is taken as it is: no gradient goes through it.
        """
        if self._is_compiled(inputs):
            return self._compiled_loss(array_of(inputs), array_of(targets), observation, state)
        spikes, log_drive, scored = targets.unbind(dim=2)
        log_mu, state = self(inputs, log_drive, state)
        return negative_log_likelihood(log_mu, spikes, scored, observation), state

    def _is_compiled(self, inputs: torch.Tensor) -> bool:
        return self.architecture != "linear" and is_ours(inputs)

    def _compiled_loss(
        self, inputs: Single, targets: Single, observation: Observation, state: State | None
    ) -> tuple[CompiledLoss, State]:
        first = None if state is None else _to_arrays(state)
        path = scan(self.architecture, inputs, Weights.of(self.layer), first, backwards=torch.is_grad_enabled())
        w = READOUT_SCALE * array_of(self.readout.weight)[0]
        c = READOUT_SCALE * float(array_of(self.readout.bias)[0])
        along, d_w = np.empty_like(path.states), np.zeros(len(w))
        bernoulli = observation == "bernoulli"
        value, d_bias = layers.bin_loss(path.states, w, c, targets, *LOG_MU_RANGE, bernoulli, along, d_w)

        def back() -> dict[str, Single]:
            readout = {"readout.weight": READOUT_SCALE * d_w, "readout.bias": np.array([READOUT_SCALE * d_bias])}
            return {
                **by_name(path.gradients(along), "layer"),
                **{name: each.astype(np.float32) for name, each in readout.items()},
            }

        return CompiledLoss(value, back), _to_state(path.last)


def _to_state(arrays: tuple[Single, ...]) -> State:
    h, *c = (torch.from_numpy(each)[None] for each in arrays)
    return (h, c[0]) if c else h


def _to_arrays(state: State) -> tuple[Single, ...]:
    return tuple(array_of(part[0]) for part in (state if isinstance(state, tuple) else (state,)))


def initialise(layer: nn.Module, architecture: Architecture, longest_bins: float, generator: torch.Generator) -> None:
    """Set a layer's weights: orthogonal per gate, chrono biases, units that trace the spikes (see the module)."""
    tensors = dict(layer.named_parameters())
    w_x, w_h, bias = tensors["weight_ih_l0"], tensors["weight_hh_l0"], tensors["bias_ih_l0"]
    hidden = w_h.shape[1]
    nn.init.uniform_(w_x, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden), generator=generator)
    nn.init.zeros_(bias)
    nn.init.zeros_(tensors["bias_hh_l0"])
    if architecture != "gru":  # the GRU's second bias stands inside the reset; elsewhere the two are one
        tensors["bias_hh_l0"].requires_grad_(False)
    for gate in range(N_GATES[architecture]):
        nn.init.orthogonal_(w_h[gate * hidden : (gate + 1) * hidden], gain=0.3, generator=generator)
    chrono = chrono_biases(hidden, longest_bins, generator)
    sign = torch.where(torch.rand(hidden, generator=generator) < 0.5, -1.5, 1.5)
    gates = [slice(k * hidden, (k + 1) * hidden) for k in range(N_GATES[architecture])]
    if architecture == "lstm":
        _trace_lstm(w_x, bias, gates, chrono, sign)
    elif architecture == "gru":
        _trace_gru(w_x, bias, gates, chrono, sign)
    else:
        _trace_plain(w_x, w_h, chrono, sign)


def chrono_biases(hidden: int, longest_bins: float, generator: torch.Generator) -> torch.Tensor:
    """Return the biases (hidden,) of gates that forget over 1 to ``longest_bins`` - 1 bins (Tallec & Ollivier 2018).

    Time constants are spread evenly in their logarithm, in random order: drawn uniformly, nearly all would be long
    (a cell whose slow memory matters lost .06 bits/spike by that).
    """
    even = (torch.randperm(hidden, generator=generator) + 0.5) / hidden
    return even * math.log(max(longest_bins - 1, 2.0))


def _trace_lstm(
    w_x: torch.Tensor, bias: torch.Tensor, gates: list[slice], chrono: torch.Tensor, sign: torch.Tensor
) -> None:
    i, f, g = gates[:3]
    bias[f], bias[i] = chrono, -chrono
    w_x[i, 0] = chrono + 1  # a spike opens the input gate,
    w_x[f, 0] = torch.where(_every_second(chrono), -chrono - 2, torch.zeros_like(chrono))  # half forget by it,
    w_x[g, 0] = sign  # and writes this
    w_x[i, 1] = w_x[f, 1] = _SHUT  # an unknown bin empties the cell


def _trace_gru(
    w_x: torch.Tensor, bias: torch.Tensor, gates: list[slice], chrono: torch.Tensor, sign: torch.Tensor
) -> None:
    r, z, n = gates
    bias[z] = chrono  # retention
    w_x[z, 0] = torch.where(_every_second(chrono), -chrono - 2, -chrono)  # a spike replaces h, or half of it,
    w_x[n, 0] = sign  # by this
    w_x[r, 1] = w_x[z, 1] = _SHUT  # an unknown bin replaces all of it


def _trace_plain(w_x: torch.Tensor, w_h: torch.Tensor, chrono: torch.Tensor, sign: torch.Tensor) -> None:
    decay = torch.sigmoid(chrono)  # h' = decay h: leaky units
    w_h.copy_(torch.diag(decay))
    w_x[:, 0] = sign / 3
    w_x[:, 2:] *= (1 - decay)[:, None]  # a constant input settles at its weight, whatever the leak


def _every_second(values: torch.Tensor) -> torch.Tensor:
    return torch.argsort(torch.argsort(values)) % 2 == 0


def negative_log_likelihood(
    log_mu: torch.Tensor, spikes: torch.Tensor, scored: torch.Tensor, observation: Observation
) -> torch.Tensor:
    """Return the summed loss in nats over scored bins (``scored`` 1, else 0), any shape."""
    return (loss_by_bin(log_mu, spikes, observation) * scored).sum()


def loss_by_bin(log_mu: torch.Tensor, spikes: torch.Tensor, observation: Observation) -> torch.Tensor:
    """Return the loss of each bin in nats, any shape (science.md b.2).

    Bernoulli: ``mu - y log(exp(mu) - 1)``; Poisson: ``mu - y log mu``, without the term that no model changes.
    """
    mu = log_mu.exp()
    log_odds = mu + torch.log(-torch.expm1(-mu)) if observation == "bernoulli" else log_mu
    return mu - spikes * log_odds
