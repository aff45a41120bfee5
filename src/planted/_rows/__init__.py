"""The rows: the row function, (truth, seed, row number) -> row.

In: a truth, a seed, row numbers. Out: X of shape (rows, features) and y of shape (rows, 1), computed on demand or held
in memory. *Rows* are whatever has a length, a truth and `take`.
"""

from planted._lazy import lazily
from planted._rows.base import LIMIT, BaseRows, HeldRows, LazyRows
from planted._rows.columns import names_of
from planted._rows.draw import draw_rows, keys_of, weights
from planted._rows.planted import ComputedRows, MemoryRows, PlantedRows, earlier_fingerprint, regression, rows
from planted._rows.protocol import Rows

__getattr__ = lazily(__name__, {"gather": ["gathered_block_rows"]})

__all__ = [
    "LIMIT",
    "BaseRows",
    "ComputedRows",
    "HeldRows",
    "LazyRows",
    "MemoryRows",
    "PlantedRows",
    "Rows",
    "draw_rows",
    "earlier_fingerprint",
    "keys_of",
    "names_of",
    "regression",
    "rows",
    "weights",
]
