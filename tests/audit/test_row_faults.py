"""Every fault that is put into a stream of rows is found, named and counted."""

import itertools
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import ROWS, N, Stream, Table, drop, flip_a_bit, found, swap_responses

import planted
from planted import audit
from planted._matching import delivery, expected, explanation

# ---- faults, each alone ---------------------------------------------------------------------------------------------


def double(stream):
    stream.keep(np.insert(np.arange(N), [40, 40, 700], [3, 3, 4]))
    return {"doubled": 3}


def exchange_features(stream):
    stream.X[[7, 800], 1] = stream.X[[800, 7], 1]
    return {"mixed": 2}


def stick(stream):
    stream.y[101:104] = stream.y[100]
    return {"mixed": 3}


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
    return {"altered": N}


def replace_everything(stream):
    stream.X, stream.y = planted.regression([2.0, -3.4], 4.2, n=N, seed=715)[:]
    return {"foreign": N, "missing": N}


def nothing(stream):
    stream.keep(slice(0, 0))
    return {"missing": N}


FAULTS = [
    *(drop, double, swap_responses, exchange_features, stick, flip_a_bit, spoil, clip, exchange_columns),
    *(shift_responses, replace_a_row, scale_everything, replace_everything),
    nothing,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_named(fault, index):
    stream = Stream()
    expected = fault(stream)
    report = audit(stream.batches(index), ROWS)
    assert found(report) == expected
    assert not report.passed
    one_for_two = expected.get("foreign") == expected.get("missing") is not None  # of which one is the cause
    assert len(report.failures) == len(expected) - one_for_two
    for kind in expected:
        assert sum(f" {kind}" in failure for failure in report.failures) == 1


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


# ---- row numbers ----------------------------------------------------------------------------------------------------


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


def test_a_mixed_row_is_the_one_of_its_number():
    """Without a number it is the one that it shares most values with."""
    stream = Stream(order=range(N))
    stream.X[7] = stream.X[11]
    report = audit(stream.batches(index=True), ROWS)
    assert (found(report), report.mixed.detail) == ({"mixed": 1}, "row 7 with X[0], X[1] of row 11")
    report = audit(stream.batches(), ROWS)
    assert found(report) == {"missing": 1, "doubled": 1, "mixed": 1}
    assert report.mixed.detail == "row 11 with y of row 7"


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


# ---- values ---------------------------------------------------------------------------------------------------------


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


def test_rounding_that_no_rule_tells_is_named_by_its_size():
    stream = Stream()
    stream.X.view(np.uint32)[:] &= 0xFFFFFE00  # towards zero, to 14 bits
    report = audit(stream.batches(index=True), ROWS)
    assert report.altered.count > 0.9 * N
    assert "by up to 6e-05 of the value" in report.altered.detail
    assert "if it is rounding" in str(report)


def test_minus_zero_is_zero_and_no_number_equals_no_number():
    table = Table([[0.0, np.nan], [1.0, 2.0]], [1.0, np.nan])
    X, y = np.array([[-0.0, -np.nan], [1.0, 2.0]]), np.array([1.0, np.nan])
    assert audit([(X, y)], table).passed
    assert audit([(X, y, [0, 1])], table).passed


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


def test_of_rows_that_a_wrong_one_may_be_it_is_the_one_that_did_not_come():
    """Rows 3 and 19 differ in X[1] alone, which is altered in one of them, while the other has come."""
    table = Table(np.random.default_rng(0).normal(size=(20, 2)), np.random.default_rng(1).normal(size=20))
    table.X[19, 0], table.y[19] = table.X[3, 0], table.y[3]
    for row in (3, 19):
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
    """Of 1 000 rows some have the X of any wrong row by chance; of the one row that is missing that says enough."""
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
    monkeypatch.setattr("planted._matching.expected.PIECE_VALUES", values_at_once)
    generator = np.random.default_rng(0)
    table = Table(generator.integers(0, 4, (N, 12)), generator.integers(0, 4, N))
    y = table.y.copy()
    y[[5, 700]] = 9
    report = audit([(table.X, y)], table)
    assert found(report) == {"altered": 2}
    assert report.altered.first == (5, 700)


def test_rows_that_share_values_with_too_many_are_not_looked_through(monkeypatch):
    stream = Stream()
    stream.y += np.random.default_rng(0).normal(size=(N, 1)).astype(np.float32)
    monkeypatch.setattr(explanation, "MOST_COMPARED", 3 * (N - 1))  # of three columns
    assert found(audit(stream.batches(), ROWS)) == {"foreign": N, "missing": N}
    assert found(audit(stream.batches(index=True), ROWS)) == {"altered": N}


def test_the_memory_that_explaining_takes_is_bounded():
    """Each value of twenty columns of small integers is that of twenty rows: 4 million pairs, and 84 million values."""
    generator = np.random.default_rng(0)
    table = Table(generator.integers(0, 1_000, (20_000, 20)), generator.integers(0, 1_000, 20_000))
    y = table.y.copy()
    y[::2] += 2_000
    batches = [(table.X[part], y[part]) for part in np.array_split(np.arange(20_000), 20)]
    tracemalloc.start()
    report = audit(batches, table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.altered.count == 10_000
    assert peak < 120 * 2**20  # 930 MiB before there was a bound


def test_chance_is_not_taken_for_a_mixture():
    """Among 10^6 rows of float32 some have the very response that another row was given by accident."""
    rows = planted.regression([2.0, -3.4], 4.2, n=10**6)
    stream = Stream(rows)
    stream.X[:200] = np.random.default_rng(0).normal(size=(200, 2))
    stream.y[:200] = np.random.default_rng(1).normal(4.2, 4, (200, 1))
    assert found(audit(stream.batches(size=10_000), rows)) == {"foreign": 200, "missing": 200}


def test_more_wrong_rows_than_are_kept_are_counted(monkeypatch, index):
    monkeypatch.setattr(explanation, "KEPT_VALUES", 300)
    stream = Stream()
    stream.y += 1
    report = audit(stream.batches(index), ROWS)
    assert found(report) == {"altered": 100, "unexplained": 900} | ({} if index else {"missing": 900})
    assert index or "unless they are among the unexplained" in str(report)
    stream.keep(slice(1, None))
    missing = audit(stream.batches(index=True), ROWS).missing
    assert (missing.count, missing.detail) == (1, "")  # the number of each unexplained row is known
    monkeypatch.setattr(explanation, "KEPT_VALUES", 2)  # not one row of three values
    assert found(audit(stream.batches(index=True), ROWS)) == {"missing": 1, "unexplained": N - 1}
