"""The frameworks: what planted's doors to PyTorch, JAX, TensorFlow and MXNet share, and what is too large for a door.

In: the book's arguments, or rows. Out: the book's classes, and rows as each framework's own kinds of data sets. What
needs a framework is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from planted._frameworks.book import (
    Framework,
    HyperParameters,
    SyntheticData,
    TensorDataModule,
    absent,
    add_to_class,
    refuse_integers,
)
from planted._lazy import lazily

if TYPE_CHECKING:
    from planted._frameworks.jax_sharded import ShardedLoader as ShardedLoader
    from planted._frameworks.lightning import LightningDataModule as LightningDataModule
    from planted._frameworks.torch_data import Dataset as Dataset
    from planted._frameworks.torch_data import IterableDataset as IterableDataset

__getattr__ = lazily(
    __name__,
    {
        "jax_sharded": ["ShardedLoader"],
        "lightning": ["LightningDataModule"],
        "torch_data": ["Dataset", "IterableDataset"],
    },
)

__all__ = [
    "Framework",
    "HyperParameters",
    "SyntheticData",
    "TensorDataModule",
    "absent",
    "add_to_class",
    "refuse_integers",
]
