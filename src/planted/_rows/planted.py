"""Rows of a known truth, computed on demand or held in memory: the same values for the same row number."""

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from planted._input import dtype_name, integer, seed_and_salt, to_json_int
from planted._random import VERSION
from planted._rows.base import LIMIT, BaseRows, HeldRows, LazyRows
from planted._rows.columns import names_of
from planted._rows.draw import draw_rows, keys_of, numbers_of
from planted._truth import MOST_AS_JSON, FeatureLaw, LinearTruth, begun_as_json
from planted._types import DType, FloatArray, RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PlantedRows(BaseRows):
    """Rows that planted made: computed on demand, in memory, or on disk. What `rows`, `regression` and `open` return.

    For annotations, of what is returned; a function that takes rows of anyone's asks for `planted.Rows`.

    Examples
    --------
    >>> import planted
    >>> def half(rows: planted.PlantedRows) -> planted.PlantedRows:
    ...     return rows.split(len(rows) // 2)[0]
    >>> half(planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)).X.shape
    (500, 2)
    """

    __module__ = "planted"

    truth: LinearTruth
    n: int
    seed: int
    salt: str
    dtype_name: DType
    start: int  # the number, in the endless stream, of the first row

    @property
    def features(self) -> int:
        """How many features a row has."""
        return self.truth.features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        return np.dtype(self.dtype_name)

    def fingerprint(self) -> str:
        """A short text that is equal for equal rows only, however they are kept."""
        return self._fingerprint(self.truth.begun_fingerprint(str(VERSION)))

    def _fingerprint(self, begun: "_Hash") -> str:
        """The hash of the version, the truth and the rest as JSON, of which version and truth are hashed already."""
        begun.update(f", {json.dumps(self._identity()[1:])[1:-1]}]".encode())
        return begun.hexdigest()[:16]

    def _identity(self) -> tuple[Any, ...]:
        return self.truth, to_json_int(self.seed), self.salt, self.dtype_name, self.start, self.n

    def _names(self) -> list[str]:
        return names_of(self.features)

    def _text(self, kept: str) -> str:
        """The arguments that make them again, and how they are kept."""
        salt = f", salt={self.salt!r}" if self.salt else ""
        part = f", start={self.start}" if self.start else ""
        made = f"{self.truth!r}, seed={to_json_int(self.seed)}{salt}{part}, {self.dtype_name}"
        return f"<rows: {self.n:_} of {made}, {kept}>"

    def _held(self, X: FloatArray, y: FloatArray) -> "MemoryRows":
        return MemoryRows(self.truth, self.n, self.seed, self.salt, self.dtype_name, self.start, X, y)


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ComputedRows(PlantedRows, LazyRows["MemoryRows"]):
    """Rows computed on demand: they take no memory and no disk, however many they are. Made by `rows`.

    They have a `truth`, a length, `features`, `dtype` and `seed`; ``rows[key]`` and `take` compute some, `X`, `y` all.
    """

    __module__ = "planted._rows"  # in pickles

    end: int  # the number after the last of the rows that these were split from

    def fresh(self, epoch: int) -> "ComputedRows":
        """The rows of an epoch of an endless stream: these in epoch 0, then new ones.

        Later epochs go on after the rows that these were split from, so that rows split off for validation stay unseen.
        """
        if epoch == 0:
            return self
        start = self.end + (epoch - 1) * self.n
        if start + self.n > LIMIT:
            raise InvalidValueError(f"epoch {epoch} of {self.n} fresh rows passes row 2^63: use a smaller epoch")
        return replace(self, start=start)

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        keys = keys_of(self.seed, self.salt, self.dtype_name)
        draw_rows(self.truth, keys, rows + np.int64(self.start) if self.start else rows, X, y)

    def _view(self, first: int, count: int) -> "ComputedRows":
        return replace(self, n=count, start=self.start + first)

    def __repr__(self) -> str:
        """The arguments that make them again."""
        return self._text("computed")


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MemoryRows(PlantedRows, HeldRows):
    """The same rows, held in memory and read-only. Made by ``rows.materialize()``."""

    __module__ = "planted._rows"  # in pickles

    X: FloatArray
    y: FloatArray

    __setstate__ = HeldRows.__setstate__

    def _view(self, first: int, count: int) -> "MemoryRows":
        part = slice(first, first + count)
        return replace(self, n=count, start=self.start + first, X=self.X[part], y=self.y[part])

    def __repr__(self) -> str:
        """The arguments that make them again, and their size."""
        return self._text(self._size())


