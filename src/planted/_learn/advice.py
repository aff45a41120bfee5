"""Advice for a learner that is too far from the least-squares fit: why, as far as its numbers tell.

Its weights may be right in another order; it may predict worse than a constant, or have no intercept; it may differ
from the fit in the intercept alone, or by one factor in all weights. Otherwise it has either not arrived yet, or it
moves about its goal: minibatches of B rows at a constant learning rate lr leave a mean square distance of lr / (2 B)
times the sum of the squares of X, intercept included, and by chance up to q / k times that (k the degrees of freedom, q
the quantile of chi-square at 1 - alpha). So the distance says how large lr / B must be at least to be the reason. Where
that is too large for any usual learner, it has not arrived.

Source: Mandt, Hoffman, Blei, "Stochastic gradient descent as approximate Bayesian inference", 2017, section 3 (for
batches drawn at random: those of an epoch leave less).
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from planted._estimates import Float64s
from planted._learn.factor import Factor

USUAL: Final = 0.2  # lr / B, times the squares of a row: what fewer learners exceed than forget to train
EXACTLY: Final = 0.1  # standard errors: a penalty leaves the intercept where it fits the weights
ABOUT: Final = 0.2  # of a difference may be of another kind, and it is still about one factor


@dataclass(frozen=True, slots=True)
class Miss:
    """A learner that is too far from the fit, to be told why."""

    learned: Float64s  # the intercept first, as in the fit
    fit: Float64s
    factor: Factor
    sigma: float
    limit: float
    alpha: float
    b_known: bool  # whether the fit's intercept is certainly not 0

    def advice(self) -> str:
        """What is certain comes first; what else may be the reason, after it."""
        distance = self._distance(self.learned)
        off = f"the learner is {distance:.4g} standard errors from the least-squares fit"
        rate = _least_rate(distance, self.factor, self.alpha)
        if self._distance(self._in_order()) <= self.limit:
            return f"{off}, its weights those of the fit in another order: look for columns that changed places"
        if rate is None and distance > self._distance(np.zeros_like(self.fit)):
            return (
                f"{off}; it predicts these rows worse than a constant, 0 for all of them: if it was trained, lower the "
                "learning rate; and look for a wrong order or sign of the weights"
            )
        b, *w = self.learned
        if b == 0 and any(w) and self.b_known:
            return (
                f"{off}; it has no intercept (b is 0, that of the fit {self.fit[0]:.4g}): fit one, with bias=True, "
                "fit_intercept=True or add_constant(X)"
            )
        constant, *rest = self.factor.R @ (self.learned - self.fit)
        if rate is None and np.linalg.norm(rest) <= self.limit * self.sigma:
            return (
                f"{off}, and its intercept alone is off by {b - self.fit[0]:.2g}: give back to it what was taken from "
                "X or y before training, such as a mean; if nothing was, train longer"
            )
        if abs(constant) <= EXACTLY * self.sigma and (share := self._share(np.array(rest))) is not None:
            off += (
                f"; its weights are about {share:.3g} times those of the fit: a penalty shrinks the weights, so fit "
                "without one; if there is none"
            )
            return f"{off}, {_not_arrived(rate)}"
        return f"{off}: {_not_arrived(rate)}"

    def _distance(self, beta: Float64s) -> float:
        return self.factor.length(beta - self.fit) / self.sigma

    def _in_order(self) -> Float64s:
        """The learner's weights in the order of the fit's, by size."""
        beta = self.learned.copy()
        beta[1 + np.argsort(self.fit[1:])] = np.sort(self.learned[1:])
        return beta

    def _share(self, rest: Float64s) -> float | None:
        """How much of the fit's weights is left, if all are smaller by about one factor; None if not.

        `rest` is how far the learner's responses are from the fit's, the mean apart.
        """
        weights = self.factor.R[1:, 1:] @ self.fit[1:]
        share = 1 + float(rest @ weights) / (float(weights @ weights) or 1.0)
        other = rest - (share - 1) * weights
        return share if 0 < share < 1 and np.linalg.norm(other) <= ABOUT * np.linalg.norm(rest) else None


def _least_rate(distance: float, factor: Factor, alpha: float) -> float | None:
    """The learning rate, over the rows of a batch, whose noise can be the distance; None if no usual one's can."""
    from scipy.special import chdtri

    parameters = len(factor.R)
    typical = distance / math.sqrt(factor.n) * math.sqrt(parameters / float(chdtri(parameters, alpha)))
    if typical >= math.sqrt(USUAL / 2):
        return None
    return 2 * typical**2 * factor.n / float(np.sum(factor.R**2))


def _not_arrived(rate: float | None) -> str:
    """What to do where nothing else is known; `rate` is that of `_least_rate`."""
    rows = "look for rows that are skipped, repeated or mixed up"
    if rate is None:
        return f"train longer; if that does not help, lower the learning rate, and {rows}"
    return (
        "train longer; or, if its loss no longer falls, lower the learning rate or average its last weights, since "
        f"minibatches at a constant rate come no nearer where lr / batch_size is about {rate:.1g} or more; if neither "
        f"helps, {rows}"
    )
