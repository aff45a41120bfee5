"""The check: its p-values are those of theory, and it tells apart what is wrong."""

import json
import pickle
import pickletools
import re

import numpy as np
import pytest
from scipy import stats

import planted
from planted.errors import InvalidTypeError, InvalidValueError, TooLargeError

ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=2_000, seed=714)
FIT = planted.least_squares(ROWS)


def shifted(rows, standard_errors):
    """An estimate that many standard errors from the least-squares fit, along one parameter's own direction."""
    A = np.column_stack([np.ones(len(rows)), rows.X.astype(float)])
    fit = planted.least_squares(rows).parameters
    step = np.zeros(len(fit))
    step[1] = 1.0
    length = np.linalg.norm(A @ step) / rows.truth.noise
    return fit + standard_errors / length * step


@pytest.mark.parametrize(("features", "n", "dtype"), [(1, 50, "float32"), (2, 1000, "float32"), (9, 40, "float64")])
def test_p_values_of_least_squares_are_uniform(features, n, dtype):
    """Over 800 seeds, by Kolmogorov and Smirnov: one choice of seeds in 10 000 fails (and one in 16 000 the 5% rate).

    With nine features a noise that is 10% off is detected, as the next test shows.
    """
    p = [_p_value(features, n, dtype, seed, 1.0) for seed in range(800)]
    assert stats.kstest(p, "uniform").pvalue > 1e-4
    verdicts = np.array(p) < 0.05
    assert abs(verdicts.mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / len(p))


def _p_value(features, n, dtype, seed, exaggerated):
    truth = planted.LinearTruth(planted.weights(features, seed=seed), 1.0, 0.3)
    rows = planted.rows(truth, n, seed=seed, dtype=dtype)
    if exaggerated == 1.0:
        return planted.check(planted.least_squares(rows), rows).p_value
    X, y = rows[:]
    clean = X.astype(float) @ truth.w + truth.b
    noisy = clean + exaggerated * (y[:, 0] - clean)
    return planted.check(FIT_OF_NOTHING[features], _Rows(truth, X, noisy[:, None])).p_value


FIT_OF_NOTHING = {9: planted.Estimate(np.zeros(9), 0.0)}


class _Rows:
    """Rows with altered responses: what a broken pipeline would feed a learner."""

    def __init__(self, truth, X, y):
        self.truth, self.X, self.y = truth, X, y
        self.features, self.dtype = X.shape[1], X.dtype

    def __len__(self):
        return len(self.X)

    def __getitem__(self, key):
        return self.X[key], self.y[key]

    def take(self, rows):
        return self.X[rows], self.y[rows]


def test_the_uniformity_test_detects_noise_that_is_ten_percent_off():
    """The power of the test above: with the noise 10% larger the same 800 seeds are clearly not uniform."""
    p = [_p_value(9, 40, "float64", seed, 1.1) for seed in range(800)]
    assert stats.kstest(p, "uniform").pvalue < 1e-4


def test_the_statistic_is_walds():
    """Against its formula, written out with NumPy."""
    report = planted.check(FIT, ROWS)
    A = np.column_stack([np.ones(len(ROWS)), ROWS.X.astype(float)])
    beta = np.linalg.lstsq(A, ROWS.y[:, 0].astype(float), rcond=None)[0]
    statistic = np.sum((A @ (beta - [4.2, 2.0, -3.4])) ** 2) / 0.01**2
    np.testing.assert_allclose(report.statistic, statistic, rtol=1e-6)
    np.testing.assert_allclose(report.p_value, stats.chi2.sf(statistic, 3), rtol=1e-6)
    errors = 0.01 * np.sqrt(np.diag(np.linalg.inv(A.T @ A)))
    np.testing.assert_allclose([p.standard_error for p in report.parameters], errors[[1, 2, 0]], rtol=1e-6)
    assert report.dof == 3
    assert report.rows == 2000
    assert abs(report.residual_std / 0.01 - 1) < 0.1


