"""The row function: (truth, keys of a seed, row numbers) -> rows. Everything after it is transport.

`weights` plants weights for those who have none of their own.
"""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._input import integer, seed_and_salt, to_json_int
from planted._machine import empty, in_pieces, too_large, too_large_error
from planted._random import FLOAT64, PRECISIONS, key_words, normals, row_words
from planted._truth import LinearTruth
from planted._types import DType, FloatArray, RowNumbers

WIDE_BYTES: Final = 1 << 11  # of a row: columns of wider ones, a lane a row, would be written past the nearest cache
SHARED: Final = 1 << 20  # values of few rows, from which on all cores share them
MANY_WEIGHTS: Final = 1 << 16  # fewer are planted by the definition itself, sooner than Numba is imported


class Keys(NamedTuple):
    """The Philox keys of one seed: two 32-bit words each."""

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


def draw_rows(truth: LinearTruth, keys: Keys, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
    """Fill X, shape (rows, features), and y, shape (rows, 1), with these rows: both float32 or both float64."""
    from planted._random import FEW, LANES, linear_rows

    fixed = truth.w, truth.b, truth.noise, keys.features, keys.noise, True if X.dtype.itemsize == 8 else None
    response = y[:, 0]
    if rows.size < FEW:
        _draw_few(rows, fixed, X, response)
    elif truth.features * X.dtype.itemsize < WIDE_BYTES:
        linear_rows(rows, *fixed, X, response)
    else:
        for first in range(0, rows.size, LANES):
            part = slice(first, first + LANES)
            _draw_few(rows[part], fixed, X[part], response[part])


def _draw_few(rows: RowNumbers, fixed: tuple[Any, ...], X: FloatArray, y: FloatArray) -> None:
    """The same for a few rows, which all cores share by their features if there are many."""
    from planted._random import few_rows

    groups = rows.size * -(-X.shape[1] // (16 // X.dtype.itemsize))  # of four words, which are 16 bytes
    if X.size < SHARED:
        few_rows(rows, *fixed, 0, groups, X, y)
        return
    no_response = y[:0]

    def work(piece: slice) -> None:
        few_rows(rows, *fixed, piece.start, piece.stop, X, no_response)

    in_pieces(groups, X.size // groups, work)
    few_rows(rows, *fixed, groups, groups, X, y)


def weights(features: int, *, seed: int = 0, salt: str = "") -> npt.NDArray[np.float64]:
    """Standard normal weights, planted by a seed: shape (features,), float64.

    For a `LinearTruth`, or for ``planted.regression(w=planted.weights(16, seed=1))``. More features leave the first
    ones as they were.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If `features` is not a positive integer, or the seed is not a non-negative one.
    TooLargeError
        If they would take more memory than there is.

    Examples
    --------
    >>> weights(2, seed=1)
    array([...])
    >>> bool((weights(100, seed=1)[:2] == weights(2, seed=1)).all())
    True
    """
    count = integer(features, "features", minimum=1, remedy="use the number of features, such as features=16")
    if too_large(8 * count):
        raise too_large_error(8 * count, f"features={to_json_int(count)}: so many weights", "use fewer features")
    seed, salt = seed_and_salt(seed, salt)
    key = _key("weights", seed, salt)
    if count < MANY_WEIGHTS:
        pairs = normals(row_words(np.arange((count + 1) // 2, dtype=np.uint64), 0, key), FLOAT64)
        return np.ravel(np.column_stack(pairs))[:count].astype(np.float64)
    from planted._random import few_rows

    # as the definition says it: two weights are the features of a row, whose response is not needed
    X, y, wide = empty(((count + 1) // 2, 2), np.dtype(np.float64)), np.empty(0), True

    def work(piece: slice) -> None:
        rows = np.arange(piece.start, piece.stop, dtype=np.int64)
        few_rows(rows, np.zeros(2), 0.0, 0.0, key, key, wide, 0, rows.size, X[piece], y)

    in_pieces(len(X), 2, work)
    return X.reshape(-1)[:count]
