"""The steps of a pipeline: what is done to the items on their way.

A step that is opened at a position opens the stage before at the position that this implies, and passes positions on
with the items. So what a step holds (a pass, a count, a batch half full) is known from the position after the last
delivered item.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from itertools import count
from typing import Any, ClassVar

from planted._input import to_json_int
from planted._machine import Workers
from planted._pipeline.adapters import splitter
from planted._pipeline.sources import Part
from planted._pipeline.stacking import stacked
from planted._pipeline.stages import Items, Position, Stage, name_of, short
from planted.errors import InvalidTypeError, InvalidValueError


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Step(Stage):
    """What follows another stage; its fields after `upstream` are the arguments of the method that adds it."""

    upstream: Stage
    step: ClassVar[str]  # the name of that method, also in states

    def chain(self) -> list[Stage]:
        return [*self.upstream.chain(), self]

    def settings(self) -> dict[str, Any]:
        return {"step": self.step, **{field.name: _plain(getattr(self, field.name)) for field in fields(self)[1:]}}

    def __repr__(self) -> str:
        """The chain as it was written."""
        written = []
        for field in fields(self)[1:]:
            value = getattr(self, field.name)
            if field.default is MISSING:
                written.append(f"{_plain(value)}")
            elif value != field.default:
                written.append(f"{field.name}={value!r}" if isinstance(value, str) else f"{field.name}={_plain(value)}")
        return f"{self.upstream!r}.{self.step}({', '.join(written)})"


def _plain(value: Any) -> Any:
    return name_of(value) if callable(value) else to_json_int(value) if isinstance(value, int) else value


# ---- the steps ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Map(Step):
    """Each item, as a function of the user's changes it."""

    f: Callable[..., Any]
    step: ClassVar = "map"

    def open(self, epoch: int, position: Position) -> Items:
        batches = any(stage.makes_batches for stage in self.upstream.chain())
        for item, at in self.upstream.open(epoch, position):
            result = _called(self.step, self.f, item)
            if batches:
                self._check(item, result)
            yield result, at

    def length(self) -> float:
        return self.upstream.length()

    def _check(self, item: Any, result: Any) -> None:
        rows = next(_row_counts(item), None)
        for found in _row_counts(result):
            if rows is not None and found != rows:
                raise InvalidValueError(
                    f"map({name_of(self.f)}) made {found} rows of a batch of {rows}, and a map must keep their number: "
                    "drop rows with filter, or cut them, before they are batched"
                )


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Filter(Step):
    """The items of which a predicate of the user's is true."""

    predicate: Callable[..., Any]
    step: ClassVar = "filter"

    def open(self, epoch: int, position: Position) -> Items:
        for item, at in self.upstream.open(epoch, position):
            if self._holds(item):
                yield item, at

    def _holds(self, item: Any) -> bool:
        answer = _called(self.step, self.predicate, item)
        if isinstance(answer, (bool, int, float)):
            return bool(answer)
        if not hasattr(answer, "shape"):
            raise InvalidTypeError(f"filter({name_of(self.predicate)}) got {short(answer)}: return True or False")
        if math.prod(answer.shape) != 1:
            raise InvalidValueError(
                f"filter({name_of(self.predicate)}) got truth values of shape {tuple(answer.shape)} for one item: "
                "return one, as with .all(), or filter rows before they are batched"
            )
        return bool(answer)

    def length(self) -> float:
        raise self.unmeasured(f"only {name_of(self.predicate)} knows how many items it keeps")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Repeat(Step):
    """Several epochs of the stage before, one after another, as one; a position is [pass, position before]."""

    times: int | None = None
    step: ClassVar = "repeat"
    counters: ClassVar = 1

    def open(self, epoch: int, position: Position) -> Items:
        first, at = position or (0, None)
        for turn in count(first) if self.times is None else range(first, self.times):
            empty = at is None
            for item, after in self.upstream.open(epoch * (self.times or 1) + turn, at):
                empty = False
                yield item, [turn, after]
            if empty and self.times is None:
                raise InvalidValueError(
                    f"{self!r} would search for ever, since a whole pass gave no item: repeat something that gives one"
                )
            at = None

    def length(self) -> float:
        return math.inf if self.times is None else self.times * self.upstream.length()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Take(Step):
    """The first `k` items; after the last one nothing more is read. A position is [taken, position before]."""

    k: int
    step: ClassVar = "take"
    counters: ClassVar = 1

    def open(self, epoch: int, position: Position) -> Items:
        taken, at = position or (0, None)
        if taken >= self.k:
            return
        for number, (item, after) in enumerate(self.upstream.open(epoch, at), taken + 1):
            yield item, [number, after]
            if number == self.k:
                return

    def length(self) -> float:
        return min(self.k, self.upstream.length())


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Prefetch(Step):
    """The same items, made by one background thread, up to `k` of them before they are asked for.

    A position is that of the stage before, after the last item that was delivered: those made ahead do not count.
    """

    k: int
    step: ClassVar = "prefetch"

    def open(self, epoch: int, position: Position) -> Items:
        items = self.upstream.open(epoch, position)
        if not self.k:
            yield from items
            return
        workers = Workers(1, "planted-prefetch")
        try:
            with workers, workers:  # also when the loop is abandoned or interrupted: what is running ends in one item
                for _ in range(self.k):
                    workers.submit(next, items, None)
                while pair := workers.result():
                    workers.submit(next, items, None)
                    yield pair
        finally:
            if workers.close():  # else the items are in use, and are closed when they are no longer used
                items.close()

    def length(self) -> float:
        return self.upstream.length()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BatchStep(Step):
    """Items stacked along a new leading axis, field by field, `size` at a time.

    A position is that of the stage before, after the last item of a batch: nothing is held between batches.
    """

    size: int
    drop_last: bool = False
    framework: str = "numpy"
    step: ClassVar = "batch"
    makes_batches: ClassVar = True

    def open(self, epoch: int, position: Position) -> Items:
        split = splitter(self.framework)
        items: list[Any] = []
        for item, at in self.upstream.open(epoch, position):
            items.append(item)
            if len(items) == self.size:
                yield stacked(items, split), at
                items = []
        if items and not self.drop_last:
            yield stacked(items, split), at

    def length(self) -> float:
        items = self.upstream.length()
        if items == math.inf:
            return items
        return items // self.size if self.drop_last else -(-items // self.size)


