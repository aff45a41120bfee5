"""A user's program: under ``mypy --strict`` and pyright without an error, and each batch of the type that it has."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt

import planted

Array = npt.NDArray[np.floating[Any]]

truth = planted.LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01)
rows = planted.rows(truth, 10_000, seed=714)
train, validation = rows.split(8_000, 2_000)
x, y = train[0]
assert_type(train[:2], planted.Batch)
assert_type(train[:2].X, Array)
assert_type(rows.take([3, 1, 4]), planted.Batch)


def mean(some: planted.Rows) -> float:
    """A function of any rows."""
    _, response = some.take(range(len(some)))
    return float(response.mean()) - some.truth.b


def twice_the_noise(some: planted.Rows) -> float:
    """The normal law of noise is a number, too."""
    noise: float = some.truth.noise
    return 2 * noise


def made(count: int) -> planted.PlantedRows:
    """A function that says what it returns."""
    return planted.regression(w=[2.0, -3.4], b=4.2, n=count)


assert_type(made(10).X, Array)
assert_type(made(10).split(5)[0][:3].y, Array)


class Mine:
    """Rows of one's own."""

    truth = truth

    def __len__(self) -> int:
        return 10

    def take(self, row_numbers: Sequence[int] | npt.NDArray[np.int64]) -> tuple[Array, Array]:
        X = np.random.default_rng(0).normal(size=(10, 2))[row_numbers]
        return X, X @ truth.w[:, None] + truth.b


for some in (rows, train, rows.materialize(), made(10), Mine()):
    mean(some)

loader = planted.Loader(train, batch_size=256, shuffle=True, drop_last=True)
for batch in loader:
    X, response = batch
    assert_type(X, Array)
    assert_type(response, Array)
for _, _, numbers in planted.Loader(train, 256, with_index=True):
    assert_type(numbers, npt.NDArray[np.int64])
tensors = planted.Loader(train, 256, framework="torch", seed=3, memory="256MiB")
assert_type(tensors, planted.Loader[tuple[Any, Any]])  # torch's, which are known to torch alone


def begin(some: planted.Loader) -> int:
    """A function of any loader."""
    return len(next(iter(some)))


assert begin(tensors) == begin(loader) == 2

estimate: planted.Estimate = planted.sgd(loader, epochs=7, lr=0.05)
report = planted.check(estimate, train, alpha=0.01)
assert_type(report.passed, bool)
planted.check((np.array([2.0, -3.4]), 4.2), Mine())
assert_type(planted.least_squares(train).w, npt.NDArray[np.float64])
audit: planted.Audit = planted.audit(loader, train, epochs=2)
assert_type(planted.audit((batch for batch in loader), train).transformation, tuple[str, ...])
planted.audit(lambda epoch: [Mine().take(range(10))], Mine(), epochs=2)
disk = planted.write(train, "rows", format="parquet", overwrite=True)
mean(disk)
mean(planted.open("rows", verify=False))
assert_type(planted.verify("rows", repair=True).ok, bool)
order: planted.Permutation = planted.permutation(10, seed=1, epoch=2)
with suppress(planted.errors.InvalidValueError):
    planted.Loader(rows, batch_size=-1)
