"""Who else reads shuffled minibatches from disk: MosaicML Streaming, tf.data (TFRecord), Hugging Face datasets (Arrow).

Each in the settings that its documentation recommends, and in whatever made it faster still on two cores; the target
holds against the fastest. What each delivers is compared with the rows once, before its time is taken.

How well they mix differs. planted mixes all rows of a pool, here some millions; a shuffle buffer mixes as many rows as
it holds. MosaicML's default mixes all that these files have.
"""

import gc
import shutil
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from types import ModuleType

import numpy as np

import planted
from compare import Contestant, compare, fastest, usually

BATCH = 256
BUFFER = 10_000  # rows that peers mix at a time; planted mixes some millions
FILES = 16
LIBRARIES = {"MosaicML": ["torch", "mosaicml-streaming"], "tf.data": ["tensorflow"], "Hugging Face": ["datasets"]}
TARGETS = {"MosaicML": 50, "tf.data": 20, "Hugging Face": 20}
# Rows that the slow ones read: times are taken per row. So many are a second's work and more.
ROWS = {"MosaicML": 1 << 16, "tf.data": 1 << 19, "Hugging Face": 1 << 20}
FEWER = 1 << usually(18, 10)


def through(name, batches, rows, **settings):
    """A contestant that reads batches (X, y) to their end, once it has shown that they are these rows."""
    found = digest(batches(0))
    for delivered, wanted in zip(found, digest([rows]), strict=True):
        np.testing.assert_allclose(delivered, wanted, rtol=1e-6, atol=1e-3, err_msg=f"{name} delivers other rows")

    def run(turn):
        for _X, _y in batches(turn):
            pass

    return Contestant(name, run, len(rows[0]), **settings)


def digest(batches):
    """Of rows in any order: how many, the sums of all columns, and the products of features and response."""
    count, sums, products = 0, 0.0, 0.0
    for batch in batches:
        X, y = (np.asarray(array, np.float64) for array in batch)
        count, sums = count + len(X), sums + np.append(X.sum(axis=0), y.sum())
        products = products + X.T @ y.reshape(-1)
    return count, sums, products


def peers(disk, folder, repeats, chosen):
    for name, contestants in {"MosaicML": mosaic, "Hugging Face": arrow, "tf.data": tfrecord}.items():
        if name not in chosen:
            continue
        with contestants(disk, folder, TARGETS[name]) as entered:
            title = f"{name}: batches of {BATCH} from disk, page cache warm"
            result = compare(title, entered, repeats)
        fastest(result)
        yield result


def ours(disk, framework):
    loader = planted.Loader(disk, BATCH, shuffle=True, framework=framework)
    return through(f"planted, {framework}", lambda _: loader, (disk.X, disk.y), ours=True)


# ---- MosaicML Streaming ---------------------------------------------------------------------------------------


@contextmanager
def mosaic(disk, folder, target):
    """MDS shards; StreamingDataset with its batch_size, read by StreamingDataLoader."""
    import torch

    streaming = import_streaming()
    from streaming.base.util import clean_stale_shared_memory

    rows = disk[: ROWS["MosaicML"]]
    written = {"columns": folder / "columns", "bytes": folder / "bytes"}
    kinds = {"x": "ndarray:float32:16", "y": "ndarray:float32:1"}
    with streaming.MDSWriter(out=str(written["columns"]), columns=kinds) as writer:
        for x, y in zip(*rows, strict=True):
            writer.write({"x": x, "y": y})
    with streaming.MDSWriter(out=str(written["bytes"]), columns={"row": "bytes"}) as writer:
        for row in np.hstack(rows):
            writer.write({"row": row.tobytes()})

    def stacked(samples):
        return {name: torch.from_numpy(np.stack([sample[name] for sample in samples])) for name in ("x", "y")}

    def decoded(samples):
        joined = bytearray(b"".join([sample["row"] for sample in samples]))
        values = torch.frombuffer(joined, dtype=torch.float32).view(len(samples), -1)
        return {"x": values[:, :-1], "y": values[:, -1:]}

    loaders = []

    def reader(name, workers=0, collate=None, kind="columns", loading=None, **settings):
        place = shutil.copytree(written[kind], folder / f"mds{len(loaders)}")  # no two may read one folder
        with temporary_files_in(folder):  # it leaves its locks behind
            dataset = streaming.StreamingDataset(local=str(place), shuffle=True, batch_size=BATCH, **settings)
        loader = streaming.StreamingDataLoader(
            dataset, batch_size=BATCH, num_workers=workers, collate_fn=collate, **(loading or {})
        )
        loaders.append(loader)
        return through(f"MosaicML, {name}", lambda _: map(xy, loader), rows, target=target)

    kept = {"persistent_workers": True, "prefetch_factor": 8}
    clean_stale_shared_memory()
    try:
        yield [
            ours(disk, "torch"),
            reader("as it comes"),
            reader("2 workers", 2),
            reader("2 workers kept, predownload=2**20", 2, loading=kept, predownload=1 << 20),
            reader("the same, py1s", 2, loading=kept, predownload=1 << 20, shuffle_algo="py1s"),
            reader("the same, py1e, np.stack", 2, stacked, loading=kept, predownload=1 << 20),
            reader("the same, rows as bytes", 2, decoded, "bytes", loading=kept, predownload=1 << 20),
            reader("rows as bytes, no worker", 0, decoded, "bytes", predownload=1 << 20),
        ]
    finally:
        loaders.clear()  # their workers end
        gc.collect()
        clean_stale_shared_memory()


def xy(sample):
    return sample["x"], sample["y"]


@contextmanager
def temporary_files_in(folder):
    usual, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = usual


