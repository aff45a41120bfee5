"""Every framework: its arrays hold planted's rows, and the chapter of each tab runs on ours.

A case of each framework drives the same tests. What only PyTorch has, the notebook's answers too, is in `test_torch`.
"""

import importlib
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import planted
from planted.errors import DivergedError, MissingDependencyError, MissingFrameworkError, TooLargeError


@dataclass(frozen=True)
class Case:
    """What the tests need to know of a framework."""

    name: str
    is_tensor: Callable[[Any], bool]
    tensor: Callable[[Any], Any]
    numpy: Callable[[Any], np.ndarray]
    randn: Callable[..., Any]
    matmul: Callable[[Any, Any], Any]
    gather: Callable[[Any, list[int]], Any]
    concise: Callable[..., Any]  # the chapter's get_tensorloader in that tab


def torch_case():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    def concise(self, tensors, train, indices=slice(0, None)):
        tensors = tuple(a[indices] for a in tensors)
        return DataLoader(TensorDataset(*tensors), self.batch_size, shuffle=train)

    return Case(
        "torch",
        lambda x: isinstance(x, torch.Tensor),
        torch.tensor,
        lambda x: x.numpy(),
        torch.randn,
        torch.matmul,
        lambda X, rows: X[torch.tensor(rows)],
        concise,
    )


def jax_case():
    import jax
    from jax import numpy as jnp

    tf = importlib.import_module("tensorflow")
    tfds = importlib.import_module("tensorflow_datasets")

    def concise(self, tensors, train, indices=slice(0, None)):
        tensors = tuple(a[indices] for a in tensors)
        shuffle_buffer = tensors[0].shape[0] if train else 1
        return tfds.as_numpy(
            tf.data.Dataset.from_tensor_slices(tensors).shuffle(buffer_size=shuffle_buffer).batch(self.batch_size)
        )

    return Case(
        "jax",
        lambda x: isinstance(x, jax.Array),
        jnp.array,
        np.asarray,
        lambda *shape: jax.random.normal(jax.random.PRNGKey(0), shape),
        jnp.matmul,
        lambda X, rows: X[jnp.array(rows)],
        concise,
    )


def tensorflow_case():
    import tensorflow as tf

    def concise(self, tensors, train, indices=slice(0, None)):
        tensors = tuple(a[indices] for a in tensors)
        shuffle_buffer = tensors[0].shape[0] if train else 1
        return tf.data.Dataset.from_tensor_slices(tensors).shuffle(buffer_size=shuffle_buffer).batch(self.batch_size)

    return Case(
        "tensorflow",
        tf.is_tensor,
        tf.constant,
        lambda x: x.numpy(),
        lambda *shape: tf.random.normal(shape),
        tf.matmul,
        lambda X, rows: tf.gather(X, tf.constant(rows)),
        concise,
    )


def mxnet_case():
    from mxnet import gluon, npx
    from mxnet import np as mnp

    npx.set_np()

    def concise(self, tensors, train, indices=slice(0, None)):
        tensors = tuple(a[indices] for a in tensors)
        return gluon.data.DataLoader(gluon.data.ArrayDataset(*tensors), self.batch_size, shuffle=train)

    return Case(
        "mxnet",
        lambda x: isinstance(x, mnp.ndarray),
        lambda values: mnp.array(values, dtype=np.asarray(values).dtype if isinstance(values, np.ndarray) else None),
        lambda x: x.asnumpy(),
        mnp.random.randn,
        mnp.dot,
        lambda X, rows: X[mnp.array(rows)],
        concise,
    )


CASES = {"torch": torch_case, "jax": jax_case, "tensorflow": tensorflow_case, "mxnet": mxnet_case}


@pytest.fixture(params=list(CASES))
def case(request, framework):
    framework(request.param)
    if request.param == "jax":
        framework("tensorflow_datasets")
    return CASES[request.param]()


@pytest.fixture
def d2l(case):
    """`from planted import jax as d2l`; whatever a test adds to its classes is taken away again."""
    module = importlib.import_module(f"planted.{case.name}")
    before = {Class: dict(vars(Class)) for Class in (module.DataModule, module.SyntheticRegressionData)}
    yield module
    for Class, attributes in before.items():
        for name in ("get_dataloader", "get_tensorloader"):
            if name in vars(Class) and name not in attributes:
                delattr(Class, name)


