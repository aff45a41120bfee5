"""The audit of other people's loaders, as they are installed: which of them pass, and which faults it finds.

Tests of what a peer gets wrong are marked `peers`, and run only with ``pytest -m peers``: they fail when a release of
the peer mends it. docs/audit.md is then to be changed.
"""

import numpy as np
import pytest

import planted
from planted import audit

N, B, WORLD, SEED = 1_003, 32, 3, 1
ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=N, seed=714)
X, Y = ROWS[:]
NUMBERS = np.arange(N)


def after(batches, k):
    """An iterator that is read as far as its first k batches."""
    iterator = iter(batches)
    for _ in range(k):
        next(iterator)
    return iterator


# ---- PyTorch ------------------------------------------------------------------------------------------------------


@pytest.fixture
def data(torch):
    """The rows as tensors."""
    return torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_data_loader_of_torch_passes(torch, data, shuffle):
    generator = torch.Generator().manual_seed(SEED)
    loader = torch.utils.data.DataLoader(data, B, shuffle=shuffle, generator=generator)
    report = audit(loader, ROWS, epochs=3, shuffled=shuffle)
    assert report.passed, report
    assert report.mixing == ("like a full shuffle" if shuffle else "in order")
    dropping = torch.utils.data.DataLoader(data, B, shuffle=shuffle, generator=generator, drop_last=True)
    assert audit(dropping, ROWS, epochs=3).missing.count == 3 * (N % B)
    assert audit(dropping, ROWS, epochs=3, shuffled=shuffle, drop_last=True).passed


