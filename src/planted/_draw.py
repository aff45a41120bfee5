"""The row function: (truth, key, row numbers) -> rows. This is the library; everything after it is transport.

What comes in: a truth, the keys of a seed, row numbers. What goes out: the arrays, filled, on all cores. `fill` is what
`_rows` calls; `weights` plants weights for those who have none of their own.
"""

import os
from collections import deque
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._input import DType, integer, seed_and_salt
from planted._random import FLOAT64, PRECISIONS, key_words, normals, row_words
from planted._truth import LinearTruth
from planted._types import FloatArray, RowNumbers
from planted._workers import Workers

PIECE_VALUES: Final = 1 << 19  # one turn of a thread: a millisecond, two megabytes of float32, a chunk of the loader
PARALLEL_VALUES: Final = 1 << 20  # fewer values than this are done sooner than threads are started


class Keys(NamedTuple):
    """The Philox keys of one seed: two 32-bit words for the features, two for the noise."""

    features: tuple[int, int]
    noise: tuple[int, int]


@lru_cache(maxsize=256)
def keys_of(seed: int, salt: str, dtype: DType) -> Keys:
    """The keys of a seed, a salt and a precision."""
    bits = PRECISIONS[dtype].bits
    return Keys(_key(f"features{bits}", seed, salt), _key(f"noise{bits}", seed, salt))


def _key(purpose: str, seed: int, salt: str) -> tuple[int, int]:
    k0, k1, *_ = key_words(purpose, seed, salt=salt)
    return k0, k1


@cache
def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def fill(truth: LinearTruth, keys: Keys, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
    """Make the rows: X of shape (rows, features) and y of shape (rows, 1), both float32 or both float64."""
    from planted import _kernels

    wide = True if X.dtype == np.float64 else None
    _kernels.linear_rows(rows, truth.w, truth.b, truth.noise, keys.features, keys.noise, wide, X, y.reshape(-1))


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
    try:
        for _ in range(helpers):
            workers.submit(take_turns)
        take_turns()
        while workers:
            workers.result()
    finally:
        pieces.clear()
        try:
            workers.close()
        finally:
            workers.close()  # for good, if a signal's handler raised before the first had begun


def weights(features: int, *, seed: int = 0, salt: str = "") -> npt.NDArray[np.float64]:
    """Standard normal weights, planted by a seed: shape (features,), float64.

    More features leave the first ones as they were.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If `features` is not a positive integer, or the seed is not a non-negative one.

    Examples
    --------
    >>> weights(2, seed=1)
    array([...])
    >>> bool((weights(100, seed=1)[:2] == weights(2, seed=1)).all())
    True
    """
    count = integer(features, "features", minimum=1, remedy="use the number of features, such as features=16")
    seed, salt = seed_and_salt(seed, salt)
    groups = np.arange(-(-count // FLOAT64.normals), dtype=np.uint64)
    pairs = normals(row_words(groups, 0, _key("weights", seed, salt)), FLOAT64)
    return np.ravel(np.column_stack(pairs))[:count].astype(np.float64)
