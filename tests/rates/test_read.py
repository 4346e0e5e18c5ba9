"""Files of rates."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import RatesError
from rnnspike.rates.read import RateSeries, RateTable, read_rates, split_key, table_of

CUBE = np.arange(24.0).reshape(2, 3, 4)


def test_an_array_in_a_file_of_its_own(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CUBE)
    found = read_rates(str(tmp_path / "a.npy"))
    np.testing.assert_array_equal(found.values, CUBE)
    np.save(tmp_path / "b.npy", CUBE[:, :, 0])
    assert read_rates(str(tmp_path / "b.npy")).values.shape == (2, 3, 1)


def test_arrays_by_name(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    np.savez(file, lfads=CUBE, other=CUBE + 1, unit_ids=list("abcd"), trial=[1, 0])
    table = read_rates(f"{file}:lfads")
    np.testing.assert_array_equal(table.values, CUBE)
    assert isinstance(table, RateTable)
    assert table.unit_ids == ("a", "b", "c", "d")
    assert table.trial is not None and table.trial.tolist() == [1, 0]
    with pytest.raises(RatesError, match=r"not clear \(lfads \(2, 3, 4\), other"):
        read_rates(str(file))
    with pytest.raises(RatesError, match=r"a.npz:none: has no array none \(it has lfads \(2, 3, 4\), other"):
        read_rates(f"{file}:none")


def test_a_file_that_crashes_its_library_is_that_files_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as stored:
        stored["rates"] = CUBE
    monkeypatch.setattr("rnnspike.rates.read._of_hdf5", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    with pytest.raises(RatesError, match=r"a\.h5: cannot be read: reading it crashed the reader \(signal 11\)"):
        read_rates(str(file))


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.h5"])
def test_a_pipe_and_a_missing_file_are_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(RatesError, match="there is no such file"):
        read_rates(str(tmp_path / name))
    os.mkfifo(tmp_path / name)
    with pytest.raises(RatesError, match="is no regular file"):
        read_rates(str(tmp_path / name))


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_damaged_header_is_that_files_error(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "a.npz", rates=CUBE) if name.endswith("z") else np.save(tmp_path / "a.npy", CUBE)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content.replace(b"'shape': (2", b"'shape': ((", 1))
    with pytest.raises(RatesError, match="cannot be read"):
        read_rates(str(tmp_path / name))


@pytest.mark.parametrize("column", ["bin", "time"])
def test_long_form(tmp_path: Path, column: str) -> None:
    place = [0, 1, 2] if column == "bin" else [-0.1, -0.099, -0.098]
    lines = [
        {"trial": trial, column: place[at], "unit": unit, "value": CUBE[trial, at, unit]}
        for trial in (1, 0)
        for at in range(3)
        for unit in range(4)
    ]
    file = tmp_path / "a.csv"
    pd.DataFrame(lines).sample(frac=1, random_state=0).to_csv(file, index=False)
    table = read_rates(str(file))
    np.testing.assert_array_equal(table.values, CUBE)
    assert isinstance(table, RateTable)
    assert table.unit_ids == ("0", "1", "2", "3")
    if column == "time":
        np.testing.assert_allclose(table.times_s, place)
    pd.DataFrame([*lines, lines[0]]).to_csv(file, index=False)
    with pytest.raises(RatesError, match="same trial, bin and unit"):
        read_rates(str(file))


def test_unit_ids_of_a_table_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("trial,bin,unit,value\n0,0,01,1.0\n0,0,1,2.0\n0,0,NA,3.0\n")
    table = read_rates(str(tmp_path / "a.csv"))
    assert isinstance(table, RateTable)
    assert table.unit_ids == ("01", "1", "NA") and table.values.tolist() == [[[1.0, 2.0, 3.0]]]


@pytest.mark.parametrize(
    "ids", [np.array([b"7", b"8"]), np.array([7.0, 8.0]), np.array([7, 8]), np.array(["7", "8"])]
)
def test_unit_ids_of_an_array_may_be_bytes_or_numbers(ids: np.ndarray) -> None:
    assert table_of({"rates": CUBE[:, :, :2], "unit_ids": ids}, "a").unit_ids == ("7", "8")


@pytest.mark.parametrize("trial", [[0.5, 1.0], [-1, 0], [np.nan, 0], [np.inf, 0]])
def test_trials_are_numbered_in_whole_numbers(tmp_path: Path, trial: list[float]) -> None:
    with pytest.raises(RatesError, match=f"trial must be whole numbers from 0 on; one is {trial[0]:g}"):
        table_of({"rates": CUBE, "trial": trial}, "a")
    pd.DataFrame({"trial": trial, "bin": 0, "unit": 1, "value": 1.0}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(RatesError, match="must be whole numbers from 0 on"):
        read_rates(str(tmp_path / "a.csv"))
    assert table_of({"rates": CUBE, "trial": [1.0, 0.0]}, "a").trial.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.txt", b"", "rates are read from"),
        ("a.npy", b"not an array", "cannot be read"),
        ("a.npz", b"", "cannot be read"),
        ("a.csv", b"trial,unit\n0,1\n", "needs columns"),
        ("a.csv", b"trial,bin,unit,value\n0,1,1,.5\n0,2,1,.5\n", "no line is of bin 0: bins count from 0"),
        ("a.csv", b"trial,bin,unit,value\n0,0,1,.5\n0,1,1,.5\n0,3,1,.5\n", "no line is of bin 2"),
        ("a.csv", b"trial,bin,unit,value\n0,0.5,1,.5\n", "the values of bin must be whole numbers"),
        ("a.csv", b"trial,bin,unit,value\n0,0,1,high\n", "the values of value are not numbers"),
        ("a.csv", b"trial,bin,unit,value\nfirst,0,1,.5\n", "the values of trial are not numbers"),
        ("a.csv", b"trial,time,unit,value\n0,10ms,1,.5\n", "the values of time are not numbers"),
        ("a.csv", b"trial,time,unit,value\n0,0,1,.5\n0,,1,.5\n", "a line has no time"),
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes, why: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RatesError, match=why) as raised:
        read_rates(str(tmp_path / name))
    assert "\n" not in str(raised.value)
    with pytest.raises(RatesError, match="no such file"):
        read_rates(str(tmp_path / "none.npy"))


def test_a_colon_parts_file_and_key_unless_the_file_is_called_so(tmp_path: Path) -> None:
    assert split_key("a/b.h5:/c/d") == (Path("a/b.h5"), "/c/d")
    assert split_key("lfads") == (Path("lfads"), None)
    (tmp_path / "x:y.npy").touch()
    assert split_key(str(tmp_path / "x:y.npy")) == (tmp_path / "x:y.npy", None)


def test_hdf5_by_path(tmp_path: Path) -> None:
    file = tmp_path / "a.h5"
    with h5py.File(file, "w") as made:
        made["model/rates"] = CUBE
        made["model/unit_ids"] = ["a", "b", "c", "d"]
        made["model/trial"] = [1, 0]
    lone, group = read_rates(f"{file}:/model/rates"), read_rates(f"{file}:model")
    assert isinstance(lone, RateTable) and isinstance(group, RateTable)
    np.testing.assert_array_equal(lone.values, CUBE)
    assert group.unit_ids == ("a", "b", "c", "d")
    assert group.trial is not None and group.trial.tolist() == [1, 0]
    with pytest.raises(RatesError, match=r"no array of rates lies at /, which holds model \(try .*a.h5:/PATH"):
        read_rates(str(file))
    with pytest.raises(RatesError, match="no array or group at /none"):
        read_rates(f"{file}:/none")
    with pytest.raises(RatesError, match="not an HDF5 file"):
        (tmp_path / "b.h5").write_bytes(b"nothing of the kind")
        read_rates(str(tmp_path / "b.h5"))


@pytest.mark.parametrize("timestamps", [False, True])
def test_a_time_series_of_an_nwb_file(tmp_path: Path, timestamps: bool) -> None:
    file, values = tmp_path / "a.nwb", np.arange(20.0).reshape(10, 2)
    with h5py.File(file, "w") as made:
        series = made.create_group("processing/ecephys/rates")
        series["data"] = values
        series.attrs["neurodata_type"] = "TimeSeries"
        if timestamps:
            series["timestamps"] = 3 + 0.01 * np.arange(10)
        else:
            series["starting_time"] = 3.0
            series["starting_time"].attrs["rate"] = 100.0
    found = read_rates(f"{file}:/processing/ecephys/rates")
    assert isinstance(found, RateSeries)
    np.testing.assert_allclose(found.times_s, 3 + 0.01 * np.arange(10))
    np.testing.assert_array_equal(found.values, values)
