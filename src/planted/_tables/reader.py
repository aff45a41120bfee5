"""The files of a table, read by ranges of rows, by several threads at once.

Where any rows can be read by themselves (`.npy`), blocks are of about 64 KiB. Where rows are decoded in units, blocks
are units, small ones several together; and some blocks of which only a part was wanted are kept, since what comes next
is probably in them.
"""

import bisect
import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from planted._disk import File
from planted._machine import Kept, drop_oldest, empty
from planted._order import Blocks
from planted._tables.part import Part, reading
from planted._tables.paths import Place
from planted._tables.schema import Chosen
from planted._types import FloatArray, RowNumbers
from planted.errors import DamagedError

FILES: Final = 256  # that are open at once
MOST_BLOCKS: Final = 1 << 20  # about, if they need a list: larger ones then
KEPT_BYTES: Final = 1 << 26  # decoded blocks, unless two are larger


class TableReader:
    """The files of a table."""

    __slots__ = (
        *("block_rows", "chosen", "digest", "direct", "dtype", "edges", "n", "parts", "places", "stamps", "starts"),
        *("_decoded", "_files", "_kept"),
    )

    def __init__(
        self, places: list[Place], stamps: list[str], parts: list[Part], chosen: Chosen, dtype: np.dtype[Any]
    ) -> None:
        self.places: list[Place] = places
        self.stamps: list[str] = stamps
        self.parts: list[Part] = parts
        self.chosen: Chosen = chosen
        self.dtype: np.dtype[Any] = dtype
        self.starts: list[int] = np.cumsum([0, *(part.n for part in parts)], dtype=np.int64).tolist()
        self.n: int = self.starts[-1]
        self.direct: bool = all(part.units is None for part in parts)
        self.block_rows: int
        self.edges: RowNumbers | None
        self.block_rows, self.edges = self._partition()
        said = [self.chosen.names, dtype.name, *zip(stamps, (part.n for part in parts), strict=True)]
        self.digest: str = hashlib.sha256(json.dumps(["table", 1, *said]).encode()).hexdigest()
        self._files: dict[int, tuple[File, list[Any]]] = {}
        self._decoded: Kept[FloatArray] = Kept()
        largest = 1 if self.edges is None else int(np.diff(self.edges).max(initial=1))
        self._kept = max(2, KEPT_BYTES // (largest * (chosen.features + 1) * dtype.itemsize))

    # ---- blocks ----

    def _partition(self) -> tuple[int, RowNumbers | None]:
        """The rows of a block; or, where blocks differ, between which rows they lie."""
        rows = max((part.block_rows for part in self.parts), default=1)
        if self.direct and len(self.parts) < 2:
            return rows, None
        rows = max(rows, self.n // MOST_BLOCKS)
        cuts = [np.array([self.n], np.int64)]
        for first, part in zip(self.starts, self.parts, strict=False):
            units = np.arange(0, part.n, rows) if part.units is None else part.units[:-1]
            cuts.append(first + units[np.diff(units // rows, prepend=-1) > 0])
        return rows, np.unique(np.concatenate(cuts))

    def partition(self, first: int, n: int, merged: int) -> Blocks:
        """The blocks in which ``n`` rows from the `first` on lie, each `merged` of the table's own."""
        if self.edges is None:
            size = merged * self.block_rows
            return Blocks(n, size, size - first % size)
        inner = self.edges[::merged]
        inner = inner[(inner > first) & (inner < first + n)]
        return Blocks.from_edges(np.unique(np.array([0, *(inner - first).tolist(), n], np.int64)))

    def bounds(self, rows: RowNumbers) -> tuple[RowNumbers, RowNumbers]:
        """Of the block that each of these rows is in, the first row and the one behind the last."""
        if self.edges is None:
            lo = rows // self.block_rows * self.block_rows
            return lo, np.minimum(lo + self.block_rows, self.n)
        block = np.searchsorted(self.edges, rows, "right")
        return self.edges[block - 1], self.edges[block]

    # ---- reading ----

    def readahead(self, lo: int, hi: int) -> None:
        """Called before these rows are read."""
        if self.direct:
            for i, a, b in self._files_of(lo, hi):
                self.parts[i].readahead(self._file(i)[0], a, b)

    def read(self, lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi` into `out`, C-contiguous, shape (rows, features + 1), the response last."""
        if self.direct or self.edges is None:
            self._read(lo, hi, out)
            return
        block, at = int(np.searchsorted(self.edges, lo, "right")) - 1, lo
        while at < hi:
            first, last = self.edges[block : block + 2].tolist()
            stop = min(last, hi)
            part = out[at - lo : stop - lo]
            if (at, stop) == (first, last):
                self._read(at, stop, part)
            else:
                part[:] = self._decode(first, last)[at - first : stop - first]
            at, block = stop, block + 1

    def block(self, lo: int, hi: int) -> FloatArray:
        """A block, of which only some rows are wanted now."""
        return self._new(lo, hi) if self.direct else self._decode(lo, hi)

    def _decode(self, lo: int, hi: int) -> FloatArray:
        """A block, out of those that are kept if it is there."""
        return self._decoded.get(lo, lambda: self._new(lo, hi), self._kept)

    def _new(self, lo: int, hi: int) -> FloatArray:
        """Rows, in an array of their own; that there is not so much memory is a fault of the file that asks for it."""
        file, *_ = next(self._files_of(lo, hi))
        with reading(self.places[file].label):
            values = empty((hi - lo, self.chosen.features + 1), self.dtype)
        self._read(lo, hi, values)
        return values

    def _read(self, lo: int, hi: int, out: FloatArray) -> None:
        for i, a, b in self._files_of(lo, hi):
            file, idle = self._file(i)
            at = self.starts[i] + a - lo
            try:
                with reading(self.places[i].label):
                    self.parts[i].read(file, idle, a, b, out[at : at + b - a])
            except DamagedError as error:
                if file.changed():
                    raise self._changed(i) from error
                raise
            if file.changed():
                raise self._changed(i)

    def _files_of(self, lo: int, hi: int) -> Iterator[tuple[int, int, int]]:
        """The files that hold these rows, each with the rows of its own that are meant."""
        i = bisect.bisect_right(self.starts, lo) - 1
        while lo < hi:
            start, stop = self.starts[i], min(hi, self.starts[i + 1])
            yield i, lo - start, stop - start
            lo, i = stop, i + 1

    def _file(self, i: int) -> tuple[File, list[Any]]:
        """An open file, and what its part keeps to use again."""
        found = self._files.get(i)
        if found is None:
            found = self.places[i].open(), []
            if found[0].version_tag != self.stamps[i]:
                raise self._changed(i)
            drop_oldest(self._files, FILES - 1)
            self._files[i] = found
        return found

    def _changed(self, i: int) -> DamagedError:
        self._files.pop(i, None)
        return DamagedError(
            f"{self.places[i].label} was written to after the table was opened: let no other program write there, and "
            "open the table again"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without open files."""
        return TableReader, (self.places, self.stamps, self.parts, self.chosen, self.dtype)
