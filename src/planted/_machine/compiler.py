"""Numba, as planted uses it: functions that are compiled and kept, and functions that are inlined into them.

What comes in: a Python function. What goes out: the function compiled. It releases the GIL, so that threads share the
work. The compiled code is kept by Numba next to the file (in `__pycache__`) or, where that is read-only, in the user's
cache folder; where both are read-only, it is compiled again in each process. `NUMBA_CACHE_DIR` chooses another place.
Numba judges by the time and the size of the file alone whether what it kept is still right, and installers set such
times as they please; hence a digest of all the sources in the names under which it keeps it.
"""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from planted._machine import intrinsics


def compiled_with(*sources: str) -> Callable[[Any], Any]:
    """A decorator that compiles functions and keeps them on disk where there is a place for it.

    `sources` are the files that the code depends on, beside those of this room: what was compiled of other versions of
    them must not be found.
    """
    digest = hashlib.sha256()
    for path in (*sources, intrinsics.__file__, __file__):
        with contextlib.suppress(OSError):  # a package without its sources has no other version of them either
            digest.update(Path(path).read_bytes())
    version = digest.hexdigest()[:12]

    def compiled(function: Any) -> Any:
        function.__qualname__ += f"_{version}"
        try:
            return njit(nogil=True, cache=True, error_model="numpy")(function)
        except RuntimeError:  # Numba found no folder that can be written
            return njit(nogil=True, error_model="numpy")(function)

    return compiled


def inlined(function: Any) -> Any:
    """A decorator: the function becomes a part of every compiled one that calls it. A call would end vectorisation."""
    return njit(forceinline=True, error_model="numpy")(function)
