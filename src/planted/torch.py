"""PyTorch: planted's batches as torch tensors, and the book's classes for its PyTorch tab.

What comes in: chunks of rows in NumPy, or tensors of the reader's own. What goes out: minibatches of `torch.Tensor`
that share memory with the chunk they are cut from, without a copy. Nothing of torch is anywhere else in the
package::

    from planted import torch as d2l

    data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)
    X, y = next(iter(data.train_dataloader()))
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from planted._book import DataModule as _DataModule
from planted._book import HyperParameters, add_to_class
from planted._errors import InvalidValueError, MissingFrameworkError
from planted._fit import Estimate, training_settings
from planted._input import integer
from planted._loader import Loader
from planted._rows import ComputedRows, regression
from planted._types import RowNumbers

try:
    import torch
except ImportError as error:
    raise MissingFrameworkError("planted.torch needs PyTorch: pip install 'planted[torch]'") from error

__all__ = ["DataModule", "HyperParameters", "SyntheticRegressionData", "add_to_class", "fit", "minibatches"]


def minibatches(array: Any, batch_size: int) -> Sequence[torch.Tensor]:
    """Cut a chunk (a NumPy array or a tensor) into tensors of `batch_size` rows that share its memory.

    >>> [len(part) for part in minibatches(np.zeros((70, 2), np.float32), 32)]
    [32, 32, 6]
    """
    tensor = array if isinstance(array, torch.Tensor) else torch.from_numpy(array)
    if batch_size and len(tensor) and len(tensor) % batch_size == 0:
        return tensor.view(-1, batch_size, *tensor.shape[1:]).unbind()  # a fifth faster than split
    return torch.split(tensor, max(1, batch_size))


class _TensorRows:
    """Tensors of any shape and type, equally long, as a source of a `Loader`."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        lengths = [len(tensor) for tensor in tensors]
        if len(set(lengths)) != 1:
            raise InvalidValueError(
                f"tensors of {lengths} rows must be one or more, equally long: cut them to one length"
            )
        self.tensors = tuple(tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def take(self, rows: RowNumbers) -> tuple[torch.Tensor, ...]:
        index = torch.as_tensor(np.asarray(rows, dtype=np.int64))
        return tuple(torch.index_select(tensor, 0, index.to(tensor.device)) for tensor in self.tensors)

    def fingerprint(self) -> str:
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        for tensor in self.tensors:
            digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<tensors: {', '.join(str(tuple(tensor.shape)) for tensor in self.tensors)}>"


class DataModule(_DataModule):
    """The book's `DataModule` for PyTorch: `get_tensorloader` makes a loader of tensors."""

    batch_size: int

    def get_tensorloader(
        self, tensors: Sequence[torch.Tensor], train: bool, indices: slice | Any = slice(0, None)
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
            Which examples: a slice, or anything that indexes a tensor.

        Returns
        -------
        Loader
            With ``self.batch_size``, read now; ``len`` gives its number of batches.
        """
        source = _TensorRows([tensor[indices] for tensor in tensors])
        seed = getattr(self, "seed", 0)
        loader = Loader(source, self.batch_size, shuffle=train, seed=seed, framework="torch")
        return _continued(self, loader) if train else loader


def _continued(module: DataModule, loader: Loader) -> Loader:
    """The loader, set to the epoch after the last one that the module's previous training loader began."""
    previous: Loader | None = module.__dict__.get("_training")
    if previous is not None:
        loader.set_epoch(previous.epoch)
    module.__dict__["_training"] = loader
    return loader


class SyntheticRegressionData(DataModule):
    """The book's synthetic data for linear regression: ``y = X w + b + noise e``, with w and b known.

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
        Of the rows and of their order; the same seed gives the same data, whoever asks.
    fresh
        Whether training reads new rows in every epoch, computed on the fly; validation keeps its own.

    Attributes
    ----------
    X, y : torch.Tensor
        The features, shape (num_train + num_val, features), and responses, shape (num_train + num_val, 1), float32.
    rows : Rows
        The same, as planted knows them: for `planted.check(model, data.rows)`.

    Examples
    --------
    >>> import torch
    >>> data = SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)
    >>> X, y = next(iter(data.train_dataloader()))
    >>> print("X shape:", X.shape, "y shape:", y.shape)
    X shape: torch.Size([32, 2]) y shape: torch.Size([32, 1])
    >>> len(data.train_dataloader())
    32
    """

    w: torch.Tensor
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
        super().__init__()
        for count, name in ((num_train, "num_train"), (num_val, "num_val")):
            integer(count, name, minimum=0, remedy="use a number of rows, such as 1000")
        if not isinstance(w, torch.Tensor):
            w = torch.as_tensor(w, dtype=torch.float32)
        self.save_hyperparameters(ignore=["count", "name"])
        self.rows: ComputedRows = regression(w, b, noise=noise, n=num_train + num_val, seed=seed)

    @cached_property
    def X(self) -> torch.Tensor:
        """The features, made when first asked for."""
        return torch.from_numpy(self._arrays.X)

    @cached_property
    def y(self) -> torch.Tensor:
        """The responses, made when first asked for."""
        return torch.from_numpy(self._arrays.y)

    @cached_property
    def _arrays(self) -> Any:
        return self.rows[:]

    def get_dataloader(self, train: bool) -> Any:
        """The loader: training rows in random order, validation rows in fixed order."""
        num_train, num_val, batch_size = self.hparams["num_train"], self.hparams["num_val"], self.batch_size
        if train and self.hparams["fresh"]:
            rows, _ = self.rows.split(num_train, num_val)
            loader = Loader(rows, batch_size, seed=self.hparams["seed"], framework="torch", fresh=True)
            return _continued(self, loader)
        i = slice(0, num_train) if train else slice(num_train, None)
        return self.get_tensorloader((self.X, self.y), train, i)


def fit(
    loader: Any, epochs: int = 3, lr: float = 0.03, *, on_epoch: Callable[[int, Estimate, float], None] | None = None
) -> Estimate:
    """Train a `torch.nn.Linear` with `torch.optim.SGD` on half the squared error: `planted.sgd`, done by torch.

    Parameters and result as for `planted.sgd`; the loader must give torch tensors.
    """
    epochs, lr = training_settings(epochs, lr)
    layer: Any = None
    for epoch in range(epochs):
        loss_sum, n = 0.0, 0
        for X, y in loader:
            if layer is None:
                layer = torch.nn.utils.skip_init(torch.nn.Linear, X.shape[1], 1, dtype=X.dtype)
                for parameter in layer.parameters():
                    torch.nn.init.zeros_(parameter)
                optimizer = torch.optim.SGD(layer.parameters(), lr=lr)
            loss = 0.5 * torch.nn.functional.mse_loss(layer(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(X)
            n += len(X)
        if layer is None:
            raise InvalidValueError("the loader gave no rows: use a loader with at least one batch")
        if on_epoch is not None:
            on_epoch(epoch, Estimate(layer.weight, layer.bias), loss_sum / n)
    return Estimate(layer.weight, layer.bias)
