"""Where a pipeline's items come from: minibatches, rows, a sequence, any iterable, a function, or an iterator.

What comes in: an object of the user's. What goes out: a *stage*, which can be opened at any *position* of any epoch and
then gives pairs of an item and the position behind it. A position is an integer, or a list of integers and of the
position further up; None is the start of the epoch. It is all that a saved state holds: no item is ever in it.
"""

import hashlib
import reprlib
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import numpy as np

from planted._errors import InvalidTypeError, InvalidValueError
from planted._input import to_numpy
from planted._types import RowNumbers

Position: TypeAlias = Any
Items: TypeAlias = Generator[tuple[Any, Position], None, None]

ROWS_AT_ONCE: Final = 4096


@runtime_checkable
class Stage(Protocol):
    """A source, or a source and the steps that follow it."""

    def open(self, epoch: int, position: Position) -> Items:
        """The items behind a position, each with the position behind it."""
        ...

    def length(self) -> float:
        """How many items an epoch has: an integer, or infinity; an `InvalidTypeError` if that is not known."""
        ...

    def settings(self) -> dict[str, Any]:
        """What a saved state must agree with, for JSON."""
        ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Batches:
    """The minibatches of a loader; a position is a batch number."""

    loader: Any
    read: Callable[[int, int], Iterator[Any]]
    fingerprint: Callable[[], dict[str, Any]]

    def open(self, epoch: int, position: Position) -> Items:
        """From any batch on, at no cost; the loader itself stays where it is."""
        first = position or 0
        for batch, item in enumerate(self.read(epoch, first), first + 1):
            yield item, batch

    def length(self) -> float:
        """The loader's."""
        return _count(self.loader)

    def settings(self) -> dict[str, Any]:
        """The loader's own."""
        return {"step": "loader", **self.fingerprint()}

    def __repr__(self) -> str:
        """The loader's."""
        return repr(self.loader)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RowStream:
    """Rows one after another, taken some thousands at a time; a position is a row number."""

    rows: Any

    def open(self, epoch: int, position: Position) -> Items:  # noqa: ARG002 -- the same rows each epoch
        """From any row on, at no cost."""
        n = _count(self.rows)
        for first in range(position or 0, n, ROWS_AT_ONCE):
            taken = self.rows.take(np.arange(first, min(first + ROWS_AT_ONCE, n), dtype=np.int64))
            items = zip(*taken, strict=True) if isinstance(taken, (tuple, list)) else taken  # (x, y), or bare rows
            yield from zip(items, range(first + 1, n + 1), strict=False)

    def length(self) -> float:
        """How many rows there are."""
        return _count(self.rows)

    def settings(self) -> dict[str, Any]:
        """The rows' fingerprint, or, where they have none, their number."""
        known = hasattr(self.rows, "fingerprint")
        return {"step": "rows", "rows": self.rows.fingerprint() if known else f"{self.length()} rows"}

    def __repr__(self) -> str:
        """The call that makes it."""
        return repr(self.rows) if isinstance(self.rows, Arrays) else f"Pipeline({self.rows!r})"


class Arrays:
    """Arrays of any framework, equally long, as rows: one element of each array."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        try:
            self.arrays = tuple(map(to_numpy, arrays))
        except ValueError as error:
            raise InvalidValueError(f"arrays must be rectangular ({error}): pass lists of one length") from None
        equally_long(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def take(self, rows: RowNumbers) -> tuple[Any, ...]:
        return tuple(array[rows] for array in self.arrays)

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for array in self.arrays:
            digest.update(f"{array.shape} {array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        shapes = ", ".join(f"<{array.dtype} {array.shape}>" for array in self.arrays)
        return f"Pipeline.from_arrays({shapes})"


def equally_long(tensors: Sequence[Any]) -> None:
    """Refuse arrays or tensors that have no rows or not equally many."""
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
        raise InvalidValueError(
            f"arrays of shapes {shapes} must be one or more, equally long: cut them to one number of rows"
        )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Numbered:
    """A sequence: whatever has a length and gives its items by number; a position is such a number."""

    items: Any

    def open(self, epoch: int, position: Position) -> Items:  # noqa: ARG002 -- the same items each epoch
        """From any item on, at no cost."""
        for number in range(position or 0, _count(self.items)):
            yield self.items[number], number + 1

    def length(self) -> float:
        """How many items there are."""
        return _count(self.items)

    def settings(self) -> dict[str, Any]:
        """The type and the length: a sequence has no fingerprint."""
        return {"step": "sequence", "type": type(self.items).__name__, "length": self.length()}

    def __repr__(self) -> str:
        """The call that makes it, shortened."""
        return f"Pipeline({short(self.items)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Iterated:
    """Anything that can be iterated over again and again; a position is a count of items, to be read and skipped."""

    items: Iterable[Any]

    def open(self, epoch: int, position: Position) -> Items:  # noqa: ARG002 -- whatever its iterator gives
        """From any item on, at the cost of reading those before it."""
        yield from _counted(self.items, position or 0)

    def length(self) -> float:
        """Its ``len``, if it has one."""
        if isinstance(self.items, Sized):
            return _count(self.items)
        raise unmeasured(self, f"the {type(self.items).__name__} has none")

    def settings(self) -> dict[str, Any]:
        """Its type, which is all that is known."""
        return {"step": "iterable", "type": type(self.items).__name__}

    def __repr__(self) -> str:
        """The call that makes it, shortened."""
        return f"Pipeline({short(self.items)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Made:
    """A function that is called for each epoch and returns its items; a position is a count of items, as above."""

    function: Callable[[], Any]

    def open(self, epoch: int, position: Position) -> Items:  # noqa: ARG002 -- the function is not told
        """From any item on, at the cost of making those before it; what was made is closed at the end."""
        items = self.function()
        if not isinstance(items, Iterable):
            raise InvalidTypeError(
                f"{name_of(self.function)}() returned {short(items)}, which cannot be iterated over: "
                "return an iterator, a list or an open file"
            )
        try:
            yield from _counted(items, position or 0)
        finally:
            getattr(items, "close", int)()

    def length(self) -> float:
        """Unknown."""
        raise unmeasured(self, "a function does not say how many items it will give")

    def settings(self) -> dict[str, Any]:
        """The function's name."""
        return {"step": "function", "function": name_of(self.function)}

    def __repr__(self) -> str:
        """The call that makes it."""
        return f"Pipeline({name_of(self.function)})"


