"""The laws of features and of noise: one value by two programs, invariances, bad input.

Whether they are the laws that they say is tested in `test_law_statistics`.
"""

import itertools
import json
import pickle

import numpy as np
import pytest
from comparisons import equal, patterns
from hypothesis import given, settings
from hypothesis import strategies as st

import planted
from planted import features, noise
from planted._random import random, transforms
from planted._rows.draw import defined_rows, draw_rows, keys_of
from planted._truth import FeatureLaw, NoiseLaw
from planted.errors import InvalidTypeError, InvalidValueError, TooLargeError

MATRIX = [[1, 0.5, 0.2, 0], [0.5, 2, 0.3, 0.1], [0.2, 0.3, 1, 0.4], [0, 0.1, 0.4, 1.5]]

# Every test of all laws walks these two lists; a new law belongs in one of them.
FEATURES = [
    features.Normal(),
    features.Uniform(-1, 3),
    features.StudentT(3),
    features.StudentT(1),
    features.AR1(0.9),
    features.AR1(-0.5),
    features.Equicorrelated(0.3),
    features.Covariance(MATRIX),
    features.Covariance(np.ones((3, 3))),  # of rank one
    features.LowRank(2, 0.1),
    features.LowRank(40),
    features.Categorical([0.5, 0.2, 0.3]),
    features.Categorical([0.25, 0.75, 0.0], drop_first=False),
    features.Polynomial(2),
    features.Polynomial(4, scaled=True),
]
NOISES = [
    noise.Normal(0.5),
    noise.StudentT(3, 0.5),
    noise.StudentT(1, 2),
    noise.Laplace(0.5),
    noise.Contaminated(0.5, 0.1, 10),
    noise.Heteroscedastic(0.5, 2),
    noise.Clustered(0.5, 0.3, 7),
]

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
any_features, any_noise, any_dtype = (st.sampled_from(of) for of in (FEATURES, NOISES, ["float32", "float64"]))
few = settings(max_examples=60, deadline=None)


def test_no_law_is_missing():
    assert {type(law) for law in FEATURES} == set(FeatureLaw.laws.values())
    assert {type(law) for law in NOISES} == set(NoiseLaw.laws.values())


def width(law, variables=3):
    """Features for that many variables, or as many as there must be."""
    return law.columns if isinstance(law, features.Covariance) else law.columns * variables


def truth_of(law, e=0.5, d=None):
    """A truth of these laws, with weights of both signs and a zero."""
    return planted.LinearTruth((np.arange(d or width(law)) - 1) * 0.75, 4.2, e, law)


def defined(truth, numbers, dtype, seed=7):
    """The rows of these numbers by the definition alone."""
    return defined_rows(truth, keys_of(seed, "", dtype), np.asarray(numbers, np.int64), dtype)


def same_bits(batch, expected):
    for values, wanted in zip(batch, expected, strict=True):
        assert values.dtype == wanted.dtype
        assert values.shape == wanted.shape
        assert patterns(values) == patterns(wanted)


# ---- one value by two programs --------------------------------------------------------------------------------

PAIRS = [(law, NOISES[0]) for law in FEATURES] + [(law, e) for law in FEATURES[:5:4] for e in NOISES[1:]]


@DTYPES
@pytest.mark.parametrize(("law", "e"), PAIRS, ids=map(str, PAIRS))
def test_definition_and_kernels(law, e, dtype):
    """Rows have the definition's bits, for counts around the lanes of the kernels, and one variable or several."""
    for variables in (1, 3):
        truth = truth_of(law, e, width(law, variables))
        expected = defined(truth, range(1_000), dtype)
        for n in (0, 1, 95, 96, 129, 1_000):
            same_bits(planted.rows(truth, n, seed=7, dtype=dtype)[:], [part[:n] for part in expected])


