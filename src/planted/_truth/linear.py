"""The linear truth: the weights, the intercept and the noise of ``y = X w + b + noise e``.

The features are standard normal, independent of each other and of the noise, which is normal too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._input import real, vector
from planted._truth.digest import Digested
from planted.errors import InvalidValueError

_FIELDS: Final = {"w", "b", "noise"}


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class LinearTruth(Digested):
    """The known answer: ``y = X w + b + noise e`` with standard normal X and e.

    X has shape (rows, features), y and e have shape (rows, 1); all values of X and e are independent, of mean 0 and
    variance 1. `rows` makes them. A truth is compared, pickled and written to JSON without losing a bit.

    Parameters
    ----------
    w
        The weights, shape (features,), (features, 1) or (1, features): a list, an array or any framework's
        tensor. Kept as float64, so a float32 tensor keeps exactly the value that it had.
    b
        The intercept, in the units of y.
    noise
        The standard deviation of the noise, in the units of y; not negative.

    Raises
    ------
    InvalidValueError
        If `w` is empty or not a vector, or anything is not finite, or `noise` is negative.
    InvalidTypeError
        If something is not made of real numbers.

    Examples
    --------
    >>> truth = LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
    >>> truth
    LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
    >>> truth.features
    2
    >>> truth == LinearTruth.from_dict(truth.to_dict())
    True
    """

    __module__ = "planted"

    w: npt.NDArray[np.float64]
    b: float
    noise: float

    def __init__(self, w: Any, b: Any = 0.0, noise: Any = 0.01) -> None:
        weights = vector(w, "w", remedy="use finite weights, one a feature, such as w=[2.0, -3.4]")
        weights.flags.writeable = False
        remedy = "it is a standard deviation, use 0 for none"
        object.__setattr__(self, "w", weights)
        object.__setattr__(self, "b", real(b, "b", remedy="use a number, such as b=4.2"))
        object.__setattr__(self, "noise", real(noise, "noise", minimum=0, remedy=remedy))

    @property
    def features(self) -> int:
        """How many features there are."""
        return self.w.size

    def to_dict(self) -> dict[str, Any]:
        """A dict that `json.dumps` takes; floats keep every bit."""
        return {"w": self.w.tolist(), "b": self.b, "noise": self.noise}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "LinearTruth":
        """The truth that `to_dict` described."""
        if not isinstance(fields, Mapping) or set(fields) != _FIELDS:
            found = sorted(map(str, fields)) if isinstance(fields, Mapping) else type(fields).__name__
            raise InvalidValueError(f"a truth has the fields {sorted(_FIELDS)}, not {found}: write it with to_dict()")
        return cls(fields["w"], fields["b"], fields["noise"])

    def __eq__(self, other: object) -> bool:
        """Equal if every number is."""
        if not isinstance(other, LinearTruth):
            return NotImplemented
        if self is other:
            return True
        return (self.b, self.noise) == (other.b, other.noise) and np.array_equal(self.w, other.w)

    def __hash__(self) -> int:
        """Consistent with equality: 0.0 and -0.0 are one number."""
        return hash((tuple((self.w[:8] + 0.0).tolist()), self.w.size, self.b, self.noise))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its arguments, so that what is loaded is validated and read-only again."""
        return LinearTruth, (self.w, self.b, self.noise)

    def __repr__(self) -> str:
        """All the weights if they are few, else the first three and the count."""
        shown = self.w if self.w.size <= 8 else self.w[:3]
        weights = ", ".join(repr(float(weight)) for weight in shown)
        more = "" if self.w.size <= 8 else f", ... {self.w.size} weights"
        return f"LinearTruth(w=[{weights}{more}], b={self.b!r}, noise={self.noise!r})"
