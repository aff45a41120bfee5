"""One writer at a time, in stores without locks: notes, how old they are, and a writer that has lost its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from folders import writer
from stores import OTHER, ROWS, same

from planted._disk import remote
from planted.errors import StorageError

pytestmark = [pytest.mark.threads, pytest.mark.usefixtures("small_blocks")]
BUSY = r"another process is writing to .* \(process .* on .*\): wait until"
LOST = r"another process began to write to .* while this one was at work, so this one has stopped: wait until"


def note(**values):
    return json.dumps({"host": "another", "process": 1, "token": "t", "time": time.time(), **values}).encode()


def renewing():
    """How many threads renew notes."""
    return sum(thread.name.startswith("planted-lock") for thread in threading.enumerate())


@pytest.fixture(scope="module")
def dead_process():
    """The number of a process that was, a moment ago."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@pytest.fixture
def quick(monkeypatch):
    """Notes that are renewed often, and soon count for nothing."""
    monkeypatch.setattr(remote, "LOCK_TTL", 0.6)
    monkeypatch.setattr(remote, "LOCK_RENEWAL", 0.05)


@pytest.fixture
def while_uploading(memory, monkeypatch):
    """A function that lets another one run in the middle of the upload of a file of this name."""
    pipe_file = memory.system.pipe_file

    def at(name, work):
        def slow(path, content, **settings):
            if path.endswith(name):
                work()
            pipe_file(path, content, **settings)

        monkeypatch.setattr(memory.system, "pipe_file", slow)

    return at


# ---- notes of others --------------------------------------------------------------------------------------------


def test_a_young_note_of_another_writer_stops_this_one(place):
    """Whatever the clock of the other machine says."""
    here = socket.gethostname()
    for found in (
        note(),
        note(time=time.time() - 3_600),
        note(time=time.time() + 3_600),
        note(time=float("nan")),
        note(host=here, process=os.getppid()),
        note(host=here, process="no number"),
    ):
        place.put(".writing", found)
        for refused in (place.write, lambda: place.write(OTHER, overwrite=True)):
            with pytest.raises(StorageError, match=BUSY):
                refused()
        assert place.contents() == {".writing": found}


def test_a_note_that_counts_for_nothing_stops_nobody(place, reference, dead_process):
    here = socket.gethostname()
    for found in (
        note(host=here, process=dead_process),
        note(host=here, process=os.getpid()),  # of a writer of this process that has ended
        note(host=here, process=os.getpid(), token=["t"]),
        b"{}",
        b"[]",
        b"\xff",
        b"",
        b"[" * 100_000,
    ):
        place.put(".writing", found)
        place.write()
    assert place.contents() == reference()


@pytest.mark.parametrize("hours", [-1, 0, 1])
def test_an_old_note_stops_nobody_whatever_the_clock_of_its_writer_said(place, reference, monkeypatch, hours):
    monkeypatch.setattr(remote, "LOCK_TTL", 0.9)
    place.put(".writing", note(time=time.time() + 3_600 * hours))
    time.sleep(2)  # S3 tells times in whole seconds
    place.write()
    assert place.contents() == reference()


@pytest.mark.parametrize(("change", "stops"), [("stays", False), ("goes", False), ("is renewed", True)])
def test_where_a_store_tells_no_times_a_note_is_watched(memory, monkeypatch, quick, change, stops):
    def modified(path):
        raise NotImplementedError

    monkeypatch.setattr(memory.system, "modified", modified)
    memory.put(".writing", note())
    changes = {
        "stays": lambda: None,
        "goes": lambda: memory.remove(".writing"),
        "is renewed": lambda: memory.put(".writing", note(time=0)),
    }
    timer = threading.Timer(0.2, changes[change])
    timer.start()
    if stops:
        with pytest.raises(StorageError, match=BUSY):
            memory.write()
        assert memory.contents().keys() == {".writing"}
    else:
        same(memory.write())
    timer.join()


# ---- this writer's own ------------------------------------------------------------------------------------------


def test_an_upload_that_takes_longer_than_a_note_counts_lets_nobody_in(memory, reference, while_uploading, quick):
    refused = []

    def others():
        for _ in range(3):
            time.sleep(0.4)
            with pytest.raises(StorageError, match=BUSY):
                memory.write(OTHER, overwrite=True)
            refused.append(1)

    while_uploading("/rows-00000001.npy", others)
    same(memory.write())
    assert len(refused) == 3
    assert memory.contents() == reference()
    assert not renewing()


