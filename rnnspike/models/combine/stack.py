"""The stack: rungs averaged in log rate with weights on the simplex, from out-of-fold predictions (science.md#stack).

With eta = sum_m w_m log mu_m the log-likelihood is concave in eta, under Bernoulli (cloglog) and under Poisson, hence
in w: the best weights are unique, and they show which kind of memory a unit has. A mean in log rate expects fewer
spikes than its members do, the less they agree: one scale mends that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from rnnspike.models.combine.bag import LogMeanStepper, load_members, save_members
from rnnspike.models.numerics.sampling import sample_bins
from rnnspike.models.protocol import LOG_MU_RANGE, FittedModel, Stepper, bounded
from rnnspike.observation import Observation, expected_counts, log_spike_probability
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: Cost in nats of a squared distance of 1 from the weights that hold without evidence. Over 38 recorded units a weak
#: pull to even weights left one stack below its GLM outside the paired interval, one to the GLM leaves none; of
#: what networks gain it takes at most .004 bits a spike where there are 800 spikes and more.
PRIOR_NATS = 8.0
#: Who has all weight without evidence, the first that is there: `coupling` keeps of its gain over the GLM what earns.
FALLBACKS = ("coupling", "glm")
#: Validation spikes that the members' word on the level is worth, being off by some 2.5 %. Over 18 units the scale
#: costs at most .0017 bits/spike and gains up to .005; 600 cost .0022, members alone .005 where one is off by 8 %.
LEVEL_SPIKES = 1600.0
#: Silent bins that are looked at; of more, a sample in proportion to their rate.
MAX_SILENT_BINS = 200_000
#: Share of a trial's bins with an input beyond training from which on the trial is one that training did not show.
BEYOND_SHARE = 0.1


def fallback_of(names: Sequence[str]) -> int | None:
    """Return which of these rungs has all weight without evidence; None where it is not among them."""
    return next((names.index(each) for each in FALLBACKS if each in names), None)


@dataclass(frozen=True)
class Pool:
    """How members make one: weights (member,) of their log mu, and what this weighted mean is scaled by."""

    weights: tuple[float, ...]
    scale: float = 1.0


def fit_pool(
    log_mu: Sequence[FloatArray],
    spikes: npt.NDArray[np.integer],
    observed: BoolArray,
    observation: Observation,
    fallback: int | None = None,
) -> Pool:
    """Return weights and scale from held-out predictions and spikes; arguments as those of ``fit_weights``."""
    weights = fit_weights(log_mu, spikes, observed, observation, fallback)
    return Pool(tuple(weights.tolist()), fit_scale(log_mu, weights, spikes, observed, observation))


def fit_scale(
    log_mu: Sequence[FloatArray],
    weights: Sequence[float] | FloatArray,
    spikes: npt.NDArray[np.integer],
    observed: BoolArray,
    observation: Observation,
) -> float:
    """Return what the members' weighted mean in log rate is to be scaled by, for the right number of spikes.

    That number lies between what the members expect (weighted mean) and what was recorded, in log: the more spikes
    there are, over their dispersion between trials, against ``LEVEL_SPIKES``, the nearer to the latter.
    Arguments as those of ``fit_weights``.
    """
    used = [(weight, member) for weight, member in zip(weights, log_mu, strict=True) if weight > 0]
    by_pool = _expected(sum(weight * member for weight, member in used), observed, observation)
    by_members = sum(weight * float(_expected(member, observed, observation).sum()) for weight, member in used)
    recorded = np.where(observed, spikes, 0).sum(axis=1)  # (trial,)
    n_spikes, total = float(recorded.sum()), float(by_pool.sum())
    if total <= 0:
        return 1.0
    excess = recorded - by_pool * (by_members / total)
    dispersion = max(1.0, float(excess @ excess) / by_members)
    trust = n_spikes / (n_spikes + LEVEL_SPIKES * dispersion)
    return float(by_members ** (1 - trust) * n_spikes**trust / total)


def _expected(log_mu: FloatArray, observed: BoolArray, observation: Observation) -> FloatArray:
    """Return the expected spikes of each trial, (trial,)."""
    mu = np.exp(np.clip(log_mu, *LOG_MU_RANGE), dtype=np.float64)
    return np.asarray(np.where(observed, expected_counts(mu, observation), 0.0).sum(axis=1))


def fit_weights(
    log_mu: Sequence[FloatArray] | FloatArray,
    spikes: npt.NDArray[np.integer],
    observed: BoolArray,
    observation: Observation,
    fallback: int | None = None,
    prior_nats: float = PRIOR_NATS,
) -> FloatArray:
    """Return weights (member,), not negative and of sum 1, that maximise the likelihood of held-out spikes.

    Parameters
    ----------
    log_mu
        Log expected count of each bin by each member, (member, trial, bin); each predicted by a model that was not
        trained on it.
    spikes, observed
        (trial, bin), the spikes as scored, and which bins are scored.
    fallback
        Member that has all weight without evidence; None: even weights.
    prior_nats
        Strength of the pull towards that.

    Raises
    ------
    ValueError
        Without a member.
    """
    if not len(log_mu):
        raise ValueError("a stack needs members")
    problem = _Problem.of(log_mu, spikes, observed, observation)
    n = len(log_mu)
    prior = np.full(n, 1.0 / n) if fallback is None else np.eye(n)[fallback]
    if n == 1 or not len(problem.counts):
        return prior
    scale = max(float(problem.counts.sum()), 1.0)

    def objective(weights: FloatArray) -> tuple[float, FloatArray]:
        loss, gradient = problem.loss(weights)
        pull = weights - prior
        return (loss + prior_nats * float(pull @ pull)) / scale, (gradient + 2 * prior_nats * pull) / scale

    found = minimize(
        objective,
        prior,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * n,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(n)},
        options={"ftol": 1e-9, "maxiter": 200},
    )
    weights = np.clip(found.x, 0.0, None)
    weights[weights < 1e-6] = 0.0
    best = weights / weights.sum()
    _, slope = objective(best)
    # The solver stops short where members hardly differ. Corners that lie uphill are no better: the loss is convex.
    corners = [each for each in (prior, *np.eye(n)) if slope @ (each - best) < 0]
    return np.asarray(min([best, *corners], key=lambda each: objective(each)[0]))


@dataclass(frozen=True)
class _Problem:
    """Rows, those with spikes first: log mu by member, spikes, and how many bins each row stands for."""

    log_mu: FloatArray
    counts: FloatArray
    weight: FloatArray
    observation: Observation
    n_spiked: int

    @classmethod
    def of(
        cls,
        log_mu: Sequence[FloatArray] | FloatArray,
        spikes: npt.NDArray[np.integer],
        observed: BoolArray,
        observation: Observation,
    ) -> _Problem:
        counts = spikes[observed].astype(np.float64)
        mean = sum(member[observed] for member in log_mu) / len(log_mu)
        kept, weight = sample_bins(np.clip(mean, *LOG_MU_RANGE), counts, MAX_SILENT_BINS)
        rows = [np.clip(member[observed][kept].astype(np.float64), *LOG_MU_RANGE) for member in log_mu]
        return cls(np.stack(rows, axis=1), counts[kept], weight, observation, int(np.count_nonzero(counts)))

    def loss(self, weights: FloatArray) -> tuple[float, FloatArray]:
        """Return negative log-likelihood and gradient (member,)."""
        eta = self.log_mu @ weights
        mu = np.exp(eta)
        spiked, silent = slice(self.n_spiked), slice(self.n_spiked, None)
        loss = float(self.weight[silent] @ mu[silent])
        slope = self.weight * mu
        if self.observation == "bernoulli":
            loss -= float(log_spike_probability(mu[spiked]).sum())
            slope[spiked] *= np.exp(-mu[spiked]) / np.expm1(-mu[spiked])
        else:
            loss += float((mu[spiked] - self.counts[spiked] * eta[spiked]).sum())
            slope[spiked] -= self.counts[spiked]
        return loss, slope @ self.log_mu


def beyond_training(trials: Trials, held_out: BoolArray) -> BoolArray:
    """Say of each trial whether its input lies beyond that of all trials that are not held out (trial,).

    That is so where a tenth of its observed bins have a covariate below the lowest or above the highest in training.
    Nothing on validation trials tells how a network goes on there, so a stack leaves networks out in such trials.
    """
    if not trials.covariate_names:
        return np.zeros(trials.n_trials, dtype=bool)
    observed = trials.observed[:, :, 0]
    train = trials.covariates[~held_out][observed[~held_out]]
    outside = ((trials.covariates < train.min(axis=0)) | (trials.covariates > train.max(axis=0))).any(axis=2)
    share = (outside & observed).sum(axis=1) / np.maximum(observed.sum(axis=1), 1)
    return np.asarray(share > BEYOND_SHARE)


@dataclass(frozen=True)
class Stack:
    """Fitted rungs, and how they are pooled; members of weight 0 cost nothing."""

    members: Sequence[FittedModel]
    pool: Pool
    name: str = "stack"

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, unit)."""
        members, weights = self._used()
        log_mu = sum(w * np.log(member.intensity(trials)) for member, w in zip(members, weights, strict=True))
        return bounded(self.pool.scale * np.exp(log_mu))

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials."""
        members, weights = self._used()
        steppers = tuple(member.stepper(trials, unit) for member in members)
        return LogMeanStepper(steppers, np.array(weights), self.pool.scale)

    def save(self, folder: Path) -> None:
        """Write every member into a folder of its own, and the pool."""
        save_members(folder, self.members, {"name": self.name, **asdict(self.pool)})

    @classmethod
    def load(cls, folder: Path) -> Stack:
        """Return what ``save`` wrote."""
        members, config = load_members(folder)
        return cls(members, Pool(tuple(map(float, config["weights"])), float(config["scale"])))

    def _used(self) -> tuple[list[FittedModel], list[float]]:
        pairs = [(member, w) for member, w in zip(self.members, self.pool.weights, strict=True) if w > 0]
        return [member for member, _ in pairs], [w for _, w in pairs]
