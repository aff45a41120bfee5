"""Rows on disk, more than memory holds: reading them shuffled (cold, warm, against peers), writing and verifying them.

    python bench/disk.py cold warm peers write verify

The files go into a temporary folder, which is removed at the end. The peers need

    pip install torch tensorflow-cpu datasets transformers catalogue zstd Brotli python-snappy
    pip install --no-deps mosaicml-streaming  # what else it asks for is not needed here, and would change the others
"""

import shutil
import signal
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

import planted
from compare import Contestant, compare, machine, options, report, table, take_turns, usually, verdict, write
from disk_cold import MEMORY, cold
from disk_files import cached, in_order, on_a_disk, settle, write_files
from disk_peers import LIBRARIES, digest, peers

PARTS = ("cold", "warm", "peers", "write", "verify")
BATCH, FEATURES = 256, 16
ROW_BYTES = 4 * (FEATURES + 1)
SHARD_BYTES = 64 << 20
PEER_ROWS = 1 << 24  # that planted reads when others read fewer: times are taken per row
SHARE = 0.8  # of the slower of making rows and of writing bytes, that writing rows means to reach
SPEEDS = {"planted, shuffled": 1.0}  # GB/s wanted


def add_options(parser):
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--gib", type=float, default=usually(4, 2**-11), help="size of the rows on disk")
    parser.add_argument("--dir", type=Path, help="where the files go while it runs, on a disk; else the temporary one")
    parser.add_argument("--peers", nargs="+", choices=LIBRARIES, default=[*LIBRARIES], help="those to compare with")


