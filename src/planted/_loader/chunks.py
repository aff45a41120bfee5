"""Chunks: filled ahead by background threads, and cut into batches."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar

from planted._machine import BACKGROUND, Workers, cores

SPLIT_BATCHES: Final = 512  # batches split off at once: the views of many thousands would drive rows out of the caches

Request = TypeVar("Request")


class FilledChunk(NamedTuple):
    """Its arrays (X, y and perhaps row numbers), to be split into batches of `size` rows."""

    arrays: tuple[Any, ...]
    size: int

    def parts(self) -> Iterator[tuple[Any, ...]]:
        """The arrays, `SPLIT_BATCHES` batches at a time."""
        rows = SPLIT_BATCHES * self.size
        if len(self.arrays[0]) <= rows:
            yield self.arrays
            return
        for first in range(0, len(self.arrays[0]), rows):
            yield tuple(array[first : first + rows] for array in self.arrays)


def filled_chunks(
    requests: Iterator[Request],
    fill: Callable[[Request], FilledChunk],
    ahead: int,
    close: Callable[[], object] | None = None,
) -> Iterator[FilledChunk]:
    """The chunks that were requested: `ahead` of them filled by background threads before they are asked for.

    At the end, or when the iterator is dropped or interrupted, `close` is called; what is being filled ends within one
    chunk.
    """
    if not ahead and close is None:
        yield from map(fill, requests)
        return
    # `close` comes before jobs are cancelled: a chunk may wait for what only those chunks give back
    workers = Workers(min(ahead, cores()), BACKGROUND, close)
    with workers, workers:
        if not ahead:
            yield from map(fill, requests)
            return
        for request in itertools.islice(requests, ahead):
            workers.submit(fill, request)
        while workers:
            for request in itertools.islice(requests, 1):
                workers.submit(fill, request)
            yield workers.result()
