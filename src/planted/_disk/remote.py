"""A folder in any store that fsspec reaches: S3, Google Cloud Storage, Azure, HTTP, SFTP, memory, ...

Object stores show an object whole or not at all; on other file systems a file gets its name when it is finished.

There is no lock in such stores. Two writers of the same rows cannot harm each other, since every file is a function of
the plan, but the work of one is lost. So a writer leaves a note, and a thread renews it while the writer works; another
writer that finds a recent note stops. How old a note is, the store's own clock tells; where it has none, whether the
note changes. A writer whose note is another's now, or gone, writes nothing more. The note of a process of this machine
that has ended is ignored.
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from planted._disk.storage import LOCK, TEMPORARY, UNKNOWN_SIZE, Buffer, Folder, LocalFolder
from planted._machine import Workers
from planted.errors import (
    DamagedError,
    InvalidTypeError,
    InvalidValueError,
    MissingDependencyError,
    MissingError,
    StorageError,
)

OBJECT_STORES: Final = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "memory"}
READERS: Final = 16  # requests at once: each waits for the network
LOCK_TTL: Final = 60.0  # seconds that a writer's note keeps others out
LOCK_RENEWAL: Final = 15.0  # seconds after which it is renewed
LOOKS: Final = 20  # how often, within LOCK_TTL, a note is looked at that no clock can date
_at_work: Final[set[str]] = set()  # tokens of this process's writers: its notes with another token are ignored
VERSIONS: Final = ("etag", "content_md5", "md5hash", "generation", "mtime", "lastmodified", "last_modified", "updated")
CREATED: Final = ("modified", "created")  # used if a store has none of these


def folder_of(target: Any, storage_options: dict[str, Any] | None = None) -> Folder:
    """The folder at a path or a URL.

    Raises
    ------
    InvalidTypeError
        If it is neither.
    MissingDependencyError
        If it is a URL and fsspec, or what fsspec needs for it, is not installed.
    """
    if isinstance(target, str) and "://" in target:
        return _remote_folder(target, storage_options or {})
    if isinstance(target, (str, os.PathLike)) and not isinstance(os.fspath(target), bytes) and os.fspath(target):
        return LocalFolder(Path(target))
    raise InvalidTypeError(f"target={target!r} must be a path or a URL, such as 'rows/' or 's3://bucket/rows'")


def _remote_folder(url: str, storage_options: dict[str, Any]) -> Folder:
    """The folder at a URL; a `LocalFolder` if that is where it leads."""
    system, root = reach(url, storage_options)
    if is_local(system):
        return LocalFolder(Path(root))
    return RemoteFolder(system, root.rstrip("/"), url)


def is_local(system: Any) -> bool:
    """Whether a file system of fsspec is that of this machine."""
    return type(system).__name__ == "LocalFileSystem"


def reach(url: str, storage_options: dict[str, Any]) -> tuple[Any, str]:
    """The file system that a URL names, and the path in it."""
    try:
        import fsspec
    except ImportError:
        raise MissingDependencyError(
            f"target={url!r} needs fsspec, which is not installed: pip install 'planted[remote]'"
        ) from None
    try:
        system, path = fsspec.core.url_to_fs(url, **storage_options)
    except ImportError as error:
        raise MissingDependencyError(f"target={url!r} needs what is not installed: {error}") from None
    except ValueError as error:
        raise InvalidValueError(f"target={url!r} cannot be reached: {error}; use a path or a URL of fsspec") from None
    except Exception as error:
        raise _failure(error, url) from error
    return system, path


@dataclass(slots=True, repr=False)
class RemoteFolder:
    """A folder that fsspec reaches."""

    system: Any
    root: str
    url: str
    readers: int = READERS
    copies: int = 3  # its parts, the whole of them, and what the store's library makes of that
    _note: dict[str, Any] = field(default_factory=dict)  # while this process is writing
    _lost: bool = False

    def names(self) -> list[str]:
        """The names of the files in it, never from fsspec's cache."""
        try:
            self._forget(self.root)
            return sorted(str(path).rsplit("/", 1)[-1] for path in self.system.ls(self.root, detail=False))
        except FileNotFoundError:
            return []
        except Exception as error:
            raise _failure(error, self.url) from error

    def sizes(self) -> dict[str, int]:
        """The bytes of each file in it, never from fsspec's cache."""
        try:
            self._forget(self.root)
            found = self.system.ls(self.root, detail=True)
            sizes = {str(each["name"]).rsplit("/", 1)[-1]: each.get("size") for each in found}
            return {name: UNKNOWN_SIZE if size is None else int(size) for name, size in sizes.items()}
        except FileNotFoundError:
            return {}
        except Exception as error:
            raise _failure(error, self.url) from error

    def open(self, name: str) -> "RemoteFile":
        """A file of the size that the store says it has."""
        path = self._path(name)
        try:
            self._forget(path)
            found = self.system.info(path)
        except FileNotFoundError:
            raise MissingError(f"{self.url}/{name} is missing") from None
        except Exception as error:
            raise _failure(error, f"{self.url}/{name}") from error
        if found.get("type") != "file" or not isinstance(found.get("size"), int):
            raise StorageError(f"{self.url}/{name} is not a file: remove it")
        return RemoteFile(self.system, path, f"{self.url}/{name}", found["size"], _version_tag(found))

    def write(self, name: str, parts: Iterable[Buffer]) -> None:
        """One object, put at once; where stores are no object stores, under a temporary name first."""
        whole = b"".join(memoryview(part).cast("B") for part in parts)
        if self._lost:
            raise self._loss()
        self._put(name, whole)

    def _put(self, name: str, whole: bytes) -> None:
        path, protocol = self._path(name), self.system.protocol
        objects = bool(({protocol} if isinstance(protocol, str) else set(protocol)) & OBJECT_STORES)
        first = path if objects else f"{path}{TEMPORARY}"
        try:
            if first != path:
                self.system.makedirs(self.root, exist_ok=True)
            self.system.pipe_file(first, whole)
            if first != path:
                self.system.mv(first, path)
        except Exception as error:
            if first != path:
                with suppress(Exception):
                    self.system.rm_file(first)
            raise _failure(error, f"{self.url}/{name}") from error

    def remove(self, name: str) -> None:
        """Remove a file; nothing if there is none."""
        try:
            self.system.rm_file(self._path(name))
        except FileNotFoundError:
            pass
        except Exception as error:
            raise _failure(error, f"{self.url}/{name}") from error

    def fsync(self) -> None:
        """Nothing: a store keeps what it has accepted."""

    def free_bytes(self) -> int | None:
        """Unknown."""
        return None

    # ---- who is writing ----

    @contextmanager
    def lock(self) -> Iterator[None]:
        """A note of who is writing, renewed by a thread."""
        found = self._read_note()
        if found and not _dead(found):
            age = self._age(found)
            if age < LOCK_TTL:
                raise StorageError(
                    f"another process is writing to {self} (process {found['process']} on {found['host']}, {age:.0f} s "
                    f"ago): wait until it has ended; if it died, its claim ends {LOCK_TTL:.0f} s after its last sign"
                )
        token, stop = uuid.uuid4().hex, SimpleQueue[None]()
        renewing = Workers(1, "planted-lock", on_close=lambda: stop.put(None))
        _at_work.add(token)
        try:
            self._note = {"host": socket.gethostname(), "process": os.getpid(), "token": token}
            self._lost = False
            self._leave_note()
            if not self._is_mine():
                raise StorageError(f"another process began to write to {self} just now: wait until it has ended")
            with renewing, renewing:
                renewing.submit(self._renew, stop)
                yield
        finally:
            _at_work.discard(token)
            if self._note.get("process") == os.getpid():  # not in a fork of it
                with suppress(StorageError):
                    if self._is_mine():
                        self.remove(LOCK)
            self._note = {}

    def confirm_lock(self) -> None:
        """Ask the store whose note lies there."""
        if self._note and not self._is_mine():
            self._lost = True
            raise self._loss()

    def _renew(self, stop: "SimpleQueue[None]") -> None:
        """Renew the note until told to stop, or until it is no longer this writer's."""
        while not self._lost:
            try:
                stop.get(timeout=LOCK_RENEWAL)
            except Empty:
                with suppress(StorageError):  # the next time may go well
                    self._lost = not self._is_mine()
                    if not self._lost:
                        self._leave_note()
            else:
                return

    def _loss(self) -> StorageError:
        return StorageError(
            f"another process began to write to {self} while this one was at work, so this one has stopped: wait until "
            "it has ended, and run the same again"
        )

    def _age(self, note: dict[str, str]) -> float:
        """Seconds since a note was left or renewed. Clocks of two machines may differ: neither is asked."""
        probe = f"{LOCK}-{uuid.uuid4().hex}{TEMPORARY}"
        try:
            self.system.pipe_file(self._path(probe), b"")
        except Exception as error:
            raise _failure(error, self.url) from error
        try:
            return float((self._modified(probe) - self._modified(LOCK)).total_seconds())
        except Exception:  # noqa: BLE001 -- a store without times, or the note has just gone
            return self._watched(note)
        finally:
            with suppress(StorageError):
                self.remove(probe)

    def _modified(self, name: str) -> Any:
        path = self._path(name)
        self._forget(path)
        return self.system.modified(path)

    def _watched(self, note: dict[str, str]) -> float:
        """0 if a note is renewed within its time, else that time."""
        for _ in range(LOOKS):
            time.sleep(LOCK_TTL / LOOKS)
            found = self._read_note()
            if found != note:
                return 0.0 if found else LOCK_TTL
        return LOCK_TTL

    def _leave_note(self) -> None:
        self._put(LOCK, json.dumps({**self._note, "time": time.time()}).encode())

    def _is_mine(self) -> bool:
        found = self._read_note()
        return found is not None and found["token"] == self._note["token"]

    def _read_note(self) -> dict[str, str] | None:
        try:
            self._forget(self._path(LOCK))
            found = json.loads(self.system.cat_file(self._path(LOCK)))
            return {key: str(found[key]) for key in ("host", "process", "token", "time")}
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None  # not a note that planted wrote
        except Exception as error:
            raise _failure(error, self.url) from error

    def _forget(self, path: str) -> None:
        """Let fsspec forget a path and this folder, and nothing else: all of a program may share this file system."""
        for known in {self.root, path}:
            self.system.invalidate_cache(known)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def __str__(self) -> str:
        return self.url


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that fsspec reaches, read by ranges."""

    system: Any
    path: str
    url: str
    size: int
    version_tag: str
    descriptor: None = None

    def read_into(self, buffer: Buffer, offset: int) -> None:
        """Fill a buffer with one request."""
        into = memoryview(buffer).cast("B")
        try:
            found = self.system.cat_file(self.path, start=offset, end=offset + len(into)) if len(into) else b""
        except FileNotFoundError:
            raise MissingError(f"{self.url} is missing") from None
        except Exception as error:
            raise _failure(error, self.url) from error
        if len(found) != len(into):
            raise DamagedError(f"{self.url} ends at byte {offset + len(found)}, within its rows: it was cut off")
        into[:] = found

    def readahead(self, offset: int, size: int) -> None:
        """Nothing: several requests wait at once anyway."""

    def changed(self) -> bool:
        """False, without asking: that would be one more request a block, and the checksums show it."""
        return False


def _version_tag(found: dict[str, Any]) -> str:
    """What a store says of a file's version, by any of the names that stores have for it."""
    known = {str(name).lower(): value for name, value in found.items()}
    versions = [known[name] for name in VERSIONS if known.get(name) is not None]
    versions = versions or [known[name] for name in CREATED if known.get(name) is not None]
    return "/".join(map(str, [found["size"], *versions]))


def _dead(note: dict[str, str]) -> bool:
    """Whether the writer was a process of this machine that has ended, or is this process and has ended its work."""
    if note["host"] != socket.gethostname():
        return False
    if note["process"] == str(os.getpid()):
        return note["token"] not in _at_work
    if not hasattr(os, "kill") or os.name != "posix":
        return False
    try:
        os.kill(int(note["process"]), 0)
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return False


def _failure(error: Exception, place: str) -> StorageError:
    failure = StorageError(f"{place}: {type(error).__name__}: {error}")
    failure.errno = getattr(error, "errno", None)
    return failure
