"""Endurance: a day's load in miniature, in one process, and whether memory, threads and files stay as they were.

What comes in: a seed, and how much of it. What goes out: a table, a picture if asked for, and the exit code 1 if
anything grew. Millions of batches, thousands of epochs over little data, iterators abandoned half-way, errors out of
users' functions, states, signals whose handlers raise anywhere, forks and new interpreters. Each epoch that is read to
its end must deliver each row once, with its values; whoever waits longer than `DEADLOCK` seconds ends the program with
the stacks of all threads.

`test_endurance.py` runs a part; this runs all of it, in some minutes:

    python tests/loader/endurance.py --seed 1 --out docs/endurance.png
"""

import argparse
import contextlib
import ctypes
import faulthandler
import functools
import gc
import json
import multiprocessing
import os
import pickle
import random
import resource
import signal
import sys
import tempfile
import threading
import time
import warnings
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from unittest import mock

import numpy as np

import planted
from planted._disk.formats import BLOCK_BYTES
from planted._loader import loader as _loader
from planted.errors import ForkedError

DEADLOCK = 60  # seconds without progress
SAMPLES = 300  # of a phase, at most
SMALL = 3_000  # rows of the phases that disturb
CHUNK = 1 << 13  # bytes of their chunks: an epoch has several, so that threads are at work
MIB = 1 << 20
LIMIT = 4 * MIB  # by which memory may grow over the last 90% of a phase
OBJECTS = 500  # by which the objects of the garbage collector may


class Failure(Exception):  # noqa: N818 -- a user's own
    """What a user's function raises."""


class Interrupt(Exception):  # noqa: N818 -- a user's own
    """What a signal's handler raises."""


# ---- rows and loaders -------------------------------------------------------------------------------------------


def rows_of(n):
    """Rows computed on demand."""
    return planted.regression([2.0, -3.4], 4.2, noise=0.1, n=n, seed=714)


def same(*batch):
    """A user's function that changes nothing."""
    return batch


class Own:
    """Rows of a user's own, which fail when `fails` says so."""

    def __init__(self, rows, fails=lambda: False):
        self.rows, self.fails = rows, fails

    def __len__(self):
        return len(self.rows)

    def take(self, numbers):
        if self.fails():
            raise Failure
        return self.rows.take(numbers)


class OwnBlocks(Own):
    """The same, kept in blocks."""

    def __getattr__(self, name):
        return getattr(self.rows, name)

    def load(self, *arguments):
        if self.fails():
            raise Failure
        return self.rows.load(*arguments)


@dataclass
class World:
    """What the phases share: rows of `SMALL`, and a source of random numbers."""

    seed: int
    folder: Path
    rng: random.Random = field(init=False)
    threads: int = field(init=False, default=1)

    def __post_init__(self):
        self.rng = random.Random(self.seed)
        self.memory = rows_of(SMALL).materialize()
        with mock.patch.dict(BLOCK_BYTES, npy=512):  # so that little data is many blocks
            planted.write(self.memory, self.folder / "small", shard_bytes=4096)
        self.disk = planted.open(self.folder / "small")

    def loaders(self, **options):
        """One of each kind, at the beginning of an epoch of its own."""
        options = {"batch_size": 32, "seed": self.rng.randrange(1000), "with_index": True, **options}
        blocks = {"memory": 10_000, **options}
        loaders = {
            "memory": planted.Loader(self.memory, **options),
            "computed": planted.Loader(rows_of(SMALL), **options),
            "disk": planted.Loader(self.disk, **blocks, prefetch=0),
            "disk ahead": planted.Loader(self.disk, **blocks),
            "disk, rows": planted.Loader(self.disk, **options, shuffle="rows"),
            "pipeline": planted.Loader(self.memory, **options).map(same).prefetch(2),
            "pipeline of disk": planted.Loader(self.disk, **blocks).prefetch(2).map(same).prefetch(1),
        }
        for loader in loaders.values():
            loader.set_epoch(self.rng.randrange(1000))
        return loaders

    def loader(self):
        """One of them."""
        return self.rng.choice(list(self.loaders().values()))


@functools.lru_cache(maxsize=4)
def responses(n):
    """All responses, by row number."""
    return rows_of(n)[:].y


