"""How random the order is: statistics of whole shuffles against the theory of a uniformly random permutation.

Each test measures orders, makes one p-value of it, and asserts two things: that of `planted.permutation` is above
`FALSE_FAIL`, and that of a planted fault is below `FOUND`. The docstring says how often a perfect shuffle would fail
(over other seeds; with the seeds here the outcome is settled) and what is detected: the smallest departure that is
found 99 times in 100. The faults are Feistel networks of one round, or few, of the same shape as the real one; for few
rows they are two classic wrong shuffles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from planted import permutation
from planted._random import random

pytestmark = pytest.mark.heavy

FALSE_FAIL = 1e-5  # of one test
FOUND = 1e-12
KEYS = 8  # orders of many rows that one test looks at

Make = Callable[..., Any]  # (n, seed, epoch) -> an order


# ---- the faults -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Network:
    """The real network cut off after some of its eight rounds, and used for few rows too."""

    n: int
    seed: int = 0
    epoch: int = 0
    rounds: int = 1

    def take(self, positions):
        key = random.key_words("order", self.seed, epoch=self.epoch)[: 2 * self.rounds]
        return random.walk(np.asarray(positions, np.uint64), self.n, key).astype(np.int64)


def four_rounds(n, seed=0, epoch=0):
    return Network(n, seed, epoch, rounds=4)


def eight_rounds(n, seed=0, epoch=0):
    return Network(n, seed, epoch, rounds=8)


@dataclass(frozen=True)
class WrongShuffle:
    """Fisher-Yates from the real words, but step i swaps with one of ``choices(i, n)`` entries, not of i + 1."""

    n: int
    choices: Callable[[int, int], int]
    seed: int = 0
    epoch: int = 0

    def take(self, positions):
        key = random.key_words("order", self.seed, epoch=self.epoch)
        w0, w1, _, _ = random.row_words(np.arange(self.n, dtype=np.uint64), 0, key[:2])
        table = list(range(self.n))
        for i in range(self.n - 1, 0, -1):
            j = ((int(w0[i]) | int(w1[i]) << 32) * self.choices(i, self.n)) >> 64
            table[i], table[j] = table[j], table[i]
        return np.array(table)[positions]


def off_by_one(n, seed=0, epoch=0):
    """Sattolo's shuffle: no entry stays, so that only cycles come out."""
    return WrongShuffle(n, lambda i, _: i, seed, epoch)


def any_with_any(n, seed=0, epoch=0):
    """Each entry but the first swaps with any: n^(n - 1) equally likely ways to n! orders."""
    return WrongShuffle(n, lambda _, n: n, seed, epoch)


# ---- the p-values ---------------------------------------------------------------------------------------------


def sum_of_squares(z: Any, *, less: int = 0) -> float:
    """The p-value of standard normals with `less` constraints: chi-square, two-sided, as too even is wrong too."""
    z = np.ravel(z)
    law = stats.chi2(z.size - less)
    return 2 * float(min(law.sf(z @ z), law.cdf(z @ z)))


def two_views(rows: Any) -> Iterator[Any]:
    """Row numbers (that is, their high bits) and the ten low bits of them, each with mean 0 and variance 1."""
    for value in (rows, rows % 1024):
        centred = value - value.mean()
        yield centred / centred.std()


