"""Tables: columns of other people's files as rows, value for value, and nothing worse than an error for a bad file."""

import contextlib
import itertools
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import planted
from planted._disk.storage import LocalFile
from planted._errors import (
    DamagedError,
    InvalidTypeError,
    InvalidValueError,
    MissingDependencyError,
    MissingError,
    RowNumberError,
    StorageError,
)
from planted._order import plan_pool
from planted._tables import columns as _columns
from planted._tables import files as _files
from planted._tables.parquet import CHECKING

# ---- the cases: each way in which rows are kept -----------------------------------------------------------------


def npy(change=np.ascontiguousarray):
    def write(path, X, y, batch):
        np.save(path, change(np.column_stack([X, y])))

    return SimpleNamespace(suffix=".npy", write=write, columns={"response": -1}, library=None)


def structured(path, X, y, batch):
    rows = np.zeros(len(X), np.dtype([("y", y.dtype), ("x", X.dtype, X.shape[1:])], align=True))
    rows["x"], rows["y"] = X, y[:, 0]
    np.save(path, rows)


def plain(pa, X, y):
    return pa.table({**{f"x{j}": np.ascontiguousarray(column) for j, column in enumerate(X.T)}, "y": y[:, 0]})


def lists(pa, X, y):
    x = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), X.shape[1])
    return pa.table({"s": pa.array([f"{i}" * (i % 7) for i in range(len(X))], pa.string()), "x": x, "y": y[:, 0]})


def arrow(table=plain, compression=None, stream=False, suffix=".arrow"):
    def write(path, X, y, batch):
        import pyarrow as pa

        rows = table(pa, X, y)
        options = pa.ipc.IpcWriteOptions(compression=compression)
        make = pa.ipc.new_stream if stream else pa.ipc.new_file
        with make(str(path), rows.schema, options=options) as writer:
            writer.write_table(rows, max_chunksize=batch)

    return SimpleNamespace(suffix=suffix, write=write, columns=wanted(table), library="pyarrow")


def parquet(table=plain, suffix=".parquet", **options):
    def write(path, X, y, batch):
        import pyarrow as pa
        import pyarrow.parquet

        checksums = {"write_page_checksum": True} if int(pa.__version__.partition(".")[0]) >= CHECKING else {}
        pa.parquet.write_table(table(pa, X, y), str(path), row_group_size=batch, **options, **checksums)

    return SimpleNamespace(suffix=suffix, write=write, columns=wanted(table), library="pyarrow")


def wanted(table):
    return {"response": "y"} if table is plain else {"features": ["x"], "response": "y"}


KINDS = {
    "npy": npy(),
    "npy-fortran": npy(np.asfortranarray),
    "npy-swapped": npy(lambda rows: rows.astype(rows.dtype.newbyteorder(">"))),
    "npy-structured": SimpleNamespace(suffix=".npy", write=structured, columns={"response": "y"}, library=None),
    "arrow": arrow(),
    "arrow-lists": arrow(lists),
    "arrow-lz4": arrow(lists, compression="lz4", suffix=".feather"),
    "arrow-zstd": arrow(compression="zstd", suffix=".ipc"),
    "arrow-stream": arrow(stream=True),
    "parquet": parquet(),
    "parquet-plain": parquet(suffix=".pq", use_dictionary=False, compression="none"),
    "parquet-lists": parquet(lists, compression="zstd"),
}


@pytest.fixture(params=KINDS)
def kind(request, framework):
    """Each way in which rows are kept, if its library is here."""
    found = KINDS[request.param]
    if found.library:
        framework(found.library)
    return found


@pytest.fixture
def pa(framework):
    """pyarrow, with Parquet and Feather."""
    framework("pyarrow.parquet")
    framework("pyarrow.feather")
    return framework("pyarrow")