@pytest.fixture
def data(case, d2l):
    return d2l.SyntheticRegressionData(w=case.tensor([2, -3.4]), b=4.2)


ARGUMENTS = {"w", "b", "noise", "num_train", "num_val", "batch_size", "seed", "fresh", "streaming", "drop_last"}


def joined(case, batches, part=0):
    return np.concatenate([case.numpy(batch[part]) for batch in batches])


# ---- the loader's tensors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 32, 9_000])
@pytest.mark.parametrize("n", [0, 1, 95, 96, 20_000])
def test_tensors_hold_the_same_rows_as_arrays(case, n, batch_size):
    rows = planted.regression([2.0, -3.4, 1.0], 4.2, n=n if batch_size > 1 else min(n, 96))
    for source in (rows, rows.materialize()):
        arrays = list(planted.Loader(source, batch_size, with_index=True))
        tensors = list(planted.Loader(source, batch_size, with_index=True, framework=case.name))
        assert len(arrays) == len(tensors)
        for batch, (X, y, numbers) in zip(arrays, tensors, strict=True):
            assert case.is_tensor(X)
            assert case.is_tensor(y)
            for array, tensor in zip(
                batch,
                (case.numpy(X), case.numpy(y), case.numpy(numbers) if case.is_tensor(numbers) else numbers),
                strict=True,
            ):
                assert tensor.dtype == array.dtype
                np.testing.assert_array_equal(array, tensor)


@pytest.mark.parametrize("n", [1, 95, 20_000])
def test_float64_rows_stay_float64(case, n):
    """Or are refused, where the framework would cut them down to float32 without a word."""
    rows = planted.regression([2.0, -3.4], n=n, dtype="float64")
    loader = planted.Loader(rows, 32, shuffle=False, framework=case.name)
    if case.name == "jax":
        import jax

        with pytest.raises(planted.PlantedError, match=r"would become float32 in JAX: call .*jax_enable_x64"):
            next(iter(loader))
        with jax.enable_x64(True):
            X, _, numbers = next(iter(planted.Loader(rows, 32, shuffle=False, framework="jax", with_index=True)))
            assert isinstance(numbers, jax.Array)
            np.testing.assert_array_equal(np.asarray(X), rows[:32].X)
        return
    for part, array in enumerate(rows[:]):
        tensors = joined(case, loader, part)
        assert tensors.dtype == np.float64
        np.testing.assert_array_equal(tensors, array)


def test_ranks_with_no_row_in_the_last_batch_get_an_empty_tensor(case):
    rows = planted.regression([1.0], n=9)
    sizes = []
    for rank in range(4):
        loader = planted.Loader(rows, 8, rank=rank, world_size=4, framework=case.name)
        sizes.append([len(X) for X, _ in loader])
    assert sizes == [[2, 0], [2, 0], [2, 0], [2, 1]]


def aligned(shape, dtype=np.float32):
    """An array of ones that begins at a multiple of 64 bytes."""
    from planted._machine.memory import empty

    array = empty(shape, np.dtype(dtype))
    array[:] = 1
    return array


def test_what_is_shared_and_what_is_copied(case, d2l):
    """A change of the chunk shows in its tensors exactly where the module's text says that memory is shared."""
    shared = {
        "torch": {(96, 32): True, (95, 10): True},
        "jax": {(4096, 32): True, (96, 32): False},  # from a quarter of a megabyte on
        "tensorflow": {(96, 32): True, (96, 1): False},  # where each begins at a multiple of 64 bytes
        "mxnet": {(96, 32): True, (96, 1): True},
    }[case.name]
    for (rows, size), expected in shared.items():
        chunk = aligned((rows, 32 if case.name == "jax" else 3))
        parts = d2l.minibatches(chunk, rows if case.name == "jax" and expected else size)
        chunk[0, 0] = 7
        assert (case.numpy(parts[0])[0, 0] == 7) == expected
        assert sum(map(len, parts)) == rows