# ---- few rows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vary", ["seed", "epoch"])
@pytest.mark.parametrize(("n", "keys"), [(2, 6_000), (3, 6_000), (4, 6_000), (5, 24_000)])
def test_all_orders_are_equally_likely(n, keys, vary):
    """All n! orders of n rows come equally often, over seeds and over epochs: chi-square, n! - 1 degrees of freedom.

    False-fail rate 1e-5. Detects frequencies off by 9% (n = 2), 10% (3), 12% (4) or 8% (5), root mean square.
    """

    def p_value(make: Make, keys: int) -> float:
        orders = np.array([make(n, **{vary: key}).take(np.arange(n)) for key in range(keys)])
        counts = np.unique(orders @ n ** np.arange(n), return_counts=True)[1]
        statistic = (counts**2).sum() * factorial(n) / keys - keys  # the orders that never came count too
        return float(stats.chi2.sf(statistic, factorial(n) - 1))

    assert p_value(permutation, keys) > FALSE_FAIL
    assert p_value(off_by_one, 1_000) < FOUND
    if n > 2:  # two rows may be swapped, any with any
        assert p_value(any_with_any, 8_000) < FOUND
    if n == 5:  # why few rows are not left to the network
        assert p_value(eight_rounds, 4_000) < FOUND


# ---- many keys ------------------------------------------------------------------------------------------------


def fixed_points(n):
    """Rows at the position of their own number, and how many are expected."""
    return lambda rows: np.count_nonzero(rows == np.arange(n)), 1.0


def adjacent_pairs(n, distance=1):
    """Positions i and i + distance that hold rows r and r + distance, and how many are expected."""
    expected = (n - distance) ** 2 / (n * (n - 1))
    return lambda rows: np.count_nonzero(rows[distance:] - rows[:-distance] == distance), expected


def pairs_half_a_word_apart(n):
    """The same with the distance that the left half of the network counts."""
    return adjacent_pairs(n, 1 << random.feistel_bits(n)[1])


@pytest.mark.parametrize("pattern", [fixed_points, adjacent_pairs, pairs_half_a_word_apart])
@pytest.mark.parametrize(("n", "keys"), [(4_097, 4_000), (8_192, 4_000), (100_000, 2_000)])
def test_rows_that_stay_are_poisson(n, keys, pattern):
    """Over keys, how many rows stay, and how many pairs stay pairs, is Poisson: chi-square on 0, 1, .. 4, 5 or more.

    False-fail rate 1e-5. Detects a mean of 1.12 (4 000 keys) or 1.17 (2 000 keys) instead of 1.
    """
    count, expected = pattern(n)

    def p_value(make: Make, keys: int) -> float:
        counts = [min(count(make(n, key).take(np.arange(n))), 5) for key in range(keys)]
        law = np.append(stats.poisson.pmf(range(5), expected), stats.poisson.sf(4, expected))
        return float(stats.chisquare(np.bincount(counts, minlength=6), keys * law).pvalue)

    assert p_value(permutation, keys) > FALSE_FAIL
    assert p_value(Network, 100) < FOUND
    if n == 8_192 and pattern is not fixed_points:  # why there are more than four rounds
        assert p_value(four_rounds, 2_000) < FOUND


@pytest.mark.parametrize(
    ("n", "keys", "fault"),
    [(10, 6_000, any_with_any), (100, 6_000, any_with_any), (4_097, 4_000, Network), (8_192, 4_000, Network)],
)
def test_every_position_has_the_same_mean(n, keys, fault):
    """Over keys, the mean row is (n - 1)/2 at every position: chi-square, n - 1 degrees of freedom.

    False-fail rate 1e-5. Detects means off by 1% of n (n = 10), 0.5% (100), 0.2% (4 097, 8 192), root mean square.
    """

    def p_value(make: Make) -> float:
        total = np.zeros(n, np.int64)
        for key in range(keys):
            total += make(n, key).take(np.arange(n))
        z = (total / keys - (n - 1) / 2) / np.sqrt((n**2 - 1) / 12 / keys)
        return sum_of_squares(z * np.sqrt((n - 1) / n), less=1)  # they sum to 0: each two correlate at -1/(n - 1)

    assert p_value(permutation) > FALSE_FAIL
    assert p_value(fault) < FOUND


