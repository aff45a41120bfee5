"""Values of other laws than the normal: kernels and definition, a second implementation, accuracy, distributions."""

import re
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest
import version_1
import version_1_fills
from comparisons import patterns
from scipy import stats

from planted._random import elementary, fill_kernels, fills, random
from planted._random.random import FLOAT32, FLOAT64

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "version-1.md").read_text(encoding="utf-8")

LARGEST = 2**63 - 1
KEY = (0x2A1ACE99, 0x4023E5BA)
FALSE_FAILS = 1e-6  # of each statistical test below, for a random seed; the seeds are fixed
BOTH = pytest.mark.parametrize("precision", [FLOAT32, FLOAT64], ids=["float32", "float64"])
THRESHOLDS = np.array([1, 2**30, 2**30, 2**31, 2**32 - 1], np.uint32)
WORDS = np.sort(np.concatenate(random.row_words(np.array([0, LARGEST], np.uint64), 0, KEY)))
LAWS = {
    "uniforms": ("uniforms",),
    "t, 1": ("student_t", 1.0),
    "t, 2.5": ("student_t", 2.5),
    "t, 1e300": ("student_t", 1e300),
    "laplace": ("laplace",),
    "levels": ("levels", THRESHOLDS),
    "levels, at words that occur": ("levels", WORDS),
    "one level": ("levels", THRESHOLDS[:0]),
}


def defined(law, rows, count, precision):
    """The values of the definition."""
    name, *numbers = law
    return getattr(fills, name)(rows.astype(np.uint64), count, KEY, precision, *numbers)


def compiled(law, rows, count, precision):
    """The values of the kernels."""
    name, *numbers = law
    X = np.empty((rows.size, count), np.int32 if name == "levels" else precision.real)
    getattr(fill_kernels, name)(rows, KEY, X, *numbers)
    return X


def some_rows(size):
    """Row numbers of any size."""
    rows = np.random.default_rng(size).integers(0, 2**63, size)
    extremes = [0, LARGEST, 2**32, 2**32 - 1, 2**62, 1]
    rows[: len(extremes)] = extremes[:size]
    return rows


# ---- the kernels and their definition -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 1000])
@pytest.mark.parametrize("law", LAWS)
@BOTH
def test_kernels(precision, law, size):
    """The compiled values are the defined ones, bit for bit: any count, any batch around a vector's width, any row."""
    rows = some_rows(size)
    for count in (*range(10), 17):
        X, expected = (make(LAWS[law], rows, count, precision) for make in (compiled, defined))
        assert (X.dtype, X.shape) == (expected.dtype, expected.shape)
        assert X.tobytes() == expected.tobytes()


@pytest.mark.parametrize("law", LAWS)
@BOTH
def test_more_values_change_none(precision, law):
    """Value j of a row is the same whatever the count and the other rows."""
    rows = some_rows(20)
    X = defined(LAWS[law], rows, 17, precision)
    for count in range(17):
        assert X[3:5, :count].tobytes() == defined(LAWS[law], rows[3:5], count, precision).tobytes()


# ---- the second implementation, and the page ------------------------------------------------------------------


def second(law, rows, count, precision, key=KEY):
    """The values of the program that was written from the page."""
    name, *numbers = law
    real = version_1.REALS[f"float{precision.bits}"]
    values = [getattr(version_1_fills, name)(i, count, key, real, *map(listed, numbers)) for i in rows.tolist()]
    return np.array(values, np.int32 if name == "levels" else precision.real).reshape(rows.size, count)


def listed(numbers):
    """Python's numbers."""
    return numbers.tolist() if isinstance(numbers, np.ndarray) else numbers


@pytest.mark.parametrize("law", LAWS)
@BOTH
def test_second_implementation(precision, law):
    """The values are those of the page, bit for bit."""
    rows = some_rows(100)
    assert patterns(defined(LAWS[law], rows, 9, precision)) == patterns(second(LAWS[law], rows, 9, precision))


@BOTH
def test_second_exponential(precision):
    """The exponential is that of the page, over all that it may be asked for."""
    real, x = version_1.REALS[f"float{precision.bits}"], arguments(precision, 1000)
    expected = np.array([version_1_fills.expm1(value, real) for value in x.tolist()], precision.real)
    assert patterns(elementary.expm1(x, precision)) == patterns(expected)


