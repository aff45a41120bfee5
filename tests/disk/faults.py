"""Faults, put on purpose into folders of rows: writers are killed, files damaged, disks filled.

What comes in: a seed, how many faults, an empty folder. What goes out: how many there were of each sort. Whatever was
done, rows are right or there is an error of planted's own, and the same command or a repair ends with the bytes of an
undisturbed run; else an `AssertionError` says which fault of which seed it was.

`test_faults.py` runs some hundred of them; this runs more:

    python tests/faults.py --seed 1 --kills 2000 --steps --flips 20000 --full 200
"""

import argparse
import contextlib
import errno
import functools
import importlib.util
import itertools
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

import planted
from planted._disk import remote as _remote
from planted._disk import storage as _storage
from planted._disk.formats import BLOCK_BYTES
from planted._errors import ExistsError, ManifestError, MissingError, StorageError

BLOCK = 512  # bytes of a block, so that little data is many blocks
SHARD = 2048  # bytes of a shard: four blocks
WEIGHTS = (2.0, -3.4, 0.5)
FOREIGN = {"notes.txt": b"mine", "rows-foo.csv": b"1,2", "film.part": b"half a film", "rows-00000000.csv": b"3"}
SEQUENCE = ("npy", "arrow", "parquet")
UNFINISHED = (".part", ".writing")
PLAN, MANIFEST = "plan.json", "manifest.json"


def formats():
    """The file formats whose library is here."""
    return SEQUENCE if importlib.util.find_spec("pyarrow") else ("npy",)


def small_blocks(patch=BLOCK_BYTES.__setitem__):
    """Make blocks small; `patch` may undo it."""
    for name in SEQUENCE:
        patch(name, BLOCK)


@dataclass(frozen=True, slots=True)
class Case:
    """Rows, and how they are written."""

    file_format: str
    n: int
    seed: int = 714

    @property
    def rows(self):
        return planted.regression(WEIGHTS, 4.2, noise=0.1, n=self.n, seed=self.seed)

    def write(self, folder, **settings):
        return planted.write(self.rows, folder, format=self.file_format, shard_bytes=SHARD, **settings)


@functools.lru_cache(maxsize=16)
def expected(case):
    """The values."""
    return case.rows[:]


@functools.lru_cache(maxsize=16)
def reference(case):
    """The files of an undisturbed run."""
    with quick_folder() as folder:
        case.write(folder)
        found = contents(folder)
    stems = {name.split(".")[0] for name in found if name.startswith("rows-")}
    assert found.keys() == {
        PLAN,
        MANIFEST,
        *(f"{stem}.{suffix}" for stem in stems for suffix in (case.file_format, "sums")),
    }
    return found


def contents(folder):
    """All names and bytes of a folder; of what is no file, its type."""
    found = {}
    for path in sorted(Path(folder).iterdir()):
        mode = path.lstat().st_mode
        found[path.name] = path.read_bytes() if stat.S_ISREG(mode) else stat.S_IFMT(mode)
    return found


def differing(found, wanted):
    """The names of the files in which two folders differ."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name))


def assert_same(found, wanted):
    """Names and bytes, all of them."""
    assert not differing(found, wanted), f"these differ: {differing(found, wanted)}"


def stamps(folder, names):
    """What shows whether files were written again."""
    return {name: ((Path(folder) / name).stat().st_ino, (Path(folder) / name).stat().st_mtime_ns) for name in names}


def finished_shards(folder, case):
    """The names of the shards that are there with their tables: a writer that goes on keeps them."""
    names = [name for name in reference(case) if name.startswith("rows-")]
    there = set(contents(folder))
    stems = {name.split(".")[0] for name in names}
    whole = {stem for stem in stems if {f"{stem}.sums", f"{stem}.{case.file_format}"} <= there}
    return [name for name in names if name.split(".")[0] in whole]


def assert_right(case, X, y, numbers=slice(None)):
    """Values, exactly."""
    np.testing.assert_array_equal(X, expected(case).X[numbers])
    np.testing.assert_array_equal(y, expected(case).y[numbers])


def read_all(case, folder, rng):
    """Read in order, at random and as a loader does: right values, or errors of planted's own; the first of these."""
    errors = []
    numbers = np.array([rng.randrange(case.n) for _ in range(40)])
    try:
        for X, y, index in planted.Loader(planted.open(folder), 64, seed=rng.randrange(100), with_index=True):
            assert_right(case, X, y, index)
    except planted.PlantedError as error:
        errors.append(error)
    for number in (slice(None), numbers):
        try:
            X, y = planted.open(folder)[number]
        except planted.PlantedError as error:
            errors.append(error)
        else:
            assert_right(case, X, y, number)
    with contextlib.suppress(planted.PlantedError):  # whatever comes of it, nothing else is raised
        planted.open(folder, verify=False).take(numbers)
    return errors[0] if errors else None


