"""`audit`: reads the epochs and the resumes of a loader, compares them, and puts the report together."""

import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from planted._audit.faults import missing_and_doubled
from planted._audit.reading import Reader, Reading
from planted._audit.report import Audit, Epoch, Likeness, Rank, Resumed
from planted._audit.statistics import likeness, orderliness, staying
from planted._audit.verdict import failures
from planted._input import flag, integer, is_rows, length, real, rows_like, short
from planted._loader import Loader
from planted._matching import UNKNOWN, Matcher, Takes
from planted._pipeline import StreamMethods
from planted._types import Batch, RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError

MOST_ROWS: Final = (1 << 31) - 1
ASKED: Final = {
    "batches": ("the epoch number", "lambda epoch: loader"),
    "resume": ("the number of batches that came", "lambda k: make_loader(k)"),
    "unpack": ("a batch", "lambda batch: batch[:2]"),
}  # what functions are called with


def audit(
    batches: Iterable[Any] | Callable[[int], Any],
    rows: Takes,
    *,
    epochs: int = 1,
    ranks: bool = False,
    resume: Callable[[int], Any] | None = None,
    shuffled: bool | None = None,
    drop_last: bool = False,
    unpack: Callable[[Any], Any] | None = None,
    alpha: float = 0.001,
) -> Audit:
    """Read a loader's batches to the end, and say whether they are these rows, each once, and how well shuffled.

    Parameters
    ----------
    batches
        An iterable of batches, of any framework, or a function of the epoch (0, 1, ...) that returns one. A batch is
        ``(X, y)`` or ``(X, y, row numbers)``, or a mapping with the keys ``X``, ``y`` and ``index``; single rows will
        do, and row numbers alone, as a sampler gives them.
    rows
        The rows that should come: computed, in memory, on disk, a table; or your own, with a length and a ``take`` of
        row numbers that returns X of shape (rows, features) and y of shape (rows,) or (rows, 1), as arrays or tensors.
    epochs
        How many times to iterate over `batches`, to compare the epochs.
    ranks
        Whether `batches` is a list of iterables, one for each rank, which together give each row once. They are read
        in turns, one batch of each.
    resume
        A function of k that returns the same kind of thing as `batches`: a loader that continues the first epoch after
        its first k batches (of each rank). It is called with 0, 1, half of the batches, all but one, and all.
    shuffled
        True if each epoch must be a full shuffle, in a new order; False if the rows must come in the order of their
        numbers; None to report the order without judging it. Fewer than 128 rows tell little, and pass.
    drop_last
        Whether rows may be missing that would not have filled a batch (of every rank).
    unpack
        A function that turns a batch of another form into one of the forms above.
    alpha
        How often a perfect shuffle may fail, between 0 and 1; all statistics together have this rate.

    Returns
    -------
    Audit
        With ``passed``, which is also its ``bool``; ``missing``, ``doubled``, ``foreign``, ``altered``, ``mixed`` and
        ``misnumbered`` rows, each with a ``count`` and the ``first`` of them; ``transformation``, what was done to the
        altered rows; ``order``, ``epochs``, ``likeness``, ``ranks`` and ``resume``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule, or a batch cannot be read.

    Notes
    -----
    An altered or mixed row counts as the row that it shares most values with, which is then not missing. Where one rule
    changed all altered rows (columns permuted, values standardised, negated, rounded, ...), it is named, and rows that
    share no value with any are recognised by it. Values may have been rounded to float32, bfloat16 or float16, if all
    of them were. Rows with equal values can be told apart only by their numbers; without numbers, the audit counts how
    often they come.

    Memory, in bytes a row: some 25 for one epoch, 50 for several, and 15 more to find rows by value. There may be at
    most 2^31 - 1 rows. Reading stops when an epoch has delivered 16 times as many rows as there are.

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
    n = length(_rows(batches, rows))
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
        _check_function(function, name)
    alpha = real(alpha, "alpha", minimum=0, remedy="use a rate between 0 and 1, such as alpha=0.001")
    if not 0 < alpha < 1:
        raise InvalidValueError(f"alpha={alpha} must lie between 0 and 1: use a rate such as alpha=0.001")
    _check_readable(batches, rows, epochs, ranks=ranks)

    reader = Reader(rows, n, unpack)
    _check_batches(batches, reader.features)
    first, read, pairs = _read_epochs(reader, batches, epochs, ranks=ranks)
    of_ranks = _ranks(first, n) if ranks else ()
    resumed = () if resume is None else tuple(_read_resumes(reader, first, resume, ranks=ranks))
    statistics = sum(len(epoch.order) for epoch in read) + sum(len(pair.positions + pair.ranks) for pair in pairs)
    limit = alpha / max(1, statistics)
    failed = failures(n, read, pairs, of_ranks, resumed, shuffled=shuffled, drop_last=drop_last, limit=limit)
    return Audit(
        passed=not failed,
        rows=n,
        epochs=read,
        likeness=pairs,
        ranks=of_ranks,
        resume=resumed,
        alpha=alpha,
        limit=limit,
        failures=failed,
    )


# ---- arguments ------------------------------------------------------------------------------------------------


def _rows(batches: Any, rows: Any) -> Any:
    """The rows, if they are rows."""
    if hasattr(rows, "ndim"):  # arrays, tensors and tables have a `take` of another meaning
        raise InvalidTypeError(
            f"rows of type {type(rows).__name__} are values alone: use planted's rows, or an object with a length and "
            "take(row_numbers), which returns (X, y)"
        )
    if isinstance(rows, StreamMethods) or not hasattr(rows, "take"):
        if is_rows(batches) and not isinstance(batches, StreamMethods):
            raise InvalidTypeError("the arguments are in the other order: planted.audit(batches, rows)")
        if isinstance(rows, StreamMethods):
            raise InvalidTypeError(
                f"rows of type {type(rows).__name__} deliver batches: use the rows that the batches should hold, as in "
                "planted.audit(loader, loader.rows)"
            )
    return rows_like(rows)


def _check_batches(batches: Any, features: int) -> None:
    """Refuse the arrays X and y where a list of batches is wanted."""
    if isinstance(batches, (tuple, list)) and len(batches) == 2:
        X, y = (tuple(getattr(part, "shape", ())) for part in batches)
        one_batch = features > 1 and X[1:] == (features,) and y in (X[:1], (*X[:1], 1))
        if one_batch or isinstance(batches, Batch):
            raise InvalidTypeError("batches are the arrays X and y: put them into a list of one batch, [(X, y)]")


# ---- sources: the iterable of each rank -----------------------------------------------------------------------


def _check_readable(batches: Any, rows: Any, epochs: int, *, ranks: bool) -> None:
    """Refuse what cannot be iterated over (often enough) before anything is read."""
    if _is_function(batches):
        _check_function(batches, "batches")
        return
    sources = _of_each_rank(batches, "batches", ranks=ranks)
    if epochs > 1 and any(isinstance(source, Iterator) for source in sources):
        raise InvalidValueError(
            f"epochs={epochs}, but batches is an iterator, which can be read once: pass the loader itself, or a "
            "function of the epoch that returns its batches"
        )
    _check_fresh(sources, rows, epochs, ranks=ranks)


def _check_function(function: Any, name: str) -> None:
    """Refuse a function that cannot be called with the one value that it is asked for."""
    value, example = ASKED[name]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # no function, or one that does not say what it takes
        return
    try:
        signature.bind(0)
    except TypeError:
        raise InvalidTypeError(
            f"{name}={getattr(function, '__name__', short(function))} must be a function of one value, {value}: use "
            f"{example}"
        ) from None


def _check_fresh(sources: Sequence[Any], rows: Any, epochs: int = 1, *, ranks: bool) -> None:
    """Refuse loaders with fresh=True where an epoch would be compared with the rows of another."""
    for source in sources:
        if isinstance(source, Loader) and source.fresh and (epochs > 1 or (source.epoch and _same(rows, source.rows))):
            batches = "[loader.read(k) for loader in loaders]" if ranks else "loader.read(k)"
            more = ", ranks=True" * ranks + ", unpack=lambda batch: batch[:2]" * source.with_index
            raise InvalidValueError(
                f"a loader with fresh=True has other rows in each epoch, and would read epoch {source.epoch} "
                f"{'and later ones ' * (epochs > 1)}now: audit each epoch k by itself, planted.audit({batches}, "
                f"rows.fresh(k){more})"
            )


def _same(rows: Any, others: Any) -> bool:
    return rows is others or (hasattr(rows, "fingerprint") and rows.fingerprint() == others.fingerprint())


def _sources(batches: Any, epoch: int, name: str = "batches", *, ranks: bool) -> Sequence[Iterable[Any]]:
    if _is_function(batches):
        batches, name = batches(epoch), f"{name}({epoch})"
    return _of_each_rank(batches, name, ranks=ranks)


def _is_function(batches: Any) -> bool:
    return callable(batches) and not hasattr(batches, "__iter__")


def _of_each_rank(batches: Any, name: str, *, ranks: bool) -> Sequence[Iterable[Any]]:
    if ranks and not (isinstance(batches, (list, tuple)) and batches):
        raise InvalidTypeError(
            f"{name} of type {type(batches).__name__} must be a list, with a loader for each rank, since ranks=True"
        )
    sources = batches if ranks else [batches]
    for source in sources:
        if isinstance(source, type):
            raise InvalidTypeError(
                f"{name} is the class {source.__name__}: make a loader of it, {source.__name__}(...)"
            )
        if isinstance(source, (str, bytes)) or not (hasattr(source, "__iter__") or hasattr(source, "__getitem__")):
            raise InvalidTypeError(
                f"{name} of type {type(source).__name__} cannot be iterated over: pass a loader, or a function of the "
                "epoch that returns one"
            )
    return sources


# ---- epochs ---------------------------------------------------------------------------------------------------


def _read_epochs(
    reader: Reader, batches: Any, epochs: int, *, ranks: bool
) -> tuple[Reading, tuple[Epoch, ...], tuple[Likeness, ...]]:
    """Read all epochs: the first one as it was read, what is found in each, and how alike they are."""
    found: list[Epoch] = []
    pairs: list[Likeness] = []
    epoch_of: dict[bytes, int] = {}  # the first epoch of each order, by its digest
    first = before = None
    for epoch in range(epochs):
        sources = _sources(batches, epoch, ranks=ranks)
        _check_fresh(sources, reader.matcher.expected.rows, ranks=ranks)  # of a function, seen only now
        reading = reader.read(sources)
        found.append(_epoch(epoch, reading, reader.n))
        if before is not None:
            pairs.append(_likeness(epoch, before, reading, reader.n))
        order = hashlib.sha256(np.ascontiguousarray(reading.numbers).data).digest()
        earlier = epoch_of.setdefault(order, epoch)
        if earlier < epoch - 1:
            pairs.append(Likeness((earlier, epoch), same=True, positions=(), ranks=()))
        first, before = first or reading, reading
    assert first is not None
    return first, tuple(found), tuple(pairs)


def _epoch(epoch: int, reading: Reading, n: int) -> Epoch:
    sizes, times = np.unique(reading.sizes, return_counts=True)
    often = np.argsort(-times, kind="stable")
    of_steps = np.bincount(reading.steps, reading.sizes)  # rows of all ranks together
    most = of_steps.max(initial=0)
    unexplained = any(fault.kind == "unexplained" for fault in reading.faults)
    unclear = unexplained and len(reading.known) < len(reading.numbers)
    return Epoch(
        epoch=epoch,
        rows=len(reading.numbers),
        batches=len(reading.sizes),
        sizes=tuple(zip(sizes[often].tolist(), times[often].tolist(), strict=True)),
        batch=int(most),
        complete=bool((of_steps == most).all()),
        faults=(
            *missing_and_doubled(reading.known, reading.numbers, reading.sizes, n, unclear=unclear),
            *reading.faults,
        ),
        in_order=all((np.diff(part) >= 0).all() for part in reading.by_rank()),
        order=orderliness(reading.known, reading.known_sizes()),
        precision=reading.precision,
        endless=reading.endless,
        transformation=reading.transformation,
    )


def _likeness(epoch: int, before: Reading, after: Reading, n: int) -> Likeness:
    same = np.array_equal(before.numbers, after.numbers)
    positions = [_by_row(reading, np.flatnonzero(reading.numbers != UNKNOWN), n) for reading in (before, after)]
    both = (positions[0] != UNKNOWN) & (positions[1] != UNKNOWN)
    of_positions = likeness(positions[0][both], positions[1][both])
    if before.world_size == 1:
        return Likeness((epoch - 1, epoch), same, of_positions, ())
    ranks = [_by_row(reading, reading.for_each_row(reading.ranks), n) for reading in (before, after)]
    return Likeness((epoch - 1, epoch), same, of_positions, staying(ranks[0][both], ranks[1][both]))


def _by_row(reading: Reading, values: RowNumbers, n: int) -> Any:
    """A table of the values of known rows, by row number; `UNKNOWN` for rows that did not come."""
    table = np.full(n, UNKNOWN, np.int32)
    table[reading.known] = values
    return table


def _ranks(reading: Reading, n: int) -> tuple[Rank, ...]:
    parts = [np.unique(part) for part in reading.by_rank()]
    receivers = np.bincount(np.concatenate(parts), minlength=n)  # how many ranks received each row
    found = []
    for rank, part in enumerate(parts):
        of_rank = reading.ranks == rank
        shared = int((receivers[part] > 1).sum())
        found.append(Rank(int(reading.sizes[of_rank].sum()), int(of_rank.sum()), shared))
    return tuple(found)


# ---- resumes --------------------------------------------------------------------------------------------------


def _read_resumes(reader: Reader, first: Reading, resume: Callable[[int], Any], *, ranks: bool) -> Iterator[Resumed]:
    steps = int(first.steps.max(initial=-1)) + 1
    for k in sorted({0, min(1, steps), steps // 2, max(0, steps - 1), steps}):
        reading = reader.read(_sources(resume(k), 0, f"resume({k})", ranks=ranks))
        yield _resumed(k, first, reading, reader.matcher, at_end=k == steps)


def _resumed(k: int, first: Reading, reading: Reading, matcher: Matcher, *, at_end: bool) -> Resumed:
    """Compare what came after a resume with what came after the first k batches of the whole epoch."""
    whole, found = first.numbers, reading.numbers
    representatives = None if matcher.index is None else matcher.index.representatives()
    if representatives is not None:  # which of several equal rows came cannot be known
        whole, found = (np.where(numbers == UNKNOWN, UNKNOWN, representatives[numbers]) for numbers in (whole, found))
    if at_end and len(found) and np.array_equal(np.sort(found), np.sort(whole)):
        return Resumed(k, exact=True, repeated=0, lost=0, next_epoch=True)
    later = first.steps >= k
    start = int(first.sizes[~later].sum())
    rest = whole[start:]
    exact = (
        np.array_equal(found, rest)
        and np.array_equal(reading.sizes, first.sizes[later])
        and np.array_equal(reading.ranks, first.ranks[later])
        and np.array_equal(reading.wrong, first.wrong[first.wrong >= start] - start)
    )
    _, inverse = np.unique(np.concatenate([found, rest]), return_inverse=True)
    times_found, times_due = (
        np.bincount(part, minlength=inverse.max(initial=0) + 1) for part in np.split(inverse, [len(found)])
    )
    surplus = times_found - times_due
    return Resumed(k, exact, repeated=int(surplus.clip(min=0).sum()), lost=int((-surplus).clip(min=0).sum()))
