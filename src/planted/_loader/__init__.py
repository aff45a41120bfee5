"""The loader: minibatches of rows, epoch after epoch, over any number of ranks.

In: rows, and how they shall be cut and shuffled. Out: batches; its whole state is (epoch, batch).
"""

from planted._loader.loader import Loader

__all__ = [
    "Loader",
]
