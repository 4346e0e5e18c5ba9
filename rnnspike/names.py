"""Names from files are data: how they are shown on one line, and written as JSON and CSV, whatever is in them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Control characters beyond ASCII's first, separators of lines, what turns text round, and halves of characters.
_HIDDEN = "\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_HIDDEN_IN_JSON, _HIDDEN_ON_A_LINE = re.compile(f"[{_HIDDEN}]"), re.compile(f"[\x00-\x1f{_HIDDEN}]")
#: What spreadsheets take for a formula, with apostrophes that stand before it already; a plain number is none.
_FORMULA, _NUMBER = re.compile(r"'*[=+\-@\t\r\n]"), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def visible(text: str) -> str:
    r"""Return a text on one line that does nothing to a terminal: what is hidden as escapes.

    Examples
    --------
    >>> print(visible("a\x1b[31m\nb"))
    a\x1b[31m\nb
    """
    return _HIDDEN_ON_A_LINE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def in_message(text: str, most: int = 1500) -> str:
    """Return a message as it is shown: ``visible``, and cut in its middle where it repeats a text without end.

    Examples
    --------
    >>> in_message("a" * 99, 11)
    'aaaaa…aaaaa'
    """
    text = visible(text)
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def in_picture(text: str, most: int = 48) -> str:
    """Return a text as matplotlib draws it as it stands, no longer than ``most``: a ``$`` begins no formula.

    Examples
    --------
    >>> print(in_picture("$x$"), in_picture("a" * 99, 9))
    \\$x\\$ aaaaaaaa…
    """
    text = visible(text)
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")


@contextmanager
def any_text() -> Iterator[None]:
    """Have pandas keep text of new tables as Python's strings: those of Arrow, if installed, must be valid UTF-8."""
    import pandas as pd

    with pd.option_context("mode.string_storage", "python"):
        yield


def plain(value: Any) -> Any:
    """Return a value as JSON holds it: numpy scalars and arrays plain, NaN and infinity null, paths as text.

    Examples
    --------
    >>> plain({"a": (1.0, float("nan")), 2: Path("b")})
    {'a': [1.0, None], '2': 'b'}
    """
    if hasattr(value, "tolist"):
        is_float = getattr(getattr(value, "dtype", None), "kind", None) == "f"
        if is_float and abs(value).max(initial=0.0) < math.inf:  # neither NaN nor infinity
            return value.tolist()
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def to_json(value: Any, **options: Any) -> str:
    r"""Return JSON that says just what was given, is always UTF-8, and does nothing to a terminal.

    Examples
    --------
    >>> print(to_json("é\x9b"))
    "é\u009b"
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, **options)
    return _HIDDEN_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def to_cell(value: Any) -> Any:
    """Return a value as a cell of CSV holds it: an apostrophe before a text that spreadsheets would calculate.

    Examples
    --------
    >>> to_cell("=1+1"), to_cell("-1"), to_cell(-1), to_cell(None)
    ("'=1+1", '-1', -1, '')
    """
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{value}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else value


def from_cell(value: Any) -> Any:
    """Return what ``to_cell`` was given.

    Examples
    --------
    >>> from_cell("'=1+1"), from_cell("'quoted'")
    ('=1+1', "'quoted'")
    """
    return value[1:] if isinstance(value, str) and value.startswith("'") and _FORMULA.match(value) else value
