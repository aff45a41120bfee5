"""The loader: minibatches of rows, epoch after epoch, over any number of ranks.

In: rows, and how they are split and shuffled. Out: batches; the whole state is (epoch, batch). A *global batch* is one
over all ranks, of which each rank reads its *share*; a *chunk* is what one call fills, some batches at a time.
"""

from planted._loader.loader import Loader

__all__ = [
    "Loader",
]
