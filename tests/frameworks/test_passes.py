"""Epochs that several processes read: workers that are started anew, in whatever way, agree on the next one."""

import itertools
import multiprocessing
import os
from types import SimpleNamespace

import numpy as np
import pytest
from torch_rows import equal, every_row_once, loader_of, rows_of

import planted
from planted.errors import InvalidTypeError, StateError

pytestmark = [
    pytest.mark.forks,
    # Python 3.12 warns of any fork beside threads, and torch has threads of its own.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create .* worker processes:UserWarning"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # torchdata's, with a newer torch
]
METHODS = [name for name in ("fork", "spawn", "forkserver") if name in multiprocessing.get_all_start_methods()]
if "fork" not in METHODS:
    pytest.skip("this system starts no process by fork", allow_module_level=True)


@pytest.fixture
def workers_of(torch):
    """A function that makes a data loader with workers of its own for each epoch."""

    def make(dataset, num_workers=2, method="fork", **options):
        options = {"batch_size": None, "multiprocessing_context": method, **options}
        return torch.utils.data.DataLoader(dataset, num_workers=num_workers, **options)

    return make


@pytest.fixture
def dataset(pipes):
    return pipes.IterableDataset(loader_of(rows_of(), with_index=True))


# ---- each reading is the next epoch -------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_new_workers_read_the_next_epoch(dataset, workers_of, workers):
    """What a user types: a data loader with workers, a loop over epochs, and nothing else."""
    batches = workers_of(dataset, workers)
    for epoch in range(4):
        assert equal(batches, dataset.loader.read(epoch))


@pytest.mark.parametrize("method", METHODS[1:])
def test_whatever_way_they_are_started(dataset, workers_of, method):
    batches = workers_of(dataset, method=method)
    for epoch in range(2):
        assert equal(batches, dataset.loader.read(epoch))
    dataset.set_epoch(7)
    assert equal(batches, dataset.loader.read(7))


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true:UserWarning")
def test_each_epoch_has_each_row_once_and_another_order(pipes, workers_of):
    """Also of fresh rows, and with pinned memory and work ahead: no row of an epoch is in another."""
    rows = rows_of(103)
    batches = workers_of(pipes.IterableDataset(loader_of(rows, fresh=True)), 3, pin_memory=True, prefetch_factor=4)
    for epoch in range(3):
        assert every_row_once(rows.fresh(epoch), batches)


def test_an_epoch_that_is_left_early_counts(dataset, workers_of):
    batches = workers_of(dataset)
    next(iter(batches))
    assert equal(batches, dataset.loader.read(1))
    iter(batches)  # its workers begin at once
    assert equal(batches, dataset.loader.read(3))


def test_an_epoch_that_is_set_is_read_and_those_after_it(dataset, workers_of):
    batches = workers_of(dataset)
    for epoch in (7, 7, 0):
        dataset.set_epoch(epoch)
        assert equal(batches, dataset.loader.read(epoch))
    assert equal(batches, dataset.loader.read(1))
    dataset.load_state_dict({**dataset.loader.state_dict(), "epoch": 4, "batch": 5})
    assert equal(batches, dataset.loader.read(4, 5))
    assert equal(batches, dataset.loader.read(5))


def test_readings_here_and_in_workers_count_together(dataset, workers_of):
    epochs = iter(range(20))
    new, persistent = workers_of(dataset), workers_of(dataset, 3, persistent_workers=True)
    for _ in range(2):
        for batches in (dataset, new, persistent, new, workers_of(dataset, 1)):
            assert equal(batches, dataset.loader.read(next(epochs)))


def test_two_data_loaders_side_by_side(dataset, workers_of):
    """Each pass is one epoch, whole, and no two passes are the same."""
    one, other = workers_of(dataset, 2), workers_of(dataset, 3)
    for round_ in range(3):
        passes = [list(part) for part in zip(*zip(one, other, strict=True), strict=True)]
        found = []
        for batches in passes:
            (epoch,) = (
                e
                for e in (2 * round_, 2 * round_ + 1)
                if np.array_equal(batches[0][2], next(dataset.loader.read(e))[2])
            )
            assert equal(batches, dataset.loader.read(epoch))
            found.append(epoch)
        assert sorted(found) == [2 * round_, 2 * round_ + 1]


