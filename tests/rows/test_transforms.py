"""What makes features of a law out of normals: definition, kernels and the page's second program, bit for bit."""

import hashlib
import math

import numpy as np
import pytest
import version_1
import version_1_transforms as again
from comparisons import patterns
from test_version_1 import PAGE, pattern, table

import planted
from planted import features
from planted._random import transform_kernels, transforms
from planted._truth.factors import cholesky, signs

ROW_NUMBERS = [0, 1, 12345, 2**32, 2**63 - 1]
TYPES = pytest.mark.parametrize("real", [np.float32, np.float64], ids=["float32", "float64"])
ROWS = pytest.mark.parametrize("rows", [0, 1, 5, 300])
WIDTHS = pytest.mark.parametrize("d", [1, 2, 7, 16, 64])


def values(rows, count, real, seed=0):
    """Normals, with zeros of both signs among them."""
    made = np.random.default_rng(seed).standard_normal((rows, count)).astype(real)
    made[1::7, ::3] = 0
    made[2::7, ::2] = -0.0
    return made


def matrix(d, rank=None):
    """A covariance of this rank."""
    factor = np.random.default_rng(d).standard_normal((d, rank or d))
    return factor @ factor.T


def numbers(name, d, real):
    """What a law hands to its transform."""
    lower = cholesky(matrix(d, max(1, d - 2))).astype(real)
    return {
        "affine": (real(-1.5), real(4.25)),
        "ar1": (real(-0.9), real(math.sqrt(1 - 0.81))),
        "equicorrelated": (real(math.sqrt(0.3)), real(math.sqrt(0.7))),
        "triangular": (lower,),
        "low_rank": ((signs(d, 6) * math.sqrt(0.75 / 6)).astype(real), real(0.5)),
    }[name]


def same(name, Z, F, shape, *numbers):
    """The definition's features, if the kernel has the same bits; also where the result may take Z's place."""
    expected, X = np.full(shape, np.nan, F.dtype), np.full(shape, np.nan, F.dtype)
    getattr(transforms, name)(Z, F, expected, *numbers)
    getattr(transform_kernels, name)(Z, F, X, *numbers)
    assert patterns(X) == patterns(expected)
    if Z.shape == shape and Z.dtype == F.dtype:
        for module in (transforms, transform_kernels):
            in_place = Z.copy()
            getattr(module, name)(in_place, F, in_place, *numbers)
            assert patterns(in_place) == patterns(expected)
    return expected


# ---- definition and kernels -----------------------------------------------------------------------------------


@TYPES
@ROWS
@WIDTHS
@pytest.mark.parametrize("name", ["affine", "ar1", "equicorrelated", "triangular", "low_rank"])
def test_kernels(name, d, rows, real):
    """A kernel has the definition's bits, in place too, and for numbers that are zero."""
    Z, F = values(rows, d, real), values(rows, 6, real, seed=1)
    assert same(name, Z, F, (rows, d), *numbers(name, d, real)).dtype == real
    same(name, Z, F, (rows, d), *(n * real(0) for n in numbers(name, d, real)))


@TYPES
@ROWS
@WIDTHS
@pytest.mark.parametrize("degree", [1, 2, 4])
def test_powers(degree, d, rows, real):
    """So with powers, scaled by any multipliers."""
    Z = values(rows, d, real)
    X = same("powers", Z, Z, (rows, d * degree), np.array([1, 1 / 2, 1 / 6, 1 / 24][:degree], real))
    np.testing.assert_array_equal(X[:, ::degree], Z)


@TYPES
@ROWS
@WIDTHS
@pytest.mark.parametrize("first", [0, 1])
def test_indicators(first, d, rows, real):
    """So with indicators; each row of a variable has one 1, or none where it is of the level that is left out."""
    Z = np.random.default_rng(0).integers(0, 4, (rows, d), dtype=np.int32)
    X = same("indicators", Z, np.empty((rows, 0), real), (rows, d * (4 - first)), first)
    np.testing.assert_array_equal(X.reshape(rows, d, 4 - first).sum(axis=2), np.ones((rows, d)) if not first else Z > 0)


@TYPES
@pytest.mark.parametrize("factors", [1, 3, 4, 5, 8, 9])
def test_low_rank_of_any_rank(factors, real):
    """Four factors at a time, and what is left."""
    loadings = (signs(7, factors) * 0.3).astype(real)
    same("low_rank", values(20, 7, real), values(20, factors, real, seed=1), (20, 7), loadings, real(0.7))


