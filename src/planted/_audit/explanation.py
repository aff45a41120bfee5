"""Rows that are not as they should be: what happened to each.

What comes in: delivered rows that are not those expected, and the row numbers that came with them, if any did. What
goes out: an `Explanation`: of each the row that it was, and one of these words:

- *altered*: a row some of whose values were changed;
- *mixed*: values of several rows in one, such as X of a row with y of another;
- *misnumbered*: a row as it should be, under the number of another;
- *foreign*: no row, since it shares no value with any, nor with the row of its number.

All rows are read once more and looked through for the suspects' values, column by column, and for their X as a whole.
The row that a suspect shares most values with is the one that it was. Some values are shared by chance: the more rows
and the coarser the values, the more. How many is estimated, and what chance would explain does not count.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._audit.delivery import Float64s
from planted._audit.matching import UNKNOWN, Bits, Expected, Flags, bits_of, hashed
from planted._types import RowNumbers

FOREIGN, ALTERED, MIXED, MISNUMBERED = range(4)
KINDS: Final = ("foreign", "altered", "mixed", "misnumbered")
KEPT_VALUES: Final = 1 << 21  # of suspects; more of them are only counted
COMMON: Final = 32  # rows for each value of a column: it tells too little to be looked through
MOST_PAIRS: Final = 1 << 24  # of suspects and rows that share a value of a column: the same
COMPARED: Final = 1 << 16
CHANCE: Final = 1 / 64

Numbers = npt.NDArray[np.int64]


@dataclass(slots=True)
class Suspects:
    """The suspects of an epoch, as many as are kept."""

    positions: list[RowNumbers] = field(default_factory=list)  # in the delivery
    claimed: list[RowNumbers] = field(default_factory=list)  # the number that came with it, or `UNKNOWN`
    bits: list[Bits] = field(default_factory=list)
    kept: int = 0
    more: int = 0  # that are not kept

    def add(self, positions: RowNumbers, claimed: RowNumbers, bits: Bits) -> None:
        """Some more."""
        room = max(0, KEPT_VALUES // bits.shape[1] - self.kept)
        self.positions.append(positions[:room])
        self.claimed.append(claimed[:room])
        self.bits.append(bits[:room].copy())
        self.kept += len(positions[:room])
        self.more += len(positions[room:])


class Explanation(NamedTuple):
    """Of each suspect its kind, the row that it was (or `UNKNOWN`), the row that it is mixed with, and what differs."""

    kinds: npt.NDArray[np.int8]
    rows: Numbers
    others: Numbers
    differing: Flags  # (suspects, columns)
    gap: float  # the largest difference of a value that was altered, relative to the value


class _Pairs(NamedTuple):
    """Suspects and rows that share a value."""

    suspects: Numbers
    rows: Numbers
    equal: Flags  # (pairs, columns)
    bits: Float64s  # (columns): two different values are equal by chance once in 2 to that many


def explain(suspects: Suspects, expected: Expected, arrived: Flags) -> Explanation:
    """What happened to each suspect, given which rows have arrived as they should."""
    bits, claimed = np.concatenate(suspects.bits), np.concatenate(suspects.claimed)
    u = len(bits)
    pairs = _sorted(_pairs(bits, claimed, expected), claimed, arrived, expected.features)
    pool = np.where(arrived[pairs.rows], expected.n, max(1, expected.n - int(arrived.sum())))

    best = _first(pairs.suspects, u)
    sure = _believed(best, np.where(pairs.rows == claimed[pairs.suspects], 0.0, _chance(pairs.equal, pairs.bits, pool)))
    rows = np.full(u, UNKNOWN)
    rows[sure] = pairs.rows[best[sure]]
    differing = np.ones(bits.shape, bool)
    differing[sure] = ~pairs.equal[best[sure]]

    # of the other rows that share values with a suspect, the first that has all of those which differ
    missing = differing[pairs.suspects]
    fills = np.flatnonzero((pairs.equal | ~missing).all(axis=1) & (pairs.rows != rows[pairs.suspects]))
    second = np.full(u, UNKNOWN)
    second[pairs.suspects[fills[::-1]]] = fills[::-1]
    mixed = sure & _believed(np.where(sure, second, UNKNOWN), _chance(pairs.equal & missing, pairs.bits, pool))
    others = np.full(u, UNKNOWN)
    others[mixed] = pairs.rows[second[mixed]]

    kinds = np.where(sure, np.where(mixed, MIXED, ALTERED), FOREIGN).astype(np.int8)
    whole = ~differing.any(axis=1)
    kinds[whole], others[whole] = MISNUMBERED, claimed[whole]
    return Explanation(kinds, rows, others, differing, _gap(bits, rows, kinds == ALTERED, expected))


def _sorted(pairs: _Pairs, claimed: RowNumbers, arrived: Flags, features: int) -> _Pairs:
    """Of each suspect, the likeliest row first: all its values, its number, most values, most features, missing."""
    whole = pairs.equal.all(axis=1)
    named = pairs.rows == claimed[pairs.suspects]
    values, of_X = pairs.equal.sum(axis=1), pairs.equal[:, :features].sum(axis=1)
    order = np.lexsort((pairs.rows, arrived[pairs.rows], -of_X, -values, ~named, ~whole, pairs.suspects))
    return _Pairs(pairs.suspects[order], pairs.rows[order], pairs.equal[order], pairs.bits)


def _first(groups: Numbers, count: int) -> Numbers:
    """Where each group begins in a sorted vector, `UNKNOWN` for those that are not in it."""
    first = np.full(count, UNKNOWN)
    begins = np.flatnonzero(np.diff(groups, prepend=UNKNOWN))
    first[groups[begins]] = begins
    return first


def _chance(equal: Flags, bits: Float64s, pool: Numbers) -> Float64s:
    """How many of the rows in question share these values by chance, at most."""
    chance: Float64s = np.minimum(1.0, pool * 0.5 ** (equal @ bits))
    return chance


def _believed(places: Numbers, chance: Float64s) -> Flags:
    """Which finds chance does not explain: alone, or because there are at least twice as many as it would make."""
    found: Flags = places != UNKNOWN
    likely = np.ones(len(places))
    likely[found] = chance[places[found]]
    strong: Flags = found & (likely <= CHANCE)
    weak = found & ~strong
    if weak.any() and likely[weak].mean() <= weak.sum() / (~strong).sum() / 2:
        return found
    return strong


def _gap(bits: Bits, rows: Numbers, altered: Flags, expected: Expected) -> float:
    largest = 0.0
    places = np.flatnonzero(altered)
    for first in range(0, len(places), COMPARED):
        part = places[first : first + COMPARED]
        wanted, found = expected.take(rows[part]), bits[part].view(np.float64)
        with np.errstate(all="ignore"):
            gaps = np.abs(found - wanted) / np.abs(wanted)
        gaps[(wanted == found) | (np.isnan(wanted) & np.isnan(found))] = 0.0
        largest = max(largest, float(np.nan_to_num(gaps, nan=np.inf, posinf=np.inf).max()))
    return largest


# ---- rows that share values with suspects ---------------------------------------------------------------------


def _pairs(bits: Bits, claimed: RowNumbers, expected: Expected) -> _Pairs:
    """All suspects and rows that share a value in some column, or the number."""
    n, c = expected.n, bits.shape[1]
    tables = [np.unique(column, return_inverse=True) for column in _columns(bits, expected.features)]
    hits: list[list[tuple[Numbers, Numbers]]] = [[] for _ in tables]
    counts = [0 for _ in tables]
    telling = np.full(c, float(expected.resolution))
    for first, values in expected.pieces():
        if first == 0:
            telling = _resolutions(bits_of(values), expected.resolution)
        for j, column in enumerate(_columns(bits_of(values), expected.features)):
            table = tables[j][0]
            if counts[j] > COMMON * len(table):
                continue
            at = np.minimum(np.searchsorted(table, column), len(table) - 1)
            places = np.flatnonzero(table[at] == column)
            counts[j] += len(places)
            hits[j].append((places + first, at[places]))

    named = np.flatnonzero(claimed != UNKNOWN)
    keys = [named * n + claimed[named]]
    for (table, groups), count, found in zip(tables, counts, hits, strict=True):
        if 0 < count <= COMMON * len(table):
            of_rows, at = (np.concatenate([hit[k] for hit in found]) for k in (0, 1))
            keys.append(_joined(groups, of_rows, at, n))
    suspects, rows = np.divmod(np.unique(np.concatenate(keys)), max(1, n))
    equal = np.empty((len(rows), c), bool)
    for start in range(0, len(rows), COMPARED):
        part = slice(start, start + COMPARED)
        equal[part] = bits_of(expected.take(rows[part])) == bits[suspects[part]]
    share = equal.any(axis=1)
    return _Pairs(suspects[share], rows[share], equal[share], telling)


def _resolutions(bits: Bits, most: int) -> Float64s:
    """Of each column, how many bits tell its values apart: as many as m values of which k are repeated show."""
    m = len(bits)
    repeated = [m - len(np.unique(column)) for column in bits.T]
    return np.array([min(most, np.log2(m * m / 2 / k)) if k else most for k in repeated], float)


def _columns(bits: Bits, features: int) -> Iterator[Bits]:
    """The columns, and X as a whole if it is more than one and not all that there is."""
    yield from bits.T
    if 1 < features < bits.shape[1]:
        yield hashed(bits[:, :features])


def _joined(groups: Any, rows: Numbers, at: Numbers, n: int) -> Numbers:
    """All pairs of a row and a suspect whose value it has, as suspect * n + row; none if they are too many."""
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    repeats = sizes[at]
    ends = np.cumsum(repeats)
    if ends[-1] > MOST_PAIRS:
        return np.empty(0, np.int64)
    within = np.arange(ends[-1]) - np.repeat(ends - repeats, repeats)
    keys: Numbers = order[np.repeat(starts[at], repeats) + within] * n + np.repeat(rows, repeats)
    return keys
