"""Bars that say how far long work is, on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from time import time
from typing import Any

from tqdm import tqdm

DELAY = 0.5
"""Seconds before a bar is shown: shorter work shows none."""


class Bar(tqdm):  # type: ignore[type-arg]
    """A bar with rate and time left, of which nothing is seen before its delay is over, also beside messages."""

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
