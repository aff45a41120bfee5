"""Reference learners: exact least squares, and minibatch gradient descent.

What comes in: rows, arrays or a loader. What goes out: an `Estimate`. Least squares reads the rows once, in blocks,
and keeps a triangular factor of constant size: each block is stacked under it and reduced by Householder
reflections. It never forms X'X, which would cost half of the digits (on NIST's Longley data: 7 of them are left,
where QR keeps 11).

Source: Golub, Van Loan, "Matrix Computations", 4th ed., 5.3 and 6.5 (least squares by QR, and updating it); Demmel
et al., "Communication-optimal parallel and sequential QR and LU factorizations", 2012 (the sequential tall-skinny
QR).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from planted._errors import DivergedError, InvalidTypeError, InvalidValueError
from planted._input import floats, integer, real, vector

Float64s = npt.NDArray[np.float64]
BLOCK_ROWS: Final = 8192


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Estimate:
    """What a learner found: weights `w` of shape (features,) and intercept `b`, in float64.

    Examples
    --------
    >>> Estimate([2.0, -3.4], 4.2)
    Estimate(w=[2.0, -3.4], b=4.2)
    """

    w: Float64s
    b: float

    def __init__(self, w: Any, b: Any) -> None:
        remedy = "an estimate is finite; if the learner diverged, lower its learning rate"
        weights = vector(w, "w", remedy=remedy)
        weights.flags.writeable = False
        object.__setattr__(self, "w", weights)
        object.__setattr__(self, "b", real(b, "b", remedy=remedy))

    @property
    def parameters(self) -> Float64s:
        """The intercept and the weights as one vector, the intercept first."""
        return np.concatenate(([self.b], self.w))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its arguments, so that what is loaded is read-only again."""
        return Estimate, (np.array(self.w), self.b)

    def __repr__(self) -> str:
        """All the weights if they are few, else the first three and the count."""
        shown = self.w if self.w.size <= 8 else self.w[:3]
        more = "" if self.w.size <= 8 else f", ... {self.w.size} weights"
        return f"Estimate(w=[{', '.join(repr(float(w)) for w in shown)}{more}], b={self.b!r})"


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The least-squares problem in small: ``|y - b - X w|^2 = |R beta - z|^2 + rss`` with beta = (b, w)."""

    R: Float64s  # (parameters, parameters), upper triangular
    z: Float64s  # (parameters,)
    rss: float
    n: int

    def solve(self) -> Float64s:
        """The least-squares parameters, intercept first."""
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(self.R, self.z))

    def spread(self) -> Float64s:
        """The standard error of each parameter, for noise of standard deviation 1."""
        from scipy.linalg import solve_triangular

        inverse = solve_triangular(self.R, np.eye(len(self.R)))
        return np.asarray(np.sqrt(np.sum(inverse * inverse, axis=1)))

    def length(self, beta: Float64s) -> float:
        """``|R beta|``: how far `beta` moves the fitted responses, in their units."""
        return float(np.linalg.norm(self.R @ beta))

    @property
    def response_norm(self) -> float:
        """``|y|``."""
        return float(np.sqrt(self.z @ self.z + self.rss))


def triangularise(blocks: Iterable[tuple[Any, Any]], features: int) -> Factor:
    """Reduce blocks of (X, y) to their `Factor`, in memory for one block.

    Raises
    ------
    InvalidValueError
        If there are fewer rows than parameters, or linearly dependent columns: then there is no one answer.
    """
    size = features + 2
    R = np.zeros((0, size))
    n = 0
    for X, y in blocks:
        rows = len(X)
        stacked = np.empty((len(R) + rows, size))
        stacked[: len(R)] = R
        stacked[len(R) :, 0] = 1.0
        stacked[len(R) :, 1:-1] = X
        stacked[len(R) :, -1:] = y
        R = np.asarray(np.linalg.qr(stacked, mode="r"))
        n += rows
    if n < size - 1:
        raise InvalidValueError(
            f"{n} rows cannot determine {size - 1} parameters: use at least as many rows as features plus one"
        )
    diagonal = np.abs(np.diag(R))[: size - 1]
    if not np.isfinite(R).all():
        raise InvalidValueError("X or y holds values that are not finite: remove them before fitting")
    columns = np.sqrt(np.sum(R[:, : size - 1] ** 2, axis=0))
    if (diagonal <= size * np.finfo(float).eps * columns).any():
        at = int(np.argmin(diagonal / np.maximum(columns, np.finfo(float).tiny))) - 1
        raise InvalidValueError(f"feature {at} is a linear combination of the others and the intercept: leave it out")
    rss = float(R[size - 1, size - 1] ** 2) if len(R) == size else 0.0
    return Factor(R[: size - 1, : size - 1], R[: size - 1, -1], rss, n)


def factorise(rows: Any) -> Factor:
    """The `Factor` of rows, or of a pair of arrays (X, y)."""
    if isinstance(rows, tuple) and len(rows) == 2:
        remedy = "pass (X, y) with X of shape (rows, features) and y of shape (rows,) or (rows, 1)"
        X, y = floats(rows[0], "X", remedy=remedy), floats(rows[1], "y", remedy=remedy)
        if X.ndim != 2 or y.size != len(X) or y.ndim > 2:
            raise InvalidValueError(f"X of shape {X.shape} and y of shape {y.shape} do not match: {remedy}")
        return triangularise(_blocks(X, y.reshape(-1, 1)), X.shape[1])
    if not (hasattr(rows, "features") and hasattr(rows, "take")):
        raise InvalidTypeError(f"{type(rows).__name__} is neither rows nor (X, y): pass planted.rows(...) or (X, y)")
    step = max(BLOCK_ROWS, 4 * rows.features)
    n = len(rows)
    return triangularise((rows[i : min(i + step, n)] for i in range(0, n, step)), rows.features)


def _blocks(X: Any, y: Any) -> Iterator[tuple[Any, Any]]:
    step = max(BLOCK_ROWS, 4 * X.shape[1])
    for i in range(0, len(X), step):
        yield X[i : i + step], y[i : i + step]


def least_squares(rows: Any) -> Estimate:
    """The exact least-squares fit with an intercept, in one pass and constant memory.

    Parameters
    ----------
    rows
        Rows, read in blocks; or a pair (X, y) of arrays or tensors, shapes (rows, features) and (rows,) or (rows, 1).

    Returns
    -------
    Estimate
        In float64, as accurate as Householder QR: on NIST's linear regression problems the same digits as LAPACK's
        least-squares solvers.

    Raises
    ------
    InvalidValueError
        If shapes do not match, values are not finite, or the rows do not determine the parameters.

    Examples
    --------
    >>> import planted
    >>> estimate = planted.least_squares(planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000))
    >>> estimate.w.round(2), round(estimate.b, 2)
    (array([ 2. , -3.4]), 4.2)
    """
    beta = factorise(rows).solve()
    return Estimate(beta[1:], float(beta[0]))


def training_settings(epochs: Any, lr: Any) -> tuple[int, float]:
    """How often, and how fast: a positive integer and a positive number, or an error."""
    count = integer(epochs, "epochs", minimum=1, remedy="use the number of passes, such as epochs=10")
    rate = real(lr, "lr", remedy="use a small positive number, such as lr=0.03")
    if rate <= 0:
        raise InvalidValueError(f"lr={rate} must be positive: use a small number, such as lr=0.03")
    return count, rate


def sgd(
    loader: Iterable[Any],
    epochs: int = 3,
    lr: float = 0.03,
    *,
    on_epoch: Callable[[int, Estimate, float], None] | None = None,
) -> Estimate:
    """Minibatch stochastic gradient descent on half the squared error, from zero: the reference learner.

    Each step moves the parameters by ``-lr`` times the gradient of the batch mean of ``(X w + b - y)^2 / 2``.

    Parameters
    ----------
    loader
        Anything that can be iterated once an epoch and gives batches (X, y, ...) of any framework.
    epochs
        How many times it is iterated.
    lr
        The learning rate, positive.
    on_epoch
        Called after each epoch with its number (from 0), the estimate so far, and the mean of the half squared
        errors as they were met.

    Raises
    ------
    DivergedError
        If the parameters leave the finite numbers; a smaller `lr` helps.
    InvalidValueError
        If the loader gives no batch at all.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=1_000)
    >>> estimate = planted.sgd(planted.Loader(rows, batch_size=32), epochs=10, lr=0.03)
    >>> estimate.w.round(2), round(estimate.b, 2)
    (array([ 2. , -3.4]), 4.2)
    """
    epochs, lr = training_settings(epochs, lr)
    beta: Float64s | None = None
    for epoch in range(epochs):
        loss, n = 0.0, 0
        for batch in loader:
            X = np.asarray(batch[0], dtype=np.float64)
            y = np.asarray(batch[1], dtype=np.float64).reshape(-1)
            if beta is None:
                beta = np.zeros(X.shape[1] + 1)
            if not len(X):
                continue
            with np.errstate(over="ignore", invalid="ignore"):
                residual = X @ beta[1:] + beta[0] - y
                loss += 0.5 * float(residual @ residual)
                n += len(X)
                step = lr / len(X)
                beta[1:] -= step * (residual @ X)
                beta[0] -= step * residual.sum()
        if beta is None or n == 0:
            raise InvalidValueError("the loader gave no rows: use a loader with at least one batch")
        if not np.isfinite(beta).all():
            raise DivergedError(f"the parameters overflowed in epoch {epoch} with lr={lr}: use a smaller lr")
        if on_epoch is not None:
            on_epoch(epoch, Estimate(beta[1:], float(beta[0])), loss / n)
    assert beta is not None
    return Estimate(beta[1:], float(beta[0]))


Step: TypeAlias = Callable[[Any, Any], Any]  # of X and y: moves the parameters, returns half the mean squared error
Begin: TypeAlias = Callable[[Any, float], tuple[Step, Callable[[], tuple[Any, Any]]]]


def descend(
    loader: Iterable[Any],
    epochs: int,
    lr: float,
    on_epoch: Callable[[int, Estimate, float], None] | None,
    begin: Begin,
) -> Estimate:
    """`sgd`, with each step done by a framework.

    `begin` is called with the first X and the learning rate, and returns the step and a function that gives (w, b).
    Losses are read at the end of an epoch only, so a framework may run ahead.
    """
    epochs, lr = training_settings(epochs, lr)
    learner = None
    for epoch in range(epochs):
        losses, counts = [], []
        for X, y, *_ in loader:
            learner = learner or begin(X, lr)
            if len(X):
                losses.append(learner[0](X, y))
                counts.append(len(X))
        if learner is None or not counts:
            raise InvalidValueError("the loader gave no rows: use a loader with at least one batch")
        if on_epoch is not None:
            loss = sum(float(loss) * n for loss, n in zip(losses, counts, strict=True)) / sum(counts)
            on_epoch(epoch, Estimate(*learner[1]()), loss)
    assert learner is not None
    return Estimate(*learner[1]())
