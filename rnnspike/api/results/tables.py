"""Rows as a list that a notebook shows as a table, and as a data frame with proper types."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pandas as pd

from rnnspike.names import any_text, visible
from rnnspike.runs.rows import Column
from rnnspike.wording import counted

Row = dict[str, Any]
#: Rows that a notebook shows of a table.
MOST_SHOWN = 20
#: Types of columns that hold None as well.
_DTYPES: dict[Any, str] = {int: "Int64", float: "float64", bool: "boolean"}


class Rows(list[Row]):
    """Rows, each a dictionary by column; ``frame()`` is the table of them.

    Parameters
    ----------
    rows
        By column.
    shown
        Columns that a notebook shows; all where empty.
    columns
        Declarations of columns, for their types.
    """

    def __init__(
        self, rows: Iterable[Mapping[str, Any]] = (), shown: Sequence[str] = (), columns: Sequence[Column] = ()
    ) -> None:
        super().__init__(map(dict, rows))
        self.shown = tuple(shown)
        self.types = {column.name: column.type for column in columns}

    def __repr__(self) -> str:
        columns = list(self[0]) if self else []
        return f"<{counted(len(self), 'row{s}')} of {', '.join(columns[:8])}{', …' * (len(columns) > 8)}; frame()>"

    def _repr_html_(self) -> str:
        columns = [
            name for name in self.shown or (self[0] if self else ()) if any(row.get(name) is not None for row in self)
        ]
        return html_table(columns, [[_text(row.get(name)) for name in columns] for row in self])

    def frame(self) -> pd.DataFrame:
        """Return the rows as a table: whole numbers, numbers, booleans and text, with missing values."""
        return frame_of(self, self.types)


def frame_of(rows: Sequence[Mapping[str, Any]], types: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """Return rows as a table with proper types.

    Parameters
    ----------
    rows
        By column; what a row lacks is missing.
    types
        Types of columns; those of others are those of their values.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {}
    with any_text():
        for name in names:
            values = [row.get(name) for row in rows]
            columns[name] = pd.Series(values, dtype=_DTYPES.get((types or {}).get(name) or _type_of(values)))
        return pd.DataFrame(columns, columns=names)


def _type_of(values: Sequence[Any]) -> Any:
    """Return the type of a column's values: bool, int, float, or None where pandas decides."""
    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float}:
        return float if float in kinds else int
    return bool if kinds == {bool} else None


def html_table(headings: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """Return a compact table as HTML; whatever its texts hold is shown as it stands."""
    head = "".join(f"<th>{_html(each)}</th>" for each in headings)
    body = "".join(f"<tr>{''.join(f'<td>{_html(each)}</td>' for each in row)}</tr>" for row in rows[:MOST_SHOWN])
    more = len(rows) - MOST_SHOWN
    foot = f"<div>… and {counted(more, 'more row{s}')}</div>" if more > 0 else ""
    title = f"<div>{_html(caption)}</div>" if caption else ""
    return f"{title}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{foot}"


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """Return the message for a name that there is not, with the closest one and those that there are."""
    close = difflib.get_close_matches(name, known, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"no {what} {visible(name)!r}{hint} (there are {', '.join(known[:40]) or 'none'})"


def _html(text: str) -> str:
    return escape(visible(text))


def _text(value: Any) -> str:
    """Return a value as a cell shows it."""
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
