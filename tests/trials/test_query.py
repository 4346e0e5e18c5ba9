"""The query language of ``--units``: what it keeps, and that it runs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnspike.trials.query import MAX_CHARACTERS, NumberedText, QueryError, matching_rows

ROWS = [
    {"id": NumberedText.of("7", 7), "area": "V1", "depth": 1.5, "good": True, "a (b)": 3, "label": "good|1", "n": 10},
    {"id": NumberedText.of("10", 10), "area": "IT", "depth": None, "good": None, "a (b)": 1, "label": None, "n": 0},
    {"id": NumberedText.of("12", 12), "area": "V2", "depth": -2, "good": False, "a (b)": 0, "label": "MUA", "n": 7},
]


def kept(query: str) -> list[str] | None:
    chosen = matching_rows(query, ROWS)
    return None if chosen is None else [row["id"] for row, keep in zip(ROWS, chosen, strict=True) if keep]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id == '10'", "10"),
        ("id == 10", "10"),
        ("id < 11", "7 10"),
        ("id != 7", "10 12"),
        ("id + 1 == 8", "7"),
        ("id in [7, '12']", "7 12"),
        ("id not in ('7',)", "10 12"),
        ("area == ['V1', 'IT']", "7 10"),
        ("-3 < depth < 1", "12"),
        ("depth != 1.5", "10 12"),
        ("not depth > 0", "10 12"),
        ("depth == None", "10"),
        ("depth.isna() or good", "7 10"),
        ("depth.notna() & ~good", "12"),
        ("n > 5 & depth > 0 | area == 'IT'", "7 10"),
        ("abs(depth) >= 2", "12"),
        ("100 / n > 11", "12"),
        ("n % 2 == 0 and n // 3 == 3", "7"),
        ("`a (b)` > 0", "7 10"),
        ("index >= 1", "10 12"),
        ("area.str.startswith('V')", "7 12"),
        ("area.str.endswith(('1', 'T'))", "7 10"),
        ("label.str.contains('good|')", "7"),
        ("label.str.contains('mua', case=False, na=True)", "10 12"),
        ("label.str.lower() == 'mua'", "12"),
        ("area.str.lower().str.contains('v') and not label.str.contains('|')", "12"),
        ("area.isin(['V2', \"IT\"])", "10 12"),
        ("n.between(5, 7)", "12"),
        ("area == 'a`b' or area == 'V1'", "7"),
        ("id == '7'\n  or id == '12'", "7 12"),
    ],
)
def test_conditions(query: str, ids: str) -> None:
    assert kept(query) == ids.split()


@pytest.mark.parametrize("query", ["True", "1 < 2", "depth", "area", "id, n", "n + 1", "[n > 1]", "area.str.lower()"])
def test_no_condition(query: str) -> None:
    assert kept(query) is None


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("dept > 1", "no column .dept., did you mean depth?"),
        ("area.str.startwith('V')", "area.str.startwith is not a known method .did you mean startswith?"),
        ("area.eval('1')", "area.eval is not a known method"),
        ("area == 3", "compares text with a number"),
        ("depth > '1'", "compares text with a number"),
        ("n > 5 and", "invalid syntax"),
        ("n = 5", "at = 5"),
        ("area in 'V1'", "needs a list"),
        ("depth.str.lower() == 'a'", "depth is not text"),
        ("area.str.contains('(a+)+$', regex=True)", "arguments that the method does not accept"),
        ("area.isin('V1')", "arguments that the method does not accept"),
        ("depth and good", "depth is neither true nor false"),
        ("area * 3 == 'V1V1V1'", "area is not a number"),
        ("`no such` > 3", "no column 'no such'"),
    ],
)
def test_what_cannot_be_asked_is_named(query: str, words: str) -> None:
    with pytest.raises(QueryError, match=words):
        kept(query)


@pytest.mark.parametrize(
    "query",
    [
        "@pd.io.common.os.system('touch {}') == 0",
        "id.to_csv('{}') == 0",
        "__import__('os').system('touch {}') == n",
        "id.__class__.__mro__ == n",
        "n.values.tofile('{}')",
        "open('{}', 'w') == id",
        "(lambda: id)()",
        "[x for x in id] == id",
        "f'{{id}}' == '7'",
        "(x := id) == '7'",
        "id[0] == '7'",
        "id if n else id",
        "id.str.__class__('a')",
        "id.str.format('{}')",
        "area.str.lower.__globals__ == n",
        "id @ n",
        "n == 9**9**9",
        "area == 'a' * 10**9",
        "n << 100000 > 1",
        "n == 1j",
        "id == b'7'",
        "id == ...",
        "id is not None",
        "area.str.contains(*['a'])",
        "area.str.contains(**{{}})",
        "n.isna",
        "pd.isna(id)",
        "eval('1') == n",
    ],
)
def test_nothing_is_run(query: str, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        kept(query.format(tmp_path / "run"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "piece",
    ["(", "-", "not ", "~", "n if n else ", "lambda:", "n.str.", "n[", "n(", "1+", "f'{", "\0", "9", "\udce9", "`"],
)
@pytest.mark.parametrize("n", [60, 1_200, 5_000, MAX_CHARACTERS])
def test_deep_and_long_ones_end_in_a_line(piece: str, n: int) -> None:
    with pytest.raises(QueryError) as error:
        kept((piece * n)[: MAX_CHARACTERS + 1] + "n > 1")
    assert len(str(error.value)) < 300 and "\n" not in str(error.value)


def test_many_ids_are_no_depth() -> None:
    assert kept(" or ".join(f"id == {k}" for k in range(9, 1000))) == ["10", "12"]
    assert kept(f"id in {list(range(9, 3000))}") == ["10", "12"]
