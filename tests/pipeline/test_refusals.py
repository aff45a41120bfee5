"""What goes wrong in a pipeline: in functions of the user's, and in what a pipeline is given."""

import operator
import re
import traceback

import numpy as np
import pytest
from pipeline_items import TRUTH, Again, fail_at_third, unlucky

import planted
from planted import Pipeline
from planted.errors import InvalidTypeError, InvalidValueError

pytestmark = pytest.mark.threads


# ---- errors in functions of the user's ------------------------------------------------------------------------------


@pytest.mark.parametrize("prefetch", [0, 1, 4])
@pytest.mark.parametrize("step", ["map", "filter"])
def test_an_error_in_a_users_function_arrives_as_it_was_raised(step, prefetch, threads):
    """With the user's own traceback; the state is that of the last delivered item; the pipeline can be used again."""
    pipeline = getattr(Pipeline(range(3, 9)), step)(unlucky).prefetch(prefetch)
    seen = []
    with pytest.raises(KeyError, match="unlucky") as caught:
        seen.extend(pipeline)
    assert seen == [3, 4]
    assert traceback.extract_tb(caught.tb)[-1].name == "unlucky"
    assert caught.value.__cause__ is None
    assert not threads()
    state = pipeline.state_dict()
    assert (state["epoch"], state["position"]) == (0, 2)
    pipeline.load_state_dict(state)
    with pytest.raises(KeyError, match="unlucky"):
        next(iter(pipeline))
    with pytest.raises(KeyError, match="unlucky"):  # the next epoch, from its start
        list(pipeline)


def test_after_an_error_nothing_is_lost():
    """What failed once goes on right behind the last item that was delivered."""
    pipeline = Pipeline(range(10)).buffered_shuffle(4).map(fail_at_third()).prefetch(2)
    seen = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(x for (x,) in pipeline)
    assert len(seen) == 2
    pipeline.load_state_dict(pipeline.state_dict())
    seen += [x for (x,) in pipeline]
    assert seen == list(Pipeline(range(10)).buffered_shuffle(4))


def test_an_error_in_a_source_arrives_too():
    def source():
        yield 1
        raise OSError("the disk is gone")

    for pipeline in (Pipeline(source), Pipeline(source()), Pipeline(source).prefetch(3)):
        iterator = iter(pipeline)
        assert next(iterator) == 1
        with pytest.raises(OSError, match="the disk is gone") as caught:
            next(iterator)
        assert traceback.extract_tb(caught.tb)[-1].name == "source"


def halve(X, y):
    return X[::2], y


@pytest.mark.parametrize(
    ("f", "found"),
    [
        (halve, 16),
        (lambda X, y: X.mean(axis=0), 2),
        (lambda X, y: {"X": X, "y": [y, y[:3]]}, 3),
        (lambda X, y: (X, np.concatenate([y, y])), 64),
    ],
)
def test_a_map_keeps_the_number_of_rows_of_a_batch(f, found):
    """Of a loader's batches, and of those made by batch; a single number or anything of items is free."""
    rows = planted.rows(TRUTH, 64)
    message = rf"map\({re.escape(f.__name__)}\) made {found} rows of a batch of 32, .*: drop rows with filter"
    for batches in (planted.Loader(rows, 32), Pipeline(rows).batch(32), Pipeline(rows).batch(32).take(9).prefetch(1)):
        with pytest.raises(InvalidValueError, match=message):
            next(iter(batches.map(f)))
        assert len(list(batches.map(lambda X, y: float(y.sum())))) == 2
        assert len(list(batches.map(lambda X, y: {"both": np.hstack([X, y]), "n": len(X)}))) == 2
    assert len(list(Pipeline(rows).map(lambda x, y: np.tile(x, 3)))) == 64


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (
            np.array([True, False]),
            InvalidValueError,
            r"truth values of shape \(2,\) for one item: return one, as with .all",
        ),
        (np.zeros(0, bool), InvalidValueError, r"shape \(0,\)"),
        ([True, False], InvalidTypeError, r"filter\(answer\) got \[True, False\]: return True or False"),
        (None, InvalidTypeError, r"filter\(answer\) got None: return True or False"),
        ("yes", InvalidTypeError, r"got 'yes'"),
    ],
)
def test_a_predicate_gives_one_truth_value(answer, error, message):
    def predicate(*_):
        return answer

    predicate.__name__ = "answer"
    with pytest.raises(error, match=message):
        list(planted.Loader(planted.rows(TRUTH, 10), 2).filter(predicate))


