"""Which expected row each delivered row is: found by its number or, without numbers, by its values.

Rows without numbers are found by a 64-bit hash of their values. The index of hashes takes 12 bytes a row, and 24 while
it is made. Among 30 million rows, two different ones have the same hash once in 40 000 times.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._matching.delivery import Float64s, Piece
from planted._matching.expected import Bits, Expected, Flags, bits_of, hashed, rounded
from planted._types import RowNumbers

UNKNOWN: Final = -1  # the number of a row that is not known
ROUNDED_SHARE: Final = 0.9  # share of the rows that must look rounded to a precision for it to be tried


class Match(NamedTuple):
    """For each delivered row: its row number, and whether it differs from that row.

    The number is `UNKNOWN`, and the row differs, where no expected row was found.
    """

    numbers: RowNumbers
    wrong: Flags


class Matcher:
    """Finds which expected rows were delivered."""

    __slots__ = ("_form", "expected", "index")

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.index: RowIndex | None = None
        self._form: tuple[int, bool] | None = None

    def start_epoch(self) -> None:
        """Forget which rows have been found."""
        if self.index is not None:
            self.index.start_epoch()

    def match(self, piece: Piece) -> Match:
        """Find the rows of a piece."""
        values, numbers = piece
        if values is None:
            assert numbers is not None
            outside = (numbers < 0) | (numbers >= self.expected.n)
            return Match(np.where(outside, UNKNOWN, numbers), outside)
        bits = bits_of(values)
        form = values.shape[1], numbers is None
        if form != self._form:  # nearly always in the first piece only
            self._choose_precision(values, bits, numbers)
            self._form = form
        return self._match(bits, numbers)

    def _match(self, bits: Bits, numbers: RowNumbers | None) -> Match:
        if numbers is None:
            assert self.index is not None
            found = self.index.find(bits)
            return Match(found, found == UNKNOWN)
        inside = (numbers >= 0) & (numbers < self.expected.n)
        wrong = ~inside
        wrong[inside] = (bits_of(self.expected.take(numbers[inside])) != bits[inside]).any(axis=1)
        return Match(np.where(inside, numbers, UNKNOWN), wrong)

    def _choose_precision(self, values: Float64s, bits: Bits, numbers: RowNumbers | None) -> None:
        """Choose the precision with which most rows match; of equally good ones the lowest."""
        responses = values.shape[1] > self.expected.features
        best, chosen = -1.0, (self.expected, self.index)
        for precision in self._possible_precisions(values, bits):
            self.expected = replace(self.expected, responses=responses, precision=precision)
            self.index = RowIndex(self.expected) if numbers is None else None
            share = 1 - float(self._match(bits, numbers).wrong.mean())
            if share >= best:
                best, chosen = share, (self.expected, self.index)
            if share > 0.5:
                break
        self.expected, self.index = chosen
        self.start_epoch()

    def _possible_precisions(self, values: Float64s, bits: Bits) -> Iterator[str]:
        yield "float64"
        for precision in ("float32", "float16", "bfloat16"):
            if precision != self.expected.dtype_name:
                unchanged = bits_of(rounded(values, precision)) == bits
                if unchanged.all(axis=1).mean() >= ROUNDED_SHARE:
                    yield precision


class RowIndex:
    """Row numbers by the hash of the rows' values.

    Of rows with equal values, the first to come is taken for the one with the lowest number, the second for the next.
    """

    __slots__ = ("_found", "_has_equal_rows", "_hashes", "_numbers")

    def __init__(self, expected: Expected) -> None:
        hashes = np.empty(expected.n, np.uint64)
        for first, values in expected.pieces():
            hashes[first : first + len(values)] = hashed(bits_of(values))
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._has_equal_rows = bool((self._hashes[1:] == self._hashes[:-1]).any())
        if self._has_equal_rows:
            order = np.argsort(hashes, kind="stable")  # slower, but keeps equal rows in the order of their numbers
        self._numbers = order.astype(np.int32)
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forget how many of equal rows have been found."""
        self._found = np.zeros(len(self._hashes) if self._has_equal_rows else 0, np.int32)

    def find(self, bits: Bits) -> RowNumbers:
        """The number of each row, `UNKNOWN` where no expected row has these values."""
        hashes = hashed(bits)
        order = np.argsort(hashes, kind="stable" if self._has_equal_rows else None)  # sorted, the search is faster
        hashes = hashes[order]
        places = np.searchsorted(self._hashes, hashes)
        known = places < len(self._hashes)
        known[known] = self._hashes[places[known]] == hashes[known]
        order, hashes, places = order[known], hashes[known], places[known]
        if self._has_equal_rows:
            places = self._next_of_equal(hashes, places)
        numbers = np.full(len(bits), UNKNOWN, np.int64)
        numbers[order] = self._numbers[places]
        return numbers

    def _next_of_equal(self, hashes: Bits, first: RowNumbers) -> RowNumbers:
        """For sorted hashes and the first place of each: the next place not yet found, or the last if all were."""
        starts, sizes = runs(hashes)
        earlier = np.arange(len(hashes)) - np.repeat(starts, sizes)  # rows before it in this call with the same hash
        last = np.searchsorted(self._hashes, hashes, "right") - 1
        places: RowNumbers = np.minimum(first + self._found[first] + earlier, last)
        np.add.at(self._found, first, 1)
        return places

    def representatives(self) -> RowNumbers | None:
        """For each row the lowest number of a row with the same values; None if all rows are different."""
        if not self._has_equal_rows:
            return None
        starts, sizes = runs(self._hashes)
        representatives = np.empty(len(self._numbers), np.int64)
        representatives[self._numbers] = np.repeat(self._numbers[starts], sizes)
        return representatives


def runs(values: npt.NDArray[np.generic]) -> tuple[RowNumbers, RowNumbers]:
    """Where each run of equal values starts in a sorted vector, and how long it is."""
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1])[: len(values)])
    return starts, np.diff(np.append(starts, len(values)))
