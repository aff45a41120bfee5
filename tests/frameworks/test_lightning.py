"""Lightning: a trainer reads every row once an epoch, in a known order, on any rank, and resumes anywhere."""

import importlib
import itertools
import pickle
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from torch_rows import equal, rows_of

import planted
from planted import _frameworks
from planted.errors import MissingDependencyError

quiet = pytest.mark.filterwarnings(
    "ignore:`isinstance.treespec, LeafSpec.` is deprecated:FutureWarning",  # Lightning's, with a newer torch
)


@pytest.fixture
def lightning(framework):
    return importlib.import_module("lightning.pytorch", framework("lightning").__name__)


@pytest.fixture
def Model(torch, lightning):
    """Linear regression that notes what it is trained on, and validated on."""

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)
            self.trained = []
            self.validated = []

        def training_step(self, batch, batch_idx):
            self.trained.append(batch)
            X, y = batch
            return torch.nn.functional.mse_loss(self.layer(X), y)

        def validation_step(self, batch, batch_idx):
            self.validated.append(batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.03)

    return Model


@pytest.fixture
def trainer(lightning):
    def make(epochs, **options):
        return lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )

    return make


def parts(n=1_200):
    return rows_of(n).split(n - 200, 200)


@quiet
def test_a_trainer_trains_and_validates(pipes, Model, trainer):
    """Epoch e is the loader's epoch e, validation has its rows in order, and the planted truth is found."""
    train, val = parts()
    data = pipes.LightningDataModule(train, val)
    model = Model()
    trainer(10, num_sanity_val_steps=0).fit(model, data)
    assert planted.check(model.layer, train).passed
    order = planted.Loader(train, 32)
    assert equal(model.trained, itertools.chain.from_iterable(order.read(epoch) for epoch in range(10)))
    assert equal(model.validated, list(planted.Loader(val, 32, shuffle=False)) * 10)
    assert data.state_dict() == {**order.state_dict(), "epoch": 10}


@quiet
def test_a_trainer_of_a_plain_loader_reads_epoch_0_first(pipes, Model, trainer):
    """Though it makes an iterator before, to see whether it can."""
    train, val = parts()
    model, loader = Model(), planted.Loader(train, 32, framework="torch")
    trainer(2).fit(model, loader, planted.Loader(val, 32, shuffle=False, framework="torch"))
    assert equal(model.trained, itertools.chain(loader.read(0), loader.read(1)))


@quiet
def test_validation_is_optional(pipes, Model, trainer, lightning):
    """Without validation rows a model that validates nothing meets no warning."""
    train, _ = parts()

    class Plain(Model):
        validation_step = lightning.LightningModule.validation_step

    model = Plain()
    trainer(1).fit(model, pipes.LightningDataModule(train))
    assert len(model.trained) == 32


@quiet
@pytest.mark.parametrize(
    ("stop", "options"),
    [
        ((1, 12), {}),
        ((1, 31), {}),
        ((0, 0), {}),
        ((1, None), {}),
        ((1, None), {"limit_train_batches": 5}),
        ((1, None), {"reload_dataloaders_every_n_epochs": 1}),
    ],
)
def test_a_resumed_run_goes_on_with_the_next_batch(pipes, lightning, Model, trainer, tmp_path, stop, options):
    """A checkpoint within an epoch, behind its last batch, or after its end: all of it is as if never stopped."""
    train, val = parts()
    path = tmp_path / "run.ckpt"

    class Save(lightning.Callback):
        before = 0

        def on_train_batch_end(self, trainer, model, outputs, batch, batch_idx):
            if (trainer.current_epoch, batch_idx) == stop:
                trainer.save_checkpoint(path)
                Save.before = len(model.trained)

        def on_train_epoch_end(self, trainer, model):
            if (trainer.current_epoch, None) == stop:
                self.on_train_batch_end(trainer, model, None, None, None)

    whole, rest = Model(), Model()
    trainer(4, callbacks=[Save()], **options).fit(whole, pipes.LightningDataModule(train, val))
    data = pipes.LightningDataModule(train, val)
    trainer(4, **options).fit(rest, data, ckpt_path=path)
    steps = options.get("limit_train_batches", 32)
    order = planted.Loader(train, 32)
    wanted = [list(order.read(epoch))[:steps] for epoch in range(4)]
    assert equal(whole.trained, itertools.chain(*wanted))
    assert 0 < Save.before < len(whole.trained)
    assert equal(rest.trained, whole.trained[Save.before :])


@quiet
@pytest.mark.filterwarnings("ignore:`weights_only` was not set")
def test_batches_that_a_resumed_run_leaves_out_are_named(pipes, Model, trainer, tmp_path):
    """What `max_steps` has stopped within an epoch counts it as done: a run resumed from there is told what it lost."""
    train, val = rows_of(1_000).split(800, 200)

    def data():
        return pipes.LightningDataModule(train, val, batch_size=50)

    stopped = trainer(3, max_steps=21)
    stopped.fit(Model(), data())
    stopped.save_checkpoint(tmp_path / "b.ckpt")
    rest = Model()
    with pytest.warns(UserWarning, match=r"batch 5 of epoch 1, .* with epoch 2: batches 5 to 15 of epoch 1"):
        trainer(3).fit(rest, data(), ckpt_path=tmp_path / "b.ckpt")
    assert equal(rest.trained, planted.Loader(train, 50).read(2))