@pytest.mark.parametrize(
    ("items", "error", "message"),
    [
        (
            [np.zeros(2), np.zeros(3)],
            InvalidValueError,
            r"item has shapes \(2,\), \(3,\) in one batch: map the items to one",
        ),
        ([(1, np.zeros(1)), (1, np.zeros(2))], InvalidValueError, r"item\[1\] has shapes"),
        ([{"a": (1, 2.0)}, {"a": (1, np.ones(1))}], InvalidValueError, r"item\['a'\]\[1\] has shapes \(\), \(1,\)"),
        ([[1, 2], [1, 2, 3]], InvalidValueError, r"item has shapes \(2,\), \(3,\) in one batch"),
        (
            [[1, [2, 3]], [1, [2, 3]]],
            InvalidValueError,
            r"item=\[1, \[2, 3\]\] is a list that is no array: .* equally long",
        ),
        (
            [(1, 2), (1, 2, 3)],
            InvalidValueError,
            r"item has another structure \(\(1, 2\), ...\) than others of its batch",
        ),
        ([(1, 2), [1, 2]], InvalidValueError, "another structure"),
        ([{"a": 1}, {"b": 1}], InvalidValueError, "another structure"),
        ([(1, 2), 3], InvalidValueError, "another structure"),
        ([1, "a"], InvalidTypeError, r"values that no array can hold together \(int, str, such as 1\)"),
        ([None, None], InvalidTypeError, r"no array can hold together \(ndarray|NoneType"),
        ([2**70, 1], InvalidTypeError, "no array can hold"),
    ],
)
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
def test_items_that_cannot_be_stacked(items, error, message):
    with pytest.raises(error, match=message):
        list(Pipeline(items).batch(2))


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("define", "error", "message"),
    [
        (lambda p: p.map(3), InvalidTypeError, "f=3 must be a function"),
        (lambda p: p.filter(None), InvalidTypeError, "predicate=None must be a function"),
        (lambda p: p.repeat(0), InvalidValueError, "times=0 must be .* use None to repeat endlessly"),
        (lambda p: p.repeat(1.5), InvalidTypeError, "times=1.5"),
        (lambda p: p.take(-1), InvalidValueError, "k=-1"),
        (lambda p: p.take(None), InvalidTypeError, "k=None"),
        (lambda p: p.prefetch(-1), InvalidValueError, "k=-1 must be .* use 0 to work in the calling thread"),
        (lambda p: p.buffered_shuffle(0), InvalidValueError, "size=0"),
        (lambda p: p.buffered_shuffle(2**31 + 1), InvalidValueError, "size=2147483649"),
        (lambda p: p.buffered_shuffle(9, seed=-1), InvalidValueError, "seed=-1"),
        (lambda p: p.buffered_shuffle(9, salt=1), InvalidTypeError, "salt=1"),
        (lambda p: p.batch(0), InvalidValueError, "size=0"),
        (lambda p: p.batch(True), InvalidTypeError, "size=True is a bool"),
        (lambda p: p.batch(2, drop_last=1), InvalidTypeError, "drop_last=1 must be True or False"),
        (lambda p: p.batch(2, framework="caffe"), InvalidValueError, "framework='caffe' must be 'numpy' or one of"),
        (lambda p: p.set_epoch(-1), InvalidValueError, "epoch=-1"),
        (lambda p: Pipeline(3), InvalidTypeError, "source=3 cannot be read: pass a Loader, rows, a sequence"),
        (lambda p: Pipeline("rows.csv"), InvalidTypeError, r"source='rows.csv' is a text, .* lambda: open\(path\)"),
        (lambda p: Pipeline.from_arrays(), InvalidValueError, r"arrays of shapes \[\] must be one or more"),
        (lambda p: Pipeline.from_arrays([1, 2], [3]), InvalidValueError, r"shapes \[\(2,\), \(1,\)\] .* equally long"),
        (lambda p: Pipeline.from_arrays(1.0), InvalidValueError, r"shapes \[\(\)\]"),
        pytest.param(
            lambda p: Pipeline.from_arrays([[1], [1, 2]]),
            InvalidValueError,
            "arrays must be rectangular",
            marks=pytest.mark.skipif(np.__version__ < "1.24", reason="NumPy makes objects of them, with a warning"),
        ),
        (planted.Loader, InvalidTypeError, "is a stream, not rows: batch it with its own method batch"),
        (lambda p: planted.Loader(planted.Loader(planted.rows(TRUTH, 9))), InvalidTypeError, "is a stream, not rows"),
        (
            lambda p: list(Pipeline(lambda: 3)),
            InvalidTypeError,
            r"<lambda>\(\) returned 3, which cannot be iterated over",
        ),
    ],
)
def test_bad_arguments_are_refused_when_they_are_given(define, error, message):
    with pytest.raises(error, match=message):
        define(Pipeline(range(5)))


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            Pipeline(range(9)).filter(bool).batch(3),
            r"Pipeline\(range\(0, 9\)\)\.filter\(bool\) has no length, since only bool",
        ),
        (Pipeline(Again(range(3))).take(2), r"has no length, since the Again has none"),
        (Pipeline(Again), r"Pipeline\(Again\) has no length, since a function does not say"),
        (Pipeline(iter([1])), r"Pipeline\(<list_iterator>\) has no length, since an iterator does not say"),
        (Pipeline([1, 2]).repeat().batch(2), r"has no length, since it repeats endlessly: end it with take\(k\)"),
    ],
)
def test_a_length_that_nobody_knows_is_an_error_that_names_the_step(pipeline, message):
    with pytest.raises(InvalidTypeError, match=message):
        len(pipeline)


