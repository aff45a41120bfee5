"""What is typed instead of what was meant: the verdict in an ``if``, other rows, loaders that move on, functions."""

import re

import pytest

import planted
from planted.errors import InvalidTypeError, InvalidValueError

ROWS = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)


def test_verdict_in_an_if() -> None:
    """A report is as true as its verdict."""
    batches = list(planted.Loader(ROWS, 32))
    assert planted.audit(batches, ROWS)
    assert not planted.audit(batches[1:], ROWS)


# ---- fresh rows -----------------------------------------------------------------------------------------------


def test_fresh_loaders() -> None:
    """Epochs of other rows are refused together, and pass one by one, as the message says."""
    loader = planted.Loader(ROWS, 32, fresh=True)
    remedy = "audit each epoch k by itself, planted.audit(loader.read(k), rows.fresh(k))"
    with pytest.raises(InvalidValueError, match=re.escape(remedy)):
        planted.audit(loader, ROWS, epochs=2)
    assert loader.epoch == 0  # nothing was read
    assert all(planted.audit(loader.read(k), ROWS.fresh(k), shuffled=True) for k in (0, 1, 7))
    assert planted.audit(loader, ROWS)  # the first epoch is that of the rows themselves


def test_fresh_loaders_that_have_begun() -> None:
    """The next epoch of such a loader has no row of the first."""
    loader = planted.Loader(ROWS, 32, fresh=True)
    for _ in loader:
        pass
    with pytest.raises(InvalidValueError, match=r"has other rows in each epoch, and would read epoch 1 now"):
        planted.audit(loader, ROWS)
    with pytest.raises(InvalidValueError, match=r"would read epoch 1 now"):
        planted.audit(lambda epoch: loader, ROWS.materialize())
    assert planted.audit(loader, ROWS.fresh(1))


def test_fresh_loaders_of_ranks_and_numbers() -> None:
    """The remedy fits what was asked: a list for ranks, and no row numbers, which go on from epoch to epoch."""
    loaders = [planted.Loader(ROWS, 32, fresh=True, with_index=True, rank=rank, world_size=2) for rank in (0, 1)]
    typed = "[loader.read(k) for loader in loaders], rows.fresh(k), ranks=True, unpack=lambda batch: batch[:2])"
    with pytest.raises(InvalidValueError, match=re.escape(typed)):
        planted.audit(loaders, ROWS, epochs=2, ranks=True)
    for k in (0, 3):
        batches = [loader.read(k) for loader in loaders]
        assert planted.audit(batches, ROWS.fresh(k), ranks=True, unpack=lambda batch: batch[:2])


# ---- which rows -----------------------------------------------------------------------------------------------


def test_rows_that_were_not_meant_to_come() -> None:
    """Rows of which one part is for training: the other is named, and what to pass instead."""
    train, held_out = ROWS.split(600, 400)
    never = "400 rows are missing: rows 600 to 999 never came: if they were not meant to come, pass those that were"
    report = planted.audit(planted.Loader(train, 32), ROWS, epochs=2)
    assert report.failures[0].startswith(never.replace("400", "800", 1) + ", rows.split(600)[0]; else look at")
    never = "600 rows are missing: rows 0 to 599 never came: if they were not meant to come, pass those that were"
    report = planted.audit(planted.Loader(held_out, 32), ROWS)
    assert report.failures[0].startswith(never + ", rows.split(600, 400)[1]; else look at")
    for batches in ([], list(planted.Loader(ROWS, 32))[2:], list(planted.Loader(ROWS, 32, shuffle=False))[2:-2]):
        assert "never came" not in str(planted.audit(batches, ROWS))  # all, some, both ends


def test_data_of_the_book() -> None:
    """The book's data in place of their rows, and a batch of these."""
    torch = pytest.importorskip("torch")
    data = planted.torch.SyntheticRegressionData(w=torch.tensor([2, -3.4]), b=4.2)
    with pytest.raises(InvalidTypeError, match=r"rows of type SyntheticRegressionData must have .*: use its \.rows$"):
        planted.audit(data.train_dataloader(), data)
    with pytest.raises(InvalidTypeError, match=r"rows of type Batch must have .* such as rows\.split\(1000\)\[0\]$"):
        planted.audit(data.train_dataloader(), data.rows[:1000])
    assert planted.audit(data.train_dataloader(), data.rows.split(1000)[0])
    with pytest.raises(InvalidTypeError, match=r"batches=train_dataloader must be a function of one value"):
        planted.audit(data.train_dataloader, data.rows)


def test_arrays_as_rows() -> None:
    """What the message says to type is taken."""
    X, y = ROWS[:]
    with pytest.raises(InvalidTypeError, match=re.escape("make rows of arrays, planted.Loader((X, y)).rows")):
        planted.audit(planted.Loader(ROWS, 32), (X, y))
    assert planted.audit(planted.Loader(ROWS, 32), planted.Loader((X, y)).rows)


# ---- functions ------------------------------------------------------------------------------------------------


def test_functions_of_nothing() -> None:
    """A function that cannot be called with the one value that it is asked for is refused before it is called."""
    loader = planted.Loader(ROWS, 32)
    with pytest.raises(InvalidTypeError, match=r"batches=<lambda> .* the epoch number: use lambda epoch: loader$"):
        planted.audit(lambda: loader, ROWS, epochs=2)
    with pytest.raises(InvalidTypeError, match=r"resume=<lambda> .* batches that came: use lambda k: make_loader\(k\)"):
        planted.audit(loader, ROWS, resume=lambda: loader)
    with pytest.raises(InvalidTypeError, match=r"unpack=<lambda> .* a batch: use lambda batch: batch\[:2\]$"):
        planted.audit(loader, ROWS, unpack=lambda X, y: (X, y))
    assert planted.audit(lambda epoch, shuffle=True: loader, ROWS)
    assert planted.audit(loader, ROWS, unpack=tuple)  # a type, which says what it takes or does not
