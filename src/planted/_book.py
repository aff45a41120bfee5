"""What the classes of the book share, whatever the framework: *Dive into Deep Learning*, 3.2 and 3.3.

What comes in: the reader's own classes and methods. What goes out: the same, with hyperparameters saved as
attributes and methods added after the fact. The names, arguments and effects are those of the book's package `d2l`
1.0.3; the code is ours.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any


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
