"""Which columns are meant, of which types, and what holds no numbers."""

import pickle
import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from table_files import arrays, arrow, opened, plain, same, write

import planted
from planted._tables.columnar import CHECKING
from planted.errors import (
    InvalidTypeError,
    InvalidValueError,
)


@pytest.mark.parametrize(
    ("features", "response"), [([0, 2], 1), ([-1, 0], 2), (range(3), -1), ([4, 3, 1], 0), (None, 2)]
)
@pytest.mark.parametrize("fortran", [False, True])
def test_columns_of_a_matrix_have_numbers(tmp_path, features, response, fortran):
    values = np.arange(50.0).reshape(10, 5)
    np.save(tmp_path / "a.npy", np.asfortranarray(values) if fortran else values)
    rows = planted.open_table(tmp_path, features=features, response=response)
    X = np.delete(values, response, axis=1) if features is None else values[:, list(features)]
    same(rows, X, values[:, [response]])


def test_columns_are_chosen_by_name_in_any_order(tmp_path, pa):
    """And what is left out may be of any type."""
    values = np.arange(30.0).reshape(10, 3)
    table = pa.table({"b": values[:, 0], "text": ["a"] * 10, "a.b": values[:, 1], "a": values[:, 2]})
    pa.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=4)
    pa.feather.write_feather(table, str(tmp_path / "a.feather"))
    for name in ("a.parquet", "a.feather"):
        rows = planted.open_table(tmp_path / name, features=["a", "b"], response="a.b")
        same(rows, values[:, [2, 0]], values[:, [1]])
        rows = planted.open_table(tmp_path / name, features=("a.b", "b"), response="a")
        same(rows, values[:, [1, 0]], values[:, [2]])


TYPES = {
    "float32": ["bool", "int8", "uint8", "int16", "uint16", "float16", "float32"],
    "float64": ["int32", "uint32", "int64", "uint64", "float64"],
}


@pytest.mark.parametrize(("dtype", "stored"), [(dtype, stored) for dtype, types in TYPES.items() for stored in types])
@pytest.mark.parametrize("suffix", ["npy", "arrow", "parquet"])
def test_the_dtype_is_float32_if_that_holds_every_value(tmp_path, library, suffix, dtype, stored):
    """Of the types of all columns that are wanted; and each value arrives."""
    if stored == "bool":
        values = np.array([False, True, True, False, True])
    else:
        limits = np.finfo(stored) if "f" in stored else np.iinfo(stored)
        values = np.array([limits.min, 0, 1, limits.max, 1], stored)
    table = np.zeros(5, [("a", stored), ("other", "f8"), ("y", "f4")])
    table["a"] = values
    if suffix == "npy":
        np.save(tmp_path / "a.npy", table)
    else:
        pa = library("pyarrow")
        library("pyarrow.parquet")
        library("pyarrow.feather")
        made = pa.table({name: np.ascontiguousarray(table[name]) for name in table.dtype.names})
        if suffix == "parquet" and stored == "float16" and int(pa.__version__.partition(".")[0]) < CHECKING:
            pytest.skip("this pyarrow does not write it")
        if suffix == "parquet":
            pa.parquet.write_table(made, tmp_path / "a.parquet")
        else:
            pa.feather.write_feather(made, str(tmp_path / "a.arrow"), compression="uncompressed")
    rows = planted.open_table(tmp_path, features=["a"], response="y")
    same(rows, values.astype(dtype)[:, None], np.zeros((5, 1), dtype))
    for other in ("float32", "float64"):
        if other == dtype or stored not in {"float64", "uint64", "int64"}:
            same(
                planted.open_table(tmp_path, features=["a"], response="y", dtype=other),
                values.astype(other)[:, None],
                np.zeros((5, 1), other),
            )


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "1.24.0", reason="older NumPy does not notice")
def test_a_value_too_large_for_the_dtype_asked_for(tmp_path, kind):
    paths, X, y = write(kind, tmp_path, (50,), dtype="float64")
    X[7, 1] = 1e300
    kind.write(paths[0], X, y, 16)
    rows = opened(kind, tmp_path, dtype="float32")
    with pytest.raises(
        InvalidValueError, match=r"part-a.* holds a value that is too large for float32: leave out dtype"
    ):
        rows.take([3])
        rows[:]
    same(opened(kind, tmp_path), X, y)


