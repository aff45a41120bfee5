"""What a learner found: an `Estimate`, also read from what the learners of other libraries leave behind."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from planted._estimates.asking import compare_model
from planted._estimates.columns import order, refuse_terms
from planted._estimates.layers import layer_in, layer_of, without_weights
from planted._estimates.models import from_estimator, from_named, from_results
from planted._input import floats, real, vector
from planted._types import FloatArray
from planted.errors import InvalidTypeError, InvalidValueError

Float64s: TypeAlias = npt.NDArray[np.float64]
SHAPES: Final = "pass (w, b): one weight a feature, and one intercept, such as ([2.0, -3.4], 4.2)"
DIVERGED: Final = "a learner that leaves the finite numbers has diverged; lower its learning rate"


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Estimate:
    """What a learner found: weights `w` of shape (features,) and intercept `b`, in float64.

    `w` may be given as a column or a row, or, if there is one weight, as a number. Names that number the columns, in a
    table or a dict, put it into the rows' order. It unpacks as ``w, b = estimate``.

    Raises
    ------
    InvalidValueError
        If they have other shapes, or are not finite, or the names number other columns.
    InvalidTypeError
        If they hold no numbers, or the names are not those of the rows' columns alone.

    Examples
    --------
    >>> Estimate([2.0, -3.4], 4.2)
    Estimate(w=[2.0, -3.4], b=4.2)
    >>> w, b = Estimate({"x1": -3.4, "x0": 2.0}, 4.2)
    >>> w.tolist(), b
    ([2.0, -3.4], 4.2)
    """

    __module__ = "planted"

    w: Float64s
    b: float

    def __init__(self, w: Any, b: Any) -> None:
        weights, intercept = floats(_values(w), "w", remedy=SHAPES), floats(b, "b", remedy=SHAPES)
        if (names := _index(w)) is not None:
            refuse_terms(names, "w")
            weights = _ordered(weights, names)
        if intercept.size != 1:
            raise InvalidValueError(f"b has shape {intercept.shape}; it must be one number: {SHAPES}")
        finite = np.isfinite(weights).all() and np.isfinite(intercept).all()
        remedy = SHAPES if finite else DIVERGED
        weights = vector(weights.reshape(1) if weights.ndim == 0 else weights, "w", remedy=remedy)
        weights.flags.writeable = False
        object.__setattr__(self, "w", weights)
        object.__setattr__(self, "b", real(intercept, "b", remedy=remedy))

    @property
    def parameters(self) -> Float64s:
        """The intercept and the weights as one vector, the intercept first."""
        return np.concatenate(([self.b], self.w))

    def __iter__(self) -> Iterator[Any]:
        """The weights, then the intercept."""
        return iter((self.w, self.b))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled as its arguments, so that what is loaded is read-only again."""
        return Estimate, (np.array(self.w), self.b)

    def __repr__(self) -> str:
        """All the weights if they are few, else the first three and the count."""
        shown = self.w if self.w.size <= 8 else self.w[:3]
        more = "" if self.w.size <= 8 else f", ... {self.w.size} weights"
        return f"Estimate(w=[{', '.join(repr(float(w)) for w in shown)}{more}], b={self.b!r})"


def as_estimate(learned: Any) -> Estimate:
    """What a learner left behind, read as an `Estimate`: by what it has, whatever library it is from.

    It may be

    - an `Estimate`, or a pair ``(w, b)``;
    - a fitted model that is a line, as scikit-learn has them, or a pipeline that ends in one;
    - the results of a statistical model that is a line: ``params``, in which ``model.data.const_idx`` is the place of
      the constant, or None, for an intercept of 0;
    - a model with exactly one linear layer, or a mapping of parameters with exactly one, under whatever names; a
      ``bias`` of None, or one that a mapping leaves out, is an intercept of 0.

    Where columns have names that number them, weights are put into the rows' order by these; see `order`.

    Raises
    ------
    InvalidTypeError
        If it is none of the things that `check` takes, or no line.
    InvalidValueError
        If it has no weights yet, has several outputs, or holds numbers that are not finite.
    """
    if isinstance(learned, Estimate):
        return learned
    kind = type(learned).__name__
    if isinstance(learned, type):
        raise InvalidTypeError(f"{learned.__name__} is a class, not an estimate: pass an object of it that was trained")
    if isinstance(learned, (tuple, list)) and len(learned) == 2:
        w, b = learned
        if b is None:
            raise InvalidTypeError("b holds no number, but None: pass (w, 0.0) if there is no intercept")
        return _estimate(w, b, None, "(w, b)")
    if isinstance(inner := getattr(learned, "params", None), Mapping):  # a training state's parameters
        learned = inner
    if isinstance(learned, Mapping):
        if (pair := layer_in(learned, kind)) is not None:
            return _estimate(*pair, None, kind)
        numbers = [value for value in learned.values() if _ndim(value) == 0 and not isinstance(value, Mapping)]
        line = from_named(list(learned), numbers, kind) if len(numbers) == len(learned) else None
    elif (names := _index(learned)) is not None:
        line = from_named(names, list(floats(learned, kind, remedy=SHAPES).reshape(-1)), kind)
    else:
        line = _line_of(learned)
    if line is None:
        raise InvalidTypeError(f"{kind} is not an estimate: {_remedy(learned)}")
    return _estimate(*line, kind)


