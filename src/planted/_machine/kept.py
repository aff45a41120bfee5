"""Values that are kept for whoever asks next, such as blocks that were decoded: each is made once, the oldest go."""

import os
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by number. The first thread to ask makes a value, others wait for it; what fails is not kept."""

    __slots__ = ("_futures", "_process")

    def __init__(self) -> None:
        self._futures: dict[int, Future[Value]] = {}
        self._process = os.getpid()

    def __len__(self) -> int:
        """How many values are kept or being made."""
        return len(self._futures)

    def get(self, number: int, make: Callable[[], Value], most: int) -> Value:
        """The value of this number, made unless it is kept; then no more than `most` are kept."""
        if os.getpid() != self._process:  # after a fork: what threads were about to make, none of them will
            self._futures, self._process = {}, os.getpid()
        mine: Future[Value] = Future()
        try:
            future = self._futures.setdefault(number, mine)
            if future is mine:
                mine.set_result(make())
                drop_oldest(self._futures, most)
        except BaseException as error:  # an interrupt, too: whoever waits must not wait for ever
            if self._futures.get(number) is mine:
                self._futures.pop(number, None)
            if not mine.done():
                mine.set_exception(error)
            raise
        return future.result()


def drop_oldest(kept: dict[int, Any], limit: int) -> None:
    """Drop the oldest entries of a cache until it has no more than `limit`; threads may all be at it at once."""
    while len(kept) > limit:
        with suppress(StopIteration, RuntimeError):  # it was empty, or changed, before its oldest key was read
            kept.pop(next(iter(kept)), None)
