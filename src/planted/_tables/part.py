"""What every format makes of a file: a `Part`, its rows; where pyarrow decodes them, in `Units`.

Local files are read by pyarrow's own class of files. An object of Python's, as files behind URLs are, it calls in
threads, and a program that ends meanwhile may be aborted (26.0). No file is mapped into memory: one that is cut off
while it is read would end the process.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._disk import File, LocalFile, RangeFile, pyarrow_for
from planted._tables.schema import Chosen, Column, Schema
from planted._types import FloatArray, RowNumbers
from planted.errors import DamagedError, InvalidValueError, MissingError, PlantedError

BLOCK_BYTES: Final = 1 << 16  # rows that are read at once, if the file allows it
COLUMN_BYTES: Final = 1 << 14  # the least of each column in a block, where columns lie apart
TILE_BYTES: Final = 1 << 19  # rows that are filled column by column before the next ones: they stay in the cache
DENSEST: Final = 1 << 20  # rows a byte of a file: no encoding or compression makes rows smaller
FLOATS: Final = {"halffloat": "float16", "float": "float32", "double": "float64"}  # Arrow's names and NumPy's


class Part(ABC):
    """One file's rows."""

    __slots__ = ()

    n: int
    block_rows: int  # how many rows are best read at once
    units: RowNumbers | None  # the first row of each unit, and n; None if any rows can be read

    @abstractmethod
    def read(self, file: File, idle: list[Any], lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi` of the file (whole units) into `out`, shape (rows, features + 1), the response last.

        In `idle` a part keeps what it can use again while the file is open; several threads take from it.
        """

    def readahead(self, file: File, lo: int, hi: int) -> None:  # noqa: B027 -- most formats have nothing to do
        """Called before these rows are read."""


class Opened(NamedTuple):
    """What a file says of itself, before any of its rows is read."""

    schema: Schema
    part: Callable[[Chosen], Part]  # its rows, of the columns that are chosen


@dataclass(frozen=True, slots=True, eq=False)
class Units(Part):
    """The rows of a file that pyarrow decodes unit by unit."""

    label: str
    names: tuple[str | int, ...]  # of the columns that are wanted
    block_rows: int
    n: int
    units: RowNumbers
    numbers: tuple[int, ...]  # which of the file's units these are: those that have rows

    @abstractmethod
    def _reader(self, file: File) -> Any:
        """What reads units; it serves one thread at a time."""

    @abstractmethod
    def _unit(self, reader: Any, number: int) -> Any:
        """A unit: pyarrow's table or record batch of the columns that are wanted, in any order."""

    def read(self, file: File, idle: list[Any], lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi`, whole units, into `out`."""
        try:
            reader = idle.pop()
        except IndexError:
            reader = self._reader(file)
        first, stop = np.searchsorted(self.units, (lo, hi)).tolist()
        for k in range(first, stop):
            start, end = self.units[k : k + 2].tolist()
            unit = self._unit(reader, self.numbers[k])
            if unit.num_rows != end - start:
                raise ValueError(f"a unit has {unit.num_rows} rows instead of {end - start}")
            unit.validate()  # that its buffers are as long as it says
            fill(out[start - lo : end - lo], [self._values(unit.column(name), name, start) for name in self.names])
        idle.append(reader)

    def _values(self, column: Any, name: str | int, start: int) -> npt.NDArray[Any]:
        """A column's numbers, shape (rows, width); nulls are refused."""
        if hasattr(column, "combine_chunks"):  # of a table
            column = column.combine_chunks()
            column = column.chunk(0) if hasattr(column, "chunk") else column
        is_list = column.type.num_fields > 0
        values = column.flatten() if is_list and not column.null_count else column
        if values.null_count:
            row = start + int(np.flatnonzero(numbers_of(values.is_null()))[0]) * len(column) // len(values)
            raise InvalidValueError(
                f"{self.label} has a null in column {name!r}, row {row}: drop such rows, or write numbers in their "
                "place, first"
            )
        return numbers_of(values).reshape(len(column), -1)


def units_of(rows: list[int], size: int) -> tuple[int, RowNumbers, tuple[int, ...]]:
    """How many rows a file of so many bytes has, its units and their numbers, by the rows of each."""
    if min(rows, default=0) < 0 or sum(rows) > DENSEST * size:
        raise ValueError(f"it has {size} bytes, and its units have {min(rows)} to {max(rows)} rows")
    numbers = tuple(number for number, count in enumerate(rows) if count)
    units = np.cumsum([0, *(rows[number] for number in numbers)], dtype=np.int64)
    return int(units[-1]), units, numbers


def block_rows(columns: Sequence[Column]) -> int:
    """How many rows make a block where the values of each column lie apart."""
    row = sum(column.row_bytes for column in columns)
    return max(1, BLOCK_BYTES // row, COLUMN_BYTES * len(columns) // row)


def column_of(pa: Any, field: Any) -> Column:
    """One of pyarrow's fields: numbers, a fixed-size list of numbers, or something that holds none."""
    types, kind, width = pa.types, field.type, 1
    if types.is_fixed_size_list(kind):
        kind, width = kind.value_type, kind.list_size
    if width >= 1 and (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
        return Column(field.name, str(kind), np.dtype(FLOATS.get(str(kind), str(kind))), width)
    if types.is_list(kind) or types.is_large_list(kind):
        return Column(field.name, str(field.type), None, remedy="cast it to a list of fixed size, or leave it out")
    return Column(field.name, str(field.type), None)


def numbers_of(values: Any) -> npt.NDArray[Any]:
    """The numbers of pyarrow's array, not copied; its own way to NumPy would import pandas."""
    at, stop = values.offset, values.offset + len(values)
    buffer, bits = np.frombuffer(values.buffers()[1], np.uint8), values.type.bit_width
    if bits == 1:
        return np.unpackbits(buffer, count=stop, bitorder="little")[at:]
    name = str(values.type)
    return buffer[: stop * bits // 8].view(FLOATS.get(name, name))[at:]


def fill(out: FloatArray, columns: Sequence[npt.NDArray[Any]]) -> None:
    """Set columns of shape (rows, width) side by side; a `FloatingPointError` if a value is too large."""
    stops = list(accumulate(column.shape[1] for column in columns))
    step = max(1, TILE_BYTES // (out.itemsize * out.shape[1]))
    with np.errstate(over="raise", invalid="ignore"):
        for lo in range(0, len(out), step):
            tile = out[lo : lo + step]
            for stop, column in zip(stops, columns, strict=True):
                tile[:, stop - column.shape[1] : stop] = column[lo : lo + step]


# ---- files, as libraries read them ----------------------------------------------------------------------------


def source(file: File) -> Any:
    """A file as pyarrow reads it."""
    if not isinstance(file, LocalFile):
        return RangeFile(file)
    try:
        opened = pyarrow_for("arrow").OSFile(os.fspath(file.path))
        same = os.path.samestat(file.path.stat(), os.fstat(file.descriptor))
    except FileNotFoundError:
        raise MissingError(f"{file.path} is missing") from None
    if not same:
        raise DamagedError(f"{file.path} was replaced after the table was opened: open the table again")
    return opened


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Whatever a library raises at a file's content is an error of planted's that names the file."""
    try:
        yield
    except PlantedError:
        raise
    except FloatingPointError:
        raise InvalidValueError(
            f"{label} holds a value that is too large for float32: leave out dtype, or use dtype='float64'"
        ) from None
    except Exception as error:
        what = " ".join(str(error).split()) or type(error).__name__
        cause = (
            "its record batches or row groups are too large" if isinstance(error, MemoryError) else "of another format"
        )
        raise DamagedError(f"{label} is damaged, or {cause}: {what}") from error
