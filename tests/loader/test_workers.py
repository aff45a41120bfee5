"""Threads that work ahead end, whatever a signal, the garbage collector, a fork or the end of the program does."""

import contextlib
import gc
import inspect
import itertools
import os
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import CancelledError
from concurrent.futures import thread as executors
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import pytest
from stored_rows import memory_for, order_of, stored

import planted
from planted._loader import chunks, pool
from planted._loader import loader as _loader
from planted._machine import workers as _workers
from planted._machine.workers import Notifier, Workers

pytestmark = [pytest.mark.threads, pytest.mark.timeout(120)]
HERE = Path(__file__).resolve().parent
DISK = "import planted, sys; sys.path.insert(0, '.'); from stored_rows import stored, memory_for"


class Own:
    """Rows of a user's own."""

    def __len__(self):
        return 1000

    def take(self, rows):
        return (np.asarray(rows, float)[:, None],) * 2


def knotted(iterator):
    """Nothing but the garbage collector ends it now."""
    knot = [iterator]
    knot.append(knot)


def gone(threads):
    """Whether planted's threads are, soon."""
    deadline = time.monotonic() + 20
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    return not threads()


# ---- results ----------------------------------------------------------------------------------------------------


def test_results_come_in_the_order_of_the_jobs(threads):
    workers = Workers(3, "planted-test")
    for i in range(20):
        workers.submit(lambda i=i: time.sleep(0.002 * (i % 3)) or i)
    assert len(workers) == 20
    assert [workers.result() for _ in range(20)] == list(range(20))
    assert len(workers) == 0
    assert workers.close()
    assert workers.close()
    assert not threads()


def test_an_error_arrives_in_its_place_and_holds_nothing(threads):
    workers = Workers(1, "planted-test")
    workers.submit(divmod, 1, 0)
    workers.submit(divmod, 1, 1)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(ZeroDivisionError):
            workers.result()
        assert workers.result() == (1, 0)
        assert workers.close()
        assert gc.collect() < 50  # no cycle of a traceback and its frames with what they hold
    finally:
        gc.enable()


def test_what_has_not_begun_is_given_up_and_whoever_waits_for_it_is_told(threads):
    workers, gate, told = Workers(1, "planted-test"), threading.Event(), []
    done = []
    workers.submit(gate.wait, 30)
    workers.submit(done.append, 1)

    def take():
        for _ in range(2):
            try:
                workers.result()
            except CancelledError as error:
                told.append(error)

    taker = threading.Thread(target=take)
    taker.start()
    threading.Timer(0.1, gate.set).start()
    assert workers.close()
    taker.join()
    assert told
    assert not done
    with pytest.raises(CancelledError):
        workers.submit(int)
    with pytest.raises(CancelledError):
        workers.result()


def test_whoever_waits_for_a_job_that_no_thread_takes_is_told_by_close():
    workers, told = Workers(0, "planted-test"), []
    workers.submit(int)

    def take():
        try:
            workers.result()
        except CancelledError as error:
            told.append(error)

    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    time.sleep(0.2)  # so that it waits by now
    workers.close()
    taker.join(20)
    assert told


def test_a_result_belongs_to_its_taker_alone():
    """An idle thread keeps nothing of its last job alive."""

    class Result:
        pass

    workers = Workers(1, "planted-test")
    workers.submit(lambda argument: argument, Result())
    result = weakref.ref(workers.result())
    deadline = time.monotonic() + 20
    while result() is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert result() is None
    assert workers.close()


def test_an_interrupted_wait_loses_no_outcome():
    """A signal's handler may raise at any line before an outcome is taken: it is there the next time."""
    before, points = sys.gettrace(), 0
    workers = Workers(1, "planted-test")
    for stop in range(100):
        workers.submit(lambda number: number, stop)
        lines = itertools.count()

        def trace(frame, event, _, stop=stop, lines=lines):
            inside = frame.f_code.co_filename == _workers.__file__ and frame.f_code.co_name in ("result", "wait")
            if event == "line" and inside and len(workers) and next(lines) == stop:
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            taken = workers.result()
        except KeyboardInterrupt:
            points += 1
            sys.settrace(before)
            assert len(workers) == 1
            assert workers.result() == stop
        else:
            assert taken == stop
            break
        finally:
            sys.settrace(before)
    assert points >= 4
    assert workers.close()


