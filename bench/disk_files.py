"""Files as such: how fast the disk gives and takes their bytes, and out of the system's memory with them."""

import ctypes
import mmap
import os
import random
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np

MIB = 1 << 20
PAGE = mmap.PAGESIZE

# ---- the page cache -------------------------------------------------------------------------------------------


def forget(folder):
    """Empty the page cache of all files in a folder; raises if the system keeps any of it, as one in memory does."""
    files = [path for path in folder.iterdir() if path.is_file()]
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # pages that are not on the disk yet would stay
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)
    if left := sum(map(cached, files)):
        raise RuntimeError(f"{left} bytes of {folder} stay in memory: choose a folder on a disk with --dir")


def cached(path):
    """How many bytes of a file the page cache holds (mincore)."""
    if not path.stat().st_size:
        return 0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        pages = (ctypes.c_ubyte * -(-len(mapped) // PAGE))()
        view = np.frombuffer(mapped, np.uint8)
        failed = ctypes.CDLL(None, use_errno=True).mincore(
            ctypes.c_void_p(view.ctypes.data), ctypes.c_size_t(view.size), pages
        )
        del view  # or the map cannot be closed
    if failed:
        raise OSError(ctypes.get_errno(), f"mincore of {path}")
    return PAGE * int(np.count_nonzero(np.frombuffer(pages, np.uint8) & 1))


def on_a_disk(folder):
    """Whether what lies there can be put out of memory."""
    with tempfile.TemporaryDirectory(dir=folder) as trial:
        (Path(trial) / "file").write_bytes(bytes(MIB))
        try:
            forget(Path(trial))
        except RuntimeError:
            return False
    return True


# ---- reading --------------------------------------------------------------------------------------------------


def in_order(files, size=MIB):
    """What dd does: one read after another, into one buffer. The system reads ahead as it sees fit."""
    buffer = bytearray(size)
    for path in files:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass


def asked_for_ahead(files, size=4 * MIB, window=64 * MIB, windows=3):
    """Reads of `size`, the system being told of what comes `windows` windows later."""
    buffer = bytearray(size)
    pieces = [(path, start) for path in files for start in range(0, path.stat().st_size, window)]
    with ExitStack() as stack:
        opened = {path: stack.enter_context(path.open("rb", buffering=0)) for path in files}

        def expect(path, start):
            os.posix_fadvise(opened[path].fileno(), start, window, os.POSIX_FADV_WILLNEED)

        for piece in pieces[:windows]:
            expect(*piece)
        for i, (path, start) in enumerate(pieces):
            for piece in pieces[i + windows : i + windows + 1]:
                expect(*piece)
            for offset in range(start, start + window, size):
                os.preadv(opened[path].fileno(), [buffer], offset)


def by_threads(files, size, threads, flags=0):
    """Several threads that take the next piece each; with O_DIRECT past the page cache, which saves a copy."""
    pieces = iter([(path, start) for path in files for start in range(0, path.stat().st_size, size)])
    turn = threading.Lock()
    descriptors = {path: os.open(path, os.O_RDONLY | flags) for path in files}

    def work():
        with mmap.mmap(-1, size) as buffer:  # a page's start, as O_DIRECT wants it
            while True:
                with turn:
                    piece = next(pieces, None)
                if piece is None:
                    return
                os.preadv(descriptors[piece[0]], [buffer], piece[1])

    workers = [threading.Thread(target=work) for _ in range(threads)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        for descriptor in descriptors.values():
            os.close(descriptor)


def blocks_in_random_order(files, size=1 << 16, ahead=256):
    """Not in order at all: what the disk gives to a shuffle of blocks that costs nothing else."""
    blocks = [(path, start) for path in files for start in range(0, path.stat().st_size, size)]
    random.shuffle(blocks)
    buffer = bytearray(size)
    with ExitStack() as stack:
        opened = {path: stack.enter_context(path.open("rb", buffering=0)).fileno() for path in files}
        for descriptor in opened.values():
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # no reading ahead of its own
        for i in range(-ahead, len(blocks)):
            if i + ahead < len(blocks):
                path, start = blocks[i + ahead]
                os.posix_fadvise(opened[path], start, size, os.POSIX_FADV_WILLNEED)
            if i >= 0:
                path, start = blocks[i]
                os.preadv(opened[path], [buffer], start)


# ---- writing --------------------------------------------------------------------------------------------------


def write_files(folder, size, file_size=64 * MIB, buffer_size=MIB):
    """What dd does: a ready buffer again and again, each file synchronised with the disk."""
    buffer = memoryview(np.random.default_rng(0).bytes(buffer_size))
    for number, start in enumerate(range(0, size, file_size)):
        with (folder / f"{number:05}").open("wb", buffering=0) as file:
            for offset in range(start, min(start + file_size, size), buffer_size):
                file.write(buffer[: size - offset])
            os.fsync(file.fileno())


def settle(folder):
    """Synchronise a folder, so that files removed from it are not removed at somebody else's cost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
