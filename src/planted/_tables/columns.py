"""Values that lie column by column in a file, and how they become rows.

What comes in: which bytes of a file hold which values. What goes out: matrices of shape (rows, features + 1), the
response in the last column. `Columnar` is what Arrow files and Fortran's order have in common: the values of one column
lie side by side, in one or more *pieces*. `Part` is what every format makes of a file.
"""

import bisect
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from planted._disk import File, pyarrow_for
from planted._machine import empty
from planted._types import FloatArray, RowNumbers

Bytes = npt.NDArray[np.uint8]

BLOCK_BYTES: Final = 1 << 16  # of a block, where any rows can be read
COLUMN_BYTES: Final = 1 << 14  # of one column in a block, where each column is read apart
TILE_BYTES: Final = 1 << 19  # of rows that are filled column by column before the next: they stay in the cache
GAP_BYTES: Final = 1 << 15  # between two ranges of bytes: reading this much more is cheaper than reading once more
PADDING: Final = 1 << 12  # bytes that a writer may have left behind a column's values
DENSEST: Final = 1 << 20  # rows a byte of a file: no encoding or compression makes rows smaller


class Part(Protocol):
    """One file's rows."""

    @property
    def n(self) -> int:
        """How many there are."""
        ...

    @property
    def units(self) -> RowNumbers | None:
        """Between which rows the file is cut into units that are decoded whole; None if any rows can be read."""
        ...

    @property
    def block_rows(self) -> int:
        """How many rows are best read at once."""
        ...

    def handle(self, file: File) -> Any:
        """What reading needs besides the file, kept while the file is open."""
        ...

    def ranges(self, handle: Any, lo: int, hi: int) -> list[tuple[int, int]]:
        """Which bytes, from and to, reading these rows will take."""
        ...

    def read(self, file: File, handle: Any, lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi` of the file, of units whole ones, into `out`."""
        ...


# ---- bytes ----------------------------------------------------------------------------------------------------


def merged(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges of bytes, ascending, those that nearly touch as one.

    >>> list(merged([(90_000, 90_010), (10, 60), (16, 30), (70, 80)]))
    [(10, 80), (90000, 90010)]
    """
    start, stop = 0, -1
    for lo, hi in sorted(ranges):
        if stop < 0:
            start, stop = lo, hi
        elif lo <= stop + GAP_BYTES:
            stop = max(stop, hi)
        else:
            yield start, stop
            start, stop = lo, hi
    if stop >= 0:
        yield start, stop


def fetch(file: File, ranges: list[tuple[int, int]]) -> list[Bytes]:
    """The bytes of each of these ranges, read in as few pieces as is sensible."""
    spans = {}
    for start, stop in merged(ranges):
        if not 0 <= start <= stop <= file.size:
            raise ValueError(f"it speaks of bytes {start} to {stop}, and has {file.size}")
        spans[start] = span = empty((stop - start,), np.dtype(np.uint8))
        file.read_into(span, start)
    starts, found = list(spans), []
    for lo, hi in ranges:
        start = starts[bisect.bisect_right(starts, lo) - 1]
        found.append(spans[start][lo - start : hi - start])
    return found


def fill(out: FloatArray, columns: Sequence[npt.NDArray[Any]]) -> None:
    """Set columns of shape (rows,) or (rows, width) side by side; a `FloatingPointError` if a value is too large."""
    edges = [0, *itertools.accumulate(1 if column.ndim == 1 else column.shape[1] for column in columns)]
    step = max(1, TILE_BYTES // (out.itemsize * out.shape[1]))
    with np.errstate(over="raise", invalid="ignore"):
        for lo in range(0, len(out), step):
            tile = out[lo : lo + step]
            for k, column in enumerate(columns):
                if column.ndim == 1:
                    tile[:, edges[k]] = column[lo : lo + step]
                else:
                    tile[:, edges[k] : edges[k + 1]] = column[lo : lo + step]


def decompressed(content: Bytes, size: int, codec: str) -> Bytes:
    """The first `size` bytes of an Arrow buffer, before which stands how many it has, or -1 if it is as it was."""
    said = int.from_bytes(content[:8].tobytes(), "little", signed=True)
    if said == -1:
        return content[8 : 8 + size]
    if not size <= said <= 2 * size + PADDING:
        raise ValueError(f"a compressed column says that it has {said} bytes instead of {size}")
    pa = pyarrow_for("arrow")
    return np.frombuffer(pa.Codec(codec).decompress(pa.py_buffer(content[8:]), decompressed_size=said), np.uint8, size)


# ---- values of a column side by side --------------------------------------------------------------------------


class Kind(NamedTuple):
    """How the values of a column lie in a file."""

    dtype: np.dtype[Any]  # of the file's byte order
    width: int = 1
    bits: bool = False  # truth values, eight a byte

    def bytes_of(self, lo: int, hi: int) -> tuple[int, int]:
        """Which bytes of a column's hold these rows."""
        lo, hi = lo * self.width, hi * self.width
        return (lo // 8, -(-hi // 8)) if self.bits else (lo * self.dtype.itemsize, hi * self.dtype.itemsize)

    def values(self, content: Bytes, lo: int, hi: int) -> npt.NDArray[Any]:
        """The rows that these bytes hold: shape (rows,), or (rows, width)."""
        count = (hi - lo) * self.width
        if self.bits:
            first = lo * self.width % 8
            numbers = np.unpackbits(content, bitorder="little")[first : first + count]
        else:
            numbers = content.view(self.dtype)
        return numbers if self.width == 1 else numbers.reshape(-1, self.width)


@dataclass(frozen=True, slots=True, eq=False)
class Columnar:
    """A file in pieces, in each of which the values of a column lie side by side, as they are or compressed."""

    edges: RowNumbers  # the first row of each piece, and n
    starts: npt.NDArray[np.int64]  # (pieces, columns): where in the file the values begin
    stops: npt.NDArray[np.int64]
    kinds: tuple[Kind, ...]
    codec: str | None = None

    @property
    def n(self) -> int:
        """How many rows there are."""
        return int(self.edges[-1])

    @property
    def units(self) -> RowNumbers | None:
        """The pieces, if they are compressed."""
        return None if self.codec is None else self.edges

    @property
    def block_rows(self) -> int:
        """As many as make it worth while to read of each column apart."""
        row = sum(kind.dtype.itemsize * kind.width for kind in self.kinds)
        return max(1, BLOCK_BYTES // row, COLUMN_BYTES * len(self.kinds) // row)

    def handle(self, file: File) -> None:
        """Nothing."""

    def ranges(self, handle: Any, lo: int, hi: int) -> list[tuple[int, int]]:  # noqa: ARG002 -- the protocol's
        """The bytes of each column, piece after piece."""
        return [span for piece in self._pieces(lo, hi) for span in self._spans(*piece)]

    def read(self, file: File, handle: Any, lo: int, hi: int, out: FloatArray) -> None:  # noqa: ARG002 -- the protocol's
        """Rows `lo` to `hi` into `out`."""
        pieces = list(self._pieces(lo, hi))
        contents = iter(fetch(file, [span for piece in pieces for span in self._spans(*piece)]))
        at = 0
        for _, a, b in pieces:
            columns = []
            for kind, content in zip(self.kinds, contents, strict=False):
                raw = content if self.codec is None else decompressed(content, kind.bytes_of(a, b)[1], self.codec)
                columns.append(kind.values(raw, a, b))
            fill(out[at : at + b - a], columns)
            at += b - a

    def _pieces(self, lo: int, hi: int) -> Iterator[tuple[int, int, int]]:
        """The pieces that hold these rows, each with the rows of its own that are meant."""
        piece = int(self.edges.searchsorted(lo, "right")) - 1
        while lo < hi:
            first, stop = int(self.edges[piece]), min(hi, int(self.edges[piece + 1]))
            if stop > lo:
                yield piece, lo - first, stop - first
            lo, piece = stop, piece + 1

    def _spans(self, piece: int, a: int, b: int) -> Iterator[tuple[int, int]]:
        starts, stops = self.starts[piece].tolist(), self.stops[piece].tolist()
        for kind, start, stop in zip(self.kinds, starts, stops, strict=True):
            if self.codec is None:
                lo, hi = kind.bytes_of(a, b)
                yield start + lo, start + hi
            else:
                yield start, stop
