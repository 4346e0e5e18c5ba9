"""Durations as people write them."""

from __future__ import annotations

import re

_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "": 1.0}


def parse_duration(text: str | float) -> float:
    """Return seconds from ``"1ms"``, ``"500 us"``, ``"-0.2"`` (seconds) or a number.

    Raises
    ------
    ValueError
        Where the text is no duration.

    Examples
    --------
    >>> parse_duration("1ms"), parse_duration("2 s"), parse_duration(-0.2)
    (0.001, 2.0, -0.2)
    """
    match = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(us|ms|s|min|)\s*", str(text))
    if match is None:
        raise ValueError(f"{text!r} is no duration (write 1ms, 0.5s or 2)")
    return float(match[1]) * _SECONDS[match[2]]
