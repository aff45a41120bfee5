"""planted: regression data whose right answer is known, at any size, for any learner; and whether it was found.

``y = X w + b + noise``. Read the package from left to right::

    truth -> random numbers -> rows -> order -> batches -> a framework's tensors -> a learner -> check
    _truth   _random, _kernels _rows   _order   _loader    torch                    _fit         _check
             _draw

A row is a pure function of (truth, seed, row number); everything after `_draw` is transport.
"""

from planted._audit import audit
from planted._check import Report, check
from planted._draw import weights
from planted._errors import PlantedError
from planted._findings import Audit
from planted._fit import Estimate, least_squares, sgd
from planted._loader import Loader
from planted._order import permutation
from planted._pipeline import Pipeline
from planted._rows import Rows, regression, rows
from planted._shards import open  # noqa: A004 -- the contract's name
from planted._tables import open_table
from planted._truth import LinearTruth
from planted._types import Batch
from planted._verify import Verification, verify
from planted._write import write

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
