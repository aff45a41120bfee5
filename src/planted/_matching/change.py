"""What may have been done to a column: negated, rounded, multiplied, ...

A `Change` says which expected column a delivered one is made of, and how. A `Rule` is a change of each column.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from planted._matching.delivery import Float64s
from planted._matching.expected import Flags, rounded

SINGLE: Final = 2.0**-23  # rounding in float32, relative to the value


@dataclass(frozen=True, slots=True)
class Change:
    """What was done to one column: it is `name` of column `source` of the expected rows, with the numbers a and b."""

    source: int
    name: str
    a: float = 0.0
    b: float = 0.0

    def of(self, values: Float64s) -> Float64s:
        """The column as it is delivered, of the source's values."""
        made: dict[str, Callable[[], Any]] = {
            "same": lambda: values,
            "constant": lambda: np.full(len(values), self.a),
            "negated": lambda: -values,
            "decimals": lambda: np.round(values, int(self.a)),
            "cut": lambda: np.trunc(values),
            "clipped": lambda: np.clip(values, self.a, self.b),
            "linear": lambda: self.a * values + self.b,
        }
        result: Float64s = made[self.name]() if self.name in made else rounded(values, self.name)
        return result

    def error(self, values: Float64s, eps: float) -> Any:
        """How far a delivered value may be from `of`, since it was computed at a precision of `eps`."""
        if self.name != "linear":  # which is computed in any order, of larger numbers perhaps
            return 4 * min(eps, SINGLE) * np.abs(self.of(values))
        size: Float64s = np.abs(self.a * values)
        return 4 * eps * (size + size.max(initial=0.0) + abs(self.b))

    def explains(self, delivered: Float64s, values: Float64s, eps: float) -> Flags:
        """Which delivered values it explains, of the source's values."""
        made = self.of(values)
        near: Flags = np.abs(delivered - made) <= self.error(values, eps)
        return near | (np.isnan(delivered) & np.isnan(made))


Rule: TypeAlias = tuple[Change | None, ...]  # of each column; None where it was changed in no simple way
