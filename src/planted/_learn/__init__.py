"""Learning: the reference learners, and the check of any learner against the truth.

In: rows, and what a learner found. Out: the fit of a reference learner, and a `Report` that says whether it is right.
`factor` holds exact least squares, `descent` gradient descent, `verdict` the check, `report` what it found, `advice`
why a learner is far off, `sample` which rows people mean. What learners leave behind is read by the room `_estimates`.
"""

from planted._learn.descent import Learner, descend, sgd, training_settings
from planted._learn.factor import least_squares
from planted._learn.report import Parameter, Report
from planted._learn.sample import BLOCK_ROWS
from planted._learn.verdict import check, known_noise

__all__ = [
    "BLOCK_ROWS",
    "Learner",
    "Parameter",
    "Report",
    "check",
    "descend",
    "known_noise",
    "least_squares",
    "sgd",
    "training_settings",
]
