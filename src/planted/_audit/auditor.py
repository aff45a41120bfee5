"""The audit of a loader, anyone's: whether each row comes once, as it should be, well shuffled, after a resume too.

What comes in: the batches of a loader, and the rows that it should deliver. What goes out: an `Audit`. Rows with
numbers are compared with the rows of these numbers; others are found again by their values. Each epoch is read once,
and four bytes a row are kept of it: the row numbers, as they came. What differs is looked into afterwards.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._audit.delivery import Log, pieces
from planted._audit.explanation import ALTERED, FOREIGN, KINDS, MISNUMBERED, MIXED, Explanation, Suspects, explain
from planted._audit.matching import UNKNOWN, Expected, Matcher
from planted._audit.report import Audit, Epoch, Fault, Likeness, Rank, Resumed, failures
from planted._audit.statistics import likeness, orderliness, staying
from planted._errors import InvalidTypeError, InvalidValueError
from planted._input import flag, integer, real, rows_like
from planted._types import RowNumbers

MOST_ROWS: Final = (1 << 31) - 1
EXAMPLES: Final = 100  # row numbers that a fault shows
COLUMNS: Final = 4  # columns that it shows


def audit(
    batches: Any,
    rows: Any,
    *,
    epochs: int = 1,
    ranks: bool = False,
    resume: Callable[[int], Any] | None = None,
    shuffled: bool | None = None,
    drop_last: bool = False,
    unpack: Callable[[Any], Any] | None = None,
    alpha: float = 0.001,
) -> Audit:
    """Read a loader's batches to the end, and say whether they are these rows, each once, and how well they are mixed.

    Parameters
    ----------
    batches
        An iterable of batches, of any framework, or a function that is given the epoch, 0, 1, ..., and returns one. A
        batch is ``(X, y)`` or ``(X, y, row numbers)``, or a mapping with the keys ``X``, ``y`` and ``index``; rows one
        by one will do, and row numbers alone, as a sampler gives them.
    rows
        The rows that should come: anything with a length and a ``take``, computed, in memory, on disk, tables.
    epochs
        How many times to iterate over `batches`, to compare the epochs.
    ranks
        Whether `batches` is a sequence of iterables, one a rank, which together give each row once. They are read in
        turns, a batch of each.
    resume
        A function of k that returns what `batches` is: a loader that goes on, after the first k batches (of each
        rank), in the epoch that was read first. It is asked for 0, 1, half of the batches, all but one, and all.
    shuffled
        True if the order must be that of a full shuffle, and another one in each epoch; False if it must be that of the
        row numbers; None only to report it. Fewer than 128 rows tell little, and pass.
    drop_last
        Whether rows may be missing that would not have filled a batch (of all ranks).
    unpack
        A function that makes one of the forms above of a batch that is none of them.
    alpha
        How often a perfect shuffle may fail, from 0 to 1: all its statistics are judged together at this rate.

    Returns
    -------
    Audit
        With ``passed``; ``missing``, ``doubled``, ``foreign``, ``altered``, ``mixed`` and ``misnumbered`` rows, each
        with a ``count`` and the ``first`` of them; ``order``, ``epochs``, ``likeness``, ``ranks`` and ``resume``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule, or a batch cannot be read.

    Notes
    -----
    An altered or mixed row is not missing too: it is the row that it shares most values with. Values may have been
    rounded to float32, bfloat16 or float16 if all of them were. Rows of equal values are told apart by their numbers
    only; without numbers it is counted how often they come.

    Memory, in bytes a row: some 25 for one epoch, 50 for several, and 15 more to find rows by value. There may be
    2^31 - 1 rows. An epoch that has not ended after 16 times as many is left.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
    >>> loader = planted.Loader(rows, batch_size=32)
    >>> print(planted.audit(loader, rows, shuffled=True))
    delivered:   1_000 rows in 32 batches (31 of 32, 1 of 8); there are 1_000
    rows:        each came once, as it should be
    order:       like a full shuffle
    PASSED
    >>> batches = list(loader)
    >>> report = planted.audit(batches[:7] + batches[8:], rows)
    >>> report.passed, report.missing.count
    (False, 32)
    """
    n = int(getattr(rows_like(rows), "n", None) or len(rows))
    if n > MOST_ROWS:
        raise InvalidValueError(
            f"rows={rows!r} are more than the 2^31 - 1 that an audit can count: audit a part of them, such as "
            "rows.split(10_000_000)[0]"
        )
    epochs = integer(epochs, "epochs", minimum=1, remedy="use the number of times to iterate over the batches")
    ranks = flag(ranks, "ranks")
    drop_last = flag(drop_last, "drop_last")
    if shuffled is not None:
        shuffled = flag(shuffled, "shuffled")
    for name, function in (("resume", resume), ("unpack", unpack)):
        if function is not None and not callable(function):
            raise InvalidTypeError(f"{name} is a {type(function).__name__}; it must be a function, or None")
    alpha = real(alpha, "alpha", minimum=0, remedy="use a rate between 0 and 1, such as alpha=0.001")
    if not 0 < alpha < 1:
        raise InvalidValueError(f"alpha={alpha} must lie between 0 and 1: use a rate such as alpha=0.001")
    _checked(batches, epochs, ranks=ranks)

    auditor = _Auditor(rows, n, unpack)
    first, found, pairs = _epochs(auditor, batches, epochs, ranks=ranks)
    shares = _ranks(first, n) if ranks else ()
    resumed = () if resume is None else tuple(_resumed(auditor, first, resume, ranks=ranks))
    judged = sum(len(epoch.order) for epoch in found) + sum(len(pair.positions + pair.ranks) for pair in pairs)
    limit = alpha / max(1, judged)
    failed = failures(found, pairs, shares, resumed, shuffled=shuffled, drop_last=drop_last, limit=limit)
    return Audit(not failed, n, found, pairs, shares, resumed, alpha, limit, failed)


# ---- what is read ---------------------------------------------------------------------------------------------


def _checked(batches: Any, epochs: int, *, ranks: bool) -> None:
    """Refuse what cannot be read, before anything is."""
    if _is_function(batches):
        return
    sources = _listed(batches, "batches", ranks=ranks)
    if epochs > 1 and any(isinstance(source, Iterator) for source in sources):
        raise InvalidValueError(
            f"epochs={epochs}, but batches is an iterator, which can be read once: pass the loader itself, or a "
            "function of the epoch that returns its batches"
        )


def _listed(batches: Any, name: str, *, ranks: bool) -> Sequence[Iterable[Any]]:
    """The iterable of each rank."""
    if ranks and not (isinstance(batches, (list, tuple)) and batches):
        raise InvalidTypeError(
            f"{name} of type {type(batches).__name__} must be a list, with a loader for each rank, as ranks=True says"
        )
    sources = batches if ranks else [batches]
    for source in sources:
        if isinstance(source, (str, bytes)) or not (hasattr(source, "__iter__") or hasattr(source, "__getitem__")):
            raise InvalidTypeError(
                f"{name} of type {type(source).__name__} cannot be iterated over: pass a loader, or a function of the "
                "epoch that returns one"
            )
    return sources


def _is_function(batches: Any) -> bool:
    return callable(batches) and not hasattr(batches, "__iter__")


def _sources(batches: Any, epoch: int, name: str = "batches", *, ranks: bool) -> Sequence[Iterable[Any]]:
    if _is_function(batches):
        batches, name = batches(epoch), f"{name}({epoch})"
    return _listed(batches, name, ranks=ranks)


@dataclass(frozen=True, slots=True, eq=False)
class _Reading:
    """One epoch: the number of each row as they came, `UNKNOWN` for what is no row, and the batches."""

    numbers: Any  # int32
    known: Any  # those that are rows
    sizes: RowNumbers
    ranks: RowNumbers
    steps: RowNumbers
    world: int  # how many ranks there are
    wrong: RowNumbers  # positions of rows that were not as they should be
    faults: tuple[Fault, ...]  # all but missing and doubled rows
    precision: str
    endless: bool

    def of_rows(self, batches: RowNumbers) -> RowNumbers:
        """What holds of each batch, for each of its rows that is known."""
        of_rows: RowNumbers = np.repeat(batches, self.sizes)
        return of_rows if len(self.known) == len(of_rows) else of_rows[self.numbers != UNKNOWN]

    def sizes_known(self) -> RowNumbers:
        """Of each batch, how many of its rows are known."""
        if len(self.known) == len(self.numbers):
            return self.sizes
        return np.bincount(self.of_rows(np.arange(len(self.sizes))), minlength=len(self.sizes))

    def by_rank(self) -> Iterator[Any]:
        """The numbers that each rank was given, as they came."""
        if self.world == 1:
            yield self.known
            return
        owners = self.of_rows(self.ranks)
        yield from (self.known[owners == rank] for rank in range(self.world))


class _Auditor:
    """Reads the epochs of one loader."""

    def __init__(self, rows: Any, n: int, unpack: Callable[[Any], Any] | None) -> None:
        features, dtype = _shape(rows, n)
        self.n, self._features, self._unpack = n, features, unpack
        self.matcher = Matcher(Expected(rows, n, features, dtype))

    def read(self, sources: Sequence[Iterable[Any]]) -> _Reading:
        log, suspects = Log(), Suspects()
        found = [np.empty(0, np.int32)]
        wrong, outside = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        precision, at = "", 0
        self.matcher.restart()
        for piece in pieces(sources, self.n, self._features, self._unpack, log):
            match = self.matcher.match(piece)
            places = np.flatnonzero(match.wrong)
            if piece.values is None and piece.numbers is not None:
                outside.append(piece.numbers[places])
            elif piece.values is not None:
                precision = self.matcher.expected.precision
                suspects.add(places + at, match.numbers[places], piece.values.view(np.uint64)[places])
            found.append(match.numbers.astype(np.int32))
            wrong.append(places + at)
            at += len(match.numbers)
        numbers, at_fault = np.concatenate(found), np.concatenate(wrong)
        faults = [_outside(np.concatenate(outside), at_fault)] if len(outside) > 1 else []
        if suspects.kept:
            arrived = np.zeros(self.n, bool)
            arrived[np.delete(numbers, at_fault)] = True
            explained = explain(suspects, self.matcher.expected, arrived)
            positions = np.concatenate(suspects.positions)
            numbers[positions] = explained.rows
            faults += _explained(explained, positions, suspects.more, self._features)
        sizes, ranks, steps = (np.array(part, np.int64) for part in (log.sizes, log.ranks, log.steps))
        known = numbers if numbers.min(initial=0) > UNKNOWN else numbers[numbers != UNKNOWN]
        return _Reading(
            numbers, known, sizes, ranks, steps, len(sources), at_fault, tuple(faults), precision, log.endless
        )


def _shape(rows: Any, n: int) -> tuple[int, str]:
    """How many features rows have, and their dtype; rows of one's own may not say so."""
    features, dtype = getattr(rows, "features", None), getattr(rows, "dtype", None)
    if (features is None or dtype is None) and n:
        X, _ = rows.take(np.zeros(1, np.int64))
        features, dtype = np.shape(X)[1], np.asarray(X).dtype
    return int(features or 1), "float32" if dtype == np.float32 else "float64"


