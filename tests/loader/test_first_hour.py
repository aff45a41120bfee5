"""What a newcomer passes to a loader or a pipeline: it works, or the error says what to pass instead."""

import pickle
import threading
import time
import types

import numpy as np
import pytest

import planted
from planted._loader.batches import GlobalBatches
from planted.errors import InvalidTypeError, InvalidValueError, StateError

X, Y = np.arange(200, dtype=np.float32).reshape(100, 2), np.arange(100, dtype=np.float32).reshape(100, 1)
ROWS = planted.regression([2.0, -3.4], 4.2, n=100)


class Mine:
    """Rows of one's own, whose `take` gives whatever `made` makes of the row numbers."""

    def __init__(self, made):
        self.made, self.asked = made, []

    def __len__(self):
        return 100

    def take(self, rows):
        self.asked.append(list(rows))
        return self.made(rows)


class Frame:
    """What a data frame has of what is asked for."""

    columns = ("x", "y")
    shape = (100, 2)
    dtypes = ("float64", "float64")

    def __len__(self):
        return 100

    def __iter__(self):
        return iter(self.columns)

    def take(self, indices):
        return self

    def to_numpy(self):
        return X


# ---- rows -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", [(X, Y), [X, Y]], ids=["tuple", "list"])
def test_a_pair_of_arrays_is_rows(pair):
    """Each row once, X and y together, and a state that knows them."""
    loader = planted.Loader(pair, 32, shuffle=True)
    read = [(x, y) for x, y in loader]
    assert sorted(np.concatenate([y for _, y in read])[:, 0]) == list(range(100))
    for x, y in read:
        np.testing.assert_array_equal(x[:, :1], 2 * y)
    assert repr(loader).startswith("Loader((<float32 (100, 2)>, <float32 (100, 1)>), batch_size=32")
    state = planted.Loader(pair).state_dict()
    planted.Loader((X, Y)).load_state_dict(state)
    with pytest.raises(StateError, match="the state has rows="):
        planted.Loader((X, Y + 1)).load_state_dict(state)


def test_any_number_of_arrays_is_rows():
    """One alone, or one more, such as weights."""
    assert [len(batch) for batch in planted.Loader((X,), 50)] == [1, 1]
    assert [len(batch) for batch in planted.Loader((X, Y, Y), 50)] == [3, 3]


class Data:
    """Data as the book's, which have rows, and w and noise as a truth has."""

    rows, w, noise = ROWS, 2.0, 0.01


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (X, r"rows of type ndarray must have .*: pass .* together, planted\.Loader\(\(X, y\)\), or \(X,\) alone"),
        (Frame(), r"rows of type Frame .*: pass its arrays, .*to_numpy\(\).*or read its file with planted\.open_table"),
        (ROWS.truth, r"rows of type LinearTruth .*: say how many, planted\.rows\(truth, n\)"),
        ("rows.parquet", r"rows of type str .*: open it with planted\.open\(folder\) or planted\.open_table"),
        ([[1.0, 2.0], [3.0]], r"rows of type list .*: pass arrays, such as planted\.Loader\(\(np\.asarray\(X\)"),
        (Data(), r"rows of type Data .*: use its \.rows$"),
        (None, r"rows of type NoneType .*: use planted\.rows\(\.\.\.\)"),
    ],
)
def test_other_things_are_told_what_to_pass(rows, message):
    with pytest.raises(InvalidTypeError, match=message):
        planted.Loader(rows)
    with pytest.raises(InvalidTypeError, match=message):
        planted.Loader(rows, fresh=True)


def test_arrays_of_unequal_length_are_refused():
    with pytest.raises(InvalidValueError, match=r"arrays of shapes .* must be one or more, equally long"):
        planted.Loader((X, Y[:5]))


@pytest.mark.parametrize(
    ("made", "found"),
    [
        (lambda i: {"x": X[i], "y": Y[i]}, r"returned a dict with the keys \['x', 'y'\]"),
        (lambda i: X[i], "returned a value of type ndarray"),
        (lambda i: (X[i], Y[:3]), r"returned arrays of shapes \(\d+, 2\), \(3, 1\)"),
        (lambda i: (X[i].tolist(), Y[i].tolist()), "returned a tuple of list, list"),
        (lambda i: None, "returned a value of type NoneType"),
        (lambda i: (), "returned a value of type tuple"),
    ],
)
def test_a_take_that_returns_something_else_is_refused(made, found):
    """Before the first batch, with what it returned and what it must return."""
    with pytest.raises(InvalidTypeError, match=rf"^take of 1 row numbers of <.*{found}; .*return a tuple \(X, y\)"):
        next(iter(planted.Loader(Mine(made))))