def set_epoch_5(worker_id):
    import torch

    torch.utils.data.get_worker_info().dataset.set_epoch(5)


@pytest.mark.parametrize("persistent", [False, True])
def test_workers_may_set_the_epoch_themselves(dataset, workers_of, persistent):
    batches = workers_of(dataset, 3, worker_init_fn=set_epoch_5, persistent_workers=persistent)
    assert equal(batches, dataset.loader.read(5))
    assert equal(batches, dataset.loader.read(6 if persistent else 5))


# ---- what tells readings apart ------------------------------------------------------------------------------------


def test_one_seed_for_every_epoch_needs_an_epoch_that_is_set(torch, dataset, workers_of):
    """Here warnings are errors, which torch brings from the worker to this process."""
    batches = workers_of(dataset)
    for epoch in range(2):
        torch.manual_seed(0)
        dataset.set_epoch(epoch)
        assert equal(batches, dataset.loader.read(epoch))
    torch.manual_seed(0)
    with pytest.raises(UserWarning, match=r"epoch 1 is read again.*torch\.manual_seed.*dataset\.set_epoch"):
        next(iter(batches))


def test_in_fixed_order_an_epoch_may_be_read_again(torch, pipes, workers_of):
    loader = loader_of(rows_of(), shuffle=False)
    batches = workers_of(pipes.IterableDataset(loader))
    for _ in range(2):
        torch.manual_seed(0)
        assert equal(batches, loader.read(0))


def agree(passes, worker, barrier, found):
    """What a worker of 200 passes finds; those with an even number have passes of their own, beside the others."""
    for number in range(200):
        if number % 10 == 0:
            barrier.wait()  # none runs ahead by more passes than are remembered
        base = 2_000 * number + 1_000 * (worker % 2)
        found.put((base, passes.begin(SimpleNamespace(id=worker, seed=base + worker)).epoch))


def test_many_processes_agree_without_a_pause(torch):
    """Eight at once: all workers of a pass find one epoch, and each pass another."""
    from planted._frameworks.passes import Passes

    context = multiprocessing.get_context("fork")
    passes, barrier, found = Passes(), context.Barrier(8), context.SimpleQueue()
    workers = [context.Process(target=agree, args=(passes, worker, barrier, found)) for worker in range(8)]
    for worker in workers:
        worker.start()
    pairs = {found.get() for _ in range(8 * 200)}
    for worker in workers:
        worker.join()
    assert len({base for base, _ in pairs}) == len(pairs) == 400
    assert sorted(epoch for _, epoch in pairs) == list(range(400))


def test_whoever_is_killed_with_the_lock_blocks_nobody(torch, monkeypatch):
    from planted._frameworks import passes as module

    monkeypatch.setattr(module, "PATIENCE", 0.05)
    passes = module.Passes()
    child = os.fork()
    if not child:
        with passes._agreed():
            os._exit(0)
    os.waitpid(child, 0)
    assert [passes.begin().epoch for _ in range(3)] == [0, 1, 2]


# ---- states -------------------------------------------------------------------------------------------------------


def test_a_state_that_only_workers_know_is_refused(dataset, workers_of):
    """Before, there was a state, of an epoch that had been read."""
    state = dataset.state_dict()
    assert (state["epoch"], state["batch"]) == (0, 0)
    reading = iter(workers_of(dataset))
    next(reading)
    for _ in range(2):
        with pytest.raises(StateError, match=r"read in worker processes.*StatefulDataLoader.*num_workers=0"):
            dataset.state_dict()
        list(reading)
    dataset.set_epoch(3)
    assert dataset.state_dict() == {**state, "epoch": 3}
    next(iter(workers_of(dataset)))
    seen = list(itertools.islice(dataset, 2))
    assert equal(seen, itertools.islice(dataset.loader.read(4), 2))
    assert dataset.state_dict()["epoch"] in (4, 5)


