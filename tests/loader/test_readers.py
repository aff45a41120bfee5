"""The threads that read blocks: whatever becomes of a load, of the loop or of the process, none is left behind."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import CancelledError
from pathlib import Path

import numpy as np
import pytest
from stored_rows import memory_for, order_of, stored

import planted
from planted._loader import pool

pytestmark = pytest.mark.threads


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_abandoned_iterator_leaves_no_thread(threads, prefetch, slow):
    """After any number of batches, however it is abandoned, whether loads are done or under way."""
    source = stored(400, 10)
    source.before = (lambda start: time.sleep(0.002)) if slow else source.before
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
    for count in (1, 5, 13, 39):
        for how in ("close", "forget", "cycle"):
            iterator = iter(loader)
            list(itertools.islice(iterator, count))
            assert threads() or count == 39, how  # all is loaded
            if how == "close":
                iterator.close()
            if how == "cycle":
                knot = [iterator]
                knot.append(knot)
                del knot, iterator
                gc.collect()
            iterator = None
            assert not threads(), how
    iter(loader)
    assert not threads()
    for _ in loader:
        break
    assert not threads()


def test_threads_are_as_many_as_the_rows_ask_for(threads):
    source = stored(400, 10, readers=3)
    iterator = iter(planted.Loader(source, 10, memory=memory_for(8, source), prefetch=0))
    next(iterator)
    assert sum("reader" in thread.name for thread in threads()) <= 3
    iterator.close()
    assert len({thread.name for thread in threads()}) == 0


class DamagedError(planted.PlantedError):
    """What a disk finds out."""


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("readers", [1, 3])
def test_an_error_in_a_load_reaches_the_caller_after_the_batches_before_it(prefetch, readers, threads):
    """At every block: batches of earlier pools come first, and are right; then the error, once; then it can go on."""
    source = stored(120, 5, readers=readers)
    for bad in range(0, 120, 5):

        def fail(start, bad=bad):
            if start == bad:
                raise DamagedError(f"row {bad}")

        source.before = fail
        loader = planted.Loader(source, 4, with_index=True, memory=memory_for(6, source), prefetch=prefetch)
        order = order_of(loader, 0)
        [place] = [p for p in range(8) if bad // 5 in order.pool_at(p).blocks]
        seen = []
        with pytest.raises(DamagedError, match=f"row {bad}$") as caught:
            for X, y, index in loader:
                seen.append(index)
                np.testing.assert_array_equal(X, source.rows.take(index).X)
                np.testing.assert_array_equal(y, source.rows.take(index).y)
        assert "in load" in "".join(traceback.format_tb(caught.tb))
        assert not threads()
        flat = np.concatenate([np.empty(0, np.int64), *seen])
        np.testing.assert_array_equal(flat, order.take(range(flat.size)))
        per_chunk = 33 // 4
        assert order.span(place)[0] - 4 * per_chunk < flat.size <= order.span(place)[0]
        assert loader.state_dict()["batch"] == len(seen)
        source.before = lambda start: None
        loader.set_epoch(0)
        assert len(list(loader)) == 30
        del caught, loader


@pytest.mark.parametrize("late", [0, 1])
def test_of_two_errors_that_of_the_earlier_pool_is_raised(late, threads):
    """Whichever comes first, of two loads that are under way in neighbouring pools."""
    source = stored(400, 10)
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=0)
    order = order_of(loader, 0)
    fatal = [order.blocks.bounds(int(order.pool_at(p).blocks[end]))[0] for p, end in ((0, -1), (1, 0))]
    begun = [threading.Event(), threading.Event()]
    raised = threading.Event()

    def fail(start):
        if start in fatal:
            which = fatal.index(start)
            begun[which].set()
            assert begun[1 - which].wait(30)
            if which == late:
                assert raised.wait(30)
                time.sleep(0.05)
            raised.set()
            raise DamagedError(f"pool {which}")

    source.before = fail
    reader = pool.PoolReader(source, order, loader._plan.slots, [range(10), range(60, 70)])
    requests = [reader.request(range(10)), reader.request(range(60, 70))]
    for thread in reader._threads:
        thread.join()
    for request in requests:
        with pytest.raises(DamagedError, match="pool 0"):
            reader.gather(request)
    reader.close()
    with pytest.raises(CancelledError):
        reader.gather(requests[0])
    assert not threads()


def test_a_pool_whose_loads_are_under_way_when_another_fails_is_delivered(threads, monkeypatch):
    """The rows cannot say which blocks are expected; the block that is still on its way arrives all the same."""
    monkeypatch.setattr(pool, "READAHEAD", (8, 1 << 20))
    source = stored(400, 5)
    loader = planted.Loader(source, 4, with_index=True, memory=memory_for(16, source), prefetch=0)
    order = order_of(loader, 0)
    last = order.blocks.bounds(int(order.pool_at(0).blocks[-1]))[0]
    failed = threading.Event()
    readahead = source.readahead

    def fail(blocks, indices):
        if len(source.expected) >= 8 + len(order.pool_at(0).blocks) - 1:  # pool 0 has been given to readers
            failed.set()
            raise OSError("no such file")
        readahead(blocks, indices)

    def wait(start):
        if start == last:
            assert failed.wait(30)
            time.sleep(0.05)

    source.readahead, source.before = fail, wait
    seen = []
    with pytest.raises(OSError, match="no such file"):
        for _, _, index in loader:
            seen.extend(index.tolist())
    assert not threads()
    assert seen == order.take(range(order.span(0)[1] // 4 * 4)).tolist()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_while_expecting_reaches_the_caller(prefetch, threads, monkeypatch):
    """Whatever the rows raise in a reader's thread; and what was loaded before it is delivered."""
    monkeypatch.setattr(pool, "READAHEAD", (4, 1 << 20))
    source = stored(400, 5)
    readahead, calls = source.readahead, itertools.count()

    def fail(blocks, indices):
        if next(calls) == 12:
            raise OSError("no such file")
        readahead(blocks, indices)

    source.readahead = fail
    seen = []
    with pytest.raises(OSError, match="no such file"):
        for _, _, index in planted.Loader(source, 4, with_index=True, memory=memory_for(16, source), prefetch=prefetch):
            seen.append(index)
    assert not threads()
    loader = planted.Loader(source, 4, with_index=True, memory=memory_for(16, source))
    flat = np.concatenate([np.empty(0, np.int64), *seen])
    np.testing.assert_array_equal(flat, order_of(loader, 0).take(range(flat.size)))


