"""Rows on disk: a folder that `planted.write` has made, opened by its manifest alone.

They are rows like any other, which also say in what blocks they are best read. A block is read whole and compared with
its checksum. So whatever happened to the files, rows are right or there is an error.
"""

import errno
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, final

import numpy as np

from planted._disk.manifest import MANIFEST, PLAN, SHARD, Manifest, manifest_from, read_text
from planted._disk.remote import folder_of
from planted._disk.shards import Shards
from planted._disk.storage import LOCK, READAHEAD_BYTES, Folder
from planted._input import flag, size_text
from planted._machine import empty
from planted._order import Blocks
from planted._rows import LazyRows, MemoryRows, PlantedRows
from planted._types import FloatArray, RowNumbers
from planted.errors import MissingError, StorageError

Failure = TypeVar("Failure", bound=StorageError)

MERGE_FACTORS: Final = (1, 2, 4, 8, 16)  # how many blocks may be read as one
SPAN_BYTES: Final = 1 << 22  # bytes that are read in order at once
TABLES: Final = (".npy", ".arrow", ".feather", ".ipc", ".parquet", ".pq", ".csv")  # what `open_table` reads
AHEAD_BLOCKS: Final = 64  # blocks that are asked for before they are read, of rows in any order


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class DiskRows(PlantedRows, LazyRows[MemoryRows]):
    """Rows on disk, of which none is in memory. Made by `open`."""

    first: int  # number of the first row within the folder
    shards: Shards

    # ---- in blocks, as a loader reads them ----

    @property
    def merge_factors(self) -> tuple[int, ...]:
        """How many of the storage's blocks may be read as one."""
        return tuple(merged for merged in MERGE_FACTORS if self.shards.plan.shard_blocks % merged == 0)

    @property
    def readers(self) -> int:
        """How many threads should read at once."""
        return self.shards.folder.readers

    def partition(self, merged: int = 1) -> Blocks:
        """The blocks that these rows lie in, `merged` of the storage's counted as one."""
        size = merged * self.shards.plan.block_rows
        return Blocks(self.n, size, size - self.first % size)

    def load(self, blocks: Blocks, indices: RowNumbers, arena: FloatArray, places: RowNumbers) -> int:
        """Read the first ones of these blocks into their places in the arena, the response last; returns how many."""
        los = self.first + blocks.starts(indices)
        his = los + blocks.sizes(indices)
        read = self.shards.read_pieces(los, his, arena, places)
        if not read:  # a part of a block, a file of another kind, or a fault
            lo, hi, place = int(los[0]), int(his[0]), int(places[0])
            self.shards.read(lo, hi, arena[place : place + hi - lo])
        return max(1, read)

    def readahead(self, blocks: Blocks, indices: RowNumbers) -> None:
        """Start to read blocks in the background."""
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
        from planted._rows import gathered_block_rows

        row_bytes = self.shards.plan.row_bytes
        step = max(1, SPAN_BYTES // row_bytes)
        end = self.first + self.n
        for at in range(0, len(X), step):
            span = slice(at, min(at + step, len(X)))
            values = empty((span.stop - at, X.shape[1] + 1), X.dtype)
            if values.nbytes >= SPAN_BYTES // 4:  # more may follow
                after = lo + span.stop
                self.shards.readahead(after, min(after + READAHEAD_BYTES // row_bytes, end))
            self.shards.read(lo + at, lo + span.stop, values)
            gathered_block_rows(np.arange(len(values)), values, X[span], y[span])

    def _fill_scattered(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        """Each block that holds one of them is read once."""
        n, size = self.shards.plan.n, self.shards.plan.block_rows
        ascending = np.argsort(rows, kind="stable")
        blocks, starts = np.unique(rows[ascending] // size, return_index=True)
        edges = np.append(starts, rows.size)
        spans = [(block * size, min((block + 1) * size, n)) for block in blocks.tolist()]
        for span in spans[:AHEAD_BLOCKS]:
            self.shards.readahead(*span)
        for k, (lo, hi) in enumerate(spans):
            if k + AHEAD_BLOCKS < len(spans):
                self.shards.readahead(*spans[k + AHEAD_BLOCKS])
            values = self.shards.block(lo, hi)
            places = ascending[edges[k] : edges[k + 1]]
            found = values[rows[places] - lo]
            X[places], y[places] = found[:, :-1], found[:, -1:]

    def _view(self, first: int, count: int) -> "DiskRows":
        return replace(self, n=count, start=self.start + first, first=self.first + first)

    def __repr__(self) -> str:
        """What it takes to make them again, and where they lie."""
        size = size_text(self.n * self.shards.plan.row_bytes)
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
        raise no_rows(folder, folder.names()) from None
    except StorageError as error:
        if error.errno == errno.ENOTDIR and str(folder).lower().endswith(TABLES):
            raise _of_others(StorageError, f"{folder} is a file") from None
        raise
    return manifest_from(text, f"{MANIFEST} of {folder}")


def no_rows(folder: Folder, names: list[str]) -> MissingError:
    """The error that there are no rows of planted's in a folder, and what these files are instead."""
    if PLAN in names:
        wait = "; if another process is writing them, wait; else" if LOCK in names else ":"
        again = f"the rows in {folder} are not finished{wait} run the same"
        return MissingError.in_both(f"{again} planted.write again, and it continues", f"{again} command again")
    others = [name for name in names if name.lower().endswith(TABLES) and not SHARD.fullmatch(name)]
    if others:
        return _of_others(MissingError, f"{folder} holds files of others, such as {others[0]}")
    none = f"there are no rows in {folder}: write some with"
    return MissingError.in_both(f"{none} planted.write(rows, target)", f"{none} planted write FOLDER")


def _of_others(kind: type[Failure], fault: str) -> Failure:
    fault += ", not a folder that planted has written: "
    return kind.in_both(
        f"{fault}read files of others with planted.open_table", f"{fault}name one that planted write has made"
    )
