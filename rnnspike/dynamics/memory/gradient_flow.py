"""Gradients through time: vanishing, preserved or exploding.

See science.md#gradient-flow.

The norm of d loss_t / d state_(t-j) against the lag j is the signal of training by back-propagation. Where it has
vanished, training hardly uses events that far back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnspike.dynamics.eigenvalues import short
from rnnspike.dynamics.jacobian import pull_back, state_jacobian
from rnnspike.dynamics.memory.timescales import visited_pairs
from rnnspike.dynamics.network import Network
from rnnspike.trials.data import FloatArray

Flow = Literal["vanishing", "preserved", "exploding"]


@dataclass(frozen=True)
class GradientFlow:
    """Gradients through time of one network.

    Attributes
    ----------
    lag_s, gradient
        (lag,) mean norm of d loss_t / d state_(t-lag), 1 at lag 0.
    horizon_s
        Lag from which the gradient stays below 1 % of that at lag 0 (infinite where it does not within the window,
        0 where there is no gradient at all).
    flow
        ``exploding`` where the gradient passes 10, else ``vanishing`` or ``preserved`` by whether it has a horizon.
    product_lag_s, product, bound
        (some lags,) 2-norm of the product of the Jacobians, and its bound, the product of their norms (from the
        mean log norm along the orbits); empty where products were not asked for.
    """

    lag_s: FloatArray
    gradient: FloatArray
    horizon_s: float
    flow: Flow
    product_lag_s: FloatArray
    product: FloatArray
    bound: FloatArray


def history_warning(history_s: float | None, horizon_s: float) -> str | None:
    """Return a warning where the history in the data (s) reaches further back than the gradient's horizon (s)."""
    if history_s is None or not history_s > horizon_s:
        return None
    return (
        f"history reaches {short(history_s * 1e3)} ms, gradients only {short(horizon_s * 1e3)} ms: "
        "training hardly used what lies further back"
    )


def measure_gradient_flow(
    network: Network,
    states: FloatArray,
    inputs: FloatArray,
    rng: np.random.Generator,
    *,
    loss_slope: FloatArray | None = None,
    n_probes: int = 48,
    max_lag: int = 1000,
    products: bool = True,
) -> GradientFlow:
    """Measure gradients through time along visited orbits.

    Parameters
    ----------
    network
        The network.
    states, inputs
        (trial, time, state) after each input (trial, time, input).
    loss_slope
        d loss_t / d eta_t (trial, time, output), such as mu - y; default 1 everywhere.
    n_probes
        (trial, time) pairs from which gradients are followed back.
    max_lag
        Longest lag in bins; at most three quarters of the window.
    products
        Measure the products of the Jacobians, which take as long as the gradients.
    """
    n_lags = int(np.clip(3 * states.shape[1] // 4, 2, max_lag + 1))
    trials, times = visited_pairs(states, n_probes, rng, n_lags - 1)
    gradient = _gradients(network, states, inputs, trials, times, n_lags, loss_slope, rng)
    lag_s = np.arange(n_lags, dtype=np.float64) * network.bin_s
    above = np.flatnonzero(gradient >= 0.01)
    after = int(above[-1]) + 1 if len(above) else 0  # a readout of zeros, the initial one, has no gradient
    horizon = float("inf") if after == n_lags else float(lag_s[after])
    flow: Flow = "exploding" if gradient.max() > 10 else "preserved" if np.isinf(horizon) else "vanishing"
    product_lags, product, bound = (
        jacobian_products(network, states, inputs, trials[:2], times[:2], n_lags) if products else np.empty((3, 0))
    )
    return GradientFlow(lag_s, gradient, horizon, flow, product_lags * network.bin_s, product, bound)


def _gradients(
    network: Network,
    states: FloatArray,
    inputs: FloatArray,
    trials: np.ndarray,
    times: np.ndarray,
    n_lags: int,
    loss_slope: FloatArray | None,
    rng: np.random.Generator,
) -> FloatArray:
    """Return the mean norm (lag,) of the gradient at each lag, 1 at lag 0."""
    vectors = np.zeros((len(trials), network.n_state))
    if network.readout is None:
        vectors[:, network.hidden_columns] = rng.normal(size=(len(trials), network.layers[-1].n_hidden))
    else:
        n_outputs = len(network.readout.weight)
        slope = np.ones((len(trials), n_outputs)) if loss_slope is None else loss_slope[trials, times]
        by_hidden = network.readout.slope(states[trials, times][:, network.hidden_columns])
        vectors[:, network.hidden_columns] = (slope[:, None] @ by_hidden)[:, 0]
    norms = [np.linalg.norm(vectors, axis=1).mean()]
    with np.errstate(over="ignore", invalid="ignore"):
        for lag in range(1, n_lags):
            at = times - lag
            vectors = pull_back(network, states[trials, at], inputs[trials, at + 1], vectors)[0]
            norms.append(np.linalg.norm(vectors, axis=1).mean())
    curve = np.array(norms) / max(norms[0], 1e-300)
    return np.asarray(np.nan_to_num(curve, nan=1e300, posinf=1e300))


def jacobian_products(
    network: Network,
    states: FloatArray,
    inputs: FloatArray,
    trials: np.ndarray,
    times: np.ndarray,
    n_lags: int,
    n_kept: int = 24,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return lags in bins, the 2-norm of the product of the Jacobians back over each, and the product of their norms.

    Means (geometric) over the orbits (trial, time) given. The norm of a product is at most the product of the norms;
    the difference between the two shows how far the growing directions of successive Jacobians are misaligned.
    """
    kept = np.unique(np.geomspace(1, max(n_lags - 1, 1), n_kept).astype(int))
    product = np.broadcast_to(np.eye(network.n_state), (len(trials), network.n_state, network.n_state))
    log_scale, norms, single = np.zeros(len(trials)), [], []
    for lag in range(1, n_lags):
        at = times - lag
        jacobian = state_jacobian(network, states[trials, at], inputs[trials, at + 1])
        product = product @ jacobian
        if lag in kept:
            norm = np.maximum(np.linalg.norm(product, 2, axis=(1, 2)), 1e-300)
            log_scale = log_scale + np.log(norm)
            product = product / norm[:, None, None]  # avoids underflow in long products
            norms.append(log_scale.mean())
            single.append(np.log(np.maximum(np.linalg.norm(jacobian, 2, axis=(1, 2)), 1e-300)).mean())
    with np.errstate(over="ignore"):
        return kept.astype(np.float64), np.exp(np.array(norms)), np.exp(kept * np.mean(single))
