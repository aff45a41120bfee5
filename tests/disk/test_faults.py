"""Writers that are killed, files that are damaged, disks that are full: rows are right or there is an error.

The faults themselves are in `faults.py`, which also runs more of them: `python tests/disk/faults.py --help`.
"""

import contextlib
import errno
import itertools
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import broken_files
import full_disks
import killed_writers
import numpy as np
import pytest
from folders import (
    FOREIGN,
    MANIFEST,
    PLAN,
    UNFINISHED,
    Case,
    assert_right,
    contents,
    faulty,
    formats_here,
    quick_folder,
    reference,
    stamps,
    writer,
)

import planted
from planted._disk import formats, rows, storage
from planted._disk.storage import LocalFolder
from planted._disk.writer import for_each_shard
from planted._machine import cores
from planted.errors import DamagedError, ExistsError, MissingError, StorageError

HERE = Path(__file__).resolve().parent
SEED = 1  # of all faults; `python tests/disk/faults.py --seed` takes others

pytestmark = [
    pytest.mark.threads,
    pytest.mark.usefixtures("small_blocks"),
    pytest.mark.skipif(os.name != "posix", reason="faults are put by means of POSIX"),
]


@pytest.fixture
def quick(tmp_path):
    """A folder in memory, where there is one: a disk that others use too is slow to synchronise."""
    with quick_folder() as folder:
        yield folder


def shown(found):
    """How many faults there were: `pytest -rP` shows it."""
    sys.stdout.write(f"seed {SEED}: {json.dumps(found)}\n")


# ---- many faults of each kind -----------------------------------------------------------------------------------


