"""What is read, compared and decoded once: a block of which parts are asked for, and what all blocks of a file need."""

import itertools
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from folders import assert_same_rows

import planted
from planted._disk import formats, shards, writer
from planted._disk.storage import LocalFile
from planted._machine import Kept

pytestmark = pytest.mark.usefixtures("small_blocks")
ROWS = planted.regression([2.0, -3.4, 0.5, 1.0], 4.2, noise=0.1, n=10_000, seed=714)  # 25 a block: no power of two


@pytest.fixture(params=["arrow", "parquet"])
def folder(request, library, tmp_path):
    """Rows in files that are decoded block by block, in several shards."""
    library("pyarrow")
    planted.write(ROWS, tmp_path, format=request.param, shard_bytes=40_000)
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """The blocks that have been decoded, by the name of their file and their number."""
    done, decode = [], shards.decode

    def spy(plan, name, segments, block, out):
        done.append((name, block))
        decode(plan, name, segments, block, out)

    monkeypatch.setattr(shards, "decode", spy)
    return done


@pytest.fixture
def read(monkeypatch):
    """How many bytes of files have been read."""
    count, read_into = SimpleNamespace(bytes=0), LocalFile.read_into

    def spy(file, buffer, offset):
        count.bytes += memoryview(buffer).nbytes
        read_into(file, buffer, offset)

    monkeypatch.setattr(LocalFile, "read_into", spy)
    return count


PASSES = {
    "iteration": list,
    "slices": lambda rows: [rows[i : i + 7] for i in range(0, len(rows), 7)],
    "least squares": planted.least_squares,
    "check": lambda rows: planted.check((rows.truth.w, rows.truth.b), rows),
    "a pipeline": lambda rows: list(planted.Pipeline(rows)),
    "a loader in order": lambda rows: list(planted.Loader(rows, 100, shuffle=False)),
    "a loader of blocks": lambda rows: list(planted.Loader(rows, 100)),
    "a loader of rows": lambda rows: list(planted.Loader(rows, 100, shuffle="rows")),
    "all": lambda rows: rows[:],
}


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_decodes_each_block_once(folder, decoded, name):
    """But for the block that a loader looks into first, to learn what rows look like."""
    rows = planted.open(folder)
    PASSES[name](rows)
    assert len(set(decoded)) == len(rows.partition())
    assert len(decoded) <= len(rows.partition()) + name.startswith("a loader")


def test_a_pass_reads_each_byte_once(folder, read):
    """Of files whose heads and feet are larger than a block."""
    rows = planted.open(folder)
    read.bytes = 0
    for part in rows.split(*[100] * 100):
        assert_same_rows(part[:], ROWS[part.start : part.start + 100])
    files = sum(path.stat().st_size for path in folder.iterdir() if path.suffix != ".json")
    assert read.bytes <= files


def test_blocks_that_are_kept_are_bounded(folder, decoded, monkeypatch):
    monkeypatch.setattr(shards, "KEPT_BYTES", 3 * 512)
    monkeypatch.setattr(shards, "ENDS_BYTES", 1)
    rows = planted.open(folder)
    numbers = np.random.default_rng(0).permutation(10_000)
    for some in np.split(numbers, 100):
        assert_same_rows(rows.take(some), ROWS.take(some))
    assert len(rows.shards._decoded) == 3
    assert len(rows.shards._ends) == 2
    assert len(decoded) > 5_000


def test_threads_share_what_is_kept(folder, decoded):
    rows = planted.open(folder)

    def work(seed):
        for some in np.split(np.random.default_rng(seed).permutation(10_000), 20):
            assert_same_rows(rows.take(some), ROWS.take(some))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert len(decoded) == len(set(decoded))


def test_a_shard_that_is_replaced_is_read_right(folder, tmp_path_factory):
    """By the same rows, written again: what was kept of the old file is what the new one has."""
    rows = planted.open(folder)
    assert_same_rows(rows[5:95], ROWS[5:95])
    for path in folder.glob("rows-*"):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
    assert_same_rows(rows[50:200], ROWS[50:200])
    name = next(iter(sorted(folder.glob("rows-00000000.[ap]*"))))
    name.write_bytes(b"?" * name.stat().st_size)
    with pytest.raises(planted.errors.DamagedError, match="rows-00000000"):
        planted.open(folder)[5:95]


