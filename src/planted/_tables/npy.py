"""NumPy's `.npy` files: any rows of theirs can be read by themselves.

The columns of a matrix have numbers, those of a structured array names. NumPy parses the header; what it says is
compared with the file's size before anything is made, and what only pickle could read is refused.
"""

import io
import re
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.lib import format as npy_format

from planted._disk import File, RangeFile
from planted._input import bytes_text
from planted._machine import empty
from planted._tables.part import BLOCK_BYTES, Opened, Part, block_rows, fill, reading
from planted._tables.schema import Chosen, Column, Schema
from planted._types import FloatArray
from planted.errors import DamagedError, InvalidValueError

NUMBER: Final = re.compile(r"[<>|=]?(?:f[248]|[iu][1248]|b1|\?)")
LARGEST_HEADER: Final = 1 << 20
HEADER_BYTES: Final = 1 << 12  # that are read first: most often all
REMEDY: Final = "save a matrix of numbers, shape (rows, columns), or a structured array"


def npy(file: File, label: str) -> Opened:
    """What the header of a file says, compared with its size."""
    shape, fortran, record, offset = _header(file, label)
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
            f"{label} has {bytes_text(file.size)} instead of {offset + expected}, which its header tells: it was cut "
            "off, or is no single array; save it again"
        )
    n = shape[0]
    if record.names is not None:
        columns = tuple(_column(record, name) for name in record.names)
        rows = max(1, BLOCK_BYTES // record.itemsize)
        return Opened(Schema(columns), lambda chosen: RowMajor(n, rows, offset, record, 1, chosen.names))
    plain = record.newbyteorder("=")

    def part(chosen: Chosen) -> Part:
        if fortran:
            rows = block_rows([Column("", "", plain)] * len(chosen.places))
            return ColumnMajor(n, rows, offset, record, chosen.places)
        rows = max(1, BLOCK_BYTES // (record.itemsize * shape[1]))
        return RowMajor(n, rows, offset, record, shape[1], tuple(_runs(chosen.places)))

    return Opened(Schema((Column("", plain.name, plain, shape[1]),), numbered=True), part)


def _header(file: File, label: str) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """The shape, whether it is in Fortran's order, the type, and where the array begins."""
    opened = io.BufferedReader(RangeFile(file), HEADER_BYTES)
    try:
        version = npy_format.read_magic(opened)
    except ValueError:
        raise DamagedError(f"{label} is no .npy file: name another, or say its format=") from None
    with reading(label):
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, fortran, record = read(opened, max_header_size=LARGEST_HEADER)
        if version == (3, 0) and record.names is not None:  # the same, in UTF-8; NumPy has no public function for it
            record.names = tuple(name.encode("latin-1").decode() for name in record.names)
        if version > (3, 0) or min(shape, default=0) < 0:
            raise ValueError(f"it is of version {version} and shape {shape}")
    return shape, fortran, record, opened.tell()


def _column(record: np.dtype[Any], name: str) -> Column:
    dtype = record[name]
    base = dtype.base.newbyteorder("=")
    numbers = NUMBER.fullmatch(base.str) is not None and len(dtype.shape) < 2
    return Column(name, str(base), base if numbers else None, dtype.shape[0] if dtype.shape else 1)


def _runs(places: tuple[int, ...]) -> list[slice]:
    """Consecutive numbers as slices.

    >>> _runs((1, 2, 3, 0))
    [slice(1, 4, None), slice(0, 1, None)]
    """
    ends = [k for k in range(1, len(places)) if places[k] != places[k - 1] + 1]
    return [slice(places[a], places[b - 1] + 1) for a, b in zip([0, *ends], [*ends, len(places)], strict=True)]


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowMajor(Part):
    """The rows of a file one after another."""

    n: int
    block_rows: int
    offset: int  # of the first row in the file
    record: np.dtype[Any]  # of a row's fields, or of each of its numbers
    numbers: int  # in a row that has no fields, else 1
    wanted: tuple[Any, ...]  # fields, or runs of numbers
    units: None = None

    def read(self, file: File, idle: list[Any], lo: int, hi: int, out: FloatArray) -> None:  # noqa: ARG002 -- the base's
        """With one read, and no copy where the file holds just what is wanted."""
        row_bytes = self.record.itemsize * self.numbers
        if self.wanted == (slice(0, self.numbers),) and self.record == out.dtype and out.flags.c_contiguous:
            file.read_into(out, self.offset + lo * row_bytes)
            return
        content = empty((hi - lo, row_bytes), np.dtype(np.uint8))
        file.read_into(content, self.offset + lo * row_bytes)
        rows = content.view(self.record)
        columns = [rows[key] if self.record.names else rows[:, key] for key in self.wanted]
        fill(out, [column.reshape(hi - lo, -1) for column in columns])

    def readahead(self, file: File, lo: int, hi: int) -> None:
        """Let the system read ahead."""
        row_bytes = self.record.itemsize * self.numbers
        file.readahead(self.offset + lo * row_bytes, (hi - lo) * row_bytes)


@final
@dataclass(frozen=True, slots=True, eq=False)
class ColumnMajor(Part):
    """The columns of a file one after another: Fortran's order."""

    n: int
    block_rows: int
    offset: int
    record: np.dtype[Any]
    places: tuple[int, ...]  # of the columns that are wanted
    units: None = None

    def read(self, file: File, idle: list[Any], lo: int, hi: int, out: FloatArray) -> None:  # noqa: ARG002 -- the base's
        """Column by column."""
        columns = []
        for place in self.places:
            content = empty(((hi - lo) * self.record.itemsize,), np.dtype(np.uint8))
            file.read_into(content, self._at(place, lo))
            columns.append(content.view(self.record)[:, None])
        fill(out, columns)

    def readahead(self, file: File, lo: int, hi: int) -> None:
        """Let the system read ahead."""
        for place in self.places:
            file.readahead(self._at(place, lo), (hi - lo) * self.record.itemsize)

    def _at(self, place: int, row: int) -> int:
        return self.offset + (place * self.n + row) * self.record.itemsize
