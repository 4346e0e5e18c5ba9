"""Limits of what counts as a time, shared by all checks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnnspike.recording.data import FloatArray

#: A step back in time by more than this means another clock; a smaller one is jitter.
CLOCK_RESET_S = 1.0
#: Larger values are not times in any unit: they are damaged, or mark an open end.
MAX_TIME_S = 1e17
#: Differences within this are rounding: no overlap, no drift, no step back.
TIME_ROUNDING_S = 1e-6


def known_times(times: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which times are numbers of plausible size."""
    return np.asarray(np.abs(times) <= MAX_TIME_S)


def overlaps(observed: FloatArray) -> int:
    """Return how many intervals (interval, 2) start before an earlier one stops."""
    ordered = observed[np.argsort(observed[:, 0], kind="stable")]
    latest_stop = np.maximum.accumulate(ordered[:, 1])
    return int(np.count_nonzero(ordered[1:, 0] < latest_stop[:-1] - TIME_ROUNDING_S))
