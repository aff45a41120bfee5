"""The laws of the noise."""

import math
from dataclasses import dataclass
from typing import Any, Self, final

from planted._input import integer, real, short
from planted._truth.laws import FeatureLaw, Law, NoiseLaw, between
from planted.errors import InvalidTypeError


def _keep(law: NoiseLaw, **checked: float) -> None:
    """Keep the numbers of a frozen law as they were checked, and its scale."""
    remedy = "it is in the units of y, use 0 for no noise"
    for name, number in {"scale": real(law.scale, "scale", minimum=0, remedy=remedy), **checked}.items():
        object.__setattr__(law, name, number)


@final
@dataclass(frozen=True, eq=False, repr=False)
class Normal(float, NoiseLaw):
    """Normal noise of this standard deviation, in the units of y.

    It is a number, too, its standard deviation: so a program that knows this law only reads ``truth.noise`` as one.

    Examples
    --------
    >>> from planted import LinearTruth, noise
    >>> truth = LinearTruth([2.0, -3.4], 4.2, noise=noise.Normal(0.5))
    >>> truth.noise == 0.5, truth.noise.variance, truth == LinearTruth([2.0, -3.4], 4.2, noise=0.5)
    (True, 0.25, True)
    """

    __module__ = "planted.noise"

    name = "normal"

    scale: float

    def __new__(cls, scale: Any) -> Self:
        """A float, with the methods of a law."""
        remedy = "it is a standard deviation, use 0 for none"
        return super().__new__(cls, real(scale, "noise", minimum=0, remedy=remedy))

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", float(self))

    def __getnewargs__(self) -> tuple[float]:
        """For pickle."""
        return (float(self),)

    @property
    def variance(self) -> float:
        """The square of the scale."""
        return self.scale * self.scale


@final
@dataclass(frozen=True, slots=True, repr=False)
class StudentT(NoiseLaw):
    """Student's t with `df` degrees of freedom, times `scale`: heavy tails.

    The variance is ``scale^2 df / (df - 2)``, infinite up to df = 2; with df = 1, Cauchy's law, there is no mean.
    `df` is at least 1.

    Examples
    --------
    >>> from planted import noise
    >>> noise.StudentT(df=3, scale=0.5).variance
    0.75
    """

    __module__ = "planted.noise"

    name = "student_t"

    df: float
    scale: float

    def __post_init__(self) -> None:
        _keep(self, df=degrees(self.df))

    @property
    def mean(self) -> float:
        """The mean: 0; NaN if df is 1."""
        return 0.0 if self.df > 1 or not self.scale else math.nan

    @property
    def variance(self) -> float:
        """``scale^2 df / (df - 2)``, infinite up to df = 2."""
        return self.scale * self.scale * t_variance(self.df) if self.scale else 0.0


@final
@dataclass(frozen=True, slots=True, repr=False)
class Laplace(NoiseLaw):
    """Laplace's law, ``exp(-|e| / scale) / (2 scale)``: of variance ``2 scale^2``, as SciPy's and NumPy's."""

    __module__ = "planted.noise"

    name = "laplace"

    scale: float

    def __post_init__(self) -> None:
        _keep(self)

    @property
    def variance(self) -> float:
        """``2 scale^2``."""
        return 2 * self.scale * self.scale


@final
@dataclass(frozen=True, slots=True, repr=False)
class Contaminated(NoiseLaw):
    """Normal noise that is `factor` times as loud in a `fraction` of the rows (Tukey 1960).

    The rows that are not contaminated have the noise that `Normal` gives them.
    """

    __module__ = "planted.noise"

    name = "contaminated"

    scale: float
    fraction: float
    factor: float

    def __post_init__(self) -> None:
        remedy = "use the share of rows that are louder, such as fraction=0.05"
        fraction = between(self.fraction, "fraction", 0, 1, ends="[]", remedy=remedy)
        remedy = "use how many times as loud they are, such as factor=10"
        _keep(self, fraction=fraction, factor=real(self.factor, "factor", minimum=0, remedy=remedy))

    @property
    def variance(self) -> float:
        """``scale^2 (1 - fraction + fraction factor^2)``."""
        return self.scale * self.scale * (1 - self.fraction + self.fraction * self.factor * self.factor)


@final
@dataclass(frozen=True, slots=True, repr=False)
class Heteroscedastic(NoiseLaw):
    """Normal noise whose variance grows with the first feature: ``scale^2 (1 + gamma x_0^2)``.

    So ordinary least squares is unbiased, and its usual standard errors are wrong (White 1980).
    """

    __module__ = "planted.noise"

    name = "heteroscedastic"

    scale: float
    gamma: float

    def __post_init__(self) -> None:
        remedy = "use how much the variance grows with x_0^2, such as gamma=1"
        _keep(self, gamma=real(self.gamma, "gamma", minimum=0, remedy=remedy))

    @property
    def variance(self) -> float:
        """``scale^2 (1 + gamma)``: beside features of mean 0 and variance 1. See `variance_with`."""
        return self.scale * self.scale * (1 + self.gamma)

    def variance_with(self, features: FeatureLaw) -> float:
        """``scale^2 (1 + gamma E x_0^2)``."""
        if not self.gamma or not self.scale:
            return self.scale * self.scale
        return self.scale * self.scale * (1 + self.gamma * features.first_second_moment())


@final
@dataclass(frozen=True, slots=True, repr=False)
class Clustered(NoiseLaw):
    """Normal noise that rows of a cluster share in part: rows 0 to size - 1 are the first cluster, and so on.

    ``e = scale (sqrt(icc) u + sqrt(1 - icc) z)``, u one a cluster, z one a row: `icc` is the intraclass correlation,
    and the mean of a cluster's noise has the design effect ``1 + (size - 1) icc``.
    """

    __module__ = "planted.noise"

    name = "clustered"

    scale: float
    icc: float
    size: int

    def __post_init__(self) -> None:
        remedy = "it is the correlation of two rows of a cluster, such as icc=0.3"
        icc = between(self.icc, "icc", 0, 1, ends="[]", remedy=remedy)
        remedy = "use the number of rows of a cluster, such as size=20"
        _keep(self, icc=icc, size=integer(self.size, "size", minimum=1, maximum=1 << 62, remedy=remedy))

    @property
    def variance(self) -> float:
        """The square of the scale."""
        return self.scale * self.scale


def degrees(df: object) -> float:
    """Degrees of freedom of Student's t."""
    return between(df, "df", 1, math.inf, ends="[)", remedy="use degrees of freedom, such as df=3; 1 is Cauchy's law")


def t_variance(df: float) -> float:
    """The variance of Student's t."""
    return df / (df - 2) if df > 2 else math.inf


def noise_law(noise: Any) -> NoiseLaw:
    """A law of noise; a number is the standard deviation of the normal law."""
    if isinstance(noise, NoiseLaw):
        return noise
    if isinstance(noise, (str, type, Law)):
        raise InvalidTypeError(
            f"noise={short(noise)} must be a number or a law of noise: use 0.5 or planted.noise.Laplace(0.5), say"
        )
    return Normal(noise)
