"""Learning: the reference learners, and the check of any learner against the truth.

In: rows, and what a learner found. Out: an `Estimate`, and a `Report` that says whether it is right. `factor` holds
exact least squares, `descent` gradient descent, `verdict` the check. What people hand in is read by `sample` (rows,
loaders, modules of data) and by `estimate`, with `models` (of statistics), `layers` (of frameworks) and `columns`.
"""

from planted._learn.descent import Learner, descend, sgd, training_settings
from planted._learn.estimate import Estimate
from planted._learn.factor import least_squares
from planted._learn.report import Parameter, Report
from planted._learn.sample import BLOCK_ROWS
from planted._learn.verdict import check

__all__ = [
    "BLOCK_ROWS",
    "Estimate",
    "Learner",
    "Parameter",
    "Report",
    "check",
    "descend",
    "least_squares",
    "sgd",
    "training_settings",
]
