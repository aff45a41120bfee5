"""Pipelines: steps on any stream, lazy, resumable anywhere, and nothing left behind."""

import functools
import gc
import itertools
import json
import operator
import pickle
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pipeline_items import TRUTH, Again, Counting, assert_same, fail_at_third, last_field, plus, unlucky

import planted
from planted import Pipeline
from planted.errors import InvalidTypeError, InvalidValueError, StateError

pytestmark = pytest.mark.threads


# ---- any chain of steps over any source ---------------------------------------------------------------------------


def two_of_three(*fields):
    return int(abs(np.sum(fields[0]) * 10)) % 3 != 0


SOURCES = {
    "loader": lambda n: planted.Loader(planted.rows(TRUTH, n), 2, drop_last=True, with_index=True, seed=n),
    "fresh": lambda n: planted.Loader(planted.rows(TRUTH, n), 3, drop_last=True, fresh=True),
    "rows": lambda n: planted.rows(TRUTH, n),
    "list": lambda n: list(range(n)),
    "array": lambda n: np.arange(2 * n).reshape(n, 2),
    "arrays": lambda n: Pipeline.from_arrays(np.arange(n), np.arange(3 * n).reshape(n, 3)),
    "iterable": lambda n: Again(range(n)),
    "sized iterable": lambda n: dict.fromkeys(range(n)),
    "generator function": lambda n: lambda: (i for i in range(n)),
}
UNSIZED = ("iterable", "generator function")

step = st.one_of(
    st.just(("map", plus)),
    st.just(("filter", two_of_three)),
    st.tuples(st.just("repeat"), st.integers(1, 3)),
    st.tuples(st.just("take"), st.integers(0, 20)),
    st.tuples(st.just("prefetch"), st.integers(0, 3)),
    st.tuples(st.just("buffered_shuffle"), st.integers(1, 8)),
)


@st.composite
def chains(draw):
    """A source and steps; at most one batch, since a last short one cannot be stacked with others."""
    steps = draw(st.lists(step, max_size=4))
    endless = draw(st.booleans())
    if endless:
        steps += [
            ("repeat", None),
            *draw(st.lists(st.sampled_from([("buffered_shuffle", 4), ("map", plus)]), max_size=2)),
        ]
    if draw(st.booleans()):
        steps.append(("batch", draw(st.integers(1, 4))))
        steps += draw(st.lists(step, max_size=2)) if not endless else []
    if endless:
        steps.append(("take", draw(st.integers(0, 30))))
    return draw(st.sampled_from(list(SOURCES))), draw(st.integers(0, 14)), steps


def build(chain):
    source, n, steps = chain
    pipeline = Pipeline(SOURCES[source](n))
    for name, argument in steps:
        pipeline = getattr(pipeline, name)(argument)
    return pipeline


def read(items):
    """The items, and whether they ended with the error that a pass of an endless repeat gave nothing."""
    found = []
    try:
        found.extend(items)
    except InvalidValueError as error:
        if "would search for ever" not in str(error):
            raise
        return found, True
    return found, False


@given(chains(), st.integers(0, 3), st.integers(0, 40), st.integers(0, 6))
def test_resuming_anywhere_gives_the_rest(chain, epoch, stop, further):
    """New pipelines with the state, through JSON, go on with the very next item, and then with the next epochs."""
    whole = build(chain)
    whole.set_epoch(epoch)
    (expected, failed), (later, _) = read(whole), read(whole)

    pipeline = build(chain)
    pipeline.set_epoch(epoch)
    head, _ = read(itertools.islice(iter(pipeline), stop))
    state = json.loads(json.dumps(pipeline.state_dict()))
    assert state == pipeline.state_dict()
    if len(head) < stop and not failed:  # the epoch's end was seen
        assert (state["epoch"], state["position"]) == (epoch + 1, None)
        head, expected = [], later

    resumed = build(chain)
    resumed.load_state_dict(state)
    middle, _ = read(itertools.islice(iter(resumed), min(further, len(expected) - len(head))))
    last = build(chain)
    last.load_state_dict(json.loads(json.dumps(resumed.state_dict())))
    rest, _ = read(last)
    assert_same(head + middle + rest, expected)

    pipeline.load_state_dict(state)
    rest, _ = read(pipeline)
    assert_same(head + rest, expected)


