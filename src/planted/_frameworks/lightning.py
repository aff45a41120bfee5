"""Lightning: rows for a trainer, in the trainer's own epochs and checkpoints.

This file imports Lightning, which takes seconds and few have; so the face offers its class lazily.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from planted._frameworks.fields import field_names, named, parts_of, rows_by_number
from planted._loader import Loader
from planted.errors import MissingDependencyError

try:
    from lightning import pytorch as trainers
except ImportError as error:
    raise MissingDependencyError("LightningDataModule needs Lightning: pip install lightning") from error

NO_STREAM: Final = "use LightningDataModule(train, val, batch_size=50)"


class _NamedLoader:
    """A loader whose batches are dicts."""

    def __init__(self, loader: Loader, fields: Sequence[str]) -> None:
        self.loader = loader
        self._fields = fields

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        return (named(self._fields, batch) for batch in self.loader)

    def __repr__(self) -> str:
        return repr(self.loader)


class _TrainingLoader:
    """A loader as a Lightning trainer reads it: always the trainer's own epoch, whoever else asked for an iterator.

    Before it trains, a trainer makes an iterator only to see whether it can; with `reload_dataloaders_every_n_epochs`
    it asks for a new loader from time to time, and with `limit_train_batches` it leaves an epoch early.
    """

    def __init__(self, loader: Loader, trainer: Any, fields: Sequence[str] | None) -> None:
        self.loader = loader
        self._trainer = trainer
        self._fields = fields
        self._resumed: tuple[int, int] | None = None  # the epoch and batch of a loaded state, until it is read on

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[Any]:
        trainer = self._trainer
        if trainer is not None and trainer.training:
            resumed, self._resumed = self._resumed, None
            if self.loader.epoch != trainer.current_epoch:
                if resumed is not None:
                    self._warn_of_lost(*resumed)
                self.loader.set_epoch(trainer.current_epoch)
        for batch in self.loader:
            yield named(self._fields, batch)

    def state_dict(self) -> dict[str, Any]:
        """Lightning saves it with the loop, and asks for it to know that an epoch can be resumed."""
        return self.loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next reading continue there."""
        self.loader.load_state_dict(state)
        self._resumed = state["epoch"], state["batch"]

    def _warn_of_lost(self, epoch: int, batch: int) -> None:
        """Warn of the batches that nobody will train on: a trainer stopped within an epoch counts it as done."""
        trainer = self._trainer
        end = min(len(self), trainer.num_training_batches)
        if epoch < trainer.current_epoch and 0 < batch < end:
            warnings.warn(
                f"the checkpoint was saved before batch {batch} of epoch {epoch}, and the trainer goes on with epoch "
                f"{trainer.current_epoch}: batches {batch} to {end - 1} of epoch {epoch} will not be trained on, since "
                "a trainer that max_steps or max_time stopped counts the epoch as done: to lose none, let a "
                "ModelCheckpoint(every_n_train_steps=...) save while it trains, and resume from that",
                stacklevel=2,
            )

    def __repr__(self) -> str:
        return repr(self.loader)


