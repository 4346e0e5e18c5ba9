"""``inspect``: a recording before anything is computed."""

from __future__ import annotations

from typing import Any, Unpack

from rnnspike.api.arguments import ReadArguments, Source
from rnnspike.api.calls import interface, settings_of
from rnnspike.api.inputs import examined
from rnnspike.api.results.inspection import Inspection
from rnnspike.recording.checks.time_series import with_series_findings


@interface(ReadArguments)
def inspect(recording: Source, *, trials: Any = None, **settings: Unpack[ReadArguments]) -> Inspection:
    """Look at a recording: units, tables, time series, what is wrong or odd, and how to fit it.

    Parameters
    ----------
    recording
        As of ``fit``.
    trials
        A table of trials, for spikes that are in memory.
    **settings

    Returns
    -------
    Inspection
        Tables of units, tables and findings; ``arguments`` are those of the suggested fit.

    Raises
    ------
    RecordingError
        Where nothing can be read.
    """
    options = settings_of("inspect", settings).read_options()
    return Inspection(with_series_findings(examined(recording, trials, options)), options)
