"""PyTorch's own input pipelines: every row once, in a known order, with any workers, resumable."""

import copy
import functools
import importlib
import itertools
import multiprocessing
import pickle

import numpy as np
import pytest
from torch_rows import equal, every_row_once, loader_of, rows_of

import planted

pytestmark = [
    pytest.mark.forks,
    # Python 3.12 warns of any fork beside threads, and torch has threads of its own.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded, use of fork:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:This DataLoader will create .* worker processes:UserWarning"),
    pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning"),  # torchdata's, with a newer torch
]
METHODS = [method for method in ("fork", "spawn") if method in multiprocessing.get_all_start_methods()]
forks = pytest.mark.skipif("fork" not in METHODS, reason="this system starts no process by fork")


def forking(Class):
    """A kind of data loader whose workers, if it has any, are forked, whatever the system's default is."""

    def make(dataset, batch_size=1, *, num_workers=0, **options):
        if num_workers:
            options = {"multiprocessing_context": "fork", **options}
        return Class(dataset, batch_size, num_workers=num_workers, **options)

    return make


@pytest.fixture
def DataLoader(torch):
    return forking(torch.utils.data.DataLoader)


@pytest.fixture
def StatefulDataLoader(framework):
    framework("torchdata")
    return forking(importlib.import_module("torchdata.stateful_dataloader").StatefulDataLoader)


class OwnRows:
    """Rows of a user's own, which note what is taken: row i is (i, -i), in NumPy."""

    def __init__(self, n):
        self.n = n
        self.taken = []

    def __len__(self):
        return self.n

    def take(self, rows):
        self.taken.append(len(rows))
        return np.column_stack([rows, rows]).astype(np.float32), -np.asarray(rows, dtype=np.float32).reshape(-1, 1)


# ---- Dataset ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kept", ["computed", "memory"])
def test_a_dataset_gives_the_rows_by_number(torch, pipes, kept, dtype):
    rows = rows_of(dtype=dtype)
    rows = rows.materialize() if kept == "memory" else rows
    dataset = pipes.Dataset(rows)
    assert len(dataset) == 100
    X, y = rows.take(range(100))
    for index in (0, 99, -1, -100, np.int64(7), np.array(7), torch.tensor(7)):
        x, target = dataset[index]
        assert (x.shape, target.shape, x.dtype) == ((2,), (1,), getattr(torch, dtype))
        np.testing.assert_array_equal(x, X[int(index)])
        np.testing.assert_array_equal(target, y[int(index)])
    chosen = [3, 1, 4, 1]
    for index in (chosen, tuple(chosen), np.array(chosen), torch.tensor(chosen), np.array(chosen, np.uint8)):
        assert equal([dataset[index]], [rows.take(chosen)])
        assert equal(dataset.__getitems__(index), [dataset[i] for i in chosen])
    assert equal([dataset[range(10, 20)]], [rows[10:20]])
    assert equal([dataset[[]]], [rows.take([])])
    assert dataset.__getitems__([]) == []
    assert equal(dataset, [dataset[i] for i in range(100)])  # Python's own iteration ends at the IndexError
    assert repr(dataset) == f"Dataset({rows!r})"


def test_arrays_are_refused_with_rows_made_of_them(torch, pipes):
    """Not with a loader, which is no rows; and what is said to be typed works."""
    X, y = np.ones((3, 2)), np.zeros((3, 1))
    for arrays in ([[1.0, 2.0]], (X, y), X, torch.ones(3, 2), 3):
        with pytest.raises(TypeError, match=r"planted\.Loader\(\(.*\)\)?\)\.rows"):
            pipes.Dataset(arrays)
    assert [part.tolist() for part in pipes.Dataset(planted.Loader((X, y)).rows)[0]] == [[1.0, 1.0], [0.0]]


def test_what_is_no_row_is_refused(torch, pipes):
    dataset = pipes.Dataset(rows_of())
    for index, kind, message in (
        (100, IndexError, r"row number 100 is outside \[0, 100\): use 0 to 99"),
        (-101, IndexError, "row number -101"),
        ([0, 100], IndexError, "row number 100"),
        ([-101], IndexError, "row number -101"),
        (2.0, TypeError, "row number=2.0 is not an integer.*dataset"),
        (True, TypeError, "row number=True is a bool"),
        ([0.5], TypeError, "float64; they must be integers"),
        (torch.tensor([True]), ValueError, r"a mask of shape \(1,\) selects from 100 rows"),
        (slice(3), TypeError, "is not an integer"),
        ("3", TypeError, "is not an integer"),
        ([[1, 2]], ValueError, r"row numbers have shape \(1, 2\)"),
    ):
        with pytest.raises(kind, match=message) as error:
            dataset[index]
        assert isinstance(error.value, planted.PlantedError)
    with pytest.raises(planted.PlantedError, match="row number 0 is outside"):
        pipes.Dataset(rows_of(0))[0]