def test_a_kept_tensor_keeps_its_values(case):
    """Memory is used again only when the last tensor over it is gone."""
    rows = planted.regression([1.0] * 32, n=40_000)
    loader = planted.Loader(rows, 4096, shuffle=False, framework=case.name)
    kept = [X for i, (X, _) in enumerate(loader) if i % 3 == 0]
    for _ in range(2):
        for _ in loader:
            pass
    for i, X in enumerate(kept):
        np.testing.assert_array_equal(case.numpy(X), rows[i * 3 * 4096 : (i * 3 + 1) * 4096].X)


def test_tensors_can_be_computed_with(case):
    """Odd sizes and offsets: no alignment that a framework relies on is missing."""
    rows = planted.regression([1.0, 2.0, 3.0], n=1001)
    for size in (1, 3, 17, 250):
        total = sum(float(case.numpy((X * X).sum() if case.name != "tensorflow" else tf_sum(X))) for X, _ in
                    planted.Loader(rows, size, framework=case.name))  # fmt: skip
        assert total == pytest.approx(float((rows.X.astype(float) ** 2).sum()), rel=1e-4)


def tf_sum(X):
    import tensorflow as tf

    return tf.reduce_sum(X * X)


# ---- the chapter --------------------------------------------------------------------------------------------------


def test_the_data_are_those_of_the_contract(case, d2l, data):
    """X (n, d) and y (n, 1), float32, training rows first, the hyperparameters attributes; in all systems the same."""
    X, y = case.numpy(data.X), case.numpy(data.y)
    assert case.is_tensor(data.X)
    assert case.is_tensor(data.y)
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((2000, 2), np.float32, (2000, 1), np.float32)
    assert (data.noise, data.num_train, data.num_val, data.batch_size, data.b) == (0.01, 1000, 1000, 32, 4.2)
    assert set(data.hparams) == ARGUMENTS
    assert (tuple(data.X[0].shape), tuple(data.y[0].shape)) == ((2,), (1,))
    same = planted.regression(np.array([2, -3.4], np.float32), 4.2, noise=0.01, n=2000)
    np.testing.assert_array_equal(X, same.X)
    np.testing.assert_array_equal(y, same.y)
    listed = d2l.SyntheticRegressionData([2, -3.4], 4.2)
    assert case.is_tensor(listed.w)
    np.testing.assert_array_equal(case.numpy(listed.w), case.numpy(data.w))
    np.testing.assert_array_equal(case.numpy(listed.X), X)
    other = d2l.SyntheticRegressionData([2, -3.4], 4.2, seed=1)
    assert not np.array_equal(case.numpy(other.X), X)
    residual = y - case.numpy(case.matmul(data.X, case.tensor(case.numpy(data.w).reshape(-1, 1)))) - data.b
    assert abs(residual.std() / 0.01 - 1) < 0.1


def test_the_concise_loaders(case, data):
    """`len`, shapes, random order for training and fixed order for validation, the last batch kept."""
    X, y = next(iter(data.train_dataloader()))
    assert (tuple(X.shape), tuple(y.shape)) == ((32, 2), (32, 1))
    assert len(data.train_dataloader()) == len(data.val_dataloader()) == 32
    loader = data.train_dataloader()
    first, second = (joined(case, loader) for _ in range(2))
    rows = case.numpy(data.X)
    assert not np.array_equal(first, second)
    assert {tuple(x) for x in first} == {tuple(x) for x in rows[:1000]} == {tuple(x) for x in second}
    for _ in range(2):
        np.testing.assert_array_equal(joined(case, data.val_dataloader()), rows[1000:])
        np.testing.assert_array_equal(joined(case, data.val_dataloader(), 1), case.numpy(data.y)[1000:])
    batches = list(loader)
    assert [len(batch[-1]) for batch in batches][-2:] == [32, 8]
    assert len(batches[0][:-1]) == 1


def test_streaming_data_are_new_each_epoch(case, d2l):
    data = d2l.SyntheticRegressionData([2.0, -3.4], 4.2, fresh=True, num_train=100, num_val=50)
    epochs = [joined(case, data.train_dataloader()) for _ in range(3)]
    assert len({tuple(x) for X in epochs for x in X}) == 300
    np.testing.assert_array_equal(joined(case, data.val_dataloader()), case.numpy(data.X)[100:])


