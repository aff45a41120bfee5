"""Rows: where X and y come from, whichever way they are kept.

What comes in: row numbers. What goes out: their features and responses. `Rows` is the protocol; two kinds are here,
`ComputedRows` (made on demand, endless, no memory) and `MemoryRows` (the same rows, held). Both give the same
values for the same number, because a row is a pure function of (truth, seed, row number).

A kind writes ``take`` and little else. The other ways in (``rows[3]``, ``rows[10:20]``, ``rows.X``, iteration) are
plain functions below, derived from ``take`` and shared by naming them in the class body.
"""

import hashlib
import html
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from planted._errors import InvalidTypeError, InvalidValueError, RowNumberError
from planted._input import DType, dtype_name, integer, row_numbers, seed_and_salt, spelled, whole
from planted._machine import empty, in_pieces
from planted._rows.draw import Keys, fill, keys_of
from planted._rows.random import VERSION
from planted._truth import LinearTruth
from planted._types import Batch, FloatArray, RowNumbers

LIMIT: Final = 1 << 63  # row numbers are below this
ITERATION_ROWS: Final = 4096


@runtime_checkable
class Rows(Protocol):
    """Rows of known truth: whatever has a length, a truth and a vectorised `take`."""

    @property
    def truth(self) -> LinearTruth:
        """What is planted."""
        ...

    @property
    def seed(self) -> int:
        """The seed that the rows are made from."""
        ...

    @property
    def features(self) -> int:
        """How many features a row has."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        ...

    @property
    def X(self) -> FloatArray:
        """All features, shape (rows, features)."""
        ...

    @property
    def y(self) -> FloatArray:
        """All responses, shape (rows, 1)."""
        ...

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def __getitem__(self, key: Any) -> Batch:
        """One row, a slice of rows, or rows by number."""
        ...

    def take(self, rows: Any) -> Batch:
        """Rows by number, in any order."""
        ...

    def fingerprint(self) -> str:
        """A short text that is equal for equal rows only."""
        ...


# ---- what every kind derives from take ------------------------------------------------------------------------


def _count(self: Any) -> int:
    """How many rows there are; up to 2^63, of which Python's own ``len`` cannot speak."""
    return int(self.n)


def _features(self: Any) -> int:
    """How many features a row has."""
    return int(self.truth.features)


def _dtype(self: Any) -> np.dtype[Any]:
    """float32 or float64, of both X and y."""
    dtype: np.dtype[Any] = np.dtype(self.dtype_name)
    return dtype


def _getitem(self: Any, key: Any) -> Batch:
    """One row (x of shape (features,), y of shape (1,)), a slice, or rows by number.

    A negative number counts from the end, as in a list.
    """
    n = _count(self)
    if isinstance(key, slice):
        return _range(self, range(*_indices(key, n)))
    if isinstance(key, (list, tuple, range)) or getattr(key, "ndim", 0) > 0:
        return self.take(key)  # type: ignore[no-any-return]
    number = whole(key, "row number", remedy="use rows[3] or rows[10:20]")
    if not -n <= number < n:
        raise RowNumberError(f"row number {spelled(number)} is outside [0, {n}): use 0 to {n - 1}, or -1 for the last")
    X, y = self.take([number % n])
    return Batch(X[0], y[0])


def _indices(key: slice, n: int) -> tuple[int, int, int]:
    for name, bound in (("start", key.start), ("stop", key.stop), ("step", key.step)):
        if bound is not None:
            whole(bound, f"slice {name}", remedy="use whole row numbers")
    if key.step is not None and int(key.step) == 0:
        raise InvalidValueError("slice step=0 must not be zero: use a step of 1 or leave it out")
    return key.indices(n)


def _range(self: Any, numbers: range) -> Batch:
    X = empty((len(numbers), self.features), self.dtype)
    y = empty((len(numbers), 1), self.dtype)

    def work(piece: slice) -> None:
        part = numbers[piece]
        self._fill(np.arange(part.start, part.stop, part.step, dtype=np.int64), X[piece], y[piece])

    in_pieces(len(numbers), self.features + 1, work)
    return Batch(X, y)


