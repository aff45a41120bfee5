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
from planted.errors import InvalidTypeError, InvalidValueError

CONSTANTS: Final = {"const", "constant", "intercept", "(intercept)", "b", "bias"}  # how people name the intercept
NUMBERED: Final = re.compile(r"(.*?)[_\[ ]?(\d+)\]?", re.ASCII)
PLANTED: Final = {"", "x", "w"}  # before the number, in either case: a frame's own numbers, columns, weights
QUOTED: Final = re.compile(r"Q\((['\"])(.*)\1\)")  # how a formula writes any name
TERM: Final = re.compile(r"\w\(|\S:\S")  # in a formula's name for a column: a function, or a product of columns


def is_constant(name: Any) -> bool:
    """Whether a column of this name is the intercept."""
    return str(name).lower() in CONSTANTS


def order(names: Iterable[Any]) -> RowNumbers | None:
    """Where the rows' columns 0, 1, ... are among these; None if they are as they stand.

    Raises
    ------
    InvalidValueError
        If the names number the columns in another order, and it is not clear which columns they are.
    InvalidTypeError
        If y is among numbered columns.

    Examples
    --------
    >>> order(["x2", "x0", "x1"]).tolist(), order(["x2", "x1"]).tolist()
    ([1, 2, 0], [1, 0])
    >>> order(["x1", "x2"]), order(["size", "age"])
    (None, None)
    """
    words = [unquoted(name) for name in names]
    matches = [match for word in words if (match := NUMBERED.fullmatch(word))]
    prefixes = {match[1].lower() for match in matches}
    if "y" in words and len(matches) == len(words) - 1 > 0 and prefixes <= PLANTED:
        raise InvalidTypeError(
            f"the learner's columns are {_shown(words)}: y is the response, not a feature: fit y to the features alone"
        )
    if len(matches) < len(words) or len(prefixes) != 1:
        return None
    numbers = np.array([float(match[2]) for match in matches])
    if (np.diff(numbers) > 0).all():
        return None
    ascending = np.argsort(numbers, kind="stable")
    first, steps = numbers[ascending[0]], np.diff(numbers[ascending])
    ours = prefixes <= PLANTED and first in (0, 1)
    if ours and (steps == 1).all():
        return ascending
    if ours and (steps > 0).all():
        gap = int(np.argmax(steps > 1))
        number = int(numbers[ascending[gap]]) + 1
        name = matches[0].string.replace(matches[0][2], str(number))
        raise InvalidValueError(
            f"the learner's columns are {_shown(words)}, and {name} is missing: fit all of the rows' columns, or pass "
            "(w, b) with one weight for each of them"
        )
    raise InvalidValueError(
        f"the learner's columns are {_shown(words)}, in this order, and which of the rows' columns they are is not "
        f"clear: name them x0 to x{len(words) - 1}, or pass (w, b) with the weights in the order of the rows' columns"
    )


def unquoted(name: Any) -> str:
    """A column's name as it is in the table.

    >>> unquoted("Q('x1')"), unquoted("x1")
    ('x1', 'x1')
    """
    match = QUOTED.fullmatch(str(name))
    return match[2] if match else str(name)


def refuse_terms(names: Iterable[Any], kind: str) -> None:
    """Refuse columns that a formula made of the rows' features, by the names that it gives them."""
    terms = [name for name in map(unquoted, names) if TERM.search(name)]
    if terms:
        raise InvalidTypeError(
            f"{kind} has a weight for {terms[0]}, which is none of the rows' features: write a formula of the columns "
            "alone, such as 'y ~ x0 + x1'"
        )


def _shown(words: list[str]) -> str:
    return ", ".join(words if len(words) <= 6 else [*words[:5], "..."])
