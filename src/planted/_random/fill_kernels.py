"""The functions of `fills`, compiled: the same names, the same bits; and in place of a count, the array to fill.

The lanes run across rows, as in `kernels`. Groups are gathered until they make four columns, which are
written together.
"""

import numpy as np

from planted._machine import compiled_with, inlined
from planted._random import elementary, fills, kernels
from planted._random.elementary import EXPONENTIALS
from planted._random.fills import LARGEST_DF
from planted._random.kernels import (
    COSINE_32,
    F32,
    F64,
    HALF_WORD,
    I32,
    I64,
    LANES,
    LOG_32,
    SINE_32,
    SWAP_32,
    U32,
    U64,
    bits_float32,
    bits_float64,
    eighth_32,
    four_to_rows,
    fraction_32,
    lanes_of,
    minus_log_32,
    minus_log_uniform_64,
    polynomial,
    polynomials,
    row_words,
    signed_32,
    signed_64,
    turned_64,
)

compiled = compiled_with(*kernels.SOURCES, elementary.__file__, fills.__file__, __file__)


# ---- the exponential ------------------------------------------------------------------------------------------

E32, E64 = EXPONENTIALS[32], EXPONENTIALS[64]
BIAS_32, INVERSE_LN2_32, HIGH_32, LOW_32 = I32(E32.bias), F32(E32.inverse_ln2), F32(E32.ln2_high), F32(E32.ln2_low)
BIAS_64, INVERSE_LN2_64, HIGH_64, LOW_64 = I64(E64.bias), E64.inverse_ln2, E64.ln2_high, E64.ln2_low
EXPM1_32, EXPM1_64 = tuple(map(F32, E32.expm1)), E64.expm1


@inlined
def _reduced_32(x):
    """``x = k log 2 + r``: k and r."""
    k = I32(x * INVERSE_LN2_32 + F32(0.5))
    times = F32(k)
    return k, (x - times * HIGH_32) - times * LOW_32


@inlined
def _scaled_32(k, r, of_r):
    """``exp(x) - 1`` from k, r and EXPM1(r)."""
    scale = bits_float32(I32(I32(k + BIAS_32) << I32(23)))
    return scale * ((r * r) * of_r + r) + (scale - F32(1))


@inlined
def expm1_32(x):
    """`elementary.expm1` in float32."""
    k, r = _reduced_32(x)
    return _scaled_32(k, r, polynomial(EXPM1_32, r))


@inlined
def expm1_64(x):
    """`elementary.expm1` in float64."""
    k = I32(x * INVERSE_LN2_64 + 0.5)
    times = F64(k)
    r = (x - times * HIGH_64) - times * LOW_64
    scale = bits_float64((I64(k) + BIAS_64) << I64(52))
    return scale * ((r * r) * polynomial(EXPM1_64, r) + r) + (scale - 1.0)


# ---- values of one group of words, into columns of `values` from `at` on ------------------------------------------

STEP_32, MIDDLE_32 = F32(2.0**-23), F32(2.0**-24)
STEP_64, MIDDLE_64 = 2.0**-52, 2.0**-53


@inlined
def _uniforms_32(words, values, at, _):
    for k in range(4):
        for lane in range(LANES):
            values[at + k, lane] = F32(I32(words[k, lane] >> U32(9))) * STEP_32 + MIDDLE_32


@inlined
def _wide(words, k, lane):
    """Wide word k, as a signed integer."""
    return I64(U64(words[2 * k, lane]) | (U64(words[2 * k + 1, lane]) << HALF_WORD))


@inlined
def _uniforms_64(words, values, at, _):
    for k in range(2):
        for lane in range(LANES):
            values[at + k, lane] = F64(I64(U64(_wide(words, k, lane)) >> U64(12))) * STEP_64 + MIDDLE_64


@inlined
def _minus_logs_32(r0, r1):
    exponent0, f0 = fraction_32(r0)
    exponent1, f1 = fraction_32(r1)
    log0, log1 = polynomials(LOG_32, f0, f1)
    return minus_log_32(exponent0, f0, log0), minus_log_32(exponent1, f1, log1)


@inlined
def _student_pair_32(r0, a0, r1, a1, degrees, inverse):
    """Two t of two pairs of signed words, side by side."""
    m0, m1 = _minus_logs_32(r0, r1)
    k0, x0 = _reduced_32(m0 * inverse)
    k1, x1 = _reduced_32(m1 * inverse)
    of_x0, of_x1 = polynomials(EXPM1_32, x0, x1)
    radius0 = signed_32(np.sqrt(degrees * _scaled_32(k0, x0, of_x0)), a0)
    radius1 = signed_32(np.sqrt(degrees * _scaled_32(k1, x1, of_x1)), a1)
    t0, t1 = eighth_32(a0), eighth_32(a1)
    z0, z1 = t0 * t0, t1 * t1
    sine0, sine1 = polynomials(SINE_32, z0, z1)
    cosine0, cosine1 = polynomials(COSINE_32, z0, z1)
    first0 = sine0 * t0 if (a0 & SWAP_32) != 0 else cosine0 * z0 + F32(1)
    first1 = sine1 * t1 if (a1 & SWAP_32) != 0 else cosine1 * z1 + F32(1)
    return radius0 * first0, radius1 * first1


