"""Batches of any form are read, and what cannot be read is refused."""

import re

import numpy as np
import pytest
from streams import LOADER, ROWS, N, X, Y

import planted
from planted import audit
from planted.errors import InvalidTypeError, InvalidValueError


class Pair:
    """A form that no audit knows."""

    def __init__(self, X, y):
        self.features, self.target = X, y


FORMS = {
    "tuples": lambda: LOADER,
    "lists": lambda: map(list, LOADER),
    "responses of one axis": lambda: ((X, y[:, 0]) for X, y in LOADER),
    "three axes": lambda: [(X.reshape(10, 100, 2), Y.reshape(10, 100))],
    "lists of lists": lambda: ([X.tolist(), y.tolist()] for X, y in LOADER),
    "mappings": lambda: ({"X": X, "y": y} for X, y in LOADER),
    "mappings with numbers": lambda: (
        {"features": X, "label": y, "row": i, "more": 1} for X, y, i in planted.Loader(ROWS, with_index=True)
    ),
    "rows one by one": lambda: ROWS,
    "numbered rows one by one": lambda: ((x, y[0], i) for i, (x, y) in enumerate(ROWS)),
    "X alone": lambda: (X for X, _ in LOADER),
    "X alone, one by one": lambda: iter(X),
    "X alone in mappings": lambda: ({"x": X} for X, _ in LOADER),
    "X and y in one": lambda: (np.hstack(batch) for batch in LOADER),
    "X and y in one, one by one": lambda: np.hstack([X, Y]).tolist(),
    "numbers": lambda: range(N),
    "lists of numbers": lambda: np.arange(N).reshape(50, 20).tolist(),
    "tuples of numbers": lambda: zip(range(0, N, 2), range(1, N, 2), strict=True),
    "numbers in mappings": lambda: ({"index": i} for i in np.array_split(np.arange(N), 30)),
    "empty ones in between": lambda: ((X[:k], y[:k]) for X, y in LOADER for k in (0, 32, 0)),
    "a function": lambda: LOADER.read,
    "unsigned numbers": lambda: ((X, y, i.astype(np.uint16)) for X, y, i in planted.Loader(ROWS, with_index=True)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_batches_is_read(form):
    report = audit(FORMS[form](), ROWS)
    assert report.passed, report
    assert report.epochs[0].faults == ()
    assert report.epochs[0].rows == N


def test_a_row_of_one_feature_may_be_a_number():
    rows = planted.regression([2.0], n=100, noise=1.0)
    X, y = rows[:]
    for batches in (zip(X[:, 0], y[:, 0], strict=True), [(X[:, 0], y)], np.hstack([X, y]), [X], X, X[:, 0]):
        assert audit(batches, rows).passed


def test_a_form_of_ones_own_is_unpacked():
    batches = [Pair(X, y) for X, y in LOADER]
    assert audit(batches, ROWS, unpack=lambda pair: (pair.features, pair.target)).passed
    with pytest.raises(
        InvalidTypeError, match=r"batch 0: it is a Pair, in which X and y cannot be told apart: pass un"
    ):
        audit(batches, ROWS)


def test_tensors_are_read(torch):
    batches = [(torch.tensor(X, requires_grad=True), torch.tensor(y)) for X, y in LOADER]
    assert audit(batches, ROWS).passed
    half = [(X.bfloat16(), y.bfloat16()) for X, y in batches]
    assert audit(half, ROWS).epochs[0].precision == "bfloat16"
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 32, shuffle=True
    )
    assert audit(loader, ROWS, epochs=2, shuffled=True).passed


def test_batches_in_memory_that_is_written_again_are_read_in_time():
    """Some loaders fill the same arrays for each batch: each is copied before the next is asked for."""

    def batches():
        memory = [np.empty_like(array) for array in ROWS[:25]]
        for first in range(0, N, 25):
            for array, values in zip(memory, ROWS[first : first + 25], strict=True):
                array[:] = values
            yield tuple(memory)

    assert audit(batches(), ROWS).passed


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(X[:, :1], Y)], r"batch 0: X has shape \(1000, 1\), and rows have 2 features: pass unpack="),
        ([(X, Y[1:])], "batch 0: it has 1000 rows of X and 999 values of y"),
        ([(X, Y, [1, 2])], "batch 0: it has 1000 rows and 2 row numbers"),
        ([(X, Y, Y)], "batch 0: row numbers are float32; they must be integers"),
        ([(X, Y), (X, Y, np.arange(N))], "batch 1: it holds X and y and row numbers, those before it X and y"),
        ([{"image": X, "y": Y}], r"batch 0: it has the keys \['image', 'y'\], none of which is 'X'"),
        ([(X, Y, 3, 4)], r"batch 0: it is a tuple of 4 parts \(ndarray, ndarray, int, int\)"),
        ([([[1, 2], [3]], [1, 2])], "batch 0: X (is not an array of numbers|holds object values)"),
        ([[1.0, [2.0]]], "batch 0: it is a list, in which X and y cannot be told apart"),
        ([(X.astype(str), Y)], "batch 0: X holds <U32 values; they must be real numbers"),
        (["a text"], "batch 0: it is a str, in which X and y cannot be told apart"),
        ([None], "batch 0: it is a NoneType, in which"),
    ],
)
def test_batches_that_cannot_be_read_are_refused(batches, message):
    with pytest.raises((InvalidValueError, InvalidTypeError), match=message):
        audit(batches, ROWS)


