"""PSTHs of the units of a recording with their pictures, some units at a time: here, or by workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from rnnspike.errors import ModelError, RecordingError
from rnnspike.models.baselines.psth_bands import Bandwidth, PsthResult, Weights, psth, shared_weights
from rnnspike.runs.engines.engine import Engine
from rnnspike.runs.tasks import Progress
from rnnspike.trials.data import Trials
from rnnspike.trials.plan import TrialPlan

#: Bytes of counts that are held at a time, and units of one task.
MOST_BYTES, MOST_UNITS = 16_000_000, 16
#: Tasks that are handed out before the first result is asked for.
TASKS_AHEAD = 32

#: What tasks do without.
UNUSED: dict[str, Any] = {"covariates": {}, "intervals": {}, "events": {}}

Results = list[PsthResult]
weights_of = lru_cache(maxsize=4)(shared_weights)


@dataclass(frozen=True)
class PsthOptions:
    """How PSTHs are smoothed and resampled; see ``psth``."""

    bandwidth: Bandwidth = "leave-one-out"
    level: float = 0.95
    n_boot: int = 1000
    step_s: float | None = None
    seed: int = 0

    @property
    def weights(self) -> Weights:
        """Resamplings of trials: the same for all units that were observed in as many."""
        return weights_of(self.seed, self.n_boot)


def psths(
    plan: TrialPlan,
    options: PsthOptions,
    picture_of: Callable[[str], Path] | None = None,
    name: str = "",
    engine: Engine | None = None,
    tell: Progress = lambda done, total, label: None,
) -> Iterator[PsthResult]:
    """Yield the PSTH of each unit, in order, as it is finished.

    Parameters
    ----------
    plan
        Trials and units of a recording.
    picture_of
        Where the picture of a unit goes, if pictures are wanted, with ``name`` of the recording in the heading.
    engine
        What does the work; None: this process.
    tell
        Takes a step of the progress, which is some units at a time.

    Raises
    ------
    RecordingError
        Where the recording was cut into segments, or a unit is observed in no trial.
    """
    do, n_done = partial(_psths_of_some, options=options, name=name), 0
    parts = _parts(plan, 1 if picture_of else MOST_UNITS)  # to draw takes much longer
    tasks = ((part, [picture_of(unit) for unit in part.unit_ids] if picture_of else None) for part in parts)
    for results in _done(do, tasks, engine):
        n_done += len(results)
        tell(n_done, len(plan.unit_ids), results[-1].unit)
        yield from results


def _done(do: Callable[..., Results], tasks: Iterable[tuple[Any, ...]], engine: Engine | None) -> Iterator[Results]:
    """Yield the results of the tasks in order, handing out some ahead."""
    waiting: deque[Future[Results]] = deque()
    for task in tasks:
        if engine is None:
            yield do(*task)
            continue
        waiting.append(engine.submit(do, *task))
        if len(waiting) > TASKS_AHEAD:
            yield waiting.popleft().result()
    for each in waiting:
        yield each.result()


def _parts(plan: TrialPlan, most: int) -> Iterator[TrialPlan]:
    """Yield the plan for some units at a time, with no other spikes than theirs."""
    n = max(1, min(most, MOST_BYTES // max(1, plan.n_trials * plan.grid.n_bins)))
    for first in range(0, len(plan.unit_ids), n):
        ids = plan.unit_ids[first : first + n]
        recording = replace(plan.recording, units=tuple(map(plan.recording.unit, ids)), **UNUSED)
        yield replace(plan, recording=recording, unit_ids=ids)


def _psths_of_some(plan: TrialPlan, pictures: Sequence[Path] | None, options: PsthOptions, name: str) -> Results:
    all_trials, results = plan.trials(), []
    for u in range(len(plan.unit_ids)):
        trials = all_trials.unit(u)
        results.append(_psth(plan, trials, options))
        if pictures:
            from rnnspike.report.psth.raster import picture, save

            save(picture([(trials, results[-1])], name), pictures[u])
    return results


def _psth(plan: TrialPlan, trials: Trials, options: PsthOptions) -> PsthResult:
    try:
        return psth(
            trials,
            weights=options.weights,
            bandwidth=options.bandwidth,
            level=options.level,
            step_s=options.step_s,
        )
    except ModelError as error:
        cure = "another --window" if plan.has_repeats else "leaving out --segment"
        raise RecordingError(plan.recording.path, str(error), cure) from None
