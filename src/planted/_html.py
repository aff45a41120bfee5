"""Tables for notebooks."""

import html
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy.typing as npt

ROWS: Final = 5
COLUMNS: Final = 8


def table(caption: str, names: Sequence[str], lines: Iterable[Sequence[object]], rest: str = "") -> str:
    """A table of texts, which are escaped, under the names of its columns; `rest` says what is left out.

    >>> table("a < b", ["a"], [[1]])
    '<table><caption>a &lt; b</caption><tr><th>a</th></tr><tr><td>1</td></tr></table>'
    """
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in line) + "</tr>" for line in lines)
    more = f"<tr><td colspan='{len(names)}'>{html.escape(rest)}</td></tr>" if rest else ""
    return f"<table><caption>{html.escape(caption)}</caption><tr>{head}</tr>{body}{more}</table>"


def rows_table(
    caption: str, names: Sequence[str], X: npt.NDArray[Any], y: npt.NDArray[Any], n: int, *, numbered: bool = True
) -> str:
    """The first of `n` rows: X of shape (rows, features), y of shape (rows, 1), and their names, the response last.

    Their numbers stand before them, unless the rows do not know them.
    """
    shown, columns = min(ROWS, len(X)), min(COLUMNS, X.shape[1])
    more = ["…"] if columns < X.shape[1] else []
    lines = [[*[i] * numbered, *(f"{x:.4g}" for x in X[i, :columns]), *more, f"{y[i, 0]:.4g}"] for i in range(shown)]
    rest = f"… of {n:,} rows" if shown < n else ""
    return table(caption, [*["row"] * numbered, *names[:columns], *more, names[-1]], lines, rest)
