"""Memory for chunks, used again once nobody can see it.

What comes in: a shape and a dtype. What goes out: an empty array that begins with a cache line. Memory fresh from
the operating system costs a page fault every 4 KiB, about as much time as filling it with rows; so blocks of a
chunk's size are kept and lent out again. A block comes back only when the last array, view or tensor over it is
gone (they all hold the lease), so nothing that a caller still has is ever overwritten.
"""

import weakref
from collections import deque
from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

CACHE_LINE: Final = 64
SMALLEST: Final = 1 << 16  # below, the allocator reuses memory by itself
LARGEST: Final = 1 << 27  # a shard or a million rows; above, keeping blocks would cost more memory than it saves time
KEPT_BYTES: Final = LARGEST + CACHE_LINE  # of a size; of all, at the next loan: a store that holds more is emptied

Block = npt.NDArray[np.uint8]


class _Return(weakref.ref["_Lease"]):
    """A block on loan; where it is put once its lease is gone: by C code alone.

    A finalizer written in Python would lose what a signal's handler raises inside of it, Ctrl-C above all.
    """

    __slots__ = ("block",)
    block: Block


class _Store:
    """Free blocks by size. Each step is one operation on a dict or deque, so threads need no lock."""

    __slots__ = ("free",)

    def __init__(self) -> None:
        self.free: dict[int, deque[_Return]] = {}

    def lend(self, lease: "_Lease", size: int) -> _Return:
        if sum(size * len(free) for size, free in list(self.free.items())) > KEPT_BYTES:
            self.free.clear()  # what is still on loan comes back to nobody, and is freed
        free = self.free.setdefault(size, deque(maxlen=KEPT_BYTES // size))
        try:
            block = free.pop().block
        except (IndexError, AttributeError):  # none is free, or a signal's handler ended this function two lines below
            block = np.empty(size, np.uint8)
        on_loan = _Return(lease, free.append)
        on_loan.block = block
        return on_loan


class _Lease:
    """Holds a block while any array looks at it."""

    __slots__ = ("__array_interface__", "__weakref__", "_on_loan")

    def __init__(self, store: _Store, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._on_loan = store.lend(self, size)
        address = self._on_loan.block.ctypes.data
        start = address + -address % CACHE_LINE
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (start, False)}


_store: Final = _Store()


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An uninitialised array, aligned to a cache line, like `numpy.empty` in all else.

    >>> empty((3, 2), np.dtype("float32")).shape
    (3, 2)
    """
    size = prod(shape) * dtype.itemsize
    if SMALLEST <= size <= LARGEST:
        return np.asarray(_Lease(_store, size + CACHE_LINE, shape, dtype))
    block = np.empty(size + CACHE_LINE, np.uint8)
    first = -block.ctypes.data % CACHE_LINE
    return block[first : first + size].view(dtype).reshape(shape)
