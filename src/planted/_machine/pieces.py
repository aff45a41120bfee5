"""Work on many rows, cut into pieces that all cores share."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from planted._machine.capacity import cores
from planted._machine.workers import Workers

PIECE_VALUES: Final = 1 << 19  # a millisecond of work, two megabytes of float32, a chunk of the loader
PARALLEL_VALUES: Final = 1 << 20  # fewer values than this are done sooner than threads are started
TOGETHER: Final = 4  # rows of a piece, at least, if all cores get some: the sums of four rows are computed side by side

_share: Final = threading.local()  # `cores`: how many the thread may use, if not all


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
