"""What an audit finds in loaders: planted's own, and those of others that are installed.

    python bench/audit.py [--only torch grain ...]

Prints a Markdown table, and before it the versions. The same settings give the same table: every loader is given a seed
where it takes one. In docs/audit.md stands what it printed. MosaicML Streaming needs

    pip install torch transformers catalogue zstd Brotli python-snappy
    pip install --no-deps mosaicml-streaming  # what else it asks for is not needed here, and would change the others
"""

import argparse
import contextlib
import itertools
import os
import platform
import tempfile
import warnings
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import planted
from compare import add_smoke, usually
from planted._audit import alike_beyond_chance

N, B, SEED, BUFFER, WORLD = usually(10_007, 1_007), 32, 1, usually(1_000, 100), 3
ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=N, seed=714)
X, y = ROWS[:]
NUMBERS = np.arange(N)


@dataclass(frozen=True)
class Case:
    """One loader in one setting, and what to audit it for."""

    name: str
    batches: Any
    rows: Any = ROWS
    how: dict[str, Any] = field(default_factory=dict)


def stepped(batches, k):
    """An iterator after its first k batches."""
    iterator = iter(batches)
    for _ in range(k):
        next(iterator)
    return iterator


# ---- planted --------------------------------------------------------------------------------------------------


def of_planted():
    def loaders(world=1, rows=ROWS):
        return [planted.Loader(rows, B, seed=SEED, rank=rank, world_size=world) for rank in range(world)]

    def resumed(k, rows=ROWS, world=1):
        states = []
        for loader in loaders(world, rows):
            stepped(loader, k)
            states.append(loader.state_dict())
        again = loaders(world, rows)
        for loader, state in zip(again, states, strict=True):
            loader.load_state_dict(state)
        return again

    yield Case("Loader", loaders()[0], how={"epochs": 3, "resume": lambda k: resumed(k)[0]})
    yield Case(
        f"Loader, {WORLD} ranks",
        loaders(WORLD),
        how={"epochs": 3, "ranks": True, "resume": lambda k: resumed(k, world=WORLD)},
    )
    with tempfile.TemporaryDirectory() as folder:
        many = planted.regression([2.0, -3.4], 4.2, n=usually(300_007, 3_007))
        planted.write(many, folder)
        disk = planted.open(folder)
        loader = planted.Loader(disk, 256, seed=SEED)
        yield Case("Loader, 300 007 rows on disk", loader, disk, {"epochs": 3})
        small = planted.Loader(disk, 256, seed=SEED, memory="1MiB")
        yield Case('the same, memory="1MiB"', small, disk, {"epochs": 3})


# ---- PyTorch --------------------------------------------------------------------------------------------------


class Everything:
    """For an IterableDataset: all rows, whichever worker asks."""

    def __iter__(self):
        return iter(zip(X, y, strict=True))


def of_torch():
    import torch
    from torch.utils.data import DataLoader, DistributedSampler, IterableDataset, TensorDataset

    data = TensorDataset(torch.tensor(X), torch.tensor(y), torch.arange(N))

    def loader(dataset=data, **settings):
        return DataLoader(dataset, B, generator=torch.Generator().manual_seed(SEED), **settings)

    yield Case("DataLoader, shuffle=True", loader(shuffle=True), how={"epochs": 3})
    yield Case("the same, num_workers=2", loader(shuffle=True, num_workers=2), how={"epochs": 3})
    every = type("Iterable", (Everything, IterableDataset), {})()
    yield Case(
        "DataLoader, plain IterableDataset, num_workers=2",
        loader(every, num_workers=2),
    )

    def ranks(epoch, **settings):
        samplers = [DistributedSampler(data, WORLD, rank, seed=SEED, **settings) for rank in range(WORLD)]
        for sampler in samplers:
            if epoch is not None:
                sampler.set_epoch(epoch)
        return [DataLoader(data, B, sampler=sampler) for sampler in samplers]

    yield Case(f"DistributedSampler, {WORLD} ranks", ranks, how={"epochs": 3, "ranks": True})
    yield Case("the same, drop_last=True", lambda e: ranks(e, drop_last=True), how={"epochs": 3, "ranks": True})
    yield Case("the same, without set_epoch", lambda _: ranks(None), how={"epochs": 3, "ranks": True})


def of_torchdata():
    import torch
    from torch.utils.data import TensorDataset
    from torchdata.stateful_dataloader import StatefulDataLoader

    data = TensorDataset(torch.tensor(X), torch.tensor(y), torch.arange(N))

    def loader(workers):
        generator = torch.Generator().manual_seed(SEED)
        return StatefulDataLoader(data, B, shuffle=True, num_workers=workers, generator=generator)

    def resumed(k, workers):
        first = loader(workers)
        iterator = stepped(first, k)
        state = first.state_dict()
        del iterator
        again = loader(workers)
        again.load_state_dict(state)
        return again

    for workers in (0, 2):
        yield Case(
            f"StatefulDataLoader, shuffle=True, num_workers={workers}",
            lambda _, workers=workers: loader(workers),
            how={"resume": lambda k, workers=workers: resumed(k, workers)},
        )


