"""The functions of `transforms`, compiled: the same names, the same bits.

What is one product or two a value goes along the rows, as it stands in memory. Sums of many products go `LANES` rows
at a time, turned so that the vector lanes run across rows: loops of a fixed length, whatever the number of features.
Such a sum begins with minus zero, which changes nothing that is added to it.
"""

import numpy as np

from planted._machine import compiled_with, inlined
from planted._random import transforms

compiled = compiled_with(transforms.__file__, __file__)

SIDE_BY_SIDE = 4
LANES = 64  # of 64 features in float32: 16 KiB, within the nearest cache
MINUS_ZERO = -0.0


@compiled
def affine(Z, _F, X, low, width):
    """`transforms.affine`."""
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            X[i, j] = width * Z[i, j] + low


@compiled
def ar1(Z, _F, X, rho, s):
    """`transforms.ar1`: each step waits for the one before, so four rows go side by side."""
    rows = X.shape[0]
    whole = rows - rows % SIDE_BY_SIDE
    for i in range(0, whole, SIDE_BY_SIDE):
        x0, x1, x2, x3 = Z[i, 0], Z[i + 1, 0], Z[i + 2, 0], Z[i + 3, 0]
        X[i, 0], X[i + 1, 0], X[i + 2, 0], X[i + 3, 0] = x0, x1, x2, x3
        for j in range(1, X.shape[1]):
            x0 = rho * x0 + s * Z[i, j]
            x1 = rho * x1 + s * Z[i + 1, j]
            x2 = rho * x2 + s * Z[i + 2, j]
            x3 = rho * x3 + s * Z[i + 3, j]
            X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j] = x0, x1, x2, x3
    for i in range(whole, rows):
        x = Z[i, 0]
        X[i, 0] = x
        for j in range(1, X.shape[1]):
            x = rho * x + s * Z[i, j]
            X[i, j] = x


@compiled
def equicorrelated(Z, F, X, a, c):
    """`transforms.equicorrelated`."""
    for i in range(X.shape[0]):
        shared = a * F[i, 0]
        for j in range(X.shape[1]):
            X[i, j] = shared + c * Z[i, j]


@inlined
def _to_lanes(values, first, lanes, columns):
    """Turn the values of `lanes` rows into columns, (values a row, LANES); lanes without a row hold zeros."""
    for lane in range(lanes):
        for k in range(values.shape[1]):
            columns[k, lane] = values[first + lane, k]
    columns[:, lanes:] = 0


@inlined
def _sum_of_products(weights, j, count, columns, total):
    """`transforms._sum_of_products` of the first weights of row j: four at a time, with a quarter of the traffic."""
    total[:] = MINUS_ZERO
    whole = count - count % 4
    for k in range(0, whole, 4):
        w0, w1, w2, w3 = weights[j, k], weights[j, k + 1], weights[j, k + 2], weights[j, k + 3]
        for lane in range(LANES):
            t = total[lane] + w0 * columns[k, lane]
            t = t + w1 * columns[k + 1, lane]
            t = t + w2 * columns[k + 2, lane]
            total[lane] = t + w3 * columns[k + 3, lane]
    for k in range(whole, count):
        weight = weights[j, k]
        for lane in range(LANES):
            total[lane] += weight * columns[k, lane]


@compiled
def triangular(Z, _F, X, L):
    """`transforms.triangular`: the last feature first, in the place of the last z, which no other feature needs."""
    rows, d = X.shape
    columns = np.empty((d, LANES), X.dtype)
    total = np.empty(LANES, X.dtype)
    for first in range(0, rows, LANES):
        lanes = min(LANES, rows - first)
        _to_lanes(Z, first, lanes, columns)
        for j in range(d - 1, -1, -1):
            _sum_of_products(L, j, j + 1, columns, total)
            columns[j] = total
        for lane in range(lanes):
            for j in range(d):
                X[first + lane, j] = columns[j, lane]


@compiled
def low_rank(Z, F, X, loadings, c):
    """`transforms.low_rank`."""
    rows, d = X.shape
    factors = F.shape[1]
    columns = np.empty((factors, LANES), X.dtype)
    shared = np.empty((d, LANES), X.dtype)
    for first in range(0, rows, LANES):
        lanes = min(LANES, rows - first)
        _to_lanes(F, first, lanes, columns)
        for j in range(d):
            _sum_of_products(loadings, j, factors, columns, shared[j])
        for lane in range(lanes):
            for j in range(d):
                X[first + lane, j] = shared[j, lane] + c * Z[first + lane, j]


@compiled
def powers(Z, _F, X, multipliers):
    """`transforms.powers`."""
    degree = multipliers.size
    for i in range(X.shape[0]):
        for v in range(Z.shape[1]):
            z = power = Z[i, v]
            X[i, v * degree] = z * multipliers[0]
            for p in range(1, degree):
                power = power * z
                X[i, v * degree + p] = power * multipliers[p]


@compiled
def indicators(Z, _F, X, first):
    """`transforms.indicators`."""
    variables = Z.shape[1]
    columns = X.shape[1] // variables
    for i in range(X.shape[0]):
        X[i] = 0
        for v in range(variables):
            k = Z[i, v] - first
            if k >= 0:
                X[i, v * columns + k] = 1
