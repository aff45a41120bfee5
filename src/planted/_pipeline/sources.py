"""Where a pipeline's items come from: minibatches, rows, a sequence, any iterable, a function, or an iterator."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import Any, ClassVar, Final

import numpy as np

from planted._input import is_table, length, taken
from planted._pipeline.arrays import Arrays
from planted._pipeline.stages import Items, Position, Stage, name_of, short
from planted.errors import InvalidTypeError, InvalidValueError

ROWS_AT_ONCE: Final = 4096


class Source(Stage):
    """What a chain begins with; a position is the number of the next item."""

    __slots__ = ()

    @abstractmethod
    def items_from(self, epoch: int, number: int) -> Iterator[Any]:
        """The items of an epoch, from this number on."""

    def open(self, epoch: int, position: Position) -> Items:
        first = position or 0
        yield from zip(self.items_from(epoch, first), count(first + 1))

    def chain(self) -> list[Stage]:
        return [self]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class LoaderSource(Source):
    """The minibatches of a loader; the loader itself stays where it is."""

    loader: Any
    makes_batches: ClassVar = True

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:
        batches: Iterator[Any] = self.loader.read(epoch, number)
        return batches

    def length(self) -> float:
        return length(self.loader)

    def settings(self) -> dict[str, Any]:
        state = self.loader.state_dict()
        return {"step": "loader", **{name: state[name] for name in state if name not in ("epoch", "batch")}}

    def __repr__(self) -> str:
        return repr(self.loader)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RowSource(Source):
    """Rows one after another, taken some thousands at a time."""

    rows: Any

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:  # noqa: ARG002 -- the same each epoch
        return chain.from_iterable(map(self._taken, range(number, length(self.rows), ROWS_AT_ONCE)))

    def _taken(self, first: int) -> Iterable[Any]:
        """Rows from `first` on: pairs (x, y), or, where ``take`` gives one array, its rows."""
        rows = np.arange(first, min(first + ROWS_AT_ONCE, length(self.rows)), dtype=np.int64)
        found = self.rows.take(rows)
        if isinstance(found, (tuple, list)) and all(len(part) == len(rows) for part in found):
            return zip(*found, strict=True)
        if isinstance(found, (tuple, list)) or hasattr(found, "keys"):
            return taken(found, len(rows), self.rows)  # an error
        items: Iterable[Any] = found
        return items

    def length(self) -> float:
        return length(self.rows)

    def settings(self) -> dict[str, Any]:
        known = hasattr(self.rows, "fingerprint")
        return {"step": "rows", "rows": self.rows.fingerprint() if known else f"{self.length()} rows"}

    def __repr__(self) -> str:
        return f"Pipeline.from_arrays{self.rows!r}" if isinstance(self.rows, Arrays) else f"Pipeline({self.rows!r})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SequenceSource(Source):
    """Whatever has a length and gives its items by number. It has no fingerprint: a state knows its type and length."""

    items: Any

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:  # noqa: ARG002 -- the same each epoch
        return map(self.items.__getitem__, range(number, length(self.items)))

    def length(self) -> float:
        return length(self.items)

    def settings(self) -> dict[str, Any]:
        return {"step": "sequence", "type": type(self.items).__name__, "length": self.length()}

    def __repr__(self) -> str:
        return f"Pipeline({short(self.items)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class IterableSource(Source):
    """Anything that can be iterated over again and again; items before a position are read and skipped."""

    items: Iterable[Any]

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:  # noqa: ARG002 -- unknown to it
        return islice(self.items, number, None)

    def length(self) -> float:
        if isinstance(self.items, Sized):
            return length(self.items)
        raise self.unmeasured(f"the {type(self.items).__name__} has none")

    def settings(self) -> dict[str, Any]:
        return {"step": "iterable", "type": type(self.items).__name__}

    def __repr__(self) -> str:
        return f"Pipeline({short(self.items)})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FactorySource(Source):
    """A function that is called for each epoch and returns its items; those before a position are made and skipped.

    What it made is closed at the end.
    """

    function: Callable[[], Any]

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:  # noqa: ARG002 -- unknown to it
        items = self.function()
        if not isinstance(items, Iterable):
            raise InvalidTypeError(
                f"{name_of(self.function)}() returned {short(items)}, which cannot be iterated over: "
                "return an iterator, a list or an open file"
            )
        try:
            yield from islice(items, number, None)
        finally:
            if hasattr(items, "close"):
                items.close()

    def length(self) -> float:
        raise self.unmeasured("a function does not say how many items it will give")

    def settings(self) -> dict[str, Any]:
        return {"step": "function", "function": name_of(self.function)}

    def __repr__(self) -> str:
        return f"Pipeline({name_of(self.function)})"


@dataclass(slots=True, eq=False, repr=False)
class IteratorSource(Source):
    """An iterator of the user's own, such as an open file: it can be read once, and is the user's to close."""

    iterator: Iterator[Any]
    begun: bool = False

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:  # noqa: ARG002 -- unknown to it
        if self.begun:
            raise InvalidValueError(
                f"this {type(self.iterator).__name__} has been read already, and an iterator can be read once: pass a "
                "function that makes it, such as Pipeline(lambda: open(path))"
            )
        self.begun = True
        return islice(self.iterator, number, None)

    def length(self) -> float:
        raise self.unmeasured("an iterator does not say how many items it will give")

    def settings(self) -> dict[str, Any]:
        return {"step": "iterator", "type": type(self.iterator).__name__}

    def __repr__(self) -> str:
        return f"Pipeline(<{type(self.iterator).__name__}>)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part(Source):
    """Every so-many-th item of a stage, from the first on: the share of one of several readers."""

    stage: Stage
    first: int
    step: int

    def items_from(self, epoch: int, number: int) -> Iterator[Any]:
        first = self.first + number * self.step
        if isinstance(self.stage, LoaderSource):  # no other batch is made
            batches: Iterator[Any] = self.stage.loader.read(epoch, first, self.step)
            return batches
        if isinstance(self.stage, SequenceSource):
            return map(self.stage.items.__getitem__, range(first, length(self.stage.items), self.step))
        if isinstance(self.stage, Source):
            return islice(self.stage.items_from(epoch, first), 0, None, self.step)
        return islice((item for item, _ in self.stage.open(epoch, None)), first, None, self.step)

    def length(self) -> float:
        return max(0.0, -((self.first - self.stage.length()) // self.step))

    def settings(self) -> dict[str, Any]:
        return {"step": "part", "first": self.first, "of": self.step}

    def chain(self) -> list[Stage]:
        return self.stage.chain()

    def __repr__(self) -> str:
        return repr(self.stage)


def stage_of(source: Any) -> Stage:
    """The stage that reads an object of the user's, recognised by what it can do.

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
    if is_table(source):
        raise InvalidTypeError(
            f"source of type {type(source).__name__} is a table, whose items are its columns' names: use "
            "planted.Pipeline.from_arrays(X, y) of its arrays, or read its file with planted.open_table"
        )
    if isinstance(source, Iterator):
        return IteratorSource(source)
    if isinstance(source, Sized):
        if hasattr(source, "take") and not hasattr(source, "shape"):  # an array's own take means something else
            return RowSource(source)
        if hasattr(source, "__getitem__") and not hasattr(source, "keys"):
            return SequenceSource(source)
    if isinstance(source, Iterable):
        return IterableSource(source)
    if callable(source):
        return FactorySource(source)
    raise InvalidTypeError(
        f"source={short(source)} cannot be read: pass a Loader, rows, a sequence, an iterable, or a function that "
        "returns an iterator"
    )