# ---- TensorFlow -----------------------------------------------------------------------------------------------


def of_tensorflow():
    import tensorflow as tf

    whole = tf.data.Dataset.from_tensor_slices((X, y, NUMBERS))

    def shuffled(buffer):
        return whole.shuffle(buffer, seed=SEED).batch(B)

    def resumed(k):
        tf.random.set_seed(SEED)
        iterator = iter(shuffled(BUFFER))
        for _ in range(k):
            next(iterator)
        with tempfile.TemporaryDirectory() as folder:
            path = tf.train.Checkpoint(iterator=iterator).write(str(Path(folder) / "state"))
            again = iter(shuffled(BUFFER))
            tf.train.Checkpoint(iterator=again).read(path).assert_consumed()
        return again

    def fresh(_):
        tf.random.set_seed(SEED)
        return shuffled(BUFFER)

    for buffer in (100, BUFFER, usually(5_000, 500), N):
        yield Case(f"tf.data, shuffle({buffer})", shuffled(buffer), how={"epochs": 3})
    yield Case(f"tf.data, shuffle({BUFFER}), saved iterator", fresh, how={"resume": resumed})
    n = usually(65_537, 1_025)
    key = tf.constant([SEED, 2], tf.uint32)
    keyed = tf.data.Dataset.range(n).map(
        lambda i: tf.random.experimental.index_shuffle(i, key, tf.constant(n - 1, tf.int64))
    )
    yield Case(f"tf.random.experimental.index_shuffle of {n:_}", keyed.batch(B), planted.regression([1.0], n=n))
    shards = [whole.shard(WORLD, rank).shuffle(N, seed=SEED).batch(B) for rank in range(WORLD)]
    yield Case(f"tf.data, shard({WORLD}, rank).shuffle({N})", shards, how={"epochs": 3, "ranks": True})


# ---- Grain ----------------------------------------------------------------------------------------------------


