"""What happened to the wrong rows: those that differ from the expected row, or are none at all.

Each wrong row gets a kind:

- *altered*: a row with some of its values changed;
- *mixed*: values of several rows in one, such as X of a row with y of another;
- *misnumbered*: an unchanged row that came with the number of another;
- *foreign*: not a row, since it shares no value with any row, nor with the row of its number.

All expected rows are read once more. Those that share a value with a wrong row, in some column or in X as a whole, are
its candidates; the one that shares most values is the row that it was. If another row has all the values that differ,
the two are mixed.

Values may be equal by chance: the more rows and the fewer different values, the more often. How often is estimated
(`_by_chance`), and what chance would explain is not believed. A fixed rule, such as "two equal columns", would not do:
one float64 column identifies a row among thousands, and two columns of small integers do not.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._matching.change import Rule
from planted._matching.delivery import Float64s
from planted._matching.expected import Bits, Expected, Flags, bits_of, hashed
from planted._matching.matching import UNKNOWN, runs
from planted._types import RowNumbers

KEPT_VALUES: Final = 1 << 21  # values of wrong rows that are kept in memory; further rows are only counted
ROWS_PER_VALUE: Final = 32  # a column in which more rows share each value on average is not searched
MOST_COMPARED: Final = 1 << 23  # values of all pairs of a wrong row and a candidate; columns with more are not used
COMPARED: Final = 1 << 16  # pairs that are compared at once
UNLIKELY: Final = 1 / 64  # a match is believed, if fewer than so many of all wrong rows would have one by chance
MANY: Final = 1 / 4  # of the wrong rows that the best column recognises: another one does so by more than accident

Numbers = RowNumbers


class Kind(IntEnum):
    """What happened to a wrong row."""

    FOREIGN = 0
    ALTERED = 1
    MIXED = 2
    MISNUMBERED = 3


class WrongRows(NamedTuple):
    """Wrong rows of an epoch, those that were kept."""

    positions: RowNumbers  # in the delivery
    numbers: RowNumbers  # the number that each came with, or `UNKNOWN`
    bits: Bits

    @property
    def values(self) -> Float64s:
        """(wrong rows, columns)."""
        return self.bits.view(np.float64)


@dataclass(slots=True)
class Collector:
    """Collects the wrong rows of an epoch, piece by piece."""

    pieces: list[WrongRows] = field(default_factory=list)
    kept: int = 0
    not_kept: int = 0

    def add(self, positions: RowNumbers, numbers: RowNumbers, bits: Bits) -> None:
        """Add rows; those for which there is no room are only counted."""
        room = max(0, KEPT_VALUES // bits.shape[1] - self.kept)
        self.pieces.append(WrongRows(positions[:room], numbers[:room], bits[:room].copy()))
        self.kept += len(positions[:room])
        self.not_kept += len(positions[room:])

    def joined(self) -> WrongRows:
        """All that were kept."""
        return WrongRows(*map(np.concatenate, zip(*self.pieces, strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What happened to each wrong row that was kept."""

    kinds: npt.NDArray[np.int8]  # of `Kind`
    rows: Numbers  # the row that it was, or `UNKNOWN`
    others: Numbers  # of mixed rows, the row that the other values are of; of misnumbered ones, the number it came with
    differs: Flags  # (wrong rows, columns): which values are not those of `rows`
    rule: Rule = ()  # what was done to the altered rows, if one rule tells
    beyond_rule: int = 0  # how many of the altered rows it does not explain


def explain(wrong: WrongRows, expected: Expected, arrived: Flags) -> Explanation:
    """Say what happened to each wrong row; `arrived` tells which of the expected rows came unchanged."""
    bits, numbers = wrong.bits, wrong.numbers
    count = len(bits)
    pairs, tied = _likeliest_first(_candidates(bits, numbers, expected), numbers, arrived, expected.features)
    column_bits = _column_bits(expected, bits.shape[1])

    # the row that each was: its likeliest candidate
    best = _one_row_each(_first_pairs(pairs.wrong, np.ones(len(pairs.wrong), bool), count), pairs, tied)
    has_its_number = pairs.rows == numbers[pairs.wrong]
    chance = np.where(has_its_number, 0.0, _by_chance(pairs.rows, pairs.equal, column_bits, arrived))
    recognised = _believed(best, chance)
    rows = np.full(count, UNKNOWN)
    rows[recognised] = pairs.rows[best[recognised]]
    differs = np.ones(bits.shape, bool)
    differs[recognised] = ~pairs.equal[best[recognised]]

    # the row that it is mixed with: the likeliest other candidate that has all the values that differ
    differing = differs[pairs.wrong]
    completes = (pairs.equal | ~differing).all(axis=1) & differing.any(axis=1)
    second = _first_pairs(pairs.wrong, completes & recognised[pairs.wrong], count)
    mixed = _believed(second, _by_chance(pairs.rows, pairs.equal & differing, column_bits, arrived))
    others = np.full(count, UNKNOWN)
    others[mixed] = pairs.rows[second[mixed]]

    kinds = np.full(count, Kind.FOREIGN, np.int8)
    kinds[recognised] = Kind.ALTERED
    kinds[mixed] = Kind.MIXED
    unchanged = ~differs.any(axis=1)
    kinds[unchanged], others[unchanged] = Kind.MISNUMBERED, numbers[unchanged]
    return Explanation(kinds, rows, others, differs)


