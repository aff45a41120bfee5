"""Reading rows into JAX, TensorFlow and MXNet: an epoch of shuffled minibatches of 256, beside the book's own loaders.

Those that cannot be imported are left out: MXNet 1.9.1 needs NumPy below 1.24, so it has an environment of its own.
"""

import importlib.util
import os
from functools import partial

import numpy as np

import planted
from compare import Contestant, compare, machine, options, usually, write

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROWS, FEATURES, BATCH, TARGET = usually(10**6, 10**3), 16, 256, 20
ROWS_OF_GLUON = usually(10**5, 10**3)  # it takes a row at a time, in Python
COMPUTED = planted.regression(planted.weights(FEATURES, seed=1), 4.2, n=ROWS)


def reader(name, batches, rows=ROWS, **settings):
    def run(_call):
        for _X, _y in batches():
            pass

    return Contestant(name, run, rows, **settings)


def with_jax():
    import tensorflow as tf
    import tensorflow_datasets as tfds
    from jax import numpy as jnp

    tensors = tuple(map(jnp.array, COMPUTED[:]))

    def into_jax(batches):
        for X, y in batches:
            yield jnp.array(X), jnp.array(y)

    def by_hand():
        X, y = COMPUTED[:]
        for rows in np.array_split(np.random.default_rng().permutation(ROWS), ROWS // BATCH):
            yield jnp.array(X[rows]), jnp.array(y[rows])

    book = tfds.as_numpy(tf.data.Dataset.from_tensor_slices(tensors).shuffle(ROWS).batch(BATCH))
    return [
        reader("the book's: tf.data, as NumPy arrays", partial(iter, book), target=TARGET),
        reader("the same, made JAX arrays", lambda: into_jax(book)),
        reader("NumPy permutation and indexing, jnp.array", by_hand),
    ]


def with_tensorflow():
    import tensorflow as tf

    tensors = tuple(map(tf.convert_to_tensor, COMPUTED[:]))
    book = tf.data.Dataset.from_tensor_slices(tensors).shuffle(ROWS).batch(BATCH)
    from planted.tensorflow import dataset

    ours = dataset(planted.Loader(COMPUTED, BATCH))
    return [
        reader("the book's: tf.data", partial(iter, book), target=TARGET),
        reader("planted.tensorflow.dataset(loader)", partial(iter, ours)),
    ]


def with_mxnet():
    from mxnet import gluon, npx
    from mxnet import np as mnp

    npx.set_np()
    X, y = COMPUTED[:ROWS_OF_GLUON]
    book = gluon.data.DataLoader(gluon.data.ArrayDataset(mnp.array(X), mnp.array(y)), BATCH, shuffle=True)
    return [reader("the book's: gluon DataLoader", partial(iter, book), ROWS_OF_GLUON, target=TARGET)]


PEERS = {"jax": with_jax, "tensorflow": with_tensorflow, "mxnet": with_mxnet}

if __name__ == "__main__":
    given = options(__doc__)
    present = [name for name in PEERS if importlib.util.find_spec(name)]
    facts = machine(*present)
    results = []
    for name in present:
        loader = planted.Loader(COMPUTED, BATCH, framework=name)
        ours = reader("planted, computed on demand", partial(iter, loader), ours=True)
        results.append(compare(f"{name}: batches of {BATCH}", [ours, *PEERS[name]()], given.repeats))
    write(given.json, facts, results)
