"""Rows of any laws: the functions of `fills` and `transforms`, put together; each law is one line in a table.

What is drawn first (normals, uniforms, ...) and what is done to it are looked up by the law's name; so a new law is a
function or two and a line, whatever the other law of the truth is. They are put together once, for the definitions and
for the compiled functions. Laws that are normal have a function of their own, `normal_line`, that makes features and
response in one pass.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from planted._machine import empty, in_pieces
from planted._random import fills, transforms
from planted._random.random import FLOAT64, PRECISIONS, normals, row_words
from planted._types import DType, FloatArray, RowNumbers

WIDE_BYTES: Final = 1 << 11  # of a row: columns of wider ones, a lane a row, would be written past the nearest cache
SHARED: Final = 1 << 20  # values of few rows, from which on all cores share them
MANY_NORMALS: Final = 1 << 16  # fewer are drawn by the definition itself, sooner than Numba is imported
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


def standard_normals(count: int, key: Key) -> npt.NDArray[np.float64]:
    """So many standard normals, float64: two are the features of a "row"."""
    pairs = (count + 1) // 2
    if count < MANY_NORMALS:
        columns = normals(row_words(np.arange(pairs, dtype=np.uint64), 0, key), FLOAT64)
        return np.ravel(np.column_stack(columns))[:count].astype(np.float64)
    X, no_response = empty((pairs, 2), np.dtype(np.float64)), np.empty(0)

    def work(piece: slice) -> None:
        rows = np.arange(piece.start, piece.stop, dtype=np.int64)
        normal_line(rows, np.zeros(2), 0.0, 0.0, (key, key), X[piece], no_response)

    in_pieces(pairs, 2, work)
    return X.reshape(-1)[:count]


# ---- the functions, as they are defined and as they are compiled -------------------------------------------------


class Functions(NamedTuple):
    """`fill(source, rows, key, out, *numbers)` fills in values of a source, and `transform(name)` is a transform."""

    fill: Callable[..., None]
    transform: Callable[[str], Callable[..., None]]


def _compiled_fill(source: str, rows: RowNumbers, key: Key, out: npt.NDArray[Any], *numbers: Any) -> None:
    from planted._random import fill_kernels

    if source == "normals":
        normal_line(rows, np.zeros(out.shape[1]), 0.0, 0.0, (key, key), out, np.empty(0, out.dtype))
    else:
        getattr(fill_kernels, source)(rows, key, out, *numbers)


def _compiled_transform(name: str) -> Callable[..., None]:
    from planted._random import transform_kernels

    return cast("Callable[..., None]", getattr(transform_kernels, name))


def _defined_fill(source: str, rows: RowNumbers, key: Key, out: npt.NDArray[Any], *numbers: Any) -> None:
    precision = PRECISIONS["float64" if out.dtype == np.float64 else "float32"]
    numbers_of_rows, count = rows.astype(np.uint64), out.shape[1]
    if source != "normals":
        out[:] = getattr(fills, source)(numbers_of_rows, count, key, precision, *numbers)
        return
    for j in range(0, count, precision.normals):
        group = normals(row_words(numbers_of_rows, j // precision.normals, key), precision)
        for k, column in enumerate(group[: count - j]):
            out[:, j + k] = column


def _defined_transform(name: str) -> Callable[..., None]:
    return cast("Callable[..., None]", getattr(transforms, name))


COMPILED: Final = Functions(_compiled_fill, _compiled_transform)
DEFINED: Final = Functions(_defined_fill, _defined_transform)


# ---- features -------------------------------------------------------------------------------------------------


class Numbers(NamedTuple):
    """What must be known of a law of features: how many values a row takes, and the numbers of its functions."""

    own: int  # values a row of its own
    factors: int = 0  # standard normals a row that its features share
    source: tuple[Any, ...] = ()  # numbers of the function of `fills`
    transform: tuple[Any, ...] = ()  # numbers of the function of `transforms`

    def rounded(self, dtype: DType) -> "Numbers":
        """The same, with the numbers of the transform in the type of the rows; integers stay."""
        real = PRECISIONS[dtype].real
        with np.errstate(over="ignore"):
            typed = tuple(n if isinstance(n, int) else np.asarray(n).astype(real)[()] for n in self.transform)
        if not all(np.isfinite(n).all() for n in typed):
            raise OverflowError(f"a number of the law is beyond {dtype}")
        return self._replace(transform=typed)


def draw_features(
    name: str, numbers: Numbers, keys: Keys, rows: RowNumbers, X: FloatArray, functions: Functions = COMPILED
) -> None:
    """Fill X, shape (rows, features), with features of the law of this name; its numbers are of X's type."""
    recipe = FEATURES[name]
    if recipe.source == "levels":
        Z: npt.NDArray[Any] = np.empty((rows.size, numbers.own), np.int32)
    else:
        Z = X if numbers.own == X.shape[1] else np.empty((rows.size, numbers.own), X.dtype)
    functions.fill(recipe.source, rows, keys.features, Z, *numbers.source)
    if recipe.transform:
        F = np.empty((rows.size, numbers.factors), X.dtype)
        if numbers.factors:
            functions.fill("normals", rows, keys.factors, F)
        functions.transform(recipe.transform)(Z, F, X, *numbers.transform)