@given(chains())
def test_len_is_the_number_of_items_wherever_it_is_known(chain):
    """After a filter, or from a source that does not know, there is none; an endless repeat that is cut has one."""
    source, _, steps = chain
    known = source not in UNSIZED
    for name, argument in steps:
        known = (known and name != "filter") or (name, argument) == ("repeat", None)
    pipeline = build(chain)
    items, failed = read(pipeline)
    if not known:
        with pytest.raises(InvalidTypeError, match="has no length, since"):
            len(pipeline)
    elif not failed:
        assert len(pipeline) == len(items)


@given(chains())
def test_a_pipeline_is_a_function_of_its_definition(chain):
    """Two built alike give the same; reading one of them moves neither the other nor those derived from it."""
    one = build(chain)
    derived = one.take(3)
    expected, _ = read(one)
    assert derived.epoch == 0
    assert_same(read(derived)[0], expected[:3])
    assert_same(read(build(chain))[0], expected)
    assert one.epoch == 1
    assert derived.epoch == 1


# ---- the steps, one by one ----------------------------------------------------------------------------------------


def test_map_and_filter_unpack_tuples_and_nothing_else():
    pairs = Pipeline([(1, 2), (3, 4)])
    assert list(pairs.map(operator.add)) == [3, 7]
    assert list(pairs.filter(operator.gt)) == []
    assert list(Pipeline([[1, 2], {"a": 3}]).map(len)) == [2, 1]
    X, y = next(iter(Pipeline(planted.rows(TRUTH, 5)).map(lambda x, y: (x * 2, y))))
    np.testing.assert_array_equal(X, planted.rows(TRUTH, 5).X[0] * 2)
    np.testing.assert_array_equal(y, planted.rows(TRUTH, 5).y[0])


@pytest.mark.parametrize("answer", [True, 1, 0.5, np.True_, np.array(True), np.array([True])])
def test_one_truth_value_will_do_in_any_form(answer):
    assert list(Pipeline([1, 2]).filter(lambda _: answer)) == [1, 2]
    assert list(Pipeline([1, 2]).filter(lambda _: answer * False)) == []


def test_repeat_reads_the_epochs_of_its_source():
    """Epoch e of repeat(3) is epochs 3e to 3e + 2 of the loader; without end, e and all that follow."""
    loader = planted.Loader(planted.rows(TRUTH, 10), 4, with_index=True)
    epochs = [[index.tolist() for _, _, index in loader] for _ in range(9)]
    loader.set_epoch(7)
    thrice, endless = loader.repeat(3).map(last_field), loader.repeat().map(last_field)
    for e in range(3):
        assert [index.tolist() for index in thrice] == epochs[3 * e] + epochs[3 * e + 1] + epochs[3 * e + 2]
    for e in range(2):
        found = [index.tolist() for index in itertools.islice(endless, 7)]
        assert found == (epochs[e] + epochs[e + 1] + epochs[e + 2])[:7]
    assert loader.epoch == 7


def test_repeating_nothing_is_an_error_and_not_a_hang():
    for pipeline in (Pipeline([]), Pipeline([1, 3]).filter(lambda x: x % 2 == 0), Pipeline([1]).take(0)):
        with pytest.raises(
            InvalidValueError, match=r"\.repeat\(\) would search for ever, since a whole pass gave no item"
        ):
            next(iter(pipeline.repeat()))
        assert list(pipeline.repeat(5)) == []
    assert list(Pipeline([]).repeat().take(0)) == []


def test_take_reads_no_more_than_it_gives():
    source = Counting(range(100))
    assert list(Pipeline(source).take(3)) == [0, 1, 2]
    assert source.read == [0, 1, 2]
    assert list(Pipeline([1, 2]).take(5)) == [1, 2]


def test_batches_of_every_structure():
    """Tuples and dicts field by field; numbers, arrays, lists of numbers and strings along a new axis."""
    items = [({"x": np.full(2, i, np.float32), "name": f"row {i}"}, [i, i / 2], bool(i % 2)) for i in range(5)]
    batches = list(Pipeline(items).batch(2))
    assert [len(flag) for _, _, flag in batches] == [2, 2, 1]
    named, numbers, flag = batches[1]
    assert_same(named, {"x": np.array([[2, 2], [3, 3]], np.float32), "name": np.array(["row 2", "row 3"])})
    assert_same(numbers, np.array([[2, 1.0], [3, 1.5]]))
    assert_same(flag, np.array([False, True]))
    for drop in (True, np.True_):
        assert [len(flag) for _, _, flag in Pipeline(items).batch(2, drop_last=drop)] == [2, 2]
    assert len(Pipeline(items).batch(2)) == 3
    assert len(Pipeline(items).batch(2, drop_last=True)) == 2


