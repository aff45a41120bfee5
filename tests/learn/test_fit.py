"""The reference learners: least squares to the digits that float64 allows, and minibatch gradient descent."""

import math
import pickle
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

import planted
from planted._learn import descent, sample
from planted._learn.factor import triangularise
from planted.errors import DivergedError, InvalidTypeError, InvalidValueError

# NIST Statistical Reference Datasets, linear regression: data and certified values.
LONGLEY = np.array(
    """
    60323 83.0 234289 2356 1590 107608 1947
    61122 88.5 259426 2325 1456 108632 1948
    60171 88.2 258054 3682 1616 109773 1949
    61187 89.5 284599 3351 1650 110929 1950
    63221 96.2 328975 2099 3099 112075 1951
    63639 98.1 346999 1932 3594 113270 1952
    64989 99.0 365385 1870 3547 115094 1953
    63761 100.0 363112 3578 3350 116219 1954
    66019 101.2 397469 2904 3048 117388 1955
    67857 104.6 419180 2822 2857 118734 1956
    68169 108.4 442769 2936 2798 120445 1957
    66513 110.8 444546 4681 2637 121950 1958
    68655 112.6 482704 3813 2552 123366 1959
    69564 114.2 502601 3931 2514 125368 1960
    69331 115.7 518173 4806 2572 127852 1961
    70551 116.9 554894 4007 2827 130081 1962
    """.split(),  # noqa: SIM905 -- a table is read as a table
    float,
).reshape(16, 7)
LONGLEY_CERTIFIED = (
    -3482258.63459582,
    15.0618722713733,
    -0.358191792925910e-01,
    -2.02022980381683,
    -1.03322686717359,
    -0.511041056535807e-01,
    1829.15146461355,
)
LONGLEY_RESIDUAL = 304.854073561965
DELTA = np.array([759, -2048, 2048, -2048, 2523, -2048, 2048, -2048, 1838, -2048, 2048], float)
DELTA = np.concatenate([DELTA, DELTA[-2::-1]])  # it reads the same backwards
POWERS = np.arange(21.0)[:, None] ** np.arange(1, 6)
ONES = (1.0,) * 6
TENTHS = tuple(float(f"1e-{k}") for k in range(6))
WAMPLER2 = [1.0, 1.11111, 1.24992, 1.42753, 1.65984, 1.96875, 2.38336, 2.94117, 3.68928, 4.68559, 6.0, 7.71561]
WAMPLER2 += [9.92992, 12.75603, 16.32384, 20.78125, 26.29536, 33.05367, 41.26528, 51.16209, 63.0]
NIST = {
    "Longley": (LONGLEY[:, 1:], LONGLEY[:, 0], LONGLEY_CERTIFIED, LONGLEY_RESIDUAL, 10.5),
    "Wampler1": (POWERS, 1 + POWERS.sum(1), ONES, 0.0, 8.7),
    "Wampler2": (POWERS, np.array(WAMPLER2), TENTHS, 0.0, 10.0),
    "Wampler3": (POWERS, 1 + POWERS.sum(1) + DELTA, ONES, 2360.14502379268, 8.7),
    "Wampler4": (POWERS, 1 + POWERS.sum(1) + 100 * DELTA, ONES, 236014.502379268, 7.4),
    "Wampler5": (POWERS, 1 + POWERS.sum(1) + 10_000 * DELTA, ONES, 23601450.2379268, 5.4),
}


def digits(found, certified):
    """The log relative error: how many decimal digits are right, 15 at the most."""
    pairs = zip(found, certified, strict=True)
    return min(15.0 if f == c else min(15.0, -math.log10(abs(f - c) / abs(c))) for f, c in pairs)


@pytest.mark.parametrize("block_rows", [3, 8, 1000])
@pytest.mark.parametrize("name", NIST)
def test_nist_certified_values(name, block_rows):
    """As many certified digits as float64 allows: what LAPACK's own solver gets, less half a digit of luck."""
    X, y, certified, residual, least = NIST[name]
    blocks = [slice(i, i + block_rows) for i in range(0, len(X), block_rows)]
    factor = triangularise([(X[block], y[block, None]) for block in blocks], X.shape[1])
    beta = factor.solve()
    A = np.column_stack([np.ones(len(X)), X])
    lapack = np.linalg.lstsq(A, y, rcond=None)[0]
    assert digits(beta, certified) >= least
    assert digits(beta, certified) >= digits(lapack, certified) - 0.5
    found = math.sqrt(factor.rss / (len(X) - len(certified)))
    if residual:
        assert digits([found], [residual]) > 10
    else:
        assert found < 1e-6
    estimate = planted.least_squares((X, y[:, None]))
    assert digits([estimate.b, *estimate.w], certified) >= least


