"""The estimates: the weights and the intercept that a learner found, whatever library it is of.

In: what a learner left behind: numbers, a fitted model, a network with one linear layer, its parameters. Out: an
`Estimate`, or an error that says why there is none. `columns` puts weights in the order that their names tell; `models`
reads fitted models of statistics, `layers` those of frameworks, and `asking` compares a model's outputs with its layer.
"""

from planted._estimates.estimate import Estimate, Float64s, as_estimate

__all__ = [
    "Estimate",
    "Float64s",
    "as_estimate",
]