def test_a_row_stream_in_batches_is_the_loader_without_shuffling():
    rows = planted.rows(TRUTH, 10_000)
    loader = planted.Loader(rows, 64, shuffle=False)
    assert_same(list(Pipeline(rows).batch(64)), list(loader))


def test_batches_of_a_framework(torch):
    """Tensors, of tensors too; strings stay as they are."""
    X, y = torch.arange(12.0).reshape(6, 2), torch.arange(6)
    for X2, y2 in Pipeline.from_arrays(X, y).batch(6, framework="torch"):
        assert torch.equal(X2, X)
        assert torch.equal(y2, y)
    (found,) = Pipeline(list(X)).batch(6, framework="torch")
    assert torch.equal(found, X)
    (found, names), *_ = Pipeline([(1.0, "a"), (2.0, "b")]).batch(2, framework="torch")
    assert torch.equal(found, torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert names.tolist() == ["a", "b"]


def test_the_notebooks_pipeline():
    """``from_tensor_slices(data).repeat().shuffle(100).batch(50, drop_remainder=True).prefetch(1)``, in our words."""
    X, y = planted.rows(TRUTH, 130)[:]
    pipeline = Pipeline.from_arrays(X, y).repeat().buffered_shuffle(100).batch(50, drop_last=True).prefetch(1)
    rows = {tuple(x): float(r) for x, r in zip(X.tolist(), y[:, 0], strict=True)}
    for X2, y2 in itertools.islice(pipeline, 20):
        assert X2.shape == (50, 2)
        assert y2.shape == (50, 1)
        assert [rows[tuple(x)] for x in X2.tolist()] == y2[:, 0].tolist()


# ---- prefetch -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3])
def test_prefetch_makes_so_many_ahead_in_one_background_thread(k, threads):
    made = []

    def note(x):
        made.append((x, threading.get_ident()))
        return x

    iterator = iter(Pipeline(range(100)).map(note).prefetch(k))
    time.sleep(0.05)
    assert not made  # nothing before the first is asked for
    assert next(iterator) == 0
    deadline = time.monotonic() + 10
    while len(made) < k + 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    assert [x for x, _ in made] == list(range(k + 1))
    assert len(threads()) == 1
    assert list(iterator) == list(range(1, 100))
    assert {ident for _, ident in made}.isdisjoint({threading.get_ident()})
    assert len({ident for _, ident in made}) == 1
    assert not threads()


def test_an_interrupt_closes_what_is_behind_though_its_traceback_is_kept(monkeypatch, threads):
    """As a notebook keeps it: the file behind is closed all the same."""
    closed = []

    def source():
        try:
            yield from range(10)
        finally:
            closed.append(True)

    def interrupted(*_):
        raise KeyboardInterrupt

    iterator = iter(Pipeline(source).prefetch(2).map(plus))
    next(iterator)
    monkeypatch.setattr("planted._machine.workers.Workers.result", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        next(iterator)
    assert closed == [True]
    assert not threads()
    assert caught.tb


def test_prefetch_of_none_stays_in_the_calling_thread():
    idents = Pipeline(range(5)).map(lambda _: threading.get_ident()).prefetch(0)
    assert set(idents) == {threading.get_ident()}


@pytest.mark.parametrize("how", ["break", "close", "forget", "error"])
def test_an_abandoned_iterator_leaves_no_thread(how, threads):
    """Neither its own nor the loader's behind it; a traceback that is kept keeps none either."""
    loader = planted.Loader(planted.rows(TRUTH, 2_000_000), 10)
    pipeline = loader.prefetch(2).buffered_shuffle(4).prefetch(3).repeat().map(fail_at_third())
    iterator = iter(pipeline)
    next(iterator)
    assert len(threads()) >= 2
    if how == "error":
        with pytest.raises(ZeroDivisionError) as caught:
            list(iterator)
        assert not threads()
        assert caught.value
    elif how == "close":
        iterator.close()
    elif how == "break":
        for _ in iterator:
            break
    del iterator
    gc.collect()
    assert not threads()


def test_state_counts_what_was_delivered_not_what_was_made_ahead():
    pipeline = Pipeline(range(100)).prefetch(5).take(90).prefetch(5)
    iterator = iter(pipeline)
    assert pipeline.state_dict()["position"] is None
    for _ in range(7):
        next(iterator)
    assert pipeline.state_dict()["position"] == [7, 7]
    for _ in iterator:
        pass
    assert (pipeline.state_dict()["epoch"], pipeline.state_dict()["position"]) == (1, None)


# ---- states ---------------------------------------------------------------------------------------------------------


def example(**other):
    options = {"n": 20, "size": 4, "seed": 0, "f": plus, "times": 2, "k": 30, **other}
    source = (
        Pipeline(list(range(options["n"]))).map(options["f"]).buffered_shuffle(options["size"], seed=options["seed"])
    )
    return source.repeat(options["times"]).take(options["k"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"n": 21}, "the state has sequence length=20, this pipeline length=21: load it into a pipeline of the same"),
        ({"f": functools.partial(plus)}, r"has map f='plus', this pipeline f='partial\(plus\)'"),
        ({"size": 5}, "has buffered_shuffle size=4, this pipeline size=5"),
        ({"seed": 2**70}, "seed=0, this pipeline seed='0x4"),
        ({"times": None}, "has repeat times=2, this pipeline times=None"),
        ({"k": 31}, "has take k=30, this pipeline k=31"),
    ],
)
def test_a_state_of_another_pipeline_is_refused(other, message):
    """The error says what differs, and the pipeline stays where it was."""
    pipeline = example(**other)
    pipeline.set_epoch(4)
    with pytest.raises(StateError, match=message):
        pipeline.load_state_dict(example().state_dict())
    assert pipeline.epoch == 4


