"""Which rows they are: delivered rows found among those expected, by their numbers or by their values.

What comes in: pieces of a delivery. What goes out: the row number of each, and which of them are not as they should be.
Rows without numbers are found again by a 64-bit hash of their values, which takes 12 bytes a row (and 24 while it is
made); that two different rows have one hash happens once in 40 000 times among 30 million rows.

Values are compared as float64, bit for bit. A loader may have rounded them on the way, to float32, bfloat16 or float16:
then it must have rounded all of them, and they are compared with the rows so rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._audit.delivery import PIECE_VALUES, Float64s, Piece
from planted._types import RowNumbers

Bits = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

UNKNOWN: Final = -1
PRECISIONS: Final = {"float64": 52, "float32": 23, "float16": 10, "bfloat16": 7}  # and their bits of a fraction
SHARE: Final = 0.9  # of the rows that must look rounded
SHIFT = np.uint64(32)
MULTIPLIERS: Final = tuple(np.uint64(k) for k in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


class Match(NamedTuple):
    """For each row of a piece its number, `UNKNOWN` if it has none, and whether it is not as it should be."""

    numbers: RowNumbers
    wrong: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """The rows that should come, as a matrix of float64: the features, and with `responses` y behind them."""

    rows: Any
    n: int
    features: int
    dtype_name: str
    responses: bool = True
    precision: str = "float64"

    def take(self, numbers: RowNumbers) -> Float64s:
        """Rows by number, rounded as the delivered ones are."""
        X, y = self.rows.take(numbers)
        values = np.empty((len(numbers), self.features + self.responses))
        with np.errstate(invalid="ignore"):
            values[:, : self.features] = X
            if self.responses:
                values[:, -1] = np.asarray(y).reshape(-1)
        return rounded(values, self.precision)

    def pieces(self) -> Iterator[tuple[int, Float64s]]:
        """All rows, some thousands at a time, each time with the number of the first."""
        step = max(1, PIECE_VALUES // (self.features + 1))
        for first in range(0, self.n, step):
            yield first, self.take(np.arange(first, min(first + step, self.n)))

    @property
    def resolution(self) -> int:
        """Bits of the fraction of a value: two different values are equal by chance about once in 2 to that many."""
        return min(PRECISIONS[self.dtype_name], PRECISIONS[self.precision])


# ---- values ---------------------------------------------------------------------------------------------------


def rounded(values: Float64s, precision: str) -> Float64s:
    """Float64 values rounded to another precision, and made float64 again.

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
    single[np.isnan(values)] = np.nan  # the carry may have changed what is not a number
    return single.astype(np.float64)


def bits_of(values: Float64s) -> Bits:
    """Their bits, one for all zeros and one for all that is not a number; the values themselves are made so."""
    with np.errstate(invalid="ignore"):
        values += 0.0
    undefined = np.isnan(values)
    if undefined.any():
        values[undefined] = np.nan
    return values.view(np.uint64)


def hashed(bits: Bits) -> Bits:
    """64 bits for each row."""
    state = np.full(len(bits), bits.shape[1], np.uint64)
    for column in bits.T:
        state ^= column
        for multiplier in MULTIPLIERS:
            state *= multiplier
            state ^= state >> SHIFT
    return state


# ---- found by value -------------------------------------------------------------------------------------------