def test_what_asks_for_a_length_only_to_be_fast_works_without():
    assert list(Pipeline(range(5)).filter(bool)) == [1, 2, 3, 4]
    assert operator.length_hint(Pipeline(range(5)).filter(bool), 7) == 7


def test_a_stream_is_no_list_and_no_array():
    """Who asks a loader or a pipeline by number, or for an array, is told what to write instead."""
    loader = planted.Loader(planted.rows(TRUTH, 10), 4)
    for stream, name in ((loader, "loader"), (Pipeline(loader), "pipeline")):
        for index in (0, -1, slice(3), [1, 2]):
            with pytest.raises(InvalidTypeError, match=rf"{name}\[.*next\(iter\({name}\)\).*torch\.IterableDataset"):
                stream[index]
        with pytest.raises(InvalidTypeError, match=r"is not an array: use rows\[:\].*planted\.tensorflow\.dataset"):
            np.asarray(stream)
        assert not hasattr(stream, "shape")
        with pytest.raises(AttributeError, match=r"object has no attribute 'batches'"):
            stream.batches  # noqa: B018
        assert not hasattr(stream, "dataset")
        with pytest.raises(AttributeError, match=r"no attribute 'dataset': use the rows themselves, loader.rows"):
            stream.dataset  # noqa: B018
        assert len(list(stream)) == len(stream) == 3


def test_the_words_of_other_libraries_are_answered_with_those_of_this_one():
    with pytest.raises(AttributeError, match=r"no attribute 'shuffle': use buffered_shuffle\(size\)"):
        Pipeline(range(5)).shuffle(100)
    with pytest.raises(AttributeError) as error:
        Pipeline(range(5)).prefech(2)
    assert (error.value.name, type(error.value.obj)) == ("prefech", Pipeline)  # by which Python says what was meant


@pytest.mark.parametrize("step", ["map", "filter"])
def test_a_function_of_another_number_of_arguments_is_told_which_it_gets(step):
    rows = planted.rows(TRUTH, 10)
    for stream, f, gets in (
        (planted.Loader(rows, 4), lambda batch: batch, r"the 2 parts.*use STEP\(lambda X, y: ...\)"),
        (planted.Loader(rows, 4, with_index=True), lambda X, y: X, r"the 3 parts.*\(lambda X, y, index: ...\)"),
        (
            Pipeline(rows),
            lambda row: True,
            r"<lambda>.*2 were given; it gets the 2 parts of an item as",
        ),
        (Pipeline([(1, 2, 3, 4)]), lambda row: True, r"\(lambda \*fields: ...\)"),
        (Pipeline([[1, 2]]), lambda x, y: True, r"missing 1 .*'y'; it gets an item, of type list, as one argument"),
    ):
        with pytest.raises(InvalidTypeError, match=gets.replace("STEP", step)):
            list(getattr(stream, step)(f))


def test_a_type_error_inside_a_function_arrives_as_it_was_raised():
    def nothing():
        pass

    def inner(x):
        return nothing(x)

    for f, message in (
        (inner, "takes 0 positional arguments but 1 was given$"),
        (len, r"object of type 'int' has no len\(\)$"),
        (lambda x: x + "", "unsupported operand"),
    ):
        with pytest.raises(TypeError, match=message) as error:
            list(Pipeline([3]).map(f))
        assert type(error.value) is TypeError