def earlier_fingerprint(rows: Any) -> str | None:
    """The fingerprint that states hold which planted 0.1 saved, where it was another: of rows of very many features.

    It takes seconds for ten millions of features, so ask for it only where the fingerprints differ.
    """
    if not isinstance(rows, PlantedRows) or rows.features <= MOST_AS_JSON:
        return None
    return rows._fingerprint(begun_as_json(str(VERSION), rows.truth))  # noqa: SLF001 -- of this file


def rows(truth: LinearTruth, n: int, *, seed: int = 0, salt: str = "", dtype: DType = "float32") -> ComputedRows:
    """Rows of a truth, computed on demand; nothing is made yet.

    Unless the truth names other laws, the features X are standard normal (mean 0, variance 1) and independent, and
    ``y = X w + b + noise`` with normal noise: see `LinearTruth`. Row i is a pure function of (truth, seed, salt, dtype,
    i): more rows, another order, other chunks or threads change no value.

    Parameters
    ----------
    truth
        What is planted.
    n
        How many rows, from 0 to 2^63. (Python's ``len`` ends one below that.)
    seed
        Any non-negative integer, of any size.
    salt
        A string that sets apart data sets of one seed.
    dtype
        ``"float32"`` or ``"float64"``, of both X and y. The two are different rows.

    Returns
    -------
    ComputedRows
        ``rows[10:20]``, ``rows[[3, 1, 4]]``, ``rows[mask]`` and ``rows.take(numbers)`` are (X, y), X of shape (rows,
        features) and y of shape (rows, 1); ``rows[3]`` is one row; ``rows.X`` and ``rows.y`` are all of them;
        ``rows.split(800, 200)`` cuts them in parts, ``rows.materialize()`` keeps them in memory, and ``to_pandas()``,
        ``to_polars()``, ``to_arrow()`` make tables.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule.

    Examples
    --------
    >>> import planted
    >>> truth = planted.LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
    >>> r = planted.rows(truth, 10**12, seed=714)
    >>> X, y = r[10:20]
    >>> X.shape, y.shape, X.dtype
    ((10, 2), (10, 1), dtype('float32'))
    >>> x, y = r[999_999_999_999]
    >>> x.shape, y.shape
    ((2,), (1,))
    """
    if not isinstance(truth, LinearTruth):
        raise InvalidTypeError(f"truth={truth!r} must be a LinearTruth: use planted.LinearTruth(w, b, noise)")
    count = integer(n, "n", minimum=0, maximum=LIMIT, remedy="use the number of rows, such as n=1_000")
    seed, salt = seed_and_salt(seed, salt)
    dtype = dtype_name(dtype)
    numbers_of(truth.feature_law, truth.features, dtype)
    return ComputedRows(truth, count, seed, salt, dtype, 0, count)


def regression(
    w: Any,
    b: Any = 0.0,
    *,
    noise: Any = 0.01,
    features: FeatureLaw | None = None,
    n: int = 1_000,
    seed: int = 0,
    salt: str = "",
    dtype: DType = "float32",
) -> ComputedRows:
    """Rows of ``y = X w + b + noise``, X standard normal: ``rows(LinearTruth(w, b, noise, features), n, ...)``.

    Parameters
    ----------
    w, b, noise, features
        The weights, one a feature; the intercept; the standard deviation of the noise, or its law; the law of X,
        standard normal unless named: see `LinearTruth`.
    n, seed, salt, dtype
        How many rows, and which: see `rows`.

    Returns
    -------
    ComputedRows
        X of shape (rows, features) and y of shape (rows, 1), of the dtype, computed when they are asked for.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule.

    Examples
    --------
    >>> import planted
    >>> planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000, seed=714)
    <rows: 2_000 of LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01), seed=714, float32, computed>
    >>> X, y = planted.regression(w=[2.0, -3.4], b=4.2, n=2_000)[:]
    >>> X.shape, y.shape, X.dtype
    ((2000, 2), (2000, 1), dtype('float32'))
    """
    return rows(LinearTruth(w, b, noise, features), n, seed=seed, salt=salt, dtype=dtype)
