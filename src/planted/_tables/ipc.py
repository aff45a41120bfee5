"""Arrow IPC files: where the values of each column lie.

What comes in: an open file, or stream in a file. What goes out: its schema, and its rows as a `Columnar`: for each
record batch and each wanted column, which bytes hold the values. pyarrow reads the schema and undoes compression; but
it does not tell how many rows a batch has without reading it, nor does it read a part of one, so the lists of numbers
that stand before each batch are read here. So a batch of any size is read in small blocks, of just the columns that are
wanted, by several threads; and nothing is made because a damaged file says so: its numbers are compared with its size.

Source: "Arrow Columnar Format", version 1.5, "Serialization and Interprocess Communication (IPC)"; FlatBuffers,
"FlatBuffers Internals". Feather, version 2, is the same format.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._disk import File, pyarrow_for
from planted._errors import DamagedError, InvalidValueError
from planted._tables.columns import DENSEST, Bytes, Columnar, Kind, decompressed
from planted._tables.schema import Chosen, Schema, column_of, null, reading
from planted._types import RowNumbers

MAGIC: Final = b"ARROW1"
CONTINUES: Final = b"\xff\xff\xff\xff"  # what a message begins with
SCHEMA, RECORD_BATCH = 1, 3  # what a message holds
CODECS: Final = ("lz4", "zstd")
TIMES: Final = {"lz4": 1 << 8, "zstd": 1 << 15}  # as much, at most, may bytes hold: a run of zeros, by either's format
LARGEST_METADATA: Final = 1 << 26
MOST_BITS: Final = 1 << 62  # of a column of a batch


class Layout(NamedTuple):
    """How many entries a column takes in the lists of a batch."""

    nodes: int
    buffers: int
    views: int = 0  # of which each batch says by how many more buffers they have


LAYOUTS: Final[dict[str, tuple[Layout, tuple[str, ...]]]] = {  # and the parts; all others: a bitmap and values
    "null": (Layout(1, 0), ()),
    "dictionary": (Layout(1, 2), ()),
    "map": (Layout(2, 3), ("key_type", "item_type")),  # a list of structs
    "list": (Layout(1, 2), ("value_type",)),
    "large_list": (Layout(1, 2), ("value_type",)),
    "fixed_size_list": (Layout(1, 1), ("value_type",)),
    "list_view": (Layout(1, 3), ("value_type",)),
    "large_list_view": (Layout(1, 3), ("value_type",)),
    "run_end_encoded": (Layout(1, 0), ("run_end_type", "value_type")),
    "struct": (Layout(1, 1), ()),
    "dense_union": (Layout(1, 2), ()),
    "union": (Layout(1, 1), ()),
    "string": (Layout(1, 3), ()),
    "large_string": (Layout(1, 3), ()),
    "binary": (Layout(1, 3), ()),
    "large_binary": (Layout(1, 3), ()),
    "string_view": (Layout(1, 2, 1), ()),
    "binary_view": (Layout(1, 2, 1), ()),
}


class Flat:
    """A table of FlatBuffers: fields by number, each of which may be absent."""

    __slots__ = ("_at", "_content", "_slots")

    def __init__(self, content: bytes, at: int) -> None:
        self._content, self._at = content, at
        table = at - _number("<i", content, at)
        size = _number("<H", content, table)
        self._slots = [_number("<H", content, slot) for slot in range(table + 4, table + min(size, 64) - 1, 2)]

    def number(self, field: int, kind: str) -> int:
        """An integer; 0 if absent."""
        at = self._position(field)
        return _number(kind, self._content, at) if at else 0

    def table(self, field: int) -> "Flat | None":
        """Another table."""
        at = self._position(field)
        return Flat(self._content, at + _number("<I", self._content, at)) if at else None

    def structs(self, field: int, words: int) -> npt.NDArray[np.int64]:
        """A vector of structs of 64-bit integers, shape (length, words)."""
        at = self._position(field)
        at = at + _number("<I", self._content, at) if at else 0
        count = _number("<I", self._content, at) if at else 0
        if not count:
            return np.empty((0, words), np.int64)
        return np.frombuffer(self._content, "<i8", count * words, at + 4).astype(np.int64).reshape(-1, words)

    def _position(self, field: int) -> int:
        return self._at + self._slots[field] if field < len(self._slots) and self._slots[field] else 0


class Message(NamedTuple):
    """What stands before a batch or a schema."""

    kind: int
    header: Flat
    body: int  # where it begins in the file
    stop: int  # and ends: there the next message begins
    content: bytes


class Arrow(NamedTuple):
    """A file whose schema is known."""

    file: File
    label: str
    types: Any  # pyarrow's schema
    first: int  # where the first message behind the schema begins
    footer: Flat | None  # None for a stream

    def schema(self) -> Schema:
        """The columns, by name."""
        pa = pyarrow_for("arrow")
        with reading(self.label):
            return Schema(tuple(column_of(pa, field) for field in self.types))

    def part(self, chosen: Chosen) -> Columnar:
        """The rows, of the columns that are wanted."""
        with reading(self.label):
            return _part(self, chosen)


def arrow(file: File, label: str) -> Arrow:
    """What a file says of itself, without its batches.

    Raises
    ------
    DamagedError
        If it is no Arrow IPC file, nor a stream.
    InvalidValueError
        If its values are of the other byte order.
    MissingDependencyError
        If pyarrow is not installed.
    """
    pa = pyarrow_for("arrow")
    with reading(label):
        start = _bytes(file, 0, min(8, file.size))
        if start[:4] == b"FEA1":
            raise DamagedError(f"{label} is of Feather's version 1: write it again with pyarrow.feather, version=2")
        is_file = start[:6] == MAGIC
        if not is_file and start[:4] != CONTINUES:
            raise DamagedError(f"{label} is no Arrow IPC file: name another, or say its format=")
        message = _message(file, 8 if is_file else 0)
        if message is None or message.kind != SCHEMA:
            raise ValueError("it does not begin with a schema")
        if message.header.number(0, "<h"):
            raise InvalidValueError(f"{label} has big-endian values: read and write it with pyarrow, on this machine")
        types = pa.ipc.read_schema(pa.py_buffer(message.content))
        return Arrow(file, label, types, message.stop, _footer(file) if is_file else None)


# ---- messages -------------------------------------------------------------------------------------------------


def _message(file: File, at: int) -> Message | None:
    """The message that begins at a byte; None where the stream ends."""
    start = _bytes(file, at, 8)
    first = 8 if start[:4] == CONTINUES else 4  # before version 0.15 of Arrow, messages began with their size
    size = _number("<i", start, first - 4)
    if not size:
        return None
    if not 8 <= size <= LARGEST_METADATA:
        raise ValueError(f"a message has {size} bytes")
    content = start[:first] + _bytes(file, at + first, size)
    root = Flat(content[first:], _number("<I", content, first))
    header, body = root.table(2), at + first + size
    stop = body + root.number(3, "<q")
    if header is None or not body <= stop <= file.size:
        raise ValueError(f"a batch ends at byte {stop} of {file.size}: it was cut off")
    return Message(root.number(1, "<B"), header, body, stop, content)


def _footer(file: File) -> Flat:
    """What stands at the end of a file: where its batches are."""
    end = _bytes(file, file.size - 10, 10)
    size = _number("<i", end, 0)
    if end[4:] != MAGIC or not 4 <= size <= min(file.size - 18, LARGEST_METADATA):
        raise ValueError("the mark at its end is missing: it was cut off")
    content = _bytes(file, file.size - 10 - size, size)
    return Flat(content, _number("<I", content, 0))


def _batches(arrow: Arrow) -> Iterator[Message]:
    """The messages of the record batches."""
    if arrow.footer is not None:
        for at in arrow.footer.structs(3, 3)[:, 0].tolist():
            message = _message(arrow.file, at)
            if message is None or message.kind != RECORD_BATCH:
                raise ValueError("no batch is where one should be")
            yield message
        return
    message = _message(arrow.file, arrow.first)
    while message is not None:
        if message.kind == RECORD_BATCH:
            yield message
        message = _message(arrow.file, message.stop)


def _bytes(file: File, at: int, size: int) -> bytes:
    if not 0 <= at <= at + size <= file.size:
        raise ValueError(f"it ends at byte {file.size}, before what should be there: it was cut off")
    content = bytearray(size)
    file.read_into(content, at)
    return bytes(content)


def _number(kind: str, content: bytes, at: int) -> int:
    if at < 0:
        raise ValueError("a number lies before the bytes that it is said to be in")
    return int(struct.unpack_from(kind, content, at)[0])


# ---- batches --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the columns that are wanted stand in the lists of each batch.

    A column is one level of values, of which a bitmap says which are null; a list of fixed size is two, itself and its
    numbers.
    """

    total: Layout  # of all columns
    names: tuple[str | int, ...]  # of each level
    nodes: RowNumbers
    bitmaps: RowNumbers  # among the buffers
    views: RowNumbers  # how many columns of views are before it
    counts: RowNumbers  # entries a row
    last: RowNumbers  # which levels hold the numbers
    kinds: tuple[Kind, ...]  # of each column
    bits: RowNumbers  # a row


