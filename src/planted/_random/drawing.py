"""Rows of any laws: the functions of `fills` and `transforms`, put together; each law is one line in a table.

A law is known by its name and its numbers. What is drawn first (normals, uniforms, ...) and what is done to it are
looked up here; so a new law is two functions and a line, whatever the other law of the truth is. Laws that are normal
have a function of their own, `normal_line`, that makes features and response in one pass.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from planted._machine import in_pieces
from planted._random import fills, transforms
from planted._random.random import PRECISIONS, normals, row_words
from planted._types import FloatArray, RowNumbers

WIDE_BYTES: Final = 1 << 11  # of a row: columns of wider ones, a lane a row, would be written past the nearest cache
SHARED: Final = 1 << 20  # values of few rows, from which on all cores share them
CHUNK_BYTES: Final = 1 << 19  # of features that pass through several functions: they fit a core's own cache

Key = tuple[int, int]


class Recipe(NamedTuple):
    """How a law of features is drawn: its source, of `fills`, and what is done to it, of `transforms`."""

    source: str = "normals"
    transform: str = ""


FEATURES: Final = {
    "normal": Recipe(),
    "uniform": Recipe("uniforms", "affine"),
    "student_t": Recipe("student_t"),
    "ar1": Recipe(transform="ar1"),
    "equicorrelated": Recipe(transform="equicorrelated"),
    "covariance": Recipe(transform="triangular"),
    "low_rank": Recipe(transform="low_rank"),
    "categorical": Recipe("levels", "indicators"),
    "polynomial": Recipe(transform="powers"),
}


class Keys(NamedTuple):
    """The Philox keys of one seed: two 32-bit words each."""

    features: Key
    noise: Key
    factors: Key
    mixture: Key
    clusters: Key


class Noise(NamedTuple):
    """A law of noise: its name, its scale, its other numbers."""

    name: str
    scale: float
    numbers: tuple[float, ...] = ()


# ---- the normal line: one pass --------------------------------------------------------------------------------


def normal_line(
    rows: RowNumbers,
    w: npt.NDArray[np.float64],
    b: float,
    noise: float,
    keys: tuple[Key, Key],
    X: FloatArray,
    y: FloatArray,
) -> None:
    """`random.linear_rows` into X, shape (rows, features), and y, shape (rows,); an empty y is left out."""
    from planted._random import few, kernels

    fixed = w, b, noise, *keys, True if X.dtype.itemsize == 8 else None
    if rows.size < few.FEW:
        _few(rows, fixed, X, y)
    elif X.shape[1] * X.dtype.itemsize < WIDE_BYTES:
        kernels.linear_rows(rows, *fixed, X, y)
    else:
        for first in range(0, rows.size, kernels.LANES):
            part = slice(first, first + kernels.LANES)
            _few(rows[part], fixed, X[part], y[part])


def _few(rows: RowNumbers, fixed: tuple[Any, ...], X: FloatArray, y: FloatArray) -> None:
    """The same for a few rows, which all cores share by their features if there are many."""
    from planted._random import few

    groups = rows.size * -(-X.shape[1] // (16 // X.dtype.itemsize))  # of four words, which are 16 bytes
    if X.size < SHARED:
        few.few_rows(rows, *fixed, 0, groups, X, y)
        return
    no_response = y[:0]

    def work(piece: slice) -> None:
        few.few_rows(rows, *fixed, piece.start, piece.stop, X, no_response)

    in_pieces(groups, X.size // groups, work)
    few.few_rows(rows, *fixed, groups, groups, X, y)


# ---- any laws -------------------------------------------------------------------------------------------------


def draw_features(name: str, numbers: Any, keys: Keys, rows: RowNumbers, X: FloatArray) -> None:
    """Fill X, shape (rows, features), with features of the law of this name and of these numbers."""
    from planted._random import fill_kernels, transform_kernels

    recipe, real = FEATURES[name], X.dtype.type
    of_law = numbers.own == X.shape[1] and recipe.source != "levels"
    Z = X if of_law else np.empty((rows.size, numbers.own), np.int32 if recipe.source == "levels" else X.dtype)
    if recipe.source == "normals":
        _normals(rows, keys.features, Z)
    else:
        getattr(fill_kernels, recipe.source)(rows, keys.features, Z, *numbers.source)
    if recipe.transform:
        F = np.empty((rows.size, numbers.factors), X.dtype)
        if numbers.factors:
            _normals(rows, keys.factors, F)
        getattr(transform_kernels, recipe.transform)(Z, F, X, *_typed(numbers.transform, real))


def add_noise(noise: Noise, keys: Keys, rows: RowNumbers, X: FloatArray, response: npt.NDArray[np.float64]) -> None:
    """Add noise of this law to the response, shape (rows,), in place."""
    from planted._random import fill_kernels

    def values(source: str, key: Key, rows: RowNumbers, *numbers: Any) -> npt.NDArray[Any]:
        out = np.empty((rows.size, 1), np.int32 if source == "levels" else X.dtype)
        if source == "normals":
            _normals(rows, key, out)
        else:
            getattr(fill_kernels, source)(rows, key, out, *numbers)
        return out[:, 0]

    response += NOISES[noise.name](noise, keys, rows, X, values)


def _normals(rows: RowNumbers, key: Key, X: FloatArray) -> None:
    """Standard normals into X, shape (rows, count)."""
    normal_line(rows, np.zeros(X.shape[1]), 0.0, 0.0, (key, key), X, np.empty(0, X.dtype))


def _typed(numbers: tuple[Any, ...], real: type[np.floating[Any]]) -> tuple[Any, ...]:
    """The numbers of a transform, rounded to the type of the rows; integers stay."""
    return tuple(n if isinstance(n, int) else np.asarray(n, real)[()] for n in numbers)


# ---- laws of noise: float64, element by element, the same for the definition and for the rows ----------------------

Values = Callable[..., npt.NDArray[Any]]


def _scaled(source: str) -> Callable[..., npt.NDArray[np.float64]]:
    def noise_of(noise: Noise, keys: Keys, rows: RowNumbers, _: FloatArray, values: Values) -> npt.NDArray[np.float64]:
        return values(source, keys.noise, rows, *noise.numbers).astype(np.float64) * noise.scale

    return noise_of


def _contaminated(noise: Noise, keys: Keys, rows: RowNumbers, _: FloatArray, values: Values) -> npt.NDArray[np.float64]:
    fraction, factor = noise.numbers
    threshold = round(fraction * 2.0**32)
    thresholds = np.array([threshold] if threshold < 1 << 32 else [], np.uint32)  # no word reaches 2^32
    louder = values("levels", keys.mixture, rows, thresholds) == 0
    e = values("normals", keys.noise, rows).astype(np.float64)
    return cast("npt.NDArray[np.float64]", np.where(louder, e * (noise.scale * factor), e * noise.scale))


def _heteroscedastic(
    noise: Noise, keys: Keys, rows: RowNumbers, X: FloatArray, values: Values
) -> npt.NDArray[np.float64]:
    (gamma,) = noise.numbers
    x = X[:, 0].astype(np.float64)
    e = values("normals", keys.noise, rows).astype(np.float64)
    return e * (np.sqrt(1.0 + gamma * (x * x)) * noise.scale)


def _clustered(noise: Noise, keys: Keys, rows: RowNumbers, _: FloatArray, values: Values) -> npt.NDArray[np.float64]:
    icc, size = noise.numbers
    shared = values("normals", keys.clusters, rows // np.int64(size)).astype(np.float64)
    own = values("normals", keys.noise, rows).astype(np.float64)
    return cast("npt.NDArray[np.float64]", (shared * np.sqrt(icc) + own * np.sqrt(1 - icc)) * noise.scale)


NOISES: Final = {
    "normal": _scaled("normals"),
    "student_t": _scaled("student_t"),
    "laplace": _scaled("laplace"),
    "contaminated": _contaminated,
    "heteroscedastic": _heteroscedastic,
    "clustered": _clustered,
}


# ---- the definition -------------------------------------------------------------------------------------------


def law_rows(
    rows: npt.NDArray[np.uint64],
    features: tuple[str, Any],
    line: tuple[npt.NDArray[np.float64], float, Noise],
    keys: Keys,
    dtype: str,
) -> tuple[FloatArray, FloatArray]:
    """Rows of any laws by the definitions alone, in plain NumPy: X of shape (rows, features), y of shape (rows, 1)."""
    precision = PRECISIONS[dtype]
    (name, numbers), (w, b, noise) = features, line
    recipe = FEATURES[name]

    def values(source: str, key: Key, rows: Any, count: int, *numbers: Any) -> npt.NDArray[Any]:
        rows = rows.astype(np.uint64)
        if source != "normals":
            return cast("npt.NDArray[Any]", getattr(fills, source)(rows, count, key, precision, *numbers))
        columns = [
            column
            for group in range(-(-count // precision.normals))
            for column in normals(row_words(rows, group, key), precision)
        ]
        return np.stack(columns[:count], axis=1) if count else np.empty((rows.size, 0), precision.real)

    X = values(recipe.source, keys.features, rows, numbers.own, *numbers.source)
    if recipe.transform:
        F = values("normals", keys.factors, rows, numbers.factors)
        Z, X = X, np.empty((rows.size, w.size), precision.real)
        getattr(transforms, recipe.transform)(Z, F, X, *_typed(numbers.transform, precision.real))
    response = np.full(rows.size, b)
    for j in range(w.size):
        response = response + X[:, j].astype(np.float64) * w[j]
    one = rows.astype(np.int64)
    e = NOISES[noise.name](noise, keys, one, X, lambda source, key, of, *rest: values(source, key, of, 1, *rest)[:, 0])
    return X, (response + e).astype(precision.real)[:, np.newaxis]
