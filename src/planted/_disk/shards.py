"""Rows on disk: a folder that `planted.write` has made, opened by its manifest alone.

What comes in: a path or a URL. What goes out: `DiskRows`, which are rows like any other, and which say in what blocks
they are best read. A block is read whole and compared with its checksum before anything of it is given out. So
whatever happened to the files, rows are right or there is an error.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np

from planted._disk.formats import ChecksumTable, Segments, checksum, decode, file_size, npy_offset
from planted._disk.manifest import LARGEST_TEXT, MANIFEST, PLAN, Manifest, Plan, manifest_from
from planted._disk.remote import folder_of
from planted._disk.storage import File, Folder, are_cached, drop_oldest, read_pieces, readahead_pieces
from planted._errors import DamagedError, ManifestError, MissingError, StorageError
from planted._input import flag
from planted._machine import empty
from planted._order import Blocks
from planted._rows import LazyRows, MemoryRows, PlantedRows
from planted._types import FloatArray, RowNumbers

MERGES: Final = (1, 2, 4, 8, 16)  # blocks that may be read as one
FILES: Final = 256  # that are open at once
TABLES: Final = 4096  # of checksums that are held at once: 64 MiB
SAMPLED: Final = 8  # of so many pieces one is looked for in the system's cache: that costs as much as to announce it
AHEAD_BYTES: Final = 1 << 23  # that are asked for beyond what is read in order
SPAN_BYTES: Final = 1 << 22  # that are read in order at once


class Shards:
    """The files of a folder, read by blocks, by several threads at once."""

    __slots__ = ("_files", "_tables", "folder", "manifest", "verify")

    def __init__(self, folder: Folder, manifest: Manifest, verify: bool) -> None:
        self.folder, self.manifest, self.verify = folder, manifest, verify
        self._files: dict[int, File] = {}
        self._tables: dict[int, ChecksumTable] = {}

    @property
    def plan(self) -> Plan:
        """How the rows are cut."""
        return self.manifest.plan

    def read(self, lo: int, hi: int, out: FloatArray) -> None:
        """Rows `lo` to `hi` of the folder into `out`, shape (rows, features + 1), the response last."""
        R = self.plan.block_rows
        at = lo
        while at < hi:
            block, offset = divmod(at, R)
            shard, first = divmod(block, self.plan.shard_blocks)
            last_row = self.plan.rows_of(shard).stop
            if offset or min((block + 1) * R, last_row) > hi:  # a part of a block: it is checked whole
                rows = range(block * R, min((block + 1) * R, last_row))
                whole = empty((len(rows), out.shape[1]), out.dtype)
                self._read_blocks(shard, range(first, first + 1), whole)
                stop = min(rows.stop, hi)
                out[at - lo : stop - lo] = whole[at - rows.start : stop - rows.start]
            else:
                stop = last_row if last_row <= hi else hi // R * R
                self._read_blocks(shard, range(first, first + -(-(stop - at) // R)), out[at - lo : stop - lo])
            at = stop

    def readahead(self, lo: int, hi: int) -> None:
        """Say that these rows will soon be read."""
        if self.plan.file_format != "npy":  # the others know only when their table is read
            return
        while lo < hi:
            shard = lo // self.plan.shard_rows
            rows = self.plan.rows_of(shard)
            stop = min(hi, rows.stop)
            first = npy_offset(self.plan, shard, 0)
            with suppress(StorageError):  # whoever reads it will be told
                start = first + (lo - rows.start) * self.plan.row_bytes
                self._file(shard).readahead(start, (stop - lo) * self.plan.row_bytes)
            lo = stop

    def read_pieces(self, los: RowNumbers, his: RowNumbers, arena: FloatArray, places: RowNumbers) -> int:
        """Pieces, each of whole blocks of one shard, into ``arena[places[k] :]``; how many, from the first on."""
        R, n = self.plan.block_rows, self.plan.n
        parts = np.flatnonzero((los % R > 0) | ((his % R > 0) & (his < n)))
        count = int(parts[0]) if parts.size else los.size
        if not count or self.plan.file_format != "npy" or not np.little_endian:
            return 0
        files, offsets, sizes = self._pieces(los[:count], his[:count])
        addresses = arena.__array_interface__["data"][0] + places * arena.strides[0]
        count = read_pieces(files, offsets, sizes, addresses)
        for k in range(count if self.verify else 0):
            shard, first = divmod(int(los[k]) // R, self.plan.shard_blocks)
            place = int(places[k])
            self._compare(shard, first, files[k], arena[place : place + int(his[k] - los[k])])
        for k in range(0 if self.verify else count):
            self._refuse_change(int(los[k]) // self.plan.shard_rows, files[k])
        return count

    def readahead_pieces(self, los: RowNumbers, his: RowNumbers) -> None:
        """Say that these rows will soon be read, each piece from one shard; not if a sample of them is cached."""
        if self.plan.file_format != "npy":
            return
        with suppress(StorageError):  # whoever reads it will be told
            files, offsets, _ = self._pieces(los[::SAMPLED], his[::SAMPLED])
            if not are_cached(files, offsets):
                readahead_pieces(*self._pieces(los, his))

    def _pieces(self, los: RowNumbers, his: RowNumbers) -> tuple[list[File], RowNumbers, RowNumbers]:
        """Where pieces of one shard each lie: its .npy file, the first byte, and how many."""
        plan = self.plan
        shards = los // plan.shard_rows
        files = [self._file(shard) for shard in shards.tolist()]
        ends = np.minimum((shards + 1) * plan.shard_rows, plan.n)
        offsets = np.array([file.size for file in files]) - (ends - los) * plan.row_bytes
        return files, offsets, (his - los) * plan.row_bytes

    def _compare(self, shard: int, first: int, file: File, rows: FloatArray) -> None:
        """Whole blocks of one shard, beginning with block `first`, with their checksums."""
        table, R = self._table(shard), self.plan.block_rows
        for block, at in enumerate(range(0, len(rows), R), first):
            if checksum(rows[at : at + R]) != table[block + 1, 1]:
                self._refuse_change(shard, file)
                raise self._damage(shard, block)

    def _refuse_change(self, shard: int, file: File) -> None:
        if file.changed():
            if self.verify:  # a new file may be right, and the checksums tell
                self._files.pop(shard, None)
            raise DamagedError(
                f"{self.plan.names_of(shard)[0]} of {self.folder} was written to while it was read: let no other "
                "program write there, and open the rows again"
            )

    def _read_blocks(self, shard: int, blocks: range, out: FloatArray) -> None:
        """Whole blocks of one shard."""
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
            for i, block in enumerate(blocks):
                held = [self._segment(shard, file, table, segment) for segment in (0, block + 1, len(table) - 1)]
                name, _ = self.plan.names_of(shard)
                decode(self.plan, name, Segments(file.size, held), block, out[i * R : (i + 1) * R])

    def _segment(self, shard: int, file: File, table: ChecksumTable, segment: int) -> tuple[int, bytearray]:
        start = int(table[segment - 1, 0]) if segment else 0
        content = bytearray(int(table[segment, 0]) - start)
        file.read_into(content, start)
        if checksum(content) != table[segment, 1]:  # whatever `verify` says: it will be parsed
            self._refuse_change(shard, file)
            raise self._damage(shard, segment - 1)
        return start, content

    def _damage(self, shard: int, block: int) -> DamagedError:
        self._files.pop(shard, None)  # it may be mended: whoever tries again reads what is there then
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
                    f"{name} of {self.folder} has {file.size} bytes instead of {expected}: mend it with planted "
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


def segments_of(plan: Plan, shard: int) -> int:
    """How many segments a shard's file has: the blocks, what stands before them, and, but for .npy, behind."""
    return plan.blocks_of(shard) + (1 if plan.file_format == "npy" else 2)


