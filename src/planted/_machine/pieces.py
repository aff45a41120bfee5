"""Work on many rows, cut into pieces that all cores share."""

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

from planted._machine.workers import Workers

PIECE_VALUES: Final = 1 << 19  # a millisecond of work, two megabytes of float32, a chunk of the loader
PARALLEL_VALUES: Final = 1 << 20  # fewer values than this are done sooner than threads are started
TOGETHER: Final = 4  # rows that a piece has, if there are enough for all cores: the sums of so many go side by side

_share: Final = threading.local()  # `cores`: how many the thread may use, if not all


@cache
def cores() -> int:
    """How many cores this process may use: those it may run on, or fewer where a container has a quota."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = processor_quota()
    return here if quota is None else max(1, min(here, math.ceil(quota)))


def in_pieces(n: int, values_per_row: int, work: Callable[[slice], None]) -> None:
    """Call `work` with slices that cover ``range(n)``, on all cores if there is enough to do.

    What `work` cuts into pieces itself, it does on the cores that are left: on all of them where one row is all.
    """
    step = max(1, PIECE_VALUES // values_per_row)
    if n <= step:
        if n:
            work(slice(0, n))
        return
    mine = getattr(_share, "cores", None) or cores()
    step = max(step, min(TOGETHER, n // mine))
    pieces = deque(slice(first, min(first + step, n)) for first in range(0, n, step))
    helpers = min(mine, len(pieces)) - 1 if n * values_per_row >= PARALLEL_VALUES else 0

    def work_on_pieces() -> None:
        before = getattr(_share, "cores", None)
        _share.cores = max(1, mine // (helpers + 1))
        try:
            while pieces:
                try:
                    piece = pieces.popleft()
                except IndexError:  # another thread took the last one
                    return
                work(piece)
        finally:
            _share.cores = before

    if helpers < 1:
        work_on_pieces()
        return
    workers = Workers(helpers, "planted-fill")
    with workers, workers:
        try:
            for _ in range(helpers):
                workers.submit(work_on_pieces)
            work_on_pieces()
            while workers:
                workers.result()
        finally:
            pieces.clear()  # after an error no thread begins another piece


def processor_quota(system: Path = Path("/")) -> float | None:
    """How many processors Linux's control groups, old or new, let the process have; None if it may have all."""
    quotas: list[float] = []
    for folder in _groups(system):
        with suppress(OSError, ValueError, ZeroDivisionError):  # there is none, or none that can be read
            if (folder / "cpu.max").exists():
                quota, period = (folder / "cpu.max").read_text().split()
            else:
                quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            quotas.append(int(quota) / int(period))  # "max" is no number
    return min((quota for quota in quotas if quota > 0), default=None)  # -1 is none


def _groups(system: Path) -> Iterator[Path]:
    """The folders of the process's groups and of those above them."""
    try:
        lines = (system / "proc/self/cgroup").read_text().splitlines()
    except (OSError, ValueError):  # not Linux
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = system / "sys/fs/cgroup" / controllers
        place = root / group.strip("/")
        yield from (folder for folder in (place, *place.parents) if folder == root or root in folder.parents)
