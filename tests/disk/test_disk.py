"""Rows on disk: the same values as computed, in files that others read too, opened by the manifest alone."""

import ctypes
import io
import itertools
import json
import mmap
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from folders import assert_same_rows, contents
from hypothesis import given
from hypothesis import strategies as st

import planted
from planted._disk.formats import BLOCK_BYTES, RangeFile, Segments, decode, encoded
from planted._disk.shards import Shards, drop_oldest
from planted._disk.storage import LocalFolder, are_cached, read_pieces
from planted._order import BlockOrder, plan_pool
from planted.errors import DamagedError, ExistsError, InvalidTypeError, MissingDependencyError, MissingError

TRUTH = planted.LinearTruth([2.0, -3.4, 0.5], 4.2, 0.01)
read_rows = Shards.read

pytestmark = pytest.mark.usefixtures("small_blocks")


def shards(folder, suffix):
    return sorted(Path(folder).glob(f"*.{suffix}"))


# ---- the same rows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_disk_is_computed_value_for_value(tmp_path, file_format, dtype):
    """In every way in which rows are read."""
    computed = planted.rows(TRUTH, 5_000, seed=2**70, salt="é", dtype=dtype)
    disk = planted.write(computed, tmp_path / "a", format=file_format, shard_bytes=20_000)
    assert len(shards(tmp_path / "a", file_format)) > 3
    for rows in (disk, planted.open(tmp_path / "a"), planted.open(str(tmp_path / "a"), verify=False)):
        assert_same_rows(rows, computed)
        assert_same_rows(rows[17:4001], computed[17:4001])
        assert_same_rows(rows[4900:3:-7], computed[4900:3:-7])
        assert_same_rows(rows[0:0], computed[0:0])
        numbers = np.random.default_rng(0).integers(0, 5_000, 777)
        assert_same_rows(rows.take(numbers), computed.take(numbers))
        assert_same_rows(rows.take([]), computed.take([]))
        for one in (0, 4_999, -1, 60, 61, 62):
            assert_same_rows(rows[one], computed[one])
        for (x, y), (cx, cy) in itertools.islice(zip(rows, computed, strict=True), 100):
            np.testing.assert_array_equal(x, cx)
            np.testing.assert_array_equal(y, cy)
        assert_same_rows(rows.materialize(), computed)
        assert rows.materialize() == computed.materialize()
        assert (len(rows), rows.features, rows.dtype, rows.seed, rows.salt) == (5_000, 3, dtype, 2**70, "é")
        assert rows.truth == TRUTH
        assert rows.fingerprint() == computed.fingerprint()
        assert rows == disk
        assert hash(rows) == hash(disk)
        assert "<td>4999</td>" not in rows._repr_html_()
        assert_same_rows(pickle.loads(pickle.dumps(rows)), computed)


def test_views_begin_and_end_within_blocks(tmp_path, file_format):
    """What is written may be a part of longer rows, and what is read a part of what was written."""
    whole = planted.rows(TRUTH, 10_000)
    _, middle, _ = whole.split(1_234, 5_000, 1_000)
    disk = planted.write(middle, tmp_path, format=file_format, shard_bytes=20_000)
    assert disk.start == 1_234
    assert_same_rows(disk, middle)
    a, b, c = disk.split(1, 3_210, 1_000)
    for part, expected in zip((a, b, c), middle.split(1, 3_210, 1_000), strict=True):
        assert_same_rows(part, expected)
        assert_same_rows(part[1::3], expected[1::3])
        assert part.fingerprint() == expected.fingerprint()
    assert_same_rows(b.split(100, 50)[1], middle[101:151])
    with pytest.raises(planted.PlantedError, match=r"outside \[0, 3210\)"):
        b.take([3_210])


@given(n=st.integers(0, 400), shard=st.integers(1, 9_000), view=st.data(), wide=st.sampled_from([1, 5, 400]))
def test_any_cut_into_shards_and_blocks(tmp_path_factory, n, shard, view, wide):
    rows = planted.regression(planted.weights(wide), n=n, seed=n)
    disk = planted.write(rows, tmp_path_factory.mktemp("cut"), shard_bytes=shard)
    lo = view.draw(st.integers(0, n))
    hi = view.draw(st.integers(lo, n))
    assert_same_rows(disk[lo:hi], rows[lo:hi])
    part = disk.split(lo, hi - lo)[1]
    assert_same_rows(part, rows[lo:hi])
    blocks = part.partition()
    indices, arena, at = np.arange(len(blocks)), np.empty((hi - lo, wide + 1), np.float32), 0
    while at < len(blocks):  # in the order of their numbers, so that they come to lie as in the file
        at += part.load(blocks, indices[at:], arena, blocks.starts(indices[at:]))
    np.testing.assert_array_equal(arena, np.hstack(rows[lo:hi]))


