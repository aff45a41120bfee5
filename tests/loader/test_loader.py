"""The loader: every row once an epoch, in a known order, resumable anywhere, and nothing left behind."""

import gc
import itertools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
import traceback

import numpy as np
import pytest
from comparisons import equal
from hypothesis import given
from hypothesis import strategies as st
from stored_rows import TRUTH, numbers

import planted
from planted._loader import loader as _loader
from planted.errors import InvalidTypeError, InvalidValueError, StateError

pytestmark = pytest.mark.threads


# ---- each epoch, each row, once -----------------------------------------------------------------------------------

settings = st.fixed_dictionaries(
    {
        "batch_size": st.integers(4, 40),
        "shuffle": st.booleans(),
        "drop_last": st.booleans(),
        "seed": st.integers(0, 2**70),
        "prefetch": st.integers(0, 3),
    }
)


@given(st.integers(0, 300), settings, st.integers(1, 4), st.integers(0, 5), st.booleans())
def test_an_epoch_is_its_order_cut_into_batches(n, options, world_size, epoch, memory):
    """Against brute force: the epoch's order, cut into global batches, each divided over the ranks."""
    rows = planted.rows(TRUTH, n, seed=1)
    source = rows.materialize() if memory else rows
    order = np.arange(n)
    if options["shuffle"]:
        order = planted.permutation(n, options["seed"], epoch).take(range(n))
    size = options["batch_size"]
    batches = [order[i : i + size] for i in range(0, n, size)]
    if options["drop_last"]:
        batches = [batch for batch in batches if len(batch) == size]
    for rank in range(world_size):
        loader = planted.Loader(source, rank=rank, world_size=world_size, with_index=True, **options)
        loader.set_epoch(epoch)
        assert len(loader) == len(batches)
        got = list(loader)
        assert len(got) == len(batches)
        for batch, (X, y, index) in zip(batches, got, strict=True):
            share = batch[rank * len(batch) // world_size : (rank + 1) * len(batch) // world_size]
            np.testing.assert_array_equal(index, share)
            expected = rows.take(share)
            np.testing.assert_array_equal(X, expected.X)
            np.testing.assert_array_equal(y, expected.y)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_the_ranks_together_read_each_row_once(world_size):
    rows = planted.rows(TRUTH, 1001)
    for epoch in range(3):
        seen = []
        for rank in range(world_size):
            loader = planted.Loader(rows, 32, rank=rank, world_size=world_size, with_index=True)
            loader.set_epoch(epoch)
            seen.append(numbers(loader))
        assert sorted(np.concatenate([np.concatenate(part) for part in seen])) == list(range(1001))
        assert len({len(part) for part in seen}) == 1  # equally many steps on every rank


@pytest.mark.usefixtures("small_chunks")
def test_any_number_of_ranks_sees_the_same_global_batches():
    rows = planted.rows(TRUTH, 500)
    alone = [sorted(batch) for batch in numbers(planted.Loader(rows, 42, with_index=True))]
    for world_size in (2, 3, 4, 7, 42):
        parts = [
            numbers(planted.Loader(rows, 42, rank=rank, world_size=world_size, with_index=True))
            for rank in range(world_size)
        ]
        assert [sorted(np.concatenate(batch)) for batch in zip(*parts, strict=True)] == alone


def test_each_for_is_the_next_epoch_in_a_new_order():
    loader = planted.Loader(planted.rows(TRUTH, 100), 10, with_index=True, seed=3)
    first, second = numbers(loader), numbers(loader)
    assert not np.array_equal(first, second)
    assert loader.epoch == 2
    loader.set_epoch(1)
    np.testing.assert_array_equal(numbers(loader), second)
    again = planted.Loader(planted.rows(TRUTH, 100), 10, with_index=True, seed=3)
    np.testing.assert_array_equal(numbers(again), first)
    other = planted.Loader(planted.rows(TRUTH, 100), 10, with_index=True, seed=4)
    assert not np.array_equal(numbers(other), first)


def test_without_shuffle_each_epoch_is_in_order_and_the_same():
    loader = planted.Loader(planted.rows(TRUTH, 100), 32, shuffle=False, with_index=True)
    for _ in range(2):
        assert np.concatenate(numbers(loader)).tolist() == list(range(100))
        assert len(loader) == 4
    assert [len(X) for X, _, _ in loader] == [32, 32, 32, 4]


def test_drop_last():
    loader = planted.Loader(planted.rows(TRUTH, 100), 32, drop_last=True)
    assert len(loader) == 3
    assert [len(X) for X, _ in loader] == [32, 32, 32]
    few = planted.Loader(planted.rows(TRUTH, 31), 32, drop_last=True)
    assert len(few) == len(list(few)) == 0


def test_two_iterators_of_one_loader_do_not_disturb_each_other():
    loader = planted.Loader(planted.rows(TRUTH, 5000), 10, with_index=True)
    a, b = iter(loader), iter(loader)
    mixed = [(next(a)[2], next(b)[2]) for _ in range(500)]
    loader.set_epoch(0)
    np.testing.assert_array_equal([x for x, _ in mixed], numbers(loader))
    np.testing.assert_array_equal([x for _, x in mixed], numbers(loader))


def test_batches_are_the_callers_own():
    """A batch that is kept is never written again, and one that is written into changes no other."""
    rows = planted.regression(planted.weights(16), n=60_000)
    for source in (rows, rows.materialize()):
        loader = planted.Loader(source, 256, with_index=True)
        kept = []
        for X, y, index in loader:
            kept.append((X, y, index, X.copy(), y.copy()))
            if len(kept) > 3:  # let most chunks go, so that memory is used again
                kept.pop(1)[0][:] = np.nan
        for X, y, index, X0, y0 in kept:
            np.testing.assert_array_equal(X, X0)
            np.testing.assert_array_equal(y, y0)
            np.testing.assert_array_equal(X, rows.take(index).X)


def test_memory_is_used_again_only_when_the_last_batch_is_gone():
    rows = planted.regression(planted.weights(16), n=120_000)
    addresses = set()
    for X, _ in planted.Loader(rows, 15_360, shuffle=False):
        addresses.add(X.ctypes.data)
    held = [X for X, _ in planted.Loader(rows, 15_360, shuffle=False)]
    assert len({X.ctypes.data for X in held}) == len(held)
    np.testing.assert_array_equal(np.concatenate(held), rows.X)


# ---- fresh ------------------------------------------------------------------------------------------------------


def test_fresh_reads_on_down_the_endless_stream():
    """Each epoch has new rows: epoch e holds stream rows e n to (e + 1) n; the row numbers say which."""
    rows = planted.rows(TRUTH, 1000, seed=5)
    stream = planted.rows(TRUTH, 2**63, seed=5)
    loader = planted.Loader(rows, 32, fresh=True, with_index=True)
    for epoch in range(3):
        batches = list(loader)
        index = np.concatenate([i for _, _, i in batches])
        assert sorted(index) == list(range(1000 * epoch, 1000 * (epoch + 1)))
        np.testing.assert_array_equal(np.concatenate([X for X, _, _ in batches]), stream.take(index).X)
    plain = planted.Loader(rows, 1000, shuffle=False)
    np.testing.assert_array_equal(next(iter(plain))[0], next(iter(plain))[0])


def test_fresh_training_rows_never_reach_the_validation_rows():
    train, validation = planted.rows(TRUTH, 150, seed=5).split(100, 50)
    held_out = {tuple(x) for x in validation.X.tolist()}
    loader = planted.Loader(train, 10, fresh=True)
    seen = [tuple(x) for _ in range(5) for X, _ in loader for x in X.tolist()]
    assert len(set(seen)) == 500
    assert not held_out & set(seen)


def test_states_of_fresh_rows_are_of_one_end():
    """Equal rows that were split from other ones go on elsewhere: their states are not exchanged."""
    rows = planted.rows(TRUTH, 100, seed=5)
    short, long = (planted.rows(TRUTH, n, seed=5).split(100)[0] for n in (150, 200))
    assert rows.fingerprint() == short.fingerprint() == long.fingerprint()
    whole, first, other = (planted.Loader(part, 10, fresh=True) for part in (rows, short, long))
    assert "end" not in whole.state_dict()  # as ever
    assert first.state_dict()["end"] == 150
    last = planted.rows(TRUTH, 200, seed=5).split(100, 100)[1]
    assert "end" not in planted.Loader(last, 10, fresh=True).state_dict()
    assert "end" not in planted.Loader(long, 10).state_dict()
    first.set_epoch(3)
    state = json.loads(json.dumps(first.state_dict()))
    for loader in (whole, other):
        with pytest.raises(StateError, match=r"the state has end=150, .*rows split as they were then"):
            loader.load_state_dict(state)
    again = planted.Loader(short, 10, fresh=True)
    again.load_state_dict(state)
    np.testing.assert_array_equal(next(iter(again))[0], next(iter(first))[0])


def test_states_of_fresh_rows_that_do_not_say_their_end_load_as_ever():
    part = planted.rows(TRUTH, 150, seed=5).split(100)[0]
    loader = planted.Loader(part, 10, fresh=True)
    state = {**loader.state_dict(), "epoch": 2, "batch": 3}
    del state["end"]
    loader.load_state_dict(state)
    expected = next(loader.read(2, 3))
    np.testing.assert_array_equal(next(iter(loader))[0], expected[0])


def test_row_numbers_of_fresh_rows_are_those_of_the_endless_stream():
    """As the documentation says: rows know their own numbers, the endless stream those of all epochs."""
    rows = planted.rows(TRUTH, 100, seed=5)
    loader = planted.Loader(rows, 10, fresh=True, with_index=True)
    for X, y, index in loader:
        equal((X, y), rows.take(index))
    for X, y, index in loader:
        assert index.min() >= 100
        equal((X, y), planted.rows(rows.truth, 2**63, seed=rows.seed).take(index))
        equal((X, y), rows.fresh(1).take(index - 100))


def test_fresh_ends_with_the_row_numbers():
    loader = planted.Loader(planted.rows(TRUTH, 2**61), 2, fresh=True)
    loader.set_epoch(3)
    next(iter(loader))
    loader.set_epoch(4)
    with pytest.raises(InvalidValueError, match="passes row 2\\^63"):
        next(iter(loader))


# ---- state ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
@given(settings, st.integers(0, 2), st.integers(0, 60), st.booleans())
def test_resuming_anywhere_gives_the_rest(options, epoch, stop, fresh):
    """A new loader with the state goes on with the very next batch, and then with the next epochs."""
    rows = planted.rows(TRUTH, 250, seed=1)

    def new():
        return planted.Loader(rows, with_index=True, fresh=fresh, **options)

    loader = new()
    loader.set_epoch(epoch)
    iterator = iter(loader)
    handed_out = len(list(itertools.islice(iterator, stop)))
    state = json.loads(json.dumps(loader.state_dict()))
    resumed = new()
    resumed.load_state_dict(state)
    expected = list(iterator) if handed_out < len(loader) else list(loader)
    for (X, y, i), (X2, y2, i2) in zip(expected, resumed, strict=True):
        np.testing.assert_array_equal(i, i2)
        np.testing.assert_array_equal(X, X2)
        np.testing.assert_array_equal(y, y2)
    for i, i2 in zip(numbers(loader), numbers(resumed), strict=True):
        np.testing.assert_array_equal(i, i2)


def test_state_counts_what_was_handed_out_not_what_was_made_ahead():
    loader = planted.Loader(planted.rows(TRUTH, 100_000), 100)
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (0, 0)
    iterator = iter(loader)
    assert loader.state_dict()["batch"] == 0
    next(iterator)
    assert loader.state_dict()["batch"] == 1
    for _ in iterator:
        pass
    assert (loader.state_dict()["epoch"], loader.state_dict()["batch"]) == (1, 0)
    assert len(json.dumps(loader.state_dict())) < 250


def test_state_goes_to_another_number_of_ranks():
    rows = planted.rows(TRUTH, 500)
    alone = planted.Loader(rows, 20, with_index=True)
    list(itertools.islice(alone, 7))
    rest = [sorted(batch) for batch in numbers(resume(alone, rows, 0, 1))]
    parts = [numbers(resume(alone, rows, rank, 3)) for rank in range(3)]
    assert [sorted(np.concatenate(batch)) for batch in zip(*parts, strict=True)] == rest
    assert len(rest) == 18


def resume(loader, rows, rank, world_size):
    resumed = planted.Loader(rows, 20, rank=rank, world_size=world_size, with_index=True)
    resumed.load_state_dict(loader.state_dict())
    return resumed


def test_state_is_the_same_for_memory_and_computed_rows():
    rows = planted.rows(TRUTH, 500)
    loader = planted.Loader(rows, 20, with_index=True)
    list(itertools.islice(loader, 3))
    other = planted.Loader(rows.materialize(), 20, with_index=True)
    other.load_state_dict(loader.state_dict())
    assert len(numbers(other)) == 22


def test_resuming_deep_inside_a_huge_data_set_is_immediate():
    rows = planted.rows(TRUTH, 10**12)
    loader = planted.Loader(rows, 1000, with_index=True)
    loader.load_state_dict({**loader.state_dict(), "epoch": 3, "batch": 10**9 - 1})
    X, _, index = next(iter(loader))
    order = planted.permutation(10**12, 0, 3).take(range(10**12 - 1000, 10**12))
    np.testing.assert_array_equal(index, order)
    np.testing.assert_array_equal(X, rows.take(index).X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": planted.rows(TRUTH, 100, seed=9)}, "the state has rows="),
        ({"rows": planted.rows(TRUTH, 101)}, "the state has rows="),
        ({"batch_size": 11}, "batch_size=10, this loader batch_size=11"),
        ({"seed": 1}, "seed=0, this loader seed=1"),
        ({"salt": "x"}, "salt='', this loader salt='x'"),
        ({"shuffle": False}, "shuffle=True, this loader shuffle=False"),
        ({"drop_last": True}, "drop_last=False, this loader drop_last=True"),
        ({"fresh": True}, "fresh=False, this loader fresh=True"),
    ],
)
def test_a_state_of_another_data_set_or_order_is_refused(change, message):
    """The error says which setting differs, and the loader stays where it was."""
    rows = planted.rows(TRUTH, 100)
    state = planted.Loader(rows, 10).state_dict()
    options = {"rows": rows, "batch_size": 10, **change}
    loader = planted.Loader(options.pop("rows"), **options)
    loader.set_epoch(4)
    with pytest.raises(StateError, match=message):
        loader.load_state_dict(state)
    assert loader.epoch == 4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"version": 2}, StateError, "version=2"),
        ({"epoch": -1}, InvalidValueError, "epoch"),
        ({"batch": 10}, InvalidValueError, "batch"),
        ({"batch": 1.0}, InvalidTypeError, "batch"),
        ({"more": 1}, StateError, "not a loader's state"),
    ],
)
def test_a_broken_state_is_refused(change, error, message):
    loader = planted.Loader(planted.rows(TRUTH, 100), 10)
    with pytest.raises(error, match=message):
        loader.load_state_dict({**loader.state_dict(), **change})
    for nonsense in (None, {}, [], "state"):
        with pytest.raises(StateError, match="not a loader's state"):
            loader.load_state_dict(nonsense)


