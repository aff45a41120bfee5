"""A loader's settings: for type checkers, which learn from them what its batches are, and for notebooks."""

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypedDict, cast

import numpy as np

from planted._html import table
from planted._input import to_json_int
from planted._types import FloatArray, RowNumbers, Shuffle
from planted.errors import InvalidTypeError, InvalidValueError

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Minibatch = TypeVar("Minibatch", default=tuple[Any, ...])  # so that `Loader` alone is a type, too
else:
    from typing import TypeVar

    Minibatch = TypeVar("Minibatch")

Arrays: TypeAlias = tuple[FloatArray, FloatArray]
NumberedArrays: TypeAlias = tuple[FloatArray, FloatArray, RowNumbers]
Others: TypeAlias = Literal["torch", "jax", "tensorflow", "mxnet"]  # whose arrays have no type that is known here
Tensors: TypeAlias = tuple[Any, Any]

SHOWN: Final = ("batch_size", "shuffle", "drop_last", "pad_last", "seed", "salt", "framework", "fresh", "with_index")


class Settings(TypedDict, total=False):
    """Those that do not change what a batch is."""

    shuffle: Shuffle
    drop_last: bool
    pad_last: bool
    seed: int
    salt: str
    rank: int | Literal["auto"]
    world_size: int
    fresh: bool
    prefetch: int
    memory: int | str


def checked_shuffle(value: object, rows: Any) -> Shuffle:
    """The order, by the name that a state has for it: all rows mixed is True wherever rows have no blocks."""
    in_blocks = hasattr(rows, "partition")
    if isinstance(value, (bool, np.bool_)):
        return "blocks" if value and in_blocks else bool(value)
    if not isinstance(value, str) or value not in ("blocks", "rows"):
        raise InvalidTypeError(f"shuffle={value!r} must be True, False, 'blocks' or 'rows'")
    if value == "blocks" and not in_blocks:
        raise InvalidValueError(f"shuffle='blocks' needs rows kept on disk, in blocks, not {rows!r}: use shuffle=True")
    return cast("Shuffle", value) if in_blocks else True


def settings_table(loader: Any, stands: str, mixing: str) -> str:
    """What a loader was told and where it stands, as HTML."""
    lines: list[tuple[str, object]] = [("rows", repr(loader.rows)), *((name, getattr(loader, name)) for name in SHOWN)]
    lines += [("mixing", mixing)] * bool(mixing)
    lines += [("rank", f"{loader.rank} of {loader.world_size}")] * (loader.world_size > 1)
    lines.append(("stands at", stands))
    return table(
        "Loader",
        ["setting", "value"],
        [(name, to_json_int(value) if type(value) is int else value) for name, value in lines],
    )
