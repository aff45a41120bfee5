"""Tables of checksums, one for each shard: where each segment of its file ends, and the checksum of its bytes.

A *segment* is a block, what stands before the first block, or what stands after the last; so every byte of a shard is
in one. The checksum is XXH3, 64 bits.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_64_intdigest

from planted._disk.manifest import Plan
from planted._disk.storage import Folder
from planted.errors import DamagedError, MissingError

ChecksumTable: TypeAlias = npt.NDArray[np.uint64]  # (segments, 2): where each ends, and its checksum
checksum: Callable[[Any], int] = xxh3_64_intdigest


def segments_of(plan: Plan, shard: int) -> int:
    """How many segments a shard's file has: its blocks, what stands before them and, except in .npy, after them."""
    return plan.blocks_of(shard) + (1 if plan.file_format == "npy" else 2)


def table_size(plan: Plan, shard: int) -> int:
    """Bytes of a shard's table as it is kept."""
    return 16 * segments_of(plan, shard) + 8


def table_text(plan: Plan, shard: int, table: ChecksumTable) -> bytes:
    """A table as it is kept: little-endian words, then the checksum of them and of the shard's identity."""
    words = table.astype("<u8").tobytes()
    return words + checksum(words + plan.identity_of(shard)).to_bytes(8, "little")


def table_sum(table: ChecksumTable) -> int:
    """The checksum of a table, which the manifest holds."""
    return checksum(table.astype("<u8").tobytes())


def read_table(folder: Folder, plan: Plan, shard: int, expected: int | None) -> ChecksumTable:
    """A shard's table, compared with its own checksum and, unless `expected` is None, with that in the manifest.

    Raises
    ------
    MissingError, DamagedError
        If there is none, or it has another checksum.
    """
    _, name = plan.names_of(shard)
    try:
        file = folder.open(name)
    except MissingError as error:
        raise MissingError(f"{error}: mend the rows with planted verify --repair") from None
    size = table_size(plan, shard)
    text = bytearray(size if file.size == size else 8)
    if file.size == size:
        file.read_into(text, 0)
    words = bytes(text[:-8])
    table = np.frombuffer(words, "<u8").astype(np.uint64).reshape(-1, 2)
    right = (
        file.size == size
        and checksum(words + plan.identity_of(shard)) == int.from_bytes(text[-8:], "little")
        and expected in (None, checksum(words))
        and bool((table[1:, 0] >= table[:-1, 0]).all())
    )
    if not right:
        raise DamagedError(f"{name} of {folder}, a list of checksums, is damaged: mend it with planted verify --repair")
    return table
