"""One epoch of a loader, read to its end: which rows came, in which batches, and what is wrong with them.

Four bytes a row are kept: the row numbers, in the order of delivery. Rows that differ are looked into at the end.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._audit.delivery import REMEDY, Log, WrongColumnsError, pieces
from planted._audit.expected import Expected, taken
from planted._audit.explanation import Explanation, Kind, WrongRows, explain, name_rule
from planted._audit.fitting import Rule
from planted._audit.matching import UNKNOWN, Matcher
from planted._audit.report import RowFault
from planted._audit.transformation import columns_in_words, in_words
from planted._types import RowNumbers
from planted.errors import InvalidValueError

EXAMPLES: Final = 100  # row numbers of a fault that are kept
COLUMNS: Final = 4  # columns, or numbers, that its text names


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One epoch as it was read."""

    numbers: Any  # (rows,), int32: the number of each row in the order of delivery, `UNKNOWN` for what is no row
    known: Any  # those of them that are not `UNKNOWN`
    sizes: RowNumbers  # rows of each batch
    ranks: RowNumbers  # the rank of each batch
    steps: RowNumbers  # for each batch, how many its rank had before
    world_size: int
    wrong: RowNumbers  # positions of the rows that were not as expected
    faults: tuple[RowFault, ...]  # all but missing and doubled rows
    transformation: tuple[str, ...]  # what was done to the altered rows, where one rule explains them
    precision: str
    endless: bool

    def for_each_row(self, of_batches: RowNumbers) -> RowNumbers:
        """A value of each batch, given to each of its known rows."""
        of_rows: RowNumbers = np.repeat(of_batches, self.sizes)
        return of_rows if len(self.known) == len(of_rows) else of_rows[self.numbers != UNKNOWN]

    def known_sizes(self) -> RowNumbers:
        """Known rows of each batch."""
        if len(self.known) == len(self.numbers):
            return self.sizes
        return np.bincount(self.for_each_row(np.arange(len(self.sizes))), minlength=len(self.sizes))

    def by_rank(self) -> Iterator[Any]:
        """For each rank, the numbers of its known rows in the order of delivery."""
        if self.world_size == 1:
            yield self.known
            return
        ranks = self.for_each_row(self.ranks)
        yield from (self.known[ranks == rank] for rank in range(self.world_size))


class Reader:
    """Reads the epochs of one loader."""

    __slots__ = ("_rule", "_unpack", "features", "matcher", "n")

    def __init__(self, rows: Any, n: int, unpack: Callable[[Any], Any] | None) -> None:
        features, dtype_name = _features_and_dtype(rows, n)
        self.n, self.features, self._unpack = n, features, unpack
        self._rule: Rule = ()  # what an earlier epoch did to all rows
        self.matcher = Matcher(Expected(rows, n, features, dtype_name))

    def read(self, sources: Sequence[Iterable[Any]]) -> Reading:
        """Read one epoch, of one source a rank."""
        try:
            return self._read(sources)
        except WrongColumnsError as error:
            columns = columns_in_words(error.X, self.matcher.expected)
            raise InvalidValueError(f"{error.args[0]}{columns}: {REMEDY}") from None

    def _read(self, sources: Sequence[Iterable[Any]]) -> Reading:
        log, wrong = Log(), WrongRows()
        numbers_read = [np.empty(0, np.int32)]
        wrong_positions, outside = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        precision, position = "", 0
        transformation: tuple[str, ...] = ()
        self.matcher.start_epoch()
        for piece in pieces(sources, self.n, self.features, self._unpack, log):
            match = self.matcher.match(piece)
            places = np.flatnonzero(match.wrong)
            if piece.values is not None:
                precision = self.matcher.expected.precision
                wrong.add(places + position, match.numbers[places], piece.values.view(np.uint64)[places])
            elif piece.numbers is not None:
                outside.append(piece.numbers[places])
            numbers_read.append(match.numbers.astype(np.int32))
            wrong_positions.append(places + position)
            position += len(match.numbers)
        numbers, at = np.concatenate(numbers_read), np.concatenate(wrong_positions)
        no_rows = np.concatenate(outside)
        faults = [_outside(no_rows, at)] if len(no_rows) else []
        if wrong.kept:
            arrived = np.zeros(self.n, bool)
            arrived[np.delete(numbers, at)] = True
            explained = explain(wrong, self.matcher.expected, arrived)
            explained, rule, others = name_rule(explained, wrong, self.matcher.expected, arrived, self._rule)
            if rule:
                self._rule, transformation = rule, in_words(rule, self.matcher.expected, others)
            positions = np.concatenate(wrong.positions)
            numbers[positions] = explained.rows
            faults += _explained(explained, positions, self.features)
        if wrong.not_kept:
            faults.append(RowFault("unexplained", wrong.not_kept))
        known = numbers if numbers.min(initial=0) > UNKNOWN else numbers[numbers != UNKNOWN]
        sizes, ranks, steps = (np.array(of_batches, np.int64) for of_batches in (log.sizes, log.ranks, log.steps))
        return Reading(
            numbers=numbers,
            known=known,
            sizes=sizes,
            ranks=ranks,
            steps=steps,
            world_size=len(sources),
            wrong=at,
            faults=tuple(faults),
            transformation=transformation,
            precision=precision,
            endless=log.endless,
        )


def _features_and_dtype(rows: Any, n: int) -> tuple[int, str]:
    """The number of features and their dtype, read from a row: attributes of these names may mean anything."""
    if not n:
        features = getattr(rows, "features", None)
        return features if isinstance(features, int) else 1, "float64"
    X, _ = taken(rows, np.zeros(1, np.int64))
    return X.shape[1], X.dtype.name


# ---- faults ---------------------------------------------------------------------------------------------------


def _outside(numbers: RowNumbers, positions: RowNumbers) -> RowFault:
    """Row numbers that no row has, at these positions."""
    some = ", ".join(map(str, numbers[:COLUMNS].tolist()))
    return RowFault("foreign", len(numbers), tuple(positions[:EXAMPLES].tolist()), f"such as number {some}")


def _explained(found: Explanation, positions: RowNumbers, features: int) -> Iterator[RowFault]:
    for kind in Kind:
        at = np.flatnonzero(found.kinds == kind)
        if not len(at):
            continue
        if kind == Kind.FOREIGN:
            first = positions[at]
        else:
            at = at[np.argsort(found.rows[at], kind="stable")]
            first = found.rows[at]
        detail = _detail(found, kind, at, features)
        yield RowFault(kind.name.lower(), len(at), tuple(first[:EXAMPLES].tolist()), detail)


def _detail(found: Explanation, kind: Kind, at: RowNumbers, features: int) -> str:
    """What the rows at these places have in common; the first is the example."""
    if kind == Kind.FOREIGN:
        return ""
    row, other = int(found.rows[at[0]]), int(found.others[at[0]])
    if kind == Kind.MISNUMBERED:
        return f"row {row} came as number {other}" if other != UNKNOWN else f"row {row} came under no row's number"
    times = found.differs[at].sum(axis=0)
    names = [*(f"X[{j}]" for j in range(features)), "y"]
    differing = [names[j] for j in np.argsort(-times, kind="stable") if times[j]]
    columns = ", ".join(differing[:COLUMNS]) + (", ..." if len(differing) > COLUMNS else "")
    if kind == Kind.ALTERED:
        return f"in {columns}, by up to {found.largest_change:.1g} of the value"
    if len(at) == 1:
        return f"row {row} with {columns} of row {other}"
    return f"in {columns}; row {row} has values of row {other}"
