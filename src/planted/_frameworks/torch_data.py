"""PyTorch's own input pipelines, fed with planted's rows: for code that has a `DataLoader` or a trainer already.

Both are for `torch.utils.data.DataLoader` and torchdata's `StatefulDataLoader`, and give every row once:

- `Dataset` lets torch choose the order: a sampler asks for row numbers.
- `IterableDataset` keeps planted's order, and shares it among worker processes.

Where one process is fast enough, a plain `Loader` with ``framework="torch"`` is faster than all of them.
"""

import copy
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from planted._input import integer, row_numbers, rows_like, to_json_int, whole
from planted._loader import Loader
from planted._types import RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError, MissingDependencyError, RowNumberError

try:
    import torch
except ImportError as error:
    raise MissingDependencyError("planted.torch needs PyTorch: pip install 'planted[torch]'") from error

Tensors: TypeAlias = tuple[torch.Tensor, ...]


class Dataset(torch.utils.data.Dataset[Tensors]):
    """Rows by number, for a `torch.utils.data.DataLoader` with a sampler of its own.

    Parameters
    ----------
    rows
        Any rows: computed, in memory, or of your own, with ``len`` and a vectorised ``take``.

    Raises
    ------
    InvalidTypeError
        If the rows have no length or no ``take``.

    Notes
    -----
    The fast way is to let a `BatchSampler` ask for a batch at a time, as in the example: one ``take`` makes it.
    ``DataLoader(dataset, batch_size=256)`` makes the same batch by one ``take`` too, but torch then wants 256 pairs of
    tensors and stacks them again: that costs about ten times as much. A `TensorDataset` costs more in both ways.

    Examples
    --------
    >>> import planted
    >>> from torch.utils.data import BatchSampler, DataLoader, RandomSampler
    >>> dataset = Dataset(planted.regression(w=[2.0, -3.4], b=4.2, n=1_000))
    >>> x, y = dataset[-1]
    >>> x.shape, y.shape, x.dtype
    (torch.Size([2]), torch.Size([1]), torch.float32)
    >>> batches = BatchSampler(RandomSampler(dataset), batch_size=256, drop_last=False)
    >>> for X, y in DataLoader(dataset, sampler=batches, batch_size=None):
    ...     print(tuple(X.shape), tuple(y.shape))
    (256, 2) (256, 1)
    (256, 2) (256, 1)
    (256, 2) (256, 1)
    (232, 2) (232, 1)
    """

    __module__ = "planted.torch"

    def __init__(self, rows: Any) -> None:
        self.rows = rows_like(rows, "rows")

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Tensors:
        """One row (x of shape (features,), y of shape (1,)), or, for a vector of numbers or a mask, (X, y) of those rows.

        A single negative number counts from the end, as in a list.

        Raises
        ------
        RowNumberError
            If there is no such row.
        InvalidTypeError
            If a number is not an integer.
        """
        n = len(self)
        if isinstance(index, (list, tuple, range)) or getattr(index, "ndim", 0) > 0:
            return self._take(row_numbers(index, n, masks=True))
        number = whole(index, "row number", remedy="use dataset[3], or dataset[[3, 1, 4]]")
        if not -n <= number < n:
            raise RowNumberError(
                f"row number {to_json_int(number)} is outside [0, {n}): use 0 to {n - 1}, or -1 for the last"
            )
        return tuple(part[0] for part in self._take(np.array([number % n])))

    def __getitems__(self, numbers: Any) -> list[Tensors]:
        """Pairs (x, y), made by one ``take``: what torch asks for when it collates a batch itself."""
        return list(zip(*(part.unbind() for part in self[numbers]), strict=True))

    def _take(self, numbers: RowNumbers) -> Tensors:
        parts = self.rows.take(numbers)
        if not isinstance(parts, tuple):
            raise InvalidTypeError(
                f"take of {type(self.rows).__name__} gave a {type(parts).__name__}; it must give a tuple of arrays: "
                "use planted.rows(...), or rows whose take gives (X, y)"
            )
        return tuple(part if isinstance(part, torch.Tensor) else torch.from_numpy(part) for part in parts)

    def __repr__(self) -> str:
        """The rows that it reads."""
        return f"Dataset({self.rows!r})"


@dataclass(slots=True)
class _Position:
    """Where a reading is: the batch that it gives next."""

    epoch: int
    batch: int


