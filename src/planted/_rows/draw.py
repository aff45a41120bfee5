"""The row function: (truth, keys of a seed, row numbers) -> rows. Everything after it is transport.

`weights` plants weights for those who have none of their own.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from planted._input import integer, seed_and_salt
from planted._rows.random import FLOAT64, PRECISIONS, key_words, normals, row_words
from planted._truth import LinearTruth
from planted._types import DType, FloatArray, RowNumbers


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
    from planted._rows import kernels

    wide = True if X.dtype == np.float64 else None
    kernels.linear_rows(rows, truth.w, truth.b, truth.noise, keys.features, keys.noise, wide, X, y.reshape(-1))


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