@contextlib.contextmanager
def quick_folder():
    """A temporary folder, in memory where there is room for one; of tests that synchronise thousands of files."""
    memory = Path("/dev/shm")
    there = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 1 << 25
    with tempfile.TemporaryDirectory(prefix="planted-faults-", dir=memory if there else None) as folder:
        yield Path(folder)


@contextlib.contextmanager
def told(what):
    """Say in an error which fault it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the fault: {what}")
        raise


# ---- what stands between planted and the system -----------------------------------------------------------------


class System:
    """Stands for `os` in `_storage`: `fault(call, size)` is asked before each change, and may raise or kill.

    It says how many bytes of a write are let through.
    """

    def __init__(self, fault):
        self.fault, self.written = fault, set()

    def __getattr__(self, name):
        return getattr(os, name)

    def open(self, path, flags, *mode):
        if flags & os.O_CREAT:
            self.fault("open", 0)
        descriptor = os.open(path, flags, *mode)
        if str(path).endswith(".part"):
            self.written.add(descriptor)
        return descriptor

    def write(self, descriptor, buffer):
        through = self.fault("write", len(buffer))
        return os.write(descriptor, buffer[:through])

    def fsync(self, descriptor):
        self.fault("fsync", 0)
        os.fsync(descriptor)

    def close(self, descriptor):
        os.close(descriptor)
        if descriptor in self.written:
            self.written.discard(descriptor)
            self.fault("close", 0)


@contextlib.contextmanager
def faulty(fault):
    """All changes that planted makes to the disk go through `fault`."""
    here = type(Path())

    class FaultyPath(here):
        __slots__ = ()

        def replace(self, target):
            fault("replace", 0)
            return here.replace(self, target)

        def mkdir(self, *settings, **more):
            fault("mkdir", 0)
            return here.mkdir(self, *settings, **more)

        def unlink(self, *settings, **more):
            if self.exists():
                fault("unlink", 0)
            return here.unlink(self, *settings, **more)

    with mock.patch.object(_storage, "os", System(fault)), mock.patch.object(_remote, "Path", FaultyPath):
        yield


# ---- writers that are killed ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Work:
    """What a child does to a folder, and what may be seen of it."""

    kind: str  # write, overwrite, repair
    case: Case

    @property
    def other(self):
        """The rows that lay there before."""
        return Case("npy" if self.case.file_format == "arrow" else self.case.file_format, self.case.n, 715)

    def prepare(self, folder, rng):
        folder.mkdir()
        for name, content in FOREIGN.items():
            (folder / name).write_bytes(content)
        if self.kind == "overwrite":
            self.other.write(folder)
        elif self.kind == "repair":
            self.case.write(folder)
            for name in rng.sample(sorted(reference(self.case)), 5):
                if name != PLAN:
                    flip(rng, folder / name)

    def run(self, folder):
        if self.kind == "repair":
            assert planted.verify(folder, repair=True).ok
        else:
            self.case.write(folder, overwrite=self.kind == "overwrite")

    def check(self, folder, before):
        """What a killed writer leaves is whole files, and no manifest unless all is in place."""
        found = contents(folder)
        assert not differing({name: found[name] for name in FOREIGN}, FOREIGN), "foreign files were touched"
        whole = {name: found[name] for name in found if not name.endswith(UNFINISHED) and name not in FOREIGN}
        wanted = reference(self.case)
        allowed = [wanted]
        if self.kind == "overwrite" and whole.get(PLAN) != wanted[PLAN]:
            allowed = [reference(self.other)]
        elif self.kind == "repair":
            allowed = [wanted, before]
        for name, content in whole.items():
            assert any(content == files.get(name) for files in allowed), f"{name} is not what was written"
            assert self.kind != "write" or f"{name.split('.')[0]}.sums" in whole or name in (PLAN, MANIFEST)
        if MANIFEST in whole and self.kind != "repair":
            assert_same(whole, allowed[0])
        try:
            disk = planted.open(folder)
            X, y = disk[:]
        except MissingError:
            assert MANIFEST not in whole or self.kind == "repair"
        except planted.PlantedError:
            assert self.kind == "repair"
        else:
            assert_right(self.case if disk.seed == self.case.seed else self.other, X, y)


def child_of(action):
    """A forked child that says when it begins; its process number, and where it says it."""
    ear, mouth = os.pipe()
    process = os.fork()
    if process:
        os.close(mouth)
        return process, ear
    status = 1
    try:
        os.write(mouth, b"!")
        action()
        status = 0
    except BaseException:  # noqa: BLE001 -- the child ends here, whatever happened
        traceback.print_exc()
    finally:
        os._exit(status)
    return None  # never


def killed(action, delay):
    """Whether a child was killed before it had done its work; it is an error if it failed, or does not end."""
    process, ear = child_of(action)
    try:
        os.read(ear, 1)
    finally:
        os.close(ear)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def duration(work, folder, rng):
    """Seconds that undisturbed children take, at least, once all is compiled."""
    taken = []
    work.prepare(folder / "here", rng)
    work.run(folder / "here")
    read_all(work.case, folder / "here", rng)
    shutil.rmtree(folder / "here")
    for i in range(3):
        target = folder / f"undisturbed-{i}"
        work.prepare(target, rng)
        process, ear = child_of(functools.partial(work.run, target))
        os.read(ear, 1)
        begun = time.perf_counter()
        os.close(ear)
        os.waitpid(process, 0)
        taken.append(time.perf_counter() - begun)
        shutil.rmtree(target)
    return min(taken)


def finish(work, folder):
    """The same command again ends with the bytes of an undisturbed run, and keeps what was finished."""
    ours = contents(folder).get(PLAN) == reference(work.case)[PLAN]
    kept = stamps(folder, finished_shards(folder, work.case)) if ours and work.kind != "repair" else {}
    work.run(folder)
    assert_same(contents(folder), {**reference(work.case), **FOREIGN})
    assert stamps(folder, kept) == kept, "what was finished was written again"
    assert planted.verify(folder).faults == ()
    X, y = planted.open(folder)[:]
    assert_right(work.case, X, y)


def kills(seed, count, folder):
    """Kill writers at random moments of their work, up to four in a row on one folder."""
    rng = random.Random(seed)
    works = [Work(kind, Case(name, 2_501)) for kind in ("write", "overwrite", "repair") for name in formats()]
    times, tally = {}, Counter()
    tenths = [0] * 10
    for number in itertools.count():
        if tally["kills"] >= count:
            break
        work = works[number % len(works)]
        target = folder / f"kills-{number}"
        if work not in times:
            times[work] = duration(work, folder, rng)
        work.prepare(target, rng)
        before = contents(target)
        with told(f"kills, seed {seed}, folder {number}: {work}"):
            for _ in range(rng.randint(1, 4)):
                at_first = contents(target)
                hit = killed(functools.partial(work.run, target), rng.random() * times[work])
                found = contents(target)
                work.check(target, before)
                touched = [name for name in differing(found, at_first) if name != ".writing"]
                done = all(found.get(name) == content for name, content in reference(work.case).items())
                moment = "after" if done or not hit else "within" if touched else "before"
                tally["kills"] += hit
                tally[moment] += 1
                tally[f"{work.kind} {work.case.file_format}"] += hit
                if moment == "within" and work.kind == "write":
                    wanted = reference(work.case)
                    tenths[10 * len([name for name in wanted if name in found]) // len(wanted)] += 1
                times[work] *= {"before": 1.1, "within": 1, "after": 0.9}[moment]  # the machine may be busy with others
                if moment == "after":
                    break
            finish(work, target)
        shutil.rmtree(target)
    return {**tally, "folders": number, "writes by tenths of their files": tenths}


class Dead(BaseException):
    """The writer is dead: nothing that it does afterwards has any effect."""


def dying(step):
    """The writer dies at a call to the system, in the middle of it if it is a write; it does nothing afterwards."""
    calls = itertools.count()
    last = []

    def fault(call, size):
        if last:
            raise Dead
        if next(calls) == step:
            last.append(step)
            if call != "write" or size < 2:
                raise Dead
            return size // 2
        return size

    return fault


def steps(folder):
    """Let writers die at each of their calls to the system."""
    tally = Counter()
    for work in [Work(kind, Case(name, 160)) for kind in ("write", "overwrite", "repair") for name in formats()]:
        for step in itertools.count():
            target = folder / f"steps-{step}"
            work.prepare(target, random.Random(step))
            before = contents(target)
            dead = False
            with told(f"step {step} of {work}"):
                try:
                    with faulty(dying(step)):
                        work.run(target)
                except Dead:
                    dead = True
                work.check(target, before)
                finish(work, target)
            shutil.rmtree(target)
            if not dead:
                break
            tally[f"{work.kind} {work.case.file_format}"] += 1
    return {"steps": sum(tally.values()), **tally}


# ---- files that are damaged -------------------------------------------------------------------------------------


def flip(rng, path):
    """Flip some bits."""
    content = bytearray(path.read_bytes())
    for at in rng.sample(range(len(content)), min(len(content), rng.choice((1, 1, 1, 2, 8)))):
        content[at] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def overwrite(rng, path):
    """Other bytes somewhere, as many."""
    content = bytearray(path.read_bytes())
    lo = rng.randrange(len(content))
    hi = rng.randint(lo + 1, len(content))
    content[lo:hi] = bytes(byte ^ rng.randrange(1, 256) for byte in content[lo:hi])
    path.write_bytes(content)


def blank(rng, path):
    """Zeros from somewhere to the end, as after a loss of power."""
    content = path.read_bytes()
    lo = rng.randrange(len(content.rstrip(b"\0")))
    path.write_bytes(content[:lo] + bytes(len(content) - lo))


def truncate(rng, path):
    os.truncate(path, rng.randrange(path.stat().st_size))


def extend(rng, path):
    path.write_bytes(path.read_bytes() + rng.randbytes(rng.randint(1, 5_000)))


def delete(rng, path):
    path.unlink()


def exchange(rng, path):
    """Random bytes, as many."""
    path.write_bytes(rng.randbytes(path.stat().st_size))


def link(rng, path):
    """A link to the very same bytes, elsewhere."""
    elsewhere = path.parent.parent / f"{path.parent.name}-{path.name}"
    path.replace(elsewhere)
    path.symlink_to(elsewhere)


def dangle(rng, path):
    """A link to nothing."""
    path.unlink()
    path.symlink_to(path.parent / "nowhere")


def pipe(rng, path):
    """A pipe, which nobody writes to: whoever waits for it waits forever."""
    path.unlink()
    os.mkfifo(path)


def directory(rng, path):
    path.unlink()
    path.mkdir()


DAMAGES = (
    flip,
    flip,
    flip,
    overwrite,
    blank,
    truncate,
    truncate,
    extend,
    delete,
    exchange,
    link,
    dangle,
    pipe,
    directory,
)


def damage(rng, case, folder, names):
    """Damage some files in some ways; what was done, as (how, name)."""
    done = []
    chosen = rng.sample(names, rng.choice((1, 1, 1, 1, 2, 3, 5)))
    for name in chosen:
        how = rng.choice((*DAMAGES, "swap", "stale"))
        if how == "swap":  # two shards, or their tables, or both
            a, b = rng.sample(sorted({name.split(".")[0] for name in names if name.startswith("rows-")}), 2)
            for suffix in rng.choice(((case.file_format,), ("sums",), (case.file_format, "sums"))):
                first, second = (folder / f"{stem}.{suffix}" for stem in (a, b))
                if first.name in names and {first.name, second.name}.isdisjoint(name for _, name in done):
                    first.replace(folder / "swapped")
                    second.replace(first)
                    (folder / "swapped").replace(second)
                    done += [("swap", first.name), ("swap", second.name)]
        elif name in {name for _, name in done}:
            continue
        elif how == "stale":  # the same file, of other rows
            if name != MANIFEST and (name != PLAN or len(chosen) == 1):  # else nobody knows that they are others'
                (folder / name).write_bytes(reference(Case(case.file_format, case.n, case.seed + 1))[name])
                done.append(("stale", name))
        else:
            how(rng, folder / name)
            done.append((how.__name__, name))
    return done


def flips(seed, count, folder, file_format):
    """Damage finished folders: reading is right or says so, and a repair gives the same bytes."""
    rng = random.Random(f"{seed} {file_format}")
    case = Case(file_format, 801)
    target = folder / f"flips-{file_format}"
    case.write(target)
    wanted = reference(case)
    tally = Counter()
    while tally["rounds"] < count:
        names = sorted(wanted)
        resumed = rng.random() < 0.25
        if resumed:
            (target / MANIFEST).unlink()
            names.remove(MANIFEST)
        faults = damage(rng, case, target, names)
        with told(f"flips, seed {seed}, {file_format}, round {tally['rounds']}, resumed {resumed}: {faults}"):
            changed = [name for name in differing(contents(target), wanted) if name != MANIFEST or not resumed]
            if not changed:  # the last shards are equal in size, but no two files are equal
                assert not faults
                continue
            with nobody_waits(target):
                if resumed:
                    went_on(case, target, faults)
                else:
                    found_and_mended(case, target, faults, rng)
            assert_same(contents(target), wanted)
        tally["rounds"] += 1
        tally["resumed"] += resumed
        for how, name in faults:
            tally[f"by {how}"] += 1
            tally[f"of {'shards' if name.endswith(file_format) else name.lstrip('rows-0123456789')}"] += 1
    return {"format": file_format, **tally}


@contextlib.contextmanager
def nobody_waits(folder):
    """Whoever waits for the other end of a pipe is set free after a while, and it is an error."""
    over = threading.Event()
    waited = []

    def release():
        while not over.wait(30):
            for name, content in contents(folder).items():
                if content == stat.S_IFIFO:
                    waited.append(name)
                    os.close(os.open(folder / name, os.O_RDWR | os.O_NONBLOCK))

    watch = threading.Thread(target=release)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
    assert not waited, "somebody waited for the other end of a pipe"


def found_and_mended(case, folder, faults, rng):
    """Every damaged file is named, and made again."""
    damaged = {name for _, name in faults}
    error = read_all(case, folder, rng)
    assert error is not None or all(not_read(case, folder, name) for name in damaged), "nothing was noticed"
    if {PLAN, MANIFEST} <= damaged:
        for repair in (False, True):
            error = failure(functools.partial(planted.verify, folder, repair=repair))
            assert isinstance(error, (ManifestError, MissingError)), "nobody knows what it was"
        name = rng.choice((PLAN, MANIFEST))
        clear(folder / name)
        (folder / name).write_bytes(reference(case)[name])
        damaged.discard(name)
    unseen = {name for name in damaged if f"{name.split('.')[0]}.sums" in damaged and not name.endswith("sums")}
    found = planted.verify(folder)
    assert {fault.file for fault in found.faults} == damaged - unseen, str(found)
    assert not found.ok
    assert found.mended == ()
    assert "DAMAGED" in str(found)
    results = []
    unblocked(lambda: results.append(planted.verify(folder, repair=True)), folder)
    assert results[0].ok
    assert set(results[0].mended) <= damaged
    assert planted.verify(folder).faults == ()
    assert read_all(case, folder, rng) is None


def failure(action, kind=planted.PlantedError):
    """The error that comes of it; None if none does."""
    try:
        action()
    except kind as error:
        return error
    return None


def not_read(case, folder, name):
    """Whether a file that differs is right in all that reading needs: the plan, and the headers of .npy files."""
    found, wanted = contents(folder).get(name), reference(case)[name]
    header = 10 + int.from_bytes(wanted[8:10], "little")
    same_values = isinstance(found, bytes) and len(found) == len(wanted) and found[header:] == wanted[header:]
    return name == PLAN or (name.endswith(".npy") and same_values)


def clear(path):
    """Remove whatever it is."""
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def unblocked(action, folder):
    """Do it; folders in the place of files are removed when it says so."""
    while isinstance(error := failure(action, StorageError), StorageError):
        assert error.errno == errno.EISDIR, error
        blocking = Path(str(error).split(" is a folder")[0])
        assert blocking.parent == folder
        blocking.rmdir()


def went_on(case, folder, faults):
    """Files were damaged before the writing was finished: the writer goes on, and no wrong row comes of it."""
    lost = PLAN in {name for _, name in faults}
    if lost:
        assert isinstance(failure(lambda: case.write(folder)), (ExistsError, MissingError)), "whose rows were these?"
    unblocked(lambda: case.write(folder, overwrite=lost), folder)
    read_all(case, folder, random.Random(0))
    unblocked(lambda: planted.verify(folder, repair=True), folder)


# ---- disks that are full ----------------------------------------------------------------------------------------


def full(seed, count, folder, file_format):
    """Let calls to the system fail, for want of room mostly, all over the writing."""
    rng = random.Random(f"{seed} {file_format}")
    case = Case(file_format, 801)
    calls = Counter()

    def measure(call, size):
        calls[call] += 1
        calls["bytes"] += size
        return size

    with faulty(measure):
        case.write(folder / f"full-{file_format}-measured")
    tally = Counter()
    expected(case), reference(case)  # before anything fails
    for number in range(count):
        call = ("write", "open", "write", "fsync", "write", "replace", "write", "close", "write", "mkdir")[number % 10]
        first = rng.randrange(calls["bytes"] if call == "write" else calls[call])
        number_of_error = rng.choice((errno.ENOSPC, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO))
        target = folder / f"full-{file_format}-{number}"
        with told(f"full disk, seed {seed}, {file_format}, round {number}: {call} fails from {first} on"):
            with faulty(failing(call, first, number_of_error)):
                fails(case, target, number_of_error)
            goes_on(case, target)
        tally[f"at {call}"] += 1
        tally[errno.errorcode[number_of_error]] += 1
        shutil.rmtree(target, ignore_errors=True)
    return {"format": file_format, "points": count, **tally}


def failing(call, first, number):
    """From some byte or some call on, nothing works."""
    left = [first]
    lock = threading.Lock()

    def fault(name, size):
        if name != call:
            return size
        with lock:
            if left[0] <= 0:
                raise OSError(number, os.strerror(number))
            through = min(size, left[0])
            left[0] -= through if call == "write" else 1
            return through

    return fault


def fails(case, folder, number):
    """Writing fails with the system's error; what it leaves is whole, and not taken for rows unless it is all."""
    error = failure(lambda: case.write(folder))
    assert isinstance(error, StorageError), error
    assert error.errno == number, error
    assert str(folder) in str(error), error
    if number in _storage.FULL:
        assert "no room is left for" in str(error), error
        assert "make room and run the same again" in str(error), error
    found = contents(folder) if folder.exists() else {}
    assert not [name for name in found if name.endswith(UNFINISHED)], sorted(found)
    assert found.items() <= reference(case).items()
    try:
        X, y = planted.open(folder)[:]
    except MissingError:
        assert MANIFEST not in found
    else:
        assert_right(case, X, y)


