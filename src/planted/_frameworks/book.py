"""What the classes of the book share, whatever the framework: *Dive into Deep Learning*, 3.2 and 3.3.

The names, arguments and effects are those of the book's package `d2l` 1.0.3; the code is ours. Each framework's door
makes two final classes of these, `DataModule` and `SyntheticRegressionData`, with a `Framework` that says how an array
becomes one of its tensors.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from planted._input import floats, integer, to_numpy
from planted._loader import Loader
from planted._pipeline import Arrays
from planted._rows import ComputedRows, regression
from planted._types import Framework as FrameworkName
from planted.errors import InvalidTypeError


def add_to_class(Class: type) -> Callable[[Any], None]:
    """Register a function or property as an attribute of a class, under its own name, even after objects exist.

    Parameters
    ----------
    Class
        The class to extend.

    Returns
    -------
    Callable
        A decorator.

    Examples
    --------
    >>> class A:
    ...     b = 1
    >>> a = A()
    >>> @add_to_class(A)
    ... def do(self):
    ...     return self.b
    >>> a.do()
    1
    """

    def register(obj: Any) -> None:
        setattr(Class, obj.__name__, obj)

    return register


class HyperParameters:
    """A base class that saves the arguments of a method as attributes.

    Examples
    --------
    >>> class B(HyperParameters):
    ...     def __init__(self, a, b, c):
    ...         self.save_hyperparameters(ignore=["c"])
    >>> b = B(a=1, b=2, c=3)
    >>> b.a, b.b, b.hparams, hasattr(b, "c")
    (1, 2, {'a': 1, 'b': 2}, False)
    """

    hparams: dict[str, Any]

    def save_hyperparameters(self, ignore: Iterable[str] = ()) -> None:
        """Save the caller's arguments and local variables to `hparams` and as attributes.

        Parameters
        ----------
        ignore
            Names to leave out; `self` and names that begin with an underscore are left out anyway.
        """
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        if caller is None:
            raise RuntimeError("save_hyperparameters() must be called from a method: it saves that method's arguments")
        left_out = {"self", *ignore}
        self.hparams = {
            name: value
            for name, value in inspect.getargvalues(caller).locals.items()
            if name not in left_out and not name.startswith("_")
        }
        for name, value in self.hparams.items():
            setattr(self, name, value)


class DataModule(HyperParameters):
    """The base class of data: a subclass gives `get_dataloader`, trainers ask for the two loaders.

    Parameters
    ----------
    root
        Where files would be kept; unused by synthetic data.
    num_workers
        Kept for compatibility: planted works ahead in threads.
    """

    def __init__(self, root: str = "../data", num_workers: int = 4) -> None:  # noqa: ARG002 -- both are saved
        self.save_hyperparameters()

    def get_dataloader(self, train: bool) -> Any:
        """Give the training loader or the validation loader; for a subclass to define."""
        raise NotImplementedError(f"{type(self).__name__} must define get_dataloader(self, train)")

    def train_dataloader(self) -> Any:
        """The loader for training: in random order."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Any:
        """The loader for validation: in fixed order."""
        return self.get_dataloader(train=False)


# ---- tensors of any framework -----------------------------------------------------------------------------------


def arrays_at(tensors: Sequence[Any], indices: Any) -> Arrays:
    """The elements at `indices` of tensors of equal length, as NumPy arrays, for a loader."""
    return Arrays([array[indices] for array in Arrays(tensors).arrays])


@dataclass(frozen=True, slots=True)
class Framework:
    """What the classes below need to know of a framework."""

    name: FrameworkName
    tensor: Callable[[npt.NDArray[Any]], Any]  # of an array, sharing its memory where it can
    weights: str  # an example of weights that are right, for error messages
    source: Callable[[Sequence[Any], Any], Any] = arrays_at


def refuse_integers(w: Any, framework: Framework) -> None:
    """Refuse weights in a tensor of integers, which no framework multiplies by the features."""
    if (dtype := to_numpy(w).dtype).kind in "iub":
        raise InvalidTypeError(f"w has dtype {dtype}: use floating-point weights, such as {framework.weights}")


