"""The frameworks that planted knows, found by name and imported only when one is asked for.

What planted needs of a framework it asks of the public module of that name, its door: how an array is split into that
framework's minibatches, and which of how many processes this one is.
"""

import importlib
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeAlias, cast

import numpy as np

from planted.errors import InvalidValueError

FRAMEWORKS: Final = ("jax", "mxnet", "tensorflow", "torch")  # each has a door
ALIASES: Final = {  # other words for them
    "np": "numpy",
    "pytorch": "torch",
    "lightning": "torch",
    "flax": "jax",
    "jax.numpy": "jax",
    "jnp": "jax",
    "tf": "tensorflow",
    "keras": "tensorflow",
    "gluon": "mxnet",
}

SplitBatches: TypeAlias = Callable[[Any, int], Sequence[Any]]


def splitter(framework: str) -> SplitBatches:
    """The function that splits an array into the framework's minibatches of a given number of rows.

    Raises
    ------
    InvalidValueError
        If no framework of that name is known.
    MissingDependencyError
        If it is not installed.

    Examples
    --------
    >>> [part.tolist() for part in splitter("numpy")(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    if framework == "numpy":
        return _slices
    if framework not in FRAMEWORKS:
        raise InvalidValueError(
            f"framework={framework!r} must be 'numpy' or one of {', '.join(map(repr, FRAMEWORKS))}{_nearest(framework)}"
        )
    split: SplitBatches = importlib.import_module(f"planted.{framework}").minibatches
    return split


def _nearest(framework: object) -> str:
    """The name that was probably meant, as the end of a message."""
    word = str(getattr(framework, "__name__", framework)).lower()  # of a module, too
    found = [ALIASES[word]] if word in ALIASES else get_close_matches(word, ("numpy", *FRAMEWORKS), 1)
    return f": did you mean {found[0]!r}?" if found else ""


def rank_and_world_size(framework: str) -> tuple[int, int]:
    """Which process of how many this one is, as the framework was told.

    Raises
    ------
    InvalidValueError
        If the framework knows no processes.
    ProcessGroupError
        If it has not been told.
    """
    door = None if framework == "numpy" else importlib.import_module(f"planted.{framework}")
    process = getattr(door, "process", None)
    if process is None:
        raise InvalidValueError(
            f"rank='auto' with framework={framework!r}, which knows no ranks: use framework='torch' or 'jax', or pass "
            "rank= and world_size="
        )
    rank, world_size = process()
    return int(rank), int(world_size)


def _slices(array: Any, size: int) -> Sequence[Any]:
    """NumPy's own minibatches: views of `size` rows; one, of no rows, if there are none."""
    if isinstance(array, np.ndarray) and size and len(array) and len(array) % size == 0:
        return cast("Sequence[Any]", array.reshape(-1, size, *array.shape[1:]))  # iterating is twice as fast as slicing
    return [array[i : i + size] for i in range(0, max(1, len(array)), max(1, size))]
