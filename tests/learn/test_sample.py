"""What is checked against, fitted or trained on: rows of one's own, loaders; and what is typed instead of them."""

import numpy as np
import pytest

import planted
from planted.errors import InvalidTypeError, InvalidValueError

ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=10_000, seed=714)
FIT = planted.least_squares(ROWS)
X, Y = ROWS[:]
LSTSQ = np.linalg.lstsq(np.column_stack([X, np.ones(len(X))]), Y, rcond=None)


class Own:
    """Rows as `planted.Rows` promises: a truth, a length and `take`, and nothing more."""

    def __init__(self, rows=ROWS, made=tuple):
        self.truth, self.rows_within, self.made = rows.truth, rows, made

    def __len__(self):
        return len(self.rows_within)

    def take(self, numbers):
        return self.made(self.rows_within.take(numbers))


def lists(batch):
    return [batch.X.tolist(), batch.y[:, 0].tolist()]


@pytest.mark.parametrize("made", [tuple, list, lists])
def test_rows_of_ones_own_are_checked_and_fitted(made):
    report, plain = planted.check(FIT, Own(made=made)), planted.check(FIT, ROWS)
    assert (report.rows, report.passed) == (10_000, True)
    assert report.statistic == pytest.approx(plain.statistic, rel=1e-6)
    np.testing.assert_array_equal(planted.least_squares(Own(made=made)).parameters, FIT.parameters)


def test_rows_of_ones_own_are_learned_from():
    mine = planted.sgd(planted.Loader(Own(), 100), 2)
    ours = planted.sgd(planted.Loader(ROWS.materialize(), 100), 2)
    np.testing.assert_array_equal(mine.parameters, ours.parameters)
    assert planted.check(mine, planted.Loader(Own(), 100)).rows == 10_000


def test_rows_of_ones_own_may_be_tensors(torch):
    tensors = Own(made=lambda batch: tuple(map(torch.from_numpy, batch)))
    assert planted.check(FIT, tensors).to_dict() == planted.check(FIT, ROWS).to_dict()


def test_the_rounding_of_ones_own_rows_is_that_of_their_type():
    """Without noise it is the yardstick, so float32 values kept in a larger type would fail."""
    rows = planted.regression([2.0, -3.4], 4.2, noise=0, n=500)
    assert planted.check(planted.least_squares(rows), Own(rows)).to_dict() == (
        planted.check(planted.least_squares(rows), rows).to_dict()
    )


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda batch: {"x": batch.X, "y": batch.y}, InvalidTypeError, r"take of Own gave a dict; .* a tuple \(X, y\)"),
        (lambda batch: (*batch, batch.y), InvalidTypeError, "take of Own gave a tuple of 3; "),
        (lambda batch: batch.X, InvalidTypeError, "take of Own gave a ndarray; "),
        (
            lambda batch: (batch.X[0], batch.y),
            InvalidValueError,
            r"X has shape \(2,\) and y shape .*: take of Own must",
        ),
        (lambda batch: (batch.X[:5], batch.y[:5]), InvalidValueError, r"for 8192 rows, X has shape \(5, 2\) and y"),
        (lambda batch: (np.hstack([batch.X] * 2), batch.y), InvalidValueError, "take of Own gave 4 features, not 2"),
        (lambda batch: (batch.X.astype(str), batch.y), InvalidTypeError, "X holds <U32 values"),
    ],
)
def test_what_rows_of_ones_own_must_give(made, error, message):
    for fit in (planted.least_squares, lambda rows: planted.check(FIT, rows)):
        with pytest.raises(error, match=message):
            fit(Own(made=made))


# ---- loaders and arrays -----------------------------------------------------------------------------------------


def test_a_loader_stands_for_its_rows():
    train, _ = ROWS.split(8_000, 2_000)
    loader = planted.Loader(train, 100, seed=3)
    fit = planted.least_squares(loader)
    np.testing.assert_array_equal(fit.parameters, planted.least_squares(train).parameters)
    assert planted.check(fit, loader).rows == 8_000
    assert loader.epoch == 0


