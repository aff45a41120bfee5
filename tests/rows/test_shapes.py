"""Odd shapes: a few rows of many features have the bits that the definition gives them, however they are made."""

import threading

import numpy as np
import pytest

import planted
from planted._machine import pieces
from planted._random import drawing, kernels, random
from planted._random.random import PRECISIONS
from planted._rows import draw

FEW = (1, 2, 7, 16, 17)
BOTH = pytest.mark.parametrize("dtype", PRECISIONS)


def some(features, count, dtype):
    """A truth, keys, shuffled row numbers of all sizes, and room for their rows."""
    generator = np.random.default_rng(features * 100 + count)
    truth = planted.LinearTruth(generator.normal(size=features) * 10.0 ** generator.integers(-3, 4, features), 4.2, 0.1)
    numbers = generator.permutation(np.append(generator.integers(0, 2**63, count), [2**63 - 1, 2**32, 0])[-count:])
    return truth, draw.keys_of(count, "shapes", dtype), numbers, np.empty((count, features), dtype)


def drawn(truth, keys, numbers, X):
    y = np.empty((len(X), 1), X.dtype)
    draw.draw_rows(truth, keys, numbers, X, y)
    return X.tobytes(), y.tobytes()


@BOTH
@pytest.mark.parametrize("features", [1, 2, 3, 4, 5, 8, 127, 255, 512, 514])
@pytest.mark.parametrize("count", [*FEW, 95, 96, 97, 129, 223, 224])
def test_any_shape_is_the_defined_one(count, features, dtype):
    truth, keys, numbers, X = some(features, count, dtype)
    expected = random.linear_rows(numbers.astype(np.uint64), truth.w, truth.b, truth.noise, keys[:2], PRECISIONS[dtype])
    assert drawn(truth, keys, numbers, X) == tuple(part.tobytes() for part in expected)


@BOTH
@pytest.mark.parametrize("features", [1023, 10_001, 99_999, 100_000])
@pytest.mark.parametrize("count", FEW)
def test_lanes_along_the_rows_and_lanes_across_them_agree(count, features, dtype):
    truth, keys, numbers, X = some(features, count, dtype)
    across, y = np.empty_like(X), np.empty(count, dtype)
    wide = True if dtype == "float64" else None
    kernels.linear_rows(numbers, truth.w, truth.b, truth.noise.scale, keys.features, keys.noise, wide, across, y)
    assert drawn(truth, keys, numbers, X) == (across.tobytes(), y.tobytes())


@BOTH
@pytest.mark.parametrize("count", [1, 3, 5])
def test_threads_that_share_a_row_change_no_value(monkeypatch, count, dtype):
    truth, keys, numbers, X = some(4_999, count, dtype)
    alone = drawn(truth, keys, numbers, X)
    monkeypatch.setattr(pieces, "cores", lambda: 8)
    monkeypatch.setattr(pieces, "PARALLEL_VALUES", 0)
    monkeypatch.setattr(drawing, "SHARED", 0)
    for piece in (4, 76, 1024):
        monkeypatch.setattr(pieces, "PIECE_VALUES", piece)
        assert drawn(truth, keys, numbers, np.full_like(X, np.nan)) == alone
        rows = planted.rows(truth, 2**63, dtype=dtype)
        np.testing.assert_array_equal(rows.take(numbers[:1]).X, rows.take(numbers[[0] * 130]).X[:1])


@BOTH
def test_a_column_beside_the_features_stays(dtype):
    """Rows on disk are made in a matrix whose last column is the response."""
    truth, keys, numbers, X = some(37, 9, dtype)
    values = np.full((9, 39), 7, dtype)
    draw.draw_rows(truth, keys, numbers, values[:, :-2], values[:, -2:-1])
    x, y = drawn(truth, keys, numbers, X)
    assert (values[:, :-2].tobytes(), values[:, -2:-1].tobytes()) == (x, y)
    assert (values[:, -1] == 7).all()


@pytest.mark.parametrize("count", [drawing.MANY_NORMALS + extra for extra in (-1, 0, 1, 123_456)])
def test_many_weights_are_the_defined_ones(count):
    """A kernel plants them; the definition, in plain NumPy, gives the same bits."""
    rows = np.arange((count + 1) // 2, dtype=np.uint64)
    key = random.key_words("weights", 714, salt="w")[:2]
    pairs = random.normals(random.row_words(rows, 0, key), random.FLOAT64)
    expected = np.stack(pairs, axis=1).reshape(-1)[:count]
    assert planted.weights(count, seed=714, salt="w").tobytes() == expected.tobytes()


def test_pieces_of_a_piece_use_the_cores_that_are_left(monkeypatch):
    """Three rows on eight cores: three threads, each of which may use two cores; inside, all is done by these."""
    monkeypatch.setattr(pieces, "PARALLEL_VALUES", 0)
    monkeypatch.setattr(pieces, "PIECE_VALUES", 1)
    monkeypatch.setattr(pieces, "cores", lambda: 8)
    together, most, done = threading.Barrier(3), [], []

    def work(piece):
        together.wait(60)
        pieces.in_pieces(10, 1, lambda part: done.extend((piece.start, i) for i in range(10)[part]))
        most.append(pieces._share.cores)

    pieces.in_pieces(3, 1, work)
    assert most == [2, 2, 2]
    assert sorted(done) == [(i, j) for i in range(3) for j in range(10)]
    assert getattr(pieces._share, "cores", None) is None
