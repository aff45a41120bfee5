"""Files that are damaged, in a finished folder or an unfinished one: each is noticed, named and mended."""

import contextlib
import errno
import functools
import os
import random
import stat
import threading
from collections import Counter
from pathlib import Path

from folders import MANIFEST, PLAN, Case, assert_same, contents, differing, failure, read_all, reference, told

import planted
from planted.errors import ExistsError, ManifestError, MissingError, StorageError


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