@pytest.mark.usefixtures("torch")
def test_of_fresh_rows_all_that_were_seen_are_to_be_passed():
    from planted.torch import SyntheticRegressionData

    loader = planted.Loader(ROWS, 100, fresh=True)
    for data in (loader, SyntheticRegressionData([2.0, -3.4], 4.2, fresh=True)):
        for call in (planted.least_squares, lambda data: planted.check(FIT, data)):
            with pytest.raises(
                InvalidTypeError, match=r"other rows in each epoch: pass all that were seen, planted\.rows"
            ):
                call(data)
    found = planted.sgd(loader, 4, lr=0.01)
    assert planted.check(found, planted.rows(ROWS.truth, 4 * len(ROWS), seed=ROWS.seed)).rows == 40_000


def test_least_squares_of_X_and_y():
    for fit in (
        planted.least_squares(X, Y),
        planted.least_squares(X, Y[:, 0]),
        planted.least_squares((X, Y)),
        planted.least_squares(ROWS[:]),
        planted.least_squares(rows=X, y=Y.tolist()),
    ):
        np.testing.assert_array_equal(fit.parameters, FIT.parameters)


def test_least_squares_of_a_table(framework):
    pd = framework("pandas")
    frame = pd.DataFrame({"x0": X[:, 0], "x1": X[:, 1], "y": Y[:, 0]})
    for fit in (
        planted.least_squares(frame[["x0", "x1"]], frame["y"]),
        planted.least_squares((frame[["x0", "x1"]], frame["y"])),
    ):
        np.testing.assert_array_equal(fit.parameters, FIT.parameters)
    with pytest.raises(
        InvalidTypeError, match=r"DataFrame is neither rows nor \(X, y\): .* \(table\[features\], table"
    ):
        planted.least_squares(frame)
    with pytest.raises(InvalidTypeError, match="DataFrame has no truth to check against"):
        planted.check(FIT, frame)
    with pytest.raises(InvalidTypeError, match=r"DataFrame gave a str; a batch is a tuple .*: pass a loader of rows"):
        planted.sgd(frame)


@pytest.mark.parametrize("data", [X, FIT, "rows", None, [1.0, 2.0]])
def test_what_cannot_be_fitted_is_refused(data):
    with pytest.raises(InvalidTypeError, match=r"is neither rows nor \(X, y\): pass "):
        planted.least_squares(data)


# ---- the wrong thing in the right place -------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [ROWS, Own(), planted.Loader(ROWS)])
@pytest.mark.parametrize(("estimate", "written"), [(FIT, "Estimate"), ((FIT.w, FIT.b), r"\(w, b\)")])
def test_swapped_arguments_are_named(rows, estimate, written):
    with pytest.raises(InvalidTypeError, match=rf"then its rows, check\(learner, rows\): swap \w+ and {written}$"):
        planted.check(rows, estimate)


@pytest.mark.parametrize("data", [X, (X, Y), ROWS[:], FIT, None, [], planted.Loader])
def test_what_knows_no_truth_is_refused(data):
    with pytest.raises(InvalidTypeError, match="has no truth to check against: pass the rows themselves"):
        planted.check(FIT, data)


@pytest.mark.usefixtures("torch")
def test_a_loader_of_tensors_knows_no_truth_and_its_module_does():
    from planted.torch import SyntheticRegressionData

    data = SyntheticRegressionData([2.0, -3.4], 4.2)
    with pytest.raises(
        InvalidTypeError, match=r"Loader has no truth .* or the module of data, planted.check\(model, data"
    ):
        planted.check(FIT, data.train_dataloader())
    assert planted.check(planted.least_squares(data), data)