def table_text(plan: Plan, shard: int, table: ChecksumTable) -> bytes:
    """A table of checksums as it is kept: little-endian words, and last the checksum of them and of whose they are."""
    words = table.astype("<u8").tobytes()
    return words + checksum(words + plan.identity_of(shard)).to_bytes(8, "little")


def table_sum(table: ChecksumTable) -> int:
    """The checksum of a table, which the manifest holds."""
    return checksum(table.astype("<u8").tobytes())


def read_table(folder: Folder, plan: Plan, shard: int, expected: int | None) -> ChecksumTable:
    """A shard's table of checksums, compared with its own checksum, and that in the manifest unless it is None.

    Raises
    ------
    MissingError, DamagedError
        If there is none, or another one.
    """
    _, name = plan.names_of(shard)
    try:
        file = folder.open(name)
    except MissingError as error:
        raise MissingError(f"{error}: mend the rows with planted verify --repair") from None
    size = 16 * segments_of(plan, shard) + 8
    text = bytearray(size if file.size == size else 8)
    if file.size == size:
        file.read_into(text, 0)
    words = bytes(text[:-8])
    table = np.frombuffer(words, "<u8").astype(np.uint64).reshape(-1, 2)
    right = (
        file.size == size
        and checksum(words + plan.identity_of(shard)) == int.from_bytes(text[-8:], "little")
        and expected in (None, checksum(words))
        and bool((table[1:, 0] >= table[:-1, 0]).all())
    )
    if not right:
        raise DamagedError(f"{name} of {folder}, a list of checksums, is damaged: mend it with planted verify --repair")
    return table


