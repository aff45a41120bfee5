"""The functions of `transforms`, compiled: the same names, the same bits.

Rows come one after the other and the vector lanes run along a row's features. Matrices come in Fortran's order (another
one is right, too, but slow): then the lanes read one column. Four columns are added at a time, with a quarter of the
traffic with the nearest cache. A sum begins with minus zero, which changes nothing that is added to it.
"""

import numpy as np

from planted._machine import compiled_with, inlined
from planted._random import transforms

compiled = compiled_with(transforms.__file__, __file__)

LANES = 32
SIDE_BY_SIDE = 4


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
def _add_columns(columns, k, count, values, i, total):
    """Add columns k to k + count - 1, each times its value of row i, to the total."""
    if count == 4:
        v0, v1, v2, v3 = values[i, k], values[i, k + 1], values[i, k + 2], values[i, k + 3]
        for j in range(total.size):
            t = total[j] + columns[k, j] * v0
            t = t + columns[k + 1, j] * v1
            t = t + columns[k + 2, j] * v2
            total[j] = t + columns[k + 3, j] * v3
    else:
        for other in range(k, k + count):
            v = values[i, other]
            for j in range(total.size):
                total[j] += columns[other, j] * v


@compiled
def triangular(Z, _F, X, L):
    """`transforms.triangular`, some rows side by side: value k of each of them is ``columns[k]``."""
    rows, d = X.shape
    columns, total = np.zeros((d, LANES), X.dtype), np.empty(LANES, X.dtype)
    for first in range(0, rows, LANES):
        lanes = min(LANES, rows - first)
        for lane in range(lanes):
            for k in range(d):
                columns[k, lane] = Z[first + lane, k]
        for j in range(d):
            total[:] = -0.0
            whole = (j + 1) & ~3
            for k in range(0, whole, 4):
                _add_columns(columns, k, 4, L, j, total)
            _add_columns(columns, whole, j + 1 - whole, L, j, total)
            for lane in range(lanes):
                X[first + lane, j] = total[lane]


@compiled
def low_rank(Z, F, X, loadings, c):
    """`transforms.low_rank`."""
    factors = F.shape[1]
    columns = np.ascontiguousarray(loadings.T)
    total = np.empty(X.shape[1], X.dtype)
    for i in range(X.shape[0]):
        total[:] = -0.0
        for k in range(0, factors, 4):
            _add_columns(columns, k, min(4, factors - k), F, i, total)
        for j in range(X.shape[1]):
            X[i, j] = total[j] + c * Z[i, j]


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
    columns = X.shape[1] // Z.shape[1]
    for i in range(X.shape[0]):
        for v in range(Z.shape[1]):
            for k in range(columns):
                X[i, v * columns + k] = Z[i, v] == first + k
