"""Many pieces of open files, read by one call that releases the GIL once for all of them.

It needs a 64-bit system with `pread` in its C library, and checks nothing.
"""

from typing import Any

import numpy as np
from numba import types

from planted._machine.compiler import compiled_with

pread: Any = types.ExternalFunction("pread", types.int64(types.int32, types.uint64, types.uint64, types.int64))
compiled = compiled_with(__file__)


@compiled
def read_pieces(descriptors, offsets, sizes, addresses):
    """Read pieces of open files to these addresses; return how many, from the first on, were read whole."""
    for i in range(descriptors.size):
        done = 0
        while done < sizes[i]:
            read = pread(descriptors[i], np.uint64(addresses[i] + done), np.uint64(sizes[i] - done), offsets[i] + done)
            if read <= 0:
                return i
            done += read
    return descriptors.size
