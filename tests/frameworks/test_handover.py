"""Rows inside others' input pipelines: tf.data, Grain, Hugging Face datasets; every row once, the values of `take`."""

import numpy as np
import pytest

import planted

ROWS = planted.regression([2.0, -3.4], 4.2, n=1000, seed=3)


def same_rows(X, rows=ROWS):
    """Whether X holds each of the rows exactly once, in any order."""
    return sorted(map(tuple, np.asarray(X).tolist())) == sorted(map(tuple, rows.X.tolist()))


# ---- tf.data ------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(framework):
    framework("tensorflow")
    from planted.tensorflow import dataset

    return dataset


@pytest.mark.parametrize("own", ["numpy", "tensorflow"])
def test_a_tf_dataset_is_the_loader(dataset, own):
    """The loader's batches, in its order, each pass the next epoch; cardinality and element spec are known."""
    rows = ROWS.split(100)[0]
    expected = planted.Loader(rows, 32, with_index=True)
    batches = dataset(planted.Loader(rows, 32, with_index=True, framework=own))
    assert int(batches.cardinality()) == 4
    assert [tuple(spec.shape) for spec in batches.element_spec] == [(None, 2), (None, 1), (None,)]
    for _ in range(2):
        found = list(batches)
        for theirs, ours in zip(found, expected, strict=True):
            for a, b in zip(theirs, ours, strict=True):
                np.testing.assert_array_equal(a.numpy(), b)
    assert same_rows(np.concatenate([X.numpy() for X, _, _ in found]), rows)


def test_a_tf_dataset_of_more_rows_than_python_counts(dataset):
    batches = dataset(planted.Loader(planted.regression([1.0] * 3, n=2**63), 256))
    assert batches.element_spec[0].shape == (256, 3)
    assert int(batches.cardinality()) == 2**55


def test_a_tf_dataset_composes(dataset):
    """Repeat, prefetch, map: as any other; whole batches have a known shape; float64 and no rows work."""
    batches = dataset(planted.Loader(ROWS, 100))
    assert batches.element_spec[0].shape.as_list() == [100, 2]
    twice = batches.repeat(2).prefetch(1).map(lambda X, y: (2 * X, y))
    assert int(twice.cardinality()) == 20
    epochs = [X.numpy() for X, _ in twice]
    assert same_rows(np.concatenate(epochs[:10]) / 2)
    assert same_rows(np.concatenate(epochs[10:]) / 2)
    assert not np.array_equal(epochs[0], epochs[10])
    wide = dataset(planted.Loader(planted.regression([1.0], n=3, dtype="float64"), 2))
    assert [X.dtype.name for X, _ in wide] == ["float64", "float64"]
    assert list(dataset(planted.Loader(planted.regression([1.0], n=0)))) == []
    shares = [dataset(planted.Loader(ROWS, 64, rank=rank, world_size=3)) for rank in range(3)]
    assert same_rows(np.concatenate([X.numpy() for share in shares for X, _ in share]))
    data = planted.tensorflow.SyntheticRegressionData(w=[2.0, -3.4], b=4.2)
    with pytest.raises(TypeError, match=r"SyntheticRegressionData must be .*: use its train_dataloader\(\)"):
        dataset(data)
    assert len(dataset(data.train_dataloader())) == 32
    with pytest.raises(TypeError, match=r"list must be a planted\.Loader or a planted\.Pipeline"):
        dataset([1, 2])


def test_a_tf_dataset_of_a_pipeline(dataset, framework):
    """Its items, pass after pass, also as dicts and after a filter; and Keras trains on it."""
    keras = framework("keras")
    pipeline = planted.Loader(ROWS, 100).map(lambda X, y: ({"x": X[:, :1]}, y))
    batches = dataset(pipeline)
    assert (int(batches.cardinality()), batches.element_spec[0]["x"].shape.as_list()) == (10, [None, 1])
    for epoch in range(2):
        for (found, y), (wanted, target) in zip(batches, pipeline.read(epoch), strict=True):
            np.testing.assert_array_equal(found["x"].numpy(), wanted["x"])
            np.testing.assert_array_equal(y.numpy(), target)
    positive = planted.Pipeline(ROWS).filter(lambda x, y: y[0] > 0).batch(64)
    assert int(dataset(positive).cardinality()) == -2
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), loss="mean_squared_error")
    model.fit(dataset(planted.Loader(ROWS, 100).map(lambda X, y: (X, y))), epochs=20, shuffle=False, verbose=0)
    assert planted.check(model.layers[0], ROWS).passed
    with pytest.raises(ValueError, match="has no items, so that their shapes are not known"):
        dataset(planted.Pipeline([]))
    with pytest.raises(TypeError, match="an iterator, which can be read once"):
        dataset(planted.Pipeline(iter([1, 2])))


