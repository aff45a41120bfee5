"""The random numbers: Philox and its published vectors, the kernels and their definition, normals, and keys."""

import hashlib
import itertools
import math
from decimal import Decimal, localcontext
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

import planted
from planted._random import kernels, random
from planted._random.random import FLOAT32, FLOAT64, PRECISIONS
from planted._rows import draw

LARGEST = 2**63 - 1
FALSE_FAILS = 1e-6  # of each statistical test below, for a random seed; the seeds are fixed
BOTH = pytest.mark.parametrize("precision", [FLOAT32, FLOAT64], ids=["float32", "float64"])

# ---- bits -----------------------------------------------------------------------------------------------------

RANDOM123 = (  # kat_vectors of Random123: philox 4x32, 10 rounds
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def compiled_philox(counter, key):
    """The compiled Philox of one counter."""
    return tuple(int(word) for word in kernels.philox(*map(np.uint64, (*counter, *key))))


@pytest.mark.parametrize(("counter", "key", "words"), RANDOM123)
def test_philox_vectors(counter, key, words):
    """Both forms of Philox4x32-10 give the vectors that Random123 publishes."""
    columns = tuple(np.full(3, word, np.uint32) for word in counter)
    assert [column.tolist() for column in random.philox(columns, key)] == [[word] * 3 for word in words]
    assert compiled_philox(counter, key) == words


def test_compiled_philox():
    """The compiled Philox gives the words of the definition, whatever the counter and the key."""
    generator = np.random.default_rng(1)
    for _ in range(20):
        key = tuple(generator.integers(0, 2**32, 2).tolist())
        counters = generator.integers(0, 2**32, (4, 50), dtype=np.uint32)
        words = np.stack(random.philox(tuple(counters), key))
        assert [compiled_philox(c, key) for c in counters.T.tolist()] == [tuple(w) for w in words.T.tolist()]


def test_counter_of_a_row():
    """A row's counter is (low word, high word, group, 0)."""
    row = np.array([0xAABBCCDD_11223344], np.uint64)
    counter = tuple(np.array([word], np.uint32) for word in (0x11223344, 0xAABBCCDD, 7, 0))
    assert random.row_words(row, 7, (1, 2)) == random.philox(counter, (1, 2))


# ---- the kernels and their definition -------------------------------------------------------------------------


@pytest.mark.parametrize("features", range(1, 21))
@BOTH
def test_kernel_rows(precision, features):
    """The compiled rows are the defined ones, bit for bit: any features, any batch around a vector's width, any row."""
    generator = np.random.default_rng(features)
    size = (1, 2, 127, 128, 129, 300)[features % 6]
    rows = generator.integers(0, 2**63, size)
    extremes = [0, LARGEST, 2**32, 2**32 - 1, 2**62, 1]
    rows[: len(extremes)] = extremes[:size]
    truth = planted.LinearTruth(generator.normal(size=features) * 10.0 ** generator.integers(-3, 4, features), 4.2, 0.1)
    keys = draw.keys_of(features, "kernel", np.dtype(precision.real).name)[:2]
    X, y = np.empty((size, features), precision.real), np.empty((size, 1), precision.real)
    draw.draw_rows(truth, keys, rows, X, y)
    expected = random.linear_rows(rows.astype(np.uint64), truth.w, truth.b, truth.noise, keys, precision)
    assert X.tobytes() == expected[0].tobytes()
    assert y.tobytes() == expected[1].tobytes()


# ---- normals at the edges -------------------------------------------------------------------------------------


def edge_words(bits):
    """Words around which something happens: the ends, the middle, every power of two, the cut of the exponent."""
    middle = {1 << (bits - 1), 1 << (bits - 2), 3 << (bits - 2), int(2**bits * math.sqrt(0.5))}
    around = {(word + step) % 2**bits for word in {0, *middle} for step in range(-3, 4)}
    powers = {1 << k for k in range(bits)}
    return sorted(around | powers | {2**bits - power for power in powers})


def some_words(precision, count):
    """The edge words and some random ones."""
    generator = np.random.default_rng(714)
    return (
        edge_words(precision.bits) + generator.integers(0, 2**precision.bits, count, dtype=precision.unsigned).tolist()
    )


def exact_sine_cosine(x):
    """Sine and cosine of a small Decimal: Taylor's series."""
    sums, term = [Decimal(0), Decimal(0)], Decimal(1)
    for k in range(1, 50):
        sums[(k - 1) % 2] += term
        term *= (x if k % 2 else -x) / k if k % 2 else -x / k
    return sums[1], sums[0]


def ulps(value, exact, precision):
    """How far a value is from the exact one, in units of the exact one's last place."""
    return abs(Decimal(float(value)) - exact) / Decimal(float(np.spacing(precision.real(abs(exact)))))


@BOTH
def test_minus_log_uniform(precision):
    """``-log((word + 1/2) / 2^bits)`` is right within 4 units in the last place, at both ends of the interval too.

    The reference is exact (Decimal, 50 digits). Dense scans found at most 3.6 in float32 and 3.9 in float64, where the
    logarithm of the mantissa nearly cancels a multiple of log 2.
    """
    words = some_words(precision, 300)
    values = random.minus_log_uniform(np.array(words, precision.unsigned), precision)
    with localcontext(prec=50):
        exact = [-((word + Decimal("0.5")) / 2**precision.bits).ln() for word in words]
        worst = max(ulps(value, e, precision) for value, e in zip(values, exact, strict=True))
    assert worst < 4


def test_logarithm_of_the_mathematics_library():
    """``-log(u)`` in float64 agrees with ``math.log`` and ``math.log1p`` within 5 units in the last place."""
    words = some_words(FLOAT64, 1000)
    values = random.minus_log_uniform(np.array(words, np.uint64), FLOAT64).tolist()
    for word, value in zip(words, values, strict=True):
        below, above = (word + 0.5) / 2**64, (2**64 - word - 0.5) / 2**64
        expected = -math.log(below) if word < 2**63 else -math.log1p(-above)
        assert abs(value - expected) <= 5 * math.ulp(expected), hex(word)


@BOTH
def test_normal_pair(precision):
    """Both normals of two words are right within 5 units in the last place, sign, quadrant and all.

    The reference is exact (Decimal, 50 digits); dense scans found at most 4.
    """
    bits = precision.bits
    radius_words = some_words(precision, 300)
    angle_words = np.random.default_rng(1).permutation(np.array(radius_words, precision.unsigned))
    pairs = random.normal_pair(np.array(radius_words, precision.unsigned), angle_words, precision)
    with localcontext(prec=50):
        eighth = Decimal("3.14159265358979323846264338327950288419716939937510582") / 4
        for r, a, *pair in zip(radius_words, angle_words.tolist(), *pairs, strict=True):
            number = (a << 2) % 2**bits
            t = (number - 2**bits if number >> (bits - 1) else number) + Decimal(2)
            sine, cosine = exact_sine_cosine(t / 2 ** (bits - 1) * eighth)
            radius = (-2 * ((r + Decimal("0.5")) / 2**bits).ln()).sqrt() * (-1 if a >> (bits - 1) else 1)
            expected = (sine, cosine) if a >> (bits - 2) & 1 else (cosine, sine)
            assert max(ulps(x, radius * e, precision) for x, e in zip(pair, expected, strict=True)) < 5, (r, a)


def compiled_pairs(radius_words, angle_words, precision):
    """The compiled normal pairs of the words, two by two in float32: with each, the one as far from the end."""
    words = list(zip(radius_words.view(precision.signed), angle_words.view(precision.signed), strict=True))
    if precision is FLOAT64:
        return np.array([kernels.normal_pair_64(*pair) for pair in words])
    fours = [kernels.normal_pairs_32(*one, *other) for one, other in zip(words, words[::-1], strict=True)]
    one, other = np.hsplit(np.array(fours, np.float32), 2)
    assert one.tobytes() == other[::-1].tobytes()
    return one


@BOTH
def test_compiled_normal_pair(precision):
    """The compiled normals of edge words, each with a dozen others, are the defined ones, bit for bit."""
    edges = edge_words(precision.bits)
    words = np.array(list(itertools.product(edges, edges[:: len(edges) // 12])), precision.unsigned)
    for radius_words, angle_words in (words.T, words.T[::-1]):
        expected = np.stack(random.normal_pair(radius_words, angle_words, precision), axis=1)
        assert compiled_pairs(radius_words, angle_words, precision).tobytes() == expected.tobytes()


@BOTH
def test_every_normal_is_a_normal_number(precision):
    """No pair of edge words makes a zero, a subnormal number, an infinity or a NaN."""
    radius_words, angle_words = np.array(
        list(itertools.product(edge_words(precision.bits), repeat=2)), precision.unsigned
    ).T
    for normals in random.normal_pair(radius_words, angle_words, precision):
        assert np.isfinite(normals).all()
        assert np.abs(normals).min() >= np.finfo(precision.real).tiny


@pytest.mark.parametrize(("precision", "low", "high"), [(FLOAT32, 6.7, 6.8), (FLOAT64, 9.4, 9.5)])
def test_the_largest_normal(precision, low, high):
    """The largest normal comes from word 0, with radius ``sqrt(2 (bits + 1) log 2)``; the smallest is its negative."""
    angles = np.array(edge_words(precision.bits), precision.unsigned)
    words = [word for word in some_words(precision, 1000) if word]
    largest = max(np.abs(n).max() for n in random.normal_pair(np.zeros_like(angles), angles, precision))
    assert low < largest < high
    assert largest == np.sqrt(precision.real(2) * (precision.real(precision.bits + 1) * precision.real(precision.ln2)))
    first, _ = random.normal_pair(np.zeros(2, precision.unsigned), angles[[0, 0]] ^ sign_words(precision), precision)
    assert first.tolist() == [largest, -largest]
    others = np.array(words, precision.unsigned)
    assert np.sqrt(2 * random.minus_log_uniform(others, precision)).max() < largest


def sign_words(precision):
    """An angle word of 0 and one with the sign bit alone."""
    return np.array([0, 1 << (precision.bits - 1)], precision.unsigned)


@BOTH
def test_small_radii_are_distinct(precision):
    """The last 2^16 words have radii of their own, falling to ``2^(-bits / 2)``; so have the first: all bits count."""
    near_zero = np.arange(2**16, dtype=precision.unsigned)
    for words, end in ((~near_zero[::-1], 2.0 ** (-precision.bits / 2)), (near_zero, None)):
        radii = np.sqrt(precision.real(2) * random.minus_log_uniform(words, precision))
        assert (np.diff(radii) < 0).all()
        assert end is None or radii[-1] == end


# ---- normals by the million -----------------------------------------------------------------------------------


def table(dtype, n=2**16, *, seed=714, salt="", start=0):
    """Rows of 16 features and the normal of the noise, (n, 17) in float64."""
    rows = planted.regression(w=[0.0] * 16, b=0.0, noise=1.0, n=LARGEST, seed=seed, salt=salt, dtype=dtype)
    return np.hstack(rows[start : start + n]).astype(np.float64)


@cache
def sample(dtype):
    """2^22 normals."""
    return table(dtype, 2**18)[:, :16].ravel()


def moments(x):
    """The least of four p-values, times four: the means of x, x^2, x^3 and x^4, each normal by the central limit."""
    square = x * x
    expected = ((x, 0, 1), (square, 1, 2), (square * x, 0, 15), (square * square, 3, 96))  # means and variances
    z = [abs(power.mean() - mean) / math.sqrt(variance / x.size) for power, mean, variance in expected]
    return 4 * 2 * stats.norm.sf(max(z))


def kolmogorov_smirnov(x):
    """The p-value of the largest distance between the distribution functions."""
    expected = special.ndtr(np.sort(x))
    steps = np.arange(x.size + 1) / x.size
    return special.kolmogorov(math.sqrt(x.size) * max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


def chi_square(x):
    """The p-value of the counts in 64 equally likely cells."""
    counts = np.bincount((special.ndtr(x) * 64).astype(int), minlength=64)
    return stats.chisquare(counts).pvalue


def tails(x):
    """The p-value (two-sided) of how many normals lie beyond 4."""
    count, expected = int((np.abs(x) > 4).sum()), x.size * 2 * stats.norm.sf(4)
    return 2 * min(stats.poisson.cdf(count, expected), stats.poisson.sf(count - 1, expected))


FAULTS = {  # what is detected; in brackets how far off 2^22 such normals are expected to be
    "scaled by 1.003 (8.7 standard deviations in x^2)": (moments, lambda x: 1.003 * x),
    "shifted by 0.004 (8.2 in x)": (moments, lambda x: x + 0.004),
    "clipped at 3.3 (10 in x^4)": (moments, lambda x: np.clip(x, -3.3, 3.3)),
    "shifted by 0.005 (p = 1e-14)": (kolmogorov_smirnov, lambda x: x + 0.005),
    "scaled by 1.008 (p = 1e-13)": (kolmogorov_smirnov, lambda x: 1.008 * x),
    "scaled by 1.005 (noncentrality 199 over 63 degrees of freedom)": (chi_square, lambda x: 1.005 * x),
    "rounded to 1/32 (noncentrality above 1e5)": (chi_square, lambda x: np.round(x * 32) / 32),
    "cut off at 4 (none of 266 left)": (tails, lambda x: np.clip(x, -4, 4)),
    "tails 3% longer (433 for 266)": (tails, lambda x: 1.03 * x),
}


@pytest.mark.parametrize("p_value", [moments, kolmogorov_smirnov, chi_square, tails])
@pytest.mark.parametrize("dtype", PRECISIONS)
def test_normals_are_normal(p_value, dtype):
    """2^22 normals of a fixed seed pass; a random seed would fail once in a million. `FAULTS` says what is detected."""
    assert p_value(sample(dtype)) > FALSE_FAILS


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    """The same tests fail on normals that are slightly wrong."""
    p_value, plant = FAULTS[fault]
    assert p_value(plant(sample("float32"))) < FALSE_FAILS


# ---- independence ---------------------------------------------------------------------------------------------


def neighbours(dtype):
    """What a row must not resemble: the rows near and far, another seed, another salt, the other type."""
    other = {"float32": "float64", "float64": "float32"}[dtype]
    starts = {f"row + {start}": table(dtype, start=start) for start in (1, 2, 3, 128, 2**32, 2**62)}
    return starts | {"seed": table(dtype, seed=715), "salt": table(dtype, salt="a"), "dtype": table(other)}


def correlation_p_value(rows, others):
    """The least p-value of all correlations, times their number (Bonferroni).

    Of each two of the 17 normals of a row, and of each normal of a row with each of its neighbour's: their
    correlations and those of their squares, which a shared radius would show. Of 2^16 rows each is normal with
    standard deviation 2^-8.
    """
    size = len(rows)
    standard = [(x - x.mean(axis=0)) / x.std(axis=0) for x in (rows, rows**2)]
    within = [np.triu(x.T @ x / size, 1) for x in standard]
    across = [
        x.T @ ((z - z.mean(axis=0)) / z.std(axis=0)) / size
        for other in others
        for x, z in zip(standard, (other, other**2), strict=True)
    ]
    count = len(within) * 17 * 16 // 2 + len(across) * 17 * 17
    largest = max(np.abs(correlations).max() for correlations in within + across)
    return count * 2 * stats.norm.sf(largest * math.sqrt(size))


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_independence(dtype):
    """Nothing in a row correlates with the rest of it or with its neighbours; one random seed in a million would fail.

    A correlation of 0.032 is detected with a probability of 0.95 (8.2 standard deviations; the limit is 6.5).
    """
    assert correlation_p_value(table(dtype), neighbours(dtype).values()) > FALSE_FAILS


def features_mixed(rows, other):
    """A twentieth of one feature in the next."""
    rows[:, 1] += 0.05 * rows[:, 0]
    return rows, other


def radius_shared(rows, other):
    """Features whose sizes go together by a twentieth, whatever their signs."""
    rows[:, 5] *= np.where(np.abs(rows[:, 2]) > 1, 1.05, 0.95)
    return rows, other


def rows_mixed(rows, other):
    """A twentieth of a row in the next."""
    rows[:, 3] += 0.05 * other[:, 3]
    return rows, other


def noise_from_features(rows, other):
    """Noise that has the features' key."""
    rows[:, 16] = rows[:, 0]
    return rows, other


@pytest.mark.parametrize("fault", [features_mixed, radius_shared, rows_mixed, noise_from_features])
def test_a_planted_dependence_is_found(fault):
    """The test of independence fails on a dependence of a twentieth."""
    rows, other = fault(table("float32"), table("float32", start=1))
    assert correlation_p_value(rows, [other]) < FALSE_FAILS


# ---- keys -----------------------------------------------------------------------------------------------------

PURPOSES = ("features32", "noise32", "features64", "noise64", "weights", "order")


def test_key_words():
    """A key is SHA-512 of the label, cut into sixteen little-endian words."""
    digest = hashlib.sha512("planted/1/order/2ca/1f/é/".encode()).digest()
    assert random.key_words("order", 714, epoch=31, salt="é/") == tuple(np.frombuffer(digest, "<u4").tolist())
    assert len(digest) == 4 * random.KEY_WORDS


def test_keys_differ():
    """Other purposes, seeds, epochs and salts have other keys, in their first two words and in their last ones too."""
    seeds = (0, 1, 7, 8, 16, 0x2CA, 2**32, 2**64, 2**64 + 1, 2**512)
    epochs = (None, 0, 1, 2, 16)
    salts = ("", "0", "1", "/", "1/2", "//", "é", "e\u0301", " ", "\x00")
    keys = [
        random.key_words(purpose, seed, epoch=epoch, salt=salt)
        for purpose, seed, epoch, salt in itertools.product(PURPOSES, seeds, epochs, salts)
    ]
    for words in (slice(0, 2), slice(2, 4), slice(14, 16)):
        assert len({key[words] for key in keys}) == len(keys)


def test_seed_plus_epoch_is_no_key():
    """Seed 7, epoch 1 is not seed 8, epoch 0."""
    assert random.key_words("order", 7, epoch=1) != random.key_words("order", 8, epoch=0)


def test_no_salt_imitates_a_field():
    """A salt with slashes is a salt: "1/2" is neither an epoch nor a seed."""
    plain = random.key_words("order", 3, epoch=1, salt="2")
    assert plain != random.key_words("order", 3, salt="1/2")
    assert random.key_words("order", 3, salt="1/2") != random.key_words("order", 3, epoch=1, salt="/2")
    assert random.key_words("order", 0x31, salt="2") != random.key_words("order", 3, epoch=1, salt="2")


field = st.tuples(
    st.sampled_from(PURPOSES), st.integers(0), st.none() | st.integers(0), st.text("/0123456789abcdef", max_size=8)
)


@given(field, field)
def test_labels_are_unambiguous(one, other):
    """Two keys are equal only if everything that they are made of is."""
    one_key, other_key = (random.key_words(p, seed, epoch=epoch, salt=salt) for p, seed, epoch, salt in (one, other))
    assert (one_key == other_key) == (one == other)


def test_huge_seeds():
    """A seed may have any size, and every bit of it counts."""
    huge = 2**20_000
    rows = {}
    for seed in (huge, huge + 1, huge - 1):
        X, y = planted.regression(w=[1.0, 2.0], n=4, seed=seed)[:]
        rows[seed] = X.tobytes() + y.tobytes()
        assert sorted(planted.permutation(10, seed, seed).take(range(10)).tolist()) == list(range(10))
        assert np.isfinite(planted.weights(3, seed=seed)).all()
    assert len(set(rows.values())) == 3
