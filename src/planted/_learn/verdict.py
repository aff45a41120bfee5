"""Did a learner find the truth? Two questions, answered apart.

What comes in: an estimate and the rows it was learned from. What goes out: a `Report`. With beta the planted
parameters, beta_ls the least-squares fit to the rows and beta_hat the learner's estimate:

- *Statistical error*: is beta_ls where theory says? The Wald statistic ``|X (beta_ls - beta)|^2 / sigma^2`` is
  chi-square distributed with one degree of freedom a parameter, since sigma is known. Its p-value says how often
  chance alone moves the fit so far. It concerns the rows, not the learner: it is low if the rows are not those of
  the truth.
- *Optimisation error*: how far is the learner from that fit? The distance ``|X (beta_hat - beta_ls)| / sigma``
  counts standard errors, in the worst direction of all (Scheffe): no combination of parameters is further off in
  units of its own standard error. A learner that has not converged is far away, however good the rows.

The verdict is whether the confidence region of beta_ls, at level 1 - alpha, holds both the truth and the learner's
estimate. So an efficient learner on honest rows fails once in 1/alpha times.

Where a learner that is too far away shows why, the advice says so: its weights are right in another order, it predicts
worse than a constant, it has no intercept, or it differs from the fit in the intercept or in one factor alone.
Otherwise it has either not arrived yet, or goes round its goal: minibatches of B rows at a constant
learning rate lr leave a mean square distance of lr / (2 B) times the sum of the squares of X, intercept included, and
by chance up to q / k times that (k the degrees of freedom, q their chi-square's quantile at 1 - alpha). So the distance
says how large lr / B must be at least to be the reason. Where that is too large for any usual learner, there is no
doubt: it has not arrived.

Sources: Wald 1943; Scheffe, "The Analysis of Variance", 1959, 3.5; Mandt, Hoffman, Blei, "Stochastic gradient descent
as approximate Bayesian inference", 2017, section 3 (for batches drawn at random: those of an epoch leave less).
"""

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._input import real
from planted._learn.estimate import Estimate, Float64s, as_estimate
from planted._learn.factor import Factor, factorise
from planted._learn.report import Parameter, Report
from planted._learn.sample import Data, rows_in
from planted._truth import LinearTruth
from planted._types import Batch
from planted.errors import InvalidTypeError, InvalidValueError

ROUNDING: Final = 8  # times `Factor.rounding`: float32's solvers are off by 6 at most, for 50 to 10 000 rows
USUAL: Final = 0.2  # lr / B, times the squares of a row: what fewer learners exceed than forget to train
EXACTLY: Final = 0.1  # standard errors: a penalty leaves the intercept where it fits the weights
ABOUT: Final = 0.2  # of a difference may be of another kind, and it is still about one factor


