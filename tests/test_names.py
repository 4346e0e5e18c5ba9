"""Names from files are data, however they are shown or written."""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.names import any_text, from_cell, in_picture, to_cell, to_json, visible
from rnnspike.report.packing import to_script
from rnnspike.runs.stored.store import csv_line, frame_csv, read_csv, safe_name, write_csv

ANY_TEXT = st.text(st.characters(min_codepoint=0, max_codepoint=0x2FFFF))
HIDDEN = ["\x00", "\x07", "\n", "\r", "\x1b", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066", "\udce9"]


@pytest.mark.parametrize("character", HIDDEN)
def test_hidden_characters_are_seen(character: str) -> None:
    assert visible(f"a{character}b") == "a" + character.encode("unicode_escape").decode() + "b"
    assert json.loads(to_json({character: character})) == {character: character}


@given(ANY_TEXT)
def test_what_is_shown_is_one_line_without_controls(text: str) -> None:
    for shown in (visible(text), to_json(text)):
        assert not {unicodedata.category(each) for each in shown} & {"Cc", "Cs", "Zl", "Zp"}
        assert shown.encode().decode() == shown


@given(ANY_TEXT)
def test_json_says_what_was_given(text: str) -> None:
    assert json.loads(to_json({"name": text})) == {"name": text}


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-2+3|cmd", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''@x", "-", "+"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert to_cell(text) == f"'{text}" and from_cell(to_cell(text)) == text


@pytest.mark.parametrize("value", ["-1", "+2.5", "-1e-3", "a=1", "'quoted'", "", "12", -1, 2.5, True])
def test_numbers_and_plain_texts_stay(value: object) -> None:
    assert to_cell(value) == value and from_cell(value) == value


@given(ANY_TEXT)
def test_cells_are_read_back(text: str) -> None:
    assert from_cell(to_cell(text)) == text
    (row,) = csv.reader(io.StringIO(csv_line([text, 1]), newline=""))
    assert from_cell(row[0]) == text


@pytest.mark.parametrize("write", [True, False])
def test_tables_with_any_ids_are_read_back(tmp_path: Path, write: bool) -> None:
    ids = ["=1+1", "'=1", "NA", "nan", "-1", 'a"b', "a\nb", "a,b", "\x1b", "caf\udce9", "null", "001"]
    with any_text():
        frame = pd.DataFrame({"unit": ids, "=x": np.arange(len(ids)) / 3, "none": np.nan})
    if write:
        write_csv(tmp_path / "a.csv", frame.to_dict("records"), ["unit"])
    else:
        (tmp_path / "a.csv").write_bytes(frame_csv(frame))
    assert b"\n=" not in (tmp_path / "a.csv").read_bytes() and b",'=x" in (tmp_path / "a.csv").read_bytes()
    pd.testing.assert_frame_equal(read_csv(tmp_path / "a.csv", {"unit": str, "=x": float}), frame)


@given(ANY_TEXT)
def test_json_in_a_script_neither_ends_nor_hides_it(text: str) -> None:
    script = to_script({"name": text})
    assert "<" not in script and json.loads(script) == {"name": visible(text)}


@given(st.lists(ANY_TEXT, min_size=2, max_size=2, unique=True))
def test_file_names_are_distinct_and_stay_in_their_folder(texts: list[str]) -> None:
    names = [safe_name(text) for text in texts]
    assert len(set(names)) == 2
    assert all(name.isascii() and 0 < len(name) <= 100 and not set(name) & set('/\\:*?"<>|\0') for name in names)
    assert not {".", ".."} & set(names)


def test_long_names_are_cut_and_stay_apart() -> None:
    names = {safe_name("x" * 300 + end) for end in ("", "a", "b", "/")}
    assert len(names) == 4 and max(map(len, names)) == 100


@pytest.mark.parametrize("text", ["$\\frac{", "$x$", "a\\$b", "$$", "_x", "a\nb", "x" * 500])
def test_pictures_show_names_as_they_are(text: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    drawn = figure.suptitle(in_picture(text))
    figure.savefig(io.BytesIO(), format="png")
    assert drawn._preprocess_math(drawn.get_text())[0] == visible(text)[:47] + (
        "…" if len(text) > 48 else visible(text)[47:]
    )
