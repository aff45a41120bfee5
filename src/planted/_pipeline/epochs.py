"""Epochs: where a reading stands, for a `Loader` and a `Pipeline` alike."""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn

from planted._input import integer
from planted._pipeline.stages import Position, short
from planted._types import Item
from planted.errors import InvalidTypeError

ELSEWHERE: Final = {  # what other libraries' streams have, and where it is here
    "shuffle": "buffered_shuffle(size), or the shuffle=True of a planted.Loader, which mixes all rows",
    "cache": "rows.materialize(), which keeps computed rows in memory",
    "dataset": "the rows themselves, loader.rows",
    "collate_fn": "map(f), with a function of a whole batch",
    "apply": "map(f)",
    "skip": "read(epoch, k), which begins at item or batch k",
    "unbatch": "planted.Pipeline(rows), which gives one row after another",
}

_locks: dict[int, threading.RLock] = {}  # one a process: none of a parent's is held in a fork


def _lock() -> "threading.RLock":
    """For beginning an epoch; not the reader's own, which could not be pickled then."""
    return _locks.setdefault(os.getpid(), threading.RLock())


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
        """The items of the next epoch, which begins with the first of them: an iterator left unread costs none."""
        with _lock():  # two threads begin two epochs
            epoch, position = self._next
            self._next = (epoch + 1, None)
            self._cursor = cursor = Cursor(epoch, position)
        yield from self._items(cursor)

    @property
    def epoch(self) -> int:
        """The epoch that the next ``for`` reads."""
        return self._next[0]

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``for`` read this epoch, from its start."""
        self._go_to(epoch, None)

    def _where(self) -> tuple[int, Position]:
        """The epoch and position that a state saves."""
        cursor = self._cursor  # once: another thread may begin an epoch
        return self._next if cursor is None else (cursor.epoch, cursor.position)

    def _go_to(self, epoch: object, position: Position, name: str = "epoch") -> None:
        number = integer(epoch, name, minimum=0, remedy="epochs count from 0")
        with _lock():
            self._next = (number, position)
            self._cursor = None

    # ---- what it is not: an array, or a list ---------------------------------------------------------------------

    def __getitem__(self, index: object) -> NoReturn:
        """Refused, with what to write instead: items come in the order of an epoch, not by number."""
        kind = type(self).__name__
        raise InvalidTypeError(
            f"{kind.lower()}[{short(index)}]: a {kind} gives its items in order, not by number: use a for loop or "
            f"next(iter({kind.lower()})); for rows by number, the rows themselves; inside torch's DataLoader, "
            f"planted.torch.IterableDataset({kind.lower()}) with batch_size=None"
        )

    def __array__(self, dtype: object = None, copy: object = None) -> NoReturn:
        """Refused, with what to write instead: NumPy would make it a single object."""
        raise InvalidTypeError(self._no_array())

    if not TYPE_CHECKING:  # or checkers would accept every name

        def __getattr__(self, name: str) -> Any:
            """What arrays have and this lacks: Keras takes what has `__array__` for one, and asks for its shape."""
            message = f"{type(self).__name__!r} object has no attribute {name!r}"
            if name == "shape":
                message = self._no_array()
            elif name in ELSEWHERE:
                message += f": use {ELSEWHERE[name]}"
            raise AttributeError(message, name=name, obj=self)

    def _no_array(self) -> str:
        kind = type(self).__name__
        return (
            f"a {kind} is not an array: use rows[:] for the arrays X and y of all rows, or next(iter({kind.lower()})) "
            f"for one batch; for Keras, model.fit(planted.tensorflow.dataset({kind.lower()}), shuffle=False)"
        )
