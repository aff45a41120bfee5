"""Epochs: where a reading stands, for a `Loader` and a `Pipeline` alike."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from planted._input import integer
from planted._pipeline.stages import Position

Item = TypeVar("Item")


@dataclass(slots=True)
class Cursor:
    """Where an iterator is: its epoch, and the position after the last item that it delivered."""

    epoch: int
    position: Position


class Epochs(ABC, Generic[Item]):
    """What can be read epoch after epoch, and knows where it stands; each ``for`` is the next epoch."""

    def __init__(self) -> None:
        self._next: tuple[int, Position] = (0, None)
        self._cursor: Cursor | None = None  # of the iterator that was begun last

    @abstractmethod
    def _items(self, cursor: Cursor) -> Iterator[Item]:
        """The items after the cursor, which goes with them."""

    def __iter__(self) -> Iterator[Item]:
        """The items of the next epoch."""
        epoch, position = self._next
        self._next = (epoch + 1, None)
        self._cursor = cursor = Cursor(epoch, position)
        return self._items(cursor)

    @property
    def epoch(self) -> int:
        """The epoch that the next ``for`` reads."""
        return self._next[0]

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``for`` read this epoch, from its start."""
        self._go_to(epoch, None)

    def _where(self) -> tuple[int, Position]:
        """The epoch and position that a state saves."""
        return self._next if self._cursor is None else (self._cursor.epoch, self._cursor.position)

    def _go_to(self, epoch: object, position: Position, name: str = "epoch") -> None:
        self._next = (integer(epoch, name, minimum=0, remedy="epochs count from 0"), position)
        self._cursor = None