def goes_on(case, folder):
    """When there is room, the same command ends with the same bytes, and keeps what was finished."""
    kept = stamps(folder, finished_shards(folder, case)) if folder.exists() else {}
    case.write(folder)
    assert_same(contents(folder), reference(case))
    assert stamps(folder, kept) == kept, "what was finished was written again"


@contextlib.contextmanager
def small_disk(folder, settings):
    """A disk of its own in memory; None where mounting is not permitted."""
    folder.mkdir()
    if not shutil.which("mount") or commanded("mount", "-t", "tmpfs", "-o", settings, "tmpfs", folder):
        yield None
        return
    try:
        yield folder
    finally:
        while commanded("umount", folder) and folder.is_mount():
            time.sleep(0.1)


def commanded(*words):
    """The exit status of a command."""
    return subprocess.run(words, check=False, capture_output=True).returncode


def really_full(seed, count, folder):
    """Fill a small disk, so that so many bytes are left, or so many names; None where mounting is not permitted."""
    rng = random.Random(seed)
    tally = Counter()
    for settings in ("size=1m", "size=1m,nr_inodes=30"):
        with small_disk(folder / settings, settings) as disk:
            if disk is None:
                return None
            for number in range(count):
                case = Case(formats()[number % len(formats())], 801)
                with told(f"small disk ({settings}), seed {seed}, round {number}: {case}"):
                    fill_and_write(rng, case, disk, tally)
    return {"points": tally.total(), **tally}