def test_rows_from_memory_and_disk_are_written_alike(tmp_path):
    """They are known by their truth, so it is the same folder, wherever they are kept."""
    rows = planted.rows(TRUTH, 1_000)
    disk = planted.write(rows, tmp_path / "computed")
    planted.write(rows.materialize(), tmp_path / "memory")
    planted.write(disk, tmp_path / "disk")
    assert contents(tmp_path / "computed") == contents(tmp_path / "memory") == contents(tmp_path / "disk")


def test_the_bytes_do_not_depend_on_the_cores(tmp_path, monkeypatch, file_format):
    rows = planted.rows(TRUTH, 3_000)
    planted.write(rows, tmp_path / "two", format=file_format, shard_bytes=10_000)
    monkeypatch.setattr(planted._disk.writer, "cores", lambda: 1)
    monkeypatch.setattr(planted._disk.writer, "AHEAD", 0)
    planted.write(rows, tmp_path / "one", format=file_format, shard_bytes=10_000)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


# ---- files for others -------------------------------------------------------------------------------------------


def test_numpy_opens_the_shards(tmp_path):
    rows = planted.rows(TRUTH, 2_000)
    planted.write(rows, tmp_path, shard_bytes=10_000)
    files = shards(tmp_path, "npy")
    values = np.concatenate([np.load(file, allow_pickle=False) for file in files])
    np.testing.assert_array_equal(values, np.hstack(rows[:]))
    mapped = np.load(files[0], mmap_mode="r")
    assert mapped.flags.c_contiguous
    assert mapped.offset % 64 == 0


def test_pyarrow_opens_the_arrow_files(tmp_path, library):
    pa = library("pyarrow")
    rows = planted.rows(TRUTH, 2_000)
    planted.write(rows, tmp_path, format="arrow", shard_bytes=10_000)
    tables = [pa.ipc.open_file(file).read_all() for file in shards(tmp_path, "arrow")]
    table = pa.concat_tables(tables)
    assert table.schema.field("x").type == pa.list_(pa.float32(), 3)
    X = table["x"].combine_chunks().flatten().to_numpy().reshape(-1, 3)
    np.testing.assert_array_equal(X, rows.X)
    np.testing.assert_array_equal(table["y"].to_numpy(), rows.y[:, 0])


def test_pyarrow_opens_the_parquet_files(tmp_path, library, monkeypatch):
    """Plain columns, one a feature, without a dictionary, which would inflate random numbers."""
    library("pyarrow")
    parquet = library("pyarrow.parquet")
    rows = planted.rows(TRUTH, 20_000, dtype="float64")
    monkeypatch.setitem(BLOCK_BYTES, "parquet", 1 << 17)
    planted.write(rows, tmp_path, format="parquet", shard_bytes=300_000)
    files = shards(tmp_path, "parquet")
    table = parquet.ParquetDataset(files).read()
    assert table.column_names == ["x0", "x1", "x2", "y"]
    np.testing.assert_array_equal(np.column_stack([table[f"x{j}"] for j in range(3)]), rows.X)
    np.testing.assert_array_equal(table["y"].to_numpy(), rows.y[:, 0])
    columns = parquet.ParquetFile(files[0]).metadata.row_group(0)
    for j in range(4):
        assert columns.column(j).compression == "UNCOMPRESSED"
        assert not columns.column(j).has_dictionary_page
    assert len(files) == 3
    assert sum(file.stat().st_size for file in files) < 1.05 * 20_000 * 32


def test_the_manifest_says_what_it_takes_to_make_the_rows_again(tmp_path):
    rows = planted.rows(TRUTH, 2_000, seed=2**80, salt="s").split(1_000, 500)[1]
    planted.write(rows, tmp_path)
    told = json.loads((tmp_path / "manifest.json").read_text())
    truth = planted.LinearTruth.from_dict(told["truth"])
    again = planted.rows(truth, told["start"] + told["rows"], seed=int(told["seed"], 16), salt=told["salt"])
    assert_same_rows(again[told["start"] :], rows)