@DTYPES
@pytest.mark.parametrize(("law", "e"), PAIRS, ids=map(str, PAIRS))
def test_definition_and_kernels_at_the_last_rows_that_there_are(law, e, dtype):
    truth = truth_of(law, e)
    numbers = 2**63 - 1 - np.arange(130)
    X, y = np.empty((130, truth.features), dtype), np.empty((130, 1), dtype)
    draw_rows(truth, keys_of(7, "", dtype), numbers, X, y)
    same_bits((X, y), defined(truth, numbers, dtype))
    rows = planted.rows(truth, 2**63 - 1, seed=7, dtype=dtype)
    same_bits(rows[-100:], [part[100:0:-1] for part in (X, y)])


@DTYPES
@pytest.mark.parametrize("law", [law for law in FEATURES if not isinstance(law, features.Covariance)], ids=str)
def test_definition_and_kernels_of_wide_rows(law, dtype):
    """Rows so wide that they are drawn in several chunks."""
    truth = truth_of(law, noise.Clustered(0.5, 0.3, 7), law.columns * (1_440 // law.columns))
    same_bits(planted.rows(truth, 200, seed=7, dtype=dtype)[:], defined(truth, range(200), dtype))


# ---- invariances ----------------------------------------------------------------------------------------------


@few
@given(any_features, any_noise, any_dtype, st.integers(0, 2**64 - 1), st.integers(1, 300), st.data())
def test_a_row_depends_on_its_number_alone(law, e, dtype, seed, n, data):
    """More rows, any chunks, any order, held in memory, pickled: the same values."""
    truth = truth_of(law, e)
    rows = planted.rows(truth, n, seed=seed, dtype=dtype)
    X, y = rows[:]
    more = planted.rows(truth, n + data.draw(st.integers(1, 1_000)), seed=seed, dtype=dtype)
    equal(more[:n], (X, y))
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, n), max_size=4))), n]
    chunks = [rows[a:b] for a, b in itertools.pairwise(cuts)]
    equal([np.concatenate(parts) for parts in zip(*chunks, strict=True)], (X, y))
    order = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=50))
    equal(more.take(order), (X[order], y[order]))
    equal(rows.materialize()[:], (X, y))
    again = pickle.loads(pickle.dumps(rows))
    assert again == rows
    assert again.fingerprint() == rows.fingerprint() != more.fingerprint()
    equal(again[:], (X, y))


@few
@given(
    any_features.filter(lambda law: not isinstance(law, features.Covariance)),
    any_dtype,
    st.integers(0, 99),
    st.integers(1, 9),
    st.integers(1, 140),
)
def test_more_features_change_no_feature(law, dtype, seed, variables, added):
    narrow, wide = (truth_of(law, d=width(law, count)) for count in (variables, variables + added))
    X, _ = planted.rows(narrow, 100, seed=seed, dtype=dtype)[:]
    wider, _ = planted.rows(wide, 100, seed=seed, dtype=dtype)[:]
    np.testing.assert_array_equal(wider[:, : narrow.features], X)


@few
@given(any_features, any_noise, any_noise, any_dtype, st.integers(0, 99))
def test_another_noise_changes_no_feature(law, e, other, dtype, seed):
    X, y = planted.rows(truth_of(law, e), 200, seed=seed, dtype=dtype)[:]
    same, z = planted.rows(truth_of(law, other), 200, seed=seed, dtype=dtype)[:]
    np.testing.assert_array_equal(same, X)
    assert (e == other) == bool((y == z).all())


@few
@given(any_noise, any_features, any_features, st.integers(0, 99))
def test_other_features_change_no_noise(e, law, other, seed):
    """But the one that leans on them."""
    if isinstance(e, noise.Heteroscedastic):
        return
    flat = [planted.LinearTruth([0.0] * width(one), 0, e, one) for one in (law, other)]
    np.testing.assert_array_equal(*(planted.rows(truth, 200, seed=seed)[:][1] for truth in flat))


