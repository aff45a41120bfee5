"""Sharded arrays: each batch as one global `jax.Array` over a mesh of devices, of one process or of many.

The sharding says which rows the devices of this process hold; only those are made.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import numpy as np

from planted._input import loader_remedy
from planted._loader import Loader
from planted.errors import InvalidTypeError, InvalidValueError, MissingDependencyError

try:
    import jax
except ImportError as error:
    raise MissingDependencyError("planted.jax needs JAX: pip install 'planted[jax]'") from error

LARGEST_INT32: Final = np.iinfo(np.int32).max


class _Layout(NamedTuple):
    """One array of a global batch."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    sharding: Any


class ShardedLoader:
    """A loader's batches as global `jax.Array`, each process making only the rows of its own devices.

    All processes read the same global batches, which are those of the loader alone, whatever the mesh.

    Parameters
    ----------
    loader
        A `Loader` of whole batches (no ``rank``), with ``framework="numpy"`` or ``"jax"``. It stays where it is.
    sharding
        A `jax.sharding.Sharding` of X, which has the shape (batch_size, features). y has the shape (batch_size, 1), and
        row numbers have (batch_size,); their rows are sharded in the same way.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule; if batches cannot be divided as the sharding says, or the last one is
        incomplete; if the rows of this process do not follow one another.

    Examples
    --------
    >>> import jax, planted
    >>> import numpy as np
    >>> from jax.sharding import Mesh, NamedSharding, PartitionSpec
    >>> mesh = Mesh(np.array(jax.devices()[:1]), ("data",))
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
    >>> loader = planted.Loader(rows, batch_size=32, pad_last=True)
    >>> sharded = ShardedLoader(loader, NamedSharding(mesh, PartitionSpec("data")))
    >>> for X, y in sharded:
    ...     pass
    >>> X.shape, y.shape, len(sharded), tuple(X.sharding.spec)
    ((32, 2), (32, 1), 32, ('data',))
    """

    __module__ = "planted.jax"

    def __init__(self, loader: Loader, sharding: Any) -> None:
        if not isinstance(loader, Loader) or loader.framework not in ("numpy", "jax"):
            use = loader_remedy(loader, "planted.Loader(rows)")
            raise InvalidTypeError(f"{loader!r} is no planted.Loader of NumPy or JAX arrays: {use}")
        if not isinstance(sharding, jax.sharding.Sharding):
            raise InvalidTypeError(
                f"sharding={sharding!r} must be a jax.sharding.Sharding, such as NamedSharding(mesh, "
                "PartitionSpec('data'))"
            )
        if loader.world_size > 1:
            raise InvalidValueError(f"{loader!r} reads a share already: leave out rank=, the sharding says it")
        size, rest = loader.batch_size, len(loader.rows) % loader.batch_size
        if rest and not (loader.drop_last or loader.pad_last):
            raise InvalidValueError(
                f"the last batch has {rest} of {size} rows, and sharded arrays are of one shape: use drop_last=True "
                "or pad_last=True"
            )
        self.sharding = sharding
        self._layouts = [_layout(shape, dtype, sharding) for shape, dtype in _arrays(loader)]
        first, last = _own_rows(size, self._layouts)
        self._first = first
        self.loader = copy.copy(loader)
        self.loader.rank, self.loader.world_size = first // (last - first), size // (last - first)
        self.loader.framework = "numpy"
        self.loader.load_state_dict(loader.state_dict())  # a position of its own

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """The next epoch: tuples (X, y), or (X, y, row numbers), of global arrays."""
        return map(self._whole, self.loader)

    def read(self, epoch: int, batch: int = 0, step: int = 1) -> Iterator[tuple[Any, ...]]:
        """Batches ``batch``, ``batch + step``, ... of an epoch, as `Loader.read` gives them."""
        return map(self._whole, self.loader.read(epoch, batch, step))

    @property
    def epoch(self) -> int:
        """The epoch that the next ``for`` reads."""
        return self.loader.epoch

    def set_epoch(self, epoch: int) -> None:
        """Let the next ``for`` read this epoch, from its start."""
        self.loader.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is: the same in all processes, and for any mesh."""
        return self.loader.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next ``for`` continue where `state_dict` was taken, here, over another mesh, or by a plain `Loader`.

        Raises
        ------
        StateError
            If the state is of other rows, another order, or another version; the loader stays as it was.
        """
        self.loader.load_state_dict(state)

    def __repr__(self) -> str:
        """The loader, and where its arrays lie."""
        return f"ShardedLoader({self.loader!r}, {self.sharding!r})"

    def _whole(self, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        """Global arrays, of which this process has these rows."""
        arrays = []
        for rows, (shape, dtype, sharding) in zip(batch, self._layouts, strict=True):
            own = rows if rows.dtype == dtype else rows.astype(dtype)
            arrays.append(jax.make_array_from_callback(shape, sharding, lambda index, own=own: own[self._local(index)]))
        return tuple(arrays)

    def _local(self, index: tuple[slice, ...]) -> tuple[slice, ...]:
        """Where a part of the global array lies within the rows of this process."""
        rows, *columns = index
        stop = self.loader.batch_size if rows.stop is None else rows.stop
        return (slice((rows.start or 0) - self._first, stop - self._first), *columns)


def _arrays(loader: Loader) -> Iterator[tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and dtype of each array of a global batch."""
    X, y = loader.rows.take(np.zeros(min(1, len(loader.rows)), np.int64))
    for array in (X, y):
        if array.dtype.itemsize == 8 and not jax.config.jax_enable_x64:
            raise InvalidTypeError(
                "float64 rows would become float32 in JAX: call jax.config.update('jax_enable_x64', True) first, or "
                "make rows of dtype='float32'"
            )
        yield (loader.batch_size, *array.shape[1:]), array.dtype
    if loader.with_index:
        wide = jax.config.jax_enable_x64
        if not wide and (loader.fresh or len(loader.rows) > LARGEST_INT32):
            raise InvalidValueError(
                "with_index=True: row numbers beyond 2^31 need jax.config.update('jax_enable_x64', True) first"
            )
        yield (loader.batch_size,), np.dtype(np.int64 if wide else np.int32)


def _layout(shape: tuple[int, ...], dtype: np.dtype[Any], sharding: Any) -> _Layout:
    """X is sharded as asked for, the other arrays in their rows alone."""
    spec = getattr(sharding, "spec", None)
    if spec is not None and len(spec) > 1 and (len(shape) == 1 or shape[1] == 1):
        sharding = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec(spec[0]))
    try:
        sharding.shard_shape(shape)
    except ValueError as error:
        raise InvalidValueError(
            f"a batch of shape {shape} cannot be divided by {sharding!r}: use a batch_size (or features) that the "
            f"mesh divides ({error})"
        ) from None
    return _Layout(shape, dtype, sharding)


def _own_rows(size: int, layouts: list[_Layout]) -> tuple[int, int]:
    """The rows of a global batch that the devices of this process hold: from, and up to."""
    spans = {
        (rows.start or 0, size if rows.stop is None else rows.stop)
        for shape, _, sharding in layouts
        for rows, *_ in sharding.addressable_devices_indices_map(shape).values()
    }
    first, last = min(span[0] for span in spans), max(span[1] for span in spans)
    covered = len(set().union(*(range(*span) for span in spans)))
    if covered != last - first or size % covered or first % covered:
        raise InvalidValueError(
            f"the devices of this process hold the rows {sorted(spans)} of {size}, which are no share of a batch: "
            "order the mesh so that the devices of a process stand together, as jax.make_mesh does"
        )
    return first, last