@inlined
def _student_t_32(words, values, at, numbers):
    degrees, inverse = numbers
    for lane in range(LANES):
        values[at, lane], values[at + 1, lane] = _student_pair_32(
            I32(words[0, lane]), I32(words[1, lane]), I32(words[2, lane]), I32(words[3, lane]), degrees, inverse
        )


@inlined
def _student_t_64(words, values, at, numbers):
    degrees, inverse = numbers
    for lane in range(LANES):
        angle_word = _wide(words, 1, lane)
        exponential = expm1_64(minus_log_uniform_64(_wide(words, 0, lane)) * inverse)
        first, _ = turned_64(angle_word)
        values[at, lane] = signed_64(np.sqrt(degrees * exponential), angle_word) * first


@inlined
def _laplace_32(words, values, at, _):
    for lane in range(LANES):
        m0, m1 = _minus_logs_32(I32(words[0, lane]), I32(words[2, lane]))
        values[at, lane] = signed_32(m0, I32(words[1, lane]))
        values[at + 1, lane] = signed_32(m1, I32(words[3, lane]))


@inlined
def _laplace_64(words, values, at, _):
    for lane in range(LANES):
        values[at, lane] = signed_64(minus_log_uniform_64(_wide(words, 0, lane)), _wide(words, 1, lane))


@inlined
def _levels(words, values, at, thresholds):
    for k in range(4):
        for lane in range(LANES):
            values[at + k, lane] = I32(0)
        for threshold in thresholds:
            for lane in range(LANES):
                values[at + k, lane] += I32(words[k, lane] >= threshold)


# ---- rows -----------------------------------------------------------------------------------------------------


@inlined
def _fill(rows, key, X, per_group, of_words, numbers):
    """Value j of a row is number ``j mod per_group`` of what `of_words` makes of group ``j div per_group``."""
    count = X.shape[1]
    words = np.empty((4, LANES), np.uint32)
    values = np.empty((4, LANES), X.dtype)
    row = np.empty(LANES, np.uint64)
    for first in range(0, rows.size, LANES):
        lanes = lanes_of(rows, first, row)
        for j in range(0, count, 4):
            columns = min(4, count - j)
            for at in range(0, columns, per_group):
                row_words(row, U64((j + at) // per_group), None, key, words)
                of_words(words, values, at, numbers)
            if columns == 4 and X.itemsize == 4:
                four_to_rows(values, X, first, lanes, j)
            else:
                for lane in range(lanes):
                    for k in range(columns):
                        X[first + lane, j + k] = values[k, lane]


@compiled
def _uniform_rows(rows, key, wide, X):
    if wide is None:
        _fill(rows, key, X, 4, _uniforms_32, None)
    else:
        _fill(rows, key, X, 2, _uniforms_64, None)


@compiled
def _student_t_rows(rows, key, wide, X, df):
    df = min(df, LARGEST_DF)
    if wide is None:
        _fill(rows, key, X, 2, _student_t_32, (F32(df), F32(2.0 / df)))
    else:
        _fill(rows, key, X, 1, _student_t_64, (df, 2.0 / df))


@compiled
def _laplace_rows(rows, key, wide, X):
    if wide is None:
        _fill(rows, key, X, 2, _laplace_32, None)
    else:
        _fill(rows, key, X, 1, _laplace_64, None)


@compiled
def _level_rows(rows, key, X, thresholds):
    _fill(rows, key, X, 4, _levels, thresholds)


def uniforms(rows, key, X):
    """`fills.uniforms` into X, shape (rows, count)."""
    _uniform_rows(rows, key, _wide_or_none(X), X)


def student_t(rows, key, X, df):
    """`fills.student_t` into X, shape (rows, count)."""
    _student_t_rows(rows, key, _wide_or_none(X), X, float(df))


def laplace(rows, key, X):
    """`fills.laplace` into X, shape (rows, count)."""
    _laplace_rows(rows, key, _wide_or_none(X), X)


def levels(rows, key, X, thresholds):
    """`fills.levels` into X, shape (rows, count) and int32."""
    _level_rows(rows, key, X, thresholds)


def _wide_or_none(X):
    """None for float32 and True for float64: Numba drops the branch that a None rules out."""
    return True if X.dtype.itemsize == 8 else None
