"""Rows as lines of text: a table for people, or CSV for programs."""

from collections.abc import Iterator
from typing import Any, Final

from planted._rows import Rows

CELLS: Final = 1 << 20  # in a piece of text: a few megabytes, however many rows are listed
WIDTH: Final = 12


def listing(rows: Rows, first: int, last: int, style: str) -> Iterator[str]:
    """Text of the rows from `first` on, up to `last`, piece by piece; a piece ends with the end of a line.

    Numbers in CSV are the shortest that read back as the same float32 or float64.
    """
    features = rows.truth.features
    yield _lines([["row", *(f"x{j}" for j in range(features)), "y"]], style)
    step = max(1, CELLS // (features + 2))
    for start in range(first, last, step):
        stop = min(start + step, last)
        X, y = rows.take(range(start, stop))
        columns = [map(str, range(start, stop)), *(_texts(column, style) for column in (*X.T, *y.T))]
        yield _lines(zip(*columns, strict=True), style)


def _texts(column: Any, style: str) -> Iterator[str]:
    if style == "csv":
        return map(str, column)  # NumPy's shortest; Python's `str` of a float32 would be of a float64
    return map("{:.6g}".format, column.tolist())


def _lines(rows: Any, style: str) -> str:
    if style == "csv":
        return "".join(",".join(cells) + "\n" for cells in rows)
    return "".join(" ".join(cell.rjust(WIDTH) for cell in cells) + "\n" for cells in rows)
