"""Where files lie: what a folder is, on this machine or elsewhere, and the folders of this machine.

The files of a `Folder` appear whole or not at all, are read at any offset by several threads at once, and are written
by one process at a time. Names never come from a file's contents, and links are not followed: what is read lies in the
folder.
"""

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from planted._types import RowNumbers
from planted.errors import DamagedError, MissingError, StorageError

Buffer: TypeAlias = Any  # whatever lends its bytes: bytes, memoryview, a contiguous array

LOCK: Final = ".writing"
TEMPORARY: Final = ".part"  # how the names of unfinished files end
UNKNOWN_SIZE: Final = -1  # of a file in a store that does not say
FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READERS: Final = 2  # threads that keep a local disk busy, if it reads ahead; one core's work each
READAHEAD_BYTES: Final = 1 << 23  # bytes to read ahead of what is read in order


class File(Protocol):
    """A file that is open for reading, by several threads at once."""

    @property
    def size(self) -> int:
        """Bytes, when it was opened."""
        ...

    @property
    def descriptor(self) -> int | None:
        """The system's number for it; None if it is not a file of this machine."""
        ...

    @property
    def version_tag(self) -> str:
        """A text that changes when the file is written to: its size and, if known, the time."""
        ...

    def read_into(self, buffer: Buffer, offset: int) -> None:
        """Fill a buffer from an offset on; a `DamagedError` if the file ends before."""
        ...

    def readahead(self, offset: int, size: int) -> None:
        """Start to read these bytes, if that can be done in the background."""
        ...

    def changed(self) -> bool:
        """Whether the file is not the one that was opened."""
        ...


class Folder(Protocol):
    """A folder of files; none of its methods looks into another folder."""

    @property
    def readers(self) -> int:
        """How many threads should read at once."""
        ...

    @property
    def copies(self) -> int:
        """How many copies of a file are in memory while it is written."""
        ...

    def names(self) -> list[str]:
        """The names of the files; none if there is no such folder."""
        ...

    def sizes(self) -> dict[str, int]:
        """The bytes of each file, by its name, from one listing; `UNKNOWN_SIZE` where that does not say."""
        ...

    def open(self, name: str) -> File:
        """A file, for reading."""
        ...

    def write(self, name: str, parts: Iterable[Buffer]) -> None:
        """A file, whole or not at all, in place of any that had its name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file; nothing if there is none."""
        ...

    def fsync(self) -> None:
        """Make what was written survive a loss of power."""
        ...

    def free_bytes(self) -> int | None:
        """Bytes that can still be written, if that is known."""
        ...

    def lock(self) -> AbstractContextManager[None]:
        """Keep other writers out; a `StorageError` if one is at work."""
        ...

    def confirm_lock(self) -> None:
        """A `StorageError` if another writer has come in nonetheless."""
        ...


