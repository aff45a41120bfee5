"""What is wrong with the rows of an epoch: each kind of fault with its rows, and what they have in common."""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from planted._audit.report import RowFault
from planted._matching import UNKNOWN, Expected, Explanation, Kind, WrongRows, largest_change
from planted._types import RowNumbers

EXAMPLES: Final = 100  # row numbers of a fault that are kept
COLUMNS: Final = 4  # columns, or numbers, that its text names
PLACES: Final = 3  # batches that a note names
FEWEST: Final = 8  # rows of which a note says what they have in common
SHARE: Final = 0.9  # of the rows, which have it in common


def outside_fault(numbers: RowNumbers, positions: RowNumbers) -> RowFault:
    """Row numbers that no row has, at these positions."""
    some = ", ".join(map(str, numbers[:COLUMNS].tolist()))
    return RowFault("foreign", len(numbers), tuple(positions[:EXAMPLES].tolist()), f"such as number {some}")


def explained_faults(
    found: Explanation, wrong: WrongRows, numbers: Any, sizes: RowNumbers, expected: Expected
) -> Iterator[RowFault]:
    """The kinds of faults of the wrong rows.

    `numbers` are those of all rows in the order of delivery, `sizes` the rows of each batch.
    """
    values, positions = wrong.values, wrong.positions
    for kind in Kind:
        at = np.flatnonzero(found.kinds == kind)
        if not len(at):
            continue
        notes = [*_places(positions[at], sizes)]
        if kind == Kind.FOREIGN:
            first = positions[at]
            value = values[at[0], 0]
            if len(at) > 1 and (values[at] == value).all():
                notes.append(f"all their values are {value:g}, as of padding")
        else:
            at = at[np.argsort(found.rows[at], kind="stable")]
            first = found.rows[at]
            notes += _offsets(found, kind, at, positions, numbers)
        detail = _detail(found, kind, at, wrong, expected)
        yield RowFault(kind.name.lower(), len(at), tuple(first[:EXAMPLES].tolist()), detail, tuple(notes))


def missing_and_doubled(known: Any, numbers: Any, sizes: RowNumbers, n: int, *, unclear: bool) -> Iterator[RowFault]:
    """Rows that did not come, and rows that came again; `unclear` is whether there are rows that were not looked into.

    `known` are the numbers of the rows that are known, `numbers` those of all, in the order of delivery.
    """
    times = np.bincount(known, minlength=n)
    missing, doubled = np.flatnonzero(times == 0), np.flatnonzero(times > 1)
    if len(missing):
        detail = "unless they are among the unexplained" if unclear else ""
        first = tuple(missing[:EXAMPLES].tolist())
        yield RowFault("missing", len(missing), first, detail, tuple(_run(missing, n)))
    if len(doubled):
        most = int(times.max())
        equally = ((times == 0) | (times == most)).all()
        detail = f"each came {most} times" if equally else ""
        count, first = int((times[doubled] - 1).sum()), tuple(doubled[:EXAMPLES].tolist())
        yield RowFault("doubled", count, first, detail, tuple(_repeats(numbers, sizes)))


# ---- what they have in common -----------------------------------------------------------------------------------


def _places(positions: RowNumbers, sizes: RowNumbers) -> Iterator[str]:
    """In which batches they came, if these are few of many."""
    batches = np.unique(_batches(positions, sizes))
    if len(batches) <= PLACES and len(sizes) > 2 * PLACES and sizes.max() > 1:
        yield f"came in {_named(batches, len(sizes))} alone"


def _batches(positions: RowNumbers, sizes: RowNumbers) -> RowNumbers:
    of_each: RowNumbers = np.searchsorted(np.cumsum(sizes), positions, side="right")
    return of_each


def _named(batches: RowNumbers, count: int) -> str:
    last = " (the last)" if batches[-1] == count - 1 else ""
    return ("batch " if len(batches) == 1 else "batches ") + ", ".join(map(str, batches.tolist())) + last