@pytest.mark.parametrize("loss", [note(), None], ids=["another", "gone"])
@pytest.mark.parametrize("name", ["/rows-00000003.sums", "/plan.json"])
def test_a_writer_that_has_lost_its_note_writes_no_manifest(memory, while_uploading, loss, name):
    """Though it has had no time to notice before it looks for the note itself."""

    def lose():
        with contextlib.suppress(FileNotFoundError):  # the plan is written twice
            memory.remove(".writing") if loss is None else memory.put(".writing", loss)

    while_uploading(name, lose)
    with pytest.raises(StorageError, match=LOST):
        memory.write()
    assert "manifest.json" not in memory.contents()
    assert memory.contents().get(".writing") == loss
    assert not renewing()


def test_a_writer_that_has_lost_its_note_writes_nothing_over_the_files_of_the_other(memory, while_uploading, quick):
    theirs = note()

    def lose():
        memory.put(".writing", theirs)
        time.sleep(0.4)

    while_uploading("/rows-00000000.sums", lose)
    with pytest.raises(StorageError, match=LOST):
        memory.write()
    assert {"rows-00000000.npy", "manifest.json"}.isdisjoint(memory.contents())
    assert memory.contents()[".writing"] == theirs
    assert not renewing()


def test_a_note_is_renewed_though_the_store_fails_now_and_then(memory, while_uploading, quick, monkeypatch):
    cat_file, asked = memory.system.cat_file, []

    def sometimes(path, **settings):
        asked.append(path)
        if threading.current_thread().name.startswith("planted-lock") and len(asked) % 2:
            raise ConnectionError("reset")
        return cat_file(path, **settings)

    monkeypatch.setattr(memory.system, "cat_file", sometimes)
    notes = []
    while_uploading("/.writing", lambda: notes.append(time.monotonic()))

    def progress(done, n):
        time.sleep(0.3)

    same(memory.write(progress=progress))
    assert len(notes) > 2


def test_no_thread_outlives_the_writer(memory):
    for error in (KeyboardInterrupt, ValueError, StorageError):

        def progress(done, n, error=error):
            assert renewing() == 1
            raise error

        with pytest.raises(error):
            memory.write(progress=progress)
        assert not renewing()
        assert ".writing" not in memory.contents()
    same(memory.write())
    assert not renewing()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_of_a_writer_leaves_the_note_alone(elsewhere, reference):
    """The child leaves the work by an exception, in its copy of this process; its parent goes on."""
    children = []

    def progress(done, n):
        if done == 128:
            children.append(os.fork())
            if not children[0]:
                raise KeyboardInterrupt
            assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
            assert ".writing" in elsewhere.contents()

    status = 1
    try:
        elsewhere.write(progress=progress)
    except KeyboardInterrupt:
        status = 0
    finally:
        if children == [0]:
            os._exit(status)
    assert elsewhere.contents() == reference()


def test_a_writer_renews_its_note_and_removes_it(place, monkeypatch):
    monkeypatch.setattr(remote, "LOCK_RENEWAL", 0.02)
    put, notes = remote.RemoteFolder._put, []

    def spy(folder, name, whole):
        if name == ".writing":
            notes.append(json.loads(whole))
        put(folder, name, whole)

    monkeypatch.setattr(remote.RemoteFolder, "_put", spy)
    place.write(progress=lambda done, n: time.sleep(0.1))
    assert len(notes) >= 4
    for found in notes:
        assert (found["host"], found["process"]) == (socket.gethostname(), os.getpid())
    times = [found["time"] for found in notes]
    assert times == sorted(times)
    assert times[0] < times[-1]
    assert ".writing" not in place.contents()


def test_two_writers_in_one_process_do_not_write_at_once(place, reference):
    refused = []

    def progress(done, n):
        with pytest.raises(StorageError, match="another process is writing to"):
            place.write()
        refused.append(done)

    place.write(progress=progress)
    assert len(refused) == 4
    assert place.contents() == reference()


def test_of_two_that_begin_at_the_same_time_the_first_one_stops(memory, monkeypatch):
    """The other's note lies there when this one looks again; and it stays there."""
    other, put = note(), memory.system.pipe_file

    def pipe_file(path, content, **settings):
        put(path, other if path.endswith(".writing") else content, **settings)

    monkeypatch.setattr(memory.system, "pipe_file", pipe_file)
    with pytest.raises(StorageError, match=r"another process began to write to .* just now: wait until it has ended"):
        memory.write()
    assert memory.contents() == {".writing": other}


def test_another_process_is_waited_for_until_it_dies(s3, reference):
    with (
        writer(s3.url, len(ROWS), s3.storage_options) as process,
        pytest.raises(StorageError, match=rf"another process is writing to .*process {process.pid} on"),
    ):
        s3.write()
    assert ".writing" in s3.contents()
    same(s3.write())
    assert s3.contents() == reference()
