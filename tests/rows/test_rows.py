"""Rows: the same values however they are asked for, kept, cut or carried."""

import itertools
import json
import pickle
import pydoc
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from comparisons import equal
from hypothesis import given
from hypothesis import strategies as st

import planted
from planted._machine import pieces
from planted.errors import InvalidTypeError, InvalidValueError, RowNumberError

BOOK = planted.LinearTruth([2.0, -3.4], 4.2, 0.01)
dtypes = st.sampled_from(["float32", "float64"])
seeds = st.integers(0, 2**80)
weights = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=12)


# ---- the invariances: nothing but truth, seed and row number may change a value ---------------------------------


@given(weights, seeds, dtypes, st.integers(1, 300), st.integers(0, 2**62))
def test_more_rows_change_no_value(w, seed, dtype, n, more):
    few = planted.regression(w, n=n, seed=seed, dtype=dtype)
    many = planted.regression(w, n=n + more, seed=seed, dtype=dtype)
    equal(few[:], many[:n])


@given(weights, st.lists(st.floats(-5, 5), min_size=1, max_size=9), seeds, dtypes)
def test_more_features_change_no_feature(w, more, seed, dtype):
    few = planted.regression(w, n=130, seed=seed, dtype=dtype)
    many = planted.regression([*w, *more], n=130, seed=seed, dtype=dtype)
    np.testing.assert_array_equal(few.X, many.X[:, : len(w)])


@given(weights, seeds, dtypes, st.floats(0, 10), st.floats(0, 10))
def test_another_noise_changes_no_feature_and_scales_the_same_noise(w, seed, dtype, noise, other):
    a, b = (planted.regression(w, 1.0, noise=s, n=70, seed=seed, dtype=dtype) for s in (noise, other))
    np.testing.assert_array_equal(a.X, b.X)
    clean = planted.regression(w, 1.0, noise=0, n=70, seed=seed, dtype=dtype)
    unit = planted.regression(np.zeros(len(w)), 0.0, noise=1, n=70, seed=seed, dtype=dtype)
    for rows, s in ((a, noise), (b, other)):
        scale = np.finfo(dtype).eps * (np.abs(clean.y) + s * np.abs(unit.y) + 1)
        assert (np.abs(rows.y - (clean.y.astype(float) + s * unit.y.astype(float))) <= 2 * scale).all()


@given(weights, seeds, dtypes, st.lists(st.integers(0, 400), max_size=8))
def test_any_chunking_gives_the_same(w, seed, dtype, cuts):
    rows = planted.regression(w, n=400, seed=seed, dtype=dtype)
    bounds = [0, *sorted(cuts), 400]
    parts = [rows[a:b] for a, b in itertools.pairwise(bounds)]
    np.testing.assert_array_equal(np.concatenate([X for X, _ in parts]), rows.X)
    np.testing.assert_array_equal(np.concatenate([y for _, y in parts]), rows.y)


@given(seeds, dtypes, st.lists(st.integers(0, 2**63 - 1), max_size=200))
def test_any_order_of_take_gives_the_same(seed, dtype, numbers):
    rows = planted.rows(BOOK, 2**63, seed=seed, dtype=dtype)
    X, y = rows.take(numbers)
    assert X.shape == (len(numbers), 2)
    assert y.shape == (len(numbers), 1)
    backwards = rows.take(numbers[::-1])
    np.testing.assert_array_equal(backwards.X[::-1], X)
    for i, number in enumerate(numbers[:3]):
        x, response = rows[number]
        np.testing.assert_array_equal(x, X[i])
        np.testing.assert_array_equal(response, y[i])


@given(seeds, dtypes, st.data())
def test_memory_holds_the_same_rows(seed, dtype, data):
    """Virtual = memory, for slices, splits and any order of take."""
    rows = planted.regression([1.0, 2.0, 3.0], n=257, seed=seed, dtype=dtype)
    memory = rows.materialize()
    numbers = data.draw(st.lists(st.integers(0, 256), max_size=300))
    equal(rows[:], memory[:])
    equal(rows.take(numbers), memory.take(numbers))
    equal(rows[3:200:7], memory[3:200:7])
    equal(rows[200:3:-7], memory[200:3:-7])
    first = data.draw(st.integers(0, 257))
    for a, b in zip(rows.split(first, 257 - first), memory.split(first, 257 - first), strict=True):
        equal(a[:], b[:])
        assert a.fingerprint() == b.fingerprint()
    assert memory.materialize() is memory


