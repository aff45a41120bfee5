"""Memory for chunks, used again once nobody can see it.

What comes in: a shape and a dtype. What goes out: an empty array that begins with a cache line. Memory fresh from
the operating system costs a page fault every 4 KiB, about as much time as filling it with rows; so blocks of a
chunk's size are kept and lent out again. A block comes back only when the last array, view or tensor over it is
gone (they all hold the lease), so nothing that a caller still has is ever overwritten.
"""

from math import prod
from typing import Any, Final

import numpy as np
import numpy.typing as npt

CACHE_LINE: Final = 64
SMALLEST: Final = 1 << 16  # below, the allocator reuses memory by itself
LARGEST: Final = 1 << 27  # a shard or a million rows; above, keeping blocks would cost more memory than it saves time
KEPT_BYTES: Final = 1 << 27  # in all; a store that is full is emptied, since it holds sizes of another time

Block = npt.NDArray[np.uint8]


class _Store:
    """Free blocks by size. Each step is one operation on a dict or list, so threads need no lock."""

    __slots__ = ("free",)

    def __init__(self) -> None:
        self.free: dict[int, list[Block]] = {}

    def take(self, size: int) -> Block:
        try:
            return self.free[size].pop()
        except (KeyError, IndexError):
            return np.empty(size, np.uint8)

    def give(self, block: Block) -> None:
        if sum(size * len(blocks) for size, blocks in list(self.free.items())) + block.size > KEPT_BYTES:
            self.free.clear()
        self.free.setdefault(block.size, []).append(block)


class _Lease:
    """Holds a block while any array looks at it, and gives it back."""

    __slots__ = ("__array_interface__", "_block", "_store")

    def __init__(self, store: _Store, size: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._store = store
        self._block = store.take(size)
        address = self._block.ctypes.data
        start = address + -address % CACHE_LINE
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (start, False)}

    def __del__(self) -> None:
        if hasattr(self, "_block"):  # else a signal's handler raised before there was one
            self._store.give(self._block)


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