def test_a_take_that_is_wrong_later_is_refused():
    """Each chunk is looked at."""
    rows = Mine(lambda i: (X[i], Y[i][:50]))
    with pytest.raises(InvalidTypeError, match=r"take of 100 row numbers .* shapes \(100, 2\), \(50, 1\)"):
        list(planted.Loader(rows))


def test_how_large_a_row_is_is_asked_once():
    """Not in each epoch: a single row of rows in blocks costs a block."""
    rows = Mine(lambda i: (X[i], Y[i]))
    loader = planted.Loader(rows)
    for _ in range(3):
        list(loader)
    assert [len(asked) for asked in rows.asked] == [1, 100, 100, 100]


@pytest.mark.parametrize("source", [Frame(), types.SimpleNamespace(column_names=["x"], to_pandas=None)])
def test_a_pipeline_of_a_table_is_refused(source):
    """Its items would be the columns' names."""
    with pytest.raises(InvalidTypeError, match=r"is a table.*use planted\.Pipeline\.from_arrays\(X, y\)"):
        planted.Pipeline(source)


@pytest.mark.parametrize("made", [lambda i: {"x": X[i]}, lambda i: (X[i], Y[:3])])
def test_a_pipeline_of_rows_that_return_something_else(made):
    with pytest.raises(InvalidTypeError, match=r"take of 100 row numbers .*return a tuple \(X, y\)"):
        next(iter(planted.Pipeline(Mine(made))))


SOURCES = [planted.Loader, planted.Pipeline, lambda rows: planted.Pipeline(planted.Loader(rows))]


@pytest.mark.parametrize("made", SOURCES)
def test_a_fingerprint_is_asked_for_once(made, monkeypatch):
    """It costs as many hashes as there are weights."""
    asked, fingerprint = [], type(ROWS).fingerprint
    monkeypatch.setattr(type(ROWS), "fingerprint", lambda rows: asked.append(1) or fingerprint(rows))
    source = made(ROWS)
    states = [source.state_dict() for _ in range(3)]
    assert states[0] == states[1] == states[2]
    assert len(asked) == 1
    source.load_state_dict(states[0])


# ---- settings and states --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("framework", "meant"),
    [("pytorch", "torch"), ("tf", "tensorflow"), ("torhc", "torch"), ("Tensorflow", "tensorflow"), (np, "numpy")],
)
@pytest.mark.parametrize(
    "made", [planted.Loader, lambda rows, framework: planted.Pipeline(rows).batch(3, framework=framework)]
)
def test_the_framework_that_was_meant_is_named(made, framework, meant):
    with pytest.raises(InvalidValueError, match=f"must be 'numpy' or one of .*: did you mean '{meant}'\\?$"):
        made(ROWS, framework=framework)


def test_a_pipelines_state_is_none_of_a_loaders():
    with pytest.raises(StateError, match=r"it is a pipeline's: pass it to the load_state_dict of the same pipeline"):
        planted.Loader(ROWS).load_state_dict(planted.Pipeline(ROWS).state_dict())


def test_next_asks_for_iter():
    """As of a list; a loader is no iterator: each `for` begins an epoch of its own."""
    with pytest.raises(TypeError, match="'Loader' object is not an iterator"):
        next(planted.Loader(ROWS))


# ---- where it stands ------------------------------------------------------------------------------------------


def test_an_empty_epoch_is_over_when_it_was_read():
    """`epoch` and the state say the same."""
    loader = planted.Loader(planted.regression([1.0], n=0))
    assert (loader.epoch, loader.state_dict()["epoch"]) == (0, 0)
    assert list(loader) == []
    assert (loader.epoch, loader.state_dict()["epoch"]) == (1, 1)


@pytest.mark.threads
@pytest.mark.parametrize("made", [planted.Loader, planted.Pipeline])
def test_threads_begin_epochs_of_their_own(made):
    """However many threads begin one at the same time, no epoch is begun twice, and none is left out."""

    def slowly(source):
        upcoming = vars(source)["_next"]
        time.sleep(0.001)  # between reading which epoch is next and saying that it has begun
        return upcoming

    def say(source, value):
        vars(source)["_next"] = value

    source = type("Slow", (made,), {"_next": property(slowly, say)})(ROWS)
    begun, ready = [], threading.Barrier(8)

    def begin():
        ready.wait()
        for _ in range(10):
            reading = iter(source)
            next(reading)  # with which its epoch begins
            begun.append(reading.gi_frame.f_locals["cursor"].epoch)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == list(range(80))
    assert source.epoch == 80


@pytest.mark.parametrize("made", [planted.Loader, planted.Pipeline])
def test_the_lock_of_epochs_is_in_no_pickle(made):
    source = made(ROWS)
    next(iter(source))
    assert pickle.loads(pickle.dumps(source)).epoch == 1