# ---- opening ----------------------------------------------------------------------------------------------------


def test_opening_reads_the_manifest_and_nothing_else(tmp_path, monkeypatch):
    planted.write(planted.rows(TRUTH, 2_000), tmp_path, shard_bytes=10_000)
    opened = []
    plain = LocalFolder.open
    monkeypatch.setattr(LocalFolder, "open", lambda self, name: opened.append(name) or plain(self, name))
    disk = planted.open(tmp_path)
    assert len(disk) == 2_000
    loader = planted.Loader(disk.split(1_000, 500)[1], 32)
    repr(loader)
    loader.state_dict()
    assert opened == ["manifest.json"]
    disk[0]
    assert opened == ["manifest.json", "rows-00000000.npy", "rows-00000000.sums"]


def test_only_so_many_files_are_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(planted._disk.shards, "FILES", 3)
    monkeypatch.setattr(planted._disk.shards, "TABLES", 2)
    rows = planted.rows(TRUTH, 3_000)
    disk = planted.write(rows, tmp_path, shard_bytes=2_000)
    assert len(shards(tmp_path, "npy")) > 10
    assert_same_rows(disk, rows)
    assert_same_rows(disk.take(np.arange(2_999, -1, -1)), rows[::-1])
    assert len(disk.shards._files) <= 3
    assert len(disk.shards._tables) <= 2
    if Path("/proc/self/fd").exists():
        still = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert sum(str(tmp_path) in path for path in still) <= 3


def test_threads_drop_the_oldest_entries_of_one_cache():
    """At once, and whenever they like: none finds it changed under its feet."""
    kept = {}

    def work(first):
        for i in range(first, 40_000, 8):
            kept[i] = i
            drop_oldest(kept, 3)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(8)))
    finally:
        sys.setswitchinterval(before)
    assert len(kept) == 3
    drop_oldest(kept, 0)
    assert kept == {}


needs_pread = pytest.mark.skipif(not hasattr(os, "preadv"), reason="pieces are read one by one here")


def open_pieces(folder, count, seed):
    """A file of random bytes, opened twice, and some pieces of it."""
    content = np.random.default_rng(seed).integers(0, 256, 1 << 20, np.uint8)
    content.tofile(folder / "bytes")
    random = np.random.default_rng(seed + 1)
    files = [LocalFolder(folder).open("bytes") for _ in range(2)]
    offsets, sizes = random.integers(0, 900_000, count), random.integers(0, 70_000, count)
    return content, [files[k % 2] for k in range(count)], offsets, sizes


@needs_pread
def test_pieces_are_read_into_their_places(tmp_path):
    """At the places given, and nowhere else; up to the first that the file has not whole, which is for `read_into`."""
    content, files, offsets, sizes = open_pieces(tmp_path, 20, seed=1)
    starts = np.cumsum(sizes + 3)
    for cut in (None, 0, 7, 19):
        if cut is not None:
            offsets[cut], sizes[cut] = content.size - 5, 6
        out = np.zeros(starts[-1] + 70_000, np.uint8)
        read = read_pieces(files, offsets, sizes, out.ctypes.data + starts)
        assert read == (20 if cut is None else cut)
        expected = np.zeros_like(out)
        for k in range(read):
            expected[starts[k] : starts[k] + sizes[k]] = content[offsets[k] : offsets[k] + sizes[k]]
        after = out.size if cut is None else starts[cut]
        np.testing.assert_array_equal(out[:after], expected[:after])
        offsets, sizes = np.sort(offsets) // 2, sizes // 2
    with pytest.raises(DamagedError, match="ends at byte 1048576, within its rows"):
        files[0].read_into(bytearray(6), content.size - 5)


def test_pieces_of_files_without_a_descriptor_are_for_others(tmp_path):
    _, files, offsets, sizes = open_pieces(tmp_path, 2, seed=2)
    other = SimpleNamespace(descriptor=None)
    assert read_pieces([files[0], other], offsets, sizes, offsets) == 0
    assert not are_cached([files[0], other], offsets)