@TYPES
def test_any_memory_order(real):
    """The order of a matrix in memory changes no bit."""
    Z = values(9, 7, real)
    (L,) = numbers("triangular", 7, real)
    expected = same("triangular", Z, Z, Z.shape, L)
    assert patterns(same("triangular", Z, Z, Z.shape, np.asfortranarray(L))) == patterns(expected)


@TYPES
@pytest.mark.parametrize("name", ["affine", "ar1", "equicorrelated", "triangular", "low_rank"])
def test_more_features_change_none(name, real):
    """The first features are those of fewer (of a leading part of the matrix, where there is one)."""
    Z, F = values(50, 16, real), values(50, 6, real, seed=1)
    given = numbers(name, 16, real)
    fewer = [n[:7, :7] if name == "triangular" else n[:7] if n.ndim else n for n in given]
    expected = same(name, Z, F, (50, 16), *given)
    assert patterns(same(name, Z[:, :7].copy(), F, (50, 7), *fewer)) == patterns(expected[:, :7])


# ---- what is computed once ------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 7, 64])
def test_cholesky(d):
    """The factor is that of LAPACK, up to rounding, and lower triangular."""
    wanted = matrix(d) + np.eye(d)
    L = cholesky(wanted)
    np.testing.assert_allclose(L, np.linalg.cholesky(wanted), rtol=1e-12, atol=1e-12)
    assert not np.triu(L, 1).any()


@pytest.mark.parametrize(("d", "rank"), [(2, 1), (7, 3), (64, 5)])
def test_semidefinite_matrices(d, rank):
    """A matrix of lower rank has as many columns that are not zero; zeros give zeros."""
    wanted = matrix(d, rank)
    L = cholesky(wanted)
    assert L.any(axis=0).sum() == rank
    np.testing.assert_allclose(L @ L.T, wanted, atol=1e-11 * np.abs(wanted).max())
    assert not cholesky(np.zeros((d, d))).any()


def test_cholesky_leaves_its_argument():
    """The matrix is read, never written."""
    wanted = matrix(7)
    before = wanted.copy()
    cholesky(wanted)
    np.testing.assert_array_equal(wanted, before)


def digest(array):
    """SHA-256 of an array's values, row after row, as little-endian float64."""
    return hashlib.sha256(np.ascontiguousarray(array, "<f8").tobytes()).hexdigest()


def hilbert(d):
    """1 / (j + k + 1): no library's rounding is in it."""
    return [[1 / (j + k + 1) for k in range(d)] for j in range(d)]


def test_known_answers():
    """What is computed once has the same bits everywhere."""
    assert digest(cholesky(np.array(hilbert(16)))) == "76ab4f20b6827930132171db26ca107c77dc20a14249682ad923f3e685f960b1"
    assert digest(signs(64, 200)) == "766893bd217ebe79aa6d76d01cc0e431480a0a8beea6ad54915af2d48a762f83"


@pytest.mark.parametrize(("d", "r"), [(1, 1), (5, 31), (5, 33), (3, 128), (3, 129), (2, 600)])
def test_signs(d, r):
    """The signs are those of the page; more features or factors change none."""
    made = signs(d, r)
    assert made.tolist() == [[again.sign(j, k) for k in range(r)] for j in range(d)]
    np.testing.assert_array_equal(signs(9, 700)[:d, :r], made)


# ---- the page -------------------------------------------------------------------------------------------------


@TYPES
@pytest.mark.parametrize("d", [1, 2, 7, 16])
def test_page(d, real):
    """The features of each law are those that a program written from the page makes."""
    kind = version_1.REALS[real.__name__]
    Z, F, U = values(9, d, real), values(9, 6, real, seed=1), np.abs(values(9, d, real))
    shape = Z.shape
    wanted = hilbert(d)
    laws = [
        ("affine", U, (-0.1, 0.7), (-0.1, 0.7 - -0.1), lambda u, f, *p: again.affine(u, *p, kind)),
        ("ar1", Z, (0.3,), (0.3, math.sqrt(1 - 0.3 * 0.3)), lambda z, f, *p: again.ar1(z, *p, kind)),
        ("equicorrelated", Z, (0.3,), (math.sqrt(0.3), math.sqrt(1 - 0.3)),
         lambda z, f, *p: again.equicorrelated(z, f[0], *p, kind)),
        ("triangular", Z, (wanted,), (cholesky(np.array(wanted)),), lambda z, f, *p: again.covariance(z, *p, kind)),
        ("low_rank", Z, (0.4,), (signs(d, 6) * math.sqrt((1 - 0.4) / 6), math.sqrt(0.4)),
         lambda z, f, *p: again.low_rank(z, f, *p, kind)),
    ]  # fmt: skip
    for name, source, parameters, given, program in laws:
        X = same(name, source, F, shape, *(np.asarray(n, real)[()] for n in given))
        expected = [program(z, f, *parameters) for z, f in zip(source.tolist(), F.tolist(), strict=True)]
        assert patterns(X) == patterns(np.array(expected, real)), name