@pytest.fixture
def memory(framework):
    """The file system in memory, of fsspec."""
    system = framework("fsspec").filesystem("memory")
    yield system
    system.store.clear()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of some dozens of rows, so that little data is many blocks."""
    for name in ("npy", "columns", "parquet"):
        monkeypatch.setattr(f"planted._tables.{name}.BLOCK_BYTES", 1024)
    monkeypatch.setattr(_columns, "COLUMN_BYTES", 256)


def arrays(n, features=3, dtype="float32", seed=0):
    values = np.random.default_rng(seed).standard_normal((n, features + 1)).astype(dtype)
    return np.ascontiguousarray(values[:, :-1]), np.ascontiguousarray(values[:, -1:])


def write(kind, folder, sizes=(100, 37, 0, 5), batch=16, features=3, dtype="float32"):
    """Files of so many rows, and the rows of all of them."""
    X, y = arrays(sum(sizes), features, dtype)
    edges = [0, *itertools.accumulate(sizes)]
    paths = [Path(folder) / f"part-{chr(97 + k)}{kind.suffix}" for k in range(len(sizes))]
    for path, (a, b) in zip(paths, itertools.pairwise(edges), strict=True):
        kind.write(path, X[a:b], y[a:b], batch)
    return paths, X, y


def opened(kind, paths, **options):
    return planted.open_table(paths, **kind.columns, **options)


def same(batch, X, y):
    np.testing.assert_array_equal(batch.X, X)
    np.testing.assert_array_equal(batch.y, y)
    assert batch.X.dtype == batch.y.dtype == X.dtype


# ---- the same values --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_table_is_its_files_value_for_value(tmp_path, kind, dtype):
    """In every way in which rows are read, from files of several batches, of one, and of no rows."""
    _, X, y = write(kind, tmp_path, dtype=dtype)
    rows = opened(kind, tmp_path)
    assert (len(rows), rows.features, rows.dtype) == (142, 3, dtype)
    same(rows, X, y)
    same(rows[:], X, y)
    same(rows[3:141], X[3:141], y[3:141])
    same(rows[140:2:-7], X[140:2:-7], y[140:2:-7])
    same(rows[5:5], X[:0], y[:0])
    numbers = np.random.default_rng(1).integers(0, 142, 300)
    same(rows.take(numbers), X[numbers], y[numbers])
    same(rows.take([]), X[:0], y[:0])
    for number in (0, 99, 100, 136, 137, 141, -1):
        same(rows[number], X[number], y[number])
    for i, (x, response) in enumerate(rows):
        np.testing.assert_array_equal(x, X[i])
        np.testing.assert_array_equal(response, y[i])
    first, second = rows.split(90, 52)
    same(first, X[:90], y[:90])
    same(second.take([0, 51, 20]), X[[90, 141, 110]], y[[90, 141, 110]])
    with pytest.raises(RowNumberError):
        rows.take([142])


def test_rows_that_are_materialised_are_the_same(tmp_path, kind):
    """Held in memory, read-only, known by the same fingerprint; a loader mixes all of them."""
    _, X, y = write(kind, tmp_path)
    rows = opened(kind, tmp_path)
    held = rows.split(30, 112)[1].materialize()
    same(held, X[30:], y[30:])
    same(held.take([3, 1, 100]), X[[33, 31, 130]], y[[33, 31, 130]])
    assert held.materialize() is held
    assert held.fingerprint() == rows.split(30, 112)[1].fingerprint() != rows.fingerprint()
    assert held.split(5, 7)[1].fingerprint() == rows.split(35, 7)[1].fingerprint()
    with pytest.raises(ValueError, match="read-only"):
        held.X[0] = 0
    assert "blocks" not in repr(planted.Loader(held))
    assert repr(held).startswith("<rows: 112 of 3 features, float32, 0.0 MiB in memory")


@hypothesis_settings(max_examples=25)
@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.integers(0, 60), min_size=1, max_size=5),
    st.integers(1, 40),
    st.integers(1, 5),
    st.sampled_from(["float32", "float64"]),
    st.integers(1, 2000),
    st.data(),
)
def test_any_files_in_any_batches_are_the_same_rows(framework, name, sizes, batch, features, dtype, block_bytes, data):
    """However files and batches are cut, and however rows are asked for; blocks of any size are read whole."""
    kind = KINDS[name]
    if kind.library:
        framework(kind.library)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_columns, "BLOCK_BYTES", block_bytes)
        patch.setattr("planted._tables.npy.BLOCK_BYTES", block_bytes)
        patch.setattr("planted._tables.parquet.BLOCK_BYTES", block_bytes)
        patch.setattr(_columns, "COLUMN_BYTES", 1)
        patch.setattr(_columns, "TILE_BYTES", 64)
        patch.setattr(_columns, "GAP_BYTES", data.draw(st.sampled_from([0, 100, 10**6])))
        paths, X, y = write(kind, folder, sizes, batch, features, dtype)
        rows = opened(kind, paths)
        n = len(X)
        numbers = data.draw(st.lists(st.integers(0, n - 1), max_size=80)) if n else []
        same(rows.take(numbers), X[numbers], y[numbers])
        cut = slice(*(data.draw(st.integers(-n - 2, n + 2)) for _ in range(2)), data.draw(st.sampled_from([1, 3, -2])))
        same(rows[cut], X[cut], y[cut])
        first = data.draw(st.integers(0, n))
        for part, at in zip(rows.split(first, n - first), (0, first), strict=True):
            for merged in part.merge_factors:
                blocks = part.partition(merged)
                assert blocks.n == len(part)
                for index in range(len(blocks)):
                    lo, hi = blocks.bounds(index)
                    out = np.empty((hi - lo, features + 1), dtype)
                    part.expect(blocks, np.array([index]))
                    assert part.load(blocks, np.array([index]), out, np.array([0])) == 1
                    np.testing.assert_array_equal(out[:, :-1], X[at + lo : at + hi])
                    np.testing.assert_array_equal(out[:, -1:], y[at + lo : at + hi])


def test_what_planted_writes_is_a_table(tmp_path, framework):
    """The computed rows, read without their manifest."""
    framework("pyarrow")
    rows = planted.regression([1.0, 2.0, 3.0], n=5_000, seed=2)
    columns = {"npy": {"response": -1}, "parquet": {"response": "y"}, "arrow": {"features": ["x"], "response": "y"}}
    for name, wanted in columns.items():
        planted.write(rows, tmp_path / name, format=name, shard_bytes=30_000)
        table = planted.open_table(tmp_path / name, **wanted)
        same(table, rows.X, rows.y)
        assert (len(table.table.parts) > 1) == (name != "parquet")  # whose row groups are of a megabyte


# ---- which files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        lambda folder, kind: folder,
        lambda folder, kind: str(folder),
        lambda folder, kind: f"{folder}/part-*{kind.suffix}",
        lambda folder, kind: f"{folder.parent}/**/part-[a-z]{kind.suffix}",
        lambda folder, kind: sorted(folder.iterdir()),
        lambda folder, kind: (str(path) for path in sorted(folder.iterdir())),
        lambda folder, kind: [folder / f"part-a{kind.suffix}", f"{folder}/part-[bcd]*"],
    ],
)
def test_files_are_named_in_many_ways(tmp_path, kind, name):
    folder = tmp_path / "rows"
    folder.mkdir()
    _, X, y = write(kind, folder)
    same(opened(kind, name(folder, kind)), X, y)


def test_one_file_and_a_list_in_its_own_order(tmp_path, kind):
    paths, X, y = write(kind, tmp_path, (10, 20))
    same(opened(kind, paths[1]), X[10:], y[10:])
    same(opened(kind, str(paths[0])), X[:10], y[:10])
    same(opened(kind, paths[::-1]), np.concatenate([X[10:], X[:10]]), np.concatenate([y[10:], y[:10]]))


def test_files_behind_urls(tmp_path, kind, memory):
    """A file, a folder, a pattern, a list; of this machine too."""
    paths, X, y = write(kind, tmp_path)
    for path in paths:
        memory.pipe_file(f"/bucket/rows/{path.name}", path.read_bytes())
    memory.pipe_file("/bucket/rows/_SUCCESS", b"")
    memory.pipe_file(f"/top{kind.suffix}", paths[0].read_bytes())
    for name in (
        "memory://bucket/rows",
        f"memory://bucket/rows/part-*{kind.suffix}",
        [f"memory://bucket/rows/{path.name}" for path in paths],
        tmp_path.as_uri(),
    ):
        rows = opened(kind, name)
        same(rows, X, y)
        same(pickle.loads(pickle.dumps(rows)).take([141, 3]), X[[141, 3]], y[[141, 3]])
    same(opened(kind, f"memory://top{kind.suffix}"), X[:100], y[:100])
    assert opened(kind, "memory://bucket/rows").readers > 2
    assert "memory://" in repr(opened(kind, "memory://bucket/rows"))


def test_a_file_behind_a_url_that_is_replaced_is_found(tmp_path, memory):
    """Before it is opened again, at the latest; and its fingerprint differs."""
    np.save(tmp_path / "a.npy", np.zeros((9, 2), np.float32))
    memory.pipe_file("/a.npy", (tmp_path / "a.npy").read_bytes())
    rows = planted.open_table("memory://a.npy", response=1)
    memory.pipe_file("/a.npy", (tmp_path / "a.npy").read_bytes())
    with pytest.raises(
        DamagedError, match=r"a\.npy was written to after the table was opened: .* open the table again"
    ):
        rows[:]
    assert planted.open_table("memory://a.npy", response=1).fingerprint() != rows.fingerprint()


def test_what_is_no_rows_in_a_folder_is_left_out(tmp_path):
    """Hidden files, and those of other kinds; with a format, those of the others."""
    X, y = arrays(10)
    KINDS["npy"].write(tmp_path / "a.NPY", X, y, 5)
    shutil.move(tmp_path / "a.NPY.npy", tmp_path / "a.NPY")
    for name in ("_SUCCESS", "._b.npy", "_c.npy", "README.md", "d.sums"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "inner").mkdir()
    same(planted.open_table(tmp_path, response=-1), X, y)
    (tmp_path / "d.parquet").write_bytes(b"x")
    with pytest.raises(InvalidValueError, match=r"a\.NPY and .*d\.parquet are of two formats.*say format="):
        planted.open_table(tmp_path, response=-1)
    same(planted.open_table(tmp_path, response=-1, format="npy"), X, y)


def test_a_format_that_the_name_does_not_tell(tmp_path, kind):
    paths, X, y = write(kind, tmp_path, (10,))
    other = shutil.move(paths[0], tmp_path / "rows.bin")
    with pytest.raises(
        InvalidValueError, match=r"rows\.bin has a name that does not tell its format: say format='npy'"
    ):
        opened(kind, other)
    name = {".npy": "npy", ".pq": "parquet", ".parquet": "parquet"}.get(kind.suffix, "arrow")
    same(opened(kind, other, format=name), X, y)


def test_links_are_followed(tmp_path):
    """As in a cache of downloads, whose files have no names of their own."""
    X, y = arrays(10)
    KINDS["npy"].write(tmp_path / "blob.npy", X, y, 5)
    (tmp_path / "blob.npy").rename(tmp_path / "0123abcd")
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "a.npy").symlink_to(tmp_path / "0123abcd")
    same(planted.open_table(tmp_path / "rows", response=-1), X, y)
    (tmp_path / "rows" / "b.npy").symlink_to("b.npy")
    with pytest.raises(StorageError, match=r"b\.npy"):
        planted.open_table(tmp_path / "rows", response=-1)


@pytest.mark.parametrize(
    ("paths", "options", "error", "message"),
    [
        ("nothing.npy", {}, MissingError, r"nothing\.npy is missing: name files that exist"),
        ("no-*.npy", {}, MissingError, r"no file matches 'no-\*\.npy'"),
        (
            "empty",
            {},
            MissingError,
            r"no file of 'empty' ends in .*\.parquet.*: name the files, .*'rows/\*\*/\*\.parquet'",
        ),
        ([], {}, MissingError, r"paths=\[\] names no files"),
        (["a.npy", "./a.npy", "a.npy"], {}, InvalidValueError, r"a\.npy is named twice"),
        (3, {}, InvalidTypeError, "paths=3 must be a path, a pattern or a URL, or a list of them"),
        (b"a.npy", {}, InvalidTypeError, "paths=b'a.npy' must be a path"),
        ("", {}, InvalidTypeError, "paths='' must be a path"),
        ("a.npy", {"format": "csv"}, InvalidValueError, "format='csv' must be one of 'arrow', 'npy', 'parquet'"),
        ("a.npy", {"dtype": "int8"}, InvalidValueError, "dtype='int8' must be 'float32' or 'float64'"),
        (["a.npy", "pipe.npy"], {}, StorageError, r"pipe\.npy is not a file"),
    ],
)
def test_paths_that_cannot_be_opened(tmp_path, monkeypatch, paths, options, error, message):
    monkeypatch.chdir(tmp_path)
    np.save("a.npy", np.zeros((3, 2)))
    os.mkfifo("pipe.npy")
    Path("empty").mkdir()
    with pytest.raises(error, match=message):
        planted.open_table(paths, response=-1, **options)


def test_urls_that_cannot_be_opened(memory):
    for url in ("memory://nothing.npy", "memory://nothing-*.npy", "memory://"):
        with pytest.raises(MissingError, match="memory://"):
            planted.open_table(url, response=-1)
    with pytest.raises(InvalidValueError, match="nonsense://"):
        planted.open_table("nonsense://a.npy", response=-1)


# ---- which columns ----------------------------------------------------------------------------------------------


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
def test_the_dtype_is_float32_if_that_holds_every_value(tmp_path, framework, suffix, dtype, stored):
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
        pa = framework("pyarrow")
        framework("pyarrow.parquet")
        framework("pyarrow.feather")
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
def test_files_of_different_columns_are_refused(tmp_path, framework, suffix, other, message):
    """The error names both files."""
    for name, types in (("a", {"a": "f4", "y": "f4"}), ("b", {"a": "f4", "y": "f4"}), ("c", other)):
        rows = np.zeros(5, [(key, *([kept] if isinstance(kept, str) else kept)) for key, kept in types.items()])
        if suffix == "npy":
            np.save(tmp_path / f"{name}.npy", rows)
            continue
        pa = framework("pyarrow")
        framework("pyarrow.parquet")
        framework("pyarrow.feather")
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


# ---- nulls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["a", "x", "inner", "y"])
@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
def test_a_null_is_an_error_that_says_where(tmp_path, pa, column, compression, monkeypatch):
    """Arrow's are found when the table is opened, Parquet's when they are read; in columns left out none matters."""
    monkeypatch.setattr("planted._tables.parquet.BLOCK_BYTES", 1)
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
    features = [name for name in ("a", "x", "inner") if name != "y"]
    with pytest.raises(InvalidValueError, match=rf"a\.arrow {message}"):
        planted.open_table(tmp_path / "a.arrow", features=features, response="y")
    rows = planted.open_table(tmp_path / "a.parquet", features=features, response="y")
    rows.take([0, 39 - 20])
    for ask in (lambda: rows[38], lambda: rows.take([3, 45, 25]), lambda: rows.X):
        with pytest.raises(InvalidValueError, match=rf"a\.parquet {message}"):
            ask()
    features.remove(column) if column != "y" else None
    for name in ("a.arrow", "a.parquet"):
        rows = planted.open_table(tmp_path / name, features=features[1:], response="other")
        assert len(rows.X) == n


# ---- Arrow's layout, read here ----------------------------------------------------------------------------------


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
def test_columns_are_found_among_those_of_all_types(framework, data, n, batch, compression, stream):
    """Against pyarrow's own reading."""
    pa = framework("pyarrow")
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


