"""Objects of other packages as the contents of a recording, known by their names: no package is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import ConfigError
from rnnspike.recording.contents import Contents
from rnnspike.recording.memory.arrays import contents_of_arrays, timed_table


def contents_of(source: Any, trials: Any = None) -> tuple[str, Contents]:
    """Return a name for spikes in memory, and the contents of their recording.

    Parameters
    ----------
    source
        A Neo block or segment, a pynapple ``TsGroup`` or ``Ts``, a SpikeInterface sorting, or spike times (s) as of
        ``Recording.from_arrays``.
    trials
        A table of trials, or None.

    Raises
    ------
    ConfigError
        Where it is none of these.
    """
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(source).__mro__}
    if kinds & {"neo.Block", "neo.Segment"}:
        return _neo(source, trials, is_block="neo.Block" in kinds)
    if kinds & {"pynapple.TsGroup", "pynapple.Ts"}:
        group = source if "pynapple.TsGroup" in kinds else {"0": source}
        return "recording", _pynapple(group, trials, getattr(source, "time_support", None))
    if "spikeinterface.BaseSorting" in kinds:
        return "recording", _spikeinterface(source, trials)
    return "recording", contents_of_arrays(source, trials)


def _neo(source: Any, trials: Any, is_block: bool) -> tuple[str, Contents]:
    from rnnspike.recording.formats.neo_formats import contents_of_segments

    segments = source.segments if is_block else [source]
    contents = replace(contents_of_segments(segments, "Neo", source.description or source.name or ""), in_memory=True)
    if trials is not None:
        contents = with_trials(contents, trials)
    return str(source.name or "recording"), contents


def with_trials(contents: Contents, trials: Any) -> Contents:
    """Return contents with a further table of trials; one of that name that they have is called otherwise."""
    table = timed_table(trials, "trials")

    def moved(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        return {"trials_in_recording" if name == "trials" else name: each for name, each in tables.items()}

    intervals, events = moved(contents.intervals), moved(contents.events)
    if "stop_time" in table:
        intervals = {"trials": table, **intervals}
    else:
        events = {"trials": table, **events}
    return replace(contents, intervals=intervals, events=events)


def _pynapple(group: Any, trials: Any, support: Any) -> Contents:
    """Return the contents of trains: their time support is observed time, unless it is the spikes' own extent."""
    spikes = {str(unit): np.asarray(group[unit].t) for unit in group.keys()}  # noqa: SIM118 - iterated, it gives trains
    observed = None
    if support is not None:
        ends = [(times[0], times[-1]) for times in spikes.values() if len(times)]
        extent = (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None
        intervals = np.column_stack([support.start, support.end])
        observed = None if len(intervals) == 1 and tuple(intervals[0]) == extent else intervals
    columns = getattr(group, "metadata", None)
    units = None if columns is None else pd.DataFrame(columns).drop(columns="rate", errors="ignore")
    units = None if units is None or units.columns.empty else units
    return contents_of_arrays(spikes, trials, units=units, observed=observed, format_name="pynapple")


def _spikeinterface(sorting: Any, trials: Any) -> Contents:
    """Return the contents of a sorting of one segment, with its properties as metadata of the units."""
    n_segments = int(sorting.get_num_segments())
    if n_segments != 1:
        raise ConfigError(
            f"the sorting has {n_segments} segments, each with a clock of its own: fit one "
            "(sorting.select_segments([0]))"
        )
    trains = [sorting.get_unit_spike_train(unit_id=unit, return_times=True) for unit in sorting.unit_ids]
    properties = {name: sorting.get_property(name) for name in sorting.get_property_keys()}
    plain = {name: np.asarray(values) for name, values in properties.items() if np.ndim(values) == 1}
    return contents_of_arrays(
        trains,
        trials,
        unit_ids=list(sorting.unit_ids),
        units=plain or None,
        sampling_rate=float(sorting.get_sampling_frequency()),
        format_name="SpikeInterface",
    )
