"""Fields: the names of the parts of a row or a batch, for trainers that want dicts."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from planted._input import length
from planted.errors import InvalidTypeError, InvalidValueError


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
        raise InvalidValueError(
            f"fields={tuple(names)!r} are {len(names)} names, and a batch has {parts} parts: use one name for each, in "
            "order, such as fields=('x', 'y')"
        )
