"""The block shuffle: an order for rows on disk that reads whole blocks, and still mixes as a full shuffle does.

What comes in: the blocks in which rows are stored, and how much memory there is. What goes out: a `BlockOrder`,
position in, row number out. Blocks are taken in permuted order, some at a time; such a *pool* is held in memory, and
its rows are permuted among themselves. So a disk reads blocks, never single rows, and every row comes once. How far
this falls short of a full shuffle is known beforehand (`variance_ratio`), and for one budget many small blocks mix
better than few large ones; `plan_pool` chooses.

Source: Xu et al., "In-database machine learning with CorgiPile", SIGMOD 2022. Version 1; see `docs/version-1.md`.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np

from planted._errors import InvalidValueError
from planted._input import row_numbers
from planted._order.permutation import Permutation
from planted._types import Batch, RowNumbers

POOL_PERCENT: Final = 65  # of the slots; the rest is where the next pool is loaded while this one is drained
FEWEST_SLOTS: Final = 4
FEW: Final = 4  # smaller blocks in a pool; with more, to search for each row is faster than to compare it with each
CHUNKS_BYTES: Final = 1 << 23  # what chunks in flight may take at most, and at most an eighth of the memory
MERGED_BATCH: Final = 256  # blocks are merged while batches of so many rows ...
MERGED_QUALITY: Final = 1.05  # ... stay as well mixed as this


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """A partition of ``range(n)`` into consecutive blocks, none of them empty.

    Blocks of equal size, but for the first and the last, need no table; others come from `from_edges`.

    >>> blocks = Blocks(n=10, size=4, first=3)
    >>> blocks.starts(np.arange(3)), blocks.sizes(np.arange(3))
    (array([0, 3, 7]), array([3, 4, 3]))
    """

    n: int
    size: int  # rows of the largest block, and of all between the first and the last unless there are edges
    first: int = 0  # rows of the first block, at most `size`; 0 for `size`
    edges: RowNumbers | None = None  # if the sizes differ: where each block starts, and n

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
        """The blocks between these row numbers, which ascend from 0 to n."""
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
        """The first row of one block, and the row behind its last."""
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
        """Which blocks have fewer rows than the largest, ascending."""
        count = len(self)
        ends = np.array(sorted({0, count - 1}) if count else [], np.int64)
        suspects = ends if self.edges is None else np.arange(count)
        return suspects[self.sizes(suspects) < self.size]

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
        """How many consecutive blocks may be counted as one: ascending from 1."""
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
        """The blocks, `merged` consecutive ones counted as one."""
        ...

    def load(self, blocks: Blocks, indices: RowNumbers, arena: Any, places: RowNumbers) -> int:
        """Read blocks of such a partition: number ``indices[k]`` into the rows of `arena` from ``places[k]`` on.

        The arena is C-contiguous, with ``features + 1`` columns, y last. Returns how many were read, from the first one
        on: at least one, and no more than takes a moment, since whoever wants to stop waits for it. Called by several
        threads at once; releases the GIL while it reads. Raises a `PlantedError` if what is stored is damaged.
        """
        ...

    def expect(self, blocks: Blocks, indices: RowNumbers) -> None:
        """Hear that these blocks will be loaded soon; cheap, and may do nothing."""
        ...


# ---- the order ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Some blocks, one after another, and the shuffle of their rows.

    The rows of the block in place k count from ``k * largest``, so that a division finds the place; after a smaller
    block some numbers are left out.
    """

    blocks: RowNumbers
    first: int  # the position, in the whole order, of its first row
    largest: int
    shuffle: Permutation
    ends: RowNumbers  # for each smaller block, ascending: how many of the pool's rows come before its end
    left_out: RowNumbers  # how many numbers are left out up to the end of the first k of them

    def take(self, positions: Any) -> RowNumbers:
        """The pool's rows at these positions of the whole order."""
        if isinstance(positions, range):
            local: Any = range(positions.start - self.first, positions.stop - self.first, positions.step)
        else:
            local = positions - np.int64(self.first)
        rows = self.shuffle.take(local)
        if self.ends.size > FEW:
            return rows + self.left_out[np.searchsorted(self.ends, rows, "right")]
        behind = [rows >= end for end in self.ends]
        for these, more in zip(behind, np.diff(self.left_out), strict=True):
            rows += these * more
        return rows

    def place(self, rows: RowNumbers, starts: RowNumbers) -> RowNumbers:
        """Where these rows of the pool are, if its block in place k begins at ``starts[k]``."""
        from planted._order import kernels

        out = np.empty(rows.size, np.int64)
        kernels.placed(rows, starts, self.largest, out)
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
        count, largest, odd = len(self.blocks), self.blocks.size, self.blocks.short_blocks
        if self.pool < 1:
            raise InvalidValueError(f"pool={self.pool} must be at least 1: it is a number of blocks")
        missing = largest - self.blocks.sizes(odd)
        place = self._permutation.inverse().take(odd)
        ascending = np.argsort(place)
        before = np.concatenate([[0], np.cumsum(missing[ascending])])  # rows missing from the first k odd blocks
        pools = -(-count // self.pool)
        share, rest = divmod(count, max(1, pools))
        p = np.arange(pools, dtype=np.int64)
        place_of_pool = p * share + p * rest // max(1, pools)  # floor(p count / pools) without large products
        firsts = place_of_pool * largest - before[np.searchsorted(place[ascending], place_of_pool)]
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
        largest = self.blocks.size
        ends = left_out = np.zeros(1, np.int64)
        if end - first < blocks.size * largest:
            sizes = self.blocks.sizes(blocks)
            smaller = np.flatnonzero(sizes[:-1] < largest)
            ends, left_out = np.cumsum(sizes)[smaller], np.append(left_out, np.cumsum(largest - sizes[smaller]))
        shuffle = Permutation(end - first, self.seed, self.epoch, self.salt, purpose=f"pool{p:x}")
        return Pool(blocks, first, largest, shuffle, ends[: left_out.size - 1], left_out)

    def span(self, p: int) -> tuple[int, int]:
        """The first position of a pool, and the position behind its last."""
        firsts = self.pool_firsts
        return int(firsts[p]), int(firsts[p + 1]) if p + 1 < firsts.size else self.blocks.n

    def pools_of(self, positions: Any) -> list[tuple[int, slice]]:
        """The pools in which ascending positions lie, ascending, each with the slice of the positions that it has."""
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


# ---- the budget -----------------------------------------------------------------------------------------------


def variance_ratio(batch_size: int, blocks: Blocks, pool: int) -> float:
    """How much more batch means vary than after a full shuffle, if the labels are sorted along the file: 1.0 or more.

    The ratio of the variances that is expected, for labels that hardly differ within a block (the worst case), by
    ``1 + (B - 1)/n (1 - (n - 1)/(N - 1))`` for N blocks, n in a pool on average, and batches of B rows; of a batch that
    spans pools, each part counts as one of its own.

    >>> round(variance_ratio(256, Blocks(n=65_536 * 963, size=963), 2_579), 3)
    1.097
    """
    count = len(blocks)
    pools = -(-count // pool)
    if pools < 2:
        return 1.0
    n = count / pools
    drawn = min(batch_size, blocks.n / pools)
    return 1 + (drawn - 1) / n * (1 - (n - 1) / (count - 1))


@dataclass(frozen=True, slots=True)
class PoolPlan:
    """What a memory budget allows."""

    merged: int  # how many of the storage's blocks count as one
    blocks: Blocks
    pool: int  # blocks in a pool, at most
    slots: int  # blocks in memory, at most
    row_bytes: int
    chunks_bytes: int  # what chunks in flight may take

    def settings(self) -> dict[str, Any]:
        """What a saved state must agree with, for JSON: on it the order depends."""
        return {"block_rows": self.blocks.size, "pool_blocks": self.pool, "blocks": self.blocks.fingerprint()}

    def mixing(self, batch_size: int) -> str:
        """What is mixed, and how well, on one line."""
        count, largest = len(self.blocks), self.blocks.size
        pools = "one pool" if self.pool >= count else f"pools of {self.pool:_}"
        size = self.pool * largest * self.row_bytes
        held = f"{size / 2**20:.0f} MiB" if size >= 1 << 20 else f"{size / 2**10:.0f} KiB"
        times = variance_ratio(batch_size, self.blocks, self.pool)
        mixed = "fully shuffled" if times == 1 else f"batch means vary {times:.2f} times as much as fully shuffled"
        return f"{pools} of {count:_} blocks of {largest:_} rows, {held}; {mixed}"


def plan_pool(rows: BlockRows, memory: int) -> PoolPlan:
    """How to shuffle within `memory` bytes: all blocks as one pool if they fit, else pools as large as they can be.

    Blocks are merged, so that fewer and larger pieces are read, where that costs nothing or little of the mixing. The
    plan follows from the rows' blocks and the memory alone.

    Raises
    ------
    InvalidValueError
        If the memory is too little; the message says how much is enough.
    """
    chunks = min(CHUNKS_BYTES, memory // 8)
    row_bytes = (rows.features + 1) * rows.dtype.itemsize
    merged = {m: rows.partition(m) for m in rows.merge_factors}
    bytes_of_slot = {m: max(1, blocks.size) * row_bytes for m, blocks in merged.items()}
    slots = {m: (memory - chunks) // size for m, size in bytes_of_slot.items()}
    whole = [m for m, blocks in merged.items() if len(blocks) <= slots[m]]
    if whole:
        count = max(1, len(merged[whole[-1]]))
        return PoolPlan(whole[-1], merged[whole[-1]], count, count, row_bytes, chunks)
    if slots[1] < FEWEST_SLOTS:
        enough = min(min(FEWEST_SLOTS, len(blocks)) * bytes_of_slot[m] for m, blocks in merged.items())
        raise InvalidValueError(
            f"memory={memory} is too little to shuffle blocks of {bytes_of_slot[1]} bytes: use memory="
            f"{_budget(enough)} or more, or write smaller blocks"
        )
    pools = {m: count * POOL_PERCENT // 100 for m, count in slots.items() if count >= FEWEST_SLOTS}
    best = max(
        (m for m, pool in pools.items() if variance_ratio(MERGED_BATCH, merged[m], pool) <= MERGED_QUALITY), default=1
    )
    return PoolPlan(best, merged[best], pools[best], slots[best], row_bytes, chunks)


def _budget(arena: int) -> int:
    """The smallest memory that leaves so many bytes beside the chunks."""
    return arena + min(CHUNKS_BYTES, (arena - 1) // 7)