# ---- what is kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_fails_is_not_kept_and_whoever_waits_is_told(error):
    kept, begun, go_on, told = Kept(), threading.Event(), threading.Event(), []

    def fail():
        begun.set()
        go_on.wait(60)
        raise error

    def wait():
        with pytest.raises(error):
            kept.get(1, lambda: 1, 9)
        told.append(1)

    def make():
        with pytest.raises(error):
            kept.get(1, fail, 9)

    maker = threading.Thread(target=make)
    maker.start()
    assert begun.wait(60)
    waiter = threading.Thread(target=wait)
    waiter.start()
    go_on.set()
    maker.join(60)
    waiter.join(60)
    assert told == [1] or kept.get(1, lambda: 1, 9) == 1  # if the waiter came when all was over
    assert kept.get(2, lambda: 2, 9) == 2


def test_an_interrupt_at_any_line_leaves_nothing_to_wait_for():
    """A signal handler may raise between any two lines: whoever asks next gets the value."""
    for at in itertools.count():
        kept, left = Kept(), at

        def trace(frame, event, argument):
            nonlocal left
            if frame.f_code.co_filename.endswith("kept.py") and frame.f_code.co_name == "get":
                if event == "line":
                    if not left:
                        sys.settrace(None)
                        raise KeyboardInterrupt
                    left -= 1
                return trace
            return None

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            kept.get(7, lambda: "seven", 9)
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
        finally:
            sys.settrace(before)
        told = []
        asking = threading.Thread(
            target=lambda kept=kept, told=told: told.append(kept.get(7, lambda: "seven", 9)), daemon=True
        )
        asking.start()
        asking.join(10)
        assert told == ["seven"]
        if not interrupted:
            break
    assert at > 5


# ---- memory and searches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "shard", "copies", "threads"),
    [(1 << 10, 1 << 14, 0, 32), (1 << 10, 1 << 14, 3, 31), (1 << 10, 1 << 26, 3, 2), (1 << 27, 1 << 27, 3, 1)],
)
def test_threads_that_write_are_bounded_by_bytes(monkeypatch, block, shard, copies, threads):
    """On a machine of a hundred cores."""
    counts = []

    class Counted(writer.Workers):
        def __init__(self, count, name):
            counts.append(count)
            super().__init__(1, name)

    monkeypatch.setattr(writer, "cores", lambda: 100)
    monkeypatch.setattr(writer, "Workers", Counted)
    one = planted.regression([1.0], 0.0, n=1 << 40)
    row = 8
    plan = replace(
        writer.plan_of(one, "npy", "1MiB"), block_rows=block // row, shard_blocks=shard // block, n=200 * shard // row
    )
    writer.for_each_shard(plan, lambda shard: shard, None, threading.Event(), copies)
    assert counts == [threads]


def test_a_shard_is_never_held_whole_while_it_is_written(library, tmp_path, monkeypatch, file_format):
    monkeypatch.setattr(formats, "PIECE_BYTES", 2_048)
    parts = list(formats.encoded(writer.plan_of(ROWS, file_format, "1MiB"), 0))
    sizes = [memoryview(part.content).nbytes for part in parts]
    assert sum(sizes) >= 200_000
    assert max(sizes) < 100_000  # the foot of a Parquet file
    assert np.median(sizes) <= 2_048 + 512


def test_the_ends_of_segments_are_searched_as_they_are(tmp_path, monkeypatch):
    """A search for a Python integer, or in a column of a table, converts all of it first."""
    searched, search = [], np.searchsorted

    def spy(ends, at, side):
        searched.append((ends.flags.c_contiguous, ends.dtype, at.dtype))
        return search(ends, at, side)

    planted.write(ROWS, tmp_path)
    monkeypatch.setattr(np, "searchsorted", spy)
    assert planted.verify(tmp_path).ok
    assert set(searched) == {(True, np.dtype(np.uint64), np.dtype(np.uint64))}
