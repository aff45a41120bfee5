"""`docs/version-1.md`, planted, and a program written from the page alone: all three say the same, bit for bit."""

import re
import struct
from pathlib import Path

import numpy as np
import pytest
import version_1
from comparisons import patterns

import planted
from planted._order import BlockOrder, Blocks
from planted._random import random
from planted._random.elementary import EXPONENTIALS

HERE = Path(__file__).resolve().parent
PAGE = (HERE.parent.parent / "docs" / "version-1.md").read_text(encoding="utf-8")


WEIGHTS = [2.0, -3.4, 0.5, 1.0, -0.25, 1e-3, -7.0, 0.1, 3.0, 1e6, -0.3, 2.5, 1.0, 0.0, -1.5, 0.7, 4.0]
B, NOISE = 4.2, 0.01
SEEDS_AND_SALTS = [(0, ""), (714, ""), (2**200, ""), (714, "a/b"), (714, "Übung №1")]
ROWS = [0, 1, 12345, 2**32, 2**63 - 1]


def pattern(x, real):
    """The bits of a number in hexadecimal."""
    return f"{real.bits(x) % 2**real.B:0{real.B // 4}x}"


# ---- planted and the reimplementation -------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "salt"), SEEDS_AND_SALTS)
@pytest.mark.parametrize("features", [1, 2, 3, 5, 17])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows(dtype, features, seed, salt):
    """Features and response are those of the page, bit for bit."""
    w = WEIGHTS[:features]
    rows = planted.rows(planted.LinearTruth(w, B, NOISE), 2**63, seed=seed, salt=salt, dtype=dtype)
    X, y = rows.take(ROWS)
    expected = [version_1.row(i, w, B, NOISE, seed, salt, dtype) for i in ROWS]
    assert patterns(X) == patterns(np.array([x for x, _ in expected], dtype))
    assert patterns(y) == patterns(np.array([response for _, response in expected], dtype))


@pytest.mark.parametrize(("w", "b"), [(1e39, 0.0), (-1e39, 0.0), (1e-40, 0.0), (1e-46, 0.0), (0.0, -0.0)])
def test_extreme_responses(w, b):
    """A response beyond the largest float32 is infinite, a tiny one subnormal or 0, and a 0 has the page's sign."""
    rows = planted.rows(planted.LinearTruth([w], b, 0.0), 9, seed=1)
    expected = [version_1.row(i, [w], b, 0.0, 1, "", "float32")[1] for i in range(9)]
    assert patterns(rows.y) == patterns(np.array(expected, "float32"))


@pytest.mark.parametrize(("seed", "salt"), SEEDS_AND_SALTS)
def test_weights(seed, salt):
    """Planted weights are those of the page, for an odd and an even number of them."""
    for features in (1, 2, 9):
        assert planted.weights(features, seed=seed, salt=salt).tolist() == version_1.weights(features, seed, salt)


