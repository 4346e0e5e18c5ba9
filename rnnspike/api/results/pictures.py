"""The figures of a run or a unit, drawn when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rnnspike.api.results.tables import unknown
from rnnspike.errors import ConfigError
from rnnspike.names import any_text

if TYPE_CHECKING:
    from rnnspike.report.figures.drawing import Picture


class Pictures:
    """Pictures by name; each is drawn once, and none beyond the one that is asked for.

    Parameters
    ----------
    rest
        Draws them, one by one.
    of
        What they are of, for messages.
    """

    def __init__(self, rest: Iterator[Picture], of: str) -> None:
        self._rest, self._of = rest, of
        self._drawn: dict[str, Picture] = {}

    @property
    def names(self) -> list[str]:
        """Names of all of them; which there are is known once they are drawn."""
        while self._draw_next():
            pass
        return list(self._drawn)

    def __getitem__(self, name: str) -> Picture:
        """Return one; ConfigError where there is none of that name."""
        while name not in self._drawn:
            if not self._draw_next():
                raise ConfigError(f"{self._of}: {unknown('figure', name, list(self._drawn))}")
        return self._drawn[name]

    def _draw_next(self) -> bool:
        """Draw one more, and say whether there was one."""
        import matplotlib as mpl

        from rnnspike.report.figures.drawing import STYLE

        with mpl.rc_context(STYLE), any_text():
            picture = next(self._rest, None)
        if picture is not None:
            self._drawn[picture.name] = picture
        return picture is not None
