"""Values of other laws than the normal, from random words: the definition, in plain NumPy.

What comes in: row numbers, how many values a row has, a key, the type, the numbers of the law. What goes out: the
values, shape (rows, count). As in `random`, each value has an address and takes a fixed number of words. `fill_kernels`
holds the same functions compiled.

Source: Bailey, "Polar generation of random variates with the t-distribution", 1994.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._random.elementary import expm1
from planted._random.random import Precision, minus_log_uniform, polynomial, row_words
from planted._types import FloatArray, Words

LARGEST_DF: Final = 2.0**64  # from here on t is normal, to the last bit but rounding

Rows = npt.NDArray[np.uint64]
Key = tuple[int, int]
FourWords = tuple[Words, Words, Words, Words]


def uniforms(rows: Rows, count: int, key: Key, precision: Precision) -> FloatArray:
    """Uniforms in (0, 1): the middles of 2^23 (float32) or 2^52 (float64) equal steps, one of each (wide) word."""
    real, mantissa = precision.real, precision.mantissa
    drop = precision.unsigned(precision.bits - mantissa)

    def of_words(words: FourWords) -> Iterable[FloatArray]:
        for word in words if precision.bits == 32 else _wide(words):
            yield (word >> drop).astype(real) * real(2.0**-mantissa) + real(2.0 ** -(mantissa + 1))

    return _filled(rows, count, key, precision.normals, precision.real, of_words)


def student_t(rows: Rows, count: int, key: Key, precision: Precision, df: float) -> FloatArray:
    """Student's t with `df` degrees of freedom, at least 1, one of each pair of (wide) words (Bailey's polar method).

    It is the first normal of Box-Muller with the radius ``sqrt(df (u^(-2/df) - 1))`` in place of ``sqrt(-2 log u)``.
    """
    df = min(df, LARGEST_DF)
    real, signed, unsigned = precision.real, precision.signed, precision.unsigned
    degrees, inverse = real(df), real(2.0 / df)

    def of_pair(radius_word: Any, angle_word: Any) -> FloatArray:
        m = minus_log_uniform(radius_word, precision)
        radius = _signed(np.sqrt(degrees * expm1(m * inverse, precision)), angle_word, precision)
        t = ((angle_word << unsigned(2)).view(signed).astype(real) + real(2)) * real(2.0 ** -(precision.bits - 1))
        z = t * t
        sine = polynomial(precision.sine, z) * t
        cosine = polynomial(precision.cosine, z) * z + real(1)
        swap = (angle_word & unsigned(1 << (precision.bits - 2))) != 0
        value: FloatArray = radius * np.where(swap, sine, cosine)
        return value

    return _of_pairs(rows, count, key, precision, of_pair)


def laplace(rows: Rows, count: int, key: Key, precision: Precision) -> FloatArray:
    """Laplace's law of scale 1, so of variance 2: an exponential and a sign, one of each pair of (wide) words."""

    def of_pair(radius_word: Any, angle_word: Any) -> FloatArray:
        return _signed(minus_log_uniform(radius_word, precision), angle_word, precision)

    return _of_pairs(rows, count, key, precision, of_pair)


def levels(
    rows: Rows,
    count: int,
    key: Key,
    precision: Precision,  # noqa: ARG001 - the same for both types
    thresholds: npt.NDArray[np.uint32],
) -> npt.NDArray[np.int32]:
    """Integers from 0 to ``len(thresholds)``: how many of the thresholds, which ascend, are at most the word."""

    def of_words(words: FourWords) -> Iterable[npt.NDArray[np.int32]]:
        for word in words:
            yield np.searchsorted(thresholds, word, side="right").astype(np.int32)

    return _filled(rows, count, key, 4, np.int32, of_words)


# ---- what they share ------------------------------------------------------------------------------------------


def _filled(
    rows: Rows, count: int, key: Key, per_group: int, dtype: Any, of_words: Callable[[FourWords], Iterable[Any]]
) -> npt.NDArray[Any]:
    """Value j is number ``j mod per_group`` of group ``j div per_group``."""
    values = np.empty((rows.size, count), dtype)
    for j in range(0, count, per_group):
        group = of_words(row_words(rows, j // per_group, key))
        for k, column in zip(range(j, min(j + per_group, count)), group, strict=False):
            values[:, k] = column
    return values


def _of_pairs(rows: Rows, count: int, key: Key, precision: Precision, of_pair: Callable[..., FloatArray]) -> FloatArray:
    """One value of each pair of words: two of a group in float32, one of wide words in float64."""

    def of_words(words: FourWords) -> Iterable[FloatArray]:
        if precision.bits == 64:
            yield of_pair(*_wide(words))
        else:
            yield of_pair(*words[:2])
            yield of_pair(*words[2:])

    return _filled(rows, count, key, precision.normals // 2, precision.real, of_words)


def _wide(words: FourWords) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Two wide words, low half first."""
    w0, w1, w2, w3 = (word.astype(np.uint64) for word in words)
    return w0 | (w1 << np.uint64(32)), w2 | (w3 << np.uint64(32))


def _signed(x: FloatArray, word: Any, precision: Precision) -> FloatArray:
    """Numbers that are not negative, with the top bit of the word for a sign."""
    sign = precision.unsigned(1 << (precision.bits - 1))
    value: FloatArray = (x.view(precision.unsigned) ^ (word & sign)).view(precision.real)
    return value
