"""The random numbers: their definition, and the same functions compiled.

In: a key (two words, hashed from a seed) and row numbers. Out: words, normals, rows of the normal line. `random` is the
definition, in plain NumPy; `kernels` and `few` hold the same functions compiled, and are imported when first needed.
"""

from planted._lazy import lazily
from planted._random.random import (
    FLOAT64,
    MIXERS,
    PRECISIONS,
    SMALL,
    VERSION,
    feistel_bits,
    key_words,
    normals,
    row_words,
)

__getattr__ = lazily(__name__, {"kernels": ["LANES", "SOURCES", "linear_rows", "philox"], "few": ["FEW", "few_rows"]})

__all__ = [
    "FLOAT64",
    "MIXERS",
    "PRECISIONS",
    "SMALL",
    "VERSION",
    "feistel_bits",
    "key_words",
    "normals",
    "row_words",
]
