"""MXNet: planted's batches as MXNet's NumPy-like arrays, and the book's classes for its MXNet tab.

Minibatches of `mxnet.np.ndarray` share memory with the chunk of rows that they are cut from: one DLPack hand-over a
chunk, one slice a batch (8 microseconds). For example::

    from planted import mxnet as d2l

    npx.set_np()
    data = d2l.SyntheticRegressionData(w=np.array([2, -3.4]), b=4.2)  # MXNet's np
    X, y = next(iter(data.train_dataloader()))

MXNet 1.9.1, its last release, needs NumPy below 1.24.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy.typing as npt

from planted._estimates import Estimate
from planted._frameworks import Framework, HyperParameters, SyntheticData, TensorDataModule, absent, add_to_class
from planted._learn import Learner, descend
from planted.errors import MissingDependencyError

try:
    import mxnet as mx
except ImportError as error:
    raise MissingDependencyError(
        "planted.mxnet needs MXNet, and MXNet needs Python 3.11 and NumPy below 1.24: pip install 'planted[mxnet]'"
    ) from error

__all__ = ["DataModule", "HyperParameters", "SyntheticRegressionData", "add_to_class", "fit", "minibatches"]

SHARED: Final = ("float32", "float64", "int64", "int32", "int8", "uint8")  # the types that MXNet's DLPack knows


if not TYPE_CHECKING:  # or checkers would accept every name

    def __getattr__(name: str) -> NoReturn:
        raise absent(__name__, name)


def minibatches(array: npt.NDArray[Any], batch_size: int) -> Sequence[Any]:
    """Cut a chunk into MXNet arrays of `batch_size` rows that share its memory.

    >>> import numpy as np
    >>> [part.shape for part in minibatches(np.zeros((70, 2), np.float32), 32)]
    [(32, 2), (32, 2), (6, 2)]
    """
    size, n = max(1, batch_size), len(array)
    whole = _tensor(array)
    return [whole] if n <= size else [whole[i : i + size] for i in range(0, n, size)]


def _tensor(array: npt.NDArray[Any]) -> Any:
    if array.dtype.name in SHARED and array.size and array.flags.c_contiguous:
        return mx.nd.from_numpy(array[:], zero_copy=True).as_np_ndarray()  # of a view, since it makes that read-only
    with mx.util.np_shape(active=True):  # without it, no length of 0
        return mx.np.array(array, dtype=array.dtype)


class DataModule(TensorDataModule):
    """The book's `DataModule` for MXNet: `get_tensorloader` makes a loader of MXNet arrays."""

    framework = Framework("mxnet", _tensor, "np.array([2, -3.4])")


class SyntheticRegressionData(SyntheticData, DataModule):
    """The book's synthetic data for linear regression: ``y = X w + b + noise e``, with w and b known.

    Its arguments, and what it has, are those of the book's class; `X` and `y` are of type `mxnet.np.ndarray`.

    Examples
    --------
    >>> from mxnet import np, npx
    >>> npx.set_np()
    >>> data = SyntheticRegressionData(w=np.array([2, -3.4]), b=4.2)
    >>> X, y = next(iter(data.train_dataloader()))
    >>> print("X shape:", X.shape, "y shape:", y.shape)
    X shape: (32, 2) y shape: (32, 1)
    >>> len(data.train_dataloader())
    32
    """


def fit(
    loader: Any, epochs: int = 3, lr: float = 0.03, *, on_epoch: Callable[[int, Estimate, float], None] | None = None
) -> Estimate:
    """Train a linear model by gradient descent on half the squared error: `planted.sgd`, done by MXNet.

    Parameters and result as for `planted.sgd`; the loader must give MXNet arrays.
    """

    def begin(X: Any, lr: float) -> Learner:
        w, b = (mx.np.zeros(shape, dtype=X.dtype) for shape in ((X.shape[1], 1), (1,)))
        w.attach_grad()
        b.attach_grad()

        def step(X: Any, y: Any) -> Any:
            with mx.autograd.record():
                loss = 0.5 * ((mx.np.dot(X, w) + b - y) ** 2).mean()
            loss.backward()
            w[:] -= lr * w.grad
            b[:] -= lr * b.grad
            return loss

        return Learner(step, lambda: (w, b))

    with mx.util.np_shape(active=True):  # a loss has no axes
        return descend(loader, epochs, lr, on_epoch, begin)