@pytest.mark.parametrize("rows", [ROWS, Own(), 3, None])
def test_sgd_of_rows_says_what_to_type(rows):
    with pytest.raises(InvalidTypeError, match=r"gives no batches: pass .* planted\.Loader\(rows, batch_size=32\)"):
        planted.sgd(rows)


@pytest.mark.parametrize(
    ("batches", "error", "message"),
    [
        ([{"x": X, "y": Y}], InvalidTypeError, "list gave a dict; a batch is a tuple"),
        ([X], InvalidTypeError, "list gave a ndarray; a batch is a tuple"),
        ((X, Y), InvalidTypeError, "tuple gave a ndarray; a batch is a tuple"),
        (
            [(X[0], Y[0])],
            InvalidValueError,
            r"list gave X of shape \(2,\) and y of shape \(1,\); a batch has X of shape",
        ),
        ([(X, Y[:5])], InvalidValueError, r"X of shape \(10000, 2\) and y of shape \(5, 1\)"),
        ([(Y, X)], InvalidValueError, r"X of shape \(10000, 1\) and y of shape \(10000, 2\)"),
        (["xy"], InvalidTypeError, "list gave a str; a batch is a tuple"),
    ],
)
def test_what_is_no_batch_is_refused(batches, error, message):
    with pytest.raises(error, match=message):
        planted.sgd(batches)


# ---- estimates of one's own -------------------------------------------------------------------------------------


def test_one_weight_may_be_a_number():
    rows = planted.regression([2.0], 4.2, noise=1.0, n=100, seed=1)
    for estimate in ((2.0, 4.2), [2, 4.2], (np.float32(2), np.array(4.2)), {"w": 2.0, "b": 4.2}, ([[2.0]], [4.2])):
        assert planted.check(estimate, rows).passed
    assert planted.Estimate(2.0, 4.2).w.shape == (1,)


@pytest.mark.parametrize(
    ("estimate", "error", "message"),
    [
        ((2.0, 4.2), InvalidValueError, r"has 1 weight, the rows have 2 features: pass \(w, b\) with one weight a"),
        ([2.0, -3.4], InvalidValueError, "has 1 weight, the rows have 2 features"),
        ((4.2, [2.0, -3.4]), InvalidValueError, r"b has shape \(2,\); it must be one number: pass \(w, b\)"),
        (
            ([2.0, np.nan], 4.2),
            InvalidValueError,
            r"w\[1\]=nan must be finite: .* has diverged; lower its learning rate",
        ),
        ((FIT.w, np.inf), InvalidValueError, "b=inf must be finite: .* has diverged"),
        ((np.ones((2, 2)), 4.2), InvalidValueError, r"w has shape \(2, 2\); it must be a vector: pass \(w, b\)"),
        ({}, InvalidTypeError, r"dict is not an estimate: it is empty: .* plain tensors, pass \(model.w, model.b\)"),
        ([], InvalidTypeError, "list is not an estimate: it is empty"),
        (
            LSTSQ,
            InvalidTypeError,
            r"tuple is not an estimate: it has 4 parts: pass \(w, b\); of what numpy.linalg.lstsq",
        ),
        ({"w": [1.0, [2.0]]}, InvalidTypeError, "dict is not an estimate: b is missing"),
        (FIT.w, InvalidTypeError, r"ndarray is not an estimate: .* pass \(w, b\), with b=0 if there is none"),
        ([2.0, -3.4, 4.2], InvalidTypeError, r"list is not an estimate: .* pass \(w, b\)"),
        ({"w": FIT.w}, InvalidTypeError, "dict is not an estimate: b is missing"),
        ((FIT.w, None), InvalidTypeError, r"b holds no number, but None: pass \(w, 0\.0\)"),
    ],
)
def test_an_error_speaks_of_divergence_only_where_there_was_one(estimate, error, message):
    with pytest.raises(error, match=message) as caught:
        planted.check(estimate, ROWS)
    assert ("diverged" in str(caught.value)) == ("finite" in message)
