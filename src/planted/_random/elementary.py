"""Elementary functions, spelt out: the exponential, from the five operations that every processor rounds alike.

What comes in: numbers of a type. What goes out: the function of each, in the same type, the same bits everywhere.
A polynomial here is a minimax fit (Remez), weighted for relative error and rounded to the type, lowest power first.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._random.random import Precision, polynomial
from planted._types import FloatArray


@dataclass(frozen=True, slots=True)
class Exponential:
    """What the exponential needs to know of a floating-point type.

    log 2 comes in two parts. The first has so few bits that its product with the exponent is exact, as is the
    difference that follows (Cody and Waite, 1980). ``exp(r) - 1 = r + r^2 expm1(r)`` on [-log(2)/2, log(2)/2].
    """

    bias: int  # of the exponent in the bits of a number
    inverse_ln2: float
    ln2_high: float
    ln2_low: float
    expm1: tuple[float, ...]


EXPONENTIALS: Final = {
    32: Exponential(
        bias=127,
        inverse_ln2=1.4426950216293335,
        ln2_high=0.693145751953125,
        ln2_low=1.428606765330187e-06,
        expm1=(
            0.5,
            0.1666666567325592,
            0.04166636988520622,
            0.008333391509950161,
            0.0013940160861238837,
            0.00019844609778374434,
        ),
    ),
    64: Exponential(
        bias=1023,
        inverse_ln2=1.4426950408889634,
        ln2_high=0.6931471805598903,
        ln2_low=5.497923018708371e-14,
        expm1=(
            0.5,
            0.16666666666666677,
            0.04166666666666652,
            0.00833333333332208,
            0.0013888888888959623,
            0.00019841269885122247,
            2.4801587175366633e-05,
            2.755724512125895e-06,
            2.755740154725877e-07,
            2.5108746182989727e-08,
            2.0875405495862035e-09,
        ),
    ),
}


def expm1(x: FloatArray, precision: Precision) -> FloatArray:
    """``exp(x) - 1`` for x from 0 to 88 (float32) or 709 (float64), accurate near 0 too: x = k log 2 + r."""
    real, signed, numbers = precision.real, precision.signed, EXPONENTIALS[precision.bits]
    k = (x * real(numbers.inverse_ln2) + real(0.5)).astype(np.int32)  # cut off behind the point
    times = k.astype(real)
    r = (x - times * real(numbers.ln2_high)) - times * real(numbers.ln2_low)
    of_r = (r * r) * polynomial(numbers.expm1, r) + r
    scale: Any = ((k.astype(signed) + signed(numbers.bias)) << signed(precision.mantissa)).view(real)
    value: FloatArray = scale * of_r + (scale - real(1))
    return value
