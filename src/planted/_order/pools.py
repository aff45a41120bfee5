"""The block shuffle: an order for rows on disk that reads whole blocks, and still mixes as a full shuffle does.

Blocks are taken in permuted order, some at a time; such a *pool* is held in memory, and its rows are permuted among
themselves. So a disk reads blocks, never single rows, and every row comes once.

Source: Xu et al., "In-database machine learning with CorgiPile", SIGMOD 2022. Version 1; see `docs/version-1.md`.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from planted._input import row_numbers
from planted._order.blocks import Blocks
from planted._order.permutation import Permutation
from planted._types import RowNumbers
from planted.errors import InvalidValueError

FEW: Final = 4  # short blocks in a pool; with more, a search for each row is faster than a comparison with each block


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Some blocks, one after another, and the shuffle of their rows.

    The pool's rows are numbered so that those of its k-th block begin at ``k * block_size``: a division finds the
    block. After a short block some numbers are left out.
    """

    blocks: RowNumbers
    first: int  # the position, in the whole order, of its first row
    block_size: int  # rows of the largest block of the order
    shuffle: Permutation
    ends: RowNumbers  # for each short block but the last: how many of the pool's rows come before its end
    left_out: RowNumbers  # for k = 0, 1, ...: how many numbers the first k short blocks leave out

    def take(self, positions: Any) -> RowNumbers:
        """The pool's row numbers at these positions of the whole order."""
        if isinstance(positions, range):
            local: Any = range(positions.start - self.first, positions.stop - self.first, positions.step)
        else:
            local = positions - np.int64(self.first)
        rows = self.shuffle.take(local)
        if self.ends.size > FEW:
            return rows + self.left_out[np.searchsorted(self.ends, rows, "right")]
        after = [rows >= end for end in self.ends]
        for these, more in zip(after, np.diff(self.left_out), strict=True):
            rows += these * more
        return rows

    def place(self, rows: RowNumbers, starts: RowNumbers) -> RowNumbers:
        """Where these rows of the pool are, if its k-th block begins at ``starts[k]``."""
        from planted._order import kernels

        out = np.empty(rows.size, np.int64)
        kernels.placed(rows, starts, self.block_size, out)
        return out


@dataclass(frozen=True, slots=True)
class BlockOrder:
    """Blocks in permuted order, `pool` of them at a time (at most), and the rows of each pool permuted.

    Pools are balanced, and a single one makes a full shuffle.

    >>> order = BlockOrder(Blocks(n=10, size=2), pool=2, seed=0, epoch=0)
    >>> sorted(order.take(range(10)).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """

    blocks: Blocks
    pool: int
    seed: int
    epoch: int
    salt: str = ""
    pool_firsts: RowNumbers = field(init=False, repr=False, compare=False)  # the first position of each pool

    def __post_init__(self) -> None:
        count, size, short = len(self.blocks), self.blocks.size, self.blocks.short_blocks
        if self.pool < 1:
            raise InvalidValueError(f"pool={self.pool} must be at least 1: it is a number of blocks")
        missing = size - self.blocks.sizes(short)
        place = self._permutation.inverse().take(short)
        ascending = np.argsort(place)
        before = np.concatenate([[0], np.cumsum(missing[ascending])])  # rows missing from the first k short blocks
        pools = -(-count // self.pool)
        share, rest = divmod(count, max(1, pools))
        p = np.arange(pools, dtype=np.int64)
        place_of_pool = p * share + p * rest // max(1, pools)  # floor(p count / pools) without large products
        firsts = place_of_pool * size - before[np.searchsorted(place[ascending], place_of_pool)]
        object.__setattr__(self, "pool_firsts", firsts)

    def __len__(self) -> int:
        """How many positions there are."""
        return self.blocks.n

    @property
    def _permutation(self) -> Permutation:
        return Permutation(len(self.blocks), self.seed, self.epoch, self.salt, purpose="blocks")

    def pool_at(self, p: int) -> Pool:
        """Pool number `p`."""
        pools, count = self.pool_firsts.size, len(self.blocks)
        blocks = self._permutation.take(range(p * count // pools, (p + 1) * count // pools))
        first, end = self.span(p)
        size = self.blocks.size
        ends, left_out = np.empty(0, np.int64), np.zeros(1, np.int64)
        if end - first < blocks.size * size:
            sizes = self.blocks.sizes(blocks)
            short = np.flatnonzero(sizes[:-1] < size)
            ends, left_out = np.cumsum(sizes)[short], np.append(left_out, np.cumsum(size - sizes[short]))
        shuffle = Permutation(end - first, self.seed, self.epoch, self.salt, purpose=f"pool{p:x}")
        return Pool(blocks, first, size, shuffle, ends, left_out)

    def span(self, p: int) -> tuple[int, int]:
        """The first position of a pool, and the position after its last."""
        firsts = self.pool_firsts
        return int(firsts[p]), int(firsts[p + 1]) if p + 1 < firsts.size else self.blocks.n

    def pools_of(self, positions: Any) -> list[tuple[int, slice]]:
        """The pools that hold these ascending positions, ascending, each with its slice of the positions."""
        if not len(positions):
            return []
        ends = np.array([positions[0], positions[-1]])
        first, last = (np.searchsorted(self.pool_firsts, ends, "right") - 1).tolist()
        if first == last:
            return [(first, slice(0, len(positions)))]
        inner = self.pool_firsts[first + 1 : last + 1]
        if isinstance(positions, range):
            cuts = -((positions.start - inner) // positions.step)  # how many lie before each pool
        else:
            cuts = np.searchsorted(positions, inner)
        edges = np.concatenate([[0], cuts, [len(positions)]])
        touched = np.flatnonzero(np.diff(edges))
        starts, stops = edges[touched].tolist(), edges[touched + 1].tolist()
        return [(p, slice(*part)) for p, *part in zip((first + touched).tolist(), starts, stops, strict=True)]

    def take(self, positions: Any) -> RowNumbers:
        """The row numbers at these positions, int64, in the order asked for.

        Raises
        ------
        RowNumberError
            If a position is outside [0, n).
        InvalidTypeError
            If they are not integers.
        """
        numbers = row_numbers(positions, self.blocks.n, "position")
        ascending = np.argsort(numbers, kind="stable")
        numbers = numbers[ascending]
        out = np.empty(numbers.size, np.int64)
        for p, part in self.pools_of(numbers):
            pool = self.pool_at(p)
            out[ascending[part]] = pool.place(pool.take(numbers[part]), self.blocks.starts(pool.blocks))
        return out