def fill_and_write(rng, case, disk, tally):
    """Fill the disk but for a random rest; write; make room; write."""
    target, filler = disk / "rows", disk / "filler"
    pages = sum(-(-len(content) // 4096) for content in reference(case).values())
    files = len(reference(case))
    by_names = os.statvfs(disk).f_files < 100
    filler.mkdir()
    if by_names:
        for i in range(os.statvfs(disk).f_ffree - rng.randrange(files + 1)):
            (filler / f"{i}").touch()
    else:
        left = rng.randrange(pages * 4096)
        with (filler / "0").open("wb") as file:
            size = os.statvfs(disk)
            os.posix_fallocate(file.fileno(), 0, size.f_bavail * size.f_frsize - left // 4096 * 4096)
    with mock.patch.object(_storage.LocalFolder, "free_bytes", return_value=None):  # else it would be told beforehand
        fails(case, target, errno.ENOSPC)
    shutil.rmtree(filler)
    goes_on(case, target)
    shutil.rmtree(target)
    tally["by names" if by_names else "by bytes"] += 1


# ---- the command ------------------------------------------------------------------------------------------------


def main():
    """Run what is asked for; one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=0, help="writers to kill at random moments")
    parser.add_argument("--steps", action="store_true", help="kill a writer at each of its calls to the system")
    parser.add_argument("--flips", type=int, default=0, help="folders to damage, over all formats")
    parser.add_argument("--full", type=int, default=0, help="points at which the disk is full, over all formats")
    options = parser.parse_args()
    small_blocks()
    with quick_folder() as folder:
        share = {name: (options.flips // len(formats()) + 1, options.full // len(formats()) + 1) for name in formats()}
        runs = [("kills", kills, (options.seed, options.kills, folder))] * bool(options.kills)
        runs += [("steps", steps, (folder,))] * options.steps
        runs += [("flips", flips, (options.seed, share[name][0], folder, name)) for name in formats() if options.flips]
        runs += [("full", full, (options.seed, share[name][1], folder, name)) for name in formats() if options.full]
        runs += [("really full", really_full, (options.seed, options.full // 2 + 1, folder))] * bool(options.full)
        for name, run, settings in runs:
            begun = time.perf_counter()
            found = run(*settings)
            taken = round(time.perf_counter() - begun, 1)
            line = json.dumps({"run": name, "seed": options.seed, "seconds": taken, "found": found})
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
