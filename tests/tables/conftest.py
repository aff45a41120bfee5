"""What the tests of tables share."""

from pathlib import Path

import pytest
from table_files import KINDS

from planted._tables import part as _part


@pytest.fixture(params=KINDS)
def kind(request, library):
    """Each way in which rows are kept, if its library is here."""
    found = KINDS[request.param]
    if found.library:
        library(found.library)
    return found


@pytest.fixture
def pa(library):
    """pyarrow, with Parquet and Feather."""
    library("pyarrow.parquet")
    library("pyarrow.feather")
    return library("pyarrow")


@pytest.fixture
def memory(library):
    """The file system in memory, of fsspec."""
    system = library("fsspec").filesystem("memory")
    yield system
    system.store.clear()


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of some dozens of rows, so that little data is many blocks."""
    monkeypatch.setattr("planted._tables.delimited.UNIT_BYTES", 1024)
    for name in ("npy", "part", "columnar", "delimited"):
        monkeypatch.setattr(f"planted._tables.{name}.BLOCK_BYTES", 1024)
    monkeypatch.setattr(_part, "COLUMN_BYTES", 256)


@pytest.fixture
def bytes_read():
    """A function that tells how many bytes this process has read since the last call, as the system counts them."""
    counts = Path("/proc/self/io")
    if not counts.exists():
        pytest.skip("only Linux counts what a process reads")
    before = 0

    def count():
        nonlocal before
        now = int(counts.read_text().partition("rchar: ")[2].split()[0])
        since, before = now - before, now
        return since

    count()
    return count
