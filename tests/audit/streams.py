"""Rows of which a test knows everything, and streams of them that it may spoil before it hands them to an audit."""

import numpy as np

import planted
from planted._audit.report import KINDS

N, B = 1_000, 32
ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=N, seed=714)
X, Y = ROWS[:]
LOADER = planted.Loader(ROWS, B)


class Stream:
    """Rows in a shuffled order, as arrays to be tampered with, and then cut into batches."""

    def __init__(self, rows=ROWS, seed=0, order=None):
        self.numbers = np.array(planted.permutation(len(rows), seed) if order is None else order)
        self.X, self.y = (np.array(array) for array in rows.take(self.numbers))

    def batches(self, index=False, size=B):
        for first in range(0, len(self.numbers), size):
            part = slice(first, first + size)
            yield (self.X[part], self.y[part], self.numbers[part])[: 3 if index else 2]

    def keep(self, places):
        self.numbers, self.X, self.y = self.numbers[places], self.X[places], self.y[places]


class Table:
    """Rows of one's own: a length and a take, and nothing else."""

    def __init__(self, X, y):
        self.X, self.y = np.array(X), np.array(y)

    def __len__(self):
        return len(self.X)

    def take(self, numbers):
        return self.X[numbers], self.y[numbers]


def found(report):
    """How many rows have each fault, of those that were found."""
    return {kind: getattr(report, kind).count for kind in KINDS if getattr(report, kind).count}


# ---- faults that several tests put into a stream, and how many rows then have which ----


def drop(stream):
    stream.keep(np.delete(np.arange(N), [3, 500, 999]))
    return {"missing": 3}


def swap_responses(stream):
    stream.y[[7, 8]] = stream.y[[8, 7]]
    return {"mixed": 2}


def flip_a_bit(stream):
    stream.X.view(np.uint32)[300, 1] ^= 1 << 3
    return {"altered": 1}
