"""The truth: what is planted, and what a learner is to find.

In: weights, an intercept and a noise level, from lists, arrays or any framework's tensors. Out: a `LinearTruth`.
"""

from planted._truth.digest import MOST_AS_JSON, begun_as_json
from planted._truth.linear import LinearTruth

__all__ = [
    "MOST_AS_JSON",
    "LinearTruth",
    "begun_as_json",
]
