"""Fields: the names of the parts of a row or a batch, for trainers that want dicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planted._input import length, rows_like
from planted._loader import Loader
from planted._pipeline import Pipeline
from planted.errors import InvalidTypeError, InvalidValueError


def rows_by_number(rows: Any, name: str, remedy: str) -> Any:
    """Anything with a length and a ``take``, but no stream, whose ``take`` means something else.

    Raises
    ------
    InvalidTypeError
        If it is none.
    """
    if isinstance(rows, (Loader, Pipeline)):
        kind = type(rows).__name__
        raise InvalidTypeError(f"{name} is a {kind}, and must be rows, of which the batches are then made: {remedy}")
    return rows_like(rows, name, ".rows")


def field_names(fields: Any, parts: int | None) -> tuple[str, ...] | None:
    """The names, as many as there are parts (None: not known yet); None if there are none.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If they are not different texts, or of another number.
    """
    if fields is None:
        return None
    if not isinstance(fields, (list, tuple)) or not all(isinstance(name, str) for name in fields):
        raise InvalidTypeError(f"fields={fields!r} must be a sequence of names: use fields=('x', 'y')")
    names = tuple(fields)
    if len(set(names)) != len(names):
        raise InvalidValueError(f"fields={names!r} must be different names: use fields=('x', 'y')")
    if parts is not None:
        _check(names, parts)
    return names


def parts_of(rows: Any) -> int | None:
    """How many arrays ``take`` gives, X and y for planted's rows; None if there is no row to see it by."""
    return len(rows.take(np.zeros(1, np.int64))) if length(rows) else None


def named(names: Sequence[str] | None, parts: Any) -> Any:
    """The parts as a dict of these names; as they are without names."""
    if names is None:
        return parts
    if not isinstance(parts, (tuple, list)):
        raise InvalidTypeError(
            f"fields={names!r} name the parts of a tuple such as (X, y), not of a {type(parts).__name__}: "
            "leave fields out"
        )
    _check(names, len(parts))
    return dict(zip(names, parts, strict=True))


def _check(names: Sequence[str], parts: int) -> None:
    if len(names) != parts:
        found = "is 1 name" if len(names) == 1 else f"are {len(names)} names"
        has = "1 part" if parts == 1 else f"{parts} parts"
        usual = ("x", "y", "index")[:parts]  # the last one with_index=True
        example = f", such as fields={usual!r}" if len(usual) == parts else ""
        raise InvalidValueError(
            f"fields={tuple(names)!r} {found}, and a batch has {has}: use one name for each, in order{example}"
        )
