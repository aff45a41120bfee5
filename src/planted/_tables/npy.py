"""NumPy's `.npy` files: what their headers say, and rows of theirs.

What comes in: an open file. What goes out: its schema, and its rows as a `Part`. The columns of a matrix have numbers,
those of a structured array names. The header is parsed as a literal, with limits, and its claims are compared with the
file's size before anything is made; what only pickle could read is refused.

Source: NEP 1, "A simple file format for NumPy arrays"; `numpy.lib.format`.
"""

import ast
import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._disk import File
from planted._errors import DamagedError, InvalidValueError
from planted._machine import empty
from planted._tables.columns import BLOCK_BYTES, Columnar, Kind, fill
from planted._tables.schema import Chosen, Column, Schema
from planted._types import FloatArray, RowNumbers

MAGIC: Final = b"\x93NUMPY"
NUMBER: Final = re.compile(r"[<>|=]?(?:f[248]|[iu][1248]|b1|\?)")
LARGEST_HEADER: Final = 1 << 20
REMEDY: Final = "save a matrix of numbers, shape (rows, columns), or a structured array"


@dataclass(frozen=True, slots=True, eq=False)
class RowMajor:
    """The rows of a file one after another, each a record of one `dtype` after another."""

    n: int
    offset: int  # of the first row in the file
    record: np.dtype[Any]  # of a row's fields, or of each of its numbers
    numbers: int  # in a row that has no fields, else 1
    wanted: tuple[str | slice, ...]  # fields, or runs of numbers

    @property
    def units(self) -> RowNumbers | None:
        """None: any rows can be read."""
        return None

    @property
    def block_rows(self) -> int:
        """As many as make a block."""
        return max(1, BLOCK_BYTES // self._row_bytes)

    def handle(self, file: File) -> None:
        """Nothing."""

    def ranges(self, handle: Any, lo: int, hi: int) -> list[tuple[int, int]]:  # noqa: ARG002 -- the protocol's
        """The bytes of whole rows."""
        return [(self.offset + lo * self._row_bytes, self.offset + hi * self._row_bytes)]

    def read(self, file: File, handle: Any, lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi` into `out`; with one read and no copy where the file holds just what is wanted."""
        ((start, _),) = self.ranges(handle, lo, hi)
        if self.wanted == (slice(0, self.numbers),) and self.record == out.dtype and out.flags.c_contiguous:
            file.read_into(out, start)
            return
        content = empty((hi - lo, self._row_bytes), np.dtype(np.uint8))
        file.read_into(content, start)
        values = content.view(self.record)
        if self.record.names is not None:
            values = values[:, 0]
        fill(out, [values[key] if isinstance(key, str) else values[:, key] for key in self.wanted])

    @property
    def _row_bytes(self) -> int:
        return self.record.itemsize * self.numbers


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a file says."""

    record: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    offset: int

    def schema(self) -> Schema:
        """The columns: of a matrix by number, of a structured array by name."""
        if self.record.names is None:
            plain = self.record.newbyteorder("=")
            return Schema((Column("", plain.name, plain, self.shape[1]),), numbered=True)
        return Schema(tuple(self._column(name) for name in self.record.names))

    def _column(self, name: str) -> Column:
        dtype = self.record[name]
        base = dtype.base.newbyteorder("=")
        numbers = NUMBER.fullmatch(base.str) is not None and len(dtype.shape) < 2
        return Column(name, str(base), base if numbers else None, dtype.shape[0] if dtype.shape else 1)

    def part(self, chosen: Chosen) -> RowMajor | Columnar:
        """The rows, of the columns that are wanted."""
        n = self.shape[0]
        if self.record.names is not None:
            return RowMajor(n, self.offset, self.record, 1, tuple(map(str, chosen.names)))
        if not self.fortran:
            return RowMajor(n, self.offset, self.record, self.shape[1], tuple(_runs(chosen.places)))
        starts = self.offset + np.array([chosen.places], np.int64) * (n * self.record.itemsize)
        edges = np.array([0, n], np.int64)
        return Columnar(edges, starts, starts + n * self.record.itemsize, (Kind(self.record),) * len(chosen.places))


def header(file: File, label: str) -> Header:
    """The header of a file, compared with its size.

    Raises
    ------
    DamagedError
        If it is none, or the file does not have the size that it says.
    InvalidValueError
        If the array is not one of rows of numbers.
    """
    text, offset = _text(file, label)
    try:
        said = ast.literal_eval(text)
        if not isinstance(said, dict) or set(said) != {"descr", "fortran_order", "shape"}:
            raise ValueError(f"it says {text[:60]!r}")  # noqa: TRY301 -- all that is wrong with a header ends below
        shape, fortran = said["shape"], said["fortran_order"]
        if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError(f"the shape is {shape!r}")  # noqa: TRY301
        if type(fortran) is not bool:
            raise TypeError(f"fortran_order is {fortran!r}")  # noqa: TRY301
        record = np.lib.format.descr_to_dtype(said["descr"])
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        SyntaxError,
        MemoryError,
        RecursionError,
        OverflowError,
    ) as error:
        raise DamagedError(f"{label} has a header that describes no array: {error}; save it again") from error
    if record.hasobject:
        raise InvalidValueError(
            f"{label} holds Python objects, which only pickle could read, and nothing is ever unpickled: {REMEDY}"
        )
    if len(shape) != (2 if record.names is None else 1):
        raise InvalidValueError(f"{label} holds an array of shape {shape}: {REMEDY}")
    if record.names is None and not NUMBER.fullmatch(record.str):
        raise InvalidValueError(f"{label} holds values of type {record}: {REMEDY}")
    expected = record.itemsize
    for size in shape:
        expected *= size
    if record.itemsize == 0 or offset + expected != file.size:
        raise DamagedError(
            f"{label} has {file.size} bytes instead of {offset + expected}, which its header tells: it was cut off, or "
            "is no single array; save it again"
        )
    return Header(record, shape, fortran, offset)


def _text(file: File, label: str) -> tuple[str, int]:
    """The header's text, and where the array begins."""
    start = bytearray(min(12, file.size))
    file.read_into(start, 0)
    version = tuple(start[6:8])
    if start[:6] != MAGIC or len(start) < 12 or version not in {(1, 0), (2, 0), (3, 0)}:
        raise DamagedError(f"{label} is no .npy file: name another, or say its format=")
    first = 10 if version == (1, 0) else 12
    size = int.from_bytes(start[8:first], "little")
    if size > LARGEST_HEADER or first + size > file.size:
        raise DamagedError(f"{label} has a header of {size} bytes, which is too long for it: save it again")
    text = bytearray(size)
    file.read_into(text, first)
    try:
        return text.decode("utf-8" if version == (3, 0) else "latin-1").strip(), first + size
    except UnicodeDecodeError:
        raise DamagedError(f"{label} has a header that is no text: save it again") from None


def _runs(places: tuple[int, ...]) -> list[slice]:
    """Consecutive numbers as slices.

    >>> _runs((1, 2, 3, 0))
    [slice(1, 4, None), slice(0, 1, None)]
    """
    ends = [k for k in range(1, len(places)) if places[k] != places[k - 1] + 1]
    return [slice(places[a], places[b - 1] + 1) for a, b in zip([0, *ends], [*ends, len(places)], strict=True)]