@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_at_once(prefetch, threads):
    source = stored(400, 5)
    source.readahead = None
    for _ in range(2):
        with pytest.raises(TypeError, match="not callable"):
            list(planted.Loader(source, 4, memory=memory_for(16, source), prefetch=prefetch))
        assert not threads()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_error_in_the_users_loop_ends_the_threads(prefetch, threads):
    source = stored(400, 10)
    source.before = lambda start: time.sleep(0.001)
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
    for stop in (0, 3, 20, 39):
        with pytest.raises(ZeroDivisionError):
            for k, _ in enumerate(loader):
                1 // (k != stop)
        gc.collect()  # the loop's iterator hangs on the traceback
        assert not threads()


def test_an_abandoned_iterator_loads_no_further(threads):
    """Chunks that wait for the next pool are given up: only the loads that are under way come to their end."""
    source = stored(2000, 10)
    loader = planted.Loader(source, 10, memory=memory_for(40, source), prefetch=2)
    order = order_of(loader, 0)
    of_pool_0 = {order.blocks.bounds(block)[0] for block in order.pool_at(0).blocks.tolist()}
    source.before = lambda start: None if start in of_pool_0 else time.sleep(0.02)
    iterator = iter(loader)
    for _ in of_pool_0:
        next(iterator)
    before = len(source.loaded)
    iterator.close()
    assert not threads()
    assert len(of_pool_0) <= before <= len(source.loaded) <= before + source.readers


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("prefetch", [0, 2])
def test_nothing_waits_for_a_load_that_never_ends_once_it_does(prefetch, threads):
    """An iterator closed from another thread's point of view: a blocked load ends, and with it all threads."""
    source = stored(400, 10)
    loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
    order = order_of(loader, 0)
    first = set(order.take(range(*order.span(0))).tolist())
    gate = threading.Event()
    blocked = threading.Event()

    def wait(start):
        if start not in first:
            blocked.set()
            assert gate.wait(30)

    source.before = wait
    iterator = iter(loader)
    next(iterator)
    assert blocked.wait(30)
    threading.Timer(0.1, gate.set).start()
    iterator.close()
    assert not threads()


@pytest.mark.parametrize("prefetch", [0, 2])
def test_control_c_ends_the_loop(prefetch):
    """SIGINT while the main thread works, gathers, or waits for a pool: KeyboardInterrupt, and the process ends."""
    code = f"""
import signal, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import planted
from stored_rows import stored, memory_for
signal.signal(signal.SIGINT, signal.default_int_handler)
source = stored(20_000, 10)
list(planted.Loader(source, 100, memory=memory_for(50, source), prefetch={prefetch}))
source.before = lambda start: time.sleep(0.002)
for _ in range(5):
    try:
        print("ready", flush=True)
        while True:
            for X, y in planted.Loader(source, 100, memory=memory_for(50, source), prefetch={prefetch}):
                pass
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        for delay in (0.03, 0.1, 0.2, 0.3, 0.37):
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay)
            process.send_signal(signal.SIGINT)
            assert process.stdout.readline() == "interrupted\n"
        assert process.wait(30) == 0
    finally:
        watchdog.cancel()
        process.kill()
        process.stdout.close()


def test_a_program_ends_though_an_iterator_is_left_unread():
    """In a global variable, with readers that wait for slots or load, and chunks made ahead or not."""
    code = f"""
import atexit, sys, threading, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
import planted
from stored_rows import stored, memory_for
atexit.register(lambda: print([t.name for t in threading.enumerate() if t.name.startswith("planted")]))
source = stored(20_000, 10)
iterators = []
for k in range(4):
    source.before = (lambda start: None) if k < 2 else (lambda start: time.sleep(0.002))
    iterators.append(iter(planted.Loader(source, 100, memory=memory_for(50, source), prefetch=k % 2 * 2)))
    next(iterators[-1])
print("done", flush=True)
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n[]\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")  # of JAX, if another test has imported it
def test_a_loader_works_in_a_forked_child(monkeypatch):
    """Even while the parent iterates, and one of its threads has the lock: the child can drop the parent's iterator."""
    source = stored(3000, 10)
    loader = planted.Loader(source, 10, memory=memory_for(20, source), prefetch=0)
    reader, held, forked = [], threading.Event(), threading.Event()
    start = pool.PoolReader._start
    monkeypatch.setattr(pool.PoolReader, "_start", lambda self: reader.append(self) or start(self))
    iterator = iter(loader)
    next(iterator)

    def hold():
        with reader[0]._change.lock:
            held.set()
            assert forked.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(30)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)  # ends the child if it waits for a thread that it does not have
            source.forget()
            iterator.close()
            status = 0 if sum(len(X) for X, _ in loader) == 3000 else 2
        finally:
            os._exit(status)
    forked.set()
    holder.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert sum(len(X) for X, _ in iterator) == 2990
