"""The loader of rows kept in blocks: the block shuffle's order, read ahead by threads, resumable anywhere."""

import itertools
import json
import pickle
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stored_rows import ROW_BYTES, TRUTH, Stored, memory_for, numbers, order_of, stored

import planted
from planted._loader import pool
from planted.errors import InvalidTypeError, InvalidValueError, StateError

pytestmark = pytest.mark.threads


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

    monkeypatch.setattr(pool, "empty", empty)
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
    assert len(source.expected) == min(len(source.partition()), 40 + pool.READAHEAD[0])
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
    assert "shuffle='blocks' (all rows in one pool, 12 KiB; fully shuffled)" in whole
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