class IterableDataset(torch.utils.data.IterableDataset[Tensors]):
    """A loader's batches, in the loader's order, from any number of worker processes.

    Worker i of k makes every k-th batch, from batch i on, and no other; torch takes a batch from each in turn. So the
    batches are those of ``loader.read(epoch)``, in that order, whatever the number of workers.

    Parameters
    ----------
    loader
        A `planted.Loader` with ``framework="torch"``. It is read only by `Loader.read`, and stays where it is.

    Raises
    ------
    InvalidTypeError
        If it is not a loader.
    InvalidValueError
        If its batches are not torch tensors.

    Notes
    -----
    Pass ``batch_size=None`` to the `DataLoader`, which gets batches already. Workers pay where rows of your own take
    long to make: to send a batch of 256 rows between processes costs some forty times what it costs to make.

    With ``num_workers=0`` and with ``persistent_workers=True`` each reading is of the next epoch. Workers that are
    started again for each epoch cannot count epochs; they read the epoch of the last `set_epoch`. Call it before each
    epoch, as with torch's `DistributedSampler`, and all three agree; a worker that reads an epoch of random order for a
    second time warns.

    The position can be saved and loaded. torchdata's `StatefulDataLoader` does it by itself, for any number of
    workers. Without it, `state_dict` knows what this process has read, not what its workers have.

    Examples
    --------
    >>> import planted
    >>> from torch.utils.data import DataLoader
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
    >>> dataset = IterableDataset(planted.Loader(rows, 256, framework="torch"))
    >>> for epoch in range(2):
    ...     dataset.set_epoch(epoch)
    ...     print([len(X) for X, y in DataLoader(dataset, batch_size=None)])
    [256, 256, 256, 232]
    [256, 256, 256, 232]
    """

    __module__ = "planted.torch"

    def __init__(self, loader: Loader) -> None:
        if not isinstance(loader, Loader):
            raise InvalidTypeError(
                f"loader of type {type(loader).__name__} must be a planted.Loader: "
                "use planted.Loader(rows, framework='torch')"
            )
        if loader.framework != "torch":
            raise InvalidValueError(
                f"the loader has framework={loader.framework!r}; it must give torch tensors: "
                "use planted.Loader(rows, framework='torch')"
            )
        self.loader = loader
        # Shared with the workers: how often an epoch was set here, which one, and the batch to begin with; and, written
        # by worker 0, one more than the last epoch that workers have begun since.
        self._shared = torch.zeros(4, dtype=torch.int64).share_memory_()
        self._followed = 0  # how often an epoch had been set when the last reading began
        self._epoch = -1  # the epoch of that reading
        self._position: _Position | None = None  # of the present reading
        self._resumed: _Position | None = None  # in a worker: where to begin, from a saved state

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.loader)

    def __iter__(self) -> Iterator[Tensors]:
        """An epoch: all of its batches, or, in a worker process, the worker's share."""
        worker = torch.utils.data.get_worker_info()
        self._position = None
        if worker is None:
            return self._here()
        resumed = self._resumed is not None
        self._position = self._begin(worker.id)
        if worker.id == 0 and not resumed:
            self._mark(self._position.epoch)
        return self._read(self._position, worker.num_workers)

    def set_epoch(self, epoch: int) -> None:
        """Let the next reading, here or in workers, be of this epoch, from its start.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If it is not an integer from 0 to 2^62.
        """
        self._set(epoch, 0)

    def state_dict(self) -> dict[str, Any]:
        """Where the reading in this process is, as a small dict; `StatefulDataLoader` asks each of its workers."""
        _, epoch, batch = self._next()
        if self._position is not None:
            epoch, batch = self._position.epoch, self._position.batch
        return {**self.loader.state_dict(), "epoch": epoch, "batch": batch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next reading continue where `state_dict` was taken, at no cost.

        Raises
        ------
        StateError
            If the state is of other rows, another order, or another version; nothing is changed then.
        """
        settings = {**state, "batch": 0} if isinstance(state, Mapping) and "batch" in state else state
        copy.copy(self.loader).load_state_dict(settings)  # refuses what is not its own
        worker = torch.utils.data.get_worker_info()
        last = len(self) + (worker.num_workers if worker else 0)
        batch = integer(state["batch"], "state['batch']", minimum=0, maximum=last, remedy="batches count from 0")
        if worker is None:
            self._set(int(state["epoch"]), batch)
        else:
            self._resumed = _Position(int(state["epoch"]), batch)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy has shared memory of its own; in a worker that is spawned it is the memory of the original."""
        self.__dict__.update(state)
        self._shared.share_memory_()

    def __repr__(self) -> str:
        """The loader that it reads."""
        return f"IterableDataset({self.loader!r})"

    def _set(self, epoch: int, batch: int) -> None:
        epoch = integer(epoch, "epoch", minimum=0, maximum=1 << 62, remedy="epochs count from 0")
        times = int(self._shared[0])
        self._shared.copy_(torch.tensor([times + 1, epoch, batch, 0]))
        self._position = None

    def _next(self) -> tuple[int, int, int]:
        """How often an epoch was set; the epoch to read next, and the batch to begin with."""
        times, epoch, batch, _ = self._shared.tolist()
        return (times, epoch, batch) if times != self._followed else (times, self._epoch + 1, 0)

    def _begin(self, share: int = 0) -> _Position:
        position, self._resumed = self._resumed, None
        if position is None:
            self._followed, epoch, batch = self._next()
            position = _Position(epoch, batch + share)
        self._epoch = position.epoch
        return position

    def _mark(self, epoch: int) -> None:
        """Note that workers have begun an epoch; warn if they had begun it before."""
        again = int(self._shared[3]) == epoch + 1
        self._shared[3] = epoch + 1
        if again and (self.loader.shuffle or self.loader.fresh):
            warnings.warn(
                f"epoch {epoch} is read again, the same rows in the same order: workers that are started again cannot "
                "count epochs, so call dataset.set_epoch(epoch) before each, or use persistent_workers=True",
                stacklevel=2,
            )

    def _here(self) -> Iterator[Tensors]:
        """An epoch in this process; it is begun with its first batch, so that an iterator left unread costs none."""
        position = self._position = self._begin()
        yield from self._read(position, 1)
        if self._position is position:
            self._position = None

    def _read(self, position: _Position, step: int) -> Iterator[Tensors]:
        for batch in self.loader.read(position.epoch, position.batch, step):
            position.batch += step
            yield batch