def test_threads_change_no_value(monkeypatch):
    """Work shared by eight threads, in pieces of any size, gives the bits that one thread gives."""
    rows = planted.regression(planted.weights(7), n=30_000, seed=5)
    whole = rows[:]
    order = planted.permutation(30_000, 1).take(range(30_000))
    shuffled = rows.take(order)
    monkeypatch.setattr(pieces, "cores", lambda: 8)
    monkeypatch.setattr(pieces, "PARALLEL_VALUES", 0)
    for piece in (1 << 10, 777, 1 << 16):
        monkeypatch.setattr(pieces, "PIECE_VALUES", piece)
        equal(rows[:], whole)
        equal(rows.take(order), shuffled)
        equal(rows.materialize().take(order), shuffled)
    with ThreadPoolExecutor(8) as pool:
        for part in pool.map(rows.take, [order] * 16):
            equal(part, shuffled)


@pytest.fixture
def four_cores(monkeypatch):
    """Four threads, and pieces of three values."""
    monkeypatch.setattr(pieces, "PARALLEL_VALUES", 0)
    monkeypatch.setattr(pieces, "PIECE_VALUES", 3)
    monkeypatch.setattr(pieces, "cores", lambda: 4)


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize("n", [0, 1, 3, 4, 100])
def test_pieces_cover_the_rows_once(n):
    done = []
    pieces.in_pieces(n, 1, done.append)
    assert sorted(i for piece in done for i in range(piece.start, piece.stop)) == list(range(n))


@pytest.mark.usefixtures("four_cores")
def test_an_error_in_a_helping_thread_reaches_the_caller():
    caller, raised = threading.get_ident(), threading.Event()

    def work(piece):
        if threading.get_ident() == caller:
            assert raised.wait(60)
        else:
            raised.set()
            raise RuntimeError("of a helper")

    with pytest.raises(RuntimeError, match="of a helper"):
        pieces.in_pieces(100, 1, work)


@pytest.mark.usefixtures("four_cores")
def test_after_an_error_no_other_piece_is_begun(monkeypatch):
    caller, all_busy, closing, begun = threading.get_ident(), threading.Barrier(4), threading.Event(), []

    class Closing(pieces.Workers):
        def close(self):
            closing.set()
            return super().close()

    def work(piece):
        begun.append(piece)
        if len(begun) <= 4:
            all_busy.wait(60)
        if threading.get_ident() == caller:
            raise RuntimeError("of the caller")
        assert closing.wait(60)

    monkeypatch.setattr(pieces, "Workers", Closing)
    with pytest.raises(RuntimeError, match="of the caller"):
        pieces.in_pieces(300, 1, work)
    assert len(begun) == 4


# ---- what users ask for -----------------------------------------------------------------------------------------


def test_the_contract_of_the_design():
    truth = planted.LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
    rows = planted.rows(truth, 2_000, seed=714)
    assert rows == planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=2_000, seed=714)
    assert (len(rows), rows.truth, rows.seed, rows.features) == (2_000, truth, 714, 2)
    assert rows.dtype == np.float32
    X, y = rows[10:20]
    assert (X.shape, X.dtype, y.shape, y.dtype) == ((10, 2), np.float32, (10, 1), np.float32)
    x, y3 = rows[3]
    assert (x.shape, y3.shape) == ((2,), (1,))
    X3, _ = rows.take([3, 1, 4])
    np.testing.assert_array_equal(X3[0], x)
    assert rows.X.shape == (2000, 2)
    assert rows.y.shape == (2000, 1)
    train, val = rows.split(1_000, 1_000)
    np.testing.assert_array_equal(val[0].X, rows[1000].X)
    assert (len(train), len(val)) == (1000, 1000)
    assert isinstance(rows, planted.Rows)
    assert isinstance(rows.materialize(), planted.Rows)


def test_the_response_is_the_truth_plus_noise():
    """Y - Xw - b has the planted standard deviation (within 5 standard errors: one seed in 10^6 fails) and mean 0."""
    rows = planted.regression([2.0, -3.4, 0.5], 4.2, noise=0.25, n=100_000, seed=1, dtype="float64")
    noise = rows.y[:, 0] - rows.X @ rows.truth.w - 4.2
    assert abs(noise.std() / 0.25 - 1) < 5 / np.sqrt(2 * len(rows))
    assert abs(noise.mean()) < 5 * 0.25 / np.sqrt(len(rows))
    assert np.abs(np.corrcoef(noise, rows.X, rowvar=False)[0, 1:]).max() < 5 / np.sqrt(len(rows))


