"""The exact least-squares fit, by a factor of constant size.

The rows are read once, in blocks: each block is stacked under a triangular factor and reduced by Householder
reflections. X'X is never formed, which would cost half of the digits (on NIST's Longley data: 7 of them are left,
where QR keeps 11).

Source: Golub, Van Loan, "Matrix Computations", 4th ed., 5.3 and 6.5 (least squares by QR, and updating it); Demmel
et al., "Communication-optimal parallel and sequential QR and LU factorizations", 2012 (the sequential tall-skinny
QR).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from planted._estimates import Estimate, Float64s
from planted._input import length
from planted._learn.sample import block_rows, blocks, features_of, sample_of
from planted._machine import too_large, too_large_error
from planted.errors import InvalidValueError

LARGEST: Final = 1e153  # the squares of what is larger are beyond float64
FEW: Final = 64  # parameters for which SciPy's solver for triangles costs more than it saves: threads, and its import


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """The least-squares problem in small: ``|y - b - X w|^2 = |R beta - z|^2 + rss`` with beta = (b, w)."""

    R: Float64s  # (parameters, parameters), upper triangular
    z: Float64s  # (parameters,)
    rss: float
    n: int
    dtype: np.dtype[Any]  # of y

    def solve(self) -> Float64s:
        """The least-squares parameters, intercept first."""
        return _solve(self.R, self.z)

    def spread(self) -> Float64s:
        """The standard error of each parameter, for noise of standard deviation 1."""
        inverse = _solve(self.R, np.eye(len(self.R)))
        return np.asarray(np.sqrt(np.sum(inverse * inverse, axis=1)))

    def length(self, beta: Float64s) -> float:
        """``|R beta|``: how far `beta` moves the fitted responses, in their units; also where squares overflow."""
        _, exponent = np.frexp(np.abs(beta).max())
        unit = 2.0 ** max(int(exponent) - 1, 0)  # a power of two, which changes no digit
        return float(np.linalg.norm(self.R @ (beta / unit))) * unit

    def rounding(self, dtype: Any) -> float:
        """What backward-stable solvers of `dtype` may be off by, in the responses: about ``eps |A| |beta|``.

        A = (1, X), in Frobenius norms. They find the fit to ``A + dA`` and ``y + dy``, where ``|dA| <= c eps |A|`` and
        ``|dy| <= c eps |y|``, so this holds whatever the condition of A, as long as the noise is small.

        Source: Higham, "Accuracy and Stability of Numerical Algorithms", 2nd ed., theorems 20.1 and 20.3.
        """
        return float(np.finfo(dtype).eps * np.linalg.norm(self.R) * np.linalg.norm(self.solve()))

    @property
    def response_norm(self) -> float:
        """``|y|``."""
        return float(np.sqrt(self.z @ self.z + self.rss))


def _solve(R: Float64s, right: Float64s) -> Float64s:
    """The solution of ``R x = right``, R upper triangular."""
    if len(R) <= FEW:
        return np.linalg.solve(R, right).astype(np.float64, copy=False)
    from scipy.linalg import solve_triangular

    return np.asarray(solve_triangular(R, right))


def triangularise(blocks: Iterable[tuple[Any, Any]], features: int) -> Factor:
    """Reduce blocks of (X, y) to their `Factor`, in memory for one block.

    Raises
    ------
    InvalidValueError
        If there are fewer rows than parameters, or linearly dependent columns: then there is no one answer.
    """
    size = features + 2
    R = np.zeros((0, size))
    n, dtype = 0, np.dtype(np.float64)
    for X, y in blocks:
        rows, dtype = len(X), y.dtype
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
    if np.abs(R).max() > LARGEST:
        raise InvalidValueError(
            f"X or y holds numbers of about {np.abs(R).max():.0e}, whose squares overflow: scale them before fitting"
        )
    columns = np.sqrt(np.sum(R[:, : size - 1] ** 2, axis=0))
    if (diagonal <= size * np.finfo(float).eps * columns).any():
        at = int(np.argmin(diagonal / np.maximum(columns, np.finfo(float).tiny))) - 1
        raise InvalidValueError(f"feature {at} is a linear combination of the others and the intercept: leave it out")
    rss = float(R[size - 1, size - 1] ** 2) if len(R) == size else 0.0
    return Factor(R[: size - 1, : size - 1], R[: size - 1, -1], rss, n, dtype)


def factorise(sample: Any) -> Factor:
    """The `Factor` of rows, as `sample_of` finds them."""
    features = features_of(sample)
    need = 16 * (min(length(sample), block_rows(features)) + features + 2) * (features + 2)  # a block, and its copy
    if too_large(need):
        raise too_large_error(
            need,
            f"a least-squares fit of {features:_} features, which works on a square of them,",
            "check or fit a model of fewer features; fewer rows, or minibatches, do not help",
        )
    return triangularise(blocks(sample, features), features)


def least_squares(rows: Any, y: Any = None) -> Estimate:
    """The exact least-squares fit with an intercept, in one pass and constant memory.

    Parameters
    ----------
    rows
        Rows, read in blocks, or a loader of them; or a pair (X, y) of arrays, tensors or tables, shapes (rows,
        features) and (rows,) or (rows, 1).
    y
        If `rows` is X alone: y.

    Returns
    -------
    Estimate
        In float64, as accurate as Householder QR: on NIST's linear regression problems the same digits as LAPACK's
        least-squares solvers.

    Raises
    ------
    InvalidTypeError
        If it is neither rows nor (X, y).
    TooLargeError
        If no memory holds the square of the features.
    InvalidValueError
        If shapes do not match, values are not finite, or the rows do not determine the parameters.

    Warns
    -----
    UserWarning
        At the start, if reading the rows takes minutes or more: how long, and how to pass a part of them.

    Examples
    --------
    >>> import planted
    >>> estimate = planted.least_squares(planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000))
    >>> estimate.w.round(2), round(estimate.b, 2)
    (array([ 2. , -3.4]), 4.2)
    """
    beta = factorise(sample_of(rows if y is None else (rows, y))).solve()
    return Estimate(beta[1:], float(beta[0]))
