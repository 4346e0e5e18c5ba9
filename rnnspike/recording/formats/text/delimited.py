"""Delimited text with a header; the delimiter is taken from the header, not guessed from all rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

_COMMA = re.compile(r"^[+-]?\d+,\d+$")
#: A zero before other digits: the fraction of a number, not an integer.
_FRACTION = re.compile(r"^[+-]?\d+,0\d+$")


def decimal_comma(lines: Iterable[str]) -> str | None:
    """Return an example of a decimal comma (``0,0239``) if numbers in these lines are written so, else None.

    ``0,23`` may be two numbers or one. A decimal comma is certain with ``;`` or a tab in the line, or with a fraction
    that starts with zero.

    Examples
    --------
    >>> decimal_comma(["0,02394", "0,12"]), decimal_comma(["1;0,25"]), decimal_comma(["0,23", "1,50"])
    ('0,02394', '0,25', None)
    """
    for line in lines:
        fields = re.split(r"[;\t]", line.strip())
        commas = [field.strip() for field in fields if _COMMA.match(field.strip())]
        if commas and (len(fields) > 1 or any(map(_FRACTION.match, commas))):
            return commas[0]
    return None


def decimal_comma_message(example: str) -> str:
    """Return the message that numbers have decimal commas."""
    return f"its numbers have decimal commas ({example}): write them with points"


def header_line(path: Path) -> str:
    """Return the first line that is neither empty nor a comment; an empty text without one."""
    with path.open(encoding="utf-8-sig") as file:
        return next((line.strip() for line in file if line.strip() and not line.startswith("#")), "")


def header_fields(line: str) -> list[str]:
    """Return the fields of a header line."""
    return [field for field in re.split(r"[,;\t]|\s+", line) if field]


def read_delimited(path: Path) -> pd.DataFrame:
    """Return the rows of a file by its header; ValueError if they do not match it or there is no header."""
    line = header_line(path)
    if not line:
        raise ValueError("it is empty")
    separator = next((mark for mark in ",;\t" if mark in line), r"\s+")
    table = pd.read_csv(path, sep=separator, comment="#", skipinitialspace=True, encoding="utf-8-sig")
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("rows have more fields than the header: numbers with decimal commas?")
    table.columns = [str(name).strip() for name in table.columns]
    return table