def _offsets(found: Explanation, kind: Kind, at: RowNumbers, positions: RowNumbers, numbers: Any) -> Iterator[str]:
    """By how many rows the other values, or the numbers, are off, if all by as many."""
    known = at[found.others[at] != UNKNOWN]
    if len(known) < FEWEST or kind == Kind.ALTERED:
        return
    off = found.others[known] - found.rows[known]
    by, times = np.unique(off, return_counts=True)
    most = int(by[times.argmax()])
    if times.max() >= SHARE * len(at):
        what = "the number of the row" if kind == Kind.MISNUMBERED else "the other values of the row"
        yield f"came with {what} {abs(most)} {'after' if most > 0 else 'before'} it: look for an index that is off"
        return
    if kind == Kind.MIXED:
        for step in (1, -1):
            place = positions[known] - step
            inside = (place >= 0) & (place < len(numbers))
            if (numbers[place[inside]] == found.others[known][inside]).sum() >= SHARE * len(at):
                when = "before" if step > 0 else "after"
                yield f"came with the other values of the row delivered {when} it: look for an index that is off"


def _run(missing: RowNumbers, n: int) -> Iterator[str]:
    """Which rows are missing, if they are one run of numbers."""
    low, high = int(missing[0]), int(missing[-1])
    if high - low != len(missing) - 1 or len(missing) == n:
        return
    if len(missing) == 1:
        if low == 0 or high == n - 1:
            yield f"it is the {'first' if low == 0 else 'last'} row"
    else:
        yield run_text(range(low, high + 1), n)


def run_text(run: range, n: int) -> str:
    """Which of n rows these consecutive ones are."""
    which = ", the first ones" if run.start == 0 else ", the last ones" if run.stop == n else ""
    return f"they are the rows {run.start} to {run.stop - 1}{which}"


def _repeats(numbers: Any, sizes: RowNumbers) -> Iterator[str]:
    """In which batches rows came again, if these are few of many; and of which batch, if it is one."""
    order = np.argsort(numbers, kind="stable")
    equal = np.flatnonzero((numbers[order[1:]] == numbers[order[:-1]]) & (numbers[order[1:]] != UNKNOWN))
    before, again = (np.unique(_batches(order[places], sizes)) for places in (equal, equal + 1))
    if len(again) > PLACES or len(sizes) <= 2 * PLACES or sizes.max() == 1:
        return
    once = len(before) == len(again) == 1 and before[0] != again[0]
    yield f"came again in {_named(again, len(sizes))}" + (f", after batch {before[0]}" if once else "")


def _detail(found: Explanation, kind: Kind, at: RowNumbers, wrong: WrongRows, expected: Expected) -> str:
    """What the rows at these places have in common; the first is the example."""
    if kind == Kind.FOREIGN:
        return ""
    row, other = int(found.rows[at[0]]), int(found.others[at[0]])
    if kind == Kind.MISNUMBERED:
        return f"row {row} came as number {other}" if other != UNKNOWN else f"row {row} came under no row's number"
    times = found.differs[at].sum(axis=0)
    names = [*(f"X[{j}]" for j in range(expected.features)), "y"]
    differing = [names[j] for j in np.argsort(-times, kind="stable") if times[j]]
    columns = ", ".join(differing[:COLUMNS]) + (", ..." if len(differing) > COLUMNS else "")
    if kind == Kind.ALTERED:
        return f"in {columns}, by up to {_times(largest_change(found, wrong, expected))} the value"
    if len(at) == 1:
        return f"row {row} with {columns} of row {other}"
    return f"in {columns}; row {row} has values of row {other}"


def _times(change: float) -> str:
    """A change relative to the value: 0.003 of it, or 30 times."""
    return f"{change:.1g} of" if change < 1 or np.isinf(change) else f"{float(f'{change:.1g}'):_.0f} times"
