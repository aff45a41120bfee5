"""Rows of any laws go wherever rows go: loaders, pipelines, audits, learners, frameworks."""

import numpy as np
import pytest

import planted
from planted import features, noise
from planted.errors import InvalidValueError, StateError

TRUTH = planted.LinearTruth([2.0, -3.4, 0.5], 4.2, noise.StudentT(5, 0.5), features.AR1(0.9))
ROWS = planted.rows(TRUTH, 2_000, seed=714)


def sorted_rows(X, y):
    table = np.hstack([X, y])
    return table[np.lexsort(table.T)]


def test_an_epoch_is_the_rows_and_a_state_goes_on():
    loader = planted.Loader(ROWS, 128, seed=7)
    batches = list(loader)
    epoch = sorted_rows(np.concatenate([X for X, _ in batches]), np.concatenate([y for _, y in batches]))
    np.testing.assert_array_equal(epoch, sorted_rows(*ROWS[:]))

    loader.set_epoch(0)
    started = iter(loader)
    for _ in range(5):
        next(started)
    resumed = planted.Loader(ROWS, 128, seed=7)
    resumed.load_state_dict(loader.state_dict())
    rest = list(resumed)
    assert len(rest) == len(batches) - 5
    for (X, y), (X_again, y_again) in zip(batches[5:], rest, strict=True):
        np.testing.assert_array_equal(X, X_again)
        np.testing.assert_array_equal(y, y_again)


def test_a_state_of_other_laws_is_refused():
    state = planted.Loader(ROWS, 128).state_dict()
    for other in (
        planted.LinearTruth(TRUTH.w, TRUTH.b, TRUTH.noise),
        planted.LinearTruth(TRUTH.w, TRUTH.b, 0.5, TRUTH.feature_law),
        planted.LinearTruth(TRUTH.w, TRUTH.b, TRUTH.noise, features.AR1(0.8)),
    ):
        with pytest.raises(StateError):
            planted.Loader(planted.rows(other, 2_000, seed=714), 128).load_state_dict(state)


def test_fresh_epochs_go_on_with_the_same_laws():
    loader = planted.Loader(ROWS, 500, shuffle=False, fresh=True)
    read = [np.concatenate([y for _, y in loader]) for _ in range(2)]
    more = planted.rows(TRUTH, 4_000, seed=714)
    np.testing.assert_array_equal(np.concatenate(read), more.y)


def test_a_pipeline_maps_them():
    doubled = planted.Loader(ROWS, 500, shuffle=False).map(lambda X, y: 2 * y)
    np.testing.assert_array_equal(np.concatenate(list(doubled)), 2 * ROWS.y)


def test_an_audit_finds_a_loader_of_them_right_and_a_wrong_one_wrong():
    assert planted.audit(planted.Loader(ROWS, 128, seed=7), ROWS)
    found = planted.audit([(ROWS.X[:1_900], ROWS.y[:1_900])], ROWS)
    assert not found
    assert "100" in str(found)


def test_learners_find_the_truth_and_the_check_says_so():
    """Of these rows, with this seed; honest rows fail once in 1000 seeds."""
    fit = planted.least_squares(ROWS)
    assert planted.check(fit, ROWS).passed
    learned = planted.sgd(planted.Loader(ROWS, 500, seed=7), 200, lr=0.3)
    assert planted.check(learned, ROWS).passed
    assert not planted.check((fit.w + np.array([0.1, 0, 0]), fit.b), ROWS).passed
    assert not planted.check((TRUTH.w[[1, 0, 2]], TRUTH.b), ROWS).passed


def test_the_check_takes_the_variance_of_the_laws():
    """Standard errors are of the noise's own standard deviation, and of the features as they are."""
    report = planted.check(planted.least_squares(ROWS), ROWS)
    sigma = TRUTH.noise.variance**0.5
    expected = sigma / np.sqrt(len(ROWS)) * np.sqrt(np.diag(np.linalg.inv(TRUTH.feature_law.covariance(3))))
    np.testing.assert_allclose([p.standard_error for p in report.parameters[:3]], expected, rtol=0.1)


@pytest.mark.parametrize(
    ("law", "reason"),
    [
        (noise.Heteroscedastic(0.5, 1), "not independent and of one variance"),
        (noise.Clustered(0.5, 0.3, 20), "not independent and of one variance"),
        (noise.StudentT(2, 0.5), "no variance"),
    ],
)
def test_the_check_refuses_noise_that_it_cannot_judge(law, reason):
    rows = planted.regression(TRUTH.w, TRUTH.b, noise=law, features=features.AR1(0.9), n=100)
    with pytest.raises(InvalidValueError, match=reason) as caught:
        planted.check((TRUTH.w, TRUTH.b), rows)
    assert repr(law) in str(caught.value)
    assert "such as planted.noise.StudentT(df=3, scale=0.5)" in str(caught.value)


def test_a_frameworks_batches_are_these_rows(torch):
    batches = list(planted.Loader(ROWS, 256, shuffle=False, framework="torch"))
    assert all(isinstance(values, torch.Tensor) for batch in batches for values in batch)
    np.testing.assert_array_equal(np.concatenate([X.numpy() for X, _ in batches]), ROWS.X)
    np.testing.assert_array_equal(np.concatenate([y.numpy() for _, y in batches]), ROWS.y)


def test_the_books_data_takes_a_law_of_noise(torch):
    """Its signature is the book's, so its features stay standard normal."""
    from planted.torch import SyntheticRegressionData

    data = SyntheticRegressionData(torch.tensor([2.0, -3.5]), 4.2, noise=noise.Laplace(0.5), num_train=100, num_val=20)
    X, y = next(iter(data.val_dataloader()))
    rows = planted.regression([2.0, -3.5], 4.2, noise=noise.Laplace(0.5), n=120)
    np.testing.assert_array_equal(X.numpy(), rows.X[100:])
    np.testing.assert_array_equal(y.numpy(), rows.y[100:])
