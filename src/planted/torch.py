"""PyTorch: planted's batches as torch tensors, and the book's classes for its PyTorch tab.

Minibatches of `torch.Tensor` share memory with the chunk of rows that they are cut from, without a copy. `Dataset`,
`IterableDataset` and `LightningDataModule` are rows for torch's own input pipelines: `Dataset` where torch chooses the
order, `IterableDataset` for a `Loader` or a `Pipeline` in any number of worker processes, epoch after epoch::

    from planted import torch as d2l

    data = d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)
    X, y = next(iter(data.train_dataloader()))
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from planted import _frameworks
from planted._estimates import Estimate
from planted._frameworks import (
    Dataset,
    Framework,
    HyperParameters,
    IterableDataset,
    SyntheticData,
    TensorDataModule,
    absent,
    add_to_class,
)
from planted._learn import Learner, descend
from planted._pipeline import Arrays, equally_long
from planted._types import RowNumbers
from planted.errors import MissingDependencyError, ProcessGroupError

try:
    import torch
except ImportError as error:
    raise MissingDependencyError("planted.torch needs PyTorch: pip install 'planted[torch]'") from error

__all__ = [
    "DataModule",
    "Dataset",
    "HyperParameters",
    "IterableDataset",
    "SyntheticRegressionData",
    "add_to_class",
    "fit",
    "minibatches",
    "process",
]


if TYPE_CHECKING:
    from planted._frameworks import LightningDataModule as LightningDataModule  # noqa: PLC0414 -- offered
else:

    def __getattr__(name: str) -> Any:
        """`LightningDataModule`, for those who have Lightning."""
        if name != "LightningDataModule":
            raise absent(__name__, name)
        return _frameworks.LightningDataModule


def minibatches(array: Any, batch_size: int) -> Sequence[torch.Tensor]:
    """Cut a chunk (a NumPy array or a tensor) into tensors of `batch_size` rows that share its memory.

    >>> [len(part) for part in minibatches(np.zeros((70, 2), np.float32), 32)]
    [32, 32, 6]
    """
    tensor = array if isinstance(array, torch.Tensor) else torch.from_numpy(array)
    whole, rest = divmod(len(array), max(1, batch_size))
    sizes = [batch_size] * whole + [rest] * (rest > 0 or not whole)
    return tensor.split_with_sizes(sizes)  # C++ alone; `split` is half again as slow


def process() -> tuple[int, int]:
    """Rank and world size of this process in ``torch.distributed``'s default group: ``Loader(..., rank="auto")``.

    Raises
    ------
    ProcessGroupError
        If there is no such group, so that every process would read every row.
    """
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        raise ProcessGroupError(
            "rank='auto', but torch.distributed is not initialised: call torch.distributed.init_process_group() "
            "before, or pass rank= and world_size="
        )
    return distributed.get_rank(), distributed.get_world_size()


class _TensorRows:
    """Tensors, equally long, as a source of a `Loader`: they stay on their device."""

    def __init__(self, tensors: Sequence[torch.Tensor]) -> None:
        equally_long(tensors)
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def take(self, rows: RowNumbers) -> tuple[torch.Tensor, ...]:
        index = torch.as_tensor(np.asarray(rows, dtype=np.int64))
        return tuple(torch.index_select(tensor, 0, index.to(tensor.device)) for tensor in self.tensors)

    def fingerprint(self) -> str:
        return Arrays(self.tensors).fingerprint()

    def __repr__(self) -> str:
        return f"<tensors: {', '.join(str(tuple(tensor.shape)) for tensor in self.tensors)}>"


def _tensors_at(tensors: Sequence[torch.Tensor], indices: Any) -> _TensorRows:
    equally_long(tensors)
    return _TensorRows([torch.as_tensor(tensor)[indices] for tensor in tensors])


class DataModule(TensorDataModule):
    """The book's `DataModule` for PyTorch: `get_tensorloader` makes a loader of tensors."""

    framework = Framework("torch", torch.from_numpy, "torch.tensor([2, -3.4])", _tensors_at)


class SyntheticRegressionData(SyntheticData, DataModule):
    """The book's synthetic data for linear regression: ``y = X w + b + noise e``, with w and b known.

    Its arguments, and what it has, are those of the book's class; `X` and `y` are of type `torch.Tensor`.

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


def fit(
    loader: Any, epochs: int = 3, lr: float = 0.03, *, on_epoch: Callable[[int, Estimate, float], None] | None = None
) -> Estimate:
    """Train a `torch.nn.Linear` with `torch.optim.SGD` on half the squared error: `planted.sgd`, done by torch.

    Parameters and result as for `planted.sgd`; the loader must give torch tensors.
    """

    def begin(X: torch.Tensor, lr: float) -> Learner:
        layer = torch.nn.utils.skip_init(torch.nn.Linear, X.shape[1], 1, dtype=X.dtype)
        for parameter in layer.parameters():
            torch.nn.init.zeros_(parameter)
        optimizer = torch.optim.SGD(layer.parameters(), lr=lr)

        def step(X: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            loss = 0.5 * torch.nn.functional.mse_loss(layer(X), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        return Learner(step, lambda: (layer.weight, layer.bias))

    return descend(loader, epochs, lr, on_epoch, begin)