def test_bad_settings_are_refused_before_anything_is_read():
    class Unreadable:
        def __iter__(self):
            raise AssertionError

    for settings_, message in [
        ({"epochs": 0}, "epochs=0 must be an integer, at least 1"),
        ({"epochs": True}, "epochs=True is a bool"),
        ({"ranks": 2}, "ranks=2 must be True or False"),
        ({"ranks": True}, "Unreadable must be a list, with a loader for each rank"),
        ({"shuffled": "yes"}, "shuffled='yes' must be True or False"),
        ({"drop_last": None}, "drop_last=None must be True or False"),
        ({"resume": 3}, "resume is a int; it must be a function"),
        ({"unpack": 3}, "unpack is a int; it must be a function"),
        ({"alpha": 0}, "alpha=0.0 must lie between 0 and 1"),
        ({"alpha": "5%"}, "alpha holds"),
    ]:
        with pytest.raises((InvalidValueError, InvalidTypeError), match=re.escape(message)):
            audit(Unreadable(), ROWS, **settings_)
    with pytest.raises(InvalidTypeError, match="batches of type int cannot be iterated over"):
        audit(3, ROWS)
    with pytest.raises(InvalidTypeError, match="batches of type str cannot be iterated over"):
        audit("loader", ROWS)
    with pytest.raises(InvalidTypeError, match="rows of type int must have a length and take"):
        audit(LOADER, 3)
    for batches, ranks in ((iter(LOADER), False), ([LOADER, iter(LOADER)], True)):
        with pytest.raises(InvalidValueError, match="batches is an iterator, which can be read once"):
            audit(batches, ROWS, ranks=ranks, epochs=2)
    with pytest.raises(InvalidValueError, match=r"are more than the 2\^31 - 1 that an audit can count"):
        audit(LOADER, planted.regression([1.0], n=2**31))


def test_what_functions_return_is_refused_alike():
    batches = list(LOADER)
    for message, give in [
        (r"batches\(0\) of type NoneType cannot be iterated over", lambda: audit(lambda _: None, ROWS)),
        (r"batches\(0\) of type Loader must be a list, with", lambda: audit(lambda _: LOADER, ROWS, ranks=True)),
        (r"batches of type int cannot be iterated over", lambda: audit([LOADER, 3], ROWS, ranks=True)),
        (r"resume\(1\) of type int cannot be", lambda: audit(batches, ROWS, resume=lambda k: 3 if k else batches)),
    ]:
        with pytest.raises(InvalidTypeError, match=message):
            give()