# ---- what is found --------------------------------------------------------------------------------------------


def _outside(numbers: RowNumbers, positions: RowNumbers) -> Fault:
    shown = ", ".join(map(str, numbers[:COLUMNS].tolist()))
    return Fault("foreign", len(numbers), tuple(positions[:EXAMPLES].tolist()), f"such as number {shown}")


def _explained(found: Explanation, positions: RowNumbers, more: int, features: int) -> Iterator[Fault]:
    for kind, name in enumerate(KINDS):
        at = np.flatnonzero(found.kinds == kind)
        if len(at):
            at = at[np.argsort(found.rows[at], kind="stable")] if kind != FOREIGN else at
            rows = (found.rows if kind != FOREIGN else positions)[at]
            yield Fault(name, len(at), tuple(rows[:EXAMPLES].tolist()), _detail(found, kind, at, features))
    if more:
        yield Fault("unexplained", more)


def _detail(found: Explanation, kind: int, at: RowNumbers, features: int) -> str:
    row, other = int(found.rows[at[0]]), int(found.others[at[0]])
    if kind == MISNUMBERED:
        return f"row {row} came as number {other}" if other != UNKNOWN else f"row {row} came under no row's number"
    counts = found.differing[at].sum(axis=0)
    names = [*(f"X[{j}]" for j in range(features)), "y"]
    order = np.argsort(-counts, kind="stable")
    parts = [names[j] for j in order if counts[j]]
    where = ", ".join(parts[:COLUMNS]) + (", ..." if len(parts) > COLUMNS else "")
    if kind == MIXED:
        return (
            f"row {row} with {where} of row {other}"
            if len(at) == 1
            else f"in {where}; row {row} has those of row {other}"
        )
    return f"in {where}, by up to {found.gap:.1g} of the value" if kind == ALTERED else ""


