"""Files of records to which lines of JSON are only appended, and which somebody may edit.

One line a record. The last line may lack its end, and may be torn: what a process that was killed left of it. An
editor may have put a byte order mark before the first line, and empty lines between.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple, TypeVar

import msgspec

from facecluster.durable.denied import why_unread
from facecluster.durable.own_file import open_own
from facecluster.durable.whole_file import cannot_write, wait_for_disk
from facecluster.errors import FaceclusterError
from facecluster.text import can_be_named

_T = TypeVar("_T")

FORMAT = 1
"""Of a line, which says it as "format"."""

WITH_MOMENTS = 2
"""Of a line about a face on another page than the first, or in a video: so an older facecluster, which knows no such
faces, refuses it. Readers accept this and older ones."""

_BLOCK = 1 << 16
"""Bytes at the end of a file that are looked at for its last line, and the double where they do not hold it."""

ZERO = b"\\u0000"
"""How a zero stands in a text, which `load` refuses; or a backslash and more, which it does not."""


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        file: path of it.
        number: of the line, from 1.
        text: without spaces at its ends.
    """

    file: str
    number: int
    text: bytes

    @property
    def place(self) -> str:
        """File and number of the line, for messages."""
        return f"{self.file}:{self.number}"


def read(path: Path, torn: Callable[[int], None]) -> Iterator[Line]:
    """Read the lines that are not empty, one by one, without a torn last one; none where there is no file.

    Args:
        path: of the file.
        torn: called with the number of the last line where that is torn.

    Raises:
        FaceclusterError: the file cannot be read, or is a link.
    """
    name = str(path)
    try:
        with open_own(path, "rb") as file:
            for number, text in enumerate(file, 1):
                if number == 1:
                    text = text.removeprefix(b"\xef\xbb\xbf")
                if not text.endswith(b"\n") and _is_torn(text):
                    torn(number)
                elif text := text.strip():
                    yield Line(name, number, text)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FaceclusterError(f"{path}: cannot be read: {why_unread(path, error)}") from error


def decoder(kind: type[_T]) -> Callable[[bytes], _T]:
    """Make a function that reads a line into a type that msgspec knows; it raises ValueError where that cannot be."""
    fast = msgspec.json.Decoder(kind)

    def decode(text: bytes) -> _T:
        try:
            if ZERO not in text:
                return fast.decode(text)
        except msgspec.DecodeError:  # may be lone surrogates; and Python's json says better where it is wrong
            pass
        return msgspec.convert(load(text), kind)

    return decode


class _Format(msgspec.Struct):
    format: int = FORMAT


_format = decoder(_Format)


def parse(line: Line, kind: str, mend: str, decode: Callable[[bytes], _T]) -> _T:
    """Decode a line.

    Args:
        line: to be read.
        kind: what it should be, for messages: "a decision".
        mend: what to do with a line that is none.
        decode: may raise ValueError, as a `decoder` does.

    Raises:
        FaceclusterError: the line is of a newer format, or is none.
    """
    try:
        number = _format(line.text).format
        if number <= WITH_MOMENTS:
            return decode(line.text)
    except (ValueError, OverflowError, RecursionError) as error:
        shown = line.text.decode("utf-8", "replace")[:80]
        raise FaceclusterError(f"{line.place}: not {kind}: {error}: {shown!r}; {mend}") from error
    raise FaceclusterError(
        f"{line.place}: written by format {number}, this facecluster reads up to {WITH_MOMENTS}; upgrade"
    )


def append(path: Path, text: bytes, keep: Callable[[bytes], None] | None = None) -> None:
    """Write whole lines behind the others, in place of a torn one; once this returns, they are on the disk.

    Where they cannot be written, as on a full disk, nothing is left of them.

    Args:
        path: of the file, which is made if it is not there.
        text: lines with their ends.
        keep: called with what there is of a torn line, before that is cut off.

    Raises:
        OutputError: disk full, no permission; it is a link.
    """
    try:
        with open_own(path, "a+b", buffering=0) as file:
            last = _last_line(file)
            if _is_torn(last):
                if keep is not None:
                    keep(last)
                file.truncate(file.seek(0, os.SEEK_END) - len(last))
            elif last:
                text = b"\n" + text
            end, left = file.seek(0, os.SEEK_END), memoryview(text)
            try:
                while left:
                    left = left[file.write(left) :]
                wait_for_disk(file)
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise
    except OSError as error:
        raise cannot_write(path, error) from error


def _last_line(file: IO[bytes]) -> bytes:
    """Read what is behind the last end of a line."""
    size, length = file.seek(0, os.SEEK_END), _BLOCK
    while True:
        file.seek(max(0, size - length))
        *lines, last = file.read().split(b"\n")
        if lines or length >= size:
            return last
        length *= 2


def _is_torn(last: bytes) -> bool:
    """Say whether a last line without an end is only the start of one."""
    try:
        load(last.strip() or b"{}")
    except (ValueError, RecursionError):
        return True
    return False


def load(text: bytes | str) -> Any:
    """Parse strict JSON; surrogates that stand for bytes of a path that are no text are kept.

    Raises:
        ValueError: it is none, or has a text with a zero or with another lone surrogate, which can name nothing.
    """
    record = json.loads(text, parse_constant=_refuse, parse_float=_finite)
    again = json.dumps(record, ensure_ascii=False)
    if "\\u0000" in again.replace("\\\\", "") or not can_be_named(again):
        raise ValueError("a text has a zero or half a letter in it")
    return record


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is too large a number")
    return number


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
