"""What rooms pass to each other: types of arrays and of words, and `Batch`, a pair of features and response."""

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
RowNumbers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint32]

DType: TypeAlias = Literal["float32", "float64"]
Framework: TypeAlias = Literal["numpy", "torch", "jax", "tensorflow", "mxnet"]
FileFormat: TypeAlias = Literal["npy", "arrow", "parquet"]
Shuffle: TypeAlias = bool | Literal["blocks", "rows"]


class Batch(NamedTuple):
    """Some rows: features `X` of shape (rows, features) and response `y` of shape (rows, 1).

    A plain tuple in every other way: ``X, y = batch``, ``batch[:-1]`` and ``batch[-1]`` work.
    """

    X: FloatArray
    y: FloatArray


Batch.__module__ = "planted"  # in the class body, mypy takes it for a field
