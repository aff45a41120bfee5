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

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import numpy as np

from planted._errors import InvalidTypeError, InvalidValueError
from planted._input import floats, real
from planted._learn.fit import Estimate, Factor, factorise
from planted._types import FloatArray

SHOWN = 12
NAMES: Final = (("w", "b"), ("coef_", "intercept_"), ("weight", "bias"), ("kernel", "bias"))  # as learners call them


class Parameter(NamedTuple):
    """One parameter's part of a report."""

    name: str
    truth: float
    estimate: float
    error: float  # estimate - truth
    standard_error: float  # of the least-squares fit
    z: float  # error / standard_error


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What `check` found; ``print`` it. The fields are plain numbers, `to_dict` gives them for JSON."""

    passed: bool
    """Whether both of the errors are within what chance allows."""
    statistic: float
    """Wald statistic of the least-squares fit against the truth: chi-square with `dof` degrees of freedom."""
    p_value: float
    """How often chance alone gives a statistic this large or larger."""
    dof: int
    """Degrees of freedom: the number of parameters, intercept included."""
    distance: float
    """How far the learner is from the least-squares fit, in standard errors, in the worst direction."""
    tolerance: float
    """The largest `distance` that passes."""
    alpha: float
    """The smallest `p_value` that passes: the rate at which honest rows fail."""
    noise: float
    """The residual standard deviation of the least-squares fit, in the units of y; compare the truth's noise."""
    rows: int
    """How many rows were read."""
    fit: Estimate
    """The least-squares fit to the rows."""
    parameters: tuple[Parameter, ...]
    """Each weight and the intercept: truth, estimate, error, standard error, z."""
    advice: str
    """One sentence: what was found, and what to do if it failed."""

    def to_dict(self) -> dict[str, Any]:
        """The report as a dict for JSON."""
        plain = ("passed", "statistic", "p_value", "dof", "distance", "tolerance", "alpha", "noise", "rows", "advice")
        return {
            **{name: getattr(self, name) for name in plain},
            "parameters": [parameter._asdict() for parameter in self.parameters],
        }

    def __repr__(self) -> str:
        """The verdict in one line."""
        verdict = "passed" if self.passed else "FAILED"
        return f"<Report: {verdict}, p={self.p_value:.3g}, distance={self.distance:.3g} standard errors>"

    def __str__(self) -> str:
        """The table of parameters and the verdict, as text."""
        head = f"{'':>8} {'truth':>12} {'estimate':>12} {'error':>12} {'std. error':>12} {'z':>9}"
        lines = [
            f"{p.name:>8} {p.truth:>12.6g} {p.estimate:>12.6g} {p.error:>12.3g} {p.standard_error:>12.3g} {p.z:>9.2f}"
            for p in self.shown()
        ]
        more = len(self.parameters) - len(lines)
        if more:
            lines.append(f"{'...':>8} and {more} more parameters with smaller |z|")
        return "\n".join([head, *lines, *self.summary()])

    def shown(self) -> tuple[Parameter, ...]:
        """All parameters if they are few, else those furthest off."""
        if len(self.parameters) <= SHOWN:
            return self.parameters
        return tuple(sorted(self.parameters, key=lambda p: -abs(p.z))[:SHOWN])

    def summary(self) -> tuple[str, str, str]:
        """Three lines: statistical error, optimisation error, verdict."""
        p_value = f"p = {self.p_value:.3g} (must be at least {self.alpha:g})"
        limit = f"(must be at most {self.tolerance:.3g})"
        return (
            f"statistical error:  Wald statistic {self.statistic:.4g} on {self.dof} degrees of freedom: {p_value}",
            f"optimisation error: {self.distance:.4g} standard errors from the least-squares fit {limit}",
            f"{'PASSED' if self.passed else 'FAILED'}: {self.advice}",
        )

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th>{p.name}</th>" + "".join(f"<td>{value:.6g}</td>" for value in p[1:]) + "</tr>"
            for p in self.shown()
        )
        head = "".join(f"<th>{name}</th>" for name in ("", "truth", "estimate", "error", "std. error", "z"))
        return f"<table><tr>{head}</tr>{cells}</table><p>{'<br>'.join(self.summary())}</p>"