@TYPES
@pytest.mark.parametrize("scaled", [False, True])
def test_page_of_blocks(scaled, real):
    """So with the laws whose variables have several columns."""
    kind, Z = version_1.REALS[real.__name__], values(9, 3, real)
    multipliers = np.array([1 / math.factorial(p) if scaled else 1 for p in range(1, 8)], real)
    X = same("powers", Z, Z, (9, 21), multipliers)
    assert patterns(X) == patterns(np.array([again.polynomial(z, 7, scaled, kind) for z in Z.tolist()], real))
    levels = np.arange(27, dtype=np.int32).reshape(9, 3) % 5
    X = same("indicators", levels, Z, (9, 3 * (5 - scaled)), int(scaled))
    assert X.tolist() == [again.categorical(row, 5, scaled) for row in levels.tolist()]


@pytest.mark.parametrize("probabilities", [(0.5, 0.5), (0.1, 0.2, 0.7), (0, 1 / 3, 0, 2 / 3), (1.0, 0.0), (0.1,) * 10])
def test_levels(probabilities):
    """The thresholds are those of the page; a level of probability 0 does not occur, whatever the word."""
    limits = again.thresholds(probabilities)
    assert features.Categorical(probabilities).thresholds().tolist() == [limit for limit in limits if limit < 2**32]
    found = {again.level(word, limits) for word in [0, 2**31, 2**32 - 1, *(limit - (limit > 0) for limit in limits)]}
    assert found == {k for k, p in enumerate(probabilities) if p > 0}


@TYPES
@pytest.mark.parametrize(("seed", "salt"), [(714, ""), (2**200, "Übung №1")], ids=["plain", "salted"])
@pytest.mark.parametrize("d", [1, 2, 7])
def test_rows(d, seed, salt, real):
    """So are the features of whole rows, from the seed on."""
    kind, p, wanted = version_1.REALS[real.__name__], (0.5, 0.2, 0.3), hilbert(d)
    drawn = seed, salt, kind
    laws = [
        (features.AR1(-0.7), d, lambda z, f, i: again.ar1(z, -0.7, kind)),
        (features.Equicorrelated(0.2), d, lambda z, f, i: again.equicorrelated(z, f[0], 0.2, kind)),
        (features.Covariance(wanted), d, lambda z, f, i: again.covariance(z, wanted, kind)),
        (features.LowRank(5, 0.3), d, lambda z, f, i: again.low_rank(z, f, 0.3, kind)),
        (features.Polynomial(3), 3 * d, lambda z, f, i: again.polynomial(z, 3, False, kind)),
        (features.Polynomial(4, scaled=True), 4 * d, lambda z, f, i: again.polynomial(z, 4, True, kind)),
        (features.Categorical(p), 2 * d, lambda z, f, i: again.categorical(again.levels_of(d, p, i, *drawn), 3, True)),
        (
            features.Categorical(p, drop_first=False),
            3 * d,
            lambda z, f, i: again.categorical(again.levels_of(d, p, i, *drawn), 3, False),
        ),
    ]
    Z, F = ([again.normals(n, i, name, *drawn) for i in ROW_NUMBERS] for n, name in ((d, "features"), (5, "factors")))
    for law, width, program in laws:
        truth = planted.LinearTruth(np.ones(width), features=law)
        X, _ = planted.rows(truth, 2**63, seed=seed, salt=salt, dtype=real.__name__).take(ROW_NUMBERS)
        expected = [program(z, f, i) for z, f, i in zip(Z, F, ROW_NUMBERS, strict=True)]
        assert patterns(X) == patterns(np.array(expected, real)), law


def answers_factor():
    """The table of a Cholesky factor."""
    real = version_1.FLOAT64
    lines = [
        f"| {j} | `{' '.join(pattern(x, real) for x in row)}` |" for j, row in enumerate(again.cholesky(hilbert(3)))
    ]
    return table("| row | `L` |", lines)


def answers_signs():
    """The table of signs: of 40 factors, so of two words."""
    lines = [f"| {j} | `{''.join('-' if again.sign(j, k) < 0 else '+' for k in range(40))}` |" for j in range(3)]
    return table("| j | signs of k = 0 ... 39 |", lines)


@pytest.mark.parametrize("answers", [answers_factor, answers_signs])
def test_page_answers(answers):
    """The known answers of this section are what a run gives."""
    assert answers() in PAGE
