from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.checks.clock import (
    clock_signs,
    count_restarts,
    events_scale_finding,
    sampling_rate_finding,
    scale_finding,
    tables_end,
    trial_relative_finding,
    with_sampling_rate_option,
)


def poisson(rng: np.random.Generator, rate_hz: float, duration_s: float) -> np.ndarray:
    return np.sort(rng.uniform(0, duration_s, rng.poisson(rate_hz * duration_s)))


@pytest.mark.parametrize("rate_hz", [0.01, 0.1, 1.0, 30.0, 300.0])
@pytest.mark.parametrize("duration_s", [30.0, 3600.0, 80_000.0])
def test_seconds_are_taken_for_seconds(rng: np.random.Generator, rate_hz: float, duration_s: float) -> None:
    """Also slow units in long sessions, with trials in the first tenth only."""
    trains = [poisson(rng, min(rate_hz, 2e5 / duration_s), duration_s) for _ in range(3)]
    assert scale_finding(clock_signs(trains, duration_s / 10)) is None
    assert scale_finding(clock_signs(trains, None)) is None


@pytest.mark.parametrize("rate_hz", [1.0, 10.0, 100.0])
def test_milliseconds_are_found_beside_trials(rng: np.random.Generator, rate_hz: float) -> None:
    trains = [poisson(rng, rate_hz, 300.0) * 1000 for _ in range(2)]
    finding = scale_finding(clock_signs(trains, 300.0))
    assert finding is not None and finding.option == "--time-scale 0.001"


def test_milliseconds_are_found_without_trials(rng: np.random.Generator) -> None:
    refractory = np.cumsum(3.0 + rng.exponential(100.0, 2000))
    assert scale_finding(clock_signs([refractory], None)) is not None


def test_minutes_are_found(rng: np.random.Generator) -> None:
    assert scale_finding(clock_signs([np.cumsum(0.002 + rng.exponential(0.015, 2000)) / 60], None)) is not None


def test_the_clocks_tick_is_the_scale_of_samples() -> None:
    finding = scale_finding(clock_signs([np.arange(1, 100) * 1003.0], None), resolution_s=1 / 24414.0625)
    assert finding is not None and finding.option is not None
    assert float(finding.option.split()[1]) == pytest.approx(1 / 24414.0625)


def test_few_spikes_tell_nothing() -> None:
    assert scale_finding(clock_signs([np.array([1.0, 2.0, 5.0])], None)) is None
    assert scale_finding(clock_signs([], None)) is None


def table(n: int, every: float = 2.0, length: float = 1.0) -> dict[str, pd.DataFrame]:
    start = np.arange(n) * every
    return {"trials": pd.DataFrame({"start_time": start, "stop_time": start + length})}


def test_sorted_times_within_one_trial_of_many() -> None:
    pooled = {"a": np.linspace(0.0, 0.99, 80)}
    assert trial_relative_finding(pooled, {}, table(20)) is not None
    assert trial_relative_finding({"a": np.linspace(0.0, 39.0, 80)}, {}, table(20)) is None


def test_two_trials_are_too_few_to_tell() -> None:
    assert trial_relative_finding({"a": np.linspace(0.0, 0.99, 80)}, {}, table(2)) is None


def test_starts_over() -> None:
    assert count_restarts(np.tile([0.1, 0.2, 0.5], 4)) == 3
    assert count_restarts(np.array([0.1, 0.5, 0.49, 9.0, np.nan])) == 0


def test_one_reset_is_no_trial() -> None:
    assert trial_relative_finding({"a": np.linspace(0.0, 39.0, 80)}, {"a": 1}, table(20)) is None


@pytest.mark.parametrize(
    ("factor", "unit", "cure"),
    [
        (1e3, "milliseconds", "start_ms, stop_ms"),
        (3e4, "samples at 30 kHz", "in seconds"),
        (1e6, "microseconds", "in"),
    ],
)
def test_trials_in_another_unit_than_the_spikes(factor: float, unit: str, cure: str) -> None:
    spikes = {"a": np.linspace(0.0, 39.0, 80)}
    finding = events_scale_finding(spikes, table(20, 2.0 * factor, factor))
    assert finding is not None and unit in finding.message and finding.option is not None and cure in finding.option
    assert events_scale_finding(spikes, table(20)) is None


def test_many_trials_of_spikes_that_count_from_their_start_are_no_milliseconds() -> None:
    assert events_scale_finding({"a": np.linspace(0.0, 0.99, 80)}, table(500)) is None


@pytest.mark.parametrize(
    ("times", "says"),
    [
        (np.linspace(0.0, 0.9, 80), "within 0.9 s"),
        (np.linspace(0.0, 1e6, 80), "lasts 11.6 days"),
        (np.linspace(0.0, 30.0, 60_000), "fires at 2000 Hz"),
        (np.linspace(0.0, 120.0, 80), "spikes end at 120 s, trials at 39 s"),
        (np.linspace(0.0, 10.0, 80), "spikes end at 10 s, trials at 39 s"),
    ],
)
def test_a_sampling_rate_that_leads_to_odd_times_is_doubted(times: np.ndarray, says: str) -> None:
    finding = sampling_rate_finding({"a": times}, table(20), 30000.0)
    assert finding is not None and (finding.id, finding.option) == ("sampling-rate-doubtful", "--sampling-rate")
    assert finding.message.startswith("with --sampling-rate 30000, ") and says in finding.message


def test_a_sampling_rate_that_fits_is_not_doubted() -> None:
    assert sampling_rate_finding({"a": np.linspace(0.0, 45.0, 80)}, table(20), 30000.0) is None
    assert sampling_rate_finding({"a": np.array([0.1, 0.2])}, {}, 30000.0) is None


def test_a_scale_that_a_sampling_rate_leads_to_is_put_on_it() -> None:
    finding = scale_finding(clock_signs([np.arange(1, 60) * 13.0], None))
    assert finding is not None
    mended = with_sampling_rate_option(finding, 30.0)
    assert mended.message.startswith("with --sampling-rate 30, spike times look like")
    assert mended.option is not None and mended.option.startswith("--sampling-rate ")


def test_tables_end() -> None:
    assert tables_end([*table(9).values()], [np.array([[0.0, 7.0]])], None) == 17.0
    assert tables_end([*table(3).values()], [np.array([[0.0, 3.0]])], None) == 3.0
    assert tables_end([], [], None) is None
