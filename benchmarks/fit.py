"""The whole ladder against what users would otherwise write, in one run: seconds and held-out bits/spike.

    python benchmarks/fit.py --data ../shared/data --nemos-python ../nemos-venv/bin/python
    python benchmarks/fit.py --data ../shared/data --recordings boot_neuro --workers

For one unit of each recording, on the same trials, bins and five folds:

- ``rnnspike fit``, standard and fast effort, one worker, from the file to the report;
- ``user's LSTM``: a nn.LSTM(32) a fold at 1 ms, inputs the spike before and the log PSTH, binary cross-entropy, Adam
  1e-3, batches of 32 trials, patience of 10 epochs on a validation fold;
- one training of our ``glm`` (strengths chosen, two validation folds), beside a warm refit of nemos' GLM on the same
  trials: raised cosines over 300 ms and a spline of the time in the trial, ridge, one strength.

Seconds are of the processor, of processes with one thread each.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from quality import CASES, N_FOLDS, real_plan
from scipy.ndimage import gaussian_filter1d

from rnnspike.evaluation.likelihood import log_likelihood
from rnnspike.trials.data import FloatArray, IntArray, Trials
from rnnspike.trials.split import assign_folds

OPTIONS = {
    "boot_neuro": ["--window", "100ms", "500ms"],
    "e070528": ["--window", "1s", "13s"],
    "CAL2": ["--window", "1s", "15s"],
    "stn": ["--window", "250ms", "2s", "--condition", "condition"],
    "bp1005": ["--window", "100ms", "1s", "--condition", "condition"],
}

#: What the other interpreter runs: fits nemos' GLM twice on a design, and says how long the second fit took.
NEMOS = """
import json, sys, time
import jax
jax.config.update("jax_enable_x64", True)
import nemos, numpy as np
data = np.load(sys.argv[1])
y, n_bins = data["y"].astype(float), int(data["n_bins"])
history = nemos.basis.RaisedCosineLogConv(15, window_size=min(300, n_bins - 1))
drive = nemos.basis.BSplineEval(20)
made = time.perf_counter()
blocks = [np.asarray(history.compute_features(row)) for row in y]
time_in_trial = np.asarray(drive.compute_features(np.tile(np.arange(n_bins), len(y))))
x = np.concatenate([np.concatenate(blocks), time_in_trial], axis=1)
target = y.ravel()
known = np.isfinite(x).all(axis=1)
x, target = x[known], target[known]
made = time.perf_counter() - made
for _ in range(2):
    model = nemos.glm.GLM(regularizer="Ridge", regularizer_strength=1e-4)
    started, cpu = time.perf_counter(), time.process_time()
    model.fit(x, target)
    seconds = time.process_time() - cpu
