"""Numbers and commands in words, for the terminal, the report and messages."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable

_WORDS = ({"s": "", "v": "s", "are": "is", "have": "has"}, {"s": "s", "v": "", "are": "are", "have": "have"})
#: What means something to a shell between double quotes.
_LIVE = set('"$`\\!\n')
#: A smaller p is given as below this.
LEAST_P = 0.001
#: A p this many times the least that its test can give is that least: some draws may have been undefined.
AT_LEAST = 1.3


def counted(number: int, text: str) -> str:
    """Return a number and what there are that many of: ``{s}`` ends a noun, ``{v}`` a verb, ``{are}``, ``{have}``.

    Examples
    --------
    >>> counted(1, "spike{s} {are} lost"), counted(2, "trial{s} overlap{v} the next")
    ('1 spike is lost', '2 trials overlap the next')
    """
    return f"{number} {text.format_map(_WORDS[number != 1])}"


def command_line(words: Iterable[str]) -> str:
    """Return a command to be pasted into a shell; words with single quotes stand in double ones where they can.

    Examples
    --------
    >>> print(command_line(["rnnspike", "fit", "a b.nwb", "--units", "id in ['1', '2']"]))
    rnnspike fit 'a b.nwb' --units "id in ['1', '2']"
    """
    return " ".join(f'"{word}"' if "'" in word and not set(word) & _LIVE else shlex.quote(word) for word in words)


def number(value: float | None, form: str = ".3f") -> str:
    """Return a number as text, a dash where it is undefined; zero has no minus.

    Examples
    --------
    >>> number(0.12345), number(-0.0001), number(None)
    ('0.123', '0.000', '–')
    """
    if value is None or math.isnan(value):
        return "–"
    text = format(value, form)
    return format(0.0, form) if text.startswith("-") and not text.strip("-0.") else text


def interval(low: float | None, high: float | None, form: str = ".3f") -> str:
    """Return an interval as text, a dash where it is undefined.

    Examples
    --------
    >>> interval(0.195, 0.329), interval(None, None)
    ('0.195 to 0.329', '–')
    """
    ends = number(low, form), number(high, form)
    return "–" if "–" in ends else " to ".join(ends)


def with_interval(value: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    """Return a number with its interval, where it has one.

    Examples
    --------
    >>> with_interval(0.262, 0.195, 0.329), with_interval(0.262, None, None)
    ('0.262 (0.195 to 0.329)', '0.262')
    """
    ends = interval(low, high, form)
    return number(value, form) + ("" if value is None or ends == "–" else f" ({ends})")


def p_text(p: float | None, least: float = 0.0) -> str:
    """Return a p value as text, as a bound where it is very small, or the least that its test can give.

    Parameters
    ----------
    p
        The p value; None or NaN where it is undefined.
    least
        The least p that the test can give: with n replicates or permutations of which the data count as one,
        1/(1 + n), twice that on two sides.

    Examples
    --------
    >>> p_text(0.0321), p_text(1e-9), p_text(None)
    ('0.032', '< 0.001', '–')
    >>> p_text(2 / 201, least=2 / 201), p_text(1 / 200, least=1 / 200), p_text(4 / 201, least=2 / 201)
    ('< 0.01', '< 0.005', '0.020')
    """
    if p is None or math.isnan(p):
        return "–"
    if LEAST_P <= p < min(1.0, AT_LEAST * least):
        return f"< {_rounded_up(p)}"
    if p < LEAST_P:
        return f"< {LEAST_P:g}"
    return f"{p:.2f}" if p >= 0.1 else f"{p:#.2g}"


def _rounded_up(value: float) -> str:
    """Return a number with two digits that is not below it."""
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    return f"{math.ceil(value / step - 1e-6) * step:.2g}"