# ---- how it is done -------------------------------------------------------------------------------------------


def _called(step: str, f: Callable[..., Any], item: Any) -> Any:
    """The user's function of an item: of the fields of a tuple, of anything else as a whole."""
    try:
        return f(*item) if isinstance(item, tuple) else f(item)
    except TypeError as error:
        called = error.__traceback__ is not None and error.__traceback__.tb_next is not None  # and raised it then
        if called or _fits(f, item):
            raise
        if isinstance(item, tuple):
            names = ", ".join(("X", "y", "index")[: len(item)] if len(item) <= 3 else ["*fields"])
            gets = f"the {len(item)} parts of an item as so many arguments: use {step}(lambda {names}: ...)"
        else:
            gets = f"an item, of type {type(item).__name__}, as one argument: use {step}(lambda item: ...)"
        raise InvalidTypeError(f"{step}({name_of(f)}): {error}; it gets {gets}") from None


def _fits(f: Callable[..., Any], item: Any) -> bool:
    """Whether a function takes the arguments that an item makes, as far as that can be known."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # of what is not written in Python
        return True
    try:
        signature.bind(*(item if isinstance(item, tuple) else (item,)))
    except TypeError:
        return False
    return True


def _row_counts(item: Any) -> Iterator[int]:
    """The rows of each array in an item."""
    if isinstance(item, (tuple, list)):
        for part in item:
            yield from _row_counts(part)
    elif isinstance(item, Mapping):
        yield from _row_counts(list(item.values()))
    elif hasattr(item, "shape") and len(item.shape):
        yield int(item.shape[0])


def part(stage: Stage, first: int, step: int) -> Stage:
    """Every so-many-th item of a stage: what only maps items, or makes them ahead, meets no other item."""
    if isinstance(stage, (Map, Prefetch)):
        return replace(stage, upstream=part(stage.upstream, first, step))
    return Part(stage, first, step)
