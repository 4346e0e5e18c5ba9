"""Every model on truth of its own: what it simulates, KS rejects as often as it says (science.md#time-rescaling).

Truths of other kinds than a plain refractory cell: strong adaptation, bursts, 3 ms of absolute refractoriness; trials
of unequal exposure, gaps within them, pasts partly unknown; bins with several spikes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from rnnspike.evaluation.goodness_of_fit.rescaling import draw_uniform, ks_test, rescale
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build, is_population
from rnnspike.models.simulate import simulate
from rnnspike.neurons.cell import simulate as simulate_cell
from rnnspike.neurons.loglinear import Kernel, LogLinear
from rnnspike.trials.data import Trials

N_TRIALS, N_BINS, N_BEFORE = 8, 700, 300
CELLS = {
    "adapting": LogLinear(90.0, absolute_s=0.002, kernels=(Kernel(-1.0, 0.1), Kernel(-0.3, 0.5))),
    "bursting": LogLinear(12.0, absolute_s=0.002, kernels=(Kernel(7.0, 0.006), Kernel(-2.2, 0.03))),
    "refractory": LogLinear(60.0, absolute_s=0.003),
}
OWN = [name for name, spec in MODELS.items() if spec.fitted and not spec.needs and not spec.hidden]
TRAINED = [name for name, spec in MODELS.items() if spec.needs and not spec.hidden and not is_population(name)]


def ragged(rng: np.random.Generator, n_trials: int) -> tuple[np.ndarray, np.ndarray]:
    """Observed bins of windows and burn-ins: some trials end early, some have gaps, some pasts are unknown."""
    observed, before = np.ones((n_trials, N_BINS, 1), bool), np.ones((n_trials, N_BEFORE, 1), bool)
    for r in range(n_trials):
        if r % 3 == 0:
            observed[r, int(rng.integers(300, N_BINS)) :] = False
        if r % 4 == 1:
            start = int(rng.integers(50, 400))
            observed[r, start : start + 120] = False
        if r % 5 == 2:
            before[r, : int(rng.integers(0, N_BEFORE))] = False
    return observed, before


def recorded(make_trials: Callable[..., Trials], cell: str, n_trials: int = 60) -> Trials:
    rng = np.random.default_rng(11)
    signal = 0.8 * np.sin(np.arange(N_BEFORE + N_BINS) / 90)
    x = np.broadcast_to(signal[None, :, None], (n_trials, N_BEFORE + N_BINS, 1))
    counts, _ = simulate_cell(CELLS[cell], x, 0.001, rng)
    observed, before = ragged(rng, n_trials)
    return make_trials(
        counts[:, N_BEFORE:] * observed,
        burn_in=counts[:, :N_BEFORE] * before,
        observed=observed,
        burn_in_observed=before,
    )


def fit(name: str, trials: Trials) -> FittedModel:
    """Fit a model, and before it what it needs, at the quickest effort."""
    train, validation = trials.take(range(40)), [trials.take(range(40, 60))]
    fitted: dict[str, tuple[FittedModel, ...]] = {}
    for each in [*[rung for rung in MODELS if rung in MODELS[name].needs], name]:
        fitted[each] = build(each, "fast").fit(train, validation, np.random.default_rng(0), fitted)
    return fitted[name][0]


def p_values(model: FittedModel, trials: Trials, n_sets: int, seed: int = 0) -> list[float]:
    """KS p of a model on sets of trials that it simulated."""
    design = trials.take(range(trials.n_trials - N_TRIALS, trials.n_trials))
    rng, rows = np.random.default_rng(seed), np.tile(np.arange(N_TRIALS), n_sets)
    counts = simulate(model, design, rng, rows=rows)
    many = design.take(rows)
    many = replace(many, counts=counts[:, :, None] * many.observed)
    mu = model.intensity(many)[:, :, 0]
    p = []
    for each in range(n_sets):
        here = slice(each * N_TRIALS, (each + 1) * N_TRIALS)
        train = rescale(mu[here], many.spikes[here, :, 0], many.observed[here, :, 0], trials.observation)
        p.append(ks_test(train.uniform(draw_uniform(train.n, rng))).p)
    return p


def rejected(make_trials: Callable[..., Trials], name: str, n_sets: int) -> int:
    """Sets of trials that the KS test rejects at .05, over all cells."""
    p = []
    for cell in CELLS:
        trials = recorded(make_trials, cell)
        p += p_values(fit(name, trials), trials, n_sets)
    return int((np.array(p) < 0.05).sum())


@pytest.mark.parametrize("name", OWN)
def test_a_model_is_not_rejected_on_what_it_simulates(make_trials: Callable[..., Trials], name: str) -> None:
    """40 sets from each of three fits: within what one in a thousand calibrated tests would exceed."""
    low, high = binom.ppf([0.0005, 0.9995], 120, 0.05)
    assert low <= rejected(make_trials, name, 40) <= high


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OWN, *TRAINED])
def test_rejections_are_five_per_cent(make_trials: Callable[..., Trials], name: str) -> None:
    """science.md#time-rescaling: 5 +- 3 %, over 200 sets from each of three fits."""
    assert 0.02 <= rejected(make_trials, name, 200) / 600 <= 0.08


def test_bins_that_hold_several_spikes_are_calibrated_too(make_trials: Callable[..., Trials]) -> None:
    counts = np.random.default_rng(5).poisson(0.9 + 0.6 * np.sin(np.arange(120) / 9)[None, :, None], (60, 120, 1))
    trials = make_trials(counts, bin_s=0.02, observation="poisson")
    p = [p_values(fit(name, trials), trials, 60) for name in ("constant", "psth", "renewal", "glm")]
    assert 0.02 <= np.mean(np.array(p) < 0.05) <= 0.08


@pytest.mark.parametrize(("name", "cell"), [("psth", "bursting"), ("constant", "refractory")])
def test_the_wrong_model_is_rejected(make_trials: Callable[..., Trials], name: str, cell: str) -> None:
    """Bursts and dead time against models without memory: the test has power on these trials."""
    trials = recorded(make_trials, cell)
    mu = fit(name, trials).intensity(trials)[:, :, 0]
    train = rescale(mu, trials.spikes[:, :, 0], trials.observed[:, :, 0], trials.observation)
    assert ks_test(train.uniform(draw_uniform(train.n, np.random.default_rng(0)))).p < 0.001
