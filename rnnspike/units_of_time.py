"""Durations as people write them, and which of them a number without a unit may stand for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Factor and divisor from a unit to seconds: 9 / 1000 is .009, and 9 times .001 is not.
_SECONDS = {
    "us": (1.0, 1e6),
    "ms": (1.0, 1e3),
    "s": (1.0, 1.0),
    "min": (60.0, 1.0),
    "h": (3600.0, 1.0),
    "": (1.0, 1.0),
}


@dataclass(frozen=True)
class Plausible:
    """Seconds within which a bare number is taken for seconds: beyond, it may well be milliseconds.

    ``least`` is the bound below which no value is taken, with a unit or without (``above``: nor that value itself).
    """

    low_s: float
    high_s: float
    least: float = -math.inf
    above: bool = False


_WIDTH = Plausible(1e-6, 0.1, 0.0, above=True)
_LONG = Plausible(0.02, 60.0, 0.0, above=True)
#: Every option that is a duration, by its long name.
DURATIONS = {
    "bin": _WIDTH,
    "dt": _WIDTH,
    "step": Plausible(1e-6, 1.0, 0.0, above=True),
    "bandwidth": Plausible(1e-5, 5.0, 0.0, above=True),
    "sigma": Plausible(1e-4, 5.0, 0.0, above=True),
    "forward": Plausible(1e-3, 60.0, 0.0, above=True),
    "length": Plausible(1e-3, 60.0, 0.0, above=True),
    "window": Plausible(-60.0, 60.0),
    "burn-in": Plausible(0.0, 60.0, 0.0),
    "segment": _LONG,
    "duration": _LONG,
    "inter-trial": Plausible(0.0, 60.0, 0.0),
    "history": Plausible(1e-3, 60.0, 0.0, above=True),
    "task-timeout": Plausible(1.0, math.inf, 0.0, above=True),
    "event-offset": Plausible(-math.inf, math.inf),  # of one clock to another: anything
}
#: A window below this width, of bare numbers, may well be of something else than seconds.
NARROW_S = 0.002


def parse_duration(value: str | float, option: str | None = None) -> float:
    """Return seconds from ``"1ms"``, ``"500 us"``, ``"-0.2"`` (seconds) or a number.

    A number that is no text is seconds, whatever its size. Text without a unit is seconds where that is plausible
    for the ``option`` (``DURATIONS``).

    Raises
    ------
    ValueError
        Where it is not a duration, not finite, not in the option's range, or a bare number that is implausible.

    Examples
    --------
    >>> parse_duration("9ms"), parse_duration("2 s"), parse_duration(-0.2)
    (0.009, 2.0, -0.2)
    """
    number, unit = _parts(value)
    factor, divisor = _SECONDS[unit]
    seconds = float(number) * factor / divisor
    if not math.isfinite(seconds):
        raise ValueError(f"{value} is not a finite duration")
    if option is None:
        return seconds
    plausible = DURATIONS[option]
    if seconds < plausible.least or (plausible.above and seconds == plausible.least):
        raise ValueError(f"{value} is not {'above' if plausible.above else 'at least'} zero (1ms, 0.5s)")
    if isinstance(value, str) and not unit and not plausible.low_s <= seconds <= plausible.high_s:
        raise ValueError(_without_unit(f"--{option}", number, abs(seconds) > plausible.low_s))
    return seconds


def parse_window(values: Any) -> tuple[float, float]:
    """Return the edges of a window in seconds (``parse_duration``).

    Raises
    ------
    ValueError
        Where there are not two, or bare numbers make a window that is implausible: too far, or too narrow.
    """
    if not isinstance(values, Sequence) or len(values) != 2:
        raise ValueError("is a start and a stop (-200ms 1s)")
    low, high = (parse_duration(value, "window") for value in values)
    bare = [
        isinstance(value, str) and not _parts(value)[1] and edge != 0
        for value, edge in zip(values, (low, high), strict=True)
    ]
    if any(bare) and 0 < high - low < NARROW_S * (1 - 1e-9):
        given = [f"{str(value).strip()}{'s' * each}" for value, each in zip(values, bare, strict=True)]
        raise ValueError(
            f"{' '.join(map(str, values))} without units would be {1e3 * (high - low):.4g} ms wide "
            f"(if you mean seconds write --window {' '.join(given)})"
        )
    return low, high


def _parts(value: str | float) -> tuple[str, str]:
    """Return the number and the unit of a duration as it was written."""
    match = re.fullmatch(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(us|ms|s|min|h|)\s*", str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration (write 1ms, 0.5s or 2)")
    return match[1], match[2]


def _without_unit(flag: str, number: str, is_long: bool) -> str:
    other = f"write {flag} {number}ms; " if is_long else ""
    return f"{number} has no unit and would be {number} seconds: {other}if you mean seconds write {flag} {number}s"
