"""What a law of features computes once: the factor of a covariance, and the signs of shared factors.

The operations are few and their order is written here, as for the rows: ``+ - * /`` and ``sqrt`` in float64, element by
element, and no linear algebra library, of which each has bits of its own.
"""

import numpy as np
import numpy.typing as npt

from planted._random import key_words, row_words


def cholesky(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The lower triangular L with ``L L' = matrix``, shape (d, d), for a symmetric, positive semi-definite matrix.

    Column by column, each subtracted from what is left of the matrix at once. Where what is left of the diagonal is no
    more than rounding makes, ``d 2^-52`` times the largest diagonal entry, the column is zero.

    >>> cholesky(np.array([[4.0, 2.0], [2.0, 1.0]])).tolist()
    [[2.0, 0.0], [1.0, 0.0]]
    """
    d = len(matrix)
    rest = np.array(matrix, np.float64)
    L = np.zeros((d, d))
    least = d * 2.0**-52 * max(rest.diagonal().tolist(), default=0.0)
    for k in range(d):
        pivot = rest[k, k]
        if pivot <= least:
            continue
        L[k, k] = np.sqrt(pivot)
        column = L[k + 1 :, k]
        column[:] = rest[k + 1 :, k] / L[k, k]
        rest[k + 1 :, k + 1 :] -= column[:, np.newaxis] * column
    return L


def signs(d: int, r: int) -> npt.NDArray[np.float64]:
    """The signs with which r factors enter d features, shape (d, r): one random bit each, 1 for -1.

    It is bit ``k mod 32`` of word ``(k div 32) mod 4`` of group ``k div 128`` of "row" j: more features or factors
    change none.

    >>> signs(2, 3).tolist()
    [[1.0, -1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    key = key_words("loadings", 0)[:2]
    rows = np.arange(d, dtype=np.uint64)
    words = [word for group in range(-(-r // 128)) for word in row_words(rows, group, (key[0], key[1]))]
    result = np.empty((d, r))
    for k in range(r):
        result[:, k] = np.where(words[k // 32] >> np.uint32(k % 32) & np.uint32(1), -1.0, 1.0)
    return result
