"""How long a fit takes and how much memory it needs: one formula, whose numbers ``benchmarks/estimate.py`` checks.

A training costs so much by itself, per bin and per spike of its unit; an evaluation so much by itself, per model and
per bin. Both are sums over models, pairs of folds and units, in seconds of one processor core.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from rnnspike.config import FitSettings
from rnnspike.models.registry import MODELS, Effort, is_population
from rnnspike.runs.tasks import Task, ladder, pairs_of

#: Seconds of imports and reading, once per process, and of a unit in the report.
START_S, WRITE_S = 5.5, 0.2
#: Seconds of a unit in the runs of all units together, of which there are not more with more units than these.
JOINT_S: dict[Effort, float] = {"fast": 2.0, "standard": 5.0, "thorough": 40.0}
JOINT_UNITS = 8
#: Seconds of one training of a model: by itself, per million bins (burn-in included), per thousand spikes.
TRAINING_S: dict[str, tuple[float, float, float]] = {
    "renewal": (0.08, 0.1, 0.005),
    "drive": (0.3, 0.1, 0.0),
    "glm": (0.08, 0.0, 0.03),
    "bins": (0.55, 0.12, 0.0),
    "spikes": (0.14, 0.08, 0.04),
    "coupling": (0.3, 0.07, 0.0),
    "network of all units": (0.4, 1.5, 0.0),
}
#: How many times as long a training of a network goes on as at fast effort.
LONGER: dict[Effort, dict[str, float]] = {
    "fast": {},
    "standard": {"bins": 2.5, "spikes": 1.35, "network of all units": 2.0},
    "thorough": {"bins": 5.0, "spikes": 2.5, "network of all units": 4.0},
}
#: Seconds of an evaluation: by itself, and per model and million bins.
FINISH_S: dict[Effort, tuple[float, float]] = {"fast": (1.5, 0.06), "standard": (3.0, 0.1), "thorough": (8.0, 1.0)}
#: What is left of that where no model is run free.
NOT_RUN_FREE = 0.4
#: Processor seconds that ``slowness`` took where all these were measured.
REFERENCE_S = 0.0026
#: Bytes of a process with all that is imported, and per bin of a unit in it.
PROCESS_BYTES, BIN_BYTES = 420_000_000, 50


@dataclass(frozen=True)
class Size:
    """What the cost of a unit depends on: bins of all trials, burn-in included, and the spikes in them."""

    n_bins: int
    n_spikes: int


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
        """Return the part of some tasks, as far as they are left."""
        return Estimate({task: self.by_task[task] for task in tasks if task in self.by_task}, self.worker_bytes)

    def wall_s(self, n_workers: int) -> float:
        """Return the seconds until the end with so many free cores; no task is divided."""
        return START_S + max(self.seconds / max(n_workers, 1), max(self.by_task.values(), default=0.0))

    def memory_bytes(self, n_workers: int) -> float:
        """Return the bytes of all processes; with one worker it is this process."""
        return self.worker_bytes * n_workers + (PROCESS_BYTES if n_workers > 1 else 0)


def estimate(
    tasks: Iterable[Task], settings: FitSettings, sizes: Mapping[str, Size], n_folds: int, slow: float = 1.0
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
    slow
        What ``slowness`` said of this machine.
    """
    rungs, effort = ladder(settings.models), settings.effort
    trained = {name: set(pairs_of(name, n_folds, effort)) for name in rungs}
    own = [name for name in rungs if not MODELS[name].pooled]
    reads_others = any(is_population(name) for name in rungs)
    joint_s = JOINT_S[effort] * min(1.0, JOINT_UNITS / max(len(sizes), 1)) if reads_others else 0.0

    def cost(task: Task) -> float:
        size = sizes.get(task.unit or "", Size(0, 0))
        if task.kind == "fit":
            return sum(training_s(name, size, effort) for name in own if task.pair in trained[name])
        if task.rung is not None:  # of all units
            return sum(training_s(task.rung, each, effort) for each in sizes.values())
        if task.kind != "finish":
            return 0.0
        alone_s = evaluation_s(rungs, size, effort)
        return alone_s + joint_s if settings.replicates else NOT_RUN_FREE * alone_s

    largest = max((size.n_bins for size in sizes.values()), default=0)
    return Estimate({task: slow * cost(task) for task in tasks}, PROCESS_BYTES + BIN_BYTES * largest)


def training_s(model: str, size: Size, effort: Effort) -> float:
    """Return the processor seconds of one training of a model on a unit, two folds left out."""
    spec = MODELS[model]
    kind = "network of all units" if spec.pooled == "all" else spec.clock or model.removesuffix("-shuffled")
    fixed, per_bin, per_spike = TRAINING_S.get(kind, (0.0, 0.0, 0.0))
    return LONGER[effort].get(kind, 1.0) * (fixed + per_bin * size.n_bins / 1e6 + per_spike * size.n_spikes / 1e3)


def evaluation_s(rungs: Collection[str], size: Size, effort: Effort) -> float:
    """Return the processor seconds of the evaluation of a unit by itself, and of its share of the report."""
    fixed, per_bin = FINISH_S[effort]
    return fixed + WRITE_S + per_bin * len(rungs) * size.n_bins / 1e6


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
