"""Items stacked along a new leading axis, so that they become a batch."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._input import to_numpy
from planted._pipeline.adapters import SplitBatches
from planted._pipeline.stages import short
from planted.errors import InvalidTypeError, InvalidValueError

READY: Final = (np.ndarray, np.generic, str, bytes, int, float, complex)  # types that NumPy stacks as they are


def stacked(items: list[Any], split: SplitBatches, where: str = "item") -> Any:
    """Items of one structure as one: each field stacked along a new leading axis, in the framework's arrays."""
    first = items[0]
    if isinstance(first, (tuple, Mapping)):
        if not all(_alike(item, first) for item in items):
            raise InvalidValueError(
                f"{where} has another structure ({short(first)}, ...) than others of its batch: map the items to equal "
                "tuples or dicts before batch"
            )
        keys = list(first) if isinstance(first, Mapping) else range(len(first))
        parts = {key: stacked([item[key] for item in items], split, f"{where}[{key!r}]") for key in keys}
        return parts if isinstance(first, Mapping) else tuple(parts.values())
    array = _joined(items, where)
    return array if array.dtype.kind in "US" else split(array, len(array))[0]


def _alike(item: Any, first: Any) -> bool:
    """Whether two tuples or dicts have the same fields."""
    if type(item) is not type(first):
        return False
    return bool(item.keys() == first.keys() if isinstance(first, Mapping) else len(item) == len(first))


def _as_array(value: Any, where: str) -> npt.NDArray[Any]:
    """A list or a tensor as an array."""
    try:
        array = to_numpy(value)
    except ValueError:
        array = None  # a ragged list; older NumPy makes objects of it
    if array is None or (isinstance(value, list) and array.dtype.kind == "O"):
        raise InvalidValueError(f"{where}={short(value)} is a list that is no array: make its parts equally long")
    return array


def _joined(values: list[Any], where: str) -> npt.NDArray[Any]:
    """Numbers, strings or arrays of one shape as one array."""
    values = [value if isinstance(value, READY) else _as_array(value, where) for value in values]
    shapes = {getattr(value, "shape", ()) for value in values}
    if len(shapes) > 1:
        raise InvalidValueError(
            f"{where} has shapes {', '.join(map(str, sorted(shapes)))} in one batch: "
            "map the items to one shape before batch"
        )
    array = np.array(values)
    if array.dtype.kind in "USO":
        kinds = {np.asarray(value).dtype.kind for value in values}
        if len(kinds) > 1 or "O" in kinds:
            types = ", ".join(sorted({type(value).__name__ for value in values}))
            raise InvalidTypeError(
                f"{where} has values that no array can hold together ({types}, such as {short(values[0])}): "
                "map the items to numbers, arrays or strings before batch"
            )
    return array
