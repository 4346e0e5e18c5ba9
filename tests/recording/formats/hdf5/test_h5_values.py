from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.recording.formats.hdf5 import h5_values
from rnnspike.recording.formats.hdf5.h5 import ContentError


@pytest.fixture
def file(tmp_path: Path) -> Any:
    with h5py.File(tmp_path / "made.h5", "w") as file:
        yield file


@pytest.mark.parametrize("shape", [(3,), (3, 1), (1, 3), (1, 1, 3)])
def test_a_list_of_any_shape(file: h5py.File, shape: tuple[int, ...]) -> None:
    file["x"] = np.array([1, 2, 3]).reshape(shape)
    assert h5_values.numbers(file["x"]).tolist() == [1.0, 2.0, 3.0] and h5_values.length(file["x"]) == 3
    file["t"] = np.array([b"a", b"b", b"c"]).reshape(shape)
    assert h5_values.strings(file["t"]).tolist() == ["a", "b", "c"]


def test_a_scalar_is_a_list_of_one_and_back(file: h5py.File) -> None:
    file["x"], file["t"], file["one"] = 4, "word", [[2.5]]
    assert h5_values.numbers(file["x"]).tolist() == [4.0] and h5_values.strings(file["t"]).tolist() == ["word"]
    assert h5_values.number(file["one"], "x") == h5_values.number(np.array([2.5]), "x") == 2.5


@pytest.mark.parametrize(
    "stored", [np.zeros((2, 3)), np.array([b"a"]), np.zeros(2, complex), np.zeros(2, [("a", "f8")])]
)
def test_no_list_of_numbers(file: h5py.File, stored: Any) -> None:
    file["x"] = stored
    with pytest.raises(ContentError):
        h5_values.numbers(file["x"])


@pytest.mark.parametrize("stored", ["100 Hz", b"5", np.array([1.0, 2.0]), np.array([], float)])
def test_no_number(stored: Any) -> None:
    with pytest.raises(ContentError, match="rate"):
        h5_values.number(stored, "rate")


@pytest.mark.parametrize(
    "stored", [[-1, 2], [0.5, 1], [np.nan, 1], [np.inf, 1], [b"1"], np.array([2**63], np.uint64)]
)
def test_no_whole_numbers(file: h5py.File, stored: Any) -> None:
    file["x"] = np.array(stored)
    with pytest.raises(ContentError):
        h5_values.whole_numbers(file["x"])


@pytest.mark.parametrize(
    "made",
    [{"shape": (10**9,), "dtype": "i4", "chunks": (1024,)}, {"shape": (10**8,), "dtype": "f8"},
     {"shape": (10**8,), "dtype": h5py.string_dtype(), "chunks": (1024,)},
     {"shape": (3,), "dtype": "S100000000", "chunks": (1,)},
     {"shape": (10**6,), "dtype": "f8", "chunks": (1000,), "compression": "gzip"}],
)  # fmt: skip
def test_a_size_that_is_only_declared_is_refused(file: h5py.File, made: dict[str, Any]) -> None:
    dataset = file.create_dataset("x", **made)
    with pytest.raises(ContentError, match="declares"):
        h5_values.values(dataset)
    with pytest.raises(ContentError, match="declares"):
        h5_values.strings(dataset)


def test_one_chunk_does_not_vouch_for_the_others(file: h5py.File) -> None:
    dataset = file.create_dataset("x", (10**8,), "f8", chunks=(1000,), compression="gzip")
    dataset[:1000] = np.arange(1000)
    with pytest.raises(ContentError, match="declares"):
        h5_values.values(dataset)


@pytest.mark.parametrize(
    "filters",
    [
        {"compression": "gzip"},
        {"compression": "gzip", "shuffle": True, "chunks": (10**6,)},
        {"compression": "lzf"},
        {"scaleoffset": 0},
    ],
)
def test_a_constant_that_was_written_is_read(file: h5py.File, filters: dict[str, Any]) -> None:
    dataset = file.create_dataset("x", data=np.full(10**6, 7), **filters)
    assert h5_values.values(dataset).sum() == 7 * 10**6


def test_few_values_never_written_are_fill_values(file: h5py.File) -> None:
    assert h5_values.values(file.create_dataset("x", (500,), "f8", fillvalue=2.0)).tolist() == [2.0] * 500


def test_many_long_texts_are_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "long.h5", "w") as file:
        file["x"] = np.array(["a" * 10**5] * 300, h5py.string_dtype())
    with h5py.File(tmp_path / "long.h5") as file:
        assert set(map(len, h5_values.strings(file["x"]))) == {10**5}


def test_many_references_to_one_long_text_are_refused(file: h5py.File) -> None:
    dataset = file.create_dataset("x", (1000,), h5py.string_dtype(), chunks=(1000,))
    dataset[0] = "a" * 10**5
    file.flush()
    reference = dataset.id.read_direct_chunk((0,))[1][:16]
    dataset.id.write_direct_chunk((0,), reference * 1000)
    with pytest.raises(ContentError, match="more text"):
        h5_values.strings(dataset)


def test_an_attribute_of_absurd_size_is_refused(file: h5py.File) -> None:
    small = h5py.File(file.filename + "3", "w", libver="latest")
    small.attrs["colnames"] = np.zeros(10**5, "i1")
    with pytest.raises(ContentError, match="colnames"):
        h5_values.attribute(small, "colnames")
    assert h5_values.label(small, "colnames", "none") == "none"
    small.close()


def test_empty_datasets_hold_nothing(file: h5py.File) -> None:
    file["x"], file["t"] = h5py.Empty("f8"), h5py.Empty(h5py.string_dtype())
    assert h5_values.numbers(file["x"]).size == 0 and h5_values.strings(file["t"]).size == 0
