"""Which files are meant: paths, folders, patterns, URLs, links, and what is not installed."""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from table_files import KINDS, arrays, opened, same, write

import planted
from planted.errors import (
    DamagedError,
    InvalidTypeError,
    InvalidValueError,
    MissingDependencyError,
    MissingError,
    StorageError,
)


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
    name = {".npy": "npy", ".csv": "csv", ".pq": "parquet", ".parquet": "parquet"}.get(kind.suffix, "arrow")
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
        (np.zeros((3, 2)), {}, InvalidTypeError, r"type ndarray is no path, .*planted.Loader\(\(X, y\)\) reads arrays"),
        ("a.npy", {"format": "CSV"}, InvalidValueError, "format='CSV' must be one of 'arrow', 'csv', .*: use 'csv'"),
        ("a.npy", {"format": "pq"}, InvalidValueError, "'npy', 'parquet': use 'parquet'"),
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


# ---- what is not installed -------------------------------------------------------------------------------------


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


# ---- what a newcomer types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("a.npz", r"save its arrays one by one, with numpy\.save"),
        ("a.xlsx", "save it as CSV"),
        ("a.csv.gz", "unpack it first"),
        ("a.tsv", r"write it with commas, as \.csv"),
        ("a.json", "write it as CSV or Parquet"),
        ("a.dat", r"say format='npy', 'arrow', 'parquet' or 'csv'"),
    ],
)
def test_formats_that_are_not_read_are_told_what_to_do(tmp_path, name, instead):
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InvalidValueError, match=rf"{name} has a name that does not tell its format: {instead}"):
        planted.open_table(tmp_path / name, response="y")


@pytest.mark.parametrize(
    ("response", "message"),
    [
        ("Price", r"has no column 'Price': use 'price', or another of 'rooms', 'area', 'price'"),
        ("pirce", r"has no column 'pirce': use 'price', or another of"),
        ("q" * 200, r"has no column 'qqq.{10,40}q': name one of 'rooms', 'area', 'price'$"),
        (-1, r"-1 must be the name of a column: .* has 'rooms', 'area', 'price'"),
    ],
)
def test_the_nearest_column_is_named(tmp_path, library, response, message):
    library("pyarrow.csv")
    (tmp_path / "houses.csv").write_text("rooms,area,price\n1,2,3\n")
    with pytest.raises(planted.PlantedError, match=message):
        planted.open_table(tmp_path / "houses.csv", response=response)


def test_a_folder_of_planted_rows_names_the_function_that_knows_their_truth(tmp_path, library):
    library("pyarrow")
    rows = planted.regression([2.0, -3.4], 4.2, n=100)
    planted.write(rows, tmp_path / "a", format="parquet")
    assert len(planted.open_table(tmp_path / "a", response="y")) == 100
    with pytest.raises(InvalidValueError, match=r"has no column 'z': .*; planted\.open reads .*with their truth"):
        planted.open_table(tmp_path / "a", response="z")
    planted.write(rows, tmp_path / "b")
    with pytest.raises(planted.PlantedError, match=r"'y' is no column .*; planted\.open reads .*with their truth"):
        planted.open_table(tmp_path / "b", response="y")
    for path in (tmp_path / "b").glob("rows-*"):
        path.unlink()
    with pytest.raises(MissingError, match=r"no file of .* ends in"):
        planted.open_table(tmp_path / "b", response="y")
