"""What is drawn from random words beside normals, written to be read: this file is the definition, as `random` is.

Each function takes row numbers, how many values a row has, a key and a precision, and gives an array of shape (rows,
count). Each value has an address of its own: more values change none. `fill_kernels` holds the same functions compiled.

Sources: Bailey, "Polar generation of random variates with the t-distribution", Mathematics of Computation 62, 1994.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._random.random import (
    Precision,
    Unsigned,
    minus_log_uniform,
    polynomial,
    row_words,
)
from planted._types import FloatArray, Words

RowArray = npt.NDArray[np.uint64]
Key = tuple[int, int]


# ---- uniforms -------------------------------------------------------------------------------------------------


def uniforms(rows: RowArray, count: int, key: Key, precision: Precision) -> FloatArray:
    """Uniforms in (0, 1): the middle of one of 2^23 (float32) or 2^52 (float64) steps, a word or a wide word each."""
    real, unsigned = precision.real, precision.unsigned
    drop = unsigned(precision.bits - precision.mantissa)
    step = real(2.0**-precision.mantissa)

    def of_group(words: tuple[Words, Words, Words, Words]) -> list[FloatArray]:
        return [(word >> drop).astype(real) * step + real(0.5) * step for word in _of_type(words, precision)]

    return _columns(of_group, rows, count, key, precision.normals, precision.real)


def levels(rows: RowArray, count: int, key: Key, precision: Precision, thresholds: npt.NDArray[np.uint32]) -> Any:
    """Levels of a categorical variable, int32: how many of the thresholds are at most a word. One word each."""
    del precision  # one word, whatever the type

    def of_group(words: tuple[Words, Words, Words, Words]) -> list[npt.NDArray[np.int32]]:
        return [np.searchsorted(thresholds, word, side="right").astype(np.int32) for word in words]

    return _columns(of_group, rows, count, key, 4, np.int32)


# ---- of two words each ----------------------------------------------------------------------------------------


def student_t(rows: RowArray, count: int, key: Key, precision: Precision, df: float) -> FloatArray:
    """Student's t with df degrees of freedom: Box-Muller with another radius, of which the first of a pair is taken.

    ``sqrt(df (u^(-2/df) - 1))`` is the radius at which a t, times a sine or cosine of a uniform angle, lies.
    """
    real = precision.real
    freedom, share = real(df), real(2.0 / df)

    def value(radius_word: Unsigned, angle_word: Unsigned) -> FloatArray:
        square = expm1(minus_log_uniform(radius_word, precision) * share, precision) * freedom
        return with_angle(np.sqrt(square), angle_word, precision)

    return _pairs(value, rows, count, key, precision)


def laplace(rows: RowArray, count: int, key: Key, precision: Precision) -> FloatArray:
    """Laplace's law of scale 1: ``-log(u)`` with the sign of the second word's top bit."""

    def value(radius_word: Unsigned, sign_word: Unsigned) -> FloatArray:
        return signed(minus_log_uniform(radius_word, precision), sign_word, precision)

    return _pairs(value, rows, count, key, precision)


def signed(size: FloatArray, word: Unsigned, precision: Precision) -> FloatArray:
    """The number with the top bit of the word as its sign."""
    sign = precision.unsigned(1 << (precision.bits - 1))
    value: FloatArray = (size.view(precision.unsigned) ^ (word & sign)).view(precision.real)
    return value


def with_angle(radius: FloatArray, angle_word: Unsigned, precision: Precision) -> FloatArray:
    """The first number that `normal_pair` makes of an angle, with this radius in place of its own."""
    real, signed_type, unsigned = precision.real, precision.signed, precision.unsigned
    swap = (angle_word & unsigned(1 << (precision.bits - 2))) != 0
    t = (angle_word << unsigned(2)).view(signed_type).astype(real)
    t = (t + real(2)) * real(2.0 ** -(precision.bits - 1))
    z = t * t
    sine = polynomial(precision.sine, z) * t
    cosine = polynomial(precision.cosine, z) * z + real(1)
    return signed(radius, angle_word, precision) * np.where(swap, sine, cosine)


# ---- the exponential ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Exponential:
    """What `expm1` needs to know of a type: ``exp(r) - 1 = r + r^2 p(r)`` for r in [-ln 2 / 2, ln 2 / 2]."""

    per_ln2: float  # 1 / ln 2
    ln2_high: float  # ln 2 in two parts, the high one with so few bits that whole multiples of it are exact
    ln2_low: float
    polynomial: tuple[float, ...]


EXPONENTIAL: Final = {
    32: Exponential(
        per_ln2=1.4426950216293335,
        ln2_high=0.693359375,
        ln2_low=-0.00021219444170128554,
        polynomial=(
            0.5,
            0.1666666716337204,
            0.04166646674275398,
            0.00833331048488617,
            0.0013933649752289057,
            0.00019890991097781807,
        ),
    ),
    64: Exponential(
        per_ln2=1.4426950408889634,
        ln2_high=0.693145751953125,
        ln2_low=1.4286068203094173e-06,
        polynomial=(
            0.5,
            0.16666666666666666,
            0.04166666666666668,
            0.008333333333333333,
            0.0013888888888879073,
            0.00019841269841263298,
            2.4801587336442236e-05,
            2.755731924721873e-06,
            2.75572632790885e-07,
            2.505207109429355e-08,
            2.0918137737642736e-09,
            1.608662795678037e-10,
        ),
    ),
}


def expm1(x: FloatArray, precision: Precision) -> FloatArray:
    """``exp(x) - 1`` for x from 0 to 64 (float32) or 512 (float64)."""
    real, signed_type = precision.real, precision.signed
    numbers = EXPONENTIAL[precision.bits]
    k = (x * real(numbers.per_ln2) + real(0.5)).astype(signed_type)  # towards zero: the nearest whole number
    whole = k.astype(real)
    r = (x - whole * real(numbers.ln2_high)) - whole * real(numbers.ln2_low)
    small = r + (r * r) * polynomial(numbers.polynomial, r)
    bias = (1 << (precision.bits - precision.mantissa - 2)) - 1
    power = ((k + signed_type(bias)) << signed_type(precision.mantissa)).view(real)  # 2^k
    value: FloatArray = power * small + (power - real(1))
    return value


# ---- addresses ------------------------------------------------------------------------------------------------


def _of_type(words: tuple[Words, Words, Words, Words], precision: Precision) -> list[Unsigned]:
    """Four words, or two wide ones (low first)."""
    if precision.bits == 32:
        return list(words)
    w0, w1, w2, w3 = (word.astype(np.uint64) for word in words)
    return [w0 | (w1 << np.uint64(32)), w2 | (w3 << np.uint64(32))]


def _pairs(
    value: Callable[[Unsigned, Unsigned], FloatArray], rows: RowArray, count: int, key: Key, precision: Precision
) -> FloatArray:
    """Values of two (wide) words each: two a group in float32, one in float64."""

    def of_group(words: tuple[Words, Words, Words, Words]) -> list[FloatArray]:
        parts = _of_type(words, precision)
        return [value(parts[k], parts[k + 1]) for k in range(0, len(parts), 2)]

    return _columns(of_group, rows, count, key, precision.normals // 2, precision.real)


def _columns(
    of_group: Callable[[tuple[Words, Words, Words, Words]], list[Any]],
    rows: RowArray,
    count: int,
    key: Key,
    per_group: int,
    dtype: Any,
) -> Any:
    """Value j of a row is number ``j mod per_group`` of group ``j div per_group``."""
    values = np.empty((rows.size, count), dtype)
    for j in range(0, count, per_group):
        for k, column in enumerate(of_group(row_words(rows, j // per_group, key))[: count - j]):
            values[:, j + k] = column
    return values
