"""How a report says what was done to wrong rows: in sentences."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from planted._matching.change import Change, Rule
from planted._matching.delivery import Float64s
from planted._matching.expected import Expected
from planted._matching.explanation import WrongRows
from planted._types import FloatArray, RowNumbers

NAMED: Final = 4  # columns, or changes, that a sentence names
NEAR: Final = 1e-3  # how near to 0 and 1 are the moments of a column that was standardised, in low precision too
SHARE: Final = 0.9  # of a column's values that must be those of an expected one
SIZE: Final = 4  # rows of a batch whose moments are judged
SEARCHED: Final = 1 << 21  # expected values among which they are looked for
MOST_COLUMNS: Final = 8  # that an error names


def describe_rule(rule: Rule, expected: Expected, others: int) -> tuple[str, ...]:
    """A sentence for each thing that was done; `others` is how many altered rows the rule does not explain."""
    names = _names(expected)[: len(rule)]
    moments = _moments(expected) if any(change and change.name == "linear" for change in rule) else None
    alike: dict[str, list[int]] = {}
    for j, change in enumerate(rule):
        if change is not None and change.name not in ("same", expected.precision):
            alike.setdefault(_done(change, moments, expected.n), []).append(j)
    sentences = [f"{_columns(columns, names, expected.features)} {done}" for done, columns in alike.items()]
    more = len(sentences) - NAMED
    rest = [f"{more} more columns were changed alike"] if more > 0 else []
    rest += [f"{others:_} of the altered rows were changed in another way"] if others else []
    return (*_places(rule, names), *sentences[:NAMED], *rest)


def describe_normalisation(wrong: WrongRows, sizes: RowNumbers, features: int) -> tuple[str, ...]:
    """A sentence, if each of all rows was divided by its own length, or each batch standardised by itself."""
    X = wrong.values[:, :features]
    if len(X) != sizes.sum() or not np.isfinite(X).all():
        return ()
    if features > 1 and (np.abs((X**2).sum(axis=1) - 1) < NEAR).mean() >= SHARE:
        return ("each row of X was divided by its own length",)
    sizes = sizes[sizes > 0]
    starts = np.cumsum(sizes) - sizes
    mean = np.add.reduceat(X, starts, axis=0) / sizes[:, np.newaxis]
    square = np.add.reduceat(X**2, starts, axis=0) / sizes[:, np.newaxis]
    off = np.abs(np.sqrt(np.maximum(square - mean**2, 0)) - 1)
    standard = ((np.abs(mean) < NEAR) & (off < NEAR + 1 / sizes[:, np.newaxis])).all(axis=1)
    judged = sizes >= SIZE
    if judged.sum() > 1 and standard[judged].mean() >= SHARE:
        return ("X was standardised batch by batch (mean 0 and standard deviation 1 in each)",)
    return ()


def describe_columns(X: FloatArray, expected: Expected) -> str:
    """What each column of X is, where it has another number of columns than there are features; or nothing."""
    if X.ndim != 2 or not X.size:
        return ""
    if len(X) == expected.features:
        return "; it may be transposed"
    values = expected.take(np.arange(min(expected.n, SEARCHED // (expected.features + 1))))
    names = _names(expected)
    found = []
    for column in X.T.astype(np.float64):
        shares = [float(np.isin(column, of_all).mean()) for of_all in values.T]
        if (column == column[0]).all() and len(column) > 1:
            found.append(f"{column[0]:g} in every row")
        else:
            found.append(names[int(np.argmax(shares))] if max(shares) > SHARE else "unknown")
    if set(found) == {"unknown"}:
        return ""
    shown = ", ".join(found[:MOST_COLUMNS]) + (", ..." if len(found) > MOST_COLUMNS else "")
    return f"; column by column it is {shown}"


def _names(expected: Expected) -> list[str]:
    return [*(f"X[{j}]" for j in range(expected.features)), "y"]


def _places(rule: Rule, names: Sequence[str]) -> Iterator[str]:
    """Which columns came in the place of others."""
    moved = {j: change.source for j, change in enumerate(rule) if change is not None and change.source != j}
    if not moved:
        return
    held = [f"{names[j]} is {names[source]}" for j, source in moved.items()]
    text = ", ".join(held[:NAMED]) + (", ..." if len(held) > NAMED else "")
    if set(moved) != set(moved.values()):
        yield f"columns were put in the place of others: delivered {text}"
    elif len(moved) == 2:
        yield f"{names[min(moved)]} and {names[max(moved)]} were exchanged"
    else:
        yield f"columns were permuted: delivered {text}"


def _columns(columns: Sequence[int], names: Sequence[str], features: int) -> str:
    """Which columns, with the verb."""
    if len(columns) == len(names) > 1 and len(names) > features:
        return "all values were"
    if list(columns) == list(range(features)):
        return "X was"
    more = f" and {len(columns) - NAMED} more" if len(columns) > NAMED else ""
    return ", ".join(names[j] for j in columns[:NAMED]) + more + (" was" if len(columns) == 1 else " were")


class _Moments(NamedTuple):
    """Of each expected column."""

    mean: Float64s
    deviation: Float64s
    low: Float64s
    high: Float64s


def _moments(expected: Expected) -> _Moments:
    columns = expected.features + expected.responses
    total, squares = np.zeros(columns), np.zeros(columns)
    low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
    for _, values in expected.pieces():
        total += values.sum(axis=0)
        low, high = np.minimum(low, values.min(axis=0)), np.maximum(high, values.max(axis=0))
    mean = total / expected.n
    for _, values in expected.pieces():
        squares += ((values - mean) ** 2).sum(axis=0)
    return _Moments(mean, np.sqrt(squares / expected.n), low, high)


def _done(change: Change, moments: _Moments | None, n: int) -> str:
    """What was done to a column, as the end of a sentence."""
    a, b = change.a, change.b
    if change.name == "linear" and moments is not None:
        return _linear(a, b, _Moments(*(of_all[change.source] for of_all in moments)), n)
    return {
        "negated": "negated",
        "constant": f"replaced by {a:g}",
        "decimals": f"rounded to {a:.0f} decimal{'' if a == 1 else 's'}" if a else "rounded to whole numbers",
        "cut": "cut to whole numbers, as astype(int) does",
        "clipped": f"clipped to {_bounds(a, b)}",
    }.get(change.name, f"rounded to {change.name}")


def _bounds(low: float, high: float) -> str:
    if np.isinf(low):
        return f"at most {high:.6g}"
    return f"at least {low:.6g}" if np.isinf(high) else f"[{low:.6g}, {high:.6g}]"


def _linear(a: float, b: float, of_column: _Moments, n: int) -> str:
    mean, deviation, low, high = of_column
    scale = abs(a) * deviation
    if abs(a * mean + b) < NEAR and abs(scale - 1) < NEAR + 1 / n and b != 0 and abs(a - 1) > 2.0**-20:
        return "standardised (mean 0 and standard deviation 1)"
    ends = sorted((a * low + b, a * high + b))
    for first in (0, -1):
        if abs(ends[0] - first) < NEAR and abs(ends[1] - 1) < NEAR:
            return f"scaled to [{first}, 1]"
    if b == 0:
        return f"multiplied by {a:.6g}" if abs(a) >= 0.01 else f"divided by {1 / a:.6g}"
    if abs(a - 1) < 2.0**-20:
        if abs(mean + b) < NEAR * deviation:
            return "centred (mean 0)"
        return f"shifted by {b:.6g}"
    return f"multiplied by {a:.6g} and shifted by {b:.6g}"
