"""Rows as tables: pandas, Polars, Arrow; and NumPy, which is told that rows are two arrays."""

import copy
import importlib
import operator
import pickle

import numpy as np
import pytest

import planted
from planted._rows import columns
from planted.errors import InvalidTypeError, MissingDependencyError, TooLargeError

ROWS = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000, seed=714)
X, Y = ROWS[:]
HUGE = planted.regression(w=[2.0, -3.4], b=4.2, n=10**12)
KINDS = ["computed", "memory", "disk", "table", "held table", "split"]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The same rows, however they are kept."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "table.npy", np.hstack([X, Y]))
    table = planted.open_table(folder / "table.npy", response=-1)
    return {
        "computed": ROWS,
        "memory": ROWS.materialize(),
        "disk": planted.write(ROWS, folder / "disk"),
        "table": table,
        "held table": table.materialize(),
        "split": planted.regression(w=[2.0, -3.4], b=4.2, n=3_000, seed=714).split(1_000, 500)[0],
    }


def _values(frame):
    return {name: np.asarray(frame[name]) for name in frame.columns}


def _same(found, X=X, Y=Y, names=("x0", "x1", "y")):
    assert tuple(found) == names
    for name, values in zip(names, np.hstack([X, Y]).T, strict=True):
        assert found[name].dtype == X.dtype
        np.testing.assert_array_equal(found[name], values)


@pytest.mark.parametrize("kind", KINDS)
def test_pandas(library, kinds, kind):
    pandas = library("pandas")
    frame = kinds[kind].to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    _same(_values(frame))
    frame["x0"] = 0.0  # the caller's own
    np.testing.assert_array_equal(kinds[kind].X, X)


@pytest.mark.parametrize("kind", KINDS)
def test_polars(library, kinds, kind):
    polars = library("polars")
    frame = kinds[kind].to_polars()
    assert isinstance(frame, polars.DataFrame)
    _same({name: frame[name].to_numpy() for name in frame.columns})


@pytest.mark.parametrize("kind", KINDS)
def test_arrow(library, kinds, kind):
    pyarrow = library("pyarrow")
    table = kinds[kind].to_arrow()
    assert isinstance(table, pyarrow.Table)
    _same({name: table[name].to_numpy() for name in table.column_names})
    assert not table.schema.field("y").nullable
    table.validate(full=True)


@pytest.mark.parametrize("kind", KINDS)
def test_readers_of_arrow_streams_take_rows_as_they_are(library, kinds, kind, monkeypatch):
    pyarrow = library("pyarrow")
    monkeypatch.setattr(columns, "BATCH_ROWS", 300)
    table = pyarrow.table(kinds[kind])
    assert [len(batch) for batch in table.to_batches()] == [300, 300, 300, 100]
    _same({name: table[name].to_numpy() for name in table.column_names})
    with pytest.raises((ValueError, NotImplementedError, pyarrow.ArrowException)):  # older ones know one schema only
        pyarrow.table(kinds[kind], schema=pyarrow.schema([("z", pyarrow.string())]))


def test_polars_takes_rows_as_they_are(library):
    polars = library("polars")
    library("pyarrow")
    frame = polars.DataFrame(ROWS)
    _same({name: frame[name].to_numpy() for name in frame.columns})


