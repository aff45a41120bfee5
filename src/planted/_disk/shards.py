"""The files of a folder, read by blocks. A block is compared with its checksum before anything of it is given out."""

from contextlib import suppress
from typing import Any, Final, NamedTuple

import numpy as np

from planted._disk.checksums import ChecksumTable, checksum, read_table
from planted._disk.formats import Segments, decode, file_size, npy_offset
from planted._disk.manifest import Manifest, Plan
from planted._disk.storage import File, Folder, are_cached, read_pieces
from planted._input import bytes_text
from planted._machine import Kept, drop_oldest, empty
from planted._types import FloatArray, RowNumbers
from planted.errors import DamagedError, MissingError, StorageError

FILES: Final = 256  # files that are open at once
TABLES: Final = 4096  # tables of checksums that are held at once: 64 MiB
KEPT_BYTES: Final = 1 << 26  # blocks that were decoded, of which only some rows were wanted: what comes next is in them
ENDS_BYTES: Final = 1 << 24  # what all blocks of a shard need: what stands before them and after them
SAMPLED: Final = 8  # every 8th piece is probed for page-cache residency; a probe costs as much as a read-ahead


class Ends(NamedTuple):
    """The segments of a shard's file that are no blocks, and what was parsed of them."""

    head: tuple[int, bytearray]
    foot: tuple[int, bytearray]
    parsed: dict[str, Any]


