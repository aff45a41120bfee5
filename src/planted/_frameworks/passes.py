"""Passes: which epoch each reading of a dataset is, agreed by all processes that read it.

A *pass* is one reading of all batches, in this process or by some workers together. Torch may start workers anew for
each pass, so none of them can count; but it gives all workers of a pass one base seed, which tells passes apart. What
is agreed is in memory that the processes share: the epoch that comes next, and which epoch each of the latest passes
is. Whoever comes first in a pass takes the next epoch for it; the others find it there.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np

from planted._machine import compare_and_swap
from planted.errors import MissingDependencyError, StateError

try:
    import torch
except ImportError as error:
    raise MissingDependencyError("planted.torch needs PyTorch: pip install 'planted[torch]'") from error

# The shared numbers: a lock; how often an epoch was set; the epoch that comes next and the batch that it begins with;
# how many passes workers have begun; whether the latest reading was theirs. After them the latest passes of workers.
LOCK, TIMES, EPOCH, BATCH, COUNT, ELSEWHERE, HEAD = range(7)
KEY, OF_EPOCH, FROM_BATCH, SEEN, FIELDS = range(5)
REMEMBERED: Final = 64  # passes that may begin side by side
PATIENCE: Final = 5.0  # seconds; whoever holds the lock for so long, instead of microseconds, was killed with it


class Pass(NamedTuple):
    """A reading: its epoch, the batch that it begins with, and whether an earlier one looked just like it."""

    epoch: int
    batch: int
    again: bool = False


class Passes:
    """Which epoch comes next, for this process and all workers that it starts."""

    def __init__(self) -> None:
        self._shared = torch.zeros(HEAD + REMEMBERED * FIELDS, dtype=torch.int64).share_memory_()
        self._times = 0  # how often an epoch had been set when it was set here, or, in a worker, when that was started
        self._began = 0  # the same, which a worker's own `set` does not change: all workers of a pass have it in common
        self._begun = 0  # how many passes this worker has begun

    def set(self, epoch: int, batch: int = 0) -> None:
        """Let the next pass be of this epoch, from this batch on."""
        with self._agreed() as (head, _):
            head[TIMES] += 1
            head[EPOCH], head[BATCH], head[ELSEWHERE] = epoch, batch, 0
            self._times = int(head[TIMES])
            if torch.utils.data.get_worker_info() is None:
                self._began = self._times

    def next(self) -> tuple[int, int]:
        """The epoch and batch of the next pass, as far as this process can know.

        Raises
        ------
        StateError
            If the latest reading was that of workers: only they know how far it is.
        """
        head = self._shared.numpy()
        if head[ELSEWHERE] and torch.utils.data.get_worker_info() is None:
            raise StateError(
                "the rows were read in worker processes, and this one does not know how far: save the state of "
                "torchdata's StatefulDataLoader, which asks its workers, or read with num_workers=0"
            )
        return int(head[EPOCH]), int(head[BATCH])

    def begin(self, worker: Any = None) -> Pass:
        """Begin a pass, in this process or as one of its workers."""
        with self._agreed() as (head, passes):
            if worker is None:
                head[ELSEWHERE] = 0
                return self._take(head)
            # Begun before the epoch was set, and late: it must not take the epoch from those after it.
            late = self._begun == 0 and self._times != head[TIMES]
            found = self._find(worker, passes)
            if found is None:
                epoch, batch = (int(head[EPOCH]), int(head[BATCH])) if late else self._take(head)[:2]
                found = self._remember(worker, head, passes, epoch, batch)
            elif not late and found[OF_EPOCH] == head[EPOCH]:  # another worker has set it again, for this very pass
                self._take(head)
            again = worker.id == 0 and bool(found[SEEN])
            found[SEEN] |= worker.id == 0
            head[ELSEWHERE] = 1
            self._begun += 1
            return Pass(int(found[OF_EPOCH]), int(found[FROM_BATCH]), again)

    def resume(self, worker: Any, epoch: int) -> None:
        """Begin a pass, as a worker whose saved state says which epoch it is; the next one follows it."""
        with self._agreed() as (head, passes):
            found = self._find(worker, passes)
            if found is None:
                found = self._remember(worker, head, passes, epoch, 0)
            found[OF_EPOCH], found[SEEN] = epoch, 1
            head[EPOCH], head[BATCH], head[ELSEWHERE] = epoch + 1, 0, 1
            self._begun += 1

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy has shared memory of its own; in a worker that is spawned it is the memory of the original."""
        self.__dict__.update(state)
        self._shared.share_memory_()

    def _take(self, head: Any) -> Pass:
        taken = Pass(int(head[EPOCH]), int(head[BATCH]))
        head[EPOCH], head[BATCH] = taken.epoch + 1, 0
        return taken

    def _key(self, worker: Any) -> int:
        """What the workers of a pass have in common, and no others: torch adds a worker's number to the base seed."""
        return hash((self._began, worker.seed - worker.id, self._begun)) & (2**63 - 1) | 1

    def _find(self, worker: Any, passes: Any) -> Any:
        at = np.flatnonzero(passes[:, KEY] == self._key(worker))
        return passes[at[0]] if at.size else None

    def _remember(self, worker: Any, head: Any, passes: Any, epoch: int, batch: int) -> Any:
        place = passes[head[COUNT] % REMEMBERED]
        place[:] = self._key(worker), epoch, batch, 0
        head[COUNT] += 1
        return place

    @contextmanager
    def _agreed(self) -> Iterator[tuple[Any, Any]]:
        """The shared numbers, for this process alone."""
        shared = self._shared.numpy()
        patient_until = time.monotonic() + PATIENCE
        while not compare_and_swap(shared, LOCK, 0, 1) and time.monotonic() < patient_until:
            time.sleep(1e-4)
        try:
            yield shared, shared[HEAD:].reshape(REMEMBERED, FIELDS)
        finally:
            compare_and_swap(shared, LOCK, 1, 0)