def test_normal_equations_would_fail_these():
    """The test above has power: X'X loses half of Longley's digits."""
    X, y, certified, _, least = NIST["Longley"]
    A = np.column_stack([np.ones(len(X)), X])
    assert digits(np.linalg.solve(A.T @ A, A.T @ y), certified) < least - 2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_streaming_rows_and_arrays_agree(dtype):
    """Rows read in blocks give the fit of the whole arrays."""
    rows = planted.regression(planted.weights(5), 1.5, noise=0.5, n=20_000, seed=3, dtype=dtype)
    streamed = planted.least_squares(rows)
    A = np.column_stack([np.ones(len(rows)), rows.X.astype(float)])
    expected = np.linalg.lstsq(A, rows.y[:, 0].astype(float), rcond=None)[0]
    np.testing.assert_allclose(streamed.parameters, expected, rtol=1e-11)
    for other in ((rows.X, rows.y), (rows.X, rows.y[:, 0]), rows.materialize()):
        np.testing.assert_allclose(planted.least_squares(other).parameters, expected, rtol=1e-11)


def test_least_squares_takes_tensors(torch):
    rows = planted.regression([1.0, 2.0], 3.0, n=100)
    tensors = torch.from_numpy(rows.X), torch.from_numpy(rows.y)
    np.testing.assert_array_equal(planted.least_squares(tensors).w, planted.least_squares(rows).w)


def test_memory_is_constant():
    """A hundred times the rows take no more memory."""
    peaks = []
    for n in (20_000, 2_000_000):
        tracemalloc.start()
        planted.least_squares(planted.regression([1.0, 2.0, 3.0], n=n))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 1e6


def test_exactly_determined_rows_are_fitted_exactly():
    rows = planted.regression([1.0, 2.0], 3.0, noise=1.0, n=3, dtype="float64")
    estimate = planted.least_squares(rows)
    np.testing.assert_allclose(rows.X @ estimate.w + estimate.b, rows.y[:, 0], rtol=1e-10)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (planted.regression([1.0, 2.0], n=2), InvalidValueError, "2 rows cannot determine 3 parameters"),
        (planted.regression([1.0, 2.0], n=0), InvalidValueError, "0 rows cannot determine 3 parameters"),
        ((np.ones((5, 2)), np.ones(5)), InvalidValueError, "feature . is a linear combination"),
        ((np.eye(5)[:, :3] * [1, 1, 0], np.ones(5)), InvalidValueError, "feature 2 is a linear combination"),
        ((np.full((5, 1), np.nan), np.ones(5)), InvalidValueError, "not finite"),
        ((np.arange(5.0)[:, None], np.array([1, 2, np.inf, 4, 5])), InvalidValueError, "not finite"),
        ((np.ones((5, 2)), np.ones(4)), InvalidValueError, r"X of shape \(5, 2\) and y of shape \(4,\) do not match"),
        ((np.ones(5), np.ones(5)), InvalidValueError, "do not match"),
        (([["a"]], [1.0]), InvalidTypeError, "X holds"),
        ("rows", InvalidTypeError, r"str is neither rows nor \(X, y\)"),
    ],
)
def test_rows_without_one_answer_are_refused(rows, error, message):
    with pytest.raises(error, match=message):
        planted.least_squares(rows)


# ---- gradient descent -------------------------------------------------------------------------------------------


def test_sgd_follows_the_definition():
    """Each step is lr times the gradient of the batch mean of half the squared errors, written out here."""
    rows = planted.regression([2.0, -3.4], 4.2, n=100, seed=1)
    found = planted.sgd(planted.Loader(rows, 32), epochs=2, lr=0.1)
    loader = planted.Loader(rows, 32)
    w, b = np.zeros(2), 0.0
    for _ in range(2):
        for X, y in loader:
            error = X.astype(float) @ w + b - y[:, 0]
            w = w - 0.1 * (error @ X) / len(X)
            b = b - 0.1 * error.mean()
    np.testing.assert_allclose(found.w, w, rtol=1e-12)
    np.testing.assert_allclose(found.b, b, rtol=1e-12)


def test_sgd_calls_on_epoch_with_the_estimate_and_the_mean_loss(monkeypatch):
    """The mean over the rows, of which the last batch has fewer; also where losses are read several times an epoch."""
    rows = planted.regression([2.0, -3.4], 4.2, n=325, seed=1)
    calls = []
    final = planted.sgd(planted.Loader(rows, 32), 5, 0.1, on_epoch=lambda *args: calls.append(args))
    assert [epoch for epoch, _, _ in calls] == [0, 1, 2, 3, 4]
    assert calls[-1][1].b == final.b
    losses = [loss for _, _, loss in calls]
    assert losses == sorted(losses, reverse=True)
    errors, still = [], 1e-30  # a learner that stays at zero
    planted.sgd(planted.Loader(rows, 32), 1, still, on_epoch=lambda *args: errors.append(args[2]))
    assert errors[0] == pytest.approx(0.5 * np.mean(rows.y.astype(float) ** 2))
    monkeypatch.setattr(descent, "UNREAD", 3)
    again = []
    planted.sgd(planted.Loader(rows, 32), 5, 0.1, on_epoch=lambda *args: again.append(args[2]))
    assert again == losses


