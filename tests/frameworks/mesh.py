"""One JAX process with several devices of its own: what test_sharded starts, alone or as one of several.

python tests/frameworks/mesh.py TEST [PORT PROCESS PROCESSES]
"""

import os
import sys

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=" + ("8" if len(sys.argv) == 2 else "2")
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

import planted
from planted.errors import InvalidTypeError, InvalidValueError, StateError
from planted.jax import ShardedLoader

N, FEATURES, BATCH = 1_000, 4, 48
ROWS = planted.regression([2.0, -3.4, 1.0, 0.5], 4.2, noise=0.5, n=N, seed=714)


class Counted:
    """Rows that note which of them are made."""

    n, features, dtype = N, FEATURES, np.dtype(np.float32)

    def __init__(self):
        self.made = []

    def __len__(self):
        return N

    def take(self, numbers):
        self.made.extend(np.asarray(numbers).tolist())
        return ROWS.take(numbers)


def mesh_of(*shape):
    names = ("data", "model")[: len(shape)]
    return Mesh(np.array(jax.devices()[: int(np.prod(shape))]).reshape(shape), names)


def refused(message, error, *arguments):
    with pytest.raises(error, match=message):
        ShardedLoader(*arguments)


def check_batches(sharded, alone):
    """Every shard of every global array holds the rows of the plain loader that are its own."""
    batches = 0
    for batch, whole in zip(sharded.read(1), alone.read(1), strict=True):
        for array, wanted in zip(batch, whole, strict=True):
            assert array.shape == wanted.shape, (array.shape, wanted.shape)
            for shard in array.addressable_shards:
                np.testing.assert_array_equal(np.asarray(shard.data), wanted[shard.index])
        batches += 1
    assert batches == len(sharded) == len(alone)


def one_process():
    assert len(jax.devices()) == 8
    for shape, spec in (
        ((8,), ["data"]),
        ((8,), []),
        ((4, 2), ["data"]),
        ((4, 2), ["data", "model"]),
        ((2, 4), ["data", "model"]),
        ((4, 2), [("data", "model")]),
        ((4, 2), [None, "model"]),
    ):
        sharding = NamedSharding(mesh_of(*shape), PartitionSpec(*spec))
        for options in ({"drop_last": True}, {"pad_last": True, "with_index": True}):
            alone = planted.Loader(ROWS, BATCH, seed=3, **options)
            sharded = ShardedLoader(alone, sharding)
            check_batches(sharded, alone)
            X = next(iter(sharded))[0]
            assert X.sharding.is_equivalent_to(sharding, 2)
    data = NamedSharding(mesh_of(8), PartitionSpec("data"))

    # states go between meshes, and to and from a plain loader
    loader = planted.Loader(ROWS, BATCH, seed=3, pad_last=True)
    sharded = ShardedLoader(loader, data)
    iterator = iter(sharded)
    for _ in range(5):
        next(iterator)
    again = ShardedLoader(loader, NamedSharding(mesh_of(2), PartitionSpec("data")))
    again.load_state_dict(sharded.state_dict())
    rest = [np.asarray(X) for X, _ in again]
    for X, (wanted, _) in zip(rest, loader.read(0, 5), strict=True):
        np.testing.assert_array_equal(X, wanted)
    assert (again.epoch, loader.epoch) == (1, 0)
    again.set_epoch(7)
    assert again.state_dict()["epoch"] == 7

    # it begins where the loader is, and goes its own way
    reading = iter(loader)
    next(reading)
    sharded = ShardedLoader(loader, data)
    next(reading)
    assert (sharded.state_dict()["batch"], loader.state_dict()["batch"]) == (1, 2)

    # what cannot be sharded
    refused("the last batch has 40 of 48 rows", InvalidValueError, planted.Loader(ROWS, BATCH), data)
    refused("cannot be divided by", InvalidValueError, planted.Loader(ROWS, 20, drop_last=True), data)
    refused("leave out rank=", InvalidValueError, planted.Loader(ROWS, BATCH, rank=1, world_size=2), data)
    refused("no planted.Loader of NumPy", InvalidTypeError, [1, 2], data)
    refused("must be a jax.sharding.Sharding", InvalidTypeError, planted.Loader(ROWS, BATCH, drop_last=True), None)
    wide = planted.Loader(planted.rows(ROWS.truth, N, dtype="float64"), BATCH, drop_last=True)
    refused("float64 rows would become float32", InvalidTypeError, wide, data)
    huge = planted.Loader(planted.rows(ROWS.truth, 2**40), 2**10, with_index=True)
    refused("row numbers beyond 2.31", InvalidValueError, huge, data)
    with pytest.raises(StateError, match="not a loader's state"):
        sharded.load_state_dict({})


def train(sharding):
    """Gradient descent on global arrays; jit inserts the sums over devices and processes."""
    loader = planted.Loader(ROWS, BATCH, seed=3, drop_last=True)
    parameters = jnp.zeros((FEATURES, 1)), jnp.zeros(1)

    @jax.jit
    def step(parameters, X, y):
        gradients = jax.grad(lambda p: 0.5 * jnp.mean((X @ p[0] + p[1] - y) ** 2))(parameters)
        return jax.tree.map(lambda p, g: p - 0.1 * g, parameters, gradients)

    sharded = ShardedLoader(loader, sharding)
    for _ in range(10):
        for X, y in sharded:
            # one step at a time: several at once wait for each other's threads on a machine of few cores
            parameters = jax.block_until_ready(step(parameters, X, y))
    return tuple(np.asarray(p.addressable_data(0)) for p in parameters)


def several_processes(port, process, processes):
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)
    assert (jax.process_index(), len(jax.local_devices()), len(jax.devices())) == (process, 2, 2 * processes)
    plain = planted.Loader(ROWS, BATCH, rank="auto", framework="jax")
    assert (plain.rank, plain.world_size) == (process, processes)

    alone = planted.Loader(ROWS, BATCH, seed=3, drop_last=True)
    order = planted.permutation(N, seed=3, epoch=1).take(range(N - N % BATCH)).reshape(-1, BATCH)
    data, both = PartitionSpec("data"), PartitionSpec("data", "model")
    for shape, spec, shares in (
        ((2 * processes,), data, processes),
        ((processes, 2), both, processes),
        ((2, processes), data, 2),
        ((1, 2 * processes), data, 1),
    ):
        rows = Counted()
        sharding = NamedSharding(mesh_of(*shape), spec)
        sharded = ShardedLoader(planted.Loader(rows, BATCH, seed=3, drop_last=True), sharding)
        rows.made.clear()
        check_batches(sharded, alone)
        rank = process * shares // processes
        size = BATCH // shares
        mine = order[:, rank * size : (rank + 1) * size].ravel().tolist()
        assert sorted(set(rows.made) - {0}) == sorted(set(mine) - {0})  # row 0 tells what a row's memory is
        assert len(rows.made) <= len(mine) + 2
    swapped = np.array(jax.devices()).reshape(processes, 2).T.ravel()
    scattered = NamedSharding(Mesh(swapped, ("data",)), data)
    refused("which are no share of a batch: order the mesh", InvalidValueError, alone, scattered)
    w, b = train(NamedSharding(mesh_of(2 * processes), data))
    print(planted.check((w, b), ROWS))


if __name__ == "__main__":
    if sys.argv[1] == "one":
        one_process()
        w, b = train(NamedSharding(mesh_of(8), PartitionSpec("data")))
        print(planted.check((w, b), ROWS))
    else:
        several_processes(*map(int, sys.argv[2:]))
