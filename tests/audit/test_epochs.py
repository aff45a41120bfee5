"""Whole epochs: how many rows come, to which rank, in which order, and after a resume."""

import itertools

import numpy as np
import pytest
from streams import LOADER, ROWS, B, N, Stream, Table, X, Y, drop, flip_a_bit, found, swap_responses

import planted
from planted import audit
from planted._matching import delivery, explanation

# ---- how many rows and batches --------------------------------------------------------------------------------------


def test_a_stream_without_end_is_left():
    report = audit(itertools.cycle(LOADER), ROWS)
    assert report.epochs[0].endless
    assert 17 * N < report.epochs[0].rows <= 17 * N + B
    assert "an epoch did not end" in str(report)
    assert audit(itertools.repeat((X[:0], Y[:0])), ROWS).epochs[0].endless


def test_pieces_of_any_size_give_the_same_report(monkeypatch, index):
    stream = Stream()
    swap_responses(stream), flip_a_bit(stream), drop(stream)
    whole = audit(stream.batches(index), ROWS)
    monkeypatch.setattr(delivery, "PIECE_VALUES", 100)
    monkeypatch.setattr("planted._matching.expected.PIECE_VALUES", 60)
    monkeypatch.setattr(explanation, "COMPARED", 3)
    assert audit(stream.batches(index), ROWS).to_dict() == whole.to_dict()
    monkeypatch.setattr(delivery, "PIECE_BATCHES", 1)
    assert audit(stream.batches(index), ROWS).to_dict() == whole.to_dict()


def test_rows_that_do_not_fill_a_batch_may_be_dropped():
    loader = planted.Loader(ROWS, B, drop_last=True)
    report = audit(loader, ROWS, epochs=2)
    assert found(report) == {"missing": 16}
    assert "fewer than a batch in each epoch, as drop_last=True" in str(report)
    assert audit(loader, ROWS, drop_last=True).passed
    ranks = [planted.Loader(ROWS, 300, drop_last=True, rank=rank, world_size=3) for rank in range(3)]
    assert audit(ranks, ROWS, ranks=True, drop_last=True).passed
    assert not audit(list(loader)[:-1], ROWS, drop_last=True).passed  # a whole batch is missing
    even = ROWS.split(10 * B)[0]
    assert not audit(list(planted.Loader(even, B))[:-1], even, drop_last=True).passed  # and nothing else
    stream = Stream()
    stream.keep(slice(1, None))
    assert not audit(stream.batches(), ROWS, drop_last=True).passed  # and here the incomplete one has come


def test_rows_that_come_twice_one_after_another_are_in_order():
    report = audit(np.repeat(np.arange(N), 2), ROWS, shuffled=False)
    assert report.mixing == "in order"
    assert report.failures == (
        "1_000 rows are doubled: all came equally often, as when each worker or rank reads all: give each its own part",
    )


def test_workers_that_each_read_everything_are_recognised():
    report = audit(list(LOADER) * 4, ROWS)
    assert found(report) == {"doubled": 3 * N}
    assert "doubled:     3_000 rows (each came 4 times): 0, 1, 2, 3, 4, ..." in str(report)
    assert "all came equally often" in str(report)
    assert "equally" not in str(audit(list(LOADER)[:5] * 4 + list(LOADER)[:1], ROWS))


# ---- ranks ----------------------------------------------------------------------------------------------------------


