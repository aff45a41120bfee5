"""Whether the laws are what they say: marginals, moments, signal-to-noise ratios, against SciPy and exact formulae.

Each test of a sample rejects a right one with probability 1e-6 (seeds are fixed, so it does or does not for ever), and
rejects the same sample under a wrong parameter, which is planted beside the right one.
"""

import math
from functools import lru_cache

import numpy as np
import pytest
from scipy import stats
from test_laws import FEATURES, MATRIX, NOISES, truth_of

import planted
from planted import features, noise

FALSE_FAIL = 1e-6
N = 200_000
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@lru_cache(maxsize=4)
def features_of(law, d, dtype="float64"):
    return planted.rows(planted.LinearTruth([0.0] * d, 0, 0, law), N, seed=20, dtype=dtype)[:][0]


@lru_cache(maxsize=4)
def noise_of(law, dtype="float64", of_features=None):
    """The features and the noise of each row, in float64."""
    X, y = planted.rows(planted.LinearTruth([0.0, 0.0], 0, law, of_features), N, seed=21, dtype=dtype)[:]
    return X.astype(np.float64), y[:, 0].astype(np.float64)


def fits(sample, distribution):
    """Kolmogorov and Smirnov's test."""
    return stats.kstest(np.asarray(sample, np.float64), distribution.cdf).pvalue > FALSE_FAIL


def is_zero(deviations):
    """Whether columns of independent rows have mean 0, each entry at Bonferroni's share of the rate."""
    deviations = deviations.reshape(len(deviations), -1)
    error = deviations.std(axis=0, ddof=1) / math.sqrt(len(deviations))
    limit = stats.norm.isf(FALSE_FAIL / 2 / deviations.shape[1])
    return bool((np.abs(deviations.mean(axis=0)) <= limit * error).all())


class Mixture:
    def __init__(self, scale, fraction, factor):
        self.parts = (1 - fraction, stats.norm(scale=scale)), (fraction, stats.norm(scale=scale * factor))

    def cdf(self, x):
        return sum(share * law.cdf(x) for share, law in self.parts)


# ---- features -------------------------------------------------------------------------------------------------

STANDARD, TOO_WIDE = stats.norm(), stats.norm(scale=1.05)
MARGINALS = [  # a law, how many features, one of them, its distribution, a wrong one
    (features.Normal(), 3, 2, STANDARD, TOO_WIDE),
    (features.Uniform(-1, 3), 3, 2, stats.uniform(-1, 4), stats.uniform(-1, 4.05)),
    (features.StudentT(3), 3, 0, stats.t(3), stats.t(4)),
    (features.StudentT(3), 3, 2, stats.t(3), stats.norm(scale=math.sqrt(3))),
    (features.StudentT(1), 3, 1, stats.cauchy(), stats.t(1.1)),
    (features.StudentT(30), 3, 1, stats.t(30), TOO_WIDE),
    (features.AR1(0.9), 40, 39, STANDARD, TOO_WIDE),
    (features.AR1(-0.5), 3, 1, STANDARD, TOO_WIDE),
    (features.Equicorrelated(0.3), 3, 2, STANDARD, TOO_WIDE),
    (features.Covariance(MATRIX), 4, 1, stats.norm(scale=math.sqrt(2)), stats.norm(scale=1.5)),
    (features.Covariance(MATRIX), 4, 3, stats.norm(scale=math.sqrt(1.5)), STANDARD),
    (features.LowRank(2, 0.1), 6, 5, STANDARD, TOO_WIDE),
    (features.LowRank(40), 6, 0, STANDARD, TOO_WIDE),
    (features.Polynomial(2), 4, 2, STANDARD, TOO_WIDE),
    (features.Polynomial(2), 4, 1, stats.chi2(1), stats.chi2(1.05)),
    (features.Polynomial(2, scaled=True), 4, 3, stats.chi2(1, scale=0.5), stats.chi2(1)),
]


@DTYPES
@pytest.mark.parametrize(
    ("law", "d", "j", "right", "wrong"), MARGINALS, ids=[f"{law}-{j}" for law, _, j, *_ in MARGINALS]
)
def test_marginals_of_features(law, d, j, right, wrong, dtype):
    column = features_of(law, d, dtype)[:, j]
    assert fits(column, right)
    assert not fits(column, wrong)


