"""How a shard becomes a file, and a block of it rows again: NumPy's `.npy`, Arrow IPC, Parquet.

A file is made from the plan and the number of the shard, and is cut into *segments*: what stands before the first
block, the blocks, what stands after the last. Nothing is parsed whose checksum has not been compared.
"""

import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

import numpy as np

from planted._disk.manifest import Plan
from planted._disk.storage import Buffer, File
from planted._machine import empty
from planted._rows import draw_rows, keys_of
from planted._types import FloatArray
from planted.errors import DamagedError, InvalidValueError, MissingDependencyError

BLOCK_BYTES: Final = {"npy": 1 << 16, "arrow": 1 << 16, "parquet": 1 << 20}  # Parquet has a header a column and block
PIECE_BYTES: Final = 1 << 22  # bytes of rows that are made, hashed and written at once
ARROW_MAGIC: Final = b"ARROW1\0\0"  # the first bytes of an IPC file; what follows is a stream of messages
ALIGNED: Final = 64  # bytes; NumPy's own rule for the headers of .npy files


OTHER_NAMES: Final = {
    **dict.fromkeys(["numpy", "npz"], "npy"),
    **dict.fromkeys(["feather", "ipc"], "arrow"),
    **dict.fromkeys(["pq", "csv", "tsv"], "parquet"),
}  # what formats are called, or what is asked for in place of them


class FilePart(NamedTuple):
    """Bytes of a file, and the sizes of their segments."""

    content: Any
    segments: list[int]


def library_of(file_format: str) -> str:
    """The library, with its version, on which a file's bytes depend; "" for .npy."""
    return "" if file_format == "npy" else f"pyarrow {pyarrow_for(file_format).__version__}"


def unknown_format(file_format: Any, known: Sequence[str]) -> InvalidValueError:
    """The error that there is no such format, and the nearest that there is."""
    name = str(file_format).lower().lstrip(".")
    near = (
        [name] if name in known else [OTHER_NAMES[name]] if name in OTHER_NAMES else get_close_matches(name, known, 1)
    )
    use = f": use {near[0]!r}" if near else ""
    return InvalidValueError(f"format={file_format!r} must be one of {', '.join(map(repr, known))}{use}")


def encoded(plan: Plan, shard: int) -> Iterator[FilePart]:
    """A shard's file, made from the plan alone, part after part."""
    return ENCODERS[plan.file_format](plan, shard)


def file_size(plan: Plan, shard: int) -> int | None:
    """Bytes of a shard's file, if they follow from the plan."""
    if plan.file_format != "npy":
        return None
    rows = len(plan.rows_of(shard))
    return len(_npy_header(plan, rows)) + rows * plan.row_bytes


def decode(plan: Plan, name: str, segments: "Segments", block: int, out: FloatArray) -> None:
    """Read a block of an Arrow or a Parquet file into `out`, shape (rows, features + 1).

    The segments are the first of the file, the block, and the last of the file.
    """
    try:
        X, y = DECODERS[plan.file_format](plan, segments, block)
        out[:, :-1], out[:, -1] = X, y
    except DamagedError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OSError) as error:  # what pyarrow raises
        raise DamagedError(f"{name}, block {block}, cannot be decoded: {error}") from error


# ---- the values -----------------------------------------------------------------------------------------------


def _values(plan: Plan, rows: range) -> FloatArray:
    """Rows, by their numbers within the folder: shape (rows, features + 1), the response last."""
    values = empty((len(rows), plan.truth.features + 1), np.dtype(plan.dtype_name))
    first = plan.start + rows.start
    keys = keys_of(plan.seed, plan.salt, plan.dtype_name)
    numbers = np.arange(first, first + len(rows), dtype=np.int64)
    draw_rows(plan.truth, keys, numbers, values[:, :-1], values[:, -1:])
    return values


def _in_blocks(plan: Plan, rows: range) -> Iterator[range]:
    for first in range(rows.start, rows.stop, plan.block_rows):
        yield range(first, min(first + plan.block_rows, rows.stop))


# ---- .npy -----------------------------------------------------------------------------------------------------


