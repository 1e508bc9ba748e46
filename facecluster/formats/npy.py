"""One array in the format .npy: what it holds is known, and can be checked, before room is made for it.

Only plain numbers and texts are read, from a header as NumPy writes it; NumPy's own reader takes the header for a
Python expression, and makes room before it knows whether the numbers are there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = b"\x93NUMPY\x01\x00"
_LONGEST = 1 << 10
"""Bytes of a header; those of plain arrays have 118."""
_HEADER = re.compile(
    rb"\{'descr': '([<>|][biufUS][1-9]\d{0,5})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,15}, )*\d{1,15},?|)\), \} *\n"
)
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Head:
    """What stands before the values.

    Attributes:
        dtype: of numbers, or of text.
        shape: of the array.
        order: of its values, "C" or "F".
        length: bytes of the head.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: str
    length: int

    @property
    def nbytes(self) -> int:
        """Bytes of the values that follow it."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_head(file: IO[bytes]) -> Head:
    """Read what stands before the values.

    Raises:
        ValueError: it is none, or that of something else than plain numbers or text.
    """
    start = file.read(len(_MAGIC) + 2)
    length = int.from_bytes(start[len(_MAGIC) :], "little")
    if not start.startswith(_MAGIC) or len(start) < len(_MAGIC) + 2 or length > _LONGEST:
        raise ValueError("a column that is no array")
    text = file.read(length)
    found = _HEADER.fullmatch(text)
    if len(text) < length or found is None:
        raise ValueError(f"an array of neither numbers nor text: {text[:60].decode('ascii', 'replace')!r}")
    code, is_fortran, shape = (part.decode("ascii") for part in found.groups())
    lengths = tuple(int(part) for part in shape.replace(",", " ").split())
    if len(lengths) > 3:
        raise ValueError(f"an array of {len(lengths)} dimensions")
    return Head(np.dtype(code), lengths, "F" if is_fortran == "True" else "C", len(start) + length)


def read_values(file: IO[bytes], head: Head) -> NDArray[Any]:
    """Read the values that follow a head.

    Raises:
        ValueError: there are fewer.
    """
    values = np.empty(math.prod(head.shape), head.dtype)
    room, at = values.view(np.uint8).data, 0
    while at < len(room):
        content = file.read(min(_CHUNK, len(room) - at))
        if not content:
            raise ValueError("a column that is cut short")
        room[at : at + len(content)] = content
        at += len(content)
    return values.reshape(head.shape, order="F" if head.order == "F" else "C")
