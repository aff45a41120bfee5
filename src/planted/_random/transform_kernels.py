"""The functions of `transforms`, compiled: the same names, the same bits.

Rows are in X row after row, so what is done to all features of a row alike is vectorised along it. Where a feature waits
for the one before, or is a sum of many, some rows go side by side.
"""

import numpy as np

from planted._machine import compiled_with, inlined
from planted._random import transforms

LANES = 32

compiled = compiled_with(transforms.__file__, __file__)


@compiled
def affine(Z, F, X, low, width):
    """`transforms.affine`."""
    for i in range(len(X)):
        for j in range(X.shape[1]):
            X[i, j] = Z[i, j] * width + low


@compiled
def ar1(Z, F, X, rho, own):
    """`transforms.ar1`."""
    n, features = X.shape
    whole = n - n % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = Z[i, 0], Z[i + 1, 0], Z[i + 2, 0], Z[i + 3, 0]
        X[i, 0], X[i + 1, 0], X[i + 2, 0], X[i + 3, 0] = x0, x1, x2, x3
        for j in range(1, features):
            x0 = x0 * rho + Z[i, j] * own
            x1 = x1 * rho + Z[i + 1, j] * own
            x2 = x2 * rho + Z[i + 2, j] * own
            x3 = x3 * rho + Z[i + 3, j] * own
            X[i, j], X[i + 1, j], X[i + 2, j], X[i + 3, j] = x0, x1, x2, x3
    for i in range(whole, n):
        x0 = Z[i, 0]
        X[i, 0] = x0
        for j in range(1, features):
            x0 = x0 * rho + Z[i, j] * own
            X[i, j] = x0


@compiled
def equicorrelated(Z, F, X, shared, own):
    """`transforms.equicorrelated`."""
    for i in range(len(X)):
        common = F[i, 0] * shared
        for j in range(X.shape[1]):
            X[i, j] = common + Z[i, j] * own


@inlined
def _sums(columns, weights, count, total):
    """Add ``columns[k] weights[k]``, k ascending, to the total of each lane; four at a time spare memory's traffic."""
    whole = count & ~3
    for k in range(0, whole, 4):
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for lane in range(LANES):
            value = total[lane] + columns[k, lane] * w0
            value = value + columns[k + 1, lane] * w1
            value = value + columns[k + 2, lane] * w2
            total[lane] = value + columns[k + 3, lane] * w3
    for k in range(whole, count):
        weight = weights[k]
        for lane in range(LANES):
            total[lane] += columns[k, lane] * weight


@inlined
def _to_columns(Z, first, lanes, columns):
    """The rows of the lanes, turned: value k of each row is ``columns[k]``."""
    for lane in range(lanes):
        for k in range(Z.shape[1]):
            columns[k, lane] = Z[first + lane, k]


@compiled
def triangular(Z, F, X, L):
    """`transforms.triangular`."""
    n, features = X.shape
    columns, total = np.zeros((features, LANES), X.dtype), np.empty(LANES, X.dtype)
    for first in range(0, n, LANES):
        lanes = min(LANES, n - first)
        _to_columns(Z, first, lanes, columns)
        for j in range(features):
            total[:] = 0
            _sums(columns, L[j], j + 1, total)
            for lane in range(lanes):
                X[first + lane, j] = total[lane]


@compiled
def low_rank(Z, F, X, loadings, own):
    """`transforms.low_rank`."""
    n, features = X.shape
    columns = np.ascontiguousarray(loadings.T)
    total = np.empty(features, X.dtype)
    for i in range(n):
        for j in range(features):
            total[j] = 0
        for k in range(F.shape[1]):
            factor = F[i, k]
            for j in range(features):
                total[j] += factor * columns[k, j]
        for j in range(features):
            X[i, j] = total[j] + Z[i, j] * own


@compiled
def powers(Z, F, X, multipliers):
    """`transforms.powers`."""
    degree = multipliers.size
    for i in range(len(X)):
        for v in range(Z.shape[1]):
            z = Z[i, v]
            power = z
            X[i, v * degree] = power * multipliers[0]
            for k in range(1, degree):
                power = power * z
                X[i, v * degree + k] = power * multipliers[k]


@compiled
def indicators(Z, F, X, first):
    """`transforms.indicators`."""
    variables = Z.shape[1]
    columns = X.shape[1] // variables
    for i in range(len(X)):
        for j in range(X.shape[1]):
            X[i, j] = 0
        for v in range(variables):
            column = Z[i, v] - first
            if column >= 0:
                X[i, v * columns + column] = 1