@few
@given(any_features, any_dtype, st.floats(0, 1), st.integers(0, 99))
def test_quiet_rows_have_the_noise_of_the_normal_law(law, dtype, fraction, seed):
    """And the loud ones `factor` times it; a factor of 1 changes nothing."""

    def noise_at(e):
        truth = planted.LinearTruth([0.0] * width(law), 0, e, law)
        return planted.rows(truth, 300, seed=seed, dtype=dtype)[:][1]

    normal, mixed = noise_at(noise.Normal(0.5)), noise_at(noise.Contaminated(0.5, fraction, 8))
    assert (np.isin(mixed, normal) | (mixed == 8 * normal)).all()
    np.testing.assert_array_equal(mixed[mixed != 8 * normal], normal[mixed != 8 * normal])
    np.testing.assert_array_equal(noise_at(noise.Contaminated(0.5, fraction, 1)), normal)
    np.testing.assert_array_equal(noise_at(noise.Contaminated(0.5, 0, 8)), normal)


@few
@given(any_features, any_noise)
def test_laws_of_no_effect_are_the_normal_ones(law, e):
    """No correlation, no contamination, ...: the bits of the plain laws."""
    X, y = planted.rows(planted.LinearTruth([1.0, 2.0], 0, noise.Normal(0.5)), 200)[:]
    for plain in (features.AR1(0), features.Equicorrelated(0), features.Covariance(np.eye(2)), features.LowRank(1, 1)):
        np.testing.assert_array_equal(planted.rows(planted.LinearTruth([1.0, 2.0], 0, 0.5, plain), 200)[:][0], X)
    for quiet in (noise.Heteroscedastic(0.5, 0), noise.Clustered(0.5, 0, 3)):
        np.testing.assert_array_equal(planted.rows(planted.LinearTruth([1.0, 2.0], 0, quiet), 200)[:][1], y)


# ---- laws as values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("law", FEATURES + NOISES, ids=str)
def test_a_law_is_kept_without_losing_a_bit(law):
    """By pickle, by JSON, and by its repr where that shows its numbers: equal, of equal hash."""
    kept = pickle.loads(pickle.dumps(law))
    read = type(law).from_dict(json.loads(json.dumps(law.to_dict())))
    shown = eval(repr(law), {"features": features, "noise": noise}) if "<" not in repr(law) else law
    for other in (kept, read, shown):
        assert other == law
        assert hash(other) == hash(law)
        assert repr(other) == repr(law)
    assert kept.to_dict() == read.to_dict() == law.to_dict()
    assert type(kept) is type(read) is type(law)  # (normal noise is shown as the number that it is)
    for name in list(law.to_dict())[1:]:
        with pytest.raises(AttributeError):
            setattr(law, name, 2.0)


@given(any_features, any_noise, any_features, any_noise)
def test_a_truth_is_kept_with_its_laws(law, e, other_law, other_noise):
    truth = truth_of(law, e)
    kept = pickle.loads(pickle.dumps(truth))
    read = planted.LinearTruth.from_dict(json.loads(json.dumps(truth.to_dict())))
    for other in (kept, read):
        assert other == truth
        assert hash(other) == hash(truth)
        assert other.to_dict() == truth.to_dict()
        assert type(other.noise) is type(e)
    other = truth_of(other_law, other_noise)
    same = (other_law, other_noise) == (law, e)
    assert (other == truth) == same
    assert (planted.rows(other, 9).fingerprint() == planted.rows(truth, 9).fingerprint()) == same


@pytest.mark.parametrize("law", FEATURES + NOISES, ids=str)
def test_a_truths_repr_evaluates_back(law):
    truth = truth_of(law) if isinstance(law, FeatureLaw) else truth_of(features.AR1(0.5), law)
    shown = repr(truth)
    names = {"LinearTruth": planted.LinearTruth, "features": features, "noise": noise}
    if "<" not in shown and "..." not in shown:
        assert eval(shown, names) == truth
    assert repr(law) in shown or law in (features.Normal(), noise.Normal(0.5))


def test_laws_of_other_numbers_or_names_differ():
    """No two of the lists are equal, but the normal noise is its own standard deviation."""
    for laws in (FEATURES, NOISES):
        assert all((a == b) == (a is b) for a in laws for b in laws)
    assert features.StudentT(3) != noise.StudentT(3, 1)
    assert noise.Normal(0.5) == 0.5
    assert hash(features.AR1(0.0)) == hash(features.AR1(-0.0))
    zero = features.Covariance([[1.0, 0.0], [0.0, 1.0]])
    assert zero == features.Covariance([[1.0, -0.0], [-0.0, 1.0]])
    assert hash(zero) == hash(features.Covariance([[1.0, -0.0], [-0.0, 1.0]]))


