"""Rows in stores behind fsspec: the bytes that a folder would have, whatever the store, and however it fails."""

import contextlib
import errno
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest
from folders import SHARD, assert_same_rows, writer

import planted
from planted._disk import remote
from planted._disk.storage import LocalFolder
from planted.errors import (
    DamagedError,
    ExistsError,
    InvalidValueError,
    ManifestError,
    MissingDependencyError,
    MissingError,
    StorageError,
)

pytestmark = [pytest.mark.threads, pytest.mark.usefixtures("small_blocks")]
ROWS = planted.regression([2.0, -3.4, 0.5], 4.2, noise=0.1, n=401, seed=714)
OTHER = planted.regression([2.0, -3.4, 0.5], 4.2, noise=0.1, n=401, seed=1)
BUCKET = "planted"
S3_SETTINGS = {"key": "testing", "secret": "testing", "client_kwargs": {"region_name": "eu-west-1"}}


class Place:
    """A folder in a store, and a way around planted to what lies in it."""

    def __init__(self, url, system, root, storage_options):
        self.url, self.system, self.root, self.storage_options = url, system, root, storage_options

    def write(self, rows=ROWS, **settings):
        return planted.write(rows, self.url, shard_bytes=SHARD, storage_options=self.storage_options, **settings)

    def open(self, **settings):
        return planted.open(self.url, storage_options=self.storage_options, **settings)

    def verify(self, **settings):
        return planted.verify(self.url, storage_options=self.storage_options, **settings)

    def contents(self):
        self.system.invalidate_cache()
        if not self.system.exists(self.root):
            return {}
        return {path.rsplit("/", 1)[-1]: self.system.cat_file(path) for path in self.system.ls(self.root, detail=False)}

    def get(self, name):
        return self.system.cat_file(f"{self.root}/{name}")

    def put(self, name, content):
        self.system.makedirs(self.root, exist_ok=True)
        self.system.pipe_file(f"{self.root}/{name}", content)

    def remove(self, name):
        self.system.rm_file(f"{self.root}/{name}")


@pytest.fixture
def fsspec(library):
    return library("fsspec")


@pytest.fixture
def memory(fsspec):
    """A folder in fsspec's memory."""
    root = f"/{uuid.uuid4().hex}/rows"
    system = fsspec.filesystem("memory")
    yield Place(f"memory:/{root}", system, root, None)
    with contextlib.suppress(FileNotFoundError):
        system.rm(root, recursive=True)


@pytest.fixture
def elsewhere(fsspec, tmp_path):
    """Files behind a file system that planted does not know: no object store, so unfinished files need other names."""
    from fsspec.implementations.local import LocalFileSystem

    class Elsewhere(LocalFileSystem):
        protocol = "elsewhere"

        @classmethod
        def _strip_protocol(cls, path):
            return super()._strip_protocol(str(path).removeprefix("elsewhere://"))

    fsspec.register_implementation("elsewhere", Elsewhere, clobber=True)
    root = f"{tmp_path}/far/rows"
    return Place(f"elsewhere://{root}", Elsewhere(), root, None)


