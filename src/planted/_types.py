"""What rooms pass to each other: types of arrays and of words, and `Batch`, a pair of features and response."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
RowNumbers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint32]

DType: TypeAlias = Literal["float32", "float64"]
Framework: TypeAlias = Literal["numpy", "torch", "jax", "tensorflow", "mxnet"]
FileFormat: TypeAlias = Literal["npy", "arrow", "parquet"]
Shuffle: TypeAlias = bool | Literal["blocks", "rows"]

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # checkers know it, installed or not

    Item = TypeVar("Item", default=Any)  # what a loader or a pipeline gives; so `planted.Loader` alone is a type, too
else:
    from typing import TypeVar

    Item = TypeVar("Item")


class Batch(NamedTuple):
    """Some rows: features `X` of shape (rows, features) and response `y` of shape (rows, 1).

    A plain tuple in every other way: ``X, y = batch``, ``batch[:-1]`` and ``batch[-1]`` work.
    """

    X: FloatArray
    y: FloatArray

    def _repr_html_(self) -> str:
        """The first rows as a table, for notebooks."""
        from planted._html import rows_table

        X, y = (array if array.ndim > 1 else array[np.newaxis] for array in self)  # of a single row, too
        shapes = f"Batch: X {self.X.shape}, y {self.y.shape}, {self.X.dtype}"
        return rows_table(shapes, [*(f"x{j}" for j in range(X.shape[1])), "y"], X, y, len(X), numbered=False)


Batch.__module__ = "planted"  # in the class body, mypy takes it for a field
