"""Speed of training the LSTM clocked by bins: bins per second and core, and two workers against one.

    python benchmarks/training.py

Trains the rung as ``rnnspike fit`` does (inputs, masks, warm-up, validation and all) on a simulated refractory cell
at 1 ms bins with 32 units of state, and beside it torch's own nn.LSTM on ready-made inputs of the same windows, in
one run.
"""

from __future__ import annotations

import multiprocessing
import time
from typing import Any

import numpy as np

N_TRIALS, DURATION_S = 200, 1.0


def trials() -> Any:
    from rnnspike.neurons.session import SessionOptions, simulate_cell
    from rnnspike.trials.data import TrialOptions
    from rnnspike.trials.plan import plan_trials

    session = simulate_cell("refractory", 1, SessionOptions(n_trials=N_TRIALS, duration_s=DURATION_S))
    return plan_trials(session.recording, TrialOptions()).trials()


def train_once(seed: int) -> tuple[float, float]:
    """Return seconds of one fit of the rung and the bins that its updates went through, warm-up included."""
    import torch  # noqa: F401, its threads are limited too

    from rnnspike.models.glm import Drive
    from rnnspike.models.recurrent import Lstm
    from rnnspike.threads import one_thread

    whole = trials()
    train, validation = whole.take(range(160)), [whole.take(range(160, 200))]
    rng = np.random.default_rng(seed)
    with one_thread():
        drive = Drive().fit(train, validation, rng)
        start = time.perf_counter()
        (model,) = Lstm.configured().fit(train, validation, rng, {"drive": drive})
        seconds = time.perf_counter() - start
    told = model.training  # type: ignore[attr-defined]
    windows = told.get("bins_trained") or told["updates"] * told.get("batch", 8) * 750
    return seconds, float(windows)


def torch_bins_per_second(batch: int = 8, n_bins: int = 750, updates: int = 40) -> float:
    """Return bins per second of nn.LSTM(32) forward and backward with Adam on ready-made inputs."""
    import torch

    torch.set_num_threads(1)
    lstm, readout = torch.nn.LSTM(4, 32), torch.nn.Linear(32, 1)
    optimiser = torch.optim.Adam([*lstm.parameters(), *readout.parameters()])
    x, y = torch.randn(n_bins, batch, 4), (torch.rand(n_bins, batch, 1) < 0.02).float()
    start = time.perf_counter()
    for _ in range(updates):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(readout(lstm(x)[0]), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return updates * batch * n_bins / (time.perf_counter() - start)


def warm(ready: Any) -> None:
    """Fit once and wait until every worker has."""
    train_once(0)
    ready.wait()


def main() -> None:
    """Print the figures."""
    seconds, bins = train_once(0)
    print(f"rung lstm: {bins / seconds / 1e6:.2f} million bins/s ({seconds:.1f} s for {bins / 1e6:.1f} million bins)")
    for batch in (8, 32, 128):
        print(f"nn.LSTM alone, batch {batch}: {torch_bins_per_second(batch) / 1e6:.2f} million bins/s")
    context = multiprocessing.get_context("spawn")
    for n_workers in (1, 2):
        ready = context.Barrier(n_workers + 1)
        with context.Pool(n_workers, initializer=warm, initargs=(ready,)) as pool:
            ready.wait()  # imports and first calls are not what is measured
            start = time.perf_counter()
            pool.map(train_once, range(4), chunksize=1)
            elapsed = time.perf_counter() - start
        one = elapsed if n_workers == 1 else one  # noqa: F821
        print(
            f"{n_workers} worker{'s' * (n_workers > 1)}: four fits in {elapsed:.1f} s, {one / elapsed:.2f} times one"
        )


if __name__ == "__main__":
    main()