# ---- sizes near 2^63 ------------------------------------------------------------------------------------------


def test_more_batches_than_len_can_return():
    """They can be read all the same."""
    loader = planted.Loader(planted.regression([1.0], n=2**63), 1, shuffle=False, with_index=True)
    with pytest.raises(InvalidValueError, match=r"the batches of an epoch are 9223372036854775808, and Python's len"):
        len(loader)
    assert next(iter(loader))[2].tolist() == [0]
    assert next(loader.read(0, 2**63 - 1))[2].tolist() == [2**63 - 1]
    assert next(loader.read(0, 2**62, 2**61))[2].tolist() == [2**62]


def test_padding_near_the_end_of_all_numbers():
    """The last batch is filled from the beginning."""
    loader = planted.Loader(
        planted.regression([1.0], n=2**63), 3, shuffle=False, pad_last=True, with_index=True, prefetch=0
    )
    *_, numbers = next(loader.read(0, 2**63 // 3))
    assert numbers.tolist() == [2**63 - 2, 2**63 - 1, 0]


def test_a_pipeline_of_more_items_than_len_can_return():
    pipeline = planted.Pipeline(range(2**64))
    with pytest.raises(InvalidValueError, match="the items of an epoch are 18446744073709551616"):
        len(pipeline)
    assert list(pipeline.take(2)) == [0, 1]
    assert list(pipeline.read(0, 2**64 - 2)) == [2**64 - 2, 2**64 - 1]


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("per_chunk", [1, 2, 7])
def test_an_incomplete_last_batch_goes_with_the_others(step, per_chunk):
    """Of one rank; each wanted batch has the positions that it would have alone."""
    batches = GlobalBatches(n=23, batch_size=4)
    for first in range(batches.count):
        wanted = range(first, batches.count, step)
        read = [list(batches.positions(chunk)) for chunk in batches.chunks(wanted, per_chunk)]
        assert [i for part in read for i in part] == [i for k in wanted for i in range(4 * k, min(4 * k + 4, 23))]
        assert all(len(part) <= 4 * per_chunk for part in read)
        assert len(read) == -(-len(wanted) // per_chunk)


# ---- notebooks ------------------------------------------------------------------------------------------------


def test_a_loader_in_a_notebook():
    """Its settings, escaped, and where it stands."""
    loader = planted.Loader(ROWS, salt="<b>", seed=2**70, rank=1, world_size=2)
    assert "<td>salt</td><td>&lt;b&gt;</td>" in loader._repr_html_()
    assert "<td>stands at</td><td>batch 0 of 4, epoch 0</td>" in loader._repr_html_()
    next(iter(loader))
    page = loader._repr_html_()
    assert "<td>stands at</td><td>batch 1 of 4, epoch 0</td>" in page
    assert "<td>rank</td><td>1 of 2</td>" in page
    assert "<td>seed</td><td>0x400000000000000000</td>" in page
    assert "<b>" not in page


def test_a_batch_in_a_notebook():
    """Its first rows; of a single row, too."""
    page = ROWS[:7]._repr_html_()
    assert page.startswith("<table><caption>Batch: X (7, 2), y (7, 1), float32</caption>")
    assert page.count("<tr>") == 1 + 5 + 1
    assert "… of 7 rows" in page
    assert f"<td>{ROWS[3].y[0]:.4g}</td></tr>" in ROWS[3]._repr_html_()
    assert "<th>…</th>" in planted.regression(np.ones(30), n=1)[:]._repr_html_()
    assert planted.Batch(X[:0], Y[:0])._repr_html_().count("<tr>") == 1


def test_a_state_at_the_end_of_an_epoch_is_told_how_it_is_written():
    loader = planted.Loader(ROWS, 32)
    with pytest.raises(InvalidValueError, match=r"after the last one of epoch 0 comes {'epoch': 1, 'batch': 0}"):
        loader.load_state_dict({**loader.state_dict(), "batch": len(loader)})


@pytest.mark.parametrize("made", [lambda: planted.Loader(ROWS, 32), lambda: planted.Pipeline(planted.Loader(ROWS, 32))])
def test_an_iterator_of_which_nothing_is_read_costs_no_epoch(made):
    """Trainers make one only to see whether they can; two that are read are two epochs, in that order."""
    loader = made()
    iter(loader)
    first, second = iter(loader), iter(loader)
    assert loader.epoch == 0
    later, earlier = next(second), next(first)
    assert loader.epoch == 2
    np.testing.assert_array_equal(later[0], next(loader.read(0))[0])
    np.testing.assert_array_equal(earlier[0], next(loader.read(1))[0])
