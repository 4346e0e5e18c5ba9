"""Results as rows, one per network and input, and their text in tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from rnnspike.dynamics.analyse import DynamicsResult, InputResult
from rnnspike.dynamics.attractors.cycles import LYAPUNOV_STEPS, Cycle
from rnnspike.dynamics.attractors.points import Points
from rnnspike.dynamics.eigenvalues import describe_tau, oscillations_hz, short
from rnnspike.dynamics.memory.gradient_flow import GradientFlow, history_warning
from rnnspike.dynamics.memory.timescales import Timescales
from rnnspike.dynamics.network import Network
from rnnspike.dynamics.population.completion import FEWEST_PATTERNS
from rnnspike.dynamics.population.phases import LEAST_P
from rnnspike.dynamics.population.result import PopulationResult
from rnnspike.trials.data import FloatArray
from rnnspike.wording import p_text

SCHEMA = 1
Row = dict[str, Any]
#: Orbits that do not settle are called chaotic where the largest exponent enlarges a perturbation so many times over
#: the steps that it was measured on.
CHAOTIC_FOLD = 10.0

#: Values that a summary row gives as median, ``_low`` and ``_high`` over seeds.
FIGURES = (
    "n_fixed",
    "n_slow",
    "n_stable",
    "n_saddle",
    "n_unstable",
    "slowest_tau_ms",
    "gate_tau_ms",
    "eigenvalue_tau_ms",
    "measured_tau_ms",
    "memory_horizon_ms",
    "memory_horizon_untrained_ms",
    "superposition",
    "gain_variation",
    "lyapunov_per_s",
    "cycle_period_ms",
    "rhythm_period_ms",
    "departure_from_normality",
    "transient_growth",
    "settles",
    "bend_share",
    "completion_share",
    "basin_size",
    "phase_correlation",
)
COLUMNS = (
    "schema",
    "recording",
    "unit",
    "model",
    "seed",
    "input",
    "n_fixed",
    "n_slow",
    "n_stable",
    "n_saddle",
    "slowest_tau_ms",
    "frequencies_hz",
    "gate_tau_ms",
    "measured_tau_ms",
    "memory_horizon_ms",
    "message",
    "n_unstable",
    "n_neutral",
    "n_rejected",
    "n_outliers",
    "continuum_dimension",
    "slowest_tau_note",
    "damping",
    "growth_ms",
    "eigenvalue_tau_ms",
    "reconciled",
    "gradient_flow",
    "gradient_flow_untrained",
    "memory_horizon_untrained_ms",
    "superposition",
    "gain_variation",
    "departure_from_normality",
    "transient_growth",
    "basin_shares",
    "settles",
    "cycle_period_ms",
    "lyapunov_per_s",
    "completion",
    "data_period_ms",
    "rhythm_period_ms",
    "rhythm_source",
    "loop_period_ms",
    "free_run_period_ms",
    "rhythm_learned",
    "bin_ms",
    "window_ms",
    "history_ms",
    "growing_share",
    "modes",
    "bend_share",
    "leading_modes",
    "n_patterns",
    "pattern_completion",
    "completion_share",
    "basin_size",
    "n_in_rhythm",
    "phase_correlation",
    "phase_p",
    "phase_source",
    "about_network",
    "n_seeds",
    "status",
    "brief",
    "n_starts",
    "longest_lag_ms",
    *(f"{name}_{end}" for name in FIGURES for end in ("low", "high")),
)


def result_rows(
    result: DynamicsResult, *, recording: str | None, unit: str | None, model: str, seed: int | str
) -> list[Row]:
    """Return one row per input of one analysed network."""
    shared = _network_figures(result)
    rows = []
    for looked in result.inputs:
        row: Row = {
            "schema": SCHEMA,
            "recording": recording,
            "unit": unit,
            "model": model,
            "seed": seed,
            "input": looked.input.name,
            **_input_figures(looked),
            **_rhythm_figures(result, looked),
            **_population_figures(result.population, looked),
            **shared,
            "status": "ok",
            "brief": False,
            "message": "; ".join(input_messages(result, looked) + network_messages(result)) or None,
            "about_network": "; ".join(network_messages(result)) or None,
        }
        rows.append({name: row.get(name) for name in COLUMNS if name in row})
    return rows


def _largest(values: FloatArray) -> float | None:
    return float(values.max()) if len(values) else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None or not np.isfinite(seconds) else 1e3 * float(seconds)


def memory_figures(memory: Timescales, flow: GradientFlow, window_s: float, history_s: float | None) -> Row:
    """Return the memory of a network whose orbits are ``window_s`` long, and that of the spikes."""
    return {
        "gate_tau_ms": _ms(memory.gate_median_s),
        "eigenvalue_tau_ms": _ms(memory.eigenvalue_s),
        "measured_tau_ms": _ms(memory.measured_s),
        "reconciled": memory.reconciled,
        "growing_share": memory.eigenvalue_growing,
        "memory_horizon_ms": _ms(flow.horizon_s),
        "gradient_flow": flow.flow,
        "longest_lag_ms": _ms(float(flow.lag_s[-1])),
        "window_ms": _ms(window_s),
        "history_ms": _ms(history_s),
    }


def _network_figures(result: DynamicsResult) -> Row:
    rhythm, window_s = result.rhythm, result.orbits.states.shape[1] * result.network.bin_s
    return {
        **memory_figures(result.timescales, result.flow, window_s, result.history_s),
        "memory_horizon_untrained_ms": _ms(result.untrained.horizon_s) if result.untrained else None,
        "gradient_flow_untrained": result.untrained.flow if result.untrained else None,
        "superposition": result.gating.superposition,
        "gain_variation": _spike_channels(result),
        "data_period_ms": _ms(rhythm.data_s),
        "loop_period_ms": _ms(rhythm.network.period_s) if rhythm.network else None,
        "free_run_period_ms": _ms(rhythm.free_run_s),
        "rhythm_learned": rhythm.learned,
        "bin_ms": _ms(result.network.bin_s),
        "modes": result.modes.rows(result.network.bin_s) if result.modes else None,
        "bend_share": result.modes.bend_share if result.modes else None,
    }


def _spike_channels(result: DynamicsResult) -> float | None:
    """Return the variation of the gain of the spike channel, of a population the mean over those of its units."""
    variation = result.gating.gain_variation
    if not len(variation):
        return None
    return float(variation.mean() if result.population else variation[0])


def _population_figures(found: PopulationResult | None, looked: InputResult) -> Row:
    """Return what is known of a population network: patterns and phases of its closed loop."""
    if found is None or not looked.input.feedback:
        return {}
    half, data = found.completion.silenced(0.5), found.data
    return {
        "n_patterns": found.completion.n_patterns,
        "pattern_completion": [
            {**asdict(each), "low": _known(each.low), "high": _known(each.high)} for each in found.completion.by_size
        ],
        "completion_share": half.completed if half else None,
        "basin_size": _known(found.completion.basin_size),
        "n_in_rhythm": data.n_units if data.rhythm.period_s is not None else None,
        "phase_correlation": _known(found.phase_correlation),
        "phase_p": _known(found.phase_p),
        "phase_source": found.phases.source if found.phases and np.isfinite(found.phase_correlation) else None,
    }


def leading_modes(points: Points, n_most: int = 5) -> list[Row]:
    """Return time constant and frequency of the slowest modes at the point of ``slowest_point``, one of each pair."""
    lead = slowest_point(points)
    if lead is None:
        return []
    modes = _modes_of(points, lead)
    one_of_pair = np.flatnonzero(modes.eigenvalues.imag >= 0)[:n_most]
    return [
        {
            "tau_ms": _ms(float(modes.tau_s[k])),
            "growth_ms": _ms(float(modes.growth_s[k])),
            "frequency_hz": float(modes.frequency_hz[k]),
        }
        for k in one_of_pair
    ]


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def point_figures(points: Points, cycles: Sequence[Cycle] = ()) -> Row:
    """Return what is known of the points under one input; frequencies are those of limit cycles first."""
    lead = slowest_point(points)
    tau_s, note = slowest_tau(points)
    growing = points.modes.growth_s[points.fixed]
    return {
        "n_fixed": points.n_fixed,
        "n_slow": points.n_slow,
        "n_stable": points.count("stable"),
        "n_saddle": points.count("saddle"),
        "n_unstable": points.count("unstable"),
        "n_neutral": points.count("neutral"),
        "n_rejected": points.n_rejected,
        "n_outliers": int(points.outlier.sum()),
        "continuum_dimension": points.continuum.dimension if points.continuum else None,
        "slowest_tau_ms": _ms(tau_s),
        "slowest_tau_note": note or None,
        "frequencies_hz": frequencies_hz(points, cycles),
        "damping": float(points.modes.damping[lead, 0]) if lead is not None else None,
        "growth_ms": _ms(float(np.nanmax(growing))) if np.isfinite(growing).any() else None,
        "leading_modes": leading_modes(points),
        "n_starts": int(points.n_starts.sum()) + points.n_rejected,
    }


def _input_figures(looked: InputResult) -> Row:
    points, basins = looked.points, looked.basins
    lead = slowest_point(points)
    return {
        **point_figures(points, basins.cycles),
        "departure_from_normality": float(looked.departure[lead]) if lead is not None else None,
        "transient_growth": _largest(looked.growth[np.isfinite(looked.growth)]),
        "basin_shares": [round(float(share), 4) for share in basins.share],
        "settles": float(basins.share.sum() + sum(basins.cycle_share) + basins.settled),
        "cycle_period_ms": _ms(basins.cycles[int(np.argmax(basins.cycle_share))].period_s) if basins.cycles else None,
        "lyapunov_per_s": basins.lyapunov_per_s if np.isfinite(basins.lyapunov_per_s) else None,
        "completion": [
            {"size": c.size, "returned": c.returned, "return_ms": _ms(c.return_s)} for c in basins.completion
        ],
    }


def _rhythm_figures(result: DynamicsResult, looked: InputResult) -> Row:
    """Return the rhythm under one input; that of the closed loop is what was compared with the data."""
    own = result.rhythm.network if looked.input.feedback else looked.rhythm
    return {
        "rhythm_period_ms": _ms(own.period_s) if own else None,
        "rhythm_source": own.source if own else None,
    }


def slowest_tau(points: Points) -> tuple[float | None, str]:
    """Return the slowest decay (s) at the point of ``slowest_point`` and its guard; infinite where neutral."""
    lead = slowest_point(points)
    if lead is None:
        return None, ""
    tau_s, note = points.modes.tau_s[lead], points.modes.note[lead]
    if not (tau_s > 0).any():
        return None, ""
    k = int(np.nanargmax(np.where(tau_s > 0, tau_s, np.nan)))
    return float(tau_s[k]), str(note[k])


def slowest_point(points: Points) -> int | None:
    """Return the point whose decay is reported: the slowest stable one, else of a continuum, saddle or slow point."""
    slowest = np.nan_to_num(points.modes.tau_s, nan=0.0, posinf=1e300).max(axis=1, initial=0.0)
    for kinds in (("stable",), ("neutral",), ("saddle", "unstable", "stable", "neutral")):
        chosen = [k for k, kind in enumerate(points.stability) if kind in kinds and points.fixed[k]]
        if chosen:
            return max(chosen, key=lambda k: (slowest[k], -k))
    return int(np.argmax(slowest)) if len(slowest) else None


def frequencies_hz(points: Points, cycles: Sequence[Cycle] = (), n_most: int = 5) -> list[float]:
    """Return the frequencies under one input: of limit cycles first, then of points, longest-lived modes first."""
    found = [cycle.frequency_hz for cycle in cycles]
    order = sorted(range(len(points.states)), key=lambda k: (not points.fixed[k], points.stability[k] != "stable", k))
    for k in order[:64]:
        for frequency in oscillations_hz(_modes_of(points, k), n_most):
            if all(abs(frequency - other) > 0.01 * other for other in found):
                found.append(frequency)
    return [float(f"{frequency:.5g}") for frequency in found[:n_most]]


def _modes_of(points: Points, k: int) -> Any:
    modes = points.modes
    return type(modes)(*(getattr(modes, name)[k] for name in modes.__dataclass_fields__))


def input_messages(result: DynamicsResult, looked: InputResult) -> list[str]:
    """Return notes on the results under one input."""
    basins = looked.basins
    sentences = point_messages(looked.points, result.network.bin_s)
    if basins.cycles:
        cycle = basins.cycles[int(np.argmax(basins.cycle_share))]
        sentences.append(f"limit cycle of {cycle.period_s * 1e3:.4g} ms ({max(basins.cycle_share):.0%} of orbits)")
    if basins.irregular > 0.05:
        growth = basins.lyapunov_per_s * LYAPUNOV_STEPS * result.network.bin_s
        how = "not settled"
        if growth > math.log(CHAOTIC_FOLD):
            how = f"chaotic (largest Lyapunov exponent {basins.lyapunov_per_s:.2g} per s)"
        sentences.append(f"{basins.irregular:.0%} of orbits {how} after {basins.n_steps} bins")
    if looked.input.feedback and result.population:
        sentences += population_messages(result.population)
    return sentences


def point_messages(points: Points, bin_s: float) -> list[str]:
    """Return notes on the points under one input."""
    sentences: list[str] = []
    if points.continuum is not None:
        c = points.continuum
        shape = "line or ring" if c.dimension == 1 else f"sheet of dimension {c.dimension}"
        drift = "exact" if c.drift < 1e-12 else f"drift under {c.drift / bin_s:.2g} spreads per second"
        count = f"{points.n_fixed} fixed and {points.n_slow} slow points along it"
        if points.n_fixed > 0.5 * points.n_starts.sum():  # most starts end at a point of their own
            count = "the number of points depends on the number of starts only"
        sentences.append(f"continuous attractor ({shape}, {drift}): {count}")
    elif not points.n_fixed:
        sentences.append("no fixed point found" + (", slow points only" if points.n_slow else ""))
    unverified = int((points.fixed & ~points.verified).sum())
    if unverified:
        sentences.append(f"{unverified} fixed points do not evolve as their Jacobian predicts")
    return sentences


def population_messages(found: PopulationResult) -> list[str]:
    """Return notes on the patterns and phases of a population's closed loop."""
    patterns, half = found.completion, found.completion.silenced(0.5)
    sentences = []
    if half is None:
        sentences.append("fewer than two states to come to rest in: no pattern to complete")
    else:
        text = f"{patterns.n_patterns} patterns: {half.completed:.0%} completed after half of the units are silenced"
        sentences.append(f"{text} (95 % interval {half.low:.0%} to {half.high:.0%})")
    if np.isfinite(patterns.basin_size):
        if np.isfinite(patterns.basin_low):
            interval = f"95 % interval {patterns.basin_low:.2g} to {patterns.basin_high:.2g}"
        else:
            interval = f"no interval: fewer than {FEWEST_PATTERNS} patterns make too few pairs"
        size = f"{patterns.basin_size:.2g}"
        sentences.append(f"half of them come back from {size} of the way to another pattern ({interval})")
    if found.phases is not None and np.isfinite(found.phase_correlation):
        sentences.append(
            f"phases of the units in the {found.phases.source} of {short(found.phases.period_s * 1e3)} ms against "
            f"those in the spikes: circular correlation {found.phase_correlation:.2f} "
            f"(p {p_text(found.phase_p, LEAST_P)})"
        )
    return sentences