@pytest.mark.parametrize(("seed", "epoch", "salt"), [(0, 0, ""), (714, 3, "Übung №1"), (2**200, 2**70, "a/b")])
@pytest.mark.parametrize("n", [1, 2, 5, 4096, 4097, 65_537, 10**12, 2**63])
def test_permutation(n, seed, epoch, salt):
    """The order and its inverse are those of the page."""
    positions = sorted({p for p in (0, 1, 2, 3, 4, 1000, n // 2, n - 2, n - 1) if 0 <= p < n})
    order = planted.permutation(n, seed, epoch, salt=salt)
    assert order.take(positions).tolist() == [version_1.row_at(p, n, seed, epoch, salt) for p in positions]
    assert order.inverse().take(positions).tolist() == [
        version_1.position_of(r, n, seed, epoch, salt) for r in positions
    ]


@pytest.mark.parametrize(("seed", "epoch", "salt"), [(0, 0, ""), (714, 3, "Übung №1"), (2**200, 2**70, "a/b")])
@pytest.mark.parametrize(
    ("edges", "pool"),
    [
        ([0], 3),
        ([0, 1], 1),
        ([*range(0, 60, 2), 59], 1),  # pools beyond the ninth: their numbers are hexadecimal
        ([0, 3, 4, 9, 20, 21, 22, 30], 3),
        ([0, 5, *range(12, 300, 7), 300], 40),
        ([0, 5, *range(12, 9_000, 7), 9_000], 10**9),  # more rows in a pool than a table has
    ],
)
def test_block_order(edges, pool, seed, epoch, salt):
    """The block shuffle is that of the page, for blocks of equal and of unequal sizes."""
    order = BlockOrder(Blocks.from_edges(edges), pool, seed, epoch, salt)
    assert order.take(range(edges[-1])).tolist() == version_1.block_order(edges, pool, seed, epoch, salt)


# ---- what the page says: its constants ------------------------------------------------------------------------


def table(header, lines):
    """A table of the page, up to the empty line behind it."""
    columns = header.count("|") - 1
    return "\n".join([header, "|" + "---|" * columns, *lines]) + "\n\n"


def integers(names, values):
    """A table of integer constants in both spellings."""
    lines = [f"| `{name}` | `0x{value:08X}` | {value} |" for name, value in zip(names, values, strict=True)]
    return table("| constant | hexadecimal | decimal |", lines)


def scalars():
    """The table of the constants that are no polynomial."""
    lines = [
        f"| `{name.upper()}` | {kind} | {value!r} | `{value.hex()}` |"
        for name in ("ln2", "root_half")
        for kind, value in ((kind, getattr(precision, name)) for kind, precision in random.PRECISIONS.items())
    ]
    return table("| constant | type | decimal | hexadecimal |", lines)


def coefficients(name, kind):
    """The table of a polynomial."""
    values = getattr(random.PRECISIONS[kind], name)
    lines = [f"| {i} | {value!r} | `{value.hex()}` |" for i, value in enumerate(values)]
    return f"`{name.upper()}` in {kind}:\n\n" + table("| power | decimal | hexadecimal |", lines)


def layouts():
    """The table of what differs between the types."""
    said = {"bits": "`B`, bits of a uniform", "mantissa": "`M`, bits of the mantissa behind the binary point"}
    said |= {"normals": "`N`, normals that four words make"}
    values = {name: (getattr(random.FLOAT32, name), getattr(random.FLOAT64, name)) for name in said}
    lines = [f"| {said[name]} | {narrow} | {wide} |" for name, (narrow, wide) in values.items()]
    return table("| constant | float32 | float64 |", lines)


CONSTANTS = {
    "layouts": layouts(),
    "philox": integers(("M0", "M1", "W0", "W1"), random.MULTIPLIERS + random.WEYL),
    "mixers": integers(("X0", "X1"), random.MIXERS),
    "scalars": scalars(),
} | {f"{name}-{kind}": coefficients(name, kind) for kind in random.PRECISIONS for name in ("log", "sine", "cosine")}


@pytest.mark.parametrize("name", CONSTANTS)
def test_constants(name):
    """The page spells every constant of the definition in both ways, in order, and no other."""
    assert CONSTANTS[name] in PAGE


def test_no_constant_is_left_out():
    """Every number that the definition holds occurs on the page as text."""
    for precision in random.PRECISIONS.values():
        numbers = [precision.ln2, precision.root_half, *precision.log, *precision.sine, *precision.cosine]
        assert [x for x in numbers if repr(x) not in PAGE or x.hex() not in PAGE] == []
        assert f"`{patterns(precision.real(precision.root_half))[0]}`" in PAGE
    for integer in (*random.MULTIPLIERS, *random.WEYL, *random.MIXERS):
        assert f"0x{integer:08X}" in PAGE
        assert f"| {integer} |" in PAGE
    assert (random.VERSION, random.ROUNDS, random.SMALL, random.KEY_WORDS) == (1, 10, 4096, 16)
    for said in ("planted/1/", "repeat 10 times", "Up to 4096 rows", "sixteen words"):
        assert said in PAGE


def test_decimals_and_hexadecimals_agree():
    """Wherever the page gives a constant twice, both spellings are one number, exact in its type."""
    pairs = re.findall(r"\| (-?[0-9.e-]+) \| `(-?0x1\.[0-9a-f]+p[-+][0-9]+)` \|", PAGE)
    assert len(pairs) == 2 * 2 + sum(
        len(polynomial)
        for precision in random.PRECISIONS.values()
        for polynomial in (precision.log, precision.sine, precision.cosine)
    ) + sum(3 + len(numbers.expm1) for numbers in EXPONENTIALS.values())
    assert [pair for pair in pairs if float(pair[0]) != float.fromhex(pair[1])] == []
    for constants in (version_1.FLOAT32.LOG, version_1.FLOAT32.SINE, version_1.FLOAT32.COSINE):
        assert [x for x in constants if x != struct.unpack("<f", struct.pack("<f", x))[0]] == []


# ---- what the page says: its worked example -------------------------------------------------------------------


def block(lines):
    """A fenced block of names and values."""
    return "```text\n" + "\n".join(f"{name:<11} {value}".rstrip() for name, value in lines) + "\n```\n"


def hexadecimals(words):
    """Words in hexadecimal."""
    return " ".join(f"{word:08x}" for word in words)


def key_lines(purpose, epoch=None):
    """From a label to its key."""
    label = version_1.label(purpose, 714, "", epoch)
    words = version_1.label_words(label)
    return words[:2], [
        ("label", label),
        ("digest", struct.pack("<2I", *words[:2]).hex(" ") + " ..."),
        ("K[0] K[1]", hexadecimals(words[:2])),
    ]


def example_rows(kind):
    """Row 0 of the book's truth, step by step."""
    real = version_1.REALS[kind]

    def shown(x):
        return f"{pattern(x, real)}  {x!r}"

    w = WEIGHTS[:2]
    x, y = version_1.row(0, w, B, NOISE, 714, "", kind)
    key, lines = key_lines(f"features{real.B}")
    words = version_1.row_words(0, 0, key)
    r, a = words[:2] if real.B == 32 else (words[0] | words[1] << 32, words[2] | words[3] << 32)
    uniform, pair = version_1.minus_log_uniform(r, real), version_1.normal_pair(r, a, real)
    digits = real.B // 4
    lines += [("words", hexadecimals(words)), ("r", f"{r:0{digits}x}"), ("a", f"{a:0{digits}x}"), ("s", uniform.s)]
    lines += [(name, shown(getattr(uniform, name))) for name in ("c", "u")]
    lines += [("exponent", uniform.exponent), ("f", shown(uniform.f)), ("q", shown(uniform.q))]
    lines += [("LOG(f)", shown(version_1.polynomial(real.LOG, uniform.f, real))), ("l", shown(uniform.l))]
    lines += [("-log(u)", shown(uniform.m))]
    lines += [(name, shown(getattr(pair, name))) for name in ("radius", "t", "z", "sine", "cosine")]
    lines += [(f"x[{j}]", shown(x[j])) for j in range(2)]

    key, more = key_lines(f"noise{real.B}")
    words = version_1.row_words(0, 0, key)
    e = version_1.normals(words, real)[0]
    lines += [("", ""), *more, ("words", hexadecimals(words)), ("e", shown(e)), ("", "")]
    for v, step in (
        (B, "v = b"),
        (B + x[0] * w[0], "then x[0]"),
        (B + x[0] * w[0] + x[1] * w[1], "then x[1]"),
        (version_1.response(x, e, w, B, NOISE), "then e"),
    ):
        lines += [(step, f"{pattern(v, version_1.FLOAT64)}  {v!r}")]
    return block([*lines, ("y", shown(y))])


def example_table():
    """The order of five rows, step by step."""
    key, lines = key_lines("order", epoch=10)
    rows = list(range(5))
    for i in range(4, 0, -1):
        w0, w1, _, _ = version_1.philox((i, 0, 0, 0), key)
        j = (w0 | w1 << 32) * (i + 1) >> 64
        rows[i], rows[j] = rows[j], rows[i]
        lines += [(f"i = {i}", f"words {hexadecimals((w0, w1))} ...  j = {j}  table {rows}")]
    assert tuple(rows) == version_1.table(5, *key)
    return block(lines)


def example_walk():
    """One position of five thousand rows, round by round; its first result lies outside, so that it walks on."""
    n, p = 5000, 2
    K = version_1.key_words("order", 714, "", 0)
    lines = [("label", version_1.label("order", 714, "", 0))]
    lines += [(f"K[{i}] ..." if i else "K[0] ...", hexadecimals(K[i : i + 4])) for i in range(0, 16, 4)]
    lines += [("L, R", "6, 7"), ("left, right", f"{p >> 7}, {p & 127}")]
    for step in range(8):
        halves = version_1.feistel(p, n, K, range(step + 1))
        lines += [(f"step {step}", f"{halves >> 7}, {halves & 127}")]
    path = [p]
    while path[-1] >= n or len(path) == 1:
        path += [version_1.feistel(path[-1], n, K, range(8))]
    assert len(path) == 3
    assert path[-1] == version_1.row_at(p, n, 714, 0)
    return block([*lines, ("walk", " -> ".join(map(str, path)))])


EXAMPLES = {
    "float32": lambda: example_rows("float32"),
    "float64": lambda: example_rows("float64"),
    "table": example_table,
    "walk": example_walk,
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name):
    """The worked example shows what a run gives, step by step."""
    assert EXAMPLES[name]() in PAGE


def test_example_is_planted():
    """The row and the orders of the worked example are those that planted makes."""
    for dtype in ("float32", "float64"):
        X, y = planted.regression(w=WEIGHTS[:2], b=B, noise=NOISE, n=1, seed=714, dtype=dtype)[0:1]
        x_shown, y_shown = re.search(rf"### {dtype}, row 0\n.*?x\[0\] +(\w+) .*?\ny +(\w+) ", PAGE, re.DOTALL).groups()
        assert [x_shown, y_shown] == [patterns(X)[0], patterns(y)[0]]
    assert f"table {planted.permutation(5, 714, 10).take(range(5)).tolist()}\n```" in PAGE
    assert f"-> {planted.permutation(5000, 714)[2]}\n```" in PAGE


# ---- what the page says: its known answers --------------------------------------------------------------------

SALT = "Übung №1"
NUMBERS = {2**32: "2^32", 2**63 - 1: "2^63 - 1", 2**63: "2^63", 2**200: "2^200", 10**12: "10^12"}
PAGE_ROWS = [(0, "", 0), (0, "", 1), (714, "", 0), (714, "", 12345), (714, "", 2**32), (714, "", 2**63 - 1)]
PAGE_ROWS += [(714, SALT, 0), (2**200, "", 0)]
PAGE_ORDERS = [(n, 714, 0, "") for n in (5, 4096, 4097, 65_537, 10**12, 2**63)]
PAGE_ORDERS += [(10**12, 714, 1, ""), (10**12, 714, 0, SALT), (10**12, 2**200, 0, "")]
PAGE_BLOCK_ORDERS = [(10, 2, 2, 2, 714, 0, ""), (10, 3, 4, 3, 714, 10, SALT), (50_000, 3, 7, 500, 714, 0, "")]
PAGE_BLOCK_ORDERS += [(50_000, 3, 7, 500, 2**200, 1, ""), (50_000, 963, 963, 52, 714, 0, "")]
RANDOM123 = (  # the known-answer vectors of the Random123 library
    ((0, 0, 0, 0), (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
)
LABELS = (
    ("features32", 0, "", None),
    ("noise64", 714, "", None),
    ("weights", 2**200, "", None),
    ("order", 714, SALT, 0),
    ("order", 255, "a/b", 16),
    ("pool1a", 714, "", 0),
)


def number(n):
    """A number as the page spells it."""
    return NUMBERS.get(n, str(n))


def salted(salt):
    """A salt as the page spells it."""
    return f"`{salt}`" if salt else ""


def answers_philox():
    """The table of Philox words."""
    header = "| counter | key | words |"
    return table(header, [f"| `{hexadecimals(c)}` | `{hexadecimals(k)}` | `{words}` |" for c, k, words in RANDOM123])


def answers_keys():
    """The table of key words."""
    lines = []
    for purpose, seed, salt, epoch in LABELS:
        K = version_1.key_words(purpose, seed, salt, epoch)
        label = version_1.label(purpose, seed, salt, epoch)
        lines += [f"| `{label}` | `{K[0]:08x}` | `{K[1]:08x}` | `{K[15]:08x}` |"]
    return table("| label | `K[0]` | `K[1]` | `K[15]` |", lines)


def answers_rows(kind):
    """The table of rows of one type: two groups of features in either type."""
    real = version_1.REALS[kind]
    w = WEIGHTS[: real.N + 1]
    lines = []
    for seed, salt, i in PAGE_ROWS:
        x, y = version_1.row(i, w, B, NOISE, seed, salt, kind)
        shown = " ".join(pattern(value, real) for value in x)
        lines += [f"| {number(seed)} | {salted(salt)} | {number(i)} | `{shown}` | `{pattern(y, real)}` |"]
    return table("| seed | salt | row | x | y |", lines)


def answers_weights():
    """The table of planted weights."""
    lines = []
    for seed, salt in ((0, ""), (714, ""), (714, SALT), (2**200, "")):
        shown = " ".join(pattern(weight, version_1.FLOAT64) for weight in version_1.weights(3, seed, salt))
        lines += [f"| {number(seed)} | {salted(salt)} | `{shown}` |"]
    return table("| seed | salt | weights 0, 1, 2 |", lines)


def answers_orders():
    """The table of orders."""
    lines = []
    for n, seed, epoch, salt in PAGE_ORDERS:
        *first, last = (version_1.row_at(p, n, seed, epoch, salt) for p in (0, 1, n - 1))
        back = version_1.position_of(0, n, seed, epoch, salt)
        cells = [number(n), number(seed), epoch, salted(salt), ", ".join(map(str, first)), last, back]
        lines += ["| " + " | ".join(map(str, cells)) + " |"]
    return table("| n | seed | epoch | salt | positions 0, 1 | position n - 1 | of row 0 |", lines)


def answers_block_orders():
    """The table of block orders."""
    lines = []
    for n, first, size, pool, seed, epoch, salt in PAGE_BLOCK_ORDERS:
        rows = version_1.block_order([0, *range(first, n, size), n], pool, seed, epoch, salt)
        cells = [n, first, size, pool, number(seed), epoch, salted(salt), f"{rows[0]}, {rows[1]}", rows[-1]]
        lines += ["| " + " | ".join(map(str, cells)) + " |"]
    return table("| n | first block | others | pool | seed | epoch | salt | positions 0, 1 | position n - 1 |", lines)


ANSWERS = {
    "philox": answers_philox,
    "keys": answers_keys,
    "float32": lambda: answers_rows("float32"),
    "float64": lambda: answers_rows("float64"),
    "weights": answers_weights,
    "orders": answers_orders,
    "block-orders": answers_block_orders,
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(name):
    """The known answers on the page are what a run gives."""
    assert ANSWERS[name]() in PAGE


def test_philox_answers():
    """The reimplementation's Philox gives the vectors of Random123."""
    for counter, key, words in RANDOM123:
        assert hexadecimals(version_1.philox(counter, key)) == words


def test_key_answers():
    """Planted makes the key words of the page."""
    for purpose, seed, salt, epoch in LABELS:
        expected = version_1.key_words(purpose, seed, salt, epoch)
        assert random.key_words(purpose, seed, salt=salt, epoch=epoch) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_row_answers_are_planted(dtype):
    """Planted makes the rows in the page's table."""
    w = WEIGHTS[: version_1.REALS[dtype].N + 1]
    for seed, salt, i in PAGE_ROWS:
        X, y = planted.rows(planted.LinearTruth(w, B, NOISE), 2**63, seed=seed, salt=salt, dtype=dtype).take([i])
        line = f"| {number(seed)} | {salted(salt)} | {number(i)} | `{' '.join(patterns(X))}` | `{patterns(y)[0]}` |\n"
        assert line in PAGE


def test_order_answers_are_planted():
    """Planted makes the orders in the page's table."""
    for n, seed, epoch, salt in PAGE_ORDERS:
        order = planted.permutation(n, seed, epoch, salt=salt)
        first = ", ".join(map(str, order.take([0, 1]).tolist()))
        assert f"| {first} | {order[n - 1]} | {order.inverse()[0]} |\n" in PAGE


def test_block_order_answers_are_planted():
    """Planted makes the block orders in the page's table."""
    for n, first, size, pool, seed, epoch, salt in PAGE_BLOCK_ORDERS:
        a, b, z = BlockOrder(Blocks(n, size, first), pool, seed, epoch, salt).take([0, 1, n - 1]).tolist()
        assert f"| {epoch} | {salted(salt)} | {a}, {b} | {z} |\n" in PAGE
