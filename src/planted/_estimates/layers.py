"""Layers: the one linear layer in a model of any framework, or in a mapping of a model's parameters.

A model is recognised by its methods and attributes, so that no framework is imported or named. What holds exactly one
linear layer, and besides it only what changes nothing, is that layer: a wrapper, a sequence of one, the book's models.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Final

from planted.errors import InvalidTypeError, InvalidValueError

NAMES: Final = (("w", "b"), ("coef_", "intercept_"), ("weight", "bias"), ("kernel", "bias"))  # as learners call them
IDENTITIES: Final = {"Identity", "Flatten", "InputLayer", "Dropout", "Rngs", "RngStream"}  # classes that change no line
JUDGES: Final = {"loss", "losses", "metrics", "torchmetrics"}  # parts of a module's path: what only looks at results
LINEAR: Final = {"linear", "identity"}  # functions that are no activation
FUNCTIONS: Final = (type, FunctionType, BuiltinFunctionType, MethodType)
DEEPEST: Final = 16


@dataclass(frozen=True, slots=True)
class Found:
    """What a model holds, each with its place in it."""

    lines: list[tuple[str, Any]] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)  # and what they are
    unbuilt: list[tuple[str, str]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)


def layer_of(model: Any) -> tuple[Any, Any, Any] | None:
    """The one linear layer in a model, with its weights and intercept as they are there; None if it has none.

    Raises
    ------
    InvalidTypeError
        If it has several, or something else that may bend the line.
    InvalidValueError
        If its layers have no weights yet.
    """
    kind, found = type(model).__name__, Found()
    _walk("", model, found, DEEPEST)
    _refuse(kind, [path for path, _ in found.lines], found.others + found.unbuilt)
    if found.lines:
        (_, layer) = found.lines[0]
        w, b = next(names for names in NAMES if all(hasattr(layer, name) for name in names))
        return layer, getattr(layer, w), getattr(layer, b)
    if found.unbuilt:
        raise InvalidValueError(without_weights(found.unbuilt[0][1]))
    return None


def layer_in(mapping: Mapping[Any, Any], kind: str) -> tuple[Any, Any] | None:
    """The weights and intercept of the one linear layer in a mapping, which may hold others, or paths with dots.

    A ``bias`` that is left out is None. None if there is no such layer.

    Raises
    ------
    InvalidTypeError
        If there are several, or other arrays.
    """
    layers: dict[tuple[str, ...], dict[str, Any]] = {}
    for path, value in _leaves(mapping, (), DEEPEST):
        layers.setdefault(path[:-1], {})[path[-1]] = value
    lines, others = [], []
    for path, values in layers.items():
        pairs = [(w, b) for w, b in NAMES if w in values and (b in values or b == "bias")]
        if pairs:
            (w, b), *_ = pairs
            lines.append((".".join(path), (values[w], values.get(b))))
        else:
            others += [(".".join((*path, name)), name) for name, value in values.items() if getattr(value, "shape", ())]
    if not lines:
        return None
    _refuse(kind, [path for path, _ in lines], others)
    return lines[0][1]


def without_weights(kind: str) -> str:
    """What is said of a layer that waits for its first batch."""
    return f"{kind} has no weights that can be read: let it see a batch of X, and train it, before it is checked"


def _refuse(kind: str, lines: list[str], others: list[tuple[str, str]]) -> None:
    """Refuse what is not one line alone."""
    if len(lines) > 1:
        shown = ", ".join(lines[:3]) + (", ..." if len(lines) > 3 else "")
        raise InvalidTypeError(
            f"{kind} is not an estimate: it holds {len(lines)} linear layers ({shown}), and check judges one: pass "
            "that layer itself, or (w, b)"
        )
    if lines and others:
        path, what = others[0]
        raise InvalidTypeError(
            f"{kind} is not an estimate: besides its linear layer it holds {what} ({path}), which may make it another "
            "thing than X w + b: pass the linear layer itself, or (w, b)"
        )


def _walk(path: str, part: Any, found: Found, deepest: int) -> None:
    if id(part) in found.seen or not deepest or _changes_nothing(type(part)):
        return
    found.seen.add(id(part))
    what = getattr(part, "__name__", None) or type(part).__name__
    for name in ("activation", "act"):
        function = getattr(part, name, None)
        word = getattr(function, "__name__", None) or type(function).__name__
        if function is not None and word.lower() not in LINEAR:
            found.others.append((_join(path, name), word))
    if _is_line(part):
        found.lines.append((path or what, part))
        return
    parts, parameters = _parts(part)
    found.others.extend((_join(path, name), "a parameter") for name in parameters)
    for name, each in parts:
        _walk(_join(path, name), each, found, deepest - 1)
    if not parts and getattr(part, "built", True) is False:
        found.unbuilt.append((path, what))
    elif not parts:
        found.others.append((path, what))


def _is_line(part: Any) -> bool:
    """Whether it has weights and an intercept; a layer that normalises, which has an `eps`, has too, but is none."""
    return not hasattr(part, "eps") and any(hasattr(part, w) and hasattr(part, b) for w, b in NAMES)


def _changes_nothing(kind: type) -> bool:
    path = set(kind.__module__.split("."))
    return kind.__name__ in IDENTITIES or bool(path & JUDGES) or kind.__name__.endswith(("Loss", "Error", "Metric"))


def _parts(part: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """The parts of a model with their names, and the names of parameters of its own."""
    if callable(getattr(part, "named_children", None)) and not hasattr(part, "built"):  # Keras's may be torch's
        own = part.named_parameters(recurse=False) if hasattr(part, "named_parameters") else ()
        return list(part.named_children()), [name for name, _ in own]
    if isinstance(children := getattr(part, "_children", None), Mapping):
        return [(str(name), each) for name, each in children.items()], []
    for name in ("layers", "_layers"):
        layers = getattr(part, name, None)
        if isinstance(layers, Iterable) and not isinstance(layers, (str, Mapping)):
            return [(f"{name.strip('_')}[{i}]", layer) for i, layer in enumerate(layers)], []
    if not hasattr(part, "__dict__") or hasattr(part, "__name__"):  # a function is no container
        return [], []
    values = list(_values(vars(part).items()))
    arrays = [name for name, value in values if hasattr(type(value), "shape")]
    called = [(name, value) for name, value in values if callable(value) and not isinstance(value, FUNCTIONS)]
    return [(name, value) for name, value in called if name not in arrays], arrays


def _values(items: Iterable[tuple[Any, Any]]) -> Iterator[tuple[str, Any]]:
    """Attributes, and what is in those that are lists or mappings."""
    for name, value in items:
        if isinstance(value, (list, tuple)):
            yield from ((f"{name}[{i}]", each) for i, each in enumerate(value))
        elif isinstance(value, Mapping):
            yield from ((f"{name}.{key}", each) for key, each in value.items())
        else:
            yield str(name), value


def _leaves(mapping: Mapping[Any, Any], path: tuple[str, ...], deepest: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in mapping.items():
        place = (*path, *str(name).split("."))
        if isinstance(value, Mapping) and deepest:
            yield from _leaves(value, place, deepest - 1)
        else:
            yield place, value


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