def _wanted(types: Any, chosen: Chosen) -> Wanted:
    pa = pyarrow_for("arrow")
    before = np.zeros((len(types) + 1, 3), np.int64)
    before[1:] = np.cumsum([layout(pa, kind) for kind in types.types], axis=0)
    kinds, levels, last = [], [], []
    names: list[str | int] = []
    for name, place in zip(chosen.names, chosen.places, strict=True):
        column = column_of(pa, types.field(place))
        assert column.dtype is not None
        kinds.append(Kind(column.dtype, column.width, column.dtype == np.bool_))
        levels.append((*before[place].tolist(), 1))
        if pa.types.is_fixed_size_list(types.types[place]):
            node, bitmap, views = before[place].tolist()
            levels.append((node + 1, bitmap + 1, views, column.width))
        names += [name] * (len(levels) - len(names))
        last.append(len(levels) - 1)
    nodes, bitmaps, views, counts = np.array(levels, np.int64).T
    bits = np.array([kind.width * (1 if kind.bits else 8 * kind.dtype.itemsize) for kind in kinds], np.int64)
    total = Layout(*before[-1].tolist())
    return Wanted(total, tuple(names), nodes, bitmaps, views, counts, np.array(last), tuple(kinds), bits)


def _part(arrow: Arrow, chosen: Chosen) -> Columnar:
    wanted = _wanted(arrow.types, chosen)
    edges, found = [0], []
    for message in _batches(arrow):
        batch = _batch(arrow, message, wanted, edges[-1])
        if batch.rows:
            edges.append(edges[-1] + batch.rows)
            found.append(batch)
    codecs = {batch.codec for batch in found} or {None}
    if len(codecs) > 1:
        raise ValueError("its batches are compressed in different ways")
    shape = (len(found), len(wanted.kinds))
    starts = np.array([batch.starts for batch in found], np.int64).reshape(shape)
    stops = np.array([batch.stops for batch in found], np.int64).reshape(shape)
    return Columnar(np.array(edges, np.int64), starts, stops, wanted.kinds, codecs.pop())


