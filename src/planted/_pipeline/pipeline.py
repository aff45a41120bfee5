"""Pipelines of one's own: a source and steps, lazy, resumable anywhere.

What comes in: a `Loader`, rows, or a sequence, iterable, file or generator of the user's own. What goes out: its items,
one after another, after the steps that were asked for. The vocabulary:

- *item*: whatever the source gives: a minibatch, a row, a line. A tuple such as (X, y) is handed to a function of the
  user's as several arguments, anything else as one.
- *step*: a method of `StreamMethods`. It returns a new pipeline and reads nothing; of a pipeline itself nothing changes
  but where it stands.
- *epoch*: one reading of the source; each ``for`` is the next one. A loader shuffles each in another order.
- *state*: (epoch, position), a small dict for JSON, whatever the steps hold. A buffer is read again, not saved.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar, overload

from planted._input import flag, for_len, integer, seed_and_salt
from planted._pipeline.adapters import splitter
from planted._pipeline.arrays import Arrays
from planted._pipeline.buffer import BufferedShuffle
from planted._pipeline.epochs import Cursor, Epochs
from planted._pipeline.sources import IteratorSource, RowSource, stage_of
from planted._pipeline.stages import Stage, difference, is_position, short
from planted._pipeline.steps import BatchStep, Filter, Map, Prefetch, Repeat, Take, part
from planted._types import Framework, Item
from planted.errors import InvalidTypeError, InvalidValueError, StateError

Mapped = TypeVar("Mapped")

STATE_VERSION: Final = 1
BUFFER_LIMIT: Final = 1 << 31


class StreamMethods(ABC, Generic[Item]):
    """What can be done to a stream of items, the same for a `Loader` and a `Pipeline`: each method adds a step."""

    @property
    @abstractmethod
    def _stage(self) -> Stage:
        """What the steps follow."""

    def map(self, f: Callable[..., Mapped]) -> "Pipeline[Mapped]":
        """Each item, as a function of yours changes it.

        Parameters
        ----------
        f
            Called with the fields of a tuple, ``f(X, y)``, and with any other item as a whole. What it returns is the
            new item. Of a minibatch it must keep the number of rows.

        Raises
        ------
        InvalidTypeError
            If it cannot be called.

        Notes
        -----
        While reading, an exception in `f` arrives as it was raised. The item is not lost: the state is still the one
        before it, and the pipeline can be used again. A minibatch that comes out with another number of rows is an
        `InvalidValueError`.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline(range(4)).map(lambda x: x * x))
        [0, 1, 4, 9]
        >>> loader = planted.Loader(planted.regression(w=[2.0, -3.4], n=100), batch_size=32)
        >>> X, y = next(iter(loader.map(lambda X, y: (X[:, :1], y))))
        >>> X.shape, y.shape
        ((32, 1), (32, 1))
        """
        return Pipeline(Map(self._stage, _function(f, "f")))

    def filter(self, predicate: Callable[..., Any]) -> "Pipeline[Item]":
        """The items for which a predicate of yours is true.

        Parameters
        ----------
        predicate
            Called as `f` is in `map`; returns one truth value. Of a minibatch it keeps all or nothing: filter rows
            before they are batched.

        Raises
        ------
        InvalidTypeError
            If it cannot be called.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline(range(10)).filter(lambda x: x % 3 == 0))
        [0, 3, 6, 9]
        """
        return Pipeline(Filter(self._stage, _function(predicate, "predicate")))

    def repeat(self, times: int | None = None) -> "Pipeline[Item]":
        """Several epochs as one: `times` of them, or endlessly many.

        Each pass reads the next epoch, so a loader shuffles each in another order: epoch e of the result is epochs
        ``e * times`` to ``(e + 1) * times - 1``, or, without end, e and all that follow.

        Parameters
        ----------
        times
            How many; None for no end.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If `times` is not at least 1, or the source is an iterator, which can be read once.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline([1, 2, 3]).repeat(2))
        [1, 2, 3, 1, 2, 3]
        >>> list(planted.Pipeline([1, 2, 3]).repeat().take(7))
        [1, 2, 3, 1, 2, 3, 1]
        """
        if times is not None:
            times = integer(times, "times", minimum=1, remedy="use None to repeat endlessly")
        source = self._stage.chain()[0]
        if times != 1 and isinstance(source, IteratorSource):
            raise InvalidValueError(
                f"{source!r} is an iterator, which can be read once, so it cannot be repeated: pass a function that "
                "makes it, such as Pipeline(lambda: open(path))"
            )
        return Pipeline(Repeat(self._stage, times))

    def take(self, k: int) -> "Pipeline[Item]":
        """The first `k` items of each epoch; after them nothing more is read.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If `k` is not an integer, at least 0.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline(range(10**9)).take(3))
        [0, 1, 2]
        """
        return Pipeline(Take(self._stage, integer(k, "k", minimum=0, remedy="use a number of items")))

    def prefetch(self, k: int) -> "Pipeline[Item]":
        """The same items, up to `k` of them made ahead, in order, by one background thread.

        It pays where a function of yours waits or releases the GIL, as files and NumPy do, and takes longer than the
        ten microseconds that handing an item over costs. A loader works ahead already.

        Parameters
        ----------
        k
            How many; 0 makes them in the calling thread.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If `k` is not an integer, at least 0.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline(range(3)).map(float).prefetch(2))
        [0.0, 1.0, 2.0]
        """
        return Pipeline(Prefetch(self._stage, integer(k, "k", minimum=0, remedy="use 0 to work in the calling thread")))

    def buffered_shuffle(self, size: int, *, seed: int = 0, salt: str = "") -> "Pipeline[Item]":
        """The items in random order, through a buffer: a random one of `size` leaves when the next comes.

        For streams that have no length or cannot be read at random. It brings an item forward by less than `size`
        places, so it mixes less than the shuffle of a `Loader`, which is a permutation of all rows without a buffer.

        Parameters
        ----------
        size
            How many items are held. With as many as there are, or more, every order is equally likely.
        seed, salt
            Any non-negative integer and any string. The order is a function of them, the epoch and `size`.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If an argument breaks its rule.

        Notes
        -----
        A state holds no items: those in the buffer are read again from the oldest on, about ``size * ln(size)`` items,
        through the steps before this one.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline(range(10)).buffered_shuffle(4, seed=1))
        [0, 2, 4, 6, 3, 7, 5, 8, 9, 1]
        """
        size = integer(size, "size", minimum=1, maximum=BUFFER_LIMIT, remedy="use the number of items to hold")
        return Pipeline(BufferedShuffle(self._stage, size, *seed_and_salt(seed, salt)))

    def batch(self, size: int, *, drop_last: bool = False, framework: Framework = "numpy") -> "Pipeline[Any]":
        """Items stacked along a new leading axis, `size` at a time: rows become minibatches.

        Parameters
        ----------
        size
            Items in a batch.
        drop_last
            Whether an incomplete last batch is dropped.
        framework
            Whose arrays the batches are. Strings stay NumPy arrays.

        Returns
        -------
        Pipeline
            Of batches of the items' own structure: a tuple or dict is stacked field by field, as in ``tf.data``;
            numbers become arrays of shape (size,), arrays or lists of 2 numbers arrays of shape (size, 2).

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If an argument breaks its rule; while reading, if the items of a batch differ in structure or shape.
        MissingDependencyError
            If the framework is not installed.

        Examples
        --------
        >>> import planted
        >>> lines = ["1 2.5", "2 5.0", "3 7.5"]
        >>> pairs = planted.Pipeline(lines).map(lambda line: tuple(map(float, line.split())))
        >>> list(pairs.batch(2))
        [(array([1., 2.]), array([2.5, 5. ])), (array([3.]), array([7.5]))]
        """
        size = integer(size, "size", minimum=1, remedy="use 1 or more items a batch")
        drop_last = flag(drop_last, "drop_last")
        splitter(framework)  # refuses an unknown one now, not in the first epoch
        return Pipeline(BatchStep(self._stage, size, drop_last, framework))


class Pipeline(Epochs[Item], StreamMethods[Item]):
    """A stream of items from any source, to which steps can be added; each ``for`` over it is the next epoch.

    Parameters
    ----------
    source
        One of

        - a `Loader`: its minibatches;
        - rows, such as `planted.rows`, or of your own with ``len`` and a vectorised ``take``: one (x, y) after another;
        - a sequence, or what has a length and gives items by number: its items;
        - anything else that can be iterated over, again and again;
        - a function that returns an iterator, such as a generator function or ``lambda: open(path)``: it is called
          again for each epoch, and what it made is closed;
        - an iterator, such as an open file: it can be read once.

    Raises
    ------
    InvalidTypeError
        If the source cannot be read.

    Notes
    -----
    A state resumes a loader, rows or a sequence at once. The other sources must give the same items again: those before
    the position are read and skipped, ahead of any step, so no function of yours is called for them.

    Examples
    --------
    >>> import planted
    >>> rows = planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)
    >>> pipeline = planted.Pipeline(rows).filter(lambda x, y: y[0] > 0).buffered_shuffle(100).batch(32)
    >>> X, y = next(iter(pipeline))
    >>> X.shape, y.shape, bool((y > 0).all())
    ((32, 2), (32, 1), True)
    >>> pipeline
    Pipeline(<rows: 1_000 of ...>).filter(<lambda>).buffered_shuffle(100).batch(32)
    """

    __module__ = "planted"

    _source: dict[str, Any] | None = None  # what a state says of rows, once it was asked for: their fingerprint

    @overload
    def __init__(self, source: Iterable[Item]) -> None: ...
    @overload
    def __init__(self, source: Callable[[], Iterable[Item]]) -> None: ...
    @overload
    def __init__(self: "Pipeline[Any]", source: Any) -> None: ...
    def __init__(self, source: Any) -> None:
        super().__init__()
        # of a loader or another pipeline, what it reads, not where it stands
        self._last = source._stage if isinstance(source, StreamMethods) else stage_of(source)  # noqa: SLF001

    @classmethod
    def from_arrays(cls, *arrays: Any) -> "Pipeline[tuple[Any, ...]]":
        """Rows of arrays of any framework: tuples of one element of each, as NumPy arrays.

        Parameters
        ----------
        arrays
            One or more, of equal length, such as X of shape (rows, features) and y of shape (rows, 1).

        Raises
        ------
        InvalidValueError
            If there is none, or they are not equally long.

        Examples
        --------
        >>> import numpy as np
        >>> import planted
        >>> X, y = np.arange(6.0).reshape(3, 2), np.arange(3.0)
        >>> pipeline = planted.Pipeline.from_arrays(X, y).repeat().buffered_shuffle(100).batch(50, drop_last=True)
        >>> X, y = next(iter(pipeline.prefetch(1)))
        >>> X.shape, y.shape
        ((50, 2), (50,))
        """
        return Pipeline(RowSource(Arrays(arrays)))

    @property
    def _stage(self) -> Stage:
        return self._last

    # ---- what a training loop sees ----------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many items an epoch has.

        Raises
        ------
        InvalidTypeError
            If that is not known, as after a filter, or if it is endless; the message names the step.
        """
        length = self._stage.length()
        if length == float("inf"):
            raise InvalidTypeError(f"{self!r} has no length, since it repeats endlessly: end it with take(k)")
        return for_len(int(length), "the items of an epoch")

    def read(self, epoch: int, item: int = 0, step: int = 1) -> Iterator[Item]:
        """Items ``item``, ``item + step``, ... of an epoch; the pipeline itself stays where it is.

        So several workers can share an epoch: worker i of k reads ``pipeline.read(epoch, i, k)``. No item of
        a loader or a sequence that is left out is made, and no function of `map` at the end of the chain is called for
        one; what is between is done by each of them.

        Raises
        ------
        InvalidTypeError, InvalidValueError
            If an argument breaks its rule.

        Examples
        --------
        >>> import planted
        >>> list(planted.Pipeline(range(10)).map(lambda x: x * x).read(epoch=0, item=1, step=4))
        [1, 25, 81]
        """
        epoch = integer(epoch, "epoch", minimum=0, remedy="epochs count from 0")
        item = integer(item, "item", minimum=0, remedy="items count from 0")
        step = integer(step, "step", minimum=1, remedy="use 1 to read every item")
        return (item for item, _ in part(self._stage, item, step).open(epoch, None))

    def state_dict(self) -> dict[str, Any]:
        """Where the pipeline is, as a small dict for JSON: what was delivered counts, what was made ahead does not."""
        epoch, position = self._where()
        return {"version": STATE_VERSION, "epoch": epoch, "position": position, "steps": self._settings()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next ``for`` go on after the last item that was delivered when the state was taken.

        Of a user's function the state knows the name only: whether it is the same is the user's to know.

        Raises
        ------
        StateError
            If the state is of another source, of other steps, or of another version; the pipeline stays as it was.
        """
        if not isinstance(state, Mapping) or set(state) != {"version", "epoch", "position", "steps"}:
            raise StateError(
                f"state={short(state)} is not a pipeline's state: pass what pipeline.state_dict() returned"
            )
        if state["version"] != STATE_VERSION:
            raise StateError(f"the state has version={state['version']!r}, this pipeline version={STATE_VERSION}")
        source: Any = self._stage.chain()[0]
        rows = getattr(getattr(source, "loader", source), "rows", None)
        reason = difference(state["steps"], self._settings(), rows)
        if reason:
            raise StateError(f"the state {reason}: load it into a pipeline of the same source and steps")
        if not is_position(self._stage.chain(), state["position"]):
            raise StateError(f"the state has position={short(state['position'])}, which is none of {self!r}")
        self._go_to(state["epoch"], state["position"], "state['epoch']")

    def __repr__(self) -> str:
        """The chain as it was written."""
        return repr(self._stage)

    # ---- how it is done ---------------------------------------------------------------------------------------

    def _items(self, cursor: Cursor) -> Iterator[Item]:
        for item, position in self._stage.open(cursor.epoch, cursor.position):
            cursor.position = position
            yield item
        cursor.epoch, cursor.position = cursor.epoch + 1, None

    def _settings(self) -> list[dict[str, Any]]:
        source, *steps = self._stage.chain()
        if self._source is None or not isinstance(source, RowSource):
            self._source = source.settings()
        return [{**self._source}, *(step.settings() for step in steps)]


def read_once(stream: StreamMethods) -> bool:
    """Whether a stream begins with an iterator of the user's, such as an open file."""
    return isinstance(stream._stage.chain()[0], IteratorSource)  # noqa: SLF001 -- of this file


def _function(value: Any, name: str) -> Callable[..., Any]:
    if not callable(value):
        raise InvalidTypeError(f"{name}={short(value)} must be a function: pass one that takes an item")
    function: Callable[..., Any] = value
    return function
