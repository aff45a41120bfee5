"""The laws of the features."""

import math
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from planted._input import integer, real
from planted._random import Numbers
from planted._truth.factors import cholesky, signs
from planted._truth.laws import FeatureLaw, IndependentLaw, between, matrix_of
from planted._truth.noise import degrees, t_variance
from planted.errors import InvalidValueError

_RHO: Final = "it is a correlation, such as rho=0.5"


@final
@dataclass(frozen=True, slots=True, repr=False)
class Normal(IndependentLaw):
    """Independent standard normal features: the law of a truth that names none."""

    __module__ = "planted.features"

    name = "normal"

    @property
    def mean(self) -> float:
        """0."""
        return 0.0

    @property
    def variance(self) -> float:
        """1."""
        return 1.0


@final
@dataclass(frozen=True, slots=True, repr=False)
class Uniform(IndependentLaw):
    """Independent features, uniform between `low` and `high`."""

    __module__ = "planted.features"

    name = "uniform"

    low: float
    high: float

    def __post_init__(self) -> None:
        remedy = "use the ends of an interval, such as features.Uniform(-1, 1)"
        for name in ("low", "high"):
            object.__setattr__(self, name, real(getattr(self, name), name, remedy=remedy))
        if not self.low < self.high or not math.isfinite(self.high - self.low):
            rule = "less than" if self.low >= self.high else "within float64's range of"
            raise InvalidValueError(f"low={self.low!r} must be {rule} high={self.high!r}: {remedy}")

    @property
    def mean(self) -> float:
        """The middle of the interval."""
        return self.low / 2 + self.high / 2

    @property
    def variance(self) -> float:
        """``(high - low)^2 / 12``."""
        return (self.high - self.low) * (self.high - self.low) / 12

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d, transform=(self.low, self.high - self.low))


@final
@dataclass(frozen=True, slots=True, repr=False)
class StudentT(IndependentLaw):
    """Independent features of Student's t with `df` degrees of freedom, at least 1: heavy tails, high leverage.

    The variance is ``df / (df - 2)``, infinite up to df = 2; with df = 1 there is no mean.
    """

    __module__ = "planted.features"

    name = "student_t"

    df: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "df", degrees(self.df))

    @property
    def mean(self) -> float:
        """0; NaN if df is 1."""
        return 0.0 if self.df > 1 else math.nan

    @property
    def variance(self) -> float:
        """``df / (df - 2)``, infinite up to df = 2."""
        return t_variance(self.df)

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d, source=(self.df,))


class _StandardLaw(FeatureLaw):
    """Normal features of mean 0 and variance 1 that are correlated."""

    __slots__ = ()

    @property
    def mean(self) -> float:
        """0."""
        return 0.0

    def first_second_moment(self) -> float:
        """1, whatever the correlations."""
        return 1.0


