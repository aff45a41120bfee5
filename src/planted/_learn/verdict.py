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

A learner that is too far away has either not arrived yet, or goes round its goal: minibatches of B rows at a constant
learning rate lr leave a mean square distance of lr / (2 B) times the sum of the squares of X, intercept included, and
by chance up to q / k times that (k the degrees of freedom, q their chi-square's quantile at 1 - alpha). So the distance
says how large lr / B must be at least to be the reason. Where that is too large for any usual learner, there is no
doubt: it has not arrived.

Sources: Wald 1943; Scheffe, "The Analysis of Variance", 1959, 3.5; Mandt, Hoffman, Blei, "Stochastic gradient descent
as approximate Bayesian inference", 2017, section 3 (for batches drawn at random: those of an epoch leave less).
"""

import math
from typing import Any, Final

import numpy as np

from planted._input import real
from planted._learn.estimate import Estimate, as_estimate
from planted._learn.factor import Factor, factorise
from planted._learn.report import Parameter, Report
from planted._learn.sample import Data, rows_in
from planted._truth import LinearTruth
from planted.errors import InvalidTypeError, InvalidValueError

USUAL: Final = 0.2  # lr / B, times the squares of a row: what fewer learners exceed than forget to train
MANY: Final = 1e4  # from here on, numbers have three digits


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
        How often honest rows may fail, from 0 to 1.
    tolerance
        How many standard errors the learner may be from the least-squares fit; by default the radius of that fit's
        confidence region at level 1 - `alpha`, which depends on the number of parameters (4.0 for three of them).

    Returns
    -------
    Report
        With ``passed``, ``statistic``, ``p_value``, ``distance``, the ``parameters`` and an ``advice``.

    Raises
    ------
    InvalidValueError
        If the estimate has another number of weights than the rows have features, or several outputs, or no weights
        yet, or is not finite, or there are fewer rows than parameters.
    InvalidTypeError
        If the estimate or the rows cannot be read as such, or the learner is no line, such as a classifier, or holds
        more than one linear layer.

    Notes
    -----
    The noise is taken as known, ``rows.truth.noise``, plus the rounding of y to the rows' dtype and of the
    computation; with ``noise=0`` the rounding alone is the yardstick, which errs on the side of passing.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000)
    >>> planted.check(planted.least_squares(rows), rows).passed
    True
    >>> report = planted.check(([2.0, -3.3], 4.2), rows)
    >>> report.passed
    False
    """
    from scipy.special import chdtrc, chdtri

    sample = _sample(estimate, rows)
    truth: LinearTruth = sample.truth
    learned = as_estimate(estimate)
    if learned.w.size != truth.w.size:
        raise InvalidValueError(
            f"the estimate has {_count(learned.w.size, 'weight')}, the rows have {_count(truth.w.size, 'feature')}: "
            "pass (w, b) with one weight a feature, or the rows that it was learned from"
        )
    alpha = real(alpha, "alpha", minimum=0, remedy="use a rate between 0 and 1, such as alpha=0.001")
    if not 0 < alpha < 1:
        raise InvalidValueError(f"alpha={alpha} must lie between 0 and 1: use a rate such as alpha=0.001")
    dof = truth.w.size + 1
    limit = float(np.sqrt(chdtri(dof, alpha)))
    if tolerance is not None:
        limit = real(tolerance, "tolerance", minimum=0, remedy="use a number of standard errors, such as 1.0")

    factor = factorise(sample)
    fit = factor.solve()
    planted = np.concatenate(([truth.b], truth.w))
    sigma = _sigma(factor, truth.noise)
    statistic = (factor.length(fit - planted) / sigma) ** 2
    p_value = float(chdtrc(dof, statistic))
    distance = factor.length(learned.parameters - fit) / sigma

    standard_errors = sigma * factor.spread()
    errors = learned.parameters - planted
    names = ["b", *(f"w[{j}]" for j in range(truth.w.size))]
    parameters = [
        Parameter(name, *map(float, numbers))
        for name, *numbers in zip(
            names, planted, learned.parameters, errors, standard_errors, errors / standard_errors, strict=True
        )
    ]
    honest, converged = p_value >= alpha, distance <= limit
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
        advice=_advice(honest, converged, p_value, distance, factor, alpha),
    )


def _sample(estimate: Any, data: Any) -> Any:
    """The rows to check against, with their truth."""
    rows = rows_in(data)
    if rows is not None and getattr(rows, "truth", None) is not None:
        return rows
    kind = type(data).__name__
    first = None if isinstance(estimate, (tuple, list)) else rows_in(estimate)
    if first is not None and getattr(first, "truth", None) is not None:
        raise InvalidTypeError(f"check takes the learner first, then its rows: planted.check({_short(data)}, rows)")
    raise InvalidTypeError(
        f"{kind} has no truth to check against: pass the rows themselves, as planted.regression(...) made them, or a "
        "loader of them, and not their arrays"
    )


def _short(thing: Any) -> str:
    """How someone may have written it."""
    return "(w, b)" if isinstance(thing, (tuple, list)) else type(thing).__name__.lower()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _sigma(factor: Factor, noise: float) -> float:
    """The standard deviation of y about the truth: noise, rounding of y, and of the fit in float64."""
    typical = factor.response_norm / np.sqrt(factor.n)
    rounding = float(np.finfo(factor.dtype).eps) * typical / np.sqrt(12)
    computing = 4 * float(np.finfo(np.float64).eps) * typical * np.sqrt(factor.n)
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


def _advice(honest: bool, converged: bool, p_value: float, distance: float, factor: Factor, alpha: float) -> str:
    if honest and converged:
        return "the learner found the planted parameters, as nearly as these rows can show them"
    if not honest:
        return (
            f"the least-squares fit itself is further from the truth than chance allows (p = {p_value:.1g}): check "
            "that the rows are unchanged and belong to this truth, and whether another seed passes"
        )
    rows = "look for rows that are skipped, repeated or mixed up"
    off = f"{distance:.1f}" if distance < MANY else f"{distance:.3g}"
    off = f"the learner is {off} standard errors from the least-squares fit: train longer"
    if (rate := _least_rate(distance, factor, alpha)) is None:
        return f"{off}; if that does not help, lower the learning rate, and {rows}"
    return (
        f"{off}; or, if its loss no longer falls, lower the learning rate or average its last weights, since "
        f"minibatches at a constant rate come no nearer where lr / batch_size is about {rate:.1g} or more; if neither "
        f"helps, {rows}"
    )
