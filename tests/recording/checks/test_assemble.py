from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.checks.assemble import alignable_tables, assemble
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import ReadOptions, Recording
from rnnspike.recording.read import read_recording

Build = Callable[..., Path]
TIMES = np.linspace(0.01, 9.9, 200) ** 1.01


def assembled(options: ReadOptions | None = None, **given: object) -> Recording:
    contents = Contents(format="made", **{"units": (RawUnit("a", TIMES),), **given})  # type: ignore[arg-type]
    return assemble(Path(__file__), contents, options or ReadOptions())


def trials(n: int = 3, every: float = 3.0, scale: float = 1.0) -> pd.DataFrame:
    start = np.arange(n) * every
    return pd.DataFrame(
        {"start_time": start * scale, "stop_time": (start + 1) * scale, "cue_time": (start + 0.5) * scale}
    )


def test_nothing_is_changed_in_what_is_right() -> None:
    recording = assembled()
    assert recording.units[0].spike_times_s is TIMES and recording.sha256


def test_ids_that_repeat_are_told_apart_and_said() -> None:
    raw = tuple(RawUnit(name, TIMES + i) for i, name in enumerate(["7", "8", "7", "7_2", "7"]))
    recording = assembled(units=raw)
    assert [unit.id for unit in recording.units] == ["7", "8", "7_2", "7_2_", "7_3"]
    assert [unit.spike_times_s[0] - TIMES[0] for unit in recording.units] == pytest.approx([0, 1, 2, 3, 4])
    (finding,) = [item for item in recording.findings if item.id == "unit-ids-repeated"]
    assert finding.count == 2 and "(7): numbered, as in 7_2" in finding.message


def test_time_scale_of_the_spikes_alone() -> None:
    raw = (RawUnit("a", TIMES * 1000),)
    recording = assembled(ReadOptions(time_scale=0.001), units=raw, intervals={"trials": trials()})
    assert recording.units[0].spike_times_s == pytest.approx(TIMES)
    assert recording.intervals["trials"]["start_time"].tolist() == [0.0, 3.0, 6.0]
    assert "tables-rescaled" not in {item.id for item in recording.findings}


@pytest.mark.parametrize(
    ("scale", "of_spikes", "cure"),
    [
        (60.0, 1.0, "leaving out --time-scale"),
        (1e-3, 1.0, "leaving out --time-scale"),
        (1.0, 1e3, "--time-scale 0.001"),
        (1e-6, 1e3, "--time-scale 0.001"),
    ],
)
def test_a_wrong_time_scale_is_told_as_such(
    scale: float, of_spikes: float, cure: str, rng: np.random.Generator
) -> None:
    raw = (RawUnit("a", np.cumsum(0.02 + rng.exponential(0.1, 8000)) * of_spikes),)
    tables = {"trials": trials(100, every=8.0)}
    findings = assembled(ReadOptions(time_scale=scale), units=raw, intervals=tables).findings
    (error,) = [item for item in findings if item.level == "error"]
    assert error.message.startswith(f"with --time-scale {scale:g}, ") and error.option == cure


def test_time_scale_takes_tables_of_the_same_unit_along() -> None:
    raw = (RawUnit("a", TIMES * 1000, np.array([[0.0, 10_000.0]])),)
    recording = assembled(ReadOptions(time_scale=0.001), units=raw, intervals={"trials": trials(scale=1000)})
    assert recording.intervals["trials"]["cue_time"].tolist() == pytest.approx([0.5, 3.5, 6.5])
    assert recording.units[0].observed_s is not None and recording.units[0].observed_s.tolist() == [[0.0, 10.0]]
    assert "tables-rescaled" in {item.id for item in recording.findings}


def test_event_offset_moves_all_times_of_the_tables() -> None:
    recording = assembled(
        ReadOptions(event_offset_s=-1.5), intervals={"trials": trials()}, events={"lick": trials()[["start_time"]]}
    )
    assert recording.intervals["trials"].iloc[1].tolist() == [1.5, 2.5, 2.0]
    assert recording.events["lick"]["start_time"].tolist() == [-1.5, 1.5, 4.5]
    assert recording.units[0].spike_times_s is TIMES


def test_open_observed_intervals_end_with_the_recording() -> None:
    """Spikes end at 10.1 s, trials at 7 s; the span says more where there is one."""
    raw = (RawUnit("a", TIMES, np.array([[-np.inf, 2.0], [3.0, np.inf]])),)
    recording = assembled(units=raw, intervals={"trials": trials()})
    assert recording.units[0].observed_s is not None
    np.testing.assert_allclose(recording.units[0].observed_s, [[0, 2], [3, TIMES[-1]]])
    recording = assembled(units=raw, span_s=(0.0, 12.0))
    np.testing.assert_allclose(recording.units[0].observed_s, [[0, 2], [3, 12]])