def distributed(torch, data, epoch, **settings):
    samplers = [torch.utils.data.DistributedSampler(data, WORLD, rank, seed=SEED, **settings) for rank in range(WORLD)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [torch.utils.data.DataLoader(data, B, sampler=sampler) for sampler in samplers]


@pytest.mark.peers
def test_the_distributed_sampler_of_torch_pads(torch, data):
    """1 003 rows over three ranks: 335 each make 1 005, so two come twice; with `drop_last`, one is missing."""
    report = audit(lambda epoch: distributed(torch, data, epoch), ROWS, ranks=True, epochs=2, shuffled=True)
    assert [epoch.fault("doubled").count for epoch in report.epochs] == [2, 2]
    assert (report.missing.count, [rank.rows for rank in report.ranks]) == (0, [335] * 3)
    assert sum(rank.shared for rank in report.ranks) == 4
    [failure] = report.failures
    assert "several ranks read them" in failure
    report = audit(lambda epoch: distributed(torch, data, epoch, drop_last=True), ROWS, ranks=True, shuffled=True)
    assert (report.missing.count, report.doubled.count, len(report.failures)) == (1, 0, 1)
    same = audit(lambda _: distributed(torch, data, 0), ROWS, ranks=True, epochs=2, shuffled=True)
    assert any("have the same order: tell the loader the epoch, as with set_epoch" in text for text in same.failures)


@pytest.mark.filterwarnings("ignore:'set_vital' is deprecated:UserWarning")
def test_the_stateful_data_loader_of_torchdata_resumes(torch, framework, data):
    framework("torchdata")
    from torchdata.stateful_dataloader import StatefulDataLoader

    def loader():
        return StatefulDataLoader(data, B, shuffle=True, generator=torch.Generator().manual_seed(SEED))

    def resume(k):
        first, again = loader(), loader()
        after(first, k)
        again.load_state_dict(first.state_dict())
        return again

    report = audit(lambda _: loader(), ROWS, resume=resume, shuffled=True)
    assert report.passed, report


# ---- TensorFlow ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tf(framework):
    return framework("tensorflow")


def test_a_buffer_of_tf_data_is_no_full_shuffle(tf):
    rows = planted.regression([2.0, -3.4], 4.2, n=5_003)
    whole = tf.data.Dataset.from_tensor_slices(rows[:])
    full = audit(whole.shuffle(len(rows), seed=SEED).batch(B), rows, epochs=3, shuffled=True)
    assert full.passed, full
    for buffer in (100, 1_000):
        report = audit(whole.shuffle(buffer, seed=SEED).batch(B), rows, epochs=3, shuffled=True)
        assert [report.missing.count, report.doubled.count, report.altered.count] == [0, 0, 0]
        [failure] = report.failures
        assert failure.startswith("not a full shuffle")
    assert audit(whole.batch(B), rows, epochs=2, shuffled=False).passed


@pytest.mark.peers
def test_shards_of_tf_data_keep_their_rows(tf):
    whole = tf.data.Dataset.from_tensor_slices((X, Y, NUMBERS))
    shards = [whole.shard(WORLD, rank).shuffle(N, seed=SEED).batch(B) for rank in range(WORLD)]
    report = audit(shards, ROWS, ranks=True, epochs=2, shuffled=True)
    assert report.likeness[0].ranks[0].value == 1
    [failure] = report.failures
    assert "share of rows that stay with their rank 1" in failure


# ---- Grain --------------------------------------------------------------------------------------------------------


@pytest.fixture
def grain(framework):
    return framework("grain")


@pytest.mark.peers
@pytest.mark.parametrize(("n", "doubled"), [(65_536, 0), (65_537, 1)])
def test_grain_loses_a_row_of_65_537(grain, n, doubled):
    """The last row never comes, and another one twice; and either way rows two apart are correlated."""
    rows = planted.regression([1.0], n=n)
    shuffled = grain.MapDataset.source(range(n)).shuffle(seed=SEED)
    report = audit((shuffled[i] for i in range(n)), rows, shuffled=True)
    assert (report.missing.count, report.doubled.count) == (doubled, doubled)
    assert report.missing.first == (n - 1,) * doubled
    [apart] = [s for s in report.order if s.name == "correlation of rows 2 apart"]
    assert apart.value < -0.3
    assert report.failures[-1].startswith("not a full shuffle")


def test_grain_resumes(grain):
    batches = grain.MapDataset.source(ROWS).shuffle(seed=SEED).to_iter_dataset().batch(B)

    def resume(k):
        again = iter(batches)
        again.set_state(after(batches, k).get_state())
        return again

    report = audit(batches, ROWS, resume=resume)
    assert report.passed, report


@pytest.mark.peers
def test_shards_of_grain_lose_the_rest(grain):
    """1 003 rows over three shards are 334 each; whatever `drop_remainder` says, one row does not come."""

    def shard(rank, **settings):
        options = grain.sharding.ShardOptions(rank, WORLD, **settings)
        sampler = grain.samplers.IndexSampler(N, options, shuffle=True, seed=SEED, num_epochs=1)
        return grain.DataLoader(data_source=ROWS, sampler=sampler, operations=[grain.transforms.Batch(B)])

    for settings in ({}, {"drop_remainder": True}):
        report = audit([shard(rank, **settings) for rank in range(WORLD)], ROWS, ranks=True)
        assert (report.missing.count, [rank.rows for rank in report.ranks]) == (1, [334] * 3)


# ---- Hugging Face -------------------------------------------------------------------------------------------------


@pytest.fixture
def datasets(framework):
    return framework("datasets")


def test_datasets_of_hugging_face_shuffle_by_numbers(datasets):
    data = datasets.Dataset.from_dict({"X": X, "y": Y}).with_format("numpy")
    report = audit(lambda epoch: data.shuffle(seed=epoch).iter(B), ROWS, epochs=3, shuffled=True)
    assert report.passed, report


def resumed_stream(datasets, **shuffle):
    """The audit of a stream that is resumed after any number of rows."""
    data = datasets.Dataset.from_dict({"X": X, "y": Y}).with_format("numpy")

    def stream():
        stream = data.to_iterable_dataset(num_shards=4)
        return stream.shuffle(seed=SEED, **shuffle) if shuffle else stream

    def resume(k):
        first, again = stream(), stream()
        _iterator = after(first, k)
        again.load_state_dict(first.state_dict())
        return again

    return audit(stream(), ROWS, resume=resume)


def test_streams_of_hugging_face_resume(datasets):
    assert resumed_stream(datasets).passed


@pytest.mark.peers
def test_shuffled_streams_of_hugging_face_lose_their_buffer_when_resumed(datasets):
    report = resumed_stream(datasets, buffer_size=200)
    [middle] = [resumed for resumed in report.resume if resumed.batches == N // 2]
    assert middle.lost > 50
    assert not report.passed


# ---- MXNet --------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Please import `csr_matrix`:DeprecationWarning")  # MXNet's own import of SciPy
def test_the_data_loader_of_gluon_passes(framework):
    framework("mxnet")
    from mxnet import gluon

    np.random.seed(SEED)  # noqa: NPY002 -- what it draws from
    loader = gluon.data.DataLoader(gluon.data.ArrayDataset(X, Y), B, shuffle=True)
    report = audit(loader, ROWS, epochs=3, shuffled=True)
    assert report.passed, report