def _epochs(
    auditor: _Auditor, batches: Any, epochs: int, *, ranks: bool
) -> tuple[_Reading, tuple[Epoch, ...], tuple[Likeness, ...]]:
    found: list[Epoch] = []
    pairs: list[Likeness] = []
    orders: dict[bytes, int] = {}
    first = before = None
    for epoch in range(epochs):
        reading = auditor.read(_sources(batches, epoch, ranks=ranks))
        found.append(_epoch(epoch, reading, auditor.n))
        order = hashlib.sha256(np.ascontiguousarray(reading.numbers).data).digest()
        if before is not None:
            pairs.append(_likeness(epoch, before, reading, auditor.n))
            if orders.get(order, epoch - 1) != epoch - 1:
                pairs.append(Likeness((orders[order], epoch), same=True, positions=(), ranks=()))
        orders.setdefault(order, epoch)
        first, before = first or reading, reading
    assert first is not None
    return first, tuple(found), tuple(pairs)


def _epoch(epoch: int, reading: _Reading, n: int) -> Epoch:
    unclear = len(reading.known) < len(reading.numbers) and any(fault.kind == "unexplained" for fault in reading.faults)
    faults = (*_counted(reading.known, n, unclear=unclear), *reading.faults)
    values, times = np.unique(reading.sizes, return_counts=True)
    often = np.argsort(-times, kind="stable")
    totals = np.bincount(reading.steps, reading.sizes)
    return Epoch(
        epoch,
        len(reading.numbers),
        len(reading.sizes),
        tuple(zip(values[often].tolist(), times[often].tolist(), strict=True)),
        int(totals.max(initial=0)),
        bool((totals == totals.max(initial=0)).all()),
        tuple(fault for fault in faults if fault.count),
        all((np.diff(part) >= 0).all() for part in reading.by_rank()),
        orderliness(reading.known, reading.sizes_known()),
        reading.precision,
        reading.endless,
    )