class Shards:
    """The files of a folder, read by blocks, by several threads at once."""

    __slots__ = ("_decoded", "_ends", "_files", "_tables", "folder", "manifest", "verify")

    def __init__(self, folder: Folder, manifest: Manifest, verify: bool) -> None:
        self.folder: Folder = folder
        self.manifest: Manifest = manifest
        self.verify: bool = verify
        self._files: dict[int, File] = {}
        self._tables: dict[int, ChecksumTable] = {}
        self._decoded: Kept[FloatArray] = Kept()
        self._ends: Kept[Ends] = Kept()

    @property
    def plan(self) -> Plan:
        """How the rows are cut."""
        return self.manifest.plan

    def read(self, lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi` of the folder into `out`, shape (rows, features + 1), the response last."""
        R = self.plan.block_rows
        at = lo
        while at < hi:
            shard = at // self.plan.shard_rows
            rows = self.plan.rows_of(shard)
            block = (at - rows.start) // R
            start = rows.start + block * R
            end = min(start + R, rows.stop)
            if start < at or hi < end:  # a part of a block: the whole of it is compared
                stop = min(end, hi)
                out[at - lo : stop - lo] = self._block(shard, block, end - start)[at - start : stop - start]
            else:
                stop = rows.stop if rows.stop <= hi else hi // R * R
                self._read_blocks(shard, range(block, block + -(-(stop - at) // R)), out[at - lo : stop - lo])
            at = stop

    def block(self, lo: int, hi: int) -> FloatArray:
        """Rows `lo` to `hi`, one block, of which only some are wanted now."""
        shard = lo // self.plan.shard_rows
        return self._block(shard, lo // self.plan.block_rows % self.plan.shard_blocks, hi - lo)

    def _block(self, shard: int, block: int, rows: int) -> FloatArray:
        """One block; out of those that are kept, if it is there and takes more than reading."""
        plan = self.plan

        def read() -> FloatArray:
            values = empty((rows, plan.truth.features + 1), np.dtype(plan.dtype_name))
            self._read_blocks(shard, range(block, block + 1), values)
            return values

        if plan.file_format == "npy":
            return read()
        most = max(2, KEPT_BYTES // (plan.block_rows * plan.row_bytes))
        return self._decoded.get(shard * plan.shard_blocks + block, read, most)

    def readahead(self, lo: int, hi: int) -> None:
        """Start to read these rows in the background."""
        if self.plan.file_format != "npy":  # of the others, only their tables know where a block begins
            return
        while lo < hi:
            shard = lo // self.plan.shard_rows
            rows = self.plan.rows_of(shard)
            stop = min(hi, rows.stop)
            first = npy_offset(self.plan, shard, 0)
            with suppress(StorageError):  # reading it will raise the same
                start = first + (lo - rows.start) * self.plan.row_bytes
                self._file(shard).readahead(start, (stop - lo) * self.plan.row_bytes)
            lo = stop

    def read_pieces(self, los: RowNumbers, his: RowNumbers, arena: FloatArray, places: RowNumbers) -> int:
        """Read pieces, each of whole blocks of one shard, into ``arena[places[k] :]``; returns how many were read."""
        R, n = self.plan.block_rows, self.plan.n
        parts = np.flatnonzero((los % R > 0) | ((his % R > 0) & (his < n)))
        count = int(parts[0]) if parts.size else los.size
        if not count or self.plan.file_format != "npy" or not np.little_endian:
            return 0
        files, offsets, sizes = self._pieces(los[:count], his[:count])
        addresses = arena.__array_interface__["data"][0] + places * arena.strides[0]
        count = read_pieces(files, offsets, sizes, addresses)
        for k in range(count):
            lo, hi, place = int(los[k]), int(his[k]), int(places[k])
            shard, first = divmod(lo // R, self.plan.shard_blocks)
            if self.verify:
                self._compare(shard, first, files[k], arena[place : place + hi - lo])
            else:
                self._refuse_change(shard, files[k])
        return count

    def readahead_pieces(self, los: RowNumbers, his: RowNumbers) -> None:
        """Start to read pieces, each of one shard, in the background; not if a sample of them is cached."""
        if self.plan.file_format != "npy":
            return
        with suppress(StorageError):  # reading it will raise the same
            files, offsets, _ = self._pieces(los[::SAMPLED], his[::SAMPLED])
            if not are_cached(files, offsets):
                for file, offset, size in zip(*self._pieces(los, his), strict=True):
                    file.readahead(int(offset), int(size))

    def _pieces(self, los: RowNumbers, his: RowNumbers) -> tuple[list[File], RowNumbers, RowNumbers]:
        """Where pieces of one shard each lie: the .npy files, the first byte of each piece, and its size."""
        plan = self.plan
        shards = los // plan.shard_rows
        files = [self._file(shard) for shard in shards.tolist()]
        ends = np.minimum((shards + 1) * plan.shard_rows, plan.n)
        offsets = np.array([file.size for file in files]) - (ends - los) * plan.row_bytes
        return files, offsets, (his - los) * plan.row_bytes

    def _compare(self, shard: int, first: int, file: File, rows: FloatArray) -> None:
        """Compare whole blocks of one shard, beginning with block `first`, with their checksums."""
        table, R = self._table(shard), self.plan.block_rows
        for block, at in enumerate(range(0, len(rows), R), first):
            if checksum(rows[at : at + R]) != table[block + 1, 1]:
                self._refuse_change(shard, file)
                raise self._damage(shard, block)

    def _refuse_change(self, shard: int, file: File) -> None:
        if file.changed():
            if self.verify:  # a new file may be right: its checksums are compared
                self._files.pop(shard, None)
            raise DamagedError(
                f"{self.plan.names_of(shard)[0]} of {self.folder} was written to while it was read: let no other "
                "program write there, and open the rows again"
            )

    def _read_blocks(self, shard: int, blocks: range, out: FloatArray) -> None:
        """Read whole blocks of one shard."""
        file = self._file(shard)
        if self.plan.file_format == "npy":
            file.read_into(out, npy_offset(self.plan, shard, blocks.start))
            if self.verify:
                self._compare(shard, blocks.start, file, out)
            else:
                self._refuse_change(shard, file)
            if not np.little_endian:
                out.byteswap(inplace=True)
        else:
            table, R = self._table(shard), self.plan.block_rows
            name, _ = self.plan.names_of(shard)
            head, foot, parsed = self._ends_of(shard, file, table)
            for i, block in enumerate(blocks):
                held = [head, self._segment(shard, file, table, block + 1), foot]
                decode(self.plan, name, Segments(file.size, held, parsed), block, out[i * R : (i + 1) * R])

    def _ends_of(self, shard: int, file: File, table: ChecksumTable) -> "Ends":
        """What stands before and after a shard's blocks; compared again if the file was written to."""
        last = len(table) - 1
        size = int(table[0, 0]) + int(table[last, 0]) - int(table[last - 1, 0])

        def read() -> Ends:
            return Ends(self._segment(shard, file, table, 0), self._segment(shard, file, table, last), {})

        return read() if file.changed() else self._ends.get(shard, read, max(2, ENDS_BYTES // max(1, size)))

    def _segment(self, shard: int, file: File, table: ChecksumTable, segment: int) -> tuple[int, bytearray]:
        start = int(table[segment - 1, 0]) if segment else 0
        content = bytearray(int(table[segment, 0]) - start)
        file.read_into(content, start)
        if checksum(content) != table[segment, 1]:  # whatever `verify` says: it will be parsed
            self._refuse_change(shard, file)
            raise self._damage(shard, segment - 1)
        return start, content

    def _damage(self, shard: int, block: int) -> DamagedError:
        self._files.pop(shard, None)  # it may be mended: the next read opens what is there then
        name, _ = self.plan.names_of(shard)
        rows = self.plan.rows_of(shard)
        first = rows.start + max(0, block) * self.plan.block_rows
        last = min(first + self.plan.block_rows, rows.stop) - 1
        return DamagedError(
            f"{name} of {self.folder} is damaged: block {block}, rows {first} to {last}, does not have its checksum; "
            "mend it with planted verify --repair"
        )

    def _file(self, shard: int) -> File:
        file = self._files.get(shard)
        if file is None:
            name, _ = self.plan.names_of(shard)
            try:
                file = self.folder.open(name)
            except MissingError as error:
                raise MissingError(f"{error}: mend the rows with planted verify --repair") from None
            expected = file_size(self.plan, shard)
            if expected is None:
                expected = int(self._table(shard)[-1, 0])
            if file.size != expected:
                raise DamagedError(
                    f"{name} of {self.folder} has {bytes_text(file.size)} instead of {expected}: mend it with planted "
                    "verify --repair"
                )
            drop_oldest(self._files, FILES - 1)
            self._files[shard] = file
        return file

    def _table(self, shard: int) -> ChecksumTable:
        table = self._tables.get(shard)
        if table is None:
            table = read_table(self.folder, self.plan, shard, self.manifest.shards[shard])
            drop_oldest(self._tables, TABLES - 1)
            self._tables[shard] = table
        return table

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled without open files."""
        return Shards, (self.folder, self.manifest, self.verify)