def test_what_a_writer_left_uncompressed_is_taken_as_it_is(pa):
    """It says so by a length of -1; and what follows the values is left out."""
    values = np.arange(5, dtype=np.float32).view(np.uint8)
    for length, content in (
        (-1, values.tobytes() + b"more"),
        (24, pa.Codec("lz4").compress(values.tobytes() + b"more")),
    ):
        raw = np.frombuffer(length.to_bytes(8, "little", signed=True) + bytes(content), np.uint8)
        np.testing.assert_array_equal(_columns.decompressed(raw, 20, "lz4"), values)


def test_a_stream_in_which_compression_changes_is_refused(tmp_path, pa):
    X, y = arrays(50)
    for name, compression in (("a", None), ("b", "lz4")):
        arrow(compression=compression, stream=True).write(tmp_path / f"{name}.arrow", X, y, 50)
    first, second = (tmp_path / f"{name}.arrow" for name in "ab")
    schema = plain(pa, X, y).schema.serialize().size
    first.write_bytes(first.read_bytes()[:-8] + second.read_bytes()[schema:])
    with pytest.raises(DamagedError, match="its batches are compressed in different ways"):
        planted.open_table(first, response="y")


def test_old_feather_and_other_files_are_told_apart(tmp_path, framework):
    framework("pyarrow")
    for content, message in (
        (b"FEA1" + bytes(40), "Feather's version 1: write it again"),
        (b"PAR1" + bytes(40), "is no Arrow IPC file: name another, or say its format="),
        (b"", "is no Arrow IPC file"),
        (b"ARROW1", "is damaged, or of another format: it ends at byte 6.*: it was cut off"),
    ):
        (tmp_path / "a.arrow").write_bytes(content)
        with pytest.raises(DamagedError, match=rf"a\.arrow .*{message}"):
            planted.open_table(tmp_path, response="y")


