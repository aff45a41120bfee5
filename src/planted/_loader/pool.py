"""Reading pools: blocks of rows on disk, loaded ahead by threads, mixed in memory, gathered into chunks.

What comes in: rows in blocks, a `BlockOrder`, and the chunks of positions that will be wanted, in order. What goes out:
each chunk's X and y. There are no random reads. The vocabulary:

- *slot*: room for one block in the *arena*, which is allocated once. The memory budget decides how many there are.
- *reader*: a thread that loads blocks into free slots, pool after pool, as far ahead as there are slots.
- *request*: a chunk, and the pools that it will be gathered from. Requests are made in the order of the chunks. The
  slots of a pool become free when all of its requests have been gathered, and one of a later pool has been made.

Nothing waits forever. A reader waits for slots of earlier pools, whose chunks were all requested before and so wait for
nothing that this reader has to load: a chunk of two pools gives the first one back before it waits for the second. A
failed load and `close` notify all who wait.
"""

import atexit
import itertools
import os
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._machine import (
    BACKGROUND,
    Notifier,
    empty,
    in_pieces,
    join_threads,
    refuse_fork,
    start_threads,
    threads_gone,
)
from planted._order import PASS_VALUES, BlockOrder, BlockRows, Pool
from planted._types import FloatArray, RowNumbers

READAHEAD: Final = 256, 1 << 26  # blocks, and bytes, of which rows are told before they are loaded
RUN: Final = 64, 1 << 22  # blocks, and bytes, for a reader at a time: each run costs locks and turns at the GIL


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """A chunk that will be gathered: its positions, ascending, and which part of them each pool has."""

    positions: Any
    parts: list[tuple[int, slice]]


@dataclass(slots=True, eq=False)
class _LoadingPool:
    """A pool whose blocks are being loaded, or are in memory."""

    number: int
    pool: Pool
    slots: RowNumbers  # of each block; the first `assigned` are known
    assigned: int
    missing: int  # blocks not loaded yet


@dataclass(frozen=True, slots=True)
class _Run:
    """Consecutive blocks of a pool, for one reader."""

    loading: _LoadingPool
    blocks: range