def test_streaming_is_the_readers_word_for_fresh(case, d2l):
    """As the exercise's notebook types it."""
    data = d2l.SyntheticRegressionData(
        w=case.tensor([2.0, -3.4]), b=4.2, noise=0.01, num_train=1000, num_val=1000, batch_size=32, streaming=True
    )
    X, y = next(iter(data.train_dataloader()))
    assert (tuple(X.shape), tuple(y.shape)) == ((32, 2), (32, 1))
    fresh = d2l.SyntheticRegressionData(w=case.tensor([2.0, -3.4]), b=4.2, fresh=True)
    next(iter(fresh.train_dataloader()))
    np.testing.assert_array_equal(joined(case, data.train_dataloader()), joined(case, fresh.train_dataloader()))
    assert data.streaming is data.fresh is fresh.streaming is fresh.fresh is True
    assert d2l.SyntheticRegressionData([2.0, -3.4], 4.2, 0.01, 1000, 1000, 32, True).streaming  # its place there
    with pytest.raises(TypeError, match="streaming=1 must be True or False"):
        d2l.SyntheticRegressionData([2.0], 4.2, streaming=1)


def test_the_text_of_a_module_shows_what_it_was_told(d2l):
    plain = repr(d2l.SyntheticRegressionData([2.0, -3.4], 4.2))
    assert plain.endswith(", num_train=1000, batch_size=32)")
    told = repr(d2l.SyntheticRegressionData([2.0, -3.4], 4.2, streaming=True, drop_last=True))
    assert told == f"{plain[:-1]}, streaming=True, drop_last=True)"
    assert "streaming=True)" in repr(d2l.SyntheticRegressionData([2.0, -3.4], 4.2, fresh=True))


def test_a_wrong_argument_is_one_of_the_class_that_was_typed(d2l):
    with pytest.raises(
        TypeError, match=r"^SyntheticRegressionData\.__init__\(\) got an unexpected keyword argument 'n'"
    ):
        d2l.SyntheticRegressionData(w=[2.0, -3.4], b=4.2, n=1000)
    with pytest.raises(TypeError, match=r"^SyntheticRegressionData\.__init__\(\) missing 1 required"):
        d2l.SyntheticRegressionData([2.0, -3.4])


@pytest.mark.parametrize("name", ["Trainer", "Module", "LinearRegressionScratch", "synthetic_data"])
def test_what_a_door_does_not_have_is_in_the_books_package(case, name):
    """Said wherever it is asked for; it stays an AttributeError, and what Python asks of modules is as ever."""
    real = importlib.import_module(f"planted.{case.name}")
    for door in (real, getattr(planted, case.name)):
        with pytest.raises(AttributeError, match=f"has no attribute '{name}': .*from d2l import {case.name} as d2l"):
            getattr(door, name)
        assert not hasattr(door, name)
    with pytest.raises(AttributeError, match=r"has no attribute '__wrapped__'$"):
        _ = real.__wrapped__


@pytest.mark.parametrize("streaming", [False, True])
def test_the_last_batch_is_dropped_in_training(case, d2l, streaming):
    """The first exercise: of 1000 rows in batches of 32, 31 batches are whole."""
    data = d2l.SyntheticRegressionData(w=case.tensor([2, -3.4]), b=4.2, drop_last=True, streaming=streaming)
    assert (len(data.train_dataloader()), len(data.val_dataloader())) == (31, 32)
    assert {len(X) for X, _ in data.train_dataloader()} == {32}
    data.drop_last = False
    assert len(data.train_dataloader()) == 32


def test_a_loader_of_tensors_drops_the_last_batch(case, d2l):
    """As the exercise's notebook has it, `drop_last=train`; unsaid, the module's own `drop_last` holds for training."""

    class Own(d2l.DataModule):
        def __init__(self, batch_size=7, drop_last=False):
            super().__init__()
            self.save_hyperparameters()
            self.X = case.tensor(np.zeros((20, 2), np.float32))

        def get_dataloader(self, train):
            return self.get_tensorloader((self.X,), train, drop_last=train)

    assert (len(Own().train_dataloader()), len(Own().val_dataloader())) == (2, 3)
    own = Own(drop_last=True)
    assert [len(own.get_tensorloader((own.X,), train)) for train in (True, False)] == [2, 3]