def constants_of_the_page():
    """The tables of the exponential's constants, as the page must spell them."""
    of_types = {f"float{bits}": numbers for bits, numbers in elementary.EXPONENTIALS.items()}
    lines = [
        f"| `{name.upper()}` | {kind} | {value!r} | `{value.hex()}` |"
        for name in ("inverse_ln2", "ln2_high", "ln2_low")
        for kind, value in ((kind, getattr(numbers, name)) for kind, numbers in of_types.items())
    ]
    yield "\n".join(["| constant | type | decimal | hexadecimal |", "|---|---|---|---|", *lines]) + "\n\n"
    for kind, numbers in of_types.items():
        lines = [f"| {i} | {value!r} | `{value.hex()}` |" for i, value in enumerate(numbers.expm1)]
        header = [f"`EXPM1` in {kind}:", "", "| power | decimal | hexadecimal |", "|---|---|---|"]
        yield "\n".join([*header, *lines]) + "\n\n"


ANSWERS = {
    "`uniforms`": ("uniforms",),
    "`student_t(1)`": ("student_t", 1.0),
    "`student_t(2.5)`": ("student_t", 2.5),
    "`laplace`": ("laplace",),
    "`levels(2^30, 2^31, 3 * 2^30)`": ("levels", np.array([2**30, 2**31, 3 * 2**30], np.uint32)),
}


def answers():
    """The known answers of the page: values 0, 1 and 2 of two rows of seed 714, with the features' keys."""
    for name, law in ANSWERS.items():
        for precision in (FLOAT32, FLOAT64):
            key = version_1.key_words(f"features{precision.bits}", 714)[:2]
            for i, said in ((0, "0"), (LARGEST, "2^63 - 1")):
                values = second(law, np.array([i]), 3, precision, key)
                shown = " ".join(map(str, values[0])) if law[0] == "levels" else " ".join(patterns(values))
                yield f"| {name} | float{precision.bits} | {said} | `{shown}` |"


def test_page():
    """The page spells the constants of the exponential in both ways, and its known answers are what a run gives."""
    for table in constants_of_the_page():
        assert table in PAGE
    header = ["| values | type | row | 0, 1, 2 |", "|---|---|---|---|"]
    assert "\n".join([*header, *answers()]) + "\n\n" in PAGE


def test_page_is_planted():
    """Planted's kernels give the known answers of the page."""
    found = re.findall(r"^\| (`.*`) \| float(32|64) \| (0|2\^63 - 1) \| `(.*)` \|$", PAGE, re.MULTILINE)
    assert len(found) == 4 * len(ANSWERS)
    for name, bits, row, shown in found:
        law, *numbers = ANSWERS[name]
        X = np.empty((1, 3), np.int32 if law == "levels" else f"float{bits}")
        key = random.key_words(f"features{bits}", 714)[:2]
        getattr(fill_kernels, law)(np.array([int(row == "0") - 1 & LARGEST]), key, X, *numbers)
        assert shown.split() == ([*map(str, X[0])] if law == "levels" else patterns(X))


# ---- accuracy -------------------------------------------------------------------------------------------------


def arguments(precision, count):
    """Arguments of the exponential: of every size, and around the halves of log 2, where the exponent changes."""
    generator = np.random.default_rng(714)
    largest = 2 * (precision.bits + 1) * np.log(2)
    halves = np.arange(1, 40) * np.log(2) / 2
    around = np.concatenate([halves * (1 + step * np.finfo(precision.real).eps) for step in range(-2, 3)])
    sizes = largest * 2.0 ** -generator.uniform(0, 2 * precision.bits, count)
    x = np.concatenate(
        [[0.0, largest], around, sizes, generator.uniform(0, largest, count), generator.uniform(0, 2, count)]
    )
    return x.astype(precision.real)


@BOTH
def test_expm1(precision):
    """``exp(x) - 1`` is right within 2.5 units in the last place, near 0 too.

    The reference is exact (Decimal, 60 digits). Dense scans found at most 1.5 in float32 and 2 in float64, just above
    log(2)/2, where the result is twice a rounded number less than one.
    """
    x = arguments(precision, 2000)
    worst = 0.0
    with localcontext(prec=60):
        for argument, value in zip(x.tolist(), elementary.expm1(x, precision), strict=True):
            exact = Decimal(argument).exp() - 1
            ulp = Decimal(float(np.spacing(precision.real(exact))))
            worst = max(worst, float(abs(Decimal(float(value)) - exact) / ulp))
    assert worst < 2.5


@pytest.mark.parametrize("df", [1.0, 1.5, 3.0, 100.0, 1e9, 2.0**64, 1e300])
@BOTH
def test_radius_of_student_t(precision, df):
    """A t is the first normal of its words, with Bailey's radius in place of Box-Muller's."""
    rows = some_rows(1000)
    words = random.row_words(rows.astype(np.uint64), 0, KEY)
    if precision is FLOAT64:
        words = [low | high << np.uint64(32) for low, high in np.array(words).astype(np.uint64).reshape(2, 2, -1)]
    m = random.minus_log_uniform(words[0], precision).astype(np.float64)
    normal = random.normal_pair(words[0], words[1], precision)[0].astype(np.float64)
    radius = np.sqrt(df * np.expm1(2 * m / df)) if df < 1e17 else np.sqrt(2 * m)
    values = defined(("student_t", df), rows, 1, precision)[:, 0]
    np.testing.assert_allclose(values, normal * radius / np.sqrt(2 * m), rtol=60 * np.finfo(precision.real).eps)


