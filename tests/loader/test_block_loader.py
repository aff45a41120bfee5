"""The loader of rows kept in blocks: the block shuffle's order, read ahead by threads, and nothing left behind."""

import gc
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import planted
from planted._errors import InvalidTypeError, InvalidValueError, StateError
from planted._loader import loader as _loader
from planted._loader import pool as _pool
from planted._order.blocks import BlockOrder, Blocks

pytestmark = pytest.mark.threads
TRUTH = planted.LinearTruth([2.0, -3.4], 4.2, 0.01)
ROW_BYTES = 12


class Stored:
    """Rows in blocks, as a disk has them, but in memory: with a record of what is read; slow or faulty if wanted."""

    def __init__(self, rows, edges, *, readers=2, merge_factors=(1, 2, 4), at_once=1):
        self.rows, self.edges, self.readers, self.merge_factors, self.at_once = (
            rows,
            list(edges),
            readers,
            merge_factors,
            at_once,
        )
        self.table = np.concatenate([rows.X, rows.y], axis=1)
        self.forget()
        self.before = lambda start: None  # called before a block is loaded, with the number of its first row

    def __getattr__(self, name):
        if name not in ("n", "features", "dtype", "take", "fingerprint", "truth", "seed", "X", "y"):
            raise AttributeError(name)
        return getattr(self.rows, name)

    def __len__(self):
        return self.rows.n

    def __repr__(self):
        return "<stored>"

    def forget(self):
        self.loaded, self.expected = [], []

    def partition(self, merged=1):
        return Blocks.from_edges([*self.edges[:-1:merged], self.edges[-1]])

    def load(self, blocks, indices, arena, places):
        assert len(indices) == len(places) > 0
        assert arena.flags.c_contiguous
        assert (arena.shape[1], arena.dtype) == (self.rows.features + 1, self.rows.dtype)
        for index, place in zip(indices[: self.at_once].tolist(), places.tolist(), strict=False):
            start, stop = blocks.bounds(index)
            assert (start, stop) in self.expected, "a block is expected before it is loaded"
            out = arena[place : place + stop - start]
            assert len(out) == stop - start
            out[:] = np.nan
            self.before(start)
            out[:] = self.table[start:stop]
            self.loaded.append((start, stop))
        return min(self.at_once, len(indices))

    def expect(self, blocks, indices):
        self.expected += map(blocks.bounds, indices.tolist())


def stored(n=1000, size=10, first=0, **options):
    """Rows in equal blocks."""
    rows = planted.rows(TRUTH, n, seed=1)
    return Stored(rows, [0, *range(first or size, n, size), n] if n else [0], **options)


