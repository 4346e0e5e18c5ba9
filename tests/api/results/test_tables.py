from __future__ import annotations

from rnnspike.api.results.tables import Rows, frame_of, html_table


def test_types_are_those_of_the_values() -> None:
    frame = frame_of([{"a": 1, "b": 0.5, "c": True, "d": "x"}, {"a": None, "b": None, "c": None, "e": 2}])
    assert [str(frame[name].dtype) for name in "abce"] == ["Int64", "float64", "boolean", "Int64"]
    assert frame["a"].isna().tolist() == [False, True]


def test_declared_types_hold_where_all_is_missing() -> None:
    assert frame_of([{"a": None}], {"a": float})["a"].dtype == "float64"


def test_what_texts_hold_is_shown_as_it_stands() -> None:
    page = html_table(["<b>"], [["<script>alert(1)</script>\x1b[31m"]])
    assert "<script>" not in page and "&lt;script&gt;" in page and "\x1b" not in page


def test_long_tables_are_cut() -> None:
    page = Rows({"n": k} for k in range(30))._repr_html_()
    assert page.count("<tr>") == 21 and "10 more rows" in page
