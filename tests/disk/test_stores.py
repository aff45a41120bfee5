"""Rows in stores behind fsspec: the bytes that a folder would have, whatever the store, and however it fails."""

import errno
import pickle
import sys

import pytest
from folders import SHARD
from stores import OTHER, ROWS, same

import planted
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


def test_what_fsspec_remembers_of_other_folders_is_kept(s3):
    """Its file systems are shared by a whole program, whose listings are dear."""
    s3.system.pipe_file("planted/elsewhere/a.txt", b"a")
    s3.system.ls("planted/elsewhere")
    s3.write()
    same(s3.open())
    assert "planted/elsewhere" in s3.system.dircache
    assert s3.root not in s3.system.dircache


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
