"""Numbers in sentences."""

from __future__ import annotations

_WORDS = ({"s": "", "v": "s", "are": "is", "have": "has"}, {"s": "s", "v": "", "are": "are", "have": "have"})


def counted(number: int, text: str) -> str:
    """Return a number and what there are that many of: ``{s}`` ends a noun, ``{v}`` a verb, ``{are}``, ``{have}``.

    Examples
    --------
    >>> counted(1, "spike{s} {are} lost"), counted(2, "trial{s} overlap{v} the next")
    ('1 spike is lost', '2 trials overlap the next')
    """
    return f"{number} {text.format_map(_WORDS[number != 1])}"
