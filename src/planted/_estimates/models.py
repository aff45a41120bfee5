"""Fitted models of statistics: their weights and intercept, once they have shown that they are a line.

A model says by its own predictions whether it is ``X w + b``: that is true of whatever is linear, and false of a
classifier, a count model or a polynomial, whichever library they are of.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from operator import attrgetter
from typing import Any, Final, TypeAlias

import numpy as np

from planted._estimates.columns import is_constant, refuse_terms
from planted._input import floats, to_numpy
from planted._types import FloatArray
from planted.errors import InvalidTypeError, InvalidValueError

POINTS: Final = 4  # at which predictions are compared with the line
PROBE_VALUES: Final = 1 << 20  # how many values a model is asked about at once
REMEDY: Final = "pass its weights and intercept as (w, b)"
REFIT: Final = "fit a linear model to the rows' own columns, with nothing before it that needs another table"

Line: TypeAlias = tuple[Any, Any, Any]  # w, b, and the names of the columns, or None
Predict: TypeAlias = Callable[[FloatArray], Any]


def from_estimator(model: Any) -> Line | None:
    """The line of a fitted model with ``predict`` and ``get_params``, as scikit-learn's have; None of another thing.

    A model without ``coef_`` and ``intercept_``, such as a pipeline with a scaler, is asked for its predictions at
    zero and at each unit vector: those are its line in the rows' own features. One whose ``intercept_`` is meant for
    centred features is asked for that at zero.
    """
    if not (hasattr(model, "predict") and hasattr(model, "get_params")):
        return None
    kind, names = type(model).__name__, getattr(model, "feature_names_in_", None)

    def predict(X: FloatArray, remedy: str = REFIT) -> FloatArray:
        return _predicted(kind, lambda X: _ask(model, X, names), X, remedy)

    if hasattr(model, "coef_") and hasattr(model, "intercept_"):
        w, b = floats(model.coef_, kind, remedy=REMEDY), floats(model.intercept_, kind, remedy=REMEDY)
        if b.size == 1 and w.size == max(w.shape, default=1):
            zero = np.zeros((1, w.size), w.dtype)
            at_zero = predict(zero, REMEDY)
            if at_zero.size == 1 and at_zero.dtype.kind == "f" and not np.allclose(at_zero, b, 1e-5, 0):
                b = at_zero
            _compare(kind, lambda X: predict(X, REMEDY), w.reshape(-1), b.reshape(()))
        return w, b, names
    if not _is_fitted(model):
        raise InvalidValueError(f"{kind} has not been fitted: call its fit(X, y) before it is checked")
    features = getattr(model, "n_features_in_", None)
    if features is None:
        raise InvalidTypeError(f"{kind} is not an estimate: it does not say how many features it has: {REFIT}")
    b = predict(np.zeros((1, features)))
    if b.size != 1:
        raise InvalidValueError(
            f"{kind} predicts {b.size} numbers for a row, and check judges one: fit it to one response"
        )
    step = max(1, PROBE_VALUES // features)
    units = (np.eye(min(step, features - j), features, k=j) for j in range(0, features, step))
    w = np.concatenate([predict(X).reshape(-1) for X in units]) - b.reshape(())
    _compare(kind, predict, w, b.reshape(()))
    return w, b, names


def from_results(results: Any) -> Line | None:
    """The line of a statistical model's results: ``params``, of which ``model.data.const_idx`` is the constant's.

    None of another thing. Without a constant the intercept is 0.
    """
    try:
        parameters, model, constant = attrgetter("params", "model", "model.data.const_idx")(results)
    except AttributeError:
        return None
    kind = type(model).__name__
    beta = floats(parameters, kind, remedy=REMEDY)
    names = [str(name) for name in getattr(model, "exog_names", None) or []]
    if getattr(model, "formula", None):
        refuse_terms(names, kind)
    if beta.ndim == 1:
        _compare(kind, lambda X: model.predict(beta, X), beta, np.zeros(()))
    if constant is None:
        return beta, 0.0, names or None
    b = beta[constant] * float(to_numpy(model.exog)[0, constant])  # a constant column may hold another number than 1
    return np.delete(beta, constant, axis=0), b, names[:constant] + names[constant + 1 :] or None


def from_named(names: list[Any], values: list[Any], kind: str) -> Line | None:
    """The line in numbers with names, of which one is the intercept's; None if none is, or several are."""
    constants = [i for i, name in enumerate(names) if is_constant(name)]
    if len(constants) != 1 or len(names) < 2:
        return None
    (at,) = constants
    refuse_terms(names, kind)
    w = floats(values[:at] + values[at + 1 :], kind, remedy=REMEDY)
    return w, values[at], names[:at] + names[at + 1 :]


def _compare(kind: str, predict: Predict, w: FloatArray, b: FloatArray) -> None:
    """Refuse a model whose predictions are not those of the line."""
    X = np.random.default_rng(0).integers(-8, 9, (POINTS, w.size)) / 4  # short fractions, exact in float32
    predicted = _predicted(kind, predict, X)
    size = np.abs(X) @ np.abs(w.astype(np.float64)) + abs(float(b)) + np.finfo(float).tiny
    exact = 1e-9 if predicted.dtype == np.float64 else 1e-5
    numeric = predicted.dtype.kind == "f" and predicted.size == POINTS
    if not (numeric and (np.abs(predicted.reshape(-1) - (X @ w + b)) <= exact * size).all()):
        raise no_line(kind)


def no_line(kind: str) -> InvalidTypeError:
    """The error of a model that is not a line."""
    return InvalidTypeError(
        f"{kind} is not a line: what it predicts is not X w + b, the only thing that check can judge: use a linear "
        "regression of y on the rows' features"
    )


def _ask(model: Any, X: FloatArray, names: Any) -> Any:
    """A model's predictions: of an array, or, if it looks for its columns by name, of a table with these."""
    try:
        return model.predict(X)
    except Exception as error:
        if names is None:
            raise
        try:
            pandas = import_module("pandas")
        except ImportError:
            raise error from None
        return model.predict(pandas.DataFrame(X, columns=list(names)))


def _predicted(kind: str, predict: Predict, X: FloatArray, remedy: str = REMEDY) -> FloatArray:
    """A model's predictions, warnings left out."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a model that was fitted to a table, since X has no names
        try:
            return to_numpy(predict(X))
        except Exception as error:
            reason = str(error) or type(error).__name__
            raise InvalidTypeError(f"{kind} cannot be asked for its predictions ({reason}): {remedy}") from error


def _is_fitted(model: Any) -> bool:
    """As scikit-learn tells: by the model's own word, or by an attribute whose name ends in an underscore."""
    if hasattr(model, "__sklearn_is_fitted__"):
        return bool(model.__sklearn_is_fitted__())
    return any(name.endswith("_") and not name.startswith("_") for name in vars(model))