# ---- little is read, and little is held -------------------------------------------------------------------------


@pytest.fixture
def bytes_read(monkeypatch):
    """A list of what is read of files."""
    found = []
    read = LocalFile.read_into

    def count(self, buffer, offset):
        found.append(memoryview(buffer).nbytes)
        read(self, buffer, offset)

    monkeypatch.setattr(LocalFile, "read_into", count)
    return found


def test_opening_reads_no_rows(tmp_path, kind, bytes_read):
    """And a row, a block."""
    paths, *_ = write(kind, tmp_path, (40_000,), batch=10_000, features=9)
    rows = opened(kind, paths[0])
    size = paths[0].stat().st_size
    assert sum(bytes_read) <= 66_000  # what pyarrow reads at the end of a Parquet file, without asking how much it is
    bytes_read.clear()
    rows[20_000]
    assert 0 < sum(bytes_read) < size / 3


def test_only_columns_that_are_wanted_are_read(tmp_path, pa, bytes_read):
    table = pa.table({f"x{j}": np.random.default_rng(j).random(50_000) for j in range(20)})
    pa.parquet.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    for name, compression in (("a.arrow", "uncompressed"), ("b.arrow", "lz4")):
        pa.feather.write_feather(table, str(tmp_path / name), compression=compression)
    for name in ("a.arrow", "b.arrow", "a.parquet"):
        rows = planted.open_table(tmp_path / name, features=["x3"], response="x17")
        bytes_read.clear()
        same(rows[:], table["x3"].to_numpy()[:, None], table["x17"].to_numpy()[:, None])
        assert sum(bytes_read) < 1.3 * 2 * 50_000 * 8 + 70_000