def delivered(batches, n, every=1):
    """Read an epoch to its end: each row once; the values of each `every`-th batch. How many batches there were."""
    seen = np.zeros(n, np.uint8)
    count, y_of = 0, responses(n)
    for count, (_, y, index) in enumerate(batches, 1):
        seen[index] += 1
        if not count % every:
            np.testing.assert_array_equal(y, y_of[index])
    assert (seen == 1).all(), f"rows lost: {np.flatnonzero(seen == 0)[:8]}, twice: {np.flatnonzero(seen > 1)[:8]}"
    return count


# ---- the phases: each yields how many batches were read in a round ------------------------------------------------


def from_memory(world, count, n=100_000):
    """Batches of 32 from memory, shuffled."""
    loader = planted.Loader(rows_of(n).materialize(), 32, seed=world.seed, with_index=True)
    while count > 0:
        yield (read := delivered(loader, n, every=100))
        count -= read


def on_demand(world, count, n=100_000):
    """The same, computed."""
    loader = planted.Loader(rows_of(n), 32, seed=world.seed, with_index=True)
    while count > 0:
        yield (read := delivered(loader, n, every=100))
        count -= read


def small_epochs(world, count):
    """Epochs over 1 000 rows."""
    loader = planted.Loader(rows_of(1_000).materialize(), 32, seed=world.seed, with_index=True)
    for _ in range(count):
        yield delivered(loader, 1_000, every=8)


