"""The machine: its memory, its threads and its instructions.

In: shapes, jobs, Python functions. Out: memory that is used again, results in order, compiled functions. What needs
Numba is imported when it is first asked for.
"""

from planted._lazy import lazily
from planted._machine.capacity import cores, too_large, too_large_error
from planted._machine.kept import Kept, drop_oldest
from planted._machine.memory import empty
from planted._machine.pieces import in_pieces
from planted._machine.workers import (
    BACKGROUND,
    Notifier,
    Workers,
    join_threads,
    refuse_fork,
    start_threads,
    threads_gone,
)

__getattr__ = lazily(
    __name__,
    {
        "atomic": ["compare_and_swap"],
        "compiler": ["compiled_with", "inlined"],
        "intrinsics": ["prefetch", "store_four_by_four"],
        "reads": ["read_pieces"],
    },
)

__all__ = [
    "BACKGROUND",
    "Kept",
    "Notifier",
    "Workers",
    "cores",
    "drop_oldest",
    "empty",
    "in_pieces",
    "join_threads",
    "refuse_fork",
    "start_threads",
    "threads_gone",
    "too_large",
    "too_large_error",
]
