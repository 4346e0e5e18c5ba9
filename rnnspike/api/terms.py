"""Messages that name options of the command line, in Python's terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from rnnspike.config import FitSettings
from rnnspike.errors import RnnspikeError

#: Options that are true or false, and so are written with a value in Python.
_SWITCHES = {name for name, field in FitSettings.model_fields.items() if field.annotation is bool} | {"overwrite"}
#: Options that are called otherwise in Python.
_OTHERWISE = {"intensity": "rates", "rates": "quantity"}
#: An option in a message, with the value (or two numbers, of a window) that is written after it.
_OPTION = re.compile(
    r"--(?P<no>no-)?(?P<name>[a-z][a-z-]*[a-z])"
    r"(?: (?P<value>[+-]?\d[\w.+-]*(?: [+-]?\d[\w.+-]*)?|[A-Z]{2,}(?=[ ,;:)]|$)))?"
)


@contextmanager
def in_python_terms() -> Iterator[None]:
    """Have errors name arguments where they would name options of the command line."""
    try:
        yield
    except RnnspikeError as error:
        error.args = (in_python(str(error)),)
        raise


def in_python(text: str) -> str:
    """Return a message with options written as arguments.

    Examples
    --------
    >>> in_python("no trials (try --segment 2s, --window -0.2 1 or --drop-duplicates)")
    "no trials (try segment='2s', window=(-0.2, 1) or drop_duplicates=True)"
    """

    def written(found: re.Match[str]) -> str:
        name, value = found["name"].replace("-", "_"), found["value"]
        name = _OTHERWISE.get(name, name)
        if name in _SWITCHES:
            return f"{name}={not found['no']}" + (f" {value}" if value else "")
        if value is None:
            return name
        parts = [
            part if re.fullmatch(r"[+-]?\d+(\.\d*)?(e[+-]?\d+)?", part) else repr(part) for part in value.split()
        ]
        if name == "window" or len(parts) == 1:
            return f"{name}={parts[0]}" if len(parts) == 1 else f"{name}=({', '.join(parts)})"
        return f"{name}={parts[0]} {value.split()[1]}"

    return _OPTION.sub(written, text)
