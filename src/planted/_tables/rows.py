"""Rows of real data: columns of files that others wrote, without a truth.

They are taken, sliced, split and loaded as planted's own rows are, so that a learner can go from data whose answer is
known to data whose answer is not.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np

from planted._machine import empty
from planted._order import Blocks
from planted._rows import BaseRows, HeldRows, LazyRows, names_of
from planted._tables.reader import TableReader
from planted._types import FloatArray, RowNumbers

MERGE_FACTORS: Final = (1, 2, 4, 8, 16)
AHEAD_BLOCKS: Final = 64  # how many blocks are announced before they are read


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RealRows(BaseRows):
    """Rows of a table: `n` of them, from number `first` of it on."""

    n: int
    first: int
    digest: str  # of the whole table

    def fingerprint(self) -> str:
        """A short text that is equal for equal rows only, as far as the files' sizes and times tell."""
        return hashlib.sha256(f"{self.digest}/{self.first}/{self.n}".encode()).hexdigest()[:16]

    def _identity(self) -> tuple[str, int, int]:
        return self.digest, self.first, self.n


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TableRows(RealRows, LazyRows["HeldTableRows"]):
    """Rows of other people's files, of which none is in memory, and no truth is known. Made by `open_table`."""

    table: TableReader

    @property
    def features(self) -> int:
        """How many features a row has."""
        return self.table.chosen.features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        return self.table.dtype

    def _held(self, X: FloatArray, y: FloatArray) -> "HeldTableRows":
        return HeldTableRows(self.n, self.first, self.digest, X, y, tuple(self._names()))

    def _names(self) -> list[str]:
        return self.table.chosen.columns()

    def _view(self, first: int, count: int) -> "TableRows":
        return replace(self, n=count, first=self.first + first)

    # ---- in blocks, as a loader reads them ----

    @property
    def merge_factors(self) -> tuple[int, ...]:
        """How many blocks may be read as one."""
        return MERGE_FACTORS

    @property
    def readers(self) -> int:
        """How many threads should read at once."""
        return self.table.places[0].folder.readers

    def partition(self, merged: int = 1) -> Blocks:
        """The blocks that these rows lie in, `merged` consecutive ones counted as one."""
        return self.table.partition(self.first, self.n, merged)

    def load(self, blocks: Blocks, indices: RowNumbers, arena: FloatArray, places: RowNumbers) -> int:
        """The first of these blocks into its place in the arena, shape (rows, features + 1), the response last."""
        lo, hi = blocks.bounds(int(indices[0]))
        place = int(places[0])
        self.table.read(self.first + lo, self.first + hi, arena[place : place + hi - lo])
        return 1

    def readahead(self, blocks: Blocks, indices: RowNumbers) -> None:
        """Called before these blocks are loaded."""
        for index in indices.tolist():
            lo, hi = blocks.bounds(index)
            self.table.readahead(self.first + lo, self.first + hi)

    # ---- row by row ----

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        if not rows.size:
            return
        lo = self.first + int(rows[0])
        if (np.diff(rows) == 1).all():
            values = empty((rows.size, self.features + 1), self.dtype)
            self.table.read(lo, lo + rows.size, values)
            X[:], y[:] = values[:, :-1], values[:, -1:]
        else:
            self._fill_scattered(rows + np.int64(self.first), X, y)

    def _fill_scattered(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        """Each block that holds one of them is read once."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        firsts, stops = self.table.bounds(ascending)
        edges = np.flatnonzero(np.diff(firsts, prepend=-1, append=-1))
        spans = [(int(firsts[k]), int(stops[k])) for k in edges[:-1]]
        for k, (lo, hi) in enumerate(spans):
            if not k % AHEAD_BLOCKS:
                for ahead in spans[k : k + AHEAD_BLOCKS]:
                    self.table.readahead(*ahead)
            wanted = slice(edges[k], edges[k + 1])
            some = self.table.block(lo, hi)[ascending[wanted] - lo]
            X[order[wanted]], y[order[wanted]] = some[:, :-1], some[:, -1:]

    def __repr__(self) -> str:
        """What they are of, and where they lie."""
        places = self.table.places
        files = f"{places[0].label!r}" if len(places) == 1 else f"{len(places)} files, the first {places[0].label!r}"
        part = f", start={self.first}" if self.first else ""
        made = f"{self.features} features and {self.table.chosen.names[-1]!r}{part}, {self.dtype.name}"
        return f"<rows: {self.n:_} of {made}, in {files}>"


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeldTableRows(RealRows, HeldRows):
    """The same rows, held in memory and read-only. Made by `TableRows.materialize`."""

    X: FloatArray
    y: FloatArray
    names: tuple[str, ...] = ()  # of the columns, the response last

    __setstate__ = HeldRows.__setstate__

    def _names(self) -> list[str]:
        return list(getattr(self, "names", ()) or names_of(self.features))  # pickles of before have none

    @property
    def features(self) -> int:
        """How many features a row has."""
        return int(self.X.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        return self.X.dtype

    def _view(self, first: int, count: int) -> "HeldTableRows":
        part = slice(first, first + count)
        return replace(self, X=self.X[part], y=self.y[part], n=count, first=self.first + first)

    def __repr__(self) -> str:
        """How many they are, and their size."""
        return f"<rows: {self.n:_} of {self.features} features, {self.dtype.name}, {self._size()}>"