# ---- threads, errors, signals -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_chunks")
def test_an_abandoned_iterator_leaves_no_thread(threads):
    loader = planted.Loader(planted.rows(TRUTH, 10_000), 10)
    for how in ("break", "close", "forget"):
        iterator = iter(loader)
        next(iterator)
        assert threads(), how
        if how == "close":
            iterator.close()
        del iterator
        gc.collect()
        assert not threads(), how
    for _ in loader:
        break


def test_a_small_epoch_starts_no_thread(threads):
    for _ in planted.Loader(planted.rows(TRUTH, 1000), 32):
        assert not threads()
    for _ in planted.Loader(planted.rows(TRUTH, 10**6), 32, prefetch=0):
        assert not threads()
        break


class Failing:
    """Rows of a user's own, which fail at one of them."""

    def __init__(self, bad):
        self.bad = bad

    def __len__(self):
        return 1000

    def take(self, rows):
        if self.bad in rows:
            raise ZeroDivisionError(f"row {self.bad}")
        return np.asarray(rows, float)[:, None], np.asarray(rows, float)[:, None]


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_in_the_background_reaches_the_caller_with_its_traceback(prefetch, threads):
    """The user's own exception, raised where it happened; the loader can be used again."""
    source = Failing(777)
    loader = planted.Loader(source, 10, shuffle=False, prefetch=prefetch)
    seen = []
    with pytest.raises(ZeroDivisionError, match="row 777") as caught:
        for X, _ in loader:
            seen.append(X)
    assert "in take" in "".join(traceback.format_tb(caught.tb))
    assert len(seen) == 76  # batch 77 fails, and its chunk with it: 76 and 77
    assert not threads()
    source.bad = -1
    assert len(list(loader)) == 100


