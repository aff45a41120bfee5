"""The functions of `fills`, compiled: the same names, the same bits.

What comes in: row numbers, a key, an array of shape (rows, count), and the law's numbers. What goes out: the array,
filled. As in `kernels`, the vector lanes run across rows.
"""

import numpy as np

from planted._machine import compiled_with, inlined
from planted._random import fills, kernels
from planted._random.fills import EXPONENTIAL
from planted._random.kernels import (
    COSINE_32,
    COSINE_64,
    F32,
    F64,
    HALF_WORD,
    I32,
    I64,
    LANES,
    LN2_32,
    LN2_64,
    LOG_32,
    LOG_64,
    OFFSET_64,
    ROOT_HALF_64,
    SCALE_64,
    SIGN_32,
    SIGN_64,
    SINE_32,
    SINE_64,
    SWAP_32,
    SWAP_64,
    TURN_64,
    U32,
    U64,
    bits_float32,
    bits_float64,
    eighth_32,
    float32_bits,
    float64_bits,
    four_to_rows,
    fraction_32,
    polynomial,
    row_words,
)

SOURCES = (*kernels.SOURCES, fills.__file__, __file__)
compiled = compiled_with(*SOURCES)


@inlined
def lanes_of(rows, first, row):
    """The row numbers of the next lanes; return how many there are."""
    lanes = min(LANES, rows.size - first)
    for lane in range(lanes):
        row[lane] = rows[first + lane]
    for lane in range(lanes, LANES):
        row[lane] = 0
    return lanes


# ---- parts ----------------------------------------------------------------------------------------------------

PER_LN2_32, HIGH_32, LOW_32 = (F32(getattr(EXPONENTIAL[32], name)) for name in ("per_ln2", "ln2_high", "ln2_low"))
PER_LN2_64, HIGH_64, LOW_64 = (F64(getattr(EXPONENTIAL[64], name)) for name in ("per_ln2", "ln2_high", "ln2_low"))
EXP_32, EXP_64 = tuple(map(F32, EXPONENTIAL[32].polynomial)), EXPONENTIAL[64].polynomial


@inlined
def minus_log_32(word):
    exponent, f = fraction_32(word)
    square = f * f
    log1p = (square * f) * polynomial(LOG_32, f) - F32(0.5) * square
    return -((exponent * LN2_32 + log1p) + f)


@inlined
def minus_log_64(word):
    c = F64(word) * SCALE_64 + OFFSET_64
    u = 1.0 + c if word < 0 else c
    pattern = float64_bits(u)
    exponent = (pattern - ROOT_HALF_64) >> I64(52)
    f = c if exponent == 0 else bits_float64(pattern - (exponent << I64(52))) - 1.0
    square = f * f
    log1p = (square * f) * polynomial(LOG_64, f) - 0.5 * square
    return -((F64(exponent) * LN2_64 + log1p) + f)


@inlined
def expm1_32(x):
    k = I32(x * PER_LN2_32 + F32(0.5))
    whole = F32(k)
    r = (x - whole * HIGH_32) - whole * LOW_32
    small = r + (r * r) * polynomial(EXP_32, r)
    power = bits_float32(I32(I32(k + I32(127)) << I32(23)))
    return power * small + (power - F32(1))


@inlined
def expm1_64(x):
    k = I64(x * PER_LN2_64 + 0.5)
    whole = F64(k)
    r = (x - whole * HIGH_64) - whole * LOW_64
    small = r + (r * r) * polynomial(EXP_64, r)
    power = bits_float64((k + I64(1023)) << I64(52))
    return power * small + (power - 1.0)


@inlined
def with_angle_32(radius, angle_word):
    t = eighth_32(angle_word)
    z = t * t
    sine = polynomial(SINE_32, z) * t
    cosine = polynomial(COSINE_32, z) * z + F32(1)
    turned = bits_float32(I32(float32_bits(radius) ^ (angle_word & SIGN_32)))
    return turned * (sine if (angle_word & SWAP_32) != 0 else cosine)


@inlined
def with_angle_64(radius, angle_word):
    t = (F64(angle_word << I64(2)) + 2.0) * TURN_64
    z = t * t
    sine = polynomial(SINE_64, z) * t
    cosine = polynomial(COSINE_64, z) * z + 1.0
    turned = bits_float64(float64_bits(radius) ^ (angle_word & SIGN_64))
    return turned * (sine if (angle_word & SWAP_64) != 0 else cosine)


@inlined
def t_32(radius_word, angle_word, freedom, share):
    return with_angle_32(np.sqrt(expm1_32(minus_log_32(radius_word) * share) * freedom), angle_word)


@inlined
def t_64(radius_word, angle_word, freedom, share):
    return with_angle_64(np.sqrt(expm1_64(minus_log_64(radius_word) * share) * freedom), angle_word)


@inlined
def laplace_32(radius_word, sign_word):
    return bits_float32(I32(float32_bits(minus_log_32(radius_word)) ^ (sign_word & SIGN_32)))


@inlined
def laplace_64(radius_word, sign_word):
    return bits_float64(float64_bits(minus_log_64(radius_word)) ^ (sign_word & SIGN_64))


