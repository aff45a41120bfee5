"""Parquet files: which row groups there are, and rows of theirs.

What comes in: an open file. What goes out: its schema, and its rows as a `Part`, whose units are the row groups.
pyarrow decodes them, and of a group just the columns that are wanted. What a file says of single columns is not asked:
where that is damaged, pyarrow's answer is the end of the process (26.0: ``metadata.row_group(i).column(j)``).
"""

import io
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._disk import File, LocalFile, pyarrow_for
from planted._machine import empty
from planted._tables.columns import BLOCK_BYTES, DENSEST, Kind, fill
from planted._tables.schema import Chosen, Schema, column_of, null, reading
from planted._types import FloatArray, RowNumbers

CHECKING: Final = 15  # the version of pyarrow that learned to compare the checksums of pages
BITS: Final = Kind(np.dtype(np.bool_), bits=True)


class Parquet(NamedTuple):
    """A file whose footer has been read."""

    file: File
    label: str
    metadata: Any  # pyarrow's
    types: Any  # pyarrow's schema

    def schema(self) -> Schema:
        """The columns, by name."""
        pa = pyarrow_for("parquet")
        with reading(self.label):
            return Schema(tuple(column_of(pa, field) for field in self.types))

    def part(self, chosen: Chosen) -> "RowGroups":
        """The rows, of the columns that are wanted."""
        with reading(self.label):
            return _part(self, chosen)


def parquet(file: File, label: str) -> Parquet:
    """What a file says of itself, without its row groups.

    Raises
    ------
    DamagedError
        If it is no Parquet file.
    MissingDependencyError
        If pyarrow is not installed.
    """
    pa = pyarrow_for("parquet")
    with reading(label), pa.parquet.ParquetFile(View(file), pre_buffer=False) as opened:
        return Parquet(file, label, opened.metadata, opened.schema_arrow)


def _part(parquet: Parquet, chosen: Chosen) -> "RowGroups":
    metadata = parquet.metadata
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    if min(rows, default=0) < 0 or sum(rows) != metadata.num_rows or sum(rows) > DENSEST * parquet.file.size:
        raise ValueError(f"its groups have {sum(rows)} rows, its footer speaks of {metadata.num_rows}")
    groups = tuple(group for group, count in enumerate(rows) if count)
    units = np.cumsum([0, *(rows[group] for group in groups)], dtype=np.int64)
    return RowGroups(parquet.label, units, groups, tuple(map(str, chosen.names)), chosen.features + 1)


@dataclass(frozen=True, slots=True, eq=False)
class RowGroups:
    """The rows of a file, in groups that are decoded whole."""

    label: str
    units: RowNumbers  # the first row of each group, and n
    groups: tuple[int, ...]  # the numbers of those that have rows
    names: tuple[str, ...]
    numbers: int  # a row

    @property
    def n(self) -> int:
        """How many rows there are."""
        return int(self.units[-1])

    @property
    def block_rows(self) -> int:
        """Groups of fewer rows are read together."""
        return max(1, BLOCK_BYTES // (4 * self.numbers))

    def handle(self, file: File) -> Any:
        """The footer, parsed."""
        return parquet(file, self.label).metadata

    def ranges(self, handle: Any, lo: int, hi: int) -> list[tuple[int, int]]:  # noqa: ARG002 -- the protocol's
        """Not known: only pyarrow knows where columns are."""
        return []

    def read(self, file: File, handle: Any, lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi`, whole groups, into `out`."""
        pa = pyarrow_for("parquet")
        first, stop = np.searchsorted(self.units, (lo, hi)).tolist()
        options = {"pre_buffer": not isinstance(file, LocalFile)}  # columns at once, where each waits for the network
        if int(pa.__version__.partition(".")[0]) >= CHECKING:
            options["page_checksum_verification"] = True
        with pa.parquet.ParquetFile(View(file), metadata=handle, **options) as opened:
            for unit in range(first, stop):
                table = opened.read_row_group(self.groups[unit], columns=list(self.names), use_threads=False)
                start, end = self.units[unit : unit + 2].tolist()
                if len(table) != end - start:
                    raise ValueError(f"a group has {len(table)} rows instead of {end - start}")
                fill(out[start - lo : end - lo], [self._values(pa, name, table, start) for name in self.names])

    def _values(self, pa: Any, name: str, table: Any, start: int) -> npt.NDArray[Any]:
        """A column's numbers, of shape (rows,) or (rows, width); nulls are refused."""
        whole = table.column(name).combine_chunks()
        whole = whole if isinstance(whole, pa.Array) else whole.chunk(0)
        levels = [whole, whole.flatten()] if pa.types.is_fixed_size_list(whole.type) else [whole]
        for level in levels:
            if level.null_count:
                first = int(np.flatnonzero(_buffer(level, 0, BITS) == 0)[0])
                raise null(self.label, name, start + first * len(whole) // len(level))
        dtype = column_of(pa, table.schema.field(name)).dtype
        assert dtype is not None
        values = _buffer(levels[-1], 1, BITS if dtype == np.bool_ else Kind(dtype))
        return values if len(levels) == 1 else values.reshape(len(whole), -1)


def _buffer(level: Any, which: int, kind: Kind) -> npt.NDArray[Any]:
    """One of the buffers of pyarrow's array; its own way to NumPy would import pandas."""
    lo, hi = level.offset, level.offset + len(level)
    start, stop = kind.bytes_of(lo, hi)
    return kind.values(np.frombuffer(level.buffers()[which], np.uint8)[start:stop], lo, hi)


class View(io.RawIOBase):
    """A file as pyarrow reads one."""

    def __init__(self, file: File) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._file.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> Any:
        """Bytes, as something that pyarrow does not copy."""
        rest = max(0, self._file.size - self._at)
        found = empty((rest if size < 0 else min(size, rest),), np.dtype(np.uint8))
        self._file.read_into(found, self._at)
        self._at += len(found)
        return found.data
