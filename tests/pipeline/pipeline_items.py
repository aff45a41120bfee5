"""What the tests of pipelines share: sources and functions of a user's own, and when items are equal."""

import itertools

import numpy as np

import planted

TRUTH = planted.LinearTruth([2.0, -3.4], 4.2, 0.01)


def assert_same(found, expected):
    """Equal items: of one structure, and bit for bit."""
    assert type(found) is type(expected)
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            assert_same(a, b)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert_same(list(found.values()), list(expected.values()))
    else:
        np.testing.assert_array_equal(found, expected)
        assert (np.shape(found), np.asarray(found).dtype) == (np.shape(expected), np.asarray(expected).dtype)


class Again:
    """An iterable of one's own, without a length."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class Counting(list):
    """A list that knows which of its items were read."""

    def __init__(self, items):
        super().__init__(items)
        self.read = []

    def __getitem__(self, number):
        self.read.append(number)
        return super().__getitem__(number)


class Untouchable:
    """A source that must not be read."""

    def __iter__(self):
        raise AssertionError


def plus(*fields):
    """Every field of an item, plus one; the structure stays."""
    more = tuple(field + 1 for field in fields)
    return more if len(more) > 1 else more[0]


def last_field(*fields):
    return fields[-1]


def fail_at_third():
    seen = itertools.count(1)

    def f(*fields):
        if next(seen) == 3:
            raise ZeroDivisionError("the third")
        return fields

    return f


def unlucky(x):
    if x == 5:
        raise KeyError("unlucky")
    return x