def resident(path):
    """Which pages of a file are in the system's cache; to ask does not bring them there."""
    size = path.stat().st_size
    with path.open("r+b") as file, mmap.mmap(file.fileno(), size, mmap.MAP_PRIVATE) as pages:
        found = np.zeros(-(-size // mmap.PAGESIZE), np.uint8)
        hold = (ctypes.c_char * size).from_buffer(pages)
        given = ctypes.c_void_p(ctypes.addressof(hold)), ctypes.c_size_t(size), ctypes.c_void_p(found.ctypes.data)
        assert ctypes.CDLL(None).mincore(*given) == 0
        del hold
    return found & 1 == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say what is in its cache")
def test_what_the_system_has_in_its_cache_is_known_and_what_is_expected_gets_there(tmp_path):
    content, files, *_ = open_pieces(tmp_path, 3, seed=3)
    path = tmp_path / "bytes"
    offsets, sizes = np.array([100_000, 500_000, 900_000]), np.array([90_000, 70_000, content.size - 900_000])
    assert resident(path).all()
    assert are_cached(files, offsets) == hasattr(os, "RWF_NOWAIT")
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if resident(path).any():
        pytest.skip("this file system keeps everything in memory")
    for file, offset, size in zip(files, offsets, sizes, strict=True):
        file.readahead(int(offset), int(size))
    pages = np.zeros(content.size, bool)
    for offset, size in zip(offsets, sizes, strict=True):
        pages[offset : offset + size] = True
    pages = pages.reshape(-1, mmap.PAGESIZE).any(axis=1)
    for _ in range(500):
        if resident(path)[pages].all():
            break
        time.sleep(0.02)
    else:
        pytest.fail("what was expected is not in the cache after ten seconds")
    assert not resident(path).all()
    assert not are_cached(files, np.array([100_000, 300_000, 900_000]))
    assert are_cached(files, offsets + sizes - 1) == hasattr(os, "RWF_NOWAIT")


@needs_pread
def test_a_loader_reads_many_blocks_at_once(tmp_path, monkeypatch):
    """Not block by block but for those that a split cuts: that is where its speed comes from."""
    planted.write(planted.rows(TRUTH, 5_000), tmp_path)
    calls = []
    monkeypatch.setattr(Shards, "read", lambda *given: calls.append(given) or read_rows(*given))
    disk = planted.open(tmp_path)
    for part, cut in ((disk, 0), (disk.split(70, 4_900)[1], 2)):
        calls.clear()
        seen = [index for *_, index in planted.Loader(part, 100, with_index=True)]
        assert sorted(np.concatenate(seen).tolist()) == list(range(len(part)))
        assert len(calls) == cut


def test_rows_that_are_open_at_the_end_of_a_program_end_silently(tmp_path):
    planted.write(planted.rows(TRUTH, 5_000), tmp_path)
    program = (
        "import threading, planted, planted._disk.storage\n"
        f"disk = planted.open({str(tmp_path)!r})\n"
        "for batch in planted.Loader(disk, 100): pass\n"
        "threading.kept = planted._disk.storage, disk\n"  # modules are emptied last first: storage, then `threading`
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert not done.stderr


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda plan, block: (replace(plan, dtype_name="float64"), block), "In column 0: Invalid"),
        (lambda plan, block: (replace(plan, truth=planted.LinearTruth([1.0] * 4)), block), "In column 0: Invalid"),
        (lambda plan, block: (plan, block[:-100]), "Expected to be able to read"),
        (lambda plan, block: (plan, b""), "0 record batches instead of one"),
        (lambda plan, block: (plan, block + block.removeprefix(b"ARROW1\0\0")), "2 record batches instead of one"),
    ],
    ids=["another dtype", "more features", "cut off", "empty", "twice"],
)
def test_an_arrow_block_that_is_not_of_the_plan_is_refused(tmp_path, library, forge, message):
    """Though its checksums are right, as somebody may have made them: no memory is read that is not the block's."""
    library("pyarrow")
    plan = planted.write(planted.rows(TRUTH, 100), tmp_path, format="arrow").shards.plan
    (part,) = encoded(plan, 0)
    header, block, *_ = part.segments
    content = bytes(part.content[: header + block])
    rows = min(100, plan.block_rows)
    out = np.zeros((rows, 5))
    decode(plan, "rows", Segments(len(content), [(0, content), (len(content), b"")]), 0, out[:, :4])
    np.testing.assert_array_equal(out[:, 3:4], planted.open(tmp_path)[:rows][1])
    plan, content = forge(plan, content)
    with pytest.raises(DamagedError, match=rf"rows, block 0, cannot be decoded: .*{message}"):
        decode(
            plan,
            "rows",
            Segments(len(content), [(0, content), (len(content), b"")]),
            0,
            out[:, : plan.truth.features + 1],
        )