def _counted(known: RowNumbers, n: int, *, unclear: bool) -> tuple[Fault, Fault]:
    counts = np.bincount(known, minlength=n)
    missing, doubled = np.flatnonzero(counts == 0), np.flatnonzero(counts > 1)
    return (
        Fault(
            "missing",
            len(missing),
            tuple(missing[:EXAMPLES].tolist()),
            "unless they are among the unexplained" if unclear else "",
        ),
        Fault("doubled", int((counts[doubled] - 1).sum()), tuple(doubled[:EXAMPLES].tolist()), _equally(counts)),
    )


def _equally(counts: RowNumbers) -> str:
    """How often rows came, if all that came did so equally often."""
    most = int(counts.max(initial=0))
    return f"each came {most} times" if most > 1 and not ((counts > 0) & (counts < most)).any() else ""


def _likeness(epoch: int, before: _Reading, after: _Reading, n: int) -> Likeness:
    def of_rows(values: Callable[[_Reading], Any]) -> Iterator[Any]:
        for reading in (before, after):
            table = np.full(n, UNKNOWN, np.int32)
            table[reading.known] = values(reading)
            yield table

    positions = [*of_rows(lambda reading: np.flatnonzero(reading.numbers != UNKNOWN))]
    both = (positions[0] != UNKNOWN) & (positions[1] != UNKNOWN)
    same = np.array_equal(before.numbers, after.numbers)
    alike = likeness(*(part[both] for part in positions))
    if before.world == 1:
        return Likeness((epoch - 1, epoch), same, alike, ())
    owners = of_rows(lambda reading: reading.of_rows(reading.ranks))
    return Likeness((epoch - 1, epoch), same, alike, staying(*(part[both] for part in owners)))


def _ranks(reading: _Reading, n: int) -> tuple[Rank, ...]:
    parts = [np.unique(part) for part in reading.by_rank()]
    given = np.bincount(np.concatenate(parts), minlength=n)
    return tuple(
        Rank(int(reading.sizes[mine].sum()), int(mine.sum()), int((given[part] > 1).sum()))
        for part, mine in ((part, reading.ranks == rank) for rank, part in enumerate(parts))
    )


def _resumed(auditor: _Auditor, first: _Reading, resume: Callable[[int], Any], *, ranks: bool) -> Iterator[Resumed]:
    steps = int(first.steps.max(initial=-1)) + 1
    for k in sorted({0, min(1, steps), steps // 2, max(0, steps - 1), steps}):
        reading = auditor.read(_sources(resume(k), 0, f"resume({k})", ranks=ranks))
        yield _compared(k, first, reading, auditor.matcher, at_end=k == steps)


def _compared(k: int, first: _Reading, reading: _Reading, matcher: Matcher, *, at_end: bool) -> Resumed:
    whole, found = first.numbers, reading.numbers
    same = None if matcher.index is None else matcher.index.representatives()
    if same is not None:  # which of equal rows came cannot be seen
        whole, found = (np.where(numbers == UNKNOWN, UNKNOWN, same[numbers]) for numbers in (whole, found))
    if at_end and len(found) and np.array_equal(np.sort(found), np.sort(whole)):
        return Resumed(k, exact=True, repeated=0, lost=0, next_epoch=True)
    later = first.steps >= k
    start = int(first.sizes[~later].sum())
    exact = (
        np.array_equal(found, whole[start:])
        and np.array_equal(reading.sizes, first.sizes[later])
        and np.array_equal(reading.ranks, first.ranks[later])
        and np.array_equal(reading.wrong, first.wrong[first.wrong >= start] - start)
    )
    _, inverse = np.unique(np.concatenate([found, whole[start:]]), return_inverse=True)
    counts = [np.bincount(part, minlength=inverse.max(initial=0) + 1) for part in np.split(inverse, [len(found)])]
    surplus = counts[0] - counts[1]
    return Resumed(k, exact, int(surplus[surplus > 0].sum()), int(-surplus[surplus < 0].sum()))
