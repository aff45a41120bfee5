"""Whether a folder still holds what was written, to the last byte; and mending it, since every row can be made again.

A shard is mended by making it again from the plan, which gives the identical bytes: its checksums are compared before
it is put in its place. The plan itself stands in two files, each of which restores the other.
"""

import itertools
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._disk.checksums import ChecksumTable, checksum, read_table
from planted._disk.manifest import MANIFEST, PLAN, Manifest, Plan, manifest_from, plan_from, read_text
from planted._disk.remote import folder_of
from planted._disk.rows import no_rows
from planted._disk.storage import READAHEAD_BYTES, File, Folder
from planted._disk.writer import Progress, clear_unfinished, computed_sum, finish, for_each_shard, write_shard
from planted._input import bytes_text, flag
from planted._machine import empty
from planted.errors import ManifestError, MissingError, StorageError

READ_BYTES: Final = 1 << 21  # bytes that are read at once


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file."""

    file: str
    kind: str  # "missing", "damaged", ...
    blocks: tuple[int, ...] = ()  # of a shard: those that do not have their checksums; -1 stands for the header
    mended: bool = False

    def __str__(self) -> str:
        """On one line."""
        shown = ", ".join(map(str, self.blocks[:8])) + (", ..." if len(self.blocks) > 8 else "")
        where = f" (block{'s' * (len(self.blocks) != 1)} {shown})" if self.blocks else ""
        return f"{self.file}: {self.kind}{where}{', mended' if self.mended else ''}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The result of `verify`. Printed, it says what was wrong; it is true in an ``if`` if nothing is."""

    __module__ = "planted"

    target: str
    rows: int
    bytes: int
    faults: tuple[Fault, ...]

    @property
    def ok(self) -> bool:
        """Whether all is as it was written, or has been mended."""
        return all(fault.mended for fault in self.faults)

    @property
    def passed(self) -> bool:
        """The same as `ok`, as reports of `check` and `audit` call it."""
        return self.ok

    def __bool__(self) -> bool:
        """The verdict."""
        return self.ok

    @property
    def mended(self) -> tuple[str, ...]:
        """The files that were made again."""
        return tuple(fault.file for fault in self.faults if fault.mended)

    def __str__(self) -> str:
        """The verdict, and a line for each fault."""
        found = f"{len(self.faults)} fault{'s' * (len(self.faults) != 1)}" if self.faults else "no fault"
        verdict = ("OK: " if self.ok else "DAMAGED: ") + f"{self.rows} rows in {self.target}, {found}"
        if not self.ok:
            verdict += "; mend them with planted verify --repair"
        return "\n".join([*map(str, self.faults), verdict])


def verify(
    target: Any,
    *,
    repair: bool = False,
    progress: Progress | None = None,
    storage_options: dict[str, Any] | None = None,
) -> Verification:
    """Compare every byte of a folder of rows with its checksum; mend what is damaged, truncated or missing.

    Parameters
    ----------
    target
        What `planted.write` was given: a folder's path or a URL.
    repair
        Whether damaged files are made again, to the identical bytes.
    progress
        Called with (rows checked, rows in all) whenever a shard is done.
    storage_options
        For fsspec: keys, regions, ...

    Returns
    -------
    Verification
        ``.ok`` (or ``.passed``), ``.faults`` and ``.mended``; ``bool`` of it is ``.ok``.

    Raises
    ------
    MissingError
        If there are no rows there.
    ManifestError
        If neither of the two files that describe them can be read.
    StorageError
        If another process is writing there; or, in repair, if the disk is full, or the files were written by
        another version of a library and would come out different.

    Examples
    --------
    >>> import planted, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> disk = planted.write(planted.regression(w=[2.0, -3.4], b=4.2, n=10_000, seed=714), folder)
    >>> planted.verify(folder).ok
    True
    """
    repair = flag(repair, "repair")
    folder = folder_of(target, storage_options)
    names = folder.names()
    if not {PLAN, MANIFEST} & set(names):
        raise no_rows(folder, names)
    with folder.lock() if repair else nullcontext():
        return _Check(folder, repair).run(progress)


