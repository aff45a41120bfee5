"""What a loader delivers: batches of any form and any framework, made into plain arrays some thousand rows at a time.

What comes in: iterables of batches, one a rank. What goes out: `Piece`s, in the order of delivery, and a `Log` of which
batch had how many rows. A batch may be

- ``(X, y)`` or ``(X, y, row numbers)``, in a tuple or a list;
- a mapping with these under one of the `KEYS`, whatever else it holds;
- row numbers alone, as samplers give them: an integer or a vector of integers;
- features alone, or features with the response behind them: numbers whose last axis is as long as a row.

X has the shape (rows, features), with any axes in front, or (features,) for a single row; y as many values. What a
loader hands out is copied at once, as some write the next batch into the same memory.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._errors import InvalidTypeError, InvalidValueError, PlantedError
from planted._input import floats, to_numpy
from planted._types import FloatArray, RowNumbers

Float64s = npt.NDArray[np.float64]

KEYS: Final = (
    ("x", "features", "inputs", "input"),
    ("y", "response", "targets", "target", "labels", "label"),
    ("index", "indices", "idx", "row", "rows", "row_number", "row_numbers"),
)
REMEDY: Final = "pass unpack=, a function that makes (X, y) or (X, y, row numbers) of a batch"
PIECE_VALUES: Final = 1 << 19
PIECE_BATCHES: Final = 1 << 14
TIMES: Final = 16  # as many rows as there are, and an epoch counts as one that never ends


class Piece(NamedTuple):
    """Rows in the order of their delivery."""

    values: Float64s | None  # (rows, features), or (rows, features + 1) with the response last; None if not delivered
    numbers: RowNumbers | None


class Fields(NamedTuple):
    """One batch, taken apart; a part that it does not have is None."""

    X: Any  # (rows, features), floats
    y: Any  # (rows), floats
    numbers: Any  # (rows), int64


@dataclass(slots=True)
class Log:
    """The batches of an epoch: of each its rows, its rank, and how many that rank had before."""

    sizes: Any = field(default_factory=lambda: array("q"))
    ranks: Any = field(default_factory=lambda: array("i"))
    steps: Any = field(default_factory=lambda: array("q"))
    rows: int = 0
    endless: bool = False

    def add(self, size: int, rank: int, step: int) -> None:
        """One more batch."""
        self.sizes.append(size)
        self.ranks.append(rank)
        self.steps.append(step)
        self.rows += size


def pieces(
    sources: Sequence[Iterable[Any]], n: int, features: int, unpack: Callable[[Any], Any] | None, log: Log
) -> Iterator[Piece]:
    """All batches of an epoch: first the first of each rank, then the second of each ...

    It ends after `TIMES` n rows, as some streams never do; the log then says so.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If a batch cannot be read, or is not of the form of those before it.
    """
    limit = TIMES * n + 1000
    held: list[Fields] = []
    rows = 0
    form: tuple[bool, ...] | None = None
    for count, (rank, step, batch) in enumerate(_in_turns(sources), 1):
        try:
            fields, size = _fields(batch if unpack is None else unpack(batch), features)
            X, y, numbers = fields
            parts = X is not None, y is not None, numbers is not None
            if parts != form:
                form = _same(parts, form)
        except (InvalidTypeError, InvalidValueError) as error:
            raise type(error)(f"batch {step}{f' of rank {rank}' * (len(sources) > 1)}: {error}") from error.__cause__
        log.add(size, rank, step)
        if size:
            held.append(fields)
            rows += size
        if rows * (features + 1) >= PIECE_VALUES or len(held) >= PIECE_BATCHES:
            yield _joined(held, rows, features)
            held, rows = [], 0
        if log.rows > limit or count > limit:
            log.endless = True
            break
    if held:
        yield _joined(held, rows, features)


def _in_turns(sources: Sequence[Iterable[Any]]) -> Iterator[tuple[int, int, Any]]:
    """Rank, step and batch, for as long as any rank has batches."""
    running = {rank: iter(source) for rank, source in enumerate(sources)}
    step = 0
    while running:
        for rank in list(running):
            try:
                batch = next(running[rank])
            except StopIteration:
                del running[rank]
            else:
                yield rank, step, batch
        step += 1


def _same(parts: tuple[bool, ...], form: tuple[bool, ...] | None) -> tuple[bool, ...]:
    if form is not None:
        raise InvalidValueError(
            f"it holds {_spelled(parts)}, those before it {_spelled(form)}: let all have the same parts"
        )
    return parts


def _spelled(parts: tuple[bool, ...]) -> str:
    return " and ".join(name for name, there in zip(("X", "y", "row numbers"), parts, strict=True) if there)


def _joined(held: Sequence[Fields], rows: int, features: int) -> Piece:
    numbers = None if held[0].numbers is None else np.concatenate([fields.numbers for fields in held])
    if held[0].X is None:
        return Piece(None, numbers)
    values = np.empty((rows, features + (held[0].y is not None)))
    with np.errstate(invalid="ignore"):  # what is not a number may come in any form
        np.concatenate([fields.X for fields in held], out=values[:, :features])
        if held[0].y is not None:
            np.concatenate([fields.y for fields in held], out=values[:, features])
    return Piece(values, numbers)


# ---- one batch ------------------------------------------------------------------------------------------------


def _fields(batch: Any, features: int) -> tuple[Fields, int]:
    """The parts of a batch, copied, and how many rows it has."""
    if isinstance(batch, Mapping):
        X, y, numbers = _by_key(batch)
    elif isinstance(batch, (tuple, list)) and not _is_number(batch):
        if len(batch) not in (2, 3):
            kinds = ", ".join(type(part).__name__ for part in batch[:4])
            raise InvalidValueError(f"it is a {type(batch).__name__} of {len(batch)} parts ({kinds}): {REMEDY}")
        X, y, numbers = batch if len(batch) == 3 else (*batch, None)
    else:
        X, y, numbers = _bare(batch, features)
    size = 0
    if X is not None:
        X = _matrix(X, features).copy()
        size = len(X)
    if y is not None:
        y = _floats(y, "y").reshape(-1).copy()
        if len(y) != size:
            raise InvalidValueError(f"it has {size} rows of X and {len(y)} values of y: let each row have one")
    if numbers is not None:
        numbers = _integers(numbers)
        if X is not None and len(numbers) != size:
            raise InvalidValueError(f"it has {size} rows and {len(numbers)} row numbers: let each row have one")
        size = len(numbers)
    return Fields(X, y, numbers), size


def _by_key(batch: Mapping[Any, Any]) -> tuple[Any, Any, Any]:
    known = {str(key).lower(): value for key, value in batch.items()}
    X, y, numbers = (next((known[key] for key in keys if key in known), None) for keys in KEYS)
    if X is None and (y is not None or numbers is None):
        raise InvalidValueError(f"it has the keys {sorted(map(str, batch))}, none of which is 'X': {REMEDY}")
    return X, y, numbers


def _bare(batch: Any, features: int) -> tuple[Any, Any, Any]:
    """Row numbers alone, features alone, or features with the response behind them."""
    try:
        values = to_numpy(batch)
    except (TypeError, ValueError):
        values = np.empty(0, object)
    if values.dtype.kind in "iu" and values.ndim <= 1:
        return None, None, values
    if values.dtype.kind not in "iuf":
        raise InvalidTypeError(f"it is a {type(batch).__name__}, in which X and y cannot be told apart: {REMEDY}")
    if values.ndim and values.shape[-1] == features + 1:
        return values[..., :features], values[..., features], None
    return values, None, None


def _matrix(values: Any, features: int) -> FloatArray:
    X = _floats(values, "X")
    if X.ndim > 1 and X.shape[-1] == features:
        return X if X.ndim == 2 else X.reshape(-1, features)
    if X.ndim < 2 and features == 1:
        return X.reshape(-1, 1)
    if X.ndim == 1 and X.size in (0, features):
        return X.reshape(-1, features)
    raise InvalidValueError(f"X has shape {X.shape}, and rows have {features} features: {REMEDY}")


def _floats(values: Any, name: str) -> FloatArray:
    if type(values) is np.ndarray and values.dtype.char in "fd":
        return values
    try:
        return floats(values, name, remedy=REMEDY)
    except PlantedError:
        raise
    except ValueError as error:  # of lists of unequal lengths
        raise InvalidValueError(f"{name} is no array of numbers ({error}): {REMEDY}") from None


def _integers(numbers: Any) -> RowNumbers:
    values = to_numpy(numbers).reshape(-1)
    if values.dtype.kind not in "iu" and values.size:
        raise InvalidTypeError(f"row numbers are {values.dtype}; they must be integers: {REMEDY}")
    return values.astype(np.int64)


def _is_number(batch: Sequence[Any]) -> bool:
    """Whether it holds numbers: row numbers, or, in a list, values."""
    kinds = (int, np.integer) if isinstance(batch, tuple) else (int, float, np.number)
    return len(batch) > 0 and isinstance(batch[0], kinds)