def test_that_no_thread_can_be_started_is_said(monkeypatch, threads):
    starts = iter([True, False])
    start = threading.Thread.start

    def fail(self):
        if not next(starts, True):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", fail)
    workers = Workers(2, "planted-test")
    with pytest.raises(RuntimeError, match="new thread"):
        workers.submit(int)
    assert workers.close()
    assert not threads()


def test_whoever_waits_for_a_change_asks_again_after_each():
    notifier, number, asked = Notifier(), 0, []

    def ask():
        asked.append(number)
        return f"it is {number}" if number == 3 else None

    answers = SimpleQueue()
    thread = threading.Thread(target=lambda: answers.put(notifier.wait_for(ask)))
    thread.start()
    for number in (1, 2, 3):
        while len(asked) < number:
            time.sleep(0.001)
        with notifier.lock:
            notifier.notify()
    assert answers.get(timeout=30) == "it is 3"
    assert asked[-1] == 3
    thread.join()
    with notifier.lock:
        notifier.notify()  # nobody waits any more


# ---- the garbage collector ----------------------------------------------------------------------------------------


@pytest.fixture
def no_collector():
    """The garbage collector comes only where a test wants it."""
    gc.collect()
    gc.freeze()  # nor does it take long there, with all that a framework makes
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", ["pipeline", "loader"])
def test_collected_in_a_thread_of_its_own(kind, threads, monkeypatch):
    """By a user's function, in the middle of a job: it is not waited for, and nothing is raised."""
    monkeypatch.setattr(_loader, "CHUNK_BYTES", 1)
    go, done = threading.Event(), threading.Event()

    def collect(number, ahead):
        if number == ahead and go.wait(30):  # made in the background, before it is asked for
            gc.collect()
            done.set()
        return number

    if kind == "pipeline":
        iterator = iter(planted.Pipeline(range(100)).map(lambda x: collect(x, 2)).prefetch(2))
    else:
        rows = Own()
        rows.take = lambda numbers: Own.take(rows, [collect(number, 3) for number in numbers])
        iterator = iter(planted.Loader(rows, 3, shuffle=False))
    next(iterator)
    knotted(iterator)
    del iterator
    go.set()
    assert done.wait(30)
    assert gone(threads)


@pytest.mark.usefixtures("no_collector")
def test_collected_where_the_lock_of_all_executors_is_held(threads):
    """As when it comes by while `concurrent.futures` begins a job, of a pipeline whose loader begins one too."""
    gate = threading.Event()
    pipeline = planted.Loader(Own(), 300).map(lambda X, y: gate.wait(30) and (X, y)).prefetch(2)
    gate.set()
    for _ in range(20):
        iterator = iter(pipeline)
        next(iterator)
        gate.clear()
        knotted(iterator)
        del iterator
        with executors._global_shutdown_lock:
            threading.Timer(0.02, gate.set).start()
            gc.collect()
        assert gone(threads)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("kind", ["pipeline", "loader", "disk"])
def test_collected_where_a_lock_is_held_that_a_job_wants(kind, threads, monkeypatch):
    """Patience ends, and the thread with its job."""
    monkeypatch.setattr(_workers, "PATIENCE", 0.05)
    monkeypatch.setattr(_loader, "CHUNK_BYTES", 1)
    lock, waiting = threading.Lock(), threading.Event()

    def want(later):
        if later:
            waiting.set()
            with lock:
                pass

    if kind == "pipeline":
        iterator = iter(planted.Pipeline(range(100)).map(lambda x: want(x >= 1) or x).prefetch(2))
    elif kind == "loader":
        rows = Own()
        rows.take = lambda numbers: want(numbers[0] >= 3) or Own.take(rows, numbers)
        iterator = iter(planted.Loader(rows, 3, shuffle=False))
    else:
        source = stored(400, 10)
        loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=0)
        order = order_of(loader, 0)
        first = set(order.take(range(*order.span(0))).tolist())
        source.before = lambda start: want(start not in first)
        iterator = iter(loader)
    with lock:
        next(iterator)
        assert waiting.wait(30)
        knotted(iterator)
        del iterator
        gc.collect()
        assert threads()
    assert gone(threads)