print(json.dumps({"seconds": seconds, "design": made, "rows": len(target), "columns": x.shape[1]}))
"""


def users_lstm(trials: Trials, folds: IntArray, most_epochs: int) -> FloatArray:
    """Return held-out mu (trial, bin) of an LSTM trained as its users would, a network a test fold."""
    mu = np.empty(trials.counts.shape[:2])
    for test in range(N_FOLDS):
        validation = (test + 1) % N_FOLDS
        train = trials.take((folds != test) & (folds != validation))
        mu[folds == test] = _train_one(train, *(trials.take(folds == f) for f in (validation, test)), most_epochs)
    return mu


def _train_one(train: Trials, validation: Trials, test: Trials, most_epochs: int) -> FloatArray:
    import torch

    torch.manual_seed(0)
    psth = np.log(gaussian_filter1d(train.spikes[:, :, 0].mean(axis=0), 0.02 / train.bin_s) + 1e-4)

    def tensors(part: Trials) -> tuple[Any, Any]:
        y = torch.from_numpy(part.spikes[:, :, 0].astype(np.float32))
        before = torch.nn.functional.pad(y[:, :-1], (1, 0))
        return torch.stack([before, torch.from_numpy(psth).float().expand_as(y)], dim=2), y

    lstm, readout = torch.nn.LSTM(2, 32, batch_first=True), torch.nn.Linear(32, 1)
    parameters = [*lstm.parameters(), *readout.parameters()]
    optimiser, loss_of = torch.optim.Adam(parameters, lr=1e-3), torch.nn.functional.binary_cross_entropy_with_logits
    x, y = tensors(train)
    best, since, kept = np.inf, 0, [p.detach().clone() for p in parameters]
    for _ in range(most_epochs):
        for batch in torch.randperm(len(x)).split(32):
            optimiser.zero_grad()
            loss_of(readout(lstm(x[batch])[0])[..., 0], y[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            held = tensors(validation)
            loss = float(loss_of(readout(lstm(held[0])[0])[..., 0], held[1]))
        since += 1
        if loss < best:
            best, since, kept = loss, 0, [p.detach().clone() for p in parameters]
        if since >= 10:
            break
    with torch.no_grad():
        for p, value in zip(parameters, kept, strict=True):
            p.copy_(value)
        logits = readout(lstm(tensors(test)[0])[0])[..., 0].double().numpy()
    return np.logaddexp(0.0, logits)  # -log(1 - p)


def bits(trials: Trials, folds: IntArray, mu: FloatArray) -> float:
    """Return bits/spike over the training-mean rate of each fold."""
    null = np.empty_like(mu)
    for test in range(N_FOLDS):
        rest = folds != test
        null[folds == test] = trials.spikes[rest][trials.observed[rest]].mean()
    model, flat = (float(log_likelihood(each[:, :, None], trials).sum()) for each in (mu, null))
    return (model - flat) / float(trials.spikes[trials.observed].sum()) / np.log(2)


def our_fit(path: Path, options: list[str], unit: str, effort: str) -> tuple[float, dict[str, float]]:
    """Return processor seconds of ``rnnspike fit`` on one unit, and bits/spike by rung."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "rnnspike", "fit", str(path), *options, "--units", f"id == '{unit}'"]
        command += ["--effort", effort, "-j", "1", "--out", out, "--format", "jsonl", "-q"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, env=one_thread(), check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, {row["model"]: row["bits_per_spike"] for row in rows if row["status"] == "ok"}


def one_thread() -> dict[str, str]:
    """Return an environment in which libraries take one thread each."""
    return os.environ | {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def glm_seconds(trials: Trials, folds: IntArray) -> float:
    """Return processor seconds of one training of our GLM, its second run."""
    from rnnspike.models.registry import build

    train, left = trials.take(folds > 1), [trials.take(folds == fold) for fold in (0, 1)]
    for _ in range(2):
        started = time.process_time()
        build("glm").fit(train, left, np.random.default_rng(0), {})
        seconds = time.process_time() - started
    return seconds


def nemos_seconds(python: str, trials: Trials, folds: IntArray) -> dict[str, float] | None:
    """Return what nemos needs for a warm refit on the training trials; None where it cannot be imported."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "design.npz"
        np.savez(file, y=trials.spikes[folds > 1][:, :, 0], n_bins=trials.n_bins)
        done = subprocess.run([python, "-c", NEMOS, str(file)], capture_output=True, text=True, env=one_thread())
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def compare(name: str, args: argparse.Namespace) -> None:
    """Print the comparison for the unit of a recording with most spikes."""
    plan = real_plan(CASES[name], args.data)
    spikes = plan.trials().spikes.sum(axis=(0, 1))
    trials = plan.trials([plan.unit_ids[int(np.argmax(spikes))]])
    folds, unit = assign_folds(trials.condition, trials.group, N_FOLDS), trials.unit_ids[0]
    print(f"{name} unit {unit}: {int(spikes.max())} spikes, {trials.n_trials} trials of {trials.n_bins} bins")
    ours, path = {}, args.data / CASES[name].file
    for effort in ("standard", "fast"):
        ours[effort], found = our_fit(path, OPTIONS[name], unit, effort)
        print(
            f"  rnnspike fit, {effort}: {ours[effort]:.1f} s; " + ", ".join(f"{k} {v:.3f}" for k, v in found.items())
        )
    started = time.process_time()
    mu = users_lstm(trials, folds, args.epochs)
    seconds = time.process_time() - started
    ratios = ", ".join(f"{seconds / value:.1f} times {effort}" for effort, value in ours.items())
    print(f"  user's LSTM: {seconds:.1f} s ({ratios}); {bits(trials, folds, mu):.3f}", flush=True)
    glm, peer = glm_seconds(trials, folds), nemos_seconds(args.nemos_python, trials, folds)
    beside = "nemos cannot be imported" if peer is None else f"nemos' warm refit {peer['seconds']:.2f} s"
    ratio = "" if peer is None else f" ({peer['seconds'] / glm:.1f} times, {peer['columns']:.0f} columns)"
    print(f"  glm, one training: {glm:.2f} s; {beside}{ratio}", flush=True)


def workers(args: argparse.Namespace) -> None:
    """Print how much sooner two workers are done than one."""
    wall = []
    for n in ("1", "2"):
        with tempfile.TemporaryDirectory() as out:
            command = [sys.executable, "-m", "rnnspike", "fit", str(args.data / CASES["e070528"].file)]
            started = time.perf_counter()
            subprocess.run([*command, *OPTIONS["e070528"], "-j", n, "--out", out], capture_output=True, check=True)
            wall.append(time.perf_counter() - started)
    print(f"e070528, four units: {wall[0]:.0f} s with one worker, {wall[1]:.0f} s with two: {wall[0] / wall[1]:.2f}")


def main() -> None:
    """Print the comparisons asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="*", default=["boot_neuro", "stn", "e070528"], choices=sorted(OPTIONS))
    parser.add_argument("--nemos-python", default=sys.executable, help="interpreter that can import nemos")
    parser.add_argument("--epochs", type=int, default=1000, help="most epochs of the user's LSTM")
    parser.add_argument("--workers", action="store_true", help="two workers against one as well")
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":  # too late for libraries that are loaded: begin again
        os.execve(sys.executable, [sys.executable, *sys.argv], one_thread())
    for name in args.recordings:
        compare(name, args)
    if args.workers:
        workers(args)


if __name__ == "__main__":
    main()