def _line_of(learned: Any) -> tuple[Any, Any, Any] | None:
    """The weights, the intercept and the columns' names of a model of any library."""
    if isinstance(learned, (str, bytes, np.ndarray, list, tuple)) or hasattr(learned, "shape"):
        return None
    line = from_estimator(learned) or from_results(learned)
    if line is not None:
        return line
    found = layer_of(learned)
    if found is None:
        return None
    layer, w, b = found
    if layer is not learned and w is not None:
        kind = type(learned).__name__
        compare_model(learned, w, _numbers(w, kind), _numbers(b, kind))
    return w, b, None


def _estimate(w: Any, b: Any, names: Any, kind: str) -> Estimate:
    """The estimate of weights in a learner's order, which their names may change."""
    own = _index(w)
    if own is not None:
        refuse_terms(own, kind)
    names, w = own if names is None else list(names), _values(w)
    if w is None:
        raise InvalidValueError(without_weights(kind))
    weights, intercept = _numbers(w, kind), _numbers(b, kind)
    several = intercept.size != 1 or weights.size > max(weights.shape, default=1)
    if several and kind != "(w, b)":  # of a pair, `Estimate` says what is wrong
        raise InvalidValueError(
            f"w has shape {weights.shape}; it must be a vector, and b, of shape {intercept.shape}, one number: of the "
            f"several outputs of {kind} pass one, as (w, b)"
        )
    return Estimate(_ordered(weights, names), intercept)


def _ordered(weights: FloatArray, names: list[Any] | None) -> FloatArray:
    """Weights in the order of the rows' columns, as far as their names tell."""
    if names is None or len(names) != weights.size or (places := order(names)) is None:
        return weights
    return weights.reshape(-1)[places]


def _numbers(value: Any, kind: str) -> FloatArray:
    """The array in a parameter, whatever wraps it; 0 for None, which is an intercept left out."""
    try:
        if callable(getattr(value, "data", None)):  # of Gluon, a method; elsewhere an attribute, or none
            value = value.data()
        return floats(0.0 if value is None else value, kind, remedy="pass its weights and intercept as (w, b)")
    except (RuntimeError, ValueError) as error:  # what is left uninitialised until a layer sees its first batch
        raise InvalidValueError(without_weights(kind)) from error


def _index(w: Any) -> list[Any] | None:
    """The names that a table's column or row, or a dict, gives to numbers; None if there are none."""
    if isinstance(w, Mapping):
        return list(w)
    labels = [getattr(w, name, None) for name in ("index", "columns")]
    size = getattr(w, "size", None)
    fitting = [label for label in labels if label is not None and not callable(label) and len(label) == size]
    return list(fitting[0]) if fitting else None


def _ndim(value: Any) -> int | None:
    """How many dimensions an array of it has; None if it is none, such as arrays of unequal shapes."""
    try:
        return np.ndim(value)
    except (ValueError, UserWarning):
        return None


def _values(w: Any) -> Any:
    """The numbers of a dict; anything else as it is."""
    return list(w.values()) if isinstance(w, Mapping) else w


def _remedy(learned: Any) -> str:
    """What to pass instead of something that is no estimate."""
    if isinstance(learned, (Mapping, list, tuple)) and not learned:
        return "it is empty: of a model that keeps its weights as plain tensors, pass (model.w, model.b)"
    if isinstance(learned, Mapping) and any(name in learned for name in ("w", "coef_")):
        return "b is missing: pass {'w': w, 'b': b}, with b=0 if there is no intercept"
    if hasattr(learned, "shape") or (isinstance(learned, (list, tuple)) and _ndim(learned) == 1):
        return "an intercept belongs to the weights: pass (w, b), with b=0 if there is none"
    if isinstance(learned, (list, tuple)):
        return (
            f"it has {len(learned)} parts: pass (w, b); of what numpy.linalg.lstsq gives, both are in the first part, "
            "beta, and the intercept is where the column of ones was: pass (beta[:-1], beta[-1]) if it was the last"
        )
    return (
        "pass an Estimate, (w, b), a fitted linear model, a framework's linear layer, a model with one such layer, or "
        "its dict of parameters"
    )