def test_a_matrix_is_the_laws_own():
    """Changing what was handed over, or what was handed out, changes no law."""
    matrix = np.array(MATRIX)
    law = features.Covariance(matrix)
    matrix[:] = 0
    law.covariance(4)[:] = 0
    np.testing.assert_array_equal(law.covariance(4), MATRIX)
    with pytest.raises(ValueError, match="read-only"):
        law.matrix[0, 0] = 2


# ---- bad input ------------------------------------------------------------------------------------------------


def from_dict(of_noise=0.5, **more):
    return planted.LinearTruth.from_dict({"w": [1.0], "b": 0, "noise": of_noise, **more})


def draw(**arguments):
    return planted.LinearTruth.draw(4, **arguments)


BAD = [
    (lambda: features.AR1(0.5).covariance(0), r"d=0 must be an integer, at least 1: use .* d=3"),
    (lambda: features.Categorical([0.2, 0.3, 0.5]).covariance(3), r"d=3 features, .* 2 columns .*: use a multiple"),
    (lambda: features.Covariance(np.eye(3)).covariance(2), r"d=2 features, .* of 3 features: use 3"),
    (lambda: features.Uniform(-1e308, 1e308), r"low=-1e\+308 must be within float64's range of high=.*: use"),
    (lambda: planted.regression([1.0], features=features.Uniform(0, 1e39)), r"features=.*beyond float32: use"),
    (lambda: features.Polynomial(47), r"degree=47 must be an integer, at least 1 and at most 46: use"),
    (lambda: features.AR1(1), r"rho=1\.0 must be more than -1 and less than 1: .* rho=0\.5"),
    (lambda: features.AR1(-1.5), r"rho=-1\.5 must be more than -1 and less than 1: .* rho=0\.5"),
    (lambda: features.Equicorrelated(-0.1), r"rho=-0\.1 must be at least 0 and less than 1: .* rho=0\.5"),
    (lambda: features.Equicorrelated(1), r"rho=1\.0 must be at least 0 and less than 1: .* rho=0\.5"),
    (lambda: features.Covariance([[1, 2]]), r"matrix of shape \(1, 2\) is not square: use .* \[\[1, 0\.5\]"),
    (lambda: features.Covariance([]), r"matrix of shape \(0,\) is not square: use"),
    (lambda: features.Covariance([[np.inf]]), r"matrix has values that are not finite: use"),
    (
        lambda: features.Covariance([[1, 0.5], [0.4, 1]]),
        r"matrix\[0, 1\]=0\.5 and matrix\[1, 0\]=0\.4 differ, .* not symmetric: use .*\(matrix \+ matrix\.T\) / 2",
    ),
    (lambda: features.Covariance([[1, 2], [2, 1]]), r"matrix has the negative eigenvalue -1, .*: use"),
    (lambda: features.Covariance([[-2.0]]), r"matrix has the negative eigenvalue -2, .*: use"),
    (lambda: features.StudentT(0), r"df=0\.0 must be at least 1: use .* df=3"),
    (lambda: features.StudentT(0.9), r"df=0\.9 must be at least 1: use .* df=3"),
    (lambda: noise.StudentT(-1, 1), r"df=-1\.0 must be at least 1: use .* df=3"),
    (lambda: noise.Contaminated(1, 1.5, 3), r"fraction=1\.5 must be at least 0 and at most 1: use .*=0\.05"),
    (lambda: noise.Contaminated(1, -0.1, 3), r"fraction=-0\.1 must be at least 0 and at most 1: use .*=0\.05"),
    (lambda: noise.Contaminated(1, 0.1, -3), r"factor=-3\.0 must be at least 0: use"),
    (lambda: noise.Clustered(1, 1.1, 3), r"icc=1\.1 must be at least 0 and at most 1: .* icc=0\.3"),
    (lambda: noise.Clustered(1, 0.1, 0), r"size=0 must be an integer, at least 1 .*: use .* size=20"),
    (lambda: noise.Heteroscedastic(1, -1), r"gamma=-1\.0 must be at least 0: use .* gamma=1"),
    (lambda: noise.Laplace(-1), r"scale=-1\.0 must be at least 0: .* use 0 for no noise"),
    (lambda: noise.Normal(-1), r"noise=-1\.0 must be at least 0: .* use 0 for none"),
    (lambda: features.LowRank(2, 1.1), r"tail_strength=1\.1 must be at least 0 and at most 1: use"),
    (lambda: features.LowRank(0), r"effective_rank=0 must be an integer, at least 1 .*: use .* effective_rank=5"),
    (lambda: features.Polynomial(0), r"degree=0 must be an integer, at least 1 .*: use .* degree=4"),
    (lambda: features.Uniform(2, 1), r"low=2\.0 must be less than high=1\.0: use .* features\.Uniform\(-1, 1\)"),
    (lambda: features.Categorical([0.5, 0.4]), r"probabilities=\[0\.5, 0\.4\] add up to 0\.9, not to 1: use"),
    (lambda: features.Categorical([0.5, -0.5, 1]), r"probabilities\[1\]=-0\.5 must be at least 0 .*: use"),
    (lambda: features.Categorical([1.0]), r"probabilities=\[1\.0\] must be of two levels or more: use"),
    (lambda: draw(snr=1, features=features.StudentT(2)), r"snr=1\.0 with .* of X w is infinite, .*: name the noise's"),
    (lambda: draw(r2=0.5, noise=noise.StudentT(2, 1)), r"snr=1\.0 .*StudentT.* the noise is infinite, .*: name"),
    (lambda: draw(snr=1, informative=0), r"snr=1\.0 .* of X w is 0, .*: name the noise's scale"),
    (lambda: draw(snr=2, r2=0.5), r"snr=2 and r2=0\.5 say the same: use one of them"),
    (lambda: draw(snr=0), r"snr=0\.0 must be more than 0: use scale=0"),
    (lambda: draw(r2=1), r"r2=1\.0 must be more than 0 and less than 1: use noise=0"),
    (lambda: draw(informative=5), r"informative=5 of d=4 features: use"),
    (lambda: draw(features=features.Covariance(np.eye(3))), r"w has 4 weights, .* is of 3 features: use 3"),
    (lambda: planted.LinearTruth([1, 2, 3], features=features.Polynomial(2)), r"w has 3 .*: use a multiple of 2"),
    (lambda: from_dict({"law": "gauss", "scale": 1}), r"noise=\{'law': 'gauss'.* no law: write .* laplace"),
    (lambda: from_dict({"law": "laplace"}), r"the law laplace has the fields \['law', 'scale'\], not \['law'\]: use"),
    (lambda: from_dict({"law": "laplace", "scale": 1, "df": 3}), r"the law .* not \['df', 'law', 'scale'\]: use"),
    (lambda: from_dict({"law": "ar1", "rho": 0.5}), r"noise=.* describes no law: write"),
    (lambda: from_dict(features="ar1"), r"features='ar1' describes no law: write .* equicorrelated"),
    (lambda: from_dict(features={"law": "laplace", "scale": 1}), r"features=.* describes no law: write .* ar1"),
    (lambda: from_dict(features={"rho": 0.5}), r"features=\{'rho': 0\.5\} describes no law: write"),
    (lambda: from_dict(law={}), r"a truth has the fields .* not \['b', 'law', 'noise', 'w'\]: write"),
]  # fmt: skip