def of_grain():
    import grain

    def shuffled(rows, epochs=1):
        data = grain.MapDataset.source(range(len(rows))).shuffle(seed=SEED)
        return data.repeat(epochs) if epochs > 1 else data

    def batched(rows):
        return shuffled(rows).map(lambda i: (*(part[0] for part in rows.take([i])), np.int64(i))).batch(B)

    def resumed(k):
        iterator = stepped(batched(ROWS).to_iter_dataset(), k)
        state = iterator.get_state()
        again = iter(batched(ROWS).to_iter_dataset())
        again.set_state(state)
        return again

    class Numbered:
        def __len__(self):
            return N

        def __getitem__(self, number):
            return X[number], y[number], np.int64(number)

    def sharded(rank, **settings):
        shards = grain.sharding.ShardOptions(rank, WORLD, **settings)
        sampler = grain.samplers.IndexSampler(N, shards, shuffle=True, seed=SEED, num_epochs=1)
        return grain.DataLoader(data_source=Numbered(), sampler=sampler, operations=[grain.transforms.Batch(B)])

    yield Case("MapDataset.shuffle", batched(ROWS).to_iter_dataset(), how={"resume": resumed})
    thrice = shuffled(ROWS, 3)
    yield Case(
        "MapDataset.shuffle.repeat(3)",
        lambda epoch: np.array([thrice[i] for i in range(N * epoch, N * (epoch + 1))]).reshape(-1, 1),
        how={"epochs": 3},
    )
    for n in usually((65_536, 65_537, 1_048_576, 1_048_577), (1_024, 1_025)):
        rows = planted.regression([1.0], n=n)
        data = shuffled(rows)
        yield Case(f"MapDataset.shuffle of {n:_}", np.array_split([data[i] for i in range(n)], n // B), rows)
    for name, settings in (("", {}), (", drop_remainder=True", {"drop_remainder": True})):
        ranks = [sharded(rank, **settings) for rank in range(WORLD)]
        yield Case(f"DataLoader, IndexSampler, {WORLD} shards{name}", ranks, how={"ranks": True})


# ---- Hugging Face ---------------------------------------------------------------------------------------------


def of_datasets():
    import datasets
    from datasets.distributed import split_dataset_by_node

    datasets.logging.set_verbosity_error()
    data = datasets.Dataset.from_dict({"X": X, "y": y, "index": NUMBERS}).with_format("numpy")

    def by_numbers(epoch):
        return data.shuffle(seed=SEED + epoch).iter(B)

    def stream(epoch=0, rank=0, world=1, shards=8):
        shuffled = data.to_iterable_dataset(num_shards=shards).shuffle(seed=SEED, buffer_size=BUFFER)
        part = split_dataset_by_node(shuffled, rank, world) if world > 1 else shuffled
        part.set_epoch(epoch)
        return part

    def resumed(k):
        first = stream()
        iterator = stepped(first, k)
        state = first.state_dict()
        del iterator
        again = stream()
        again.load_state_dict(state)
        return again

    def ranks(epoch):
        return [stream(epoch, rank, WORLD).iter(B) for rank in range(WORLD)]

    yield Case("Dataset.shuffle(seed=1 + epoch)", by_numbers, how={"epochs": 3})
    one = f"IterableDataset, 1 shard, shuffle(buffer_size={BUFFER})"
    yield Case(one, lambda epoch: stream(epoch, shards=1).iter(B), how={"epochs": 3})
    name = f"IterableDataset, 8 shards, shuffle(buffer_size={BUFFER})"
    yield Case(name, lambda epoch: stream(epoch).iter(B), how={"epochs": 3})
    yield Case("the same, row by row", stream, how={"resume": resumed})
    yield Case(f"the same, split_dataset_by_node, {WORLD} ranks", ranks, how={"epochs": 3, "ranks": True})


# ---- MosaicML -------------------------------------------------------------------------------------------------


def of_streaming():
    from disk_peers import import_streaming

    streaming = import_streaming()
    from streaming.base.util import clean_stale_shared_memory

    clean_stale_shared_memory()
    with tempfile.TemporaryDirectory() as folder:
        kinds = {"X": "ndarray:float32:2", "y": "ndarray:float32:1", "index": "int"}
        places = (str(Path(folder) / str(number)) for number in itertools.count())

        def loader(**settings):
            place = next(places)  # no two may read one folder
            with streaming.MDSWriter(out=place, columns=kinds, size_limit=1 << 15) as writer:
                for x, response, number in zip(X, y, NUMBERS.tolist(), strict=True):
                    writer.write({"X": x, "y": response, "index": number})
            dataset = streaming.StreamingDataset(local=place, shuffle=True, shuffle_seed=SEED, batch_size=B, **settings)
            return streaming.StreamingDataLoader(dataset, batch_size=B)

        def resumed(k):
            first = loader()
            iterator = stepped(first, k)
            state = first.state_dict()
            del iterator
            again = loader()
            if state is not None:
                again.load_state_dict(state)
            return again

        yield Case("StreamingDataset", loader(), how={"epochs": 3, "resume": resumed})
        for algorithm in ("py1s", "py2s", "py1br", "naive"):
            yield Case(f"the same, {algorithm}", loader(shuffle_algo=algorithm), how={"epochs": 3})
    clean_stale_shared_memory()


# ---- MXNet ----------------------------------------------------------------------------------------------------


def of_mxnet():
    from mxnet import gluon

    data = gluon.data.ArrayDataset(X, y, NUMBERS)
    np.random.seed(SEED)  # noqa: NPY002 -- what it draws from
    yield Case("gluon DataLoader, shuffle=True", gluon.data.DataLoader(data, B, shuffle=True), how={"epochs": 3})


PEERS = {
    "planted": of_planted,
    "torch": of_torch,
    "torchdata": of_torchdata,
    "tensorflow": of_tensorflow,
    "grain": of_grain,
    "datasets": of_datasets,
    "mosaicml-streaming": of_streaming,
    "mxnet": of_mxnet,
}


# ---- the table ------------------------------------------------------------------------------------------------


def line(library, case):
    report = planted.audit(case.batches, case.rows, **case.how)
    order = {statistic.name.removesuffix(" apart"): statistic for statistic in report.order}
    serial = [s for name, s in order.items() if name.startswith("correlation")]
    farthest = max(serial, key=lambda s: abs(s.value))
    telling = farthest.p_value < report.limit
    cells = [
        f"{library}: {case.name}",
        faults(report.epochs[0]),
        {"like a full shuffle": "full shuffle", "partly shuffled": "partly"}.get(report.mixing, report.mixing),
        next(f"{s.value:.2f}" for name, s in order.items() if "means" in name),
        f"{farthest.value:.2f} at {farthest.name.split()[-2]}" if telling else "none",
        f"{order['mean displacement'].value:.3f}",
        epochs(report),
        resumes(report),
    ]
    return "| " + " | ".join(cells) + " |"


def faults(epoch):
    return ", ".join(f"{fault.count:_} {fault.kind}" for fault in epoch.faults) or "each once"


def epochs(report):
    if not report.likeness:
        return ""
    if any(pair.same for pair in report.likeness):
        return "the same"
    alike = [s for pair in report.likeness for s in alike_beyond_chance(pair, report.epochs, report.limit)]
    if not alike:
        return "new"
    return "rows keep their rank" if any("rank" in s.name for s in alike) else "alike"


def resumes(report):
    if not report.resume:
        return ""
    wrong = [each for each in report.resume if not each.exact]
    worst = max(wrong, key=lambda each: each.repeated + each.lost, default=None)
    return "exact" if worst is None else str(worst)


HEAD = (
    "loader",
    "rows of an epoch",
    "order",
    "variance of batch means",
    "correlation",
    "displacement",
    "next epoch's order",
    "resumed",
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS))
    add_smoke(parser)
    given = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.simplefilter("ignore")
    installed, lines = {}, []
    for library in given.only:
        with contextlib.suppress(ImportError):
            installed[library] = planted.__version__ if library == "planted" else version(library)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}; {installed}\n")
    print("| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD))
    for library in installed:
        for case in PEERS[library]():
            print(line(library, case), flush=True)
