"""Upper bounds of a model's predictions outside its training range (science.md#free-run).

An exponential link can predict any rate for an input, or a silence, that does not occur in training: a cell that
falls silent under a strong current was predicted to fire in every bin. So no prediction exceeds twice the highest
intensity of training bins with a similar time since the last spike. This bounds GLMs, and spike-clocked LSTMs that
read covariates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from rnnspike.models.past import UNKNOWN
from rnnspike.models.protocol import HEADROOM, LOG_MU_RANGE
from rnnspike.trials.data import FloatArray, IntArray

#: Classes of the age per doubling.
PER_OCTAVE = 2
#: Bins that a class must have in training: in one bin, with a spike, a model may expect any number of spikes.
FEWEST_BINS = 10


@dataclass(frozen=True)
class Ceiling:
    """Largest log mu by class of the age: known ages up to ``longest`` bins, longer ones, unknown (the last)."""

    log_mu: tuple[float, ...]
    longest: int

    @staticmethod
    def of(log_mu: FloatArray, age: FloatArray, longest: int, log_mean: float, bins: FloatArray) -> Ceiling:
        """Return the ceiling from fitted rows: log mu, age in bins, and number of bins (row,).

        The age is ``UNKNOWN`` where it is not known. Each class takes the largest value of its neighbours too, and at
        least twice the mean, ``log_mean``; classes of fewer than ``FEWEST_BINS`` have no value of their own.
        """
        unknown, beyond = _class_of(np.array([UNKNOWN, longest + 1.0]), longest)
        most, of_row = np.full(unknown + 1, log_mean), _class_of(age, longest)
        np.maximum.at(most, of_row, log_mu)
        most[np.bincount(of_row, bins, unknown + 1) < FEWEST_BINS] = log_mean
        shared = most.copy()
        shared[1:beyond] = np.maximum(shared[1:beyond], most[: beyond - 1])
        shared[: beyond - 1] = np.maximum(shared[: beyond - 1], most[1:beyond])
        return Ceiling(tuple(np.minimum(shared + HEADROOM, LOG_MU_RANGE[1]).tolist()), longest)

    @cached_property
    def table(self) -> FloatArray:
        """Largest log mu at ages 0, 1, ... ``longest``, longer, unknown (the last), as ``FittedGlm.age_table``."""
        ages = np.append(np.arange(self.longest + 2.0), UNKNOWN)
        return np.array(self.log_mu)[_class_of(ages, self.longest)]

    @classmethod
    def load(cls, config: Mapping[str, Any]) -> Ceiling:
        """Return what ``asdict`` made of one."""
        return cls(tuple(config["log_mu"]), config["longest"])


def _class_of(age: FloatArray, longest: int) -> IntArray:
    """Return the class of ages in bins: a few for each octave, then beyond, then unknown."""
    beyond = int(PER_OCTAVE * np.log2(max(longest, 1))) + 1
    known = (PER_OCTAVE * np.log2(np.maximum(age, 1.0))).astype(np.int64)
    return np.asarray(np.where(age == UNKNOWN, beyond + 1, np.where(age > longest, beyond, known)))