def test_no_noise_is_exact():
    """Without noise the response is b + the products in ascending order, in float64, rounded once."""
    rows = planted.regression([2.0, -3.4, 0.1], 4.2, noise=0, n=1000)
    X = rows.X.astype(np.float64)
    expected = ((4.2 + X[:, 0] * 2.0) + X[:, 1] * -3.4) + X[:, 2] * 0.1
    np.testing.assert_array_equal(rows.y[:, 0], expected.astype(np.float32))


def test_row_numbers_reach_two_to_the_63():
    rows = planted.rows(BOOK, 2**63, seed=1)
    last = rows.take([2**63 - 1])
    equal(last, rows.take(np.array([2**63 - 1], np.uint64)))
    np.testing.assert_array_equal(last.X[0], rows[2**63 - 1].X)
    np.testing.assert_array_equal(rows[-1].X, last.X[0])
    equal(rows[2**63 - 5 : 2**63], rows.take([2**63 - 5 + i for i in range(5)]))
    with pytest.raises(RowNumberError, match="outside"):
        rows[2**63]
    assert rows
    assert not planted.rows(BOOK, 0)


def test_a_million_million_rows_take_no_memory():
    tracemalloc.start()
    rows = planted.rows(BOOK, 10**12, seed=714)
    x, _y = rows[999_999_999_999]
    train, val = rows.split(10**12 - 5, 5)
    assert len(train) == 10**12 - 5
    np.testing.assert_array_equal(val[4].X, x)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
def test_row_numbers_of_any_integer_type(dtype):
    rows = planted.rows(BOOK, 100)
    equal(rows.take(np.array([3, 1, 4], dtype)), rows.take([3, 1, 4]))
    equal(rows[np.array([3, 1, 4], dtype)], rows.take((3, 1, 4)))
    np.testing.assert_array_equal(rows[np.dtype(dtype).type(3)].X, rows[3].X)


def test_row_numbers_as_tensors(torch):
    rows = planted.rows(BOOK, 100)
    equal(rows.take(torch.tensor([3, 1, 4])), rows.take([3, 1, 4]))


def test_nothing_asked_for_gives_empty_arrays():
    rows = planted.rows(BOOK, 100)
    for batch in (rows.take([]), rows[5:5], rows.take(np.array([], np.int32)), planted.rows(BOOK, 0)[:]):
        assert (batch.X.shape, batch.y.shape) == ((0, 2), (0, 1))
        assert batch.X.dtype == np.float32


def test_an_empty_data_set_is_allowed():
    rows = planted.rows(BOOK, 0)
    assert len(rows) == 0
    assert list(rows) == []
    assert rows.materialize().X.shape == (0, 2)
    assert [len(part) for part in rows.split(0, 0)] == [0, 0]
    assert list(planted.Loader(rows)) == []
    with pytest.raises(RowNumberError, match="there are 0"):
        rows.take([0])


def test_iteration_gives_row_after_row():
    rows = planted.regression([1.0, 2.0], n=5000, seed=2)
    seen = list(rows)
    assert len(seen) == 5000
    np.testing.assert_array_equal(np.stack([x for x, _ in seen]), rows.X)
    np.testing.assert_array_equal(np.stack([y for _, y in seen]), rows.y)
    assert seen[0].X.shape == (2,)


def test_slices_follow_python():
    rows = planted.regression([1.0], n=50)
    for key in (slice(None), slice(3), slice(-7, None), slice(40, 400), slice(None, None, 9), slice(45, 5, -6)):
        equal(rows[key], rows.take(list(range(50)[key])))


def test_seeds_and_salts_set_rows_apart():
    X = planted.rows(BOOK, 10, seed=1).X
    for other in ({"seed": 2}, {"seed": 1, "salt": "x"}, {"seed": 2**64 + 1}, {"seed": 1, "salt": "é"}):
        assert (planted.rows(BOOK, 10, **other).X != X).all()
    np.testing.assert_array_equal(planted.rows(BOOK, 10, seed=np.uint8(1), salt="").X, X)
    huge = 2**100_000 + 1
    assert (planted.rows(BOOK, 10, seed=huge).X != planted.rows(BOOK, 10, seed=huge + 1).X).all()


