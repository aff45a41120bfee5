"""The way in: paths and the names of columns, made into rows. No row is read for it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np

from planted._disk import File, LocalFolder
from planted._input import dtype_name
from planted._machine import Workers
from planted._tables.columnar import arrow, parquet
from planted._tables.delimited import delimited
from planted._tables.npy import npy
from planted._tables.part import Opened, Part
from planted._tables.paths import Place, places_of
from planted._tables.reader import TableReader
from planted._tables.rows import TableRows
from planted._tables.schema import choose
from planted._types import DType, FileFormat
from planted.errors import InvalidTypeError, InvalidValueError

FORMATS: Final[dict[str, Callable[[File, str], Opened]]] = {
    "npy": npy,
    "arrow": arrow,
    "parquet": parquet,
    "csv": delimited,
}
PLANTED: Final = {"plan.json", "manifest.json"}  # in a folder that planted has written


def open_table(
    paths: Any,
    *,
    response: str | int,
    features: Any = None,
    dtype: DType | None = None,
    format: FileFormat | Literal["csv"] | None = None,  # noqa: A002 -- as in `planted.write`
    storage_options: dict[str, Any] | None = None,
) -> TableRows:
    """Rows of real data: columns of `.npy`, Arrow IPC, Parquet or CSV files that others wrote.

    No row is read yet, but of CSV, which does not say how many there are.

    They are rows as planted's own are, with one difference: no truth is known, so there is nothing to `check` against.
    A `Loader` shuffles them by blocks, within a memory budget.

    Parameters
    ----------
    paths
        A path, a folder, a pattern such as ``"rows/*.parquet"``, or a URL that fsspec knows; or a list of them. A list
        keeps its order; the files of a folder or a pattern come in the order of their names. Of a folder, files count
        whose names end in ``.npy``; ``.arrow``, ``.feather``, ``.ipc``; ``.parquet``, ``.pq``; or, if there are none of
        these, ``.csv``, and do not begin with ``.`` or ``_``; other folders in it do not.
    response
        The column of the response: its name, or, in matrices, which have none, its number; -1 is the last.
    features
        A list of the columns of the features, likewise; by default all others, in the order of the file. A column of
        lists of fixed size counts as several features.
    dtype
        ``"float32"`` or ``"float64"``, of both X and y. By default float32 if it can hold every value of the columns'
        types (float32, float16, booleans, integers of up to 16 bits), else float64, to which integers beyond 2^53 are
        rounded. NaN and infinities are kept. Of CSV, which tells no types, float64; what was written of float32 values
        with all digits is read with ``dtype="float32"`` to the same bits.
    format
        ``"npy"``, ``"arrow"``, ``"parquet"`` or ``"csv"``, where the names of the files do not tell.
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
        If pyarrow (Arrow, Parquet, CSV) or fsspec (URLs) is needed and not installed.
    DamagedError
        If a file is cut off, or not of its format; later, when rows are read, if a file was written to in between
        (behind a URL that is seen only when the file is opened anew).

    Notes
    -----
    Blocks, which a `Loader` reads and mixes, are of about 64 KiB in `.npy`. Record batches of Arrow and row groups of
    Parquet are read whole: the smaller, the better they mix, and four must fit into the loader's memory. A table that
    pyarrow writes into an Arrow file at once is a single batch: write it in batches, by ``max_chunksize=65_536``. Of a
    file just the columns that are wanted are read, of an Arrow stream all. A null is found when its block is read.

    A CSV file has a line of names, and commas. To find its rows it is read once when it is opened (some 400 MB a
    second), and pieces of 256 KiB of text are parsed whenever rows are read, seven times as slowly as Parquet. An empty
    cell, or one such as ``NA``, is a null. A file that is read more than a few times is best written as Parquet first.

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
    file = places[0].open()
    opened = read(file, places[0].label)
    try:
        chosen = choose(opened.schema, features, response, places[0].label)
    except (InvalidTypeError, InvalidValueError) as error:
        if {*places[0].folder.names()} >= PLANTED:
            raise type(error)(f"{error}; planted.open reads this folder's rows, with their truth") from None
        raise
    chosen = replace(chosen, dtype_name=wanted or chosen.dtype_name)
    concern = frozenset(chosen.places)

    def look(place: Place) -> tuple[str, Part]:
        other = place.open()
        found = read(other, place.label)
        difference = opened.schema.difference(found.schema, concern)
        if difference:
            raise InvalidValueError(
                f"{places[0].label} and {place.label} do not have the same columns: {difference}; open them apart, or "
                "write them alike"
            )
        return other.version_tag, found.part(chosen)

    looked = [(file.version_tag, opened.part(chosen)), *_each(look, places[1:])]
    kept = [k for k, (_, part) in enumerate(looked) if part.n] or [0]
    stamps, parts = [looked[k][0] for k in kept], [looked[k][1] for k in kept]
    table = TableReader([places[k] for k in kept], stamps, parts, chosen, np.dtype(chosen.dtype_name))
    return TableRows(table.n, 0, table.digest, table)


def _each(look: Callable[[Place], tuple[str, Part]], places: list[Place]) -> list[tuple[str, Part]]:
    """What is found in each file; several at once where each waits for the network."""
    if all(isinstance(place.folder, LocalFolder) for place in places):
        return list(map(look, places))
    workers = Workers(places[0].folder.readers, "planted-open")
    with workers, workers:
        for place in places:
            workers.submit(look, place)
        return [workers.result() for _ in places]