def computed(gib):
    return planted.regression(planted.weights(FEATURES, seed=1), 4.2, n=int(gib * 2**30) // ROW_BYTES)


# ---- reading from a warm page cache ---------------------------------------------------------------------------


def warm(folder, disk, repeats):
    files = sorted(folder.glob("*.npy"))
    n = len(disk)
    held = sum(map(cached, files)) / sum(path.stat().st_size for path in files)
    print(f"\n{held:.0%} of the files are in the page cache")

    def reader(name, rows, *, ours=False, **settings):
        loader = planted.Loader(rows, BATCH, memory=MEMORY, **settings)

        def run(_turn):
            if sum(len(X) for X, _ in loader) != n:
                raise RuntimeError(f"{name}: not {n} rows")

        return Contestant(name, run, n, ours=ours)

    def mapped(_turn):
        maps = [np.load(path, mmap_mode="r") for path in files]
        starts = np.cumsum([0, *map(len, maps)])
        for number in np.random.default_rng().permutation(len(maps)):
            order = np.random.default_rng().permutation(np.diff(starts)[number])
            for first in range(0, len(order), BATCH):
                rows = maps[number][order[first : first + BATCH]]
                rows[:, :-1], rows[:, -1:]

    trusted = planted.open(folder, verify=False)
    contestants = [
        reader("planted, shuffled", disk, ours=True, shuffle=True),
        reader("planted, shuffled, torch", disk, shuffle=True, framework="torch"),
        reader("planted, shuffled, verify=False", trusted, shuffle=True),
        reader("planted, in order", disk, shuffle=False),
        reader("planted, in order, verify=False", trusted, shuffle=False),
        reader("planted, from memory, shuffled", disk.materialize(), shuffle=True),
        Contestant("np.load(mmap_mode), a permutation a file", mapped, n),
        Contestant("1 MiB reads in order", lambda _: in_order(files), n),
    ]
    found, wanted = digest(planted.Loader(disk, BATCH, memory=MEMORY)), digest(slices(computed_like(disk)))
    for delivered, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(delivered, expected, rtol=1e-6, atol=1e-2)
    result = compare(f"warm: batches of {BATCH}, {n:_} rows", contestants, repeats, ROW_BYTES)
    return {**result, "speeds": speeds(result["seconds"], n, SPEEDS)}


def computed_like(disk):
    return planted.rows(disk.truth, len(disk), seed=disk.seed)


def slices(rows):
    step = SHARD_BYTES // ROW_BYTES
    return (rows[first : first + step] for first in range(0, len(rows), step))


def speeds(seconds, rows, wanted):
    """GB/s against what was wanted."""
    found = {name: rows * ROW_BYTES / median(seconds[name]) / 1e9 for name in wanted}
    lines = [(name, f"{speed:.2f}", *verdict(wanted[name], speed >= wanted[name])) for name, speed in found.items()]
    table(["", "GB/s", "target", "verdict"], lines)
    return found


# ---- writing and verifying ------------------------------------------------------------------------------------


def writing(rows, folder, repeats):
    def emptied(place, _turn):
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        settle(folder)

    def generate(_turn):
        for _rows in slices(rows):
            pass

    n, ours, theirs = len(rows), folder / "written", folder / "bytes"
    contestants = [
        Contestant("planted.write", lambda _: planted.write(rows, ours), n, ours=True, before=partial(emptied, ours)),
        Contestant(
            "ready bytes, synchronised",
            lambda _: write_files(theirs, n * ROW_BYTES, SHARD_BYTES),
            n,
            before=partial(emptied, theirs),
        ),
        Contestant("rows made and thrown away", generate, n),
    ]
    title = f"write: {n:_} rows, {n * ROW_BYTES / 2**30:.1f} GiB, in files of {SHARD_BYTES >> 20} MiB"
    print(f"\n{title}")
    rounds = take_turns(contestants, repeats)
    slower = "the slower of the two"
    one, other = (rounds.seconds[each.name] for each in contestants[1:])
    rounds.seconds[slower] = max(one, other, key=median)
    return report(title, [*contestants, Contestant(slower, generate, n, target=SHARE)], rounds, ROW_BYTES)


def verifying(folder, disk, repeats):
    def run(_turn):
        if not planted.verify(folder).ok:
            raise RuntimeError(f"{folder} is damaged")

    files = sorted(folder.glob("*.npy"))
    contestants = [
        Contestant("planted.verify", run, len(disk), ours=True),
        Contestant("1 MiB reads in order", lambda _: in_order(files), len(disk)),
    ]
    return compare("verify: page cache warm", contestants, repeats, ROW_BYTES)


# ---- all of it ------------------------------------------------------------------------------------------------


def run_parts(parts, given, folder):
    """The parts in the order in which they disturb one another least; what they write goes into the folder."""
    if "write" in parts:
        yield writing(computed(given.gib), folder, given.repeats)
        shutil.rmtree(folder / "written")
        shutil.rmtree(folder / "bytes")
    if {"cold", "warm", "verify", "peers"} & set(parts):
        place = folder / "rows"
        disk = planted.write(computed(given.gib), place)
    if "cold" in parts:
        yield cold(place, disk, given.repeats, ROW_BYTES)
    if "warm" in parts:
        yield warm(place, disk, given.repeats)
    if "verify" in parts:
        yield verifying(place, disk, given.repeats)
    if "peers" in parts:
        few = disk.split(min(PEER_ROWS, len(disk)))[0]
        yield from peers(few, folder, given.repeats, given.peers)


def main():
    given = options(__doc__, add_options)
    parts = given.parts or PARTS
    if unknown := set(parts) - set(PARTS):
        sys.exit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    if sys.platform != "linux":
        sys.exit("measured on Linux only: elsewhere the page cache cannot be emptied by whoever likes")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))  # files are removed then too
    facts = machine(*(name for peer in given.peers for name in LIBRARIES[peer] if "peers" in parts))
    with tempfile.TemporaryDirectory(dir=given.dir, prefix="planted-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        if not on_a_disk(folder):
            sys.exit(f"{folder} is held in memory: choose a folder on a disk with --dir")
        results = []
        for result in run_parts(parts, given, folder):
            results.append(result)
            write(given.json, facts, results)  # what is measured is kept, whatever becomes of the rest


if __name__ == "__main__":
    main()
