"""Files of a run: whole or absent, equal bytes for equal content, null for what is undefined."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.names import plain
from rnnspike.runs.stored.store import (
    read_arrays,
    read_jsonl,
    read_stack,
    safe_name,
    write_arrays,
    write_csv,
    write_json,
    write_jsonl,
)


def test_undefined_is_null_never_nan_text(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"a": float("nan"), "b": np.float32("inf"), "c": np.int64(3)}])
    assert read_jsonl(tmp_path / "rows.jsonl", {"c": int}) == [{"a": None, "b": None, "c": 3}]
    write_csv(tmp_path / "rows.csv", [{"a": float("nan"), "c": 3}], ["c", "a"])
    assert (tmp_path / "rows.csv").read_text() == "c,a\n3,\n"


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    arrays = {"b": np.arange(5), "a": np.ones((2, 3), np.float32)}
    write_arrays(tmp_path / "1.npz", arrays)
    write_arrays(tmp_path / "2.npz", dict(reversed(arrays.items())))
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    np.testing.assert_array_equal(read_arrays(tmp_path / "1.npz")["b"], arrays["b"])


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "rows.jsonl", [{"a": 1}])
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_jsonl(tmp_path / "rows.jsonl", [{"a": 2}])
    assert read_jsonl(tmp_path / "rows.jsonl", {"a": int}) == [{"a": 1}]
    assert [each.name for each in tmp_path.iterdir()] == ["rows.jsonl"]


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, min_size=2, max_size=6))
def test_safe_names_are_distinct_and_stay_in_the_folder(ids: list[str]) -> None:
    names = [safe_name(text) for text in ids]
    assert len(set(names)) == len(ids)
    assert all("/" not in name and name.strip(".") for name in names)


def test_plain_is_json() -> None:
    json.dumps(plain({"x": np.arange(3), "y": (np.nan, Path("a"))}), allow_nan=False)


def test_a_stack_comes_back_with_its_scale_and_one_of_old_with_weights_alone(tmp_path: Path) -> None:
    weights = {"glm": 0.75, "lstm": 0.25}
    write_json(tmp_path / "stack.json", {0: {"weights": weights, "scale": 1.03}, 1: weights})
    assert read_stack(tmp_path / "stack.json") == {"0": (weights, 1.03), "1": (weights, 1.0)}
