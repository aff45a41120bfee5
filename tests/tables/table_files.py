"""Files of every kind that a table may be of, and the rows that are written into them."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import planted
from planted._tables.columnar import CHECKING


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


def delimited():
    """Numbers as NumPy writes them, the shortest that are read back; which type they were of, the reader must know."""
    columns = {"response": "y"}

    def write(path, X, y, batch):
        columns["dtype"] = X.dtype.name
        names = [*(f"x{j}" for j in range(X.shape[1])), "y"]
        lines = [names, *(map(str, row) for row in np.column_stack([X, y]))]
        Path(path).write_text("".join(",".join(line) + "\n" for line in lines))

    return SimpleNamespace(suffix=".csv", write=write, columns=columns, library="pyarrow.csv")


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
    "csv": delimited(),
}


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
    return planted.open_table(paths, **{**kind.columns, **options})


def same(batch, X, y):
    np.testing.assert_array_equal(batch.X, X)
    np.testing.assert_array_equal(batch.y, y)
    assert batch.X.dtype == batch.y.dtype == X.dtype