class TensorDataModule(DataModule):
    """A `DataModule` whose `get_tensorloader` makes a loader of a framework's tensors."""

    framework: ClassVar[Framework]
    batch_size: int

    def get_tensorloader(self, tensors: Sequence[Any], train: bool, indices: Any = slice(0, None)) -> Loader:
        """A loader over tensors of equal length: shuffled for training, in fixed order otherwise.

        Parameters
        ----------
        tensors
            Tensors with the examples along the first axis; a batch has one of each.
        train
            Whether to shuffle, in a new order each epoch. Each ``for`` over any training loader of this
            module is the next epoch.
        indices
            Which examples: a slice, or anything that indexes an array.

        Returns
        -------
        Loader
            With ``self.batch_size``, read now; ``len`` gives its number of batches.

        Raises
        ------
        InvalidValueError
            If the tensors are not equally long, or have no examples' axis.
        """
        seed = getattr(self, "seed", 0)
        source = self.framework.source(tensors, indices)
        loader = Loader(source, self.batch_size, shuffle=train, seed=seed, framework=self.framework.name)
        return self._continued(loader) if train else loader

    def _continued(self, loader: Loader) -> Loader:
        """The loader, set to the epoch after the last one that the module's previous training loader began."""
        previous: Loader | None = self.__dict__.get("_training")
        if previous is not None:
            loader.set_epoch(previous.epoch)
        self.__dict__["_training"] = loader
        return loader


class SyntheticData(TensorDataModule):
    """``y = X w + b + noise e`` with w and b known: what `SyntheticRegressionData` is in every framework.

    Attributes
    ----------
    rows : Rows
        The rows of X and y as planted knows them: for `planted.check(model, data.rows)`.
    """

    rows: ComputedRows
    w: Any
    b: Any

    def __init__(
        self,
        w: Any,
        b: Any,
        noise: float = 0.01,
        num_train: int = 1000,
        num_val: int = 1000,
        batch_size: int = 32,  # noqa: ARG002 -- saved with the others
        *,
        seed: int = 0,
        fresh: bool = False,  # noqa: ARG002
    ) -> None:
        """Plant the truth; no row is made yet.

        Parameters
        ----------
        w
            The weights: a tensor of shape (features,) or (features, 1), or a list.
        b
            The intercept.
        noise
            The standard deviation of the noise.
        num_train, num_val
            How many rows to train on, and to validate on; the training rows come first.
        batch_size
            Rows in a minibatch; read when a loader is asked for.
        seed
            Of the rows and of their order; the same seed gives the same data.
        fresh
            Whether training reads new rows in every epoch, computed on the fly; validation keeps its own.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If an argument breaks its rule: weights in a tensor of integers, say, or a negative noise.
        """
        super().__init__()
        integer(num_train, "num_train", minimum=0, remedy="use a number of rows, such as 1000")
        integer(num_val, "num_val", minimum=0, remedy="use a number of rows, such as 1000")
        w = self._weights(w)
        self.save_hyperparameters()
        self.rows = regression(w, b, noise=noise, n=num_train + num_val, seed=seed)

    def _weights(self, w: Any) -> Any:
        """The weights as a tensor."""
        if isinstance(w, (list, tuple, np.ndarray)):
            weights = floats(w, "w", remedy="use finite weights, one a feature, such as [2.0, -3.4]")
            return self.framework.tensor(weights.astype(np.float32))
        refuse_integers(w, self.framework)
        return w

    @cached_property
    def X(self) -> Any:
        """The features, shape (num_train + num_val, features), float32; made when first asked for."""
        return self.framework.tensor(self._arrays.X)

    @cached_property
    def y(self) -> Any:
        """The responses, shape (num_train + num_val, 1), float32; made when first asked for."""
        return self.framework.tensor(self._arrays.y)

    @cached_property
    def _arrays(self) -> Any:
        return self.rows[:]

    def get_dataloader(self, train: bool) -> Any:
        """The loader: training rows in random order, validation rows in fixed order."""
        num_train, num_val, batch_size = self.hparams["num_train"], self.hparams["num_val"], self.batch_size
        if train and self.hparams["fresh"]:
            rows, _ = self.rows.split(num_train, num_val)
            seed = self.hparams["seed"]
            return self._continued(Loader(rows, batch_size, seed=seed, framework=self.framework.name, fresh=True))
        i = slice(0, num_train) if train else slice(num_train, None)
        return self.get_tensorloader((self.X, self.y), train, i)