@pytest.mark.parametrize("bad", [[[5.0, 5.0]], [[np.nan, 3.0], [4.0, 2.0]], [[1e18, np.inf]]])
def test_a_unit_with_bad_intervals_only_is_one_without_intervals(bad: list[list[float]]) -> None:
    recording = assembled(units=(RawUnit("a", TIMES, np.array(bad)),), intervals={"trials": trials()})
    said = {item.id: item.message for item in recording.findings}
    assert recording.units[0].observed_s is None and "treated as not stated" in said["obs-intervals-bad"]
    assert "no-obs-intervals" in said
    assert "obs-intervals-open" not in said


@pytest.mark.parametrize("unknown", [np.nan, np.inf, 1e18, -1e300])
def test_a_stop_that_is_not_known_does_not_drop_its_row(unknown: float) -> None:
    table = trials(6)
    kept = assembled(intervals={"trials": table.assign(stop_time=[unknown, 4.0, unknown, 10.0, 13.0, 16.0])})
    assert kept.intervals["trials"]["stop_time"].isna().tolist() == [True, False, True, False, False, False]
    events = assembled(intervals={"trials": table.assign(stop_time=unknown)}).events["trials"]
    assert len(events) == 6 and "stop_time" not in events


def test_duplicates_are_kept_unless_told_otherwise() -> None:
    raw = (RawUnit("a", np.array([0.1, 0.1, 0.2])),)
    assert len(assembled(units=raw).units[0].spike_times_s) == 3
    dropped = assembled(ReadOptions(drop_duplicates=True), units=raw)
    assert dropped.units[0].spike_times_s.tolist() == [0.1, 0.2]
    assert "duplicate-spikes" not in {item.id for item in dropped.findings}
    (said,) = [item for item in dropped.findings if item.id == "duplicates-dropped"]
    assert (said.count, said.message) == (1, "unit a: 1 spike repeats a time exactly: dropped")


def test_trial_relative_times_are_said_once() -> None:
    raw = (RawUnit("a", np.tile([0.2, 0.5, 1.0], 6)),)
    findings = assembled(units=raw, intervals={"trials": trials(6, every=4.0)}).findings
    assert [item.id for item in findings if item.level == "error"] == ["trial-relative-times"]


def test_units_without_findings_keep_their_order_and_metadata() -> None:
    raw = tuple(RawUnit(str(i), TIMES + i, None, {"depth": i}) for i in (3, 1, 2))
    assert [(unit.id, unit.metadata["depth"]) for unit in assembled(units=raw).units] == [
        ("3", 3),
        ("1", 1),
        ("2", 2),
    ]


def test_alignable_tables_put_the_default_first() -> None:
    tables = {"blocks": trials(2), "epochs": trials(6), "trials": trials(3)}
    assert alignable_tables(tables, {"lick": trials(9)}) == ["trials", "epochs", "blocks", "lick"]
    assert alignable_tables({"epochs": trials(2)}, {"one": trials(1)}) == []


def test_real_recordings_raise_no_error_and_no_false_clock(shared_data: Path) -> None:
    """Signs of a wrong clock must not show in real recordings."""
    clock = {
        "spike-times-scale",
        "trial-relative-times",
        "clock-reset",
        "spike-times-unsorted",
        "spike-times-sentinel",
    }
    for path in sorted(shared_data.glob("*.nwb")):
        assert not clock & {finding.id for finding in read_recording(path).findings}


@pytest.mark.parametrize("scale", [1000.0, 30000.0, 1e6])
def test_real_recordings_in_another_unit_of_time_are_found(shared_data: Path, scale: float) -> None:
    for path in sorted(shared_data.glob("*.nwb")):
        recording = read_recording(path)
        raw = tuple(
            RawUnit(unit.id, np.round(unit.spike_times_s * scale), unit.observed_s) for unit in recording.units
        )
        found = assembled(units=raw, intervals=recording.intervals).findings
        finding = next(item for item in found if item.id == "spike-times-scale")
        assert finding.option is not None and float(finding.option.split()[1]) == pytest.approx(1 / scale, rel=1e-6)


def test_real_recordings_in_milliseconds_with_fractions_are_found(shared_data: Path) -> None:
    for name in ("star_cockroach_e070528", "nd_it_bp1005", "boot_neuro", "star_purkinje_mPK", "grasshopper"):
        recording = read_recording(shared_data / f"{name}.nwb")
        raw = tuple(RawUnit(unit.id, unit.spike_times_s * 1000 + 0.01, unit.observed_s) for unit in recording.units)
        found = assembled(units=raw, intervals=recording.intervals).findings
        assert any(item.id == "spike-times-scale" and item.option == "--time-scale 0.001" for item in found), name
