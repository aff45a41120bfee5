"""How much memory there is, and the error for what is larger: before the work, not in the middle of it."""

import os
import sys
from functools import cache
from pathlib import Path
from typing import Final

from planted.errors import TooLargeError

CHECKED_BYTES: Final = 1 << 27  # what is smaller is asked for without a question
LIMITS: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container


@cache
def capacity() -> int | None:
    """Bytes of memory that a process may have here, with what can be swapped out; None where nothing tells.

    >>> capacity() is None or capacity() > 2**20
    True
    """
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return None
    limits = [int(text) for text in map(_read, LIMITS) if text.strip().isdigit()]
    swap = [int(line.split()[1]) << 10 for line in _read("/proc/meminfo").splitlines() if line.startswith("SwapTotal:")]
    return min([memory, *limits]) + sum(swap) if memory > 0 else None


def too_large(size: int) -> bool:
    """Whether no memory of this machine holds so many bytes."""
    return size > CHECKED_BYTES and size > (capacity() or sys.maxsize)


def too_large_error(size: int, what: str, remedy: str) -> TooLargeError:
    """What to raise: how much it would take, how much there is, and what to do instead."""
    there_are = capacity()
    there = (
        f"the {gibibytes(there_are)} of this machine"
        if there_are is not None and size > there_are
        else "can be had now"
    )
    return TooLargeError(f"{what} would take {gibibytes(size)} of memory, more than {there}: {remedy}")


def gibibytes(size: int) -> str:
    """Bytes, for people.

    >>> gibibytes(12 * 10**12), gibibytes(3 * 2**30)
    ('11,175.9 GiB', '3.0 GiB')
    """
    return f"{size / 2**30:,.1f} GiB"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeError):
        return ""
