"""What a learner found: an `Estimate`, also read from what the learners of other libraries leave behind."""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from planted._input import floats, real, vector
from planted._types import FloatArray
from planted.errors import InvalidTypeError, InvalidValueError

Float64s: TypeAlias = npt.NDArray[np.float64]
NAMES: Final = (("w", "b"), ("coef_", "intercept_"), ("weight", "bias"), ("kernel", "bias"))  # as learners call them


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Estimate:
    """What a learner found: weights `w` of shape (features,) and intercept `b`, in float64.

    Examples
    --------
    >>> Estimate([2.0, -3.4], 4.2)
    Estimate(w=[2.0, -3.4], b=4.2)
    """

    __module__ = "planted"

    w: Float64s
    b: float

    def __init__(self, w: Any, b: Any) -> None:
        remedy = "an estimate is finite; if the learner diverged, lower its learning rate"
        weights = vector(w, "w", remedy=remedy)
        weights.flags.writeable = False
        object.__setattr__(self, "w", weights)
        object.__setattr__(self, "b", real(b, "b", remedy=remedy))

    @property
    def parameters(self) -> Float64s:
        """The intercept and the weights as one vector, the intercept first."""
        return np.concatenate(([self.b], self.w))

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
    - an object, or a mapping, with a pair of `NAMES`; a mapping may lie under ``"params"``, and a ``bias`` of None, or
      one that a mapping leaves out, is an intercept of 0;
    - the results of a statistical model: ``params``, in which ``model.data.const_idx`` is the place of the constant,
      or None, for an intercept of 0.

    Raises
    ------
    InvalidTypeError
        If it is none of the things that `check` takes.
    InvalidValueError
        If it has no weights yet, has several outputs, or holds numbers that are not finite.
    """
    if isinstance(learned, Estimate):
        return learned
    if isinstance(learned, (tuple, list)) and len(learned) == 2:
        return Estimate(*learned)
    kind = type(learned).__name__
    if isinstance(learned, Mapping):
        inner = learned.get("params")
        items = (inner if isinstance(inner, Mapping) else learned).items()
        learned = SimpleNamespace(**{"bias": None} | {str(name): value for name, value in items})
    for names in NAMES:
        if all(hasattr(learned, name) for name in names):
            w, b = (_numbers(getattr(learned, name), kind) for name in names)
            return _estimate(w, b, kind)
    if getattr(learned, "built", True) is False:
        raise InvalidValueError(_without_weights(kind))
    try:
        parameters, constant = attrgetter("params", "model.data.const_idx")(learned)
    except AttributeError:
        raise InvalidTypeError(
            f"{kind} is not an estimate: pass an Estimate, (w, b), a fitted linear model, or a framework's linear "
            "layer itself, such as model.layers[0]"
        ) from None
    beta = _numbers(parameters, kind)
    if constant is None:
        return _estimate(beta, np.zeros(1), kind)
    return _estimate(np.delete(beta, constant, axis=0), beta[constant], kind)


def _numbers(value: Any, kind: str) -> FloatArray:
    """The array in a parameter, whatever wraps it; 0 for None, which is an intercept left out."""
    try:
        if callable(getattr(value, "data", None)):  # of Gluon, a method; elsewhere an attribute, or none
            value = value.data()
        return floats(0.0 if value is None else value, kind, remedy="pass its weights and intercept as (w, b)")
    except (RuntimeError, ValueError) as error:  # what is left uninitialised until a layer sees its first batch
        raise InvalidValueError(_without_weights(kind)) from error


def _estimate(w: FloatArray, b: FloatArray, kind: str) -> Estimate:
    if b.size != 1 or w.size > max(w.shape, default=1):
        raise InvalidValueError(
            f"w has shape {w.shape}; it must be a vector, and b, of shape {b.shape}, one number: of the several "
            f"outputs of {kind} pass one, as (w, b)"
        )
    return Estimate(w, b)


def _without_weights(kind: str) -> str:
    return f"{kind} has no weights that can be read: let it see a batch of X, and train it, before it is checked"
