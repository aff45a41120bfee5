"""The memory budget of a block shuffle: how large its pools can be, and how well they mix.

How far a block shuffle falls short of a full shuffle is known beforehand (`variance_ratio`). For one budget, many small
blocks mix better than few large ones; `plan_pool` chooses.
"""

from dataclasses import dataclass
from typing import Any, Final

from planted._order.blocks import BlockRows, Blocks
from planted.errors import InvalidValueError

POOL_PERCENT: Final = 65  # of the slots; the rest is where the next pool is loaded while this one is drained
FEWEST_SLOTS: Final = 4
CHUNKS_BYTES: Final = 1 << 23  # most for chunks in flight, and at most an eighth of the memory
MERGED_BATCH: Final = 256  # blocks are merged while batches of so many rows ...
MERGED_RATIO: Final = 1.05  # ... have at most this variance ratio


def variance_ratio(batch_size: int, blocks: Blocks, pool: int) -> float:
    """The variance of batch means over that after a full shuffle, if labels are sorted along the file: 1.0 or more.

    It is ``1 + (B - 1)/n (1 - (n - 1)/(N - 1))`` for N blocks, n in a pool on average, and batches of B rows, where the
    labels hardly differ within a block (the worst case). Each part of a batch that spans pools counts as a batch.

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

    blocks: Blocks  # perhaps several of the storage's as one
    pool: int  # blocks in a pool, at most
    slots: int  # blocks in memory, at most
    row_bytes: int
    chunks_bytes: int  # for chunks in flight, at most

    def settings(self) -> dict[str, Any]:
        """What the order depends on, so that a saved state must agree with it; for JSON."""
        return {"block_rows": self.blocks.size, "pool_blocks": self.pool, "blocks": self.blocks.fingerprint()}

    def mixing(self, batch_size: int) -> str:
        """How large the pools are and how well they mix, on one line."""
        count, block_rows = len(self.blocks), self.blocks.size
        size = self.pool * block_rows * self.row_bytes
        held = f"{size / 2**20:.0f} MiB" if size >= 1 << 20 else f"{size / 2**10:.0f} KiB"
        ratio = variance_ratio(batch_size, self.blocks, self.pool)
        mixed = "fully shuffled" if ratio == 1 else f"batch means vary {ratio:.2f} times as much as fully shuffled"
        if self.pool >= count:
            return f"all rows in one pool, {held}; {mixed}"
        return f"pools of {self.pool:_} of {count:_} blocks of {block_rows:_} rows, {held}; {mixed}"


def plan_pool(rows: BlockRows, memory: int) -> PoolPlan:
    """How to shuffle within `memory` bytes: all blocks as one pool if they fit, else pools as large as they can be.

    Blocks are merged, so that fewer and larger pieces are read, where that mixes as well or nearly so. The plan follows
    from the rows' blocks and the memory alone.

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
        return PoolPlan(merged[whole[-1]], count, count, row_bytes, chunks)
    if slots[1] < FEWEST_SLOTS:
        enough = min(min(FEWEST_SLOTS, len(blocks)) * bytes_of_slot[m] for m, blocks in merged.items())
        raise InvalidValueError(
            f"memory={memory} is too little to shuffle blocks of {bytes_of_slot[1]} bytes: use memory="
            f"{_memory_for(enough)} or more, or write smaller blocks"
        )
    pools = {m: count * POOL_PERCENT // 100 for m, count in slots.items() if count >= FEWEST_SLOTS}
    best = max(
        (m for m, pool in pools.items() if variance_ratio(MERGED_BATCH, merged[m], pool) <= MERGED_RATIO), default=1
    )
    return PoolPlan(merged[best], pools[best], slots[best], row_bytes, chunks)


def _memory_for(slots_bytes: int) -> int:
    """The smallest memory that leaves so many bytes for slots."""
    return slots_bytes + min(CHUNKS_BYTES, (slots_bytes - 1) // 7)