def test_nan_and_infinities_are_kept(tmp_path, kind):
    paths, X, y = write(kind, tmp_path, (50,))
    X[3], y[4], X[49] = np.nan, np.inf, -np.inf
    kind.write(paths[0], X, y, 16)
    same(opened(kind, tmp_path), X, y)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (
            {"response": "z"},
            InvalidValueError,
            r"response: .*a\.arrow has no column 'z': name one of 'a', 'b', 'text', 'x'",
        ),
        ({"response": "y", "features": ["q"]}, InvalidValueError, "features: .* has no column 'q'"),
        (
            {"response": "y"},
            InvalidTypeError,
            "column 'text' of type string of .* holds no numbers: leave it out, or convert",
        ),
        ({"response": "y", "features": ["l"]}, InvalidTypeError, "'l' of type list.* cast it to a list of fixed size"),
        ({"response": "y", "features": ["when"]}, InvalidTypeError, "column 'when' of type date32"),
        ({"response": "y", "features": ["d"]}, InvalidTypeError, "column 'd' of type dictionary"),
        ({"response": "y", "features": ["s"]}, InvalidTypeError, "column 's' of type struct"),
        (
            {"response": "x", "features": ["a"]},
            InvalidValueError,
            "response='x' has 2 numbers a row .*, and a response is one",
        ),
        ({"response": "y", "features": ["a", "y"]}, InvalidValueError, "response='y' is among the features, too"),
        ({"response": "y", "features": ["a", "b", "a"]}, InvalidValueError, "features name column 'a' twice"),
        ({"response": "y", "features": []}, InvalidValueError, "has 0 features beside the response"),
        (
            {"response": "y", "features": "a"},
            InvalidTypeError,
            r"features='a' must be a list of columns: use features=\['a'\]",
        ),
        ({"response": "y", "features": 3}, InvalidTypeError, "features=3 must be a list"),
        ({"response": -1}, InvalidTypeError, "response: -1 must be the name of a column"),
        ({"response": "twice"}, InvalidValueError, "response: .* has 2 columns 'twice'"),
    ],
)
def test_columns_that_cannot_be_meant(tmp_path, pa, columns, error, message):
    numbers = np.arange(4.0)
    kept = {
        "a": pa.array(numbers),
        "b": pa.array(numbers),
        "text": pa.array(["a"] * 4),
        "x": pa.FixedSizeListArray.from_arrays(pa.array(np.arange(8.0)), 2),
        "l": pa.array([[1.0]] * 4),
        "when": pa.array([1, 2, 3, 4], pa.date32()),
        "d": pa.array(["u", "v"] * 2).dictionary_encode(),
        "s": pa.array([{"k": 1.0}] * 4),
        "y": pa.array(numbers),
    }
    table = pa.Table.from_arrays([*kept.values(), *[pa.array(numbers)] * 2], [*kept, "twice", "twice"])
    pa.feather.write_feather(table, str(tmp_path / "a.arrow"))
    pa.parquet.write_table(table, tmp_path / "a.parquet")
    for name in ("a.arrow", "a.parquet"):
        with pytest.raises(error, match=message.replace(r"\.arrow", r"\.\w+")):
            planted.open_table(tmp_path / name, **columns)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        (
            {"response": "y"},
            InvalidTypeError,
            r"response: 'y' is no column of .*a\.npy, whose 3 columns have no names: .*=-1",
        ),
        ({"response": 3}, InvalidValueError, r"response: .*a\.npy has no column 3: use 0 to 2, or -1 for the last"),
        ({"response": 0, "features": [-4]}, InvalidValueError, "features: .* has no column -4"),
        ({"response": 0, "features": [1, -2]}, InvalidValueError, "features name column 1 twice"),
        ({"response": True}, InvalidTypeError, "response=True is a bool"),
        ({"response": 1.0}, InvalidTypeError, r"response=1\.0 is not an integer"),
    ],
)
def test_numbers_of_columns_that_cannot_be_meant(tmp_path, columns, error, message):
    np.save(tmp_path / "a.npy", np.zeros((4, 3)))
    with pytest.raises(error, match=message):
        planted.open_table(tmp_path, **columns)


