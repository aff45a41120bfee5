"""What tests of rows on disk share: the file formats, small blocks, and folders in stores."""

import contextlib
import logging
import uuid

import pytest
from folders import BLOCK, FORMATS, SHARD
from stores import ROWS, Place

import planted
from planted._disk.formats import BLOCK_BYTES

BUCKET = "planted"
S3_SETTINGS = {"key": "testing", "secret": "testing", "client_kwargs": {"region_name": "eu-west-1"}}


@pytest.fixture(params=FORMATS)
def file_format(request, library):
    """Each format whose library is here."""
    if request.param != "npy":
        library("pyarrow")
    return request.param


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of some dozens of rows, so that little data is many blocks."""
    for name in FORMATS:
        monkeypatch.setitem(BLOCK_BYTES, name, BLOCK)


# ---- stores ----


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
