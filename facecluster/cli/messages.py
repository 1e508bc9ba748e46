"""Messages on standard error, and the bars that may be there."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from logging import LogRecord, StreamHandler
from typing import Any, TextIO


class AboveBars(StreamHandler[TextIO]):
    """Writes each message into a line of its own, and the bars anew below it."""

    def emit(self, record: LogRecord) -> None:
        """Write a message."""
        with _without_bars(self.stream):
            super().emit(record)


def close_bars() -> None:
    """Wipe all bars, as after an error in what they counted."""
    if tqdm := _tqdm():
        for bar in [*getattr(tqdm, "_instances", ())]:
            bar.close()


def _without_bars(stream: TextIO) -> AbstractContextManager[None]:
    """Wipe the bars as long as something is written."""
    tqdm = _tqdm()
    mode: AbstractContextManager[None] = nullcontext() if tqdm is None else tqdm.external_write_mode(stream)
    return mode


def _tqdm() -> Any:
    """What makes bars, if one was made."""
    return getattr(sys.modules.get("tqdm"), "tqdm", None)
