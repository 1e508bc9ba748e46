"""A pickle -> rows of numbers and text, without running anything that the pickle names.

A pickle is a small program: it may name any function of any module and call it. Here a name is looked up in one
short table, `_ADMITTED`, and stands for a function of ours that checks what it is given; every other name ends the
reading. NumPy's own code never sees the pickle's state: arrays are made by `np.frombuffer`, from plain bytes of a
plain numeric or text type whose size has been checked.
"""

from __future__ import annotations

import io
import math
import pickle
import re
import struct
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from facecluster.errors import TableError, UnsafePickleError
from facecluster.formats.table_fields import ANEW
from facecluster.text import size as in_words

_ROW_BYTES = 256
"""A face takes more than that in a file, as the 128 numbers of its encoding do."""
_SHARED_ROWS = 1000
"""So many that take less do no harm."""


def load_rows(file: BinaryIO, name: str) -> list[dict[str, Any]]:
    """Read a pickled list of dictionaries, as the older encode_faces.py and `facecluster.formats.face_table` write it.

    Args:
        file: binary, at the start of the pickle; protocols 0 to 5.
        name: of the file, for messages.

    Returns:
        The dictionaries. A value is an array, a number, a text, or a built-in container.

    Raises:
        UnsafePickleError: the pickle names something else than NumPy arrays; nothing was run.
        TableError: no pickle, a damaged one, or not a list of dictionaries.
    """
    start = file.tell()
    size = file.seek(0, io.SEEK_END) - start
    file.seek(start)
    try:
        rows = _Unpickler(file, size).load()
    except UnsafePickleError as error:
        raise UnsafePickleError(
            f"{name}: refused: {error}. Nothing in it was run. Make the face table anew with facecluster encode"
        ) from None
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
        OverflowError,
        AssertionError,
        struct.error,
    ) as error:
        raise TableError(f"{name}: not a pickle, or damaged ({error}); {ANEW}") from error
    except (MemoryError, RecursionError) as error:
        raise TableError(f"{name}: damaged, or too large for this machine; {ANEW}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise TableError(f"{name}: expected a pickled list of dictionaries, one a face; {ANEW}")
    if len(rows) > _SHARED_ROWS + size // _ROW_BYTES:
        raise TableError(f"{name}: damaged: {len(rows)} faces in {in_words(size)}; {ANEW}")
    return [
        {key: value.values() if isinstance(value, _Array) else value for key, value in row.items()}
        for row in rows
    ]


class _Dtype:
    """Stands for a NumPy dtype: a plain number or text, nothing with objects, fields or metadata."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"b1|[iu][1248]|f[248]|U[1-9]\d{0,6}", code):
            shown = repr(code[:40]) if isinstance(code, str) else f"of a {type(code).__name__}"
            raise UnsafePickleError(f"it holds a NumPy array of type {shown}, neither numbers nor text")
        self._code, self._order = code, "="

    def __setstate__(self, state: object) -> None:
        match state:
            case (int(), "<" | ">" | "|" | "=" as order, None, None, None, int(), int(), int()):
                self._order = order
            case _:
                raise UnsafePickleError("it holds a NumPy array of a compound type")

    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._order + self._code)


class _Array:
    """Stands for a NumPy array until its state has come and is found sound."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: NDArray[Any] | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (1, tuple(shape), _Dtype() as kind, bool() | int() as fortran, bytes() | bytearray() as raw):
                self.fill(raw, kind, shape, "F" if fortran else "C")
            case _:
                raise UnsafePickleError("it holds a NumPy array that is not plain numbers or text")

    def fill(self, raw: bytes | bytearray, kind: _Dtype, shape: tuple[Any, ...], order: str) -> None:
        dtype = kind.dtype()
        if len(shape) > 3 or not all(type(length) is int and 0 <= length < 1 << 48 for length in shape):
            raise ValueError("an array of no shape")
        if len(raw) != dtype.itemsize * math.prod(shape):
            raise ValueError(f"an array of shape {shape} and type {dtype} in {len(raw)} bytes")
        self._values = np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")

    def values(self) -> NDArray[Any]:
        if self._values is None:
            raise ValueError("an array without its numbers")
        return self._values


class _Name:
    """What an admitted name stands for. It can be called, and nothing else."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self.call = call


def _reconstruct(*_: object) -> _Array:
    """numpy.core.multiarray._reconstruct: an empty array, whose state comes next."""
    return _Array()


def _ndarray(*_: object) -> object:
    """numpy.ndarray: only ever an argument of `_reconstruct`."""
    raise UnsafePickleError("it wants to call numpy.ndarray")


def _frombuffer(raw: object, kind: object, shape: object, order: object) -> _Array:
    """numpy.core.numeric._frombuffer: an array, as protocol 5 writes it."""
    if not (isinstance(raw, (bytes, bytearray)) and isinstance(kind, _Dtype) and isinstance(shape, tuple)):
        raise UnsafePickleError("it holds a NumPy array that is not plain numbers or text")
    array = _Array()
    array.fill(raw, kind, shape, "F" if order == "F" else "C")
    return array


def _scalar(kind: object, raw: object) -> object:
    """numpy.core.multiarray.scalar: one number or text, as Python's own type."""
    if not (isinstance(kind, _Dtype) and isinstance(raw, bytes)):
        raise UnsafePickleError("it holds a NumPy scalar that is not a plain number or text")
    array = _Array()
    array.fill(raw, kind, (), "C")
    return array.values().item()


def _encode(text: object, encoding: object) -> bytes:
    """_codecs.encode: how protocols before 3 spell bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise UnsafePickleError("it wants to call _codecs.encode for something other than bytes")
    return text.encode("latin1")


def _no_bytes(*args: object) -> bytes:
    """builtins.bytes(): how protocols before 3 spell b''."""
    if args:
        raise UnsafePickleError("it wants to call bytes")
    return b""


_ADMITTED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "ndarray"): _ndarray,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
}
for _core in ("numpy.core", "numpy._core"):  # the name before and since NumPy 2
    _ADMITTED[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _ADMITTED[f"{_core}.multiarray", "scalar"] = _scalar
    _ADMITTED[f"{_core}.numeric", "_frombuffer"] = _frombuffer


_INSTRUCTIONS = frozenset(
    (
        *(pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK),
        *(pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1),
        *(pickle.BININT2, pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT, pickle.BINFLOAT),
        *(pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING, pickle.UNICODE, pickle.BINUNICODE),
        *(pickle.SHORT_BINUNICODE, pickle.BINUNICODE8, pickle.BINBYTES, pickle.SHORT_BINBYTES),
        *(pickle.BINBYTES8, pickle.BYTEARRAY8, pickle.TUPLE, pickle.EMPTY_TUPLE, pickle.TUPLE1),
        *(pickle.TUPLE2, pickle.TUPLE3, pickle.LIST, pickle.EMPTY_LIST, pickle.APPEND, pickle.APPENDS),
        *(pickle.DICT, pickle.EMPTY_DICT, pickle.SETITEM, pickle.SETITEMS),
        *(pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE, pickle.GET, pickle.BINGET),
        *(pickle.LONG_BINGET, pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.REDUCE, pickle.BUILD),
    )
)
"""What lists, dictionaries, numbers, texts and arrays are made of, in any protocol."""


def _refuse(_: object) -> None:
    raise UnsafePickleError("it uses instructions of which no numbers and texts are made")


class _Unpickler(pickle._Unpickler):
    """Looks names up in `_ADMITTED` and nowhere else, and takes no more memory than the file has bytes for.

    That is why it is the one written in Python, at half the speed: in the one written in C, eleven bytes can ask for
    32 GB (LONG_BINPUT sizes a table by the number it is given). Things that share their parts are small in a file,
    and without end to whoever looks into them, as a hash does: so keys are texts, and there are no sets.
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = {
        code: load if bytes((code,)) in _INSTRUCTIONS else _refuse
        for code, load in pickle._Unpickler.dispatch.items()
    }

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(file)
        self.left = size

    def find_class(self, module: str, name: str) -> _Name:
        call = _ADMITTED.get((module, name))
        if call is None:
            raise UnsafePickleError(f"it wants {module[:80]}.{name[:80]}, which is no part of a NumPy array")
        return _Name(call)

    def load_stack_global(self: Any) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if type(name) is not str or type(module) is not str:
            raise pickle.UnpicklingError("a name that is no text")
        self.append(self.find_class(module, name))

    dispatch[pickle.STACK_GLOBAL[0]] = load_stack_global

    def load_reduce(self: Any) -> None:
        args, name = self.stack.pop(), self.stack.pop()
        if type(name) is not _Name or type(args) is not tuple:
            raise UnsafePickleError("it wants to call something else than a part of NumPy arrays")
        made = name.call(*args)
        if isinstance(made, (str, bytes)):  # of a part of the file that may be used again and again
            self.left -= len(made)
            if self.left < 0:
                raise ValueError("the same parts over and over")
        self.append(made)

    dispatch[pickle.REDUCE[0]] = load_reduce

    def load_build(self: Any) -> None:
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) not in (_Array, _Dtype):
            raise UnsafePickleError(f"it wants to change a {type(made).__name__.strip('_').lower()}")
        made.__setstate__(state)

    dispatch[pickle.BUILD[0]] = load_build

    def load_setitem(self: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _set(self.stack[-1], [key, value])

    dispatch[pickle.SETITEM[0]] = load_setitem

    def load_setitems(self: Any) -> None:
        items = self.pop_mark()
        _set(self.stack[-1], items)

    dispatch[pickle.SETITEMS[0]] = load_setitems

    def load_dict(self: Any) -> None:
        items, made = self.pop_mark(), dict[str, object]()
        _set(made, items)
        self.append(made)

    dispatch[pickle.DICT[0]] = load_dict

    def load_appends(self: Any) -> None:
        items = self.pop_mark()
        _extend(self.stack[-1], items)

    dispatch[pickle.APPENDS[0]] = load_appends

    def load_append(self: Any) -> None:
        item = self.stack.pop()
        _extend(self.stack[-1], [item])

    dispatch[pickle.APPEND[0]] = load_append

    def load_bytearray8(self: Any) -> None:
        """Read before making room, in place of the other way round."""
        length = int.from_bytes(self.read(8), "little")
        content = self.read(length)
        if len(content) < length:
            raise EOFError("cut short")
        self.append(bytearray(content))

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8


def _set(made: object, items: list[Any]) -> None:
    """Put keys and values, in turn, into a dictionary."""
    if type(made) is not dict or len(items) % 2 or not all(type(key) is str for key in items[::2]):
        raise ValueError("keys that are no texts")
    made.update(zip(items[::2], items[1::2], strict=True))


def _extend(made: object, items: list[Any]) -> None:
    if type(made) is not list:
        raise ValueError("a list that is none")
    made.extend(items)