class Batch(NamedTuple):
    """A record batch: which bytes of the file hold the values of each column."""

    rows: int
    starts: RowNumbers
    stops: RowNumbers
    codec: str | None


def _batch(arrow: Arrow, message: Message, wanted: Wanted, first: int) -> Batch:
    """A batch, its claims compared with each other and with the file's size; `first` rows of the file are before it."""
    header, room = message.header, message.stop - message.body
    rows, nodes, buffers = header.number(0, "<q"), header.structs(1, 2), header.structs(2, 2)
    views = header.structs(4, 1)[:, 0]
    if not 0 <= rows <= DENSEST * arrow.file.size or rows * int(wanted.bits.max()) >= MOST_BITS:
        raise ValueError(f"a batch has {rows} rows")
    if buffers.min(initial=0) < 0 or (buffers[:, 0] > room - buffers[:, 1]).any():
        raise ValueError("a column lies outside its batch")
    if len(views) and not 0 <= views.min() <= views.max() <= len(buffers):
        raise ValueError("a column has more buffers than its batch")
    total = wanted.total._replace(buffers=wanted.total.buffers + int(views.sum()))
    if (len(nodes), len(buffers), len(views)) != total:
        raise ValueError("a batch does not have the columns of the schema")
    compression = header.table(3)
    codec = CODECS[compression.number(0, "<B")] if compression else None
    lengths, nulls = nodes[wanted.nodes].T
    if (lengths != rows * wanted.counts).any():
        raise ValueError(f"a column has more or fewer rows than its batch of {rows}")
    more = wanted.views  # buffers of views before each level
    if len(views):
        more = np.concatenate([[0], np.cumsum(views)])[wanted.views]
    starts = message.body + buffers[:, 0]
    stops = starts + buffers[:, 1]
    if nulls.any():
        level = int(np.flatnonzero(nulls)[0])
        bitmap = int(wanted.bitmaps[level] + more[level])
        content = _bytes(arrow.file, int(starts[bitmap]), int(buffers[bitmap, 1]))
        count = int(wanted.counts[level])
        row = _first_null(np.frombuffer(content, np.uint8), rows * count, codec) // count
        raise null(arrow.label, wanted.names[level], first + row)
    last = wanted.last
    values = wanted.bitmaps[last] + 1 + more[last]
    most = 1 if codec is None else TIMES[codec]
    if (buffers[values, 1] < -(-rows * wanted.bits // (8 * most))).any():
        raise ValueError(f"a column has fewer values than its batch of {rows}")
    return Batch(rows, starts[values], stops[values], codec)


def _first_null(bitmap: Bytes, count: int, codec: str | None) -> int:
    raw = bitmap if codec is None else decompressed(bitmap, -(-count // 8), codec)
    return int(np.flatnonzero(np.unpackbits(raw, bitorder="little")[:count] == 0)[0])


def layout(pa: Any, kind: Any) -> Layout:
    """How many entries a column of this type takes, those of its parts included, in the order of the format."""
    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    own, names = next((entry for name, entry in LAYOUTS.items() if _is(pa, name, kind)), (Layout(1, 2), ()))
    parts = [getattr(kind, name) for name in names]
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        parts = [kind.field(i).type for i in range(kind.num_fields)]
    return Layout(*map(sum, zip(own, *(layout(pa, part) for part in parts), strict=True)))


def _is(pa: Any, name: str, kind: Any) -> bool:
    """Whether a type is of a sort that not every pyarrow knows."""
    if name == "dense_union":
        return bool(pa.types.is_union(kind) and kind.mode == "dense")
    test = getattr(pa.types, f"is_{name}", None)
    return test is not None and bool(test(kind))
