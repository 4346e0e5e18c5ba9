"""Recall of one bit after 10, 100 and 1000 steps: which network learns it, and how far its gradient reached.

    python -m benchmarks.delayed_recall [delay ...]

Prints a row a network, as json lines: share of right answers on new trials, and the lag at which d loss / d state has
fallen to 1 % of its value at lag 0, before training and after.
"""

from __future__ import annotations

import json
import sys

import numpy as np
import torch

from rnnspike.dynamics.drive import driven_orbits
from rnnspike.dynamics.memory.gradient_flow import GradientFlow, measure_gradient_flow
from rnnspike.dynamics.network import Network
from tests.dynamics.tasks import train_recall


def reach(network: Network, inputs: np.ndarray, delay: int) -> GradientFlow:
    orbits = driven_orbits(network, inputs)
    return measure_gradient_flow(network, orbits.states, orbits.inputs, np.random.default_rng(0), max_lag=delay + 1)


def main(delays: list[int]) -> None:
    torch.set_num_threads(1)
    for delay in delays:
        for kind in ("rnn", "gru", "lstm"):
            trained, right = train_recall(kind, delay, seed=0, n_updates=400 if delay < 500 else 60)
            before, after = (reach(n, trained.inputs, delay) for n in (trained.untrained, trained.network))
            row = {
                "delay_steps": delay,
                "network": kind,
                "right": right,
                "flow_before": before.flow,
                "flow_after": after.flow,
                "horizon_before_steps": round(before.horizon_s * 1e3) if np.isfinite(before.horizon_s) else None,
                "horizon_after_steps": round(after.horizon_s * 1e3) if np.isfinite(after.horizon_s) else None,
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10, 100, 1000])
