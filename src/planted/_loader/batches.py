"""Global batches: how the order of an epoch is cut into batches, and how each batch is divided over ranks.

Positions are those of rows in the epoch's order. The vocabulary:

- *global batch* k: positions k B to (k + 1) B of the epoch's order, the same ones for any number of ranks.
- *tail*: what becomes of the rows at the end of an epoch that do not fill a batch. They are kept as a shorter batch,
  dropped, or padded with rows from the beginning of the epoch's order.
- *share*: of the m rows of a global batch, rank r of w reads rows r m // w to (r + 1) m // w. Shares differ by one row
  at most, and every rank has one in every batch, so all take equally many steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from planted._input import steps
from planted._types import RowNumbers

Tail: TypeAlias = Literal["keep", "drop", "pad"]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Global batches, of which this rank reads `size` rows each; the last `padding` rows are repeated ones.

    The last batch of an epoch may have fewer rows.
    """

    batches: range
    size: int
    padding: int = 0


@dataclass(frozen=True, slots=True)
class GlobalBatches:
    """The global batches of an epoch of n rows, as one rank reads them.

    >>> batches = GlobalBatches(n=10, batch_size=4, rank=1, world_size=2, tail="keep")
    >>> [batches.positions(chunk).tolist() for chunk in batches.chunks(range(3), per_chunk=1)]
    [[2, 3], [6, 7], [9]]
    """

    n: int
    batch_size: int
    rank: int = 0
    world_size: int = 1
    tail: Tail = "keep"

    @property
    def count(self) -> int:
        """How many batches an epoch has; more, perhaps, than ``len`` can return."""
        return self.n // self.batch_size if self.tail == "drop" else -(-self.n // self.batch_size)

    def share(self, count: int) -> tuple[int, int]:
        """Which of the `count` rows of a global batch are this rank's: from, and up to."""
        return self.rank * count // self.world_size, (self.rank + 1) * count // self.world_size

    def largest(self) -> int:
        """How many rows of a batch this rank reads, if the batch is complete."""
        lo, hi = self.share(self.batch_size)
        return hi - lo

    def chunks(self, wanted: range, per_chunk: int) -> Iterator[Chunk]:
        """The batches that are wanted, `per_chunk` at a time.

        An incomplete last batch is a chunk of its own, unless one rank reads it as it is.
        """
        complete = self.n // self.batch_size
        alike = self.count if self.world_size == 1 and self.tail == "keep" else complete
        whole = range(wanted.start, min(wanted.stop, alike), wanted.step)
        for first in range(0, steps(whole), per_chunk):
            yield Chunk(whole[first : first + per_chunk], self.largest())
        if alike == complete and complete in wanted:
            rest = self.n - complete * self.batch_size
            lo, hi = self.share(self.batch_size if self.tail == "pad" else rest)
            yield Chunk(range(complete, complete + 1), hi - lo, hi - max(lo, min(hi, rest)))

    def positions(self, chunk: Chunk) -> Any:
        """The positions that this rank reads, ascending; int64, or a range where they follow one another.

        Those of padding are not among them.
        """
        first, B = chunk.batches.start * self.batch_size, self.batch_size
        if chunk.padding:
            end = first + self.share(B)[1] - chunk.padding
            return range(end - (chunk.size - chunk.padding), end)
        rows = B if self.tail == "pad" else min(B, self.n - first)  # of each of these batches, over all ranks
        if self.world_size == 1 and chunk.batches.step == 1:
            return range(first, min(first + B * len(chunk.batches), self.n))
        lo, hi = self.share(rows)
        starts = np.asarray(chunk.batches, dtype=np.int64) * B
        positions = (starts[:, np.newaxis] + np.arange(lo, hi, dtype=np.int64)).reshape(-1)
        return positions[: positions.size - max(0, chunk.batches[-1] * B + hi - self.n)]

    def padding(self, chunk: Chunk) -> RowNumbers:
        """The positions that are repeated after those: the first of the epoch, and once more if it is very short."""
        end = chunk.batches.start * self.batch_size + self.share(self.batch_size)[1]
        n = max(1, self.n)
        numbers = np.arange(chunk.padding, dtype=np.uint64) + np.uint64((end - chunk.padding) % n)  # below 2^64
        return (numbers % np.uint64(n)).astype(np.int64)