def test_only_the_segments_of_a_block_can_be_read():
    """As pyarrow reads them: across their edges, from the end, and nothing that was not compared."""
    whole = bytes(range(100))
    file = RangeFile(Segments(100, [(0, whole[:10]), (10, whole[10:30]), (90, whole[90:])]))
    assert (file.read(30), file.tell()) == (whole[:30], 30)
    assert file.seek(-8, io.SEEK_END) == 92
    assert (file.read(), file.read(5)) == (whole[92:], b"")
    for first, size in ((30, 1), (25, 10), (80, 20)):
        file.seek(first)
        with pytest.raises(DamagedError, match=rf"bytes {first} to {first + size} were asked for, which are not of"):
            file.read(size)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are listed by the system there")
@pytest.mark.parametrize("file_format", ["arrow", "parquet"])
def test_no_thread_of_arrow_reads_a_block(tmp_path, file_format, library):
    """It would call Python code, perhaps when the program ends: pyarrow then aborts the process, now and then."""
    library("pyarrow")
    planted.write(planted.rows(TRUTH, 2_000), tmp_path, format=file_format, shard_bytes=10_000)
    program = (
        "import pathlib, planted, pyarrow.parquet, time\n"
        "def threads():\n"
        "    names = [thread.read_text() for thread in pathlib.Path('/proc/self/task').glob('*/comm')]\n"
        "    return sum('jemalloc' not in name for name in names)\n"
        "planted.rows(planted.LinearTruth([1.0]), 9)[:]\n"
        "before = threads()\n"
        f"disk = planted.open({str(tmp_path)!r})\n"
        "disk.take([1_999, 0, 700])\n"
        "for batch in planted.Loader(disk, 100): pass\n"
        "for _ in range(100):\n"  # a thread that was joined may take a moment to end; those of Arrow do not end
        "    if threads() == before: break\n"
        "    time.sleep(0.1)\n"
        "print(threads() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=True)
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_what_is_not_there_is_said(tmp_path):
    for target in (tmp_path / "none", tmp_path):
        with pytest.raises(MissingError, match=r"there are no rows in .*: write some with"):
            planted.open(target)
        with pytest.raises(FileNotFoundError, match="there are no rows in"):
            planted.verify(target)
    planted.write(planted.rows(TRUTH, 100), tmp_path)
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(MissingError, match=r"not finished: run the same planted.write again"):
        planted.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(planted.PlantedError, match="file"):
        planted.open(tmp_path / "file")


@pytest.mark.parametrize("target", [None, 3, b"bytes", ""])
def test_targets_are_paths_or_urls(target):
    with pytest.raises(InvalidTypeError, match="must be a path or a URL"):
        planted.open(target)
    with pytest.raises(InvalidTypeError, match="must be a path or a URL"):
        planted.write(planted.rows(TRUTH, 1), target)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "csv"}, "format='csv' must be one of 'npy', 'arrow', 'parquet'"),
        ({"shard_bytes": "many"}, "shard_bytes='many' is not a number of bytes"),
        ({"shard_bytes": 0}, "at least 1 byte"),
        ({"overwrite": 1}, "overwrite=1 must be True or False"),
    ],
)
def test_arguments_are_checked_before_any_work(tmp_path, settings, message):
    with pytest.raises(planted.PlantedError, match=message):
        planted.write(planted.rows(TRUTH, 10), tmp_path / "a", **settings)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("name", ["arrow", "parquet"])
def test_a_missing_library_is_named(tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingDependencyError, match=r"needs pyarrow.*pip install 'planted\[arrow\]'"):
        planted.write(planted.rows(TRUTH, 10), tmp_path / "a", format=name)
    assert not (tmp_path / "a").exists()


