"""Loaders with one fault each, as engineers write them: the report says in words what to look for."""

import numpy as np
import pytest
from streams import Table

import planted
from planted import audit

N, B = 1_007, 32
ROWS = planted.regression([2.0, -3.4, 1.0], 4.2, n=N, seed=3)
X, Y = ROWS[:]


def order(epoch=0, seed=0):
    return np.random.default_rng((seed, epoch)).permutation(N)


def batches(numbers, labels=None):
    labels = numbers if labels is None else labels
    return [(X[numbers[i : i + B]], Y[labels[i : i + B]]) for i in range(0, len(numbers), B)]


def in_batch(k, change):
    return lambda: [change(*batch) if i == k else batch for i, batch in enumerate(batches(order()))]


def padded(values, y):
    return np.pad(values, ((0, B - len(values)), (0, 0))), np.pad(y, ((0, B - len(y)), (0, 0)))


def memory_reused():
    memory = np.empty((B, 3), "f4"), np.empty((B, 1), "f4")
    for batch in batches(order()[: N // B * B]):
        for array, values in zip(memory, batch, strict=True):
            array[:] = values
        yield memory


def one_row_for_another():
    numbers = order()
    numbers[7] = numbers[9]
    return batches(numbers)


FAULTY = {  # the batches of an epoch, and what the report says
    "the first batch again": (
        lambda: [batches(order())[0], *batches(order())],
        ["came again in batch 1, after batch 0", "32 rows are doubled: draw without replacement"],
    ),
    "one row for another": (
        one_row_for_another,
        [
            "came again in batch 0",
            "1 row is missing: other rows came in their place: draw without replacement, and look",
        ],
    ),
    "numbers from 1": (
        lambda: batches(np.maximum(order(), 1)),
        ["it is the first row", "other rows came in their place"],
    ),
    "the last shard": (lambda: batches(np.arange(900)), ["they are the rows 900 to 1006, the last ones"]),
    "a shard within": (
        lambda: batches(np.delete(order(), np.argsort(order())[96:160])),
        ["they are the rows 96 to 159"],
    ),
    "y of the next row": (
        lambda: batches(order(), (order() + 1) % N),
        ["came with the other values of the row 1 after it: look for an index that is off"],
    ),
    "y one row late": (
        lambda: batches(order(), np.roll(order(), 1)),
        ["came with the other values of the row delivered before it: look for an index that is off"],
    ),
    "numbers one too high": (
        lambda: [(*batch, order()[i * B : (i + 1) * B] + 1) for i, batch in enumerate(batches(order()))],
        ["came with the number of the row 1 after it", "count from 0"],
    ),
    "columns exchanged in one batch": (
        in_batch(11, lambda values, y: (values[:, [1, 0, 2]], y)),
        ["came in batch 11 alone", "X[0] and X[1] were exchanged"],
    ),
    "padding": (
        in_batch(31, padded),
        ["17 rows are foreign", "came in batch 31 (the last) alone", "all their values are 0, as of padding"],
    ),
    "memory reused": (
        lambda: list(memory_reused()),
        ["all batches hold the same rows, as when a batch's memory is used for the next: copy each batch"],
    ),
    "normalised batch by batch": (
        lambda: [((values - values.mean(axis=0)) / values.std(axis=0), y) for values, y in batches(order())],
        ["X was standardised batch by batch (mean 0 and standard deviation 1 in each)"],
    ),
    "rows of length 1": (
        lambda: [(values / np.linalg.norm(values, axis=1, keepdims=True), y) for values, y in batches(order())],
        ["each row of X was divided by its own length"],
    ),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_the_report_says_what_to_look_for(fault):
    loader, sentences = FAULTY[fault]
    report = audit(loader(), ROWS)
    assert not report.passed
    for sentence in sentences:
        assert sentence in str(report), report
        assert sentence.split("<")[0] in report._repr_html_().replace("&#x27;", "'")


def test_less_than_a_batch_is_missing_in_each_epoch():
    report = audit(lambda epoch: batches(order(epoch))[:-1], ROWS, epochs=2)
    assert "30 rows are missing: fewer than a batch in each epoch, as drop_last=True leaves out" in str(report)


def test_ranks_with_orders_of_their_own():
    ranks = [batches(order(seed=rank)[: N // 2]) for rank in (0, 1)]
    report = audit(ranks, ROWS, ranks=True)
    assert "rows are missing: give all ranks one seed and epoch, so that they divide one order" in str(report)
    assert "several ranks read them, as when each shuffles for itself" in str(report)


def test_a_resume_that_begins_anew_and_one_that_loses_rows():
    report = audit(batches(order()), ROWS, resume=lambda _: batches(order()))
    assert "after 1 batch: 32 rows repeated: the epoch began anew: save how many batches came" in report.failures[0]
    report = audit(batches(order()), ROWS, resume=lambda k: batches(order()[k * B + 5 :]))
    assert "5 rows lost: save the position in the epoch, the seed, and what the buffers hold" in report.failures[0]


def test_rounding_of_all_values_is_said_though_it_is_no_fault():
    report = audit([(values.astype(np.float16), y.astype(np.float16)) for values, y in batches(order())], ROWS)
    assert report.passed
    assert "each came once, as it should be, rounded to float16" in str(report)


def test_one_row_again_among_a_hundred_thousand():
    rows = planted.regression([2.0, -3.4], 4.2, n=10**5)
    table = Table(*rows[:])
    numbers = np.random.default_rng(0).permutation(10**5)
    numbers = np.append(numbers, numbers[77_777])
    report = audit([table.take(numbers[i : i + 256]) for i in range(0, len(numbers), 256)], rows)
    assert (report.doubled.count, report.doubled.first) == (1, (int(numbers[77_777]),))
    assert report.doubled.notes == ("came again in batch 390 (the last), after batch 303",)


def test_nothing_is_noted_of_faults_that_are_everywhere():
    report = audit([(values, np.sort(y, axis=0)) for values, y in batches(order())], ROWS)
    assert report.mixed.notes == ()
    assert report.to_dict()["mixed"]["notes"] == ()
