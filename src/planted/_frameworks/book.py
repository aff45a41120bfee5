"""What the classes of the book share, whatever the framework: *Dive into Deep Learning*, 3.2 and 3.3.

The names, arguments and effects are those of the book's package `d2l` 1.0.3; the code is ours. Each framework's door
makes two final classes of these, `DataModule` and `SyntheticRegressionData`, with a `Framework` that says how an array
becomes one of its tensors.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NoReturn

import numpy as np
import numpy.typing as npt

from planted._input import flag, floats, integer, length, to_numpy, vector
from planted._loader import Loader
from planted._pipeline import Arrays
from planted._rows import ComputedRows, regression
from planted._types import Framework as FrameworkName
from planted.errors import InvalidTypeError, InvalidValueError, TooLargeError


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


def absent(door: str, name: str) -> AttributeError:
    """The error of a name that a door does not have: it says where the rest of the book is."""
    message = f"module {door!r} has no attribute {name!r}"
    if not name.startswith("__"):  # those are asked of every module by those who look at it
        framework = door.rpartition(".")[2]
        message += (
            f": {door} has the book's classes for data (SyntheticRegressionData, DataModule); for its other names "
            f"import the book's own package, from d2l import {framework} as d2l, whose Trainer takes that data"
        )
    return AttributeError(message)


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

    def get_tensorloader(
        self, tensors: Sequence[Any], train: bool, indices: Any = slice(0, None), *, drop_last: bool | None = None
    ) -> Loader:
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
        drop_last
            Whether an incomplete last batch is dropped. If it is not said, the training loader does what
            ``self.drop_last`` says, where there is one, and the other keeps it.

        Returns
        -------
        Loader
            With ``self.batch_size``, read now; ``len`` gives its number of batches.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If there is one array and no tuple of them, they are not equally long, or have no examples' axis; if the
            module has no `batch_size`.
        """
        if hasattr(tensors, "shape"):
            raise InvalidTypeError(
                f"tensors is one array of shape {tuple(tensors.shape)}: pass them in a tuple, such as (self.X, self.y)"
            )
        if not hasattr(self, "batch_size"):
            raise InvalidValueError(
                f"{type(self).__name__} has no batch_size: set self.batch_size, or make it an argument of __init__ and "
                "call self.save_hyperparameters() there"
            )
        source = self.framework.source(tensors, indices)
        if drop_last is None:
            drop_last = bool(train) and getattr(self, "drop_last", False)
        loader = Loader(
            source,
            self.batch_size,
            shuffle=bool(train),
            seed=getattr(self, "seed", 0),
            drop_last=drop_last,
            framework=self.framework.name,
        )
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
    noise: float
    num_train: int
    num_val: int
    seed: int
    fresh: bool
    streaming: bool
    drop_last: bool

    def __init__(
        self,
        w: Any,
        b: Any,
        noise: float = 0.01,
        num_train: int = 1000,
        num_val: int = 1000,
        batch_size: int = 32,  # noqa: ARG002 -- saved with the others
        streaming: bool = False,
        *,
        seed: int = 0,
        fresh: bool = False,
        drop_last: bool = False,
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
        fresh, streaming
            Whether training reads new rows in every epoch, computed on the fly; validation keeps its own. Two words for
            the same: `fresh` is planted's, `streaming` that of the book's readers.
        drop_last
            Whether the training loader drops an incomplete last batch; the validation loader keeps it.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If an argument breaks its rule: weights in a tensor of integers, say, or a negative noise.
        """
        super().__init__()
        integer(num_train, "num_train", minimum=0, remedy="use a number of rows, such as 1000")
        integer(num_val, "num_val", minimum=0, remedy="use a number of rows, such as 1000")
        fresh = streaming = flag(fresh, "fresh") | flag(streaming, "streaming")
        drop_last = flag(drop_last, "drop_last")
        w = self._weights(w)
        self.save_hyperparameters()
        self.rows = regression(w, b, noise=noise, n=num_train + num_val, seed=seed)

    __init__.__qualname__ = "SyntheticRegressionData.__init__"  # what Python's errors name: the class that is typed

    def _weights(self, w: Any) -> Any:
        """The weights as a tensor."""
        if isinstance(w, (list, tuple, int, float, np.ndarray, np.number)):
            remedy = "use finite weights, one a feature, such as [2.0, -3.4]"
            vector(w, "w", remedy=remedy)  # refuses what is none
            weights = floats(w, "w", remedy=remedy)
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
        if train and self.fresh:
            return self._computed(train, fresh=True)
        try:
            tensors = self.X, self.y
        except TooLargeError:  # the same batches, computed one by one
            return self._computed(train)
        i = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader(tensors, train, i)

    def __getitem__(self, index: object) -> NoReturn:
        """Refused, with what to write instead."""
        raise InvalidTypeError(
            f"{type(self).__name__} is no list of rows: use data.X[0] and data.y[0], or data.rows[0] for both; for "
            "minibatches data.train_dataloader() and data.val_dataloader()"
        )

    def __repr__(self) -> str:
        """Its rows, how many of them are for training, and what else it was told."""
        told = "".join(f", {name}=True" for name in ("streaming", "drop_last") if getattr(self, name))
        return f"{type(self).__name__}({self.rows!r}, num_train={self.num_train}, batch_size={self.batch_size}{told})"

    def _computed(self, train: bool, *, fresh: bool = False) -> Loader:
        """A loader of rows that are computed on demand."""
        parts = self.rows.split(self.num_train, length(self.rows) - self.num_train)
        loader = Loader(
            parts[0 if train else 1],
            self.batch_size,
            shuffle=bool(train),
            seed=self.seed,
            drop_last=bool(train) and self.drop_last,
            framework=self.framework.name,
            fresh=fresh,
        )
        return self._continued(loader) if train else loader