def test_more_rows_than_memory_are_computed_batch_by_batch(case, d2l, monkeypatch):
    """The second exercise; and the batches are those of tensors, in the same order."""
    data = d2l.SyntheticRegressionData(w=case.tensor([2, -3.4]), b=4.2, num_train=10**12)
    X, y = next(iter(data.train_dataloader()))
    assert (tuple(X.shape), tuple(y.shape), len(data.train_dataloader())) == ((32, 2), (32, 1), 31_250_000_000)
    with pytest.raises(planted.PlantedError, match="memory"):
        _ = data.X
    small = {train: d2l.SyntheticRegressionData([2.0, -3.4], 4.2, num_train=70, num_val=40) for train in (True, False)}

    def too_large(self):
        raise TooLargeError

    monkeypatch.setattr(type(small[True]), "X", property(too_large))
    without = [joined(case, data.get_dataloader(train)) for train, data in small.items() for _ in range(2)]
    monkeypatch.undo()
    small = {train: d2l.SyntheticRegressionData([2.0, -3.4], 4.2, num_train=70, num_val=40) for train in (True, False)}
    for expected, train in zip(without, (True, True, False, False), strict=True):
        np.testing.assert_array_equal(joined(case, small[train].get_dataloader(train)), expected)


def test_what_readers_try(case, d2l):
    """Weights as a column or in integers of a list, no noise, few rows; another batch size afterwards; a subclass."""
    Data = d2l.SyntheticRegressionData
    expected = case.numpy(Data([2.0, -3.4], 4.2).X)
    for w in (case.tensor([[2], [-3.4]]), [[2.0], [-3.4]], np.array([2, -3.4])):
        data = Data(w=w, b=4.2)
        assert (tuple(data.X.shape), tuple(data.y.shape)) == ((2000, 2), (2000, 1))
        np.testing.assert_array_equal(case.numpy(data.X), expected)
    data = Data(w=[2, -3], b=4, noise=0)
    y = case.numpy(data.X).astype(np.float64) @ [2, -3] + 4
    np.testing.assert_allclose(case.numpy(data.y).ravel(), y, rtol=1e-5, atol=1e-5)
    few = Data([2.0, -3.4], case.tensor(4.2), num_train=10, num_val=3)
    (batch,) = few.train_dataloader()
    assert tuple(batch[0].shape) == (10, 2)
    assert (len(few.train_dataloader()), len(few.val_dataloader())) == (1, 1)
    few.batch_size = 4
    assert [len(X) for X, _ in few.train_dataloader()] == [4, 4, 2]
    few.num_train = 8
    assert [len(X) for X, _ in few.train_dataloader()] == [4, 4]
    assert [len(X) for X, _ in few.val_dataloader()] == [4, 1]
    first, second = (case.numpy(next(iter(few.train_dataloader()))[0]) for _ in range(2))
    assert not np.array_equal(first, second)
    assert repr(few).startswith("SyntheticRegressionData(<rows: 13 of ")

    class Mine(Data):
        def __init__(self, w, b, extra=3):
            super().__init__(w, b, num_train=100)
            self.save_hyperparameters()

    mine = Mine([2.0, -3.4], 4.2)
    assert mine.hparams == {"w": [2.0, -3.4], "b": 4.2, "extra": 3}
    assert len(mine.train_dataloader()) == 4


def test_what_readers_try_in_vain(case, d2l):
    """Each is told what to write instead."""
    data = d2l.SyntheticRegressionData([2.0, -3.4], 4.2)
    module = d2l.DataModule()
    for call, message in (
        (lambda: data[0], r"use data\.X\[0\] and data\.y\[0\]"),
        (lambda: next(iter(list(data))), r"use data\.X\[0\].*data\.train_dataloader"),
        (lambda: data.train_dataloader()[0], r"use a for loop or next\(iter\(loader\)\)"),
        (lambda: data.get_tensorloader(data.X, True), r"one array of shape \(2000, 2\): pass them in a tuple"),
        (lambda: module.get_tensorloader((data.X,), True), "DataModule has no batch_size: set self.batch_size"),
        (lambda: type(data)(2.0, 4.2), r"w has shape \(\); it must be a vector"),
        (lambda: type(data)(2, 4.2), r"w has shape \(\); it must be a vector"),
        (lambda: type(data)([[2.0, 1.0], [1.0, 2.0]], 4.2), r"w has shape \(2, 2\); it must be a vector"),
    ):
        with pytest.raises(planted.PlantedError, match=message):
            call()