@pytest.mark.parametrize(
    ("array", "error", "message"),
    [
        (np.zeros(3), InvalidValueError, r"an array of shape \(3,\): save a matrix of numbers"),
        (np.zeros((3, 2, 2)), InvalidValueError, r"an array of shape \(3, 2, 2\)"),
        (np.zeros((3, 2), complex), InvalidValueError, "holds values of type complex128"),
        (np.zeros((3, 2), "U3"), InvalidValueError, "holds values of type <U3"),
        (np.zeros((3, 2), "M8[s]"), InvalidValueError, "holds values of type datetime64"),
        (np.zeros((3, 2), object), InvalidValueError, "Python objects, which only pickle .* nothing is ever unpickled"),
        (np.zeros((3, 1)), InvalidValueError, "has 0 features beside the response"),
        (np.zeros((3, 0)), InvalidValueError, "has no column -1"),
        (np.zeros(3, [("a", "f4"), ("-1", "U3")]), InvalidTypeError, "must be the name of a column"),
    ],
)
def test_arrays_that_are_no_rows(tmp_path, array, error, message):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(error, match=message):
        planted.open_table(tmp_path, response=-1)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a": "f4", "y": "f4", "z": "f4"}, "2 and 3 columns"),
        ({"b": "f4", "y": "f4"}, "column 'a' and, in its place, 'b'"),
        ({"a": "f8", "y": "f4"}, "column 'a' of type float.* and column 'a' of type"),
        ({"a": ("f4", (2,)), "y": "f4"}, r"column 'a' of type float.* and column 'a' of type float.*\[2\]"),
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "arrow", "parquet"])
def test_files_of_different_columns_are_refused(tmp_path, library, suffix, other, message):
    """The error names both files."""
    for name, types in (("a", {"a": "f4", "y": "f4"}), ("b", {"a": "f4", "y": "f4"}), ("c", other)):
        rows = np.zeros(5, [(key, *([kept] if isinstance(kept, str) else kept)) for key, kept in types.items()])
        if suffix == "npy":
            np.save(tmp_path / f"{name}.npy", rows)
            continue
        pa = library("pyarrow")
        library("pyarrow.parquet")
        library("pyarrow.feather")
        columns = {
            key: pa.array(rows[key])
            if rows[key].ndim == 1
            else pa.FixedSizeListArray.from_arrays(rows[key].reshape(-1), 2)
            for key in rows.dtype.names
        }
        if suffix == "parquet":
            pa.parquet.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
        else:
            pa.feather.write_feather(pa.table(columns), str(tmp_path / f"{name}.arrow"))
    with pytest.raises(
        InvalidValueError, match=rf"a\.{suffix} and .*c\.{suffix} do not have the same columns: {message}"
    ):
        planted.open_table(tmp_path, response="y")


def test_matrices_of_different_columns_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2), "<f4"))
    np.save(tmp_path / "b.npy", np.zeros((3, 2), ">f4"))  # the same type
    assert len(planted.open_table(tmp_path, response=-1)) == 6
    for array, message in (
        (np.zeros((0, 3), "f4"), "2 and 3 columns"),
        (np.zeros((3, 2)), "columns of type float32 and columns of type float64"),
        (np.zeros(3, [("a", "f4")]), "only in one of them they have names"),
    ):
        np.save(tmp_path / "c.npy", array)
        with pytest.raises(InvalidValueError, match=rf"a\.npy and .*c\.npy do not have the same columns: {message}"):
            planted.open_table(tmp_path, response=-1)


def test_files_of_no_rows_are_a_table_of_none(tmp_path, kind):
    write(kind, tmp_path, (0, 0))
    rows = opened(kind, tmp_path)
    assert (len(rows), rows.X.shape, rows.partition(4).n, list(planted.Loader(rows))) == (0, (0, 3), 0, [])
    assert "rows: 0 of 3" in repr(pickle.loads(pickle.dumps(rows)))