def test_a_stream_of_more_rows_than_memory_holds_begins_at_once(library):
    pyarrow = library("pyarrow")
    stream = pyarrow.RecordBatchReader._import_from_c_capsule(
        HUGE.__arrow_c_stream__()
    )  # pyarrow 14 has no from_stream
    batch = stream.read_next_batch()
    np.testing.assert_array_equal(batch["y"].to_numpy(), HUGE[: len(batch)].y[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("features", [1, 100])
def test_dtypes_and_widths(library, dtype, features, monkeypatch):
    library("pandas")
    monkeypatch.setattr(planted._machine.pieces, "PIECE_VALUES", 1_000)
    rows = planted.regression(planted.weights(features), n=123, dtype=dtype)
    found = _values(rows.to_pandas())
    _same(found, *rows[:], (*(f"x{j}" for j in range(features)), "y"))


def test_no_rows(library):
    library("pandas")
    pyarrow = library("pyarrow")
    none = planted.rows(ROWS.truth, 0)
    assert none.to_pandas().shape == (0, 3)
    assert none.to_arrow().shape == (0, 3)
    assert pyarrow.table(none).column_names == ["x0", "x1", "y"]


def test_columns_of_a_table_keep_their_names(library, tmp_path):
    library("pandas")
    pyarrow = library("pyarrow")
    feather = importlib.import_module("pyarrow.feather")
    pixels = pyarrow.FixedSizeListArray.from_arrays(np.arange(8, dtype=np.float32), 2)
    table = pyarrow.table({"price": [1.0, 2, 3, 4], "pixel": pixels, "<area>": np.arange(4, dtype=np.int16)})
    feather.write_feather(table, tmp_path / "houses.arrow", compression="uncompressed")
    rows = planted.open_table(tmp_path / "houses.arrow", response="price")
    for kind in (rows, rows.materialize(), rows.split(2, 2)[1], pickle.loads(pickle.dumps(rows.materialize()))):
        assert list(kind.to_pandas().columns) == ["pixel0", "pixel1", "<area>", "price"]
        assert "<th>&lt;area&gt;</th><th>price</th>" in kind._repr_html_()
    assert rows.to_arrow()["price"].to_pylist() == [1.0, 2.0, 3.0, 4.0]
    one = planted.open_table(tmp_path / "houses.arrow", features=["<area>"], response="price")
    assert one.to_arrow().column_names == ["<area>", "price"]


@pytest.mark.parametrize("method", ["to_pandas", "to_polars", "to_arrow"])
def test_more_rows_than_there_is_memory(library, method):
    library({"to_arrow": "pyarrow"}.get(method, method.removeprefix("to_")))
    with pytest.raises(TooLargeError, match=r"11,175.87 GiB.*planted.Loader"):
        getattr(HUGE, method)()


@pytest.mark.parametrize(
    ("method", "remedy"),
    [
        ("to_pandas", r"rows.to_pandas\(\) needs pandas, which is not installed: pip install 'planted\[pandas\]'"),
        ("to_polars", r"rows.to_polars\(\) needs polars, which is not installed: pip install 'planted\[polars\]'"),
        ("to_arrow", r"rows.to_arrow\(\) needs pyarrow, which is not installed: pip install 'planted\[arrow\]'"),
        ("__arrow_c_stream__", r"needs pyarrow, which is not installed: pip install 'planted\[arrow\]'"),
    ],
)
def test_a_missing_library_is_named_before_any_work(monkeypatch, method, remedy):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(columns, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=remedy):
        getattr(HUGE, method)()


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_is_told_that_rows_are_two_arrays(kinds, kind):
    for ask in (np.asarray, np.array, np.mean):
        with pytest.raises(InvalidTypeError, match=r"use rows.X, of shape .*np.hstack\(rows\[:\]\) for both in one"):
            ask(kinds[kind])
    np.testing.assert_array_equal(np.hstack(kinds[kind][:]), np.hstack([X, Y]))
    assert (kinds[kind] == X) is False
    assert operator.eq(X, kinds[kind]) is False
    with pytest.raises(TypeError):
        X + kinds[kind]


def test_pandas_own_constructor_is_told_of_to_pandas(library):
    pandas = library("pandas")
    with pytest.raises(InvalidTypeError, match=r"rows.to_pandas\(\) for a table"):
        pandas.DataFrame(ROWS)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda rows: pickle.loads(pickle.dumps(rows))])
@pytest.mark.parametrize("kind", ["memory", "held table"])
def test_what_is_held_stays_read_only_when_it_is_pickled(kinds, kind, again):
    rows = again(kinds[kind])
    assert rows == kinds[kind]
    with pytest.raises(ValueError, match="read-only"):
        rows.X[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        rows.y[0, 0] = 1