def test_seeds_of_any_size_can_be_shown_saved_and_refused():
    """Python writes no integer of more than 4300 decimal digits; ours are shown in hexadecimal beyond 64 bits."""
    rows = planted.rows(BOOK, 10, seed=2**20_000)
    assert "seed=0x1000" in repr(rows)
    assert "seed=18446744073709551615" in repr(planted.rows(BOOK, 10, seed=2**64 - 1))
    assert "0x1000" in repr(rows.materialize())
    assert len({rows.fingerprint(), planted.rows(BOOK, 10, seed=2**20_000 + 1).fingerprint()}) == 2
    assert "<table>" in rows._repr_html_()
    loader = planted.Loader(rows, seed=2**20_000)
    assert "0x1000" in repr(loader)
    loader.load_state_dict(json.loads(json.dumps(loader.state_dict())))
    assert repr(planted.permutation(10, 2**20_000, 3, salt="s").inverse()).endswith("epoch=3, salt='s').inverse()")
    with pytest.raises(InvalidValueError, match="seed=-0x1000"):
        planted.rows(BOOK, 10, seed=-(2**20_000))
    with pytest.raises(InvalidValueError, match="n=0x1000"):
        planted.rows(BOOK, 2**20_000)
    with pytest.raises(RowNumberError):
        rows.take([2**20_000])
    with pytest.raises(RowNumberError):
        rows[2**20_000]


def test_a_salt_is_text_that_utf8_can_write():
    with pytest.raises(InvalidValueError, match=r"salt='\\ud800' holds half a character"):
        planted.rows(BOOK, 10, salt="\ud800")


def test_split_views_are_rows_themselves():
    rows = planted.regression([1.0, 2.0], n=100, seed=3)
    _a, b, c = rows.split(30, 30, 40)
    equal(b[:], rows[30:60])
    _d, e = c.split(15, 10)
    equal(e[:], rows[75:85])
    equal(b.materialize()[:], rows[30:60])
    (first,) = rows.split(10)
    equal(first[:], rows[:10])
    for wrong in ((60, 60), (-1, 10), ()):
        with pytest.raises(InvalidValueError, match="size"):
            rows.split(*wrong)


def test_pickling_and_equality():
    rows = planted.rows(BOOK, 100, seed=4, salt="s", dtype="float64")
    for kind in (rows, rows.materialize(), rows.split(50, 50)[1]):
        again = pickle.loads(pickle.dumps(kind))
        assert again == kind
        assert hash(again) == hash(kind)
        equal(again[:], kind[:])
        assert again.fingerprint() == kind.fingerprint()
    others = [
        planted.rows(BOOK, 101, seed=4, salt="s", dtype="float64"),
        planted.rows(BOOK, 100, seed=5, salt="s", dtype="float64"),
        planted.rows(BOOK, 100, seed=4, salt="t", dtype="float64"),
        planted.rows(BOOK, 100, seed=4, salt="s"),
        planted.regression([2.0, -3.5], 4.2, n=100, seed=4, salt="s", dtype="float64"),
        rows.split(99)[0],
    ]
    assert all(other != rows for other in others)
    assert len({rows.fingerprint(), *(other.fingerprint() for other in others)}) == 7
    assert rows != "rows"


def test_what_is_given_is_the_callers_own():
    """Writing into what was given changes nothing that is given later; what is held in memory cannot be written."""
    rows = planted.rows(BOOK, 100)
    memory = rows.materialize()
    for kind in (rows, memory):
        X, y = kind[:]
        kept = X.copy()
        X[:] = 0
        y[:] = 0
        np.testing.assert_array_equal(kind[:].X, kept)
    with pytest.raises(ValueError, match="read-only"):
        memory.X[0, 0] = 1


def test_repr_and_html():
    rows = planted.rows(BOOK, 2_000, seed=714, salt="<s>")
    assert repr(rows) == (
        "<rows: 2_000 of LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01), seed=714, salt='<s>', float32, computed>"
    )
    assert "23 KiB in memory" in repr(rows.materialize())
    assert "start=1000" in repr(rows.split(1000, 1000)[1])
    page = rows._repr_html_()
    assert page.count("<tr>") == 7
    assert "… of 2,000 rows" in page
    assert "&lt;s&gt;" in page
    assert f"<td>{rows[0].X[0]:.4g}</td>" in page  # rounded for people
    assert "<s>" not in page
    batch = rows[10:13]._repr_html_()  # which does not know its rows' numbers
    assert batch.count("<tr>") == 4
    assert "<th>row</th>" in page
    assert "<th>row</th>" not in batch
    assert "<tr><td>0</td>" not in batch
    wide = planted.regression(planted.weights(50), n=3)._repr_html_()
    assert wide.count("<td>…</td>") == 3
    assert "<table>" in planted.rows(BOOK, 0)._repr_html_()


