"""The buffered shuffle: a random order of a stream that need not fit in memory, and need not end.

As in ``tf.data``: the buffer is filled, then a random item leaves and the next one takes its slot; at the end the
buffer is emptied.

Emission t leaves from slot ``floor(u r / 2^64)`` of the r slots that hold an item. u is words 0 and 1 (low first) of
Philox at counter (t, 0, 0, 0), with words 0 and 1 of the key of purpose "buffer" and of the seed, the epoch and the
salt. While items come, the next one fills the slot that became empty; when none are left, the last slot's item does.
So which item is in which slot can be computed backwards from t, without the items and without what went before.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from planted._pipeline.stages import Items, Position
from planted._pipeline.steps import Step
from planted._random import key_words, row_words
from planted.errors import StateError

CHOICES_AT_ONCE: Final = 1024

Key: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class BufferedShuffle(Step):
    """Items in random order, through a buffer of `size` of them.

    A position is [emitted, total, position before]: how many items left; how many there are, or 0 while that is not
    known; and where, in the stage before, the oldest item in the buffer comes from. From there items are read again:
    about size ln(size) of them, wherever the epoch is.
    """

    size: int
    seed: int = 0
    salt: str = ""
    step: ClassVar = "buffered_shuffle"
    counters: ClassVar = 2

    def open(self, epoch: int, position: Position) -> Items:
        """With the buffer as it was at that position; at the start every slot waits for its first item."""
        emitted, total, at = position or (0, 0, None)
        k0, k1, *_ = key_words("buffer", self.seed, salt=self.salt, epoch=epoch)
        key = (k0, k1)
        buffer: list[Any] = []  # grows with the items, which may be few
        place: Callable[[int], int | None] = int  # the slot of an item: at the start, of each the next
        first, last, hole = 0, self.size - 1, self.size - 1  # with the last one the buffer is full
        if position:
            contents = self._contents(key, emitted, total)
            if not contents:
                return
            buffer = [None] * len(contents)
            place = {number: slot for slot, number in enumerate(contents)}.get
            first, last = min(contents), max(contents)
            hole = contents.index(last)
        choices = self._choices(key, emitted)
        before: OrderedDict[int, Position] = OrderedDict()  # of each item in the buffer, oldest first
        number = first - 1  # of the last item that came
        for number, (item, after) in enumerate(self.upstream.open(epoch, at), first):
            slot = place(number) if number <= last else hole
            if slot is not None:
                buffer[slot : slot + 1], before[number] = [(number, item)], at
            at = after
            if number < last:
                continue
            if total:
                break
            hole = next(choices)
            leaving, out = buffer[hole]
            del before[leaving]
            emitted += 1
            yield out, [emitted, 0, next(iter(before.values()), at)]
        if emitted and number < (last if total else last - 1):
            raise StateError(
                f"{self.upstream!r} ended after {number + 1} items, and had given more when the state was saved: "
                "resume with the same source"
            )
        if not total:
            total = number + 1
            _close(buffer, hole)
        for leaving, out in _drained(buffer, _slots(key, emitted, np.arange(len(buffer), 0, -1))):
            del before[leaving]
            emitted += 1
            yield out, [emitted, total, next(iter(before.values()), at)]

    def _choices(self, key: Key, first: int) -> Iterator[int]:
        """The slots of the emissions while items come."""
        for start in count(first, CHOICES_AT_ONCE):
            yield from _slots(key, start, np.full(CHOICES_AT_ONCE, self.size)).tolist()

    def _contents(self, key: Key, emitted: int, total: int) -> list[int]:
        """Which item each slot holds after `emitted` emissions; of the empty slot, the item that it waits for."""
        if not total:
            return self._filled(key, emitted)
        steady = max(0, total - self.size + 1)
        contents = list(range(total))  # of a buffer that was never full
        if steady:
            contents = self._filled(key, steady)
            _close(contents, contents.index(max(contents)))
        slots = _slots(key, steady, np.arange(len(contents), 0, -1))
        deque(islice(_drained(contents, slots), emitted - steady), maxlen=0)
        return contents

    def _filled(self, key: Key, emitted: int) -> list[int]:
        """The same while items come: each slot holds what came after the last emission from it, size items later."""
        contents = np.full(self.size, -1)
        stop = emitted
        while stop and (contents < 0).any():
            start = max(0, stop - max(self.size, CHOICES_AT_ONCE))
            slots = _slots(key, start, np.full(stop - start, self.size))
            latest = contents[slots] < 0
            np.maximum.at(contents, slots[latest], np.arange(start, stop)[latest] + self.size)
            stop = start
        filled: list[int] = np.where(contents < 0, np.arange(self.size), contents).tolist()
        return filled

    def length(self) -> float:
        return self.upstream.length()


def _slots(key: Key, first: int, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The slots, each below its size, of emissions `first`, `first` + 1, ..."""
    w0, w1, _, _ = row_words(np.arange(first, first + len(sizes), dtype=np.uint64), 0, key)
    # floor(u r / 2^64) by halves: sizes are below 2^32, so neither product overflows
    r, half = sizes.astype(np.uint64), np.uint64(32)
    return ((w1.astype(np.uint64) * r + ((w0.astype(np.uint64) * r) >> half)) >> half).astype(np.int64)


def _close(slots: list[Any], hole: int) -> None:
    """Give up the slot that no item will fill: the one that the last emission emptied, if there was one."""
    if hole < len(slots):
        slots[hole] = slots[-1]
        slots.pop()


def _drained(contents: list[Any], slots: npt.NDArray[np.int64]) -> Iterator[Any]:
    """What the slots hold, until nothing is left; the last slot's item moves into the one that became empty."""
    for slot in slots.tolist():
        chosen, contents[slot] = contents[slot], contents[-1]
        contents.pop()
        yield chosen
