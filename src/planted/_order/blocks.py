"""Blocks: how rows are stored, and what a loader asks of rows that are stored in blocks."""

import hashlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from planted._types import Batch, RowNumbers
from planted.errors import InvalidValueError


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A partition of ``range(n)`` into consecutive blocks, none of them empty.

    Blocks of equal size, except the first and the last, need no table; others come from `from_edges`.

    >>> blocks = Blocks(n=10, size=4, first=3)
    >>> blocks.starts(np.arange(3)), blocks.sizes(np.arange(3))
    (array([0, 3, 7]), array([3, 4, 3]))
    """

    n: int
    size: int  # rows of the largest block; without edges, of each block but the first and the last
    first: int = 0  # rows of the first block, at most `size`; 0 means `size`
    edges: RowNumbers | None = None  # if sizes differ: the first row of each block, and n

    def __post_init__(self) -> None:
        if self.edges is None and not (self.size >= 1 and 0 <= self.first <= self.size):
            raise InvalidValueError(
                f"size={self.size}, first={self.first}: blocks have at least 1 row, and the first one at most `size`: "
                "use 0 for a first block of `size` rows"
            )
        first = min(self.first or self.size, self.n)
        object.__setattr__(self, "first", first)
        if self.edges is None and self.n - first <= self.size:  # at most two blocks: the larger one is the size
            object.__setattr__(self, "size", max(1, first, self.n - first))

    @classmethod
    def from_edges(cls, edges: Any) -> "Blocks":
        """The blocks between these row numbers, which ascend strictly from 0 to n."""
        at = np.array(edges, np.int64)
        sizes = np.diff(at)
        if at.ndim != 1 or at.size < 1 or at[0] != 0 or (sizes < 1).any():
            raise InvalidValueError(
                f"edges={at} must ascend strictly from 0 to the number of rows: leave out empty blocks"
            )
        n = int(at[-1])
        size = int(sizes.max(initial=1))
        if (sizes[1:-1] == size).all():
            return cls(n, size, int(sizes[0]) if n else 0)
        at.flags.writeable = False
        return cls(n, size, int(sizes[0]), at)

    def __len__(self) -> int:
        """How many blocks there are."""
        if self.edges is not None:
            return self.edges.size - 1
        return -(-(self.n - self.first) // self.size) + (self.n > 0)

    def bounds(self, index: int) -> tuple[int, int]:
        """The first row of one block, and the row after its last."""
        if self.edges is not None:
            return int(self.edges[index]), int(self.edges[index + 1])
        start = self.first + (index - 1) * self.size
        return max(0, start), min(self.n, start + self.size)

    def starts(self, indices: RowNumbers) -> RowNumbers:
        """The first row of each of these blocks."""
        if self.edges is not None:
            return self.edges[indices]
        return np.maximum(self.first + (indices - 1) * self.size, 0)

    def sizes(self, indices: RowNumbers) -> RowNumbers:
        """How many rows each of these blocks has."""
        if self.edges is not None:
            return self.edges[indices + 1] - self.edges[indices]
        sizes = np.full(indices.shape, self.size, np.int64)
        for index in {0, len(self) - 1}:
            first, end = self.bounds(index)
            sizes[indices == index] = end - first
        return sizes

    @property
    def short_blocks(self) -> RowNumbers:
        """The numbers of the blocks that have fewer rows than the largest, ascending."""
        count = len(self)
        ends = np.array(sorted({0, count - 1}) if count else [], np.int64)
        candidates = ends if self.edges is None else np.arange(count)
        return candidates[self.sizes(candidates) < self.size]

    def fingerprint(self) -> str:
        """A short text that is equal for equal partitions only."""
        table = b"" if self.edges is None else self.edges.astype("<i8").tobytes()
        return hashlib.sha256(f"{self.n}/{self.size}/{self.first}/".encode() + table).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        """Equal if every block is."""
        if not isinstance(other, Blocks):
            return NotImplemented
        return self.n == other.n and self.fingerprint() == other.fingerprint()

    def __hash__(self) -> int:
        """Consistent with equality."""
        return hash(self.fingerprint())


class BlockRows(Protocol):
    """Rows that are stored in blocks: ordinary rows, and a way to read a block at once."""

    @property
    def merge_factors(self) -> tuple[int, ...]:
        """How many consecutive blocks may count as one: ascending from 1."""
        ...

    @property
    def readers(self) -> int:
        """How many threads should load at once."""
        ...

    @property
    def n(self) -> int:
        """How many rows there are."""
        ...

    @property
    def features(self) -> int:
        """How many features a row has."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        ...

    def take(self, rows: Any) -> Batch:
        """Rows by number, in any order."""
        ...

    def partition(self, merged: int = 1) -> Blocks:
        """The blocks, where `merged` consecutive ones count as one."""
        ...

    def load(self, blocks: Blocks, indices: RowNumbers, arena: Any, places: RowNumbers) -> int:
        """Read blocks of such a partition: number ``indices[k]`` into the rows of `arena` from ``places[k]`` on.

        The arena is C-contiguous, with ``features + 1`` columns, y last. Returns how many were read, from the first one
        on: at least one, and few enough to take only a moment, since `close` waits for it. Called by several threads at
        once; releases the GIL while it reads. Raises a `PlantedError` if what is stored is damaged.
        """
        ...

    def readahead(self, blocks: Blocks, indices: RowNumbers) -> None:
        """Called before these blocks are loaded, so that the storage may read ahead; cheap, and may do nothing."""
        ...
