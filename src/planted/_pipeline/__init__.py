"""The pipeline: streams of items, step after step, which can be resumed anywhere.

In: a source (rows, arrays, a file, a generator). Out: what its steps make of it. A *source* and each *step* are stages;
a *position* says how far a stage has come. What `Pipeline` and `Loader` share is here: `Epochs` (one after another, and
the state), and `StreamMethods` (the steps). `adapters` finds the frameworks whose arrays batches become.
"""

from planted._pipeline.adapters import FRAMEWORKS, rank_and_world_size, splitter
from planted._pipeline.arrays import Arrays, equally_long
from planted._pipeline.epochs import Cursor, Epochs
from planted._pipeline.pipeline import Pipeline, StreamMethods, read_once
from planted._pipeline.sources import LoaderSource

__all__ = [
    "FRAMEWORKS",
    "Arrays",
    "Cursor",
    "Epochs",
    "LoaderSource",
    "Pipeline",
    "StreamMethods",
    "equally_long",
    "rank_and_world_size",
    "read_once",
    "splitter",
]
