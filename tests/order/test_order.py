"""The order: a bijection for every n, the same however it is asked for, and plain errors for everything else."""

import hashlib
import pickle
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planted import permutation
from planted._order import kernels
from planted._order.permutation import Sequential, _table
from planted._random import random
from planted._rows import LIMIT
from planted.errors import InvalidTypeError, InvalidValueError, RowNumberError

LOST_ELSEWHERE = [65_537, 262_145, 1_048_577]  # sizes at which other index shuffles lose a row and repeat another
TELLING = sorted({2**k + d for k in range(1, 18) for d in (-1, 0, 1)} | set(LOST_ELSEWHERE))
HUGE = [10**9, 10**12, 2**62 + 1, 2**63]
LARGE = [2**32, 2**32 + 1, *HUGE, 2**63 - 1]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]

sizes = st.one_of(
    st.integers(1, 2**63),
    st.builds(lambda k, d: min(max(2**k + d, 1), 2**63), st.integers(0, 63), st.integers(-2, 2)),
)


@st.composite
def sizes_and_positions(draw):
    """A number of rows, and positions below it."""
    n = draw(sizes)
    return n, draw(st.lists(st.integers(0, n - 1), max_size=50))


def edges(n):
    """Positions next to both ends of ``range(n)``, in its middle, and at random, int64."""
    near = [0, 1, 2, n // 2 - 1, n // 2, n // 2 + 1, n - 3, n - 2, n - 1]
    return np.append(np.array(near, np.int64), np.random.default_rng(0).integers(0, n, 5_000, np.int64))


def assert_bijection(order, n):
    rows = order.take(np.arange(n))
    assert rows.dtype == np.int64
    assert rows.shape == (n,)
    times = np.bincount(rows, minlength=n)
    np.testing.assert_array_equal(times, np.ones(n, np.int64), f"times that each of {n} rows comes")
    np.testing.assert_array_equal(order.inverse().take(rows), np.arange(n), f"the inverse for {n} rows")


# ---- a bijection ----------------------------------------------------------------------------------------------


def test_every_row_comes_once_for_each_n_up_to_300():
    """For n from 0 to 300 every row comes exactly once, and the inverse leads back."""
    for n in range(301):
        assert_bijection(permutation(n, seed=n % 3, epoch=n % 5), n)


@pytest.mark.parametrize("n", TELLING)
def test_every_row_comes_once_around_powers_of_two(n):
    """At 2^k - 1, 2^k and 2^k + 1 rows, where index shuffles go wrong, every row comes exactly once."""
    assert_bijection(permutation(n, seed=1), n)


def test_every_row_comes_once_where_the_table_ends():
    """On both sides of `SMALL`, where the table gives way to the network, every row comes exactly once."""
    for n in range(random.SMALL - 3, random.SMALL + 4):
        assert_bijection(permutation(n, seed=2, epoch=1, salt="s"), n)


@pytest.mark.parametrize("n", HUGE)
def test_huge_orders_lead_back(n):
    """At up to 2^63 rows different positions have different rows, all of them below n, and the inverse leads back."""
    order, positions = permutation(n, seed=714, epoch=3), np.unique(edges(n))
    rows = order.take(positions)
    assert rows.min() >= 0
    assert int(rows.max()) < n
    assert np.unique(rows).size == positions.size
    np.testing.assert_array_equal(order.inverse().take(rows), positions)
    np.testing.assert_array_equal(order.take(order.inverse().take(positions)), positions)


@settings(deadline=None)
@given(sizes_and_positions(), st.integers(0, 2**128), st.integers(0, 2**70), st.text(st.characters(codec="utf-8")))
@example((1, [0, 0]), 0, 0, "")
@example((4_096, [0, 4_095]), 0, 0, "")
@example((4_097, [0, 4_096]), 0, 0, "")
@example((2**63, [0, 2**63 - 1]), 0, 0, "")
def test_the_inverse_leads_back(case, seed, epoch, salt):
    """For any n up to 2^63, any positions and any key: rows lie in [0, n), and the inverse gives the positions."""
    n, positions = case
    order = permutation(n, seed, epoch, salt=salt)
    rows = order.take(positions)
    assert all(0 <= row < n for row in rows.tolist())
    assert len(set(rows.tolist())) == len(set(positions))
    assert order.inverse().take(rows).tolist() == positions
    assert order.take(order.inverse().take(positions)).tolist() == positions


@pytest.mark.parametrize("n", [0, 1, 5, 5_000, 10**12])
def test_the_inverse_of_the_inverse_is_the_order(n):
    """Inverting twice gives an equal order; inverting once gives another one."""
    order = permutation(n, seed=3)
    assert order.inverse() != order
    assert order.inverse().inverse() == order


# ---- version 1 ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "key", "rows"),
    [
        (10, {}, [4, 8, 7, 6, 5, 2, 0, 9, 1, 3]),
        (10, {"seed": 1}, [9, 5, 7, 6, 3, 8, 4, 0, 2, 1]),
        (10, {"epoch": 1}, [7, 8, 1, 2, 0, 9, 6, 3, 5, 4]),
        (10, {"salt": "a"}, [4, 7, 6, 3, 0, 5, 2, 9, 1, 8]),
        (4_097, {}, [3173, 307, 3410, 3681, 107]),
        (10**6, {"seed": 714, "epoch": 2}, [920273, 473168, 389129, 921552, 159318]),
        (10**12, {}, [34831942326, 244451303610, 923776294609, 660785695260]),
        (
            2**63,
            {"seed": 2**64, "epoch": 2**64, "salt": "ü"},
            [3484516521712701528, 413254213610928172, 7590764484903726214],
        ),
    ],
)
def test_version_1_never_changes(n, key, rows):
    """The first rows of some orders, as they were first released."""
    order = permutation(n, **key)
    assert order.take(range(len(rows))).tolist() == rows
    assert order.inverse().take(rows).tolist() == list(range(len(rows)))


