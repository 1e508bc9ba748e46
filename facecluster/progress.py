"""Bars that say how far long work is, on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from time import time
from typing import Any, TextIO
from weakref import ReferenceType, ref

from tqdm import tqdm

DELAY = 0.5
"""Seconds before a bar is shown: shorter work shows none."""
_AGAIN = 1.0
"""Seconds after which a bar is drawn anew, whether anything got done or not: the time goes on."""
_PATIENCE = 1.0
"""Seconds for which `close` waits for what is being drawn."""


class Bar(tqdm):  # type: ignore[type-arg]
    """A bar with rate and time left, of which nothing is seen before its delay is over, also beside messages.

    It is drawn when its delay is over, however long the first item takes: a thread does that.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what tqdm takes."""
        self._closed = threading.Event()
        self._drawing: threading.Thread | None = None
        super().__init__(*arguments, **options)
        if not self.disable:
            # a bar on a terminal of no rows, which is one that does not know its size, draws nothing
            self.dynamic_ncols = _size  # type: ignore[assignment]  # tqdm itself puts such a function there
            self.ncols, self.nrows = _size(self.fp)
            self._drawing = threading.Thread(target=_draw, args=(ref(self), self._closed), daemon=True)
            self._drawing.start()

    def __del__(self) -> None:
        """Wipe it, if it was made: a signal may have come before that."""
        with suppress(AttributeError):
            super().__del__()

    def close(self) -> None:
        """Wipe it, and draw it no more."""
        self._closed.set()
        if self._drawing is not None and self._drawing is not threading.current_thread():
            # no longer: where Ctrl-C left tqdm's lock held by us, the thread waits for it in vain, and draws nothing
            self._drawing.join(_PATIENCE)
        super().close()

    def display(self, msg: str | None = None, pos: int | None = None) -> Any:
        """Draw it, if it is time, and say whether it was."""
        if not self._is_due():
            return False
        # so that it is wiped in the end, though it was drawn only as a message was written above it
        self.last_print_t = max(self.last_print_t, self.start_t + DELAY)
        return super().display(msg, pos)

    def clear(self, nolock: bool = False) -> None:
        """Wipe it for a message, if it may have been drawn."""
        if self._is_due():
            super().clear(nolock=nolock)

    def _is_due(self) -> bool:
        return time() >= self.start_t + DELAY


def _draw(bar: ReferenceType[Bar], closed: threading.Event) -> None:
    """Draw a bar when its delay is over and every second then, as long as it is there."""
    wait = DELAY
    while not closed.wait(wait):
        shown = bar()
        if shown is None:
            return
        shown.refresh()
        del shown
        wait = _AGAIN


def _size(file: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal, but for the last column; where it does not know them (0), as usual."""
    try:
        columns, rows = os.get_terminal_size(file.fileno())
    except OSError:
        columns, rows = 0, 0
    usual = shutil.get_terminal_size()
    return (columns or usual.columns) - 1, rows or usual.lines


def bar(
    items: Iterable[Any] | None = None, *, total: int | None = None, what: str, shown: bool = True
) -> Bar:
    """Make a bar on standard error, shown where that is a terminal.

    Args:
        items: that are gone through, if it is these that are counted.
        total: how many there are, where `items` does not say it.
        what: they are, as "photos".
        shown: False: nowhere.
    """
    return Bar(
        items,
        total=total,
        unit=f" {what}",
        leave=False,
        dynamic_ncols=True,
        delay=DELAY,
        file=sys.stderr,
        disable=None if shown else True,
    )