def import_streaming():
    """Streaming, also without torchvision: it wants a class of it, and a function, for pictures."""
    import transformers.feature_extraction_utils
    import transformers.tokenization_utils_base  # noqa: F401 -- they look for torchvision, and must not find these

    try:
        import torchvision  # noqa: F401
    except ImportError:
        names = ("torchvision", "torchvision.datasets", "torchvision.transforms", "torchvision.transforms.functional")
        empty = {name: ModuleType(name) for name in names}
        empty["torchvision.datasets"].VisionDataset = object
        empty["torchvision.transforms.functional"].to_tensor = None
        sys.modules.update(empty)
        import streaming

        for name in empty:
            del sys.modules[name]
    else:
        import streaming
    return streaming


# ---- Hugging Face datasets ------------------------------------------------------------------------------------


@contextmanager
def arrow(disk, folder, target):
    """Arrow files; map-style and shuffled by numbers, or iterable with a shuffle buffer."""
    import datasets
    import pyarrow as pa

    X, y = rows = disk[: ROWS["Hugging Face"]]
    lists = pa.FixedSizeListArray.from_arrays(pa.array(X.reshape(-1)), X.shape[1])
    datasets.disable_progress_bars()
    datasets.Dataset(pa.table({"x": lists, "y": y[:, 0]})).save_to_disk(folder / "arrow", num_shards=FILES)
    dataset = datasets.load_from_disk(folder / "arrow")
    stream = dataset.to_iterable_dataset(num_shards=FILES)
    few, few_rows = dataset.select(range(FEWER)), (X[:FEWER], y[:FEWER])

    def by_numbers(kind, turn):
        return map(xy, few.with_format(kind).shuffle(seed=turn).iter(batch_size=BATCH))

    def buffered(kind, size, turn):
        shuffled = stream.with_format(kind).shuffle(seed=0, buffer_size=size)
        shuffled.set_epoch(turn)
        return shuffled.iter(batch_size=BATCH)

    def tensors(kind, turn, size=BUFFER):
        return map(xy, buffered(kind, size, turn))

    def tables(turn, size=BUFFER):
        for table in buffered("arrow", size, turn):
            x = table["x"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
            yield x.reshape(len(table), -1), table["y"].to_numpy()

    def reader(name, batches, those=rows, aim=target):
        return through(f"datasets, {name}", batches, those, target=aim)

    yield [
        ours(disk, "numpy"),
        reader("map-style, numpy", partial(by_numbers, "numpy"), few_rows),
        reader("map-style, torch", partial(by_numbers, "torch"), few_rows),
        reader("iterable, numpy", partial(tensors, "numpy")),
        reader("iterable, torch", partial(tensors, "torch")),
        reader("iterable, Arrow tables made NumPy by hand", tables),
        reader("the same, buffer of 10**6 rows", partial(tables, size=10**6)),
    ]


# ---- tf.data --------------------------------------------------------------------------------------------------


@contextmanager
def tfrecord(disk, folder, target):
    """TFRecord files; a row a record, parsed a batch at a time."""
    import tensorflow as tf

    X, y = rows = disk[: ROWS["tf.data"]]
    auto = tf.data.AUTOTUNE
    width = X.shape[1]
    spec = {"x": tf.io.FixedLenFeature([width], tf.float32), "y": tf.io.FixedLenFeature([1], tf.float32)}

    def floats(values):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def example(row):
        features = {"x": floats(row[:-1]), "y": floats(row[-1:])}
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    def write(kind, encode, values):
        for number, part in enumerate(np.array_split(values, FILES)):
            with tf.io.TFRecordWriter(str(folder / f"{kind}-{number:02}")) as writer:
                for row in part:
                    writer.write(encode(row))

    values = np.hstack(rows)
    write("bytes", np.ndarray.tobytes, values)
    write("example", example, values[:FEWER])

    def parsed(records):
        parts = tf.io.parse_example(records, spec)
        return parts["x"], parts["y"]

    def decoded(records):
        parts = tf.reshape(tf.io.decode_raw(records, tf.float32), [-1, width + 1])
        return parts[:, :-1], parts[:, -1:]

    def pipeline(kind, parse, interleave=auto, calls=auto, ahead=auto, buffer=BUFFER, tuned=True):
        files = tf.data.Dataset.list_files(str(folder / f"{kind}-*"), shuffle=True)
        records = files.interleave(
            tf.data.TFRecordDataset,
            num_parallel_calls=interleave,
            deterministic=None if interleave is None else False,
        )
        batches = records.shuffle(buffer).batch(BATCH).map(parse, num_parallel_calls=calls, deterministic=False)
        settings = tf.data.Options()
        settings.autotune.enabled = tuned
        return batches.prefetch(ahead).with_options(settings)

    def reader(name, those, *arguments, **settings):
        batches = pipeline(*arguments, **settings)
        return through(f"tf.data, {name}", lambda _: batches, those, target=target)

    by_hand = {"interleave": None, "calls": 2, "ahead": 4, "tuned": False}
    yield [
        ours(disk, "tensorflow"),
        reader("Examples, all AUTOTUNE", (X[:FEWER], y[:FEWER]), "example", parsed),
        reader("Examples, set by hand", (X[:FEWER], y[:FEWER]), "example", parsed, **by_hand),
        reader("rows as bytes, all AUTOTUNE", rows, "bytes", decoded),
        reader("the same, interleave in one thread", rows, "bytes", decoded, interleave=None),
        reader("rows as bytes, set by hand", rows, "bytes", decoded, **by_hand),
        reader("the same, buffer of 2**18 rows", rows, "bytes", decoded, **by_hand, buffer=1 << 18),
    ]
