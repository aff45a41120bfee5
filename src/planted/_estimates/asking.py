"""Models around one linear layer: whether what they compute is that layer's line.

A model is called with a few rows, in the mode in which it predicts, and nothing of it is changed. One that cannot be
called so is believed.
"""

import copy
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

import numpy as np

from planted._estimates.models import POINTS, no_line
from planted._input import to_numpy
from planted._types import FloatArray

COARSE: Final = 2.0**-6  # relative error of predictions in bfloat16, or by devices that multiply in it
WRAPPED: Final = ("_orig_mod", "module")  # what compiled and distributed models hold: the model itself


def compare_model(model: Any, parameter: Any, w: FloatArray, b: FloatArray) -> None:
    """Refuse a model around one layer whose outputs are not those of the layer, with weights w and intercept b.

    `parameter` is what the model keeps w in. A model that cannot be asked is believed.

    Raises
    ------
    InvalidTypeError
        If the model computes something else.
    """
    kind = type(model).__name__
    w, b = w.astype(np.float64), b.astype(np.float64)
    if b.size != 1 or w.size != max(w.shape, default=1) or not (np.isfinite(w).all() and np.isfinite(b).all()):
        return
    w, b = w.reshape(-1), b.reshape(())
    X = _telling_points(w, float(b))
    outputs = _outputs(model, parameter, X)
    if outputs is None:
        return
    size = np.abs(X) @ np.abs(w) + abs(float(b))
    if not (np.abs(outputs - (X @ w + b)) <= COARSE * size + np.finfo(np.float32).tiny).all():
        raise no_line(kind)


def _telling_points(w: FloatArray, b: float) -> FloatArray:
    """Points on both sides of where the line is 0, so that functions that bend there show it.

    Their values are a power of 2, at most 2, times a short fraction, which all precisions have.
    """
    count = POINTS + (w.size == POINTS)  # not as many as features, so that no row is taken for a column
    signs = np.where(w < 0, -1.0, 1.0)
    X = np.random.default_rng(0).integers(-8, 9, (count, w.size)) / 4
    X[:2] = signs, -signs
    length = float(np.abs(w).sum())
    steps = np.ceil(np.log2(2 * abs(b) / length)) if b and length else 0.0
    points: FloatArray = X * 2.0 ** np.clip(steps, 0, 100)
    return points


def _outputs(model: Any, parameter: Any, X: FloatArray) -> FloatArray | None:
    """One output for each row; None of a model that does not give them, when it is called as it is in use."""
    for name in WRAPPED:
        model = getattr(model, name, model)
    if not callable(model):
        return None
    try:
        with warnings.catch_warnings(), _in_use(model) as asked:
            warnings.simplefilter("ignore")
            tensor = getattr(parameter, "new_tensor", None)
            points = X.astype(np.float32) if tensor is None else tensor(X.tolist())
            for each_alone in (False, True):  # some models take one row
                with suppress(Exception):
                    found = [asked(row) for row in points] if each_alone else [asked(points)]
                    outputs = np.concatenate([to_numpy(output).reshape(-1) for output in found])
                    if outputs.size == len(X) and outputs.dtype.kind == "f":
                        return outputs.astype(np.float64)
    except Exception:  # noqa: BLE001 -- whatever a model raises that wants something else
        return None
    return None


@contextmanager
def _in_use(model: Any) -> Iterator[Any]:
    """The model as it predicts, without dropout; nothing of it is changed afterwards."""
    parts = list(model.modules()) if callable(getattr(model, "modules", None)) else []
    modes = [(part, part.training) for part in parts if isinstance(getattr(part, "training", None), bool)]
    if modes:
        try:
            for part, _ in modes:
                part.training = False
            yield model
        finally:
            for part, training in modes:
                part.training = training
    elif callable(getattr(model, "eval", None)):  # it does not say in which mode it was
        model = copy.deepcopy(model)
        model.eval()
        yield model
    else:
        yield model
