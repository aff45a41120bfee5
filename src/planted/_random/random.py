"""The random numbers, version 1, written to be read: this file *is* the definition.

What comes in: a key (two 32-bit words, hashed from the seed) and counters (row numbers and feature groups).
What goes out: random words, standard normals, and rows of a linear truth. Plain NumPy and no tricks;
`kernels` holds the same functions compiled, and the tests hold the two together bit for bit. `docs/version-1.md`
says the same in words, for those who write it again in another language.

Two rules make the bits the same everywhere. Each value has an address: it takes a fixed number of words, and
nothing is rejected or carried over. And each floating-point operation is one of ``+ - * sqrt``, correctly rounded, in
the order written here: no fused multiply-add, no reassociation, no mathematics library.

Sources: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10);
Box, Muller, "A note on the generation of random normal deviates", 1958; Luby, Rackoff 1988 and Naor, Reingold 1999 (a
permutation from a Feistel network); Black, Rogaway 2002 (cycle walking).
"""

import hashlib
import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from planted._types import FloatArray, Words

VERSION: Final = 1

Unsigned = npt.NDArray[np.unsignedinteger[Any]]


# ---- keys -----------------------------------------------------------------------------------------------------

KEY_WORDS: Final = 16


def key_words(purpose: str, seed: int, *, salt: str = "", epoch: int | None = None) -> tuple[int, ...]:
    """Sixteen 32-bit words: SHA-512 of the version, the purpose, the seed, the epoch and the salt.

    The hash, not arithmetic, keeps purposes, seeds and epochs apart: seed 7, epoch 1 has nothing in common with
    seed 8, epoch 0. Seed and epoch are written in hexadecimal, so that any non-negative integer will do; the salt comes
    last, so that no salt can imitate another field.

    >>> [hex(word) for word in key_words("features32", 0)[:2]]
    ['0x7b7bcd79', '0xad09f999']
    """
    label = f"planted/{VERSION}/{purpose}/{seed:x}/{'' if epoch is None else f'{epoch:x}'}/{salt}"
    digest = hashlib.sha512(label.encode()).digest()
    return struct.unpack(f"<{KEY_WORDS}I", digest)


# ---- bits: Philox4x32-10 --------------------------------------------------------------------------------------

