"""Tables that hold at any width: no number is split or cropped, and columns that have no room are named below.

Names of units and recordings give way first, and stay distinct; then headings, which go over several lines; then
whole columns, the least important ones first.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from rnnspike import names

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

#: ``text`` and ``number`` stand as they are; a ``name`` may be shortened where it stays distinct; ``prose`` is broken
#: between words; a ``note`` is cut at its end. A mark stands for what is left out.
Form = Literal["text", "number", "name", "prose", "note"]
GAP = 2
#: Characters of a word of prose that are kept together, and the least of a column of prose or notes.
LONGEST_WORD, NARROWEST = 24, 20
#: A name may take a quarter of the width before it is shortened, less where the columns of rank 0 do not fit.
NAME_PARTS = (4, 6, 10)
#: Forms that take what room is left, in turn.
_TURNS: tuple[tuple[Form, ...], ...] = (("name",), ("text", "number"), ("prose", "note"))


@dataclass(frozen=True)
class Column:
    """A column; those of rank 0 are always shown, then those of the lowest rank, those of one rank together."""

    heading: str
    form: Form = "text"
    rank: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns that are shown, and their widths in characters."""

    shown: tuple[int, ...]
    widths: tuple[int, ...]


def layout(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Layout:
    """Return which columns fit into a width, and how wide each is.

    Parameters
    ----------
    columns
        Of the table.
    rows
        The cells, one per column.
    width
        Characters of a line. Columns of rank 0 are shown also where they need more.
    """
    needed = [i for i, column in enumerate(columns) if column.rank == 0]
    for part in NAME_PARTS:
        bounds = [_bounds(column, [row[i] for row in rows], width // part) for i, column in enumerate(columns)]
        if sum(bounds[i][0] + GAP for i in needed) - GAP <= width:
            break
    shown: list[int] = []
    for rank in sorted({column.rank for column in columns}):
        more = [i for i, column in enumerate(columns) if column.rank <= rank and (i in shown or column.rank == rank)]
        if rank == 0 or sum(bounds[i][0] + GAP for i in more) - GAP <= width:
            shown = more
    widths = {i: bounds[i][0] for i in shown}
    spare = width - sum(widths.values()) - GAP * (len(shown) - 1)
    for forms in _TURNS:
        waiting = [i for i in shown if columns[i].form in forms]
        if "prose" in forms:  # who needs least leaves what is left of its share to the others
            waiting.sort(key=lambda i: bounds[i][1])
        for k, i in enumerate(waiting):
            share = spare // (len(waiting) - k) if "prose" in forms else spare
            added = max(0, min(bounds[i][1] - widths[i], share))
            widths[i], spare = widths[i] + added, spare - added
    return Layout(tuple(shown), tuple(widths.values()))


def _bounds(column: Column, cells: Sequence[str], most_of_a_name: int) -> tuple[int, int]:
    """Return the least and the greatest width of a column."""
    heading = max(map(_length, _pieces(column.heading)), default=0)
    least = most = max(map(_length, cells), default=0)
    if column.form == "name":
        least = max(map(_length, shortened(cells, most_of_a_name)), default=0)
    elif column.form in ("prose", "note"):
        word = max((_length(word) for cell in cells for word in cell.split()), default=0)
        least = min(most, max(NARROWEST, min(word, LONGEST_WORD) if column.form == "prose" else 0))
    return max(heading, least), max(_length(column.heading), most)


def shortened(given: Sequence[str], most: int) -> list[str]:
    """Return names of at most so many characters, or of the fewest at which they stay distinct.

    Examples
    --------
    >>> shortened(["session_of_monday_a", "session_of_monday_b", "c"], 9)
    ['sess…ay_a', 'sess…ay_b', 'c']
    """
    distinct = set(given)
    for n in range(max(most, 1), max(map(_length, distinct), default=0)):
        for head in sorted(range(n), key=lambda head: abs(head - n // 2)):  # best in the middle
            short = {name: _elided(name, head, n) for name in distinct}
            if len(set(short.values())) == len(distinct):
                return [short[name] for name in given]
    return list(given)


def _elided(name: str, head: int, most: int) -> str:
    """Return a name of at most so many characters: its beginning, a mark, its end."""
    wide = _length(name)
    if wide <= most:
        return name
    n = most * len(name) // wide  # of characters that are wide there is room for fewer
    head = min(head, n - 1)
    return f"{name[:head]}…{name[len(name) - (n - 1 - head) :]}"


def _pieces(heading: str) -> list[str]:
    """Return the parts that a heading may be broken into: after spaces and strokes."""
    return [piece for piece in re.split(r" |(?<=/)", heading) if piece]


def _broken(heading: str, width: int) -> list[str]:
    """Return a heading on as many lines as it needs."""
    lines: list[str] = []
    for piece in _pieces(heading):
        joined = lines[-1] + ("" if lines[-1].endswith("/") else " ") + piece if lines else piece
        lines = [*lines[:-1], joined] if lines and _length(joined) <= width else [*lines, piece]
    return lines


def _length(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def label(text: str, style: str = "") -> Text:
    """Return a text for rich without interpreting markup or control characters in names."""
    from rich.text import Text

    return Text(names.visible(text), style)


def cell(value: Any) -> str:
    """Return a value as text for a table; numbers with four digits, null as a dash."""
    value = names.plain(value)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def below(remarks: Collection[str]) -> list[Text]:
    """Return remarks as they stand below a table, after an empty line."""
    return [label(text) for text in ("", *remarks)] if remarks else []


class Table:
    """A table for a rich console.

    Parameters
    ----------
    columns
        From left to right.
    title
        A line above.
    more
        Where columns that are not shown can be found.
    """

    def __init__(self, columns: Sequence[Column], title: str = "", more: str = "--format csv has all") -> None:
        self.columns, self.title, self.more = tuple(columns), title, more
        self.rows: list[list[Text]] = []
        self._sections: dict[int, str] = {}  # the title above a row

    def add(self, *cells: Text | str, style: str = "") -> None:
        """Add a row, one cell per column, in a style."""
        row = [label(each) if isinstance(each, str) else each.copy() for each in cells]
        for _, each in zip(self.columns, row, strict=True):
            each.stylize_before(style)
        self.rows.append(row)

    def section(self, title: str = "") -> None:
        """Begin a part of the table, after an empty line, under a title."""
        self._sections[len(self.rows)] = title

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """Yield the lines of the table."""
        width = options.max_width
        found = layout(self.columns, [[each.plain for each in row] for row in self.rows], width)
        if self.title:
            yield from label(self.title, "italic").wrap(console, width)
        yield from self._head(found)
        cells = zip(
            *(self._column(console, i, n) for i, n in zip(found.shown, found.widths, strict=True)), strict=True
        )
        for k, row in enumerate(cells):
            if k in self._sections:
                yield from [label("")] * (k > 0)
                yield from label(self._sections[k], "bold").wrap(console, width) if self._sections[k] else ()
            for parts in zip_longest(*row, fillvalue=label("")):
                yield self._line(parts, found)
        left_out = [column.heading for i, column in enumerate(self.columns) if i not in found.shown]
        if left_out:
            text = f"not shown at {width} columns: {', '.join(left_out)}; {self.more}"
            yield from [label(""), *label(text, "dim").wrap(console, width)]

    def _column(self, console: Console, i: int, width: int) -> list[list[Text]]:
        """Return the cells of a column, each as the lines that it takes."""
        cells, form = [row[i] for row in self.rows], self.columns[i].form
        if form == "prose":
            return [list(each.wrap(console, width)) or [each] for each in cells]
        if form == "name":
            short = zip(cells, shortened([each.plain for each in cells], width), strict=True)
            cells = [each if each.plain == name else label(name, str(each.style)) for each, name in short]
        elif form == "note":
            for each in cells:
                each.truncate(width, overflow="ellipsis")
        return [[each] for each in cells]

    def _head(self, found: Layout) -> Iterator[Text]:
        """Yield the headings, whose last lines stand side by side, and a line below."""
        shown = zip(found.shown, found.widths, strict=True)
        headings = [_broken(self.columns[i].heading, width)[::-1] for i, width in shown]
        for parts in list(zip_longest(*headings, fillvalue=""))[::-1]:
            yield self._line([label(part, "bold") for part in parts], found)
        yield label("─" * (sum(found.widths) + GAP * (len(found.widths) - 1)), "dim")

    def _line(self, parts: Sequence[Text], found: Layout) -> Text:
        """Return one line of cells."""
        from rich.text import Text

        line = Text(no_wrap=True, overflow="ignore")
        for i, part, width in zip(found.shown, parts, found.widths, strict=True):
            pad, right = " " * max(0, width - _length(part.plain)), self.columns[i].form == "number"
            line.append(" " * GAP if i != found.shown[0] else "").append(pad if right else "")
            line.append_text(part).append("" if right else pad)
        line.rstrip()
        return line
