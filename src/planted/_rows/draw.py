"""The row function: (truth, keys of a seed, row numbers) -> rows. Everything after it is transport.

`weights` plants weights for those who have none of their own.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from planted._input import integer, seed_and_salt, to_json_int
from planted._machine import too_large, too_large_error
from planted._random import (
    CHUNK_BYTES,
    DEFINED,
    PRECISIONS,
    Keys,
    Numbers,
    draw_features,
    draw_noise,
    key_words,
    normal_line,
    standard_normals,
)
from planted._truth import FeatureLaw, LinearTruth
from planted._types import Batch, DType, FloatArray, RowNumbers
from planted.errors import InvalidValueError


@lru_cache(maxsize=256)
def keys_of(seed: int, salt: str, dtype: DType) -> Keys:
    """The keys of a seed, a salt and a precision."""
    bits = PRECISIONS[dtype].bits
    return Keys(*(_key(f"{purpose}{bits}", seed, salt) for purpose in Keys._fields))


def _key(purpose: str, seed: int, salt: str) -> tuple[int, int]:
    k0, k1, *_ = key_words(purpose, seed, salt=salt)
    return k0, k1


def draw_rows(truth: LinearTruth, keys: Keys, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
    """Fill X, shape (rows, features), and y, shape (rows, 1), with these rows: both float32 or both float64."""
    if truth.normal:
        normal_line(rows, truth.w, truth.b, truth.noise.scale, keys[:2], X, y[:, 0])
        return
    from planted._random import add_products

    numbers = numbers_of(truth.feature_law, truth.features, X.dtype.name)
    step = max(1, CHUNK_BYTES // (X.itemsize * X.shape[1]))
    for first in range(0, rows.size, step):
        part = slice(first, first + step)
        draw_features(truth.feature_law.name, numbers, keys, rows[part], X[part])
        response = np.full(rows[part].size, truth.b)
        add_products(X[part], truth.w, response)
        y[part, 0] = response + draw_noise(truth.noise, keys, rows[part], X[part])


def defined_rows(truth: LinearTruth, keys: Keys, rows: RowNumbers, dtype: DType) -> Batch:
    """The same rows by the definitions alone, in plain NumPy, which the tests hold the compiled functions to."""
    numbers = numbers_of(truth.feature_law, truth.features, dtype)
    X = np.empty((rows.size, truth.features), dtype)
    draw_features(truth.feature_law.name, numbers, keys, rows, X, DEFINED)
    response = np.full(rows.size, truth.b)
    for j in range(truth.features):
        response = response + X[:, j].astype(np.float64) * truth.w[j]
    response = response + draw_noise(truth.noise, keys, rows, X, DEFINED)
    return Batch(X, response.astype(dtype)[:, np.newaxis])


@lru_cache(maxsize=16)
def numbers_of(law: FeatureLaw, features: int, dtype: DType) -> Numbers:
    """What is computed once for a law: factors, loadings, thresholds.

    Raises
    ------
    InvalidValueError
        If one of its numbers is beyond the dtype.
    """
    try:
        return law.numbers(features).rounded(dtype)
    except OverflowError:
        remedy = "use dtype='float64'" if dtype == "float32" else "use smaller numbers"
        raise InvalidValueError(f"features={law!r} has numbers beyond {dtype}: {remedy}") from None


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
    return standard_normals(count, _key("weights", seed, salt))