class OneArray:
    """Rows of a user's own whose `take` gives the features alone."""

    def __len__(self):
        return 4

    def take(self, rows):
        return np.zeros((len(rows), 2))


def test_what_is_not_rows_is_refused(torch, pipes):
    for rows in (None, [1, 2], rows_of, 3, np.zeros((4, 2))):
        with pytest.raises(TypeError, match=rf"rows of type {type(rows).__name__} must have a length and take\("):
            pipes.Dataset(rows)
    with pytest.raises(planted.PlantedError, match="take of OneArray gave a ndarray; it must give a tuple"):
        pipes.Dataset(OneArray())[0]


def test_a_batch_is_one_take(torch, pipes, DataLoader):
    """Both ways of batching call `take` once a batch, and give every row once."""
    data = torch.utils.data
    for options in (
        {"batch_size": 32},
        {"batch_size": None, "sampler": data.BatchSampler(data.SequentialSampler(range(100)), 32, drop_last=False)},
    ):
        rows = OwnRows(100)
        batches = list(DataLoader(pipes.Dataset(rows), **options))
        assert rows.taken == [32, 32, 32, 4]
        assert equal(batches, [rows.take(np.arange(i, min(i + 32, 100))) for i in range(0, 100, 32)])


@forks
@pytest.mark.parametrize("workers", [0, 2])
def test_rows_are_a_map_style_dataset_as_they_are(torch, DataLoader, monkeypatch, workers):
    """`DataLoader(rows, 32)`: tensors, each row once, one take a batch, and none for each row."""
    rows = rows_of()
    monkeypatch.delattr(next(kind for kind in type(rows).__mro__ if "__getitem__" in vars(kind)), "__getitem__")
    for source in (rows, rows.materialize()):
        batches = list(DataLoader(source, 32, shuffle=True, num_workers=workers))
        assert [len(X) for X, _ in batches] == [32, 32, 32, 4]
        assert all(isinstance(part, torch.Tensor) for batch in batches for part in batch)
        assert every_row_once(rows, batches)


@pytest.mark.parametrize("method", METHODS)
def test_a_dataset_in_workers_gives_every_row_once(torch, pipes, DataLoader, method):
    rows = rows_of(103)
    for batch_size in (8, None) if method == "fork" else (None,):
        dataset = pipes.Dataset(rows)
        sampler = torch.utils.data.RandomSampler(dataset)
        if batch_size is None:
            sampler = torch.utils.data.BatchSampler(sampler, 8, drop_last=False)
        batches = list(DataLoader(dataset, batch_size, sampler=sampler, num_workers=2, multiprocessing_context=method))
        assert [len(X) for X, _ in batches] == [8] * 12 + [7]
        assert every_row_once(rows, batches)


def test_a_dataset_can_be_pickled(pipes):
    rows = rows_of()
    for source in (rows, rows.materialize()):
        assert equal([pickle.loads(pickle.dumps(pipes.Dataset(source)))[range(100)]], [rows[:]])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=forks)])
def test_a_shuffled_dataset_resumes(torch, pipes, StatefulDataLoader, workers):
    """The sampler of torchdata holds the position; the rest of the epoch comes as it would have."""

    def fresh():
        return StatefulDataLoader(pipes.Dataset(rows_of()), 8, shuffle=True, num_workers=workers)

    torch.manual_seed(0)
    loader = fresh()
    reading = iter(loader)
    seen = list(itertools.islice(reading, 5))
    state = loader.state_dict()
    rest = list(reading)
    assert every_row_once(rows_of(), seen + rest)
    torch.manual_seed(1)
    other = fresh()
    other.load_state_dict(state)
    assert equal(other, rest)


# ---- IterableDataset: the order -----------------------------------------------------------------------------------