def test_at_most_so_many_files_are_open(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(_files, "FILES", 3)
    _, X, y = write(kind, tmp_path, (4,) * 12)
    rows = opened(kind, tmp_path)
    order = np.random.default_rng(0).permutation(48)
    for part in np.split(order, 8):
        same(rows.take(part), X[part], y[part])
        assert len(rows.table._files) <= 3


def test_decoded_blocks_are_kept_and_let_go(tmp_path, pa, monkeypatch):
    """Rows that are taken one after another decode a row group once; no more than the limit is kept."""
    kind = KINDS["parquet"]
    _, X, y = write(kind, tmp_path, (200,), batch=20)
    monkeypatch.setattr("planted._tables.parquet.BLOCK_BYTES", 1)
    monkeypatch.setattr(_files, "KEPT_BYTES", 20 * 16 * 3)
    rows = opened(kind, tmp_path)
    reads = []
    read = _files.Table._read
    monkeypatch.setattr(
        _files.Table, "_read", lambda self, lo, hi, out: (reads.append((lo, hi)), read(self, lo, hi, out))
    )
    for i in range(0, 200, 7):
        same(rows[i : i + 7], X[i : i + 7], y[i : i + 7])
        assert len(rows.table._decoded) <= 3
    assert reads == [(i, i + 20) for i in range(0, 200, 20)]


# ---- blocks -----------------------------------------------------------------------------------------------------


def test_blocks_are_of_a_sensible_size(tmp_path, kind):
    """About 64 KiB where any rows can be read, whole batches where they are decoded."""
    write(kind, tmp_path, (30_000, 20_000), batch=6_000, features=15)
    rows = opened(kind, tmp_path)
    blocks = rows.partition()
    sizes = blocks.sizes(np.arange(len(blocks)))
    starts = set(blocks.starts(np.arange(len(blocks))).tolist())
    assert 30_000 in starts
    if rows.table.direct:
        assert 1 << 16 >= sizes.max() * 64 > 1 << 15 or 1 << 18 >= sizes.max() * 64 > 1 << 17  # of each column 16 KiB
    else:
        assert set(sizes.tolist()) == {6_000, 2_000}
    for merged in rows.merge_factors[1:]:
        assert len(rows.partition(merged)) == -(-len(blocks) // merged)
    assert rows.merge_factors[0] == 1


def test_blocks_of_a_part_are_those_of_the_whole(tmp_path, kind, small_blocks):
    """But for the first and the last, which may be cut: no block is read for the sake of two others."""
    for sizes in ((2_000,), (900, 700, 400)):
        paths, *_ = write(kind, tmp_path, sizes, batch=100)
        rows = opened(kind, paths)
        for merged in (1, 4):
            edges = rows.partition(merged).starts(np.arange(len(rows.partition(merged))))
            for first, n in ((0, 1_000), (950, 800), (1_250, 750)):
                blocks = rows.split(first, n)[1].partition(merged)
                starts = blocks.starts(np.arange(len(blocks))) + first
                assert set(starts.tolist()) == {first, *edges[(edges > first) & (edges < first + n)].tolist()}


def test_small_batches_are_read_together(tmp_path, kind, bytes_read):
    """Blocks of a few rows would be many seeks, and little in each; but for Parquet a block is one read or two."""
    write(kind, tmp_path, (5_000,), batch=50)
    rows = opened(kind, tmp_path)
    blocks = rows.partition()
    assert len(blocks) <= 2
    bytes_read.clear()
    rows.load(blocks, np.array([0]), np.empty((blocks.bounds(0)[1], 4), np.float32), np.array([0]))
    assert len(bytes_read) <= 2 or "parquet" in rows.table.places[0].label or kind.suffix == ".pq"


def test_a_list_of_blocks_is_not_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "MOST_BLOCKS", 10)
    monkeypatch.setattr("planted._tables.npy.BLOCK_BYTES", 16)
    _, X, y = write(KINDS["npy"], tmp_path, (150, 57))
    rows = opened(KINDS["npy"], tmp_path)
    assert len(rows.partition()) <= 12
    numbers = np.random.default_rng(0).permutation(207)
    same(rows.take(numbers), X[numbers], y[numbers])


# ---- where rows go ----------------------------------------------------------------------------------------------


@pytest.mark.threads
@pytest.mark.parametrize("memory", ["64MiB", 60_000])
def test_a_loader_gives_each_row_once(tmp_path, kind, memory, small_blocks):
    """Shuffled by blocks, value for value, in one pool or several, over two ranks, again after a resume."""
    _, X, y = write(kind, tmp_path, (3_000, 1_500, 700), batch=64)
    rows = opened(kind, tmp_path)
    loaders = [
        planted.Loader(rows, batch_size=50, with_index=True, memory=memory, seed=4, rank=rank, world_size=2)
        for rank in range(2)
    ]
    plan = plan_pool(rows, loaders[0].memory)
    assert (plan.pool < len(plan.blocks)) == (memory == 60_000)
    for _ in range(2):
        seen = []
        for batch_x, batch_y, numbers in itertools.chain(*loaders):
            np.testing.assert_array_equal(batch_x, X[numbers])
            np.testing.assert_array_equal(batch_y, y[numbers])
            seen.append(numbers)
        seen = np.concatenate(seen)
        assert sorted(seen.tolist()) == list(range(5_200))
        assert (np.diff(seen) == 1).mean() < 0.1
    other = planted.Loader(pickle.loads(pickle.dumps(rows)), batch_size=50, memory=memory, seed=4)
    batches = iter(other)
    list(itertools.islice(batches, 40))
    again = planted.Loader(opened(kind, tmp_path), batch_size=50, memory=memory, seed=4)
    again.load_state_dict(other.state_dict())
    for a, b in zip(batches, again, strict=True):
        same(planted.Batch(*a), *b)


@pytest.mark.threads
def test_a_loader_in_the_order_of_the_files(tmp_path, kind):
    _, X, y = write(kind, tmp_path)
    batches = list(planted.Loader(opened(kind, tmp_path), batch_size=40, shuffle=False))
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in batches]), X)
    np.testing.assert_array_equal(np.concatenate([batch[1] for batch in batches]), y)
    mixed = list(planted.Loader(opened(kind, tmp_path), batch_size=40, shuffle="rows", with_index=True))
    for batch_x, _, numbers in mixed:
        np.testing.assert_array_equal(batch_x, X[numbers])