@DTYPES
@pytest.mark.parametrize(
    "chances", [[0.5, 0.2, 0.3], [0.9, 0.1], [0.25, 0.75, 0.0], [1 / 26] * 26], ids=["3", "2", "0", "26"]
)
def test_levels(chances, dtype):
    """Exactly one level a variable, as often as its probability says, and two variables are independent."""
    X = features_of(features.Categorical(chances, drop_first=False), 2 * len(chances), dtype)
    one, other = (part.argmax(axis=1) for part in np.hsplit(X, 2))
    for part in np.hsplit(X, 2):
        assert (part.sum(axis=1) == 1).all()
        assert set(np.unique(part)) <= {0, 1}
    used = np.array(chances) > 0
    expected = N * np.array(chances)[used]
    shifted = expected + N * 0.01 * np.eye(used.sum())[0] - N * 0.01 * np.eye(used.sum())[1]
    for level in (one, other):
        counts = np.bincount(level, minlength=len(chances))
        assert not counts[~used].any()
        assert stats.chisquare(counts[used], expected).pvalue > FALSE_FAIL
        assert stats.chisquare(counts[used], shifted).pvalue < FALSE_FAIL
    table = np.bincount(one * used.size + other, minlength=used.size**2).reshape(-1, used.size)[np.ix_(used, used)]
    assert stats.chi2_contingency(table).pvalue > FALSE_FAIL
    dropped = features_of(features.Categorical(chances), 2 * len(chances) - 2, dtype)
    np.testing.assert_array_equal(dropped, np.delete(X, [0, len(chances)], axis=1))


MOMENTS = [  # a law whose fourth moments exist, how many features, a law a little beside it
    (features.Normal(), 4, features.Equicorrelated(0.03)),
    (features.Uniform(-1, 3), 4, features.Uniform(-1, 3.05)),
    (features.StudentT(9), 4, features.StudentT(7)),
    (features.AR1(0.9), 8, features.AR1(0.89)),
    (features.AR1(-0.5), 6, features.AR1(0.5)),
    (features.Equicorrelated(0.3), 6, features.Equicorrelated(0.33)),
    (features.Covariance(MATRIX), 4, features.Covariance(np.array(MATRIX) + 0.05 * np.eye(4))),
    (features.Covariance(np.ones((3, 3))), 3, features.AR1(0.95)),
    (features.LowRank(2, 0.1), 6, features.LowRank(2, 0.15)),
    (features.LowRank(40), 6, features.LowRank(41)),
    (features.Categorical([0.5, 0.2, 0.3]), 4, features.Categorical([0.5, 0.21, 0.29])),
    (features.Categorical([0.25, 0.75, 0.0], drop_first=False), 6, features.Categorical([0.26, 0.74, 0.0], False)),
    (features.Polynomial(2), 4, features.Polynomial(2, scaled=True)),
    (features.Polynomial(4, scaled=True), 4, features.Polynomial(4)),
]