def _take(self: Any, rows: Any) -> Batch:
    """Rows by number, in any order, from a list or an array of any integer type.

    Returns
    -------
    Batch
        X of shape (rows, features) and y of shape (rows, 1), of the rows' dtype; arrays of the caller's own.

    Raises
    ------
    RowNumberError
        If a number is outside [0, len(rows)).
    InvalidTypeError
        If they are not integers.
    """
    numbers = row_numbers(rows, _count(self))
    X = empty((numbers.size, self.features), self.dtype)
    y = empty((numbers.size, 1), self.dtype)
    in_pieces(numbers.size, self.features + 1, lambda piece: self._fill(numbers[piece], X[piece], y[piece]))
    return Batch(X, y)


def _iterate(self: Any) -> Iterator[Batch]:
    """The rows one after another, made some thousands at a time."""
    n = _count(self)
    for first in range(0, n, ITERATION_ROWS):
        X, y = _range(self, range(first, min(first + ITERATION_ROWS, n)))
        yield from map(Batch, X, y)


def _split(self: Any, *sizes: int) -> tuple[Any, ...]:
    """Consecutive views of so many rows each; rows left over belong to none.

    Raises
    ------
    InvalidValueError
        If the sizes are negative or add up to more rows than there are.
    """
    n = _count(self)
    counts = [
        integer(size, "size", minimum=0, remedy="give the rows of each part: rows.split(1_000, 1_000)")
        for size in sizes
    ]
    if not counts or sum(counts) > n:
        raise InvalidValueError(f"sizes={tuple(counts)} add up to {sum(counts)} of {n} rows: name parts that fit")
    parts, first = [], 0
    for count in counts:
        parts.append(self._view(first, count))
        first += count
    return tuple(parts)


def _equal(self: Any, other: object) -> bool:
    """Equal if of one kind and of the same truth, seed and numbers: then every value is the same."""
    return NotImplemented if type(other) is not type(self) else _identity(self) == _identity(other)


def _hash(self: Any) -> int:
    """Consistent with equality."""
    return hash(_identity(self))


def _fingerprint(self: Any) -> str:
    """A short text that is equal for equal rows only, however they are kept."""
    return hashlib.sha256(json.dumps([VERSION, *_identity(self, plain=True)]).encode()).hexdigest()[:16]


def _text(self: Any, kept: str) -> str:
    salt = f", salt={self.salt!r}" if self.salt else ""
    part = f", start={self.start}" if self.start else ""
    made = f"{self.truth!r}, seed={spelled(self.seed)}{salt}{part}, {self.dtype_name}"
    return f"<rows: {self.n:_} of {made}, {kept}>"


def _html(self: Any) -> str:
    """The first rows as a table, for notebooks."""
    shown = min(5, _count(self))
    columns = min(8, self.features)
    X, y = _range(self, range(shown))
    more = ["…"] if columns < self.features else []
    head = "".join(f"<th>{name}</th>" for name in ["row", *(f"x{j}" for j in range(columns)), *more, "y"])
    lines = "".join(
        "<tr>"
        + "".join(f"<td>{cell}</td>" for cell in [i, *(f"{x:.6g}" for x in X[i, :columns]), *more, f"{y[i, 0]:.6g}"])
        + "</tr>"
        for i in range(shown)
    )
    rest = (
        f"<tr><td colspan='{columns + len(more) + 2}'>… of {_count(self):,} rows</td></tr>"
        if shown < _count(self)
        else ""
    )
    return f"<table><caption>{html.escape(repr(self))}</caption><tr>{head}</tr>{lines}{rest}</table>"


def _identity(rows: Any, *, plain: bool = False) -> tuple[Any, ...]:
    truth = rows.truth.to_dict() if plain else rows.truth
    return truth, spelled(rows.seed), rows.salt, rows.dtype_name, rows.start, rows.n