class PoolReader:
    """The chunks of one epoch, or of a part of it. Its threads end with the epoch, at an error, or by `close`."""

    def __init__(
        self, rows: BlockRows, order: BlockOrder, slots: int, chunks: Iterable[Any], *, with_index: bool = False
    ) -> None:
        self._rows, self._order, self._with_index = rows, order, with_index
        self._size = order.blocks.size
        self._arena: FloatArray = empty((slots * self._size, rows.features + 1), rows.dtype)
        # what the chunks and all readers share, with the lock of `_change` held
        self._change = Notifier()
        self._free = list(range(slots - 1, -1, -1))
        self._pools: dict[int, _LoadingPool] = {}
        self._requests: Counter[int] = Counter()  # of each pool, those not gathered yet
        self._latest = -1  # the last pool that was requested
        self._error: BaseException | None = None
        self._failed = 0  # a read failed: no pool from this number on will be loaded
        self._closed = False
        # what the readers share, with `_turn` held
        self._turn = threading.Lock()
        self._queue: deque[_LoadingPool] = deque()
        self._planned = self._plan(iter(chunks))
        self._ahead = 0  # blocks of which rows have been told, and which no reader has been given
        self._assigned = -1  # the last pool of which readers have been given all blocks

        self._readers = max(1, min(rows.readers, slots))
        block_bytes = self._size * self._arena.strides[0]
        self._window, self._run = (max(1, min(count, size // block_bytes)) for count, size in (READAHEAD, RUN))
        self._threads: list[threading.Thread] = []
        self._process = os.getpid()

    # ---- chunks -----------------------------------------------------------------------------------------------

    def request(self, positions: Any) -> ChunkRequest:
        """Request the chunk of these positions; chunks are requested, and their gathering is begun, in order."""
        refuse_fork(self._process)
        if not self._threads:
            self._start()
        parts = self._order.pools_of(positions)
        with self._change.lock:
            if parts:
                self._requests.update(p for p, _ in parts)
                self._latest = parts[-1][0]
                self._free_pools()
        return ChunkRequest(positions, parts)

    def gather(self, request: ChunkRequest) -> tuple[Any, ...]:
        """X of shape (rows, features), y of shape (rows, 1), and row numbers if asked for; once for each request.

        Raises whatever the rows raised when they could not load a block of it.
        """
        count = len(request.positions)
        X = empty((count, self._rows.features), self._rows.dtype)
        y = empty((count, 1), self._rows.dtype)
        numbers = empty((count,), np.dtype(np.int64)) if self._with_index else None
        for p, part in request.parts:
            loaded = self._wait_for(p)
            index = None if numbers is None else numbers[part]
            self._fill(loaded, request.positions[part], X[part], y[part], index)
            with self._change.lock:
                self._requests[p] -= 1
                self._free_pools()
        return (X, y) if numbers is None else (X, y, numbers)

    def close(self) -> None:
        """End all threads, and notify all who wait; safe to call from anywhere, and again."""
        if threads_gone(self._process):
            return
        with self._change.lock:
            self._closed = True
            self._error = None  # its traceback leads back here
            self._change.notify()
        atexit.unregister(self.close)
        join_threads(self._threads, busy=True)

    def _start(self) -> None:
        atexit.register(self.close)  # and daemons: an iterator left unread must not keep a program from ending
        names = [f"{BACKGROUND}-reader-{i}" for i in range(self._readers)]
        start_threads([threading.Thread(target=self._read, name=name, daemon=True) for name in names], self._threads)

    def _wait_for(self, p: int) -> _LoadingPool:
        """The pool of this number, once all of its blocks are loaded."""

        def loaded() -> _LoadingPool | None:
            if self._closed:
                raise CancelledError
            pool = self._pools.get(p)
            if pool is not None and not pool.missing:
                return pool
            if self._error is not None and p >= self._failed:
                raise self._error
            return None

        refuse_fork(self._process)
        return self._change.wait_for(loaded)

    def _fill(
        self, loaded: _LoadingPool, positions: Any, X: FloatArray, y: FloatArray, index: RowNumbers | None
    ) -> None:
        from planted._rows import gathered_block_rows

        pool, slots = loaded.pool, loaded.slots * np.int64(self._size)
        numbers = None if index is None else self._order.blocks.starts(pool.blocks)

        def work(piece: slice) -> None:
            rows = pool.take(positions[piece])
            gathered_block_rows(pool.place(rows, slots), self._arena, X[piece], y[piece])
            if index is not None and numbers is not None:
                index[piece] = pool.place(rows, numbers)

        in_pieces(len(positions), max(X.shape[1] + 1, PASS_VALUES), work)

    def _free_pools(self) -> None:
        """Free the slots of pools of which no chunk is or will be requested."""
        done = [p for p, requests in self._requests.items() if not requests and p < self._latest]
        for p in done:
            del self._requests[p]
            self._free.extend(self._pools.pop(p).slots.tolist())
        if done:
            self._change.notify()

    # ---- readers ----------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """What each reader does."""
        rows, blocks, size = self._rows, self._order.blocks, self._size
        run: _Run | None = None
        try:
            while run := self._next_run():
                loading, at, end = run.loading, run.blocks.start, run.blocks.stop
                while at < end:
                    if self._closed:
                        return
                    at += rows.load(blocks, loading.pool.blocks[at:end], self._arena, loading.slots[at:end] * size)
                with self._change.lock:
                    loading.missing -= len(run.blocks)
                    if not loading.missing:
                        self._change.notify()
                run = None
        except BaseException as error:  # noqa: BLE001 -- for whoever waits for the pool
            with self._change.lock:
                failed = run.loading.number if run else self._assigned + 1
                if not self._closed and (self._error is None or failed < self._failed):
                    self._failed, self._error = failed, error
                self._change.notify()

    def _next_run(self) -> _Run | None:
        """The next blocks to load, with slots for them; None at the end, after an error or after `close`."""
        with self._turn:
            if more := list(itertools.islice(self._planned, max(0, self._window - self._ahead))):
                self._ahead += len(more)
                self._rows.readahead(self._order.blocks, np.array(more, np.int64))
            if not self._queue:
                return None
            loading = self._queue[0]
            slots = self._free_slots(loading.pool.blocks.size - loading.assigned)
            if not slots:
                return None
            run = _Run(loading, range(loading.assigned, loading.assigned + len(slots)))
            loading.slots[run.blocks.start : run.blocks.stop] = slots
            loading.assigned += len(slots)
            self._ahead -= len(slots)
            if loading.assigned == loading.pool.blocks.size:
                self._assigned = loading.number
                self._queue.popleft()
            return run

    def _free_slots(self, most: int) -> list[int]:
        """From one to `most` slots, once there are; none after an error or after `close`."""

        def taken() -> list[int] | None:
            if self._closed or self._error is not None:
                return []
            if not self._free:
                return None
            fair = min(most, len(self._free)) // (2 * self._readers)
            count = max(1, min(fair, self._run))
            slots = self._free[-count:]
            del self._free[-count:]
            return slots

        return self._change.wait_for(taken)

    def _plan(self, chunks: Iterator[Any]) -> Iterator[int]:
        """All blocks that will be loaded, in order; each pool is queued when its first block is asked for."""
        latest = -1
        for positions in chunks:
            for p, _ in self._order.pools_of(positions):
                if p > latest:
                    latest = p
                    pool = self._order.pool_at(p)
                    count = pool.blocks.size
                    loading = _LoadingPool(p, pool, np.zeros(count, np.int64), 0, count)
                    with self._change.lock:
                        self._pools[p] = loading
                    self._queue.append(loading)
                    yield from pool.blocks.tolist()
