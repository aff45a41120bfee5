"""How much memory and how many cores there are: those of the machine, or fewer where a container has a limit.

What is larger than the memory is refused before the work, not in the middle of it.
"""

import math
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from planted._input import size_text
from planted.errors import TooLargeError

CHECKED_BYTES: Final = 1 << 27  # what is smaller is asked for without a question
ROOT: Final = Path("/")


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
    return min(memory, memory_limit() or memory) + swap() if memory > 0 else None


@cache
def cores() -> int:
    """How many cores this process may use: those it may run on, or fewer where a container has a quota."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = processor_quota()
    return here if quota is None else max(1, min(here, math.ceil(quota)))


def too_large(size: int) -> bool:
    """Whether no memory of this machine holds so many bytes."""
    return size > CHECKED_BYTES and size > (capacity() or sys.maxsize)


def too_large_error(size: int, what: str, remedy: str) -> TooLargeError:
    """What to raise: how much it would take, how much there is, and what to do instead."""
    there_are = capacity()
    there = (
        f"the {size_text(there_are)} of this machine"
        if there_are is not None and size > there_are
        else "can be had now"
    )
    return TooLargeError(f"{what} would take {size_text(size)} of memory, more than {there}: {remedy}")


def memory_limit(system: Path = ROOT) -> int | None:
    """How many bytes Linux's control groups, old or new, let the process have; None if there is no limit."""
    limits = []
    for group in _groups(system, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # there is none, or it is "max"
                limits.append(int((group / name).read_text()))
    return min(limits, default=None)


def processor_quota(system: Path = ROOT) -> float | None:
    """How many processors Linux's control groups, old or new, let the process have; None if it may have all."""
    quotas = []
    for group in _groups(system, "cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):  # there is none, or none that can be read
            if (group / "cpu.max").exists():
                quota, period = (group / "cpu.max").read_text().split()
            else:
                quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            quotas.append(int(quota) / int(period))  # "max" is no number
    return min((quota for quota in quotas if quota > 0), default=None)  # -1 is none


def swap(system: Path = ROOT) -> int:
    """Bytes that Linux can swap out."""
    with suppress(OSError, ValueError):
        for line in (system / "proc/meminfo").read_text().splitlines():
            if line.startswith("SwapTotal:"):
                return int(line.split()[1]) << 10
    return 0


def _groups(system: Path, controller: str) -> Iterator[Path]:
    """The folders of the process's control groups that limit this, and of those above them."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = system / "sys/fs/cgroup" / controllers
        place = root / group.strip("/")
        yield from (folder for folder in (place, *place.parents) if folder == root or root in folder.parents)
