"""One epoch of a loader, read to its end: which rows came, in which batches, and what is wrong with them.

Four bytes a row are kept: the row numbers, in the order of delivery. Rows that differ are looked into at the end.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planted._audit.faults import explained_faults, outside_fault
from planted._audit.report import RowFault
from planted._matching import (
    REMEDY,
    UNKNOWN,
    Collector,
    Expected,
    Log,
    Matcher,
    Rule,
    WrongColumnsError,
    WrongRows,
    describe_columns,
    describe_normalisation,
    describe_rule,
    explain,
    pieces,
    taken,
    with_rule,
)
from planted._types import RowNumbers
from planted.errors import InvalidValueError


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
            columns = describe_columns(error.X, self.matcher.expected)
            raise InvalidValueError(f"{error.args[0]}{columns}: {REMEDY}") from None

    def _read(self, sources: Sequence[Iterable[Any]]) -> Reading:
        log, collector = Log(), Collector()
        numbers_read = [np.empty(0, np.int32)]
        wrong_positions, outside = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        precision, position = "", 0
        self.matcher.start_epoch()
        for piece in pieces(sources, self.n, self.features, self._unpack, log):
            match = self.matcher.match(piece)
            places = np.flatnonzero(match.wrong)
            if piece.values is not None:
                precision = self.matcher.expected.precision
                collector.add(places + position, match.numbers[places], piece.values.view(np.uint64)[places])
            elif piece.numbers is not None:
                outside.append(piece.numbers[places])
            numbers_read.append(match.numbers.astype(np.int32))
            wrong_positions.append(places + position)
            position += len(match.numbers)
        numbers, at = np.concatenate(numbers_read), np.concatenate(wrong_positions)
        no_rows = np.concatenate(outside)
        sizes, ranks, steps = (np.array(of_batches, np.int64) for of_batches in (log.sizes, log.ranks, log.steps))
        faults = [outside_fault(no_rows, at)] if len(no_rows) else []
        transformation: tuple[str, ...] = ()
        if collector.kept:
            found, transformation = self._explain(collector.joined(), numbers, at, sizes)
            faults += found
        if collector.not_kept:
            faults.append(RowFault("unexplained", collector.not_kept))
        known = numbers if numbers.min(initial=0) > UNKNOWN else numbers[numbers != UNKNOWN]
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

    def _explain(
        self, wrong: WrongRows, numbers: Any, at: RowNumbers, sizes: RowNumbers
    ) -> tuple[Iterator[RowFault], tuple[str, ...]]:
        """The faults of wrong rows, and what was done to them; their numbers are corrected in `numbers`.

        `at` are the positions of all rows that were not as expected, `sizes` the rows of each batch.
        """
        expected = self.matcher.expected
        arrived = np.zeros(self.n, bool)
        arrived[np.delete(numbers, at)] = True
        explained = explain(wrong, expected, arrived)
        with np.errstate(all="ignore"):  # a wrong value may be any
            explained = with_rule(explained, wrong, expected, arrived, self._rule)
            if explained.rule:
                self._rule = explained.rule
                transformation = describe_rule(explained.rule, expected, explained.beyond_rule)
            else:
                transformation = describe_normalisation(wrong, sizes, self.features)
        numbers[wrong.positions] = explained.rows
        return explained_faults(explained, wrong, numbers, sizes, expected), transformation


def _features_and_dtype(rows: Any, n: int) -> tuple[int, str]:
    """The number of features and their dtype, read from a row: attributes of these names may mean anything."""
    if not n:
        features = getattr(rows, "features", None)
        return features if isinstance(features, int) else 1, "float64"
    X, _ = taken(rows, np.zeros(1, np.int64))
    return X.shape[1], X.dtype.name
