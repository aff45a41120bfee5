"""What all laws share: their names, their fields as JSON, and how numbers in them are read."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from planted._input import floats, integer, real, short
from planted._machine import too_large, too_large_error
from planted._random import Numbers
from planted.errors import InvalidValueError


class Law(ABC):
    """A law: a frozen dataclass of the numbers that describe it."""

    __slots__ = ()

    name: ClassVar[str]  # in JSON
    kind: ClassVar[str]  # "features" or "noise"
    laws: ClassVar[dict[str, type[Any]]]  # of its kind, by name

    def __init_subclass__(cls, **options: Any) -> None:
        """Laws are known by their names."""
        super().__init_subclass__(**options)
        if "name" in cls.__dict__:
            cls.laws[cls.name] = cls

    def to_dict(self) -> dict[str, Any]:
        """A dict that `json.dumps` takes; floats keep every bit."""
        return {"law": self.name, **{name: _plain(getattr(self, name)) for name in self._fields()}}

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Self:
        """The law that `to_dict` described."""
        known = cls.laws
        law = known.get(str(description.get("law"))) if isinstance(description, Mapping) else None
        if law is None:
            raise InvalidValueError(
                f"{cls.kind}={short(description)} describes no law: write it with to_dict(); the laws are "
                f"{', '.join(known)}"
            )
        wanted = {"law", *law._fields()}
        if set(description) != wanted:
            found = short(sorted(map(str, description)))
            raise InvalidValueError(f"the law {law.name} has the fields {sorted(wanted)}, not {found}: use to_dict()")
        return cast("Self", law(**{name: value for name, value in description.items() if name != "law"}))

    @classmethod
    def _fields(cls) -> list[str]:
        return [field.name for field in fields(cast("Any", cls))]

    def __repr__(self) -> str:
        """As it is written: ``features.AR1(rho=0.5)``."""
        inside = ", ".join(f"{name}={_text(getattr(self, name))}" for name in self._fields())
        return f"{self.kind}.{type(self).__name__}({inside})"


class FeatureLaw(Law):
    """The law of the rows of X. Rows are independent of each other; columns need not be."""

    __slots__ = ()

    kind = "features"
    laws: ClassVar[dict[str, type[Any]]] = {}

    @property
    @abstractmethod
    def mean(self) -> Any:
        """The mean of each feature: one float, or one a column, shape (columns,), if they differ."""

    def covariance(self, d: int) -> npt.NDArray[np.float64]:
        """The covariance of d features, shape (d, d); infinite where it is.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If d is not a positive integer, or there are no rows of d features.
        TooLargeError
            If the matrix would take more memory than there is.
        """
        count = integer(d, "d", minimum=1, remedy="use the number of features, such as d=3")
        self.check_features(count, f"d={count} features")
        if too_large(8 * count * count):
            raise too_large_error(8 * count * count, f"the covariance of {count:_} features", "use fewer features")
        return self._covariance(count)

    @abstractmethod
    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        """The covariance of d features, of which there are rows."""

    @abstractmethod
    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``, w of shape (features,), without a matrix of the size of the covariance."""

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d)

    @property
    def columns(self) -> int:
        """How many columns belong together: the number of features is a multiple of it."""
        return 1

    def check_features(self, d: int, given: str) -> None:
        """Raise an `InvalidValueError`, which says what was `given`, if there are no rows of d features."""
        if d % self.columns:
            raise InvalidValueError.in_both(
                f"{given}, and {self!r} makes {self.columns} columns a variable: use a multiple of {self.columns}",
                f"there are {d} weights, and --law {self.name} makes {self.columns} columns a variable: use a multiple "
                f"of {self.columns}, with --features or --weights",
            )

    def first_second_moment(self) -> float:
        """E x_0^2, which `noise.Heteroscedastic` needs."""
        mean = float(np.ravel(self.mean)[0])
        return float(self.covariance(self.columns)[0, 0]) + mean * mean


class IndependentLaw(FeatureLaw):
    """Features that are independent and alike."""

    __slots__ = ()

    @property
    @abstractmethod
    def variance(self) -> float:
        """The variance of each feature."""

    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        matrix = np.zeros((d, d))
        np.fill_diagonal(matrix, self.variance)
        return matrix

    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``."""
        norm = float(w @ w)
        return self.variance * norm if norm else 0.0


class NoiseLaw(Law):
    """The law of the noise, of mean 0; it is independent of the features, but for what `Heteroscedastic` says."""

    __slots__ = ()

    kind = "noise"
    laws: ClassVar[dict[str, type[Any]]] = {}
    scale: float

    @property
    def mean(self) -> float:
        """The mean: 0; NaN where there is none."""
        return 0.0

    @property
    @abstractmethod
    def variance(self) -> float:
        """The variance, infinite where it is."""

    def variance_with(self, features: FeatureLaw) -> float:  # noqa: ARG002 -- of most laws it does not depend on them
        """The variance beside features of this law."""
        return self.variance

    def with_scale(self, scale: float) -> Self:
        """The same law, of another scale."""
        return self.from_dict({**self.to_dict(), "scale": scale})


# ---- numbers --------------------------------------------------------------------------------------------------


def between(value: object, name: str, low: float, high: float, *, ends: str, remedy: str) -> float:
    """A number of the interval, whose `ends` are "[]", "[)", "(]" or "()"."""
    number = real(value, name, remedy=remedy)
    inside = (low <= number if ends[0] == "[" else low < number) and (
        number <= high if ends[1] == "]" else number < high
    )
    if not inside:
        upper = "" if math.isinf(high) else f" and {'at most' if ends[1] == ']' else 'less than'} {high:g}"
        lower = f"{'at least' if ends[0] == '[' else 'more than'} {low:g}"
        raise InvalidValueError(f"{name}={number!r} must be {lower}{upper}: {remedy}")
    return number


def matrix_of(value: object, name: str, *, remedy: str) -> npt.NDArray[np.float64]:
    """A finite square matrix, float64, in a new array that is read-only."""
    array = np.array(floats(value, name, remedy=remedy), np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or not array.size:
        raise InvalidValueError(f"{name} of shape {array.shape} is not square: {remedy}")
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{name} has values that are not finite: {remedy}")
    array.flags.writeable = False
    return array


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"<{' x '.join(map(str, value.shape))} matrix>" if value.size > 9 else repr(value.tolist())
    return repr(value)
