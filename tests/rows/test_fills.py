"""Values of other laws than the normal: kernels and definition, a second implementation, accuracy, distributions."""

import numpy as np
import pytest

from planted._random import fill_kernels, fills
from planted._random.random import FLOAT32, FLOAT64

LARGEST = 2**63 - 1
KEY = (0x2A1ACE99, 0x4023E5BA)
FALSE_FAILS = 1e-6  # of each statistical test below, for a random seed; the seeds are fixed
BOTH = pytest.mark.parametrize("precision", [FLOAT32, FLOAT64], ids=["float32", "float64"])
THRESHOLDS = np.array([1, 2**30, 2**30, 2**31, 2**32 - 1], np.uint32)
LAWS = {
    "uniforms": ("uniforms",),
    "t, 1": ("student_t", 1.0),
    "t, 2.5": ("student_t", 2.5),
    "t, 1e300": ("student_t", 1e300),
    "laplace": ("laplace",),
    "levels": ("levels", THRESHOLDS),
    "one level": ("levels", THRESHOLDS[:0]),
}


def defined(law, rows, count, precision):
    """The values of the definition."""
    name, *numbers = law
    return getattr(fills, name)(rows.astype(np.uint64), count, KEY, precision, *numbers)


def compiled(law, rows, count, precision):
    """The values of the kernels."""
    name, *numbers = law
    X = np.empty((rows.size, count), np.int32 if name == "levels" else precision.real)
    getattr(fill_kernels, name)(rows, KEY, X, *numbers)
    return X


def some_rows(size):
    """Row numbers of any size."""
    rows = np.random.default_rng(size).integers(0, 2**63, size)
    extremes = [0, LARGEST, 2**32, 2**32 - 1, 2**62, 1]
    rows[: len(extremes)] = extremes[:size]
    return rows


# ---- the kernels and their definition -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 1000])
@pytest.mark.parametrize("law", LAWS)
@BOTH
def test_kernels(precision, law, size):
    """The compiled values are the defined ones, bit for bit: any count, any batch around a vector's width, any row."""
    rows = some_rows(size)
    for count in (*range(10), 17):
        X, expected = (make(LAWS[law], rows, count, precision) for make in (compiled, defined))
        assert (X.dtype, X.shape) == (expected.dtype, expected.shape)
        assert X.tobytes() == expected.tobytes()


@pytest.mark.parametrize("law", LAWS)
@BOTH
def test_more_values_change_none(precision, law):
    """Value j of a row is the same whatever the count and the other rows."""
    rows = some_rows(20)
    X = defined(LAWS[law], rows, 17, precision)
    for count in range(17):
        assert X[3:5, :count].tobytes() == defined(LAWS[law], rows[3:5], count, precision).tobytes()
