from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.data import Covariate, ReadOptions, Recording, Unit
from rnnspike.recording.summary import (
    column_summaries,
    metadata_text,
    shared_metadata,
    suggested_condition,
    suggested_fit,
    unit_rows,
)

TIMES = np.linspace(0.05, 99.95, 1000)


def recording(table: pd.DataFrame | None = None, **given: Any) -> Recording:
    made = {
        "units": (Unit("0", TIMES, np.array([[0.0, 100.0]])),),
        "intervals": {} if table is None else {"trials": table},
    }
    return Recording(Path("a b.nwb"), "", 0, "NWB", **{**made, **given})


def trials(n: int = 20, **columns: Any) -> pd.DataFrame:
    start = np.arange(n) * 5.0
    return pd.DataFrame({"start_time": start, "stop_time": start + 4.0, **columns})


def words(given: Recording, options: ReadOptions | None = None) -> list[str]:
    line = suggested_fit(given, options)
    assert line is not None and shlex.split(line)[:3] == ["rnnspike", "fit", "a b.nwb"]
    return shlex.split(line)[3:]


def sound(**given: Any) -> dict[str, Covariate]:
    made = {"n_samples": 100, "n_channels": 1, "load": lambda: (TIMES, TIMES[:, None]), "span_s": (0.0, 100.0)}
    return {"sound": Covariate("sound", "Pa", **{**made, **given})}


def test_rates_are_over_observed_time() -> None:
    row = next(unit_rows(recording(units=(Unit("0", TIMES, np.array([[0.0, 50.0]])),))))
    assert row["observed_s"] == 50.0 and row["rate_hz"] == pytest.approx(10.0) and row["n_spikes"] == 1000


def test_rates_without_observed_time_are_over_all_spikes() -> None:
    row = next(unit_rows(recording(units=(Unit("0", TIMES), Unit("1", TIMES[:10])))))
    assert row["observed_s"] is None and row["rate_hz"] == pytest.approx(1000 / 99.9)


def test_a_silent_unit_has_nulls() -> None:
    row = next(unit_rows(recording(units=(Unit("0", np.empty(0)),))))
    assert (row["rate_hz"], row["short_isi_share"], row["contamination"]) == (None, None, None)


def test_few_short_intervals_say_nothing_of_foreign_spikes() -> None:
    row = next(unit_rows(recording(units=(Unit("0", np.array([0.1, 0.1002, 5.0])),))))
    assert row["short_isi_share"] == 0.5 and row["contamination"] is None


def test_what_columns_look_like() -> None:
    table = trials(
        direction=["L", "R"] * 10, cue_time=np.arange(20) * 5.0 + 1, repeat=np.arange(20) % 2, rig="a",
        reaction=np.linspace(0.1, 0.9, 20), trial_type=["go"] * 15 + ["no"] * 5,
    )  # fmt: skip
    roles = {column.name: column.role for column in column_summaries(table)}
    assert roles == {
        "start_time": "time", "stop_time": "time", "direction": "condition", "cue_time": "time", "repeat": "number",
        "rig": "constant", "reaction": "number", "trial_type": "text",
    }  # fmt: skip


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


def test_trials_that_never_repeat_take_the_covariate() -> None:
    table = trials(stimulus=[f"song{i}" for i in range(20)])
    assert words(recording(table, covariates=sound())) == ["--covariate", "sound"]


def test_two_trials_are_cut() -> None:
    assert words(recording(trials(2), covariates=sound())) == ["--segment", "2s", "--covariate", "sound"]


def test_an_event_that_moves_within_trials_is_time_zero(rng: np.random.Generator) -> None:
    table = trials(stim_on_time=np.arange(20) * 5.0 + rng.uniform(1.0, 2.0, 20))
    found = words(recording(table))
    low, high = float(found[3]), float(found[4])
    assert found[:3] == ["--align", "stim_on_time", "--window"] and -2 <= low <= -1.0 and 2.0 <= high <= 3.0
    zero = table["stim_on_time"]
    assert (zero + low >= table["start_time"]).all() and (zero + high <= table["stop_time"]).all()


def test_events_get_a_window_within_their_gaps() -> None:
    events = {"cue": pd.DataFrame({"start_time": np.arange(30) * 1.0})}
    assert words(recording(events=events)) == ["--window", "-0.25", "0.6"]


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


def test_metadata_in_words() -> None:
    units = tuple(Unit(str(i), TIMES, None, {"area": "V1", "depth": 1.23456 + i, "note": ""}) for i in range(2))
    assert shared_metadata(recording(units=units)) == {"area": "V1", "note": ""}
    assert metadata_text(units[0].metadata) == "area V1, depth 1.235"


def test_suggestions_work_on_real_recordings(shared_data: Path) -> None:
    """Every suggested line gives trials and units to fit."""
    from rnnspike.recording.read import read_recording
    from rnnspike.trials.data import TrialOptions
    from rnnspike.trials.plan import plan_trials

    for path in sorted(
        [*shared_data.glob("*.nwb"), *shared_data.glob("foreign/*.n?[xv]"), *shared_data.glob("foreign/*.mat")]
    ):
        given = read_recording(path)
        line = shlex.split(suggested_fit(given) or "")[3:]
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