@pytest.mark.usefixtures("no_collector")
def test_collected_where_a_thread_is_begun(monkeypatch, threads):
    """It is not waited for there, though what it does takes long, and no thread is listed that is gone."""
    gate, start = threading.Event(), threading.Thread.start
    iterator = iter(planted.Pipeline(range(9)).map(lambda x: x and gate.wait(30)).prefetch(2))
    next(iterator)
    before = threading.active_count()
    knotted(iterator)
    del iterator

    def collect(self):
        gc.collect()
        start(self)

    monkeypatch.setattr(threading.Thread, "start", collect)
    assert next(iter(planted.Pipeline(range(9)).prefetch(1))) == 0  # not after `PATIENCE`
    assert threads()
    gate.set()
    assert gone(threads)
    assert threading.active_count() < before


# ---- signals ------------------------------------------------------------------------------------------------------


class Interrupt(Exception):  # noqa: N818 -- no fault
    """What a signal's handler raises."""


def test_an_interrupt_at_every_call_while_it_closes(monkeypatch, threads):
    """Wherever a handler raises, once: all threads end, whether chunks are made ahead or not."""
    monkeypatch.setattr(_loader, "CHUNK_BYTES", 400)
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)  # raised while an iterator is dropped, it is lost
    source = stored(400, 10)
    files = {_workers.__file__, chunks.__file__, _loader.__file__, pool.__file__}
    for prefetch in (0, 2):
        loader = planted.Loader(source, 10, memory=memory_for(8, source), prefetch=prefetch)
        for stop in range(100):
            iterator = iter(loader)
            next(iterator)
            left = [stop]

            def trace(frame, event, arg, left=left):
                # no signal is handled while a generator is being closed, before its `finally`
                if frame.f_code.co_filename in files and not frame.f_code.co_flags & inspect.CO_GENERATOR:
                    left[0] -= 1
                    if left[0] == -1:
                        raise Interrupt

            before = sys.gettrace()
            sys.settrace(trace)
            with contextlib.suppress(Interrupt):
                iterator.close()
            sys.settrace(before)
            assert gone(threads), (prefetch, stop)
            if left[0] >= 0:
                break
        assert 5 <= stop < 99, (prefetch, stop)


# ---- forks, and the end -------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("kind", ["pipeline", "loader", "disk", "disk ahead"])
def test_an_iterator_that_a_fork_has_left_without_threads_says_so(kind):
    """In the child it can be dropped, and is refused; in an interpreter of its own, where no others' threads warn."""
    code = f"""{DISK}
import os, signal, warnings, numpy as np
from planted._loader import loader as _loader
from planted.errors import ForkedError
warnings.simplefilter("ignore")
_loader.CHUNK_BYTES = 1
source = stored(3000, 10)
rows = planted.regression([1.0, 2.0], n=3000)
loaders = {{
    "pipeline": lambda: planted.Loader(rows, 10).map(lambda *batch: batch).prefetch(2),
    "loader": lambda: planted.Loader(rows, 10),
    "disk": lambda: planted.Loader(source, 10, memory=memory_for(20, source), prefetch=0),
    "disk ahead": lambda: planted.Loader(source, 10, memory=memory_for(20, source)),
}}
loader = loaders[{kind!r}]()
first, second = iter(loader), iter(loader)
next(first), next(second)
child = os.fork()
if not child:
    signal.alarm(20)
    status = 1
    try:
        for _ in range(2):
            try:
                while True:
                    next(first)
            except ForkedError as error:
                assert "begin another one" in str(error)
            except StopIteration:
                pass
        second.close()
        status = 0 if sum(len(batch[0]) for batch in loader) == 3000 else 2
    finally:
        os._exit(status)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert sum(len(batch[0]) for batch in first) == 2990
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False, cwd=HERE
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_program_ends_though_pipelines_are_left_unread():
    """With a thread that waits for another one's result, and jobs in line."""
    code = f"""{DISK}
import atexit, threading, time
from planted._loader import loader as _loader
_loader.CHUNK_BYTES = 1
atexit.register(lambda: print([t.name for t in threading.enumerate() if t.name.startswith("planted")]))
rows = planted.regression([1.0, 2.0], n=3000)
slow = planted.Loader(rows, 10).map(lambda X, y: time.sleep(0.01) or (X, y))
source = stored(3000, 10)
source.before = lambda start: time.sleep(0.002)
left = [iter(slow.prefetch(2)), iter(slow.prefetch(3).prefetch(2)), iter(planted.Loader(rows, 10).prefetch(1))]
left.append(iter(planted.Loader(source, 10, memory=memory_for(20, source)).prefetch(2)))
for iterator in left:
    next(iterator)
print("done", flush=True)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=50, check=False, cwd=HERE
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n[]\n", "")
