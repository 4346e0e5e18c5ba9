"""Fixed points of a 64-unit GRU from 256 starts: Adam alone against Adam and Levenberg-Marquardt.

See science.md#fixed-points.

    python benchmarks/fixed_points.py [seeds]

Prints json lines: seconds, share of starts with q < 1e-20 and < 1e-12, and for the whole search (starts, Adam,
Levenberg-Marquardt, deduplication, classes, verification) its seconds and what it found. Target: under 2 s.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from rnnspike.dynamics.attractors.fixed_points import Scale, SearchOptions, choose_starts, solve
from rnnspike.dynamics.attractors.points import find_points
from rnnspike.dynamics.maps import HeldInput
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import Cell


def random_gru(seed: int, n_hidden: int = 64, gain: float = 2.0) -> Network:
    rng = np.random.default_rng(seed)
    rows = 3 * n_hidden
    weights = (rng.normal(size=(rows, 3)), gain / np.sqrt(n_hidden) * rng.normal(size=(rows, n_hidden)))
    return Network((Cell("gru", *weights, 0.3 * rng.normal(size=rows), 0.3 * rng.normal(size=rows)),), 0.001)


def show(seed: int, solver: str, start: tuple[float, float], **figures: float) -> None:
    seconds, cpu = (round(now - then, 3) for now, then in zip(clocks(), start, strict=True))
    row = {"seed": seed, "solver": solver, "seconds": seconds, "cpu_seconds": cpu, **figures}
    print(json.dumps(row), flush=True)


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main(n_seeds: int) -> None:
    for seed in range(n_seeds):
        network, rng = random_gru(seed), np.random.default_rng(seed)
        inputs = 0.5 * rng.normal(size=(20, 200, 3))
        visited = network.run(np.zeros((20, 64)), inputs).reshape(-1, 64)
        system, scale = HeldInput(network, np.zeros(3)), Scale.of(visited)
        starts = choose_starts(system, visited, SearchOptions(), rng)
        for name, options in (
            ("adam 2000", SearchOptions(adam_steps=2000, continuation_steps=0, newton_steps=0)),
            ("adam 100 + newton 40 + lm 100", SearchOptions()),
        ):
            start = clocks()
            found = solve(system, starts, scale, options)
            shares = {f"q<{limit:g}": float((found.q < limit).mean()) for limit in (1e-20, 1e-12)}
            show(seed, name, start, **shares)
        start = clocks()
        points = find_points(system, visited, 0.001, np.random.default_rng(0))
        show(seed, "whole search", start, n_fixed=points.n_fixed, n_slow=points.n_slow, n_rejected=points.n_rejected)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