@forks
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("n", [0, 5, 16, 103])
def test_any_number_of_workers_gives_the_loaders_order(pipes, DataLoader, n, workers):
    """Also where there are fewer batches than workers, and none."""
    loader = loader_of(rows_of(n), with_index=True)
    dataset = pipes.IterableDataset(loader)
    assert len(dataset) == len(loader) == -(-n // 8)
    batches = DataLoader(dataset, batch_size=None, num_workers=workers)
    assert len(batches) == len(loader)
    for epoch in (0, 1, 7):
        dataset.set_epoch(epoch)
        assert equal(batches, loader.read(epoch))
    assert loader.epoch == 0  # it is only read


@forks
def test_many_chunks_give_the_loaders_order(pipes, DataLoader, small_chunks):
    """Batches of one chunk share memory, here and between processes; chunks follow one another."""
    loader = loader_of(rows_of(4_003))
    batches = list(DataLoader(pipes.IterableDataset(loader), batch_size=None, num_workers=3))
    assert equal(batches, loader.read(0))
    assert every_row_once(rows_of(4_003), batches)


@forks
def test_each_rank_reads_its_share_in_workers(pipes, DataLoader):
    for rank in range(2):
        loader = loader_of(rows_of(), rank=rank, world_size=2)
        batches = list(DataLoader(pipes.IterableDataset(loader), batch_size=None, num_workers=2))
        assert equal(batches, loader.read(0))
        assert [len(X) for X, _ in batches] == [4] * 12 + [2]


@pytest.mark.skipif("spawn" not in METHODS, reason="this system spawns no process")
def test_spawned_workers_give_the_loaders_order_and_follow_epochs(pipes, DataLoader):
    loader = loader_of(rows_of(103), fresh=True)
    dataset = pipes.IterableDataset(loader)
    dataset.set_epoch(2)
    batches = DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context="spawn", persistent_workers=True
    )
    assert equal(batches, loader.read(2))
    assert equal(batches, loader.read(3))
    dataset.set_epoch(9)
    assert equal(batches, loader.read(9))


@forks
def test_forking_beside_busy_threads(pipes, DataLoader, small_chunks):
    """The loader has been read in this process, and is being read, by threads that no worker has."""
    loader = loader_of(rows_of(4_003))
    dataset = pipes.IterableDataset(loader)
    assert equal(loader, loader.read(0))
    assert equal(dataset, loader.read(0))
    busy, also_busy = iter(loader), iter(dataset)
    next(busy)
    next(also_busy)
    for epoch in (5, 6):
        dataset.set_epoch(epoch)
        assert equal(DataLoader(dataset, batch_size=None, num_workers=2, timeout=60), loader.read(epoch))
    assert len(list(busy)) == len(list(also_busy)) == len(loader) - 1


# ---- IterableDataset: epochs --------------------------------------------------------------------------------------


def test_each_reading_in_this_process_is_the_next_epoch(pipes, DataLoader):
    loader = loader_of(rows_of())
    dataset = pipes.IterableDataset(loader)
    batches = DataLoader(dataset, batch_size=None)
    for epoch in range(3):
        iter(batches)  # an iterator that nobody reads is no epoch
        assert equal(batches, loader.read(epoch))
    next(iter(dataset))
    assert equal(dataset, loader.read(4))
    dataset.set_epoch(1)
    assert equal(dataset, loader.read(1))
    assert equal(dataset, loader.read(2))


@forks
def test_persistent_workers_count_epochs(pipes, DataLoader):
    """Also when one is left early; an epoch that is set is the one that is read, from its start."""
    loader = loader_of(rows_of())
    dataset = pipes.IterableDataset(loader)
    batches = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    assert equal(batches, loader.read(0))
    assert equal(batches, loader.read(1))
    next(iter(batches))
    assert equal(batches, loader.read(3))
    for epoch in (7, 7, 0):
        dataset.set_epoch(epoch)
        assert equal(batches, loader.read(epoch))
    assert equal(batches, loader.read(1))


@forks
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda dataset: pickle.loads(pickle.dumps(dataset))])
def test_a_copy_has_workers_and_epochs_of_its_own(pipes, DataLoader, copied):
    loader = loader_of(rows_of())
    dataset = pipes.IterableDataset(loader)
    dataset.set_epoch(3)
    other = copied(dataset)
    batches = DataLoader(other, batch_size=None, num_workers=2, persistent_workers=True)
    assert equal(batches, loader.read(3))
    other.set_epoch(8)
    assert equal(batches, loader.read(8))
    assert equal(dataset, loader.read(3))


