"""The audit: every fault that is put into a stream is found, named and counted; streams without a fault pass."""

import itertools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import planted
from planted import audit
from planted._audit import delivery, expected, explanation
from planted._audit.report import KINDS
from planted._errors import InvalidTypeError, InvalidValueError

N, B = 1_000, 32
ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.01, n=N, seed=714)
LOADER = planted.Loader(ROWS, B)


class Stream:
    """Rows in a shuffled order, as arrays to be tampered with, and then cut into batches."""

    def __init__(self, rows=ROWS, seed=0, order=None):
        self.numbers = np.array(planted.permutation(len(rows), seed) if order is None else order)
        self.X, self.y = (np.array(array) for array in rows.take(self.numbers))

    def batches(self, index=False, size=B):
        for first in range(0, len(self.numbers), size):
            part = slice(first, first + size)
            yield (self.X[part], self.y[part], self.numbers[part])[: 3 if index else 2]

    def keep(self, places):
        self.numbers, self.X, self.y = self.numbers[places], self.X[places], self.y[places]


def found(report):
    """How many rows have each fault, of those that were found."""
    return {kind: getattr(report, kind).count for kind in KINDS if getattr(report, kind).count}


@pytest.fixture(params=[False, True], ids=["by value", "by number"])
def index(request):
    """Whether batches hold row numbers."""
    return request.param


# ---- streams without a fault ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "features", "size"), [(0, 1, 4), (1, 1, 1), (5, 3, 2), (1_000, 1, 32), (999, 20, 1)])
def test_planted_passes_its_own_audit(n, features, size, dtype, shuffle, index):
    rows = planted.regression(np.ones(features), n=n, dtype=dtype)
    loader = planted.Loader(rows, size, shuffle=shuffle, with_index=index)
    report = audit(loader, rows, epochs=2, shuffled=shuffle if n > 128 else None)
    assert report.passed, report
    assert found(report) == {}
    assert report.epochs[0].rows == n
    assert report.epochs[0].batches == len(loader)
    assert report.mixing == (
        "in order" if n < 2 or not shuffle else "like a full shuffle" if n > 128 else report.mixing
    )


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_planted_passes_over_ranks_and_after_resumes(world_size, index):
    def loaders():
        settings = {"world_size": world_size, "with_index": index, "seed": 3}
        return [planted.Loader(ROWS, B, rank=rank, **settings) for rank in range(world_size)]

    def resume(k):
        states = []
        for loader in loaders():
            batches = iter(loader)
            for _ in range(k):
                next(batches)
            states.append(loader.state_dict())
        resumed = loaders()
        for loader, state in zip(resumed, states, strict=True):
            loader.load_state_dict(state)
        return resumed

    report = audit(loaders(), ROWS, ranks=True, epochs=3, shuffled=True, resume=resume)
    assert report.passed, report
    assert sum(rank.rows for rank in report.ranks) == N
    assert {(rank.batches, rank.shared) for rank in report.ranks} == {(32, 0)}
    assert [resumed.batches for resumed in report.resume] == [0, 1, 16, 31, 32]
    assert report.resume[-1].next_epoch


def test_false_fail_rate_is_alpha():
    """Of 2 000 perfect shuffles, in two epochs each, some 5% fail at alpha 5%: within four standard deviations.

    That they are no more than alpha is promised; that they are not far fewer shows that the test has power.
    """
    generator = np.random.default_rng(0)
    rows = planted.regression([1.0], n=500)

    def sampler(_):
        return np.array_split(generator.permutation(500), 16)

    failed = sum(not audit(sampler, rows, epochs=2, shuffled=True, alpha=0.05).passed for _ in range(2_000))
    assert abs(failed - 100) < 4 * np.sqrt(2_000 * 0.05 * 0.95)


# ---- faults, each alone ---------------------------------------------------------------------------------------


def drop(stream):
    stream.keep(np.delete(np.arange(N), [3, 500, 999]))
    return {"missing": 3}


def double(stream):
    stream.keep(np.insert(np.arange(N), [40, 40, 700], [3, 3, 4]))
    return {"doubled": 3}


def swap_responses(stream):
    stream.y[[7, 8]] = stream.y[[8, 7]]
    return {"mixed": 2}


def exchange_features(stream):
    stream.X[[7, 800], 1] = stream.X[[800, 7], 1]
    return {"mixed": 2}