def disk_epochs(world, count, n=100_000):
    """Epochs over a megabyte on disk, shuffled in blocks."""
    with tempfile.TemporaryDirectory(dir=world.folder) as folder:
        planted.write(rows_of(n), folder, shard_bytes=MIB // 4)
        loader = planted.Loader(planted.open(folder), 512, seed=world.seed, with_index=True, memory="1MiB")
        for _ in range(count):
            yield delivered(loader, n, every=100)


def abandoned(world, count):
    """Iterators left half-way: by break, by close, forgotten, in a cycle, kept until later."""
    kept = []
    for number in range(count):
        loader, how = world.loader(), world.rng.choice(("break", "close", "forget", "cycle", "keep"))
        read = world.rng.randrange(90)
        iterator = iter(loader)
        if how == "break":
            for _ in islice(loader, read):
                pass
        for _ in islice(iterator, read):
            pass
        if how == "close":
            iterator.close()
        if how == "cycle":
            knot = [iterator]
            knot.append(knot)
            del knot
        if how == "keep":
            kept.append(iterator)
        del iterator
        if len(kept) > 8:
            kept.pop(world.rng.randrange(8))
        if not number % 50:
            read += delivered(loader, SMALL)
        yield read
    kept.clear()


def errors(world, count):
    """Errors out of rows, blocks and functions of a user's own: each arrives, and the loader works again."""
    rng, left = world.rng, [-1]

    def fails():
        left[0] -= 1
        return left[0] == 0

    def failing(*batch):
        if fails():
            raise Failure
        return batch

    own, blocks = Own(world.memory, fails), OwnBlocks(world.disk, fails)
    for _ in range(count):
        options = {"seed": rng.randrange(1000), "with_index": True, "prefetch": rng.choice((0, 2))}
        loader, calls = rng.choice(
            (
                (planted.Loader(own, 32, **options), 5),
                (planted.Loader(blocks, 32, **options, memory=10_000), 40),
                (planted.Loader(world.memory, 32, **options).map(failing).prefetch(2), 90),
                (planted.Loader(world.disk, 32, **options, memory=10_000).map(failing).prefetch(1).map(same), 90),
            )
        )
        left[0] = rng.randrange(1, calls)
        read = 0
        try:
            for _ in loader:
                read += 1
        except Failure:
            pass
        else:
            raise AssertionError(f"the error did not arrive: {loader!r}")
        left[0] = -1
        yield read + delivered(loader, SMALL)


def states(world, count):
    """States saved and loaded anywhere: each time another loader of the same sort goes on, and no row is lost."""
    for _ in range(count):
        seed = world.rng.randrange(1000)
        kind = world.rng.choice(list(world.loaders()))
        seen, epoch, state = [], 0, None
        while epoch == 0:
            loader = world.loaders(seed=seed)[kind]
            loader.set_epoch(0)
            if state:
                loader.load_state_dict(json.loads(state))
            seen += islice(loader, world.rng.randrange(1, 60))
            state = json.dumps(loader.state_dict())
            epoch = json.loads(state)["epoch"] + (len(seen) >= 94)
        yield delivered(seen, SMALL)


def signals(world, count):  # noqa: C901 -- the handler belongs to the loop
    """Handlers of SIGALRM and SIGINT that raise anywhere in a loop; then an epoch delivers each row once."""
    rng, armed, came = world.rng, [], []

    def handler(*_):
        came.append(True)
        if armed:  # once: a second one could come anywhere in this function
            armed.clear()
            raise Interrupt

    def unraisable(found):
        if not isinstance(found.exc_value, Interrupt):  # raised in a finaliser, it is lost: Python's own rule
            sys.__unraisablehook__(found)
            lost.append(found.exc_value)

    lost, process = [], os.getpid()
    before = [signal.signal(number, handler) for number in (signal.SIGALRM, signal.SIGINT)]
    try:
        with mock.patch.object(sys, "unraisablehook", unraisable):
            for number in range(count):
                loader = world.loader()
                read, delay = 0, rng.random() * 0.01 + 1e-5
                timer = threading.Timer(delay, os.kill, (process, signal.SIGINT))
                came.clear()
                timer.start() if number % 2 else None
                try:
                    armed.append(True)
                    if not number % 2:
                        signal.setitimer(signal.ITIMER_REAL, delay)
                    while not came:
                        for _ in loader:
                            read += 1
                except Interrupt:
                    pass
                armed.clear()
                timer.join() if number % 2 else None
                yield read + (0 if number % 20 else delivered(loader, SMALL))
                assert not lost, lost
    finally:
        for number, old in zip((signal.SIGALRM, signal.SIGINT), before, strict=True):
            signal.signal(number, old)


def limited(seconds):
    """From now on, in a child, whoever waits for so long ends it, with the stacks of its threads."""
    faulthandler.dump_traceback_later(seconds, exit=True)


def forks(world, count):
    """Children that use loaders made before, while their parent is half-way; its iterators they drop or are refused."""
    for _ in range(count):
        loaders = list(world.loaders().values())
        world.rng.shuffle(loaders)
        loaders = loaders[:3]
        iterators = [iter(loader) for loader in loaders]
        seen = [list(islice(iterator, world.rng.randrange(60))) for iterator in iterators]
        faulthandler.cancel_dump_traceback_later()  # its thread would be missing in the child, which waits for it
        child = os.fork()
        if not child:
            in_child(loaders, iterators)
        limited(DEADLOCK)
        ended(child)
        read = sum(map(len, seen))
        for iterator, before in zip(iterators, seen, strict=True):
            read += delivered([*before, *iterator], SMALL)
        yield read


def in_child(loaders, iterators):
    """What a forked child does; it does not return."""
    status = 1
    try:
        limited(DEADLOCK / 2)
        iterators.pop().close()
        with contextlib.suppress(ForkedError):
            for _ in iterators[0]:
                pass
        iterators.clear()
        gc.collect()
        for loader in loaders:
            loader.set_epoch(5)
            delivered(loader, SMALL)
        status = 0
    finally:
        os._exit(status)


def ended(child):
    """Wait for a child, with a limit."""
    deadline = time.monotonic() + DEADLOCK * 0.75
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert os.waitstatus_to_exitcode(status) == 0, "a child failed or waited for ever: see above"
            return
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise AssertionError("a child waited for ever")
        time.sleep(0.001)


SPAWNED = """
import faulthandler, pickle, sys
faulthandler.dump_traceback_later(limit, exit=True)
sys.path.insert(0, tests)
import endurance
for loader in pickle.loads(loaders):
    endurance.delivered(loader, endurance.SMALL)
"""


def spawns(world, count):
    """New interpreters, with loaders sent to them half-way through an epoch of their parent."""
    context = multiprocessing.get_context("spawn")
    for _ in range(count):
        kinds = world.loaders()
        loaders = [kinds[kind] for kind in ("memory", "computed", "disk", "disk ahead", "disk, rows")]
        iterators = [iter(loader) for loader in loaders]
        seen = [list(islice(iterator, 20)) for iterator in iterators]
        sent = pickle.dumps([planted.Loader(loader.rows, 32, with_index=True) for loader in loaders])
        words = {"limit": DEADLOCK / 2, "tests": str(Path(__file__).resolve().parent), "loaders": sent}
        child = context.Process(target=exec, args=(SPAWNED, words))
        child.start()
        child.join(DEADLOCK * 0.75)
        assert child.exitcode == 0, f"a new interpreter ended with {child.exitcode}"
        child.close()
        read = 0
        for iterator, before in zip(iterators, seen, strict=True):
            read += delivered([*before, *iterator], SMALL)
        yield read


@dataclass(frozen=True)
class Phase:
    """A phase: its function, how much of it there is in a long run and in a short one, and what it needs."""

    run: object
    long: int
    short: int
    small_chunks: bool = True
    needs: str = ""

    @property
    def name(self):
        return self.run.__name__.replace("_", " ")

    @property
    def possible(self):
        return not self.needs or (hasattr(os, self.needs) if self.needs == "fork" else hasattr(signal, self.needs))


PHASES = {
    phase.name: phase
    for phase in (
        Phase(from_memory, 1_000_000, 60_000, small_chunks=False),
        Phase(on_demand, 1_000_000, 60_000, small_chunks=False),
        Phase(small_epochs, 5_000, 500, small_chunks=False),
        Phase(disk_epochs, 3_000, 100, small_chunks=False),
        Phase(abandoned, 3_000, 400),
        Phase(errors, 2_000, 150),
        Phase(states, 1_500, 100),
        Phase(signals, 4_000, 300, needs="setitimer"),
        Phase(forks, 200, 12, needs="fork"),
        Phase(spawns, 12, 1),
    )
}


# ---- measuring --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    """What is in use at a moment; `system` threads are those that the system counts."""

    at: float
    memory: int
    threads: int
    system: int
    files: int
    objects: int


def sample():
    """Taken between rounds, when what is no longer in use has been collected."""
    gc.collect()
    try:
        memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        status = Path("/proc/self/status").read_text()
        system = int(status.split("Threads:")[1].split()[0])
        files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- names are enough
    except OSError:  # no Linux
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        system, files = threading.active_count(), 0
    return Sample(time.perf_counter(), memory, threading.active_count(), system, files, len(gc.get_objects()))


def settled(wanted):
    """A sample, once threads that were told to end have done so; they are given a few seconds."""
    deadline = time.monotonic() + 5
    while (found := sample()).system > wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@dataclass
class Record:
    """A phase as it went."""

    name: str
    rounds: int
    batches: int
    first: Sample
    last: Sample
    samples: list

    @property
    def growth(self):
        """Of memory, over the last 90%: from the median of the second tenth to that of the last."""
        parts = len(self.samples)
        early = [s.memory for s in self.samples[parts // 10 : max(parts // 5, parts // 10 + 1)]]
        late = [s.memory for s in self.samples[-max(1, parts // 10) :]]
        return median(late) - median(early)

    def faults(self, limit=LIMIT):
        """What grew."""
        grown = {
            "memory": self.growth > limit,
            "threads": self.last.threads > self.first.threads or self.last.system > self.first.system,
            "files": self.last.files > self.first.files,
            "objects": self.last.objects > self.first.objects + OBJECTS,
        }
        return [name for name, is_so in grown.items() if is_so]

    def row(self):
        """For the table, and for JSON."""
        at_10 = self.samples[len(self.samples) // 10].memory
        return {
            "phase": self.name,
            "rounds": self.rounds,
            "batches": self.batches,
            "seconds": round(self.last.at - self.first.at, 1),
            "MiB at 10%": round(at_10 / MIB, 1),
            "MiB at end": round(self.last.memory / MIB, 1),
            "growth": round(self.growth / MIB, 2),
            "threads": f"{self.first.system} -> {self.last.system}",
            "files": f"{self.first.files} -> {self.last.files}",
            "objects": self.last.objects - self.first.objects,
            "verdict": ", ".join(self.faults()) or "flat",
        }


def measured(phase, world, count):
    """Run a phase; a tenth of it, or a second, goes before the first sample: what is made once is made then."""
    chunks = mock.patch.object(_loader, "CHUNK_BYTES", CHUNK) if phase.small_chunks else contextlib.nullcontext()
    with chunks:
        watched(phase.run(world, max(1, count // 20)), lambda batches: None)
        first = settled(world.threads)
        samples, tally = [first], [0, 0]
        interval = [0.02]

        def note(batches):
            tally[0] += 1
            tally[1] += batches
            if time.perf_counter() - samples[-1].at >= interval[0]:
                samples.append(sample())
                if len(samples) > SAMPLES:
                    del samples[1::2]
                    interval[0] *= 2

        watched(phase.run(world, count), note)
        last = settled(world.threads)
        return Record(phase.name, *tally, first, last, [*samples, last])


def watched(rounds, note):
    """All rounds, each with a limit after which it counts as a deadlock."""
    limited(DEADLOCK)
    for batches in rounds:
        note(batches)
        limited(DEADLOCK)
    faulthandler.cancel_dump_traceback_later()


def run(names, seed, quick):
    """The records of these phases."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # one arena (M_ARENA_MAX) for the threads of all
        ctypes.CDLL(None).mallopt(-8, 1)  # iterators: glibc makes many, whose sizes wander by 15 MiB and hide a leak
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
    with tempfile.TemporaryDirectory(prefix="planted-endurance-") as folder:
        world = World(seed, Path(folder))
        warm_up(world)
        world.threads = sample().system  # those of NumPy's libraries
        gc.freeze()  # what is here now is no longer counted
        for name in names:
            if PHASES[name].possible:
                yield measured(PHASES[name], world, PHASES[name].short if quick else PHASES[name].long)


def warm_up(world):
    """Everything once: compiled code, tables of files, the helper process of new interpreters."""
    for loader in world.loaders().values():
        delivered(loader, SMALL)


# ---- the command ------------------------------------------------------------------------------------------------


def picture(records, path):
    """Memory and threads over the run, its phases shaded."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(9, 6), dpi=100, sharex=True, layout="constrained", height_ratios=(3, 2)
    )
    begin = 0.0
    for number, record in enumerate(records):
        x = np.linspace(begin, begin + 1, len(record.samples))
        top.plot(x, [s.memory / MIB for s in record.samples], color="tab:blue", linewidth=1.2)
        bottom.plot(x, [s.system for s in record.samples], color="tab:orange", linewidth=1.2)
        for axes in (top, bottom):
            axes.axvspan(begin, begin + 1, color="0.93" if number % 2 else "1.0", zorder=0)
        label = f"{record.name}\n{record.batches:,} batches\n{record.last.at - record.first.at:.0f} s"
        top.text(
            begin + 0.5,
            0.03,
            label,
            rotation=90,
            ha="center",
            va="bottom",
            fontsize=8,
            transform=top.get_xaxis_transform(),
        )
        begin += 1
    top.set_ylim(0, 1.15 * max(s.memory for record in records for s in record.samples) / MIB)
    top.set_ylabel("resident memory, MiB")
    bottom.set_ylim(0, 1 + max(s.system for record in records for s in record.samples))
    bottom.set_ylabel("threads between rounds")
    bottom.set_xlabel("share of the run: each phase from its beginning to its end")
    bottom.set_xticks([])
    bottom.set_xlim(0, begin)
    figure.savefig(path)
    plt.close(figure)


def table(rows):
    """Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main():
    """Run the phases that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="some seconds a phase")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=PHASES, action="append", help="a phase; several times for several")
    parser.add_argument("--out", help="a file for the picture")
    parser.add_argument("--json", action="store_true", help="a line for each phase instead of a table")
    options = parser.parse_args()
    records = []
    for record in run(options.only or PHASES, options.seed, options.quick):
        records.append(record)
        sys.stdout.write(
            json.dumps({"seed": options.seed, **record.row()}) + "\n" if options.json else f"{record.row()}\n"
        )
        sys.stdout.flush()
    if records and not options.json:
        sys.stdout.write(f"\nseed {options.seed}\n\n{table([record.row() for record in records])}\n")
    if options.out:
        picture(records, options.out)
    sys.exit(any(record.faults() for record in records))


if __name__ == "__main__":
    main()
