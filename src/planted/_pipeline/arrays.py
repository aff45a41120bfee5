"""Arrays of any framework, as rows."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from planted._input import to_numpy
from planted._types import RowNumbers
from planted.errors import InvalidValueError


class Arrays:
    """Arrays, equally long; a row is one element of each."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        try:
            self.arrays = tuple(map(to_numpy, arrays))
        except ValueError as error:
            raise InvalidValueError(f"arrays must be rectangular ({error}): pass lists of one length") from None
        equally_long(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def take(self, rows: RowNumbers) -> tuple[Any, ...]:
        return tuple(array[rows] for array in self.arrays)

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for array in self.arrays:
            digest.update(f"{array.shape} {array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        shapes = ", ".join(f"<{array.dtype} {array.shape}>" for array in self.arrays)
        return f"({shapes})"


def equally_long(tensors: Sequence[Any]) -> None:
    """Refuse arrays or tensors that have no rows or not equally many."""
    shapes = [tuple(tensor.shape) for tensor in tensors]
    if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
        raise InvalidValueError(
            f"arrays of shapes {shapes} must be one or more, equally long: cut them to one number of rows"
        )
