"""The block shuffle: a partition into blocks, an order that reads whole blocks, and how well it mixes."""

import pickle
import tracemalloc
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from planted import permutation
from planted._input import bytes_of
from planted._order import BlockOrder, Blocks, plan_pool, variance_ratio
from planted._order.permutation import Permutation
from planted.errors import InvalidTypeError, InvalidValueError, RowNumberError

FALSE_FAIL = 1e-5  # of one test
FOUND = 1e-12


@st.composite
def equal_blocks(draw, most=400):
    """Blocks of equal size, but for the first and the last, and their edges."""
    n, size = draw(st.integers(0, most)), draw(st.integers(1, 50))
    first = draw(st.integers(0, size))
    edges = [0, *range(first or size, n, size), n] if n else [0]
    return Blocks(n, size, first), edges


@st.composite
def unequal_blocks(draw):
    """Blocks of any sizes, and their edges."""
    edges = [0, *np.cumsum(draw(st.lists(st.integers(1, 30), max_size=30))).tolist()]
    return Blocks.from_edges(edges), edges


any_blocks = st.one_of(equal_blocks(), unequal_blocks())


# ---- blocks ---------------------------------------------------------------------------------------------------


@given(any_blocks)
@example((Blocks(7, 10), [0, 7]))
@example((Blocks(7, 10, 3), [0, 3, 7]))
@example((Blocks(0, 10, 3), [0]))
def test_blocks_are_what_lies_between_their_edges(case):
    """Against the edges, written out: how many, where each starts, how many rows it has, which are smaller."""
    blocks, edges = case
    count = len(edges) - 1
    assert (blocks.n, len(blocks)) == (edges[-1], count)
    sizes = [stop - start for start, stop in pairwise(edges)]
    every = np.arange(count)
    assert blocks.starts(every).tolist() == edges[:-1]
    assert blocks.sizes(every).tolist() == sizes
    assert [blocks.bounds(i) for i in range(count)] == list(pairwise(edges))
    backwards = every[::-1]
    assert blocks.starts(backwards).tolist() == edges[:-1][::-1]
    assert blocks.sizes(backwards).tolist() == sizes[::-1]
    if count:
        assert blocks.size == max(sizes)
        assert blocks.short_blocks.tolist() == [i for i, size in enumerate(sizes) if size < max(sizes)]
    else:
        assert blocks.short_blocks.tolist() == []
    assert blocks == Blocks.from_edges(edges)
    assert hash(blocks) == hash(Blocks.from_edges(edges))
    assert pickle.loads(pickle.dumps(blocks)) == blocks


@given(any_blocks, any_blocks)
def test_blocks_are_equal_if_their_edges_are(one, other):
    assert (one[0] == other[0]) == (one[1] == other[1])
    assert (one[0].fingerprint() == other[0].fingerprint()) == (one[1] == other[1])


def test_blocks_that_differ_in_the_middle_alone_are_not_equal():
    assert Blocks.from_edges([0, 4, 5, 7, 10]) != Blocks.from_edges([0, 4, 6, 7, 10])


