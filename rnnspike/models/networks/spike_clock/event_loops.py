"""Events of the spike-clocked LSTM: their inputs, and the network's step at each (science.md#spike-clock)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnspike.models.networks.layer_loops import lstm_curves, lstm_step
from rnnspike.models.numerics.compilation import Bool, Double, Floats, Index, Single, compiled

#: w_x, w_h, bias, head and head_bias of ``net.UnitNet``.
Network = tuple[Single, Single, Single, Single, Single]
Work = tuple[Single, Single, Single, Single, Single]


@compiled
def advance_traces(spikes: Double, known: Double, known_s: float, masked_s: float, count: float, tau: Double) -> None:
    """Advance the traces of a row (time constant,): decay over known and masked time, then add ``count`` spikes."""
    for k in range(len(tau)):
        decay, masked = np.exp(-known_s / tau[k]), np.exp(-masked_s / tau[k])
        spikes[k] = spikes[k] * decay * masked + count
        known[k] = (known[k] * decay + tau[k] * (1.0 - decay)) * masked


@compiled
def traces(
    row: Index, known_s: Double, masked_s: Double, count: Double, tau: Double, spikes: Double, known: Double
) -> None:
    """Fill the traces after each event (event, time constant), from 0 in each row."""
    for e in range(len(row)):
        same_row = e > 0 and row[e] == row[e - 1]
        for k in range(len(tau)):
            spikes[e, k], known[e, k] = (spikes[e - 1, k], known[e - 1, k]) if same_row else (0.0, 0.0)
        advance_traces(spikes[e], known[e], known_s[e], masked_s[e], count[e], tau)


class Scale(NamedTuple):
    """Mean rate of a unit in Hz, bin width in s, and the spikes added to both counts before a log ratio is taken."""

    rate_hz: float
    bin_s: float
    prior_spikes: float


class Event(NamedTuple):
    """One event: bins since the event before it (0 for a start), spikes, its place, and log mu there.

    ``drive`` is the log drive relative to the unit's mean; it counts in the window only.
    """

    interval: int
    n_spikes: int
    is_first: bool
    in_window: bool
    drive: float
    log_base_minus_drive: float


class Context(NamedTuple):
    """What is known at one event beside the event: traces (time constant,), gains (memory,), covariates (filter,)."""

    trace_spikes: Double
    trace_known_s: Double
    gains: Double
    covariates: Double


class EventTable(NamedTuple):
    """All events of a design; every array is (event,), as in ``events.Events``."""

    interval: Index
    n_spikes: Index
    is_first: Bool
    bin: Index
    row: Index
    trial: Index
    unit: Index


class DesignTables(NamedTuple):
    """What a design knows at its events.

    ``log_drive`` and ``log_base`` (row, bin), traces (event, time constant), ``gains`` (trial, unit, memory),
    ``covariates`` (trial, bin, filter), ``log_mean`` and ``rate_hz`` (unit,).
    """

    log_drive: Floats
    log_base: Floats
    trace_spikes: Double
    trace_known_s: Double
    gains: Double
    covariates: Double
    log_mean: Floats
    rate_hz: Double


class NewEvents(NamedTuple):
    """Events of some rows of a stepper: row, bin, spikes (0 for a start) and log base minus log drive, (event,)."""

    row: Index
    bin: Index
    n_spikes: Index
    log_base_minus_drive: Double


class RowState(NamedTuple):
    """What a stepper remembers of each row.

    ``trial`` (row,); the bin of the ``last`` event (row,); ``after_start`` (row,), whether that was a start; traces
    (row, time constant); ``state`` (row, [h; c]) of the network.
    """

    trial: Index
    last: Index
    after_start: Bool
    trace_spikes: Double
    trace_known_s: Double
    state: Single


class StepperTables(NamedTuple):
    """What a stepper knows beforehand.

    ``n_known`` (trial, burn_bin + bin + 1) observed bins before each, ``n_burn_in`` bins before the window,
    ``log_drive`` (trial, bin), ``log_mean`` expected count of a bin at the mean rate, ``gains`` (trial, memory),
    ``covariates`` (trial, bin, filter).
    """

    n_known: Index
    n_burn_in: int
    log_drive: Double
    log_mean: float
    gains: Double
    covariates: Double


@compiled
def event_inputs(out: Double, event: Event, context: Context, scale: Scale) -> None:
    """Fill the inputs (input,) of one event: ``design.input_names``."""
    interval, in_window = event.interval, event.in_window
    out[0] = np.log(max(interval * scale.bin_s * scale.rate_hz, 1e-6)) if interval > 0 else 0.0
    out[1], out[2] = 1.0 if event.n_spikes == 0 else 0.0, 1.0 if event.is_first else 0.0
    out[3] = 0.0 if in_window else 1.0
    out[4], out[5] = (event.drive, event.log_base_minus_drive) if in_window else (0.0, 0.0)
    out[6] = np.log(float(max(event.n_spikes, 1)))
    spikes, known_s, prior = context.trace_spikes, context.trace_known_s, scale.prior_spikes
    for k in range(len(spikes)):
        out[7 + k] = np.log((spikes[k] + prior) / (known_s[k] * scale.rate_hz + prior))
    begin, gains, covariates = 7 + len(spikes), context.gains, context.covariates
    for k in range(len(gains)):
        out[begin + k] = gains[k]
    for k in range(len(covariates)):
        out[begin + len(gains) + k] = covariates[k] if in_window else 0.0


@compiled
def all_event_inputs(
    events: EventTable, tables: DesignTables, bin_s: float, prior_spikes: float, out: Double
) -> None:
    """Fill the inputs (event, input) of all events of a design."""
    for e in range(len(events.row)):
        row, trial, u, at, count = events.row[e], events.trial[e], events.unit[e], events.bin[e], events.n_spikes[e]
        here = max(at, 0)
        drive = float(tables.log_drive[row, here])
        rest = float(tables.log_base[row, here]) - drive if count > 0 else 0.0
        event = Event(events.interval[e], count, events.is_first[e], at >= 0, drive - tables.log_mean[u], rest)
        spikes, known_s = tables.trace_spikes[e], tables.trace_known_s[e]
        context = Context(spikes, known_s, tables.gains[trial, u], tables.covariates[trial, here])
        event_inputs(out[e], event, context, Scale(tables.rate_hz[u], bin_s, prior_spikes))


@compiled
def new_event_inputs(
    events: NewEvents, rows: RowState, tables: StepperTables, tau: Double, scale: Scale, out: Double
) -> None:
    """Fill the network's inputs (event, input) of new events and update the rows: traces, last event, start.

    ``tau`` (time constant,) s. A start has count 0 and begins from a state of zeros.
    """
    for i in range(len(events.row)):
        row, at, count = events.row[i], events.bin[i], events.n_spikes[i]
        trial, before, is_start = rows.trial[row], rows.last[row], count == 0
        spikes, known_s = rows.trace_spikes[row], rows.trace_known_s[row]
        known = (
            tables.n_known[trial, at + tables.n_burn_in + 1] - tables.n_known[trial, before + tables.n_burn_in + 1]
        )
        masked = at - before - known
        advance_traces(spikes, known_s, known * scale.bin_s, masked * scale.bin_s, float(count), tau)
        here = max(at, 0)
        interval, is_first = 0 if is_start else at - before, rows.after_start[row] and not is_start
        drive = tables.log_drive[trial, here] - tables.log_mean
        event = Event(interval, count, is_first, at >= 0, drive, events.log_base_minus_drive[i])
        context = Context(spikes, known_s, tables.gains[trial], tables.covariates[trial, here])
        event_inputs(out[i], event, context, scale)
        rows.last[row], rows.after_start[row] = at, is_start
        if is_start:
            for k in range(rows.state.shape[1]):
                rows.state[row, k] = np.float32(0.0)


@compiled
def step_network(inputs: Floats, state: Single, net: Network, work: Work, interval_state: Single) -> None:
    """Step ``state`` [h; c] of one row and fill its ``interval_state`` (column,), which the head reads.

    ``work`` is that of ``work_space``.
    """
    w_x, w_h, bias, head, head_bias = net
    scale, shift, gates, cell, bounded = work
    n = len(w_h)
    for k in range(4 * n):
        gates[k] = bias[k]
    for j in range(len(inputs)):
        x, w = np.float32(inputs[j]), w_x[j]
        for k in range(4 * n):
            gates[k] += x * w[k]
    for j in range(n):
        x, w = state[j], w_h[j]
        for k in range(4 * n):
            gates[k] += x * w[k]
    lstm_step(gates, scale, shift, state[n:], cell, bounded, state[:n])
    for k in range(n):
        state[n + k] = cell[k]
    for k in range(len(interval_state)):
        interval_state[k] = head_bias[k]
    for j in range(n):
        x, w = state[j], head[j]
        for k in range(len(interval_state)):
            interval_state[k] += x * w[k]


@compiled
def work_space(n: int) -> Work:
    """Return scratch arrays of ``step_network``: scale and shift of the gates' curves, gates, cell, tanh of cell."""
    scale, shift = lstm_curves(n)
    return scale, shift, np.empty(4 * n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)


@compiled
def step_rows(rows: Index, inputs: Double, state: Single, net: Network, interval_state: Single) -> None:
    """Step rows of ``state`` (row, [h; c]) on ``inputs`` (event, input); fill ``interval_state`` (row, column)."""
    work = work_space(len(net[1]))
    for i in range(len(rows)):
        step_network(inputs[i], state[rows[i]], net, work, interval_state[rows[i]])


@compiled
def run_events(first: Index, end: Index, inputs: Floats, net: Network, interval_state: Single) -> None:
    """Fill ``interval_state`` (event, column) of events ``first .. end - 1`` of sequences, each from zeros."""
    work, state = work_space(len(net[1])), np.empty(2 * len(net[1]), np.float32)
    for s in range(len(first)):
        for k in range(len(state)):
            state[k] = np.float32(0.0)
        for e in range(first[s], end[s]):
            step_network(inputs[e], state, net, work, interval_state[e])
