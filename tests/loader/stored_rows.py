"""Rows in blocks, as a disk has them, but in memory; and what the tests of loaders ask of them."""

import numpy as np

import planted
from planted._order import BlockOrder, Blocks

TRUTH = planted.LinearTruth([2.0, -3.4], 4.2, 0.01)
ROW_BYTES = 12


class Stored:
    """Rows in blocks, as a disk has them, but in memory: with a record of what is read; slow or faulty if wanted."""

    def __init__(self, rows, edges, *, readers=2, merge_factors=(1, 2, 4), at_once=1):
        self.rows, self.edges, self.readers, self.merge_factors, self.at_once = (
            rows,
            list(edges),
            readers,
            merge_factors,
            at_once,
        )
        self.table = np.concatenate([rows.X, rows.y], axis=1)
        self.forget()
        self.before = lambda start: None  # called before a block is loaded, with the number of its first row

    def __getattr__(self, name):
        if name not in ("n", "features", "dtype", "take", "fingerprint", "truth", "seed", "X", "y"):
            raise AttributeError(name)
        return getattr(self.rows, name)

    def __len__(self):
        return self.rows.n

    def __repr__(self):
        return "<stored>"

    def forget(self):
        self.loaded, self.expected = [], []

    def partition(self, merged=1):
        return Blocks.from_edges([*self.edges[:-1:merged], self.edges[-1]])

    def load(self, blocks, indices, arena, places):
        assert len(indices) == len(places) > 0
        assert arena.flags.c_contiguous
        assert (arena.shape[1], arena.dtype) == (self.rows.features + 1, self.rows.dtype)
        for index, place in zip(indices[: self.at_once].tolist(), places.tolist(), strict=False):
            start, stop = blocks.bounds(index)
            assert (start, stop) in self.expected, "a block is expected before it is loaded"
            out = arena[place : place + stop - start]
            assert len(out) == stop - start
            out[:] = np.nan
            self.before(start)
            out[:] = self.table[start:stop]
            self.loaded.append((start, stop))
        return min(self.at_once, len(indices))

    def readahead(self, blocks, indices):
        self.expected += map(blocks.bounds, indices.tolist())


def stored(n=1000, size=10, first=0, **options):
    """Rows in equal blocks."""
    rows = planted.rows(TRUTH, n, seed=1)
    return Stored(rows, [0, *range(first or size, n, size), n] if n else [0], **options)


def memory_for(slots, source, merged=1):
    """A budget that has room for so many blocks."""
    return -(-slots * source.partition(merged).size * ROW_BYTES * 8 // 7) + 8


def order_of(loader, epoch):
    """The order that a loader should have, from its plan."""
    return BlockOrder(loader._plan.blocks, loader._plan.pool, loader.seed, epoch, loader.salt)


def numbers(batches):
    """The row numbers of each batch."""
    return [batch[-1].tolist() for batch in batches]
