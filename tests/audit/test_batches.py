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
    "mappings with other words": lambda: ({"data": X, "target": y, "id": i} for i, (X, y) in enumerate(LOADER)),
    "mappings of columns": lambda: ({"x0": X[:, 0], "x1": X[:, 1], "y": y} for X, y in LOADER),
    "tuples of X alone": lambda: ([X] for X, _ in LOADER),
    "planted's batches": lambda: [ROWS[:500], ROWS[500:]],
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
        (
            [(X[:, 1:], Y)],
            r"batch 0: X has shape \(1000, 1\), and rows have 2 features; column by column it is X\[1\]: pass unpack=",
        ),
        (
            [(np.hstack([np.ones((N, 1)), X]), Y)],
            r"features; column by column it is 1 in every row, X\[0\], X\[1\]: pass",
        ),
        ([(np.hstack([X, X[:, :1]]), Y)], r"features; column by column it is X\[0\], X\[1\], X\[0\]: pass"),
        ([(np.hstack([X, Y]), Y)], r"features; column by column it is X\[0\], X\[1\], y: pass"),
        ([(Y, X)], r"features; column by column it is y: pass"),
        ([(X.T, Y)], r"X has shape \(2, 1000\), and rows have 2 features; it may be transposed: pass"),
        ([(np.ones((N, 3)) * np.arange(N)[:, np.newaxis], Y)], r"and rows have 2 features: pass"),
        ([(X, Y, ["a"] * N)], r"row numbers are <U1; they must be integers: if the third part .* batch: batch\[:2\]"),
        ([(X, Y[1:])], "batch 0: it has 1000 rows of X and 999 values of y"),
        ([(X, Y, [1, 2])], "batch 0: it has 1000 rows and 2 row numbers"),
        ([(X, Y, Y)], "batch 0: row numbers are float32; they must be integers"),
        ([(X, Y), (X, Y, np.arange(N))], "batch 1: it holds X and y and row numbers, those before it X and y"),
        ([{"image": X, "y": Y}], r"batch 0: it has the keys \['image', 'y'\], none of which is 'X'"),
        ([(X, Y, 3, 4)], r"batch 0: it is a tuple of 4 parts \(ndarray, ndarray, int, int\)"),
        ([([[1, 2], [3]], [1, 2])], "batch 0: X is not an array, but lists of unequal length"),
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
        ({"alpha": "5%"}, "alpha='5%' must be a real number"),
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


def test_arguments_in_another_order_or_of_another_kind_are_told():
    for batches, rows, message in [
        (ROWS, LOADER, "the arguments are in the other order: planted.audit(batches, rows)"),
        (ROWS, [(X, Y)], "the arguments are in the other order: planted.audit(batches, rows)"),
        (LOADER, LOADER, "rows of type Loader deliver batches: use the rows that the batches should hold, as in"),
        (LOADER, X, "rows of type ndarray are values alone: use planted's rows, or an object with a length and take"),
        (LOADER, (X, Y), "rows of type tuple must have a length and take(row_numbers)"),
        ((X, Y), ROWS, "batches are the arrays X and y: put them into a list of one batch, [(X, y)]"),
        (ROWS[:], ROWS, "batches are the arrays X and y: put them into a list of one batch, [(X, y)]"),
        (planted.Loader, ROWS, "batches is the class Loader: make a loader of it, Loader(...)"),
    ]:
        with pytest.raises(InvalidTypeError, match=re.escape(message)):
            audit(batches, rows)


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (
            lambda i: {"X": X[i], "y": Y[i]},
            "take of rows of type Own returned something of type dict; it must return (X, y)",
        ),
        (lambda i: (X[i], Y[i], i), "returned something of type tuple of 3 parts; it must return (X, y)"),
        (lambda i: X[i], "returned something of type ndarray; it must"),
        (lambda i: None, "returned something of type NoneType; it must"),
        (lambda i: (X[i, 0], Y[i]), "returned X of shape (1,) and y of shape (1, 1) for 1 row numbers; it must"),
        (lambda i: (X[:1], Y[:1]), "returned X of shape (1, 2) and y of shape (1, 1) for 1000 row numbers; it must"),
        (lambda i: (X[i], X[i]), "returned X of shape (1, 2) and y of shape (1, 2) for 1 row numbers; it must"),
        (
            lambda i: (X[i].astype(str), Y[i]),
            "X that take of rows of type Own returned holds <U32 values; they must be real",
        ),
    ],
)
def test_rows_of_ones_own_must_give_X_and_y(take, message):
    class Own:
        def __len__(self):
            return N

        def take(self, numbers):
            return take(numbers)

    with pytest.raises((InvalidTypeError, InvalidValueError), match=re.escape(message)):
        audit(LOADER, Own())


@pytest.mark.parametrize("form", ["arrays", "one axis", "lists", "Batch", "features of another meaning"])
def test_rows_of_ones_own_need_a_length_and_a_take_alone(form):
    class Own:
        truth = ROWS.truth

        def __len__(self):
            return N

        def take(self, numbers):
            X, y = ROWS.take(numbers)
            return {"one axis": (X, y[:, 0]), "lists": (X.tolist(), y.tolist()), "Batch": ROWS.take(numbers)}.get(
                form, (X, y)
            )

    own = Own()
    if form == "features of another meaning":
        own.n, own.features, own.dtype = 3, ["x0", "x1"], "object"
    assert isinstance(own, planted.Rows)
    report = audit(LOADER, own, epochs=2, shuffled=True)
    assert report.passed, report
    assert report.rows == N


def test_rows_of_ones_own_may_be_tensors(torch):
    class Own:
        def __len__(self):
            return N

        def take(self, numbers):
            X, y = ROWS.take(numbers)
            return torch.tensor(X, requires_grad=True), torch.tensor(y)

    class Dicts(torch.utils.data.Dataset):
        def __len__(self):
            return N

        def __getitem__(self, i):
            return {"x": torch.tensor(X[i]), "y": torch.tensor(Y[i])}

    assert audit(LOADER, Own(), shuffled=True).passed
    assert audit(torch.utils.data.DataLoader(Dicts(), 32, shuffle=True), Own(), shuffled=True).passed


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