def test_equal_blocks_need_no_table():
    """Also where only the first and the last differ and the edges are given; up to 2^63 rows."""
    assert Blocks.from_edges([0, 3, 8, 13, 14]).edges is None
    assert Blocks.from_edges([0, 3, 8, 12, 14]).edges is not None
    assert Blocks.from_edges([0, 6, 11, 16]).edges is not None
    n, size = 2**63, 963
    blocks = Blocks(n, size, 5)
    last = len(blocks) - 1
    assert last == -(-(n - 5) // size)
    assert blocks.bounds(last) == (5 + (last - 1) * size, n)
    assert blocks.starts(np.array([0, 1, last])).tolist() == [0, 5, 5 + (last - 1) * size]
    assert blocks.sizes(np.array([0, 1, last])).tolist() == [5, size, n - 5 - (last - 1) * size]
    assert blocks.short_blocks.tolist() == [0, last]


def test_wrong_blocks_are_refused():
    for n, size, first in ((5, 0, 0), (5, 3, 4), (5, 3, -1)):
        with pytest.raises(InvalidValueError, match=f"size={size}, first={first}: blocks have at least 1 row"):
            Blocks(n, size, first)
    for edges in ([], [1, 2], [0, 2, 2, 4], [0, 3, 1], [[0, 1], [0, 2]]):
        with pytest.raises(InvalidValueError, match=r"must ascend strictly from 0 .*: leave out empty blocks"):
            Blocks.from_edges(edges)
    assert Blocks(10, 4) != "blocks"


# ---- the order ------------------------------------------------------------------------------------------------

orders = st.builds(
    lambda case, pool, seed, epoch, salt: (BlockOrder(case[0], pool, seed, epoch, salt), case[1]),
    any_blocks,
    st.integers(1, 40),
    st.integers(0, 2**70),
    st.integers(0, 9),
    st.sampled_from(["", "a/b"]),
)


def shuffled(n, order, purpose):
    """The permutation of a purpose, as a list."""
    return Permutation(n, order.seed, order.epoch, order.salt, purpose=purpose).take(range(n)).tolist()


def pools_by_definition(order, edges):
    """The blocks of each pool."""
    count = len(edges) - 1
    pools = -(-count // order.pool)
    permuted = shuffled(count, order, "blocks")
    return [permuted[p * count // pools : (p + 1) * count // pools] for p in range(pools)]


def by_definition(order, edges):
    """The rows of a block order, from its definition."""
    rows = []
    for p, blocks in enumerate(pools_by_definition(order, edges)):
        of_pool = [row for block in blocks for row in range(edges[block], edges[block + 1])]
        rows += [of_pool[i] for i in shuffled(len(of_pool), order, f"pool{p:x}")]
    return rows


@given(orders)
def test_every_row_comes_once_and_where_the_definition_says(case):
    """For blocks of any sizes, pools of any size and any key."""
    order, edges = case
    rows = order.take(range(len(order)))
    assert rows.dtype == np.int64
    assert sorted(rows.tolist()) == list(range(edges[-1]))
    assert rows.tolist() == by_definition(order, edges)


@given(orders, st.data())
def test_any_positions_agree_with_the_whole(case, data):
    """Lists, arrays of any integer type, and ranges in either direction."""
    order, edges = case
    n = edges[-1]
    whole = order.take(range(n))
    positions = data.draw(st.lists(st.integers(0, n - 1), max_size=30)) if n else []
    assert order.take(positions).tolist() == whole[positions].tolist()
    assert order.take(np.array(positions, "uint16")).tolist() == whole[positions].tolist()
    span = slice(*data.draw(st.tuples(st.integers(0, n), st.integers(0, n), st.sampled_from([-3, -1, 1, 2, 7]))))
    assert order.take(range(n)[span]).tolist() == whole[span].tolist()


@given(orders, st.data())
def test_pools_are_balanced_and_found(case, data):
    """Pools have equally many blocks, or one less, and at most `pool`; ascending positions are cut where pools end."""
    order, edges = case
    n, expected = edges[-1], pools_by_definition(order, edges)
    pools = [order.pool_at(p) for p in range(len(expected))]
    assert [pool.blocks.tolist() for pool in pools] == expected
    counts = [len(blocks) for blocks in expected]
    assert max(counts, default=0) - min(counts, default=0) <= 1
    assert max(counts, default=0) <= order.pool
    ends = [0, *np.cumsum([sum(edges[b + 1] - edges[b] for b in blocks) for blocks in expected]).tolist()]
    assert [order.span(p) for p in range(len(expected))] == list(pairwise(ends))
    assert order.pool_firsts.tolist() == ends[:-1]

    start, stop, step = data.draw(st.tuples(st.integers(0, n), st.integers(0, n), st.integers(1, 90)))
    for positions in (range(start, stop, step), np.arange(start, stop, step)):
        cut = {p: [] for p in range(len(expected))}
        for position in positions:
            cut[int(np.searchsorted(ends, position, "right")) - 1].append(position)
        found = order.pools_of(positions)
        assert [p for p, _ in found] == [p for p in cut if cut[p]]
        assert [list(positions[part]) for _, part in found] == [part for part in cut.values() if part]


@st.composite
def few_large_blocks(draw):
    """Up to 2^63 rows in a few blocks."""
    n = draw(st.integers(10**6, 2**63))
    size = draw(st.integers(-(-n // 12), 2**60))
    return Blocks(n, size, draw(st.one_of(st.integers(0, 3), st.integers(0, size))))


@given(few_large_blocks(), st.integers(1, 13), st.integers(0, 9), st.data())
@example(Blocks(2**63, 2**60 + 1, 17), 13, 0, None)
@example(Blocks(2**63, 2**60 + 1, 17), 4, 1, None)
def test_as_many_rows_as_there_can_be(blocks, pool, seed, data):
    """Up to 2^63 rows nothing overflows: against the definition, at the ends of pools and of blocks."""
    order = BlockOrder(blocks, pool, seed, epoch=2)
    n, count = blocks.n, len(blocks)
    pools = -(-count // pool)
    permuted = shuffled(count, order, "blocks")
    end, expected = 0, {}
    for p in range(pools):
        of_pool = [blocks.bounds(b) for b in permuted[p * count // pools : (p + 1) * count // pools]]
        start, end = end, end + sum(stop - first for first, stop in of_pool)
        assert order.span(p) == (start, end)
        shuffle = Permutation(end - start, seed, 2, purpose=f"pool{p:x}")
        ends = np.cumsum([0, *(stop - first for first, stop in of_pool)], dtype=object).tolist()
        wanted = {0, end - start - 1} | {i for at in ends for i in shuffle.inverse().take(_near(at, end - start))}
        for i in sorted(wanted):
            [q] = shuffle.take([i]).tolist()
            block = max(k for k in range(len(of_pool)) if ends[k] <= q)
            expected[start + int(i)] = of_pool[block][0] + q - ends[block]
    assert end == n
    assert order.take(list(expected)).tolist() == list(expected.values())
    if data is not None:
        chosen = data.draw(st.lists(st.integers(0, n - 1), max_size=5))
        assert len(set(order.take(chosen).tolist())) == len(set(chosen))


def _near(at, n):
    return [i for i in (at - 1, at, at + 1) if 0 <= i < n]


def test_where_pools_begin_among_as_many_blocks_as_there_can_be():
    """2^62 blocks in five pools: floor(p N / P) without a product that overflows."""
    order = BlockOrder(Blocks(2**63 - 1, 2), 2**60 + 1, 0, 0)
    places = [p * 2**62 // 4 for p in range(4)]
    assert [abs(first - 2 * place) <= 1 for first, place in zip(order.pool_firsts.tolist(), places, strict=True)]
    assert order.pools_of([0, 2**63 - 2]) == [(0, slice(0, 1)), (3, slice(1, 2))]


def test_an_order_of_many_rows_takes_little_memory():
    """10^12 rows in 10^9 blocks: some megabytes, for where each pool begins."""
    tracemalloc.start()
    try:
        order = BlockOrder(Blocks(10**12, 963, 7), 2_579, seed=0, epoch=0)
        rows = order.take(range(5 * 10**11, 5 * 10**11 + 1000))
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert np.unique(rows).size == 1000


def test_seeds_epochs_and_salts_give_other_orders_and_pools_other_shuffles():
    """And the order of rows, of blocks and within each pool have nothing in common, though they share a seed."""
    blocks = Blocks(1000, 10)
    orders = [BlockOrder(blocks, 50, *key) for key in ((0, 0), (1, 0), (0, 1), (0, 0, "salt"))]
    assert len({tuple(order.take(range(1000)).tolist()) for order in orders}) == 4
    assert len({tuple(order.pool_at(0).blocks.tolist()) for order in orders}) == 4
    assert BlockOrder(blocks, 50, 0, 0) == orders[0] != orders[1]
    shuffles = [shuffled(500, orders[0], purpose) for purpose in ("order", "blocks", "pool0", "pool1", "pool10")]
    assert len(set(map(tuple, shuffles))) == 5
    assert shuffles[0] == permutation(500).take(range(500)).tolist()
    assert orders[0].pool_at(1).shuffle.purpose == "pool1"
    assert repr(orders[0].pool_at(1).shuffle) == "permutation(500, seed=0, epoch=0, purpose='pool1')"


def test_positions_outside_are_refused():
    order = BlockOrder(Blocks(10, 4), 2, 0, 0)
    for bad in ([10], [-1], range(11), np.array([2**63], "uint64")):
        with pytest.raises(RowNumberError, match="is outside"):
            order.take(bad)
    with pytest.raises(InvalidTypeError, match="must be integers"):
        order.take([0.5])
    with pytest.raises(InvalidValueError, match="pool=0 must be at least 1"):
        BlockOrder(Blocks(10, 4), 0, 0, 0)
    assert BlockOrder(Blocks(0, 4), 2, 0, 0).take([]).tolist() == []


def test_version_1_never_changes():
    """Some block orders, as they were first released."""
    assert BlockOrder(Blocks(10, 2), 2, seed=0, epoch=0).take(range(10)).tolist() == [8, 9, 1, 6, 7, 0, 5, 3, 2, 4]
    uneven = BlockOrder(Blocks(10, 4, 3), 2, seed=1, epoch=2, salt="s")
    assert uneven.take(range(10)).tolist() == [0, 2, 1, 7, 4, 6, 3, 8, 5, 9]
    large = BlockOrder(Blocks(10**12, 963, 7), 2_579, seed=714, epoch=3)
    assert large.take([0, 1, 10**12 - 1]).tolist() == [947166864089, 794444741969, 414313905361]


# ---- how random it is -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unmixed:
    """A fault: blocks in permuted order, their rows in the order of the file."""

    order: BlockOrder

    def take(self, positions):
        [(p, _)] = self.order.pools_of(positions)
        pool = self.order.pool_at(p)
        starts, sizes = self.order.blocks.starts(pool.blocks), self.order.blocks.sizes(pool.blocks)
        rows = np.concatenate([np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)])
        return rows[np.asarray(positions) - pool.first]


@dataclass(frozen=True)
class Unpermuted:
    """A fault: the blocks of a pool lie side by side in the file, and their rows are mixed."""

    order: BlockOrder

    def take(self, positions):
        [(p, _)] = self.order.pools_of(positions)
        return self.order.pool_at(p).first + self.order.pool_at(p).take(np.asarray(positions))


@pytest.mark.parametrize(
    ("count", "pool", "rows", "batch"), [(64, 8, 200, 16), (256, 64, 50, 64), (90, 30, 100, 256), (40, 39, 100, 32)]
)
def test_batch_means_vary_as_their_quality_says(count, pool, rows, batch):
    """Labels sorted along the file: over keys, means of batches have the variance that `variance_ratio` states.

    False-fail rate at most 1e-5: a mean of few blocks has lighter tails than the normal law. Detects a variance 15% too
    large or too small, which covers the 3% to which the formula is exact here.
    """
    keys = 3_000
    blocks = Blocks(count * rows, rows)
    label = np.arange(blocks.n) // rows
    full = label.var() / batch * (blocks.n - batch) / (blocks.n - 1)

    def p_value(fault, keys):
        total = 0.0
        for key in range(keys):
            order = BlockOrder(blocks, pool, key, 0)
            first = order.span(key % order.pool_firsts.size)[0]
            mean = label[fault(order).take(np.arange(first, first + batch))].mean()
            total += (mean - label.mean()) ** 2 / (full * variance_ratio(batch, blocks, pool))
        law = stats.chi2(keys)
        return 2 * float(min(law.sf(total), law.cdf(total)))

    assert p_value(lambda order: order, keys) > FALSE_FAIL
    assert p_value(Unmixed, 200) < FOUND
    if pool < count // 2:  # of two pools, one is nearly everything
        assert p_value(Unpermuted, 200) < FOUND


def test_one_pool_is_a_full_shuffle():
    """All 24 orders of four rows in two blocks are equally likely: chi-square, 23 degrees of freedom.

    False-fail rate 1e-5. Detects frequencies off by 17%, root mean square.
    """

    def p_value(pool, keys):
        orders = np.array([BlockOrder(Blocks(4, 2), pool, key, 0).take(range(4)) for key in range(keys)])
        counts = np.unique(orders @ 4 ** np.arange(4), return_counts=True)[1]
        return float(stats.chi2.sf((counts**2).sum() * 24 / keys - keys, 23))

    assert p_value(2, 3_000) > FALSE_FAIL
    assert p_value(1, 300) < FOUND


# ---- the budget -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """As much of rows on disk as a plan asks for: consecutive blocks, which can be merged."""

    edges: tuple[int, ...]
    features: int = 16
    merge_factors: tuple[int, ...] = (1, 2, 4, 8, 16)
    dtype: np.dtype = field(default_factory=lambda: np.dtype("float32"))

    def partition(self, merged=1):
        return Blocks.from_edges([*self.edges[:-1:merged], self.edges[-1]])


@dataclass(frozen=True)
class Equal(Stored):
    """The same for many equal blocks."""

    edges: tuple[int, ...] = ()
    n: int = 0
    size: int = 963

    def partition(self, merged=1):
        return Blocks(self.n, self.size * merged)


stored = st.builds(
    lambda sizes, features, merge_factors, dtype: Stored(
        (0, *np.cumsum(sizes).tolist()), features, merge_factors, np.dtype(dtype)
    ),
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.integers(1, 5),
    st.sampled_from([(1,), (1, 2), (1, 3, 6), (1, 2, 4, 8, 16)]),
    st.sampled_from(["float32", "float64"]),
)


@given(stored, st.integers(1, 40_000))
def test_a_plan_keeps_to_its_budget(rows, memory):
    """All in one pool if it fits, else the largest pools; and a budget that is refused is told what is enough."""
    row_bytes = (rows.features + 1) * rows.dtype.itemsize
    merged = {m: rows.partition(m) for m in rows.merge_factors}
    room = {m: (memory - memory // 8) // (merged[m].size * row_bytes) for m in rows.merge_factors}
    whole = [m for m in rows.merge_factors if len(merged[m]) <= room[m]]
    if room[1] < 4 and not whole:
        with pytest.raises(InvalidValueError, match=f"memory={memory} is too little") as caught:
            plan_pool(rows, memory)
        enough = int(str(caught.value).split("use memory=")[1].split()[0])
        assert enough > memory
        assert plan_pool(rows, enough).slots >= 1
        with pytest.raises(InvalidValueError, match=f"use memory={enough} "):
            plan_pool(rows, enough - 1)
        return
    plan = plan_pool(rows, memory)
    assert plan.row_bytes == row_bytes
    assert plan.chunks_bytes == memory // 8
    assert plan.slots * plan.blocks.size * row_bytes + plan.chunks_bytes <= memory
    count = len(plan.blocks)
    if whole:
        assert (plan.blocks, plan.pool, plan.slots) == (merged[max(whole)], count, count)
    else:
        good = [
            m
            for m in rows.merge_factors
            if room[m] >= 4 and variance_ratio(256, merged[m], room[m] * 65 // 100) <= 1.05
        ]
        best = max(good, default=1)
        assert (plan.blocks, plan.slots) == (merged[best], room[best])
        assert plan.slots >= 4
        assert plan.pool == plan.slots * 65 // 100 >= 2


def test_more_memory_than_an_eighth_of_64_mib_goes_to_the_pools():
    plan = plan_pool(Equal(n=10**9), 1 << 30)
    assert plan.chunks_bytes == 8 << 20
    assert plan.slots == ((1 << 30) - (8 << 20)) // (plan.blocks.size * 68)
    with pytest.raises(InvalidValueError, match=f"use memory={4 * 10**8 * 68 + (8 << 20)} or more"):
        plan_pool(Equal(n=10**12, size=10**8), 1 << 28)


def test_the_default_budget_mixes_well_whatever_the_number_of_blocks():
    """256 MiB and blocks of just below 64 KiB: at most 1.10 at a batch size of 256."""
    memory = bytes_of("256MiB", "memory")
    counts = np.unique(np.concatenate([np.arange(1, 20_000, 7), np.geomspace(20_000, 1e12, 500).astype(np.int64)]))
    worst = 1.0
    for count in counts.tolist():
        plan = plan_pool(Equal(n=963 * count), memory)
        worst = max(worst, variance_ratio(256, plan.blocks, plan.pool))
    assert 1.09 < worst <= 1.10


def test_blocks_are_merged_where_memory_is_plenty():
    """With 8 GiB, sixteen blocks are read as one, and batches are mixed as well as they must be."""
    plan = plan_pool(Equal(n=10**10), 8 << 30)
    assert plan.blocks == Blocks(10**10, 16 * 963)
    assert 1.0 < variance_ratio(256, plan.blocks, plan.pool) <= 1.05
    assert plan_pool(Equal(n=10**10), 256 << 20).blocks == Blocks(10**10, 963)
    whole = plan_pool(Equal(n=963 * 100), 256 << 20)
    assert (whole.blocks, whole.pool, whole.slots) == (Blocks(963 * 100, 16 * 963), 7, 7)
    assert variance_ratio(256, whole.blocks, whole.pool) == 1.0


def test_variance_ratio():
    """The formula, and its limits."""
    blocks = Blocks(1000 * 50, 50)
    assert variance_ratio(1, blocks, 10) == 1.0
    assert variance_ratio(256, blocks, 1000) == variance_ratio(256, blocks, 5000) == 1.0
    np.testing.assert_allclose(variance_ratio(256, blocks, 100), 1 + 255 / 100 * (1 - 99 / 999))
    np.testing.assert_allclose(variance_ratio(256, blocks, 300), 1 + 255 / 250 * (1 - 249 / 999))  # four pools of 250
    np.testing.assert_allclose(
        variance_ratio(10**6, blocks, 100), 1 + 4_999 / 100 * (1 - 99 / 999)
    )  # a batch spans pools
    assert variance_ratio(32, Blocks(0, 10), 5) == variance_ratio(32, Blocks(7, 10), 1) == 1.0


def test_a_plan_says_how_it_mixes():
    plan = plan_pool(Equal(n=963 * 65_536), 256 << 20)
    assert plan.mixing(256) == (
        "pools of 2_581 of 65_536 blocks of 963 rows, 161 MiB; batch means vary 1.10 times as much as fully shuffled"
    )
    assert plan_pool(Equal(n=963 * 4), 1 << 20).mixing(32) == "all rows in one pool, 256 KiB; fully shuffled"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("256MiB", 1 << 28),
        ("64 KiB", 1 << 16),
        ("1.5GB", 1_500_000_000),
        ("1e9", 10**9),
        (" 12 kb ", 12_000),
        ("1TiB", 1 << 40),
        ("2tb", 2 * 10**12),
        ("3 MB", 3_000_000),
        ("1GiB", 1 << 30),
        ("10_000", 10_000),
        ("0.5KiB", 512),
        (".5MB", 500_000),
        ("7B", 7),
        (7, 7),
        (np.int64(7), 7),
        (2**63, 2**63),
    ],
)
def test_a_number_of_bytes(text, number):
    found = bytes_of(text, "memory")
    assert (found, type(found)) == (number, int)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (True, InvalidTypeError, "memory=True is a bool; it must be a number of bytes"),
        (1.5, InvalidTypeError, "memory=1.5 is not an integer"),
        (float("nan"), InvalidTypeError, "memory=nan is not an integer"),
        (None, InvalidTypeError, "memory=None is not an integer"),
        (b"1", InvalidTypeError, "memory=b'1' is not an integer"),
        (0, InvalidValueError, "memory=0 must be at least 1 byte"),
        (-5, InvalidValueError, "memory=-5 must be at least 1 byte"),
        (2**63 + 1, InvalidValueError, "at most 2\\^63"),
        pytest.param(10**5000, InvalidValueError, "huge integers.* must be at least 1 byte", id="huge"),
        ("0MiB", InvalidValueError, "memory='0MiB' must be at least 1 byte"),
        ("1e-9", InvalidValueError, "memory='1e-9' must be at least 1 byte"),
        ("1e999", InvalidValueError, "at most 2\\^63"),
        (
            "",
            InvalidValueError,
            "memory='' is not a number of bytes: use a number of bytes, or a text such as '256MiB'",
        ),
        *(
            (text, InvalidValueError, "is not a number of bytes")
            for text in ("-1", "nan", "inf", "MiB", "1 MiBs", "12x", "1__0", "_1", "1e", "1 Ki", "١MB", "1,5GB")
        ),
    ],
)
def test_other_numbers_of_bytes_are_refused(value, error, message):
    with pytest.raises(error, match=message):
        bytes_of(value, "memory")
