"""What all kinds of rows share.

Each kind is a final class that defines how rows are filled in by number (`_fill`), what a part is (`_view`), and what
identifies the rows (`_identity`, `fingerprint`). All ways to rows follow from these: ``rows[3]``, ``rows[10:20]``,
`take`, iteration, `split`. Rows are either *lazy*, made or read when they are asked for, or *held* in memory.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields
from types import EllipsisType, NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, Self, TypeVar, cast

import numpy as np

from planted._html import ROWS, rows_table
from planted._input import integer, row_numbers, short, size_text, sliced, steps, to_json_int, whole
from planted._machine import empty, in_pieces, too_large, too_large_error
from planted._rows.columns import Columns
from planted._types import Batch, FloatArray, RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError, RowNumberError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

LIMIT: Final = 1 << 63  # row numbers are below this
ITERATION_ROWS: Final = 4096

Held = TypeVar("Held", bound="HeldRows")


class BaseRows(ABC):
    """Rows of any kind."""

    __slots__ = ()
    __array_ufunc__: ClassVar[None] = None  # NumPy's arrays are not equal to rows, and add none

    n: int

    if TYPE_CHECKING:  # each kind has them, as properties or as fields

        @property
        def X(self) -> FloatArray:
            """All features, shape (rows, features)."""

        @property
        def y(self) -> FloatArray:
            """All responses, shape (rows, 1)."""

        def materialize(self) -> "HeldRows":
            """The same rows, held in memory."""

    @property
    @abstractmethod
    def features(self) -> int:
        """How many features a row has."""

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""

    @abstractmethod
    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        """Write the rows of these numbers into X, shape (rows, features), and y, shape (rows, 1)."""

    @abstractmethod
    def _view(self, first: int, count: int) -> Self:
        """The `count` rows from number `first` on, as rows of the same kind."""

    @abstractmethod
    def _identity(self) -> tuple[Any, ...]:
        """What identifies these rows, however they are kept; hashable."""

    @abstractmethod
    def _names(self) -> list[str]:
        """The names of the columns, the response last."""

    @abstractmethod
    def fingerprint(self) -> str:
        """A short text that is equal for equal rows only, however they are kept."""

    def __len__(self) -> int:
        """How many rows there are, up to 2^63: one more than Python's own ``len`` can return."""
        return int(self.n)

    def __bool__(self) -> bool:
        """Whether there are any, also of 2^63."""
        return self.n > 0

    def __getitem__(self, key: Any) -> Batch:
        """One row (x of shape (features,), y of shape (1,)), a slice, rows by number, or those of a mask.

        Negative numbers count from the end, as in a list. A mask is a vector of `len(rows)` booleans.

        Examples
        --------
        >>> import planted
        >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
        >>> rows[10:20].X.shape, rows[[3, 1, 4]].X.shape, rows[rows.y[:, 0] > 4.2].X.shape
        ((10, 2), (3, 2), (..., 2))
        """
        if isinstance(key, slice):
            return self._range(sliced(key, self.n))
        if isinstance(key, _NO_KEYS):
            raise InvalidTypeError(_refusal(key))
        if getattr(key, "ndim", None) != 0 and hasattr(key, "__len__"):
            return self._take(row_numbers(key, self.n, key=True))
        n = self.n
        number = whole(key, "row number", remedy="use rows[3], rows[10:20] or rows[[3, 1, 4]]")
        if not -n <= number < n:
            raise RowNumberError(
                f"row number {to_json_int(number)} is outside [0, {n}): use 0 to {n - 1}, or -1 for the last"
            )
        X, y = self._take(np.array([number % n], np.int64))
        return Batch(X[0], y[0])

    def __getitems__(self, rows: Any) -> list[Batch]:
        """Rows (x, y) by number, made by one `take`: what data loaders of others ask for that collate batches."""
        return [Batch(x, y) for x, y in zip(*self.take(rows), strict=True)]

    def take(self, rows: Any) -> Batch:
        """Rows by number, in any order, from a list or an array of any integer type.

        Returns
        -------
        Batch
            X of shape (rows, features) and y of shape (rows, 1), of the rows' dtype: new arrays.

        Raises
        ------
        RowNumberError
            If a number is outside [0, len(rows)).
        InvalidTypeError
            If they are not integers. For a mask of booleans use ``rows[mask]``.
        TooLargeError
            If they would take more memory than there is.
        """
        if isinstance(rows, range):
            row_numbers([rows[0], rows[-1]] if rows else [], self.n)
            return self._range(rows)
        return self._take(row_numbers(rows, self.n))

    def __iter__(self) -> Iterator[Batch]:
        """Row after row; some thousands are made at a time."""
        for first in range(0, self.n, ITERATION_ROWS):
            X, y = self._range(range(first, min(first + ITERATION_ROWS, self.n)))
            yield from map(Batch, X, y)

    def split(self, *sizes: int) -> tuple[Self, ...]:
        """Consecutive views of these sizes; rows that are left over belong to none.

        Raises
        ------
        InvalidValueError
            If the sizes are negative or add up to more rows than there are.
        """
        remedy = "give the rows of each part: rows.split(1_000, 1_000)"
        counts = [integer(size, "size", minimum=0, remedy=remedy) for size in sizes]
        if not counts or sum(counts) > self.n:
            raise InvalidValueError(
                f"sizes={tuple(counts)} add up to {sum(counts)} of {self.n} rows: name parts that fit"
            )
        parts, first = [], 0
        for count in counts:
            parts.append(self._view(first, count))
            first += count
        return tuple(parts)

    def to_pandas(self) -> "pd.DataFrame":
        """All rows as a pandas DataFrame: a column for each feature and, last, the response.

        The columns are ``x0``, ``x1``, ..., ``y``, of the rows' dtype; those of `open_table` keep their names.

        Raises
        ------
        TooLargeError
            If they would take more memory than there is.
        MissingDependencyError
            If pandas is not installed.
        """
        return self._table().to_pandas()

    def to_polars(self) -> "pl.DataFrame":
        """All rows as a Polars DataFrame, with the columns of `to_pandas`, and its errors."""
        return self._table().to_polars()

    def to_arrow(self) -> "pa.Table":
        """All rows as an Arrow table, with the columns of `to_pandas`, and its errors.

        Whatever reads Arrow streams takes the rows themselves, in batches of some megabytes, and so any number of them:
        ``pyarrow.table(rows)``, ``polars.from_arrow(rows)``, ``duckdb.sql("select avg(y) from rows")``.

        Examples
        --------
        >>> import planted
        >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
        >>> rows.to_arrow().column_names
        ['x0', 'x1', 'y']
        """
        return self._table().to_arrow()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The rows for all that read Arrow, a batch at a time (the Arrow PyCapsule interface)."""
        return self._table().stream(requested_schema)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NoReturn:
        """No array: rows are features and responses."""
        raise InvalidTypeError(self._no_array())

    if not TYPE_CHECKING:  # or checkers would accept every name

        def __getattr__(self, name: str) -> Any:
            """What arrays have and this lacks: Keras takes what has `__array__` for one, and asks for its shape."""
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(self._no_array() if name == "shape" else message, name=name, obj=self)

    def _no_array(self) -> str:
        return (
            f"{self!r} are not one array: use rows.X, of shape (rows, features), and rows.y, of shape (rows, 1), "
            "as in Keras's model.fit(rows.X, rows.y), np.hstack(rows[:]) for both in one, or rows.to_pandas() for a "
            "table"
        )

    def __eq__(self, other: object) -> bool:
        """Equal if they are the same rows, of the same kind: then every value is equal."""
        if not isinstance(other, BaseRows) or type(other) is not type(self):
            return NotImplemented
        return self._identity() == other._identity()

    def __hash__(self) -> int:
        """Consistent with equality."""
        return hash(self._identity())

    def _repr_html_(self) -> str:
        """The first rows as a table, for notebooks."""
        X, y = self._range(range(min(ROWS, self.n)))
        return rows_table(repr(self), self._names(), X, y, self.n)

    def _range(self, numbers: range) -> Batch:
        """The rows of a range, in new arrays."""
        X, y = self._empty(steps(numbers))
        self._in_pieces(numbers, lambda piece, rows: self._fill(rows, X[piece], y[piece]))
        return Batch(X, y)

    def _take(self, numbers: RowNumbers) -> Batch:
        """The rows of these numbers, which are in range, in new arrays."""
        X, y = self._empty(numbers.size)
        in_pieces(numbers.size, self.features + 1, lambda piece: self._fill(numbers[piece], X[piece], y[piece]))
        return Batch(X, y)

    def _table(self) -> Columns:
        return Columns(self._names(), self.dtype, self.n, self._columns)

    def _columns(self, numbers: range) -> FloatArray:
        """The columns of these rows, shape (features + 1, rows), the response last, in a new array."""
        count = steps(numbers)
        (values,) = self._arrays(count, self.features + 1)
        columns = values.reshape(self.features + 1, count)

        def work(piece: slice, rows: RowNumbers) -> None:
            X, y = self._empty(rows.size)
            self._fill(rows, X, y)
            columns[:-1, piece], columns[-1, piece] = X.T, y[:, 0]

        self._in_pieces(numbers, work)
        return columns

    def _in_pieces(self, numbers: range, work: Callable[[slice, RowNumbers], None]) -> None:
        """Call `work` with slices of the range, and the row numbers in them, on all cores."""

        def work_on(piece: slice) -> None:
            part = numbers[piece]
            work(piece, np.arange(part.start, part.stop, part.step, dtype=np.int64))

        in_pieces(len(numbers), self.features + 1, work_on)

    def _empty(self, count: int) -> Batch:
        return Batch(*self._arrays(count, self.features, 1))

    def _arrays(self, count: int, *widths: int) -> list[FloatArray]:
        """New arrays of so many rows, of these widths; an error before any work if they do not fit the memory."""
        dtype = self.dtype
        size = count * sum(widths) * dtype.itemsize
        try:
            if not too_large(size):
                return [empty((count, width), dtype) for width in widths]
        except MemoryError:  # less is free
            pass
        remedy = "read them in minibatches, planted.Loader(rows, batch_size=256), or in parts, such as rows[:1_000]"
        raise too_large_error(size, f"{count:_} rows", remedy)


class LazyRows(BaseRows, Generic[Held]):
    """Rows that are made or read when they are asked for."""

    __slots__ = ()

    @abstractmethod
    def _held(self, X: FloatArray, y: FloatArray) -> Held:
        """The same rows, held in memory: their values are X and y."""

    @property
    def X(self) -> FloatArray:
        """All features, shape (rows, features), in a new array; a `TooLargeError` if the memory cannot hold them."""
        return self._range(range(self.n)).X

    @property
    def y(self) -> FloatArray:
        """All responses, shape (rows, 1), in a new array; a `TooLargeError` if the memory cannot hold them."""
        (y,) = self._arrays(self.n, 1)

        def work(piece: slice, rows: RowNumbers) -> None:
            self._fill(rows, empty((rows.size, self.features), self.dtype), y[piece])

        self._in_pieces(range(self.n), work)
        return y

    def materialize(self) -> Held:
        """The same rows, held in memory; a `TooLargeError` if it cannot hold them."""
        X, y = self._range(range(self.n))
        X.flags.writeable = y.flags.writeable = False
        return self._held(X, y)


class HeldRows(BaseRows):
    """Rows held in memory, in arrays that are read-only."""

    __slots__ = ()

    X: FloatArray
    y: FloatArray

    def materialize(self) -> Self:
        """These rows themselves."""
        return self

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        from planted._rows.gather import gathered

        gathered(rows, self.X, self.y, X, y)

    def _size(self) -> str:
        return f"{size_text(self.X.nbytes + self.y.nbytes)} in memory"

    def __setstate__(self, state: list[Any]) -> None:
        """As dataclasses unpickle themselves; the arrays become read-only again, as the compiled kernels know them."""
        for field, value in zip(fields(cast("Any", self)), state, strict=False):
            object.__setattr__(self, field.name, value)
        self.X.flags.writeable = self.y.flags.writeable = False


_NO_KEYS: Final = (tuple, str, bytes, Mapping, AbstractSet, NoneType, EllipsisType)


def _refusal(key: object) -> str:
    """What is wrong with such a key, and what to write instead."""
    if isinstance(key, tuple):
        axes = short(key)[1:].removesuffix(")")
        return f"rows[{axes}]: rows have one axis: use X, y = rows[3] and then X[0], or rows[[3, 0]] for several rows"
    if isinstance(key, (str, bytes)):
        return f"rows[{short(key)}]: rows have no names: use rows.X and rows.y, or rows.to_pandas() for named columns"
    if key is None or key is ...:
        return f"rows[{'...' if key is ... else 'None'}]: use rows[:] for all rows"
    kinds = "rows[3], rows[10:20], rows[[3, 1, 4]], or rows[mask] with a boolean for each row"
    return f"rows[{short(key)}]: a {type(key).__name__} has no order: use {kinds}"
