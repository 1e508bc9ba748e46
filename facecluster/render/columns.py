"""Tables as people get them: columns that are aligned by the cells of a terminal, two spaces between them.

wcwidth knows how many cells a text takes: East Asian letters two, combining ones none. It is loaded only for texts with
letters of which that is not plain, as loading it takes longer than to write a small table (27 ms).
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence

_LEAST_LAST = 20
"""Cells that the last column gets at least where the width is limited."""

_COMBINING = "\u0300"
"""The first letter of Unicode that may take no cell, or two; printable ones before it take one."""


def aligned(
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    least: Sequence[int] = (),
    width: int | None = None,
) -> list[str]:
    """Write the lines of a table.

    Args:
        rows: cells, as many in each row, in printable letters; the header, if there is one, is the first.
        right: numbers of the columns, from 0, that are aligned at the right.
        least: cells of a terminal that the first columns get at least.
        width: of a line; where there is no room, texts of the last column lose their start. None: no limit.

    Returns:
        A line a row, without its end, and without spaces where the last columns are empty.
    """
    if not rows:
        return []
    *widths, last = (max(map(n_cells, column)) for column in zip(*rows, strict=True))
    widths = [max(one, *least[i : i + 1], 0) for i, one in enumerate(widths)]
    room = None if width is None else max(width - sum(widths) - 2 * len(widths), _LEAST_LAST)
    lines = []
    for *cells, end in rows:
        padded = [pad(cell, widths[i], right=i in right) for i, cell in enumerate(cells)]
        end = end if room is None else end_of(end, room)
        padded.append(
            pad(end, max(last, 0, *least[len(widths) :]), right=True) if len(widths) in right else end
        )
        line = "  ".join(padded)
        lines.append(line if end else line.rstrip(" "))
    return lines


def n_cells(text: str) -> int:
    """Count the cells of a terminal that a text takes."""
    if _is_plain(text):
        return len(text)
    import wcwidth

    return wcwidth.width(text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill up a text to so many cells of a terminal, at its end or, for one that is aligned at the right, its start."""
    blank = " " * (width - n_cells(text))
    return blank + text if right else text + blank


def end_of(text: str, width: int) -> str:
    """Shorten a path to so many cells of a terminal: its end tells more than its start."""
    wide = n_cells(text)
    if wide <= width:
        return text
    if _is_plain(text):
        return "…" + text[wide - width + 1 :]
    import wcwidth

    return "…" + wcwidth.clip(text, wide - width + 1, wide)


def wrapped(text: str, width: int, *, indent: str = "") -> list[str]:
    """Break a text at its spaces into lines of so many cells; emoji and accents stay with what they belong to.

    Args:
        text: of printable letters; spaces at its start stay.
        width: cells of a line.
        indent: of the second line and further ones.

    Returns:
        The lines; none for an empty text. A word that is too long is broken.
    """
    if _is_plain(text):
        return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)
    import wcwidth

    return wcwidth.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _is_plain(text: str) -> bool:
    """Say whether each letter takes one cell, as far as that is known without looking it up."""
    return not text or (max(text) < _COMBINING and text.isprintable())