def memory_for(slots, source, merged=1):
    """A budget that has room for so many blocks."""
    return -(-slots * source.partition(merged).size * ROW_BYTES * 8 // 7) + 8


def order_of(loader, epoch):
    """The order that a loader should have, from its plan."""
    return BlockOrder(loader._plan.blocks, loader._plan.pool, loader.seed, epoch, loader.salt)


def numbers(batches):
    """The row numbers of each batch."""
    return [batch[-1].tolist() for batch in batches]


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks so small that any epoch has many."""
    monkeypatch.setattr(_loader, "CHUNK_BYTES", 400)


# ---- each epoch, each row, once -------------------------------------------------------------------------------


@st.composite
def sources(draw):
    """Rows in equal blocks, in the middle of which the first may begin, or in unequal ones."""
    if draw(st.booleans()):
        size = draw(st.integers(1, 30))
        threads = {"readers": draw(st.integers(1, 4)), "at_once": draw(st.integers(1, 4))}
        return stored(draw(st.integers(0, 300)), size, draw(st.integers(0, size)), **threads)
    edges = [0, *np.cumsum(draw(st.lists(st.integers(1, 30), max_size=25))).tolist()]
    return Stored(planted.rows(TRUTH, edges[-1], seed=1), edges, merge_factors=draw(st.sampled_from([(1,), (1, 2, 4)])))


options = st.fixed_dictionaries(
    {
        "batch_size": st.integers(4, 60),
        "drop_last": st.booleans(),
        "seed": st.integers(0, 2**70),
        "prefetch": st.integers(0, 3),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("small_chunks")
@given(sources(), st.integers(4, 12), options, st.integers(1, 4), st.integers(0, 5), st.data())
def test_an_epoch_is_its_order_cut_into_batches(source, slots, options, world_size, epoch, data):
    """Against the order, cut into global batches, each divided over the ranks; whole, and in parts of any stride."""
    budget = memory_for(slots, source)
    loaders = [
        planted.Loader(source, rank=rank, world_size=world_size, with_index=True, memory=budget, **options)
        for rank in range(world_size)
    ]
    order = order_of(loaders[0], epoch).take(range(source.n))
    assert sorted(order.tolist()) == list(range(source.n))
    size = options["batch_size"]
    batches = [order[i : i + size] for i in range(0, source.n, size)]
    if options["drop_last"]:
        batches = [batch for batch in batches if len(batch) == size]
    begin, step = data.draw(st.integers(0, len(batches) + 1)), data.draw(st.sampled_from([1, 1, 2, 3, 7]))
    for rank, loader in enumerate(loaders):
        assert loader.shuffle == "blocks"
        assert len(loader) == len(batches)
        got = list(loader.read(epoch, begin, step))
        for batch, (X, y, index) in zip(batches[begin::step], got, strict=True):
            share = batch[rank * len(batch) // world_size : (rank + 1) * len(batch) // world_size]
            np.testing.assert_array_equal(index, share)
            expected = source.rows.take(share)
            np.testing.assert_array_equal(X, expected.X)
            np.testing.assert_array_equal(y, expected.y)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("small_chunks")
@given(sources(), st.integers(4, 12), options, st.integers(0, 2), st.data())
def test_resuming_anywhere_gives_the_rest(source, slots, options, epoch, data):
    """A new loader with the state goes on with the very next batch, and then with the next epochs."""

    def new():
        return planted.Loader(source, with_index=True, memory=memory_for(slots, source), **options)

    loader = new()
    loader.set_epoch(epoch)
    iterator = iter(loader)
    handed_out = len(list(itertools.islice(iterator, data.draw(st.integers(0, len(loader))))))
    resumed = new()
    resumed.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    expected = list(iterator) if handed_out < len(loader) else list(loader)
    for one, other in zip(expected, resumed, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)
    assert numbers(loader) == numbers(resumed)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("small_chunks")
@given(sources(), st.integers(4, 12), options, st.integers(1, 20), st.data())
def test_the_blocks_that_are_needed_are_loaded_once(source, slots, options, step, data):
    """Each block of a pool that a batch touches is expected once and loaded once; no other is."""
    loader = planted.Loader(source, with_index=True, memory=memory_for(slots, source), **options)
    begin = data.draw(st.integers(0, len(loader)))
    got = list(loader.read(1, begin, step))
    order, size = order_of(loader, 1), options["batch_size"]
    touched = set()
    for batch in range(begin, len(loader), step):
        touched |= {p for p, _ in order.pools_of(range(batch * size, min((batch + 1) * size, source.n)))}
    assert len(got) == len(range(begin, len(loader), step))
    wanted = sorted(order.blocks.bounds(b) for p in touched for b in order.pool_at(p).blocks.tolist())
    assert sorted(source.loaded) == sorted(source.expected) == wanted
    if begin == 0 and step == 1 and not options["drop_last"]:
        assert [start for start, _ in wanted] == order.blocks.starts(np.arange(len(order.blocks))).tolist()


@pytest.mark.parametrize("slots", [4, 5, 9, 30, 200])
def test_memory_stays_within_the_budget(monkeypatch, slots):
    """The arena, and the chunks in flight beside it; blocks lie in the arena side by side."""
    source = stored(10_000, 13)
    budget = memory_for(slots, source)
    made = Counter()

    def empty(shape, dtype):
        array = np.empty(shape, dtype)
        made["arena" if shape[-1] == 3 else "chunk"] = max(made["chunk"], array.nbytes)
        return array

    monkeypatch.setattr(_pool, "empty", empty)
    loader = planted.Loader(source, 1, memory=budget)
    for _ in loader:
        pass
    assert made["arena"] == loader._plan.slots * 13 * ROW_BYTES
    assert loader._plan.slots == slots
    assert made["arena"] + 4 * made["chunk"] * 3 // 2 <= budget  # X of 8 bytes a row, and y of 4


def test_readers_stay_behind_the_pools_that_are_in_use():
    """With room for more than one pool, blocks of the next are loaded while a chunk of this one is still wanted."""
    source = stored(5000, 10)
    loader = planted.Loader(source, 10, memory=memory_for(40, source), prefetch=0)
    iterator = iter(loader)
    next(iterator)
    for _ in range(200):
        if len(source.loaded) == 40:
            break
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(source.loaded) == 40
    assert len(source.expected) == min(len(source.partition()), 40 + _pool.READAHEAD[0])
    assert loader._plan.pool == 26
    iterator.close()


@pytest.mark.usefixtures("small_chunks")
def test_any_number_of_ranks_sees_the_same_global_batches_and_resumes():
    """A state of one rank goes to three, whose shares make up the rest of the same batches."""
    source = stored(500, 7, 3)

    def new(rank=0, world_size=1):
        budget = memory_for(12, source)
        return planted.Loader(source, 42, rank=rank, world_size=world_size, with_index=True, memory=budget)

    loader = new()
    rest = numbers(loader)[5:]
    loader.set_epoch(0)
    list(itertools.islice(loader, 5))
    parts = []
    for rank in range(3):
        resumed = new(rank, 3)
        resumed.load_state_dict(loader.state_dict())
        parts.append(numbers(resumed))
    assert [list(itertools.chain(*batch)) for batch in zip(*parts, strict=True)] == rest
    assert len(rest) == 7


def test_two_iterators_of_one_loader_do_not_disturb_each_other():
    source = stored(3000, 10)
    loader = planted.Loader(source, 10, with_index=True, memory=memory_for(20, source))
    a, b = iter(loader), iter(loader)
    mixed = [(next(a)[2].tolist(), next(b)[2].tolist()) for _ in range(300)]
    loader.set_epoch(0)
    assert [x for x, _ in mixed] == numbers(loader)
    assert [x for _, x in mixed] == numbers(loader)


def test_batches_are_the_callers_own():
    """A batch that is kept is never written again, though the arena is."""
    source = stored(30_000, 100)
    loader = planted.Loader(source, 100, with_index=True, memory=memory_for(20, source))
    kept = [(X, X.copy(), y, y.copy()) for X, y, _ in loader]
    for X, X0, y, y0 in kept:
        np.testing.assert_array_equal(X, X0)
        np.testing.assert_array_equal(y, y0)
        X[:] = y[:] = np.nan
    assert sorted(itertools.chain(*numbers(loader))) == list(range(30_000))


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize("readers", [1, 2, 7])
def test_the_order_in_which_blocks_arrive_changes_nothing(readers, at_once):
    """Loads that take a random time, by any number of threads, some blocks at a time."""
    source = stored(1500, 10, readers=readers, at_once=at_once)
    source.before = lambda start: time.sleep((start * 7919 % 11) / 5000)
    loader = planted.Loader(source, 64, with_index=True, memory=memory_for(16, source))
    expected = order_of(loader, 0).take(range(1500)).tolist()
    assert list(itertools.chain(*numbers(loader))) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [1, 5, 40])
def test_rows_of_any_width_and_precision(dtype, features):
    rows = planted.regression(planted.weights(features), n=700, dtype=dtype)
    source = Stored(rows, [*range(0, 700, 13), 700])
    for X, y, index in planted.Loader(source, 50, with_index=True, memory=200 * rows.dtype.itemsize * (features + 1)):
        np.testing.assert_array_equal(X, rows.take(index).X)
        np.testing.assert_array_equal(y, rows.take(index).y)
        assert X.dtype == y.dtype == rows.dtype


# ---- which order ----------------------------------------------------------------------------------------------


def test_rows_in_blocks_are_shuffled_in_blocks_unless_told_otherwise():
    """True is what suits the rows; a state says True only where all rows are mixed, wherever they are."""
    source = stored(100)
    computed, held = source.rows, source.rows.materialize()
    cases = [(source, True, "blocks"), (source, "blocks", "blocks"), (source, "rows", "rows"), (source, False, False)]
    cases += [(rows, shuffle, True) for rows in (computed, held) for shuffle in (True, "rows", np.True_)]
    cases += [(rows, False, False) for rows in (computed, held)]
    for rows, shuffle, expected in cases:
        loader = planted.Loader(rows, 10, shuffle=shuffle, with_index=True)
        assert (loader.shuffle, loader.state_dict()["shuffle"]) == (expected, expected)
        assert type(loader.shuffle) is type(expected)
    full = planted.permutation(100).take(range(100)).tolist()
    assert list(itertools.chain(*numbers(planted.Loader(source, 10, shuffle="rows", with_index=True)))) == full
    in_order = planted.Loader(source, 10, shuffle=False, with_index=True)
    assert list(itertools.chain(*numbers(in_order))) == list(range(100))
    assert not source.loaded
    assert planted.Loader(computed, 10).state_dict() == {
        "epoch": 0,
        "batch": 0,
        "version": 1,
        "rows": computed.fingerprint(),
        "batch_size": 10,
        "shuffle": True,
        "drop_last": False,
        "fresh": False,
        "seed": 0,
        "salt": "",
    }


def test_wrong_settings_are_refused():
    source = stored(100)
    for rows in (source.rows, source.rows.materialize()):
        with pytest.raises(InvalidValueError, match=r"shuffle='blocks' needs rows kept on disk.*: use shuffle=True"):
            planted.Loader(rows, 10, shuffle="blocks")
    with pytest.raises(InvalidTypeError, match="shuffle='block' must be True, False, 'blocks' or 'rows'"):
        planted.Loader(source, 10, shuffle="block")
    with pytest.raises(InvalidValueError, match=r"memory=100 is too little .* use memory=548 or more"):
        planted.Loader(source, 10, memory=100)
    with pytest.raises(InvalidValueError, match="memory='lots' is not a number of bytes"):
        planted.Loader(source, 10, memory="lots")
    with pytest.raises(InvalidValueError, match="fresh=True needs rows computed on demand, not <stored>"):
        planted.Loader(source, 10, fresh=True)


def test_repr_says_how_it_mixes():
    source = stored(1000, 10)
    assert repr(planted.Loader(source, 8, memory=memory_for(20, source))) == (
        "Loader(<stored>, batch_size=8, shuffle='blocks' (pools of 13 of 100 blocks of 10 rows, 2 KiB; batch means "
        "vary 1.49 times as much as fully shuffled), seed=0, framework='numpy')"
    )
    whole = repr(planted.Loader(source, 8))
    assert "shuffle='blocks' (one pool of 25 blocks of 40 rows, 12 KiB; fully shuffled)" in whole
    assert "shuffle='rows', seed" in repr(planted.Loader(source, 8, shuffle="rows"))
    assert "shuffle=False, seed" in repr(planted.Loader(source, 8, shuffle=False))


# ---- state ----------------------------------------------------------------------------------------------------


def test_the_state_names_what_the_order_depends_on():
    source = stored(1000, 10)
    state = planted.Loader(source, 8, memory=memory_for(20, source)).state_dict()
    assert {name: state[name] for name in ("shuffle", "block_rows", "pool_blocks")} == {
        "shuffle": "blocks",
        "block_rows": 10,
        "pool_blocks": 13,
    }
    assert state["rows"] == source.rows.fingerprint()
    assert len(json.dumps(state)) < 320


def test_a_state_of_another_order_is_refused_with_the_reason():
    """Another memory, other blocks, another kind of shuffle; the loader stays where it was."""
    source = stored(1000, 10)
    budget = memory_for(20, source)
    state = planted.Loader(source, 8, memory=budget).state_dict()
    shifted = stored(1000, 10, 5)
    cases = [
        (
            source,
            {"memory": memory_for(30, source)},
            "pool_blocks=13, this loader pool_blocks=19: use the memory= with",
        ),
        (
            source,
            {"memory": "1MiB"},
            "block_rows=10, this loader block_rows=40: use the memory= with which it was saved",
        ),
        (shifted, {"memory": budget}, "blocks='.*', this loader blocks='.*': use .* blocks of the same size"),
        (source, {"memory": budget, "shuffle": "rows"}, "shuffle='blocks', this loader shuffle='rows': load it into"),
        (source, {"memory": budget, "shuffle": False}, "shuffle='blocks', this loader shuffle=False: load it into"),
        (source.rows, {}, "shuffle='blocks', this loader shuffle=True: load it into a loader of the same rows"),
        (source, {"memory": budget, "seed": 1}, "seed=0, this loader seed=1"),
    ]
    for rows, options, message in cases:
        loader = planted.Loader(rows, 8, **options)
        loader.set_epoch(4)
        with pytest.raises(StateError, match=message):
            loader.load_state_dict(state)
        assert loader.epoch == 4
    loader = planted.Loader(source, 8, memory=budget)
    with pytest.raises(StateError, match="shuffle=True, this loader shuffle='blocks'"):
        loader.load_state_dict(planted.Loader(source.rows, 8).state_dict())
    for name in ("block_rows", "pool_blocks", "blocks"):
        broken = {key: value for key, value in state.items() if key != name}
        with pytest.raises(StateError, match=f"the state has {name}=None"):
            loader.load_state_dict(broken)
    for broken in ({**state, "more": 1}, {key: value for key, value in state.items() if key != "seed"}, None):
        with pytest.raises(StateError, match="is not a loader's state"):
            loader.load_state_dict(broken)


def test_a_loader_can_be_pickled():
    source = stored(300, 10)
    del source.before  # a lambda
    loader = planted.Loader(source, 10, with_index=True, memory=memory_for(8, source))
    again = pickle.loads(pickle.dumps(loader))
    assert again.state_dict() == loader.state_dict()
    again.rows.before = source.before = lambda start: None
    assert numbers(again) == numbers(loader)


def test_pipelines_begin_with_it():
    """Steps, their state in the middle of an epoch, and an exception in a function of the user's."""
    source = stored(500, 10)
    loader = planted.Loader(source, 20, with_index=True, memory=memory_for(12, source))
    expected = [sum(batch) for batch in numbers(loader.read(0))]

    def new():
        return loader.map(lambda X, y, index: int(index.sum())).prefetch(2)

    pipeline = new()
    assert list(pipeline) == expected
    pipeline.set_epoch(0)
    iterator = iter(pipeline)
    first = [next(iterator) for _ in range(7)]
    resumed = new()
    resumed.load_state_dict(json.loads(json.dumps(pipeline.state_dict())))
    assert first + list(resumed) == expected
    iterator.close()
    broken = loader.map(lambda X, y, index: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        list(broken)


def test_torch_gets_tensors_and_worker_shares(torch):
    from planted.torch import IterableDataset

    source = stored(500, 10)
    loader = planted.Loader(source, 20, with_index=True, memory=memory_for(12, source), framework="torch")
    got = list(IterableDataset(loader))
    assert all(isinstance(part, torch.Tensor) for part in got[0])
    whole = numbers(got)
    shares = [numbers(loader.read(0, worker, 2)) for worker in range(2)]
    assert [batch for pair in itertools.zip_longest(*shares) for batch in pair if batch] == whole
    assert list(itertools.chain(*whole)) == order_of(loader, 0).take(range(500)).tolist()


# ---- threads, errors, signals ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_abandoned_iterator_leaves_no_thread(threads, prefetch, slow):
    """After any number of batches, however it is abandoned, whether loads are done or under way."""
    source = stored(400, 10)
    source.before = (lambda start: time.sleep(0.002)) if slow else source.before
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
    for count in (1, 5, 13, 39):
        for how in ("close", "forget", "cycle"):
            iterator = iter(loader)
            list(itertools.islice(iterator, count))
            assert threads() or count == 39, how  # all is loaded
            if how == "close":
                iterator.close()
            if how == "cycle":
                knot = [iterator]
                knot.append(knot)
                del knot, iterator
                gc.collect()
            iterator = None
            assert not threads(), how
    iter(loader)
    assert not threads()
    for _ in loader:
        break
    assert not threads()


def test_threads_are_as_many_as_the_rows_ask_for(threads):
    source = stored(400, 10, readers=3)
    iterator = iter(planted.Loader(source, 10, memory=memory_for(8, source), prefetch=0))
    next(iterator)
    assert sum("reader" in thread.name for thread in threads()) <= 3
    iterator.close()
    assert len({thread.name for thread in threads()}) == 0


class DamagedError(planted.PlantedError):
    """What a disk finds out."""


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("readers", [1, 3])
def test_an_error_in_a_load_reaches_the_caller_after_the_batches_before_it(prefetch, readers, threads):
    """At every block: batches of earlier pools come first, and are right; then the error, once; then it can go on."""
    source = stored(120, 5, readers=readers)
    for bad in range(0, 120, 5):

        def fail(start, bad=bad):
            if start == bad:
                raise DamagedError(f"row {bad}")

        source.before = fail
        loader = planted.Loader(source, 4, with_index=True, memory=memory_for(6, source), prefetch=prefetch)
        order = order_of(loader, 0)
        [place] = [p for p in range(8) if bad // 5 in order.pool_at(p).blocks]
        seen = []
        with pytest.raises(DamagedError, match=f"row {bad}$") as caught:
            for X, y, index in loader:
                seen.append(index)
                np.testing.assert_array_equal(X, source.rows.take(index).X)
                np.testing.assert_array_equal(y, source.rows.take(index).y)
        assert "in load" in "".join(traceback.format_tb(caught.tb))
        assert not threads()
        flat = np.concatenate([np.empty(0, np.int64), *seen])
        np.testing.assert_array_equal(flat, order.take(range(flat.size)))
        per_chunk = 33 // 4
        assert order.span(place)[0] - 4 * per_chunk < flat.size <= order.span(place)[0]
        assert loader.state_dict()["batch"] == len(seen)
        source.before = lambda start: None
        loader.set_epoch(0)
        assert len(list(loader)) == 30
        del caught, loader


@pytest.mark.parametrize("late", [0, 1])
def test_of_two_errors_that_of_the_earlier_pool_is_raised(late, threads):
    """Whichever comes first, of two loads that are under way in neighbouring pools."""
    source = stored(400, 10)
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=0)
    order = order_of(loader, 0)
    fatal = [order.blocks.bounds(int(order.pool_at(p).blocks[end]))[0] for p, end in ((0, -1), (1, 0))]
    begun = [threading.Event(), threading.Event()]
    raised = threading.Event()

    def fail(start):
        if start in fatal:
            which = fatal.index(start)
            begun[which].set()
            assert begun[1 - which].wait(30)
            if which == late:
                assert raised.wait(30)
                time.sleep(0.05)
            raised.set()
            raise DamagedError(f"pool {which}")

    source.before = fail
    reader = _pool.PoolReader(source, order, loader._plan.slots, [range(10), range(60, 70)])
    requests = [reader.request(range(10)), reader.request(range(60, 70))]
    for thread in reader._threads:
        thread.join()
    for request in requests:
        with pytest.raises(DamagedError, match="pool 0"):
            reader.gather(request)
    reader.close()
    with pytest.raises(CancelledError):
        reader.gather(requests[0])
    assert not threads()


def test_a_pool_whose_loads_are_under_way_when_another_fails_is_delivered(threads, monkeypatch):
    """The rows cannot say which blocks are expected; the block that is still on its way arrives all the same."""
    monkeypatch.setattr(_pool, "READAHEAD", (8, 1 << 20))
    source = stored(400, 5)
    loader = planted.Loader(source, 4, with_index=True, memory=memory_for(16, source), prefetch=0)
    order = order_of(loader, 0)
    last = order.blocks.bounds(int(order.pool_at(0).blocks[-1]))[0]
    failed = threading.Event()
    expect = source.expect

    def fail(blocks, indices):
        if len(source.expected) >= 8 + len(order.pool_at(0).blocks) - 1:  # pool 0 has been given to readers
            failed.set()
            raise OSError("no such file")
        expect(blocks, indices)

    def wait(start):
        if start == last:
            assert failed.wait(30)
            time.sleep(0.05)

    source.expect, source.before = fail, wait
    seen = []
    with pytest.raises(OSError, match="no such file"):
        for _, _, index in loader:
            seen.extend(index.tolist())
    assert not threads()
    assert seen == order.take(range(order.span(0)[1] // 4 * 4)).tolist()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_while_expecting_reaches_the_caller(prefetch, threads, monkeypatch):
    """Whatever the rows raise in a reader's thread; and what was loaded before it is delivered."""
    monkeypatch.setattr(_pool, "READAHEAD", (4, 1 << 20))
    source = stored(400, 5)
    expect, calls = source.expect, itertools.count()

    def fail(blocks, indices):
        if next(calls) == 12:
            raise OSError("no such file")
        expect(blocks, indices)

    source.expect = fail
    seen = []
    with pytest.raises(OSError, match="no such file"):
        for _, _, index in planted.Loader(source, 4, with_index=True, memory=memory_for(16, source), prefetch=prefetch):
            seen.append(index)
    assert not threads()
    loader = planted.Loader(source, 4, with_index=True, memory=memory_for(16, source))
    flat = np.concatenate([np.empty(0, np.int64), *seen])
    np.testing.assert_array_equal(flat, order_of(loader, 0).take(range(flat.size)))


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_at_once(prefetch, threads):
    source = stored(400, 5)
    source.expect = None
    for _ in range(2):
        with pytest.raises(TypeError, match="not callable"):
            list(planted.Loader(source, 4, memory=memory_for(16, source), prefetch=prefetch))
        assert not threads()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_in_the_users_loop_ends_the_threads(prefetch, threads):
    source = stored(400, 10)
    source.before = lambda start: time.sleep(0.001)
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
    for stop in (0, 3, 20, 39):
        with pytest.raises(ZeroDivisionError):
            for k, _ in enumerate(loader):
                1 // (k != stop)
        gc.collect()  # the loop's iterator hangs on the traceback
        assert not threads()


def test_an_abandoned_iterator_loads_no_further(threads):
    """Chunks that wait for the next pool are given up: only the loads that are under way come to their end."""
    source = stored(2000, 10)
    loader = planted.Loader(source, 10, memory=memory_for(40, source), prefetch=2)
    order = order_of(loader, 0)
    of_pool_0 = {order.blocks.bounds(block)[0] for block in order.pool_at(0).blocks.tolist()}
    source.before = lambda start: None if start in of_pool_0 else time.sleep(0.02)
    iterator = iter(loader)
    for _ in of_pool_0:
        next(iterator)
    before = len(source.loaded)
    iterator.close()
    assert not threads()
    assert len(of_pool_0) <= before <= len(source.loaded) <= before + source.readers


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 2])
def test_nothing_waits_for_a_load_that_never_ends_once_it_does(prefetch, threads):
    """An iterator closed from another thread's point of view: a blocked load ends, and with it all threads."""
    source = stored(400, 10)
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
    order = order_of(loader, 0)
    first = set(order.take(range(*order.span(0))).tolist())
    gate = threading.Event()
    blocked = threading.Event()

    def wait(start):
        if start not in first:
            blocked.set()
            assert gate.wait(30)

    source.before = wait
    iterator = iter(loader)
    next(iterator)
    assert blocked.wait(30)
    threading.Timer(0.1, gate.set).start()
    iterator.close()
    assert not threads()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_control_c_ends_the_loop(prefetch):
    """SIGINT while the main thread works, gathers, or waits for a pool: KeyboardInterrupt, and the process ends."""
    code = f"""
import signal, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import planted
from test_block_loader import stored, memory_for
signal.signal(signal.SIGINT, signal.default_int_handler)
source = stored(20_000, 10)
list(planted.Loader(source, 100, memory=memory_for(50, source), prefetch={prefetch}))
source.before = lambda start: time.sleep(0.002)
for _ in range(5):
    try:
        print("ready", flush=True)
        while True:
            for X, y in planted.Loader(source, 100, memory=memory_for(50, source), prefetch={prefetch}):
                pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        for delay in (0.03, 0.1, 0.2, 0.3, 0.37):
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
        assert process.wait(30) == 0
    finally:
        watchdog.cancel()
        process.kill()
        process.stdout.close()


def test_a_program_ends_though_an_iterator_is_left_unread():
    """In a global variable, with readers that wait for slots or load, and chunks made ahead or not."""
    code = f"""
import atexit, sys, threading, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import planted
from test_block_loader import stored, memory_for
atexit.register(lambda: print([t.name for t in threading.enumerate() if t.name.startswith("planted")]))
source = stored(20_000, 10)
iterators = []
for k in range(4):
    source.before = (lambda start: None) if k < 2 else (lambda start: time.sleep(0.002))
    iterators.append(iter(planted.Loader(source, 100, memory=memory_for(50, source), prefetch=k % 2 * 2)))
    next(iterators[-1])
print("done", flush=True)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n[]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_loader_works_in_a_forked_child(monkeypatch):
    """Even while the parent iterates, and one of its threads has the lock: the child can drop the parent's iterator."""
    source = stored(3000, 10)
    loader = planted.Loader(source, 10, memory=memory_for(20, source), prefetch=0)
    reader, held, forked = [], threading.Event(), threading.Event()
    start = _pool.PoolReader._start
    monkeypatch.setattr(_pool.PoolReader, "_start", lambda self: reader.append(self) or start(self))
    iterator = iter(loader)
    next(iterator)

    def hold():
        with reader[0]._change.lock:
            held.set()
            assert forked.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)  # ends the child if it waits for a thread that it does not have
            source.forget()
            iterator.close()
            status = 0 if sum(len(X) for X, _ in loader) == 3000 else 2
        finally:
            os._exit(status)
    forked.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sum(len(X) for X, _ in iterator) == 2990
