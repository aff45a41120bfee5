"""What a law needs once: a Cholesky factor and the signs of loadings, of the same bits on every machine."""

from typing import Final

import numpy as np
import numpy.typing as npt

from planted._random.random import key_words, row_words

BITS: Final = 128  # of four words


def cholesky(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The lower triangular L of ``matrix = L L'``, shape (d, d), of a positive semi-definite matrix.

    Column after column, each subtracted from what is left as soon as it is known; each product is rounded, then the
    difference. A pivot that is no larger than rounding, ``d eps`` times the largest diagonal element, makes a column
    of zeros. No linear algebra library: their order of operations, and so their bits, differ between machines.
    """
    left = np.array(matrix, np.float64)
    d = len(left)
    factor = np.zeros_like(left)
    least = d * float(np.finfo(np.float64).eps) * float(left.diagonal().max())
    for k in range(d):
        if left[k, k] <= least:
            continue
        column = left[k:, k] / np.sqrt(left[k, k])
        factor[k:, k] = column
        left[k:, k:] = left[k:, k:] - column[:, np.newaxis] * column
    return factor


def signs(d: int, factors: int) -> npt.NDArray[np.float64]:
    """1 or -1 for each feature and factor, shape (d, factors), the same in all laws: bits of the key "loadings".

    Bit ``k mod 32`` of word ``(k div 32) mod 4`` of group ``k div 128`` of row j: 1 is a minus.
    """
    k0, k1, *_ = key_words("loadings", 0)
    features = np.arange(d, dtype=np.uint64)
    groups = range(-(-factors // BITS))
    words = np.stack([word for group in groups for word in row_words(features, group, (k0, k1))], axis=1)
    bits = (words[:, :, np.newaxis] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    return 1.0 - 2.0 * bits.reshape(d, -1)[:, :factors]