def plain_key(seed, epoch, salt):
    """The key words of an order, spelt out."""
    digest = hashlib.sha512(f"planted/1/order/{seed:x}/{epoch:x}/{salt}".encode()).digest()
    return [int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(16)]


def plain_row(position, n, key):
    """The network for one position, in Python's integers alone."""

    def mix(word, before, between):
        word ^= before
        word = (word ^ word >> 16) * 0x7FEB352D % 2**32
        word = (word + between) % 2**32
        word = (word ^ word >> 15) * 0x846CA68B % 2**32
        return word ^ word >> 16

    bits = (n - 1).bit_length()
    right_bits = bits - bits // 2
    while True:
        left, right = divmod(position, 2**right_bits)
        for step in range(0, 16, 4):
            left ^= mix(right, key[step], key[step + 1]) % 2 ** (bits // 2)
            right ^= mix(left, key[step + 2], key[step + 3]) % 2**right_bits
        position = left * 2**right_bits + right
        if position < n:
            return position


@pytest.mark.parametrize("n", [4_097, 8_191, 8_192, 8_193, 10**5, 2**32, 2**32 + 1, *HUGE])
def test_the_network_is_the_one_written_down(n):
    """Python's integers, with no word to overflow, give the same rows and the same key."""
    key = plain_key(7, 2, "salt")
    positions = edges(n)[:200]
    rows = [plain_row(position, n, key) for position in positions.tolist()]
    assert permutation(n, 7, 2, salt="salt").take(positions).tolist() == rows


@pytest.mark.parametrize("n", [*(1, 2, 3, 4, 5, 7, 8, 9, 100, 4_097, 8_192), *TELLING[-14:], 10**6, *LARGE])
@pytest.mark.parametrize("inverse", [False, True])
def test_the_compiled_network_agrees_with_its_definition(n, inverse):
    """`kernels.walk` gives what `random.walk` does, also for the few rows that it is not used for."""
    key = random.key_words("order", n, epoch=0)
    positions = edges(n) if n > 5_000 else np.arange(n)
    left, right = map(np.uint64, random.feistel_bits(n))
    out = np.empty(positions.size, np.int64)
    kernels.walk(positions, np.uint64(n), left, right, tuple(map(np.uint32, key)), inverse, out)
    np.testing.assert_array_equal(out, random.walk(positions.astype(np.uint64), n, key, inverse=inverse))
    if n > random.SMALL:
        order = permutation(n, seed=n)
        np.testing.assert_array_equal((order.inverse() if inverse else order).take(positions), out)


@settings(deadline=None)
@given(sizes_and_positions(), st.lists(st.integers(0, 2**32 - 1), min_size=16, max_size=16), st.booleans())
def test_the_compiled_network_agrees_with_its_definition_anywhere(case, key, inverse):
    """The same for any number of rows, any key words and any positions."""
    n, positions = case[0], np.array(case[1], np.int64)
    left, right = map(np.uint64, random.feistel_bits(n))
    out = np.empty(positions.size, np.int64)
    kernels.walk(positions, np.uint64(n), left, right, tuple(map(np.uint32, key)), inverse, out)
    expected = random.walk(positions.astype(np.uint64), n, tuple(key), inverse=inverse)
    np.testing.assert_array_equal(out, expected)


def test_the_compiled_table_agrees_with_its_definition():
    """Up to `SMALL` rows an order is `random.shuffled_table`, and its inverse is that table's."""
    for n in [*range(40), 100, 255, 256, 257, 1_000, random.SMALL - 1, random.SMALL]:
        table = random.shuffled_table(n, random.key_words("order", n, epoch=1, salt="t"))
        order = permutation(n, n, 1, salt="t")
        np.testing.assert_array_equal(order.take(np.arange(n)), table)
        np.testing.assert_array_equal(order.inverse().take(np.arange(n)), np.argsort(table))


@pytest.mark.parametrize(("key", "step"), [(random.key_words("order", 3_034, epoch=0)[:2], 2_667), ((1809, 0), 3_845)])
def test_the_low_word_counts_where_it_decides_a_swap(key, step):
    """For this key the 64-bit product carries from its low word into the swap of this step."""
    low, high, _, _ = (int(word[0]) for word in random.row_words(np.array([step], np.uint64), 0, key))
    assert (low + (high << 32)) * (step + 1) >> 64 != high * (step + 1) >> 32
    table = np.empty(4_096, np.int64)
    kernels.shuffled_table(*map(np.uint32, key), table)
    np.testing.assert_array_equal(table, random.shuffled_table(4_096, key))


# ---- asked for in any way -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 10, 300, random.SMALL, random.SMALL + 1, 10_000])
def test_the_whole_is_the_same_in_every_way(n):
    """Indexing, negative indexing, iterating and `np.asarray` all give what `take` gives."""
    order = permutation(n, seed=5)
    whole = order.take(np.arange(n)).tolist()
    assert len(order) == n
    assert list(order) == whole
    assert np.asarray(order).tolist() == whole
    some = range(0, n, max(1, n // 50))
    assert [order[i] for i in some] == [whole[i] for i in some]
    assert [order[i - n] for i in some] == [whole[i] for i in some]
    assert order[-1] == whole[-1]
    assert type(order[0]) is int
    assert type(next(iter(order))) is int


@pytest.mark.parametrize("n", HUGE)
def test_single_rows_of_huge_orders(n):
    """Indexing reaches both ends of a huge order, and iterating begins at once."""
    order = permutation(n)
    first, last = order.take([0, n - 1]).tolist()
    assert order[0] == order[-n] == first
    assert order[n - 1] == order[-1] == last
    rows = iter(order)
    assert [next(rows) for _ in range(5_000)] == order.take(range(5_000)).tolist()


@settings(deadline=None)
@given(st.sampled_from([1, 7, 300, 4_096, 4_097, 70_000]), st.data())
def test_chunks_and_repetitions_agree_with_the_whole(n, data):
    """Any positions, in any order, repeated, in any chunks, have the rows that they have in the whole."""
    positions = np.array(data.draw(st.lists(st.integers(0, n - 1), max_size=100)), np.int64)
    cuts = sorted(data.draw(st.lists(st.integers(0, positions.size), max_size=5)))
    order = permutation(n, seed=11)
    whole = np.asarray(order)
    np.testing.assert_array_equal(order.take(positions), whole[positions])
    chunks = [order.take(chunk) for chunk in np.split(positions, cuts)]
    np.testing.assert_array_equal(np.concatenate(chunks), whole[positions])


@pytest.mark.parametrize("n", [10**6 + 3, 10**12])
def test_many_positions_agree_with_few(n):
    """Enough positions to be shared out over cores have the rows that they have alone, as an array and as a range."""
    order, positions = permutation(n, seed=6), np.arange(600_000)
    rows = order.take(positions)
    np.testing.assert_array_equal(order.take(range(600_000)), rows)
    np.testing.assert_array_equal(order.take(positions[::-1]), rows[::-1])
    some = np.random.default_rng(1).integers(0, 600_000, 1_000)
    np.testing.assert_array_equal(order.take(some), rows[some])


@pytest.mark.parametrize("n", [100, 10_000])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_positions_of_every_integer_type(n, dtype):
    """Every integer type, in the other byte order too, gives the same rows, in int64."""
    order, positions = permutation(n), np.arange(100)
    rows = order.take(positions)
    for kind in (np.dtype(dtype), np.dtype(dtype).newbyteorder()):
        taken = order.take(positions.astype(kind))
        assert taken.dtype == np.int64
        np.testing.assert_array_equal(taken, rows)


def test_the_last_positions_of_uint64():
    """Positions in uint64 reach the last of 2^63."""
    positions = np.array([2**63 - 1, 2**63 - 2], np.uint64)
    order = permutation(2**63)
    assert order.take(positions).tolist() == [order[2**63 - 1], order[2**63 - 2]]


@pytest.mark.parametrize("n", [100, 10_000])
@pytest.mark.parametrize(
    "positions",
    [
        range(100),
        range(10, 20),
        range(3, 100, 7),
        range(99, -1, -1),
        range(90, 2, -9),
        range(5, 5),
        range(9, 3),
        range(5, 6, 10**30),
        range(99, 98, -(10**30)),
    ],
)
def test_ranges_lists_and_strides(n, positions):
    """A range, with any step, gives the rows of its list, its tuple, and a read-only or strided array of it."""
    order = permutation(n, seed=8)
    rows = np.asarray(order)[list(positions)] if len(positions) else np.empty(0, np.int64)
    frozen = np.array(positions, np.int64)
    frozen.flags.writeable = False
    strided = np.repeat(frozen, 2)[::2]
    for form in (positions, list(positions), tuple(positions), frozen, strided):
        taken = order.take(form)
        assert taken.dtype == np.int64
        np.testing.assert_array_equal(taken, rows)


def test_ranges_at_the_end_of_64_bits():
    """Ranges that end at 2^63, or whose steps lead there, do not overflow."""
    order = permutation(2**63, seed=9)
    for positions in (
        range(2**63 - 5, 2**63),
        range(2**63 - 1, 2**63 - 6, -1),
        range(0, 2**63 - 1, 2**62),
        range(2**63 - 1, -1, -(2**61)),
    ):
        np.testing.assert_array_equal(order.take(positions), order.take(list(positions)))


@pytest.mark.parametrize("n", [0, 1, 10, 10_000, 10**12])
@pytest.mark.parametrize("positions", [[], (), range(0), np.empty(0, np.int64), np.empty(0, np.uint8), np.empty(0)])
def test_no_positions_give_no_rows(n, positions):
    """Nothing asked for, nothing returned: an empty int64 vector."""
    rows = permutation(n).take(positions)
    assert rows.dtype == np.int64
    assert rows.shape == (0,)


@pytest.mark.parametrize("n", [10, 10_000])
def test_rows_belong_to_the_caller(n):
    """Writing to what came out, or to the positions afterwards, changes no order."""
    order, positions = permutation(n), np.arange(10)
    rows = order.take(positions)
    before = rows.copy()
    rows[:] = -1
    np.asarray(order)[:] = -1
    np.testing.assert_array_equal(positions, np.arange(10))
    np.testing.assert_array_equal(order.take(positions), before)


def test_numpy_may_ask_for_another_type():
    """`np.asarray(order, dtype)` converts, and so does what NumPy calls for it."""
    order = permutation(10)
    for array in (np.asarray(order, np.float32), np.array(order, np.float32), order.__array__(np.float32)):
        assert array.dtype == np.float32
        assert array.tolist() == list(order)


@pytest.mark.parametrize("n", [5, 5_000])
@pytest.mark.parametrize("integer", [np.int64, np.uint16, np.int32])
def test_numpy_integers_are_integers(n, integer):
    """n, seed, epoch and an index may be NumPy's integers."""
    order = permutation(integer(n), integer(3), integer(2))
    assert order == permutation(n, 3, 2)
    assert order[integer(4)] == permutation(n, 3, 2)[4]


@pytest.mark.parametrize("n", [0, 10, 10_000, 2**63])
def test_equality_hash_and_pickle(n):
    """An order is its n, seed, epoch, salt and direction: equal ones have equal hashes, and a pickle is one."""
    order = permutation(n, 3, 2, salt="s")
    assert order == permutation(n, seed=3, epoch=2, salt="s")
    assert hash(order) == hash(permutation(n, 3, 2, salt="s"))
    for other in (permutation(n + 1 if n < 2**63 else 1, 3, 2, salt="s"), permutation(n, 4, 2, salt="s")):
        assert order != other
    for other in (permutation(n, 3, 1, salt="s"), permutation(n, 3, 2), order.inverse()):
        assert order != other
    for one in (order, order.inverse()):
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        positions = range(min(n, 10))
        np.testing.assert_array_equal(again.take(positions), one.take(positions))


def test_a_pickle_of_a_huge_order_is_small():
    """What is pickled is the key, not the rows."""
    order = permutation(4_096)
    order.take([0])
    assert len(pickle.dumps(order)) < 300
    assert len(pickle.dumps(permutation(2**63))) < 300


@pytest.mark.parametrize("key", [{}, {"seed": 3, "epoch": 2}, {"seed": 16**5_000}, {"salt": "it's"}])
def test_the_text_of_an_order_makes_it_again(key):
    """The repr is the call that gives an equal order."""
    for order in (permutation(10, **key), permutation(10, **key).inverse()):
        assert eval(repr(order), {"permutation": permutation}) == order


@pytest.mark.parametrize("n", [1_000, 100_003, 10**12])
def test_eight_threads_get_the_same(n):
    """Eight threads that start at once, in one order and its inverse, get what one thread gets."""
    order = permutation(n, seed=12)
    chunks = [np.random.default_rng(i).integers(0, n, 20_000) for i in range(8)]
    _table.cache_clear()
    together = threading.Barrier(8)

    def work(positions):
        together.wait()
        rows = order.take(positions)
        return rows, order.inverse().take(rows)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(work, chunks))
    for positions, (rows, back) in zip(chunks, results, strict=True):
        np.testing.assert_array_equal(rows, order.take(positions))
        np.testing.assert_array_equal(back, positions)


def test_more_orders_than_are_remembered():
    """Going back and forth among more orders than the caches hold changes none of them."""
    orders = [permutation(50, seed, epoch) for seed in range(40) for epoch in range(2)]
    once = [list(order) for order in orders]
    assert [list(order) for order in reversed(orders)] == once[::-1]
    assert [list(order) for order in orders] == once


@pytest.mark.parametrize("n", [10**12, 2**63])
def test_huge_orders_take_no_memory(n):
    """A thousand rows of 10^12 take the memory of a thousand numbers."""
    order, positions = permutation(n), np.arange(0, n - 1, n // 1_000)[:1_000]
    order.inverse().take(order.take(positions))  # compiled by now
    tracemalloc.start()
    try:
        other = permutation(n, seed=1)
        other.inverse().take(other.take(positions))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100_000


# ---- one order for each key -----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [20, 10_000, 10**12])
def test_seeds_epochs_and_salts_give_different_orders(n):
    """Every seed, epoch and salt has its own order; none is a sum, a truncation or a text of the others."""
    keys = [(seed, epoch, "") for seed in (0, 1, 7, 8, 2**32, 2**64, 2**64 + 7) for epoch in (0, 1, 2, 2**32)]
    keys += [
        (1, 1, "1"),
        (1, 11, ""),
        (11, 1, ""),
        (0x1A, 1, ""),
        (1, 0xA1, ""),
        (1, 1, "/"),
        (1, 1, "/1"),
        (1, 1, "a"),
    ]
    assert len(set(keys)) == len(keys)
    firsts = {tuple(permutation(n, seed, epoch, salt=salt).take(range(20)).tolist()) for seed, epoch, salt in keys}
    assert len(firsts) == len(keys)


@pytest.mark.parametrize("n", [100, 10_000, 10**12])
def test_seed_7_epoch_1_is_not_seed_8_epoch_0(n):
    """Seeds and epochs are not added: hardly any row stands at the same position."""
    one, other = permutation(n, 7, 1).take(range(100)), permutation(n, 8, 0).take(range(100))
    assert np.count_nonzero(one == other) < 10


@pytest.mark.parametrize("n", [20, 10_000, 10**12])
def test_defaults_are_seed_0_epoch_0_and_no_salt(n):
    """What is left out is 0, 0 and the empty string; the same key always gives the same order."""
    assert permutation(n) == permutation(n, 0, 0, salt="")
    np.testing.assert_array_equal(permutation(n).take(range(20)), permutation(n, 0, 0, salt="").take(range(20)))


# ---- the other order ------------------------------------------------------------------------------------------


def test_sequential_is_the_order_of_the_numbers():
    """`Sequential` gives each position its own number, and compares and pickles."""
    order = Sequential(10)
    assert len(order) == 10
    rows = order.take([3, 1, 4, 1])
    assert rows.dtype == np.int64
    assert rows.tolist() == [3, 1, 4, 1]
    assert order.take(range(9, -1, -2)).tolist() == [9, 7, 5, 3, 1]
    assert order.take(np.array([7], np.uint8)).dtype == np.int64
    assert order.take([]).shape == (0,)
    assert order == Sequential(10) != Sequential(11)
    assert pickle.loads(pickle.dumps(order)) == order
    assert Sequential(2**63).take([2**63 - 1]).tolist() == [2**63 - 1]


# ---- what cannot be meant -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": -1}, InvalidValueError, r"^n=-1 must be an integer, at least 0"),
        ({"n": LIMIT + 1}, InvalidValueError, r"^n=9223372036854775809 must be .* at most 9223372036854775808"),
        ({"n": 10.0}, InvalidTypeError, r"^n=10\.0 is not an integer"),
        ({"n": np.float64(10)}, InvalidTypeError, r"^n=.*10\.0.* is not an integer"),
        ({"n": True}, InvalidTypeError, r"^n=True is a bool"),
        ({"n": np.True_}, InvalidTypeError, r"^n=.*True.* is a bool"),
        ({"n": "10"}, InvalidTypeError, r"^n='10' is not an integer"),
        ({"n": None}, InvalidTypeError, r"^n=None is not an integer"),
        ({"n": [10]}, InvalidTypeError, r"^n=\[10\] is not an integer"),
        ({"n": 10, "seed": True}, InvalidTypeError, r"^seed=True is a bool"),
        ({"n": 10, "seed": -1}, InvalidValueError, r"^seed=-1 must be an integer, at least 0"),
        ({"n": 10, "seed": 1.5}, InvalidTypeError, r"^seed=1\.5 is not an integer"),
        ({"n": 10, "seed": None}, InvalidTypeError, r"^seed=None is not an integer"),
        ({"n": 10, "epoch": -1}, InvalidValueError, r"^epoch=-1 must be an integer, at least 0"),
        ({"n": 10, "epoch": 1.0}, InvalidTypeError, r"^epoch=1\.0 is not an integer"),
        ({"n": 10, "epoch": False}, InvalidTypeError, r"^epoch=False is a bool"),
        ({"n": 10, "salt": 3}, InvalidTypeError, r"^salt=3 must be a string"),
        ({"n": 10, "salt": b"a"}, InvalidTypeError, r"^salt=b'a' must be a string"),
        ({"n": 10, "salt": None}, InvalidTypeError, r"^salt=None must be a string"),
        ({"n": 10, "salt": "\ud800"}, InvalidValueError, r"^salt='\\ud800' holds half a character"),
    ],
)
def test_bad_arguments(arguments, error, message):
    """A key that cannot be meant is refused at once, by name and value."""
    with pytest.raises(error, match=message):
        permutation(**arguments)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: permutation(10), id="table"),
        pytest.param(lambda: permutation(10).inverse(), id="inverse"),
        pytest.param(lambda: permutation(10_000), id="network"),
        pytest.param(lambda: Sequential(10), id="sequential"),
    ],
)
@pytest.mark.parametrize(
    ("positions", "error", "message"),
    [
        ([-1], RowNumberError, r"-1 is outside \[0, 10"),
        ([3, -(2**63)], RowNumberError, r"-9223372036854775808 is outside \[0, 10"),
        ([10_000], RowNumberError, r"10000 is outside \[0, 10"),
        (np.array([0, 2**64 - 1], np.uint64), RowNumberError, r"18446744073709551615 is outside \[0, 10"),
        (range(-1, 3), RowNumberError, r"-1 is outside \[0, 10"),
        (range(3, -2, -1), RowNumberError, r"-1 is outside \[0, 10"),
        (range(5, 10_001), RowNumberError, r"10000 is outside \[0, 10"),
        ([2**64], RowNumberError, r"0x10000000000000000 is outside \[0, 10"),
        ([0.0, 1.5], InvalidTypeError, r"\[0\.0, 1\.5\] are float64; they must be integers"),
        (np.zeros(3, np.float32), InvalidTypeError, r"are float32; they must be integers"),
        ([True, False], InvalidTypeError, r"\[True, False\] are bool; they must be integers"),
        (["a"], InvalidTypeError, r"\['a'\] are <U1; they must be integers"),
        ([[0, 1]], InvalidValueError, r"shape \(1, 2\); they must be a vector"),
        (np.zeros((3, 1), np.int64), InvalidValueError, r"shape \(3, 1\); they must be a vector"),
        (3, InvalidValueError, r"shape \(\); they must be a vector"),
    ],
)
def test_bad_positions(make, positions, error, message):
    """Positions that are not integers in [0, n), or not a vector, are refused, with the value in the message."""
    order = make()
    with pytest.raises(error, match=message):
        order.take(positions)


