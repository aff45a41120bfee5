"""The columns of a table: what a file says of them, and which are wanted. One may hold several numbers a row."""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from reprlib import repr as short
from typing import Any, Final

import numpy as np

from planted._input import whole
from planted._rows import names_of
from planted._types import DType
from planted.errors import InvalidTypeError, InvalidValueError

MOST_COLUMNS: Final = 1 << 20
SHOWN: Final = 20
NAMELESS: Final = re.compile(
    r"\s*|Unnamed: \d+|__index_level_\d+__"
)  # of CSV; as pandas reads it; as it writes Parquet


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file."""

    name: str
    type: str  # as messages spell it, and as it must be in all files
    dtype: np.dtype[Any] | None  # of this machine's byte order; None if it does not hold numbers
    width: int = 1  # numbers a row
    remedy: str = "leave it out, or convert it to numbers"

    @property
    def row_bytes(self) -> int:
        """Bytes of a row's numbers, each of its own type."""
        return self.dtype.itemsize * self.width if self.dtype is not None else 0

    def __str__(self) -> str:
        """The name, if it has one, and the type."""
        lists = f"[{self.width}]" if self.dtype is not None and self.name and self.width > 1 else ""
        return f"column {self.name!r} of type {self.type}{lists}" if self.name else f"columns of type {self.type}"


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a file, in order; if `numbered`, a single one, whose numbers count as columns without names."""

    columns: tuple[Column, ...]
    numbered: bool = False

    def __len__(self) -> int:
        """How many columns a user sees."""
        return self.columns[0].width if self.numbered else len(self.columns)

    def difference(self, other: "Schema", wanted: Container[int]) -> str:
        """In what another file's columns differ, for messages; empty if in nothing, but for types of no concern."""
        if self.numbered != other.numbered:
            return "only in one of them they have names"
        sizes = f"{len(self)} and {len(other)} columns" if len(self) != len(other) else ""
        if self.numbered and sizes:
            return sizes
        for place, (mine, others) in enumerate(zip(self.columns, other.columns, strict=False)):
            if mine.name != others.name:
                return f"column {mine.name!r} and, in its place, {others.name!r}"
            if (mine.type, mine.width) != (others.type, others.width) and (self.numbered or place in wanted):
                return f"{mine} and {others}"
        return sizes


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns that are wanted, the response last."""

    names: tuple[str | int, ...]
    places: tuple[int, ...]  # in the schema; of a numbered one, in its only column
    features: int
    dtype_name: DType  # that all values fit
    widths: tuple[int, ...] = ()  # how many features each name stands for; none where columns have no names

    def columns(self) -> list[str]:
        """A name for each feature, and that of the response."""
        widths = getattr(self, "widths", ())  # pickles of before have none
        if not widths:
            return names_of(self.features)
        *features, response = map(str, self.names)
        wide = zip(features, widths, strict=True)
        return [*(name if width == 1 else f"{name}{k}" for name, width in wide for k in range(width)), response]


def choose(schema: Schema, features: Any, response: Any, label: str) -> Chosen:
    """Find the columns that a user names in the schema of a file."""
    if len(schema) > MOST_COLUMNS:
        raise InvalidValueError(f"{label} has {len(schema)} columns, and a table at most {MOST_COLUMNS}: use fewer")
    place_of = _numbers(schema, label) if schema.numbered else _names(schema, label)
    last = place_of(response, "response")
    if features is None:
        wanted = [place for place in range(len(schema)) if place != last]
        _refuse_nameless(schema, wanted, label)
    elif isinstance(features, (str, bytes)) or not isinstance(features, Iterable):
        raise InvalidTypeError(f"features={features!r} must be a list of columns: use features=[{features!r}]")
    else:
        wanted = [place_of(feature, "features") for feature in features]
    places = (*wanted, last)
    names = tuple(place if schema.numbered else schema.columns[place].name for place in places)
    if last in wanted:
        raise InvalidValueError(f"response={names[-1]!r} is among the features, too: leave it out there")
    if len(set(wanted)) < len(wanted):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InvalidValueError(f"features name column {twice!r} twice: name each once")
    columns = list(schema.columns) if schema.numbered else [schema.columns[place] for place in places]
    width = len(wanted) if schema.numbered else sum(column.width for column in columns[:-1])
    _compare(columns, schema.numbered, width, label)
    fits = all(column.dtype is not None and np.can_cast(column.dtype, np.float32) for column in columns)
    widths = () if schema.numbered else tuple(column.width for column in columns[:-1])
    return Chosen(names, places, width, "float32" if fits else "float64", widths)


def _refuse_nameless(schema: Schema, wanted: list[int], label: str) -> None:
    """Refuse to take a column that has no name, such as the index that pandas writes, for a feature unasked."""
    names = [schema.columns[place].name for place in wanted] if not schema.numbered else []
    nameless = [name for name in names if NAMELESS.fullmatch(name)]
    if nameless:
        others = [name for name in names if name not in nameless]
        use = f"features={others!r}" if len(others) <= SHOWN else "features=[...]"
        raise InvalidValueError(
            f"{label} has a column {nameless[0]!r}, which is no name that anyone gave it: if it is the index that "
            f"pandas writes, write the file again with index=False, or name the columns that are wanted, {use}"
        )


def _compare(columns: list[Column], numbered: bool, width: int, label: str) -> None:
    """Whether these columns hold numbers, and the last of them, the response, single ones."""
    for column in columns:
        if column.dtype is None:
            raise InvalidTypeError(f"{column} of {label} holds no numbers: {column.remedy}")
    if not numbered and columns[-1].width != 1:
        raise InvalidValueError(
            f"response={columns[-1].name!r} has {columns[-1].width} numbers a row in {label}, and a response is one: "
            "name a column of single numbers"
        )
    if not 1 <= width <= MOST_COLUMNS:
        raise InvalidValueError(
            f"{label} has {width} features beside the response, and a table 1 to {MOST_COLUMNS}: name other columns"
        )


def _numbers(schema: Schema, label: str) -> Callable[[Any, str], int]:
    """How the columns of a matrix are found: by number."""

    def place_of(name: Any, argument: str) -> int:
        if isinstance(name, (str, bytes)):
            raise InvalidTypeError(
                f"{argument}: {name!r} is no column of {label}, whose {len(schema)} columns have no names: use their "
                "numbers, such as response=-1"
            )
        number = whole(name, argument, rule="the number of a column", remedy="such as -1 for the last")
        if not -len(schema) <= number < len(schema):
            raise InvalidValueError(
                f"{argument}: {label} has no column {number}: use 0 to {len(schema) - 1}, or -1 for the last"
            )
        return number % len(schema)

    return place_of


def _names(schema: Schema, label: str) -> Callable[[Any, str], int]:
    """How the columns of all else are found: by name."""
    places = {column.name: place for place, column in enumerate(schema.columns)}
    counts = Counter(column.name for column in schema.columns)
    more = f" and {len(schema) - SHOWN} more" if len(schema) > SHOWN else ""
    lower = {column.name.lower(): column.name for column in schema.columns}
    known = ", ".join(short(column.name) for column in schema.columns[:SHOWN]) + more

    def place_of(name: Any, argument: str) -> int:
        if not isinstance(name, str):
            raise InvalidTypeError(f"{argument}: {name!r} must be the name of a column: {label} has {known}")
        if counts[name] > 1:
            raise InvalidValueError(
                f"{argument}: {label} has {counts[name]} columns {name!r}: name one of {known}, or give each a name"
            )
        if not counts[name]:
            near = get_close_matches(name.lower(), lower, 1)
            use = f"use {lower[near[0]]!r}, or another" if near else "name one"
            raise InvalidValueError(f"{argument}: {label} has no column {short(name)}: {use} of {known}")
        return places[name]

    return place_of
