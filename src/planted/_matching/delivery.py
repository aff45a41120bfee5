"""What a loader delivers: batches of any form and any framework, made into plain arrays of some thousand rows.

A batch may be

- ``(X, y)`` or ``(X, y, row numbers)``, in a tuple or a list;
- a mapping with these under one of the `KEYS`, and anything else beside them;
- row numbers alone, as samplers give them: an integer or a vector of integers;
- features alone, or features followed by the response: numbers whose last axis is as long as a row.

X has the shape (rows, features), with any axes in front, or (features,) for a single row; y has one value a row. Each
batch is copied before the next one is read, since some loaders reuse its memory for the next.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from planted._input import floats, to_numpy
from planted._types import FloatArray, RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError, PlantedError

Float64s = npt.NDArray[np.float64]
Form: TypeAlias = tuple[bool, bool, bool]  # whether a batch has X, y, row numbers

KEYS: Final = (
    ("x", "features", "inputs", "input", "data"),
    ("y", "response", "targets", "target", "labels", "label"),
    ("index", "indices", "idx", "row", "rows", "row_number", "row_numbers"),
)
REMEDY: Final = "pass unpack=, a function that makes (X, y) or (X, y, row numbers) of a batch"
PIECE_VALUES: Final = 1 << 19
PIECE_BATCHES: Final = 1 << 14
ENDLESS_EPOCHS: Final = 16  # an epoch of this many times as many rows as there are is taken for one that never ends


class WrongColumnsError(InvalidValueError):
    """X of a batch has other columns than the rows have features."""

    def __init__(self, message: str, X: FloatArray) -> None:
        super().__init__(message)
        self.X = X


class Piece(NamedTuple):
    """Rows in the order of their delivery."""

    values: Float64s | None  # (rows, features), or (rows, features + 1) with the response last; None if not delivered
    numbers: RowNumbers | None  # None if not delivered


class Parts(NamedTuple):
    """The parts of one batch; None for each part that it does not have."""

    X: Any  # (rows, features), floats
    y: Any  # (rows,), floats
    numbers: Any  # (rows,), int64

    def form(self) -> Form:
        """Which parts there are."""
        return self.X is not None, self.y is not None, self.numbers is not None


@dataclass(slots=True)
class Log:
    """The batches of an epoch, in the order of delivery."""

    sizes: Any = field(default_factory=lambda: array("q"))  # rows of each batch
    ranks: Any = field(default_factory=lambda: array("i"))  # the rank that it came from
    steps: Any = field(default_factory=lambda: array("q"))  # how many batches that rank had delivered before
    rows: int = 0
    endless: bool = False

    def add(self, size: int, rank: int, step: int) -> None:
        """Note one more batch."""
        self.sizes.append(size)
        self.ranks.append(rank)
        self.steps.append(step)
        self.rows += size


def pieces(
    sources: Sequence[Iterable[Any]], n: int, features: int, unpack: Callable[[Any], Any] | None, log: Log
) -> Iterator[Piece]:
    """All batches of an epoch: the first of each rank, then the second of each, and so on, noted in `log`.

    Stops after `ENDLESS_EPOCHS` times n rows, since some streams never end; `log.endless` is then true.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If a batch cannot be read, or has other parts than the batches before it.
    """
    most = ENDLESS_EPOCHS * n + 1000  # of rows, and of batches, which may be empty
    held: list[Parts] = []
    rows = 0
    form: Form | None = None
    for count, (rank, step, batch) in enumerate(_in_turns(sources), 1):
        try:
            parts, size = _parts(batch if unpack is None else unpack(batch), features)
            form = form or parts.form()
            _check_form(parts.form(), form)
        except (InvalidTypeError, InvalidValueError) as error:
            of_rank = f" of rank {rank}" if len(sources) > 1 else ""
            message = f"batch {step}{of_rank}: {error}"
            if isinstance(error, WrongColumnsError):
                raise WrongColumnsError(message, error.X) from None
            raise type(error)(message) from error.__cause__
        log.add(size, rank, step)
        if size:
            held.append(parts)
            rows += size
        if rows * (features + 1) >= PIECE_VALUES or len(held) >= PIECE_BATCHES:
            yield _joined(held, rows, features)
            held, rows = [], 0
        if log.rows > most or count > most:
            log.endless = True
            break
    if held:
        yield _joined(held, rows, features)


def _in_turns(sources: Sequence[Iterable[Any]]) -> Iterator[tuple[int, int, Any]]:
    """Rank, step and batch, as long as any rank has batches."""
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


def _check_form(form: Form, first: Form) -> None:
    if form != first:
        raise InvalidValueError(
            f"it holds {_named(form)}, those before it {_named(first)}: give all batches the same parts"
        )


def _named(form: Form) -> str:
    return " and ".join(name for name, there in zip(("X", "y", "row numbers"), form, strict=True) if there)


def _joined(held: Sequence[Parts], rows: int, features: int) -> Piece:
    numbers = None if held[0].numbers is None else np.concatenate([parts.numbers for parts in held])
    if held[0].X is None:
        return Piece(None, numbers)
    values = np.empty((rows, features + (held[0].y is not None)))
    with np.errstate(invalid="ignore"):  # NaNs of any kind may come
        np.concatenate([parts.X for parts in held], out=values[:, :features])
        if held[0].y is not None:
            np.concatenate([parts.y for parts in held], out=values[:, features])
    return Piece(values, numbers)


# ---- one batch ------------------------------------------------------------------------------------------------


def _parts(batch: Any, features: int) -> tuple[Parts, int]:
    """The parts of a batch, copied, and how many rows it has."""
    if isinstance(batch, Mapping):
        X, y, numbers = _by_key(batch, features)
    elif isinstance(batch, (tuple, list)) and not _holds_numbers(batch):
        if len(batch) == 1:  # as of a TensorDataset of X alone
            return _parts(batch[0], features)
        if len(batch) not in (2, 3):
            kinds = ", ".join(type(part).__name__ for part in batch[:4])
            more = "; if the first two are X and y, unpack=lambda batch: batch[:2]" if batch else ""
            raise InvalidValueError(f"it is a {type(batch).__name__} of {len(batch)} parts ({kinds}): {REMEDY}{more}")
        X, y, numbers = batch if len(batch) == 3 else (*batch, None)
    else:
        X, y, numbers = _by_shape(batch, features)
    size = 0
    if X is not None:
        X = _matrix(X, features).copy()
        size = len(X)
    if y is not None:
        y = _floats(y, "y").reshape(-1).copy()
        if len(y) != size:
            raise InvalidValueError(f"it has {size} rows of X and {len(y)} values of y: give each row one")
    if numbers is not None:
        numbers = _integers(numbers)
        if X is not None and len(numbers) != size:
            raise InvalidValueError(f"it has {size} rows and {len(numbers)} row numbers: give each row one")
        size = len(numbers)
    return Parts(X, y, numbers), size


def _by_key(batch: Mapping[Any, Any], features: int) -> tuple[Any, Any, Any]:
    known = {str(key).lower(): value for key, value in batch.items()}
    X, y, numbers = (next((known[key] for key in keys if key in known), None) for keys in KEYS)
    columns = [f"x{j}" for j in range(features)]
    if X is None and all(column in known for column in columns):
        X = np.stack([_floats(known[column], column).reshape(-1) for column in columns], axis=1)
    if X is None and (y is not None or numbers is None):
        raise InvalidValueError(f"it has the keys {sorted(map(str, batch))}, none of which is 'X': {REMEDY}")
    return X, y, numbers


def _by_shape(batch: Any, features: int) -> tuple[Any, Any, Any]:
    """Row numbers alone, features alone, or features followed by the response."""
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
    raise WrongColumnsError(f"X has shape {X.shape}, and rows have {features} features", X)


def _floats(values: Any, name: str) -> FloatArray:
    if type(values) is np.ndarray and values.dtype.char in "fd":
        return values
    try:
        return floats(values, name, remedy=REMEDY)
    except PlantedError:
        raise
    except ValueError as error:  # lists of unequal lengths
        raise InvalidValueError(f"{name} is not an array of numbers ({error}): {REMEDY}") from None


def _integers(numbers: Any) -> RowNumbers:
    values = to_numpy(numbers).reshape(-1)
    if values.dtype.kind not in "iu" and values.size:
        raise InvalidTypeError(
            f"row numbers are {values.dtype}; they must be integers: if the third part of a batch is something else, "
            "leave it out, with unpack=lambda batch: batch[:2]"
        )
    return values.astype(np.int64)


def _holds_numbers(batch: Sequence[Any]) -> bool:
    """Whether a tuple holds row numbers, or a list row numbers or values, rather than the parts of a batch."""
    kinds = (int, np.integer) if isinstance(batch, tuple) else (int, float, np.number)
    return len(batch) > 0 and isinstance(batch[0], kinds)