def moments_fit(X, law):
    """Means and covariances of the columns, one z for each entry."""
    centred = X - law.mean if np.ndim(law.mean) == 0 else X - np.tile(law.mean, X.shape[1] // law.columns)
    j, k = np.triu_indices(X.shape[1])
    products = centred[:, j] * centred[:, k] - law.covariance(X.shape[1])[j, k]
    deviations = np.hstack([centred, products])
    constant = deviations.std(axis=0) < 1e-6  # of a level that never is
    return is_zero(deviations[:, ~constant]) and bool((np.abs(deviations[:, constant]) < 1e-6).all())


@DTYPES
@pytest.mark.parametrize(("law", "d", "wrong"), MOMENTS, ids=str)
def test_means_and_covariances(law, d, wrong, dtype):
    X = features_of(law, d, dtype).astype(np.float64)
    assert moments_fit(X, law)
    assert not moments_fit(X, wrong)
    covariance = law.covariance(d)
    assert (covariance == covariance.T).all()
    np.testing.assert_array_equal(covariance[: law.columns, : law.columns], law.covariance(law.columns))


def test_variances_that_are_infinite_and_means_that_are_not():
    for law in (features.StudentT(1), features.StudentT(2)):
        assert law.variance == math.inf
        assert law.covariance(2).tolist() == [[math.inf, 0], [0, math.inf]]
    assert math.isnan(features.StudentT(1).mean)
    assert math.isnan(noise.StudentT(1, 0.5).mean)
    assert features.StudentT(2).mean == 0


# ---- noise ----------------------------------------------------------------------------------------------------

NOISE_MARGINALS = [
    (noise.Normal(0.5), stats.norm(scale=0.5), stats.norm(scale=0.53)),
    (noise.StudentT(3, 0.5), stats.t(3, scale=0.5), stats.t(4, scale=0.5)),
    (noise.StudentT(1, 2), stats.cauchy(scale=2), stats.cauchy(scale=2.1)),
    (noise.Laplace(0.5), stats.laplace(scale=0.5), stats.laplace(scale=0.53)),
    (noise.Contaminated(0.5, 0.1, 10), Mixture(0.5, 0.1, 10), Mixture(0.5, 0.13, 10)),
]


@DTYPES
@pytest.mark.parametrize(("law", "right", "wrong"), NOISE_MARGINALS, ids=[str(law) for law, *_ in NOISE_MARGINALS])
def test_marginals_of_noise(law, right, wrong, dtype):
    _, e = noise_of(law, dtype)
    assert fits(e, right)
    assert not fits(e, wrong)


@DTYPES
@pytest.mark.parametrize(
    "law", [law for law in NOISES if not isinstance(law, noise.StudentT | noise.Clustered)], ids=str
)
@pytest.mark.parametrize("of_features", [features.Normal(), features.Uniform(-1, 3), features.Polynomial(2)], ids=str)
def test_variance_of_noise(law, of_features, dtype):
    """Mean 0 and the exact variance, beside features of any law."""
    _, e = noise_of(law, dtype, of_features)
    variance = law.variance_with(of_features)
    assert is_zero(e)
    assert is_zero(e**2 - variance)
    assert not is_zero(e**2 - 1.1 * variance)


def test_variance_of_students_noise():
    _, e = noise_of(noise.StudentT(9, 0.5))
    assert is_zero(e**2 - noise.StudentT(9, 0.5).variance)
    assert not is_zero(e**2 - noise.StudentT(8, 0.5).variance)


def test_the_contaminated_fraction():
    """A binomial count of the rows that are louder than the normal law's."""
    _, quiet = noise_of(noise.Normal(0.5))
    _, mixed = noise_of(noise.Contaminated(0.5, 0.1, 10))
    louder = int((mixed != quiet).sum())
    assert stats.binomtest(louder, N, 0.1).pvalue > FALSE_FAIL
    assert stats.binomtest(louder, N, 0.105).pvalue < FALSE_FAIL
    np.testing.assert_allclose(mixed[mixed != quiet], 10 * quiet[mixed != quiet], rtol=1e-14)


def test_heteroscedastic_variance_by_the_first_feature():
    """Normal in every class of |x_0|, with the variance of that class; the second feature does not matter."""
    law = noise.Heteroscedastic(0.5, 2)
    X, e = noise_of(law)
    for low, high in ((0, 0.5), (0.5, 1), (1, 2), (2, 9)):
        inside = (np.abs(X[:, 0]) >= low) & (np.abs(X[:, 0]) < high)
        assert fits((e / np.sqrt(1 + 2 * X[:, 0] ** 2))[inside], stats.norm(scale=0.5))
        assert is_zero((e**2 - 0.25 * (1 + 2 * X[:, 0] ** 2))[inside])
    assert not fits(e / np.sqrt(1 + 2.4 * X[:, 0] ** 2), stats.norm(scale=0.5))
    assert is_zero((e**2 - law.variance)[np.abs(X[:, 1]) > 1])
    assert not is_zero((e**2 - law.variance)[np.abs(X[:, 0]) > 1])


@pytest.mark.parametrize("size", [2, 5, 20])
def test_clusters(size):
    """Rows of a cluster have the intraclass correlation, rows of two have none; one of each is normal."""
    law = noise.Clustered(0.5, 0.3, size)
    _, e = noise_of(law)
    clusters = e[: N // size * size].reshape(-1, size)
    assert fits(clusters[:, -1], stats.norm(scale=0.5))
    means = clusters.mean(axis=1)
    assert is_zero(means)
    assert is_zero(means**2 - 0.25 / size * (1 + (size - 1) * 0.3))
    pairs = (clusters.sum(axis=1) ** 2 - (clusters**2).sum(axis=1)) / (size * (size - 1))
    assert is_zero(pairs - 0.25 * 0.3)
    assert not is_zero(pairs - 0.25 * 0.34)
    assert is_zero(clusters[:-1:2, -1] * clusters[1::2, 0][: len(clusters[:-1:2])])
    shifted = e[size // 2 :][: (N // size - 1) * size].reshape(-1, size)  # cut in the middle of each
    pairs = (shifted.sum(axis=1) ** 2 - (shifted**2).sum(axis=1)) / (size * (size - 1))
    assert not is_zero(pairs[::2] - 0.25 * 0.3)


# ---- truths that are drawn ------------------------------------------------------------------------------------

FINITE = [law for law in FEATURES if law != features.StudentT(1)]


@pytest.mark.parametrize("law", FINITE, ids=str)
def test_signal_variance(law):
    """It is ``w' covariance w``, for every law."""
    for seed in range(3):
        d = law.columns if isinstance(law, features.Covariance) else law.columns * 5
        truth = planted.LinearTruth.draw(d, seed=seed, features=law)
        assert truth.signal_variance == pytest.approx(truth.w @ law.covariance(d) @ truth.w, rel=1e-12, abs=1e-14)


def test_none_where_a_variance_is_infinite():
    heavy = truth_of(features.StudentT(2))
    assert (heavy.signal_variance, heavy.snr, heavy.r2) == (None, None, None)
    loud = truth_of(features.Normal(), noise.StudentT(2, 0.5))
    assert (loud.noise_variance, loud.snr, loud.r2) == (None, None, None)
    assert loud.signal_variance == loud.w @ loud.w
    product = truth_of(features.StudentT(2), noise.Heteroscedastic(0.5, 1))
    assert product.noise_variance is None
    silent = truth_of(features.Normal(), 0)
    assert (silent.snr, silent.r2) == (None, 1.0)


@pytest.mark.parametrize("law", [law for law in FINITE if law.columns in (1, 2, 4)], ids=str)
@pytest.mark.parametrize("e", [e for e in NOISES if e.variance < math.inf], ids=str)
def test_the_ratio_that_was_asked_for(law, e):
    """Exact, by either name, with the same weights whatever the laws and the ratio."""
    plain = planted.LinearTruth.draw(20, informative=6, seed=3)
    d = 4 if isinstance(law, features.Covariance) else 20
    for snr in (1e-6, 0.3, 2.0, 1e9):
        truth = planted.LinearTruth.draw(d, informative=min(6, d), snr=snr, seed=3, features=law, noise=e)
        assert truth.snr == pytest.approx(snr, rel=1e-12)
        assert type(truth.noise) is type(e)
        same = planted.LinearTruth.draw(d, informative=min(6, d), r2=snr / (1 + snr), seed=3, features=law, noise=e)
        assert same.r2 == pytest.approx(snr / (1 + snr), rel=1e-12)
        for w in (truth.w, same.w):
            if d == 20:
                np.testing.assert_array_equal(w, plain.w)


@pytest.mark.parametrize("law", [features.Normal(), features.AR1(0.9), features.Polynomial(2)], ids=str)
@pytest.mark.parametrize("e", [noise.Normal(1), noise.Laplace(1), noise.Heteroscedastic(1, 2)], ids=str)
def test_the_ratio_of_variances_of_rows(law, e):
    """Of ``X w`` and of what is left of y."""
    truth = planted.LinearTruth.draw(8, snr=0.5, seed=4, features=law, noise=e, b=3.0)
    X, y = planted.rows(truth, N, seed=22, dtype="float64")[:]
    signal = X @ truth.w
    e = y[:, 0] - signal - 3
    centre = np.tile(np.ravel(law.mean), 8 // np.size(law.mean)) @ truth.w
    assert is_zero((signal - centre) ** 2 - 0.5 * e**2)
    assert not is_zero((signal - centre) ** 2 - 0.55 * e**2)


@pytest.mark.parametrize("kept", [0, 1, 7, 500, 1_000, None])
def test_support(kept):
    """Exactly as many weights as asked for, spread over all places, of both signs, normal, of the asked scale."""
    truth = planted.LinearTruth.draw(1_000, informative=kept, scale=2.0, seed=5)
    chosen = np.flatnonzero(truth.w)
    assert chosen.size == (1_000 if kept is None else kept)
    if chosen.size >= 500:
        assert fits(truth.w[chosen], stats.norm(scale=2))
        assert not fits(truth.w[chosen], stats.norm(scale=4))
        assert stats.binomtest(int((truth.w > 0).sum()), chosen.size).pvalue > FALSE_FAIL
        assert fits(chosen, stats.randint(0, 1_000))
    fewer = planted.LinearTruth.draw(1_000, informative=max(0, chosen.size - 1), scale=2.0, seed=5)
    kept_weights = fewer.w != 0
    np.testing.assert_array_equal(fewer.w[kept_weights], truth.w[kept_weights])


def test_each_place_is_chosen_equally_often():
    """By 4000 seeds, 3 of 10: chi-square of the counts, of which a sample without replacement has 0.7 times less."""
    counts = sum(planted.LinearTruth.draw(10, informative=3, seed=seed).w != 0 for seed in range(4_000)).astype(int)
    statistic = ((counts - 1_200) ** 2 / (4_000 * 0.3 * 0.7)).sum() * 0.9
    assert stats.chi2(9).isf(1 - FALSE_FAIL) < statistic < stats.chi2(9).isf(FALSE_FAIL)
    first_only = np.append(counts[:9] - 25, counts[9] + 225)
    assert ((first_only - 1_200) ** 2 / (4_000 * 0.3 * 0.7)).sum() * 0.9 > stats.chi2(9).isf(FALSE_FAIL)


def test_weights_of_other_seeds_and_salts_are_independent():
    draws = [planted.LinearTruth.draw(2_000, seed=seed, salt=salt).w for seed in (0, 1) for salt in ("", "a")]
    for k, one in enumerate(draws):
        for other in draws[:k]:
            assert stats.pearsonr(one, other).pvalue > FALSE_FAIL
    np.testing.assert_array_equal(planted.LinearTruth.draw(30, seed=1).w, planted.LinearTruth.draw(30, seed=1, b=2).w)


def test_efficiency_of_least_squares_under_students_noise():
    """With 5 degrees of freedom it is 0.8: the information is (df + 1) / (df + 3), the variance df / (df - 2).

    The likelihood's estimate is one step of scoring away. Both of 2000 samples of 200 rows; the logarithm of the ratio
    of variances has the standard error ``2 sqrt((1 - 0.8) / 2000) = 0.02``, and the step is worth 0.02 more.
    """
    truth = planted.LinearTruth([1.5], 0, noise.StudentT(5, 0.5))
    X, y = planted.rows(truth, 400_000, seed=23, dtype="float64")[:]
    x, y = X.reshape(2_000, 200), y.reshape(2_000, 200)
    squares = (x * x).sum(axis=1)
    squared = (x * y).sum(axis=1) / squares
    rest = y - squared[:, np.newaxis] * x
    score = (6 * rest / (5 * 0.25 + rest * rest) * x).sum(axis=1)
    likely = squared + score / (6 / 8 / 0.25 * squares)
    assert is_zero((squared - 1.5) ** 2 - truth.noise_variance / 198)
    assert not is_zero((squared - 1.5) ** 2 - 0.8 * truth.noise_variance / 198)
    assert math.log(likely.var() / squared.var()) == pytest.approx(math.log(0.8), abs=0.12)
