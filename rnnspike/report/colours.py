"""One colour per model and per condition, in every figure; each has one on white paper and one on a dark screen."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from rnnspike.models.registry import GIVEN_COLOURS, MODELS, OTHER_COLOURS, Colours, without_history

#: Colours of conditions: apart from each other and from the colours of all models.
#: Recordings with more conditions than these are shown as a heat map.
CONDITION_COLOURS: tuple[Colours, ...] = (
    ("#0000f0", "#783cff"),
    ("#d27800", "#e1871e"),
    ("#003c00", "#96f02d"),
    ("#c32d69", "#d2001e"),
    ("#5a0078", "#f0b4e1"),
    ("#7887d2", "#4b78a5"),
)
#: Colours of event marks.
EVENT_COLOURS: Colours = ("#d100d1", "#ff5cff")


def all_colours(models: Iterable[str] = ()) -> dict[str, Colours]:
    """Return the colours of the ladder and of these models, and under the empty name those of anything else."""
    ladder = {name: each.colours for name, each in MODELS.items() if not each.hidden}
    return {**{name: colours(name) for name in models}, **ladder, "": OTHER_COLOURS}


def colours(model: str) -> Colours:
    """Return a model's colours on white and on dark; one that is not of the ladder has the same on every page.

    Given rates with history added have the colours after those of the rates alone.
    """
    if model in MODELS:
        return MODELS[model].colours
    if not model:
        return OTHER_COLOURS
    plain = without_history(model)
    place = crc32((plain or model).encode(errors="surrogateescape")) + (plain is not None)
    return GIVEN_COLOURS[place % len(GIVEN_COLOURS)]


def on_paper(model: str) -> str:
    """Return a model's colour on white."""
    return colours(model)[0]


def condition_colours(n: int) -> list[str]:
    """Return a colour per condition on white: black for one, then those of conditions; of too many two in turn."""
    if n == 1:
        return ["#1a1a1a"]
    few = [light for light, _ in CONDITION_COLOURS[:n]]
    return few if n <= len(few) else [("#1a1a1a", "#7a7a7a")[c % 2] for c in range(n)]
