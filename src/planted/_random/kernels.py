"""The functions of `random`, compiled: the same names, the same bits, at the speed of the machine.

What comes in: keys, row numbers, and arrays to fill. What goes out: the arrays, filled. Nothing is allocated but some
scratch that fits the nearest cache.

How it is made fast, each step measured:
- Rows are taken `LANES` at a time and the vector lanes run across rows, not along one row's features: then a shuffled
  order costs the same as a sequential one, and every loop below is a plain one over lanes that the compiler vectorises.
  (For few rows, and wide ones, `few` has lanes along the rows.)
- Philox runs in 64-bit lanes whose upper halves hold rubbish: the multiplication reads the lower half only, and the
  halves are cut off once, at the end. That halves its time.
- Philox and Box-Muller are long chains in which each step waits for the one before. So two run side by side, step by
  step, in one loop: an eighth of the time.
- Four columns of four lanes are turned into four rows in registers, and 16 bytes stored a row: the compiler, left to
  itself, stores one value at a time, four times as often.
- Everything that runs inside a lane loop is inlined by force; a call there would end the vectorisation.
"""

import numpy as np

from planted._machine import compiled_with, inlined, prefetch, store_four_by_four
from planted._random import random
from planted._random.random import FLOAT32, FLOAT64

LANES = 128

SOURCES = (random.__file__, __file__)
compiled = compiled_with(*SOURCES)

# ---- bits -----------------------------------------------------------------------------------------------------

U32, U64, I32, I64 = np.uint32, np.uint64, np.int32, np.int64
M0, M1 = (U64(m) for m in random.MULTIPLIERS)
WEYL0, WEYL1 = (U64(w) for w in random.WEYL)
ROUNDS = random.ROUNDS
HALF_WORD = U64(32)
LOWER = U64(0xFFFFFFFF)


@inlined
def _round(c0, c1, c2, c3, k0, k1):
    p0 = (c0 & LOWER) * M0
    p1 = (c2 & LOWER) * M1
    return (p1 >> HALF_WORD) ^ c1 ^ k0, p1, (p0 >> HALF_WORD) ^ c3 ^ k1, p0


@inlined
def philox(c0, c1, c2, c3, k0, k1):
    """`random.philox` of one counter, in 64-bit lanes; the upper halves are rubbish until the cut at the end."""
    for _ in range(ROUNDS):
        c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
        k0 += WEYL0
        k1 += WEYL1
    return U32(c0), U32(c1), U32(c2), U32(c3)


