"""Disks that are full: in a system that only says so, and truly, on a small disk in memory."""

import contextlib
import errno
import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from unittest import mock

from folders import (
    MANIFEST,
    UNFINISHED,
    Case,
    assert_right,
    assert_same,
    contents,
    expected,
    failure,
    faulty,
    finished_shards,
    formats_here,
    reference,
    stamps,
    told,
)

import planted
from planted._disk import storage
from planted.errors import MissingError, StorageError


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
    if number in storage.FULL:
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
                case = Case(formats_here()[number % len(formats_here())], 801)
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
    with mock.patch.object(storage.LocalFolder, "free_bytes", return_value=None):  # else it would be told beforehand
        fails(case, target, errno.ENOSPC)
    shutil.rmtree(filler)
    goes_on(case, target)
    shutil.rmtree(target)
    tally["by names" if by_names else "by bytes"] += 1
