"""Learning: the reference learners, and the check of any learner against the truth.

In: rows, and what a learner found. Out: an `Estimate`, and a `Report` that says whether it is right. `factor` holds
exact least squares, `descent` gradient descent, `verdict` the check.
"""

from planted._learn.descent import Learner, descend, sgd, training_settings
from planted._learn.estimate import Estimate
from planted._learn.factor import BLOCK_ROWS, least_squares
from planted._learn.report import Parameter, Report
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
