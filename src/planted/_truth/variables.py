"""The laws of features of which several columns belong to one variable: its levels, its powers."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, final

import numpy as np
import numpy.typing as npt

from planted._input import flag, integer, short
from planted._random import Numbers
from planted._truth.laws import FeatureLaw, between
from planted.errors import InvalidTypeError, InvalidValueError

WORD: Final = 1 << 32
MOST_DEGREES: Final = 46  # of polynomials: the largest normal, 6.8, to this power is finite in float32


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