def test_the_report_of_a_good_learner():
    report = planted.check(FIT, ROWS)
    assert report.passed is True
    assert report.distance == pytest.approx(0, abs=1e-6)
    assert [p.name for p in report.parameters] == ["w[0]", "w[1]", "b"]
    for p, truth, estimate in zip(report.parameters, (2.0, -3.4, 4.2), (*FIT.w, FIT.b), strict=True):
        assert (p.truth, p.estimate) == (truth, estimate)
        assert p.error == estimate - truth
        assert p.z == pytest.approx(p.error / p.standard_error)
    assert json.loads(json.dumps(report.to_dict()))["passed"] is True
    assert report.noise == report.residual_std == report.to_dict()["noise"] == report.to_dict()["residual_std"]
    assert "passed" in repr(report)


def test_reports_pickle_and_their_pickles_name_no_file():
    """So that files can move again: they name `planted`, or the room."""
    report = planted.check(FIT, ROWS)
    text = pickle.dumps(report, 2)
    again = pickle.loads(text)
    assert again.to_dict() == report.to_dict()
    assert again.fit.b == report.fit.b
    names = {name for code, name, _ in pickletools.genops(text) if code.name == "GLOBAL" and "planted" in name}
    assert names == {"planted Report", "planted Estimate", "planted._learn Parameter"}


def test_a_report_is_shown_as_text_and_as_html():
    """The same cells in both."""
    report = planted.check(FIT, ROWS)
    head, *rows = report.table()
    assert head == ("", "truth", "estimate", "error", "std. error", "z")
    assert [row[:2] for row in rows] == [("w[0]", "2"), ("w[1]", "-3.4"), ("b", "4.2")]
    text, html = str(report), report._repr_html_()
    assert [tuple(line.split()) for line in text.splitlines()[1:4]] == rows
    for row in rows:
        assert "".join(f"<td>{cell}</td>" for cell in row[1:]) in html
    assert html.count("<tr>") == 4
    for line in report.summary():
        assert line in text
        assert line in html
    assert report.omitted == ""
    assert "PASSED" in text


@pytest.mark.parametrize("away", [0.5, 3.9, 4.2, 30.0])
def test_the_distance_counts_standard_errors(away):
    """A learner k standard errors from the fit is said to be; beyond the radius of the confidence region it fails."""
    b, *w = shifted(ROWS, away)
    report = planted.check((w, b), ROWS)
    assert report.distance == pytest.approx(away, rel=1e-3)
    assert report.tolerance == pytest.approx(np.sqrt(stats.chi2.isf(0.001, 3)))
    assert report.passed == (away < 4.03)
    if not report.passed:
        assert f"the learner is {away:.4g} standard errors from the least-squares fit: train longer" in report.advice
        assert "FAILED" in str(report)


def test_a_learner_at_its_noise_floor_is_told_apart_from_one_that_has_not_arrived():
    """At a high constant rate no epoch more helps; the advice names about that rate, and following it helps.

    One choice of seeds, of learners that are 5 and 100 standard errors off on average.
    """
    rows = planted.regression([2.0, -3.4], 4.2, noise=0.1, n=1_000, seed=714)
    loader = planted.Loader(rows, 32)
    floor = planted.check(planted.sgd(loader, 40, lr=0.3), rows)
    assert not floor.passed
    assert "train longer; or, if its loss no longer falls, lower the learning rate or average its last" in floor.advice
    rate = float(re.search(r"lr / batch_size is about (\S+) or more", floor.advice)[1])
    assert rate < 3 * 0.3 / 32
    assert planted.check(planted.sgd(loader, 40, lr=0.01), rows).passed
    early = planted.check(planted.sgd(loader, 1, lr=0.03), rows)
    assert early.distance > np.sqrt(1_000)
    assert "train longer; if that does not help, lower the learning rate, and look for rows" in early.advice


def test_numbers_are_rounded_for_people():
    """Wherever a report is shown; its fields are exact."""
    estimate = planted.sgd(planted.Loader(ROWS), 2)
    for rows in (ROWS, planted.regression([2.0, -3.4], 4.2, noise=0, n=2_000)):
        report = planted.check(estimate, rows)
        for shown in (str(report), report._repr_html_(), repr(report), repr(report.parameters), report.advice):
            assert not re.search(r"\d{7}|\.\d{8}|[1-9]\d{2}\.\d{3}", shown), shown
    assert repr(planted.check(([2.0, -3.3], 4.2), ROWS).parameters[1]).startswith(
        "Parameter('w[1]', truth=-3.4, estimate=-3.3, error=0.1, standard_error=0.000"
    )