# ---- the kinds ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ComputedRows:
    """Rows made on demand: no memory, no disk, and row 999 999 999 999 is there at once. Made by `rows`."""

    truth: LinearTruth
    n: int
    seed: int
    salt: str
    dtype_name: DType
    start: int = 0  # the number, in the endless stream, of the first row
    end: int = 0  # the first number behind the rows that this was split from

    @property
    def X(self) -> FloatArray:
        """All features, shape (rows, features), made anew."""
        return _range(self, range(self.n)).X

    @property
    def y(self) -> FloatArray:
        """All responses, shape (rows, 1), made anew."""
        return _range(self, range(self.n)).y

    def materialize(self) -> "MemoryRows":
        """The same rows, held in memory."""
        X, y = _range(self, range(self.n))
        X.flags.writeable = y.flags.writeable = False
        return MemoryRows(self.truth, self.n, self.seed, self.salt, self.dtype_name, self.start, X, y)

    def fresh(self, epoch: int) -> "ComputedRows":
        """The rows that an endless stream gives in an epoch: these in epoch 0, then ever new ones.

        Later epochs read on behind the rows that these were split from, so that what was split off for validation stays
        unseen.
        """
        if epoch == 0:
            return self
        start = self.end + (epoch - 1) * self.n
        if start + self.n > LIMIT:
            raise InvalidValueError(f"epoch {epoch} of {self.n} fresh rows passes row 2^63: use a smaller epoch")
        return replace(self, start=start)

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        keys: Keys = keys_of(self.seed, self.salt, self.dtype_name)
        fill(self.truth, keys, rows + np.int64(self.start) if self.start else rows, X, y)

    def _view(self, first: int, count: int) -> "ComputedRows":
        return replace(self, n=count, start=self.start + first)

    def __repr__(self) -> str:
        """What it takes to make them again."""
        return _text(self, "computed")

    features = property(_features)
    dtype = property(_dtype)
    take = _take
    split = _split
    fingerprint = _fingerprint
    __len__ = _count
    __getitem__ = _getitem
    __iter__ = _iterate
    __eq__ = _equal
    __hash__ = _hash
    _repr_html_ = _html


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class MemoryRows:
    """The same rows, held in memory and read-only. Made by `ComputedRows.materialize`."""

    truth: LinearTruth
    n: int
    seed: int
    salt: str
    dtype_name: DType
    start: int
    X: npt.NDArray[Any]
    y: npt.NDArray[Any]

    def materialize(self) -> "MemoryRows":
        """Themselves: they are in memory already."""
        return self

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        from planted._rows import kernels

        kernels.gather(rows, self.X, self.y, X, y)

    def _view(self, first: int, count: int) -> "MemoryRows":
        part = slice(first, first + count)
        return replace(self, n=count, start=self.start + first, X=self.X[part], y=self.y[part])

    def __repr__(self) -> str:
        """What it takes to make them again, and their size."""
        return _text(self, f"{(self.X.nbytes + self.y.nbytes) / 2**20:.1f} MiB in memory")

    features = property(_features)
    dtype = property(_dtype)
    take = _take
    split = _split
    fingerprint = _fingerprint
    __len__ = _count
    __getitem__ = _getitem
    __iter__ = _iterate
    __eq__ = _equal
    __hash__ = _hash
    _repr_html_ = _html


# ---- the way in -----------------------------------------------------------------------------------------------


def rows(truth: LinearTruth, n: int, *, seed: int = 0, salt: str = "", dtype: DType = "float32") -> ComputedRows:
    """Rows of a truth, computed on demand; nothing is made yet.

    Row i is a pure function of (truth, seed, salt, dtype, i): more rows, another order, other chunks or threads
    change no value. Standard normal features; see `LinearTruth` for the response.

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
    return ComputedRows(truth, count, seed, salt, dtype_name(dtype), 0, count)


def regression(
    w: Any,
    b: Any = 0.0,
    *,
    noise: Any = 0.01,
    n: int = 1_000,
    seed: int = 0,
    salt: str = "",
    dtype: DType = "float32",
) -> ComputedRows:
    """Truth and rows in one line: ``rows(LinearTruth(w, b, noise), n, ...)``, which see.

    Examples
    --------
    >>> import planted
    >>> planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000, seed=714)
    <rows: 2_000 of LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01), seed=714, float32, computed>
    """
    return rows(LinearTruth(w, b, noise), n, seed=seed, salt=salt, dtype=dtype)