# ---- IterableDataset: positions -----------------------------------------------------------------------------------


def test_the_position_in_this_process_is_saved_and_loaded(pipes):
    loader = loader_of(rows_of())
    for at in (0, 1, 5, 12):
        dataset = pipes.IterableDataset(loader)
        dataset.set_epoch(2)
        reading = iter(dataset)
        seen = list(itertools.islice(reading, at))
        state = dataset.state_dict()
        other = pipes.IterableDataset(loader_of(rows_of()))
        other.load_state_dict(state)
        assert other.state_dict() == state
        assert equal([*seen, *other], loader.read(2))
        assert equal(other, loader.read(3))
        list(reading)
        assert dataset.state_dict() == {**state, "epoch": 3, "batch": 0}


@forks
def test_workers_go_on_from_a_position_of_this_process(pipes, DataLoader):
    loader = loader_of(rows_of())
    dataset = pipes.IterableDataset(loader)
    dataset.load_state_dict({**loader.state_dict(), "epoch": 4, "batch": 5})
    batches = DataLoader(dataset, batch_size=None, num_workers=2, persistent_workers=True)
    assert equal(batches, loader.read(4, 5))
    assert equal(batches, loader.read(5))


def test_a_position_of_something_else_is_refused(pipes):
    dataset = pipes.IterableDataset(loader_of(rows_of()))
    dataset.set_epoch(3)
    state = dataset.state_dict()
    for wrong, message in (
        ({**state, "seed": 1}, "the state has seed=1"),
        ({**state, "rows": "others"}, "the state has rows="),
        ({"epoch": 1, "batch": 0}, "is not a loader's state"),
        ({name: state[name] for name in state if name != "batch"}, "is not a loader's state"),
        (None, "state=None is not a loader's state"),
        ({**state, "batch": -1}, r"state\['batch'\]=-1"),
        ({**state, "batch": 14}, r"state\['batch'\]=14"),
        ({**state, "batch": 1.0}, r"state\['batch'\]=1.0"),
        ({**state, "epoch": -1}, r"state\['epoch'\]=-1"),
    ):
        with pytest.raises(planted.PlantedError, match=message):
            dataset.load_state_dict(wrong)
        assert dataset.state_dict() == state


SETTINGS = [
    pytest.param(0, False, id="here"),
    pytest.param(2, False, id="new workers", marks=forks),
    pytest.param(2, True, id="persistent workers", marks=forks),
]


@pytest.mark.parametrize(("workers", "persistent"), SETTINGS)
@pytest.mark.parametrize("every", [1, 3])
def test_torchdata_resumes_anywhere(pipes, StatefulDataLoader, workers, persistent, every):
    """From the start, within an epoch, behind its last batch and after its end; the next epochs follow."""

    def fresh():
        dataset = pipes.IterableDataset(loader_of(rows_of(43)))
        loader = StatefulDataLoader(
            dataset,
            batch_size=None,
            num_workers=workers,
            persistent_workers=persistent,
            snapshot_every_n_steps=every,
        )
        return dataset, loader

    def epoch_of(dataset, loader, epoch):
        dataset.set_epoch(epoch)
        return iter(loader)

    order = loader_of(rows_of(43))
    for at in (1, 6, "end") if every == 1 else (0, 4):
        dataset, loader = fresh()
        assert equal(epoch_of(dataset, loader, 0), order.read(0))
        reading = epoch_of(dataset, loader, 1)
        seen = list(reading) if at == "end" else list(itertools.islice(reading, at))
        state = pickle.loads(pickle.dumps(loader.state_dict()))
        dataset, loader = fresh()
        loader.load_state_dict(state)
        if at != "end":
            assert equal([*seen, *epoch_of(dataset, loader, 1)], order.read(1))
        assert equal(epoch_of(dataset, loader, 2), order.read(2))
        assert equal(epoch_of(dataset, loader, 3), order.read(3))