@inlined
def wide_words(words, lane):
    """Two signed wide words, low half first."""
    return (
        I64(U64(words[0, lane]) | (U64(words[1, lane]) << HALF_WORD)),
        I64(U64(words[2, lane]) | (U64(words[3, lane]) << HALF_WORD)),
    )


@inlined
def to_rows(values, X, first, lanes, j, count):
    """Write values j to j + count - 1 of the rows of the lanes; four values of 32 bits through registers."""
    if count == 4 and X.itemsize == 4:
        four_to_rows(values, X, first, lanes, j)
    else:
        for lane in range(lanes):
            for k in range(count):
                X[first + lane, j + k] = values[k, lane]


# ---- fills ----------------------------------------------------------------------------------------------------


@compiled
def uniforms(rows, key, X):
    """`fills.uniforms` into ``X`` (rows, count)."""
    words, row = np.empty((4, LANES), np.uint32), np.empty(LANES, np.uint64)
    values = np.empty((4, LANES), X.dtype)
    narrow = X.itemsize == 4
    per_group = 4 if narrow else 2
    count = X.shape[1]
    for first in range(0, rows.size, LANES):
        lanes = lanes_of(rows, first, row)
        for j in range(0, count, per_group):
            row_words(row, U64(j // per_group), None, key, words)
            if narrow:
                for k in range(4):
                    for lane in range(LANES):
                        values[k, lane] = F32(I32(words[k, lane] >> U32(9))) * F32(2.0**-23) + F32(2.0**-24)
            else:
                for lane in range(LANES):
                    for k in range(2):
                        wide = U64(words[2 * k, lane]) | (U64(words[2 * k + 1, lane]) << HALF_WORD)
                        values[k, lane] = F64(I64(wide >> U64(12))) * 2.0**-52 + 2.0**-53
            to_rows(values, X, first, lanes, j, min(per_group, count - j))


@compiled
def student_t(rows, key, X, df):
    """`fills.student_t` into ``X`` (rows, count)."""
    words, row = np.empty((4, LANES), np.uint32), np.empty(LANES, np.uint64)
    values = np.empty((4, LANES), X.dtype)
    narrow = X.itemsize == 4
    per_group = 2 if narrow else 1
    freedom_32, share_32, freedom, share = F32(df), F32(2.0 / df), F64(df), 2.0 / df
    count = X.shape[1]
    for first in range(0, rows.size, LANES):
        lanes = lanes_of(rows, first, row)
        for j in range(0, count, 4):  # four values at a time, of two groups or of four
            part = min(4, count - j)
            for k in range(0, part, per_group):
                row_words(row, U64((j + k) // per_group), None, key, words)
                if narrow:
                    for lane in range(LANES):
                        values[k, lane] = t_32(I32(words[0, lane]), I32(words[1, lane]), freedom_32, share_32)
                    for lane in range(LANES):
                        values[k + 1, lane] = t_32(I32(words[2, lane]), I32(words[3, lane]), freedom_32, share_32)
                else:
                    for lane in range(LANES):
                        radius_word, angle_word = wide_words(words, lane)
                        values[k, lane] = t_64(radius_word, angle_word, freedom, share)
            to_rows(values, X, first, lanes, j, part)


@compiled
def laplace(rows, key, X):
    """`fills.laplace` into ``X`` (rows, count)."""
    words, row = np.empty((4, LANES), np.uint32), np.empty(LANES, np.uint64)
    values = np.empty((2, LANES), X.dtype)
    narrow = X.itemsize == 4
    per_group = 2 if narrow else 1
    count = X.shape[1]
    for first in range(0, rows.size, LANES):
        lanes = lanes_of(rows, first, row)
        for j in range(0, count, per_group):
            row_words(row, U64(j // per_group), None, key, words)
            if narrow:
                for k in range(2):
                    for lane in range(LANES):
                        values[k, lane] = laplace_32(I32(words[2 * k, lane]), I32(words[2 * k + 1, lane]))
            else:
                for lane in range(LANES):
                    radius_word, sign_word = wide_words(words, lane)
                    values[0, lane] = laplace_64(radius_word, sign_word)
            for lane in range(lanes):
                for k in range(min(per_group, count - j)):
                    X[first + lane, j + k] = values[k, lane]


@compiled
def levels(rows, key, X, thresholds):
    """`fills.levels` into ``X`` (rows, count), int32."""
    words, row = np.empty((4, LANES), np.uint32), np.empty(LANES, np.uint64)
    values = np.empty((4, LANES), np.int32)
    count = X.shape[1]
    for first in range(0, rows.size, LANES):
        lanes = lanes_of(rows, first, row)
        for j in range(0, count, 4):
            row_words(row, U64(j // 4), None, key, words)
            if thresholds.size <= 16:
                for k in range(4):
                    for lane in range(LANES):
                        values[k, lane] = 0
                    for threshold in thresholds:
                        for lane in range(LANES):
                            values[k, lane] += I32(threshold <= words[k, lane])
            else:
                for k in range(4):
                    for lane in range(LANES):
                        values[k, lane] = np.searchsorted(thresholds, words[k, lane], side="right")
            to_rows(values, X, first, lanes, j, min(4, count - j))
