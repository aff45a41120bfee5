"""The laws of the features."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from planted._input import flag, integer, real, short
from planted._random import Numbers
from planted._truth.factors import cholesky, signs
from planted._truth.laws import FeatureLaw, IndependentLaw, between, matrix_of
from planted._truth.noise import degrees, t_variance
from planted.errors import InvalidTypeError, InvalidValueError

WORD: Final = 1 << 32
MOST_DEGREES: Final = 46  # of polynomials: the largest normal, 6.8, to this power is finite in float32
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


class _BlockLaw(FeatureLaw):
    """Variables that are independent and alike, each of which makes several columns."""

    __slots__ = ()

    def _block(self) -> npt.NDArray[np.float64]:
        """The covariance of one variable's columns."""
        raise NotImplementedError

    def _covariance(self, d: int) -> npt.NDArray[np.float64]:
        return np.asarray(np.kron(np.eye(d // self.columns), self._block()), np.float64)

    def variance_of(self, w: npt.NDArray[np.float64]) -> float:
        """The variance of ``x w``."""
        parts = w.reshape(-1, self.columns)
        return max(0.0, float(np.einsum("vj,jk,vk->", parts, self._block(), parts)))


@final
@dataclass(frozen=True, slots=True, repr=False)
class Categorical(_BlockLaw):
    """Categorical variables as indicator columns: one column a level, but for the first if `drop_first`.

    The number of features is a multiple of the columns; each further variable is independent and alike. Probabilities
    are rounded to multiples of 2^-32 (so that their sum is 1), which `mean` and `covariance` allow for.

    Examples
    --------
    >>> from planted import features
    >>> law = features.Categorical([0.5, 0.25, 0.25])
    >>> law.columns, law.mean
    (2, array([0.25, 0.25]))
    """

    __module__ = "planted.features"

    name = "categorical"

    probabilities: tuple[float, ...]
    drop_first: bool = True

    def __post_init__(self) -> None:
        remedy = "use a probability for each level, such as [0.5, 0.3, 0.2]"
        try:
            values = list(self.probabilities)
        except TypeError:
            raise InvalidTypeError(f"probabilities={short(self.probabilities)} are no list: {remedy}") from None
        if not 2 <= len(values) <= 1 << 16:
            raise InvalidValueError(f"probabilities={short(values)} must be of two levels or more: {remedy}")
        chances = tuple(between(p, f"probabilities[{k}]", 0, 1, ends="[]", remedy=remedy) for k, p in enumerate(values))
        total = math.fsum(chances)
        if abs(total - 1) > 1e-9:
            raise InvalidValueError(f"probabilities={short(values)} add up to {total:.10g}, not to 1: {remedy}")
        object.__setattr__(self, "probabilities", chances)
        object.__setattr__(self, "drop_first", flag(self.drop_first, "drop_first"))

    @property
    def columns(self) -> int:
        """Columns of one variable."""
        return len(self.probabilities) - self.drop_first

    def _sums(self) -> list[int]:
        """Sums of all probabilities but the last, times 2^32."""
        sums, total = [], Fraction(0)
        for chance in self.probabilities[:-1]:
            total += Fraction(chance)
            sums.append(min(round(total * WORD), WORD))
        return sums

    def thresholds(self) -> npt.NDArray[np.uint32]:
        """The level is the number of thresholds that are at most a random word; no word reaches a sum of 2^32."""
        return np.array([total for total in self._sums() if total < WORD], np.uint32)

    def _chances(self) -> npt.NDArray[np.float64]:
        """The probabilities of the columns, as they are drawn."""
        ends = [0, *self._sums(), WORD]
        chances = np.diff(np.array(ends, np.float64)) / WORD
        return chances[int(self.drop_first) :]

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """The probability of each column's level, shape (columns,)."""
        return self._chances()

    def _block(self) -> npt.NDArray[np.float64]:
        chances = self._chances()
        return np.diag(chances) - np.outer(chances, chances)

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(d // self.columns, source=(self.thresholds(),), transform=(int(self.drop_first),))


@final
@dataclass(frozen=True, slots=True, repr=False)
class Polynomial(_BlockLaw):
    """Powers of a normal variable: columns x, x^2, ..., x^degree; x^k / k! if `scaled`, as the book has them.

    `degree` is at most 46, so that every power is finite in float32. The number of features is a multiple of it; each
    further variable is independent and alike.
    """

    __module__ = "planted.features"

    name = "polynomial"

    degree: int
    scaled: bool = False

    def __post_init__(self) -> None:
        remedy = "use the highest power, such as degree=4"
        object.__setattr__(
            self, "degree", integer(self.degree, "degree", minimum=1, maximum=MOST_DEGREES, remedy=remedy)
        )
        object.__setattr__(self, "scaled", flag(self.scaled, "scaled"))

    @property
    def columns(self) -> int:
        """Columns of one variable."""
        return self.degree

    def multipliers(self) -> npt.NDArray[np.float64]:
        """What each power is multiplied by, shape (degree,)."""
        powers = range(1, self.degree + 1)
        return np.array([1 / math.factorial(k) if self.scaled else 1.0 for k in powers])

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """The mean of each column, shape (degree,)."""
        return np.array([_moment(k) for k in range(1, self.degree + 1)]) * self.multipliers()

    def _block(self) -> npt.NDArray[np.float64]:
        powers = range(1, self.degree + 1)
        products = np.array([[float(_moment(j + k) - _moment(j) * _moment(k)) for k in powers] for j in powers])
        return products * np.outer(self.multipliers(), self.multipliers())

    def numbers(self, d: int) -> Numbers:
        """What drawing rows of d features takes."""
        return Numbers(own=d // self.columns, transform=(self.multipliers(),))


def _moment(power: int) -> int:
    """E z^power of a standard normal z."""
    return 0 if power % 2 else math.prod(range(power - 1, 0, -2))
