"""The disk: rows in files, here or in a store; written, read, compared with their checksums, and mended.

In: rows and a folder. Out: the folder, and rows that lie in it. A *shard* is a file, a *block* the part of it that is
read and checked as one; the *plan* says how rows are cut, the *manifest* that all of them are there.
"""

from planted._disk.formats import RangeFile, pyarrow_for, unknown_format
from planted._disk.manifest import FILE_FORMATS
from planted._disk.remote import RemoteFolder, is_local, reach
from planted._disk.rows import DiskRows, open  # noqa: A004 -- the contract's name
from planted._disk.storage import File, Folder, LocalFile, LocalFolder
from planted._disk.verification import Verification, verify
from planted._disk.writer import write

__all__ = [
    "FILE_FORMATS",
    "DiskRows",
    "File",
    "Folder",
    "LocalFile",
    "LocalFolder",
    "RangeFile",
    "RemoteFolder",
    "Verification",
    "is_local",
    "open",
    "pyarrow_for",
    "reach",
    "unknown_format",
    "verify",
    "write",
]
