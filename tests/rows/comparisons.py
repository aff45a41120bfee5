"""How tests of rows compare values: exactly."""

import numpy as np


def equal(batch, expected):
    """Both X and y are equal."""
    for values, wanted in zip(batch, expected, strict=True):
        np.testing.assert_array_equal(values, wanted)


def patterns(array):
    """The bits of an array's values in hexadecimal."""
    array = np.ascontiguousarray(array)
    return [f"{bits:0{2 * array.itemsize}x}" for bits in array.view(f"u{array.itemsize}").ravel().tolist()]
