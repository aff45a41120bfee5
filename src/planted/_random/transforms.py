"""What makes features of independent values, written to be read: this file is the definition, as `random` is.

Each function takes Z, shape (rows, values), the row's own values, F, shape (rows, factors), the values that its features
share, and X, shape (rows, features), which it fills; Z may be X itself. All arithmetic is in their type, product before
sum, in the order written. `transform_kernels` holds the same functions compiled.
"""

import numpy as np
import numpy.typing as npt

from planted._types import FloatArray


def affine(Z: FloatArray, F: FloatArray, X: FloatArray, low: float, width: float) -> None:
    """Uniforms of (0, 1), moved to (low, low + width)."""
    del F
    X[:] = Z * width + low


def ar1(Z: FloatArray, F: FloatArray, X: FloatArray, rho: float, own: float) -> None:
    """Each feature from the one before: ``x_j = rho x_(j - 1) + own z_j``."""
    del F
    X[:, 0] = Z[:, 0]
    for j in range(1, X.shape[1]):
        X[:, j] = X[:, j - 1] * rho + Z[:, j] * own


def equicorrelated(Z: FloatArray, F: FloatArray, X: FloatArray, shared: float, own: float) -> None:
    """One factor for all: ``x_j = shared f + own z_j``."""
    X[:] = F * shared + Z * own


def triangular(Z: FloatArray, F: FloatArray, X: FloatArray, L: FloatArray) -> None:
    """``x = L z``: the products ``z_k L_jk`` are added in ascending k, from the first one on."""
    del F
    total = np.zeros_like(Z)
    for k in range(Z.shape[1]):
        total[:, k:] = total[:, k:] + Z[:, k : k + 1] * L[k:, k]
    X[:] = total


def low_rank(Z: FloatArray, F: FloatArray, X: FloatArray, loadings: FloatArray, own: float) -> None:
    """Some factors for all: the products ``f_k loadings_jk`` in ascending k, and last ``own z_j``."""
    total = np.zeros_like(Z)
    for k in range(F.shape[1]):
        total = total + F[:, k : k + 1] * loadings[:, k]
    X[:] = total + Z * own


def powers(Z: FloatArray, F: FloatArray, X: FloatArray, multipliers: FloatArray) -> None:
    """``z, z^2, z^3, ...`` of each value, z multiplied from the left, and then by the power's multiplier."""
    del F
    degree = multipliers.size
    power = np.ones_like(Z)
    for k in range(degree):
        power = power * Z
        X[:, k::degree] = power * multipliers[k]


def indicators(Z: npt.NDArray[np.int32], F: FloatArray, X: FloatArray, first: int) -> None:
    """1 in the column of each variable's level, 0 in its others; levels below `first` have no column."""
    del F
    columns = X.shape[1] // Z.shape[1]
    X[:] = 0
    for k in range(columns):
        X[:, k::columns] = Z == k + first
