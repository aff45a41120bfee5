"""What tests of rows on disk share: the file formats, and small blocks."""

import pytest
from folders import BLOCK, FORMATS

from planted._disk.formats import BLOCK_BYTES


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