def test_least_squares_fits_a_table_and_check_has_no_truth(tmp_path, kind):
    _, X, y = write(kind, tmp_path, (500, 300))
    rows = opened(kind, tmp_path)
    estimate = planted.least_squares(rows)
    expected = planted.least_squares((X, y))
    np.testing.assert_allclose(estimate.parameters, expected.parameters, rtol=1e-12)
    for some in (rows, rows.materialize()):
        with pytest.raises(InvalidTypeError, match="has no truth to check against: pass rows made by planted"):
            planted.check(estimate, some)


def test_threads_change_no_value(tmp_path, kind, small_blocks, monkeypatch):
    """Eight threads at once, on a table whose files none has opened yet."""
    _, X, y = write(kind, tmp_path, (900, 400, 300), batch=50)
    rows = opened(kind, tmp_path)
    monkeypatch.setattr(_files, "FILES", 2)
    monkeypatch.setattr(rows.table, "_kept", 2)
    blocks = rows.partition()

    def work(seed):
        numbers = np.random.default_rng(seed)
        for _ in range(12):
            some = numbers.integers(0, 1600, 30)
            same(rows.take(some), X[some], y[some])
            first = int(numbers.integers(0, 1500))
            same(rows[first : first + 99], X[first : first + 99], y[first : first + 99])
            lo, hi = blocks.bounds(index := int(numbers.integers(0, len(blocks))))
            out = np.empty((hi - lo, 4), np.float32)
            rows.load(blocks, np.array([index]), out, np.array([0]))
            np.testing.assert_array_equal(out, np.column_stack([X, y])[lo:hi])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))


def test_a_fork_while_a_block_is_decoded_does_not_hang(tmp_path, pa):
    """The thread that was to read it is not in the child."""
    _, X, y = write(KINDS["parquet"], tmp_path, (50,))
    rows = opened(KINDS["parquet"], tmp_path)
    rows.table._decoded[0] = Future()
    rows.table._process = -1
    same(rows[3:9], X[3:9], y[3:9])