@pytest.mark.filterwarnings("ignore:ndarray.as_in_context:DeprecationWarning")  # MXNet's own, of itself
def test_the_chapter_defines_its_own_class(case, d2l):
    """The chapter's own data set, on our DataModule, then its own generator, then our get_tensorloader."""

    class OwnData(d2l.DataModule):
        def __init__(self, w, b, noise=0.01, num_train=1000, num_val=1000, batch_size=32):
            super().__init__()
            self.save_hyperparameters()
            n = num_train + num_val
            self.X = case.randn(n, w.shape[0])
            noise = case.randn(n, 1) * noise
            column = case.tensor(case.numpy(w).reshape((-1, 1)))
            self.y = case.matmul(self.X, column) + b + noise

    data = OwnData(w=case.tensor([2, -3.4]), b=4.2)

    @d2l.add_to_class(OwnData)
    def get_dataloader(self, train):
        rows = list(range(self.num_train)) if train else list(range(self.num_train, self.num_train + self.num_val))
        if train:
            random.shuffle(rows)
        for i in range(0, len(rows), self.batch_size):
            chosen = rows[i : i + self.batch_size]
            yield case.gather(self.X, chosen), case.gather(self.y, chosen)

    X, y = next(iter(data.train_dataloader()))
    assert (tuple(X.shape), tuple(y.shape)) == ((32, 2), (32, 1))
    np.testing.assert_array_equal(joined(case, data.val_dataloader()), case.numpy(data.X)[1000:])

    @d2l.add_to_class(OwnData)
    def get_dataloader(self, train):  # noqa: F811 -- the chapter replaces its own method
        i = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader((self.X, self.y), train, i)

    assert len(data.train_dataloader()) == 32
    seen = joined(case, data.train_dataloader())
    assert {tuple(x) for x in seen} == {tuple(x) for x in case.numpy(data.X)[:1000]}
    np.testing.assert_array_equal(joined(case, data.val_dataloader(), 1), case.numpy(data.y)[1000:])


def test_the_chapters_framework_loader_on_our_data(case, d2l, data):
    """The tab's get_tensorloader, registered on DataModule after the object exists, is what our data use then."""
    d2l.add_to_class(d2l.DataModule)(renamed(case.concise))
    X, y = next(iter(data.train_dataloader()))
    assert (tuple(X.shape), tuple(y.shape)) == ((32, 2), (32, 1))
    assert len(data.train_dataloader()) == 32
    validation = np.concatenate(
        [np.asarray(X if case.name == "jax" else case.numpy(X)) for X, _ in data.val_dataloader()]
    )
    np.testing.assert_array_equal(validation, case.numpy(data.X)[1000:])


def renamed(function):
    function.__name__ = "get_tensorloader"
    return function


def test_tensors_of_any_kind_can_be_loaded(case, d2l):
    """Images, labels, bytes: any number of tensors, of any shape and type; a state belongs to its tensors."""
    module = d2l.DataModule()
    module.batch_size = 7
    images = case.tensor(np.arange(20 * 3 * 4, dtype=np.float32).reshape(20, 3, 4))
    labels = case.tensor(np.arange(20, dtype=np.int32))
    names = case.tensor(np.arange(20, dtype=np.uint8))
    loader = module.get_tensorloader((images, labels, names), train=True)
    for image, label, name in loader:
        np.testing.assert_array_equal(case.numpy(image), case.numpy(images)[case.numpy(label)])
        np.testing.assert_array_equal(case.numpy(name), case.numpy(label))
        assert (case.numpy(label).dtype, case.numpy(name).dtype) == (np.int32, np.uint8)
    (part,) = list(module.get_tensorloader((labels,), train=False, indices=[5, 3]))
    assert case.numpy(part[0]).tolist() == [5, 3]
    state = loader.state_dict()
    loader.load_state_dict(state)
    other = module.get_tensorloader((images + 1, labels, names), train=True)
    with pytest.raises(planted.PlantedError, match="the state has rows="):
        other.load_state_dict(state)
    for tensors in ((), (images, labels[:5]), (case.tensor(np.float32(3)),)):
        with pytest.raises(ValueError, match="equally long"):
            module.get_tensorloader(tensors, train=True)


