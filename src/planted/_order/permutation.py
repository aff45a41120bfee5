"""The shuffle without a table: a keyed bijection of ``range(n)``, from positions to row numbers.

A `Permutation` takes no memory, gives any position at once, and can be inverted. Above `SMALL` rows it is a Feistel
network of eight rounds with cycle walking; below, an exact Fisher-Yates shuffle from the same key, so that even for
five rows all 120 orders are equally likely, which no Feistel network of a few bits achieves.

Sources: Luby, Rackoff 1988; Naor, Reingold 1999; Black, Rogaway, "Ciphers with arbitrary finite domains", 2002.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Protocol, overload

import numpy as np
import numpy.typing as npt

from planted._input import integer, row_numbers, seed_and_salt, sliced, to_json_int, whole
from planted._machine import empty, in_pieces
from planted._random import SMALL, feistel_bits, key_words
from planted._rows import LIMIT
from planted._types import RowNumbers
from planted.errors import RowNumberError

PASS_VALUES: Final = 8  # one position takes the time of 8 values of a row


@lru_cache(maxsize=64)
def _key(purpose: str, seed: int, salt: str, epoch: int) -> tuple[np.uint32, ...]:
    return tuple(map(np.uint32, key_words(purpose, seed, salt=salt, epoch=epoch)))


@lru_cache(maxsize=16)
def _table(n: int, purpose: str, seed: int, salt: str, epoch: int, inverse: bool) -> RowNumbers:
    from planted._order import kernels

    table = np.empty(n, np.int64)
    k0, k1, *_ = key_words(purpose, seed, salt=salt, epoch=epoch)
    kernels.shuffled_table(k0, k1, table)
    if inverse:
        table[table.copy()] = np.arange(n)
    table.flags.writeable = False
    return table


class Order(Protocol):
    """The order of an epoch: position in, row number out."""

    def take(self, positions: Any) -> RowNumbers:
        """The row numbers at these positions."""
        ...


@dataclass(frozen=True, slots=True)
class Sequential:
    """Rows in the order of their numbers.

    >>> Sequential(10).take([3, 1, 4])
    array([3, 1, 4])
    """

    n: int

    def __len__(self) -> int:
        """How many positions there are."""
        return self.n

    def take(self, positions: Any) -> RowNumbers:
        """The positions themselves, int64."""
        return row_numbers(positions, self.n, "position")


@dataclass(frozen=True, slots=True, repr=False)
class Permutation:
    """A shuffle of ``range(n)`` that needs no table. Made by `permutation`.

    Shuffles of one seed for different purposes, such as that of blocks and that of rows, have nothing in common.

    It reads as a list of row numbers does: ``len(p)``, ``p[3]``, ``p[-1]``, ``p[10:20]``, iteration.

    Examples
    --------
    >>> import planted
    >>> p = planted.permutation(10**12, seed=0, epoch=0)
    >>> p.inverse().take(p.take([0, 1, 10**12 - 1]))
    array([           0,            1, 999999999999])
    >>> bool((p[1:3] == p.take([1, 2])).all()), p[-1] == p[10**12 - 1]
    (True, True)
    >>> p
    permutation(1000000000000, seed=0, epoch=0)
    """

    __module__ = "planted._order"  # in pickles

    n: int
    seed: int
    epoch: int
    salt: str = ""
    inverted: bool = False
    purpose: str = "order"

    def __len__(self) -> int:
        """How many positions there are."""
        return self.n

    def take(self, positions: Any) -> RowNumbers:
        """The row numbers at these positions, int64, in the order asked for.

        Raises
        ------
        RowNumberError
            If a position is outside [0, n).
        InvalidTypeError
            If they are not integers.
        """
        if isinstance(positions, range):
            return self._take_range(positions)
        numbers = row_numbers(positions, self.n, "position")
        out = empty((numbers.size,), np.dtype(np.int64))
        in_pieces(numbers.size, PASS_VALUES, lambda piece: self._fill(numbers[piece], out[piece]))
        return out

    def inverse(self) -> "Permutation":
        """The permutation that leads back: ``p.inverse().take(p.take(positions))`` gives the positions."""
        return replace(self, inverted=not self.inverted)

    def __repr__(self) -> str:
        """The call that makes it."""
        salt = f", salt={self.salt!r}" if self.salt else ""
        purpose = f", purpose={self.purpose!r}" if self.purpose != "order" else ""
        call = f"permutation({self.n}, seed={to_json_int(self.seed)}, epoch={to_json_int(self.epoch)}{salt}{purpose})"
        return f"{call}.inverse()" if self.inverted else call

    @overload
    def __getitem__(self, position: "int | np.integer[Any]") -> int: ...
    @overload
    def __getitem__(self, position: "slice | Sequence[int] | RowNumbers") -> RowNumbers: ...
    def __getitem__(self, position: Any) -> Any:
        """The row number at one position, or, as `take` gives them, those of a slice or of several positions.

        A single negative position, and those of a slice, count from the end, as in a list.
        """
        if isinstance(position, slice):
            return self._take_range(sliced(position, self.n))
        if isinstance(position, (list, tuple, range)) or getattr(position, "ndim", 0) > 0:
            return self.take(position)
        at = whole(position, "position", remedy="use p[3], p[10:20] or p.take([3, 1, 4])")
        if not -self.n <= at < self.n:
            raise RowNumberError(
                f"position {to_json_int(at)} is outside [0, {self.n}): use 0 to {self.n - 1}, or -1 for the last"
            )
        return int(self.take([at % self.n])[0])

    def __iter__(self) -> Iterator[int]:
        """The row numbers in order, made some thousands at a time."""
        for first in range(0, self.n, SMALL):
            yield from self._take_range(range(first, min(first + SMALL, self.n))).tolist()

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """All of it, as NumPy asks for it; always a new array."""
        if copy is False:
            raise ValueError("a permutation without a table cannot be an array without a copy: leave copy=False out")
        return self._take_range(range(self.n)).astype(dtype or np.int64, copy=False)

    def _take_range(self, positions: range) -> RowNumbers:
        if not positions or not (0 <= positions[0] < self.n and 0 <= positions[-1] < self.n):
            return row_numbers(positions, self.n, "position")  # none, or an error
        if self.n <= SMALL:
            stop = positions.stop if positions.stop >= 0 else None
            return self._entries()[positions.start : stop : positions.step].copy()
        out = empty((len(positions),), np.dtype(np.int64))

        def work(piece: slice) -> None:
            part = positions[piece]
            self._fill(np.arange(part.start, part.stop, part.step, dtype=np.int64), out[piece])

        in_pieces(len(positions), PASS_VALUES, work)
        return out

    def _entries(self) -> RowNumbers:
        return _table(self.n, self.purpose, self.seed, self.salt, self.epoch, self.inverted)

    def _fill(self, positions: RowNumbers, out: RowNumbers) -> None:
        from planted._order import kernels

        if self.n <= SMALL:
            np.take(self._entries(), positions, out=out, mode="clip")
            return
        left, right = feistel_bits(self.n)
        key = _key(self.purpose, self.seed, self.salt, self.epoch)
        kernels.walk(positions, np.uint64(self.n), np.uint64(left), np.uint64(right), key, self.inverted, out)


def permutation(n: int, seed: int = 0, epoch: int = 0, *, salt: str = "") -> Permutation:
    """A pseudorandom permutation of ``range(n)`` without a table, a new one for each seed, epoch and salt.

    Version 1; it never changes (see `docs/version-1.md`).

    Parameters
    ----------
    n
        How many positions, from 0 to 2^63.
    seed, epoch
        Any non-negative integers. They are hashed, not added: seed 7, epoch 1 has nothing to do with seed 8, epoch 0.
    salt
        A string that sets apart orders of one seed.

    Raises
    ------
    InvalidTypeError, InvalidValueError
        If an argument breaks its rule.

    Examples
    --------
    >>> p = permutation(10, seed=0, epoch=0)
    >>> sorted(p.take(range(10)).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    >>> permutation(10**12, seed=0).take([0]) == permutation(10**12, seed=0)[0]
    array([ True])
    """
    count = integer(n, "n", minimum=0, maximum=LIMIT, remedy="use the number of rows, such as n=1_000")
    seed, salt = seed_and_salt(seed, salt)
    return Permutation(count, seed, integer(epoch, "epoch", minimum=0, remedy="epochs count from 0"), salt)
