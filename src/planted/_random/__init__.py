"""The random numbers: their definition, and the same functions compiled.

In: a key (two words, hashed from a seed), row numbers, and the numbers of a law. Out: words, normals, features, noise.
`random`, `fills` and `transforms` are the definition, in plain NumPy; `kernels`, `few`, `fill_kernels` and
`transform_kernels` hold the same functions compiled, and are imported when first needed.
"""

from planted._lazy import lazily
from planted._random.drawing import (
    CHUNK_BYTES,
    Keys,
    Noise,
    add_noise,
    draw_features,
    law_rows,
    normal_line,
)
from planted._random.factors import cholesky, signs
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

__getattr__ = lazily(__name__, {"kernels": ["SOURCES", "philox"], "few": ["add_products"]})

__all__ = [
    "CHUNK_BYTES",
    "FLOAT64",
    "MIXERS",
    "PRECISIONS",
    "SMALL",
    "VERSION",
    "Keys",
    "Noise",
    "add_noise",
    "cholesky",
    "draw_features",
    "feistel_bits",
    "key_words",
    "law_rows",
    "normal_line",
    "normals",
    "row_words",
    "signs",
]
