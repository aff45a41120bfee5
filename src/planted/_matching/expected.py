"""The rows that should come, as float64 values that are compared bit for bit.

A loader may round values on the way, to float32, bfloat16 or float16. It must then round all of them, and they are
compared with the expected rows rounded to the same precision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from planted._input import floats
from planted._matching.delivery import PIECE_VALUES, Float64s
from planted._types import FloatArray, RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError

Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

FRACTION_BITS: Final = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}
SHIFT = np.uint64(32)
RULE: Final = "it must return (X, y), X of shape (rows, features) and y of shape (rows,) or (rows, 1)"
MULTIPLIERS: Final = tuple(np.uint64(k) for k in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Takes(Protocol):
    """Rows: planted's, those of a table, or a user's own."""

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def take(self, rows: Any, /) -> Any:
        """X and y of these row numbers."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The expected rows as a float64 matrix: the features, then y if `responses` is true."""

    rows: Any
    n: int
    features: int
    dtype_name: str
    responses: bool = True
    precision: str = "float64"

    def take(self, numbers: RowNumbers) -> Float64s:
        """Rows by number, rounded to `precision`."""
        X, y = taken(self.rows, numbers)
        if X.shape[1] != self.features:
            raise InvalidValueError(f"take of the rows returned {X.shape[1]} features, {self.features} before; {RULE}")
        values = np.empty((len(numbers), self.features + self.responses))
        with np.errstate(invalid="ignore"):
            values[:, : self.features] = X
            if self.responses:
                values[:, -1] = y
        return rounded(values, self.precision)

    def pieces(self) -> Iterator[tuple[int, Float64s]]:
        """All rows, some thousands at a time, each time with the number of the first."""
        step = max(1, PIECE_VALUES // (self.features + 1))
        for first in range(0, self.n, step):
            yield first, self.take(np.arange(first, min(first + step, self.n)))

    @property
    def value_bits(self) -> int:
        """Bits of a value's fraction: two different values are equal by chance about once in 2 to that many."""
        return min(FRACTION_BITS[self.dtype_name], FRACTION_BITS[self.precision])


def taken(rows: Any, numbers: RowNumbers) -> tuple[FloatArray, FloatArray]:
    """Rows by number, also of a user's own: X of shape (rows, features) and y of shape (rows,).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If `take` returns anything else.
    """
    pair = rows.take(numbers)
    who = f"take of rows of type {type(rows).__name__}"
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        parts = f" of {len(pair)} parts" if isinstance(pair, (tuple, list)) else ""
        raise InvalidTypeError(f"{who} returned something of type {type(pair).__name__}{parts}; {RULE}")
    X, y = (floats(part, f"{name} that {who} returned", remedy=RULE) for part, name in zip(pair, "Xy", strict=True))
    if X.ndim != 2 or len(X) != len(numbers) or y.size != len(numbers):
        shapes = f"X of shape {X.shape} and y of shape {y.shape}"
        raise InvalidValueError(f"{who} returned {shapes} for {len(numbers)} row numbers; {RULE}")
    return X, y.reshape(-1)


def rounded(values: Float64s, precision: str) -> Float64s:
    """Float64 values rounded to another precision, as float64.

    >>> rounded(np.array([[1 / 3, 1e-3]]), "bfloat16")
    array([[0.33398438, 0.00099945]])
    """
    if precision == "float64":
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        if precision != "bfloat16":
            return values.astype(precision).astype(np.float64)
        single = values.astype(np.float32)
    words = single.view(np.uint32)
    words += np.uint32(0x7FFF) + (words >> np.uint32(16) & np.uint32(1))  # to the nearest, a tie to the even one
    words &= np.uint32(0xFFFF0000)
    single[np.isnan(values)] = np.nan  # rounding may have carried into the exponent of a NaN
    return single.astype(np.float64)


def bits_of(values: Float64s) -> Bits:
    """The bits of values; modifies `values`: -0.0 becomes 0.0, and every NaN the same NaN."""
    with np.errstate(invalid="ignore"):
        values += 0.0
    undefined = np.isnan(values)
    if undefined.any():
        values[undefined] = np.nan
    return values.view(np.uint64)


def hashed(bits: Bits) -> Bits:
    """A 64-bit hash of each row."""
    state = np.full(len(bits), bits.shape[1], np.uint64)
    for column in bits.T:
        state ^= column
        for multiplier in MULTIPLIERS:
            state *= multiplier
            state ^= state >> SHIFT
    return state
