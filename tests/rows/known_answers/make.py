"""Write the known answers: rows, orders and weights as bit patterns, for planted's tests and for other programs.

Version 1 is frozen: its files are never written again, and this script refuses to, since it opens only files that do
not exist yet. It shows where the answers came from, and is kept for a later version, which gets files of its own.

    python tests/rows/known_answers/make.py

Integers that may exceed 53 bits are written in decimal as strings, since many JSON readers would round them. A row's
values are the bit patterns of X and then y in hexadecimal, most significant digit first. `sha256` is the hash of many
more values, little-endian: of the first 65536 rows, all of X row by row and then all of y; or of a whole order as
64-bit integers.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

import planted
from planted._random.random import VERSION

ROW_NUMBERS = (0, 1, 2, 3, 1000, 2**32 - 1, 2**32, 2**62, 2**63 - 1)
SALT = "Übung №1/2"
BOOK = planted.LinearTruth([2.0, -3.4], 4.2, 0.01)
TRUTHS = (
    (BOOK, 714, ""),
    (planted.LinearTruth([1.5], -0.5, 0.1), 0, ""),
    (planted.LinearTruth([0.1 * j - 0.7 for j in range(16)], 100.0, 1.0), 1, ""),
    (planted.LinearTruth([3.0, -1e6, 1e-3, 0.0, 0.25], 0.0, 0.0), 42, ""),
    (BOOK, 2**100, SALT),
)
SIZES = (1, 2, 5, 100, 4096, 4097, 65_536, 65_537, 10**6, 10**12, 2**63)
ORDERS = ((0, 0, ""), (714, 1, ""), (2**100, 2**40, SALT))
ENDS = 10
HASHED_ROWS = 2**16
HASHED_ORDER = 10**6
WEIGHTS = ((0, ""), (714, ""), (2**100, SALT))


def patterns(array):
    """The bits of an array's values in hexadecimal, apart by spaces."""
    array = np.ascontiguousarray(array)
    return " ".join(f"{bits:0{2 * array.itemsize}x}" for bits in array.view(f"u{array.itemsize}").ravel().tolist())


def sha256(*arrays):
    """The hash of arrays as little-endian bytes, row by row."""
    return hashlib.sha256(
        b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in arrays)
    ).hexdigest()


def rows():
    """A few rows of each truth in each type."""
    cases = []
    for truth, seed, salt in TRUTHS:
        for dtype in ("float32", "float64"):
            computed = planted.rows(truth, 2**63, seed=seed, salt=salt, dtype=dtype)
            X, y = computed.take(ROW_NUMBERS)
            values = {
                str(i): f"{patterns(x)} {patterns(response)}" for i, x, response in zip(ROW_NUMBERS, X, y, strict=True)
            }
            case = {**truth.to_dict(), "seed": str(seed), "salt": salt, "dtype": dtype, "rows": values}
            cases.append(case | {"sha256": sha256(*computed[:HASHED_ROWS])})
    return cases


def orders():
    """The rows at the first and the last positions of each order."""
    cases = []
    for n in SIZES:
        for seed, epoch, salt in ORDERS:
            order = planted.permutation(n, seed, epoch, salt=salt)
            ends = {
                "first": order.take(range(min(n, ENDS))).tolist(),
                "last": order.take(range(max(n - ENDS, 0), n)).tolist(),
            }
            case = {"n": str(n), "seed": str(seed), "epoch": str(epoch), "salt": salt}
            case |= {end: " ".join(map(str, numbers)) for end, numbers in ends.items()}
            cases.append(case | ({"sha256": sha256(order.take(range(n)))} if n <= HASHED_ORDER else {}))
    return cases


def weights():
    """The first planted weights of a few seeds."""
    return [
        {"seed": str(seed), "salt": salt, "weights": patterns(planted.weights(9, seed=seed, salt=salt))}
        for seed, salt in WEIGHTS
    ]


def texts():
    """The files: their names and what is in them."""
    cases = {"rows": rows(), "orders": orders(), "weights": weights()}
    return {
        f"version-{VERSION}-{kind}.json": json.dumps({"version": VERSION, kind: answers}, indent=1) + "\n"
        for kind, answers in cases.items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        with (Path(__file__).parent / name).open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