def test_a_disk_that_is_too_small_is_told_before_any_work(tmp_path):
    with pytest.raises(OSError, match=r"10\d* rows need .* GB, and .* has room for"):
        planted.write(planted.rows(TRUTH, 10**15), tmp_path / "a")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_other_rows_are_kept_unless_asked(tmp_path):
    rows, other = planted.rows(TRUTH, 1_000), planted.rows(TRUTH, 1_000, seed=1)
    planted.write(rows, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(ExistsError, match=r"holds other rows .seed 0 instead of 1.* overwrite=True"):
        planted.write(other, tmp_path)
    assert contents(tmp_path) == before
    assert_same_rows(planted.write(other, tmp_path, overwrite=True), other)
    assert_same_rows(planted.write(other, tmp_path), other)


def test_progress_is_told(tmp_path):
    told = []
    rows = planted.rows(TRUTH, 3_000)
    planted.write(rows, tmp_path, shard_bytes=10_000, progress=lambda *numbers: told.append(numbers))
    assert len(told) == len(shards(tmp_path, "npy"))
    assert told == sorted(told)
    assert told[-1] == (3_000, 3_000)
    for work in (
        lambda progress: planted.write(rows, tmp_path, shard_bytes=10_000, progress=progress),
        lambda progress: planted.verify(tmp_path, progress=progress),
    ):
        again = []
        work(lambda *numbers, again=again: again.append(numbers))
        assert again[-1] == (3_000, 3_000)


# ---- what reads rows --------------------------------------------------------------------------------------------


def test_a_loader_of_disk_shuffles_blocks(tmp_path):
    """Pools of them, as the order says; in order, the batches are those from memory."""
    rows = planted.rows(TRUTH, 20_000)
    disk = planted.write(rows, tmp_path, shard_bytes=100_000)
    loader = planted.Loader(disk, 256, memory=100_000, seed=3, with_index=True)
    assert loader.state_dict()["shuffle"] == "blocks"
    plan = plan_pool(disk, 100_000)
    assert plan.pool < len(plan.blocks) / 3
    for epoch in range(2):
        order = BlockOrder(plan.blocks, plan.pool, 3, epoch).take(range(20_000))
        X, y, numbers = map(np.concatenate, zip(*loader, strict=True))
        np.testing.assert_array_equal(numbers, order)
        np.testing.assert_array_equal(X, rows.take(order).X)
        np.testing.assert_array_equal(y, rows.take(order).y)
    plain = (planted.Loader(source, 300, shuffle=False) for source in (disk, rows))
    for (X, y), (cX, cy) in zip(*plain, strict=True):
        np.testing.assert_array_equal(X, cX)
        np.testing.assert_array_equal(y, cy)
    by_rows = (planted.Loader(disk, 300, shuffle="rows"), planted.Loader(rows, 300))
    for (X, y), (cX, cy) in zip(*by_rows, strict=True):
        np.testing.assert_array_equal(X, cX)
        np.testing.assert_array_equal(y, cy)


def test_learners_and_checks_read_disk(tmp_path):
    rows = planted.rows(TRUTH, 20_000)
    disk = planted.write(rows, tmp_path, shard_bytes=100_000)
    estimate = planted.least_squares(disk)
    np.testing.assert_array_equal(estimate.parameters, planted.least_squares(rows).parameters)
    assert planted.check(estimate, disk).passed
    assert planted.check(planted.sgd(planted.Loader(disk, 100, memory="200KB"), 5, 0.02), disk).passed


def test_threads_read_at_once(tmp_path, file_format):
    rows = planted.rows(TRUTH, 5_000)
    disk = planted.write(rows, tmp_path, format=file_format, shard_bytes=20_000)
    errors = []

    def read(seed):
        try:
            for _ in range(20):
                numbers = np.random.default_rng(seed).integers(0, 5_000, 100)
                assert_same_rows(disk.take(numbers), rows.take(numbers))
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    workers = [threading.Thread(target=read, args=(seed,)) for seed in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []


MEMORY = """
import planted, sys
from pathlib import Path
def memory(kind):
    return int(Path("/proc/self/status").read_text().split(kind)[1].split()[0]) // 1024
rows = planted.regression([1.0] * 16, n=int(sys.argv[2]))
planted.write(rows.split(300_000)[0], sys.argv[1] + "/warm", shard_bytes="4MiB")
before = memory("VmRSS:")
disk = planted.write(rows, sys.argv[1] + "/rows", shard_bytes="4MiB")
written = memory("VmHWM:") - before
total = sum(len(X) for X, y in planted.Loader(disk, 256, memory="16MiB"))
assert total == len(rows)
assert planted.verify(sys.argv[1] + "/rows").ok
print(written, memory("VmHWM:") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's account of memory")
def test_memory_does_not_grow_with_the_rows(tmp_path):
    """Neither in writing nor in a shuffled epoch nor in verifying: 270 MB of rows in less than 64 MiB."""
    command = [sys.executable, "-c", MEMORY, str(tmp_path), "4000000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written, read = map(int, done.stdout.split())
    assert written < 64
    assert read < 64
