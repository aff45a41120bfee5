"""Rows of real data: columns of files that others wrote, without a truth.

What comes in: files, and the names of the columns that are features and response. What goes out: `TableRows`, which are
taken, sliced, split and loaded as planted's own rows are, so that a learner can go from data whose answer is known to
data whose answer is not. Opening reads what the files say of themselves, never their rows.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from planted._disk import File, LocalFolder
from planted._errors import InvalidValueError
from planted._input import DType, dtype_name
from planted._machine import empty
from planted._order import Blocks
from planted._rows import HeldRows, LazyRows
from planted._tables.columns import Part
from planted._tables.files import Table
from planted._tables.ipc import arrow
from planted._tables.npy import header
from planted._tables.parquet import parquet
from planted._tables.paths import Place, places_of
from planted._tables.schema import Schema, choose
from planted._types import FloatArray, RowNumbers

MERGES: Final = (1, 2, 4, 8, 16)  # blocks that may be read as one
AHEAD_BLOCKS: Final = 64  # that files hear of before they are read
FORMATS: Final[dict[str, Callable[[File, str], Any]]] = {"npy": header, "arrow": arrow, "parquet": parquet}


# ---- rows -----------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TableRows(LazyRows["HeldTableRows"]):
    """Rows of other people's files, of which none is in memory, and no truth is known. Made by `open_table`."""

    table: Table
    n: int
    first: int  # the number, within the table, of the first row

    @property
    def features(self) -> int:
        """How many features a row has."""
        return self.table.chosen.features

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        return self.table.dtype

    @property
    def digest(self) -> str:
        """What the whole table is known by."""
        return self.table.digest

    def fingerprint(self) -> str:
        """A short text that is equal for equal rows only, as far as the files' sizes and times tell."""
        return _fingerprint(*self._identity())

    def _identity(self) -> tuple[str, int, int]:
        return self.digest, self.first, self.n

    def _held(self, X: FloatArray, y: FloatArray) -> "HeldTableRows":
        return HeldTableRows(X, y, self.n, self.first, self.digest)

    # ---- in blocks, as a loader reads them ----

    @property
    def merge_factors(self) -> tuple[int, ...]:
        """How many blocks may be read as one."""
        return MERGES

    @property
    def readers(self) -> int:
        """How many threads should read at once."""
        return max(place.folder.readers for place in self.table.places[:1])

    def partition(self, merged: int = 1) -> Blocks:
        """The blocks that these rows lie in, `merged` consecutive ones counted as one."""
        return self.table.partition(self.first, self.n, merged)

    def load(self, blocks: Blocks, indices: RowNumbers, arena: FloatArray, places: RowNumbers) -> int:
        """The first of these blocks into its place in the arena, shape (rows, features + 1), the response last."""
        lo, hi = blocks.bounds(int(indices[0]))
        place = int(places[0])
        self.table.read(self.first + lo, self.first + hi, arena[place : place + hi - lo])
        return 1

    def expect(self, blocks: Blocks, indices: RowNumbers) -> None:
        """Say that blocks will soon be loaded."""
        for index in indices.tolist():
            lo, hi = blocks.bounds(index)
            self.table.expect(self.first + lo, self.first + hi)

    # ---- row by row ----

    def _fill(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        if not rows.size:
            return
        if rows[-1] - rows[0] == rows.size - 1 and (rows[1:] > rows[:-1]).all():
            lo = self.first + int(rows[0])
            values = empty((rows.size, self.features + 1), self.dtype)
            self.table.read(lo, lo + rows.size, values)
            X[:], y[:] = values[:, :-1], values[:, -1:]
        else:
            self._fill_scattered(rows + np.int64(self.first), X, y)

    def _fill_scattered(self, rows: RowNumbers, X: FloatArray, y: FloatArray) -> None:
        """Each block that holds one of them is read once."""
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        firsts, stops = self.table.bounds(ascending)
        edges = np.flatnonzero(np.diff(firsts, prepend=-1, append=-1))
        spans = [(int(firsts[k]), int(stops[k])) for k in edges[:-1]]
        for k, (lo, hi) in enumerate(spans):
            if not k % AHEAD_BLOCKS:
                for ahead in spans[k : k + AHEAD_BLOCKS]:
                    self.table.expect(*ahead)
            wanted = slice(edges[k], edges[k + 1])
            some = self.table.block(lo, hi)[ascending[wanted] - lo]
            X[order[wanted]], y[order[wanted]] = some[:, :-1], some[:, -1:]

    def _view(self, first: int, count: int) -> "TableRows":
        return replace(self, n=count, first=self.first + first)

    def __repr__(self) -> str:
        """What they are of, and where they lie."""
        places = self.table.places
        files = f"{places[0].label!r}" if len(places) == 1 else f"{len(places)} files, the first {places[0].label!r}"
        part = f", start={self.first}" if self.first else ""
        made = f"{self.features} features and {self.table.chosen.names[-1]!r}{part}, {self.dtype.name}"
        return f"<rows: {self.n:_} of {made}, in {files}>"


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeldTableRows(HeldRows):
    """The same rows, held in memory and read-only. Made by `TableRows.materialize`."""

    X: npt.NDArray[Any]
    y: npt.NDArray[Any]
    n: int
    first: int
    digest: str

    @property
    def features(self) -> int:
        """How many features a row has."""
        return int(self.X.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64, of both X and y."""
        return self.X.dtype

    def fingerprint(self) -> str:
        """A short text that is equal for equal rows only, as far as the files' sizes and times tell."""
        return _fingerprint(*self._identity())

    def _identity(self) -> tuple[str, int, int]:
        return self.digest, self.first, self.n

    def _view(self, first: int, count: int) -> "HeldTableRows":
        part = slice(first, first + count)
        return replace(self, X=self.X[part], y=self.y[part], n=count, first=self.first + first)

    def __repr__(self) -> str:
        """How many they are, and their size."""
        return f"<rows: {self.n:_} of {self.features} features, {self.dtype.name}, {self._size()}>"


def _fingerprint(digest: str, first: int, n: int) -> str:
    return hashlib.sha256(f"{digest}/{first}/{n}".encode()).hexdigest()[:16]


# ---- the way in -----------------------------------------------------------------------------------------------


def open_table(
    paths: Any,
    *,
    response: str | int,
    features: Any = None,
    dtype: DType | None = None,
    format: str | None = None,  # noqa: A002 -- as in `planted.write`
    storage_options: dict[str, Any] | None = None,
) -> TableRows:
    """Rows of real data: columns of `.npy`, Arrow IPC or Parquet files that others wrote. No row is read yet.

    They are rows as planted's own are, with one difference: no truth is known, so there is nothing to `check` against.
    A `Loader` shuffles them by blocks, within a memory budget.

    Parameters
    ----------
    paths
        A path, a folder, a pattern such as ``"rows/*.parquet"``, or a URL that fsspec knows; or a list of them. A list
        keeps its order; the files of a folder or a pattern come in the order of their names. Of a folder, files count
        whose names end in ``.npy``; ``.arrow``, ``.feather``, ``.ipc``; ``.parquet``, ``.pq``, and do not begin with
        ``.`` or ``_``; other folders in it do not.
    response
        The column of the response: its name, or, in matrices, which have none, its number; -1 is the last.
    features
        A list of the columns of the features, likewise; by default all others, in the order of the file. A column of
        lists of fixed size counts as several features.
    dtype
        ``"float32"`` or ``"float64"``, of both X and y. By default float32 if it can hold every value of the columns'
        types (float32, float16, booleans, integers of up to 16 bits), else float64, to which integers beyond 2^53 are
        rounded. NaN and infinities are kept.
    format
        ``"npy"``, ``"arrow"`` or ``"parquet"``, where the names of the files do not tell.
    storage_options
        For fsspec: keys, regions, ...

    Returns
    -------
    TableRows
        ``rows[3]``, ``rows[10:20]``, ``rows.take([3, 1, 4])``, ``rows.X`` of shape (rows, features), ``rows.y`` of
        shape (rows, 1), ``rows.split(800, 200)``, ``rows.materialize()``.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule; if there is no such column, or it holds no numbers, or a null; if the files
        do not have the same columns, of the same types where they are wanted.
    MissingError
        If there are no such files.
    MissingDependencyError
        If pyarrow (Arrow, Parquet) or fsspec (URLs) is needed and not installed.
    DamagedError
        If a file is cut off, or not of its format; later, when rows are read, if a file was written to in between
        (behind a URL that is seen only when the file is opened anew).

    Notes
    -----
    Blocks, which a `Loader` reads and mixes: about 64 KiB of rows in `.npy`, some 16 KiB a column in Arrow files that
    are not compressed; whole record batches in those that are, and Parquet's row groups: the smaller, the better they
    mix. Nulls in Arrow files are found at once, those in Parquet when they are read.

    Examples
    --------
    >>> import numpy as np, planted, tempfile
    >>> folder = tempfile.mkdtemp()
    >>> np.save(f"{folder}/part-0.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    >>> np.save(f"{folder}/part-1.npy", np.arange(12, 18, dtype=np.float32).reshape(2, 3))
    >>> table = planted.open_table(folder, response=-1)
    >>> X, y = table[2:5]
    >>> X.tolist(), y.tolist()
    ([[6.0, 7.0], [9.0, 10.0], [12.0, 13.0]], [[8.0], [11.0], [14.0]])
    >>> len(planted.Loader(table, batch_size=2))
    3
    """
    wanted = None if dtype is None else dtype_name(dtype)
    places, file_format = places_of(paths, format, storage_options)
    read = FORMATS[file_format]
    opened = places[0].open()
    first = read(opened, places[0].label)
    schema: Schema = first.schema()
    chosen = choose(schema, features, response, places[0].label)
    concern = frozenset(chosen.places)

    def look(place: Place) -> tuple[str, Part]:
        file = place.open()
        found = read(file, place.label)
        difference = schema.difference(found.schema(), concern)
        if difference:
            raise InvalidValueError(
                f"{places[0].label} and {place.label} do not have the same columns: {difference}; open them apart, or "
                "write them alike"
            )
        return file.version_tag, found.part(chosen)

    looked = [(opened.version_tag, first.part(chosen)), *_each(look, places[1:])]
    kept = [k for k, (_, part) in enumerate(looked) if part.n] or [0]
    stamps, parts = [looked[k][0] for k in kept], [looked[k][1] for k in kept]
    table = Table([places[k] for k in kept], stamps, parts, chosen, np.dtype(wanted or chosen.dtype_name))
    return TableRows(table, table.n, 0)


def _each(look: Callable[[Place], tuple[str, Part]], places: list[Place]) -> list[tuple[str, Part]]:
    """What is found in each file; where that takes the network's time, at several at once."""
    if all(isinstance(place.folder, LocalFolder) for place in places):
        return list(map(look, places))
    with ThreadPoolExecutor(places[0].folder.readers, thread_name_prefix="planted-open") as pool:
        return list(pool.map(look, places))
