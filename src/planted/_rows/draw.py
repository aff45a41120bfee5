"""The row function: (truth, keys of a seed, row numbers) -> rows. Everything after it is transport.

`weights` plants weights for those who have none of their own.
"""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from planted._input import integer, seed_and_salt, to_json_int
from planted._machine import empty, in_pieces, too_large, too_large_error
from planted._random import (
    CHUNK_BYTES,
    FLOAT64,
    PRECISIONS,
    Keys,
    Noise,
    add_noise,
    draw_features,
    key_words,
    normal_line,
    normals,
    row_words,
)
from planted._truth import LinearTruth
from planted._types import DType, FloatArray, RowNumbers

MANY_WEIGHTS: Final = 1 << 16  # fewer are planted by the definition itself, sooner than Numba is imported


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

    law, noise = truth.feature_law, noise_of(truth)
    numbers = law.numbers(truth.features)
    step = max(1, CHUNK_BYTES // (X.itemsize * X.shape[1]))
    for first in range(0, rows.size, step):
        part = slice(first, first + step)
        draw_features(law.name, numbers, keys, rows[part], X[part])
        response = np.full(rows[part].size, truth.b)
        add_products(X[part], truth.w, response)
        add_noise(noise, keys, rows[part], X[part], response)
        y[part, 0] = response


def noise_of(truth: LinearTruth) -> Noise:
    """The law of the truth's noise, as the random numbers know it."""
    law = truth.noise.to_dict()
    return Noise(law.pop("law"), law.pop("scale"), tuple(law.values()))


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
    # as the definition says it: two weights are the features of a row, whose response is not needed
    X, y = empty(((count + 1) // 2, 2), np.dtype(np.float64)), np.empty(0)

    def work(piece: slice) -> None:
        normal_line(np.arange(piece.start, piece.stop, dtype=np.int64), np.zeros(2), 0.0, 0.0, (key, key), X[piece], y)

    in_pieces(len(X), 2, work)
    return X.reshape(-1)[:count]
