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
LARGEST: Final = 1 << 23  # above, keeping blocks would cost more memory than it saves time
KEPT: Final = 8  # blocks of each size

_free: dict[int, list[npt.NDArray[np.uint8]]] = {}


class _Lease:
    """Holds a block while any array looks at it, and gives it back."""

    __slots__ = ("__array_interface__", "_block")

    def __init__(self, block: npt.NDArray[np.uint8], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._block = block
        address = block.ctypes.data
        start = address + -address % CACHE_LINE
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str, "data": (start, False)}

    def __del__(self, free: dict[int, list[npt.NDArray[np.uint8]]] = _free) -> None:
        blocks = free.setdefault(self._block.size, [])
        if len(blocks) < KEPT:
            blocks.append(self._block)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An uninitialised array, aligned to a cache line, like `numpy.empty` in all else.

    >>> empty((3, 2), np.dtype("float32")).shape
    (3, 2)
    """
    size = prod(shape) * dtype.itemsize + CACHE_LINE
    if size <= CACHE_LINE:
        return np.empty(shape, dtype)
    block = None
    if SMALLEST <= size <= LARGEST:
        try:
            block = _free[size].pop()
        except (KeyError, IndexError):
            block = np.empty(size, np.uint8)
        return np.asarray(_Lease(block, shape, dtype))
    block = np.empty(size, np.uint8)
    first = -block.ctypes.data % CACHE_LINE
    return block[first : first + size - CACHE_LINE].view(dtype).reshape(shape)
