"""The bytes of a whole folder, with blocks as large as a user's: they never change."""

import hashlib

import pytest
from folders import contents

import planted

FOLDERS = [
    (
        1_000,
        100,
        "float32",
        {},
        "7e6a68de91e1fe414fb61439e964521d3ce8142e1e1399064eefba0490ed3904",
    ),
    (
        400,
        3_000,
        "float64",
        {"shard_bytes": "3MiB"},
        "568126cb558923e3beeff03d5b89773cb6fc50210c18e50b846d356336ea8814",
    ),
]


@pytest.mark.parametrize(("features", "n", "dtype", "settings", "digest"), FOLDERS, ids=["by default", "four shards"])
def test_the_layout_of_a_folder(tmp_path, features, n, dtype, settings, digest):
    """File names, the plan, the manifest, shards of 16 blocks or a multiple, and every checksum.

    Only of .npy: the bytes of the other formats depend on the version of pyarrow.
    """
    truth = planted.LinearTruth(planted.weights(features, seed=1), 4.2, 0.1)
    planted.write(planted.rows(truth, n, seed=714, dtype=dtype), tmp_path, **settings)
    found = hashlib.sha256()
    for name, content in sorted(contents(tmp_path).items()):
        found.update(f"{name} {len(content)} ".encode() + content)
    assert found.hexdigest() == digest