# ---- nulls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["a", "x", "inner", "y"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_null_is_an_error_that_says_where(tmp_path, pa, column, compression, monkeypatch):
    """They are found when they are read; in columns left out none matters."""
    monkeypatch.setattr("planted._tables.columnar.BLOCK_BYTES", 1)
    monkeypatch.setattr("planted._tables.part.BLOCK_BYTES", 1)
    monkeypatch.setattr("planted._tables.part.COLUMN_BYTES", 1)
    n, at = 50, 37
    valid = [i != at for i in range(n)]
    numbers = pa.array(np.arange(2.0 * n))
    parts = {
        name: pa.array([float(i) if name != column or ok else None for i, ok in enumerate(valid)]) for name in "ay"
    }
    inner = pa.array([None if column == "inner" and i == 2 * at + 1 else float(i) for i in range(2 * n)])
    lists = [[0.0, 1.0] if column != "x" or ok else None for ok in valid]
    parts["x"] = pa.array(lists, pa.list_(pa.float64(), 2))
    parts["inner"] = pa.FixedSizeListArray.from_arrays(inner if column == "inner" else numbers, 2)
    table = pa.table({**parts, "other": np.arange(1.0 * n)})
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(str(tmp_path / "a.arrow"), table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=20)
    try:
        pa.parquet.write_table(table, tmp_path / "a.parquet", compression=compression or "none", row_group_size=20)
    except pa.ArrowNotImplementedError as error:
        pytest.skip(f"this pyarrow does not write such a null: {error}")
    message = rf"has a null in column '{column}', row {at}: drop such rows"
    features = ["a", "x", "inner"]
    for name in ("a.arrow", "a.parquet"):
        rows = planted.open_table(tmp_path / name, features=features, response="y")
        rows.take([0, 39 - 20])
        for ask in (lambda: rows[38], lambda: rows.take([3, 45, 25]), lambda: rows.X):  # noqa: B023 -- called here
            with pytest.raises(InvalidValueError, match=rf"{name} {message}"):
                ask()
    features.remove(column) if column != "y" else None
    for name in ("a.arrow", "a.parquet"):
        rows = planted.open_table(tmp_path / name, features=features[1:], response="other")
        assert len(rows.X) == n


# ---- among columns of all types --------------------------------------------------------------------------------


def columns_of_all_types(pa, n):
    """One column of each type, as far as this pyarrow knows it."""
    numbers = np.arange(n)
    texts = [f"text {i}" * (i % 3) for i in range(n)]
    found = {
        "bool": pa.array(numbers % 3 == 0),
        "text": pa.array(texts),
        "large": pa.array(texts, pa.large_string()),
        "bytes": pa.array([t.encode() for t in texts]),
        "fixed": pa.array([b"abc"] * n, pa.binary(3)),
        "none": pa.nulls(n),
        "list": pa.array([[1.0] * (i % 3) for i in range(n)]),
        "lists": pa.array([[[1], []]] * n, pa.large_list(pa.list_(pa.int8()))),
        "struct": pa.array([{"a": 1, "b": {"c": "t"}}] * n),
        "map": pa.array([[("k", 1)]] * n, pa.map_(pa.string(), pa.int32())),
        "dictionary": pa.array(texts).dictionary_encode(),
        "when": pa.array(numbers, pa.timestamp("us")),
        "decimal": pa.array([None] * n, pa.decimal128(10, 2)),
        "fixed_list": pa.array([["a", "b"]] * n, pa.list_(pa.string(), 2)),
        "nullable": pa.array([None if i % 2 else i for i in range(n)]),
        "dense": pa.UnionArray.from_dense(
            pa.array([0] * n, pa.int8()), pa.array(numbers, pa.int32()), [pa.array(numbers)]
        ),
        "sparse": pa.UnionArray.from_sparse(pa.array([0] * n, pa.int8()), [pa.array(numbers), pa.array(texts)]),
    }
    if hasattr(pa, "string_view"):
        found["view"] = pa.array(texts, pa.string_view())
        found["bytes_view"] = pa.array([b"long enough to be apart" * 2] * n, pa.binary_view())
    if hasattr(pa, "list_view"):
        found["list_view"] = pa.array([[1.0, 2.0]] * n, pa.list_view(pa.float32()))
    if hasattr(pa, "RunEndEncodedArray"):
        kind = pa.run_end_encoded(pa.int32(), pa.int64())
        found["runs"] = pa.RunEndEncodedArray.from_arrays([n], [7], kind)
    if hasattr(pa, "FixedShapeTensorArray"):
        found["tensor"] = pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((n, 2, 2), np.float32))
    return found


