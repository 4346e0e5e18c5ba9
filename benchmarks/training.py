"""Speed of training the LSTM clocked by bins: against torch's own nn.LSTM, and two workers against one.

    python benchmarks/training.py

On a simulated refractory cell at 1 ms bins, with 16 and with 32 hidden units (standard and thorough effort). Both
sides make the same updates: the same batches in the same order, bins read before them, carried state, likelihood,
clipping and AdamW, on one thread. Passes alternate, and the ratio is that of their median times. Then whole fits of
the rung as ``rnnspike fit`` makes them (inputs, masks and validation too), by one worker and by two.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import Any

import numpy as np

N_TRIALS, DURATION_S = 200, 1.0
N_UPDATES, N_PASSES, RATE = 200, 5, 1e-3


def trials() -> Any:
    from rnnspike.neurons.session import SessionOptions, simulate_cell
    from rnnspike.trials.data import TrialOptions
    from rnnspike.trials.plan import plan_trials

    session = simulate_cell("refractory", 1, SessionOptions(n_trials=N_TRIALS, duration_s=DURATION_S))
    return plan_trials(session.recording, TrialOptions()).trials()


def task(effort: str) -> Any:
    """Return the training of the rung at an effort, over the PSTH."""
    from rnnspike.models.networks.bin_clock.model import Lstm

    whole = trials()
    train, validation = whole.take(range(160)), [whole.take(range(160, 200))]
    return Lstm.configured(effort).task(train, validation, np.random.default_rng(0))


def chunks(training: Any) -> Iterator[Any]:
    """Return the batches of the updates, the same at every call."""
    each = (chunk for seed in count() for chunk in training.streams(np.random.default_rng(seed)))
    return islice(each, N_UPDATES)


def own_pass(training: Any) -> Callable[[], None]:
    """Return what makes the updates with the package's own network."""
    optimiser = training.net.optimiser(1e-2, {})

    def run() -> None:
        state = None
        for chunk in chunks(training):
            loss, scored, state = training._chunk_loss(chunk, state)
            optimiser.step(loss, RATE, scale=1.0 / (scored * training.mean_count), clip_norm=1.0)

    return run


def torch_pass(training: Any) -> Callable[[], None]:
    """Return what makes the same updates with nn.LSTM."""
    import torch

    n_hidden = training.effort.n_hidden
    lstm, readout = torch.nn.LSTM(training.sequences.inputs.shape[2], n_hidden), torch.nn.Linear(n_hidden, 1)
    parameters = [*lstm.parameters(), *readout.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=RATE, weight_decay=1e-2)

    def step(chunk: Any, state: Any) -> Any:
        if chunk.is_first:
            state = None
            if chunk.state_warm_up is not None:
                with torch.no_grad():
                    state = lstm(torch.from_numpy(chunk.state_warm_up))[1]
        if state is not None:
            state = tuple(part.detach() * torch.from_numpy(chunk.carries_state)[:, None] for part in state)
        hidden, state = lstm(torch.from_numpy(chunk.inputs), state)
        spikes, log_base, scored = torch.from_numpy(chunk.targets).unbind(2)
        mu = torch.exp(log_base + readout(hidden)[:, :, 0])
        loss = (torch.where(spikes > 0, -torch.log(-torch.expm1(-mu)), mu) * scored).sum()
        optimiser.zero_grad()
        (loss / (scored.sum() * training.mean_count)).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        return state

    def run() -> None:
        state = None
        for chunk in chunks(training):
            state = step(chunk, state)

    return run


def seconds(run: Callable[[], None]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(effort: str) -> None:
    """Print the speed of the updates by both, and their ratio."""
    import torch  # noqa: F401, its threads are limited too

    from rnnspike.threads import one_thread

    training = task(effort)
    n_bins = sum(chunk.targets.shape[0] * chunk.targets.shape[1] for chunk in chunks(training))
    with one_thread():
        sides = own_pass(training), torch_pass(training)
        for run in sides:
            run()  # compilation and first calls are not what is measured
        times = np.array([[seconds(run) for run in sides] for _ in range(N_PASSES)])
    own_s, torch_s = np.median(times, axis=0)
    settings, millions = training.effort, n_bins / 1e6
    print(
        f"{settings.n_hidden} hidden units, {N_UPDATES} updates of {settings.n_rows} rows:"
        f" own {millions / own_s:.2f}, nn.LSTM {millions / torch_s:.2f} million bins/s,"
        f" own over nn.LSTM {torch_s / own_s:.2f}"
    )


def train_once(seed: int) -> float:
    """Return seconds of one fit of the rung."""
    import torch  # noqa: F401, its threads are limited too

    from rnnspike.models.glm.model import Drive
    from rnnspike.models.networks.bin_clock.model import Lstm
    from rnnspike.threads import one_thread

    whole = trials()
    train, validation = whole.take(range(160)), [whole.take(range(160, 200))]
    rng = np.random.default_rng(seed)
    with one_thread():
        drive = Drive().fit(train, validation, rng)
        start = time.perf_counter()
        Lstm.configured().fit(train, validation, rng, {"drive": drive})
        return time.perf_counter() - start


def warm(ready: Any) -> None:
    """Fit once and wait until every worker has."""
    train_once(0)
    ready.wait()


def main() -> None:
    """Print the figures."""
    for effort in ("standard", "thorough"):
        compare(effort)
    train_once(0)
    print(f"one fit of the rung lstm: {train_once(0):.2f} s")
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
