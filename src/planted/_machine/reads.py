"""Pieces of open files, read into memory by one call, which releases the GIL once for all of them.

What comes in: descriptors, offsets and addresses. What goes out: the bytes at these addresses, and how many pieces were
read. It is for 64-bit systems that have `pread` in their C library; nothing is checked.
"""

from typing import Any

import numpy as np
from numba import types

from planted._machine.compiler import compiled_with

pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.uint64, types.uint64, types.int64))
compiled = compiled_with(__file__)


@compiled
def read_pieces(descriptors, offsets, sizes, addresses):
    """Read pieces of open files to these addresses; returns how many, from the first on, were read whole."""
    for i in range(descriptors.size):
        done = 0
        while done < sizes[i]:
            read = pread(descriptors[i], np.uint64(addresses[i] + done), np.uint64(sizes[i] - done), offsets[i] + done)
            if read <= 0:
                return i
            done += read
    return descriptors.size
