"""A loader's settings for type checkers, which learn from them what its batches are."""

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

from planted._types import FloatArray, RowNumbers, Shuffle

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