@pytest.mark.parametrize("n", [0, 1, 10, 10_000, 10**12])
def test_positions_end_before_n(n):
    """Position n is one too many for `take` and for indexing, and so is -n - 1, or -1 for `take`."""
    order = permutation(n)
    with pytest.raises(RowNumberError, match=rf"{n} is outside \[0, {n}\)"):
        order.take([n])
    with pytest.raises(RowNumberError, match=rf"{n} is outside \[0, {n}\)"):
        order.take(range(n, n + 1))
    with pytest.raises(RowNumberError, match=rf"-1 is outside \[0, {n}\)"):
        order.take(np.array([-1]))
    with pytest.raises(RowNumberError, match=rf"position {n} is outside \[0, {n}\)"):
        order[n]
    with pytest.raises(RowNumberError, match=rf"position {-n - 1} is outside \[0, {n}\)"):
        order[-n - 1]


@pytest.mark.parametrize("n", [10, 10_000, 2**63])
def test_indices_end_at_any_size(n):
    """Indices beyond 64 bits are outside too, as an `IndexError`, however long."""
    order = permutation(n)
    for position in (2**63, -(2**63) - 1, 2**64, 16**5_000):
        with pytest.raises(RowNumberError, match=r"^position \S+ is outside \[0, "):
            order[position]


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (1.0, r"^position=1\.0 is not an integer"),
        (True, r"^position=True is a bool"),
        (slice(1.0, 2), r"^slice start=1\.0 is not an integer"),
        ([1.5], r"^positions \[1\.5\] are float64"),
        ([True] * 10, r"^positions .* are bool; .*for a mask use np\.flatnonzero\(mask\)"),
        ("1", r"^position='1' is not an integer"),
    ],
)
def test_bad_indices(position, message):
    """An index that is no integer, and no several of them, is refused."""
    with pytest.raises(InvalidTypeError, match=message):
        permutation(10)[position]


