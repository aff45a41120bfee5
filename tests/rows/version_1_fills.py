"""Uniforms, t, Laplace and levels once more, from `docs/version-1.md` alone: plain Python, beside `version_1`.

What comes in: a row number, how many values, the two words of a key, the type, the numbers of the law. What goes out:
the values of the row, a list.
"""

import math
from typing import NamedTuple

from version_1 import FLOAT32, constants, minus_log_uniform, polynomial, row_words


class Exponential(NamedTuple):
    """The constants of ``exp(x) - 1``, by their names on the page."""

    BIAS: int
    INVERSE_LN2: float
    LN2_HIGH: float
    LN2_LOW: float
    EXPM1: tuple[float, ...]


EXPONENTIALS = {
    "float32": Exponential(
        127,
        float.fromhex("0x1.7154760000000p+0"),
        float.fromhex("0x1.62e4000000000p-1"),
        float.fromhex("0x1.7f7d1c0000000p-20"),
        constants(
            "0x1.0000000000000p-1",
            "0x1.5555540000000p-3",
            "0x1.5554b60000000p-5",
            "0x1.11118e0000000p-7",
            "0x1.6d6ed60000000p-10",
            "0x1.a02bf00000000p-13",
        ),
    ),
    "float64": Exponential(
        1023,
        float.fromhex("0x1.71547652b82fep+0"),
        float.fromhex("0x1.62e42fefa3800p-1"),
        float.fromhex("0x1.ef35793c76730p-45"),
        constants(
            "0x1.0000000000000p-1",
            "0x1.5555555555559p-3",
            "0x1.5555555555540p-5",
            "0x1.111111110f7bap-7",
            "0x1.6c16c16c1eb83p-10",
            "0x1.a01a01af87e14p-13",
            "0x1.a01a017c92d94p-16",
            "0x1.71ddf926f9140p-19",
            "0x1.27e5356594d35p-22",
            "0x1.af5d6efd055f5p-26",
            "0x1.1ee8cdaeb6a55p-29",
        ),
    ),
}


def own_words(i, g, key, real):
    """The words of a group: four in float32, two wide ones in float64."""
    w0, w1, w2, w3 = row_words(i, g, key)
    return (w0, w1, w2, w3) if real is FLOAT32 else (w0 | w1 << 32, w2 | w3 << 32)


def uniforms(i, count, key, real):
    """Uniforms in (0, 1)."""

    def uniform(word):
        return real.rounded(float(word >> real.B - real.M) * 2.0**-real.M + 2.0 ** -(real.M + 1))

    return [uniform(own_words(i, j // real.N, key, real)[j % real.N]) for j in range(count)]


def pairs(i, count, key, real):
    """A pair of words for each value."""
    for j in range(count):
        words = own_words(i, j // (real.N // 2), key, real)
        first = 2 * (j % (real.N // 2))
        yield words[first], words[first + 1]


def signed(x, a, real):
    """The top bit of a word as the sign."""
    return -x if a >> real.B - 1 else x


def laplace(i, count, key, real):
    """Laplace's law of scale 1."""
    return [signed(minus_log_uniform(r, real).m, a, real) for r, a in pairs(i, count, key, real)]


def expm1(x, real):
    """``exp(x) - 1``."""
    rounded, C = real.rounded, EXPONENTIALS[real.name]
    k = math.floor(rounded(rounded(x * C.INVERSE_LN2) + 0.5))
    r = rounded(rounded(x - rounded(float(k) * C.LN2_HIGH)) - rounded(float(k) * C.LN2_LOW))
    p = rounded(rounded(rounded(r * r) * polynomial(C.EXPM1, r, real)) + r)
    scale = real.number((k + C.BIAS) << real.M)
    return rounded(rounded(scale * p) + rounded(scale - 1.0))


def student_t(i, count, key, real, df):
    """Student's t."""
    rounded = real.rounded
    degrees = min(df, 2.0**64)
    inverse, degrees = rounded(2.0 / degrees), rounded(degrees)
    values = []
    for r, a in pairs(i, count, key, real):
        m = minus_log_uniform(r, real).m
        radius = signed(rounded(math.sqrt(rounded(degrees * expm1(rounded(m * inverse), real)))), a, real)
        t = rounded(rounded(rounded(float(real.signed(a << 2 & 2**real.B - 1))) + 2.0) * 2.0 ** -(real.B - 1))
        z = rounded(t * t)
        if a >> (real.B - 2) & 1:
            factor = rounded(polynomial(real.SINE, z, real) * t)
        else:
            factor = rounded(rounded(polynomial(real.COSINE, z, real) * z) + 1.0)
        values += [rounded(radius * factor)]
    return values


def levels(i, count, key, real, thresholds):
    """How many thresholds are at most the word."""
    words = [row_words(i, j // 4, key)[j % 4] for j in range(count)]
    return [sum(threshold <= word for threshold in thresholds) for word in words]