def test_a_state_of_other_rows_or_another_loader_is_refused():
    X = np.arange(5.0)
    for one, other in (
        (Pipeline(planted.rows(TRUTH, 9)), Pipeline(planted.rows(TRUTH, 9, seed=1))),
        (Pipeline.from_arrays(X), Pipeline.from_arrays(X + 1)),
        (Pipeline(planted.Loader(planted.rows(TRUTH, 9))), Pipeline(planted.Loader(planted.rows(TRUTH, 9), seed=1))),
        (Pipeline(X), Pipeline(X.tolist())),
        (Pipeline(plus), Pipeline(unlucky)),
        (Pipeline(X), Pipeline(X).take(3)),
        (Pipeline(X).take(3).batch(3), Pipeline(X).batch(3).take(3)),
    ):
        other.load_state_dict(other.state_dict())
        with pytest.raises(StateError, match="this pipeline"):
            other.load_state_dict(one.state_dict())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"version": 2}, StateError, "version=2, this pipeline version=1"),
        ({"epoch": -1}, InvalidValueError, "epoch"),
        ({"more": 1}, StateError, "not a pipeline's state"),
        (
            {"steps": None},
            StateError,
            "has the steps None, this pipeline sequence -> map -> buffered_shuffle -> repeat",
        ),
        ({"steps": [3]}, StateError, "has the steps 3"),
        *(
            ({"position": position}, StateError, "has position=.* which is none of Pipeline")
            for position in (
                1,
                "x",
                [1],
                [1, 2],
                [1, [0, 3]],
                [1, [0, [2, 0, "x"]]],
                [-1, None],
                [True, None],
                [1, None, 2],
            )
        ),
    ],
)
def test_a_broken_state_is_refused(change, error, message):
    pipeline = example()
    with pytest.raises(error, match=message):
        pipeline.load_state_dict({**pipeline.state_dict(), **change})
    for nonsense in (None, {}, [], "state"):
        with pytest.raises(StateError, match="not a pipeline's state"):
            pipeline.load_state_dict(nonsense)
    assert pipeline.epoch == 0