# ---- rows -----------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DiskRows(PlantedRows, LazyRows[MemoryRows]):
    """Rows on disk, of which none is in memory. Made by `open`."""

    first: int  # the number, within the folder, of the first row
    shards: Shards

    # ---- in blocks, as a loader reads them ----

    @property
    def merge_factors(self) -> tuple[int, ...]:
        """How many of the storage's blocks may be read as one."""
        return tuple(merged for merged in MERGES if self.shards.plan.shard_blocks % merged == 0)

    @property
    def readers(self) -> int:
        """How many threads should read at once."""
        return self.shards.folder.readers

    def partition(self, merged: int = 1) -> Blocks:
        """The blocks that these rows lie in, `merged` of the storage's counted as one."""
        size = merged * self.shards.plan.block_rows
        return Blocks(self.n, size, size - self.first % size)

    def load(self, blocks: Blocks, indices: RowNumbers, arena: FloatArray, places: RowNumbers) -> int:
        """Some of these blocks, from the first on, into their places in the arena, the response last; how many."""
        los = self.first + blocks.starts(indices)
        his = los + blocks.sizes(indices)
        read = self.shards.read_pieces(los, his, arena, places)
        if not read:  # a part of a block, a file of another kind, or a fault
            lo, hi, place = int(los[0]), int(his[0]), int(places[0])
            self.shards.read(lo, hi, arena[place : place + hi - lo])
        return max(1, read)

    def expect(self, blocks: Blocks, indices: RowNumbers) -> None:
        """Say that blocks will soon be loaded."""
        los = self.first + blocks.starts(indices)
        self.shards.readahead_pieces(los, los + blocks.sizes(indices))

    # ---- row by row ----

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        if not rows.size:
            return
        if rows[-1] - rows[0] == rows.size - 1 and (rows[1:] > rows[:-1]).all():
            self._fill_run(self.first + int(rows[0]), X, y)
        else:
            self._fill_scattered(rows + np.int64(self.first), X, y)

    def _fill_run(self, lo: int, X: FloatArray, y: FloatArray) -> None:
        from planted import _rows

        row_bytes = self.shards.plan.row_bytes
        step = max(1, SPAN_BYTES // row_bytes)
        end = self.first + self.n
        for at in range(0, len(X), step):
            span = slice(at, min(at + step, len(X)))
            values = empty((span.stop - at, X.shape[1] + 1), X.dtype)
            if values.nbytes >= SPAN_BYTES // 4:  # more may follow
                behind = lo + span.stop
                self.shards.readahead(behind, min(behind + AHEAD_BYTES // row_bytes, end))
            self.shards.read(lo + at, lo + span.stop, values)
            _rows.gather_block_rows(np.arange(len(values)), values, X[span], y[span])

    def _fill_scattered(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        """Each block that holds one of them is read once."""
        plan = self.shards.plan
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        blocks = ascending // plan.block_rows
        edges = np.flatnonzero(np.diff(blocks, prepend=-1, append=-1))
        for k in range(min(64, edges.size - 1)):
            self._readahead_block(int(blocks[edges[k]]))
        for k in range(edges.size - 1):
            if k + 64 < edges.size - 1:
                self._readahead_block(int(blocks[edges[k + 64]]))
            wanted = slice(edges[k], edges[k + 1])
            lo = int(blocks[edges[k]]) * plan.block_rows
            values = empty((min(plan.block_rows, plan.n - lo), X.shape[1] + 1), X.dtype)
            self.shards.read(lo, lo + len(values), values)
            some = values[ascending[wanted] - lo]
            X[order[wanted]], y[order[wanted]] = some[:, :-1], some[:, -1:]

    def _readahead_block(self, block: int) -> None:
        plan = self.shards.plan
        self.shards.readahead(block * plan.block_rows, min((block + 1) * plan.block_rows, plan.n))

    def _view(self, first: int, count: int) -> "DiskRows":
        return replace(self, n=count, start=self.start + first, first=self.first + first)

    def __repr__(self) -> str:
        """What it takes to make them again, and where they lie."""
        size = f"{self.n * self.shards.plan.row_bytes / 2**20:,.1f} MiB"
        return self._text(f"{size} in {self.shards.plan.file_format} files of {str(self.shards.folder)!r}")


def open(target: Any, *, verify: bool = True, storage_options: dict[str, Any] | None = None) -> DiskRows:  # noqa: A001 -- the contract's name
    """Rows that `planted.write` has written: nothing but the manifest is read yet.

    Parameters
    ----------
    target
        A folder's path, or a URL that fsspec knows, such as ``"s3://bucket/rows"``.
    verify
        Compare each block that is read with its checksum; costs some percent. Blocks of Arrow and Parquet files, which
        must be parsed, are always compared.
    storage_options
        For fsspec: keys, regions, ...

    Returns
    -------
    DiskRows
        Rows like any other; a `Loader` of them shuffles blocks.

    Raises
    ------
    MissingError
        If there are no rows, or they are not finished.
    ManifestError
        If the manifest does not describe rows, or was changed.
    DamagedError
        Later, when a block is read that is not what was written.

    Examples
    --------
    >>> import planted, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=10_000, seed=714)
    >>> disk = planted.write(rows, folder)
    >>> bool((planted.open(folder)[5_000].X == rows[5_000].X).all())
    True
    """
    folder = folder_of(target, storage_options)
    return rows_in(folder, read_manifest(folder), flag(verify, "verify"))


def rows_in(folder: Folder, manifest: Manifest, verify: bool = True) -> DiskRows:
    """The rows that a manifest describes."""
    plan = manifest.plan
    shards = Shards(folder, manifest, verify)
    return DiskRows(plan.truth, plan.n, plan.seed, plan.salt, plan.dtype_name, plan.start, 0, shards)


def read_manifest(folder: Folder) -> Manifest:
    """A folder's manifest."""
    try:
        text = read_text(folder, MANIFEST)
    except MissingError:
        if PLAN in folder.names():
            raise MissingError(
                f"the rows in {folder} are not finished: run the same planted.write again, and it continues"
            ) from None
        raise MissingError(f"there are no rows in {folder}: write some with planted.write(rows, target)") from None
    return manifest_from(text, f"{MANIFEST} of {folder}")


def read_text(folder: Folder, name: str) -> bytes:
    """A small file, whole."""
    file = folder.open(name)
    if file.size > LARGEST_TEXT:
        raise ManifestError(f"{name} of {folder} has {file.size} bytes, which no manifest has: write the rows again")
    text = bytearray(file.size)
    file.read_into(text, 0)
    return bytes(text)