@inlined
def row_words(rows, group, groups, key, words):
    """`random.row_words`: fill ``words`` (4, lanes) for the rows of the lanes, two lanes side by side.

    All lanes are of one group, unless they have `groups` of their own: Numba drops the branch that a None rules out.
    """
    for lane in range(LANES // 2):
        other = lane + LANES // 2
        k0, k1 = U64(key[0]), U64(key[1])
        c0, c1, c2, c3 = rows[lane], rows[lane] >> HALF_WORD, group if groups is None else groups[lane], U64(0)
        d0, d1, d2, d3 = rows[other], rows[other] >> HALF_WORD, group if groups is None else groups[other], U64(0)
        for _ in range(ROUNDS):
            c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
            d0, d1, d2, d3 = _round(d0, d1, d2, d3, k0, k1)
            k0 += WEYL0
            k1 += WEYL1
        words[0, lane], words[1, lane], words[2, lane], words[3, lane] = U32(c0), U32(c1), U32(c2), U32(c3)
        words[0, other], words[1, other], words[2, other], words[3, other] = U32(d0), U32(d1), U32(d2), U32(d3)


# ---- normals --------------------------------------------------------------------------------------------------
# Numba infers the type of a view only from an explicit cast, hence these four.


@inlined
def float32_bits(x):
    return np.float32(x).view(np.int32)


@inlined
def bits_float32(x):
    return np.int32(x).view(np.float32)


@inlined
def float64_bits(x):
    return np.float64(x).view(np.int64)


@inlined
def bits_float64(x):
    return np.int64(x).view(np.float64)


F32, F64 = np.float32, np.float64

SCALE_32, OFFSET_32, TURN_32 = F32(2.0**-32), F32(2.0**-33), F32(2.0**-31)
SIGN_32, SWAP_32 = I32(-(2**31)), I32(2**30)
LN2_32, ROOT_HALF_32 = F32(FLOAT32.ln2), F32(FLOAT32.root_half).view(np.int32)
LOG_32, SINE_32, COSINE_32 = (tuple(map(F32, c)) for c in (FLOAT32.log, FLOAT32.sine, FLOAT32.cosine))

SCALE_64, OFFSET_64, TURN_64 = 2.0**-64, 2.0**-65, 2.0**-63
SIGN_64, SWAP_64 = I64(-(2**63)), I64(2**62)
LN2_64, ROOT_HALF_64 = FLOAT64.ln2, F64(FLOAT64.root_half).view(np.int64)
LOG_64, SINE_64, COSINE_64 = FLOAT64.log, FLOAT64.sine, FLOAT64.cosine


@inlined
def polynomial(coefficients, x):
    value = coefficients[-1]
    for i in range(len(coefficients) - 2, -1, -1):
        value = value * x + coefficients[i]
    return value


@inlined
def polynomials(coefficients, x0, x1):
    value0 = value1 = coefficients[-1]
    for i in range(len(coefficients) - 2, -1, -1):
        value0 = value0 * x0 + coefficients[i]
        value1 = value1 * x1 + coefficients[i]
    return value0, value1


@inlined
def fraction_32(radius_word):
    """The exponent and f of the uniform ``u = 2^exponent (1 + f)``."""
    c = F32(radius_word) * SCALE_32 + OFFSET_32
    u = F32(1) + c if radius_word < 0 else c
    pattern = float32_bits(u)
    exponent = I32(I32(pattern - ROOT_HALF_32) >> I32(23))
    f = c if exponent == 0 else bits_float32(I32(pattern - I32(exponent << I32(23)))) - F32(1)
    return F32(exponent), f


@inlined
def minus_log_32(exponent, f, log):
    """``-log(u)`` of the uniform ``u = 2^exponent (1 + f)``, given LOG(f)."""
    square = f * f
    log1p = (square * f) * log - F32(0.5) * square
    return -((exponent * LN2_32 + log1p) + f)


@inlined
def signed_32(x, word):
    """A number that is not negative, with the top bit of the word for a sign."""
    return bits_float32(I32(float32_bits(x) ^ (word & SIGN_32)))


@inlined
def _radius_32(exponent, f, log, angle_word):
    return signed_32(np.sqrt(F32(2) * minus_log_32(exponent, f, log)), angle_word)


@inlined
def eighth_32(angle_word):
    return (F32(I32(angle_word << I32(2))) + F32(2)) * TURN_32


@inlined
def _pair_32(radius, sine, cosine, angle_word):
    swap = (angle_word & SWAP_32) != 0
    return radius * (sine if swap else cosine), radius * (cosine if swap else sine)


@inlined
def normal_pairs_32(r0, a0, r1, a1):
    """`random.normal_pair` in float32 of the signed words (r0, a0) and of (r1, a1), side by side."""
    exponent0, f0 = fraction_32(r0)
    exponent1, f1 = fraction_32(r1)
    log0, log1 = polynomials(LOG_32, f0, f1)
    t0, t1 = eighth_32(a0), eighth_32(a1)
    z0, z1 = t0 * t0, t1 * t1
    sine0, sine1 = polynomials(SINE_32, z0, z1)
    cosine0, cosine1 = polynomials(COSINE_32, z0, z1)
    radius0, radius1 = _radius_32(exponent0, f0, log0, a0), _radius_32(exponent1, f1, log1, a1)
    n0, n1 = _pair_32(radius0, sine0 * t0, cosine0 * z0 + F32(1), a0)
    n2, n3 = _pair_32(radius1, sine1 * t1, cosine1 * z1 + F32(1), a1)
    return n0, n1, n2, n3


@inlined
def minus_log_uniform_64(radius_word):
    """`random.minus_log_uniform` in float64, of a signed word."""
    c = F64(radius_word) * SCALE_64 + OFFSET_64
    u = 1.0 + c if radius_word < 0 else c
    pattern = float64_bits(u)
    exponent = (pattern - ROOT_HALF_64) >> I64(52)
    f = c if exponent == 0 else bits_float64(pattern - (exponent << I64(52))) - 1.0
    square = f * f
    log1p = (square * f) * polynomial(LOG_64, f) - 0.5 * square
    return -((F64(exponent) * LN2_64 + log1p) + f)


@inlined
def signed_64(x, word):
    """A number that is not negative, with the top bit of the word for a sign."""
    return bits_float64(float64_bits(x) ^ (word & SIGN_64))


@inlined
def normal_pair_64(radius_word, angle_word):
    """`random.normal_pair` in float64, of two signed words."""
    radius = signed_64(np.sqrt(2.0 * minus_log_uniform_64(radius_word)), angle_word)
    first, second = turned_64(angle_word)
    return radius * first, radius * second


@inlined
def turned_64(angle_word):
    """The factors of a radius: cosine and sine, or, where the second bit says so, sine and cosine."""
    t = (F64(angle_word << I64(2)) + 2.0) * TURN_64
    z = t * t
    sine = polynomial(SINE_64, z) * t
    cosine = polynomial(COSINE_64, z) * z + 1.0
    swap = (angle_word & SWAP_64) != 0
    return (sine if swap else cosine), (cosine if swap else sine)


@inlined
def normals_32(words, normals):
    """`random.normals`: four float32 normals a lane from four words a lane."""
    for lane in range(LANES):
        normals[0, lane], normals[1, lane], normals[2, lane], normals[3, lane] = normal_pairs_32(
            I32(words[0, lane]), I32(words[1, lane]), I32(words[2, lane]), I32(words[3, lane])
        )


@inlined
def first_normal_32(words, normals):
    """The first of the four alone: of words 0 and 1, two lanes side by side."""
    for lane in range(LANES // 2):
        other = lane + LANES // 2
        normals[0, lane], _, normals[0, other], _ = normal_pairs_32(
            I32(words[0, lane]), I32(words[1, lane]), I32(words[0, other]), I32(words[1, other])
        )


@inlined
def normals_64(words, normals):
    """`random.normals`: two float64 normals a lane from four words a lane."""
    for lane in range(LANES):
        radius_word = I64(U64(words[0, lane]) | (U64(words[1, lane]) << HALF_WORD))
        angle_word = I64(U64(words[2, lane]) | (U64(words[3, lane]) << HALF_WORD))
        normals[0, lane], normals[1, lane] = normal_pair_64(radius_word, angle_word)


@inlined
def lanes_of(rows, first, row):
    """The numbers of the next `LANES` rows from `first` on, padded with 0; return how many there are."""
    lanes = min(LANES, rows.size - first)
    for lane in range(lanes):
        row[lane] = rows[first + lane]
    for lane in range(lanes, LANES):
        row[lane] = 0
    return lanes


# ---- rows -----------------------------------------------------------------------------------------------------


@inlined
def four_columns(normals, w, j, response):
    """Add features j to j + 3 to the response, four at once: a quarter of the traffic with the nearest cache."""
    w0, w1, w2, w3 = w[j], w[j + 1], w[j + 2], w[j + 3]
    for lane in range(LANES):
        total = response[lane] + np.float64(normals[0, lane]) * w0
        total = total + np.float64(normals[1, lane]) * w1
        total = total + np.float64(normals[2, lane]) * w2
        response[lane] = total + np.float64(normals[3, lane]) * w3


@inlined
def four_to_rows(normals, X, first, lanes, j):
    """Write features j to j + 3 of the rows of the lanes."""
    whole = lanes & ~3
    for lane in range(0, whole, 4):
        store_four_by_four(normals, lane, X, first + lane, j, 1, 0)
    for lane in range(whole, lanes):
        for k in range(4):
            X[first + lane, j + k] = normals[k, lane]


@compiled
def linear_rows(rows, w, b, noise, feature_key, noise_key, wide, X, y):
    """`random.linear_rows` into ``X`` (rows, features) and ``y`` (rows,); an empty ``y`` is left out.

    ``wide`` is None for float32 and True for float64: Numba drops the branch that a None rules out.
    """
    features = w.size
    answered = y.size > 0
    words = np.empty((4, LANES), np.uint32)
    per_group = 4 if wide is None else 2
    normals = np.empty((per_group, LANES), X.dtype)
    row = np.empty(LANES, np.uint64)
    response = np.empty(LANES, np.float64)
    for first in range(0, rows.size, LANES):
        lanes = lanes_of(rows, first, row)
        for lane in range(LANES):
            prefetch(X, min(first + LANES + lane, rows.size - 1), 0)  # where the next lanes will be written
        for lane in range(LANES):
            response[lane] = b
        for j in range(0, features, per_group):
            row_words(row, U64(j // per_group), None, feature_key, words)
            count = min(per_group, features - j)
            if wide is None:
                normals_32(words, normals)
            else:
                normals_64(words, normals)
            if wide is None and count == 4:
                if answered:
                    four_columns(normals, w, j, response)
                four_to_rows(normals, X, first, lanes, j)
            else:
                for k in range(count):
                    weight = w[j + k]
                    for lane in range(LANES):
                        response[lane] += np.float64(normals[k, lane]) * weight
                    for lane in range(lanes):
                        X[first + lane, j + k] = normals[k, lane]
        if not answered:
            continue
        row_words(row, U64(0), None, noise_key, words)
        if wide is None:
            first_normal_32(words, normals)
        else:
            normals_64(words, normals)
        for lane in range(lanes):
            y[first + lane] = response[lane] + np.float64(normals[0, lane]) * noise