@final
@dataclass(frozen=True, slots=True, repr=False)
class AR1(_StandardLaw):
    """Standard normal features, each correlated with the one before: the correlation of x_j and x_k is ``rho^|j - k|``.

    With rho near 1 or -1 neighbours are nearly equal, and float32 rows may be of lower rank.
    """

    __module__ = "planted.features"

    name = "ar1"

    rho: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rho", between(self.rho, "rho", -1, 1, ends="()", remedy=_RHO))

    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        places = np.arange(d)
        return np.asarray(self.rho ** np.abs(places[:, np.newaxis] - places), np.float64)

    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``."""
        total, carried = 0.0, 0.0  # carried: the sum of w_k rho^(j - k) over the k before j
        for weight in w.tolist():
            total += weight * (weight + 2 * carried)
            carried = self.rho * (carried + weight)
        return total

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d, transform=(self.rho, math.sqrt(1 - self.rho * self.rho)))


@final
@dataclass(frozen=True, slots=True, repr=False)
class Equicorrelated(_StandardLaw):
    """Standard normal features of which every two have the correlation `rho`, 0 <= rho < 1.

    ``x_j = sqrt(rho) f + sqrt(1 - rho) z_j``: all share a factor f, which has an address of its own, so more features
    change no feature. (A negative rho would depend on how many there are.)
    """

    __module__ = "planted.features"

    name = "equicorrelated"

    rho: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rho", between(self.rho, "rho", 0, 1, ends="[)", remedy=_RHO))

    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        matrix = np.full((d, d), self.rho)
        np.fill_diagonal(matrix, 1.0)
        return matrix

    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``."""
        return float(self.rho * w.sum() ** 2 + (1 - self.rho) * (w @ w))

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d, factors=1, transform=(math.sqrt(self.rho), math.sqrt(1 - self.rho)))


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Covariance(FeatureLaw):
    """Normal features of mean 0 and this covariance matrix, shape (features, features).

    It is symmetric and positive semi-definite, and of one size: the one law to which no feature can be added.
    ``x = L z``, L its Cholesky factor, rounded to the rows' dtype.

    Raises
    ------
    InvalidValueError
        If the matrix is not square, not symmetric, or has a negative eigenvalue, which is named.
    """

    __module__ = "planted.features"

    name = "covariance"

    matrix: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        remedy = "use a symmetric positive semi-definite matrix, such as [[1, 0.5], [0.5, 1]]"
        matrix = matrix_of(self.matrix, "matrix", remedy=remedy)
        if (matrix != matrix.T).any():
            j, k = np.argwhere(matrix != matrix.T)[0].tolist()
            raise InvalidValueError(
                f"matrix[{j}, {k}]={float(matrix[j, k])} and matrix[{k}, {j}]={float(matrix[k, j])} differ, so it is "
                f"not symmetric: {remedy}, or (matrix + matrix.T) / 2"
            )
        values = np.linalg.eigvalsh(matrix)
        if values[0] < -1e-10 * max(values[-1], 0.0):
            raise InvalidValueError(
                f"matrix has the negative eigenvalue {values[0]:.6g}, so it is no covariance: {remedy}"
            )
        object.__setattr__(self, "matrix", matrix)

    @property
    def mean(self) -> float:
        """0."""
        return 0.0

    @property
    def columns(self) -> int:
        """All of them belong together."""
        return len(self.matrix)

    def check_features(self, d: int, given: str) -> None:
        """Raise an `InvalidValueError`, which says what was `given`, if d is not the number of columns."""
        size = len(self.matrix)
        if d != size:
            raise InvalidValueError(f"{given}, and the covariance is of {size} features: use {size}, all its columns")

    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        return self.matrix[:d, :d].copy()

    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``."""
        return max(0.0, float(w @ self.matrix @ w))

    def __eq__(self, other: object) -> bool:
        """Equal if the matrices are."""
        return np.array_equal(self.matrix, other.matrix) if isinstance(other, Covariance) else NotImplemented

    def __hash__(self) -> int:
        """Consistent with equality."""
        return hash((len(self.matrix), tuple((self.matrix.ravel()[:64] + 0.0).tolist())))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its argument, so that what is loaded is read-only again."""
        return Covariance, (self.matrix,)

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d, transform=(cholesky(self.matrix),))


@final
@dataclass(frozen=True, slots=True, repr=False)
class LowRank(_StandardLaw):
    """Standard normal features that are made, for the most part, of a few shared factors.

    ``x_j = sqrt((1 - tail_strength) / r) sum_k s_jk f_k + sqrt(tail_strength) z_j`` with r = `effective_rank` factors
    and fixed signs s_jk. So the part `tail_strength` of each feature's variance, which is 1 for any n and d, is its
    own, and the rest is of rank r. More features change no feature.
    """

    __module__ = "planted.features"

    name = "low_rank"

    effective_rank: int
    tail_strength: float = 0.5

    def __post_init__(self) -> None:
        remedy = "use the number of shared factors, such as effective_rank=5"
        rank = integer(self.effective_rank, "effective_rank", minimum=1, maximum=1 << 16, remedy=remedy)
        object.__setattr__(self, "effective_rank", rank)
        remedy = "use the share of the variance that is each feature's own, such as tail_strength=0.5"
        strength = between(self.tail_strength, "tail_strength", 0, 1, ends="[]", remedy=remedy)
        object.__setattr__(self, "tail_strength", strength)

    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        shared = signs(d, self.effective_rank)
        matrix = shared @ shared.T * ((1 - self.tail_strength) / self.effective_rank)
        np.fill_diagonal(matrix, 1.0)
        return matrix

    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``."""
        shared = w @ signs(w.size, self.effective_rank)
        share = (1 - self.tail_strength) / self.effective_rank
        return float(share * (shared @ shared) + self.tail_strength * (w @ w))

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        share = math.sqrt((1 - self.tail_strength) / self.effective_rank)
        loadings = signs(d, self.effective_rank) * share
        return Numbers(d, self.effective_rank, transform=(loadings, math.sqrt(self.tail_strength)))
