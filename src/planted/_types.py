"""The array types that rooms pass to each other, and `Batch`, a pair of features and response."""

from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]
RowNumbers: TypeAlias = npt.NDArray[np.int64]
Words: TypeAlias = npt.NDArray[np.uint32]


class Batch(NamedTuple):
    """Some rows: features `X` of shape (rows, features) and response `y` of shape (rows, 1).

    A plain tuple in every other way: ``X, y = batch``, ``batch[:-1]`` and ``batch[-1]`` work.
    """

    X: FloatArray
    y: FloatArray


Batch.__module__ = "planted"  # in the class body, mypy takes it for a field