class _Check:
    """One run of `verify`."""

    def __init__(self, folder: Folder, repair: bool) -> None:
        self.folder, self.repair = folder, repair
        self.faults: list[Fault] = []
        self.stop = threading.Event()

    def run(self, progress: Progress | None) -> Verification:
        if self.repair:
            clear_unfinished(self.folder)
        plan, manifest, missing = self._described()

        def work(shard: int) -> tuple[int, int]:
            expected = manifest.shards[shard] if manifest else computed_sum(plan, shard, self.stop)
            return expected, self._shard(plan, shard, expected)

        found = for_each_shard(plan, work, progress, self.stop, self.folder.copies if self.repair else 0)
        if self.repair:
            if missing:
                finish(self.folder, plan, [expected for expected, _ in found])
            self.folder.fsync()
        faults = tuple(sorted(self.faults, key=lambda fault: fault.file))
        return Verification(str(self.folder), plan.n, sum(size for _, size in found), faults)

    def _described(self) -> tuple[Plan, Manifest | None, bool]:
        """The plan, the manifest if it can be trusted, and whether either must be written again."""
        plan, plan_fault = self._read(PLAN, plan_from)
        manifest, manifest_fault = self._read(MANIFEST, manifest_from)
        if manifest is None and plan is None:
            again = (
                f"neither {PLAN} nor {MANIFEST} of {self.folder} can be read, so nothing says which rows these were: "
                "write them again with"
            )
            raise ManifestError.in_both(f"{again} planted.write(..., overwrite=True)", f"{again} --overwrite")
        if manifest is None:
            self.faults.append(Fault(MANIFEST, manifest_fault, mended=self.repair))
            return plan, None, True
        if plan != manifest.plan:
            self.faults.append(Fault(PLAN, plan_fault or "damaged", mended=self.repair))
        return manifest.plan, manifest, plan != manifest.plan

    def _read(self, name: str, parse: Callable[[bytes, str], Any]) -> tuple[Any, str]:
        """What a file describes, or what is wrong with it."""
        try:
            return parse(read_text(self.folder, name), f"{name} of {self.folder}"), ""
        except MissingError:
            return None, "missing"
        except (ManifestError, StorageError):
            return None, "damaged"

    def _shard(self, plan: Plan, shard: int, expected: int) -> int:
        """How many bytes a shard has; its faults are noted, and mended if asked for."""
        name, table_name = plan.names_of(shard)
        size, faults = 0, []
        try:
            table = read_table(self.folder, plan, shard, expected)
        except MissingError:
            faults.append(Fault(table_name, "missing", mended=self.repair))
        except StorageError:
            faults.append(Fault(table_name, "damaged", mended=self.repair))
        else:
            size = int(table[-1, 0])
            kind, blocks = self._compare(name, table)
            if kind:
                faults.append(Fault(name, kind, blocks, mended=self.repair))
        if faults and self.repair:
            write_shard(self.folder, plan, shard, self.stop, expected)
        self.faults += faults
        return size

    def _compare(self, name: str, table: ChecksumTable) -> tuple[str, tuple[int, ...]]:
        """What is wrong with a shard's file, and in which blocks."""
        try:
            file = self.folder.open(name)
            if file.size != int(table[-1, 0]):
                return f"{bytes_text(file.size)} instead of {int(table[-1, 0])}", ()
            return self._compare_segments(file, table)
        except MissingError:
            return "missing", ()
        except StorageError as error:
            return f"unreadable ({error})", ()

    def _compare_segments(self, file: File, table: ChecksumTable) -> tuple[str, tuple[int, ...]]:
        wrong, first, start = [], 0, 0
        ends = np.ascontiguousarray(table[:, 0])  # which NumPy would copy, or convert, at each search
        while first < len(table):
            last = max(first + 1, int(np.searchsorted(ends, np.uint64(start + READ_BYTES), side="right")))
            edges = [start, *map(int, table[first:last, 0])]
            content = empty((edges[-1] - start,), np.dtype(np.uint8))
            file.readahead(edges[-1], min(READAHEAD_BYTES, file.size - edges[-1]))
            file.read_into(content, start)
            for segment, (lo, hi) in enumerate(itertools.pairwise(edges), first):
                if checksum(content[lo - start : hi - start]) != table[segment, 1]:
                    wrong.append(segment - 1)  # segment 0 stands before the blocks
            first, start = last, edges[-1]
            if self.stop.is_set():
                break
        return "damaged" if wrong else "", tuple(wrong)
