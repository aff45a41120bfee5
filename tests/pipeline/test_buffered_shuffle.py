"""The buffered shuffle: its definition, its chances, and how little is read again."""

import itertools
import json
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_items import Counting

from planted import Pipeline
from planted._pipeline.buffer import _slots
from planted._random.random import key_words, philox


def slowly_shuffled(items, size, seed, salt, epoch):
    """The definition, step by step: one slot at a time, one counter at a time."""
    key = key_words("buffer", seed, salt=salt, epoch=epoch)[:2]

    def choice(t, r):
        words = philox(tuple(np.array([word], np.uint32) for word in (t & 0xFFFFFFFF, t >> 32, 0, 0)), key)
        return ((int(words[0][0]) | int(words[1][0]) << 32) * r) >> 64

    items, buffer, found = list(items), [], []
    while items or buffer:
        while items and len(buffer) < size:
            buffer.append(items.pop(0))
        slot = choice(len(found), len(buffer))
        found.append(buffer[slot])
        if items:
            buffer[slot] = items.pop(0)
        else:
            buffer[slot] = buffer[-1]
            buffer.pop()
    return found


@given(st.integers(0, 60), st.integers(1, 70), st.integers(0, 2**70), st.text(max_size=3), st.integers(0, 2**40))
def test_buffered_shuffle_is_its_definition(n, size, seed, salt, epoch):
    """Every item once, in the order that a plain simulation gives."""
    pipeline = Pipeline(range(n)).buffered_shuffle(size, seed=seed, salt=salt)
    pipeline.set_epoch(epoch)
    found = list(pipeline)
    assert found == slowly_shuffled(range(n), size, seed, salt, epoch)
    assert sorted(found) == list(range(n))
    assert all(item - t < size for t, item in enumerate(found))


@pytest.mark.parametrize("size", [1, 3, 1000, 2**31 - 1, 2**31])
def test_a_slot_is_exact_for_a_buffer_of_any_size(size):
    """floor(u r / 2^64) of all 64 bits of u, against Python's integers: the upper 32 bits alone give other slots."""
    key = tuple(key_words("buffer", 7, epoch=3)[:2])
    first, n = 2**32 - 500, 1000  # the counter's upper word changes on the way
    emissions = np.arange(first, first + n, dtype=np.uint64)
    counter = ((emissions & np.uint64(0xFFFFFFFF)).astype(np.uint32), (emissions >> np.uint64(32)).astype(np.uint32))
    w0, w1, *_ = philox((*counter, np.zeros(n, np.uint32), np.zeros(n, np.uint32)), key)
    expected = [(low | high << 32) * size >> 64 for low, high in zip(w0.tolist(), w1.tolist(), strict=True)]
    assert _slots(key, first, np.full(n, size)).tolist() == expected


def test_buffered_shuffle_is_frozen():
    """Version 1: a saved state must mean the same for ever."""
    assert list(Pipeline(range(12)).buffered_shuffle(5)) == [3, 5, 4, 6, 8, 2, 9, 0, 7, 1, 11, 10]
    salted = Pipeline(range(12)).buffered_shuffle(5, seed=714, salt="b")
    salted.set_epoch(3)
    assert list(salted) == [3, 2, 1, 7, 4, 8, 0, 11, 10, 5, 6, 9]
    beyond = list(Pipeline(range(3000)).buffered_shuffle(5))  # more emissions than are chosen at once
    assert beyond[-8:] == [2995, 2982, 2998, 2994, 2997, 2988, 2999, 2996]


def test_each_epoch_seed_and_salt_has_an_order_of_its_own():
    pipeline = Pipeline(range(30)).buffered_shuffle(30)
    orders = [tuple(pipeline), tuple(pipeline)]
    orders += [tuple(Pipeline(range(30)).buffered_shuffle(30, **other)) for other in ({"seed": 1}, {"salt": "x"})]
    repeated = list(pipeline.repeat(2))
    assert len(set(orders)) == 4
    assert [tuple(repeated[:30]), tuple(repeated[30:])] == orders[:2]


@pytest.mark.parametrize(("n", "size"), [(4, 4), (4, 9), (5, 2), (5, 3)])
def test_every_order_is_as_likely_as_it_should_be(n, size):
    """Chi-square over 3000 seeds against the exact probabilities, from all choices there are.

    False-fail rate 1e-6 (and the seeds are fixed). It finds with certainty a choice that is never the last slot, or a
    slot that is taken half as often as it should be.
    """
    from scipy import stats

    expected = {}

    def follow(order, buffer, items, probability):
        while items and len(buffer) < size:
            buffer, items = [*buffer, items[0]], items[1:]
        if not buffer:
            expected[order] = expected.get(order, 0.0) + probability
        for i in buffer:
            follow((*order, i), [j for j in buffer if j != i], items, probability / len(buffer))

    follow((), [], list(range(n)), 1.0)
    assert math.isclose(sum(expected.values()), 1.0)
    found = dict.fromkeys(expected, 0)
    for seed in range(3000):
        found[tuple(Pipeline(range(n)).buffered_shuffle(size, seed=seed))] += 1
    orders = list(expected)
    result = stats.chisquare([found[order] for order in orders], [3000 * expected[order] for order in orders])
    assert result.pvalue > 1e-6


@given(st.integers(1, 40), st.integers(0, 3000), st.integers(0, 60), st.integers(0, 5))
def test_a_buffer_is_filled_again_from_its_choices(size, stop, more, seed):
    """Resumed anywhere in a long epoch, while items come or at its end, the rest is the same."""
    n = stop + more
    shuffled = Pipeline(range(n)).buffered_shuffle(size, seed=seed)
    expected = list(shuffled)
    shuffled.set_epoch(0)
    list(itertools.islice(shuffled, stop))
    resumed = Pipeline(range(n)).buffered_shuffle(size, seed=seed)
    resumed.load_state_dict(json.loads(json.dumps(shuffled.state_dict())))
    if shuffled.state_dict()["epoch"] == 0:
        assert list(resumed) == expected[stop:]


@pytest.mark.parametrize("stop", [1000, 100_000])
def test_resuming_a_buffer_reads_little_again_however_far_the_epoch_is(stop):
    """About size ln(size) items (50 ln 50 = 196), and a state of a few numbers."""
    shuffled = Pipeline(Counting(range(200_000))).buffered_shuffle(50)
    list(itertools.islice(shuffled, stop))
    state = shuffled.state_dict()
    assert len(json.dumps(state["position"])) < 40
    source = Counting(range(200_000))
    resumed = Pipeline(source).buffered_shuffle(50)
    resumed.load_state_dict(state)
    next(iter(resumed))
    assert 49 <= len(source.read) < 600
    assert max(source.read) == stop + 49


def test_a_buffer_gives_its_first_item_once_it_is_full():
    source = Counting(range(100))
    next(iter(Pipeline(source).buffered_shuffle(10)))
    assert source.read == list(range(10))


def test_a_buffer_grows_with_its_items():
    """A buffer for five million items that holds three takes next to nothing, also when a state is loaded."""
    pipeline = Pipeline(list("abc")).buffered_shuffle(5_000_000)
    tracemalloc.start()
    whole = list(pipeline)
    pipeline.set_epoch(0)
    iterator = iter(pipeline)
    first = next(iterator)
    pipeline.load_state_dict(pipeline.state_dict())
    rest = list(pipeline)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sorted(whole) == list("abc")
    assert [first, *rest] == whole
    assert peak < 1_000_000