WRONG_TYPES = [
    (lambda: draw(features="ar1"), r"features='ar1' must be a law of features: use planted\.features\.AR1"),
    (lambda: draw(features=features.AR1), r"features=.*AR1.* must be a law of features: use"),
    (lambda: draw(features=noise.Laplace(1)), r"features=noise\.Laplace\(scale=1\.0\) must be a law of features: use"),
    (lambda: draw(noise="t"), r"noise='t' must be a number or a law of noise: use .*planted\.noise\.Laplace"),
    (lambda: draw(noise=noise.Laplace), r"noise=.*Laplace.* must be a number or a law of noise: use"),
    (lambda: draw(noise=features.AR1(0.5)), r"noise=features\.AR1\(rho=0\.5\) must be a number or a law of noise: use"),
    (lambda: features.AR1("x"), r"rho='x' must be a real number .*: .* rho=0\.5"),
    (lambda: features.Covariance("ab"), r"matrix='ab' must be a real number .*: use"),
    (lambda: features.Covariance([["1"]]), r"matrix holds <U1 values; they must be real numbers: use"),
    (lambda: features.Covariance(np.eye(2, dtype=complex)), r"matrix holds complex128 values; .*: use"),
    (lambda: features.StudentT(10**400), r"df=10000.* must be a real number within float64: use .* df=3"),
    (lambda: features.AR1(0.5).covariance("3"), r"d='3' is not an integer.*: use .* d=3"),
    (lambda: features.Categorical(3), r"probabilities=3 are no list: use"),
    (lambda: features.Categorical([0.5, 0.5], drop_first=1), r"drop_first=1 must be True or False"),
]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [(case[0], InvalidValueError, case[1]) for case in BAD]
    + [(case[0], InvalidTypeError, case[1]) for case in WRONG_TYPES],
)
def test_bad_input(call, error, message):
    """The error names the value, the rule and what to write instead."""
    with pytest.raises(error, match=message):
        call()


