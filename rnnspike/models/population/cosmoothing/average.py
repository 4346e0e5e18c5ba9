"""The trial average as a prediction, with which the others are compared (science.md#co-smoothing)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.baselines.psth import fit_psth
from rnnspike.models.population.cosmoothing.task import Prediction, Task


def psth(task: Task) -> Iterator[Prediction]:
    """Yield the PSTH of each held-out trial's condition, from the training trials.

    Parameters
    ----------
    task
        What is predicted; the other units are not read.

    Raises
    ------
    ModelError
        Where the trials are segments of a recording without repeats.
    """
    if not task.trials.has_repeats:
        raise ModelError("the recording was cut into segments: nothing to average over")
    units = np.arange(task.trials.n_units)
    for train, test in task.splits():
        mu = fit_psth(task.trials.take(train)).intensity(task.trials.take(test))
        yield Prediction(test, units, mu[:, task.scored])
