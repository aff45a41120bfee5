"""The sources of pipelines: rows, sequences, iterables, functions, iterators; how little of them is read."""

import numpy as np
import pytest
from pipeline_items import TRUTH, Again, Untouchable, assert_same, plus

import planted
from planted import Pipeline
from planted.errors import InvalidValueError

pytestmark = pytest.mark.threads


def test_nothing_is_read_when_a_pipeline_is_defined():
    def source():
        raise AssertionError

    for untouchable in (Untouchable(), source):
        pipeline = (
            Pipeline(untouchable).map(plus).filter(plus).repeat().take(9).prefetch(2).buffered_shuffle(3).batch(2)
        )
        pipeline.state_dict()
        assert repr(pipeline)
        iter(pipeline)
        with pytest.raises(AssertionError):
            next(iter(pipeline))


def test_rows_are_taken_some_thousands_at_a_time():
    class Rows:
        calls = 0

        def __len__(self):
            return 10_000

        def take(self, rows):
            self.calls += 1
            return np.asarray(rows, float)[:, None], np.asarray(rows)

    rows = Rows()
    pipeline = Pipeline(rows)
    assert [int(y) for _, y in pipeline] == list(range(10_000))
    assert rows.calls == 3
    assert pipeline.state_dict()["steps"] == [{"step": "rows", "rows": "10000 rows"}]


def test_a_huge_source_resumes_at_once():
    for source, last in (
        (planted.rows(TRUTH, 2**63), 2**63 - 1),
        (planted.permutation(10**12), 10**12 - 1),
        (planted.Loader(planted.rows(TRUTH, 10**12), 1), 10**12 - 1),
        (range(10**12), 10**12 - 1),
    ):
        pipeline = Pipeline(source).map(lambda *_: None)
        pipeline.load_state_dict({**pipeline.state_dict(), "position": last})
        assert list(iter(pipeline)) == [None]


def test_a_map_style_data_set_is_read_by_number():
    class Squares:
        def __len__(self):
            return 5

        def __getitem__(self, i):
            return i * i

    pipeline = Pipeline(Squares())
    assert list(pipeline) == [0, 1, 4, 9, 16]
    assert len(pipeline) == 5
    order = planted.permutation(9000)  # whose take gives numbers, not pairs
    assert list(Pipeline(order)) == list(order)


def test_lines_of_a_file(tmp_path):
    """A function that opens it is called each epoch, and the file closed: at the end, on the way, after an error."""
    path = tmp_path / "rows.csv"
    path.write_text("".join(f"{i},{2 * i}\n" for i in range(7)))
    files = []

    def lines():
        files.append(path.open())
        return files[-1]

    def parse(line):
        x, y = map(float, line.split(","))
        return x, y

    pipeline = Pipeline(lines).map(parse).batch(3)
    for _ in range(2):
        assert [X.tolist() for X, _ in pipeline] == [[0, 1, 2], [3, 4, 5], [6]]
    for _ in pipeline:
        break
    with pytest.raises(ValueError, match="could not convert"):
        list(Pipeline(lines).map(float))
    assert len(files) == 4
    assert all(file.closed for file in files)


def test_an_open_file_is_read_once_and_is_the_users_to_close(tmp_path):
    path = tmp_path / "lines"
    path.write_text("a\nb\nc\n")
    with path.open() as file:
        pipeline = Pipeline(file).map(str.strip)
        iterator = iter(pipeline)
        assert [next(iterator), next(iterator)] == ["a", "b"]
        state = pipeline.state_dict()
        assert list(iterator) == ["c"]
        assert not file.closed
        with pytest.raises(
            InvalidValueError, match=r"this TextIOWrapper has been read already, .* Pipeline\(lambda: open\(path\)\)"
        ):
            list(pipeline)
    with path.open() as file:
        resumed = Pipeline(file).map(str.strip)
        resumed.load_state_dict(state)
        assert list(resumed) == ["c"]


@pytest.mark.parametrize("make", [lambda: (i for i in range(3)), lambda: iter([0, 1, 2]), lambda: map(int, "012")])
def test_an_iterator_can_be_read_once(make):
    """A second epoch, whoever asks for it, says what to pass instead."""
    pipeline = Pipeline(make())
    derived = pipeline.map(plus)
    assert list(pipeline) == [0, 1, 2]
    for again in (pipeline, derived):
        with pytest.raises(InvalidValueError, match="can be read once: pass a function that makes it"):
            list(again)
    for times in (None, 2):
        with pytest.raises(InvalidValueError, match="can be read once, so it cannot be repeated: pass a function"):
            Pipeline(make()).take(2).repeat(times)
    assert list(Pipeline(make()).repeat(1)) == [0, 1, 2]
    assert list(Pipeline(make).repeat(2)) == [0, 1, 2] * 2


def test_no_function_is_called_for_items_that_are_skipped():
    called = []
    pipeline = Pipeline(Again(range(10))).map(lambda x: called.append(x) or x).filter(lambda x: x != 5)
    pipeline.load_state_dict({**pipeline.state_dict(), "position": 4})
    assert list(pipeline) == [4, 6, 7, 8, 9]
    assert called == [4, 5, 6, 7, 8, 9]


def test_a_pipeline_of_a_pipeline_or_a_loader_reads_the_same_and_moves_neither():
    loader = planted.Loader(planted.rows(TRUTH, 20), 5)
    for source in (loader, loader.take(3)):
        copy = Pipeline(source)
        assert len(copy) == len(source)
        found = list(copy)
        assert source.epoch == 0
        assert_same(found, list(source))


def test_a_pipeline_begins_with_epoch_0_wherever_its_source_is():
    """In the middle of a later epoch, say."""
    loader = planted.Loader(planted.rows(TRUTH, 20), 5, with_index=True)
    first = [batch[-1].tolist() for batch in loader.read(0)]
    for source in (loader, loader.take(4)):
        source.set_epoch(3)
        next(iter(source))
        for derived in (Pipeline(source), source.take(4)):
            assert derived.epoch == 0
            assert [batch[-1].tolist() for batch in derived] == first


def test_arrays_are_copied_row_by_row():
    """An item is the reader's own: changing it leaves the array as it was."""
    X = np.zeros((5, 2))
    for (x,) in Pipeline.from_arrays(X):
        x[:] = 1
    assert not X.any()
