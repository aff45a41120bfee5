"""The order, compiled: the functions of the same names in `random`, bit for bit.

In `walk`, positions that fall outside the range are compacted, and only they take another step.
"""

import numpy as np

from planted._machine import compiled_with, inlined
from planted._random import MIXERS, SOURCES, philox

WALKERS = 1024
U32, U64, I64 = np.uint32, np.uint64, np.int64
HALF_WORD = U64(32)

compiled = compiled_with(*SOURCES, __file__)

MIXER0, MIXER1 = (U32(m) for m in MIXERS)


@inlined
def mix(word, before, between):
    """`random.mix` of one word."""
    word = U32(word ^ before)
    word = U32(U32(word ^ U32(word >> U32(16))) * MIXER0)
    word = U32(word + between)
    word = U32(U32(word ^ U32(word >> U32(15))) * MIXER1)
    return U32(word ^ U32(word >> U32(16)))


@inlined
def _forward(left, right, left_mask, right_mask, k):
    for step in range(0, 8, 2):
        left = U32(left ^ (mix(right, k[2 * step], k[2 * step + 1]) & left_mask))
        right = U32(right ^ (mix(left, k[2 * step + 2], k[2 * step + 3]) & right_mask))
    return left, right


@inlined
def _backward(left, right, left_mask, right_mask, k):
    for step in range(6, -1, -2):
        right = U32(right ^ (mix(left, k[2 * step + 2], k[2 * step + 3]) & right_mask))
        left = U32(left ^ (mix(right, k[2 * step], k[2 * step + 1]) & left_mask))
    return left, right


@compiled
def walk(positions, n, left_bits, right_bits, key, inverse, out):
    """`random.walk` of positions into ``out``; both int64, ``n`` and the bits uint64."""
    left_mask = U32((U64(1) << left_bits) - U64(1))
    right_mask = U32((U64(1) << right_bits) - U64(1))
    at = np.empty(WALKERS, np.uint64)  # where each walker is
    who = np.empty(WALKERS + 1, np.int64)  # and which position sent it
    left = np.empty(WALKERS, np.uint32)
    right = np.empty(WALKERS, np.uint32)
    for first in range(0, positions.size, WALKERS):
        walkers = min(WALKERS, positions.size - first)
        for i in range(walkers):
            at[i] = positions[first + i]
            who[i] = first + i
        while walkers > 0:
            for i in range(walkers):
                left[i] = U32(at[i] >> right_bits)
                right[i] = U32(at[i]) & right_mask
            if inverse:
                for i in range(walkers):
                    left[i], right[i] = _backward(left[i], right[i], left_mask, right_mask, key)
            else:
                for i in range(walkers):
                    left[i], right[i] = _forward(left[i], right[i], left_mask, right_mask, key)
            for i in range(walkers):
                at[i] = (U64(left[i]) << right_bits) | U64(right[i])
            still = 0
            for i in range(walkers):
                place = at[i]
                position = who[i]
                out[position] = place
                at[still] = place
                who[still] = position
                still += place >= n
            walkers = still


@compiled
def shuffled_table(key0, key1, table):
    """`random.shuffled_table` into ``table``, int64."""
    swap = np.empty(table.size, np.int64)  # first all of them, which vectorises
    for i in range(table.size):
        w0, w1, _, _ = philox(U64(i), U64(0), U64(0), U64(0), U64(key0), U64(key1))
        # floor(u (i + 1) / 2^64) by halves: i + 1 is small, so neither product overflows
        size = U64(i + 1)
        swap[i] = I64((U64(w1) * size + ((U64(w0) * size) >> HALF_WORD)) >> HALF_WORD)
        table[i] = i
    for i in range(table.size - 1, 0, -1):
        j = swap[i]
        swapped = table[j]
        table[j] = table[i]
        table[i] = swapped


@compiled
def placed(rows, starts, size, out):
    """``out = starts[rows // size] + rows % size``, int64: where rows are, if blocks of `size` begin at ``starts``."""
    unsigned = U64(size)
    for i in range(rows.size):
        row = U64(rows[i])
        block = row // unsigned
        out[i] = starts[block] + I64(row - block * unsigned)