@pytest.fixture(scope="module")
def s3_server(library):
    """A server that speaks as S3 does, on this machine."""
    library("s3fs")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = library("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, library):
    """A folder in a bucket; nothing but the options says where it is, and with which keys."""
    storage_options = {**S3_SETTINGS, "endpoint_url": s3_server}
    system = library("s3fs").S3FileSystem(**storage_options)
    if not system.exists(BUCKET):
        system.mkdir(BUCKET)
    root = f"{BUCKET}/{uuid.uuid4().hex}/rows"
    return Place(f"s3://{root}", system, root, storage_options)


@pytest.fixture(params=["memory", "elsewhere", "s3"])
def place(request):
    """Each store in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def reference(tmp_path):
    """The files of a folder of this machine."""

    def files(rows=ROWS, **settings):
        folder = tmp_path / uuid.uuid4().hex
        planted.write(rows, folder, shard_bytes=SHARD, **settings)
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    return files


def same(disk, rows=ROWS):
    numbers = np.random.default_rng(0).permutation(len(rows))[:5]
    assert_same_rows(disk[:], rows[:])
    assert_same_rows(disk.take(numbers), rows.take(numbers))


# ---- every store ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["npy", "arrow", "parquet"])
def test_a_store_holds_the_bytes_of_a_folder(place, reference, library, file_format):
    if file_format != "npy":
        library("pyarrow")
    with pytest.raises(MissingError, match=r"there are no rows in .*://.*: write some with planted.write"):
        place.open()
    with pytest.raises(MissingError, match="there are no rows in"):
        place.verify()
    same(place.write(format=file_format))
    assert place.contents() == reference(format=file_format)
    if not place.url.startswith("s3"):  # which takes many requests
        same(place.open())
        same(place.open(verify=False))
    if not place.url.startswith("elsewhere"):  # whose class is made above
        same(pickle.loads(pickle.dumps(place.open())))
    assert place.url in repr(place.open())
    assert place.verify().faults == ()
    assert place.verify(repair=True).faults == ()


def test_a_writer_goes_on_where_it_was(place, reference):
    def progress(done, n):
        if done > 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        place.write(progress=progress)
    found = place.contents()
    assert found.items() < reference().items()
    assert len(found) > 4
    with pytest.raises(MissingError, match=r"are not finished: run the same planted\.write again"):
        place.open()
    versions = {name: place.system.modified(f"{place.root}/{name}") for name in found if name.startswith("rows-")}
    same(place.write())
    assert place.contents() == reference()
    for name, version in versions.items():
        assert place.system.modified(f"{place.root}/{name}") == version
    before = place.system.modified(f"{place.root}/manifest.json")
    same(place.write())
    assert place.system.modified(f"{place.root}/manifest.json") == before


def test_other_rows_are_replaced_only_when_asked(place, reference):
    place.put("notes.txt", b"mine")
    place.put("film.part", b"half")
    place.write()
    with pytest.raises(ExistsError, match=r"holds other rows .seed 714 instead of 1.*overwrite=True"):
        place.write(OTHER)
    kept = {"notes.txt": b"mine", "film.part": b"half"}
    assert place.contents() == {**reference(), **kept}
    same(place.write(OTHER, overwrite=True), OTHER)
    assert place.contents() == {**reference(OTHER), **kept}


def damages(place):
    """What is done to which file."""
    flipped = bytearray(place.get("rows-00000001.npy"))
    flipped[700] ^= 1
    sums = bytearray(place.get("rows-00000002.sums"))
    sums[3] ^= 128
    return [
        ("rows-00000001.npy", bytes(flipped)),
        ("rows-00000001.npy", place.get("rows-00000000.npy")),
        ("rows-00000003.npy", place.get("rows-00000003.npy")[:-1]),
        ("rows-00000003.npy", place.get("rows-00000003.npy") + b"\0"),
        ("rows-00000001.npy", b""),
        ("rows-00000002.npy", None),
        ("rows-00000002.sums", bytes(sums)),
        ("rows-00000002.sums", b"short"),
        ("rows-00000002.sums", None),
        ("manifest.json", place.get("manifest.json").replace(b"4.2", b"4.3")),
        ("manifest.json", place.get("manifest.json")[:-9]),
        ("manifest.json", None),
        ("plan.json", b"{}"),
        ("plan.json", None),
    ]


def test_damage_is_noticed_named_and_mended(place, reference):
    place.write()
    wanted = reference()
    for name, content in damages(place)[:: 4 if place.url.startswith("s3") else 1]:  # which takes many requests
        opened = place.open()
        if content is None:
            place.remove(name)
        else:
            place.put(name, content)
        if name != "plan.json":
            with pytest.raises((DamagedError, MissingError, ManifestError), match=rf"{name}|are not finished"):
                place.open()[:]
        if name.startswith("rows-"):
            with pytest.raises((DamagedError, MissingError), match=name):
                opened[:]
        found = place.verify()
        assert [fault.file for fault in found.faults] == [name]
        assert not found.ok
        found = place.verify(repair=True)
        assert found.mended == (name,)
        assert found.ok
        assert place.contents() == wanted
        same(opened)


def test_a_file_that_shrinks_while_it_is_read_is_noticed(place):
    place.write()
    disk = place.open(verify=False)
    same(disk)
    place.put("rows-00000001.npy", place.get("rows-00000001.npy")[:1_000])
    with pytest.raises(DamagedError, match=r"rows-00000001\.npy ends at byte 1000, within its rows: it was cut off"):
        disk[:]
    place.remove("rows-00000002.npy")
    with pytest.raises(MissingError, match=r"rows-00000002\.npy is missing"):
        disk[256:]


def test_a_folder_in_the_place_of_a_file_is_refused(place):
    place.write()
    if place.url.startswith("s3"):
        pytest.skip("an object store has no folders")
    place.remove("rows-00000001.npy")
    place.system.makedirs(f"{place.root}/rows-00000001.npy")
    with pytest.raises(StorageError, match=r"rows-00000001\.npy is not a file: remove it"):
        place.open()[:]


# ---- who else is writing ----------------------------------------------------------------------------------------


def note(**values):
    return json.dumps({"host": "another", "process": 1, "token": "t", "time": time.time(), **values}).encode()


@pytest.fixture(scope="module")
def dead_process():
    """The number of a process that was, a moment ago."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_young_note_of_another_writer_stops_this_one(place):
    here = socket.gethostname()
    for found in (
        note(),
        note(time=time.time() - 20),
        note(time=time.time() + 40),
        note(host=here, process=os.getppid()),
        note(host=here, process="no number"),
    ):
        place.put(".writing", found)
        for refused in (place.write, lambda: place.write(OTHER, overwrite=True)):
            with pytest.raises(
                StorageError, match=r"another process is writing to .* \(process .* on .*\): wait until"
            ):
                refused()
        assert place.contents() == {".writing": found}


def test_a_note_that_counts_for_nothing_stops_nobody(place, reference, dead_process):
    here = socket.gethostname()
    for found in (
        note(time=time.time() - 61),
        note(time=time.time() + 1_000),
        note(time=0),
        note(time=float("nan")),
        note(time=float("inf")),
        note(time=10**400),
        note(time="yesterday"),
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


def test_a_writer_renews_its_note_and_removes_it(place, monkeypatch):
    """At each file, if it were due at once."""
    monkeypatch.setattr(remote, "LOCK_RENEWAL", -1)
    put, notes = remote.RemoteFolder._put, []

    def spy(folder, name, whole):
        if name == ".writing":
            notes.append(json.loads(whole))
        put(folder, name, whole)

    monkeypatch.setattr(remote.RemoteFolder, "_put", spy)
    place.write()
    assert len(notes) >= 4  # at first, and with the plan, the plan again, and the manifest
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


# ---- stores that fail -------------------------------------------------------------------------------------------

ERRORS = (OSError(errno.EIO, "broken"), ConnectionError("reset"), TimeoutError("late"), RuntimeError("what?"))


class Fails:
    """A store of which requests fail, before they are carried out, afterwards, or in the middle if there is one."""

    def __init__(self, system, monkeypatch, at, lasting):
        self.calls, self.at, self.lasting, self.seen = 0, at, lasting, None
        self.torn = system.protocol == "elsewhere"
        for name in ("pipe_file", "cat_file", "info", "ls", "rm_file", "mv", "makedirs"):
            monkeypatch.setattr(system, name, self.failing(getattr(system, name)))

    def failing(self, method):
        def call(*arguments, **settings):
            self.calls += 1
            if self.calls == self.at + 1 or (self.lasting and self.calls > self.at):
                if self.torn and method.__name__ == "pipe_file":
                    path, content = arguments
                    method(path, content[: len(content) // 2])
                elif self.at % 2 and not self.lasting:
                    method(*arguments, **settings)
                self.seen = self.seen or ERRORS[self.at % len(ERRORS)]
                raise self.seen
            return method(*arguments, **settings)

        return call


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("kind", ["memory", "elsewhere"])
def test_a_store_that_fails_at_any_request_loses_nothing(request, reference, kind, lasting):
    place = request.getfixturevalue(kind)
    wanted, other = reference(), reference(OTHER)
    failures = 0
    for at in range(200):
        overwrite = at % 3 == 0
        if overwrite:
            place.write(OTHER)
        with pytest.MonkeyPatch.context() as patch:
            store = Fails(place.system, patch, at, lasting)
            error = None
            try:
                place.write(overwrite=overwrite)
            except StorageError as raised:
                error = raised
        if error is not None:
            failures += 1
            assert f"{type(store.seen).__name__}: {store.seen}" in str(error)
            assert place.url in str(error)
            assert error.errno == getattr(store.seen, "errno", None)
            assert error.__cause__ is store.seen
        found = {name: content for name, content in place.contents().items() if name != ".writing"}
        whole = {name: content for name, content in found.items() if not name.endswith(".part")}
        assert whole.items() <= wanted.items() or whole.items() <= other.items()
        if "manifest.json" in whole:
            assert whole in (wanted, other)
            same(place.open(), ROWS if whole == wanted else OTHER)
        else:
            with pytest.raises(MissingError):
                place.open()
        same(place.write(overwrite=overwrite))
        assert place.contents() == wanted
        for name in place.contents():
            place.remove(name)
        if store.seen is None:
            break
    assert store.seen is None  # each request of an undisturbed run has failed once
    assert failures >= 15


@pytest.mark.parametrize("at", range(12))
def test_a_store_that_fails_while_it_is_read_says_so(memory, monkeypatch, at):
    memory.write()
    with pytest.MonkeyPatch.context() as patch:
        store = Fails(memory.system, patch, at, lasting=False)
        with pytest.raises(StorageError, match="memory://") as caught:
            memory.open()[:]
        assert str(store.seen) in str(caught.value)
    same(memory.open())


# ---- what URLs mean ---------------------------------------------------------------------------------------------


def test_a_url_of_a_file_is_a_path(tmp_path, fsspec, reference):
    disk = planted.write(ROWS, f"file://{tmp_path}/rows", shard_bytes=SHARD)
    same(disk)
    assert isinstance(disk.shards.folder, LocalFolder)
    assert {path.name: path.read_bytes() for path in (tmp_path / "rows").iterdir()} == reference()
    for url in (f"file://{tmp_path}/rows", f"local://{tmp_path}/rows/", tmp_path / "rows", f"{tmp_path}/rows/"):
        same(planted.open(url))
        assert planted.verify(url).ok


def test_one_file_system_within_another(tmp_path, fsspec, reference):
    """A file system of fsspec that is told where its root is: no object store either."""
    (tmp_path / "root").mkdir()
    settings = {"path": str(tmp_path / "root"), "target_protocol": "file"}
    same(planted.write(ROWS, "dir://rows", shard_bytes=SHARD, storage_options=settings))
    found = {path.name: path.read_bytes() for path in (tmp_path / "root" / "rows").iterdir()}
    assert found == reference()
    same(planted.open("dir://rows", storage_options=settings))


def test_a_missing_fsspec_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for use in (planted.open, planted.verify, lambda url: planted.write(ROWS, url)):
        with pytest.raises(MissingDependencyError, match=r"'s3://a/b' needs fsspec.*pip install 'planted\[remote\]'"):
            use("s3://a/b")


def test_what_a_url_needs_besides_is_named(fsspec):
    fsspec.register_implementation("nowhere", "no_such_module.Nowhere", clobber=True, errtxt="pip install nowhere")
    with pytest.raises(MissingDependencyError, match=r"target='nowhere://rows' needs what is not installed: .*nowhere"):
        planted.open("nowhere://rows")


def test_a_url_that_nobody_knows_is_refused(fsspec):
    with pytest.raises(InvalidValueError, match=r"target='bogus://rows' cannot be reached: .*; use a path or a URL"):
        planted.open("bogus://rows")


def test_a_store_that_cannot_be_reached_is_said(fsspec):
    from fsspec.spec import AbstractFileSystem

    class Unreachable(AbstractFileSystem):
        protocol = "unreachable"

        def __init__(self, *arguments, **settings):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    fsspec.register_implementation("unreachable", Unreachable, clobber=True)
    with pytest.raises(
        StorageError, match=r"unreachable://rows: ConnectionRefusedError: .*Connection refused"
    ) as caught:
        planted.open("unreachable://rows")
    assert caught.value.errno == errno.ECONNREFUSED


def test_a_bucket_that_is_not_there_is_said(s3):
    with pytest.raises(MissingError, match="there are no rows in s3://no-such-bucket/rows"):
        planted.open("s3://no-such-bucket/rows", storage_options=s3.storage_options)
    with pytest.raises(StorageError, match="s3://no-such-bucket/rows"):
        planted.write(ROWS, "s3://no-such-bucket/rows", storage_options=s3.storage_options)
