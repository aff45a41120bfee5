"""Memory that is used again: only once nobody can see it, and never without bound."""

import gc
import itertools
import sys
import threading

import numpy as np
import pytest

from planted._machine import memory
from planted._machine.memory import empty

FLOAT32 = np.dtype("float32")


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    """Each test has a store of its own."""
    monkeypatch.setattr(memory, "_store", memory._Store())


@pytest.mark.parametrize("rows", [0, 1, 7, 1000, 5000, 20_000, 3_000_000])
def test_an_empty_array_is_aligned_writable_and_of_the_shape_asked_for(rows):
    array = empty((rows, 3), FLOAT32)
    assert (array.shape, array.dtype) == ((rows, 3), FLOAT32)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    if rows:
        assert array.ctypes.data % memory.CACHE_LINE == 0
        array[:] = 1


@pytest.mark.parametrize("rows", [1024, 5000, memory.LARGEST // 64])
def test_a_block_is_used_again_once_the_last_view_is_gone(rows):
    array = empty((rows, 16), FLOAT32)
    address = array.ctypes.data
    array[-1] = 7  # the operating system, too, may give the same address again, but not what was there
    view = array[100:200]
    row = view[3]
    del array, view
    gc.collect()
    other = empty((rows, 16), FLOAT32)
    assert other.ctypes.data != address  # a row is still seen
    del row
    again = empty((rows, 16), FLOAT32)
    assert again.ctypes.data == address
    assert (again[-1] == 7).all()


def test_a_tensor_holds_its_block(torch):
    """A torch tensor over a chunk, or over a part of one, keeps the memory from being used again."""
    array = empty((5000, 16), FLOAT32)
    address = array.ctypes.data
    tensor = torch.from_numpy(array)[17:18]
    del array
    assert empty((5000, 16), FLOAT32).ctypes.data != address
    del tensor
    assert address in {empty((5000, 16), FLOAT32).ctypes.data for _ in range(1)}


def kept():
    """How many bytes wait to be used again."""
    return sum(loan.buffer.nbytes for free in memory._store.free.values() for loan in free)


def test_the_store_is_bounded():
    """Whatever sizes come and go, what is kept is under the limit when the next is asked for, and a size is kept."""
    for rows in range(5000, 5300):
        arrays = [empty((rows, 16), FLOAT32) for _ in range(3)]
        assert kept() <= memory.KEPT_BYTES
        del arrays
        assert kept() > 3 * 5000 * 64


def test_many_blocks_given_back_at_once_are_not_all_kept():
    arrays = [empty((1 << 18, 16), FLOAT32) for _ in range(12)]  # 16 MiB each, and no page of them touched
    arrays += [empty((1 << 17, 16), FLOAT32) for _ in range(20)]
    del arrays
    assert 0.8 * memory.KEPT_BYTES < kept() <= 2 * memory.KEPT_BYTES  # each size
    array = empty((5000, 16), FLOAT32)
    assert kept() == 0
    del array
    assert kept() == 5000 * 64 + memory.CACHE_LINE


def test_a_block_comes_back_without_a_line_of_python():
    """A signal's handler that raises in a finalizer raises in vain: control-C would be lost there."""
    array = empty((5000, 16), FLOAT32)
    address = array.ctypes.data
    frames = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code.co_name) if event == "call" else None)
    del array
    sys.setprofile(None)
    assert not frames
    assert empty((5000, 16), FLOAT32).ctypes.data == address


def interrupted(stop):
    """An array, unless a signal's handler raises at this line of the module, as they are run; whether it did."""
    lines = itertools.count()

    def trace(frame, event, _):
        if event == "line" and frame.f_code.co_filename == memory.__file__ and next(lines) == stop:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        empty((5000, 16), FLOAT32)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_a_loan_may_be_interrupted_anywhere():
    """The next loan is whole, and no two share a block."""
    for stop in range(100):
        struck = interrupted(stop)
        arrays = [empty((5000, 16), FLOAT32) for _ in range(3)]
        assert len({array.ctypes.data for array in arrays}) == 3
        del arrays
        if not struck:
            break
    assert 10 <= stop < 99


def test_a_loan_without_a_block_is_passed_over():
    """As a handler would leave it that raised between the two lines, if the owner went first."""
    array = empty((5000, 16), FLOAT32)
    (free,) = memory._store.free.values()
    owner = type("Owner", (), {})()
    loan = memory._Loan(owner, free.append)
    del owner
    assert free.pop() is loan
    free.append(loan)
    assert empty((5000, 16), FLOAT32).ctypes.data != array.ctypes.data


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


def test_released_memory_is_kept_no_more():
    """Also what comes back later, from arrays that are still in use."""
    used, array = empty((5000, 16), FLOAT32), empty((1 << 18, 16), FLOAT32)
    del array
    assert kept() > 1 << 24
    memory.release()
    assert kept() == 0
    del used
    assert kept() == 0


def test_memory_that_is_not_wanted_for_a_time_is_given_up(monkeypatch):
    """A buffer in use again and again stays; of those that lie idle from one look to the next, none."""
    now = [memory._store.looked]
    monkeypatch.setattr(memory, "monotonic", lambda: now[0])
    arrays = [empty((1 << 18, 16), FLOAT32) for _ in range(3)]
    del arrays
    for _ in range(2):
        now[0] += memory.IDLE
        for _ in range(3):
            empty((5000, 16), FLOAT32)
            empty((1 << 18, 16), FLOAT32)
    assert kept() == 5000 * 64 + (1 << 24) + 2 * memory.CACHE_LINE
    now[0] += memory.IDLE
    empty((5000, 16), FLOAT32)
    now[0] += memory.IDLE
    empty((5000, 16), FLOAT32)
    assert kept() == 5000 * 64 + memory.CACHE_LINE


def test_memory_that_cannot_be_had_is_asked_for_again_without_what_is_kept(monkeypatch):
    array = empty((1 << 18, 16), FLOAT32)
    del array
    had = np.empty
    monkeypatch.setattr(memory.np, "empty", lambda *given: had(*given) if kept() == 0 else fail())

    def fail():
        raise MemoryError

    assert empty((5000, 16), FLOAT32).shape == (5000, 16)