@BOTH
def test_ends(precision):
    """No value is 0, infinite or not a number, and no uniform is 0 or 1, whatever the words."""
    drop, last = precision.unsigned(precision.bits - precision.mantissa), 2**precision.bits - 1
    words = np.array([0, 1, last // 2, last // 2 + 1, last], precision.unsigned)
    step, middle = precision.real(2.0**-precision.mantissa), precision.real(2.0 ** -(precision.mantissa + 1))
    u = (words >> drop).astype(precision.real) * step + middle
    assert u.min() == middle
    assert u.max() == 1 - middle
    m = random.minus_log_uniform(words, precision)
    for df in (1.0, 7.0, fills.LARGEST_DF):
        x = m * precision.real(2 / df)
        radius = np.sqrt(precision.real(df) * elementary.expm1(x, precision))
        assert np.isfinite(radius).all()
        assert radius.min() > 2.0 ** -(precision.bits / 2 + 1)


# ---- distributions --------------------------------------------------------------------------------------------

VALUES = 200_000
DISTRIBUTIONS = {
    "uniforms": (("uniforms",), stats.uniform()),
    "t, 1": (("student_t", 1.0), stats.t(1.0)),
    "t, 2.5": (("student_t", 2.5), stats.t(2.5)),
    "t, 30": (("student_t", 30.0), stats.t(30.0)),
    "t, 1e300": (("student_t", 1e300), stats.norm()),
    "laplace": (("laplace",), stats.laplace()),
}
FAULTS = {  # what is detected; in brackets how far apart the distribution functions are (the limit is 0.006)
    "uniforms, shifted by 0.01 (0.01)": ("uniforms", lambda x: x + 0.01),
    "t of 1, scaled by 1.06 (0.009)": ("t, 1", lambda x: 1.06 * x),
    "normals for t of 2.5 (0.04)": ("t, 2.5", lambda _: defined(("student_t", 1e300), ROWS, 8, FLOAT32)),
    "t of 2 for t of 30 (0.05)": ("t, 30", lambda _: defined(("student_t", 2.0), ROWS, 8, FLOAT32)),
    "laplace, no sign (0.5)": ("laplace", np.abs),
    "laplace, scaled by 1.05 (0.009)": ("laplace", lambda x: 1.05 * x),
}
ROWS = np.arange(VALUES // 8)


def p_value(law, x):
    """Kolmogorov and Smirnov's test of 200 000 values."""
    return stats.kstest(x.astype(np.float64).ravel(), DISTRIBUTIONS[law][1].cdf).pvalue


@pytest.mark.parametrize("law", DISTRIBUTIONS)
@BOTH
def test_distributions(precision, law):
    """200 000 values of a fixed seed pass; a random seed would fail once in a million. `FAULTS` says what is found."""
    assert p_value(law, defined(DISTRIBUTIONS[law][0], ROWS, 8, precision)) > FALSE_FAILS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    """The same test fails on values that are slightly wrong."""
    law, plant = FAULTS[fault]
    assert p_value(law, plant(defined(DISTRIBUTIONS[law][0], ROWS, 8, FLOAT32))) < FALSE_FAILS


@pytest.mark.parametrize(("shift", "right"), [(0, True), (2**26, False)])
def test_levels_have_their_probabilities(shift, right):
    """200 000 levels of three probabilities pass a chi-square test, false once in a million; 1/64 too much does not."""
    thresholds = np.array([2**30, 3 * 2**30], np.uint32)
    counts = np.bincount(defined(("levels", thresholds + np.uint32(shift)), ROWS, 8, FLOAT32).ravel(), minlength=3)
    p = stats.chisquare(counts, VALUES * np.array([0.25, 0.5, 0.25])).pvalue
    assert (p > FALSE_FAILS) == right


@BOTH
def test_values_of_a_row_are_independent(precision):
    """No two of the values of a row go together, nor do their sizes: correlations of ranks of 25 000 rows.

    Each of the 2 * 28 is normal with standard deviation 0.0063; a random seed would fail once in a million.
    """
    for law in ("uniforms", "t, 2.5", "laplace"):
        x = defined(DISTRIBUTIONS[law][0], ROWS, 8, precision)
        for values in (x, np.abs(x - np.median(x))):
            ranks = stats.rankdata(values, axis=0)
            correlations = np.triu(np.corrcoef(ranks.T), 1)
            assert 2 * 28 * 2 * stats.norm.sf(np.abs(correlations).max() * np.sqrt(len(ROWS))) > FALSE_FAILS