def test_bad_weights_are_refused_before_anything_is_made(case, d2l):
    for w, message in (
        (
            case.tensor(np.array([2, -3], np.int32)),
            r"w has dtype int32: use floating-point weights, such as .*\[2, -3.4\]",
        ),
        (case.tensor(np.zeros((2, 2), np.float32)), r"w has shape \(2, 2\); it must be a vector"),
        (case.tensor(np.array([np.nan], np.float32)), r"w\[0\]=nan must be finite"),
        (["a"], "w holds"),
        (np.zeros((1, 2, 2)), r"w has shape \(1, 2, 2\)"),
    ):
        with pytest.raises(planted.PlantedError, match=message):
            d2l.SyntheticRegressionData(w, 4.2)


# ---- learning -----------------------------------------------------------------------------------------------------


def test_fit_is_sgd_done_by_the_framework(case, d2l):
    rows = planted.regression([2.0, -3.4], 4.2, n=330)
    told = []
    ours = planted.sgd(planted.Loader(rows, 32), 3, 0.1)
    loader = planted.Loader(rows, 32, framework=case.name)
    theirs = d2l.fit(loader, 3, 0.1, on_epoch=lambda *args: told.append(args))
    np.testing.assert_allclose(theirs.parameters, ours.parameters, rtol=1e-5)
    assert [epoch for epoch, _, _ in told] == [0, 1, 2]
    assert told[0][2] > told[2][2] > 0
    with pytest.raises(planted.PlantedError, match="gave no rows"):
        d2l.fit(planted.Loader(planted.regression([1.0], n=0), framework=case.name))
    with pytest.raises(planted.PlantedError, match="epochs=0"):
        d2l.fit([], 0)
    with pytest.raises(DivergedError, match=r"overflowed in epoch .* with lr=100.0: use a smaller lr"):
        d2l.fit(loader, 60, 100.0)


def test_fit_reads_a_ranks_share(case, d2l):
    """Empty batches, which a rank may get at the end of an epoch, change nothing; row numbers are not read."""
    rows = planted.regression([2.0, -3.4], 4.2, n=9)
    loader = planted.Loader(rows, 8, rank=0, world_size=4, framework=case.name, with_index=True)
    assert [len(X) for X, *_ in loader.read(0)] == [2, 0]
    ours = planted.sgd(planted.Loader(rows, 8, rank=0, world_size=4), 3, 0.1)
    losses = []
    theirs = d2l.fit(loader, 3, 0.1, on_epoch=lambda epoch, estimate, loss: losses.append(loss))
    np.testing.assert_allclose(theirs.parameters, ours.parameters, rtol=1e-5)
    assert np.isfinite(losses).all()


# ---- absence ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(CASES))
def test_a_missing_framework_is_named_with_its_extra(monkeypatch, name):
    """Importing the module or asking a loader for its arrays says which extra to install; the core goes on."""
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, f"planted.{name}", raising=False)
    with pytest.raises(planted.PlantedError, match=rf"pip install 'planted\[{name}\]'"):
        importlib.import_module(f"planted.{name}")
    rows = planted.regression([1.0], n=5)
    with pytest.raises(ImportError, match=rf"pip install 'planted\[{name}\]'"):
        planted.Loader(rows, framework=name)
    with pytest.raises(
        ValueError, match="framework='theano' must be 'numpy' or one of 'jax', 'mxnet', 'tensorflow', 'torch'"
    ):
        planted.Loader(rows, framework="theano")


def test_the_old_name_of_the_error_stays():
    assert MissingFrameworkError is MissingDependencyError
