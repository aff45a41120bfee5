"""planted: regression data whose right answer is known, at any size, for any learner; and whether it was found.

``y = X w + b + noise``. Four verbs, and an example of them::

    import planted

    # plant: rows of a known truth, computed when they are asked for
    rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=10_000, seed=714)

    # feed: shuffled minibatches, a new order each epoch; framework="torch", "jax", "tensorflow", "mxnet" for tensors
    loader = planted.Loader(rows, batch_size=256, shuffle=True)

    # learn: with any learner; `sgd` and `least_squares` are here
    estimate = planted.sgd(loader, epochs=7, lr=0.05)

    # check: did it find what these rows can show?
    print(planted.check(estimate, rows))

`features` and `noise` hold the laws of X and of the noise, where they are not the normal ones. A fifth verb, `audit`,
tests any data loader. `write`, `open` and `verify` keep rows on disk, `open_table` reads files of
others, `permutation` is the shuffle itself, and `errors` holds the exceptions. ``planted.torch``, ``planted.jax``,
``planted.tensorflow`` and ``planted.mxnet`` have the classes of *Dive into Deep Learning* for each framework.

A row is a pure function of (truth, seed, row number): nothing else changes it, wherever and however it is made.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from planted import errors, features, noise
from planted._audit import Audit, audit
from planted._disk import (
    Verification,
    open,  # noqa: A004 -- the contract's name
    verify,
    write,
)
from planted._estimates import Estimate
from planted._lazy import LazyModule
from planted._learn import Report, check, least_squares, sgd
from planted._loader import Loader
from planted._order import Permutation, permutation
from planted._pipeline import Pipeline
from planted._rows import PlantedRows, Rows, regression, rows, weights
from planted._tables import open_table
from planted._truth import LinearTruth
from planted._types import Batch
from planted.errors import PlantedError

if TYPE_CHECKING:
    from planted import jax, mxnet, tensorflow, torch  # noqa: F401 -- for type checkers and completion

__all__ = [
    "Audit",
    "Batch",
    "Estimate",
    "LinearTruth",
    "Loader",
    "Permutation",
    "Pipeline",
    "PlantedError",
    "PlantedRows",
    "Report",
    "Rows",
    "Verification",
    "audit",
    "check",
    "errors",
    "features",
    "least_squares",
    "noise",
    "open",
    "open_table",
    "permutation",
    "regression",
    "rows",
    "sgd",
    "verify",
    "weights",
    "write",
]
__version__ = "0.1.0"
_DOORS = ("jax", "mxnet", "tensorflow", "torch")  # imported when first used, with their frameworks

if not TYPE_CHECKING:  # or checkers would accept every name

    def __getattr__(name: str) -> Any:
        if name not in _DOORS:
            raise AttributeError(f"module 'planted' has no attribute {name!r}")
        if find_spec(name) is None:  # so `from planted import torch` imports it, and raises what `error` says
            error = f"planted.{name} needs {name}, which is not installed: pip install 'planted[{name}]'"
            raise AttributeError(error)
        return LazyModule(f"planted.{name}", f"Imported with {name} when first used: see help after that.")


def __dir__() -> list[str]:
    return [*__all__, *_DOORS, "__version__"]
