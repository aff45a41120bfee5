"""Large arrays whose memory is used again once nothing refers to it.

Memory fresh from the operating system costs a page fault every 4 KiB, about as much time as filling it with rows. So
*buffers* of a chunk's size are kept and lent again. A buffer comes back when the last array, view or tensor over it is
gone: all of them hold its *owner*, so nothing that a caller still has is ever overwritten. Buffers that were not lent
for `IDLE` seconds are given up when another array is made; `release`, or a lack of memory, gives up all that are free.
"""

import ctypes
import weakref
from collections import deque
from contextlib import suppress
from math import prod
from time import monotonic
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._machine.capacity import too_large, too_large_error

CACHE_LINE: Final = 64
SMALLEST: Final = 1 << 16  # below, the allocator reuses memory by itself
LARGEST: Final = 1 << 27  # a shard or a million rows; above, keeping buffers would cost more memory than it saves time
KEPT_BYTES: Final = LARGEST + CACHE_LINE  # most for each size; if all sizes together exceed it, all are dropped
IDLE: Final = 10.0  # seconds

Buffer = npt.NDArray[np.uint8]


class _Loan(weakref.ref["_BufferOwner"]):
    """A lent buffer. Once its owner is gone, C code alone puts it back: the weak reference's callback.

    A finalizer written in Python would swallow what a signal handler raises inside it, such as `KeyboardInterrupt`.
    """

    __slots__ = ("buffer",)
    buffer: Buffer


class _Store:
    """Free buffers by size. Each step is one operation on a dict or deque, so threads need no lock."""

    __slots__ = ("free", "idle", "looked")

    def __init__(self) -> None:
        self.free: dict[int, deque[_Loan]] = {}
        self.idle: dict[int, int] = {}  # for each size, how many have not been lent since `looked`
        self.looked = monotonic()

    def give_up_idle(self) -> None:
        """Give up the buffers that were not wanted for a time. Those wanted last are lent first, so they stay."""
        if monotonic() < self.looked + IDLE:
            return
        self.looked = monotonic()
        for size, free in list(self.free.items()):
            with suppress(IndexError):  # lent in this moment
                for _ in range(self.idle.get(size, 0)):
                    free.popleft()
            self.idle[size] = len(free)

    def lend(self, owner: "_BufferOwner", size: int) -> _Loan:
        if sum(size * len(free) for size, free in list(self.free.items())) > KEPT_BYTES:
            self.free.clear()  # buffers on loan now return to deques that are gone, and are freed
        self.give_up_idle()
        free = self.free.setdefault(size, deque(maxlen=KEPT_BYTES // size))
        try:
            buffer = free.pop().buffer
        except (IndexError, AttributeError):  # none is free, or a signal handler once interrupted the two lines below
            buffer = _allocated(size)
        self.idle[size] = min(self.idle.get(size, 0), len(free))
        loan = _Loan(owner, free.append)
        loan.buffer = buffer
        return loan


class _BufferOwner:
    """Keeps a buffer lent while any array refers to it."""

    __slots__ = ("__array_interface__", "__weakref__", "_loan")

    def __init__(self, store: _Store, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._loan = store.lend(self, size)
        address = self._loan.buffer.ctypes.data
        start = address + -address % CACHE_LINE
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (start, False)}


_store: Final = _Store()


def _allocated(size: int) -> Buffer:
    try:
        return np.empty(size, np.uint8)
    except MemoryError:
        release()
        return np.empty(size, np.uint8)


def release() -> None:
    """Give the operating system the memory that no array refers to; what is on loan follows when it comes back."""
    _store.free.clear()


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An uninitialised array as from `numpy.empty`, aligned to a cache line; a `TooLargeError` if none can be had.

    >>> empty((3, 2), np.dtype("float32")).shape
    (3, 2)
    """
    size = prod(shape) * dtype.itemsize
    if SMALLEST <= size <= LARGEST:
        return np.asarray(_BufferOwner(_store, size + CACHE_LINE, shape, dtype))
    try:
        buffer = _allocated(size + CACHE_LINE) if not too_large(size) else None
    except MemoryError:
        buffer = None
    if buffer is None:
        raise too_large_error(size, f"an array of shape {shape}", "ask for a part of it at a time")
    address = ctypes.addressof(ctypes.c_char.from_buffer(buffer.data))  # in half the time of `buffer.ctypes.data`
    return np.ndarray(shape, dtype, buffer, -address % CACHE_LINE)
