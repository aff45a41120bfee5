"""Minibatch gradient descent on half the squared error: the loop, and the reference learner, in NumPy.

Each framework's door passes steps of its own to the same loop.
"""

from collections.abc import Callable, Iterable, Iterator
from types import FunctionType
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from planted._estimates import Estimate
from planted._input import integer, real, to_numpy
from planted._rows import Rows
from planted.errors import DivergedError, InvalidTypeError, InvalidValueError

OnEpoch: TypeAlias = Callable[[int, Estimate, float], None]
LOADER: Final = "pass a loader of rows, such as planted.Loader(rows, batch_size=32)"
UNREAD: Final = 1000  # losses that may wait to be read, so that a framework can run ahead


class Learner(NamedTuple):
    """A linear model in training, in NumPy or in a framework."""

    step: Callable[[Any, Any], Any]  # of X and y: moves the parameters, returns half the mean squared error
    parameters: Callable[[], tuple[Any, Any]]  # w and b


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
    InvalidTypeError, InvalidValueError
        If it is no loader, such as rows, or an iterator, which can be read only once, for several epochs; or gives no
        batch at all, or batches of another kind.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=1_000)
    >>> estimate = planted.sgd(planted.Loader(rows, batch_size=32), epochs=10, lr=0.03)
    >>> estimate.w.round(2), round(estimate.b, 2)
    (array([ 2. , -3.4]), 4.2)
    """

    def begin(X: Any, lr: float) -> Learner:
        beta = np.zeros(np.asarray(X).shape[1] + 1)
        w, b = beta[1:], beta[:1]

        def step(X: Any, y: Any) -> float:
            X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64).reshape(-1)
            rate = lr / len(X)
            with np.errstate(over="ignore", invalid="ignore"):
                residual = X @ w + b - y
                w[:] -= rate * (residual @ X)
                b[:] -= rate * residual.sum()
                return 0.5 * float(residual @ residual) / len(X)

        return Learner(step, lambda: (w, b))

    return descend(loader, epochs, lr, on_epoch, begin)


def descend(
    loader: Iterable[Any],
    epochs: int,
    lr: float,
    on_epoch: OnEpoch | None,
    begin: Callable[[Any, float], Learner],
) -> Estimate:
    """Gradient descent with the steps of NumPy or of a framework; arguments and result as for `sgd`.

    `begin` is called with the first X and the learning rate.
    """
    epochs, lr = training_settings(epochs, lr)
    _refuse_other_than_loaders(loader, epochs)
    learner: Learner | None = None
    for epoch in range(epochs):
        loss, rows = 0.0, 0
        unread: list[tuple[Any, int]] = []
        for batch in loader:
            if learner is None:
                _refuse_other_than_batches(batch, type(loader).__name__)
            X, y, *_ = batch
            learner = learner or begin(X, lr)
            if len(X):
                unread.append((learner.step(X, y), len(X)))
                rows += len(X)
            if len(unread) == UNREAD:
                loss, unread = _sum(loss, unread), []
        if learner is None or not rows:
            raise InvalidValueError(_without_rows(epoch, type(loader).__name__))
        w, b = map(to_numpy, learner.parameters())
        if not (np.isfinite(w).all() and np.isfinite(b).all()):
            raise DivergedError.in_both(
                f"the parameters overflowed in epoch {epoch} with lr={lr}: use a smaller lr",
                f"it diverged: the parameters overflowed in epoch {epoch}: lower --lr {lr:g}",
            )
        estimate = Estimate(w, b)
        if on_epoch is not None:
            on_epoch(epoch, estimate, _sum(loss, unread) / rows)
    return estimate


def _refuse_other_than_loaders(loader: Any, epochs: int) -> None:
    """Refuse what gives no batches, or not as often as asked: Python's own iterators. Others may begin anew."""
    kind = type(loader).__name__
    if isinstance(loader, Rows) or not (hasattr(loader, "__iter__") or hasattr(loader, "__getitem__")):
        raise InvalidTypeError(f"{kind} gives no batches: {LOADER}")
    if epochs > 1 and isinstance(loader, Iterator) and not isinstance(type(loader).__iter__, FunctionType):
        raise InvalidValueError(f"a {kind} can be read only once, not in each of {epochs} epochs: {LOADER}")


def _without_rows(epoch: int, kind: str) -> str:
    """What is said of a loader that gave nothing in this epoch."""
    if not epoch:
        return "the loader gave no rows: use a loader with at least one batch"
    return (
        f"the loader gave rows in the first epoch, and none in epoch {epoch}, as an iterator does, which can be read "
        f"only once: {kind} must begin anew whenever it is iterated, or {LOADER}"
    )


def _refuse_other_than_batches(batch: Any, kind: str) -> None:
    """Refuse what is not (X, y, ...), with X of shape (rows, features) and as many y."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise InvalidTypeError(f"{kind} gave a {type(batch).__name__}; a batch is a tuple (X, y, ...): {LOADER}")
    X, y = (tuple(getattr(part, "shape", None) or np.shape(part)) for part in batch[:2])
    if len(X) != 2 or len(y) not in (1, 2) or X[0] != y[0] or y[1:] not in ((), (1,)):
        raise InvalidValueError(
            f"{kind} gave X of shape {X} and y of shape {y}; a batch has X of shape (rows, features) and y of shape "
            f"(rows, 1): {LOADER}"
        )


def _sum(total: float, means: Iterable[tuple[Any, int]]) -> float:
    """`total` plus the sum over the rows of batches, each given by its mean and its number of rows."""
    for mean, rows in means:
        total += float(mean) * rows
    return total
