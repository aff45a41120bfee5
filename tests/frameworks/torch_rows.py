"""What the tests of torch's input pipelines and of Lightning share: rows, loaders, and what batches must be."""

import itertools

import numpy as np

import planted


def rows_of(n=100, **options):
    return planted.regression([2.0, -3.4], 4.2, n=n, **options)


def loader_of(rows, batch_size=8, **options):
    return planted.Loader(rows, batch_size, framework="torch", **options)


def equal(batches, others):
    """Whether both give the same batches in the same order."""
    pairs = list(itertools.zip_longest(batches, others))
    for batch, other in pairs:
        assert batch is not None
        assert other is not None
        for part, other_part in zip(batch, other, strict=True):
            np.testing.assert_array_equal(np.asarray(part), np.asarray(other_part))
    return True


def every_row_once(rows, batches):
    X, y = (np.concatenate([np.asarray(part) for part in parts]) for parts in zip(*batches, strict=True))
    wanted = sorted(zip(rows.X.tolist(), rows.y.tolist(), strict=True))
    assert sorted(zip(X.tolist(), y.tolist(), strict=True)) == wanted
    return True
