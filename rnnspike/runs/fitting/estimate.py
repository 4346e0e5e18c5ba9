"""How long a fit takes and how much memory it needs: one formula, whose numbers ``benchmarks/estimate.py`` checks.

A training costs so much by itself, per bin and per spike of its unit; an evaluation so much by itself, per model and
per bin. Both are sums over models, pairs of folds and units, in seconds of one processor core.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from rnnspike.config import FitSettings
from rnnspike.models.registry import MODELS, Effort, is_population
from rnnspike.rates.given import GivenRates
from rnnspike.runs.fitting.training import is_together
from rnnspike.runs.tasks import Task, ladder, pairs_of

#: Seconds of imports and reading, once per process, and of a unit in the report.
START_S, WRITE_S = 5.5, 0.2
#: Seconds that a unit adds to what is done with all units together: by itself, and per thousand bins of a trial. More
#: units than ``JOINT_UNITS`` take as long as that many.
JOINT_S: dict[Effort, tuple[float, float]] = {"fast": (0.5, 0.4), "standard": (1.2, 1.0), "thorough": (10.0, 8.0)}
JOINT_UNITS = 8
#: Seconds of one training of a model: by itself, per million bins (burn-in included), per thousand spikes.
TRAINING_S: dict[str, tuple[float, float, float]] = {
    "renewal": (0.08, 0.1, 0.005),
    "drive": (0.05, 0.07, 0.0),
    "glm": (0.1, 0.2, 0.02),
    "bins": (0.7, 0.5, 0.0),
    "spikes": (0.14, 0.2, 0.03),
    "coupling": (0.1, 0.3, 0.0),
    "network of all units": (0.4, 1.5, 0.0),
}
#: How many times as long a training of a network goes on as at fast effort.
LONGER: dict[Effort, dict[str, float]] = {
    "fast": {},
    "standard": {"bins": 2.0, "spikes": 1.35, "network of all units": 2.0},
    "thorough": {"bins": 4.0, "spikes": 2.5, "network of all units": 4.0},
}
#: Seconds of an evaluation: by itself, and per model and million bins.
FINISH_S: dict[Effort, tuple[float, float]] = {"fast": (1.4, 0.08), "standard": (3.0, 0.1), "thorough": (8.0, 1.0)}
#: What is left of that where no model is run free.
NOT_RUN_FREE = 0.4
#: Processor seconds that ``slowness`` took where all these were measured.
REFERENCE_S = 0.0026
#: Seconds of the brief reading of a unit's networks: by itself, and per thousand bins of a trial.
READ_S = 0.6, 0.2
#: Bytes of a process with all that is imported, and per bin of a unit in it.
PROCESS_BYTES, BIN_BYTES = 420_000_000, 50


@dataclass(frozen=True)
class Size:
    """What the cost of a unit depends on: trials, their bins, burn-in included, and the spikes in them."""

    n_bins: int
    n_spikes: int
    n_trials: int

    @property
    def trial_bins(self) -> float:
        """Bins of a trial, burn-in included."""
        return self.n_bins / self.n_trials


@dataclass(frozen=True)
class Estimate:
    """Processor seconds of each task, and bytes of one worker."""

    by_task: Mapping[Task, float]
    worker_bytes: float

    @property
    def seconds(self) -> float:
        """Processor seconds of all tasks."""
        return sum(self.by_task.values())

    def of(self, tasks: Iterable[Task]) -> Estimate:
        """Return the part of some tasks, as far as it is known what they cost."""
        return Estimate({task: self.by_task[task] for task in tasks if task in self.by_task}, self.worker_bytes)

    def wall_s(self, n_workers: int) -> float:
        """Return the seconds until the end with so many free cores; no task is divided."""
        return START_S + max(self.seconds / max(n_workers, 1), max(self.by_task.values(), default=0.0))

    def memory_bytes(self, n_workers: int) -> float:
        """Return the bytes of all processes; with one worker it is this process."""
        return self.worker_bytes * n_workers + (PROCESS_BYTES if n_workers > 1 else 0)


def estimate(
    tasks: Iterable[Task],
    settings: FitSettings,
    sizes: Mapping[str, Size],
    n_folds: int,
    groups: Sequence[Sequence[str]],
    slow: float = 1.0,
    rates: Sequence[GivenRates] = (),
) -> Estimate:
    """Return what the tasks of one recording cost.

    Parameters
    ----------
    tasks
        Those that are left.
    settings
        Of the fit.
    sizes
        Of its units.
    n_folds
        Folds over trials.
    groups
        Units that share a network where these are pooled by groups.
    slow
        What ``slowness`` said of this machine.
    rates
        Those that are scored beside the rungs.
    """
    rungs, effort = ladder(settings.models), settings.effort
    trained = {name: set(pairs_of(name, n_folds, effort)) for name in rungs}
    own = [name for name in rungs if not MODELS[name].pooled and not is_together(name, settings)]
    reads_others = any(is_population(name) for name in rungs)
    joint_share = min(1.0, JOINT_UNITS / max(len(sizes), 1)) if reads_others else 0.0
    n_pairs = len(pairs_of("glm", n_folds, effort))  # on which history is added to rates

    def cost(task: Task) -> float:
        if task.rung is not None:
            units = sizes if task.group is None else groups[task.group]
            once = sum(training_s(task.rung, sizes[unit], effort) for unit in units)
            return once if task.kind == "pooled" else once * len(trained[task.rung])
        if task.unit is None:
            return 0.0
        size = sizes[task.unit]
        if task.kind == "fit":
            return sum(training_s(name, size, effort) for name in own if task.pair in trained[name])
        if task.kind == "read":
            return per_trial_bin_s(READ_S, size)
        given = [each for each in rates if task.unit in each.unit_ids]
        alone_s = evaluation_s(len(rungs) + sum(len(each.names) for each in given), size, effort)
        history_s = sum(each.add_history for each in given) * n_pairs * training_s("glm", size, effort)
        if not settings.replicates:
            return history_s + NOT_RUN_FREE * alone_s
        return history_s + alone_s + joint_share * per_trial_bin_s(JOINT_S[effort], size)

    largest = max((size.n_bins for size in sizes.values()), default=0)
    return Estimate({task: slow * cost(task) for task in tasks}, PROCESS_BYTES + BIN_BYTES * largest)


def training_s(model: str, size: Size, effort: Effort) -> float:
    """Return the processor seconds of one training of a model on a unit, two folds left out."""
    spec = MODELS[model]
    kind = "network of all units" if spec.pooled == "all" else spec.clock or model.removesuffix("-shuffled")
    fixed, per_bin, per_spike = TRAINING_S.get(kind, (0.0, 0.0, 0.0))
    return LONGER[effort].get(kind, 1.0) * (fixed + per_bin * size.n_bins / 1e6 + per_spike * size.n_spikes / 1e3)


def evaluation_s(n_models: int, size: Size, effort: Effort) -> float:
    """Return the processor seconds of the evaluation of a unit by itself, and of its share of the report."""
    fixed, per_bin = FINISH_S[effort]
    return fixed + WRITE_S + per_bin * n_models * size.n_bins / 1e6


def per_trial_bin_s(costs: tuple[float, float], size: Size) -> float:
    """Return the seconds of work on a fixed number of trials: by itself, and per thousand bins of a trial."""
    fixed, per_bin = costs
    return fixed + per_bin * size.trial_bins / 1e3


@cache
def slowness() -> float:
    """Return how many times as long this machine takes as the one that the numbers were measured on, now.

    It spends a hundredth of a second of the processor, half in Python and half in numpy.
    """
    values, taken = np.linspace(-1.0, 1.0, 20_000), []
    for _ in range(3):
        begun, total = time.process_time(), 0.0
        for k in range(10):
            total += float(np.exp(values * k).sum())
        for k in range(20_000):
            total += k % 7
        taken.append(time.process_time() - begun)
    return float(np.clip(min(taken) / REFERENCE_S, 0.25, 4.0))
