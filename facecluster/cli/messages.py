"""What standard output and standard error get: escapes for letters they lack, messages, and bars that may be there."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from logging import LogRecord, StreamHandler
from typing import Any, TextIO

from facecluster.text import as_bytes, printable


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


def write_data(pieces: Iterable[str], form: str) -> None:
    """Write data to standard output: into a pipe as it is, on a terminal escaped.

    Args:
        pieces: of the form; of csv and paths each is a row or path with its end.
        form: json, jsonl, csv, or paths, which a pipe gets as they are on the disk.
    """
    if sys.stdout.isatty() and form in ("csv", "paths"):
        pieces = (printable(piece[:-1]) + piece[-1:] for piece in pieces)
        sys.stdout.writelines(pieces)
        return
    for piece in pieces:
        sys.stdout.buffer.write(as_bytes(piece, path=form == "paths"))


_ASCII = "plain_ascii"


def escape_foreign_letters(stream: TextIO) -> None:
    """Have a stream escape letters that its encoding lacks, so that work does not fail when it is told of."""
    if not isinstance(stream, io.TextIOWrapper):
        return
    encoding = stream.encoding
    if (
        codecs.lookup(encoding).name == "ascii"
    ):  # click takes that for a mistake, and would write UTF-8 beside us
        codecs.register(_ascii)
        encoding = _ASCII
    stream.reconfigure(encoding=encoding, errors="backslashreplace")


def _ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII under another name."""
    if name != _ASCII:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode, known.decode, incrementalencoder=known.incrementalencoder, name=_ASCII
    )
