"""The linear truth: the weights and the intercept of ``y = X w + b + noise``, and the laws of X and of the noise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._input import integer, real, seed_and_salt, short, vector
from planted._machine import too_large, too_large_error
from planted._truth.digest import Digested
from planted._truth.drawn import drawn_weights, noise_at, ratio_of
from planted._truth.features import Normal
from planted._truth.laws import FeatureLaw, NoiseLaw
from planted._truth.noise import noise_law
from planted.errors import InvalidTypeError, InvalidValueError

_FIELDS: Final = ("w", "b", "noise")
_NORMAL: Final = Normal()


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class LinearTruth(Digested):
    """The known answer: ``y = X w + b + noise``.

    X has shape (rows, features), y shape (rows, 1). Unless other laws are named, X is standard normal and the noise
    normal, all independent. `rows` makes them. A truth is compared, pickled and written to JSON without losing a bit.

    Parameters
    ----------
    w
        The weights, shape (features,), (features, 1) or (1, features): a list, an array or any framework's
        tensor. Kept as float64, so a float32 tensor keeps exactly the value that it had.
    b
        The intercept, in the units of y.
    noise
        The standard deviation of normal noise, in the units of y, not negative; or a law of `planted.noise`.
    features
        The law of X, of `planted.features`; None is ``features.Normal()``. It is the attribute `feature_law`.

    Raises
    ------
    InvalidValueError
        If `w` is empty, not a vector, or of another length than the law of X has columns, or anything is not
        finite, or `noise` is negative.
    InvalidTypeError
        If something is not made of real numbers, or a law is none.

    Examples
    --------
    >>> truth = LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
    >>> truth
    LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
    >>> truth.features
    2
    >>> truth == LinearTruth.from_dict(truth.to_dict())
    True
    >>> from planted import features, noise
    >>> LinearTruth(w=[2.0, -3.4], b=4.2, noise=noise.Laplace(0.5), features=features.AR1(0.9))
    LinearTruth(w=[2.0, -3.4], b=4.2, noise=noise.Laplace(scale=0.5), features=features.AR1(rho=0.9))
    """

    __module__ = "planted"

    w: npt.NDArray[np.float64]
    b: float
    noise: Any  # a `NoiseLaw`; the normal one is a float, too, and programs that read a float still type-check
    feature_law: FeatureLaw

    def __init__(self, w: Any, b: Any = 0.0, noise: Any = 0.01, features: FeatureLaw | None = None) -> None:
        weights = vector(w, "w", remedy="use finite weights, one a feature, such as w=[2.0, -3.4]")
        weights.flags.writeable = False
        law = _NORMAL if features is None else features
        if not isinstance(law, FeatureLaw):
            raise InvalidTypeError(
                f"features={short(features)} must be a law of features: use planted.features.AR1(0.5), say"
            )
        law.check_features(weights.size, f"w has {weights.size} weights")
        object.__setattr__(self, "w", weights)
        object.__setattr__(self, "b", real(b, "b", remedy="use a number, such as b=4.2"))
        object.__setattr__(self, "noise", noise_law(noise))
        object.__setattr__(self, "feature_law", law)

    @classmethod
    def draw(
        cls,
        d: int,
        *,
        informative: int | None = None,
        snr: float | None = None,
        r2: float | None = None,
        scale: float = 1.0,
        b: float = 0.0,
        seed: int = 0,
        salt: str = "",
        features: FeatureLaw | None = None,
        noise: Any = 0.01,
    ) -> "LinearTruth":
        """A truth of d features whose weights are drawn: normal, so of both signs, and `informative` of them not zero.

        The same for any number of rows; another law, `snr` or noise leaves the weights as they are.

        Parameters
        ----------
        d
            How many features.
        informative
            How many weights are not zero, exactly; None for all. Which ones is drawn, too.
        snr, r2
            The signal-to-noise ratio, the variance of ``X w`` over that of the noise, or the coefficient of
            determination, ``snr / (1 + snr)``: the noise is made so loud that it is exact. One of them at most.
        scale
            The standard deviation of the weights that are not zero.
        b, features, noise
            As for `LinearTruth`. With `snr` or `r2` only the form of `noise` counts, not its scale.
        seed, salt
            Which weights.

        Raises
        ------
        InvalidValueError
            If an argument breaks its rule, or `snr` is asked for and a variance is infinite or zero.

        Examples
        --------
        >>> truth = LinearTruth.draw(100, informative=5, snr=2.0, seed=7)
        >>> int((truth.w != 0).sum()), round(truth.snr, 12), round(truth.r2, 12)
        (5, 2.0, 0.666666666667)
        """
        count = integer(d, "d", minimum=1, remedy="use the number of features, such as d=20")
        remedy = "use how many weights are not zero, such as informative=5"
        kept = count if informative is None else integer(informative, "informative", minimum=0, remedy=remedy)
        if kept > count:
            raise InvalidValueError(f"informative={kept} of d={count} features: {remedy}")
        if too_large(8 * count):
            raise too_large_error(8 * count, f"d={count}: so many weights", "use fewer features")
        ratio = ratio_of(snr, r2)
        seed, salt = seed_and_salt(seed, salt)
        spread = real(scale, "scale", minimum=0, remedy="use the standard deviation of the weights, such as scale=1")
        w = drawn_weights(count, kept, spread, seed, salt)
        truth = cls(w, b, noise, features)
        return truth if ratio is None else cls(w, b, noise_at(truth, ratio), features)

    @property
    def features(self) -> int:
        """How many features there are."""
        return self.w.size

    @property
    def normal(self) -> bool:
        """Whether both laws are normal: features standard and independent, noise of one scale."""
        return self._normal_noise and self.feature_law == _NORMAL

    @property
    def _normal_noise(self) -> bool:
        return isinstance(self.noise, float)

    @property
    def signal_variance(self) -> float | None:
        """The variance of ``X w``, from the law of X; None where it is infinite."""
        with np.errstate(over="ignore", invalid="ignore"):
            return _finite(self.feature_law.variance_of(self.w))

    @property
    def noise_variance(self) -> float | None:
        """The variance of the noise beside this law of X; None where it is infinite."""
        return _finite(self.noise.variance_with(self.feature_law))

    @property
    def snr(self) -> float | None:
        """The signal-to-noise ratio, a ratio of variances; None where one is infinite, or the noise is 0."""
        signal, noise = self.signal_variance, self.noise_variance
        return None if signal is None or not noise else signal / noise

    @property
    def r2(self) -> float | None:
        """The coefficient of determination of the truth itself, ``snr / (1 + snr)``; None where `snr` is infinite."""
        signal, noise = self.signal_variance, self.noise_variance
        return None if signal is None or noise is None or not signal + noise else signal / (signal + noise)

    def to_dict(self) -> dict[str, Any]:
        """A dict that `json.dumps` takes; floats keep every bit. Laws are named where they are not the normal ones."""
        return {"w": self.w.tolist(), **self.other_fields()}

    def other_fields(self) -> dict[str, Any]:
        """The fields of `to_dict` but the weights."""
        noise = self.noise.scale if self._normal_noise else self.noise.to_dict()
        laws = {} if self.feature_law == _NORMAL else {"features": self.feature_law.to_dict()}
        return {"b": self.b, "noise": noise, **laws}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "LinearTruth":
        """The truth that `to_dict` described."""
        if not isinstance(fields, Mapping) or not {*_FIELDS} <= {*fields} <= {*_FIELDS, "features"}:
            found = sorted(map(str, fields)) if isinstance(fields, Mapping) else type(fields).__name__
            raise InvalidValueError(f"a truth has the fields {sorted(_FIELDS)}, not {found}: write it with to_dict()")
        noise = fields["noise"]
        if isinstance(noise, Mapping):
            noise = NoiseLaw.from_dict(noise)
        law = FeatureLaw.from_dict(fields["features"]) if "features" in fields else None
        return cls(fields["w"], fields["b"], noise, law)

    def _laws(self) -> tuple[Any, ...]:
        return self.b, self.noise, self.feature_law

    def __eq__(self, other: object) -> bool:
        """Equal if every number and both laws are."""
        if not isinstance(other, LinearTruth):
            return NotImplemented
        if self is other:
            return True
        return self._laws() == other._laws() and np.array_equal(self.w, other.w)

    def __hash__(self) -> int:
        """Consistent with equality: 0.0 and -0.0 are one number."""
        return hash((tuple((self.w[:8] + 0.0).tolist()), self.w.size, *self._laws()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its arguments, so that what is loaded is validated and read-only again."""
        noise = self.noise.scale if self._normal_noise else self.noise
        laws = () if self.feature_law == _NORMAL else (self.feature_law,)
        return LinearTruth, (self.w, self.b, noise, *laws)

    def __repr__(self) -> str:
        """All the weights if they are few, else the first three and the count."""
        shown = self.w if self.w.size <= 8 else self.w[:3]
        weights = ", ".join(repr(float(weight)) for weight in shown)
        more = "" if self.w.size <= 8 else f", ... {self.w.size} weights"
        law = "" if self.feature_law == _NORMAL else f", features={self.feature_law!r}"
        return f"LinearTruth(w=[{weights}{more}], b={self.b!r}, noise={self.noise!r}{law})"


def _finite(variance: float) -> float | None:
    return variance if math.isfinite(variance) else None