@pytest.mark.heavy
def test_writers_killed_at_random_moments(library):
    """In an interpreter of its own: forking wants one without other threads."""
    with contextlib.suppress(pytest.skip.Exception):
        library("pyarrow")
    command = [sys.executable, HERE / "faults.py", "--seed", str(SEED), "--kills", "100"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["found"]
    shown(found)
    assert found["kills"] >= 100
    assert found["within"] > found["kills"] / 4, found  # of the writing: mostly two thirds, fewer where others are busy
    for kind, name in itertools.product(("write", "overwrite", "repair"), formats_here()):
        assert found[f"{kind} {name}"] >= 1
    assert sum(count > 0 for count in found["writes by tenths of their files"]) >= 4


@pytest.mark.heavy
def test_writers_that_die_at_any_of_their_calls_to_the_system(quick):
    found = killed_writers.steps(quick)
    shown(found)
    assert found["steps"] >= 100 * len(formats_here())
    assert (
        found["write npy"] >= 40
    )  # open, write, synchronise, close, rename: 4 files of rows, and two plans, and the manifest


@pytest.mark.heavy
@pytest.mark.parametrize(("file_format", "count"), [("npy", 300), ("arrow", 150), ("parquet", 150)])
def test_damaged_files_are_noticed_named_and_mended(quick, library, file_format, count):
    if file_format != "npy":
        library("pyarrow")
    found = broken_files.flips(SEED, count, quick, file_format)
    shown(found)
    assert found["rounds"] >= count
    assert found["resumed"] >= count / 10
    for how in (*(damage.__name__ for damage in broken_files.DAMAGES), "swap", "stale"):
        assert found[f"by {how}"] >= 2
    for what in ("shards", ".sums", PLAN, MANIFEST):
        assert found[f"of {what}"] >= 5


def test_a_disk_that_is_full_at_any_point(quick, file_format):
    found = full_disks.full(SEED, 30, quick, file_format)
    shown(found)
    assert found["points"] >= 30
    assert found["ENOSPC"] >= 8
    for call in ("open", "write", "fsync", "close", "replace", "mkdir"):
        assert found[f"at {call}"] >= 3


def test_a_disk_that_is_really_full(tmp_path):
    found = full_disks.really_full(SEED, 15, tmp_path)
    if found is None:
        pytest.skip("mounting is not permitted here")
    shown(found)
    assert found["by bytes"] == found["by names"] == 15


def test_want_of_room_is_told_beforehand(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalFolder, "free_bytes", lambda self: 1_000)
    with pytest.raises(StorageError, match=r"801 rows need .* GB, and .* has room for 0.00 GB: make room") as caught:
        Case("npy", 801).write(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert contents(tmp_path) == {}


def test_rows_that_are_replaced_make_room(tmp_path, monkeypatch):
    """How much is not known beforehand, so that too little room is found while writing."""
    other = Case("npy", 801, seed=1)
    expected = reference(other)
    Case("npy", 801).write(tmp_path)
    monkeypatch.setattr(LocalFolder, "free_bytes", lambda self: 1_000)
    other.write(tmp_path, overwrite=True)
    assert contents(tmp_path) == expected


# ---- two writers ------------------------------------------------------------------------------------------------


def test_two_processes_do_not_write_at_once(tmp_path):
    case, other = Case("npy", 801), Case("npy", 801, seed=1)
    with writer(tmp_path, 801) as process:
        for refused in (
            lambda: case.write(tmp_path),
            lambda: other.write(tmp_path, overwrite=True),
            lambda: planted.verify(tmp_path, repair=True),
        ):
            with pytest.raises(StorageError, match=r"another process is writing to .*: wait until it has ended"):
                refused()
        with pytest.raises(MissingError, match="are not finished"):
            planted.open(tmp_path)
        assert not planted.verify(tmp_path).ok  # looking is allowed
        process.stdin.close()
        assert process.wait() == 0
    assert contents(tmp_path) == reference(case)
    assert planted.verify(tmp_path).faults == ()


def test_the_lock_of_a_killed_process_keeps_nobody_out(tmp_path):
    with writer(tmp_path, 801) as process:
        process.kill()
        process.wait()
        assert ".writing" in contents(tmp_path)
        Case("npy", 801).write(tmp_path)
    assert contents(tmp_path) == reference(Case("npy", 801))


def test_two_threads_do_not_write_at_once(tmp_path):
    case = Case("npy", 801)
    errors = []

    def second():
        with pytest.raises(StorageError) as caught:
            case.write(tmp_path)
        errors.append(str(caught.value))

    def progress(done, n):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()

    case.write(tmp_path, progress=progress)
    assert len(errors) == 7
    assert all("another process is writing to" in error for error in errors)
    assert contents(tmp_path) == reference(case)


def test_an_interrupted_progress_ends_the_writing_and_keeps_what_is_finished(tmp_path):
    def progress(done, n):
        if done > 300:
            raise KeyboardInterrupt

    case = Case("npy", 801)
    with pytest.raises(KeyboardInterrupt):
        case.write(tmp_path, progress=progress)
    found = contents(tmp_path)
    assert not [name for name in found if name.endswith(UNFINISHED)]
    assert len(found) > 6
    full_disks.goes_on(case, tmp_path)


def test_an_error_is_raised_when_no_thread_writes_any_more(tmp_path):
    """Then the folder is unlocked. Shards that were not begun never are."""
    plan = Case("npy", 801).write(tmp_path).shards.plan
    stop, both = threading.Event(), threading.Barrier(2)
    begun, ended = [], []

    def work(shard):
        begun.append(shard)
        if shard < 2:
            both.wait(60)
        if shard == 0:
            raise StorageError("full")
        assert stop.wait(60)
        time.sleep(0.2)
        ended.append(shard)

    with pytest.raises(StorageError, match=r"^full$"):
        for_each_shard(plan, work, None, stop)
    assert sorted(begun) == [0, *sorted(ended)]
    assert 1 in ended
    assert len(begun) <= cores() + 2


# ---- what lies there already ------------------------------------------------------------------------------------

OTHERS = [
    Case("npy", 801, seed=1),
    Case("npy", 800),
    Case("npy", 1_601),
    Case("parquet", 801),
]


@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("left", ["all", "unfinished", "no plan", "a damaged plan", "one shard"])
def test_other_rows_are_replaced_only_when_asked(tmp_path, library, other, left):
    if other.file_format != "npy":
        library("pyarrow")
    case = Case("npy", 801)
    case.write(tmp_path)
    for name, content in FOREIGN.items():
        (tmp_path / name).write_bytes(content)
    if left != "all":
        (tmp_path / MANIFEST).unlink()
    if left in ("no plan", "one shard"):
        (tmp_path / PLAN).unlink()
    if left == "a damaged plan":
        (tmp_path / PLAN).write_text("{}")
    if left == "one shard":
        for path in tmp_path.glob("rows-0000000[1-9].[ns]*"):
            path.unlink()
    before = contents(tmp_path)
    kept = stamps(tmp_path, before)
    message = r"holds other rows \(.*\): choose another folder, or replace them with overwrite=True"
    with pytest.raises(ExistsError, match=message):
        other.write(tmp_path)
    if left in ("no plan", "a damaged plan", "one shard"):
        with pytest.raises(ExistsError, match=r"holds other rows \(which no readable plan describes\)"):
            case.write(tmp_path)
    assert contents(tmp_path) == before
    assert stamps(tmp_path, before) == kept
    other.write(tmp_path, overwrite=True)
    assert contents(tmp_path) == {**reference(other), **FOREIGN}
    assert stamps(tmp_path, FOREIGN) == {name: kept[name] for name in FOREIGN}


def test_a_file_of_a_shards_name_is_not_replaced(tmp_path):
    (tmp_path / "rows-00000000.npy").write_text("somebody's own")
    with pytest.raises(ExistsError, match="overwrite=True"):
        Case("npy", 801).write(tmp_path)
    assert (tmp_path / "rows-00000000.npy").read_text() == "somebody's own"


def test_the_same_rows_are_not_written_again(tmp_path, file_format):
    case = Case(file_format, 801)
    case.write(tmp_path)
    kept = stamps(tmp_path, reference(case))
    told = []
    for settings in ({}, {"overwrite": True}, {"progress": lambda *done: told.append(done)}):
        assert_right(case, *case.write(tmp_path, **settings)[:])
    assert stamps(tmp_path, contents(tmp_path)) == kept
    assert told == [(801, 801)]


def test_shards_of_other_rows_are_not_taken_for_finished_ones(tmp_path, file_format):
    """With their own tables of checksums, of the right names and sizes: as from a backup, or a rename that was lost."""
    case, other = Case(file_format, 801), Case(file_format, 801, seed=1)
    case.write(tmp_path)
    (tmp_path / MANIFEST).unlink()
    for name, content in reference(other).items():
        if name.startswith("rows-00000002"):
            (tmp_path / name).write_bytes(content)
    for suffix in (file_format, "sums"):
        a, b = (tmp_path / f"rows-0000000{i}.{suffix}" for i in (0, 1))
        first = a.read_bytes()
        a.write_bytes(b.read_bytes())
        b.write_bytes(first)
    assert_right(case, *case.write(tmp_path)[:])
    assert contents(tmp_path) == reference(case)


# ---- the system -------------------------------------------------------------------------------------------------


def test_links_in_the_place_of_unfinished_files_and_locks_are_not_followed(tmp_path):
    victim, folder = tmp_path / "victim", tmp_path / "rows"
    victim.write_text("mine")
    folder.mkdir()
    (folder / "a.part").symlink_to(victim)
    LocalFolder(folder).write("a", [b"new"])
    assert (folder / "a").read_text() == "new"
    assert victim.read_text() == "mine"
    (folder / ".writing").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match=r"\.writing"):
        Case("npy", 801).write(folder)
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_that_becomes_a_link_at_the_last_moment_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(StorageError, match="is a link, and links are not followed: put the file itself there"):
        LocalFolder(tmp_path).open("b")
    monkeypatch.setattr(Path, "is_symlink", lambda self: False)
    with pytest.raises(StorageError, match="b: ") as caught:
        LocalFolder(tmp_path).open("b")
    assert caught.value.errno == errno.ELOOP


@pytest.mark.parametrize("make", [broken_files.directory, broken_files.pipe])
def test_what_is_no_file_is_refused(tmp_path, make):
    (tmp_path / "a").touch()
    make(None, tmp_path / "a")
    with broken_files.nobody_waits(tmp_path), pytest.raises(StorageError, match=r"a is not a file: remove it$"):
        LocalFolder(tmp_path).open("a")


def test_a_file_is_synchronised_before_it_gets_its_name(tmp_path):
    """And the manifest only when the names of all others are on the disk; then the folder once more."""
    calls = []

    def fault(call, size):
        calls.append((threading.get_ident(), call))
        return size

    with faulty(fault):
        Case("npy", 801).write(tmp_path)
    of_this_thread = [call for thread, call in calls if thread == threading.get_ident()]
    a_file = ["mkdir", "open", "write", "fsync", "close", "replace"]
    assert of_this_thread == ["mkdir", "open", *a_file, *a_file, "fsync", *a_file, "fsync", "unlink"]
    for thread in {thread for thread, _ in calls} - {threading.get_ident()}:
        done = ",".join(call for other, call in calls if other == thread)
        shard = "mkdir,open,write,write," + ",".join(a_file) + ",fsync,close,replace"  # with its table
        assert set(done.split(shard)) <= {"", ","}, done


def refuse(path):
    raise PermissionError(errno.EACCES, "Permission denied")


def test_a_disk_that_does_not_say_how_much_is_left_is_written_to(tmp_path, monkeypatch):
    expected = reference(Case("npy", 801))
    monkeypatch.setattr(shutil, "disk_usage", refuse)
    Case("npy", 801).write(tmp_path)
    assert contents(tmp_path) == expected


@pytest.mark.parametrize("method", ["iterdir", "exists"])
def test_a_folder_that_may_not_be_read_is_said(tmp_path, monkeypatch, method):
    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(StorageError, match="Permission denied") as caught:
        Case("npy", 801).write(tmp_path)
    assert caught.value.errno == errno.EACCES


def test_an_error_while_reading_is_said(tmp_path, file_format, monkeypatch):
    disk = Case(file_format, 801).write(tmp_path)

    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(storage, "_read_at", fail)
    with pytest.raises(StorageError, match=r"rows-00000000.*: Input/output error") as caught:
        disk[:]
    assert caught.value.errno == errno.EIO


def test_a_shard_that_would_come_out_different_is_not_replaced(tmp_path, file_format, monkeypatch):
    """As with another version of a library: what is left of the old file stays."""
    case = Case(file_format, 801)
    case.write(tmp_path)
    path = tmp_path / f"rows-00000002.{file_format}"
    path.write_bytes(path.read_bytes()[:-1])
    before = contents(tmp_path)
    encode = formats.ENCODERS[file_format]

    def other_version(plan, shard):
        for part in encode(plan, shard):
            yield formats.FilePart(bytes(part.content)[:-1] + b"\xaa", part.segments)

    monkeypatch.setitem(formats.ENCODERS, file_format, other_version)
    with pytest.raises(
        StorageError, match=rf"{path.name} of .* cannot be made again byte by byte: .*install what wrote"
    ):
        planted.verify(tmp_path, repair=True)
    assert contents(tmp_path) == before


# ---- files that change while they are read ----------------------------------------------------------------------


def test_a_shard_that_changes_while_it_is_read(tmp_path, file_format):
    """Rewritten, cut off, replaced, put back, under readers at work: the right values or an error."""
    case = Case(file_format, 801)
    case.write(tmp_path)
    path = tmp_path / f"rows-00000001.{file_format}"
    right = path.read_bytes()
    wrong = bytes(byte ^ 1 for byte in right)
    stop = threading.Event()

    def replace(content):
        (tmp_path / "new").write_bytes(content)
        (tmp_path / "new").replace(path)

    def disturb():
        steps = itertools.cycle(
            (
                lambda: path.write_bytes(wrong),
                lambda: replace(right),
                lambda: os.truncate(path, len(right) // 2),
                lambda: path.write_bytes(right),
                lambda: replace(wrong),
                lambda: replace(right),
            )
        )
        while not stop.wait(0.002):
            next(steps)()

    outcomes = {"right": 0, "damaged": 0}

    def read():
        while min(outcomes.values()) < 20 and sum(outcomes.values()) < 20_000:
            disk = planted.open(tmp_path)
            for _ in range(3):
                try:
                    X, y = disk[:]
                except DamagedError:
                    outcomes["damaged"] += 1
                else:
                    assert_right(case, X, y)
                    outcomes["right"] += 1

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        read()
    finally:
        stop.set()
        disturber.join()
    assert min(outcomes.values()) >= 20, outcomes


@pytest.mark.parametrize("how", ["rewritten", "touched", "cut off", "longer"])
def test_without_checksums_a_change_of_size_or_time_is_noticed(tmp_path, how):
    case = Case("npy", 801)
    case.write(tmp_path)
    path = tmp_path / "rows-00000001.npy"
    os.utime(path, (1, 1))
    disk = planted.open(tmp_path, verify=False)
    assert_right(case, *disk[:])
    content = path.read_bytes()
    {
        "rewritten": lambda: path.write_bytes(content[::-1]),
        "touched": lambda: os.utime(path, (2, 2)),
        "cut off": lambda: os.truncate(path, 100),
        "longer": lambda: path.open("ab").close() or os.truncate(path, len(content) + 1),
    }[how]()
    message = (
        r"ends at byte \d+, within its rows: it was cut off" if how == "cut off" else "was written to while it was"
    )
    for _ in range(2):
        with pytest.raises(DamagedError, match=rf"rows-00000001\.npy.* {message}"):
            for X, y, index in planted.Loader(disk, 32, with_index=True, seed=1):
                assert_right(case, X, y, index)
    with pytest.raises(DamagedError, match=rf"rows-00000001\.npy.* {message}"):
        disk[:]
    assert_right(case, *disk[:128], np.arange(128))


def test_what_must_be_parsed_is_compared_even_without_checksums(tmp_path, file_format):
    case = Case(file_format, 801)
    case.write(tmp_path)
    path = tmp_path / f"rows-00000001.{file_format}"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    disk = planted.open(tmp_path, verify=False)
    if file_format == "npy":  # nothing is parsed
        assert (disk.X != case.rows.X).sum() + (disk.y != case.rows.y).sum() == 1
    else:
        with pytest.raises(
            DamagedError, match=r"rows-00000001.* is damaged: block \d+, rows \d+ to \d+, does not have"
        ):
            disk[:]


def test_damage_is_told_with_its_rows_and_others_are_read(tmp_path, file_format, monkeypatch):
    """What is asked for ahead of time is no reason to fail."""
    monkeypatch.setattr(rows, "SPAN_BYTES", 1_024)
    case = Case(file_format, 801)
    disk = case.write(tmp_path)
    (tmp_path / f"rows-00000002.{file_format}").unlink()
    assert_right(case, *disk[:256], np.arange(256))
    assert_right(case, *disk[400:], np.arange(400, 801))
    with pytest.raises(MissingError, match=r"rows-00000002.* is missing: mend the rows with planted verify --repair"):
        disk[:257]
    assert planted.verify(tmp_path, repair=True).mended == (f"rows-00000002.{file_format}",)
    assert_right(case, *disk[:])


@pytest.mark.parametrize("when", ["before", "after"])
def test_rows_that_are_open_are_read_again_once_they_are_mended(tmp_path, file_format, when):
    """Damaged before or after the file was opened."""
    case = Case(file_format, 801)
    case.write(tmp_path)
    path = tmp_path / f"rows-00000003.{file_format}"
    content = bytearray(path.read_bytes())
    content[-300] ^= 1
    os.utime(path, (1, 1))
    disk = planted.open(tmp_path)
    if when == "after":
        assert_right(case, *disk[:])
    path.write_bytes(content)
    message = "is damaged" if when == "before" else "was written to while it was read"
    with pytest.raises(DamagedError, match=rf"rows-00000003.* {message}"):
        disk[:]
    found = planted.verify(tmp_path)
    assert [fault.file for fault in found.faults] == [path.name]
    assert len(found.faults[0].blocks) == 1
    assert f"{path.name}: damaged (block " in str(found)
    planted.verify(tmp_path, repair=True)
    assert_right(case, *disk[:])


def test_a_manifest_of_other_rows_is_never_mixed_with_these(tmp_path):
    """Whole and valid, but not of these shards: no row is given out, and a repair makes what it describes."""
    case, other = Case("npy", 801), Case("npy", 801, seed=1)
    case.write(tmp_path)
    (tmp_path / MANIFEST).write_bytes(reference(other)[MANIFEST])
    with pytest.raises(DamagedError):
        planted.open(tmp_path)[:1]
    assert len(planted.verify(tmp_path).faults) == 8
    assert planted.verify(tmp_path, repair=True).ok
    assert contents(tmp_path) == reference(other)