def test_a_loaded_state_is_where_the_pipeline_is():
    """At once, whatever iterator was open before."""
    pipeline = example()
    list(itertools.islice(pipeline, 7))
    state = pipeline.state_dict()
    pipeline = example()
    list(itertools.islice(pipeline, 3))
    pipeline.load_state_dict(state)
    assert pipeline.state_dict() == state
    pipeline.set_epoch(5)
    assert (pipeline.state_dict()["epoch"], pipeline.state_dict()["position"]) == (5, None)


def test_a_source_that_lost_items_is_found_out():
    n = 40
    pipeline = Pipeline(lambda: range(n)).buffered_shuffle(8)
    list(itertools.islice(pipeline, 20))
    while_items_come = pipeline.state_dict()
    list(itertools.islice(pipeline, 34))
    at_the_end = pipeline.state_dict()
    for n, state in ((25, while_items_come), (25, at_the_end), (39, at_the_end)):
        pipeline.load_state_dict(state)
        with pytest.raises(StateError, match=f"ended after {n} items, and had given more when the state was saved"):
            list(pipeline)


def test_states_are_small_whatever_the_steps_hold():
    pipeline = Pipeline(range(10**6)).buffered_shuffle(1000).repeat().batch(32).prefetch(2)
    list(itertools.islice(pipeline, 50))
    assert len(json.dumps(pipeline.state_dict())) < 500


def test_a_pipeline_can_be_pickled():
    pipeline = planted.Loader(planted.rows(TRUTH, 100), 10).map(plus).repeat(2)
    list(itertools.islice(pipeline, 3))
    again = pickle.loads(pickle.dumps(pipeline))
    assert again.state_dict() == pipeline.state_dict()
    assert_same(list(again), list(pipeline))


def test_repr_is_the_chain_as_it_was_written():
    loader = planted.Loader(planted.rows(TRUTH, 10), 5)
    assert repr(loader.map(plus).repeat().take(3)) == f"{loader!r}.map(plus).repeat().take(3)"
    chain = Pipeline(list(range(100))).filter(functools.partial(plus, 1)).buffered_shuffle(9, seed=2**70, salt="x")
    assert repr(chain.batch(2, drop_last=True).prefetch(1)) == (
        "Pipeline([0, 1, 2, 3, 4, 5, ...]).filter(partial(plus))"
        ".buffered_shuffle(9, seed=0x400000000000000000, salt='x').batch(2, drop_last=True).prefetch(1)"
    )
    assert repr(Pipeline.from_arrays(np.zeros((3, 2)), [1, 2, 3])) == (
        "Pipeline.from_arrays(<float64 (3, 2)>, <int64 (3,)>)"
    )


# ---- shares of an epoch -------------------------------------------------------------------------------------------


def test_readers_share_an_epoch():
    """Reader i of k has items i, i + k, ... of any epoch; the pipeline stays where it is."""
    rows = planted.regression([2.0, -3.4], 4.2, n=37)
    for make in (
        lambda: Pipeline(range(37)),
        lambda: Pipeline(lambda: iter(range(37))),
        lambda: Pipeline(planted.Loader(rows, 4, with_index=True)).map(lambda X, y, index: index).prefetch(2),
        lambda: Pipeline(rows).filter(lambda x, y: y[0] > 0).map(lambda x, y: y[0]),
        lambda: Pipeline(range(37)).buffered_shuffle(10).batch(4).map(lambda x: x + 1),
        lambda: Pipeline([]),
    ):
        pipeline = make()
        whole = make()
        for epoch in range(2):
            wanted = [np.asarray(item).tolist() for item in whole]
            for k in (1, 2, 5):
                for i in range(k):
                    assert [np.asarray(item).tolist() for item in pipeline.read(epoch, i, k)] == wanted[i::k]
        assert pipeline.epoch == 0


def test_a_reader_makes_only_its_share():
    """Of a loader and a sequence, and of the maps at the end."""
    made, mapped = [], []

    class Slow(list):
        def __getitem__(self, number):
            made.append(number)
            return number

    assert list(Pipeline(Slow(range(10))).map(lambda x: mapped.append(x) or x).read(0, 1, 4)) == [1, 5, 9]
    assert made == mapped == [1, 5, 9]
    for wrong in ({"epoch": -1}, {"epoch": 0, "item": -1}, {"epoch": 0, "step": 0}, {"epoch": 0.5}):
        with pytest.raises(planted.PlantedError, match=r"epoch=|item=|step="):
            Pipeline([1]).read(**wrong)
