"""Memory that is used again: only once nobody can see it, and never without bound."""

import gc
import threading

import numpy as np
import pytest

from planted import _memory
from planted._memory import empty

FLOAT32 = np.dtype("float32")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """Each test has a store of its own."""
    monkeypatch.setattr(_memory, "_store", _memory._Store())


@pytest.mark.parametrize("rows", [0, 1, 7, 1000, 5000, 20_000, 3_000_000])
def test_an_empty_array_is_aligned_writable_and_of_the_shape_asked_for(rows):
    array = empty((rows, 3), FLOAT32)
    assert (array.shape, array.dtype) == ((rows, 3), FLOAT32)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    if rows:
        assert array.ctypes.data % _memory.CACHE_LINE == 0
        array[:] = 1


def test_a_block_is_used_again_once_the_last_view_is_gone():
    array = empty((5000, 16), FLOAT32)
    address = array.ctypes.data
    view = array[100:200]
    row = view[3]
    del array, view
    gc.collect()
    other = empty((5000, 16), FLOAT32)
    assert other.ctypes.data != address  # a row is still seen
    del row
    assert empty((5000, 16), FLOAT32).ctypes.data == address


def test_a_tensor_holds_its_block(torch):
    """A torch tensor over a chunk, or over a part of one, keeps the memory from being used again."""
    array = empty((5000, 16), FLOAT32)
    address = array.ctypes.data
    tensor = torch.from_numpy(array)[17:18]
    del array
    assert empty((5000, 16), FLOAT32).ctypes.data != address
    del tensor
    assert address in {empty((5000, 16), FLOAT32).ctypes.data for _ in range(1)}


def test_the_store_is_bounded():
    """Whatever sizes come and go, no more than the limit is kept, and the latest size is kept."""
    for rows in range(5000, 5300):
        arrays = [empty((rows, 16), FLOAT32) for _ in range(3)]
        del arrays
        kept = sum(block.nbytes for blocks in _memory._store.free.values() for block in blocks)
        assert kept <= _memory.KEPT_BYTES
        assert kept > 5000 * 64


def test_threads_never_share_a_block():
    """Eight threads that take, fill, check and drop blocks never see each other's values."""
    wrong = []

    def work(value):
        for _ in range(300):
            array = empty((1100, 16), FLOAT32)
            array[:] = value
            if not (array == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
