"""CSV files: a line of names, then lines of numbers between commas.

Such a file does not say where its rows are. So it is read once when it is opened, and each *unit* is a piece of some
hundred KiB that ends with a line. pyarrow makes numbers of the text of a unit whenever it is read.
"""

import csv
import re
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from planted._disk import File, pyarrow_for
from planted._tables.part import BLOCK_BYTES, Opened, Units, numbers_of, reading, units_of
from planted._tables.schema import Chosen, Column, Schema
from planted.errors import DamagedError, InvalidValueError

UNIT_BYTES: Final = 1 << 18  # of text
LONGEST_LINE: Final = 1 << 26
MARK: Final = b"\xef\xbb\xbf"  # what some programs write before a text in UTF-8
SEPARATORS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}
NUMBERS: Final = {"float32": "float", "float64": "double"}  # Arrow's names
COUNT: Final = re.compile(r"\d+")
NO_VALUE: Final = ["", "NA", "N/A", "#N/A", "#N/A N/A", "#NA", "<NA>", "n/a", "NULL", "null", "None"]  # nan is a number


def delimited(file: File, label: str) -> Opened:
    """What the first lines of a file say; all others are counted."""
    pa = pyarrow_for("csv")
    import pyarrow.csv  # noqa: F401 -- not in pyarrow before

    with reading(label):
        edges, rows = _units(file)
        names, start = _header(file, edges[1] if len(edges) > 1 else file.size, label)
        edges[0] = start
        first = np.empty(edges[1] - start if rows and rows[0] else 0, np.uint8)
        file.read_into(first, start)
        columns = _columns(pa, first, names)

    def part(chosen: Chosen) -> Lines:
        n, units, numbers = units_of(rows, file.size)
        together = max(1, BLOCK_BYTES // (4 * (chosen.features + 1)))
        places, dtype = chosen.places, chosen.dtype_name
        return Lines(label, chosen.names, together, n, units, numbers, tuple(edges), len(names), places, dtype)

    return Opened(Schema(columns), part)


def _units(file: File) -> tuple[list[int], list[int]]:
    """Where units begin and the last one ends, and how many rows each has; the line of names is no row."""
    edges, rows, at, rest, named = [0], [], 0, b"", False
    while at < file.size:
        content = np.empty(min(UNIT_BYTES, file.size - at), np.uint8)
        file.readahead(at, 4 * UNIT_BYTES)
        file.read_into(content, at)
        at += content.size
        text = rest + content.tobytes()
        stop = len(text) if at == file.size else text.rfind(b"\n") + 1
        if not stop and len(text) > LONGEST_LINE:
            raise ValueError(f"a line has more than {LONGEST_LINE} bytes")
        if stop:
            lines = _lines(text[:stop])
            edges.append(edges[-1] + stop)
            rows.append(lines - (not named and lines > 0))
            named = named or lines > 0
        rest = text[stop:]
    return edges, rows


def _lines(text: bytes) -> int:
    """How many lines are not empty."""
    content = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(content == ord("\n"))
    lengths = np.diff(ends, prepend=-1) - 1
    empty = np.count_nonzero(lengths == 0) + np.count_nonzero(content[ends[lengths == 1] - 1] == ord("\r"))
    return int(ends.size - empty) + (text[-1:] not in {b"\n", b""})


def _header(file: File, stop: int, label: str) -> tuple[list[str], int]:
    """The names of the columns, and where the line after them begins."""
    content = np.empty(stop, np.uint8)
    file.read_into(content, 0)
    text, start = content.tobytes(), 0
    while start < len(text) and text[start : start + 1] in b"\r\n":  # empty lines before it
        start += 1
    end = text.find(b"\n", start) + 1 or len(text)
    line = text[start:end].removeprefix(MARK).decode()
    if "\0" in line:
        raise DamagedError(f"{label} is no text: name a CSV file, or say its format=")
    names = next(csv.reader([line]), [])
    if not names:
        raise DamagedError(f"{label} is empty: its first line should be the names of its columns")
    other = next((name for mark, name in SEPARATORS.items() if mark in line), None)
    if len(names) == 1 and other:
        raise InvalidValueError(f"{label} has {other} between its columns: write it with commas, or as Parquet")
    if all(map(_is_number, names)) and not all(map(COUNT.fullmatch, names)):
        raise InvalidValueError(
            f"{label} begins with numbers, {line.strip()[:40]}, and not with the names of its columns: add a line of "
            "names"
        )
    return names, end


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _columns(pa: Any, first: Any, names: list[str]) -> tuple[Column, ...]:
    """What the columns hold, as far as the first unit shows."""
    if not first.size:
        return tuple(Column(name, "number", np.dtype(np.float64)) for name in names)
    types, found = pa.types, _parsed(pa, first, len(names), {}, None).schema.types
    return tuple(
        Column(name, "number", np.dtype(np.float64))
        if types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
        else Column(name, str(kind), None)
        for name, kind in zip(names, found, strict=True)
    )


def _parsed(pa: Any, text: Any, columns: int, types: dict[str, Any], wanted: list[str] | None) -> Any:
    """Pyarrow's table of a text; columns are called by their numbers, since names may come twice."""
    names = list(map(str, range(columns)))
    return pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(text)),
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=max(1, len(text)), column_names=names),
        convert_options=pa.csv.ConvertOptions(column_types=types, include_columns=wanted, null_values=NO_VALUE),
    )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Lines(Units):
    """The rows of a CSV file."""

    edges: tuple[int, ...]  # the first byte of each unit, and the one after the last
    columns: int
    places: tuple[int, ...]
    dtype_name: str  # into which pyarrow reads: rounded once, what was written of a float32 is that float32

    def _reader(self, file: File) -> File:
        return file

    def _unit(self, reader: File, number: int) -> Any:
        pa = pyarrow_for("csv")
        import pyarrow.csv  # noqa: F401 -- as above

        start, stop = self.edges[number : number + 2]
        text = np.empty(stop - start, np.uint8)
        reader.read_into(text, start)
        wanted = list(map(str, self.places))
        table = _parsed(pa, text, self.columns, dict.fromkeys(wanted, NUMBERS[self.dtype_name]), wanted)
        if self.dtype_name == "float32" and any(np.isinf(column).any() for column in _arrays(table)):
            exact = _parsed(pa, text, self.columns, dict.fromkeys(wanted, "double"), wanted)
            for found, meant in zip(_arrays(table), _arrays(exact), strict=True):
                if (np.isinf(found) & np.isfinite(meant)).any():
                    raise FloatingPointError  # as NumPy's casts, in the other formats
        return table.rename_columns(list(map(str, self.names)))


def _arrays(table: Any) -> list[npt.NDArray[Any]]:
    return [numbers_of(chunk) for column in table.columns for chunk in column.chunks]
