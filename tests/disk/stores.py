"""Folders in stores behind fsspec, and what they should hold."""

import numpy as np
from folders import SHARD, assert_same_rows

import planted

ROWS = planted.regression([2.0, -3.4, 0.5], 4.2, noise=0.1, n=401, seed=714)
OTHER = planted.regression([2.0, -3.4, 0.5], 4.2, noise=0.1, n=401, seed=1)


class Place:
    """A folder in a store, and a way around planted to what lies in it."""

    def __init__(self, url, system, root, storage_options):
        self.url, self.system, self.root, self.storage_options = url, system, root, storage_options

    def write(self, rows=ROWS, **settings):
        return planted.write(rows, self.url, shard_bytes=SHARD, storage_options=self.storage_options, **settings)

    def open(self, **settings):
        return planted.open(self.url, storage_options=self.storage_options, **settings)

    def verify(self, **settings):
        return planted.verify(self.url, storage_options=self.storage_options, **settings)

    def contents(self):
        self.system.invalidate_cache()
        if not self.system.exists(self.root):
            return {}
        return {path.rsplit("/", 1)[-1]: self.system.cat_file(path) for path in self.system.ls(self.root, detail=False)}

    def get(self, name):
        return self.system.cat_file(f"{self.root}/{name}")

    def put(self, name, content):
        self.system.makedirs(self.root, exist_ok=True)
        self.system.pipe_file(f"{self.root}/{name}", content)

    def remove(self, name):
        self.system.rm_file(f"{self.root}/{name}")


def same(disk, rows=ROWS):
    numbers = np.random.default_rng(0).permutation(len(rows))[:5]
    assert_same_rows(disk[:], rows[:])
    assert_same_rows(disk.take(numbers), rows.take(numbers))
