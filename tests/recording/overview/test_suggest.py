"""The fit line to use: time zero where rates follow it, a window that holds intervals, the input that drives."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.data import Covariate, ReadOptions, Recording, Unit
from rnnspike.recording.findings import found
from rnnspike.recording.overview.suggest import modulation, suggested_condition, suggested_fit
from rnnspike.units_of_time import parse_window

TIMES = np.linspace(0.05, 99.95, 1000)
START = np.arange(40) * 5.0


def recording(table: pd.DataFrame | None = None, **given: Any) -> Recording:
    made = {
        "units": (Unit("0", TIMES, np.array([[0.0, 100.0]])),),
        "intervals": {} if table is None else {"trials": table},
    }
    return Recording(Path("a b.nwb"), "", 0, "NWB", **{**made, **given})


def trials(n: int = 20, **columns: Any) -> pd.DataFrame:
    start = np.arange(n) * 5.0
    return pd.DataFrame({"start_time": start, "stop_time": start + 4.0, **columns})


def sound(**given: Any) -> dict[str, Covariate]:
    made = {"n_samples": 100, "n_channels": 1, "load": lambda: (TIMES, TIMES[:, None]), "span_s": (0.0, 100.0)}
    return {"sound": Covariate("sound", "Pa", **{**made, **given})}


def words(given: Recording, options: ReadOptions | None = None) -> list[str]:
    suggestion = suggested_fit(given, options)
    assert suggestion is not None and shlex.split(suggestion.line)[:3] == ["rnnspike", "fit", "a b.nwb"]
    return shlex.split(suggestion.line)[3:]


def test_the_condition_is_the_column_that_tells_and_repeats() -> None:
    table = trials(condition=["a", "b"] * 10, direction=["L", "R"] * 10, correct=[True, False] * 10)
    assert suggested_condition(table) == "condition"
    assert suggested_condition(trials(correct=[True, False] * 10)) is None
    assert suggested_condition(trials(stimulus=["a"] * 17 + ["b"] * 3)) is None


def test_plain_trials_need_no_options() -> None:
    assert words(recording(trials())) == []


def test_conditions() -> None:
    assert words(recording(trials(odour=["a", "b"] * 10))) == ["--condition", "odour"]


def test_no_trials_are_cut_with_a_covariate() -> None:
    assert words(recording()) == ["--segment", "2s"]
    assert words(recording(covariates=sound())) == ["--segment", "2s", "--covariate", "sound"]


@pytest.mark.parametrize("given", [{"n_channels": 32}, {"kind": "ElectricalSeries"}, {"span_s": (0.0, 10.0)}])
def test_signals_that_are_no_input(given: dict[str, Any]) -> None:
    assert words(recording(covariates=sound(**given))) == ["--segment", "2s"]


def rhythmic_times(period_s: float, seed: int, span_s: float = 100.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0.0, span_s, 4000))
    return times[rng.random(len(times)) < 0.5 + 0.5 * np.cos(2 * np.pi * times / period_s)]


def test_a_slow_rhythm_of_most_units_has_a_line_of_its_own() -> None:
    units = tuple(Unit(str(i), rhythmic_times(4.0, i), np.array([[0.0, 100.0]])) for i in range(3))
    found = suggested_fit(recording(units=(*units, Unit("3", TIMES))))
    assert found is not None and found.rhythm_s == pytest.approx(4.0, rel=0.05)
    assert found.line.endswith("--segment 2s")
    assert found.rhythm_line is not None
    assert shlex.split(found.rhythm_line)[3:] in (
        ["--segment", f"{n}s", "--burn-in", f"{m}s", "--bin", "10ms"] for n in (8, 9) for m in (4, 5)
    )


def test_gaps_at_even_intervals_are_no_rhythm() -> None:
    times = np.sort(np.random.default_rng(0).uniform(0.0, 100.0, 4000))
    held = np.array([[start, start + 3.0] for start in np.arange(0.0, 100.0, 4.0)])
    unit = Unit("0", times[times % 4.0 < 3.0], held)
    given = recording(units=(unit,))
    assert given.observes(unit, np.array([0.5, 3.5, 4.0])).tolist() == [True, False, True]
    found = suggested_fit(given)
    assert found is not None and found.rhythm_s is None


def test_a_rhythm_of_few_units_is_not_told() -> None:
    others = tuple(Unit(str(i), np.sort(np.random.default_rng(i).uniform(0, 100, 2000))) for i in range(1, 4))
    found = suggested_fit(recording(units=(Unit("0", rhythmic_times(4.0, 0)), *others)))
    assert found is not None and found.rhythm_s is None and found.rhythm_line is None


def test_trials_that_never_repeat_take_the_covariate() -> None:
    table = trials(stimulus=[f"song{i}" for i in range(20)])
    assert words(recording(table, covariates=sound())) == ["--covariate", "sound"]


def test_two_trials_are_cut() -> None:
    assert words(recording(trials(2), covariates=sound())) == ["--segment", "2s", "--covariate", "sound"]


def test_an_event_that_moves_within_trials_is_time_zero(rng: np.random.Generator) -> None:
    table = trials(stim_on_time=np.arange(20) * 5.0 + rng.uniform(1.0, 2.0, 20))
    units = (Unit("0", np.sort(rng.uniform(0, 100, 1000))),)  # that answers to nothing
    found = words(recording(table, units=units))
    low, high = float(found[3]), float(found[4])
    assert found[:3] == ["--align", "stim_on_time", "--window"] and -2 <= low <= -1.0 and 2.0 <= high <= 3.0
    zero = table["stim_on_time"]
    assert (zero + low >= table["start_time"]).all() and (zero + high <= table["stop_time"]).all()


def test_events_get_a_window_within_their_gaps() -> None:
    events = {"cue": pd.DataFrame({"start_time": np.arange(30) * 1.0})}
    assert words(recording(events=events)) == ["--window", "-0.25", "0.6"]


def test_a_window_longer_than_a_minute_is_written_with_its_unit(rng: np.random.Generator) -> None:
    start = np.arange(20) * 200.0
    table = pd.DataFrame(
        {"start_time": start, "stop_time": start + 150.0, "cue_time": start + rng.uniform(10, 11, 20)}
    )
    units = (Unit("0", np.sort(rng.uniform(0, 4000, 4000))),)
    found = words(recording(table, units=units))
    assert found[:3] == ["--align", "cue_time", "--window"] and found[4].endswith("s")
    low, high = parse_window(found[3:5])
    assert low == pytest.approx(-10, abs=0.1) and 138 < high < 141


def test_a_table_of_another_name_is_named_where_there_are_several() -> None:
    tables = {"laps": trials(), "rests": trials()}
    assert words(recording(intervals=tables)) == ["--trials", "laps"]
    assert words(recording(intervals={"laps": trials()})) == []


def test_read_options_are_kept() -> None:
    options = ReadOptions(
        time_scale=0.001, sampling_rate_hz=30000.0, events_file=Path("ev.csv"), drop_duplicates=True
    )
    assert words(recording(trials()), options) == [
        "--time-scale", "0.001", "--events", "ev.csv", "--sampling-rate", "30000", "--drop-duplicates",
    ]  # fmt: skip


def test_nothing_to_fit() -> None:
    assert suggested_fit(recording(units=(Unit("0", np.empty(0)),))) is None


def responding(
    rng: np.random.Generator, at: np.ndarray, base_hz: float = 5.0, gain_hz: float = 60.0
) -> tuple[Unit, ...]:
    """Two units that fire faster for 150 ms from each of these times on."""
    units = []
    for name in "ab":
        burst = np.concatenate([t + 0.03 + 0.15 * rng.random(rng.poisson(0.15 * gain_hz)) for t in at])
        units.append(Unit(name, np.sort(np.concatenate([rng.uniform(0, 200, int(base_hz * 200)), burst]))))
    return tuple(units)


def option(given: Sequence[str], name: str) -> str | None:
    return given[given.index(name) + 1] if name in given else None


def test_an_onset_a_constant_time_after_the_start_is_taken_and_not_its_end(rng: np.random.Generator) -> None:
    onset = START + 2.0
    table = trials(40).assign(song_on_time=onset, song_off_time=onset + rng.uniform(0.5, 1.5, 40))
    given = recording(table, units=responding(rng, onset))
    assert words(given) == ["--align", "song_on_time", "--window", "-2", "2"]
    suggestion = suggested_fit(given)
    assert suggestion is not None and suggestion.event is not None and suggestion.event.depth > 1
    others = {event.column: line for event, line in suggestion.alternatives}
    assert set(others) == {"song_off_time", "start_time"} and "--align song_off_time" in others["song_off_time"]


def test_the_end_of_something_is_not_time_zero_however_cells_answer(rng: np.random.Generator) -> None:
    off = START + 2.0 + rng.uniform(0, 1, 40)
    table = trials(40).assign(song_on_time=START + 1.0, song_off_time=off)
    assert option(words(recording(table, units=responding(rng, off))), "--align") != "song_off_time"


@pytest.mark.parametrize(("answered", "column"), [("cue_time", "cue_time"), ("start_time", None), ("seen", "seen")])
def test_time_zero_is_where_cells_answer(rng: np.random.Generator, answered: str, column: str | None) -> None:
    cue = START + rng.uniform(0.8, 1.6, 40)
    table = trials(40).assign(cue_time=cue, seen=cue + rng.uniform(0.5, 1.5, 40))
    assert option(words(recording(table, units=responding(rng, table[answered].to_numpy()))), "--align") == column


def test_the_table_that_cells_answer_to_is_named(rng: np.random.Generator) -> None:
    flash = np.sort(rng.uniform(1, 195, 60))
    tables = {"flashes": pd.DataFrame({"start_time": flash})}
    given = recording(trials(40), events=tables, units=responding(rng, flash))
    assert option(words(given), "--trials") == "flashes" and option(words(given), "--window") is not None


@pytest.mark.parametrize("every_s", [0.001, 0.012, 0.1])
def test_dense_events_are_no_trials(rng: np.random.Generator, every_s: float) -> None:
    dense = {"pulses": pd.DataFrame({"start_time": np.arange(0, 100, every_s)})}
    assert words(recording(events=dense)) == ["--segment", "2s"]
    assert words(recording(trials(), events=dense)) == []


def test_short_stimuli_far_apart_get_a_window_that_holds_intervals() -> None:
    table = trials().assign(stop_time=np.arange(20) * 5.0 + 0.02)
    assert words(recording(table)) == ["--window", "-0.5", "1"]


def test_an_injected_current_is_an_input_whatever_the_condition() -> None:
    current = {"injected": Covariate("injected", "pA", 100, 1, lambda: (TIMES, TIMES[:, None]), span_s=(0.0, 100.0))}
    table = trials(step=[1, 2] * 10)
    assert words(recording(table, covariates=current)) == ["--condition", "step", "--covariate", "injected"]
    assert words(recording(trials(), covariates={**sound(), **current})) == ["--covariate", "injected"]
    constant = {"injected": Covariate("injected", "pA", 100, 1, lambda: (TIMES, np.ones((1000, 1))))}
    assert words(recording(trials(), covariates=constant)) == []


def test_an_error_leaves_no_line() -> None:
    assert suggested_fit(recording(trials(), findings=(found("clock-reset", "two clocks"),))) is None


def test_depth_of_modulation_is_that_of_the_rate(rng: np.random.Generator) -> None:
    """10 Hz, and 30 Hz in half of the time about events: SD over mean is 10 / 20."""
    zero = np.arange(300) * 1.0
    fast = np.concatenate([z + 0.5 * rng.random(rng.poisson(15)) for z in zero])
    slow = np.concatenate([z + 0.5 + 0.5 * rng.random(rng.poisson(5)) for z in zero])
    squared, error = modulation([np.sort(np.concatenate([fast, slow]))], zero, (-0.25, 0.75))
    assert np.sqrt(squared) == pytest.approx(0.5, abs=0.05) and error < 0.02
    squared, error = modulation([np.sort(rng.uniform(0, 300, 6000))], zero, (-0.25, 0.75))
    assert abs(squared) < 4 * error


def test_suggestions_work_on_real_recordings(shared_data: Path) -> None:
    """Every suggested line gives trials and units to fit."""
    from rnnspike.recording.read import read_recording
    from rnnspike.trials.data import TrialOptions
    from rnnspike.trials.plan import plan_trials

    for path in sorted(
        [*shared_data.glob("*.nwb"), *shared_data.glob("foreign/*.n?[xv]"), *shared_data.glob("foreign/*.mat")]
    ):
        given = read_recording(path)
        suggestion = suggested_fit(given)
        assert suggestion is not None
        line = shlex.split(suggestion.line)[3:]
        options: dict[str, Any] = {}
        while line:
            flag = line.pop(0)
            if flag == "--window":
                options["window_s"] = (float(line.pop(0)), float(line.pop(0)))
            elif flag == "--segment":
                value = line.pop(0)
                options["segment_s"] = 0.5 if value == "500ms" else float(value.rstrip("s"))
            else:
                name = {"--trials": "table", "--align": "align"}.get(flag, flag.strip("-"))
                value = line.pop(0)
                options[{"covariate": "covariates"}.get(name, name)] = (
                    value if name in ("table", "align") else (value,)
                )
        plan = plan_trials(given, TrialOptions(**options))
        assert plan.n_trials >= 5 and plan.unit_ids, path.name