# ---- a folder on this machine ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, repr=False)
class LocalFolder:
    """A folder on this machine; made when the first file is written into it."""

    path: Path
    readers: int = READERS
    copies: int = 0

    def names(self) -> list[str]:
        """The names of whatever lies in it."""
        try:
            return sorted(path.name for path in self.path.iterdir())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _failure(error, self.path) from error

    def sizes(self) -> dict[str, int]:
        """The bytes of whatever lies in it; links are not followed."""
        try:
            with os.scandir(self.path) as found:
                return {each.name: each.stat(follow_symlinks=False).st_size for each in found}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _failure(error, self.path) from error

    def open(self, name: str) -> "LocalFile":
        """A regular file; links, pipes and devices are refused."""
        path = self.path / name
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            if path.is_symlink():
                raise StorageError(f"{path} is a link, and links are not followed: put the file itself there")
            descriptor = os.open(path, flags)
        except FileNotFoundError:
            raise MissingError(f"{path} is missing") from None
        except OSError as error:
            raise _failure(error, path) from error
        return LocalFile(path, descriptor)

    def write(self, name: str, parts: Iterable[Buffer]) -> None:
        """Under a temporary name, then synchronised with the disk, then renamed."""
        path, temporary = self.path / name, self.path / f"{name}{TEMPORARY}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                temporary.unlink()
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            descriptor = os.open(temporary, flags, 0o666)
            try:
                for part in parts:
                    _write_all(descriptor, part)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(path)
        except BaseException as error:
            with suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError) and not isinstance(error, StorageError):
                raise _failure(error, path) from error
            raise

    def remove(self, name: str) -> None:
        """Remove a file, or a link without what it leads to."""
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise _failure(error, self.path / name) from error

    def fsync(self) -> None:
        """Synchronise the names with the disk, where the system can."""
        if os.name == "posix":
            try:
                descriptor = os.open(self.path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise _failure(error, self.path) from error

    def free_bytes(self) -> int | None:
        """Bytes that the disk has left, if it says so."""
        import shutil

        try:
            existing = next(folder for folder in (self.path, *self.path.absolute().parents) if folder.exists())
            return shutil.disk_usage(existing).free
        except OSError:
            return None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """A lock on a file of its own, which the system lifts when the process ends, however it ends."""
        path = self.path / LOCK
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
                try:
                    _lock(descriptor)
                    current = path.exists() and os.path.samestat(os.fstat(descriptor), path.stat())
                except BaseException:
                    os.close(descriptor)
                    raise
                if current:
                    break
                os.close(descriptor)  # another writer removed it between the two calls
        except BlockingIOError:
            raise StorageError(
                f"another process is writing to {self}: wait until it has ended, or choose another folder"
            ) from None
        except OSError as error:
            raise _failure(error, path) from error
        try:
            yield
        finally:
            try:
                with suppress(OSError):
                    path.unlink()
            finally:
                os.close(descriptor)

    def confirm_lock(self) -> None:
        """Nothing: the system keeps the lock."""

    def __str__(self) -> str:
        """The path."""
        return str(self.path)


class LocalFile:
    """An open file; its descriptor is closed with the last reference to it."""

    __slots__ = ("descriptor", "path", "size", "version_tag")

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise StorageError(f"{path} is not a file: remove it")
        self.size = found.st_size
        self.version_tag = _version_tag(found)

    def read_into(self, buffer: Buffer, offset: int) -> None:
        """Fill a buffer; several threads may do so at once."""
        rest = memoryview(buffer).cast("B")
        while rest:
            try:
                read = _read_at(self.descriptor, rest, offset)
            except OSError as error:
                raise _failure(error, self.path) from error
            if read == 0:
                raise DamagedError(f"{self.path} ends at byte {offset}, within its rows: it was cut off")
            rest, offset = rest[read:], offset + read

    def readahead(self, offset: int, size: int) -> None:
        """Let the system read ahead, where it can be asked to."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.descriptor, offset, size, os.POSIX_FADV_WILLNEED)

    def changed(self) -> bool:
        """Whether it was written to since it was opened."""
        return _version_tag(os.fstat(self.descriptor)) != self.version_tag

    def __del__(self, close: Callable[[int], None] = os.close) -> None:  # at the end of a program `os` may be gone
        close(self.descriptor)


def read_pieces(files: list[File], offsets: RowNumbers, sizes: RowNumbers, addresses: RowNumbers) -> int:
    """Read pieces of files into memory, releasing the GIL once for all of them, where the system allows that.

    Returns how many, from the first on, were read: 0 on another system or if a file is not of this machine; fewer than
    all if one cannot be read. `File.read_into` reads the next one, or says what is wrong with it.
    """
    descriptors = [file.descriptor for file in files]
    if None in descriptors or not hasattr(os, "pread") or sys.maxsize < 2**32:  # the C library may have 32-bit offsets
        return 0
    from planted._machine import read_pieces as pread_pieces

    return int(pread_pieces(np.array(descriptors, np.int32), offsets, sizes, addresses))


def are_cached(files: list[File], offsets: RowNumbers) -> bool:
    """Whether these bytes of files are in memory, as far as the system says."""
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    byte = bytearray(1)
    try:
        for file, offset in zip(files, offsets.tolist(), strict=True):
            if file.descriptor is None or os.preadv(file.descriptor, [byte], offset, os.RWF_NOWAIT) != 1:
                return False
    except OSError:  # it would have to wait, or the file system cannot tell
        return False
    return True


def _version_tag(found: os.stat_result) -> str:
    return f"{found.st_size}/{found.st_mtime_ns}"


def _write_all(descriptor: int, part: Buffer) -> None:
    rest = memoryview(part).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


if hasattr(os, "preadv"):

    def _read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(descriptor, [buffer], offset)

else:  # Windows, where only the file's own position can be used
    import threading

    _position = threading.Lock()

    def _read_at(descriptor: int, buffer: memoryview, offset: int) -> int:
        with _position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            found = os.read(descriptor, len(buffer))
        buffer[: len(found)] = found
        return len(found)


def _lock(descriptor: int) -> None:
    """Lock a file for this process alone, or raise a `BlockingIOError` at once."""
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
        except OSError:
            raise BlockingIOError from None
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _file_on(path: Path) -> Path | None:
    """The file that stands where a folder of this path should be, if one does."""
    return next((folder for folder in (path, *path.parents) if folder.is_file()), None)


def _failure(error: OSError, path: Path) -> StorageError:
    """The error of the system, with the file and the remedy; its number is kept."""
    if error.errno in FULL:
        text = f"no room is left for {path}: make room and run the same again; what is finished is kept"
    elif error.errno == errno.EISDIR:
        text = f"{path} is a folder, and a file belongs there: remove it"
    elif error.errno in {errno.ENOTDIR, errno.EEXIST} and (file := _file_on(path)):
        text = f"{file} is a file, and a folder belongs there: name a folder"
    else:
        text = f"{path}: {error.strerror or error}"
    failure = StorageError(text)
    failure.errno = error.errno
    return failure
