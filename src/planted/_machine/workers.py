"""A thread pool that cannot deadlock under signals, garbage collection or fork.

Jobs go in one by one; their results come out in the same order. Each hand-over is one operation of a
`queue.SimpleQueue`, which is written in C, so no lock is held while Python code runs. The pools of `concurrent.futures`
hold locks, and deadlock: when a signal handler raises just after a lock was taken, nobody releases it; and the garbage
collector, run by a thread that holds the lock of all pools, may wait for a thread that needs this lock. The vocabulary:

- *job*: a function and its arguments. Each job has a *promise*, which receives one outcome, from the thread that ran
  the job or, if none did, from `close`. So every wait for a result ends. An outcome stays in its promise until it is
  taken, so a signal handler that raises before loses none.
- *abandoned*: closed before all results were taken. Jobs that have not begun are cancelled. `close` waits at most
  `PATIENCE` seconds for those that are running, since the garbage collector may call it at any line of any program,
  while a lock is held that a job needs. Either way, a thread ends after the job that it is running.
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

from planted.errors import ForkedError

PATIENCE: Final = 10.0  # seconds to wait for running jobs
IMPATIENCE: Final = 0.2  # the same, on one of planted's own threads
BACKGROUND: Final = "planted-loader"  # name prefix of the threads that other threads may wait for

Job: TypeAlias = tuple["_Promise", Callable[..., Any], tuple[Any, ...]]
Answer = TypeVar("Answer")

_starting: Final[set[int]] = set()  # identifiers of the threads that are starting others


class _Promise:
    """One outcome, and a queue that says that it is there."""

    __slots__ = ("_arrived", "_outcome")
    _outcome: tuple[Any, BaseException | None]

    def __init__(self) -> None:
        self._arrived: SimpleQueue[None] = SimpleQueue()

    def keep(self, result: Any, error: BaseException | None) -> None:
        self._outcome = result, error
        self._arrived.put(None)

    def wait(self) -> tuple[Any, BaseException | None]:
        """The outcome, now or after an interrupt again."""
        if not hasattr(self, "_outcome"):
            self._arrived.get()
        return self._outcome


class Workers:
    """`count` threads, started with the first job; `close` calls `on_close` before it does anything else.

    Use them as ``with workers, workers:``. That closes them twice, since a signal handler may raise before the first
    `close` has begun.
    """

    def __init__(self, count: int, name: str, on_close: Callable[[], object] | None = None) -> None:
        self._count, self._name, self._on_close = count, name, on_close
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._promises: deque[_Promise] = deque()
        self._threads: list[threading.Thread] = []
        self._started = self._closed = False
        self._process = os.getpid()

    def __len__(self) -> int:
        """How many results have not been taken."""
        return len(self._promises)

    def submit(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Run a job in the background."""
        self._check()
        if not self._started:
            self._started = True
            self._start()
        promise = _Promise()
        self._promises.append(promise)
        self._jobs.put((promise, work, arguments))

    def result(self) -> Any:
        """Wait for the oldest job; return what it returned, or raise what it raised."""
        self._check()
        result, error = self._promises[0].wait()
        self._promises.popleft()
        if error is None:
            return result
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame

    def close(self) -> bool:
        """End the threads; return whether they have ended. Safe to call from anywhere, and again."""
        if threads_gone(self._process):
            return False
        self._closed = True
        if self._on_close is not None:
            self._on_close()
        with suppress(Empty):
            while True:
                if job := self._jobs.get_nowait():
                    job[0].keep(None, CancelledError())
        for _ in range(self._count):
            self._jobs.put(None)
        atexit.unregister(self.close)
        return join_threads(self._threads, busy=bool(self._promises))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        refuse_fork(self._process)
        if self._closed:
            raise CancelledError

    def _start(self) -> None:
        atexit.register(self.close)  # and daemons: an iterator left unread must not keep a program from ending
        names = [f"{self._name}_{i}" for i in range(self._count)]
        start_threads(
            [threading.Thread(target=_work, args=(self._jobs,), name=name, daemon=True) for name in names],
            self._threads,
        )


def _work(jobs: "SimpleQueue[Job | None]") -> None:
    """What each thread does."""
    while job := jobs.get():
        promise, work, arguments = job
        try:
            outcome: tuple[Any, BaseException | None] = work(*arguments), None
        except BaseException as error:  # noqa: BLE001 -- raised again by `result`
            outcome = None, error
        promise.keep(*outcome)
        del job, promise, work, arguments, outcome  # only the taker keeps the result alive


class Notifier:
    """A lock, and threads that wait for what it guards to change.

    A `threading.Condition` is written in Python: a signal handler that raises inside it leaves the lock taken. Here the
    lock is a bare one, and each waiting thread has a queue of its own.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()  # re-entrant: while it is held, the garbage collector may run code that takes it
        self._waiting: list[SimpleQueue[None]] = []

    def wait_for(self, ask: Callable[[], Answer | None]) -> Answer:
        """Call `ask`, with the lock held, now and after each change until it returns something other than None."""
        while True:
            with self.lock:
                answer = ask()
                if answer is not None:
                    return answer
                changed: SimpleQueue[None] = SimpleQueue()
                self._waiting.append(changed)
            changed.get()

    def notify(self) -> None:
        """Wake all that wait, after a change; call it with the lock held."""
        for changed in list(self._waiting):
            changed.put(None)
        self._waiting.clear()


def start_threads(threads: Iterable[threading.Thread], started: list[threading.Thread]) -> None:
    """Start threads, and add each to `started` once it runs.

    A `threading.Thread` whose `start` is interrupted may hang for ever. So it is called on a helper thread, where no
    signal handler runs.
    """
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def start() -> None:
        _starting.add(threading.get_ident())
        try:
            for thread in threads:
                thread.start()
                started.append(thread)
        except BaseException as error:  # noqa: BLE001 -- the system may refuse another thread
            ended.put(error)
        else:
            ended.put(None)
        finally:
            _starting.discard(threading.get_ident())

    _thread.start_new_thread(start, ())
    if error := ended.get():
        try:
            raise error
        finally:
            del error  # its traceback refers to this frame


def join_threads(threads: Iterable[threading.Thread], *, busy: bool) -> bool:
    """Wait for threads that were told to end, but not for ever; return whether they have ended.

    The garbage collector may call this on any thread. On one of planted's own it waits only a moment, since other
    threads may wait for that one, and nothing else is collected meanwhile. It does not wait at all on one of `threads`,
    on a thread that is starting others or that `threading` does not know, nor, while jobs are running (`busy`), on a
    `BACKGROUND` thread.
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


def threads_gone(process: int) -> bool:
    """Whether the threads of this process number do not exist here: after a fork, or at interpreter shutdown."""
    return sys.is_finalizing() or os.getpid() != process


def refuse_fork(process: int) -> None:
    """Raise a `ForkedError` if this is a fork of that process: its threads are not here, and a wait would never end."""
    if os.getpid() != process:
        raise ForkedError(
            f"this iterator was begun in process {process}, whose threads are not here, in process {os.getpid()}: "
            "begin another one, with iter() or a for loop"
        )