def test_statistical_and_optimisation_error_are_told_apart():
    """Three epochs are too few; rows of another truth are another matter; each is named."""
    early = planted.check(planted.sgd(planted.Loader(ROWS), 1), ROWS)
    assert not early.passed
    assert early.p_value > 0.001
    assert early.distance > 30
    assert "train longer" in early.advice
    X, y = ROWS[:]
    wrong = _Rows(ROWS.truth, X, np.roll(y, 1))
    report = planted.check(planted.least_squares((X, np.roll(y, 1))), wrong)
    assert not report.passed
    assert report.p_value < 1e-10
    assert report.distance < 1e-3
    assert "the least-squares fit itself is further from the truth than chance allows" in report.advice


def test_the_truth_itself_passes_and_a_tighter_tolerance_can_be_asked_for():
    assert planted.check((ROWS.truth.w, ROWS.truth.b), ROWS).passed
    b, *w = shifted(ROWS, 0.5)
    assert not planted.check((w, b), ROWS, tolerance=0.25).passed
    assert planted.check((w, b), ROWS, tolerance=0.75).passed


def test_false_fail_rate_is_alpha():
    """With alpha 5%, 5% of 600 honest seeds fail, within four standard deviations (one run in 16 000 would not)."""
    failed = 0
    for seed in range(600):
        rows = planted.regression([1.0, 2.0], 3.0, noise=0.5, n=60, seed=seed)
        failed += not planted.check(planted.least_squares(rows), rows, alpha=0.05).passed
    assert abs(failed - 30) < 4 * np.sqrt(600 * 0.05 * 0.95)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_noise_the_rounding_is_the_yardstick(dtype):
    """An efficient learner passes whatever the seed; one that is off by far more than rounding fails."""
    for seed in range(50):
        rows = planted.regression([2.0, -3.4, 1e3], 4.2, noise=0, n=300, seed=seed, dtype=dtype)
        fit = planted.least_squares(rows)
        assert planted.check(fit, rows).passed
    off = planted.Estimate(fit.w * (1 + 1e4 * np.finfo(dtype).eps), fit.b)
    assert not planted.check(off, rows).passed


@pytest.mark.parametrize("noise", [0, 1e-6])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exact_fits_in_the_dtype_of_the_rows_pass_without_noise(dtype, noise):
    """Those of LAPACK and of the normal equations; an error of a few units in the last place more is caught.

    With a noise of 1e-6, one honest fit in 1 000 fails: none of these.
    """
    eps = np.finfo(dtype).eps
    for seed in range(20):
        rows = planted.regression([2.0, -3.4, 0.7], 4.2, noise=noise, n=1000, seed=seed, dtype=dtype)
        A = np.column_stack([np.ones(1000, dtype), rows.X])
        exact = np.linalg.lstsq(A, rows.y[:, 0], rcond=None)[0], np.linalg.solve(A.T @ A, A.T @ rows.y[:, 0])
        for beta in exact:
            assert beta.dtype == dtype
            assert planted.check((beta[1:], beta[0]), rows).passed
        if noise == 0:
            off = planted.Estimate([2.0 + 100 * eps * 5.9, -3.4, 0.7], 4.2)  # 5.9 is the length of all parameters
            assert not planted.check(off, rows).passed


def test_rounding_is_no_yardstick_where_there_is_noise():
    assert planted.check(FIT, ROWS).tolerance == pytest.approx(np.sqrt(stats.chi2.isf(0.001, len(FIT.w) + 1)))


def test_the_rounding_of_float32_responses_has_its_own_size():
    """Where each y lies just above 1, rounding moves it by a uniform error of one float32 epsilon from end to end.

    Then the statistic has the mean 2 and the variance 4 of chi-square with 2 degrees of freedom. Its mean over 400
    seeds is less than 0.5 off, but for one choice of seeds in a million. A size that is 25% off is detected.
    """
    statistics = []
    for seed in range(400):
        rows = planted.regression([1e-3], 1.01, noise=0, n=300, seed=seed)
        statistics.append(planted.check(planted.least_squares(rows), rows).statistic)
    assert abs(np.mean(statistics) - 2) < 0.5


def test_zero_truth_without_noise_is_no_division_by_zero():
    rows = planted.regression([0.0], 0.0, noise=0, n=10)
    assert planted.check(([0.0], 0.0), rows).passed
    assert not planted.check(([1.0], 0.0), rows).passed


