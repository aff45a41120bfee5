"""The pipeline: streams of items, step after step, which can be resumed anywhere.

In: a source (rows, arrays, a file, a generator). Out: what its steps make of it. A *source* and each *step* are stages;
a *position* says how far a stage has come. `adapters` finds the frameworks whose arrays batches become.
"""

from planted._pipeline.adapters import FRAMEWORKS, cutter, process
from planted._pipeline.pipeline import Pipeline, Steps
from planted._pipeline.sources import Arrays, Batches, equally_long

__all__ = [
    "FRAMEWORKS",
    "Arrays",
    "Batches",
    "Pipeline",
    "Steps",
    "cutter",
    "equally_long",
    "process",
]