def check(estimate: Any, rows: Data, *, alpha: float = 0.001, tolerance: float | None = None) -> Report:
    """Say whether a learner found the truth that the rows were planted with.

    Parameters
    ----------
    estimate
        An `Estimate`, or a pair ``(w, b)``; or what a learner left behind, with one output: a model or a dict with
        ``w`` and ``b``, a fitted scikit-learn model or pipeline, a statsmodels result, the linear layer of a framework
        (``weight`` or ``kernel``, and ``bias``), a model that holds just one such layer, or its dict of parameters.
        Where columns are named x0, x1, ... or x1, x2, ..., weights are put in order by these names.
    rows
        The rows that the learner saw, truth included: any `Rows`, or a loader or module of data, whose training rows
        are meant. With ``fresh=True`` each epoch read others: pass all of them. They are read once, in blocks.
    alpha
        How often honest rows may fail: more than 0 and less than 1.
    tolerance
        How many standard errors the learner may be from the least-squares fit; by default the radius of that fit's
        confidence region at level 1 - `alpha`, which depends on the number of parameters (4.0 for three of them), or,
        if that is larger, what rounding may do to an exact fit that is computed in the rows' dtype.

    Returns
    -------
    Report
        With ``passed``, ``statistic``, ``p_value``, ``distance``, the ``parameters`` and an ``advice``; true if it
        passed, and false if not.

    Raises
    ------
    InvalidValueError
        If the estimate has another number of weights than the rows have features, or several outputs, or no weights
        yet, or is not finite, or there are fewer rows than parameters.
    InvalidTypeError
        If the estimate or the rows cannot be read as such, or the learner is no line, such as a classifier, or holds
        more than one linear layer.

    Warns
    -----
    UserWarning
        At the start, if reading the rows takes minutes or more: how long, and how to pass a part of them.

    Notes
    -----
    The noise is taken as known, ``rows.truth.noise``, plus the rounding of y to the rows' dtype and of the
    computation. With ``noise=0``, or hardly any, rounding alone is the yardstick: of independent standard normal
    features, a weight passes that is off by about ``8 eps sqrt(p)`` times the length of all p parameters (for three
    features in float32, 2e-6 of it), or in float64 four times as much, since there the yardstick has errors, too.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000)
    >>> planted.check(planted.least_squares(rows), rows).passed
    True
    >>> report = planted.check(([-3.4, 2.0], 4.2), rows)
    >>> bool(report), report.passed
    (False, False)
    >>> report.advice.partition(", ")[2]
    'its weights those of the fit in another order: look for columns that changed places'
    """
    from scipy.special import chdtrc, chdtri

    sample = _sample(estimate, rows)
    truth: LinearTruth = sample.truth
    learned = as_estimate(estimate)
    if learned.w.size != truth.w.size:
        features = f"the rows have {_count(truth.w.size, 'feature')}"
        raise InvalidValueError.in_both(
            f"the estimate has {_count(learned.w.size, 'weight')}, {features}: "
            "pass (w, b) with one weight a feature, or the rows that it was learned from",
            f"the estimate has {_count(learned.w.size, 'weight')} and an intercept, {features}: give one weight a "
            "feature and then the intercept, or say which rows it was learned from, with --features, --weights or "
            "--rows-from",
        )
    alpha = real(alpha, "alpha", minimum=0, remedy="use a rate between 0 and 1, such as alpha=0.001")
    if not 0 < alpha < 1:
        raise InvalidValueError(f"alpha={alpha} must lie between 0 and 1: use a rate such as alpha=0.001")
    dof = truth.w.size + 1
    radius = limit = float(np.sqrt(chdtri(dof, alpha)))
    if tolerance is not None:
        limit = real(tolerance, "tolerance", minimum=0, remedy="use a number of standard errors, such as 1.0")

    factor = factorise(sample)
    fit = factor.solve()
    planted = np.concatenate(([truth.b], truth.w))
    sigma = _sigma(factor, truth.noise)
    statistic = (factor.length(fit - planted) / sigma) ** 2
    p_value = float(chdtrc(dof, statistic))
    distance = factor.length(learned.parameters - fit) / sigma

    slack = ROUNDING * factor.rounding(factor.dtype) / sigma
    if tolerance is None:
        limit = max(limit, slack)

    standard_errors = sigma * factor.spread()
    errors = learned.parameters - planted
    with np.errstate(over="ignore"):  # of a learner that has diverged, z may be infinite
        z = errors / standard_errors
    names = ["b", *(f"w[{j}]" for j in range(truth.w.size))]
    parameters = [
        Parameter(name, *map(float, numbers))
        for name, *numbers in zip(names, planted, learned.parameters, errors, standard_errors, z, strict=True)
    ]
    honest, converged = p_value >= alpha, distance <= limit
    if honest and converged:
        advice = "the learner found the planted parameters, as nearly as these rows can show them"
    elif honest and distance <= slack:
        advice = (
            f"the learner is {distance:.2g} standard errors from the least-squares fit, more than tolerance={limit:g}, "
            "but that is rounding alone: use a tolerance such as 1.0, or none"
        )
    elif honest:
        b_known = abs(float(fit[0])) > radius * float(standard_errors[0])
        advice = Miss(learned.parameters, fit, factor, sigma, limit, alpha, b_known).advice()
    else:
        advice = (
            f"the least-squares fit itself is further from the truth than chance allows (p = {p_value:.1g}): check "
            "that the rows are unchanged and belong to this truth, and whether another seed passes"
        )
    return Report(
        passed=honest and converged,
        statistic=statistic,
        p_value=p_value,
        dof=dof,
        distance=distance,
        tolerance=limit,
        alpha=alpha,
        residual_std=float(np.sqrt(factor.rss / max(1, factor.n - dof))),
        rows=factor.n,
        fit=Estimate(fit[1:], float(fit[0])),
        parameters=(*parameters[1:], parameters[0]),
        advice=advice,
    )


def _sample(estimate: Any, data: Any) -> Any:
    """The rows to check against, with their truth."""
    rows = rows_in(data)
    if rows is not None and getattr(rows, "truth", None) is not None:
        return rows
    kind = type(data).__name__
    if isinstance(data, Batch):
        count = len(data.X)
        raise InvalidTypeError(
            f"{kind} has no truth to check against: pass the rows themselves, and for rows[:{count}], whose arrays "
            f"know none, rows.split({count})[0]"
        )
    first = None if isinstance(estimate, (tuple, list)) else rows_in(estimate)
    if first is not None and getattr(first, "truth", None) is not None:
        swapped = f"{type(estimate).__name__} and {'(w, b)' if isinstance(data, (tuple, list)) else kind}"
        raise InvalidTypeError(f"check takes the learner first, then its rows, check(learner, rows): swap {swapped}")
    raise InvalidTypeError(
        f"{kind} has no truth to check against: pass the rows themselves, as planted.regression(...) made them, a "
        "loader of those, or the module of data, planted.check(model, data); neither arrays and tensors nor loaders of "
        "them know their truth"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _sigma(factor: Factor, noise: float) -> float:
    """The standard deviation of y about the truth: noise, rounding of y, and of the fit in float64."""
    typical = factor.response_norm / np.sqrt(factor.n)
    rounding = float(np.finfo(factor.dtype).eps) * typical / np.sqrt(12)
    computing = ROUNDING * factor.rounding(np.float64)
    sigma = float(np.sqrt(noise**2 + rounding**2 + computing**2))
    return sigma or float(np.finfo(np.float64).tiny)


def _least_rate(distance: float, factor: Factor, alpha: float) -> float | None:
    """The learning rate, over the rows of a batch, whose noise can be the distance; None if no usual one's can."""
    from scipy.special import chdtri

    parameters = len(factor.R)
    typical = distance / math.sqrt(factor.n) * math.sqrt(parameters / float(chdtri(parameters, alpha)))
    if typical >= math.sqrt(USUAL / 2):
        return None
    return 2 * typical**2 * factor.n / float(np.sum(factor.R**2))


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