class Index:
    """Where the rows are, by their hashes; of rows with equal values each is found once before any is found twice."""

    __slots__ = ("_hashes", "_numbers", "_seen", "_twins")

    def __init__(self, expected: Expected) -> None:
        hashes = np.empty(expected.n, np.uint64)
        for first, values in expected.pieces():
            hashes[first : first + len(values)] = hashed(bits_of(values))
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._twins = bool((self._hashes[1:] == self._hashes[:-1]).any())
        if self._twins:  # in the order of their numbers
            order = np.argsort(hashes, kind="stable")
        self._numbers = order.astype(np.int32)
        self.restart()

    def restart(self) -> None:
        """Forget which rows have been found."""
        self._seen = np.zeros(len(self._hashes) if self._twins else 0, np.int32)

    def find(self, bits: Bits) -> RowNumbers:
        """The number of each row, `UNKNOWN` where there is none."""
        wanted = hashed(bits)
        order = np.argsort(wanted, kind="stable" if self._twins else None)  # neighbours are looked up faster
        wanted = wanted[order]
        first = np.searchsorted(self._hashes, wanted)
        known = first < len(self._hashes)
        known[known] = self._hashes[first[known]] == wanted[known]
        order, wanted, first = order[known], wanted[known], first[known]
        place = self._in_turn(wanted, first) if self._twins else first
        numbers = np.full(len(bits), UNKNOWN, np.int64)
        numbers[order] = self._numbers[place]
        return numbers

    def _in_turn(self, wanted: Bits, first: RowNumbers) -> RowNumbers:
        starts = np.flatnonzero(np.append(True, wanted[1:] != wanted[:-1])) if len(wanted) else np.empty(0, np.int64)
        earlier = np.arange(len(wanted)) - np.repeat(starts, np.diff(np.append(starts, len(wanted))))
        last = np.searchsorted(self._hashes, wanted, "right") - 1
        place: RowNumbers = np.minimum(first + self._seen[first] + earlier, last)
        np.add.at(self._seen, first, 1)
        return place

    def representatives(self) -> RowNumbers | None:
        """For each row the one that stands for all with its values; None if all are different."""
        if not self._twins:
            return None
        starts = np.flatnonzero(np.append(True, self._hashes[1:] != self._hashes[:-1]))
        representatives = np.empty(len(self._numbers), np.int64)
        representatives[self._numbers] = np.repeat(
            self._numbers[starts], np.diff(np.append(starts, len(self._numbers)))
        )
        return representatives


# ---- matching -------------------------------------------------------------------------------------------------


class Matcher:
    """Finds the rows of a delivery: by number if it has numbers, else by value."""

    __slots__ = ("_form", "expected", "index")

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.index: Index | None = None
        self._form: tuple[int, bool] | None = None

    def restart(self) -> None:
        """A new epoch begins."""
        if self.index is not None:
            self.index.restart()

    def match(self, piece: Piece) -> Match:
        """The rows of a piece."""
        values, numbers = piece
        if values is None:
            assert numbers is not None
            outside = (numbers < 0) | (numbers >= self.expected.n)
            return Match(np.where(outside, UNKNOWN, numbers), outside)
        bits = bits_of(values)
        form = values.shape[1], numbers is None
        if form != self._form:  # nearly always the first piece alone
            self._settle(values, bits, numbers)
            self._form = form
        return self._by_value(bits) if numbers is None else self._by_number(bits, numbers)

    def _by_number(self, bits: Bits, numbers: RowNumbers) -> Match:
        inside = (numbers >= 0) & (numbers < self.expected.n)
        wanted = numbers if inside.all() else numbers[inside]
        wrong = ~inside
        wrong[inside] = (bits_of(self.expected.take(wanted)) != bits[inside]).any(axis=1)
        return Match(np.where(inside, numbers, UNKNOWN), wrong)

    def _by_value(self, bits: Bits) -> Match:
        assert self.index is not None
        numbers = self.index.find(bits)
        return Match(numbers, numbers == UNKNOWN)

    def _settle(self, values: Float64s, bits: Bits, numbers: RowNumbers | None) -> None:
        """Choose the precision with which most rows are as they should be; of equally good ones the lowest."""
        best = -1.0
        kept = self.expected, self.index
        for precision in self._precisions(values, bits):
            self.expected = _with(kept[0], values.shape[1], precision)
            self.index = Index(self.expected) if numbers is None else None
            match = self._by_value(bits) if numbers is None else self._by_number(bits, numbers)
            share = 1 - float(match.wrong.mean())
            if share >= best:
                best, chosen = share, (self.expected, self.index)
            if share > 0.5:
                break
        self.expected, self.index = chosen
        self.restart()

    def _precisions(self, values: Float64s, bits: Bits) -> Iterator[str]:
        yield "float64"
        for precision in ("float32", "float16", "bfloat16"):
            if precision != self.expected.dtype_name:
                same = bits_of(rounded(values, precision)) == bits
                if same.all(axis=1).mean() >= SHARE:
                    yield precision


def _with(expected: Expected, columns: int, precision: str) -> Expected:
    return Expected(
        expected.rows,
        expected.n,
        expected.features,
        expected.dtype_name,
        columns > expected.features,
        precision,
    )
