"""Numba, as planted uses it: functions that are compiled and cached, and functions that are inlined into them.

Compiled functions release the GIL, so that threads share the work. Numba caches the compiled code next to the file (in
`__pycache__`) or, where that is read-only, in the user's cache folder; where both are read-only, it is compiled again
in each process. `NUMBA_CACHE_DIR` chooses another place. Numba takes cached code for current if the file's time and
size are, and installers set any time; hence the digest of all the sources in the names under which code is cached.
"""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit

from planted._machine import intrinsics


def compiled_with(*sources: str) -> Callable[[Any], Any]:
    """A decorator that compiles functions and caches them on disk where there is a place for it.

    `sources` are the files that the code depends on, beside those of this room: code that was compiled from other
    versions of them is not used.
    """
    digest = hashlib.sha256()
    for path in (*sources, intrinsics.__file__, __file__):
        with contextlib.suppress(OSError):  # a package without its sources has no other versions of them
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
