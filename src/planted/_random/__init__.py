"""The random numbers: their definition, and the same functions compiled.

In: a key (two words, hashed from a seed), row numbers, and the numbers of a law. Out: words, normals, features, noise.
`random`, `fills` and `transforms` are the definition, in plain NumPy; `kernels`, `few`, `fill_kernels` and
`transform_kernels` hold the same functions compiled, and are imported when first needed. `drawing` puts them together.
"""

from planted._lazy import lazily
from planted._random.drawing import (
    CHUNK_BYTES,
    DEFINED,
    Keys,
    Numbers,
    draw_features,
    draw_noise,
    normal_line,
    standard_normals,
)
from planted._random.random import (
    MIXERS,
    PRECISIONS,
    SMALL,
    VERSION,
    feistel_bits,
    key_words,
    row_words,
)

__getattr__ = lazily(__name__, {"kernels": ["SOURCES", "philox"], "few": ["add_products"]})

__all__ = [
    "CHUNK_BYTES",
    "DEFINED",
    "MIXERS",
    "PRECISIONS",
    "SMALL",
    "VERSION",
    "Keys",
    "Numbers",
    "draw_features",
    "draw_noise",
    "feistel_bits",
    "key_words",
    "normal_line",
    "row_words",
    "standard_normals",
]
