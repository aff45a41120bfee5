"""Version 1 gives today what it gave at first: rows, orders and weights, bit for bit.

The answers lie in `known_answers/`. They are compared as bit patterns, so a single changed bit fails; hashes cover the
first 65536 rows of each truth and whole orders.
"""

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from comparisons import patterns

import planted
from planted._random import random
from planted._rows.draw import keys_of

HERE = Path(__file__).resolve().parent / "known_answers"


def answers(kind):
    """The known answers of a kind."""
    return json.loads((HERE / f"version-1-{kind}.json").read_text(encoding="utf-8"))[kind]


def rows_id(case):
    """A short name of a truth."""
    return f"{len(case['w'])} features-seed {int(case['seed']):x}-{case['dtype']}"


def order_id(case):
    """A short name of an order."""
    return f"{case['n']}-{int(case['seed']):x}-{case['epoch']}"


def sha256(*arrays):
    """The hash of arrays as little-endian bytes, row by row."""
    return hashlib.sha256(
        b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    ).hexdigest()


def computed(case, n=2**63):
    """The rows that a case speaks of."""
    truth = planted.LinearTruth(case["w"], case["b"], case["noise"])
    return planted.rows(truth, n, seed=int(case["seed"]), salt=case["salt"], dtype=case["dtype"])


def assert_rows(X, y, case, numbers):
    """Each row has the bits that are known."""
    assert X.dtype == y.dtype == case["dtype"]
    assert X.shape == (len(numbers), len(case["w"]))
    assert y.shape == (len(numbers), 1)
    found = {str(i): " ".join(patterns(x) + patterns(value)) for i, x, value in zip(numbers, X, y, strict=True)}
    assert found == {str(i): case["rows"][str(i)] for i in numbers}


ROWS, ORDERS, WEIGHTS = answers("rows"), answers("orders"), answers("weights")


@pytest.mark.parametrize("case", ROWS, ids=rows_id)
def test_rows(case):
    """Rows taken by number have the known bits: all at once, one at a time, and in another order."""
    rows = computed(case)
    numbers = [int(i) for i in case["rows"]]
    assert_rows(*rows.take(numbers), case, numbers)
    assert_rows(*rows.take(numbers[::-1]), case, numbers[::-1])
    for i in numbers:
        assert_rows(*rows.take([i]), case, [i])


@pytest.mark.parametrize("case", ROWS, ids=rows_id)
def test_numpy_definition(case):
    """The NumPy definition gives the known bits."""
    numbers = [int(i) for i in case["rows"]]
    keys = keys_of(int(case["seed"]), case["salt"], case["dtype"])[:2]
    precision = random.PRECISIONS[case["dtype"]]
    w = np.array(case["w"], np.float64)
    X, y = random.linear_rows(np.array(numbers, np.uint64), w, case["b"], case["noise"], keys, precision)
    assert_rows(X, y, case, numbers)


@pytest.mark.parametrize("case", ROWS, ids=rows_id)
def test_materialized(case):
    """Rows held in memory have the known bits."""
    numbers = [int(i) for i in case["rows"] if int(i) <= 1000]
    memory = computed(case, max(numbers) + 1).materialize()
    assert_rows(*memory.take(numbers), case, numbers)
    assert_rows(memory.X[numbers], memory.y[numbers], case, numbers)


@pytest.mark.parametrize("case", ROWS, ids=rows_id)
def test_hash_of_many_rows(case):
    """The first 65536 rows have the known hash, computed and held in memory."""
    rows = computed(case, 2**16)
    assert sha256(rows.X, rows.y) == case["sha256"]
    memory = rows.materialize()
    assert sha256(*memory.take(np.arange(2**16))) == case["sha256"]


@pytest.mark.parametrize("case", [case for case in ORDERS if "sha256" in case], ids=order_id)
def test_hash_of_an_order(case):
    """A whole order has the known hash, and is that of a bijection."""
    n = int(case["n"])
    order = planted.permutation(n, int(case["seed"]), int(case["epoch"]), salt=case["salt"]).take(range(n))
    assert sha256(order) == case["sha256"]
    assert (np.bincount(order, minlength=n) == 1).all()


@pytest.mark.parametrize("case", ORDERS, ids=order_id)
def test_orders(case):
    """The first and the last rows of an order are the known ones, and its inverse leads back."""
    n = int(case["n"])
    order = planted.permutation(n, int(case["seed"]), int(case["epoch"]), salt=case["salt"])
    first, last = ([int(row) for row in case[end].split()] for end in ("first", "last"))
    assert order.take(range(len(first))).tolist() == first
    assert order.take(range(n - len(last), n)).tolist() == last
    assert order.take([n - 1, 0]).tolist() == [last[-1], first[0]]
    assert order.inverse().take(first + last).tolist() == [*range(len(first)), *range(n - len(last), n)]


@pytest.mark.parametrize("case", ORDERS, ids=order_id)
def test_numpy_orders(case):
    """The NumPy definition of the order gives the known rows."""
    n = int(case["n"])
    key = random.key_words("order", int(case["seed"]), salt=case["salt"], epoch=int(case["epoch"]))
    expected = [int(row) for end in ("first", "last") for row in case[end].split()]
    ends = len(expected) // 2
    positions = [*range(ends), *range(n - ends, n)]
    if n <= random.SMALL:
        found = random.shuffled_table(n, key)[positions]
    else:
        found = random.walk(np.array(positions, np.uint64), n, key)
    assert found.tolist() == expected


@pytest.mark.parametrize("case", WEIGHTS, ids=lambda case: f"{int(case['seed']):x}")
def test_weights(case):
    """Planted weights have the known bits, however many are asked for."""
    for features in (1, 2, 9):
        weights = planted.weights(features, seed=int(case["seed"]), salt=case["salt"])
        assert patterns(weights) == case["weights"].split()[:features]


def test_one_bit_fails():
    """One flipped bit, the sign of a zero too, is another bit pattern, and the comparison of rows refuses it."""
    case = ROWS[0]
    rows = computed(case)
    X, y = rows.take([0])
    assert_rows(X, y, case, [0])
    y.view(np.uint32)[0] ^= 1
    with pytest.raises(AssertionError):
        assert_rows(X, y, case, [0])
    assert patterns(np.zeros(1)) != patterns(-np.zeros(1))


def test_the_script_writes_these_files():
    """The files are what their script makes, to the byte."""
    specification = importlib.util.spec_from_file_location("make_known_answers", HERE / "make.py")
    make = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(make)
    texts = make.texts()
    assert {name: (HERE / name).read_text(encoding="utf-8") for name in texts} == texts
