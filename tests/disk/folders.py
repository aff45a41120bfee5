"""Folders of rows in small blocks: what they should hold, and a system under them that may fail."""

import contextlib
import functools
import importlib.util
import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np

import planted
from planted._disk import remote, storage
from planted._disk.formats import BLOCK_BYTES

BLOCK = 512  # bytes of a block, so that little data is many blocks
SHARD = 2048  # bytes of a shard: four blocks
WEIGHTS = (2.0, -3.4, 0.5)
FOREIGN = {"notes.txt": b"mine", "rows-foo.csv": b"1,2", "film.part": b"half a film", "rows-00000000.csv": b"3"}
FORMATS = ("npy", "arrow", "parquet")
UNFINISHED = (".part", ".writing")
PLAN, MANIFEST = "plan.json", "manifest.json"


def formats_here():
    """The file formats whose library is here."""
    return FORMATS if importlib.util.find_spec("pyarrow") else ("npy",)


def small_blocks():
    """Make blocks small."""
    BLOCK_BYTES.update(dict.fromkeys(FORMATS, BLOCK))


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


def assert_same_rows(found, wanted):
    """Values, types and shapes."""
    np.testing.assert_array_equal(found.X, wanted.X)
    np.testing.assert_array_equal(found.y, wanted.y)
    assert found.X.dtype == wanted.X.dtype == found.y.dtype
    assert found.X.shape == wanted.X.shape
    assert found.y.shape == wanted.y.shape


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


def failure(action, kind=planted.PlantedError):
    """The error that comes of it; None if none does."""
    try:
        action()
    except kind as error:
        return error
    return None


@contextlib.contextmanager
def told(what):
    """Say in an error which fault it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"the fault: {what}")
        raise


# ---- another process that writes --------------------------------------------------------------------------------

WRITER = f"""
import json, sys, planted
from planted._disk.formats import BLOCK_BYTES

def progress(done, n):
    print(done, flush=True)
    sys.stdin.readline()

BLOCK_BYTES.update(npy={BLOCK})
target, n, storage_options = json.loads(sys.argv[1])
rows = planted.regression({WEIGHTS}, 4.2, noise=0.1, n=n, seed=714)
planted.write(rows, target, shard_bytes={SHARD}, progress=progress, storage_options=storage_options)
"""


@contextlib.contextmanager
def writer(target, n, storage_options=None):
    """Another process that is writing, and waits after each shard until it is told to go on."""
    command = [sys.executable, "-c", WRITER, json.dumps([str(target), n, storage_options])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "128\n"
            yield process
        finally:
            process.kill()


# ---- what stands between planted and the system -----------------------------------------------------------------


class System:
    """Stands for `os` in `storage`: `fault(call, size)` is asked before each change, and may raise or kill.

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
        unfinished = descriptor in self.written
        self.written.discard(descriptor)  # before another thread may get the same number
        os.close(descriptor)
        if unfinished:
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

    with mock.patch.object(storage, "os", System(fault)), mock.patch.object(remote, "Path", FaultyPath):
        yield