def test_an_error_in_decoding_is_not_kept(tmp_path, pa, monkeypatch):
    """What is mended is read."""
    _, X, y = write(KINDS["parquet"], tmp_path, (50,))
    rows = opened(KINDS["parquet"], tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(LocalFile, "read_into", lambda *_: (_ for _ in ()).throw(StorageError("the disk is gone")))
        with pytest.raises(StorageError, match="the disk is gone"):
            rows[3:9]
    same(rows[3:9], X[3:9], y[3:9])


# ---- what a table is known by -----------------------------------------------------------------------------------


def test_the_fingerprint_follows_the_files_and_the_columns(tmp_path, kind):
    paths, X, y = write(kind, tmp_path)
    rows = opened(kind, tmp_path)
    assert rows == opened(kind, paths) != opened(kind, paths[:2])
    assert hash(rows) == hash(opened(kind, paths))
    assert rows != rows.split(100)[0] != rows.split(1, 100)[1]
    assert rows.fingerprint() != opened(kind, tmp_path, dtype="float64").fingerprint()
    assert rows != 3
    moved = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-moved")  # keeps the times
    assert opened(kind, moved).fingerprint() == rows.fingerprint()
    kind.write(paths[1], X[100:137] + 1, y[100:137], 16)
    os.utime(paths[1], ns=(0, 12345))
    assert opened(kind, tmp_path).fingerprint() != rows.fingerprint()
    if kind.suffix != ".npy":
        return
    columns = dict(kind.columns)
    other = {**columns, "features": [0, 2] if columns["response"] == -1 else []}
    if other["features"]:
        assert planted.open_table(moved, **other).fingerprint() != opened(kind, moved).fingerprint()


def test_a_table_can_be_pickled(tmp_path, kind):
    _, X, y = write(kind, tmp_path)
    rows = opened(kind, tmp_path).split(100, 42)[1]
    rows[0]
    again = pickle.loads(pickle.dumps(rows))
    assert again == rows
    same(again, X[100:], y[100:])


def test_a_table_shows_what_it_is(tmp_path):
    paths, *_ = write(KINDS["npy"], tmp_path)
    rows = opened(KINDS["npy"], tmp_path)
    assert repr(rows) == f"<rows: 142 of 3 features and 3, float32, in 3 files, the first {str(paths[0])!r}>"
    assert repr(opened(KINDS["npy"], paths[1]).split(5, 9)[1]).startswith(
        "<rows: 9 of 3 features and 3, start=5, float32, in '"
    )
    page = rows._repr_html_()
    assert "of 142 rows" in page
    assert "<th>x2</th>" in page
    assert "blocks" in repr(planted.Loader(rows))


# ---- what goes wrong --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["append", "cut", "touch"])
def test_a_file_that_is_written_to_is_noticed_when_it_is_read(tmp_path, kind, how, small_blocks):
    """Whether it is open at that time or not."""
    for before in (False, True):
        paths, *_ = write(kind, tmp_path, (200, 300), batch=30)
        os.utime(paths[1], ns=(1, 1))
        rows = opened(kind, tmp_path)
        if before:
            rows[300:420]
        if how == "append":
            with paths[1].open("ab") as file:
                file.write(b"more")
        elif how == "cut":
            os.truncate(paths[1], paths[1].stat().st_size - 700)
        else:
            os.utime(paths[1], ns=(2, 2))
        assert len(rows[:180].X) == 180
        for ask in (np.arange(450, 500), [490, 3], range(500)):
            with pytest.raises(DamagedError, match=r"part-b.* was written to after the table was opened: .* open the"):
                rows.take(ask)


def test_a_file_that_is_gone(tmp_path, kind):
    paths, *_ = write(kind, tmp_path, (20, 30))
    rows = opened(kind, tmp_path)
    paths[1].unlink()
    with pytest.raises(MissingError, match=r"part-b.* is missing"):
        rows[:]
    with pytest.raises(MissingError, match=r"part-b.* is missing"):
        opened(kind, paths)


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, kind):
    paths, *_ = write(kind, tmp_path, (60,))
    whole = paths[0].read_bytes()
    for size in [*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
        paths[0].write_bytes(whole[:size])
        with pytest.raises(DamagedError, match="part-a"):
            opened(kind, tmp_path)[:]


def test_a_file_of_another_format_is_refused(tmp_path, kind):
    paths, *_ = write(kind, tmp_path, (60,))
    for content in (b"", b"\0" * 500, b"%PDF-1.4 nothing here" * 30, np.random.default_rng(0).bytes(3000)):
        paths[0].write_bytes(content)
        with pytest.raises(DamagedError, match=r"part-a\S* "):
            opened(kind, tmp_path)


def test_a_changed_byte_is_an_error_or_other_rows(tmp_path, kind):
    """Never a crash, a hang, much memory, or an exception of anybody else's; what is printed tells the seed."""
    seed = int.from_bytes(os.urandom(4), "little")
    print(f"seed {seed}")  # noqa: T201 -- shown where the test fails
    random = np.random.default_rng(seed)
    paths, *_ = write(kind, tmp_path, (40,), batch=15)
    whole, named = paths[0].read_bytes(), set()
    for at in random.permutation(len(whole))[:150].tolist():
        changed = bytearray(whole)
        changed[at] ^= int(random.integers(1, 256))
        paths[0].write_bytes(changed)
        try:
            rows = opened(kind, tmp_path)
            assert len(rows) <= 1 << 20 * len(whole)
            X, y = rows[:1000]
            assert len(X) == len(y) == min(len(rows), 1000)
            rows.take([len(rows) - 1, 0] if len(rows) else [])
        except planted.PlantedError as error:
            named.add("part-a" in str(error))
    assert named == {True}


@pytest.mark.parametrize(
    "shape", [(10**18, 3), (2**62, 3), (2**63, 3), (3, 10**18), (0, 10**18), (-1, 3), (2, 3.5), "no"]
)
def test_a_header_that_claims_too_much_is_refused(tmp_path, shape):
    """Before anything of that size is made."""
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape!r}, }}".encode().ljust(117) + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))
    with pytest.raises((DamagedError, InvalidValueError), match=r"a\.npy"):
        planted.open_table(tmp_path, response=0)


