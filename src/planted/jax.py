"""JAX: planted's batches as JAX arrays, the book's classes for its JAX tab, and its notebook's `gen_reg_data`.

For example::

    from planted import jax as d2l

    data = d2l.SyntheticRegressionData(w=jnp.array([2, -3.4]), b=4.2)
    X, y = next(iter(data.train_dataloader()))

JAX can share the memory of a NumPy array (DLPack), but that costs as much as copying a quarter of a megabyte. So
smaller minibatches are copied, through a compiled identity: the fastest way into JAX (a third of the time of
`jnp.array` or `jax.device_put`). Those of `SHARED_BYTES` and more are shared.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy.typing as npt

from planted._estimates import Estimate
from planted._frameworks import (
    Framework,
    HyperParameters,
    ShardedLoader,
    SyntheticData,
    TensorDataModule,
    absent,
    add_to_class,
    refuse_integers,
)
from planted._learn import Learner, descend
from planted._rows import regression
from planted.errors import InvalidTypeError, MissingDependencyError, ProcessGroupError

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise MissingDependencyError("planted.jax needs JAX: pip install 'planted[jax]'") from error

__all__ = [
    "DataModule",
    "HyperParameters",
    "ShardedLoader",
    "SyntheticRegressionData",
    "add_to_class",
    "fit",
    "gen_reg_data",
    "minibatches",
    "process",
]

SHARED_BYTES: Final = 1 << 18


if not TYPE_CHECKING:  # or checkers would accept every name

    def __getattr__(name: str) -> NoReturn:
        raise absent(__name__, name)


def minibatches(array: npt.NDArray[Any], batch_size: int) -> Sequence[Any]:
    """Cut a chunk into JAX arrays of `batch_size` rows, on JAX's default device.

    Row numbers (int64) stay NumPy arrays unless JAX is told to keep 64 bits: it would cut them off at 2^31 silently.

    Raises
    ------
    InvalidTypeError
        If the chunk is float64 and JAX is not told to keep 64 bits (``jax_enable_x64``).

    Examples
    --------
    >>> import numpy as np
    >>> [part.shape for part in minibatches(np.zeros((70, 2), np.float32), 32)]
    [(32, 2), (32, 2), (6, 2)]
    """
    size = max(1, batch_size)
    parts = [array[i : i + size] for i in range(0, max(1, len(array)), size)]
    if array.dtype.itemsize == 8 and not jax.config.jax_enable_x64:
        if array.dtype.kind == "f":
            raise InvalidTypeError(
                "float64 rows would become float32 in JAX: call jax.config.update('jax_enable_x64', True) first, or "
                "make rows of dtype='float32'"
            )
        return parts
    if parts[0].nbytes >= SHARED_BYTES and jax.default_backend() == "cpu":
        return [jax.dlpack.from_dlpack(part) for part in parts]
    return [_identity(part) if len(part) == size else jnp.array(part) for part in parts]


@jax.jit
def _identity(array: Any) -> Any:
    return array


def _tensor(array: npt.NDArray[Any]) -> Any:
    (whole,) = minibatches(array, len(array))
    return whole


def process() -> tuple[int, int]:
    """The index of this process among JAX's, and how many they are: ``Loader(..., rank="auto")``.

    Raises
    ------
    ProcessGroupError
        If ``jax.distributed`` is not initialised, so that every process would read every row.
    """
    if not jax.distributed.is_initialized():
        raise ProcessGroupError(
            "rank='auto', but jax.distributed is not initialised: call jax.distributed.initialize() before, or pass "
            "rank=jax.process_index() and world_size=jax.process_count()"
        )
    return jax.process_index(), jax.process_count()


def gen_reg_data(w: Any, b: Any, seed: int, noise: float = 0.01, n: int = 1000) -> tuple[jax.Array, jax.Array]:
    """Synthetic regression data as the book's TensorFlow Probability notebook makes it: ``y = X w + b + noise e``.

    Parameters
    ----------
    w
        The weights: an array of shape (features,) or (features, 1), or a list.
    b
        The intercept.
    seed
        Any non-negative integer; the rows are those of ``planted.regression(w, b, noise=noise, n=n, seed=seed)``.
    noise
        The standard deviation of the noise.
    n
        How many rows.

    Returns
    -------
    X, y : jax.Array
        The features, shape (n, features), and the responses, shape (n, 1), float32.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule: integer weights in an array, say, or a negative noise.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> X, y = gen_reg_data(w=jnp.array([2, 3.4]), b=4.2, seed=714)
    >>> X.shape, y.shape
    ((1000, 2), (1000, 1))
    """
    if not isinstance(w, (list, tuple)):
        refuse_integers(w, FRAMEWORK)
    X, y = regression(w, b, noise=noise, n=n, seed=seed)[:]
    return _tensor(X), _tensor(y)


FRAMEWORK: Final = Framework("jax", _tensor, "jnp.array([2, -3.4])")


class DataModule(TensorDataModule):
    """The book's `DataModule` for JAX: `get_tensorloader` makes a loader of JAX arrays."""

    framework = FRAMEWORK


class SyntheticRegressionData(SyntheticData, DataModule):
    """The book's synthetic data for linear regression: ``y = X w + b + noise e``, with w and b known.

    Its arguments, and what it has, are those of the book's class; `X` and `y` are of type `jax.Array`.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> data = SyntheticRegressionData(w=jnp.array([2, -3.4]), b=4.2)
    >>> X, y = next(iter(data.train_dataloader()))
    >>> print("X shape:", X.shape, "y shape:", y.shape)
    X shape: (32, 2) y shape: (32, 1)
    >>> len(data.train_dataloader())
    32
    """


def fit(
    loader: Any, epochs: int = 3, lr: float = 0.03, *, on_epoch: Callable[[int, Estimate, float], None] | None = None
) -> Estimate:
    """Train a linear model by gradient descent on half the squared error: `planted.sgd`, done by JAX.

    Parameters and result as for `planted.sgd`; the loader must give JAX arrays.
    """

    def half_squared_error(parameters: tuple[Any, Any], X: Any, y: Any) -> Any:
        w, b = parameters
        return 0.5 * jnp.mean((X @ w + b - y) ** 2)

    def begin(X: Any, lr: float) -> Learner:
        parameters = jnp.zeros((X.shape[1], 1), X.dtype), jnp.zeros(1, X.dtype)

        @jax.jit
        def stepped(parameters: tuple[Any, Any], X: Any, y: Any) -> tuple[Any, Any]:
            loss, gradients = jax.value_and_grad(half_squared_error)(parameters, X, y)
            return jax.tree.map(lambda p, g: p - lr * g, parameters, gradients), loss

        def step(X: Any, y: Any) -> Any:
            nonlocal parameters
            parameters, loss = stepped(parameters, X, y)
            return loss

        return Learner(step, lambda: parameters)

    return descend(loader, epochs, lr, on_epoch, begin)
