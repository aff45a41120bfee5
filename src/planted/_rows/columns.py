"""Rows as columns, for the libraries of tables: pandas, Polars, and all that speak Arrow.

A column for each feature, ``x0``, ``x1``, ..., or as a table calls it, and the response last; all of the rows' dtype.
Each library is imported when it is first asked for.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from planted._types import FloatArray
from planted.errors import MissingDependencyError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

BATCH_VALUES: Final = 1 << 20  # of a record batch: some megabytes
BATCH_ROWS: Final = 1 << 16


def names_of(features: int) -> list[str]:
    """The names of features that have none, and of their response.

    >>> names_of(2)
    ['x0', 'x1', 'y']
    """
    return [*(f"x{j}" for j in range(features)), "y"]


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows as columns that are made when they are asked for."""

    names: list[str]  # the response last
    dtype: np.dtype[Any]
    n: int
    make: Callable[[range], FloatArray]  # of some rows, shape (features + 1, rows), in a new array

    def to_pandas(self) -> "pd.DataFrame":
        """A DataFrame of all rows."""
        pandas = _library("pandas", "rows.to_pandas()", "pandas")
        frame: pd.DataFrame = pandas.DataFrame(self.make(range(self.n)).T, columns=self.names, copy=False)
        return frame

    def to_polars(self) -> "pl.DataFrame":
        """A DataFrame of all rows."""
        polars = _library("polars", "rows.to_polars()", "polars")
        columns = zip(self.names, self.make(range(self.n)), strict=True)
        frame: pl.DataFrame = polars.DataFrame([polars.Series(name, values) for name, values in columns])
        return frame

    def to_arrow(self) -> "pa.Table":
        """A Table of all rows, in one piece."""
        pyarrow = _library("pyarrow", "rows.to_arrow()", "arrow")
        arrays = list(map(pyarrow.array, self.make(range(self.n))))
        table: pa.Table = pyarrow.Table.from_arrays(arrays, schema=self._schema(pyarrow))
        return table

    def stream(self, requested_schema: object) -> object:
        """All rows as a capsule of Arrow's C interface: each batch is made when it is asked for."""
        pyarrow = _library("pyarrow", "an Arrow stream of rows", "arrow")
        schema = self._schema(pyarrow)
        step = max(1, min(BATCH_ROWS, BATCH_VALUES // len(self.names)))

        def batches() -> Iterator[Any]:
            for first in range(0, self.n, step):
                arrays = list(map(pyarrow.array, self.make(range(first, min(first + step, self.n)))))
                yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)

        return pyarrow.RecordBatchReader.from_batches(schema, batches()).__arrow_c_stream__(requested_schema)

    def _schema(self, pyarrow: Any) -> Any:
        number = pyarrow.from_numpy_dtype(self.dtype)
        return pyarrow.schema([pyarrow.field(name, number, nullable=False) for name in self.names])


def _library(name: str, what: str, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingDependencyError(
            f"{what} needs {name}, which is not installed: pip install 'planted[{extra}]'"
        ) from None