@pytest.mark.parametrize(
    "text",
    [
        "{'descr': '|O', 'fortran_order': False, 'shape': (8, 2)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (8, 2)}",
        "{'descr': '<f4', 'shape': (8, 2)}",
        "{'descr': [('a', '<f4'), ('a', '<f4')], 'fortran_order': False, 'shape': (8,)}",
        "{'descr': {'names': []}, 'fortran_order': False, 'shape': (8, 2)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 2)}",
        "__import__('os').system('echo')",
        "(" * 5000,
        "-" * 5000 + "1",
        "'\\",
        "",
    ],
)
def test_a_header_is_a_literal_and_no_more(tmp_path, text):
    content = text.encode() + b"\n"
    (tmp_path / "a.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(content).to_bytes(2, "little") + content + bytes(64))
    with pytest.raises((DamagedError, InvalidValueError), match=r"a\.npy"):
        planted.open_table(tmp_path, response=0)


def test_batches_that_claim_too_much_are_refused(tmp_path, pa):
    """Of a batch of 1000 rows each number that says so is made large: nothing of that size is made."""
    for kind in (KINDS["arrow"], KINDS["arrow-zstd"], KINDS["arrow-stream"], KINDS["parquet-plain"]):
        paths, *_ = write(kind, tmp_path, (1000,), batch=1000)
        whole = paths[0].read_bytes()
        for number, size in ((1000, 8), (4000, 8), (1000, 2)):
            for large in (2**62, 2**47, 2**31 - 1, 2**15 - 1):
                if large >= 1 << 8 * size - 1:
                    continue
                paths[0].write_bytes(whole.replace(number.to_bytes(size, "little"), large.to_bytes(size, "little")))
                with contextlib.suppress(planted.PlantedError):
                    assert len(opened(kind, paths[0])[:2000].X) <= 2000
        paths[0].unlink()


def test_numbers_of_a_batch_that_contradict_each_other_are_refused(tmp_path, pa):
    """Each by itself: how many rows there are, how many bytes, and how many when they are not compressed any more."""
    for kind in (KINDS["arrow"], arrow(compression="lz4"), KINDS["arrow-zstd"], KINDS["arrow-stream"]):
        (path,), *_ = write(kind, tmp_path, (1000,), batch=1000)
        whole = path.read_bytes()
        minus_one = 2**64 - 1  # of bytes that are compressed it says that they are not
        others = {1000: (500, 2**40, 2**63 - 1, minus_one), 4000: (2**40, 2**63 - 1)}
        if kind in (KINDS["arrow"], KINDS["arrow-stream"]):
            others[4000] += (minus_one,)
        found = [
            (at, other)
            for at in range(0, len(whole) - 8, 8)
            for other in others.get(int.from_bytes(whole[at : at + 8], "little"), ())
        ]
        assert len(found) >= 20  # of the batch and its four columns
        for at, other in found:
            path.write_bytes(whole[:at] + other.to_bytes(8, "little") + whole[at + 8 :])
            with pytest.raises(DamagedError, match=r"part-a\S* is damaged"):
                opened(kind, path)[:]
        path.unlink()


@pytest.mark.parametrize(("compression", "rows"), [(None, 1001), ("lz4", 1 << 23), ("zstd", 1 << 30)])
def test_a_batch_that_has_more_rows_than_its_bytes_can_hold(tmp_path, pa, compression, rows):
    """All numbers agree on how many there are."""
    kind = arrow(compression=compression)
    (path,), *_ = write(kind, tmp_path, (1000,), batch=1000)
    path.write_bytes(path.read_bytes().replace((1000).to_bytes(8, "little"), rows.to_bytes(8, "little")))
    with pytest.raises(DamagedError, match=r"part-a\S* is damaged.*fewer values than its batch"):
        opened(kind, path)


# ---- what is not installed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.arrow", "a.parquet"])
def test_without_pyarrow_the_error_says_what_to_install(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"anything")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingDependencyError, match=r"needs pyarrow, which is not installed: pip install 'planted\[arrow\]'"
    ):
        planted.open_table(tmp_path / name, response="y")


def test_without_fsspec_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        MissingDependencyError, match=r"needs fsspec, which is not installed: pip install 'planted\[remote\]'"
    ):
        planted.open_table("memory://a.npy", response=0)


def test_npy_files_need_no_library(tmp_path):
    """Nor do Arrow's and Parquet's need pandas, which pyarrow likes to import."""
    np.save(tmp_path / "a.npy", np.zeros((10, 3), np.float32))
    code = f"""
import sys, planted
planted.open_table({str(tmp_path)!r}, response=0)[2:5]
print(sorted({{"pyarrow", "fsspec", "pandas", "numba"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_arrow_and_parquet_do_not_import_pandas(tmp_path, pa):
    for kind in ("arrow-lz4", "parquet-lists"):
        write(KINDS[kind], tmp_path, (20,))
    code = f"""
import sys, planted
for name in ("part-a.feather", "part-a.parquet"):
    planted.open_table({str(tmp_path)!r} + "/" + name, features=["x"], response="y")[2:5]
print(sorted({{"fsspec", "pandas", "numba"}} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
