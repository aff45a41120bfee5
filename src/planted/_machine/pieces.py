"""Work cut into pieces, which all cores share.

What comes in: how many rows, how many values a row, and a function of a slice. What goes out: nothing; the function
has been called with slices that cover the rows.
"""

import os
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import Final

from planted._machine.workers import Workers

PIECE_VALUES: Final = 1 << 19  # one turn of a thread: a millisecond, two megabytes of float32, a chunk of the loader
PARALLEL_VALUES: Final = 1 << 20  # fewer values than this are done sooner than threads are started


@cache
def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_pieces(n: int, values_a_row: int, work: Callable[[slice], None]) -> None:
    """Call `work` with slices that cover ``range(n)``, on all cores if there is enough to do."""
    step = max(1, PIECE_VALUES // values_a_row)
    pieces = deque(slice(first, min(first + step, n)) for first in range(0, n, step))

    def take_turns() -> None:
        while pieces:  # of all threads: each takes the next piece when it is free
            try:
                piece = pieces.popleft()
            except IndexError:  # another thread was quicker
                return
            work(piece)

    helpers = cores() - 1 if n * values_a_row >= PARALLEL_VALUES else 0
    if not helpers:
        take_turns()
        return
    workers = Workers(helpers, "planted-fill")
    with workers, workers:
        try:
            for _ in range(helpers):
                workers.submit(take_turns)
            take_turns()
            while workers:
                workers.result()
        finally:
            pieces.clear()  # so that no helper begins another one
