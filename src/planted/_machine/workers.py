"""Threads that do jobs ahead, of which nothing waits for ever: whatever a signal, the garbage collector or a fork does.

What comes in: jobs, one by one. What goes out: their results, in order. Each hand-over is one operation of a
`queue.SimpleQueue`, so no lock is ever held while Python code runs. With the pools of `concurrent.futures`, whose locks
are, this was seen: a signal's handler that raised while a lock had just been taken, and nobody to give it back; the
garbage collector, on a thread that held the lock of all pools, waiting for a thread that wanted it. The vocabulary:

- *job*: a function and its arguments. Each has a *promise*, a queue that gets one outcome: from the thread that did the
  job, or, if none did, from `close`. That is why a wait for a result ends.
- *abandoned*: closed before all results were taken. Jobs that have not begun are given up; for those that are under way
  `close` waits no longer than `PATIENCE`, since it may be called by the garbage collector, at any place of anybody's
  program, with any lock held that a job may want. Whether it waits or not, a thread ends with the job that it does.
"""

import _thread
import atexit
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias, TypeVar

from planted._errors import ForkedError

PATIENCE: Final = 10.0  # seconds that an abandoned iterator waits for what is under way
IMPATIENCE: Final = 0.2  # the same, on a thread of planted's own
BACKGROUND: Final = "planted-loader"  # threads so called make chunks or read blocks: others may wait for them

Promise: TypeAlias = SimpleQueue[tuple[Any, BaseException | None]]
Job: TypeAlias = tuple[Promise, Callable[..., Any], tuple[Any, ...]]
Answer = TypeVar("Answer")

_starting: Final[set[int]] = set()  # the threads that start others


class Workers:
    """`count` threads, started with the first job; `on_close` is called when they are closed, before anything else.

    Use them as ``with workers, workers:``. That closes them twice, for a signal's handler may raise before the first
    `close` has begun.
    """

    def __init__(self, count: int, name: str, on_close: Callable[[], object] | None = None) -> None:
        self._count, self._name, self._on_close = count, name, on_close
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._promises: deque[Promise] = deque()
        self._threads: list[threading.Thread] = []
        self._started = self._closed = False
        self._process = os.getpid()

    def __len__(self) -> int:
        """How many results have not been taken."""
        return len(self._promises)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Have a job done in the background."""
        self._check()
        if not self._started:
            self._started = True
            self._start()
        promise: Promise = SimpleQueue()
        self._promises.append(promise)
        self._jobs.put((promise, work, arguments))

    def result(self) -> Any:
        """What the oldest job returned, or raised; it is waited for."""
        self._check()
        made, error = self._promises[0].get()
        self._promises.popleft()
        if error is None:
            return made
        try:
            raise error
        finally:
            del error  # its traceback leads here

    def close(self) -> bool:
        """End the threads; whether they have ended. Safe to call from anywhere, and again."""
        if is_of_another(self._process):
            return False
        self._closed = True
        if self._on_close is not None:
            self._on_close()
        with suppress(Empty):
            while True:
                if job := self._jobs.get_nowait():
                    job[0].put((None, CancelledError()))
        for _ in range(self._count):
            self._jobs.put(None)
        atexit.unregister(self.close)
        return joined(self._threads, busy=bool(self._promises))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        refuse_another(self._process)
        if self._closed:
            raise CancelledError

    def _start(self) -> None:
        atexit.register(self.close)  # and daemons: an iterator left unread must not keep a program from ending
        names = [f"{self._name}_{i}" for i in range(self._count)]
        start(
            [threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True) for name in names],
            self._threads,
        )


def _work(jobs: "SimpleQueue[Job | None]") -> None:
    """What each thread does."""
    while job := jobs.get():
        promise, work, arguments = job
        try:
            outcome: tuple[Any, BaseException | None] = work(*arguments), None
        except BaseException as error:  # noqa: BLE001 -- for whoever takes the result
            outcome = None, error
        promise.put(outcome)
        del job, promise, work, arguments, outcome  # what was made is the taker's alone


class Notifier:
    """A lock, and threads that wait for what it guards to change.

    A `threading.Condition` is written in Python: a signal's handler that raises inside of it leaves the lock taken.
    Here the lock is a bare one, and a thread waits in a queue of its own.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # re-entrant: the garbage collector may call what takes it while it is held
        self._waiting: list[SimpleQueue[None]] = []

    def wait_for(self, ask: Callable[[], Answer | None]) -> Answer:
        """What `ask` returns, called with the lock held; while that is None, it is called again after each change."""
        while True:
            with self.lock:
                answer = ask()
                if answer is not None:
                    return answer
                changed: SimpleQueue[None] = SimpleQueue()
                self._waiting.append(changed)
            changed.get()

    def notify(self) -> None:
        """Tell all who wait that something has changed; to be called with the lock held."""
        for changed in list(self._waiting):
            changed.put(None)
        self._waiting.clear()


def start(threads: Iterable[threading.Thread], started: list[threading.Thread]) -> None:
    """Start threads, and note those that are: from a thread of its own, where no signal's handler can raise half-way.

    A `threading.Thread` whose `start` is interrupted may hang for ever, before it has begun.
    """
    told: SimpleQueue[BaseException | None] = SimpleQueue()

    def begin() -> None:
        _starting.add(threading.get_ident())
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
        except BaseException as error:  # noqa: BLE001 -- there may be no room for another thread
            told.put(error)
        else:
            told.put(None)
        finally:
            _starting.discard(threading.get_ident())

    _thread.start_new_thread(begin, ())
    if error := told.get():
        try:
            raise error
        finally:
            del error


def joined(threads: Iterable[threading.Thread], *, busy: bool) -> bool:
    """Wait for threads that were told to end, with patience; whether they have ended.

    On a thread of planted's own the garbage collector may have come by. There it does not wait for long, since others
    may wait for that thread, and since nothing else is collected meanwhile; nor at all where a thread is being begun.
    """
    threads = list(threads)
    if threading.get_ident() in _starting:
        return False
    this = threading.current_thread()
    if this in threads or this.name.startswith("Dummy-") or (busy and this.name.startswith(BACKGROUND)):
        return False
    deadline = time.monotonic() + (IMPATIENCE if this.name.startswith("planted-") else PATIENCE)
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in threads)


def is_of_another(process: int) -> bool:
    """Whether threads of this process number are not here: after a fork they are gone, perhaps with a lock."""
    return sys.is_finalizing() or os.getpid() != process


def refuse_another(process: int) -> None:
    """Raise a `ForkedError` where threads of this process number are not, since whoever waited for them would hang."""
    if os.getpid() != process:
        raise ForkedError(
            f"this iterator was begun in process {process}, whose threads are not here, in process {os.getpid()}: "
            "begin another one, with iter() or a for loop"
        )