@pytest.mark.parametrize(("workers", "persistent"), SETTINGS)
def test_torchdata_resumes_where_epochs_are_counted(pipes, StatefulDataLoader, workers, persistent):
    """The same where nobody sets the epoch."""

    def fresh():
        dataset = pipes.IterableDataset(loader_of(rows_of(43)))
        return StatefulDataLoader(dataset, batch_size=None, num_workers=workers, persistent_workers=persistent)

    order = loader_of(rows_of(43))
    for at in (0, 4, 6, "end"):
        loader = fresh()
        next(iter(loader))  # an epoch that is left early counts
        reading = iter(loader)
        seen = list(reading) if at == "end" else list(itertools.islice(reading, at))
        state = loader.state_dict()
        loader = fresh()
        loader.load_state_dict(state)
        if at != "end":
            assert equal([*seen, *loader], order.read(1))
        assert equal(loader, order.read(2))
        assert equal(loader, order.read(3))


@pytest.mark.parametrize(("workers", "persistent"), SETTINGS)
def test_torchdata_goes_back_to_a_position(pipes, StatefulDataLoader, workers, persistent):
    """A state of this very loader: the workers read the rest again, on purpose, and nothing warns."""
    dataset = pipes.IterableDataset(loader_of(rows_of()))
    loader = StatefulDataLoader(dataset, batch_size=None, num_workers=workers, persistent_workers=persistent)
    dataset.set_epoch(1)
    reading = iter(loader)
    seen = list(itertools.islice(reading, 5))
    state = loader.state_dict()
    rest = list(reading)
    loader.load_state_dict(state)
    assert equal(loader, rest)
    assert equal([*seen, *rest], dataset.loader.read(1))


def test_what_is_not_a_loader_of_tensors_is_refused(pipes):
    rows = rows_of()
    with pytest.raises(planted.PlantedError, match=r"framework='numpy'; it must .*framework='torch'"):
        pipes.IterableDataset(planted.Loader(rows))
    for other in (rows, None, [1, 2]):
        with pytest.raises(
            TypeError, match=f"loader of type {type(other).__name__} must be a planted.Loader or a planted.Pip"
        ):
            pipes.IterableDataset(other)
    data = pipes.SyntheticRegressionData(w=[2.0, -3.4], b=4.2)
    with pytest.raises(TypeError, match=r"SyntheticRegressionData must be .*: use its train_dataloader\(\)"):
        pipes.IterableDataset(data)
    pipes.IterableDataset(data.train_dataloader())
    dataset = pipes.IterableDataset(loader_of(rows))
    for epoch in (-1, 1.0, None, True, 1 << 63):
        with pytest.raises(planted.PlantedError, match="epoch="):
            dataset.set_epoch(epoch)
    assert repr(dataset) == f"IterableDataset({loader_of(rows)!r})"


# ---- dicts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=forks)])
def test_rows_and_batches_may_be_dicts(pipes, DataLoader, workers):
    """`fields=("x", "y")`, as the trainers want it that pass a batch on by its names."""
    rows = rows_of()
    dataset = pipes.Dataset(rows, fields=("x", "y"))
    assert {name: part.tolist() for name, part in dataset[3].items()} == {
        "x": rows[3].X.tolist(),
        "y": rows[3].y.tolist(),
    }
    for batch, wanted in zip(
        DataLoader(dataset, 32, num_workers=workers), planted.Loader(rows, 32, shuffle=False), strict=True
    ):
        assert list(batch) == ["x", "y"]
        assert equal([batch.values()], [wanted])
    loader = loader_of(rows, with_index=True)
    dataset = pipes.IterableDataset(loader, fields=["features", "labels", "number"])
    batches = list(DataLoader(dataset, batch_size=None, num_workers=workers))
    assert {tuple(batch) for batch in batches} == {("features", "labels", "number")}
    assert equal([batch.values() for batch in batches], loader.read(0))
    mapped = pipes.IterableDataset(loader_of(rows).map(lambda X, y: (X, y)), fields=("x", "y"))
    assert equal([batch.values() for batch in mapped], loader_of(rows).read(0))