class Once:
    """An iterator of the user's own, such as an open file: it can be read once, and is the user's to close."""

    def __init__(self, iterator: Iterator[Any]) -> None:
        self.iterator = iterator
        self.begun = False

    def open(self, epoch: int, position: Position) -> Items:  # noqa: ARG002 -- whatever it gives
        """From any item on, at the cost of reading those before it; but once."""
        if self.begun:
            raise InvalidValueError(
                f"this {type(self.iterator).__name__} has been read already, and an iterator can be read once: pass a "
                "function that makes it, such as Pipeline(lambda: open(path))"
            )
        self.begun = True
        yield from _counted(self.iterator, position or 0)

    def length(self) -> float:
        """Unknown."""
        raise unmeasured(self, "an iterator does not say how many items it will give")

    def settings(self) -> dict[str, Any]:
        """The iterator's type, which is all that is known."""
        return {"step": "iterator", "type": type(self.iterator).__name__}

    def __repr__(self) -> str:
        return f"Pipeline(<{type(self.iterator).__name__}>)"


def stage_of(source: Any) -> Stage:
    """The stage that reads an object of the user's, told by what it can do.

    Raises
    ------
    InvalidTypeError
        If it cannot be read.
    """
    if isinstance(source, Stage):
        return source
    if isinstance(source, (str, bytes)):
        raise InvalidTypeError(
            f"source={short(source)} is a text, not a source of items: for the lines of a file pass "
            "lambda: open(path), for the characters list(text)"
        )
    if isinstance(source, Iterator):
        return Once(source)
    if isinstance(source, Sized):
        if hasattr(source, "take") and not hasattr(source, "shape"):  # an array's own take means something else
            return RowStream(source)
        if hasattr(source, "__getitem__") and not hasattr(source, "keys"):
            return Numbered(source)
    if isinstance(source, Iterable):
        return Iterated(source)
    if callable(source):
        return Made(source)
    raise InvalidTypeError(
        f"source={short(source)} cannot be read: pass a Loader, rows, a sequence, an iterable, or a function that "
        "returns an iterator"
    )


def name_of(function: Any) -> str:
    """The name of a user's function, for messages and states.

    >>> name_of(len), name_of(lambda x: x), name_of(partial(int, base=2))
    ('len', '<lambda>', 'partial(int)')
    """
    if isinstance(function, partial):
        return f"partial({name_of(function.func)})"
    return str(getattr(function, "__name__", type(function).__name__))


def short(value: Any) -> str:
    """A value on one line and no longer than it needs, for messages."""
    return " ".join(reprlib.repr(value).split())


def unmeasured(stage: Stage, reason: str) -> InvalidTypeError:
    """The error of a stage that has no length."""
    return InvalidTypeError(f"{stage!r} has no length, since {reason}: count the items while reading them")


def _count(items: Any) -> int:
    """Its length, also where that passes the 2^63 - 1 of Python's own ``len``."""
    return int(items.__len__())


def _counted(items: Iterable[Any], skip: int) -> Items:
    for number, item in enumerate(islice(items, skip, None), skip + 1):
        yield item, number