def test_the_tfp_notebook(framework):
    """Its function and its pipeline on the result, and the counterpart of the pipeline in planted."""
    framework("tensorflow")
    jax = framework("jax")
    import tensorflow as tf

    from planted.jax import gen_reg_data

    data = gen_reg_data(w=jax.numpy.array([2, 3.4]), b=4.2, seed=714)
    X, y = data
    assert isinstance(X, jax.Array)
    assert isinstance(y, jax.Array)
    assert (X.shape, y.shape, X.dtype, y.dtype) == ((1000, 2), (1000, 1), np.float32, np.float32)
    assert (data[0][0].shape, data[1][0].shape) == ((2,), (1,))
    w = np.array([2, 3.4], np.float32)
    rows = planted.regression(w, 4.2, noise=0.01, n=1000, seed=714)
    np.testing.assert_array_equal(X, rows.X)
    np.testing.assert_array_equal(y, rows.y)
    assert 0.008 < float(jax.numpy.std(y - X @ w.reshape(-1, 1) - 4.2)) < 0.012
    assert [part.shape for part in gen_reg_data([1.0], 0.0, 1, noise=0.0, n=3)] == [(3, 1), (3, 1)]
    with pytest.raises(TypeError, match="w has dtype int32"):
        gen_reg_data(jax.numpy.array([2, 3]), 4.2, 714)
    with pytest.raises(ValueError, match="noise=-1"):
        gen_reg_data([2.0], 4.2, 714, noise=-1)

    theirs = tf.data.Dataset.from_tensor_slices(data).repeat().shuffle(100).batch(50, drop_remainder=True).prefetch(1)
    ours = planted.Pipeline.from_arrays(*data).repeat().buffered_shuffle(100).batch(50, drop_last=True).prefetch(1)
    truth = {tuple(x) for x in rows.X.tolist()}
    for batches in (theirs, ours):
        it = iter(batches)
        parts = [next(it) for _ in range(60)]
        assert {(tuple(X.shape), tuple(y.shape)) for X, y in parts} == {((50, 2), (50, 1))}
        read = [tuple(x) for X, _ in parts for x in np.asarray(X).tolist()]
        assert set(read) == truth
        assert read[:1000] != [tuple(x) for x in rows.X.tolist()]


# ---- Grain --------------------------------------------------------------------------------------------------------


@pytest.fixture
def grain(framework):
    return framework("grain")


def test_rows_are_a_grain_source(grain):
    """As they are: `len` and a row by number. Every row once, in Grain's order and batches, resumed in the middle."""
    assert isinstance(ROWS, grain.sources.RandomAccessDataSource)
    batches = grain.MapDataset.source(ROWS).shuffle(seed=1).to_iter_dataset().batch(32)
    found = list(batches)
    assert [batch[0].shape for batch in found][-2:] == [(32, 2), (8, 2)]
    assert same_rows(np.concatenate([X for X, _ in found]))
    iterator = iter(batches)
    for _ in range(5):
        next(iterator)
    state = iterator.get_state()
    resumed = iter(batches)
    resumed.set_state(state)
    for ours, rest in zip(resumed, found[5:], strict=True):
        np.testing.assert_array_equal(ours[0], rest[0])


def test_grain_workers_share_the_rows(grain, framework):
    """Two worker processes: every row once."""
    flags = framework("absl.flags")
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
    sampler = grain.samplers.IndexSampler(
        num_records=len(ROWS), shuffle=True, seed=0, num_epochs=1, shard_options=grain.sharding.NoSharding()
    )
    batch = grain.transforms.Batch(50)
    loader = grain.DataLoader(data_source=ROWS, sampler=sampler, operations=[batch], worker_count=2)
    assert same_rows(np.concatenate([np.array(X) for X, _ in loader]))


# ---- Hugging Face -------------------------------------------------------------------------------------------------


def examples(parts):
    """Rows as Hugging Face's examples; each part is a shard, so workers share them."""
    for rows in parts:
        for first in range(0, len(rows), 256):
            for x, y in zip(*rows[first : first + 256], strict=True):
                yield {"x": x, "y": y}


def test_rows_as_a_hugging_face_dataset(framework):
    """A generator over parts of the rows is an `IterableDataset`; its shards are shared by two nodes."""
    datasets = framework("datasets")
    framework("datasets.distributed")
    rows = datasets.IterableDataset.from_generator(examples, gen_kwargs={"parts": list(ROWS.split(500, 500))})
    found = list(rows.with_format("numpy"))
    np.testing.assert_array_equal(np.stack([example["x"] for example in found]), ROWS.X)
    np.testing.assert_array_equal(np.stack([example["y"] for example in found]), ROWS.y)
    assert rows.num_shards == 2
    for rank, part in enumerate(ROWS.split(500, 500)):
        share = datasets.distributed.split_dataset_by_node(rows, rank, 2).with_format("numpy")
        np.testing.assert_array_equal(np.stack([example["x"] for example in share]), part.X)


# ---- who is handed a loader itself --------------------------------------------------------------------------------


def test_torchs_data_loader_of_a_loader_names_the_class_for_it(torch):
    loader = planted.Loader(ROWS, 8, framework="torch")
    for stream in (loader, planted.Pipeline(loader)):
        for options in ({}, {"batch_size": None}, {"batch_size": 4, "shuffle": True}):
            with pytest.raises(TypeError, match=r"by number.*planted\.torch\.IterableDataset"):
                next(iter(torch.utils.data.DataLoader(stream, **options)))


def test_keras_fit_of_a_loader_names_the_function_for_it(framework):
    framework("tensorflow")
    keras = framework("keras")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    for stream in (planted.Loader(ROWS, 8), planted.Pipeline(ROWS).batch(8)):
        with pytest.raises(AttributeError, match=r"is not an array.*planted\.tensorflow\.dataset\((loader|pipeline)\)"):
            model.fit(stream, verbose=0)
    for rows in (ROWS, ROWS.materialize()):
        with pytest.raises(AttributeError, match=r"not one array.*model\.fit\(rows\.X, rows\.y\)"):
            model.fit(rows, epochs=2)
