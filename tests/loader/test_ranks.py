"""Global batches and ranks: the tails of an epoch against brute force, shares, and who says which rank this is."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from planted._loader import loader as _loader
from planted.errors import InvalidValueError, ProcessGroupError, StateError

TRUTH = planted.LinearTruth([2.0, -3.4], 4.2, 0.01)
WORLDS = (1, 2, 3, 4, 7, 64)
TAILS = {"keep": {}, "drop": {"drop_last": True}, "pad": {"pad_last": True}}


def global_batches(order, batch_size, tail):
    """Brute force: the order of an epoch, cut into batches; lists of row numbers."""
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if batches and len(batches[-1]) < batch_size:
        if tail == "drop":
            batches.pop()
        if tail == "pad":
            batches[-1] = list(itertools.islice(itertools.chain(batches[-1], itertools.cycle(order)), batch_size))
    return batches


def share(batch, rank, world):
    return batch[rank * len(batch) // world : (rank + 1) * len(batch) // world]


def read(source, world, epoch, **options):
    """The row numbers of each batch of each rank; every row is compared with what its number stands for."""
    of_ranks = []
    for rank in range(world):
        loader = planted.Loader(source, rank=rank, world_size=world, with_index=True, **options)
        batches = []
        for X, y, index in loader.read(epoch):
            wanted = source.take(index)
            np.testing.assert_array_equal(X, wanted[0])
            np.testing.assert_array_equal(y, wanted[1])
            batches.append(index.tolist())
        assert len(batches) == len(loader)
        for k in {len(batches) - 1, len(batches) // 2} if batches else ():
            assert [index.tolist() for *_, index in loader.read(epoch, k)] == batches[k:]
        of_ranks.append(batches)
    return of_ranks


@pytest.mark.parametrize("chunk_bytes", [_loader.CHUNK_BYTES, 600])
@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("world", WORLDS)
def test_ranks_share_the_global_batches_of_brute_force(monkeypatch, world, tail, chunk_bytes):
    """Rows that do and do not divide into batches, batches that do and do not divide over ranks, very short epochs."""
    monkeypatch.setattr(_loader, "CHUNK_BYTES", chunk_bytes)
    for n, batch_size, shuffle in ((1001, 64, True), (1024, 64, True), (200, 96, False), (5, 70, True), (0, 64, True)):
        order = planted.permutation(n, seed=3, epoch=2).take(range(n)).tolist() if shuffle else list(range(n))
        wanted = global_batches(order, batch_size, tail)
        rows = planted.rows(TRUTH, n)
        got = read(rows, world, epoch=2, batch_size=batch_size, shuffle=shuffle, seed=3, **TAILS[tail])
        assert got == [[share(batch, rank, world) for batch in wanted] for rank in range(world)]


@pytest.mark.parametrize("tail", TAILS)
@pytest.mark.parametrize("world", WORLDS)
def test_ranks_share_the_batches_of_the_block_shuffle(tmp_path, world, tail):
    rows = planted.rows(planted.LinearTruth(np.arange(1.0, 64.0)), 3_000)
    planted.write(rows, tmp_path / "rows")
    disk = planted.open(tmp_path / "rows")
    (alone,) = read(disk, 1, epoch=1, batch_size=128, memory="320KiB", seed=3)
    order = list(itertools.chain.from_iterable(alone))
    assert sorted(order) == list(range(3_000))
    got = read(disk, world, epoch=1, batch_size=128, memory="320KiB", seed=3, **TAILS[tail])
    assert got == [[share(batch, rank, world) for batch in global_batches(order, 128, tail)] for rank in range(world)]


@given(
    n=st.integers(0, 500),
    batch_size=st.integers(1, 80),
    tail=st.sampled_from(sorted(TAILS)),
    data=st.data(),
)
def test_what_the_table_of_tails_promises(n, batch_size, tail, data):
    """Equal steps on all ranks, shares that differ by one row at most; and what comes how often, for each tail."""
    world = data.draw(st.integers(1, batch_size))
    got = read(planted.rows(TRUTH, n), world, epoch=0, batch_size=batch_size, **TAILS[tail])
    assert len({len(batches) for batches in got}) == 1
    steps = list(zip(*got, strict=True))
    for parts in steps:
        sizes = [len(part) for part in parts]
        assert max(sizes) - min(sizes) <= 1
        assert sum(sizes) == batch_size or (tail == "keep" and parts is steps[-1])
    times = np.bincount(np.concatenate([np.array(part, int) for parts in steps for part in parts] or [[]]).astype(int))
    delivered = int(times.sum())
    if tail == "keep":
        assert times.tolist() == [1] * n
    elif tail == "drop":
        assert delivered == n - n % batch_size
        assert times.max(initial=0) <= 1
    else:
        assert len(times) == n
        assert times.min(initial=1) == 1
        assert delivered == -(-n // batch_size) * batch_size
        if n >= batch_size:
            assert times.max(initial=1) <= 2


def test_padding_resumes_and_belongs_to_the_state():
    rows = planted.rows(TRUTH, 100)
    loader = planted.Loader(rows, 32, pad_last=True, with_index=True)
    whole = [index.tolist() for *_, index in loader.read(0)]
    iterator = iter(loader)
    for _ in range(3):
        next(iterator)
    parts = []
    for rank in range(3):
        again = planted.Loader(rows, 32, pad_last=True, with_index=True, rank=rank, world_size=3)
        again.load_state_dict(loader.state_dict())
        parts.append([index.tolist() for *_, index in again])
    assert [list(itertools.chain.from_iterable(batch)) for batch in zip(*parts, strict=True)] == whole[3:]
    plain = planted.Loader(rows, 32)
    with pytest.raises(StateError, match="the state has pad_last=True, this loader pad_last=False"):
        plain.load_state_dict(loader.state_dict())
    with pytest.raises(StateError, match="the state has pad_last=False, this loader pad_last=True"):
        loader.load_state_dict(plain.state_dict())


def test_padding_with_fresh_rows_repeats_those_of_the_epoch():
    rows = planted.rows(TRUTH, 10)
    loader = planted.Loader(rows, 4, pad_last=True, fresh=True, shuffle=False, with_index=True)
    index = [batch[2].tolist() for batch in loader.read(1)]
    assert index == [[10, 11, 12, 13], [14, 15, 16, 17], [18, 19, 10, 11]]


def test_dropping_and_padding_exclude_each_other():
    with pytest.raises(InvalidValueError, match="drop_last=True and pad_last=True exclude each other"):
        planted.Loader(planted.rows(TRUTH, 10), drop_last=True, pad_last=True)


# ---- rank="auto" ------------------------------------------------------------------------------------------------


def test_numpy_knows_no_ranks():
    with pytest.raises(InvalidValueError, match="rank='auto' with framework='numpy', which knows no ranks: use"):
        planted.Loader(planted.rows(TRUTH, 10), rank="auto")


@pytest.mark.parametrize(("name", "remedy"), [("torch", "init_process_group"), ("jax", r"distributed\.initialize")])
def test_a_framework_that_was_not_told_is_no_rank_0(framework, name, remedy):
    framework(name)
    with pytest.raises(ProcessGroupError, match=f"is not initialised: call .*{remedy}.* or pass rank="):
        planted.Loader(planted.rows(TRUTH, 10), rank="auto", framework=name)


def test_a_world_size_beside_auto_is_refused(framework):
    framework("torch")
    with pytest.raises(InvalidValueError, match="world_size=2 with rank='auto', which sets it: leave it out"):
        planted.Loader(planted.rows(TRUTH, 10), rank="auto", world_size=2, framework="torch")


def test_tensorflow_knows_no_ranks(framework):
    framework("tensorflow")
    with pytest.raises(InvalidValueError, match="framework='tensorflow', which knows no ranks"):
        planted.Loader(planted.rows(TRUTH, 10), rank="auto", framework="tensorflow")
