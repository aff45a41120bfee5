"""TensorFlow: planted's batches as tensors, the book's classes for its TensorFlow tab, and a `tf.data.Dataset`.

For example::

    from planted import tensorflow as d2l

    data = d2l.SyntheticRegressionData(w=tf.constant([2, -3.4]), b=4.2)
    X, y = next(iter(data.train_dataloader()))

TensorFlow can share the memory of a NumPy array (DLPack) in 2 microseconds, but computes only with tensors that begin
at a multiple of 64 bytes. Minibatches that do are shared; all others are copied, by one `tf.split`.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
import numpy.typing as npt

from planted._estimates import Estimate
from planted._frameworks import Framework, HyperParameters, SyntheticData, TensorDataModule, absent, add_to_class
from planted._input import length, loader_remedy
from planted._learn import Learner, descend
from planted._loader import Loader
from planted._pipeline import Pipeline, read_once
from planted.errors import InvalidTypeError, InvalidValueError, MissingDependencyError

try:
    import tensorflow as tf
except ImportError as error:
    raise MissingDependencyError("planted.tensorflow needs TensorFlow: pip install 'planted[tensorflow]'") from error

__all__ = [
    "DataModule",
    "HyperParameters",
    "SyntheticRegressionData",
    "add_to_class",
    "dataset",
    "fit",
    "minibatches",
]

ALIGNMENT: Final = 64  # bytes; Eigen relies on it


if not TYPE_CHECKING:  # or checkers would accept every name

    def __getattr__(name: str) -> NoReturn:
        raise absent(__name__, name)


def minibatches(array: npt.NDArray[Any], batch_size: int) -> Sequence[tf.Tensor]:
    """Cut a chunk into tensors of `batch_size` rows.

    >>> [tuple(part.shape) for part in minibatches(np.zeros((70, 2), np.float32), 32)]
    [(32, 2), (32, 2), (6, 2)]
    """
    size, n = max(1, batch_size), len(array)
    if n <= size:
        return [_shared(array) if n and array.ctypes.data % ALIGNMENT == 0 else tf.convert_to_tensor(array)]
    if array.ctypes.data % ALIGNMENT == 0 and size * array.strides[0] % ALIGNMENT == 0:
        return [_shared(array[i : i + size]) for i in range(0, n, size)]
    whole, rest = divmod(n, size)
    parts: Sequence[tf.Tensor] = tf.split(array, [size] * whole + [rest] * (rest > 0))
    return parts


def _shared(array: npt.NDArray[Any]) -> tf.Tensor:
    if array.dtype.kind not in "iuf" or not array.flags.writeable:  # what NumPy's DLPack leaves out
        return tf.convert_to_tensor(array)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def _tensor(array: npt.NDArray[Any]) -> tf.Tensor:
    (whole,) = minibatches(array, len(array))
    return whole


class DataModule(TensorDataModule):
    """The book's `DataModule` for TensorFlow: `get_tensorloader` makes a loader of tensors."""

    framework = Framework("tensorflow", _tensor, "tf.constant([2, -3.4])")


class SyntheticRegressionData(SyntheticData, DataModule):
    """The book's synthetic data for linear regression: ``y = X w + b + noise e``, with w and b known.

    Its arguments, and what it has, are those of the book's class; `X` and `y` are of type `tf.Tensor`.

    Examples
    --------
    >>> import tensorflow as tf
    >>> data = SyntheticRegressionData(w=tf.constant([2, -3.4]), b=4.2)
    >>> X, y = next(iter(data.train_dataloader()))
    >>> print("X shape:", X.shape, "y shape:", y.shape)
    X shape: (32, 2) y shape: (32, 1)
    >>> len(data.train_dataloader())
    32
    """


def dataset(loader: Loader | Pipeline) -> tf.data.Dataset:
    """A loader's batches as a `tf.data.Dataset` of known cardinality and element spec; each pass is the next epoch.

    Parameters
    ----------
    loader
        A loader of any framework, or a pipeline of batches. It is iterated over for each epoch, so `repeat` continues
        with new orders. A pipeline's first batch is made to see of which shapes and types it is.

    Returns
    -------
    tf.data.Dataset
        Of pairs (X, y), shapes (batch, features) and (batch, 1), in the rows' dtype; with ``with_index``, of
        (X, y, row numbers). Of a pipeline, its items, whose first axis may be of any length.

    Raises
    ------
    InvalidTypeError
        If it is neither a loader nor a pipeline, or a pipeline of an iterator, which can be read once.
    InvalidValueError
        If a pipeline is empty.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=100)
    >>> batches = dataset(planted.Loader(rows, batch_size=32))
    >>> int(batches.cardinality()), batches.element_spec[0].shape
    (4, TensorShape([None, 2]))
    """
    if isinstance(loader, Pipeline):
        spec = _spec_of(loader)
        try:
            count = len(loader)
        except InvalidTypeError:  # after a filter, say, or without end
            count = tf.data.UNKNOWN_CARDINALITY
    elif isinstance(loader, Loader):
        sample = loader.rows.take([0] if len(loader) else [])
        arrays = [*sample, np.zeros(1, np.int64)] if loader.with_index else [*sample]
        complete = loader.drop_last or len(loader) * loader.batch_size == length(loader.rows)
        first = loader.batch_size if complete and loader.world_size == 1 else None
        spec, count = tuple(tf.TensorSpec((first, *array.shape[1:]), array.dtype) for array in arrays), len(loader)
    else:
        use = loader_remedy(loader, "planted.Loader(rows, ...)")
        raise InvalidTypeError(f"{type(loader).__name__} must be a planted.Loader or a planted.Pipeline: {use}")

    def batches() -> Iterator[Any]:
        yield from loader

    made = tf.data.Dataset.from_generator(batches, output_signature=spec)
    return made if count == tf.data.UNKNOWN_CARDINALITY else made.apply(tf.data.experimental.assert_cardinality(count))


def _spec_of(pipeline: Pipeline) -> Any:
    """Shapes and types of a pipeline's items, seen by the first."""
    if read_once(pipeline):
        raise InvalidTypeError(
            f"{pipeline!r} reads an iterator, which can be read once: pass a function that makes it, such as "
            "Pipeline(lambda: open(path))"
        )
    items = list(islice(pipeline.read(0), 1))
    if not items:
        raise InvalidValueError(f"{pipeline!r} has no items, so that their shapes are not known")

    def spec(part: Any) -> tf.TensorSpec:
        tensor = tf.convert_to_tensor(part)
        return tf.TensorSpec((None, *tensor.shape[1:]) if tensor.ndim else (), tensor.dtype)

    return tf.nest.map_structure(spec, items[0])


def fit(
    loader: Any, epochs: int = 3, lr: float = 0.03, *, on_epoch: Callable[[int, Estimate, float], None] | None = None
) -> Estimate:
    """Train a linear model by gradient descent on half the squared error: `planted.sgd`, done by TensorFlow.

    Parameters and result as for `planted.sgd`; the loader must give tensors.
    """

    def begin(X: tf.Tensor, lr: float) -> Learner:
        w, b = tf.Variable(tf.zeros((X.shape[1], 1), X.dtype)), tf.Variable(tf.zeros(1, X.dtype))

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator, unused-ignore]
        def step(X: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                loss = 0.5 * tf.reduce_mean(tf.square(X @ w + b - y))
            for parameter, gradient in zip((w, b), tape.gradient(loss, (w, b)), strict=True):
                parameter.assign_sub(lr * gradient)
            return loss

        return Learner(step, lambda: (w, b))

    return descend(loader, epochs, lr, on_epoch, begin)