@quiet
def test_overfitting_reads_the_same_batches_each_epoch(pipes, Model, trainer):
    train, val = parts()
    model = Model()
    trainer(2, overfit_batches=3).fit(model, pipes.LightningDataModule(train, val))
    assert equal(model.trained, list(itertools.islice(planted.Loader(train, 32, shuffle=False), 3)) * 2)


@quiet
def test_a_second_fit_begins_anew(pipes, Model, trainer):
    train, val = parts()
    data = pipes.LightningDataModule(train, val)
    first, second = Model(), Model()
    trainer(2).fit(first, data)
    trainer(2).fit(second, data)
    assert equal(first.trained, second.trained)
    order = planted.Loader(train, 32)
    loader = data.train_dataloader()  # by hand, each reading is the next epoch
    assert equal(loader, order.read(0))
    assert equal(loader, order.read(1))


@quiet
def test_ranks_read_their_shares(pipes, lightning):
    """What a trainer of two processes says, in one: the shares of a batch are the batch."""
    train, val = parts()
    shares = []
    for rank in range(2):
        data = pipes.LightningDataModule(train, val, 40, fresh=True, drop_last=True, seed=5)
        data.trainer = SimpleNamespace(
            global_rank=rank, world_size=2, training=True, current_epoch=3, overfit_batches=0.0
        )
        shares.append([list(data.train_dataloader()), list(data.val_dataloader())])
    whole = planted.Loader(train, 40, fresh=True, drop_last=True, seed=5)
    fixed = planted.Loader(val, 40, shuffle=False)
    for of_both, wanted in zip(zip(*shares, strict=True), (whole.read(3), fixed), strict=True):
        batches = [
            tuple(np.concatenate(halves) for halves in zip(*batch, strict=True)) for batch in zip(*of_both, strict=True)
        ]
        assert equal(batches, wanted)


@quiet
def test_the_position_of_a_data_module_is_saved_and_loaded(pipes, lightning):
    train, _ = parts()
    data = pipes.LightningDataModule(train)
    reading = iter(data.train_dataloader())
    seen = list(itertools.islice(reading, 7))
    state = data.state_dict()
    other = pipes.LightningDataModule(train)
    other.load_state_dict(state)
    assert other.state_dict() == state
    assert equal([*seen, *other.train_dataloader()], planted.Loader(train, 32).read(0))
    with pytest.raises(planted.PlantedError, match="the state has seed=0"):
        pipes.LightningDataModule(train, seed=1).load_state_dict(state)


def test_what_lightning_cannot_be_given_is_refused(pipes, lightning):
    train, val = parts()
    for arguments, message in (
        (([1], val), "train of type list must have"),
        ((train, 3), "val of type int must have"),
        ((train, val, 0), "batch_size=0"),
        ((train, val, 2.5), "batch_size=2.5"),
        ((planted.Loader(train, 50), val), r"train is a Loader.*LightningDataModule\(train, val, batch_size=50\)"),
        ((train, planted.Pipeline(val)), r"val is a Pipeline.*LightningDataModule\(train, val, batch_size=50\)"),
    ):
        with pytest.raises(planted.PlantedError, match=message):
            pipes.LightningDataModule(*arguments)
    with pytest.raises(planted.PlantedError, match="seed=-1"):
        pipes.LightningDataModule(train, seed=-1)


@quiet
def test_a_data_module_can_be_printed(pipes, lightning):
    train, val = parts()
    data = pipes.LightningDataModule(train, val, batch_size=50)
    assert str(data) == repr(data) == f"LightningDataModule({train!r}, {val!r}, batch_size=50)"
    data = pipes.LightningDataModule(train, seed=3, fresh=True, fields=("x", "y"))
    assert str(data) == f"LightningDataModule({train!r}, batch_size=32, seed=3, fresh=True, fields=('x', 'y'))"


def test_lightning_is_imported_when_it_is_asked_for(pipes, monkeypatch):
    monkeypatch.delitem(vars(_frameworks), "LightningDataModule", raising=False)
    monkeypatch.delitem(sys.modules, "planted._frameworks.lightning", raising=False)
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    with pytest.raises(MissingDependencyError, match="pip install lightning"):
        _ = pipes.LightningDataModule
    with pytest.raises(AttributeError, match="has no attribute 'LightningData'"):
        _ = pipes.LightningData


def test_the_class_is_lightnings_and_can_be_pickled(pipes, lightning):
    Class = pipes.LightningDataModule
    assert Class is pipes.LightningDataModule
    assert pickle.loads(pickle.dumps(Class)) is Class
    assert issubclass(Class, lightning.LightningDataModule)


@quiet
def test_batches_may_be_dicts(torch, pipes, lightning, trainer):
    """`fields=("x", "y")`: for training and for validation, with the same rows in the same order."""
    train, val = parts()
    trained, validated = [], []

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch):
            trained.append(batch)
            return torch.nn.functional.mse_loss(self.layer(batch["x"]), batch["y"])

        def validation_step(self, batch):
            validated.append(batch)

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.03)

    data = pipes.LightningDataModule(train, val, fields=("x", "y"))
    assert (len(data.train_dataloader()), len(data.val_dataloader())) == (32, 7)
    trainer(1, num_sanity_val_steps=0).fit(Model(), data)
    assert {tuple(batch) for batch in trained + validated} == {("x", "y")}
    assert equal([batch.values() for batch in trained], planted.Loader(train, 32).read(0))
    assert equal([batch.values() for batch in validated], planted.Loader(val, 32, shuffle=False))
    with pytest.raises(ValueError, match=r"fields=\('x',\) is 1 name, and a batch has 2 parts"):
        pipes.LightningDataModule(train, val, fields=("x",))
