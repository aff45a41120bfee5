"""Files of columns, which pyarrow reads: Arrow IPC, files and streams, and Parquet.

Of Arrow, the units are record batches; Feather, version 2, is the same format. pyarrow tells how many rows a batch has
when it has read it. To learn that of all batches without reading them, it is given just the metadata of each message
(see `Bodiless`), from which it makes a batch of no columns.

Of Parquet, the units are row groups. What a file says of single columns is not asked: where that is damaged, pyarrow's
answer is the end of the process (26.0: ``metadata.row_group(i).column(j)``).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple, final

import numpy as np

from planted._disk import File, LocalFile, pyarrow_for
from planted._tables.part import BLOCK_BYTES, Opened, Units, block_rows, column_of, reading, source, units_of
from planted._tables.schema import Chosen, Schema
from planted.errors import DamagedError

MAGIC: Final = b"ARROW1"
CONTINUES: Final = b"\xff\xff\xff\xff"  # what a message begins with
HEAD_BYTES: Final = 1 << 12  # of a message that are read first: most often all its metadata
LARGEST_METADATA: Final = 1 << 26
CHECKING: Final = 15  # the version of pyarrow that learned to compare the checksums of pages


def arrow(file: File, label: str) -> Opened:
    """What a file or a stream says of itself."""
    pa = pyarrow_for("arrow")
    with reading(label):
        start = _bytes(file, 0, min(8, file.size))
        if start[:4] == b"FEA1":
            raise DamagedError(f"{label} is of Feather's version 1: write it again with pyarrow.feather, version=2")
        is_file = start[:6] == MAGIC
        if not is_file and start[:4] != CONTINUES:
            raise DamagedError(f"{label} is no Arrow IPC file: name another, or say its format=")
        if is_file:
            reader = pa.ipc.open_file(source(file))
            types, batches = reader.schema, reader.num_record_batches
        else:
            types, batches = pa.ipc.read_schema(pa.py_buffer(_head(file, 0))), None
        columns = tuple(column_of(pa, field) for field in types)

    def part(chosen: Chosen) -> Units:
        with reading(label):
            found = list(islice(_batches(file, 8 if is_file else 0), batches))
            if batches not in {None, len(found)}:
                raise ValueError(f"it has {len(found)} record batches instead of {batches}")
            units = units_of([batch.rows for batch in found], file.size)
            rows = block_rows([columns[place] for place in chosen.places])
            if is_file:
                return FileBatches(label, chosen.names, rows, *units, chosen.places, len(columns))
            return StreamBatches(label, chosen.names, rows, *units, chosen.places, tuple(found))

    return Opened(Schema(columns), part)


# ---- messages -------------------------------------------------------------------------------------------------


class Batch(NamedTuple):
    """Where a record batch is."""

    start: int  # its first byte in the file
    stop: int  # and the one behind its last
    rows: int


def _batches(file: File, at: int) -> Iterator[Batch]:
    """The record batches of a stream that begins at a byte."""
    pa = pyarrow_for("arrow")
    while head := _head(file, at):
        view = Bodiless(head, file.size - at)
        message = pa.ipc.read_message(view)
        if message.type == "record batch":
            yield Batch(at, at + view.at, pa.ipc.read_record_batch(message, pa.schema([])).num_rows)
        at += view.at


def _head(file: File, at: int) -> bytes:
    """The metadata of a message, and their size before them; empty at the end of the stream."""
    start = _bytes(file, at, min(HEAD_BYTES, max(8, file.size - at)))
    first = 8 if start[:4] == CONTINUES else 4  # before version 0.15 of Arrow, messages began with their size
    size = int.from_bytes(start[first - 4 : first], "little", signed=True)
    if not size:
        return b""
    if not 8 <= size <= LARGEST_METADATA:
        raise ValueError(f"a message has {size} bytes")
    return start[: first + size] if first + size <= len(start) else _bytes(file, at, first + size)


def _bytes(file: File, at: int, size: int) -> bytes:
    if at + size > file.size:
        raise ValueError(f"it ends at byte {file.size}, before what should be there: it was cut off")
    content = bytearray(size)
    file.read_into(content, at)
    return bytes(content)


class Bodiless(io.RawIOBase):
    """A message of which only its metadata are there: in place of its body comes memory that was never written."""

    def __init__(self, head: bytes, size: int) -> None:
        self._head, self._size, self.at = head, size, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> Any:
        start = self.at
        self.at += size
        if not start <= self.at <= self._size:
            raise ValueError("a batch ends behind the file: it was cut off")
        return self._head[start : self.at] if start < len(self._head) else np.empty(size, np.uint8).data


# ---- batches --------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True, eq=False)
class FileBatches(Units):
    """The record batches of a file. Of each, pyarrow reads just the columns that are wanted."""

    fields: tuple[int, ...]
    total: int  # columns; if all are wanted, a batch is read at once

    def _reader(self, file: File) -> Any:
        fields = None if len(self.fields) == self.total else list(self.fields)
        return pyarrow_for("arrow").ipc.open_file(source(file), options=_options(fields))

    def _unit(self, reader: Any, number: int) -> Any:
        return reader.get_batch(number)


@final
@dataclass(frozen=True, slots=True, eq=False)
class StreamBatches(Units):
    """The record batches of a stream. Each is read whole, and given to pyarrow as a stream of its own."""

    fields: tuple[int, ...]
    batches: tuple[Batch, ...]

    def _reader(self, file: File) -> tuple[File, bytes]:
        return file, _bytes(file, 0, self.batches[0].start)  # the schema and dictionaries

    def _unit(self, reader: tuple[File, bytes], number: int) -> Any:
        pa, (file, before) = pyarrow_for("arrow"), reader
        start, stop, _ = self.batches[number]
        content = np.empty(len(before) + stop - start, np.uint8)
        content[: len(before)] = np.frombuffer(before, np.uint8)
        file.read_into(content[len(before) :], start)
        return pa.ipc.open_stream(pa.py_buffer(content), options=_options(list(self.fields))).read_next_batch()


def _options(fields: list[int] | None) -> Any:
    """Nothing in threads: several batches are decoded at once already."""
    return pyarrow_for("arrow").ipc.IpcReadOptions(use_threads=False, included_fields=fields)


# ---- Parquet --------------------------------------------------------------------------------------------------


def parquet(file: File, label: str) -> Opened:
    """What a file says of itself."""
    pa = pyarrow_for("parquet")
    with reading(label):
        with pa.parquet.ParquetFile(source(file), pre_buffer=False) as opened:
            metadata, types = opened.metadata, opened.schema_arrow
        schema = Schema(tuple(column_of(pa, field) for field in types))

    def part(chosen: Chosen) -> Units:
        with reading(label):
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            if sum(rows) != metadata.num_rows:
                raise ValueError(f"its groups have {sum(rows)} rows, its footer speaks of {metadata.num_rows}")
            together = max(1, BLOCK_BYTES // (4 * (chosen.features + 1)))  # groups of fewer rows are read together
            return RowGroups(label, chosen.names, together, *units_of(rows, file.size))

    return Opened(schema, part)


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowGroups(Units):
    """The row groups of a file."""

    def _reader(self, file: File) -> Any:
        pa = pyarrow_for("parquet")
        options = {"pre_buffer": not isinstance(file, LocalFile)}  # columns at once, where each waits for the network
        if int(pa.__version__.partition(".")[0]) >= CHECKING:
            options["page_checksum_verification"] = True
        return pa.parquet.ParquetFile(source(file), **options)

    def _unit(self, reader: Any, number: int) -> Any:
        return reader.read_row_group(number, columns=list(self.names), use_threads=False)