@pytest.mark.parametrize("n", [0, 1, 10, 4096, 4097, 10_000, 2**63])
@pytest.mark.parametrize("inverted", [False, True])
def test_slices_are_a_lists(n, inverted):
    """A slice, a range or several positions give what `take` gives of the same positions, in a new array."""
    order = permutation(n, seed=3).inverse() if inverted else permutation(n, seed=3)
    for key in (slice(1, 3), slice(-3, None), slice(5, 1, -2), slice(3, 0, -1), slice(2, -1, n // 3 + 1), slice(7, 2)):
        found = order[key]
        assert found.dtype == np.int64
        assert found.flags.writeable
        np.testing.assert_array_equal(found, order.take(np.array(range(*key.indices(n)), np.int64)))
    if n >= 10:
        for several in ([3, 1, 1], (2,), range(9, -1, -3), np.array([n - 1, 0])):
            np.testing.assert_array_equal(order[several], order.take(list(several)))
        order[:5][:] = 0  # the order itself stays as it was
        assert len(set(order[:10].tolist())) == 10
    if n == 10:
        np.testing.assert_array_equal(order[:], np.asarray(order))
        np.testing.assert_array_equal(order[::-1], list(order)[::-1])


def test_orders_cannot_be_changed():
    """An order is frozen."""
    for order in (permutation(10), Sequential(10)):
        with pytest.raises(AttributeError):
            order.n = 11
