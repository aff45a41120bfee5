"""The sample: the rows that a learner saw, whether it was handed them, a loader of them, or a module of data.

Rows are whatever has a length and `take`; those to check against have a truth as well.
"""

import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

import numpy as np

from planted._input import floats, length
from planted._rows import Rows
from planted._truth import LinearTruth
from planted._types import Batch, FloatArray
from planted.errors import InvalidTypeError, InvalidValueError

BLOCK_ROWS: Final = 8192
MANY: Final = 1 << 34  # values that take minutes to read: whoever asks for more is told
TIMED: Final = 4  # blocks by which the time of all is estimated
PART: Final = 1 << 26  # values that take a second
PAIR: Final = "pass (X, y) with X of shape (rows, features) and y of shape (rows,) or (rows, 1)"


class HasRows(Protocol):
    """A loader, or another thing that reads rows and knows them."""

    @property
    def rows(self) -> Any:
        """The rows that it reads."""
        ...


class HasTrainLoader(Protocol):
    """A module of data, whose training rows are meant."""

    def train_dataloader(self) -> Any:
        """What a trainer reads."""
        ...


Data: TypeAlias = Rows | HasRows | HasTrainLoader


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """X and y as rows, of known truth or of none."""

    X: FloatArray
    y: FloatArray
    truth: LinearTruth | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, rows: Any) -> tuple[FloatArray, FloatArray]:
        return self.X[rows], self.y[rows]


def rows_in(data: Any) -> Any:
    """The rows themselves, or those that a loader, a dataset or a module of data trains on; None if there are none.

    A module's rows for validation are not among them.

    Raises
    ------
    InvalidTypeError
        If each epoch reads other rows.
    """
    if isinstance(getattr(data, "truth", None), LinearTruth):
        return data if hasattr(data, "take") and hasattr(data, "__len__") else None
    if any(getattr(data, name, False) is True for name in ("fresh", "streaming")):
        raise InvalidTypeError(
            f"{type(data).__name__} reads other rows in each epoch: pass all that were seen, planted.rows(rows.truth, "
            "epochs * len(rows), seed=rows.seed)"
        )
    if hasattr(data, "indices"):  # some of a dataset's rows: which, only the trainer knows
        return None
    count = getattr(data, "num_train", None)  # the book's module: the training rows come first
    for name in ("rows", "train", "loader", "dataset"):
        inner = getattr(data, name, None)
        if inner is not None and not callable(inner) and (found := rows_in(inner)) is not None:
            return found.split(count)[0] if count is not None and hasattr(found, "split") else found
    if count is not None and all(hasattr(data, name) for name in ("w", "b", "noise", "X", "y")):
        return _pairs(data.X[:count], data.y[:count], LinearTruth(data.w, data.b, data.noise))
    if callable(getattr(data, "train_dataloader", None)):
        return rows_in(data.train_dataloader())
    return data if hasattr(data, "take") and hasattr(data, "__len__") and not hasattr(data, "rows") else None


def sample_of(data: Any) -> Any:
    """What to fit: rows of any kind, those of a loader, or a pair of arrays (X, y).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If it is none of these.
    """
    if isinstance(data, tuple) and len(data) == 2:
        return _pairs(*data)
    if hasattr(data, "iloc") or hasattr(data, "shape"):
        raise InvalidTypeError(
            f"{type(data).__name__} is neither rows nor (X, y): pass the columns of the features and that of the "
            "response, (table[features], table[response])"
        )
    rows = rows_in(data)
    if rows is None:
        raise InvalidTypeError(f"{type(data).__name__} is neither rows nor (X, y): pass planted.rows(...) or (X, y)")
    return rows


def features_of(rows: Any) -> int:
    """How many features a row has, as rows say, their truth, or the first of them."""
    for thing in (rows, getattr(rows, "truth", None)):
        if isinstance(count := getattr(thing, "features", None), int):
            return count
    return int(_checked(rows, np.arange(min(1, length(rows)))).X.shape[1])


def block_rows(features: int) -> int:
    """How many rows are read at a time."""
    return max(BLOCK_ROWS, 4 * features)


def blocks(rows: Any, features: int) -> Iterator[Batch]:
    """All rows in their order, some thousands at a time; where they take minutes, a warning says so."""
    parts = _blocks(rows, features)
    return _told(parts, rows, features) if length(rows) * (features + 1) > MANY else parts


def _blocks(rows: Any, features: int) -> Iterator[Batch]:
    n, step = length(rows), block_rows(features)
    for i in range(0, n, step):
        X, y = _checked(rows, np.arange(i, min(i + step, n)))
        if X.shape[1] != features:
            raise InvalidValueError(f"take of {type(rows).__name__} gave {X.shape[1]} features, not {features}")
        yield Batch(X, y)


def _told(parts: Iterator[Batch], rows: Any, features: int) -> Iterator[Batch]:
    """The same blocks; after a few of them a warning of how long all will take."""
    n, read, start = length(rows), 0, 0.0
    for i, part in enumerate(parts):
        if i == 1:  # what the first one takes, such as compiling, comes but once
            start = time.perf_counter()
        elif i == TIMED + 1:
            seconds = (time.perf_counter() - start) / read * n
            few = max(10 * (features + 1), 10 ** int(np.log10(PART / (features + 1))))
            remedy = f"; to read a part, pass rows.split({few:_})[0]" if hasattr(rows, "split") else ""
            warnings.warn(f"all {n:_} rows are read, which takes about {_duration(seconds)}{remedy}", stacklevel=5)
        yield part
        read += len(part.X) if i else 0


def _duration(seconds: float) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}s"
    return f"{max(seconds, 2):.0f} seconds"


def _checked(rows: Any, numbers: Any) -> Batch:
    """Rows by number, as arrays; whatever else someone's `take` gives is refused."""
    taken, kind = rows.take(numbers), type(rows).__name__
    if not isinstance(taken, (tuple, list)) or len(taken) != 2:
        count = f" of {len(taken)}" if isinstance(taken, (tuple, list)) else ""
        raise InvalidTypeError(
            f"take of {kind} gave a {type(taken).__name__}{count}; it must give a tuple (X, y): X of shape (rows, "
            "features) and y of shape (rows, 1)"
        )
    rule = f"take of {kind} must give X of shape (rows, features) and y of shape (rows, 1)"
    X, y = floats(taken[0], "X", remedy=rule), floats(taken[1], "y", remedy=rule)
    if X.ndim != 2 or len(X) != len(numbers) or y.ndim not in (1, 2) or y.size != len(numbers):
        raise InvalidValueError(f"for {len(numbers)} rows, X has shape {X.shape} and y shape {y.shape}: {rule}")
    return Batch(X, y.reshape(-1, 1))


def _pairs(X: Any, y: Any, truth: LinearTruth | None = None) -> Pairs:
    X, y = floats(X, "X", remedy=PAIR), floats(y, "y", remedy=PAIR)
    if X.ndim != 2 or y.size != len(X) or y.ndim > 2:
        raise InvalidValueError(f"X of shape {X.shape} and y of shape {y.shape} do not match: {PAIR}")
    return Pairs(X, y.reshape(-1, 1), truth)
