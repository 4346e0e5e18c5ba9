"""Delimited text with a header: the mark between fields is told from the header, not guessed from all rows."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd


def header_line(path: Path) -> str:
    """Return the first line that is neither empty nor a comment; empty where there is none."""
    with path.open(encoding="utf-8-sig") as file:
        return next((line.strip() for line in file if line.strip() and not line.startswith("#")), "")


def header_fields(line: str) -> list[str]:
    """Return the fields of a header line."""
    return [field for field in re.split(r"[,;\t]|\s+", line) if field]


def read_delimited(path: Path) -> pd.DataFrame:
    """Return the rows of a file by its header; ValueError where they do not fit or there is no header."""
    line = header_line(path)
    if not line:
        raise ValueError("it is empty")
    separator = next((mark for mark in ",;\t" if mark in line), r"\s+")
    table = pd.read_csv(path, sep=separator, comment="#", skipinitialspace=True, encoding="utf-8-sig")
    table.columns = [str(name).strip() for name in table.columns]
    return table
