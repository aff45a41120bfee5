"""What is done to standard normals (or uniforms, or levels) to make them features of a law: the definition.

What comes in: Z, shape (rows, own), values of the row's own; F, shape (rows, factors), standard normals that its
features share; and the numbers of the law, of the type of the rows. What goes out: X, shape (rows, features), filled. X
may be Z itself where both have one shape. `transform_kernels` holds the same functions compiled, with the same bits.

Each product and each sum is rounded to the type of the rows, in the order written here.
"""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from planted._types import FloatArray

Number: TypeAlias = np.floating[Any]


def affine(Z: FloatArray, _F: FloatArray, X: FloatArray, low: Number, width: Number) -> None:
    """Values between 0 and 1 on another interval: ``x_j = width z_j + low``."""
    X[:] = width * Z + low


def ar1(Z: FloatArray, _F: FloatArray, X: FloatArray, rho: Number, s: Number) -> None:
    """Each feature leans on the one before: ``x_0 = z_0``, ``x_j = rho x_(j-1) + s z_j``."""
    X[:, 0] = Z[:, 0]
    for j in range(1, X.shape[1]):
        X[:, j] = rho * X[:, j - 1] + s * Z[:, j]


def equicorrelated(Z: FloatArray, F: FloatArray, X: FloatArray, a: Number, c: Number) -> None:
    """All features lean on one factor: ``x_j = a f_0 + c z_j``."""
    X[:] = a * F[:, :1] + c * Z


def triangular(Z: FloatArray, _F: FloatArray, X: FloatArray, L: FloatArray) -> None:
    """``x = L z`` for a lower triangular L: the sum of ``L[j, k] z_k`` over k = 0 ... j, in ascending order."""
    for j in range(X.shape[1] - 1, -1, -1):  # the last one first: it alone needs the last z
        X[:, j] = _sum_of_products(L[j, : j + 1], Z)


def low_rank(Z: FloatArray, F: FloatArray, X: FloatArray, loadings: FloatArray, c: Number) -> None:
    """A few factors for all: the sum of ``loadings[j, k] f_k`` over k, in ascending order, and then ``+ c z_j``."""
    for j in range(X.shape[1]):
        X[:, j] = _sum_of_products(loadings[j], F) + c * Z[:, j]


def _sum_of_products(weights: FloatArray, values: FloatArray) -> FloatArray:
    """The first product, plus the second, and so on."""
    total: FloatArray = weights[0] * values[:, 0]
    for k in range(1, weights.size):
        total = total + weights[k] * values[:, k]
    return total


def powers(Z: FloatArray, _F: FloatArray, X: FloatArray, multipliers: FloatArray) -> None:
    """Powers of each variable: column ``v degree + p - 1`` is the product of p factors z_v, times its multiplier."""
    degree = multipliers.size
    for v in range(Z.shape[1]):
        z = power = Z[:, v].copy()
        for p in range(1, degree + 1):
            power = power * z if p > 1 else z
            X[:, v * degree + p - 1] = power * multipliers[p - 1]


def indicators(Z: npt.NDArray[np.int32], _F: FloatArray, X: FloatArray, first: int) -> None:
    """Levels as columns of zeros and ones: each variable has one for each level from `first` on."""
    columns = X.shape[1] // Z.shape[1]
    for v in range(Z.shape[1]):
        for k in range(columns):
            X[:, v * columns + k] = Z[:, v] == first + k