def check(estimate: Any, rows: Any, *, alpha: float = 0.001, tolerance: float | None = None) -> Report:
    """Say whether a learner found the truth that the rows were planted with.

    Parameters
    ----------
    estimate
        An `Estimate`, or a pair ``(w, b)``; or what a learner left behind, with one output: a model or a dict with
        ``w`` and ``b``, a fitted scikit-learn model (``coef_``, ``intercept_``), the linear layer of a framework
        (``weight`` or ``kernel``, and ``bias``) or its dict of parameters, or a statsmodels result.
    rows
        The rows that the learner saw, truth included. They are read once, in blocks.
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
        If the estimate or the rows cannot be read as such.

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

    truth = getattr(rows, "truth", None)
    if truth is None:
        raise InvalidTypeError(f"{type(rows).__name__} has no truth to check against: pass rows made by planted")
    learned = as_estimate(estimate)
    if learned.w.size != truth.w.size:
        raise InvalidValueError(
            f"the estimate has {learned.w.size} weights, the rows have {truth.w.size} features: check it against "
            "the rows that it was learned from"
        )
    alpha = real(alpha, "alpha", minimum=0, remedy="use a rate between 0 and 1, such as alpha=0.001")
    if not 0 < alpha < 1:
        raise InvalidValueError(f"alpha={alpha} must lie between 0 and 1: use a rate such as alpha=0.001")
    dof = truth.w.size + 1
    limit = float(np.sqrt(chdtri(dof, alpha)))
    if tolerance is not None:
        limit = real(tolerance, "tolerance", minimum=0, remedy="use a number of standard errors, such as 1.0")

    factor = factorise(rows)
    fit = factor.solve()
    planted = np.concatenate(([truth.b], truth.w))
    sigma = _sigma(factor, truth.noise, rows.dtype)
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
        noise=float(np.sqrt(factor.rss / max(1, factor.n - dof))),
        rows=factor.n,
        fit=Estimate(fit[1:], float(fit[0])),
        parameters=(*parameters[1:], parameters[0]),
        advice=_advice(honest, converged, distance, p_value),
    )


def _sigma(factor: Factor, noise: float, dtype: Any) -> float:
    """The standard deviation of y about the truth: noise, rounding of y, and of the fit in float64."""
    typical = factor.response_norm / np.sqrt(factor.n)
    rounding = float(np.finfo(dtype).eps) * typical / np.sqrt(12)
    computing = 4 * float(np.finfo(np.float64).eps) * typical * np.sqrt(factor.n)
    sigma = float(np.sqrt(noise**2 + rounding**2 + computing**2))
    return sigma or float(np.finfo(np.float64).tiny)


def _advice(honest: bool, converged: bool, distance: float, p_value: float) -> str:
    if honest and converged:
        return "the learner found the planted parameters, as nearly as these rows can show them"
    if honest:
        return (
            f"the learner is {distance:.1f} standard errors from the least-squares fit: train longer; if that does "
            "not help, lower the learning rate, and look for rows that are skipped, repeated or mixed up"
        )
    return (
        f"the least-squares fit itself is further from the truth than chance allows (p = {p_value:.1g}): check that "
        "the rows are unchanged and belong to this truth, and whether another seed passes"
    )


def as_estimate(learned: Any) -> Estimate:
    """What a learner left behind, read as an `Estimate`: by what it has, whatever library it is from.

    It may be

    - an `Estimate`, or a pair ``(w, b)``;
    - an object, or a mapping, with a pair of `NAMES`; a mapping may lie under ``"params"``, and a ``bias`` of None, or
      one that a mapping leaves out, is an intercept of 0;
    - the results of a statistical model: ``params``, in which ``model.data.const_idx`` is the place of the constant,
      or None, for an intercept of 0.

    Raises
    ------
    InvalidTypeError
        If it is none of the things that `check` takes.
    InvalidValueError
        If it has no weights yet, has several outputs, or holds numbers that are not finite.
    """
    if isinstance(learned, Estimate):
        return learned
    if isinstance(learned, (tuple, list)) and len(learned) == 2:
        return Estimate(*learned)
    kind = type(learned).__name__
    if isinstance(learned, Mapping):
        inner = learned.get("params")
        items = (inner if isinstance(inner, Mapping) else learned).items()
        learned = SimpleNamespace(**{"bias": None, **{str(name): value for name, value in items}})
    for names in NAMES:
        if all(hasattr(learned, name) for name in names):
            w, b = (_numbers(getattr(learned, name), kind) for name in names)
            return _estimate(w, b, kind)
    if getattr(learned, "built", True) is False:
        raise InvalidValueError(_without_weights(kind))
    try:
        parameters, constant = attrgetter("params", "model.data.const_idx")(learned)
    except AttributeError:
        raise InvalidTypeError(
            f"{kind} is not an estimate: pass an Estimate, (w, b), a fitted linear model, or a framework's linear "
            "layer itself, such as model.layers[0]"
        ) from None
    beta = _numbers(parameters, kind)
    if constant is None:
        return _estimate(beta, np.zeros(1), kind)
    return _estimate(np.delete(beta, constant, axis=0), beta[constant], kind)


def _numbers(value: Any, kind: str) -> FloatArray:
    """The array in a parameter, whatever wraps it; 0 for None, which is an intercept left out."""
    try:
        if callable(getattr(value, "data", None)):  # where others have an attribute or none, Gluon has a method
            value = value.data()
        return floats(0.0 if value is None else value, kind, remedy="pass its weights and intercept as (w, b)")
    except (RuntimeError, ValueError) as error:  # what is left uninitialised until a layer sees its first batch
        raise InvalidValueError(_without_weights(kind)) from error


def _estimate(w: FloatArray, b: FloatArray, kind: str) -> Estimate:
    if b.size != 1 or w.size > max(w.shape, default=1):
        raise InvalidValueError(
            f"w has shape {w.shape}; it must be a vector, and b, of shape {b.shape}, one number: of the several "
            f"outputs of {kind} pass one, as (w, b)"
        )
    return Estimate(w, b)


def _without_weights(kind: str) -> str:
    return f"{kind} has no weights that can be read: let it see a batch of X, and train it, before it is checked"