def test_names_that_do_not_fit_are_refused(pipes):
    """When the dataset is made, where the parts are known; of a pipeline, with its first batch."""
    rows, loader = rows_of(), loader_of(rows_of())
    for fields, kind, message in (
        (("x",), ValueError, r"fields=\('x',\) is 1 name, and a batch has 2 parts.*fields=\('x', 'y'\)"),
        (("x", "y", "z"), ValueError, r"fields=\('x', 'y', 'z'\) are 3 names, and a batch has 2 parts"),
        (("x", "x"), ValueError, "must be different names"),
        ("xy", TypeError, r"fields='xy' must be a sequence of names: use fields=\('x', 'y'\)"),
        ((1, 2), TypeError, "must be a sequence of names"),
        (True, TypeError, "must be a sequence of names"),
    ):
        for make in (lambda f: pipes.Dataset(rows, fields=f), lambda f: pipes.IterableDataset(loader, fields=f)):
            with pytest.raises(kind, match=message) as error:
                make(fields)
            assert isinstance(error.value, planted.PlantedError)
    with pytest.raises(ValueError, match="3 names, and a batch has 2 parts"):
        next(iter(pipes.IterableDataset(planted.Pipeline(loader), fields=("x", "y", "z"))))
    with pytest.raises(TypeError, match=r"name the parts of a tuple such as .* not of a int"):
        next(iter(pipes.IterableDataset(planted.Pipeline([1, 2]), fields=("x",))))
    numbered = planted.Loader(rows, 256, framework="torch", with_index=True)
    with pytest.raises(ValueError, match=r"are 2 names, and a batch has 3 parts.*fields=\('x', 'y', 'index'\)"):
        pipes.IterableDataset(numbered, fields=("x", "y"))
    with pytest.raises(TypeError, match=r"rows is a Loader, and must be rows.*IterableDataset"):
        pipes.Dataset(numbered)
    empty = pipes.Dataset(rows_of(0), fields=("x", "y"))
    assert list(empty[[]]) == ["x", "y"]


# ---- Accelerate -------------------------------------------------------------------------------------------------

accelerated = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture
def Accelerator(framework):
    return functools.partial(framework("accelerate").Accelerator, cpu=True)


@accelerated
def test_accelerate_saves_a_loader_with_the_rest(Accelerator, tmp_path):
    """A loader that is registered goes into its checkpoints; what it was asked for ahead is not lost."""
    accelerator, loader = Accelerator(), loader_of(rows_of())
    assert accelerator.prepare(loader) is loader
    accelerator.register_for_checkpointing(loader)
    assert equal(loader, loader.read(0))
    reading = iter(loader)
    seen = list(itertools.islice(reading, 5))
    accelerator.save_state(str(tmp_path))
    assert equal([*seen, *reading], loader.read(1))

    accelerator, resumed = Accelerator(), loader_of(rows_of())
    accelerator.register_for_checkpointing(resumed)
    accelerator.load_state(str(tmp_path))
    assert equal([*seen, *resumed], loader.read(1))
    assert equal(resumed, loader.read(2))


@accelerated
def test_accelerate_resumes_a_dataset(Accelerator, framework, DataLoader, pipes, tmp_path):
    """Its stateful data loaders carry our state, and those that skip batches skip ours."""
    framework("torchdata")
    accelerate = framework("accelerate")
    order = loader_of(rows_of())

    def prepared(accelerator):
        return accelerator.prepare(DataLoader(pipes.IterableDataset(loader_of(rows_of())), batch_size=None))

    stateful = accelerate.utils.DataLoaderConfiguration(use_stateful_dataloader=True)
    accelerator = Accelerator(dataloader_config=stateful)
    batches = prepared(accelerator)
    assert equal(batches, order.read(0))
    seen = list(itertools.islice(batches, 5))
    accelerator.save_state(str(tmp_path))
    accelerator = Accelerator(dataloader_config=stateful)
    resumed = prepared(accelerator)
    accelerator.load_state(str(tmp_path))
    assert equal([*seen, *resumed], order.read(1))

    skipping = accelerate.skip_first_batches(prepared(Accelerator()), 5)
    skipping.set_epoch(2)
    assert equal(skipping, list(order.read(2))[5:])


def test_a_state_of_a_dataset_goes_to_another_number_of_ranks(pipes, StatefulDataLoader):
    """The state of torchdata's data loader, taken by one process, is loaded by each of two."""

    def stateful(rank=0, world_size=1):
        loader = loader_of(rows_of(), rank=rank, world_size=world_size)
        return StatefulDataLoader(pipes.IterableDataset(loader), batch_size=None)

    alone = stateful()
    list(itertools.islice(alone, 5))
    parts = []
    for rank in range(2):
        again = stateful(rank, 2)
        again.load_state_dict(alone.state_dict())
        parts.append(list(again))
    wanted = list(loader_of(rows_of()).read(0, 5))
    batches = [tuple(np.concatenate(halves) for halves in zip(*both, strict=True)) for both in zip(*parts, strict=True)]
    assert equal(batches, wanted)
