"""Rates of a file laid onto the trials, bins and units of a run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import permutations

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RatesError
from rnnspike.rates.read import SAME_TIME_S, RateSeries, RateTable
from rnnspike.trials.data import BoolArray, FloatArray, IntArray
from rnnspike.trials.plan import TrialPlan
from rnnspike.wording import counted


def on_trials(table: RateTable | RateSeries, plan: TrialPlan) -> RateTable:
    """Return the rates with their trials in the order of the run's, and their units named.

    Trials go by number or by the start of their window where the file has it, else by their order; units by id, else
    by their order among the run's units or all units of the recording. Units that the run does not have are left
    out. A time series is cut at the trials.

    Parameters
    ----------
    table
        What was read.
    plan
        The run's trials, bins and units.

    Returns
    -------
    RateTable
        ``values`` (trial, bin of the file, unit), ``unit_ids`` some of the run's, in its order.

    Raises
    ------
    RatesError
        Where the shape does not fit, or trials or all units are missing.
    """
    if isinstance(table, RateSeries):
        table = _cut(table, plan)
    unit_ids = _unit_ids(table, plan)
    _check_times(table, plan)
    rows, bins = _rows(table, plan), table.values.shape[1]
    if not bins or (bins % plan.grid.n_bins and plan.grid.n_bins % bins):
        raise _wrong_shape(table, plan)
    kept = [unit_id for unit_id in plan.unit_ids if unit_id in unit_ids]
    if not kept:
        message = f"has units {_some(unit_ids)}, none of those of the run ({_some(plan.unit_ids)})"
        raise RatesError(table.source, message, "--units")
    values = table.values if np.array_equal(rows, np.arange(len(table.values))) else table.values[rows]
    if tuple(kept) != unit_ids:
        values = values[:, :, [unit_ids.index(unit_id) for unit_id in kept]]
    return replace(table, values=values, unit_ids=tuple(kept), trial=None, start_s=None, times_s=None)


def _check_times(table: RateTable, plan: TrialPlan) -> None:
    """Raise RatesError where the bins of the file are not those of the window."""
    times_s = table.times_s
    if times_s is None:
        return
    n, (start_s, stop_s) = len(times_s), (plan.window_s[0], plan.window_s[0] + plan.grid.n_bins * plan.bin_s)
    width_s = (times_s[-1] - times_s[0]) / (n - 1) if n > 1 else stop_s - start_s
    uneven = np.flatnonzero(~(np.abs(times_s - times_s[0] - width_s * np.arange(n)) <= 2 * SAME_TIME_S))
    if len(uneven):
        raise RatesError(table.source, f"its bins are not evenly spaced: see the time {times_s[uneven[0]]:.9g} s")
    expected_s = start_s + (stop_s - start_s) / n * np.arange(n)
    if (np.abs(times_s - expected_s) > SAME_TIME_S).any():
        message = (
            f"its times are of bins of {1e3 * width_s:.6g} ms from {times_s[0]:.7g} to {times_s[-1] + width_s:.7g} s;"
            f" the window of the run is from {start_s:g} to {stop_s:g} s, and a time is where a bin begins"
        )
        raise RatesError(table.source, message, "the --window of the rates")


def _cut(series: RateSeries, plan: TrialPlan) -> RateTable:
    """Return the samples of a time series in each trial's window, that nearest to the start of each bin."""
    times_s = series.times_s
    if len(times_s) < 2 or not (np.diff(times_s) > 0).all():
        raise RatesError(series.source, "its times do not ascend")
    step_s, window_s = float(np.median(np.diff(times_s))), plan.grid.n_bins * plan.bin_s
    n_given = round(window_s / step_s)
    if n_given < 1 or abs(n_given * step_s - window_s) > step_s / 10:
        message = f"its samples of {1e3 * step_s:.6g} ms do not fill the window of {1e3 * window_s:.6g} ms"
        raise RatesError(series.source, message, "--window and --bin of whole samples")
    half_s = step_s * (0.5 + 1e-6)

    def nearest(at_s: FloatArray) -> tuple[IntArray, BoolArray]:
        index = np.minimum(np.searchsorted(times_s, at_s - half_s), len(times_s) - 1)
        return index, np.abs(times_s[index] - at_s) <= half_s

    first, has_first = nearest(plan.start_s)
    start_s = np.where(has_first, times_s[first], plan.start_s)  # so that all bins of a trial are rounded alike
    index, near = nearest(start_s[:, None] + step_s * np.arange(n_given))  # (trial, sample)
    if lost := int((~near.any(axis=1)).sum()):
        raise RatesError(
            series.source, f"has no samples in {lost} of {counted(plan.n_trials, 'trial{s}')}: all trials are scored"
        )
    values = series.values[index]
    return RateTable(series.source, np.where(near[:, :, None], values, np.nan))


def digest(values: npt.NDArray[np.generic]) -> str:
    """Return a hash of an array's values and shape."""
    found = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    for trial in values:
        found.update(np.ascontiguousarray(trial).tobytes())
    return found.hexdigest()[:16]


def _unit_ids(table: RateTable, plan: TrialPlan) -> tuple[str, ...]:
    if table.unit_ids is not None:
        if len(set(table.unit_ids)) < len(table.unit_ids):
            raise RatesError(table.source, "names a unit twice")
        return table.unit_ids
    n_units, recorded = table.values.shape[2], tuple(unit.id for unit in plan.recording.units)
    for ids in (plan.unit_ids, recorded):
        if len(ids) == n_units:
            return ids
    raise _wrong_shape(table, plan)


def _rows(table: RateTable, plan: TrialPlan) -> IntArray:
    """Return where in the file each trial of the run is."""
    n_given = len(table.values)
    if table.trial is not None:
        keys, wanted = table.trial, np.arange(plan.n_trials)
        found = keys[None] == wanted[:, None]
    elif table.start_s is not None:
        found = np.abs(table.start_s[None] - plan.start_s[:, None]) < plan.bin_s / 2
    elif n_given == plan.n_trials:
        return np.arange(n_given)
    else:
        raise _wrong_shape(table, plan)
    by = "number" if table.trial is not None else "start time"
    matches = found.sum(axis=1)
    if (matches > 1).any():
        raise RatesError(table.source, f"has {counted(int((matches > 1).sum()), 'trial{s}')} twice (by {by})")
    if (matches == 0).any():
        missing = np.flatnonzero(matches == 0)
        which = f"trial {missing[0]}, which starts at {plan.start_s[missing[0]]:.6g} s"
        of_all = f"{len(missing)} of {counted(plan.n_trials, 'trial{s}')}"
        raise RatesError(table.source, f"lacks {of_all} by {by}, the first is {which}: all trials are scored")
    return np.asarray(found.argmax(axis=1), dtype=np.int64)


def _wrong_shape(table: RateTable, plan: TrialPlan) -> RatesError:
    expected = (plan.n_trials, plan.grid.n_bins, len(plan.unit_ids))
    shape = table.values.shape
    message = (
        f"has shape {shape}; the run has {expected} (trial, bin, unit), bins of {1e3 * plan.bin_s:g} ms from"
        f" {plan.window_s[0]:g} to {plan.window_s[1]:g} s"
    )
    order = next((each for each in permutations(range(3)) if tuple(shape[k] for k in each) == expected), None)
    if order is not None:
        return RatesError(table.source, f"{message}: the axes are in another order", f"array.transpose{order}")
    return RatesError(table.source, message, "the same --window, --units and --trials as the rates, or another --bin")


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