def largest_change(explained: Explanation, wrong: WrongRows, expected: Expected) -> float:
    """The largest difference of a value of an altered row from that of its row, relative to the latter."""
    altered = explained.kinds == Kind.ALTERED
    values, rows = wrong.values[altered], explained.rows[altered]
    largest = 0.0
    for first in range(0, len(rows), COMPARED):
        part = slice(first, first + COMPARED)
        before, after = expected.take(rows[part]), values[part]
        with np.errstate(all="ignore"):
            changes = np.abs(after - before) / np.abs(before)
        changes[(before == after) | (np.isnan(before) & np.isnan(after))] = 0.0
        largest = max(largest, float(np.nan_to_num(changes, nan=np.inf, posinf=np.inf).max()))
    return largest


# ---- candidates -----------------------------------------------------------------------------------------------


class _Pairs(NamedTuple):
    """Pairs of a wrong row and a candidate."""

    wrong: Numbers  # places among the wrong rows, in ascending order
    rows: Numbers  # row numbers of the candidates
    equal: Flags  # (pairs, columns): which values the two share


class _Column:
    """One column of the wrong rows, and the expected rows that have one of its values, unless these are too many."""

    __slots__ = ("_by_value", "_hits", "_most", "_places", "_rows", "_sizes", "_starts", "_values", "count")

    def __init__(self, wrong: Bits, most: int) -> None:
        self._by_value = np.argsort(wrong)
        ascending = wrong[self._by_value]
        self._starts, self._sizes = runs(ascending)  # of the wrong rows that have each value, in `_by_value`
        self._values = ascending[self._starts]
        self._rows: list[npt.NDArray[np.int32]] = []
        self._places: list[npt.NDArray[np.int32]] = []  # for each of these rows, which of the values it has
        self._hits, self._most = 0, most
        self.count = 0  # pairs of a wrong row and an expected row that share a value

    def search(self, expected: Bits, first: int) -> None:
        """Look for the values in this column of the expected rows from number `first` on."""
        if self.too_common():
            return
        places = np.minimum(np.searchsorted(self._values, expected), len(self._values) - 1)
        hits = np.flatnonzero(self._values[places] == expected)
        self._rows.append((hits + first).astype(np.int32))
        self._places.append(places[hits].astype(np.int32))
        self._hits += len(hits)
        self.count += int(self._sizes[places[hits]].sum())
        if self.too_common():
            self._rows, self._places = [], []

    def too_common(self) -> bool:
        """Whether its values tell too little to be worth the memory."""
        return self._hits > ROWS_PER_VALUE * len(self._values) or self.count > self._most

    def pairs(self, n: int) -> Numbers:
        """All pairs of a wrong row and an expected row that share a value, each as wrong * n + row."""
        if not self.count:
            return np.empty(0, np.int64)
        rows, places = np.concatenate(self._rows), np.concatenate(self._places)
        # each row is paired with all wrong rows that have its value: a run of `_by_value`
        repeats = self._sizes[places]
        ends = np.cumsum(repeats)
        within = np.arange(ends[-1]) - np.repeat(ends - repeats, repeats)
        wrong = self._by_value[np.repeat(self._starts[places], repeats) + within]
        keys: Numbers = wrong * n + np.repeat(rows, repeats)
        return keys


def _candidates(bits: Bits, numbers: RowNumbers, expected: Expected) -> _Pairs:
    """Pairs of a wrong row and an expected row that share the number, or a value: columns of rare values come first."""
    most = MOST_COMPARED // bits.shape[1]
    columns = [_Column(column, most) for column in _columns(bits, expected.features)]
    for first, values in expected.pieces():
        for column, of_rows in zip(columns, _columns(bits_of(values), expected.features), strict=True):
            column.search(of_rows, first)
    numbered = np.flatnonzero(numbers != UNKNOWN)
    n = max(1, expected.n)
    keys = np.unique(numbered * n + numbers[numbered])
    for column in sorted(columns, key=lambda column: column.count):
        if not column.too_common() and len(keys) + column.count <= most:
            keys = np.sort(np.append(keys, column.pairs(n)))  # faster than np.unique
            keys = keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys
    wrong, rows = np.divmod(keys, n)
    equal = np.empty((len(rows), bits.shape[1]), bool)
    for start in range(0, len(rows), COMPARED):
        part = slice(start, start + COMPARED)
        equal[part] = bits_of(expected.take(rows[part])) == bits[wrong[part]]
    alike = equal.any(axis=1)  # some share their number alone, or the hash of X
    return _Pairs(wrong[alike], rows[alike], equal[alike])