ROUNDS: Final = 10
MULTIPLIERS: Final = (0xD2511F53, 0xCD9E8D57)
WEYL: Final = (0x9E3779B9, 0xBB67AE85)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Philox4x32-10: four random words for each counter of four words.

    >>> zero = np.zeros(1, np.uint32)
    >>> [hex(word[0]) for word in philox((zero, zero, zero, zero), (0, 0))]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        low0, high0 = _multiply(c0, MULTIPLIERS[0])
        low1, high1 = _multiply(c2, MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ np.uint32(k0), low1, high0 ^ c3 ^ np.uint32(k1), low0
        k0, k1 = (k0 + WEYL[0]) & 0xFFFFFFFF, (k1 + WEYL[1]) & 0xFFFFFFFF
    return c0, c1, c2, c3


def _multiply(word: Words, multiplier: int) -> tuple[Words, Words]:
    product = word.astype(np.uint64) * np.uint64(multiplier)
    return product.astype(np.uint32), (product >> np.uint64(32)).astype(np.uint32)


def row_words(rows: npt.NDArray[np.uint64], group: int, key: tuple[int, int]) -> tuple[Words, Words, Words, Words]:
    """Four words for each row: the counter is (row low, row high, feature group, 0)."""
    low = rows.astype(np.uint32)
    high = (rows >> np.uint64(32)).astype(np.uint32)
    return philox((low, high, np.full_like(low, group), np.zeros_like(low)), key)


# ---- normals: Box-Muller --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Precision:
    """What Box-Muller needs to know of a floating-point type: its layout and its polynomials.

    The polynomials are minimax fits (Remez), weighted for relative error and rounded to the type: for
    ``log(1 + f) = f - f^2/2 + f^3 log(f)`` on [sqrt(1/2) - 1, sqrt(2) - 1], and, with z = t^2 on [0, 1],
    ``sin(pi/4 t) = t sine(z)`` and ``cos(pi/4 t) = 1 + z cosine(z)``. Lowest power first.
    """

    real: type[np.floating[Any]]
    signed: type[np.signedinteger[Any]]
    unsigned: type[np.unsignedinteger[Any]]
    bits: int  # of the word that a uniform is made of
    mantissa: int  # bits behind the binary point
    normals: int  # that four words give
    ln2: float
    root_half: float  # the least mantissa: a fraction lies in [root_half, 2 root_half)
    log: tuple[float, ...]
    sine: tuple[float, ...]
    cosine: tuple[float, ...]


FLOAT32: Final = Precision(
    real=np.float32,
    signed=np.int32,
    unsigned=np.uint32,
    bits=32,
    mantissa=23,
    normals=4,
    ln2=0.6931471824645996,
    root_half=0.7071067690849304,
    log=(
        0.3333333134651184,
        -0.2500081956386566,
        0.20001220703125,
        -0.166234090924263,
        0.1420193910598755,
        -0.13159827888011932,
        0.1276002824306488,
        -0.07633469998836517,
    ),
    sine=(0.7853981852531433, -0.08074542880058289, 0.00249000103212893, -3.595045563997701e-05),
    cosine=(-0.3084251284599304, 0.015854327008128166, -0.00032594011281616986, 3.529804189383867e-06),
)

FLOAT64: Final = Precision(
    real=np.float64,
    signed=np.int64,
    unsigned=np.uint64,
    bits=64,
    mantissa=52,
    normals=2,
    ln2=0.6931471805599453,
    root_half=0.7071067811865476,
    log=(
        0.3333333333333314,
        -0.24999999999988037,
        0.20000000000066562,
        -0.16666666669811914,
        0.14285714280081355,
        -0.12499999692616022,
        0.1111111114954995,
        -0.10000015158453267,
        0.09090923810684098,
        -0.083329145663937,
        0.07691533245899666,
        -0.07149428504150271,
        0.06684538252803227,
        -0.06196715790531314,
        0.05668753043598316,
        -0.05678034354729807,
        0.06502486875718108,
        -0.05979939765614463,
        0.026142977635577918,
    ),
    sine=(
        0.7853981633974483,
        -0.08074551218828054,
        0.0024903945701887325,
        -3.657620415844655e-05,
        3.133616216526747e-07,
        -1.757149290096762e-09,
        6.877100963300342e-12,
    ),
    cosine=(
        -0.30842513753404244,
        0.015854344243815446,
        -0.0003259918869268464,
        3.5908604462378092e-06,
        -2.4611364220419987e-08,
        1.1500518277275728e-10,
        -3.8581902595377343e-13,
    ),
)

PRECISIONS: Final = {"float32": FLOAT32, "float64": FLOAT64}


def polynomial(coefficients: tuple[float, ...], x: FloatArray) -> FloatArray:
    """Horner's rule, one product and one sum a step, each rounded: ``c0 + x (c1 + x (c2 + ...))``."""
    real = x.dtype.type
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + real(coefficient)
    return value


def minus_log_uniform(word: Unsigned, precision: Precision) -> FloatArray:
    """``-log(u)`` for the uniform ``u = (word + 1/2) / 2^bits``, accurate at both ends.

    Read as a signed number the word is a small number c next to the nearer end of the interval: u = c if it is
    positive, u = 1 + c if it is negative. So every bit of the word counts both in the tail (u near 0: the largest
    normal is 6.76 in float32 and 9.49 in float64) and near zero (u near 1, where 1 + c alone would have lost the
    low bits).
    """
    real, signed = precision.real, precision.signed
    number = word.view(signed)
    c = number.astype(real) * real(2.0**-precision.bits) + real(2.0 ** -(precision.bits + 1))
    u = np.where(number < 0, real(1) + c, c)
    # u = 2^exponent (1 + f), with 1 + f in [root_half, 2 root_half), by integer arithmetic on the bits of u
    pattern = u.view(signed)
    exponent = (pattern - real(precision.root_half).view(signed)) >> signed(precision.mantissa)
    fraction = (pattern - (exponent << signed(precision.mantissa))).view(real)
    f = np.where(exponent == 0, c, fraction - real(1))
    square = f * f
    log1p = (square * f) * polynomial(precision.log, f) - real(0.5) * square
    log_uniform: FloatArray = (exponent.astype(real) * real(precision.ln2) + log1p) + f
    return -log_uniform


def normal_pair(radius_word: Unsigned, angle_word: Unsigned, precision: Precision) -> tuple[FloatArray, FloatArray]:
    """Two independent standard normals from two words (Box-Muller).

    The angle takes two bits of its word for the quadrant (the top one is the sign of both, the next one swaps sine and
    cosine) and the rest for t in [-1, 1], an eighth of a turn to either side: t is the middle of its step, so never 0.
    """
    real, signed, unsigned = precision.real, precision.signed, precision.unsigned
    sign = unsigned(1 << (precision.bits - 1))
    swap = (angle_word & unsigned(1 << (precision.bits - 2))) != 0

    radius = np.sqrt(real(2) * minus_log_uniform(radius_word, precision))
    radius = (radius.view(unsigned) ^ (angle_word & sign)).view(real)

    t = (angle_word << unsigned(2)).view(signed).astype(real)
    t = (t + real(2)) * real(2.0 ** -(precision.bits - 1))
    z = t * t
    sine = polynomial(precision.sine, z) * t
    cosine = polynomial(precision.cosine, z) * z + real(1)
    return radius * np.where(swap, sine, cosine), radius * np.where(swap, cosine, sine)


def normals(words: tuple[Words, Words, Words, Words], precision: Precision) -> tuple[FloatArray, ...]:
    """The standard normals that four words give: four in float32, two in float64 (two words a uniform, low first)."""
    w0, w1, w2, w3 = words
    if precision.bits == 32:
        return *normal_pair(w0, w1, precision), *normal_pair(w2, w3, precision)
    wide = [low.astype(np.uint64) | (high.astype(np.uint64) << np.uint64(32)) for low, high in ((w0, w1), (w2, w3))]
    return normal_pair(wide[0], wide[1], precision)


# ---- rows -----------------------------------------------------------------------------------------------------


def linear_rows(
    rows: npt.NDArray[np.uint64],
    w: npt.NDArray[np.float64],
    b: float,
    noise: float,
    keys: tuple[tuple[int, int], tuple[int, int]],
    precision: Precision,
) -> tuple[FloatArray, FloatArray]:
    """Rows of ``y = X w + b + noise e``: X of shape (rows, features), y of shape (rows, 1).

    Feature j is normal ``j mod normals`` of group ``j div normals``; e is the first normal of group 0 of the
    noise key. The response is accumulated in float64, b first, then the features in ascending order, then the
    noise, and rounded once.
    """
    feature_key, noise_key = keys
    X = np.empty((rows.size, w.size), precision.real)
    for j in range(0, w.size, precision.normals):
        group = normals(row_words(rows, j // precision.normals, feature_key), precision)
        for k, column in enumerate(group[: w.size - j]):
            X[:, j + k] = column
    response = np.full(rows.size, b)
    for j in range(w.size):
        response = response + X[:, j].astype(np.float64) * w[j]
    e = normals(row_words(rows, 0, noise_key), precision)[0]
    response = response + e.astype(np.float64) * noise
    return X, response.astype(precision.real)[:, np.newaxis]


# ---- the order ------------------------------------------------------------------------------------------------

SMALL: Final = 4096
MIXERS: Final = (0x7FEB352D, 0x846CA68B)  # lowbias32, C. Wellons, "Prospecting for hash functions", 2018


def mix(word: Words, before: int, between: int) -> Words:
    """A strong 32-bit hash with a 64-bit key: a word in, a word out, every bit of it depending on every bit."""
    word = word ^ np.uint32(before)
    word = (word ^ (word >> np.uint32(16))) * np.uint32(MIXERS[0])
    word = word + np.uint32(between)
    word = (word ^ (word >> np.uint32(15))) * np.uint32(MIXERS[1])
    return word ^ (word >> np.uint32(16))


def feistel_bits(n: int) -> tuple[int, int]:
    """How many bits the left and the right half of a position have: together just enough for n - 1."""
    bits = (n - 1).bit_length()
    return bits // 2, bits - bits // 2


def feistel(
    positions: npt.NDArray[np.uint64], halves: tuple[int, int], key: tuple[int, ...], *, inverse: bool = False
) -> npt.NDArray[np.uint64]:
    """A bijection of ``range(2 ** sum(halves))``: eight Feistel rounds, two key words each, left half first."""
    left_bits, right_bits = halves
    left_mask, right_mask = np.uint32((1 << left_bits) - 1), np.uint32((1 << right_bits) - 1)
    left = (positions >> np.uint64(right_bits)).astype(np.uint32)
    right = positions.astype(np.uint32) & right_mask
    steps = range(len(key) // 2)
    for step in reversed(steps) if inverse else steps:
        if step % 2 == 0:
            left = left ^ (mix(right, key[2 * step], key[2 * step + 1]) & left_mask)
        else:
            right = right ^ (mix(left, key[2 * step], key[2 * step + 1]) & right_mask)
    return (left.astype(np.uint64) << np.uint64(right_bits)) | right.astype(np.uint64)


def walk(
    positions: npt.NDArray[np.uint64], n: int, key: tuple[int, ...], *, inverse: bool = False
) -> npt.NDArray[np.uint64]:
    """A bijection of ``range(n)``: apply `feistel` until the result lies below n (cycle walking)."""
    halves = feistel_bits(n)
    positions = feistel(positions, halves, key, inverse=inverse)
    while (outside := positions >= n).any():
        positions[outside] = feistel(positions[outside], halves, key, inverse=inverse)
    return positions


def shuffled_table(n: int, key: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """All of ``range(n)`` in random order, every order equally likely: Fisher-Yates, for n up to `SMALL`.

    Step i, from n - 1 down to 1, swaps entry i with entry ``floor(u (i + 1) / 2^64)``, where u is words 0 and 1 (low
    first) of Philox at counter (i, 0, 0, 0).
    """
    w0, w1, _, _ = row_words(np.arange(n, dtype=np.uint64), 0, (key[0], key[1]))
    table = np.arange(n, dtype=np.int64)
    for i in range(n - 1, 0, -1):
        u = int(w0[i]) | int(w1[i]) << 32
        j = (u * (i + 1)) >> 64
        table[i], table[j] = table[j], table[i]
    return table
