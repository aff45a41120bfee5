"""The loader: rows in minibatches, epoch after epoch, in a known order, resumable anywhere.

What comes in: rows (anything with a length and a vectorised ``take``) and an order. What goes out: minibatches of the
framework's arrays. Rows on disk are read in blocks, through `pool`. The vocabulary:

- *epoch*: one reading of all rows; each ``for`` over a loader is the next epoch, in a new order if it shuffles.
- *global batch* k: positions k B to (k + 1) B of the epoch's order. `batch_size` is that B. With several ranks each
  takes its share of every global batch (`batches` says which), so the global batches are the same for any number of
  ranks, and all ranks take equally many steps.
- *chunk*: the batches that fit two megabytes, filled by one call in a background thread and delivered as slices.
  That is why a batch of 32 costs little Python. Its memory is used again only when the last of its batches is gone:
  batches are the caller's own.
- *state*: (epoch, batch). Nothing else is needed, since any position can be computed.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal, Unpack, overload

import numpy as np

from planted._input import (
    bytes_of,
    flag,
    for_len,
    integer,
    length,
    rows_like,
    seed_and_salt,
    short,
    steps,
    taken,
    to_json_int,
)
from planted._loader.batches import Chunk, GlobalBatches, Tail
from planted._loader.chunks import FilledChunk, filled_chunks
from planted._loader.pool import ChunkRequest, PoolReader
from planted._loader.settings import (
    Arrays,
    Minibatch,
    NumberedArrays,
    Others,
    Settings,
    Tensors,
    checked_shuffle,
    settings_table,
)
from planted._order import BlockOrder, Order, Permutation, PoolPlan, Sequential, plan_pool
from planted._pipeline import Arrays as RowsOfArrays
from planted._pipeline import Cursor, Epochs, LoaderSource, StreamMethods, rank_and_world_size, splitter
from planted._rows import BaseRows, Rows, earlier_fingerprint
from planted._types import Framework, Shuffle
from planted.errors import InvalidTypeError, InvalidValueError, StateError

STATE_VERSION: Final = 1
CHUNK_BYTES: Final = 1 << 21
BLOCK_SETTINGS: Final = {"block_rows", "pool_blocks", "blocks"}
DEFAULTS: Final = {"pad_last": False, "end": None}  # of settings that may be absent from a state
BATCHES_COUNT: Final = "batches count from 0, and after the last one of epoch 0 comes {'epoch': 1, 'batch': 0}"
OPTIONAL: Final = BLOCK_SETTINGS | set(DEFAULTS)


class Loader(Epochs[Minibatch], StreamMethods[Minibatch]):
    """Minibatches of rows, in random or fixed order, with work done ahead in background threads.

    Each ``for`` over a loader is the next epoch: tuples (X, y), or (X, y, row numbers). So two loops give two orders;
    ``loader.set_epoch(0)`` before the second gives the first one's again.

    Parameters
    ----------
    rows
        Any rows: computed, in memory, on disk, or of your own, with ``len`` and a vectorised ``take``; or arrays,
        equally long, such as ``(X, y)``.
    batch_size
        Rows in a global batch. With several ranks each gets its share of it.
    shuffle
        True for a new pseudorandom order each epoch, False for the order of the row numbers. On disk, True means
        ``"blocks"``: blocks are read in random order, and mixed with as many others as fit the memory. ``"rows"`` mixes
        all rows wherever they are, at the price of random reads.
    drop_last, pad_last
        What becomes of an incomplete last batch: it is kept as it is, dropped, or filled with rows from the beginning
        of the epoch's order, which then come twice.
    seed, salt
        Of the order; any non-negative integer and any string.
    rank, world_size
        Which share of each global batch is read here: rows ``rank * m // world_size`` to ``(rank + 1) * m //
        world_size`` of its m rows. All ranks see equally many batches; only in an incomplete last batch of fewer
        rows than ranks does a rank get none (an array of 0 rows). ``rank="auto"`` takes both from
        ``torch.distributed`` or JAX, whichever the framework is, as they are now.
    framework
        Whose arrays the batches are: ``"numpy"``, ``"torch"``, ``"jax"``, ``"tensorflow"`` or ``"mxnet"``. The values
        are the same in all; memory is shared where that is cheaper than a copy.
    fresh
        Each epoch reads new rows: the first these, later ones ever further down the endless stream. Without it,
        each epoch reads the same rows.
    with_index
        Batches are (X, y, row numbers); ``rows.take(row numbers)`` gives X and y again. Row numbers of `fresh` count on
        past ``len(rows)`` in later epochs: ``planted.rows(truth, 2**63, seed=seed).take(row numbers)`` knows them all.
    prefetch
        How many chunks (of about two megabytes, or one batch) are made ahead; 0 makes them in the calling thread.
    memory
        What the block shuffle may use, in bytes or as a text such as ``"256MiB"``. The more, the better it mixes: the
        loader's ``repr`` says how well. Its order depends on it; without the block shuffle it has no effect.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule.
    MissingDependencyError
        If the framework is not installed.
    ProcessGroupError
        If ``rank="auto"`` and the framework has not been told which process this is.

    Notes
    -----
    A batch is a slice of its chunk: keeping one keeps the megabytes that it lies in. It is the caller's own all the
    same, to change at will, and is never written again.

    The methods of a stream, such as `map` and `take`, make a `Pipeline` of a loader and leave the loader as it is.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
    >>> loader = planted.Loader(rows, batch_size=32, shuffle=True, seed=0)
    >>> len(loader)
    32
    >>> X, y = next(iter(loader))
    >>> X.shape, y.shape
    ((32, 2), (32, 1))
    """

    __module__ = "planted"

    # found out when first asked for; here, since older pickles lack them
    _bytes: int | None = None  # of a row
    _order: dict[str, Any] | None = None  # what a state says of the blocks

    @overload
    def __init__(
        self: "Loader[Arrays]",
        rows: Rows,
        batch_size: int = ...,
        *,
        framework: Literal["numpy"] = ...,
        with_index: Literal[False] = ...,
        **settings: Unpack[Settings],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[NumberedArrays]",
        rows: Rows,
        batch_size: int = ...,
        *,
        framework: Literal["numpy"] = ...,
        with_index: Literal[True],
        **settings: Unpack[Settings],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[Tensors]",
        rows: Rows,
        batch_size: int = ...,
        *,
        framework: Others,
        with_index: Literal[False] = ...,
        **settings: Unpack[Settings],
    ) -> None: ...

    @overload
    def __init__(
        self: "Loader[tuple[Any, ...]]",
        rows: Any,
        batch_size: int = ...,
        *,
        framework: Framework = ...,
        with_index: bool = ...,
        **settings: Unpack[Settings],
    ) -> None: ...

    def __init__(
        self,
        rows: Any,
        batch_size: int = 32,
        *,
        shuffle: Shuffle = True,
        drop_last: bool = False,
        pad_last: bool = False,
        seed: int = 0,
        salt: str = "",
        rank: int | Literal["auto"] = 0,
        world_size: int = 1,
        framework: Framework = "numpy",
        fresh: bool = False,
        with_index: bool = False,
        prefetch: int = 2,
        memory: int | str = "256MiB",
    ) -> None:
        super().__init__()
        if isinstance(rows, StreamMethods):
            raise InvalidTypeError(f"{rows!r} is a stream, not rows: batch it with its own method batch(size)")
        if isinstance(rows, (tuple, list)) and rows and all(getattr(array, "shape", ()) for array in rows):
            rows = RowsOfArrays(rows)
        self.rows: Any = rows_like(rows)
        if fresh and not hasattr(rows, "fresh"):
            raise InvalidValueError(
                f"fresh=True needs rows computed on demand, not {rows!r}: leave them unmaterialized"
            )
        self.batch_size: int = integer(batch_size, "batch_size", minimum=1, remedy="use 1 or more rows a batch")
        self.shuffle = checked_shuffle(shuffle, rows)
        self.drop_last: bool = flag(drop_last, "drop_last")
        self.pad_last: bool = flag(pad_last, "pad_last")
        if self.drop_last and self.pad_last:
            raise InvalidValueError("drop_last=True and pad_last=True exclude each other: choose one")
        self.seed: int
        self.salt: str
        self.seed, self.salt = seed_and_salt(seed, salt)
        splitter(framework)  # refuses an unknown one now, not in the first epoch
        self.framework: Framework = framework
        self.fresh: bool = flag(fresh, "fresh")
        self.with_index: bool = flag(with_index, "with_index")
        self._ahead = integer(prefetch, "prefetch", minimum=0, remedy="use 0 to work in the calling thread")
        self.memory: int = bytes_of(memory, "memory")
        self._plan: PoolPlan | None = plan_pool(rows, self.memory) if self.shuffle == "blocks" else None
        self._n = length(rows)
        self.rank: int
        self.world_size: int
        self.rank, self.world_size = self._checked_rank(rank, world_size)
        self._fingerprint: str | None = None

    @property
    def _stage(self) -> LoaderSource:
        return LoaderSource(self)

    @property
    def _global(self) -> GlobalBatches:
        tail: Tail = "drop" if self.drop_last else "pad" if self.pad_last else "keep"
        return GlobalBatches(self._n, self.batch_size, self.rank, self.world_size, tail)

    def _checked_rank(self, rank: object, world_size: object) -> tuple[int, int]:
        """Rank and world size, as given or as the framework says."""
        if isinstance(rank, str) and rank == "auto":
            if world_size != 1:
                raise InvalidValueError(f"world_size={world_size!r} with rank='auto', which sets it: leave it out")
            rank, world_size = rank_and_world_size(self.framework)
        world = integer(world_size, "world_size", minimum=1, remedy="use the number of ranks")
        if world > self.batch_size:
            raise InvalidValueError(
                f"world_size={world} exceeds batch_size={self.batch_size}: batch_size counts the rows of all "
                "ranks together, so use at least one row a rank"
            )
        return integer(rank, "rank", minimum=0, maximum=world - 1, remedy=f"ranks of {world} count from 0"), world

    # ---- what a training loop sees ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return for_len(self._global.count, "the batches of an epoch")

    def read(self, epoch: int, batch: int = 0, step: int = 1) -> Iterator[Minibatch]:
        """Batches ``batch``, ``batch + step``, ... of an epoch; the loader itself stays where it is.

        So several workers can share an epoch: worker i of k reads ``loader.read(epoch, i, k)``. No batch that is
        left out is made.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If an argument breaks its rule.

        Examples
        --------
        >>> import planted
        >>> loader = planted.Loader(planted.regression(w=[2.0, -3.4], n=100), batch_size=32)
        >>> [len(X) for X, y in loader.read(epoch=7, batch=1, step=2)]
        [32, 4]
        >>> loader.epoch
        0
        """
        epoch = integer(epoch, "epoch", minimum=0, remedy="epochs count from 0")
        batch = integer(batch, "batch", minimum=0, remedy="batches count from 0")
        step = integer(step, "step", minimum=1, remedy="use 1 to read every batch")
        return self._items(Cursor(epoch, batch), step)

    def state_dict(self) -> dict[str, Any]:
        """Where the loader is, as a small dict for JSON: what was delivered counts, what was made ahead does not."""
        epoch, batch = self._where()
        if batch and batch >= self._global.count:
            epoch, batch = epoch + 1, 0
        return {"epoch": epoch, "batch": batch or 0, **self._settings()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next ``for`` go on where `state_dict` was taken, at no cost, on any number of ranks.

        Raises
        ------
        StateError
            If the state is of other rows, another order, or another version; the loader stays as it was.
        """
        expected = self._settings()
        names = {"epoch", "batch", *expected}
        if not isinstance(state, Mapping) or set(state) - OPTIONAL != names - OPTIONAL:
            remedy = "pass what loader.state_dict() returned"
            if isinstance(state, Mapping) and "steps" in state:
                remedy = "it is a pipeline's: pass it to the load_state_dict of the same pipeline"
            raise StateError(f"state={short(state)} is not a loader's state: {remedy}")
        for name, value in {**DEFAULTS, **expected}.items():
            found = state.get(name, DEFAULTS.get(name))
            if found != value or type(found) is not type(value):
                if name == "rows" and found and found == earlier_fingerprint(self.rows):
                    continue
                remedy = "load it into a loader of the same rows and settings"
                if name == "end":
                    if found is None:
                        continue  # of a version that did not say it
                    remedy = "later epochs would have other rows; load it into a loader of rows split as they were then"
                if name in BLOCK_SETTINGS:
                    remedy = "use the memory= with which it was saved, and rows written in blocks of the same size"
                raise StateError(f"the state has {name}={found!r}, this loader {name}={value!r}: {remedy}")
        last = max(0, self._global.count - 1)
        batch = integer(state["batch"], "state['batch']", minimum=0, maximum=last, remedy=BATCHES_COUNT)
        self._go_to(state["epoch"], batch, "state['epoch']")

    def _repr_html_(self) -> str:
        """The settings, and where it stands, for notebooks."""
        epoch, batch = self._where()
        stands = f"batch {batch or 0:,} of {self._global.count:,}, epoch {epoch}"
        return settings_table(self, stands, "" if self._plan is None else self._plan.mixing(self.batch_size))

    def __repr__(self) -> str:
        """The settings that differ from the defaults."""
        parts = [
            f"{self.rows!r}",
            f"batch_size={self.batch_size}",
            f"shuffle={self.shuffle!r}"
            + (f" ({self._plan.mixing(self.batch_size)})" if self._plan is not None else ""),
            f"seed={to_json_int(self.seed)}",
        ]
        if self.world_size > 1:
            parts.append(f"rank={self.rank} of {self.world_size}")
        parts += [name for name in ("drop_last", "pad_last", "fresh", "with_index") if getattr(self, name)]
        return f"Loader({', '.join(parts)}, framework={self.framework!r})"

    def _settings(self) -> dict[str, Any]:
        if self._order is None:
            self._order = {} if self._plan is None else self._plan.settings()
        if self._fingerprint is None:
            self._fingerprint = self.rows.fingerprint() if hasattr(self.rows, "fingerprint") else f"{self._n} rows"
        return {
            "version": STATE_VERSION,
            "rows": self._fingerprint,
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
            "fresh": self.fresh,
            "seed": to_json_int(self.seed),
            "salt": self.salt,
            **({"pad_last": True} if self.pad_last else {}),
            **self._end(),
            **self._order,
        }

    def _end(self) -> dict[str, int]:
        """Where fresh rows go on, if that is not right after these: behind those that these were split from."""
        end = getattr(self.rows, "end", None) if self.fresh else None
        return {} if end is None or end == self.rows.start + self._n else {"end": end}

    # ---- how it is done ---------------------------------------------------------------------------------------

    def _items(self, cursor: Cursor, step: int = 1) -> Iterator[Minibatch]:
        first, batches = cursor.position or 0, self._global
        wanted = range(first, batches.count, step)
        chunks = self._read_blocks if self._plan is not None else self._take_rows
        split = splitter(self.framework)
        cursor.position = first
        if not batches.count:  # nothing will be delivered: the epoch is over
            cursor.epoch, cursor.position = cursor.epoch + 1, 0
        for chunk in chunks(cursor.epoch, batches, wanted) if wanted else ():
            # split here, not in the thread that filled it: making views holds the GIL, so threads cannot share it
            for part in chunk.parts():
                cut: Iterator[Any] = zip(*(split(array, chunk.size) for array in part), strict=True)
                for batch in cut:
                    cursor.position += step
                    yield batch

    def _take_rows(self, epoch: int, batches: GlobalBatches, wanted: range) -> Iterator[FilledChunk]:
        """Chunks of rows that are taken by number."""
        source, offset = self.rows, 0
        if self.fresh:
            source = self.rows.fresh(epoch)
            offset = source.start - self.rows.start
        own = isinstance(source, BaseRows)
        order: Order = Sequential(self._n)
        if self.shuffle:
            order = Permutation(self._n, self.seed, epoch, self.salt)

        def fill(chunk: Chunk) -> FilledChunk:
            numbers = order.take(batches.positions(chunk))
            if chunk.padding:
                numbers = np.concatenate([numbers, order.take(batches.padding(chunk))])
            arrays = source.take(numbers)
            if not own:
                arrays = taken(arrays, numbers.size, source)
            return FilledChunk((*arrays, numbers + offset) if self.with_index else arrays, chunk.size)

        per_chunk = self._batches_per_chunk(self._row_bytes(), CHUNK_BYTES)
        return filled_chunks(batches.chunks(wanted, per_chunk), fill, self._chunks_ahead(wanted, per_chunk))

    def _read_blocks(self, epoch: int, batches: GlobalBatches, wanted: range) -> Iterator[FilledChunk]:
        """Chunks of rows that are gathered from pools of blocks."""
        plan = self._plan
        assert plan is not None
        limit = min(CHUNK_BYTES, plan.chunks_bytes // (self._ahead + 2))  # in flight: those ahead, two in hand
        per_chunk = self._batches_per_chunk(plan.row_bytes, limit)
        order = BlockOrder(plan.blocks, plan.pool, self.seed, epoch, self.salt)
        positions = map(batches.positions, batches.chunks(wanted, per_chunk))
        reader = PoolReader(self.rows, order, plan.slots, positions, with_index=self.with_index)

        def fill(requested: tuple[ChunkRequest, Chunk]) -> FilledChunk:
            request, chunk = requested
            arrays = reader.gather(request)
            if chunk.padding:  # rows of the first pool, which is long gone
                numbers = order.take(batches.padding(chunk))
                again = (*self.rows.take(numbers), numbers)
                arrays = tuple(map(np.concatenate, zip(arrays, again, strict=False)))
            return FilledChunk(arrays, chunk.size)

        requested = ((reader.request(batches.positions(chunk)), chunk) for chunk in batches.chunks(wanted, per_chunk))
        return filled_chunks(requested, fill, self._chunks_ahead(wanted, per_chunk), reader.close)

    def _row_bytes(self) -> int:
        """Bytes of a row, found out once: of rows in blocks, a row costs a block."""
        rows = self.rows
        if isinstance(rows, BaseRows):
            return int((rows.features + 1) * rows.dtype.itemsize)
        if self._bytes is None:
            self._bytes = sum(int(array.nbytes) for array in taken(rows.take([0]), 1, rows))
        return self._bytes

    def _batches_per_chunk(self, row_bytes: int, limit: int) -> int:
        return max(1, limit // max(1, row_bytes * self._global.largest()))

    def _chunks_ahead(self, wanted: range, per_chunk: int) -> int:
        return self._ahead if steps(wanted) > per_chunk + 1 else 0  # one chunk, and perhaps a tail: no thread