def _columns(bits: Bits, features: int) -> Iterator[Bits]:
    """Each column; and a hash of X as a whole, since features that are common each may be rare together."""
    yield from bits.T
    if 1 < features < bits.shape[1]:
        yield hashed(bits[:, :features])


def _likeliest_first(pairs: _Pairs, numbers: RowNumbers, arrived: Flags, features: int) -> tuple[_Pairs, Flags]:
    """Sort each wrong row's candidates; also tells which are as likely as the one before them.

    First the row with all its values, then that of its number, then those that share most values, most values of
    columns that recognise many wrong rows, most features, that did not arrive.
    """
    equal = pairs.equal.sum(axis=1)
    equal_features = pairs.equal[:, :features].sum(axis=1)
    recognise_many = pairs.equal[:, _recognising(pairs)].sum(axis=1)
    same_number = pairs.rows == numbers[pairs.wrong]
    keys = np.stack(  # the last counts first
        (
            arrived[pairs.rows],
            -equal_features,
            -recognise_many,
            -equal,
            ~same_number,
            ~pairs.equal.all(axis=1),
            pairs.wrong,
        )
    )
    order = np.lexsort((pairs.rows, *keys))
    keys = keys[:, order]
    tied = np.append(False, (keys[:, 1:] == keys[:, :-1]).all(axis=0))[: len(order)]
    return _Pairs(pairs.wrong[order], pairs.rows[order], pairs.equal[order]), tied


def _recognising(pairs: _Pairs) -> Flags:
    """The columns that recognise many wrong rows: where one does, a few equal values of another may be accidents."""
    times = np.array([len(runs(pairs.wrong[equal])[0]) for equal in pairs.equal.T])
    many: Flags = times >= MANY * times.max(initial=0)
    return many


def _first_pairs(wrong: Numbers, eligible: Flags, count: int) -> Numbers:
    """For each of `count` wrong rows the place of its first pair that is eligible, `UNKNOWN` if there is none."""
    first = np.full(count, UNKNOWN)
    backwards = np.flatnonzero(eligible)[::-1]
    first[wrong[backwards]] = backwards  # of several places, the last one written stays
    return first


def _one_row_each(best: Numbers, pairs: _Pairs, tied: Flags) -> Numbers:
    """Of wrong rows that may be the same rows, equally likely, the first is the first of these, the second the next."""
    found = np.flatnonzero(best != UNKNOWN)
    first = best[found]
    ends = np.append(np.flatnonzero(~tied), len(tied))
    last = ends[np.searchsorted(ends, first, side="right")] - 1
    rows = pairs.rows[first]
    order = np.argsort(rows, kind="stable")
    earlier = np.empty(len(rows), np.int64)
    earlier[order] = np.arange(len(rows)) - np.searchsorted(rows[order], rows[order])
    chosen = best.copy()
    chosen[found] = np.minimum(first + earlier, last)
    return chosen


# ---- chance ---------------------------------------------------------------------------------------------------


def _column_bits(expected: Expected, columns: int) -> Float64s:
    """For each column k, such that two different rows have the same value about once in 2^k times.

    Estimated from the first rows: among m values of d different ones, m^2 / 2d are repeated.
    """
    most = float(expected.value_bits)
    _, sample = next(expected.pieces(), (0, np.empty((0, columns))))
    m = len(sample)
    repeated = [m - len(runs(np.sort(column))[0]) for column in bits_of(sample).T]
    return np.array([min(most, np.log2(m * m / 2 / k)) if k else most for k in repeated], np.float64)


def _by_chance(rows: Numbers, shared: Flags, column_bits: Float64s, arrived: Flags) -> Float64s:
    """For each pair, how many rows would share these values by chance, at most 1.

    `rows` are the candidates. For one that has not arrived, only the rows that have not arrived are counted.
    """
    not_arrived = max(1, len(arrived) - int(arrived.sum()))
    rows_in_question = np.where(arrived[rows], len(arrived), not_arrived)
    chance: Float64s = np.minimum(1.0, rows_in_question * 0.5 ** (shared @ column_bits))
    return chance


def _believed(pair: Numbers, chance: Float64s) -> Flags:
    """Whether each wrong row has a pair that is more than chance: `pair` is its place in `chance`, or `UNKNOWN`.

    A pair that is unlikely, among all wrong rows, is believed. The others are believed if there are at least twice as
    many of them as chance would make among the wrong rows that are left.
    """
    found: Flags = pair != UNKNOWN
    of_each = np.ones(len(pair))
    of_each[found] = chance[pair[found]]
    unlikely: Flags = found & (len(pair) * of_each <= UNLIKELY)
    others = found & ~unlikely
    if others.any() and np.count_nonzero(others) >= 2 * of_each[others].mean() * np.count_nonzero(~unlikely):
        return found
    return unlikely