def _npy_header(plan: Plan, rows: int) -> bytes:
    """Version 1.0 of the format, padded as its definition asks; NumPy's own padding depends on its version."""
    descr = np.dtype(plan.dtype_name).newbyteorder("<").str
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({rows}, {plan.truth.features + 1}), }}"
    size = -(-(10 + len(text) + 1) // ALIGNED) * ALIGNED
    return b"\x93NUMPY\x01\x00" + (size - 10).to_bytes(2, "little") + text.ljust(size - 11).encode() + b"\n"


def _encode_npy(plan: Plan, shard: int) -> Iterator[FilePart]:
    rows = plan.rows_of(shard)
    header = _npy_header(plan, len(rows))
    yield FilePart(header, [len(header)])
    step = max(1, PIECE_BYTES // (plan.block_rows * plan.row_bytes)) * plan.block_rows
    for first in range(rows.start, rows.stop, step):
        piece = range(first, min(first + step, rows.stop))
        values = _values(plan, piece)
        little_endian = values.astype(values.dtype.newbyteorder("<"), copy=False)
        yield FilePart(little_endian, [len(block) * plan.row_bytes for block in _in_blocks(plan, piece)])


def npy_offset(plan: Plan, shard: int, block: int) -> int:
    """Where a block begins in a shard's .npy file."""
    return len(_npy_header(plan, len(plan.rows_of(shard)))) + block * plan.block_rows * plan.row_bytes


# ---- Arrow and Parquet ----------------------------------------------------------------------------------------


def pyarrow_for(file_format: str) -> Any:
    """pyarrow, with its Parquet; a `MissingDependencyError` if it is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet
    except ImportError:
        raise MissingDependencyError(
            f"format={file_format!r} needs pyarrow, which is not installed: pip install 'planted[arrow]'"
        ) from None
    return pa


def _arrow_schema(plan: Plan) -> Any:
    pa = pyarrow_for("arrow")
    number = pa.from_numpy_dtype(np.dtype(plan.dtype_name))
    columns = {"x": pa.list_(number, plan.truth.features), "y": number}
    return pa.schema([pa.field(name, kind, nullable=False) for name, kind in columns.items()])


def _encode_arrow(plan: Plan, shard: int) -> Iterator[FilePart]:
    """An IPC file, uncompressed: a fixed-size list `x` and a column `y`, one record batch a block."""
    pa, schema = pyarrow_for("arrow"), _arrow_schema(plan)
    features = plan.truth.features
    sink = _Sink()
    with pa.ipc.new_file(sink, schema) as writer:
        sink.end_segment()
        for rows in _in_blocks(plan, plan.rows_of(shard)):
            values = _values(plan, rows)
            x = pa.FixedSizeListArray.from_arrays(pa.array(values[:, :-1].reshape(-1)), features)
            y = pa.array(np.ascontiguousarray(values[:, -1]))
            writer.write_batch(pa.record_batch([x, y], schema=schema))
            sink.end_segment()
            yield from sink.full()
    sink.end_segment()
    yield sink.part()


def _encode_parquet(plan: Plan, shard: int) -> Iterator[FilePart]:
    """Plain columns `x0`, `x1`, ... and `y`: no dictionary, no compression, one row group a block."""
    pa = pyarrow_for("parquet")
    number = pa.from_numpy_dtype(np.dtype(plan.dtype_name))
    names = [*(f"x{j}" for j in range(plan.truth.features)), "y"]
    schema = pa.schema([pa.field(name, number, nullable=False) for name in names])
    sink = _Sink()
    settings = {"use_dictionary": False, "compression": "none", "write_statistics": False, "store_schema": False}
    with pa.parquet.ParquetWriter(sink, schema, **settings) as writer:
        sink.end_segment()
        for rows in _in_blocks(plan, plan.rows_of(shard)):
            columns = [pa.array(np.ascontiguousarray(column)) for column in _values(plan, rows).T]
            writer.write_table(pa.table(columns, schema=schema), row_group_size=len(rows))
            sink.end_segment()
            yield from sink.full()
    sink.end_segment()
    yield sink.part()


class _Sink(io.RawIOBase):
    """A file as pyarrow writes one: it goes on in parts, so that no shard is ever held whole."""

    def __init__(self) -> None:
        self._written, self._at, self._segments = bytearray(), 0, [0]

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, content: Any) -> int:
        size = memoryview(content).nbytes
        self._written += content
        self._at += size
        return size

    def end_segment(self) -> None:
        """A segment ends here, and another one begins."""
        self._segments.append(self._at)

    def full(self) -> Iterator[FilePart]:
        """A part, once there is enough for one: less than a piece, since pyarrow holds as much again."""
        if len(self._written) >= PIECE_BYTES // 4:
            yield self.part()

    def part(self) -> FilePart:
        """All segments that have ended since the last part."""
        part = FilePart(self._written, [stop - start for start, stop in itertools.pairwise(self._segments)])
        self._written, self._segments = bytearray(), self._segments[-1:]
        return part


def _decode_arrow(plan: Plan, segments: "Segments", _: int) -> tuple[Any, Any]:
    """Message by message: pyarrow reads a whole file of this format in threads, in which Python code must not run.

    Else the end of the program may come while such a thread lets go of the file, and pyarrow aborts (26.0, 1 in 150).
    """
    pa = pyarrow_for("arrow")
    messages = b"".join(content for _, content in segments.held[:-1]).removeprefix(ARROW_MAGIC)
    stream = pa.ipc.MessageReader.open_stream(pa.py_buffer(messages))
    batches = [message for message in stream if message.type == "record batch"]  # not the schema, before the first
    if len(batches) != 1:
        raise ValueError(f"it has {len(batches)} record batches instead of one")
    batch = pa.ipc.read_record_batch(batches[0], _arrow_schema(plan))
    batch.validate()  # a batch of another schema may have less than this one makes of it
    x, y = batch.column("x"), batch.column("y")
    return x.flatten().to_numpy().reshape(-1, plan.truth.features), y.to_numpy()


def _decode_parquet(plan: Plan, segments: "Segments", block: int) -> tuple[Any, Any]:
    pa = pyarrow_for("parquet")
    metadata = segments.parsed.get("footer")  # else pyarrow looks for it in the file, before the end
    if metadata is None:
        metadata = segments.parsed["footer"] = pa.parquet.read_metadata(io.BytesIO(segments.held[-1][1]))
    file = pa.PythonFile(RangeFile(segments), "r")
    with pa.parquet.ParquetFile(file, metadata=metadata, pre_buffer=False) as reader:
        group = reader.read_row_group(block, use_threads=False)
    columns = [column.to_numpy() for column in group.columns]
    X = np.empty((group.num_rows, plan.truth.features), plan.dtype_name)
    for j, column in enumerate(columns[:-1]):
        X[:, j] = column
    return X, columns[-1]


# ---- files as others read them --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Segments:
    """A file of which only some segments are there: what is read of it has been compared with its checksum."""

    size: int  # bytes of the whole file
    held: list[tuple[int, Any]]  # where each segment begins, and its bytes
    parsed: dict[str, Any] = field(default_factory=dict)  # what was made of those that all blocks of a file need

    def read_into(self, buffer: Buffer, offset: int) -> None:
        """Fill a buffer from one or more segments."""
        into = memoryview(buffer).cast("B")
        stop, missing = offset + len(into), len(into)
        for start, content in self.held:
            lo, hi = max(start, offset), min(start + len(content), stop)
            if lo < hi:
                into[lo - offset : hi - offset] = memoryview(content)[lo - start : hi - start]
                missing -= hi - lo
        if missing:
            raise DamagedError(f"bytes {offset} to {stop} were asked for, which are not of this block")


class RangeFile(io.RawIOBase):
    """A file as NumPy and pyarrow read one, by ranges of bytes."""

    def __init__(self, file: File | Segments) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._file.size)[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        into = memoryview(buffer)[: max(0, self._file.size - self._at)]
        self._file.read_into(into, self._at)
        self._at += len(into)
        return len(into)


ENCODERS: Final = {"npy": _encode_npy, "arrow": _encode_arrow, "parquet": _encode_parquet}
DECODERS: Final = {"arrow": _decode_arrow, "parquet": _decode_parquet}
