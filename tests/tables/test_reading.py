"""Columns of other people's files as rows, value for value; little is read, and little is held."""

import itertools
import os
import pickle
import shutil
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from table_files import KINDS, opened, same, write

import planted
from planted._order import plan_pool
from planted._tables import part as _part
from planted._tables import reader as _reader
from planted.errors import (
    InvalidTypeError,
    RowNumberError,
    StorageError,
)


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
    assert repr(held).startswith("<rows: 112 of 3 features, float32, 2 KiB in memory")


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
def test_any_files_in_any_batches_are_the_same_rows(library, name, sizes, batch, features, dtype, block_bytes, data):
    """However files and batches are cut, and however rows are asked for; blocks of any size are read whole."""
    kind = KINDS[name]
    if kind.library:
        library(kind.library)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(_part, "BLOCK_BYTES", block_bytes)
        patch.setattr("planted._tables.npy.BLOCK_BYTES", block_bytes)
        patch.setattr("planted._tables.columnar.BLOCK_BYTES", block_bytes)
        patch.setattr(_part, "COLUMN_BYTES", 1)
        patch.setattr(_part, "TILE_BYTES", 64)
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
                    part.readahead(blocks, np.array([index]))
                    assert part.load(blocks, np.array([index]), out, np.array([0])) == 1
                    np.testing.assert_array_equal(out[:, :-1], X[at + lo : at + hi])
                    np.testing.assert_array_equal(out[:, -1:], y[at + lo : at + hi])


def test_what_planted_writes_is_a_table(tmp_path, library):
    """The computed rows, read without their manifest."""
    library("pyarrow")
    rows = planted.regression([1.0, 2.0, 3.0], n=5_000, seed=2)
    columns = {"npy": {"response": -1}, "parquet": {"response": "y"}, "arrow": {"features": ["x"], "response": "y"}}
    for name, wanted in columns.items():
        planted.write(rows, tmp_path / name, format=name, shard_bytes=30_000)
        table = planted.open_table(tmp_path / name, **wanted)
        same(table, rows.X, rows.y)
        assert (len(table.table.parts) > 1) == (name != "parquet")  # whose row groups are of a megabyte


# ---- little is read, and little is held ------------------------------------------------------------------------


def test_opening_reads_no_rows(tmp_path, kind, bytes_read):
    """And a row, a block. Of CSV all is read, once."""
    paths, *_ = write(kind, tmp_path, (40_000,), batch=10_000, features=9)
    opened(kind, paths[0])[0]  # libraries are loaded
    size = paths[0].stat().st_size
    bytes_read()
    rows = opened(kind, paths[0])
    most = 70_000  # what pyarrow reads at the end of a Parquet file, without asking how much it is
    assert bytes_read() <= (size + 900_000 if kind.suffix == ".csv" else most)
    rows[20_000]
    assert 0 < bytes_read() < size / 3


def test_only_columns_that_are_wanted_are_read(tmp_path, pa, bytes_read):
    table = pa.table({f"x{j}": np.random.default_rng(j).random(50_000) for j in range(20)})
    pa.parquet.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    for name, compression in (("a.arrow", "uncompressed"), ("b.arrow", "lz4")):
        pa.feather.write_feather(table, str(tmp_path / name), compression=compression)
    for name in ("a.arrow", "b.arrow", "a.parquet"):
        rows = planted.open_table(tmp_path / name, features=["x3"], response="x17")
        rows[0]
        rows = planted.open_table(tmp_path / name, features=["x3"], response="x17")
        bytes_read()
        same(rows[:], table["x3"].to_numpy()[:, None], table["x17"].to_numpy()[:, None])
        assert 2 * 50_000 * 8 * 0.5 < bytes_read() < 1.3 * 2 * 50_000 * 8 + 70_000


def test_at_most_so_many_files_are_open(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(_reader, "FILES", 3)
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
    monkeypatch.setattr("planted._tables.columnar.BLOCK_BYTES", 1)
    monkeypatch.setattr(_reader, "KEPT_BYTES", 20 * 16 * 3)
    rows = opened(kind, tmp_path)
    reads = []
    read = _reader.TableReader._read
    monkeypatch.setattr(
        _reader.TableReader, "_read", lambda self, lo, hi, out: (reads.append((lo, hi)), read(self, lo, hi, out))
    )
    for i in range(0, 200, 7):
        same(rows[i : i + 7], X[i : i + 7], y[i : i + 7])
        assert len(rows.table._decoded) <= 3
    assert reads == [(i, i + 20) for i in range(0, 200, 20)]


# ---- blocks ----------------------------------------------------------------------------------------------------


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
    elif kind.suffix == ".csv":
        assert 1_000 < np.median(sizes) < 2_000  # 256 KiB of text
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


def test_small_batches_are_read_together(tmp_path, kind):
    """Blocks of a few rows would be many seeks, and little in each."""
    _, X, y = write(kind, tmp_path, (5_000,), batch=50)
    rows = opened(kind, tmp_path)
    blocks = rows.partition()
    assert len(blocks) <= 2
    out = np.empty((blocks.bounds(0)[1], 4), np.float32)
    rows.load(blocks, np.array([0]), out, np.array([0]))
    np.testing.assert_array_equal(out, np.column_stack([X, y])[: len(out)])


def test_a_list_of_blocks_is_not_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(_reader, "MOST_BLOCKS", 10)
    monkeypatch.setattr("planted._tables.npy.BLOCK_BYTES", 16)
    _, X, y = write(KINDS["npy"], tmp_path, (150, 57))
    rows = opened(KINDS["npy"], tmp_path)
    assert len(rows.partition()) <= 12
    numbers = np.random.default_rng(0).permutation(207)
    same(rows.take(numbers), X[numbers], y[numbers])


# ---- where rows go ---------------------------------------------------------------------------------------------


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
        with pytest.raises(InvalidTypeError, match="has no truth to check against: pass "):
            planted.check(estimate, some)


def test_threads_change_no_value(tmp_path, kind, small_blocks, monkeypatch):
    """Eight threads at once, on a table whose files none has opened yet."""
    _, X, y = write(kind, tmp_path, (900, 400, 300), batch=50)
    rows = opened(kind, tmp_path)
    monkeypatch.setattr(_reader, "FILES", 2)
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
    rows.table._decoded._futures[0] = Future()
    rows.table._decoded._process = -1
    same(rows[3:9], X[3:9], y[3:9])


def test_an_error_in_decoding_is_not_kept(tmp_path, pa, monkeypatch):
    """What is mended is read."""

    def broken(*_):
        raise StorageError("the disk is gone")

    _, X, y = write(KINDS["parquet"], tmp_path, (50,))
    rows = opened(KINDS["parquet"], tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("planted._tables.columnar.RowGroups._unit", broken)
        with pytest.raises(StorageError, match="the disk is gone"):
            rows[3:9]
    same(rows[3:9], X[3:9], y[3:9])


# ---- what a table is known by ----------------------------------------------------------------------------------


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