def test_rows_of_ones_own_need_only_a_length_and_take():
    loader = planted.Loader(Failing(-1), 64, with_index=True)
    assert sorted(np.concatenate([X for X, _, _ in loader])[:, 0]) == list(range(1000))
    assert loader.state_dict()["rows"] == "1000 rows"
    numbered = Failing(-1)
    numbered.n = 3  # means whatever it means to its owner
    assert sum(len(X) for X, _ in planted.Loader(numbered, 64)) == 1000


@pytest.mark.parametrize("prefetch", [0, 2])
def test_control_c_ends_the_loop(prefetch):
    """SIGINT in the middle of an endless loop raises KeyboardInterrupt, and the process ends without hanging."""
    code = f"""
import signal
import planted
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
rows = planted.regression([1.0] * 16, n=10**9)
next(iter(planted.Loader(rows, 256, prefetch={prefetch})))  # imported and compiled: the signal meets the loop alone
print("ready", flush=True)
try:
    for epoch in range(1000):
        for X, y in planted.Loader(rows, 256, prefetch={prefetch}):
            pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    try:
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert out == "interrupted\n"
    assert process.returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")  # of JAX, if another test has imported it
def test_a_loader_works_in_a_forked_child():
    """Even while the parent iterates: the child makes threads of its own."""
    loader = planted.Loader(planted.rows(TRUTH, 200_000), 100)
    iterator = iter(loader)
    next(iterator)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if sum(len(X) for X, _ in loader) == 200_000 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sum(len(X) for X, _ in iterator) == 199_900


def test_a_loader_can_be_pickled():
    loader = planted.Loader(planted.rows(TRUTH, 100), 10, with_index=True)
    list(itertools.islice(loader, 3))
    state = loader.state_dict()
    again = pickle.loads(pickle.dumps(loader))
    assert again.state_dict() == state
    np.testing.assert_array_equal(numbers(again), numbers(loader))


# ---- bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"batch_size": 0}, InvalidValueError, "batch_size=0 must be an integer, at least 1: use 1 or more rows"),
        ({"batch_size": 2.0}, InvalidTypeError, "batch_size=2.0 is not an integer"),
        ({"batch_size": True}, InvalidTypeError, "batch_size=True is a bool"),
        ({"rank": 2, "world_size": 2}, InvalidValueError, "rank=2 must be .* at most 1: ranks of 2 count from 0"),
        ({"rank": -1}, InvalidValueError, "rank=-1"),
        ({"world_size": 0}, InvalidValueError, "world_size=0"),
        ({"world_size": 33}, InvalidValueError, "world_size=33 exceeds batch_size=32: .* at least one row a rank"),
        ({"shuffle": "yes"}, InvalidTypeError, "shuffle='yes' must be True, False, 'blocks' or 'rows'"),
        ({"shuffle": 1}, InvalidTypeError, "shuffle=1 must be True, False, 'blocks' or 'rows'"),
        ({"shuffle": "blocks"}, InvalidValueError, "shuffle='blocks' needs rows kept on disk.*: use shuffle=True"),
        ({"memory": "much"}, InvalidValueError, "memory='much' is not a number of bytes: use .* '256MiB'"),
        ({"drop_last": 1}, InvalidTypeError, "drop_last=1 must be True or False"),
        ({"seed": True}, InvalidTypeError, "seed=True is a bool"),
        ({"seed": -3}, InvalidValueError, "seed=-3"),
        ({"prefetch": -1}, InvalidValueError, "prefetch=-1"),
        ({"framework": "caffe"}, InvalidValueError, "framework='caffe' must be 'numpy' or one of .*'torch'"),
        ({"framework": None}, InvalidValueError, "framework=None"),
        ({"framework": "_rows"}, InvalidValueError, "framework='_rows'"),
    ],
)
def test_bad_settings_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        planted.Loader(planted.rows(TRUTH, 100), **arguments)


def test_other_sources_are_refused():
    with pytest.raises(InvalidTypeError, match=r"rows of type list must have a length and take"):
        planted.Loader([1, 2, 3])
    with pytest.raises(InvalidValueError, match="fresh=True needs rows computed on demand"):
        planted.Loader(planted.rows(TRUTH, 10).materialize(), fresh=True)
    with pytest.raises(InvalidValueError, match="epoch=-1"):
        planted.Loader(planted.rows(TRUTH, 10)).set_epoch(-1)


def test_a_missing_framework_is_named_with_its_extra():
    code = """