def test_sgd_takes_any_iterable_and_batches_with_row_numbers(torch):
    rows = planted.regression([2.0, -3.4], 4.2, n=320, seed=1)
    expected = planted.sgd(planted.Loader(rows, 32), 2)
    indexed = planted.sgd(planted.Loader(rows, 32, with_index=True), 2)
    tensors = planted.sgd(planted.Loader(rows, 32, framework="torch"), 2)
    assert expected.b == indexed.b == tensors.b
    planted.sgd([(rows.X, rows.y), (np.zeros((0, 2)), np.zeros((0, 1)))], 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"epochs": 0}, InvalidValueError, "epochs=0"),
        ({"epochs": 1.5}, InvalidTypeError, "epochs=1.5"),
        ({"lr": 0}, InvalidValueError, "lr=0.0 must be positive"),
        ({"lr": -1.0}, InvalidValueError, "lr=-1.0 must be positive"),
        ({"lr": np.nan}, InvalidValueError, "lr=nan must be finite"),
        ({"lr": 100.0, "epochs": 200}, DivergedError, "overflowed in epoch .* with lr=100.0: use a smaller lr"),
    ],
)
def test_bad_training_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        planted.sgd(planted.Loader(planted.regression([2.0, -3.4], n=100)), **options)


def test_a_loader_without_rows_is_refused():
    with pytest.raises(InvalidValueError, match="the loader gave no rows"):
        planted.sgd(planted.Loader(planted.regression([1.0], n=0)))


@pytest.mark.parametrize("once", [lambda loader: (batch for batch in loader), iter, lambda loader: map(tuple, loader)])
def test_what_can_be_read_once_is_read_once(once):
    """And is refused for several epochs before it is read at all."""
    loader = planted.Loader(planted.regression([2.0, -3.4], n=100), 10)
    batches = once(loader)
    with pytest.raises(InvalidValueError, match=r"a \w+ can be read only once, not in each of 3 epochs: pass a loader"):
        planted.sgd(batches, 3)
    assert len(next(batches)) == 2
    loader.set_epoch(0)
    assert planted.sgd(once(loader), 1).b == planted.sgd(planted.Loader(loader.rows, 10), 1).b


class Own:
    """An iterator that begins anew, or does not."""

    def __init__(self, anew):
        self.anew, self.given = anew, 0
        self.batch = planted.regression([2.0, -3.4], n=100)[:]

    def __iter__(self):
        self.given *= not self.anew
        return self

    def __next__(self):
        self.given += 1
        if self.given > 2:
            raise StopIteration
        return self.batch


def test_iterators_of_ones_own():
    planted.sgd(Own(anew=True), 3)
    with pytest.raises(
        InvalidValueError, match=r"rows in the first epoch, and none in epoch 1, .*: Own must begin anew"
    ):
        planted.sgd(Own(anew=False), 3)


# ---- more rows than can be read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [planted.least_squares, lambda rows: planted.check(([2.0, -3.4], 4.2), rows)])
def test_rows_that_take_hours_are_announced(call):
    """Here the warning is made an error, so that nobody waits."""
    rows = planted.regression([2.0, -3.4], 4.2, n=10**12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for data in (rows, planted.Loader(rows, 32)):
            with pytest.raises(
                UserWarning, match=r"all 1_000_000_000_000 rows are read, which takes about \d+ \w+; to"
            ):
                call(data)
        call(rows.split(10_000)[0])


@pytest.mark.parametrize("call", [planted.least_squares, lambda rows: planted.check(([2.0, -3.4], 4.2), rows)])
def test_what_is_announced_is_read(monkeypatch, call):
    monkeypatch.setattr(sample, "MANY", 1_000)
    rows = planted.regression([2.0, -3.4], 4.2, n=50_000)
    with pytest.warns(
        UserWarning, match=r"about 2 seconds; to read a part, pass rows\.split\(10_000_000\)\[0\]"
    ) as told:
        found = call(rows)
    assert [Path(each.filename).name for each in told] == ["test_fit.py"]
    monkeypatch.undo()
    assert repr(found) == repr(call(rows))


# ---- estimates --------------------------------------------------------------------------------------------------


def test_estimates_are_validated_read_only_and_pickle():
    estimate = planted.Estimate([[1.0, 2.0]], np.array([3.0]))
    assert repr(estimate) == "Estimate(w=[1.0, 2.0], b=3.0)"
    again = pickle.loads(pickle.dumps(estimate))
    np.testing.assert_array_equal(again.parameters, [3.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        again.w[0] = 0
    with pytest.raises(InvalidValueError, match=r"w\[0\]=nan must be finite: .* lower its learning rate"):
        planted.Estimate([np.nan], 0.0)
    assert "1000 weights" in repr(planted.Estimate(np.ones(1000), 0.0))
