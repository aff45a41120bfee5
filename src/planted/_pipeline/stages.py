"""A stage: a source of items, or a source and the steps that follow it.

A stage can be opened at any *position* of any epoch, and then gives pairs of an item and the position after it. A
position is an integer, or a list of integers and of the position in the stage before; None is the start of the epoch.
It is all that a saved state holds: no item is ever in it.
"""

import reprlib
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping
from functools import partial
from typing import Any, ClassVar, TypeAlias

from planted._rows import earlier_fingerprint
from planted.errors import InvalidTypeError

Position: TypeAlias = Any
Items: TypeAlias = Generator[tuple[Any, Position], None, None]


class Stage(ABC):
    """A source (`sources`), or a step and the stages before it (`steps`, `buffer`)."""

    __slots__ = ()
    counters: ClassVar[int] = 0  # how many integers stand in its position, before that of the stage before
    makes_batches: ClassVar[bool] = False  # whether its items are minibatches

    @abstractmethod
    def open(self, epoch: int, position: Position) -> Items:
        """The items after a position, each with the position after it."""

    @abstractmethod
    def length(self) -> float:
        """How many items an epoch has: an integer, or infinity; an `InvalidTypeError` if that is not known."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """What a saved state must agree with, for JSON."""

    @abstractmethod
    def chain(self) -> list["Stage"]:
        """The source and the steps after it, in this order."""

    def unmeasured(self, reason: str) -> InvalidTypeError:
        """The error that the stage has no length."""
        return InvalidTypeError(f"{self!r} has no length, since {reason}: count the items while reading them")


# ---- states ---------------------------------------------------------------------------------------------------


def difference(found: Any, expected: list[dict[str, Any]], rows: Any = None) -> str:
    """In what the steps of a state differ from the expected ones, those of these rows; empty if they do not."""
    names = [step.get("step") if isinstance(step, Mapping) else step for step in found] if _listed(found) else [found]
    if names != [step["step"] for step in expected]:
        written = " -> ".join(step["step"] for step in expected)
        return f"has the steps {' -> '.join(map(str, names))}, this pipeline {written}"
    for old, new in zip(found, expected, strict=True):
        for name in sorted({*old, *new}, key=str):
            if old.get(name) != new.get(name):
                if name == "rows" and old.get(name) and old[name] == earlier_fingerprint(rows):
                    continue
                return f"has {new['step']} {name}={short(old.get(name))}, this pipeline {name}={new.get(name)!r}"
    return ""


def is_position(stages: list[Stage], position: Position) -> bool:
    """Whether a position can be one of these stages: counters of each step, and the source's number, or None."""
    for stage in reversed(stages):
        if position is None:
            return True
        if stage.counters:
            if not _listed(position) or len(position) != stage.counters + 1 or not all(map(_counter, position[:-1])):
                return False
            position = position[-1]
    return position is None or _counter(position)


def _listed(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _counter(value: Any) -> bool:
    return type(value) is int and value >= 0


# ---- texts ----------------------------------------------------------------------------------------------------


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