import sys
sys.modules["torch"] = None
import planted
try:
    planted.Loader(planted.regression([1.0]), framework="torch")
except planted.PlantedError as error:
    print(isinstance(error, ImportError), error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True planted.torch needs PyTorch: pip install 'planted[torch]'"


def test_repr_names_what_matters():
    rows = planted.rows(TRUTH, 10)
    assert repr(planted.Loader(rows, 5, rank=1, world_size=2, fresh=True)).endswith(
        "batch_size=5, shuffle=True, seed=0, rank=1 of 2, fresh, framework='numpy')"
    )


@pytest.mark.parametrize("chunk_bytes", [400, _loader.CHUNK_BYTES])
@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"fresh": True}, {"rank": 1, "world_size": 3}])
def test_reading_every_kth_batch_from_anywhere(monkeypatch, options, chunk_bytes):
    """`read` gives the batches of any epoch from any on, in any stride, and moves nothing."""
    monkeypatch.setattr(_loader, "CHUNK_BYTES", chunk_bytes)
    rows = planted.regression([2.0, -3.4], n=103)
    loader = planted.Loader(rows, 8, with_index=True, **options)
    loader.set_epoch(2)
    batches = [index.tolist() for _, _, index in loader]
    for step in (1, 2, 3, 20):
        for start in (0, 1, 5, len(batches) - 1, len(batches), 99):
            found = list(loader.read(2, start, step))
            assert [index.tolist() for _, _, index in found] == batches[start::step]
            for X, _, index in found:
                np.testing.assert_array_equal(X, planted.regression([2.0, -3.4], n=999).take(index).X)
    assert (loader.epoch, loader.state_dict()["batch"]) == (3, 0)
    for bad, message in (({"epoch": -1}, "epoch=-1"), ({"batch": 0.5}, "batch=0.5"), ({"step": 0}, "step=0")):
        with pytest.raises(planted.PlantedError, match=message):
            loader.read(**{"epoch": 0, **bad})
