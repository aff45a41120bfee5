"""The truth: what is planted, and what a learner is to find.

In: weights, an intercept, laws of the features and of the noise, from lists, arrays or any framework's tensors. Out: a
`LinearTruth`. Laws are classes that know their moments; how their values are drawn is the business of the rows.
"""

from planted._truth.digest import MOST_AS_JSON, begun_as_json
from planted._truth.features import AR1, Covariance, Equicorrelated, LowRank, Uniform
from planted._truth.features import Normal as NormalFeatures
from planted._truth.features import StudentT as StudentTFeatures
from planted._truth.laws import FeatureLaw, NoiseLaw
from planted._truth.linear import LinearTruth
from planted._truth.noise import Clustered, Contaminated, Heteroscedastic, Laplace
from planted._truth.noise import Normal as NormalNoise
from planted._truth.noise import StudentT as StudentTNoise
from planted._truth.variables import Categorical, Polynomial

__all__ = [
    "AR1",
    "MOST_AS_JSON",
    "Categorical",
    "Clustered",
    "Contaminated",
    "Covariance",
    "Equicorrelated",
    "FeatureLaw",
    "Heteroscedastic",
    "Laplace",
    "LinearTruth",
    "LowRank",
    "NoiseLaw",
    "NormalFeatures",
    "NormalNoise",
    "Polynomial",
    "StudentTFeatures",
    "StudentTNoise",
    "Uniform",
    "begun_as_json",
]
