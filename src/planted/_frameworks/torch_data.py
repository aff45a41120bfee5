"""PyTorch's own input pipelines, fed with planted's rows: for code that has a `DataLoader` or a trainer already.

Both are for `torch.utils.data.DataLoader` and torchdata's `StatefulDataLoader`, and give every row once:

- `Dataset` lets torch choose the order: a sampler asks for row numbers.
- `IterableDataset` keeps planted's order, and shares it among worker processes.

Where one process is fast enough, a plain `Loader` with ``framework="torch"`` is faster than all of them.
"""

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar, overload

import numpy as np

from planted._frameworks.fields import field_names, named, parts_of, rows_by_number
from planted._frameworks.passes import Passes
from planted._input import integer, loader_remedy, row_numbers, to_json_int, whole
from planted._loader import Loader
from planted._pipeline import Pipeline, read_once
from planted._types import RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError, MissingDependencyError, RowNumberError

try:
    import torch
except ImportError as error:
    raise MissingDependencyError("planted.torch needs PyTorch: pip install 'planted[torch]'") from error

Tensors: TypeAlias = tuple[torch.Tensor, ...]
Example_co = TypeVar("Example_co", covariant=True)


class Dataset(torch.utils.data.Dataset[Example_co]):
    """Rows by number, for a `torch.utils.data.DataLoader` with a sampler of its own.

    Parameters
    ----------
    rows
        Any rows: computed, in memory, or of your own, with ``len`` and a vectorised ``take``.
    fields
        Names, such as ``("x", "y")``: a row or a batch is then a dict ``{"x": X, "y": y}``, not a tuple (X, y).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If the rows have no length or no ``take``, or the names are not as many as the arrays that it gives.

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

    @overload
    def __init__(self: "Dataset[tuple[torch.Tensor, torch.Tensor]]", rows: Any, *, fields: None = None) -> None: ...
    @overload
    def __init__(self: "Dataset[dict[str, torch.Tensor]]", rows: Any, *, fields: Sequence[str]) -> None: ...

    def __init__(self, rows: Any, *, fields: Sequence[str] | None = None) -> None:
        self.rows = rows_by_number(rows, "rows", "use Dataset(rows), or IterableDataset, which keeps a loader's order")
        self.fields = None if fields is None else field_names(fields, parts_of(rows))

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def __getitem__(self, index: Any) -> Example_co:
        """One row (x of shape (features,), y of shape (1,)), or, for row numbers or a mask, (X, y) of those rows.

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
            batch: Example_co = named(self.fields, self._take(row_numbers(index, n, key=True)))
            return batch
        number = whole(index, "row number", remedy="use dataset[3], or dataset[[3, 1, 4]]")
        if not -n <= number < n:
            raise RowNumberError(
                f"row number {to_json_int(number)} is outside [0, {n}): use 0 to {n - 1}, or -1 for the last"
            )
        row: Example_co = named(self.fields, tuple(part[0] for part in self._take(np.array([number % n]))))
        return row

    def __getitems__(self, numbers: Any) -> list[Example_co]:
        """Pairs (x, y), made by one ``take``: what torch asks for when it collates a batch itself."""
        parts = self._take(row_numbers(numbers, len(self)))
        return [named(self.fields, row) for row in zip(*(part.unbind() for part in parts), strict=True)]

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


