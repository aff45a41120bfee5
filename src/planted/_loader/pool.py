"""Reading pools: blocks of rows on disk, loaded ahead by threads, mixed in memory, gathered into chunks.

What comes in: rows in blocks, a `BlockOrder`, and the chunks of positions that will be wanted, in order. What goes out:
each chunk's X and y. There are no random reads. The vocabulary:

- *slot*: room for one block in the *arena*, which is allocated once. There are as many as the memory budget allows.
- *reader*: a thread that loads blocks into free slots, pool after pool, as far ahead as there are slots.
- *lease*: what a chunk holds of the pools that it will be gathered from. Leases are taken in the order of the chunks. A
  pool's slots become free when the last of its leases has been given back, and one of a later pool is out.

Nothing waits forever. A reader waits for slots of earlier pools, whose chunks were all leased before and so wait for
nothing that this reader has to load: a chunk of two pools gives the first one back before it waits for the second. A
failed load and `close` wake everybody up. The lock is a bare one and a wait is that for a queue, not a
`threading.Condition`, which is written in Python: a signal's handler that raises inside of it leaves the lock taken.
"""

import atexit
import itertools
import os
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final

import numpy as np

from planted._machine import BACKGROUND, empty, in_pieces, is_of_another, joined, refuse_another, start
from planted._order import PASS_VALUES, BlockOrder, BlockRows, Pool
from planted._types import FloatArray, RowNumbers

EXPECTED: Final = 256, 1 << 26  # as many blocks, and as many bytes, ahead do rows hear of them
RUN: Final = 64, 1 << 22  # as much, at most, is given to a reader at a time: each run costs locks and turns at the GIL


@dataclass(frozen=True, slots=True)
class Lease:
    """What a chunk holds: its positions, ascending, cut into the parts that its pools have."""

    positions: Any
    parts: list[tuple[int, slice]]