# ---- pipelines ----------------------------------------------------------------------------------------------------


def doubled(X, y):
    return 2 * X, y


def positive(x, y):
    return y[0] > 0


def pipelines():
    rows = rows_of()
    yield planted.Pipeline(loader_of(rows)).map(doubled)
    yield planted.Pipeline(planted.Loader(rows, 8)).map(doubled).prefetch(2)
    yield planted.Pipeline(rows).filter(positive).buffered_shuffle(20, seed=1).batch(8, framework="torch")
    yield planted.Pipeline(loader_of(rows)).repeat(2).take(20)


@pytest.mark.parametrize("which", range(4))
def test_a_pipeline_in_workers_is_the_pipeline(pipes, torch, workers_of, which):
    """In its own order, epoch after epoch, whatever the number of workers; arrays become tensors."""
    for workers in (0, 1, 3):
        pipeline = list(pipelines())[which]
        dataset = pipes.IterableDataset(pipeline)
        batches = workers_of(dataset, workers) if workers else torch.utils.data.DataLoader(dataset, batch_size=None)
        for epoch in range(2):
            found = list(batches)
            assert all(isinstance(part, torch.Tensor) for part in found[0])
            assert equal(found, pipeline.read(epoch))
        assert pipeline.epoch == 0


def test_a_pipelines_position_is_saved_and_loaded(pipes, framework):
    framework("torchdata")
    from torchdata.stateful_dataloader import StatefulDataLoader

    for which, workers in itertools.product(range(4), (0, 2)):

        def fresh(which=which, workers=workers):
            context = {"multiprocessing_context": "fork"} if workers else {}
            dataset = pipes.IterableDataset(list(pipelines())[which])
            return StatefulDataLoader(dataset, batch_size=None, num_workers=workers, **context)

        loader = fresh()
        list(loader)
        reading = iter(loader)
        seen = list(itertools.islice(reading, 3))
        state = loader.state_dict()
        resumed = fresh()
        resumed.load_state_dict(state)
        pipeline = list(pipelines())[which]
        assert equal([*seen, *resumed], pipeline.read(1))
        assert equal(resumed, pipeline.read(2))
    dataset = pipes.IterableDataset(pipeline)
    with pytest.raises(StateError, match="is not a pipeline's state"):
        dataset.load_state_dict({"epoch": 1, "batch": 2})
    other = pipes.IterableDataset(pipeline.map(doubled))
    with pytest.raises(StateError, match="the state has the steps"):
        other.load_state_dict(dataset.state_dict())


def test_an_iterator_is_not_shared_by_processes(pipes, torch, workers_of):
    dataset = pipes.IterableDataset(planted.Pipeline(iter(range(5))))
    with pytest.raises(InvalidTypeError, match=r"processes cannot share: use num_workers=0"):
        list(workers_of(dataset))
    assert list(torch.utils.data.DataLoader(dataset, batch_size=None)) == list(range(5))


# ---- trainers -----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
def test_trainers_read_epoch_after_epoch(dataset, workers_of, framework, torch):
    """Accelerate and Lightning, each with workers that are started anew."""
    prepared = framework("accelerate").Accelerator(cpu=True).prepare(workers_of(dataset))
    for epoch in range(2):
        assert equal(prepared, dataset.loader.read(epoch))
    lightning = framework("lightning")
    seen = []

    class Model(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch):
            seen.append(batch)
            return self.layer(batch[0]).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.0)

    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = lightning.Trainer(max_epochs=3, accelerator="cpu", **quiet)
    trainer.fit(Model(), workers_of(dataset))
    begun = len(dataset.loader)
    epochs = [seen[i : i + begun] for i in range(0, len(seen), begun)]
    assert len(epochs) == 3
    for batches in epochs:
        assert every_row_once(rows_of(), [batch[:2] for batch in batches])
    assert len({tuple(batches[0][2].tolist()) for batches in epochs}) == 3