@pytest.mark.parametrize(
    "numbers", [[100], [-1], [0, 2**63 - 1], np.array([2**64 - 1], np.uint64), [2**70], [-(2**70)]]
)
def test_row_numbers_out_of_range_are_refused(numbers):
    for rows in (planted.rows(BOOK, 100), planted.rows(BOOK, 100).materialize()):
        with pytest.raises(RowNumberError, match=r"\[0, 100\)"):
            rows.take(numbers)
    with pytest.raises(IndexError):
        planted.rows(BOOK, 100)[100]


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy before 1.24 warns, and goes on
def test_lists_of_integers_are_integers_whatever_numpy_makes_of_them():
    """NumPy turns some lists of integers into floats or objects; they are numbers in or out of range all the same."""
    rows = planted.rows(BOOK, 2**63)
    equal(rows.take(np.array([1, 2], object)), rows.take([1, 2]))
    for numbers in ([0, 2**63], [-1, 2**63], [2**64, 1], np.array([3, 2**63], object), range(2**63 - 1, 2**63 + 5)):
        with pytest.raises(RowNumberError, match=r"outside \[0, 9223372036854775808\)"):
            rows.take(numbers)
    for numbers in (range(2**70), range(-1, 5), range(5, -2, -1)):
        with pytest.raises(RowNumberError):
            rows.take(numbers)
    equal(rows.take(range(9, 3, -2)), rows.take([9, 7, 5]))
    for numbers in ([[1], [1, 2]], [1, None], np.array([1, "a"], object), [1, True, 2**70]):
        with pytest.raises(InvalidTypeError, match="must be integers"):
            rows.take(numbers)


@pytest.mark.parametrize("numbers", [[1.0], np.array([0.5]), ["1"], [True], np.array([True, False]), [None], [1, 2.5]])
def test_row_numbers_that_are_no_integers_are_refused(numbers):
    with pytest.raises(InvalidTypeError, match="must be integers"):
        planted.rows(BOOK, 100).take(numbers)


def test_other_keys_are_refused():
    rows = planted.rows(BOOK, 100)
    for key in (1.0, "1", None, True):
        with pytest.raises(InvalidTypeError, match="row"):
            rows[key]
    with pytest.raises(InvalidValueError, match="must be a vector"):
        rows.take([[1, 2], [3, 4]])
    with pytest.raises(InvalidValueError, match="must be a vector"):
        rows.take(3)
    with pytest.raises(InvalidTypeError, match="slice start"):
        rows[1.5:]
    with pytest.raises(InvalidValueError, match="step=0"):
        rows[::0]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": -1}, InvalidValueError, "n=-1 must be an integer, at least 0"),
        ({"n": 2**63 + 1}, InvalidValueError, "n=9223372036854775809 must be .* at most"),
        ({"n": 10.0}, InvalidTypeError, "n=10.0 is not an integer"),
        ({"n": True}, InvalidTypeError, "n=True is a bool"),
        ({"n": 10, "seed": -1}, InvalidValueError, "seed=-1 must be an integer, at least 0: use any non-negative"),
        ({"n": 10, "seed": True}, InvalidTypeError, "seed=True is a bool"),
        ({"n": 10, "seed": np.bool_(True)}, InvalidTypeError, "is a bool"),
        ({"n": 10, "seed": 1.5}, InvalidTypeError, "seed=1.5 is not an integer"),
        ({"n": 10, "seed": None}, InvalidTypeError, "seed=None is not an integer"),
        ({"n": 10, "salt": 3}, InvalidTypeError, "salt=3 must be a string"),
        ({"n": 10, "dtype": "float16"}, InvalidValueError, "dtype='float16' must be 'float32' or 'float64'"),
        ({"n": 10, "dtype": "nonsense"}, InvalidValueError, "dtype='nonsense'"),
        ({"n": 10, "dtype": None}, InvalidValueError, "dtype='None'"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        planted.rows(BOOK, **arguments)


def test_a_truth_is_needed():
    with pytest.raises(InvalidTypeError, match=r"use planted.LinearTruth\(w, b, noise\)"):
        planted.rows([2.0, -3.4], 10)


def test_float64_rows_have_53_bits():
    """float64 normals are not float32 ones made wide: their low bits vary."""
    X = planted.regression(planted.weights(4), n=1000, dtype="float64").X
    assert (X.astype(np.float32) != X).mean() > 0.999
    assert len(np.unique(X)) == X.size


def test_help_says_what_the_features_are():
    for name in (planted.rows, planted.regression, planted.LinearTruth, planted.weights):
        text = " ".join(pydoc.plain(pydoc.render_doc(name)).replace("|", " ").split())
        assert "standard normal" in text.lower()
        assert ("(features,)" if name is planted.weights else "(rows, features)") in text
    text = pydoc.plain(pydoc.render_doc(planted.regression(w=[1.0])))
    for word in ("take(", "split(", "materialize(", "to_pandas(", "to_polars(", "to_arrow("):
        assert word in text
