"""The statistics of an order: their laws against all orders there are, their values against loops, and their power."""

import itertools

import numpy as np
import pytest

from planted import permutation
from planted._audit import statistics
from planted._audit.statistics import likeness, orderliness, ranks_of, staying

N, B = 2_000, 40
SIZES = [B] * (N // B)
GENERATOR = np.random.default_rng


def named(found):
    """The statistics by their names."""
    return {statistic.name: statistic for statistic in found}


def telling(order, sizes=SIZES, limit=1e-6):
    """The names of the statistics that call an order no full shuffle."""
    return {s.name for s in orderliness(np.asarray(order), sizes) if s.p_value < limit}


# ---- the laws, against all orders -----------------------------------------------------------------------------


def lagged(m, lag):
    return [(t, t + lag) for t in range(m - lag)]


def within_batches(m, size):
    return [pair for first in range(0, m, size) for pair in itertools.combinations(range(first, first + size), 2)]


@pytest.mark.parametrize(
    ("m", "pairs", "sharing"),
    [
        (5, lagged(5, 1), 2 * (5 - 2)),
        (6, lagged(6, 2), 2 * (6 - 4)),
        (7, lagged(7, 1), 2 * (7 - 2)),
        (6, within_batches(6, 2), 0),
        (6, within_batches(6, 3), 2 * 6),
        (8, within_batches(8, 4), 4 * 12),
    ],
)
def test_means_and_variances_of_products_are_exact(m, pairs, sharing):
    """Over all m! orders."""
    orders = np.array(list(itertools.permutations(range(m)))) - (m - 1) / 2
    sums = sum(orders[:, i] * orders[:, j] for i, j in pairs)
    mean, variance = statistics._products(m, len(pairs), sharing)
    np.testing.assert_allclose([mean, variance], [sums.mean(), sums.var()], rtol=1e-12)


def test_mean_and_variance_of_displacements_are_exact(monkeypatch):
    monkeypatch.setattr(statistics, "_two_sided", lambda z: z)
    m = 7
    found = [statistics._displacement(np.array(order, np.int32)) for order in itertools.permutations(range(m))]
    z = np.array([statistic.p_value for statistic in found])
    np.testing.assert_allclose([z.mean(), z.var()], [0, 1], atol=1e-12)
    assert found[0].expected == pytest.approx(np.mean([statistic.value for statistic in found]))


def test_mean_and_variance_of_rows_that_stay_are_exact(monkeypatch):
    monkeypatch.setattr(statistics, "_two_sided", lambda z: z)
    monkeypatch.setattr(statistics, "FEWEST", 1)
    before, after = np.array([0, 0, 1, 1, 1, 2, 2]), [0, 0, 0, 1, 1, 1, 2]
    found = [staying(before, np.array(order))[0] for order in itertools.permutations(after)]
    z = np.array([statistic.p_value for statistic in found])
    np.testing.assert_allclose([z.mean(), z.var()], [0, 1], atol=1e-12)
    assert found[0].expected == pytest.approx(np.mean([statistic.value for statistic in found]))


# ---- the values, against loops --------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [0, 77])
def test_values_are_those_of_plain_loops(missing):
    """Rows that are missing leave no gap: the ranks of those that came are used."""
    numbers = GENERATOR(1).permutation(N)[missing:]
    sizes = [B] * (len(numbers) // B) + [len(numbers) % B]
    ranks = [sorted(numbers.tolist()).index(number) for number in numbers]
    m = len(ranks)
    found = named(orderliness(numbers, sizes))
    for lag in (1, 2, 3, 8, 64):
        expected = np.corrcoef(ranks[lag:], ranks[:-lag])[0, 1]
        assert found[f"correlation of rows {lag} apart"].value == pytest.approx(expected, abs=5e-3)
    assert found["rows followed by their neighbour"].value == sum(b - a == 1 for a, b in itertools.pairwise(ranks))
    displaced = np.mean([abs(rank - position) for position, rank in enumerate(ranks)]) / m
    assert found["mean displacement"].value == pytest.approx(displaced)
    whole = m // B * B
    means = [np.mean(ranks[first : first + B]) for first in range(0, whole, B)]
    expected = np.var(means, ddof=1) / (np.var(ranks[:whole], ddof=1) / B)
    assert found[f"variance of means of {B} rows"].value == pytest.approx(expected, rel=1e-2 if missing else 1e-9)


def test_ranks_are_those_of_sorting():
    for numbers in (GENERATOR(0).permutation(50), np.arange(50) * 1000, np.array([5, 5, 1, 7, 1]), np.empty(0, int)):
        ranks = np.empty(len(numbers), int)
        ranks[np.argsort(numbers, kind="stable")] = np.arange(len(numbers))
        np.testing.assert_array_equal(ranks_of(numbers), ranks)


def test_positions_of_two_epochs():
    before, after = GENERATOR(0).permutation(N), GENERATOR(1).permutation(N)
    correlation, same = likeness(before, after)
    assert correlation.value == pytest.approx(np.corrcoef(before, after)[0, 1])
    assert same.value == (before == after).sum()
    correlation, same = likeness(before, before)
    assert (correlation.value, same.value) == (pytest.approx(1), N)
    assert max(correlation.p_value, same.p_value) < 1e-100
    assert likeness(before, N - 1 - before)[0].value == pytest.approx(-1)


def test_batches_of_other_sizes_are_left_out():
    """The means are those of the batches of the most frequent size; others may be anywhere among them."""
    order = GENERATOR(3).permutation(N)
    sizes = [7, *[B] * 20, 0, 13, *[B] * 29, 20]
    inside = np.concatenate([order[7:807], order[820:1980]])
    [found] = [s for s in orderliness(order, sizes) if "means" in s.name]
    [expected] = [s for s in orderliness(inside, [B] * 49) if "means" in s.name]
    assert found == expected


def test_rows_one_by_one_are_taken_as_batches():
    names = named(orderliness(GENERATOR(0).permutation(N), [1] * N))
    assert "variance of means of 32 rows" in names
    assert "variance of means of 2000 rows" not in named(orderliness(GENERATOR(0).permutation(N), [N]))


def test_few_rows_tell_nothing():
    assert orderliness(np.arange(100), [10] * 10) == ()
    assert likeness(np.arange(100), np.arange(100)) == ()
    assert staying(np.arange(100) % 2, np.arange(100) % 2) == ()
    assert staying(np.zeros(N, int), np.zeros(N, int)) == ()


# ---- false-fail rates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("m", "size", "runs"), [(130, 43, 2_000), (128, 1, 2_000), (500, 2, 1_500), (1_000, 32, 1_000)]
)
def test_p_values_of_perfect_shuffles_are_uniform(m, size, runs):
    """Each statistic falls below 5% and 1% so often, within five standard deviations: one seed in 10^5 fails.

    The counts of neighbours and of rows at one position are whole numbers, whose p-values are larger than uniform.
    """
    generator = GENERATOR(m)
    sizes = [size] * (m // size) + [m % size]
    p_values = {}
    for _ in range(runs):
        ranks = np.arange(m) % 3
        for statistic in (
            *orderliness(generator.permutation(m), sizes),
            *likeness(generator.permutation(m), generator.permutation(m)),
            *staying(ranks, generator.permutation(ranks)),
        ):
            p_values.setdefault(statistic.name, []).append(statistic.p_value)
    assert len(p_values) >= 9
    for name, values in p_values.items():
        for level in (0.05, 0.01):
            rate, spread = np.mean(np.array(values) < level), np.sqrt(level * (1 - level) / runs)
            assert rate < level + 5 * spread, (name, level)
            if not name.startswith("rows"):
                assert rate > level - 5 * spread, (name, level)


def test_planted_orders_look_like_full_shuffles():
    """Forty orders, at 10^-3 in all: one choice of seeds in 1 000 would fail."""
    worst = [min(s.p_value for s in orderliness(np.array(permutation(N, seed)), SIZES)) for seed in range(40)]
    assert min(worst) > 1e-3 / (40 * 8)


# ---- power ----------------------------------------------------------------------------------------------------


def buffered(n, size, seed=0):
    """A shuffle buffer, as tf.data's and many others: a random one of the next `size` rows comes out."""
    generator, held, out = GENERATOR(seed), [], []
    for row in range(n):
        held.append(row)
        if len(held) == size:
            place = generator.integers(size)
            held[place], held[-1] = held[-1], held[place]
            out.append(held.pop())
    return [*out, *generator.permutation(held).tolist()]


def in_blocks(n, size, pool=1, seed=0):
    """Blocks in random order; in pools of several of them rows are mixed."""
    generator = GENERATOR(seed)
    rows = generator.permutation(np.arange(n).reshape(-1, size)).reshape(-1, pool * size)
    return (generator.permuted(rows, axis=1) if pool > 1 else rows).ravel()


def test_rows_in_order_or_backwards_are_no_shuffle():
    assert {"mean displacement", "rows followed by their neighbour"} < telling(np.arange(N))
    assert f"variance of means of {B} rows" in telling(np.arange(N)[::-1])


@pytest.mark.parametrize("size", [2, 10, 100, 500, 1_000])
def test_buffers_are_no_full_shuffle(size):
    """A buffer of half the rows is found from some thousand rows on, by how far rows come from their places."""
    names = telling(buffered(N, size))
    assert "mean displacement" in names
    assert size > 100 or f"variance of means of {B} rows" in names


@pytest.mark.parametrize("size", [4, 20, 200])
def test_shuffled_blocks_are_no_full_shuffle(size):
    names = telling(in_blocks(N, size))
    assert {"correlation of rows 1 apart", "rows followed by their neighbour"} <= names


def test_pools_of_blocks_are_found_by_their_batches():
    """Pools of 20 blocks of 10 rows are mixed within, but batches of one pool are alike."""
    assert f"variance of means of {B} rows" in telling(in_blocks(16_000, 400, 4), [B] * 400)


def test_interleaved_files_are_found():
    """Row by row from eight files in turns: the rows that lie eight positions apart are neighbours."""
    names = telling(np.arange(N).reshape(8, -1).T.ravel())
    assert "correlation of rows 8 apart" in names
    assert "rows followed by their neighbour" not in names


def test_batches_that_are_too_even_are_found():
    """Each batch has one row of each fortieth of the file: stratified, not shuffled."""
    generator = GENERATOR(0)
    order = generator.permuted(np.arange(N).reshape(B, -1), axis=1).T
    order = generator.permuted(order, axis=1).ravel()
    assert telling(order) == {f"variance of means of {B} rows"}


def test_sorted_batches_are_found():
    """Which rows a batch has is random, but within it they are sorted."""
    assert "correlation of rows 1 apart" in telling(np.sort(GENERATOR(0).permutation(N).reshape(-1, B), axis=1).ravel())


def swapped(n, partner):
    """Each row in turn exchanged with another one."""
    order = list(range(n))
    for place in range(n):
        other = int(partner(place))
        order[place], order[other] = order[other], order[place]
    return order


def test_a_wrong_fisher_yates_shuffle_is_found():
    """Exchanged with any row instead of one of those that are left, rows come too near their own places.

    20 000 rows show it, below 10^-6 in each of twenty seeds that were tried; 2 000 rows hardly ever.
    """
    n, generator = 20_000, GENERATOR(0)
    sizes = [B] * (n // B)
    assert "mean displacement" in telling(swapped(n, lambda _: generator.integers(n)), sizes)
    assert telling(swapped(n, lambda place: generator.integers(place, n)), sizes) == set()


def test_a_shuffle_that_stops_halfway_is_found():
    generator = GENERATOR(0)
    assert {"mean displacement", "rows followed by their neighbour"} <= telling(
        swapped(N, lambda place: generator.integers(place, N) if place < N // 2 else place)
    )


@pytest.mark.parametrize("order", [np.roll(np.arange(N), 700), np.arange(N) * 1_237 % N, np.arange(N) ^ 1_023])
def test_rotations_multiples_and_masks_are_no_shuffle(order):
    """Another order for each key, and none of them random."""
    assert "correlation of rows 64 apart" in telling(order)


def test_riffles_are_found():
    """Seven riffles shuffle 52 cards; 2 000 rows are not yet mixed by five."""
    generator, order = GENERATOR(0), np.arange(N)
    for _ in range(5):
        upper = generator.random(N) < 0.5
        cut, order = order, np.empty(N, int)
        order[upper], order[~upper] = np.split(cut, [upper.sum()])
    assert "rows followed by their neighbour" in telling(order)


def test_random_keys_of_few_bits_are_found():
    """Sorted by random bytes; rows with the same byte stay in order."""
    assert "correlation of rows 1 apart" in telling(np.argsort(GENERATOR(0).integers(256, size=N), kind="stable"))
