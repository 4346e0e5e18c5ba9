"""One colour per model, in every figure: dark on white paper, light on a dark screen (``models.registry``)."""

from __future__ import annotations

from collections.abc import Iterable
from zlib import crc32

from rnnspike.models.registry import GIVEN_COLOURS, MODELS, OTHER_COLOURS, Colours, without_history


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
