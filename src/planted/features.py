"""The laws of features: what X is drawn from.

Each is a frozen dataclass for the argument `features` of `planted.LinearTruth`, with its exact mean and covariance.
More features change no feature that was there, but for `Covariance`, whose matrix is of one size.

>>> import planted
>>> from planted import features
>>> truth = planted.LinearTruth([2.0, -3.4, 1.0], b=4.2, features=features.AR1(0.5))
>>> truth.feature_law.covariance(3)[0].tolist()
[1.0, 0.5, 0.25]
"""

from planted._truth import (
    AR1,
    Categorical,
    Covariance,
    Equicorrelated,
    LowRank,
    Polynomial,
    Uniform,
)
from planted._truth import (
    NormalFeatures as Normal,
)
from planted._truth import (
    StudentTFeatures as StudentT,
)

__all__ = [
    "AR1",
    "Categorical",
    "Covariance",
    "Equicorrelated",
    "LowRank",
    "Normal",
    "Polynomial",
    "StudentT",
    "Uniform",
]
