"""Writing rows to disk: shard by shard, each whole or not at all, the manifest last.

In: rows of a known truth and a place. Out: a folder from which `planted.open` reads them. Every byte of it follows from
the plan, so after an interruption the next writer makes only what is missing, and ends with the same bytes. The plan is
written first: it says to which rows shards without a manifest belong.
"""

import errno
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np

from planted._disk.checksums import checksum, read_table, table_size, table_sum, table_text
from planted._disk.formats import BLOCK_BYTES, PIECE_BYTES, encoded, file_size, library_of, unknown_format
from planted._disk.manifest import (
    FILE_FORMATS,
    MANIFEST,
    PLAN,
    SHARD,
    Manifest,
    Plan,
    manifest_from,
    plan_from,
    read_text,
    text_of,
)
from planted._disk.remote import folder_of
from planted._disk.rows import MERGE_FACTORS, DiskRows, rows_in
from planted._disk.storage import LOCK, TEMPORARY, UNKNOWN_SIZE, Folder
from planted._input import bytes_of, flag, inner_rows, is_rows, length, short
from planted._machine import Workers, cores
from planted._rows import BaseRows, PlantedRows
from planted._types import FileFormat
from planted.errors import (
    ExistsError,
    InvalidTypeError,
    ManifestError,
    StorageError,
)

Progress: TypeAlias = Callable[[int, int], Any]  # called with the rows that are done, and all rows
Result = TypeVar("Result")

OTHERS: Final = "|".join(map(re.escape, (PLAN, MANIFEST, LOCK)))
UNFINISHED: Final = re.compile(rf"({SHARD.pattern}|({OTHERS})(-[0-9a-f]{{32}})?){re.escape(TEMPORARY)}")
AHEAD: Final = 1  # threads more than cores: while one waits for the disk, the others make rows
WRITE_BYTES: Final = 1 << 29  # about, that all threads together hold, however many cores there are
PIECES: Final = 4  # that each holds, rows and what formats make of them
QUEUED: Final = 2  # shards for each thread, begun or queued: one slow shard stops no thread


def write(
    rows: Any,
    target: Any,
    *,
    format: FileFormat = "npy",  # noqa: A002 -- the contract's name
    shard_bytes: int | str = "64MiB",
    overwrite: bool = False,
    progress: Progress | None = None,
    storage_options: dict[str, Any] | None = None,
) -> DiskRows:
    """Write rows to a folder or a store, in shards that other programs can read too.

    A shard appears whole or not at all, and the manifest last. After an interruption of any kind the same call goes on
    where it was and ends with the same bytes; of a finished folder it makes again the files that are missing or have
    another size. Memory does not grow with the number of rows.

    Parameters
    ----------
    rows
        Rows of a known truth: computed, in memory, or on disk elsewhere. They are computed again, on all cores.
    target
        A folder's path, or a URL that fsspec knows, such as ``"s3://bucket/rows"``.
    format
        ``"npy"``: row-major arrays of shape (rows, features + 1), the response in the last column. ``"arrow"``: IPC
        files, uncompressed, a fixed-size list `x` and a column `y`. ``"parquet"``: plain columns `x0`, `x1`, ..., `y`.
    shard_bytes
        About how large a file is: bytes, or a text such as ``"64MiB"``.
    overwrite
        Whether other rows that lie there are replaced.
    progress
        Called with (rows done, rows in all) whenever a shard is finished.
    storage_options
        For fsspec: keys, regions, ...

    Returns
    -------
    DiskRows
        The rows, opened as by `planted.open`.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule.
    ExistsError
        If other rows, or other files of the same names, lie there.
    StorageError
        If another process is writing there, or the disk is full: what is finished is kept.
    MissingDependencyError
        If the format or the store needs a library that is not installed.

    Examples
    --------
    >>> import planted, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> disk = planted.write(planted.regression(w=[2.0, -3.4], b=4.2, n=10_000, seed=714), folder)
    >>> disk
    <rows: 10_000 of LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01), seed=714, float32, 117 KiB in npy files of ...>
    >>> X, y = next(iter(planted.Loader(disk, batch_size=256)))
    """
    if is_rows(target) and not is_rows(rows):
        raise InvalidTypeError(f"the arguments are in the other order: planted.write(rows, {short(rows)})")
    plan = plan_of(rows, format, shard_bytes)
    overwrite = flag(overwrite, "overwrite")
    folder = folder_of(target, storage_options)
    with folder.lock():
        if _begin(folder, plan, overwrite):
            manifest = _carry_out(folder, plan, progress)
        else:
            manifest = manifest_from(read_text(folder, MANIFEST), MANIFEST)
            _complete(folder, manifest, progress)
    return rows_in(folder, manifest)