def test_many_parameters_are_shown_worst_first():
    rows = planted.regression(planted.weights(40), noise=0.1, n=500)
    estimate = planted.least_squares(rows)
    w = estimate.w.copy()
    w[17] += 1
    report = planted.check((w, estimate.b), rows)
    assert report.shown()[0].name == "w[17]"
    assert "and 29 more parameters with smaller |z|" in str(report)
    assert "and 29 more parameters with smaller |z|" in report._repr_html_()
    assert len(report.parameters) == 41


# ---- what it takes ----------------------------------------------------------------------------------------------


def test_it_takes_pairs_dicts_and_estimates():
    for estimate in (FIT, (FIT.w, FIT.b), [FIT.w.tolist(), [FIT.b]], {"w": FIT.w[:, None], "b": FIT.b}):
        assert planted.check(estimate, ROWS).parameters == planted.check(FIT, ROWS).parameters


def test_it_takes_fitted_scikit_learn_models(sklearn):
    from sklearn.linear_model import LinearRegression, Ridge, SGDRegressor

    X, y = ROWS[:]
    assert planted.check(LinearRegression().fit(X, y), ROWS).passed
    assert planted.check(LinearRegression().fit(X, y[:, 0]), ROWS).passed
    assert planted.check(SGDRegressor(alpha=0, tol=1e-9, random_state=0, eta0=0.003).fit(X, y[:, 0]), ROWS).passed
    assert not planted.check(Ridge(alpha=10).fit(X, y), ROWS).passed
    with pytest.raises(InvalidValueError, match=r"LinearRegression has not been fitted: call its fit\(X, y\)"):
        planted.check(LinearRegression(), ROWS)


def test_it_takes_torch_linear_layers(torch):
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight[:] = torch.tensor(FIT.w)
        layer.bias[:] = FIT.b
    assert planted.check(layer, ROWS).passed
    bare = torch.nn.Linear(2, 1, bias=False)
    assert planted.check(bare, ROWS).parameters[-1].estimate == 0
    with pytest.raises(InvalidValueError, match=r"w has shape \(3, 2\); it must be a vector"):
        planted.check(torch.nn.Linear(2, 3), ROWS)


@pytest.mark.parametrize(
    ("estimate", "error", "message"),
    [
        (([1.0], 2.0), InvalidValueError, "the estimate has 1 weight, the rows have 2 features"),
        (([1.0, 2.0, 3.0], 2.0), InvalidValueError, "the estimate has 3 weights, the rows have 2 features"),
        (([1.0, np.nan], 2.0), InvalidValueError, r"w\[1\]=nan must be finite"),
        (([1.0, 2.0], None), InvalidTypeError, "b holds"),
        ([1.0, 2.0, 3.0], InvalidTypeError, "list is not an estimate"),
        ({"w": [1.0, 2.0]}, InvalidTypeError, "dict is not an estimate"),
        (None, InvalidTypeError, "NoneType is not an estimate"),
    ],
)
def test_bad_estimates_are_refused(estimate, error, message):
    with pytest.raises(error, match=message):
        planted.check(estimate, ROWS)


def test_a_batch_is_told_how_to_keep_its_truth():
    with pytest.raises(InvalidTypeError, match=r"for rows\[:100\], .* rows.split\(100\)\[0\]"):
        planted.check(FIT, ROWS[:100])
    assert planted.check(planted.least_squares(ROWS.split(100)[0]), ROWS.split(100)[0]).rows == 100


def test_a_tolerance_below_rounding_is_told_so():
    almost = planted.Estimate(FIT.w * (1 + 1e-15), FIT.b)
    assert "rounding alone: use a tolerance such as 1.0, or none" in planted.check(almost, ROWS, tolerance=0).advice
    assert "train longer" in planted.check(([2.0, -3.3], 4.2), ROWS, tolerance=0).advice


def test_numbers_whose_squares_overflow_are_refused():
    rows = planted.regression([1e300, 1e-300], noise=0.1, n=100, dtype="float64")
    with pytest.raises(InvalidValueError, match="whose squares overflow: scale them"):
        planted.least_squares(rows)