@dataclass(slots=True, eq=False)
class _Held:
    """A pool on its way into memory."""

    number: int
    pool: Pool
    slots: RowNumbers  # of each block; the first `given` are known
    given: int
    missing: int  # blocks not loaded yet


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive blocks of a pool, for one reader."""

    held: _Held
    blocks: range


class PoolReader:
    """The chunks of one epoch, or of a part of it. Its threads end with the epoch, at an error, or by `close`."""

    def __init__(
        self, rows: BlockRows, order: BlockOrder, slots: int, chunks: Iterable[Any], *, with_index: bool = False
    ) -> None:
        self._rows, self._order, self._with_index = rows, order, with_index
        self._size = order.blocks.largest
        self._arena: FloatArray = empty((slots * self._size, rows.features + 1), rows.dtype)
        self._free = list(range(slots - 1, -1, -1))
        self._change = threading.RLock()  # re-entrant: the garbage collector may close a reader inside of it
        self._waiting: list[SimpleQueue[None]] = []  # of each who waits for a change, what wakes it up
        self._held: dict[int, _Held] = {}
        self._leases: Counter[int] = Counter()
        self._latest = -1  # the last pool that was leased
        self._error: BaseException | None = None
        self._failed = 0  # from this pool on, what has not been loaded will not be
        self._closed = False
        self._turn = threading.Lock()  # what follows is for the reader whose turn it is
        self._queue: deque[_Held] = deque()
        self._planned = self._plan(iter(chunks))
        self._ahead = 0  # blocks that rows have heard of and no reader has been given
        self._given = -1  # the last pool of which readers have been given all blocks
        self._readers = max(1, min(rows.readers, slots))
        block_bytes = self._size * self._arena.strides[0]
        self._expected, self._run = (max(1, min(count, size // block_bytes)) for count, size in (EXPECTED, RUN))
        self._threads: list[threading.Thread] = []
        self._process = os.getpid()

    # ---- chunks -----------------------------------------------------------------------------------------------

    def lease(self, positions: Any) -> Lease:
        """Take a lease for the chunk of these positions; chunks are leased, and their gathering is begun, in order."""
        refuse_another(self._process)
        if not self._threads:
            self._start()
        parts = self._order.pools_of(positions)
        with self._change:
            if parts:
                self._leases.update(p for p, _ in parts)
                self._latest = parts[-1][0]
                self._free_pools()
        return Lease(positions, parts)

    def gather(self, lease: Lease) -> tuple[Any, ...]:
        """X of shape (rows, features), y of shape (rows, 1), and row numbers if asked for; gives the lease back.

        Raises whatever the rows raised when they could not load a block of it.
        """
        count = len(lease.positions)
        X = empty((count, self._rows.features), self._rows.dtype)
        y = empty((count, 1), self._rows.dtype)
        numbers = empty((count,), np.dtype(np.int64)) if self._with_index else None
        for p, part in lease.parts:
            held = self._wait_for(p)
            index = None if numbers is None else numbers[part]
            self._fill(held, lease.positions[part], X[part], y[part], index)
            with self._change:
                self._leases[p] -= 1
                self._free_pools()
        return (X, y) if numbers is None else (X, y, numbers)

    def close(self) -> None:
        """End all threads, and wake up all who wait; safe to call from anywhere, and again."""
        if is_of_another(self._process):
            return
        with self._change:
            self._closed = True
            self._error = None  # its traceback leads back here
            self._wake()
        atexit.unregister(self.close)
        joined(self._threads, busy=True)

    def _start(self) -> None:
        atexit.register(self.close)  # and daemons: an iterator left unread must not keep a program from ending
        names = [f"{BACKGROUND}-reader-{i}" for i in range(self._readers)]
        start([threading.Thread(target=self._read, name=name, daemon=True) for name in names], self._threads)

    def _wait_for(self, p: int) -> _Held:
        refuse_another(self._process)
        while True:
            with self._change:
                if self._closed:
                    raise CancelledError
                held = self._held.get(p)
                if held is not None and not held.missing:
                    return held
                if self._error is not None and p >= self._failed:
                    raise self._error
                changed = self._wish()
            changed.get()

    def _wish(self) -> "SimpleQueue[None]":
        """What will hear of the next change; to be called with the lock, and waited for without."""
        changed: SimpleQueue[None] = SimpleQueue()
        self._waiting.append(changed)
        return changed

    def _wake(self) -> None:
        for changed in list(self._waiting):
            changed.put(None)
        self._waiting.clear()

    def _fill(self, held: _Held, positions: Any, X: FloatArray, y: FloatArray, index: RowNumbers | None) -> None:
        from planted import _rows

        pool, slots = held.pool, held.slots * np.int64(self._size)
        numbers = None if index is None else self._order.blocks.starts(pool.blocks)

        def work(piece: slice) -> None:
            rows = pool.take(positions[piece])
            _rows.gather_block_rows(pool.place(rows, slots), self._arena, X[piece], y[piece])
            if index is not None and numbers is not None:
                index[piece] = pool.place(rows, numbers)

        in_pieces(len(positions), max(X.shape[1] + 1, PASS_VALUES), work)

    def _free_pools(self) -> None:
        """Free the slots of pools that nobody has a lease of, or will have."""
        done = [p for p, leases in self._leases.items() if not leases and p < self._latest]
        for p in done:
            del self._leases[p]
            self._free.extend(self._held.pop(p).slots.tolist())
        if done:
            self._wake()

    # ---- readers ----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """What each reader does."""
        rows, blocks, size = self._rows, self._order.blocks, self._size
        run: _Run | None = None
        try:
            while run := self._next_run():
                held, at, end = run.held, run.blocks.start, run.blocks.stop
                while at < end:
                    if self._closed:
                        return
                    at += rows.load(blocks, held.pool.blocks[at:end], self._arena, held.slots[at:end] * size)
                with self._change:
                    held.missing -= len(run.blocks)
                    if not held.missing:
                        self._wake()
                run = None
        except BaseException as error:  # noqa: BLE001 -- for whoever waits for the pool
            with self._change:
                failed = run.held.number if run else self._given + 1
                if not self._closed and (self._error is None or failed < self._failed):
                    self._failed, self._error = failed, error
                self._wake()

    def _next_run(self) -> _Run | None:
        with self._turn:
            if more := list(itertools.islice(self._planned, max(0, self._expected - self._ahead))):
                self._ahead += len(more)
                self._rows.expect(self._order.blocks, np.array(more, np.int64))
            if not self._queue:
                return None
            held = self._queue[0]
            slots = self._slots(held.pool.blocks.size - held.given)
            if not slots:
                return None
            run = _Run(held, range(held.given, held.given + len(slots)))
            held.slots[run.blocks.start : run.blocks.stop] = slots
            held.given += len(slots)
            self._ahead -= len(slots)
            if held.given == held.pool.blocks.size:
                self._given = held.number
                self._queue.popleft()
            return run

    def _slots(self, wanted: int) -> list[int]:
        """Free slots for a part of the blocks that a pool still wants, at least one; none if no block shall be read."""
        while True:
            with self._change:
                if self._closed or self._error is not None:
                    return []
                if self._free:
                    fair = min(wanted, len(self._free)) // (2 * self._readers)
                    count = max(1, min(fair, self._run))
                    taken = self._free[-count:]
                    del self._free[-count:]
                    return taken
                changed = self._wish()
            changed.get()

    def _plan(self, chunks: Iterator[Any]) -> Iterator[int]:
        """All blocks that will be loaded, in order; each pool is queued when its first block is asked for."""
        latest = -1
        for positions in chunks:
            for p, _ in self._order.pools_of(positions):
                if p > latest:
                    latest = p
                    pool = self._order.pool_at(p)
                    count = pool.blocks.size
                    held = _Held(p, pool, np.zeros(count, np.int64), 0, count)
                    with self._change:
                        self._held[p] = held
                    self._queue.append(held)
                    yield from pool.blocks.tolist()
