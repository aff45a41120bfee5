"""Rows held in memory, taken by number: compiled, and asked for before they are needed."""

from planted._machine import compiled_with, prefetch

AHEAD = 24  # rows: by then the memory has answered

compiled = compiled_with(__file__)


@compiled
def gathered(rows, X, y, X_out, y_out):
    """Rows held in memory, in any order: ``X_out = X[rows]``, ``y_out = y[rows]``, y of shape (rows, 1).

    Each read misses every cache, so the time is that of the memory's latency unless the rows are asked for `AHEAD`.
    """
    features = X.shape[1]
    for i in range(rows.size):
        ahead = rows[min(i + AHEAD, rows.size - 1)]
        prefetch(X, ahead, 0)
        prefetch(X, ahead, features - 1)
        prefetch(y, ahead, 0)
        row = rows[i]
        for j in range(features):
            X_out[i, j] = X[row, j]
        y_out[i, 0] = y[row, 0]


@compiled
def gathered_block_rows(rows, matrix, X_out, y_out):
    """Rows of a matrix that holds features and response side by side, as `gathered` takes those of two arrays."""
    features = matrix.shape[1] - 1
    for i in range(rows.size):
        ahead = rows[min(i + AHEAD, rows.size - 1)]
        prefetch(matrix, ahead, 0)
        prefetch(matrix, ahead, features)
        row = rows[i]
        for j in range(features):
            X_out[i, j] = matrix[row, j]
        y_out[i, 0] = matrix[row, features]
