"""Our GLM solver against nemos' on one design: the same optimum, and how long each takes (science.md#glm-fit).

    python benchmarks/glm_peers.py
    python benchmarks/glm_peers.py --nemos-python PYTHON

The design is nemos' own: spikes of the bursty refractory cell (science.md#glm-fit), 200 000 bins, convolved with
eight raised cosines over 100 bins; a Poisson GLM without penalty and one with a ridge. nemos runs in a process of its
own, with the interpreter named or this one; where it cannot be imported, the benchmark says so and prints our times
alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.models.glm.penalised import LogLinear, Penalty, newton
from rnnspike.models.numerics.basis import SplineBasis
from rnnspike.trials.data import FloatArray

N_BINS, N_FUNCTIONS, WINDOW = 200_000, 8, 100
RIDGES = (0.0, 1e-3)

#: What the other process runs: reads the design, fits twice with nemos' defaults and once to a tight tolerance.
PEER = """
import json, sys, time
import numpy as np
import jax
jax.config.update("jax_enable_x64", True)
import nemos
data = np.load(sys.argv[1])
x, y, ridge = data["x"], data["y"], float(sys.argv[2])
def fit(**solver):
    more = dict(regularizer="Ridge", regularizer_strength=ridge) if ridge else dict(regularizer="UnRegularized")
    model = nemos.glm.GLM(**more, **solver)
    started = time.perf_counter()
    model.fit(x, y)
    return model, time.perf_counter() - started
first, seconds = fit()
again, seconds_again = fit()
tight, _ = fit(solver_name="LBFGS", solver_kwargs=dict(tol=1e-10, maxiter=5000))
print(json.dumps({
    "seconds": seconds, "again": seconds_again,
    "fits": [[np.asarray(each.coef_).tolist(), float(np.ravel(each.intercept_)[0])] for each in (first, tight)],
}))
"""


def bursty_spikes(rng: np.random.Generator, n_bins: int) -> FloatArray:
    """Spikes of a cell with p = 0 at lags 1-2, .15 at 3-6, .004 to lag 40, then .012."""
    hazard = np.concatenate([[0, 0, 0], np.full(4, 0.15), np.full(34, 0.004), [0.012]])
    spikes, age, draws = np.zeros(n_bins), 41, rng.random(n_bins)
    for k in range(n_bins):
        spikes[k] = draws[k] < hazard[min(age, 41)]
        age = 1 if spikes[k] else age + 1
    return spikes


def raised_cosines(width: float = 2.0) -> FloatArray:
    """Return nemos' RaisedCosineLogConv kernels (lag, function), in numpy (science.md#bases)."""
    y = np.log(50 * np.linspace(0, 1, WINDOW) + 1) / np.log(51)
    peaks = np.linspace(0, 1 - width / (N_FUNCTIONS + width - 1), N_FUNCTIONS)
    phase = (y[:, None] - peaks) * np.pi / (width * (peaks[1] - peaks[0]))
    return np.asarray(0.5 * (1 + np.cos(np.clip(phase, -np.pi, np.pi))))


def design(seed: int) -> tuple[FloatArray, FloatArray]:
    """Return features (bin, function) of the spikes before each bin, and the spikes (bin,)."""
    y, kernels = bursty_spikes(np.random.default_rng(seed), N_BINS), raised_cosines()
    x = np.zeros((N_BINS, N_FUNCTIONS))
    for j in range(N_FUNCTIONS):
        x[1:, j] = np.convolve(y, kernels[:, j])[: N_BINS - 1]
    return x[WINDOW:], y[WINDOW:]


def objective(x: FloatArray, y: FloatArray, coef: FloatArray, intercept: float, ridge: float) -> float:
    """Return nats per bin of the Poisson loss and nemos' ridge, strength / 2 times the squares."""
    log_mu = x @ coef + intercept
    return float(np.mean(np.exp(log_mu) - y * log_mu) + 0.5 * ridge * coef @ coef)


def ours(x: FloatArray, y: FloatArray, ridge: float) -> tuple[FloatArray, float, float]:
    """Return coefficients, intercept and seconds of our solver."""
    n = len(y)
    started = time.perf_counter()
    zero = np.zeros(n)
    model = LogLinear(SplineBasis(1, 0.0), zero, zero.astype(np.int64), 1, x, np.ones(n), y, "poisson")
    penalty = Penalty(0.0, n * ridge * np.eye(N_FUNCTIONS), np.zeros(N_FUNCTIONS))
    found, _ = newton(model, penalty, model.zero(), tolerance=1e-6)
    return found.columns, float(found.drive[0, 0]), time.perf_counter() - started


def peer(python: str, x: FloatArray, y: FloatArray, ridge: float) -> dict[str, Any] | None:
    """Return what nemos found, or None (with a line on stderr) where it is absent or fails."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "design.npz"
        np.savez(path, x=x, y=y)
        done = subprocess.run(
            [python, "-c", PEER, str(path), repr(ridge)], capture_output=True, text=True, check=False
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        print(f"# nemos absent under {python}: {last}", file=sys.stderr)
        return None
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nemos-python", default=sys.executable, help="interpreter that can import nemos")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    x, y = design(args.seed)
    print(f"{len(y)} bins x {N_FUNCTIONS} functions, {int(y.sum())} spikes")
    print("ridge    ours_s  nemos_s again_s  ratio  again  ours - nemos, nats/bin: its defaults, tolerance 1e-10")
    for ridge in RIDGES:
        coef, intercept, seconds = ours(x, y, ridge)
        value = objective(x, y, coef, intercept, ridge)
        other = peer(args.nemos_python, x, y, ridge)
        if other is None:
            print(f"{ridge:<8g} {seconds:6.3f}   absent")
            continue
        theirs = [objective(x, y, np.array(coef), intercept, ridge) for coef, intercept in other["fits"]]
        times = f"{seconds:6.3f} {other['seconds']:8.3f} {other['again']:7.3f}"
        ratios = f"{other['seconds'] / seconds:6.1f} {other['again'] / seconds:6.1f}"
        print(f"{ridge:<8g} {times} {ratios}  {value - theirs[0]:+.1e} {value - theirs[1]:+.1e}")


if __name__ == "__main__":
    main()