class IterableDataset(torch.utils.data.IterableDataset[Any]):
    """A loader's batches, or a pipeline's items, in their order, from any number of worker processes.

    Worker i of k makes every k-th batch, from batch i on, and no other; torch takes a batch from each in turn. So the
    batches are those of ``loader.read(epoch)``, in that order, whatever the number of workers.

    Parameters
    ----------
    loader
        A `planted.Loader` with ``framework="torch"``, or a `planted.Pipeline`. It is read only by its method ``read``,
        and stays where it is.
    fields
        Names, such as ``("x", "y")``: a batch is then a dict ``{"x": X, "y": y}``, not a tuple (X, y).

    Raises
    ------
    InvalidTypeError
        If it is neither a loader nor a pipeline.
    InvalidValueError
        If a loader's batches are not torch tensors, or the names are not as many as the arrays of a batch.

    Notes
    -----
    Pass ``batch_size=None`` to the `DataLoader`, which gets batches already. Workers pay where rows of your own take
    long to make: to send a batch of 256 rows between processes costs some forty times what it costs to make.

    Each reading is of the next epoch, in this process and in workers, whether they are started anew for each or are
    persistent, and also if the one before it was left early. `set_epoch` chooses one. Several data loaders over one
    dataset take the epochs in the order in which they begin. Workers tell readings apart by the seed that torch draws
    for each: if it is the same again, as after ``torch.manual_seed(0)`` before each epoch, they read the same epoch
    again and warn, unless `set_epoch` has said which.

    Of a pipeline, each worker makes its share of the loader's batches, or of a sequence's items, and of what the maps
    at the end do; steps between, such as a filter or a buffer, are done by all of them. To resume is quick where there
    are none of these.

    The position can be saved and loaded. torchdata's `StatefulDataLoader` does it by itself, for any number of
    workers. Without it, `state_dict` knows what this process has read, and refuses to guess what its workers have.

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

    def __init__(self, loader: Loader | Pipeline, *, fields: Sequence[str] | None = None) -> None:
        if not isinstance(loader, (Loader, Pipeline)):
            use = loader_remedy(loader, "planted.Loader(rows, framework='torch')")
            raise InvalidTypeError(
                f"loader of type {type(loader).__name__} must be a planted.Loader or a planted.Pipeline: {use}"
            )
        parts = None
        if isinstance(loader, Loader):
            if loader.framework != "torch":
                raise InvalidValueError(
                    f"the loader has framework={loader.framework!r}; it must give torch tensors: "
                    "use planted.Loader(rows, framework='torch')"
                )
            if fields is not None and (parts := parts_of(loader.rows)) is not None:
                parts += loader.with_index
        self.loader = loader
        self.fields = field_names(fields, parts)
        self._passes = Passes()
        self._position: _Position | None = None  # of the present reading
        self._resumed: _Position | None = None  # in a worker: where to begin, from a saved state

    def __len__(self) -> int:
        """How many batches an epoch has.

        Raises
        ------
        InvalidTypeError
            If a pipeline does not know, as after a filter.
        """
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        """An epoch: all of its batches, or, in a worker process, the worker's share."""
        worker = torch.utils.data.get_worker_info()
        self._position = None
        if worker is None:
            return self._here()
        if read_once(self.loader):
            raise InvalidTypeError(
                f"{self.loader!r} reads an iterator, which processes cannot share: use num_workers=0, or pass a "
                "function that makes it, such as Pipeline(lambda: open(path))"
            )
        self._position = self._begin(worker)
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
        """Where the reading in this process is, as a small dict; `StatefulDataLoader` asks each of its workers.

        Raises
        ------
        StateError
            If workers have read since: only they know how far they are.
        """
        position = self._position
        epoch, batch = (position.epoch, position.batch) if position is not None else self._passes.next()
        return {**self._settings(), "epoch": epoch, "batch": batch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next reading continue where `state_dict` was taken, at no cost.

        Raises
        ------
        StateError
            If the state is of other rows, another order, or another version; nothing is changed then.
        """
        checked: Any = state
        if isinstance(state, Mapping) and "batch" in state:
            checked = {**state, "batch": 0}
            if isinstance(self.loader, Pipeline):  # whose own states have a position
                checked = {**{name: state[name] for name in state if name != "batch"}, "position": None}
        copy.copy(self.loader).load_state_dict(checked)  # refuses what is not its own
        worker = torch.utils.data.get_worker_info()
        last = None
        if isinstance(self.loader, Loader):
            last = len(self) + (worker.num_workers if worker else 0)
        batch = integer(state["batch"], "state['batch']", minimum=0, maximum=last, remedy="batches count from 0")
        if worker is None:
            self._set(int(state["epoch"]), batch)
        else:
            self._resumed = _Position(int(state["epoch"]), batch)

    def __repr__(self) -> str:
        """The loader that it reads."""
        return f"IterableDataset({self.loader!r})"

    def _settings(self) -> dict[str, Any]:
        state = self.loader.state_dict()
        return {name: state[name] for name in state if name != "position"}

    def _set(self, epoch: int, batch: int) -> None:
        self._passes.set(integer(epoch, "epoch", minimum=0, maximum=1 << 62, remedy="epochs count from 0"), batch)
        self._position = None

    def _begin(self, worker: Any) -> _Position:
        """Where this worker begins: at its first batch of the pass's epoch, or where a saved state was."""
        position, self._resumed = self._resumed, None
        if position is not None:
            self._passes.resume(worker, position.epoch)
            return position
        epoch, batch, again = self._passes.begin(worker)
        if again and (isinstance(self.loader, Pipeline) or self.loader.shuffle or self.loader.fresh):
            warnings.warn(
                f"epoch {epoch} is read again, the same rows in the same order: torch gave these workers the seed of "
                "an earlier reading, as it does after torch.manual_seed before each epoch, and nothing else tells "
                "readings apart: call dataset.set_epoch(epoch) before each",
                stacklevel=3,
            )
        return _Position(epoch, batch + worker.id)

    def _here(self) -> Iterator[Any]:
        """An epoch in this process; it is begun with its first batch, so that an iterator left unread costs none."""
        epoch, batch, _ = self._passes.begin()
        position = self._position = _Position(epoch, batch)
        yield from self._read(position, 1)
        if self._position is position:
            self._position = None

    def _read(self, position: _Position, step: int) -> Iterator[Any]:
        for batch in self.loader.read(position.epoch, position.batch, step):
            position.batch += step
            yield named(self.fields, batch)
