"""Columns by name: in which order the columns of a learner are those of the rows.

Rows number their columns: ``x0``, ``x1``, ... in planted's own tables, ``x1``, ``x2``, ... where statsmodels names
them. A learner that kept such names tells by them which weight is which, wherever it stands. Names of somebody's own
tell nothing, and the columns are taken as they stand.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from planted._types import RowNumbers
from planted.errors import InvalidValueError

CONSTANTS: Final = {"const", "constant", "intercept", "(intercept)", "b", "bias"}  # how people name the intercept
NUMBERED: Final = re.compile(r"(.*?)[_\[ ]?(\d+)\]?", re.ASCII)
PLANTED: Final = {"", "x", "w"}  # before the number, in either case: a frame's own numbers, columns, weights


def is_constant(name: Any) -> bool:
    """Whether a column of this name is the intercept."""
    return str(name).lower() in CONSTANTS


def order(names: Iterable[Any]) -> RowNumbers | None:
    """Where the rows' columns 0, 1, ... are among these; None if they are as they stand.

    Raises
    ------
    InvalidValueError
        If the names number the columns in another order, and it is not clear which columns they are.

    Examples
    --------
    >>> order(["x2", "x0", "x1"]).tolist(), order(["x2", "x1"]).tolist()
    ([1, 2, 0], [1, 0])
    >>> order(["x1", "x2"]), order(["size", "age"])
    (None, None)
    """
    words = [str(name) for name in names]
    matches = [match for word in words if (match := NUMBERED.fullmatch(word))]
    prefixes = {match[1].lower() for match in matches}
    if len(matches) < len(words) or len(prefixes) != 1:
        return None
    numbers = np.array([float(match[2]) for match in matches])
    if (np.diff(numbers) > 0).all():
        return None
    ascending = np.argsort(numbers, kind="stable")
    first = numbers[ascending[0]]
    complete = first in (0, 1) and (np.diff(numbers[ascending]) == 1).all()
    if prefixes <= PLANTED and complete:
        return ascending
    shown = ", ".join(words if len(words) <= 6 else [*words[:5], "..."])
    raise InvalidValueError(
        f"the learner's columns are {shown}, in this order, and which of the rows' columns they are is not clear: name "
        f"them x0 to x{len(words) - 1}, or pass (w, b) with the weights in the order of the rows' columns"
    )