def test_a_level_of_probability_0_is_never_drawn():
    """Its threshold would be 2^32, which no word reaches, not even the largest."""
    law = features.Categorical([0.25, 0.75, 0.0], drop_first=False)
    assert law.thresholds().tolist() == [2**30]
    assert law.mean.tolist() == [0.25, 0.75, 0.0]
    assert (planted.regression([1.0, 2.0, 3.0], features=law, n=1_000).X[:, 2] == 0).all()
    everywhere = planted.regression([1.0], noise=noise.Contaminated(0.5, 1.0, 4.0), n=1_000, dtype="float64")
    assert np.allclose(
        everywhere.y, planted.regression([1.0], noise=2.0, n=1_000, dtype="float64").y, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize(
    ("law", "variance"),
    [
        (noise.Normal(2), 4.0),
        (noise.StudentT(3, 2), 12.0),
        (noise.StudentT(2, 2), np.inf),
        (noise.Laplace(2), 8.0),
        (noise.Contaminated(2, 0.25, 3), 12.0),
        (noise.Heteroscedastic(2, 3), 16.0),
        (noise.Clustered(2, 0.5, 9), 4.0),
    ],
)
def test_the_variances_of_noise_are_exact(law, variance):
    """To the last bit, where the samples of other tests see a hundredth."""
    assert law.variance == variance
    assert planted.LinearTruth([1.0], noise=law).noise_variance == (None if variance == np.inf else variance)


def test_what_no_memory_can_hold_is_refused():
    with pytest.raises(TooLargeError, match=r"the covariance of 100_000_000 features .*: use fewer features"):
        features.AR1(0.5).covariance(10**8)
    with pytest.raises(TooLargeError, match=r"d=1000000000000: so many weights .*: use fewer features"):
        planted.LinearTruth.draw(10**12)


def test_the_largest_power_of_the_largest_normal_is_finite():
    largest = np.array([[random.normal_pair(*np.zeros((2, 1), np.uint32), random.FLOAT32)[0][0]]])
    X = np.empty((1, 46), np.float32)
    transforms.powers(largest, X[:, :0], X, np.ones(46, np.float32))
    assert largest[0, 0] == np.float32(6.763705730438232)
    assert np.isfinite(X).all()
    assert np.log(largest[0, 0]) * 47 > np.log(np.finfo(np.float32).max)  # the next power is not


def test_variances_beyond_float64_are_infinite():
    """Not an error and not a warning: the law itself is fine."""
    law = features.Covariance([[1e308, 0.0], [0.0, 1e308]])
    assert planted.LinearTruth([1e10, 1.0], features=law).signal_variance is None
    assert planted.LinearTruth([1.0], features=features.Uniform(0, 1e300)).signal_variance is None