# ---- many rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "window"), [(10**5, 10**5), (10**6, 10**6), (10**12, 10**5)])
def test_neighbours_are_uncorrelated(n, window):
    """Rows 1, 2, 3, 8 and 64 positions apart have correlation 0, in all their bits and in the ten low ones.

    False-fail rate 1e-5. Detects one correlation of 0.013 among the ten (windows of 10^5) or 0.004 (of 10^6), or of
    0.004 and 0.0013 if all ten have it.
    """

    def p_value(make: Make) -> float:
        z = []
        for key in range(KEYS):
            first = (n - window) // KEYS * key
            for x in two_views(make(n, key).take(np.arange(first, first + window))):
                z += [x[lag:] @ x[:-lag] / np.sqrt(window - lag) for lag in (1, 2, 3, 8, 64)]
        return sum_of_squares(z)

    assert p_value(permutation) > FALSE_FAIL
    assert p_value(Network) < FOUND


def test_batch_means_vary_as_without_replacement():
    """Labels sorted along the rows: means of 256 have the variance s^2/256 (n - 256)/(n - 1) of drawing without return.

    False-fail rate 1e-5. Detects a variance 7% too large or too small.
    """
    n, batch = 10**6, 256
    batches = n // batch
    theory = (n**2 - 1) / 12 / batch * (n - batch) / (n - 1)

    def p_value(make: Make) -> float:
        z = []
        for key in range(KEYS):
            labels = make(n, key).take(np.arange(batches * batch))
            means = labels.reshape(batches, batch).mean(axis=1)
            variance = np.mean((means - (n - 1) / 2) ** 2)
            z.append((variance / theory - 1) / np.sqrt(2 / batches))
        return sum_of_squares(z)

    assert p_value(permutation) > FALSE_FAIL
    assert p_value(Network) < FOUND


@pytest.mark.parametrize(("n", "keys"), [(4_097, 500), (100_000, 20)])
def test_displacements_follow_the_triangular_law(n, keys):
    """The distance d = |p(i) - i| is 0 with probability 1/n, else d with 2 (n - d)/n^2: Kolmogorov-Smirnov.

    False-fail rate at most 1e-5: distances in one order vary less than independent ones, and they are whole. Detects a
    probability of "at most d" that is off by 0.003 for any d.
    """
    distances = np.arange(n)
    theory = np.cumsum(np.where(distances == 0, 1 / n, 2 * (n - distances) / n**2))

    def p_value(make: Make) -> float:
        counts = np.zeros(n, np.int64)
        for key in range(keys):
            counts += np.bincount(np.abs(make(n, key).take(np.arange(n)) - np.arange(n)), minlength=n)
        gap = np.abs(np.cumsum(counts) / (keys * n) - theory).max()
        return float(stats.kstwobign.sf(gap * np.sqrt(keys * n)))

    assert p_value(permutation) > FALSE_FAIL
    assert p_value(Network) < FOUND


@pytest.mark.parametrize("n", [10**5, 10**6, 10**12])
@pytest.mark.parametrize(
    ("seeds", "epochs"),
    [
        pytest.param(0, 1, id="this epoch and the next"),
        pytest.param(1, 0, id="this seed and the next"),
        pytest.param(1, -1, id="this seed's next epoch and the next seed's this epoch"),
    ],
)
def test_epochs_and_seeds_are_uncorrelated(n, seeds, epochs):
    """Rows at one position in two epochs, or for two seeds, have correlation 0, in all bits and in the ten low ones.

    False-fail rate 1e-5. Detects a correlation of 0.01 in one of the two, or of 0.007 in both.
    """
    window = 10**5

    def p_value(make: Make) -> float:
        z = []
        for seed in range(KEYS):
            one = make(n, seed, 1).take(np.arange(window))
            other = make(n, seed + seeds, 1 + epochs).take(np.arange(window))
            z += [x @ y / np.sqrt(window) for x, y in zip(two_views(one), two_views(other), strict=True)]
        return sum_of_squares(z)

    assert p_value(permutation) > FALSE_FAIL
    assert p_value(Network) < FOUND
