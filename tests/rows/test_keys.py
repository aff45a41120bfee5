"""What users write in ``rows[...]`` and ``take``: it selects what they mean, or they are told what to write."""

import inspect
from decimal import Decimal

import numpy as np
import pytest
from comparisons import equal

import planted
from planted._input import row_numbers
from planted._machine import capacity
from planted.errors import InvalidTypeError, InvalidValueError, PlantedError, RowNumberError, TooLargeError

ROWS = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000, seed=714)
X, Y = ROWS[:]
MASK = Y[:, 0] > 5
KINDS = ["computed", "memory", "disk", "table", "split"]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory):
    """The same rows, however they are kept, and a part of twice as many."""
    folder = tmp_path_factory.mktemp("rows")
    np.save(folder / "table.npy", np.hstack([X, Y]))
    return {
        "computed": ROWS,
        "memory": ROWS.materialize(),
        "disk": planted.write(ROWS, folder / "disk"),
        "table": planted.open_table(folder / "table.npy", response=-1),
        "split": planted.regression(w=[2.0, -3.4], b=4.2, n=2_000, seed=714).split(1_000, 500)[0],
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("form", [np.asarray, np.ndarray.tolist, lambda mask: mask.astype(object)])
def test_a_mask_selects_rows(kinds, kind, form):
    found = kinds[kind][form(MASK)]
    np.testing.assert_array_equal(found.X, X[MASK])
    np.testing.assert_array_equal(found.y, Y[MASK])
    assert 0 < len(found.X) < 1_000


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_of_another_length_is_refused(kinds, kind):
    rows = kinds[kind]
    for mask in (MASK[:999], np.append(MASK, True), [True], np.array([], bool), np.array(True)[np.newaxis]):
        with pytest.raises(
            InvalidValueError, match=r"a mask of shape .* selects from 1000 rows: it needs shape \(1000"
        ):
            rows[mask]
    with pytest.raises(InvalidValueError, match=r"it needs shape \(1000,\), such as mask\[:, 0\]"):
        rows[rows.y > 5]


@pytest.mark.parametrize("kind", KINDS)
def test_take_is_by_number_and_says_what_to_do_with_a_mask(kinds, kind):
    rows = kinds[kind]
    for mask in (MASK, MASK[:5], MASK.tolist(), [True], MASK.astype(object)):
        with pytest.raises(InvalidTypeError, match=r"for a mask use rows\[mask\], or np.flatnonzero\(mask\)"):
            rows.take(mask)
    equal(rows.take(np.flatnonzero(MASK)), rows[MASK])


def test_no_row_is_selected_from_none():
    none = planted.rows(ROWS.truth, 0)
    assert none[np.array([], bool)].X.shape == (0, 2)
    assert none[none.y[:, 0] > 0].X.shape == (0, 2)


def test_a_permutation_says_what_to_do_with_a_mask():
    with pytest.raises(InvalidTypeError, match=r"positions .* are bool;.*: for a mask use np.flatnonzero\(mask\)"):
        planted.permutation(1_000).take(MASK)


def test_tensors_select(torch):
    equal(ROWS[torch.from_numpy(MASK)], ROWS[MASK])
    equal(ROWS[torch.tensor([3, 1, 4])], ROWS[[3, 1, 4]])
    with pytest.raises(InvalidTypeError, match="for a mask"):
        ROWS.take(torch.from_numpy(MASK))
    dataset = planted.torch.Dataset(ROWS)
    np.testing.assert_array_equal(dataset[MASK][0].numpy(), X[MASK])


def test_series_and_indices_of_pandas_select(library):
    pd = library("pandas")
    equal(ROWS[pd.Series(MASK)], ROWS[MASK])
    equal(ROWS[pd.Series(MASK, dtype="boolean")], ROWS[MASK])
    for numbers in (pd.Series([3, 1, 4]), pd.Index([3, 1, 4]), pd.Series([3, 1, 4], dtype="Int64")):
        equal(ROWS[numbers], ROWS[[3, 1, 4]])
        equal(ROWS.take(numbers), ROWS[[3, 1, 4]])
    with pytest.raises(InvalidTypeError, match="must be integers"):
        ROWS[pd.Series([3, None], dtype="Int64")]


def test_series_of_polars_select(library):
    pl = library("polars")
    equal(ROWS[pl.Series(MASK)], ROWS[MASK])
    equal(ROWS.take(pl.Series([3, 1, 4])), ROWS[[3, 1, 4]])


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        ((3, 0), r"rows\[3, 0\]: rows have one axis: use X, y = rows\[3\] and then X\[0\], or rows\[\[3, 0\]\]"),
        ((slice(None), 0), "rows have one axis"),
        ("X", r"rows\['X'\]: rows have no names: use rows.X and rows.y, or rows.to_pandas\(\)"),
        (..., r"rows\[...\]: use rows\[:\] for all rows"),
        (None, r"rows\[None\]: use rows\[:\] for all rows"),
        ({"row": 3}, r"use rows\[3\], rows\[10:20\], rows\[\[3, 1, 4\]\], or rows\[mask\]"),
        ({3, 1}, r"use rows\[3\]"),
        (1.0, r"row number=1.0 is not an integer.*use rows\[3\]"),
        (Decimal(3), r"use rows\[3\]"),
        (True, "is a bool"),
        (["X", "y"], r"must be integers: use numbers such as \[3, 1, 4\]"),
        ([1.0, 2.0], r"convert these with np.asarray\(numbers\).astype\('int64'\)"),
        ([0.5, 2.0], r"must be integers: use numbers such as \[3, 1, 4\]"),
        (np.array([np.nan]), r"use numbers such as"),
        (np.array([2.0**60]), r"use numbers such as"),
        (np.array(["2026-01-01"], "M8[D]"), r"use numbers such as"),
    ],
)
def test_other_keys_are_told_what_to_write(key, remedy):
    with pytest.raises(InvalidTypeError, match=remedy):
        ROWS[key]