@hypothesis_settings(max_examples=30)
@given(st.data(), st.integers(1, 50), st.integers(1, 60), st.sampled_from([None, "lz4", "zstd"]), st.booleans())
def test_columns_are_found_among_those_of_all_types(library, data, n, batch, compression, stream):
    """Against pyarrow's own reading."""
    pa = library("pyarrow")
    known = columns_of_all_types(pa, n)
    names = data.draw(st.lists(st.sampled_from(sorted(known)), unique=True))
    X, y = arrays(n, 4)
    known |= {
        "x": pa.FixedSizeListArray.from_arrays(pa.array(X[:, :3].reshape(-1)), 3),
        "z": pa.array(X[:, 3]),
        "y": pa.array(y[:, 0]),
    }
    bits = np.random.default_rng(n).random((n, 5)) < 0.5
    known["bits"] = pa.FixedSizeListArray.from_arrays(pa.array(bits.reshape(-1)), 5)
    order = data.draw(st.permutations([*names, "x", "y", "z", "bits"]))
    table = pa.table({name: known[name] for name in order})
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/a.arrow"
        make = pa.ipc.new_stream if stream else pa.ipc.new_file
        with make(path, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
            writer.write_table(table, max_chunksize=batch)
        rows = planted.open_table(path, features=["bits", "z", "x"], response="y")
        same(rows, np.column_stack([bits, X[:, 3], X[:, :3]]).astype(np.float32), y)
        lo = data.draw(st.integers(0, n - 1))
        same(
            rows[lo : lo + 9],
            np.column_stack([bits, X[:, 3], X[:, :3]])[lo : lo + 9].astype(np.float32),
            y[lo : lo + 9],
        )


@pytest.mark.parametrize("stream", [False, True])
def test_a_table_of_many_columns(tmp_path, pa, stream):
    """Whose metadata are long, too."""
    X, y = arrays(30, 700)
    arrow(stream=stream).write(tmp_path / "a.arrow", X, y, 12)
    same(planted.open_table(tmp_path, response="y"), X, y)
    same(planted.open_table(tmp_path, response="y", features=["x600", "x2"]), X[:, [600, 2]], y)


def test_fields_of_a_structured_array_have_names_of_any_script(tmp_path):
    for name in ("é", "列", "a b"):
        rows = np.zeros(9, [("y", "f4"), (name, "f4", (2,))])
        rows[name] = np.arange(18).reshape(9, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that old NumPy may not read it
            np.save(tmp_path / "a.npy", rows)
        same(planted.open_table(tmp_path, features=[name], response="y"), rows[name], rows["y"][:, None])


def test_compression_may_change_in_a_stream(tmp_path, pa):
    """Each batch says how it is compressed."""
    X, y = arrays(50)
    for name, compression in (("a", None), ("b", "lz4")):
        arrow(compression=compression, stream=True).write(tmp_path / f"{name}.arrow", X, y, 50)
    first, second = (tmp_path / f"{name}.arrow" for name in "ab")
    schema = plain(pa, X, y).schema.serialize().size
    first.write_bytes(first.read_bytes()[:-8] + second.read_bytes()[schema:])
    same(planted.open_table(first, response="y"), np.vstack([X, X]), np.vstack([y, y]))


def test_a_stream_whose_dictionaries_change(tmp_path, pa):
    """Those of columns that are not wanted; whoever wrote it, and replaced them, after the first batch too."""
    numbers = np.arange(20.0)
    tables = [
        pa.table({"d": pa.array(texts * 10).dictionary_encode(), "x": numbers, "y": numbers})
        for texts in (["a", "b"], ["c", "d"], ["e", "f"])
    ]
    with pa.ipc.new_stream(str(tmp_path / "a.arrow"), tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    rows = planted.open_table(tmp_path / "a.arrow", features=["x"], response="y")
    same(rows[:], np.tile(numbers, 3)[:, None], np.tile(numbers, 3)[:, None])
    same(rows.take([45, 3]), numbers[[5, 3]][:, None], numbers[[5, 3]][:, None])
