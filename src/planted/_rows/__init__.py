"""The rows: the random numbers and their definition, and the row function, (truth, seed, row number) -> row.

In: a truth, a seed, row numbers. Out: X of shape (rows, features) and y of shape (rows, 1). `random` is the definition,
in plain NumPy; `kernels` holds the same functions compiled, and is imported when first needed. *Rows* are whatever has
a length, a truth and `take`.
"""

from planted._lazy import lazily
from planted._rows.base import LIMIT, BaseRows, HeldRows, LazyRows
from planted._rows.columns import names_of
from planted._rows.draw import draw_rows, keys_of, weights
from planted._rows.planted import ComputedRows, MemoryRows, PlantedRows, earlier_fingerprint, regression, rows
from planted._rows.protocol import Rows
from planted._rows.random import MIXERS, SMALL, VERSION, feistel_bits, key_words, row_words

__getattr__ = lazily(__name__, {"kernels": ["SOURCES", "gather", "gather_block_rows", "philox"]})

__all__ = [
    "LIMIT",
    "MIXERS",
    "SMALL",
    "VERSION",
    "BaseRows",
    "ComputedRows",
    "HeldRows",
    "LazyRows",
    "MemoryRows",
    "PlantedRows",
    "Rows",
    "draw_rows",
    "earlier_fingerprint",
    "feistel_bits",
    "key_words",
    "keys_of",
    "names_of",
    "regression",
    "row_words",
    "rows",
    "weights",
]
