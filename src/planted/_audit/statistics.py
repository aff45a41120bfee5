"""How well rows are shuffled: statistics of the order in which they came, compared with a perfect shuffle.

Each `Statistic` has a value, the value that a perfect shuffle has on average, and a p-value: how often a perfect
shuffle is at least that far from its average. Row numbers stand for labels that are sorted along the file, the hardest
case for a shuffle. Their ranks are used, so that rows may be missing. Given which rows came, a perfect shuffle makes
all their orders equally likely; means and variances are exact for that, with any number of rows. The distributions
around them are approximated: normal, gamma or Poisson.

Sources: Pitman, "Significance tests which may be applied to samples from any populations III", 1938 (the variance
between batches under permutation); Wald, Wolfowitz, "An exact test for randomness in the non-parametric case based on
serial correlation", 1943; Diaconis, Graham, "Spearman's footrule as a measure of disarray", 1977; Hoeffding, "A
combinatorial central limit theorem", 1951.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._types import RowNumbers

LAGS: Final = (1, 2, 3, 8, 64)
WINDOW: Final = 32  # rows that are taken for a batch where rows come one by one
FEWEST: Final = 128  # rows below which the approximations are not close enough
TWO_SIDED_BATCHES: Final = 8  # with fewer batches, means that are too much alike tell nothing
SMALL: Final = 1e-9  # smaller p-values are shown as smaller than this
DENSE: Final = 8  # up to so many row numbers for each row that came, a table is faster than sorting

Ranks = npt.NDArray[np.int32]


class Statistic(NamedTuple):
    """One property of an order, or of two."""

    name: str
    value: float
    expected: float  # of a perfect shuffle
    p_value: float  # how often a perfect shuffle is at least as far from `expected`

    def __str__(self) -> str:
        """The value, beside that of a full shuffle."""
        p = f"p = {self.p_value:.2g}" if self.p_value >= SMALL else f"p < {SMALL:g}"
        return f"{self.name} {self.value:.3g} (a full shuffle: {self.expected:.3g}, {p})"


def orderliness(numbers: RowNumbers, sizes: Sequence[int] | RowNumbers) -> tuple[Statistic, ...]:
    """The statistics of one epoch, from the row numbers in the order of delivery and the size of each batch.

    Empty if there are fewer than `FEWEST` rows, which are too few to tell.

    >>> in_order = np.arange(1_000)
    >>> [f"{s.name}: {s.value:.3g}" for s in orderliness(in_order, [50] * 20)][:2]
    ['variance of means of 50 rows: 52.4', 'correlation of rows 1 apart: 0.998']
    """
    if len(numbers) < FEWEST:
        return ()
    ranks = ranks_of(numbers)
    found = [_batch_means(numbers, ranks, np.asarray(sizes, np.int64))]
    centred = ranks - (len(ranks) - 1) / 2
    found += [_serial(centred, lag) for lag in LAGS if lag <= len(ranks) // 4]
    found += [_neighbours(ranks), _displacement(ranks)]
    return tuple(statistic for statistic in found if statistic is not None)


def likeness(before: RowNumbers, after: RowNumbers) -> tuple[Statistic, ...]:
    """How alike the orders of two epochs are, from the positions in each of the rows that came in both.

    Independent shuffles have correlation 0, and on average one row at the same position.
    """
    m = len(before)
    if m < FEWEST:
        return ()
    x, y = ranks_of(before), ranks_of(after)
    mean = (m - 1) / 2
    r = float((x - mean) @ (y - mean)) / _squares(m)
    same = int(np.count_nonzero(before == after))
    return (
        Statistic("correlation of rows' positions", r, 0.0, _two_sided(r * (m - 1) ** 0.5)),
        Statistic("rows at the same position", float(same), 1.0, _poisson(same, 1.0)),
    )


def staying(before: RowNumbers, after: RowNumbers) -> tuple[Statistic, ...]:
    """How many rows went to the same rank in two epochs, from the rank in each of the rows that came in both."""
    m = len(before)
    world_size = int(max(before.max(), after.max())) + 1 if m else 0
    if m < FEWEST or world_size < 2:
        return ()
    a = np.bincount(before, minlength=world_size).astype(float)
    b = np.bincount(after, minlength=world_size).astype(float)
    expected = a @ b / m
    spread = (a @ b - a @ b**2 / m - a**2 @ b / m + (a @ b / m) ** 2) / (m - 1)  # Hoeffding's variance
    same = float(np.count_nonzero(before == after))
    z = (same - expected) / spread**0.5 if spread > 0 else 0.0
    return (Statistic("share of rows that stay with their rank", same / m, expected / m, _two_sided(z)),)


def ranks_of(numbers: RowNumbers) -> Ranks:
    """0 for the lowest number, 1 for the next, and so on; of equal numbers, the first to come is the lower.

    >>> ranks_of(np.array([30, 10, 20, 10]))
    array([3, 0, 2, 1], dtype=int32)
    """
    m = len(numbers)
    if m and (most := int(numbers.max())) < DENSE * m:
        present = np.zeros(most + 1, bool)
        present[numbers] = True
        table = np.cumsum(present, dtype=np.int32)
        if table[-1] == m:  # no number comes twice
            table -= 1
            return table[numbers]
    ranks = np.empty(m, np.int32)
    ranks[np.argsort(numbers, kind="stable")] = np.arange(m)
    return ranks


# ---- the statistics -------------------------------------------------------------------------------------------


def _batch_means(numbers: RowNumbers, ranks: Ranks, sizes: RowNumbers) -> Statistic | None:
    """The variance between batches, as a multiple of that of a full shuffle; of the batches of the commonest size."""
    sizes = sizes[sizes > 0]
    size = int(np.bincount(sizes).argmax())
    if size < 2:  # rows one by one
        size, sizes = WINDOW, np.append(np.full(len(ranks) // WINDOW, WINDOW), len(ranks) % WINDOW)
    complete = sizes == size
    batches = int(np.count_nonzero(complete))
    if batches < 2:
        return None
    if not complete.all():
        ranks = ranks_of(numbers[np.repeat(complete, sizes)])
    m = len(ranks)
    sums = np.add.reduceat(ranks, np.arange(0, m, size), dtype=np.int64)
    between = float(((sums - size * (m - 1) / 2) ** 2).sum() / size)
    mean = (batches - 1) * _squares(m) / (m - 1)
    pairs = batches * size * (size - 1) // 2
    variance = 4 / size**2 * _products(m, pairs, 2 * (size - 2) * pairs)[1]
    return Statistic(
        f"variance of means of {size} rows",
        between / mean,
        1.0,
        _gamma(between, mean, variance, two_sided=batches >= TWO_SIDED_BATCHES),
    )


def _serial(centred: Any, lag: int) -> Statistic:
    """The correlation of rows `lag` positions apart."""
    m = len(centred)
    found = float(centred[lag:] @ centred[:-lag])
    mean, variance = _products(m, m - lag, 2 * (m - 2 * lag))
    unit = _squares(m) * (m - lag) / m
    p_value = _two_sided((found - mean) / variance**0.5)
    return Statistic(f"correlation of rows {lag} apart", found / unit, mean / unit, p_value)


def _neighbours(ranks: Ranks) -> Statistic:
    """How many rows are followed directly by the next row of the file."""
    followed, expected = int(np.count_nonzero(np.diff(ranks) == 1)), 1 - 1 / len(ranks)
    return Statistic("rows followed by their neighbour", float(followed), expected, _poisson(followed, expected))


def _displacement(ranks: Ranks) -> Statistic:
    """How far rows come from their own places, on average, as a share of the epoch."""
    m = len(ranks)
    total = float(np.abs(ranks - np.arange(m, dtype=np.int32)).sum(dtype=np.int64))
    mean, variance = (m * m - 1) / 3, (m + 1) * (2 * m * m + 7) / 45
    p_value = _two_sided((total - mean) / variance**0.5)
    return Statistic("mean displacement", total / m / m, mean / m / m, p_value)


# ---- means, variances and p-values ------------------------------------------------------------------------------


def _squares(m: int) -> float:
    """The sum of the squares of the ranks 0 to m - 1 about their mean."""
    return m * (m * m - 1) / 12


def _products(m: int, pairs: int, sharing: int) -> tuple[float, float]:
    """Mean and variance, over all orders, of a sum of products of centred ranks at pairs of positions.

    `sharing` counts the ordered pairs of such pairs that have one position in common.
    """
    second, fourth = _squares(m), m * (m * m - 1) * (3 * m * m - 7) / 240
    mean = -pairs * second / (m * (m - 1))
    # the means of d1^2 d2^2, d1^2 d2 d3 and d1 d2 d3 d4, where d1, d2, ... are different centred ranks
    two = (second**2 - fourth) / (m * (m - 1))
    three = (2 * fourth - second**2) / (m * (m - 1) * (m - 2))
    four = (3 * second**2 - 6 * fourth) / (m * (m - 1) * (m - 2) * (m - 3))
    return mean, pairs * two + sharing * three + (pairs * (pairs - 1) - sharing) * four - mean**2


def _two_sided(z: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(z)))


def _gamma(value: float, mean: float, variance: float, *, two_sided: bool) -> float:
    """How often a gamma variable of this mean and variance is at least `value`, or as far out on either side."""
    from scipy.special import gammainc, gammaincc

    shape, scale = mean**2 / variance, variance / mean
    above = float(gammaincc(shape, value / scale))
    return 2 * min(0.5, above, float(gammainc(shape, value / scale))) if two_sided else above


def _poisson(count: int, mean: float) -> float:
    """How often a Poisson variable is at least `count`."""
    from scipy.special import pdtrc

    return float(pdtrc(count - 1, mean)) if count else 1.0
