"""Few rows, or wide ones, compiled: `kernels.linear_rows`, bit for bit, with the lanes along the rows.

One row after another is cut into groups of four words, and the lanes take these groups in the order in which X keeps
them. So no lane is idle, what is written lies together, and several threads can share one row.
"""

import numpy as np

from planted._machine import compiled_with, inlined, store_four_by_four
from planted._random.kernels import LANES, SOURCES, U64, first_normal_32, normals_32, normals_64, row_words

FEW = 96  # fewer rows than this leave so many lanes across them idle that lanes along them are faster

compiled = compiled_with(*SOURCES, __file__)


@inlined
def lanes_along(rows, row, group, groups, lanes, lane_rows, lane_groups):
    """The next lanes in the order in which X keeps its groups: group after group of a row, row after row."""
    for lane in range(lanes):
        lane_rows[lane], lane_groups[lane] = rows[row], group
        group += 1
        if group == groups:
            row, group = row + 1, 0


@inlined
def groups_along(normals, X, row, group, lanes):
    """Write the groups of such lanes; return the row and the group that come next."""
    per_group, features = normals.shape[0], X.shape[1]
    whole = features // per_group  # the groups of a row that are full
    lane = 0
    while lane < lanes:
        full = min(lanes - lane, whole - group)
        fours = full & ~3 if per_group == 4 else 0
        for k in range(0, fours, 4):
            store_four_by_four(normals, lane + k, X, row, (group + k) * 4, 0, 4)
        for k in range(fours, full):
            for part in range(per_group):
                X[row, (group + k) * per_group + part] = normals[part, lane + k]
        lane, group = lane + full, group + full
        if lane < lanes and group == whole and whole * per_group < features:
            for part in range(features - whole * per_group):
                X[row, whole * per_group + part] = normals[part, lane]
            lane, group = lane + 1, group + 1
        if group * per_group >= features:
            row, group = row + 1, 0
    return row, group


@inlined
def _add_products(X, count, w, response):
    """Add the features of each row to its response. A sum waits for the one before, so four rows go side by side."""
    whole = count & ~3
    for i in range(0, whole, 4):
        r0, r1, r2, r3 = response[i], response[i + 1], response[i + 2], response[i + 3]
        for j in range(w.size):
            r0 += np.float64(X[i, j]) * w[j]
            r1 += np.float64(X[i + 1, j]) * w[j]
            r2 += np.float64(X[i + 2, j]) * w[j]
            r3 += np.float64(X[i + 3, j]) * w[j]
        response[i], response[i + 1], response[i + 2], response[i + 3] = r0, r1, r2, r3
    for i in range(whole, count):
        total = response[i]
        for j in range(w.size):
            total += np.float64(X[i, j]) * w[j]
        response[i] = total


@compiled
def few_rows(rows, w, b, noise, feature_key, noise_key, wide, first, last, X, y):
    """`linear_rows` with the lanes along the rows, of at most `LANES` rows or with an empty ``y``.

    It fills in the groups from `first` to `last` - 1, counted in the order in which X keeps them, and then, unless
    ``y`` is empty, the responses. So several threads can share one row.
    """
    words = np.empty((4, LANES), np.uint32)
    per_group = 4 if wide is None else 2
    groups = -(-w.size // per_group)
    normals = np.empty((per_group, LANES), X.dtype)
    lane_rows, lane_groups = np.zeros(LANES, np.uint64), np.zeros(LANES, np.uint64)
    row, group = first // groups, first % groups
    for start in range(first, last, LANES):
        lanes = min(LANES, last - start)
        lanes_along(rows, row, group, groups, lanes, lane_rows, lane_groups)
        row_words(lane_rows, U64(0), lane_groups, feature_key, words)
        if wide is None:
            normals_32(words, normals)
        else:
            normals_64(words, normals)
        row, group = groups_along(normals, X, row, group, lanes)
    if y.size == 0:
        return
    response = np.empty(LANES, np.float64)
    for i in range(rows.size):
        lane_rows[i] = rows[i]
        response[i] = b
    _add_products(X, rows.size, w, response)
    row_words(lane_rows, U64(0), None, noise_key, words)
    if wide is None:
        first_normal_32(words, normals)
    else:
        normals_64(words, normals)
    for i in range(rows.size):
        y[i] = response[i] + np.float64(normals[0, i]) * noise


@compiled
def add_products(X, w, response):
    """Add ``X w`` to the response, shape (rows,) and float64: the features of a row in ascending order."""
    _add_products(X, len(X), w, response)