def stick(stream):
    stream.y[101:104] = stream.y[100]
    return {"mixed": 3}


def flip_a_bit(stream):
    stream.X.view(np.uint32)[300, 1] ^= 1 << 3
    return {"altered": 1}


def spoil(stream):
    stream.y[9] = np.nan
    return {"altered": 1}


def clip(stream):
    beyond = np.abs(stream.X[:, 0]) > 2
    stream.X[:, 0] = np.clip(stream.X[:, 0], -2, 2)
    return {"altered": int(beyond.sum())}


def exchange_columns(stream):
    stream.X = stream.X[:, ::-1].copy()
    return {"altered": N}


def shift_responses(stream):
    stream.y = np.roll(stream.y, 1, axis=0)
    return {"mixed": N}


def replace_a_row(stream):
    stream.X[5], stream.y[5] = [7.0, 7.0], 7.0
    return {"foreign": 1, "missing": 1}


def scale_everything(stream):
    stream.X *= 2
    stream.y *= 2
    return {"foreign": N, "missing": N}


def nothing(stream):
    stream.keep(slice(0, 0))
    return {"missing": N}


FAULTS = [
    *(drop, double, swap_responses, exchange_features, stick, flip_a_bit, spoil, clip, exchange_columns),
    *(shift_responses, replace_a_row, scale_everything, nothing),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(fault, index):
    stream = Stream()
    expected = fault(stream)
    report = audit(stream.batches(index), ROWS)
    assert found(report) == expected
    assert not report.passed
    assert len(report.failures) == len(expected)
    assert all(
        kind in text for kind, text in zip(expected, sorted(report.failures), strict=False) if len(expected) == 1
    )


@settings(max_examples=60)
@given(
    st.integers(130, 400),
    st.integers(1, 5),
    st.sampled_from(["float32", "float64"]),
    st.lists(st.integers(0, 4), min_size=6, max_size=6),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_any_faults_together_are_counted_and_their_rows_named(n, features, dtype, counts, seed, index):
    """Up to four rows of each fault, at random places of rows of random shape."""
    rows = planted.regression(planted.weights(features), 1.0, noise=0.3, n=n, dtype=dtype)
    generator = np.random.default_rng(seed)
    stream = Stream(rows, seed)
    places = iter(generator.permutation(n))
    dropped, doubled, swapped, exchanged, flipped, replaced = (
        np.array(list(itertools.islice(places, count * (2 if k in (2, 3) else 1))), int)
        for k, count in enumerate(counts)
    )
    named = {
        "missing": np.sort(stream.numbers[np.concatenate([dropped, replaced])]),
        "doubled": np.sort(stream.numbers[doubled]),
        "mixed": np.sort(stream.numbers[np.concatenate([swapped, exchanged])]),
        "altered": np.sort(stream.numbers[flipped]),
    }
    stream.y[swapped] = stream.y[swapped.reshape(-1, 2)[:, ::-1].ravel()]
    stream.X[exchanged, 0] = stream.X[exchanged.reshape(-1, 2)[:, ::-1].ravel(), 0]
    width = 8 * rows.dtype.itemsize
    for place in flipped:
        values = (stream.X, stream.y)[generator.integers(2)].view(f"u{rows.dtype.itemsize}")
        values[place, generator.integers(values.shape[1])] ^= values.dtype.type(1 << int(generator.integers(width)))
    other = planted.regression(planted.weights(features), 1.0, noise=0.3, n=n, dtype=dtype, seed=1)
    stream.X[replaced], stream.y[replaced] = other.take(replaced)
    stream.numbers[replaced[: len(replaced) // 2]] += n * generator.choice([-1, 1])
    kept = np.delete(np.arange(n), dropped)
    stream.keep(np.insert(kept, generator.integers(len(kept), size=len(doubled)), doubled))

    report = audit(stream.batches(index), rows)
    assert found(report) == {
        kind: len(numbers) for kind, numbers in {**named, "foreign": replaced}.items() if len(numbers)
    }
    for kind, numbers in named.items():
        assert getattr(report, kind).first == tuple(numbers.tolist()[:100])


# ---- row numbers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [1, -1, 500])
def test_numbers_that_are_off_are_told_from_rows_that_are(by):
    """The rows all came, and only their numbers are wrong."""
    stream = Stream()
    stream.numbers += by
    report = audit(stream.batches(index=True), ROWS)
    assert found(report) == {"misnumbered": N}
    assert "shuffle the numbers together with the rows" in str(report)
    lowest, number = re.search(r"row (\d+) came (?:as number (\d+)|under)", report.misnumbered.detail).groups()
    assert lowest == "0"
    assert number in (str(by), None)


def test_numbers_outside_are_foreign_where_there_are_numbers_alone():
    report = audit([[0, 1, 2], [3, 4, 1_000, -1]], ROWS)
    assert found(report) == {"missing": N - 5, "foreign": 2}
    assert report.foreign.first == (5, 6)
    assert "such as number 1000, -1" in str(report)


def test_mixed_rows_say_what_is_mixed_with_what(index):
    stream = Stream(order=range(N))
    stream.y[7] = stream.y[11]
    report = audit(stream.batches(index), ROWS)
    assert "mixed:       1 row (row 7 with y of row 11): 7" in str(report)
    assert report.mixed.first == (7,)


def test_altered_rows_say_where_and_by_how_much(index):
    stream = Stream(order=range(N))
    stream.X[[3, 5], 1] *= np.float32(1.5)
    stream.y[3] *= np.float32(1.25)
    text = str(audit(stream.batches(index), ROWS))
    assert "altered:     2 rows (in X[1], y, by up to 0.5 of the value): 3, 5\n" in text
    stream.y[100] = np.nan
    assert "altered:     3 rows (in X[1], y, by up to inf of the value): 3, 5, 100\n" in str(
        audit(stream.batches(index), ROWS)
    )


# ---- values ---------------------------------------------------------------------------------------------------


def bfloat16(values):
    import struct

    def one(value):
        word = struct.unpack("<I", struct.pack("<f", value))[0]
        below = word & 0xFFFF0000
        up = (word & 0xFFFF) > 0x8000 or ((word & 0xFFFF) == 0x8000 and below & 0x10000)
        return struct.unpack("<f", struct.pack("<I", below + (0x10000 if up else 0)))[0]

    return np.vectorize(one, otypes=[np.float32])(values)


CASTS = {
    "float64": lambda values: values.astype(np.float64),
    "float32": lambda values: values.astype(np.float32),
    "float32 as float64": lambda values: values.astype(np.float32).astype(np.float64),
    "float16": lambda values: values.astype(np.float16),
    "bfloat16": bfloat16,
    "lists": lambda values: values.tolist(),
}


@pytest.mark.parametrize("cast", CASTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_values_rounded_to_another_type_are_as_they_should_be(dtype, cast, index):
    """And one that is altered is still found."""
    rows = planted.regression([2.0, -3.4, 1.0], 4.2, n=N, dtype=dtype)
    stream = Stream(rows)

    def batches():
        for X, y, *numbers in stream.batches(index):
            yield (CASTS[cast](X), CASTS[cast](y), *numbers)

    report = audit(batches(), rows)
    assert report.passed, report
    narrower = cast.split()[0] in ("float16", "bfloat16") or (dtype == "float64" and cast.startswith("float32"))
    assert report.epochs[0].precision == (cast.split()[0] if narrower else "float64")
    stream.X[700, 2] *= 1.01
    assert found(audit(batches(), rows)) == {"altered": 1}


@pytest.mark.parametrize("cast", ["float16", "bfloat16"])
def test_rounded_rows_under_wrong_numbers_are_recognised(cast):
    """No row is that of its number, in any precision, and still the precision is seen."""
    stream = Stream()
    stream.numbers = np.roll(stream.numbers, 1)
    batches = ((CASTS[cast](X), CASTS[cast](y), numbers) for X, y, numbers in stream.batches(index=True))
    report = audit(batches, ROWS)
    assert report.epochs[0].precision == cast
    assert report.misnumbered.count > 0.9 * N


def test_ties_are_rounded_to_even():
    """As processors and frameworks do: halfway between two of bfloat16, to the one whose last bit is 0."""
    words = np.array([0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF, 0xBF818000, 0x7F7FFFFF], np.uint32)
    values = words.view(np.float32).astype(np.float64)[:, np.newaxis]
    even = np.array([0x3F80, 0x3F80, 0x3F82, 0x3F81, 0x3F81, 0xBF82, 0x7F80], np.uint32) << np.uint32(16)
    np.testing.assert_array_equal(expected.rounded(values, "bfloat16")[:, 0], even.view(np.float32))
    assert np.isnan(expected.rounded(np.array([[np.nan]]), "bfloat16"))


def test_rounding_of_another_kind_is_named_by_its_size():
    stream = Stream()
    stream.X = np.round(stream.X, 3)
    report = audit(stream.batches(index=True), ROWS)
    assert report.altered.count > 0.9 * N
    assert "if it is rounding" in str(report)


def test_minus_zero_is_zero_and_no_number_equals_no_number():
    table = Table([[0.0, np.nan], [1.0, 2.0]], [1.0, np.nan])
    X, y = np.array([[-0.0, -np.nan], [1.0, 2.0]]), np.array([1.0, np.nan])
    assert audit([(X, y)], table).passed
    assert audit([(X, y, [0, 1])], table).passed


class Table:
    """Rows of one's own: a length and a take, and nothing else."""

    def __init__(self, X, y):
        self.X, self.y = np.array(X), np.array(y)

    def __len__(self):
        return len(self.X)

    def take(self, numbers):
        return self.X[numbers], self.y[numbers]


@pytest.mark.parametrize("batches_at_once", [1, 100])
def test_rows_of_equal_values_are_counted(monkeypatch, batches_at_once):
    """Rows 0, 2 and 4 are equal, and so are 1 and 3: which of them came cannot be seen, but how many can."""
    monkeypatch.setattr(delivery, "PIECE_BATCHES", batches_at_once)
    table = Table([[1, 1], [2, 2], [1, 1], [2, 2], [1, 1]], [5, 6, 5, 6, 5])
    assert audit([table.take([4, 3, 2]), table.take([1, 0])], table, epochs=2).passed
    assert found(audit([table.take([4, 3]), table.take([2, 1])], table)) == {"missing": 1}
    assert found(audit([table.take([4, 3, 3, 3])], table)) == {"missing": 2, "doubled": 1}
    assert audit([table.take([0, 2]), table.take([3, 1, 4])], table).missing.first == ()


def test_rows_of_few_different_values_are_no_cause_for_false_names(index):
    """A table of small integers: values of other rows are found everywhere, which proves nothing."""
    generator = np.random.default_rng(1)
    table = Table(generator.integers(0, 50, (N, 6)), generator.integers(0, 50, N))
    stream = Stream(table)
    assert audit(stream.batches(index), table).passed
    stream.y[5] += 1
    stream.X[9] = 70
    stream.y[9] = 70
    assert found(audit(stream.batches(index), table)) == {"altered": 1, "foreign": 1, "missing": 1}


def test_of_rows_that_a_suspect_may_be_it_is_the_one_that_did_not_come():
    """Rows 3 and 7 differ in X[1] alone, which is altered in one of them, while the other has come."""
    table = Table(np.random.default_rng(0).normal(size=(20, 2)), np.random.default_rng(1).normal(size=20))
    table.X[7, 0], table.y[7] = table.X[3, 0], table.y[3]
    for row in (3, 7):
        X, y = table.take(np.random.default_rng(2).permutation(20))
        X[X[:, 1] == table.X[row, 1], 1] = 9.0
        report = audit([(X, y)], table)
        assert found(report) == {"altered": 1}
        assert report.altered.first == (row,)


@pytest.mark.parametrize(("lost", "kept"), [(3, 11), (11, 3)])
def test_of_rows_that_a_value_may_be_of_it_is_one_that_did_not_come(lost, kept):
    table = Table(np.random.default_rng(0).normal(size=(20, 2)), np.random.default_rng(1).normal(size=20))
    table.y[kept] = table.y[lost]
    X, y = table.take(np.delete(np.arange(20), lost))
    y[X[:, 0] == table.X[7, 0]] = table.y[lost]
    report = audit([(X, y)], table)
    assert found(report) == {"missing": 1, "mixed": 1}
    assert f"row 7 with y of row {lost}" in str(report)


def test_few_rows_that_did_not_come_are_recognised_by_little():
    """Of 1 000 rows some have the X of any suspect by chance; of the one row that is missing that says enough."""
    generator = np.random.default_rng(4)
    table = Table(generator.integers(0, 1_000, (N, 1)), generator.integers(0, 1_000, N))
    X, y = table.take(generator.permutation(N))
    row = int(np.flatnonzero((table.X[:, 0] == X[600, 0]) & (table.y == y[600]))[0])
    y[600] = 5_000
    report = audit([(X, y)], table)
    assert found(report) == {"altered": 1}
    assert report.altered.first == (row,)


def test_many_rows_that_share_a_little_are_recognised_together():
    """Chance would give one in ten of them a row with its X; so all of them cannot be chance."""
    generator = np.random.default_rng(4)
    table = Table(generator.integers(0, 10_000, (N, 1)), generator.integers(0, 10_000, N))
    report = audit([(table.X, table.y + 50_000)], table)
    assert (report.altered.count, report.foreign.count) == (N, 0)
    few = audit([(table.X, np.where(table.X[:, 0] < 1_000, table.y + 50_000, table.y))], table)
    assert few.altered.count == (table.X[:, 0] < 1_000).sum()


@pytest.mark.parametrize("values_at_once", [1 << 19, 2_000])
def test_rows_are_recognised_by_their_features_together(monkeypatch, values_at_once):
    """A feature has four values, which tell nothing each; twelve of them tell rows apart."""
    monkeypatch.setattr("planted._audit.expected.PIECE_VALUES", values_at_once)
    generator = np.random.default_rng(0)
    table = Table(generator.integers(0, 4, (N, 12)), generator.integers(0, 4, N))
    y = table.y.copy()
    y[[5, 700]] = 9
    report = audit([(table.X, y)], table)
    assert found(report) == {"altered": 2}
    assert report.altered.first == (5, 700)


def test_rows_that_share_values_with_too_many_are_not_looked_through(monkeypatch):
    stream = Stream()
    stream.y += 1
    monkeypatch.setattr(explanation, "MOST_PAIRS", N - 1)
    assert found(audit(stream.batches(), ROWS)) == {"foreign": N, "missing": N}
    assert found(audit(stream.batches(index=True), ROWS)) == {"altered": N}


def test_chance_is_not_taken_for_a_mixture():
    """Among 10^6 rows of float32 some have the very response that another row was given by accident."""
    rows = planted.regression([2.0, -3.4], 4.2, n=10**6)
    stream = Stream(rows)
    stream.X[:200] = np.random.default_rng(0).normal(size=(200, 2))
    stream.y[:200] = np.random.default_rng(1).normal(4.2, 4, (200, 1))
    assert found(audit(stream.batches(size=10_000), rows)) == {"foreign": 200, "missing": 200}


def test_more_suspects_than_are_kept_are_counted(monkeypatch, index):
    monkeypatch.setattr(explanation, "KEPT_VALUES", 300)
    stream = Stream()
    stream.y += 1
    report = audit(stream.batches(index), ROWS)
    assert found(report) == {"altered": 100, "unexplained": 900} | ({} if index else {"missing": 900})
    assert index or "unless they are among the unexplained" in str(report)


# ---- forms of batches -----------------------------------------------------------------------------------------


class Pair:
    """A form that no audit knows."""

    def __init__(self, X, y):
        self.features, self.target = X, y


X, Y = ROWS[:]
FORMS = {
    "tuples": lambda: LOADER,
    "lists": lambda: map(list, LOADER),
    "responses of one axis": lambda: ((X, y[:, 0]) for X, y in LOADER),
    "three axes": lambda: [(X.reshape(10, 100, 2), Y.reshape(10, 100))],
    "lists of lists": lambda: ([X.tolist(), y.tolist()] for X, y in LOADER),
    "mappings": lambda: ({"X": X, "y": y} for X, y in LOADER),
    "mappings with numbers": lambda: (
        {"features": X, "label": y, "row": i, "more": 1} for X, y, i in planted.Loader(ROWS, with_index=True)
    ),
    "rows one by one": lambda: ROWS,
    "numbered rows one by one": lambda: ((x, y[0], i) for i, (x, y) in enumerate(ROWS)),
    "X alone": lambda: (X for X, _ in LOADER),
    "X alone, one by one": lambda: iter(X),
    "X alone in mappings": lambda: ({"x": X} for X, _ in LOADER),
    "X and y in one": lambda: (np.hstack(batch) for batch in LOADER),
    "X and y in one, one by one": lambda: np.hstack([X, Y]).tolist(),
    "numbers": lambda: range(N),
    "lists of numbers": lambda: np.arange(N).reshape(50, 20).tolist(),
    "tuples of numbers": lambda: zip(range(0, N, 2), range(1, N, 2), strict=True),
    "numbers in mappings": lambda: ({"index": i} for i in np.array_split(np.arange(N), 30)),
    "empty ones in between": lambda: ((X[:k], y[:k]) for X, y in LOADER for k in (0, 32, 0)),
    "a function": lambda: LOADER.read,
    "unsigned numbers": lambda: ((X, y, i.astype(np.uint16)) for X, y, i in planted.Loader(ROWS, with_index=True)),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_form_of_batches_is_read(form):
    report = audit(FORMS[form](), ROWS)
    assert report.passed, report
    assert found(report) == {}
    assert report.epochs[0].rows == N


def test_a_row_of_one_feature_may_be_a_number():
    rows = planted.regression([2.0], n=100, noise=1.0)
    X, y = rows[:]
    for batches in (zip(X[:, 0], y[:, 0], strict=True), [(X[:, 0], y)], np.hstack([X, y]), [X], X, X[:, 0]):
        assert audit(batches, rows).passed


def test_a_form_of_ones_own_is_unpacked():
    batches = [Pair(X, y) for X, y in LOADER]
    assert audit(batches, ROWS, unpack=lambda pair: (pair.features, pair.target)).passed
    with pytest.raises(
        InvalidTypeError, match=r"batch 0: it is a Pair, in which X and y cannot be told apart: pass un"
    ):
        audit(batches, ROWS)


def test_tensors_are_read(torch):
    batches = [(torch.tensor(X, requires_grad=True), torch.tensor(y)) for X, y in LOADER]
    assert audit(batches, ROWS).passed
    half = [(X.bfloat16(), y.bfloat16()) for X, y in batches]
    assert audit(half, ROWS).epochs[0].precision == "bfloat16"
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 32, shuffle=True
    )
    assert audit(loader, ROWS, epochs=2, shuffled=True).passed


def test_batches_in_memory_that_is_written_again_are_read_in_time():
    """Some loaders fill the same arrays for each batch: each is copied before the next is asked for."""

    def batches():
        memory = [np.empty_like(array) for array in ROWS[:25]]
        for first in range(0, N, 25):
            for array, values in zip(memory, ROWS[first : first + 25], strict=True):
                array[:] = values
            yield tuple(memory)

    assert audit(batches(), ROWS).passed


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24
@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([(X[:, :1], Y)], r"batch 0: X has shape \(1000, 1\), and rows have 2 features: pass unpack="),
        ([(X, Y[1:])], "batch 0: it has 1000 rows of X and 999 values of y"),
        ([(X, Y, [1, 2])], "batch 0: it has 1000 rows and 2 row numbers"),
        ([(X, Y, Y)], "batch 0: row numbers are float32; they must be integers"),
        ([(X, Y), (X, Y, np.arange(N))], "batch 1: it holds X and y and row numbers, those before it X and y"),
        ([{"image": X, "y": Y}], r"batch 0: it has the keys \['image', 'y'\], none of which is 'X'"),
        ([(X, Y, 3, 4)], r"batch 0: it is a tuple of 4 parts \(ndarray, ndarray, int, int\)"),
        ([([[1, 2], [3]], [1, 2])], "batch 0: X (is not an array of numbers|holds object values)"),
        ([[1.0, [2.0]]], "batch 0: it is a list, in which X and y cannot be told apart"),
        ([(X.astype(str), Y)], "batch 0: X holds <U32 values; they must be real numbers"),
        (["a text"], "batch 0: it is a str, in which X and y cannot be told apart"),
        ([None], "batch 0: it is a NoneType, in which"),
    ],
)
def test_batches_that_cannot_be_read_are_refused(batches, message):
    with pytest.raises((InvalidValueError, InvalidTypeError), match=message):
        audit(batches, ROWS)


def test_bad_settings_are_refused_before_anything_is_read():
    class Unreadable:
        def __iter__(self):
            raise AssertionError

    for settings_, message in [
        ({"epochs": 0}, "epochs=0 must be an integer, at least 1"),
        ({"epochs": True}, "epochs=True is a bool"),
        ({"ranks": 2}, "ranks=2 must be True or False"),
        ({"ranks": True}, "Unreadable must be a list, with a loader for each rank"),
        ({"shuffled": "yes"}, "shuffled='yes' must be True or False"),
        ({"drop_last": None}, "drop_last=None must be True or False"),
        ({"resume": 3}, "resume is a int; it must be a function"),
        ({"unpack": 3}, "unpack is a int; it must be a function"),
        ({"alpha": 0}, "alpha=0.0 must lie between 0 and 1"),
        ({"alpha": "5%"}, "alpha holds"),
    ]:
        with pytest.raises((InvalidValueError, InvalidTypeError), match=re.escape(message)):
            audit(Unreadable(), ROWS, **settings_)
    with pytest.raises(InvalidTypeError, match="batches of type int cannot be iterated over"):
        audit(3, ROWS)
    with pytest.raises(InvalidTypeError, match="batches of type str cannot be iterated over"):
        audit("loader", ROWS)
    with pytest.raises(InvalidTypeError, match="rows of type int must have a length and take"):
        audit(LOADER, 3)
    for batches, ranks in ((iter(LOADER), False), ([LOADER, iter(LOADER)], True)):
        with pytest.raises(InvalidValueError, match="batches is an iterator, which can be read once"):
            audit(batches, ROWS, ranks=ranks, epochs=2)
    with pytest.raises(InvalidValueError, match=r"are more than the 2\^31 - 1 that an audit can count"):
        audit(LOADER, planted.regression([1.0], n=2**31))


def test_what_functions_return_is_refused_alike():
    batches = list(LOADER)
    for message, give in [
        (r"batches\(0\) of type NoneType cannot be iterated over", lambda: audit(lambda _: None, ROWS)),
        (r"batches\(0\) of type Loader must be a list, with", lambda: audit(lambda _: LOADER, ROWS, ranks=True)),
        (r"batches of type int cannot be iterated over", lambda: audit([LOADER, 3], ROWS, ranks=True)),
        (r"resume\(1\) of type int cannot be", lambda: audit(batches, ROWS, resume=lambda k: 3 if k else batches)),
    ]:
        with pytest.raises(InvalidTypeError, match=message):
            give()


# ---- how many rows and batches --------------------------------------------------------------------------------


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
    monkeypatch.setattr("planted._audit.expected.PIECE_VALUES", 60)
    monkeypatch.setattr(explanation, "COMPARED", 3)
    assert audit(stream.batches(index), ROWS).to_dict() == whole.to_dict()
    monkeypatch.setattr(delivery, "PIECE_BATCHES", 1)
    assert audit(stream.batches(index), ROWS).to_dict() == whole.to_dict()


def test_rows_that_do_not_fill_a_batch_may_be_dropped():
    loader = planted.Loader(ROWS, B, drop_last=True)
    report = audit(loader, ROWS, epochs=2)
    assert found(report) == {"missing": 16}
    assert "fewer than a batch, as drop_last=True leaves out" in str(report)
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


# ---- ranks ----------------------------------------------------------------------------------------------------


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


# ---- epochs ---------------------------------------------------------------------------------------------------


def test_orders_that_repeat_are_found(index):
    class Fixed:
        def __iter__(self):
            return Stream().batches(index)

    report = audit(Fixed(), ROWS, epochs=2, shuffled=True)
    assert report.likeness[0].same
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


# ---- resumes --------------------------------------------------------------------------------------------------


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


# ---- the report -----------------------------------------------------------------------------------------------


def test_the_report_is_plain_data():
    stream = Stream()
    flip_a_bit(stream), drop(stream)
    batches = list(stream.batches())
    report = audit([batches[:15], batches[15:]], ROWS, ranks=True, epochs=2, shuffled=True, resume=lambda _: [[], []])
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["passed"] is False
    assert plain["missing"]["count"] == 6
    assert plain["epochs"][0]["order"][0].keys() == {"name", "value", "expected", "p_value"}
    assert plain["epochs"][0]["faults"][0]["kind"] == "missing"
    assert plain["likeness"][0]["same"] is True
    assert plain["resume"][0]["lost"] == 997
    assert plain["ranks"][0] == {"rows": 480, "batches": 15, "shared": 0}
    assert plain["failures"] == list(report.failures)
    assert repr(report) == "<Audit: FAILED, 1_000 rows, 6 missing, 2 altered, like a full shuffle>"
    assert repr(audit(LOADER, ROWS)) == "<Audit: passed, 1_000 rows, each once, like a full shuffle>"
    assert repr(audit([(X[:9], Y[:9])], ROWS.split(9)[0])) == "<Audit: passed, 9 rows, each once, in order>"
    assert audit([(X[8::-1], Y[8::-1])], ROWS.split(9)[0]).mixing == "too few rows to tell"


def test_every_field_is_explained():
    for name in planted.Audit.__slots__:
        assert name in Path(sys.modules["planted._audit.report"].__file__).read_text(encoding="utf-8")
