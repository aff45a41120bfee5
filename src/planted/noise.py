"""The laws of noise: what is added to ``X w + b``.

Each is a frozen dataclass for the argument `noise` of `planted.LinearTruth`, with its exact variance; a plain number is
the standard deviation of `Normal`.

>>> import planted
>>> from planted import noise
>>> truth = planted.LinearTruth([2.0, -3.4], b=4.2, noise=noise.StudentT(df=3, scale=0.5))
>>> truth.noise.variance
0.75
"""

from planted._truth import (
    Clustered,
    Contaminated,
    Heteroscedastic,
    Laplace,
)
from planted._truth import (
    NormalNoise as Normal,
)
from planted._truth import (
    StudentTNoise as StudentT,
)

__all__ = ["Clustered", "Contaminated", "Heteroscedastic", "Laplace", "Normal", "StudentT"]
