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

Sources: Wald 1943; Scheffe, "The Analysis of Variance", 1959, 3.5.
"""

import math
from typing import Any, Final

import numpy as np

from planted._estimates import Estimate, Float64s, as_estimate
from planted._input import real
from planted._learn.advice import Miss
from planted._learn.factor import Factor, factorise
from planted._learn.report import Parameter, Report
from planted._learn.sample import Data, rows_in
from planted._truth import Clustered, Heteroscedastic, LinearTruth
from planted._types import Batch
from planted.errors import InvalidTypeError, InvalidValueError

ROUNDING: Final = 8  # times `Factor.rounding`: float32's solvers are off by 6 at most, for 50 to 10 000 rows


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
    learned, noise = _learned(estimate, truth), known_noise(truth)
    alpha = real(alpha, "alpha", minimum=0, remedy="use a rate between 0 and 1, such as alpha=0.001")
    if not 0 < alpha < 1:
        raise InvalidValueError(f"alpha={alpha} must lie between 0 and 1: use a rate such as alpha=0.001")
    if tolerance is not None:
        tolerance = real(tolerance, "tolerance", minimum=0, remedy="use a number of standard errors, such as 1.0")

    factor = factorise(sample)
    fit, planted = factor.solve(), np.concatenate(([truth.b], truth.w))
    sigma, dof = _sigma(factor, noise), planted.size
    statistic = (factor.length(fit - planted) / sigma) ** 2
    p_value = float(chdtrc(dof, statistic))
    distance = factor.length(learned.parameters - fit) / sigma

    radius = float(np.sqrt(chdtri(dof, alpha)))
    rounding = ROUNDING * factor.rounding(factor.dtype) / sigma
    limit = max(radius, rounding) if tolerance is None else tolerance
    standard_errors = sigma * factor.spread()
    honest, converged = p_value >= alpha, distance <= limit
    if honest and converged:
        advice = "the learner found the planted parameters, as nearly as these rows can show them"
    elif honest and distance <= rounding:
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
        parameters=_parameters(planted, learned.parameters, standard_errors),
        advice=advice,
    )


def _learned(estimate: Any, truth: LinearTruth) -> Estimate:
    """What was learned, with as many weights as the truth has."""
    learned = as_estimate(estimate)
    if learned.w.size != truth.w.size:
        weights, features = _count(learned.w.size, "weight"), _count(truth.w.size, "feature")
        raise InvalidValueError.in_both(
            f"the estimate has {weights}, the rows have {features}: pass (w, b) with one weight a feature, or the rows "
            "that it was learned from",
            f"the estimate has {weights} and an intercept, the rows have {features}: give one weight a feature and "
            "then the intercept, or say which rows it was learned from, with --features, --weights or --rows-from",
        )
    return learned


def _parameters(planted: Float64s, learned: Float64s, standard_errors: Float64s) -> tuple[Parameter, ...]:
    """Each parameter of the report, the intercept last; it comes first in the arrays."""
    errors = learned - planted
    with np.errstate(over="ignore"):  # of a learner that has diverged, z may be infinite
        z = errors / standard_errors
    names = ["b", *(f"w[{j}]" for j in range(planted.size - 1))]
    numbers = np.column_stack([planted, learned, errors, standard_errors, z]).tolist()
    b, *weights = (Parameter(name, *row) for name, row in zip(names, numbers, strict=True))
    return (*weights, b)


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


def known_noise(truth: LinearTruth) -> float:
    """The standard deviation of the noise, if it is one for all rows and they are independent."""
    law, variance = truth.noise, truth.noise_variance
    if isinstance(law, (Clustered, Heteroscedastic)) or variance is None:
        reason = "has no variance" if variance is None else "is not independent and of one variance"
        rule = f"{reason}, which the standard errors of least squares take for granted"
        raise InvalidValueError.in_both(
            f"noise={law!r} {rule}: check rows of the same truth with another noise, such as "
            "planted.noise.StudentT(df=3, scale=0.5)",
            f"the noise, {law!r}, {rule}: name another, such as --noise 0.1 or --noise-law t:3:0.5",
        )
    return math.sqrt(variance)


def _sigma(factor: Factor, noise: float) -> float:
    """The standard deviation of y about the truth: noise, rounding of y, and of the fit in float64."""
    typical = factor.response_norm / np.sqrt(factor.n)
    rounding = float(np.finfo(factor.dtype).eps) * typical / np.sqrt(12)
    computing = ROUNDING * factor.rounding(np.float64)
    sigma = float(np.sqrt(noise**2 + rounding**2 + computing**2))
    return sigma or float(np.finfo(np.float64).tiny)