def plan_of(rows: Any, file_format: FileFormat, shard_bytes: int | str) -> Plan:
    """How rows are cut into files and blocks."""
    if not isinstance(rows, PlantedRows):
        raise _not_planted(rows)
    if file_format not in FILE_FORMATS:
        raise unknown_format(file_format, FILE_FORMATS)
    size = bytes_of(shard_bytes, "shard_bytes", remedy="use a number of bytes or a text such as '64MiB'")
    row_bytes = (rows.truth.features + 1) * np.dtype(rows.dtype_name).itemsize
    block_rows = max(1, BLOCK_BYTES[file_format] // row_bytes)
    shard_blocks = max(1, size // (block_rows * row_bytes))
    if shard_blocks > MERGE_FACTORS[-1]:
        shard_blocks -= shard_blocks % MERGE_FACTORS[-1]
    library = library_of(file_format)
    return Plan(
        *(rows.truth, rows.seed, rows.salt, rows.dtype_name, rows.start, length(rows)),
        *(file_format, block_rows, shard_blocks, library),
    )


def _not_planted(rows: Any) -> InvalidTypeError:
    """Why rows that are not planted's own cannot be written, and what to do instead."""
    name = type(rows).__name__
    if use := inner_rows(rows):
        return InvalidTypeError(f"rows of type {name} are no rows: {use}")
    if not (isinstance(rows, BaseRows) or hasattr(rows, "truth")):
        return InvalidTypeError(
            f"rows of type {name} have no truth to compute them from: write planted.rows(...) or "
            "planted.regression(...); save arrays with numpy.save, and read them with planted.open_table"
        )
    table = "rows.to_arrow()" if isinstance(rows, BaseRows) else "a table of them"
    return InvalidTypeError(
        f"rows of type {name} cannot be written: a folder keeps the truth and the seed of planted's own rows, from "
        f"which it can make them again; save the values of others with pyarrow.parquet.write_table({table}, ...) or "
        "numpy.save, and read them with planted.open_table"
    )


# ---- what lies there ------------------------------------------------------------------------------------------


def _begin(folder: Folder, plan: Plan, overwrite: bool) -> bool:
    """Make the folder ready; returns whether there is anything to do."""
    names = clear_unfinished(folder)
    begun, finished = _described(folder, names)
    if begun == plan:
        return finished is None
    ours = [name for name in names if SHARD.fullmatch(name) or name in (PLAN, MANIFEST)]
    if ours and not overwrite:
        what = f"{plan.differences(begun)}" if begun else "which no readable plan describes"
        choose = f"{folder} holds other rows ({what}): choose another folder, or replace them with"
        raise ExistsError.in_both(f"{choose} overwrite=True", f"{choose} --overwrite")
    _check_room(folder, plan, ours)
    for name in sorted(ours):  # the manifest first, then the plan: what is left is never taken for rows
        folder.remove(name)
    folder.write(PLAN, [text_of(plan)])
    return True


def clear_unfinished(folder: Folder) -> list[str]:
    """Remove what a writer that was killed had begun; returns the names of all files there."""
    names = folder.names()
    for name in names:
        if UNFINISHED.fullmatch(name):
            folder.remove(name)
    return names


def _described(folder: Folder, names: list[str]) -> tuple[Plan | None, Manifest | None]:
    """The plan that was begun there, and the manifest if it was finished; None for what is missing or damaged."""
    with suppress(ManifestError, StorageError):
        if MANIFEST in names:
            manifest = manifest_from(read_text(folder, MANIFEST), MANIFEST)
            return manifest.plan, manifest
    with suppress(ManifestError, StorageError):
        if PLAN in names:
            return plan_from(read_text(folder, PLAN), PLAN), None
    return None, None


def _check_room(folder: Folder, plan: Plan, replaced: list[str]) -> None:
    free, needed = folder.free_bytes(), plan.n * plan.row_bytes
    if free is not None and free < needed and not replaced:
        failure = StorageError(
            f"{plan.n} rows need {needed / 1e9:.2f} GB, and {folder} has room for {free / 1e9:.2f} GB: make room, or "
            "write fewer rows"
        )
        failure.errno = errno.ENOSPC
        raise failure


# ---- the work -------------------------------------------------------------------------------------------------


def _carry_out(folder: Folder, plan: Plan, progress: Progress | None) -> Manifest:
    """Write the shards that are not there, several at once, and then the manifest."""
    stop = threading.Event()
    there = set(folder.names())

    def work(shard: int) -> int:
        return _shard_sum(folder, plan, shard, there, stop)

    return finish(folder, plan, for_each_shard(plan, work, progress, stop, folder.copies))


def _complete(folder: Folder, manifest: Manifest, progress: Progress | None) -> None:
    """Make again what is missing of a finished folder, or has another size, as its list of files tells."""
    plan, there, stop = manifest.plan, folder.sizes(), threading.Event()
    lacking = {shard for shard in range(plan.shards) if _lacks(plan, shard, there)}

    def work(shard: int) -> None:
        if shard in lacking:
            write_shard(folder, plan, shard, stop, manifest.shards[shard])

    if lacking:
        for_each_shard(plan, work, progress, stop, folder.copies)
    elif progress is not None:
        progress(plan.n, plan.n)
    if PLAN not in there:
        folder.write(PLAN, [text_of(plan)])
    if lacking or PLAN not in there:
        folder.fsync()


def _lacks(plan: Plan, shard: int, there: dict[str, int]) -> bool:
    """Whether a file of a shard is missing, or has another size than it must have, if that is known."""
    for name, expected in zip(plan.names_of(shard), (file_size(plan, shard), table_size(plan, shard)), strict=True):
        found = there.get(name)
        if found is None or found not in (expected or found, UNKNOWN_SIZE):
            return True
    return False


def finish(folder: Folder, plan: Plan, sums: Sequence[int]) -> Manifest:
    """Write the plan, and the manifest last, when all shards are on the disk."""
    manifest = Manifest(plan, tuple(sums))
    folder.write(PLAN, [text_of(plan)])
    folder.fsync()
    folder.confirm_lock()
    folder.write(MANIFEST, [text_of(manifest)])
    folder.fsync()
    return manifest


def for_each_shard(
    plan: Plan, work: Callable[[int], Result], progress: Progress | None, stop: threading.Event, copies: int = 0
) -> list[Result]:
    """The results of work on each shard, several at once. After an error `stop` is set, and no work goes on.

    Each thread holds some pieces of a shard, and so many `copies` of the whole.
    """
    piece = max(PIECE_BYTES, plan.block_rows * plan.row_bytes)
    most = WRITE_BYTES // (PIECES * piece + copies * plan.shard_rows * plan.row_bytes)
    threads = min(cores() + AHEAD, plan.shards, max(1, most))
    workers = Workers(threads, "planted-shards")
    results: list[Result] = []

    def unless_stopped(shard: int) -> Result:
        _refuse_stopped(stop)
        return work(shard)

    def take() -> None:
        results.append(workers.result())
        if progress is not None:
            progress(min(len(results) * plan.shard_rows, plan.n), plan.n)

    with workers, workers:
        try:
            for shard in range(plan.shards):
                workers.submit(unless_stopped, shard)
                if len(workers) >= QUEUED * threads:
                    take()
            while workers:
                take()
        except BaseException:
            stop.set()
            for _ in range(len(workers)):  # the folder must stay locked until no thread writes to it
                with suppress(BaseException):
                    workers.result()
            raise
    return results


def _refuse_stopped(stop: threading.Event) -> None:
    if stop.is_set():
        raise StorageError("this shard was not finished, since another one failed")


def _shard_sum(folder: Folder, plan: Plan, shard: int, there: set[str], stop: threading.Event) -> int:
    """Write a shard unless it is there; returns the checksum of its table."""
    if there.issuperset(plan.names_of(shard)):
        with suppress(StorageError):
            table = read_table(folder, plan, shard, None)
            if folder.open(plan.names_of(shard)[0]).size == int(table[-1, 0]):
                return table_sum(table)
    return write_shard(folder, plan, shard, stop)


def write_shard(folder: Folder, plan: Plan, shard: int, stop: threading.Event, expected: int | None = None) -> int:
    """Make a shard and its table, and put them in their places; returns the checksum of the table.

    The table comes first: where a shard is, its table is. If a checksum of the table is expected and another one comes
    out, nothing is replaced.
    """
    shard_name, table_name = plan.names_of(shard)
    segments: list[tuple[int, int]] = []

    def parts() -> Iterator[Any]:
        yield from _checksummed(plan, shard, stop, segments)
        table = np.array(segments, np.uint64)
        if expected not in (None, table_sum(table)):
            raise StorageError(
                f"{shard_name} of {folder} cannot be made again byte by byte: it was written by "
                f"{plan.writer or 'planted'}, and here is {library_of(plan.file_format) or 'another version'}; "
                "install what wrote it"
            )
        folder.write(table_name, [table_text(plan, shard, table)])

    folder.write(shard_name, parts())
    return table_sum(np.array(segments, np.uint64))


def computed_sum(plan: Plan, shard: int, stop: threading.Event) -> int:
    """The checksum of a shard's table, by making the shard and throwing it away."""
    segments: list[tuple[int, int]] = []
    for _ in _checksummed(plan, shard, stop, segments):
        pass
    return table_sum(np.array(segments, np.uint64))


def _checksummed(
    plan: Plan, shard: int, stop: threading.Event, segments: list[tuple[int, int]]
) -> Iterator[memoryview]:
    """The bytes of a shard's file; where its segments end, and their checksums, are noted on the way."""
    end = 0
    for part in encoded(plan, shard):
        _refuse_stopped(stop)
        content, at = memoryview(part.content).cast("B"), 0
        for size in part.segments:
            end += size
            segments.append((end, checksum(content[at : at + size])))
            at += size
        yield content