def distributed(world, n=N, *, epoch=0, pad=True, size=B):
    """Row numbers as torch's DistributedSampler gives them: padded with the first ones, or cut, and then dealt out."""
    order = np.random.default_rng(epoch).permutation(n)
    order = np.resize(order, -(-n // world) * world) if pad else order[: n // world * world]
    return [
        [order[rank::world][k : k + size] for k in range(0, len(order[rank::world]), size)] for rank in range(world)
    ]


def test_padding_of_ranks_is_found():
    report = audit(distributed(3), ROWS, ranks=True)
    assert found(report) == {"doubled": 2}
    assert "several ranks read them, as when padding makes ranks equally long" in str(report)
    assert [rank.rows for rank in report.ranks] == [334, 334, 334]
    assert sum(rank.shared for rank in report.ranks) == 4
    assert audit(distributed(4), ROWS, ranks=True, shuffled=True).passed


def test_a_lost_tail_of_ranks_is_found():
    assert found(audit(distributed(3, pad=False), ROWS, ranks=True)) == {"missing": 1}


def test_ranks_with_unequal_numbers_of_batches_are_found():
    parts = np.array_split(np.random.default_rng(0).permutation(N), [320, 640])
    report = audit([np.array_split(part, len(part) // B) for part in parts], ROWS, ranks=True)
    assert found(report) == {}
    assert [rank.batches for rank in report.ranks] == [10, 10, 11]
    assert report.failures == (
        "the ranks have unequal numbers of batches, so that some wait for others for ever: give all the same number",
    )
    report = audit([LOADER, []], ROWS, ranks=True)
    assert (report.ranks[1].rows, report.ranks[1].batches) == (0, 0)
    assert not report.passed


def test_ranks_that_read_the_same_are_found():
    report = audit([LOADER.read(0), LOADER.read(0)], ROWS, ranks=True)
    assert found(report) == {"doubled": N}
    assert {rank.shared for rank in report.ranks} == {N}


def test_ranks_in_order_are_in_order():
    loaders = [planted.Loader(ROWS, B, shuffle=False, rank=rank, world_size=3) for rank in range(3)]
    assert audit(loaders, ROWS, ranks=True, shuffled=False).passed
    assert not audit(loaders[::-1], ROWS, ranks=True, shuffled=True).passed
    halves = [np.arange(500), np.arange(500, N)]
    assert audit(halves, ROWS, ranks=True, shuffled=False).passed
    assert not audit([half[::-1] for half in halves], ROWS, ranks=True, shuffled=False).passed
    assert not audit([LOADER.read(0), []], ROWS, ranks=True, shuffled=False).passed


def test_ranks_that_keep_their_rows_are_found():
    """Each rank shuffles a part of its own, as after tf.data's shard: every epoch is mixed, but never across ranks."""

    def shards(epoch):
        generator = np.random.default_rng(epoch)
        return [np.array_split(generator.permutation(np.arange(rank, N, 2)), 20) for rank in range(2)]

    report = audit(shards, ROWS, ranks=True, epochs=2, shuffled=True)
    [stay] = report.likeness[0].ranks
    assert stay.value == 1
    assert min(s.p_value for s in report.likeness[0].positions) > report.limit
    assert "epochs are alike, share of rows that stay with their rank 1 (a full shuffle: 0.5" in str(report)
    fair = audit(lambda epoch: distributed(2, epoch=epoch), ROWS, ranks=True, epochs=3, shuffled=True)
    assert fair.passed, fair


# ---- epochs ---------------------------------------------------------------------------------------------------------


def test_orders_that_repeat_are_found(index):
    class Fixed:
        def __iter__(self):
            return Stream().batches(index)

    report = audit(Fixed(), ROWS, epochs=2, shuffled=True)
    assert [(pair.epochs, pair.same) for pair in report.likeness] == [((0, 1), True)]
    assert report.failures == ("epochs 0 and 1 have the same order: tell the loader the epoch, as with set_epoch",)
    assert "epochs:      0 and 1: in the same order" in str(report)
    assert audit(Fixed(), ROWS, epochs=2).passed  # nobody asked for a shuffle


def test_few_rows_may_be_in_order_by_accident():
    few = ROWS.split(6)[0]
    assert audit(few, few, epochs=2, shuffled=True).passed
    some = ROWS.split(12)[0]
    assert len(audit(some, some, epochs=2, shuffled=True).failures) == 2


def test_orders_that_come_back_are_found():
    report = audit(lambda epoch: LOADER.read(epoch % 2), ROWS, epochs=4, shuffled=True)
    assert [pair.epochs for pair in report.likeness if pair.same] == [(0, 2), (1, 3)]
    assert not report.passed


def test_orders_that_nearly_repeat_are_found():
    """The same order, rotated or with a tenth of the rows exchanged."""
    base = np.random.default_rng(0).permutation(N)

    def rotated(epoch):
        return np.array_split(np.roll(base, 10 * epoch), 20)

    def stirred(epoch):
        order, places = base.copy(), np.random.default_rng(epoch).permutation(N)[:100]
        order[places] = order[np.sort(places)]
        return np.array_split(order, 20)

    for batches in (rotated, stirred):
        report = audit(batches, ROWS, epochs=2, shuffled=True)
        assert not report.likeness[0].same
        assert "epochs are alike" in "".join(report.failures)


def test_buffers_are_blamed_for_their_order_and_not_for_being_alike():
    """Rows that hardly leave their places do so in every epoch."""

    def slightly(epoch):
        return np.array_split(np.argsort(np.arange(N) + np.random.default_rng(epoch).uniform(0, 50, N)), 20)

    report = audit(slightly, ROWS, epochs=2, shuffled=True)
    assert report.likeness[0].positions[0].value > 0.9
    assert len(report.failures) == 1
    assert report.failures[0].startswith("not a full shuffle")


@pytest.mark.parametrize("first", ["in order", "shuffled"])
def test_the_worst_epoch_counts(first):
    orders = [np.arange(N), np.random.default_rng(0).permutation(N)][:: 1 if first == "in order" else -1]
    report = audit(lambda epoch: orders[epoch].reshape(-1, 20), ROWS, epochs=2)
    assert report.mixing == "partly shuffled"
    assert max(s.value for s in report.order if "correlation" in s.name) > 0.99
    for shuffled in (True, False):
        assert not audit(lambda epoch: orders[epoch].reshape(-1, 20), ROWS, epochs=2, shuffled=shuffled).passed


def test_faults_of_all_epochs_are_counted():
    epochs = [list(LOADER)[1:], LOADER, list(LOADER)[2:]]
    report = audit(lambda epoch: epochs[epoch], ROWS, epochs=3)
    assert [epoch.fault("missing").count for epoch in report.epochs] == [32, 0, 64]
    assert report.missing.count == 96
    assert not report.passed


# ---- resumes --------------------------------------------------------------------------------------------------------


def resumed(how):
    """An audit of a loader that goes on, after k batches, with what `how` makes of all batches and k."""
    batches = list(LOADER.read(0))
    return audit(batches, ROWS, resume=lambda k: how(batches, k))


def cut_anew(batches):
    """The same rows in as many batches, of which the first is smaller and the last larger."""
    if len(batches) < 2:
        return batches
    X, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    ends = [*(B * k - 1 for k in range(1, len(batches))), None]
    return [(X[a:b], y[a:b]) for a, b in itertools.pairwise([0, *ends])]


def test_an_exact_resume_passes():
    report = resumed(lambda batches, k: batches[k:])
    assert report.passed
    assert "resumed:     after 0, 1, 16, 31, 32 batches: exact" in str(report)
    assert not any(r.next_epoch for r in report.resume)
    assert [str(r) for r in report.resume][:2] == ["after 0 batches: exact", "after 1 batch: exact"]
    assert resumed(lambda batches, k: batches[k:] or list(LOADER.read(1))).passed


@pytest.mark.parametrize(
    ("how", "after_16"),
    [
        (lambda batches, k: batches[k + 1 :], (0, 32)),
        (lambda batches, k: batches[max(0, k - 1) :], (32, 0)),
        (lambda batches, k: batches, (512, 0)),
        (lambda batches, k: batches[k:][::-1], (0, 0)),
        (lambda batches, k: batches[:k], (512, 488)),
        (lambda batches, k: [], (0, 488)),
        (lambda batches, k: [tuple(map(np.concatenate, zip(*batches[k:], strict=True)))] if k < 32 else [], (0, 0)),
        (lambda batches, k: cut_anew(batches[k:]), (0, 0)),
        (
            lambda batches, k: [(X, y + 1) if j == 0 and k == 16 else (X, y) for j, (X, y) in enumerate(batches[k:])],
            (0, 0),
        ),
    ],
    ids=["skips", "repeats", "begins anew", "backwards", "what was", "nothing", "one batch", "other sizes", "altered"],
)
def test_a_resume_that_is_off_is_found(how, after_16):
    report = resumed(how)
    assert not report.passed
    [middle] = [r for r in report.resume if r.batches == 16]
    assert not middle.exact
    assert (middle.repeated, middle.lost) == after_16
    assert any("resumed after" in failure for failure in report.failures)


def test_a_resume_that_gives_the_ranks_each_others_rows_is_found():
    ranks = [list(planted.Loader(ROWS, 40, rank=rank, world_size=2)) for rank in range(2)]

    def audited(how):
        return audit(ranks, ROWS, ranks=True, resume=lambda k: how([part[k:] for part in ranks]))

    assert audited(lambda parts: parts).passed
    assert not audited(lambda parts: parts[::-1]).passed
    one_for_both = audited(lambda parts: [[batch for pair in zip(*parts, strict=True) for batch in pair], []])
    assert not any(resumed.exact for resumed in one_for_both.resume[:-1])


def test_a_resume_may_give_a_function_of_the_epoch():
    """As batches may be one."""
    batches = list(LOADER)
    assert audit(lambda _: batches, ROWS, resume=lambda k: lambda _: batches[k:]).passed


def test_a_resume_may_give_batches_of_another_form():
    numbered = list(planted.Loader(ROWS, B, with_index=True))
    for before, after in ((2, 3), (3, 2)):
        batches = [batch[:before] for batch in numbered]
        assert audit(batches, ROWS, resume=lambda k, cut=after: [batch[:cut] for batch in numbered[k:]]).passed


def test_a_resume_at_the_end_begins_nothing_by_half():
    report = resumed(lambda batches, k: batches[k:] or batches[:3])
    assert [r.batches for r in report.resume if not r.exact] == [32]
    assert report.resume[-1].repeated == 96


def test_equal_rows_do_not_make_a_resume_inexact():
    table = Table([[1.0], [2.0], [1.0], [3.0]] * 5, [5.0, 6.0, 5.0, 7.0] * 5)
    batches = [table.take(part) for part in np.random.default_rng(0).permutation(20).reshape(10, 2)]
    assert audit(batches, table, resume=lambda k: batches[k:]).passed
    assert not audit(batches, table, resume=lambda k: batches[k:][::-1]).passed
