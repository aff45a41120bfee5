"""Learning: the reference learners, and the check of any learner against the truth.

In: rows, and what a learner found. Out: an `Estimate`, and a `Report` that says whether it is right.
"""

from planted._learn.fit import BLOCK_ROWS, Estimate, descend, least_squares, sgd, training_settings
from planted._learn.report import Report, check

__all__ = [
    "BLOCK_ROWS",
    "Estimate",
    "Report",
    "check",
    "descend",
    "least_squares",
    "sgd",
    "training_settings",
]