def network_messages(result: DynamicsResult) -> list[str]:
    """Return notes on a network that do not depend on the input."""
    sentences = memory_messages(result.network, result.flow, result.history_s)
    return sentences + ([result.rhythm.sentence] if result.rhythm.sentence else [])


def memory_messages(network: Network, flow: GradientFlow, history_s: float | None) -> list[str]:
    """Return notes on the read-out and the gradients of a network."""
    sentences: list[str] = []
    readout = network.readout
    if readout is not None and not readout.weight.any() and (readout.bend is None or not readout.bend.weight.any()):
        sentences.append(
            "the readout is all zeros: training did not change it, and the log-rate does not depend on the state"
        )
    if np.isinf(flow.horizon_s):
        reach = flow.lag_s[-1] * 1e3
        sentences.append(f"gradients {flow.flow}: above 1 % at all measurable lags ({reach:.3g} ms)")
    warning = history_warning(history_s, flow.horizon_s)
    return sentences + ([warning] if warning else [])


def tau_text(row: Mapping[str, Any]) -> str | None:
    """Return a row's slowest tau for tables, with its guard and its range over seeds."""
    value, note = row.get("slowest_tau_ms"), row.get("slowest_tau_note") or ""
    if value is None:
        return describe_tau(float("inf"), note) if note else None
    text = describe_tau(value / 1e3, note)
    return text if note else text + _range_text(row, "slowest_tau_ms")


def spread_text(row: Mapping[str, Any], name: str) -> str | None:
    """Return a value for tables: the median, and the range over seeds where they differ."""
    value = row.get(name)
    return None if value is None else short(value) + _range_text(row, name)


def _range_text(row: Mapping[str, Any], name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return "" if low is None or high is None or short(low) == short(high) else f" ({short(low)}–{short(high)})"
