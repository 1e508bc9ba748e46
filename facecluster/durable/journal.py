"""A file of records that grows by one at a time and survives being cut short anywhere.

    header   one line, a JSON object that says what the records are for
    record   uint32 length, uint32 CRC-32 of the bytes, the bytes; little-endian

A record counts once all of it is in the file; what a killed process or a power cut left of the last one is dropped.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar

from facecluster.durable.own_file import OWNER_ONLY, not_ours, open_own
from facecluster.durable.whole_file import cannot_write
from facecluster.errors import OutputError, TableError

_log = logging.getLogger(__name__)

_T = TypeVar("_T")

_STRANGE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, TableError)
"""What is raised where a record is read that is none of ours."""

_FRAME = struct.Struct("<II")
_LONGEST_HEADER = 1 << 16


def is_journal(start: bytes, *headers: bytes) -> bool:
    """Say whether a file is a journal of the same kind as one with some header, by how it starts.

    It has a header with one of the same fields, whatever stands in there; or what a kill or a power cut left of one.
    """
    first, end, _ = start.partition(b"\n")
    if not first.strip(b"\0"):
        return True
    if not end and any(header.startswith(first) for header in headers):
        return True
    try:
        record = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and any(
        not record.keys().isdisjoint(json.loads(header)) for header in headers
    )


class Journal:
    """The file, open for one process; use it in a `with` statement, and `replay` before the first `append`."""

    def __init__(self, path: Path, header: str, *others: str, replace: bool = False) -> None:
        """Open the file, made if it is not there.

        Args:
            path: where it is.
            header: what a new file starts with; one line of a JSON object, without its end.
            others: further headers whose records count.
            replace: drop the records under any other header; they are refused otherwise.

        Raises:
            OutputError: it cannot be opened, is a link, or no journal of this kind.
        """
        self.path = path
        self._headers = [line.encode() + b"\n" for line in (header, *others)]
        self._replace = replace
        self._empty = True
        try:
            self._file: BinaryIO = open_own(path, "r+b", permissions=OWNER_ONLY, buffering=0)
        except OSError as error:
            raise cannot_write(path, error) from error
        start = self._file.read(_LONGEST_HEADER)
        self._file.seek(0)
        if not is_journal(start, *map(bytes.rstrip, self._headers)):
            self._file.close()
            raise not_ours(path)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._empty:
            self.remove()
        self._file.close()

    def replay(self) -> Iterator[bytes]:
        """Read the whole records, and make the file ready for more.

        Raises:
            OutputError: the file cannot be written, or holds the records of a run with other settings.
        """
        size = os.fstat(self._file.fileno()).st_size
        header = self._file.read(_LONGEST_HEADER).partition(b"\n")
        end = len(header[0]) + 1
        if header[0] + header[1] in self._headers:
            self._file.seek(end)
            while len(frame := self._file.read(_FRAME.size)) == _FRAME.size:
                length, checksum = _FRAME.unpack(frame)
                if end + len(frame) + length > size:
                    break
                record = self._file.read(length)
                if zlib.crc32(record) != checksum:
                    break
                end += len(frame) + length
                self._empty = False
                yield record
        else:
            if header[1] and size > end and not self._replace:
                self._empty = False  # and so it stays
                raise OutputError(
                    f"{self.path}: holds what an interrupted run with other settings had done; use its settings to go "
                    "on from there, start afresh to drop it, or choose another output"
                )
            end = 0
        try:
            self._file.truncate(end)
            self._file.seek(end)
        except OSError as error:
            raise cannot_write(self.path, error) from error
        if end == 0:
            self._write(self._headers[0])

    def replay_as(self, decode: Callable[[bytes], _T]) -> Iterator[_T]:
        """Read the whole records as what they stand for, and make the file ready for more.

        Args:
            decode: makes something of a record, or raises what Python raises where that cannot be.

        Raises:
            OutputError: as `replay`; or a record is whole, and none of ours.
        """
        for record in self.replay():
            try:
                found = decode(record)
            except _STRANGE as error:
                raise OutputError(
                    f"{self.path}: damaged, or not written by facecluster ({error}); move it away: the next run finds "
                    "again what it held"
                ) from error
            yield found

    def append(self, record: bytes) -> None:
        """Add a record; it is safe from the death of this process once this returns.

        Raises:
            OutputError: the disk is full, or gone.
        """
        self._write(_FRAME.pack(len(record), zlib.crc32(record)) + record)
        self._empty = False

    def remove(self) -> None:
        """Delete the file; one without records is deleted anyway."""
        self._file.close()  # Windows deletes no open file
        self.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        try:
            written = self._file.write(data)
            while written < len(data):  # a raw file may take a part, and then says why
                written += self._file.write(data[written:])
        except OSError as error:
            raise cannot_write(self.path, error) from error
