"""What only PyTorch has: tensors without a copy, and the answers of the book's notebook.

What all frameworks share is in `test_frameworks`.
"""

import numpy as np
import pytest

import planted


@pytest.fixture
def d2l(torch):
    """`from planted import torch as d2l`; whatever a test adds to its classes is taken away again."""
    from planted import torch as module

    before = {Class: dict(vars(Class)) for Class in (module.DataModule, module.SyntheticRegressionData)}
    yield module
    for Class, attributes in before.items():
        for name in ("get_dataloader", "get_tensorloader"):
            if name in attributes:
                setattr(Class, name, attributes[name])
            elif name in vars(Class):
                delattr(Class, name)


@pytest.fixture
def data(torch, d2l):
    return d2l.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)


# ---- the loader's tensors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 95, 96, 20_000])
def test_float64_tensors_and_row_numbers_are_those_of_the_arrays(torch, n):
    """In memory, too; and a last batch that is not full is no exception."""
    rows = planted.regression([2.0, -3.4], 4.2, n=n, dtype="float64")
    for source in (rows, rows.materialize()):
        arrays = list(planted.Loader(source, 32, with_index=True))
        tensors = list(planted.Loader(source, 32, with_index=True, framework="torch"))
        assert len(arrays) == len(tensors) == -(-n // 32)
        for batch, tensor_batch in zip(arrays, tensors, strict=True):
            for array, tensor in zip(batch, tensor_batch, strict=True):
                assert isinstance(tensor, torch.Tensor)
                assert tensor.dtype == torch.from_numpy(array).dtype
                np.testing.assert_array_equal(array, tensor.numpy())


def test_tensors_are_not_copies(torch):
    """The minibatches of a chunk share its memory, one behind the other."""
    from planted.torch import minibatches

    chunk = np.zeros((96, 3), np.float32)
    for size in (32, 40):
        parts = minibatches(chunk, size)
        assert [len(part) for part in parts] == ([32, 32, 32] if size == 32 else [40, 40, 16])
        for i, part in enumerate(parts):
            assert part.data_ptr() == chunk.ctypes.data + i * size * 12
    empty = minibatches(np.zeros((0, 3), np.float32), 0)
    assert [tuple(part.shape) for part in empty] == [(0, 3)]


# ---- the chapter ------------------------------------------------------------------------------------------------


def test_each_training_loader_goes_on_with_the_next_epoch(torch, data):
    """A loader asked for anew each epoch, as in the book's own loops, does not repeat the first order."""
    orders = [torch.cat([X for X, _ in data.train_dataloader()]) for _ in range(3)]
    assert not torch.equal(orders[0], orders[1])
    assert not torch.equal(orders[1], orders[2])
    same = type(data)(torch.tensor([2, -3.4]), 4.2)
    assert torch.equal(torch.cat([X for X, _ in same.train_dataloader()]), orders[0])


def test_the_batch_size_is_read_when_a_loader_is_asked_for(data):
    data.batch_size = 100
    assert len(data.train_dataloader()) == 10


def test_the_chapters_methods_can_be_added_to_our_class(torch, d2l, data):
    """The generator registered on SyntheticRegressionData after the object exists is used by it."""

    @d2l.add_to_class(d2l.SyntheticRegressionData)
    def get_dataloader(self, train):
        rows = torch.arange(self.num_train) if train else torch.arange(self.num_train, self.num_train + self.num_val)
        for chosen in rows.split(self.batch_size):
            yield self.X[chosen], self.y[chosen]

    X, _ = next(iter(data.train_dataloader()))
    assert torch.equal(X, data.X[:32])


def test_the_notebooks_answer_drop_last(torch, d2l, data):
    """A get_tensorloader of the reader's own, added to DataModule, is what our data use from then on."""

    @d2l.add_to_class(d2l.DataModule)
    def get_tensorloader(self, tensors, train, indices=slice(0, None)):
        tensors = tuple(a[indices] for a in tensors)
        dataset = torch.utils.data.TensorDataset(*tensors)
        return torch.utils.data.DataLoader(dataset, self.batch_size, shuffle=train, drop_last=train)

    assert len(data.train_dataloader()) == 31
    assert len(data.val_dataloader()) == 32


def test_the_notebooks_answers_streaming_and_deterministic(torch, d2l):
    """Its IterableDatasets on our HyperParameters: new data each time, and the same data each time."""
    from torch.utils.data import DataLoader, IterableDataset

    class OnTheFly(d2l.HyperParameters, IterableDataset):
        def __init__(self, w, b, noise=0.01, num_train=100, num_val=50, train=True, seed=None):
            super().__init__()
            self.save_hyperparameters()
            self.w = torch.as_tensor(self.w, dtype=torch.float32).reshape(-1)

        def __iter__(self):
            generator = torch.Generator()
            if self.seed is None:
                generator.seed()
            else:
                generator.manual_seed(self.seed)
            for _ in range(self.num_train if self.train else self.num_val):
                X = torch.randn(self.w.numel(), generator=generator)
                yield X, X @ self.w + self.b + torch.randn(1, generator=generator) * self.noise

    def first(**options):
        loader = DataLoader(OnTheFly(torch.tensor([2.0, -3.4]), 4.2, **options), batch_size=32, shuffle=False)
        return [next(iter(loader)) for _ in range(2)]

    (X1, y1), (X2, y2) = first(seed=42)
    assert (X1.shape, y1.shape) == ((32, 2), (32, 1))
    assert torch.equal(X1, X2)
    assert torch.equal(y1, y2)
    (X1, _), (X2, _) = first()
    assert not torch.equal(X1, X2)


def test_our_own_streaming_data(torch, d2l):
    """fresh: new rows in each epoch, from each loader; validation stays as it is; a seed repeats it all."""
    data = d2l.SyntheticRegressionData(torch.tensor([2.0, -3.4]), 4.2, fresh=True, num_train=100, num_val=50)
    again = d2l.SyntheticRegressionData(torch.tensor([2.0, -3.4]), 4.2, fresh=True, num_train=100, num_val=50)
    loader = data.train_dataloader()
    assert len(loader) == 4
    epochs = [torch.cat([X for X, _ in loader]) for _ in range(2)]
    epochs += [torch.cat([X for X, _ in data.train_dataloader()]) for _ in range(2)]
    seen = {tuple(x) for X in epochs for x in X.tolist()}
    assert len(seen) == 400
    held_out = torch.cat([X for X, _ in data.val_dataloader()])
    assert torch.equal(held_out, data.X[100:])
    assert not seen & {tuple(x) for x in held_out.tolist()}
    other = again.train_dataloader()
    for X in epochs[:2]:
        assert torch.equal(torch.cat([x for x, _ in other]), X)


def test_labels_stay_integers(torch, d2l):
    """Of torch's own type for them, whatever comes with them."""
    module = d2l.DataModule()
    module.batch_size = 7
    labels = torch.arange(20)
    for image, label in module.get_tensorloader((labels * 1.5, labels), train=True):
        assert label.dtype == torch.int64
        assert torch.equal(image, label * 1.5)


def test_bad_truths_are_refused_before_anything_is_made(torch, d2l):
    for options, message in (
        ({"w": torch.tensor([float("nan")])}, r"w\[0\]=nan must be finite"),
        ({"noise": -1}, "noise=-1.0"),
        ({"w": torch.zeros(2, 2)}, r"w has shape \(2, 2\)"),
        ({"num_train": -5, "num_val": 3}, "num_train=-5"),
        ({"num_val": 2.5}, "num_val=2.5"),
    ):
        with pytest.raises(planted.PlantedError, match=message):
            d2l.SyntheticRegressionData(**{"w": torch.tensor([1.0]), "b": 0.0, **options})


# ---- learning ---------------------------------------------------------------------------------------------------


def test_fit_in_float64_is_sgd(torch, d2l):
    rows = planted.regression([2.0, -3.4], 4.2, n=320, dtype="float64")
    ours = planted.sgd(planted.Loader(rows, 32), 3, 0.1)
    theirs = d2l.fit(planted.Loader(rows, 32, framework="torch"), 3, 0.1)
    np.testing.assert_allclose(theirs.parameters, ours.parameters, rtol=1e-9)


def test_a_training_loop_by_hand_passes_the_check(torch, data):
    layer = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.03)
    for _ in range(10):
        for X, y in data.train_dataloader():
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(layer(X), y).backward()
            optimizer.step()
    train, _ = data.rows.split(1000, 1000)
    report = planted.check(layer, train)
    assert report.passed, report