def test_numbers_in_two_dimensions_are_refused():
    with pytest.raises(InvalidValueError, match=r"shape \(2, 1\).*use .reshape\(-1\)"):
        ROWS[[[1], [2]]]


# ---- any array of integers reaches the compiled kernels in one form -------------------------------------------------


def _forms():
    numbers = np.arange(0, 60, 3)
    read_only = numbers.copy()
    read_only.flags.writeable = False
    packed = np.zeros(20, [("pad", "i1"), ("number", "i8")])
    packed["number"] = numbers
    return [
        numbers,
        np.repeat(numbers, 2)[::2],
        numbers[::-1][::-1],
        read_only,
        packed["number"],
        numbers.astype(">i8"),
    ]


@pytest.mark.parametrize("form", range(6))
def test_row_numbers_are_contiguous_and_writeable(form):
    numbers = row_numbers(_forms()[form], 1_000)
    assert (numbers.dtype, numbers.flags.carray, numbers.dtype.isnative) == (np.int64, True, True)
    np.testing.assert_array_equal(numbers, np.arange(0, 60, 3))


def test_numbers_that_need_no_change_are_not_copied():
    numbers = np.arange(5)
    assert row_numbers(numbers, 5) is numbers


def test_no_form_of_row_numbers_compiles_anything_again(kinds):
    from planted._order import kernels as of_order
    from planted._random import few, kernels

    everything = [
        function
        for room in (kernels, few, of_order)
        for _, function in inspect.getmembers(room)
        if hasattr(function, "nopython_signatures")
    ]
    shuffle = planted.permutation(10**6, seed=1)
    sources = [kinds["computed"], kinds["split"], kinds["memory"], kinds["disk"], shuffle]
    assert everything
    for source in sources:
        source.take(_forms()[0])
    compiled = [len(function.nopython_signatures) for function in everything]
    for form in _forms()[1:]:
        for source in sources:
            source.take(form)
    assert [len(function.nopython_signatures) for function in everything] == compiled


# ---- more rows than there is memory ---------------------------------------------------------------------------------

HUGE = planted.regression(w=[2.0, -3.4], b=4.2, n=10**12)


