"""The declaration of a figure of the page (``report.catalogue`` has all of them)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Figure:
    """One figure.

    Parameters
    ----------
    id
        Its element in the page, and the name under which a script registers what draws it.
    title
        Its heading.
    caption
        What is shown.
    how, good, bad
        How it is computed, and what good and bad look like.
    paper
        What draws it for papers, ``module:function`` in ``rnnspike.report.figures``, which names the files.
    needs
        Arrays of a unit's curves (``evaluation.curves``) without which it is not drawn.
    lacking
        Why it is not drawn then, in words.
    wide, tall
        Its place in the page.
    """

    id: str
    title: str
    caption: str
    how: str
    good: str
    bad: str
    paper: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    lacking: str = ""
    wide: bool = False
    tall: bool = False

    def lacks(self, curves: Mapping[str, Any]) -> bool:
        """Say whether an array that the figure needs is missing or empty."""
        return any(np.size(curves.get(name, ())) == 0 for name in self.needs)