# ---- noise: float64, value by value ---------------------------------------------------------------------------

Values = Callable[..., npt.NDArray[np.float64]]  # (source, key, rows, *numbers) -> one value a row


def draw_noise(
    law: Any, keys: Keys, rows: RowNumbers, X: FloatArray, functions: Functions = COMPILED
) -> npt.NDArray[np.float64]:
    """The noise of these rows, shape (rows,): `law` has a name and the numbers of a law of noise."""

    def values(source: str, key: Key, of_rows: RowNumbers = rows, *numbers: Any) -> npt.NDArray[np.float64]:
        out = np.empty((rows.size, 1), np.int32 if source == "levels" else X.dtype)
        functions.fill(source, of_rows, key, out, *numbers)
        return out[:, 0].astype(np.float64)

    noise: npt.NDArray[np.float64] = NOISES[law.name](law, keys, rows, X, values)
    return noise


def _normal(law: Any, keys: Keys, _rows: RowNumbers, _X: FloatArray, values: Values) -> Any:
    return values("normals", keys.noise) * law.scale


def _student_t(law: Any, keys: Keys, rows: RowNumbers, _X: FloatArray, values: Values) -> Any:
    return values("student_t", keys.noise, rows, law.df) * law.scale


def _laplace(law: Any, keys: Keys, _rows: RowNumbers, _X: FloatArray, values: Values) -> Any:
    return values("laplace", keys.noise) * law.scale


def _contaminated(law: Any, keys: Keys, rows: RowNumbers, _X: FloatArray, values: Values) -> Any:
    threshold = round(law.fraction * 2.0**32)
    thresholds = np.array([threshold] if threshold < 1 << 32 else [], np.uint32)  # no word reaches 2^32
    louder = values("levels", keys.mixture, rows, thresholds) == 0
    e = values("normals", keys.noise)
    return np.where(louder, e * (law.scale * law.factor), e * law.scale)


def _heteroscedastic(law: Any, keys: Keys, _rows: RowNumbers, X: FloatArray, values: Values) -> Any:
    x = X[:, 0].astype(np.float64)
    return values("normals", keys.noise) * (np.sqrt(1.0 + law.gamma * (x * x)) * law.scale)


def _clustered(law: Any, keys: Keys, rows: RowNumbers, _X: FloatArray, values: Values) -> Any:
    shared = values("normals", keys.clusters, rows // np.int64(law.size)) * np.sqrt(law.icc)
    own = values("normals", keys.noise) * np.sqrt(1 - law.icc)
    return (shared + own) * law.scale


NOISES: Final = {
    "normal": _normal,
    "student_t": _student_t,
    "laplace": _laplace,
    "contaminated": _contaminated,
    "heteroscedastic": _heteroscedastic,
    "clustered": _clustered,
}
