"""planted: regression data whose right answer is known, at any size, for any learner; and whether it was found.

``y = X w + b + noise``. The rooms of the house, as the data go::

    _truth -> _rows -> _order -> _loader -> a framework's door -> a learner -> _learn, _audit
              _disk, _tables    _pipeline   torch, jax, ...

A row is a pure function of (truth, seed, row number); everything after `_rows` is transport.
"""

from planted._audit import Audit, audit
from planted._disk import (
    Verification,
    open,  # noqa: A004 -- the contract's name
    verify,
    write,
)
from planted._errors import PlantedError
from planted._learn import Estimate, Report, check, least_squares, sgd
from planted._loader import Loader
from planted._order import permutation
from planted._pipeline import Pipeline
from planted._rows import Rows, regression, rows, weights
from planted._tables import open_table
from planted._truth import LinearTruth
from planted._types import Batch

__all__ = [
    "Audit",
    "Batch",
    "Estimate",
    "LinearTruth",
    "Loader",
    "Pipeline",
    "PlantedError",
    "Report",
    "Rows",
    "Verification",
    "audit",
    "check",
    "least_squares",
    "open",
    "open_table",
    "permutation",
    "regression",
    "rows",
    "sgd",
    "verify",
    "weights",
    "write",
]
__version__ = "0.1.0"