def test_many_features_are_refused_before_any_work_for_their_square(monkeypatch):
    from planted._machine import capacity

    monkeypatch.setattr(capacity, "capacity", lambda: 1 << 30)
    rows = planted.regression(np.ones(10_000), n=50_000)
    for data in (rows, planted.Loader(rows, 256)):
        with pytest.raises(TooLargeError, match="fit of 10_000 features, which works on a square of them"):
            planted.check((np.ones(10_000), 0.0), data)


def test_bad_settings_are_refused():
    for alpha in (0, 1, -1, np.nan):
        with pytest.raises(InvalidValueError, match="alpha"):
            planted.check(FIT, ROWS, alpha=alpha)
    with pytest.raises(InvalidValueError, match="tolerance=-1"):
        planted.check(FIT, ROWS, tolerance=-1)
    with pytest.raises(InvalidTypeError, match="Batch has no truth to check against"):
        planted.check(FIT, ROWS[:])
    with pytest.raises(InvalidValueError, match="2 rows cannot determine 3 parameters"):
        planted.check(FIT, ROWS.split(2)[0])


# ---- the advice -------------------------------------------------------------------------------------------------


def test_a_report_is_as_true_as_it_passed():
    """So that an assertion of the report asserts the verdict."""
    assert planted.check(FIT, ROWS)
    assert not planted.check(([0, 0], 0), ROWS)


def advice(learner, rows=ROWS):
    report = planted.check(learner, rows)
    assert not report
    said = report.advice.partition("standard errors from the least-squares fit")[0].split()[-1]
    assert f"error: {said} standard errors" in report.summary()[1]  # the same number in both lines
    return report.advice


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("learner", [([360_437.0, -3.4], 4.2), ([1e200, 0], 0), ([1.7e308, 0], 0), ([-2.0, 3.4], 4.2)])
def test_what_predicts_worse_than_a_constant_is_not_told_to_train_longer(learner):
    said = advice(learner)
    assert "predicts these rows worse than a constant, 0 for all of them: if it was trained, lower the" in said
    assert "train longer" not in said


def test_a_layer_that_diverged(torch):
    layer = torch.nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight[0, 0] = 360_437
    assert "worse than a constant" in advice(layer)


def test_weights_in_another_order():
    for rows, w in (
        (ROWS, [-3.4, 2.0]),
        (planted.regression([3.0, 1.0, 2.0, 1.0], 4.2, n=1_000), [1.0, 1.0, 2.0, 3.0]),
    ):
        said = advice((w, 4.2), rows)
        assert said.endswith("its weights those of the fit in another order: look for columns that changed places")


def test_a_missing_intercept(sklearn):
    from sklearn.linear_model import LinearRegression

    bare = LinearRegression(fit_intercept=False)
    said = advice(bare.fit(*ROWS[:]))
    assert "it has no intercept (b is 0, that of the fit 4.2): fit one, with bias=True, fit_intercept=True or" in said
    through_zero = planted.regression([2.0, -3.4], 0.0, n=2_000, seed=714)
    assert planted.check(bare.fit(*through_zero[:]), through_zero)
    assert "train longer" in advice(([1.9, -3.4], 0.0), through_zero)  # the intercept is 0, and right
    assert "train longer" in advice(([0, 0], 0))  # nothing is learned yet


def test_an_intercept_that_is_off_alone():
    assert "and its intercept alone is off by 0.1: give back to it" in advice((FIT.w, FIT.b + 0.1))
    assert "alone" not in advice((FIT.w + np.array([0.01, 0]), FIT.b + 0.1))


def test_weights_that_a_penalty_shrinks(sklearn):
    from sklearn.linear_model import Ridge

    said = advice(Ridge(alpha=10).fit(*ROWS[:]))
    assert (
        "weights are about 0.995 times those of the fit: a penalty shrinks the weights, so fit without one; if" in said
    )
    assert said.endswith("repeated or mixed up")


@pytest.mark.parametrize("features", [1, 2, 5])
def test_a_learner_on_its_way_is_told_to_train_longer(features):
    """Whatever the truth and the noise: none of the other reasons is named. The seeds are fixed."""
    for seed in range(5):
        for noise in (0.01, 1.0):
            truth = 3 * np.random.default_rng(seed).normal(size=features + 1)
            rows = planted.regression(truth[1:], truth[0], noise=noise, n=1_000, seed=seed)
            assert "least-squares fit: train longer" in advice(planted.sgd(planted.Loader(rows), 1), rows)