class LightningDataModule(trainers.LightningDataModule):  # type: ignore[misc, unused-ignore]  # where it is absent
    """Rows for a `lightning.Trainer`: for training in random order, for validation in fixed order.

    Under several processes each rank reads its share of every batch, as the trainer says; add no sampler.

    Parameters
    ----------
    train
        The rows to train on.
    val
        The rows to validate on; without them nothing is validated.
    batch_size
        Rows in a batch, of all ranks together.
    seed
        Of the order of the training rows.
    drop_last
        Whether an incomplete last batch of the training rows is dropped.
    fresh
        Whether each epoch trains on new rows, computed on the fly.
    fields
        Names, such as ``("x", "y")``: batches are then dicts ``{"x": X, "y": y}``, not tuples (X, y).

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule.
    MissingDependencyError
        If Lightning is not installed.

    Notes
    -----
    Batches are made ahead in threads of the trainer's process; there are no workers to configure. The epoch is the
    trainer's, and the position is part of its checkpoints: a run that is resumed from one that was saved while it
    trained, as a `ModelCheckpoint` does, continues with the next batch. Once ``max_steps`` or ``max_time`` has stopped
    a trainer within an epoch, it counts that epoch as done: from what is saved then, a run goes on with the next epoch,
    and a warning says which batches are left out. ``overfit_batches`` turns the random order off.

    Examples
    --------
    >>> import planted
    >>> from planted.torch import LightningDataModule
    >>> train, val = planted.regression(w=[2.0, -3.4], b=4.2, n=1_200).split(1_000, 200)
    >>> data = LightningDataModule(train, val, batch_size=32)
    >>> X, y = next(iter(data.train_dataloader()))
    >>> X.shape, y.shape, len(data.train_dataloader()), len(data.val_dataloader())
    (torch.Size([32, 2]), torch.Size([32, 1]), 32, 7)
    """

    def __init__(
        self,
        train: Any,
        val: Any = None,
        batch_size: int = 32,
        *,
        seed: int = 0,
        drop_last: bool = False,
        fresh: bool = False,
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.train = rows_by_number(train, "train", NO_STREAM)
        self.val = val if val is None else rows_by_number(val, "val", NO_STREAM)
        self.batch_size = batch_size
        self.seed = seed
        self.drop_last = drop_last
        self.fresh = fresh
        self.fields = None if fields is None else field_names(fields, parts_of(self.train))
        self._resumed: _TrainingLoader | None = None
        self._training = self._train_loader()  # a bad argument is refused here, not by the trainer
        if val is None:  # for the trainer it is then not defined, and nothing is validated
            self.__dict__["val_dataloader"] = super().val_dataloader

    def train_dataloader(self) -> Any:
        """Batches of the training rows; each ``for`` is the next epoch, or the trainer's."""
        self._training, self._resumed = self._resumed or self._train_loader(), None
        return self._training

    def val_dataloader(self) -> Any:
        """Batches of the validation rows, the same each time; an empty list if there are no such rows."""
        if self.val is None:
            return []
        loader = Loader(self.val, self.batch_size, shuffle=False, framework="torch", **self._rank())
        return loader if self.fields is None else _NamedLoader(loader, self.fields)

    def state_dict(self) -> dict[str, Any]:
        """Where training is; a trainer puts it into its checkpoints."""
        return self._training.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next training loader continue there.

        Raises
        ------
        StateError
            If the state is of other rows, another order, or another version.
        """
        loader = self._train_loader()
        loader.load_state_dict(state)
        self._training = self._resumed = loader

    def __repr__(self) -> str:
        """Its rows, and the settings that differ from the defaults."""
        parts = [repr(self.train), *([repr(self.val)] * (self.val is not None)), f"batch_size={self.batch_size}"]
        parts += [f"seed={self.seed}"] * (self.seed != 0)
        parts += [f"{name}=True" for name in ("drop_last", "fresh") if getattr(self, name)]
        parts += [f"fields={self.fields!r}"] * (self.fields is not None)
        return f"LightningDataModule({', '.join(parts)})"

    __str__ = __repr__  # Lightning's would look for the data set of a torch DataLoader

    def _train_loader(self) -> _TrainingLoader:
        loader = Loader(
            self.train,
            self.batch_size,
            shuffle=not getattr(self.trainer, "overfit_batches", 0),
            seed=self.seed,
            drop_last=self.drop_last,
            fresh=self.fresh,
            framework="torch",
            **self._rank(),
        )
        return _TrainingLoader(loader, self.trainer, self.fields)

    def _rank(self) -> dict[str, Any]:
        trainer = self.trainer
        return {} if trainer is None else {"rank": trainer.global_rank, "world_size": trainer.world_size}