@pytest.mark.parametrize(
    ("ask", "size"),
    [
        (lambda: HUGE.X, "11,175.87 GiB"),
        (lambda: HUGE.y, "3,725.29 GiB"),
        (lambda: HUGE[:], "11,175.87 GiB"),
        (lambda: HUGE[::2], "5,587.94 GiB"),
        (HUGE.materialize, "11,175.87 GiB"),
        (lambda: HUGE.split(10**11)[0].X, "1,117.59 GiB"),
        (lambda: HUGE.take(range(10**12)), "11,175.87 GiB"),
        (lambda: planted.rows(ROWS.truth, 2**63)[:], "GiB"),
        (lambda: planted.rows(ROWS.truth, 2**63).y, "GiB"),
    ],
)
def test_more_rows_than_there_is_memory(ask, size):
    with pytest.raises(TooLargeError, match=rf"would take .*{size}.*planted.Loader\(rows, batch_size=256\)") as caught:
        ask()
    assert isinstance(caught.value, MemoryError)
    assert isinstance(caught.value, PlantedError)


def test_where_nothing_tells_how_much_memory_there_is(monkeypatch):
    monkeypatch.setattr(capacity, "capacity", lambda: None)
    with pytest.raises(TooLargeError, match=r"11,175.87 GiB of memory, more than can be had now: read them in"):
        HUGE.materialize()


def test_a_permutation_that_is_too_large_for_an_array():
    with pytest.raises(TooLargeError, match=r"7,450.58 GiB of memory"):
        np.asarray(planted.permutation(10**12))


def test_what_fits_is_not_refused(monkeypatch):
    """The limit is that of the machine, not of what is free."""
    monkeypatch.setattr(capacity, "CHECKED_BYTES", 0)
    monkeypatch.setattr(capacity, "capacity", lambda: 12_000)
    assert ROWS.X.shape == (1_000, 2)
    monkeypatch.setattr(capacity, "capacity", lambda: 11_999)
    with pytest.raises(TooLargeError, match=r"1_000 rows would take 12 KiB of memory, more than the 12 KiB of"):
        _ = ROWS.X
    assert ROWS.y.shape == (1_000, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_responses_alone_are_those_of_the_rows(kinds, kind):
    np.testing.assert_array_equal(kinds[kind].y, Y)


def test_rows_are_recognised_without_making_any():
    assert isinstance(HUGE, planted.Rows)
    assert isinstance(planted.rows(ROWS.truth, 2**63), planted.Rows)

    class Mine:
        """Rows of one's own, whose truth is an attribute of the object."""

        def __init__(self, n):
            self.truth, self.n = ROWS.truth, n

        def __len__(self):
            return self.n

        def take(self, numbers):
            return HUGE.take(numbers)

    assert isinstance(Mine(10**12), planted.Rows)
    assert not isinstance(X, planted.Rows)


def test_ranges_are_taken_like_lists():
    for numbers in (range(5), range(9, 3, -2), range(0), range(999, 0, -1)):
        equal(ROWS.take(numbers), ROWS.take(list(numbers)))
        equal(ROWS[numbers], ROWS.take(list(numbers)))
    for numbers in (range(1_001), range(-1, 5), range(5, -2, -1)):
        with pytest.raises(RowNumberError):
            ROWS.take(numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_negative_numbers_count_from_the_end_in_brackets(kinds, kind):
    """As in a list, one or many; `take` counts from 0."""
    rows = kinds[kind]
    for numbers in ([-1], [0, -1_000, 999, -3], range(-3, 2), range(1, -4, -2)):
        want = rows.take([number % 1_000 for number in numbers])
        for key in (numbers, np.array(numbers), np.array(numbers, np.int16)):
            equal(rows[key], want)
        with pytest.raises(RowNumberError, match="outside"):
            rows.take(numbers)
    for numbers in ([-1_001], [0, 1_000], [-1_001, 1_000], range(-1_001, 3)):
        with pytest.raises(RowNumberError, match=r"row number -?100[01] is outside"):
            rows[numbers]
    assert planted.rows(ROWS.truth, 2**63)[[-1, 0]].X.shape == (2, 2)


def test_more_weights_than_there_is_memory():
    with pytest.raises(TooLargeError, match=r"features=10000000000000: so many weights .*: use fewer features"):
        planted.weights(10**13)
