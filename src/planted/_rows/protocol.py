"""What rows are, to all who read them: the protocol that rows of a user's own meet, too."""

from typing import Any, Protocol, runtime_checkable

from planted._truth import LinearTruth


@runtime_checkable
class Rows(Protocol):
    """Rows of known truth: whatever has a truth, a length and a vectorised `take`.

    Nothing more is asked for: `Loader`, `least_squares`, `sgd`, `check` and `audit` take rows of your own. Only `write`
    needs planted's own, since it keeps the arguments that make them again.

    Examples
    --------
    >>> import numpy as np, planted
    >>> class Reversed:
    ...     def __init__(self, rows):
    ...         self.rows, self.truth = rows, rows.truth
    ...
    ...     def __len__(self):
    ...         return len(self.rows)
    ...
    ...     def take(self, rows):
    ...         return self.rows.take(len(self.rows) - 1 - np.asarray(rows))
    >>> mine = Reversed(planted.regression(w=[2.0, -3.4], b=4.2, n=1_000))
    >>> isinstance(mine, planted.Rows)
    True
    """

    @property
    def truth(self) -> LinearTruth:
        """What is planted."""
        ...

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def take(self, rows: Any, /) -> tuple[Any, Any]:
        """Rows by number, in any order: X of shape (rows, features) and y of shape (rows, 1)."""
        ...


Rows.__module__ = "planted"  # in the class body, mypy takes it for a member
