"""What a folder of rows says of itself: the plan, from which every byte of it can be made again, and the checksums.

A `Manifest` is a plan and the checksum of each shard's table of checksums. Both are written with a digest of
themselves. Reading trusts nothing: an unknown field, a value of another type, a size that contradicts another, a key
that comes twice is refused, before anything of that size is made. No file name is read from a file: names follow from
the plan.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from reprlib import repr as short
from typing import Any, Final

import numpy as np

from planted._disk.storage import Folder
from planted._input import dtype_name, integer, seed_and_salt, to_json_int
from planted._random import VERSION
from planted._rows import LIMIT, ComputedRows
from planted._truth import LinearTruth
from planted._types import DType
from planted.errors import ManifestError, PlantedError

PLAN: Final = "plan.json"
MANIFEST: Final = "manifest.json"
KIND: Final = "planted rows"
SHARD: Final = re.compile(r"rows-\d{8,}\.(npy|arrow|parquet|sums)")
LAYOUT: Final = 1  # version of the files and folders described in this room
LARGEST_TEXT: Final = 1 << 30  # most bytes of JSON that are read: a petabyte of shards, or 10^7 weights
LARGEST_BLOCK: Final = 1 << 26  # most bytes of a block of several rows: more than is written, less than hurts
FILE_FORMATS: Final = ("npy", "arrow", "parquet")
REMEDY: Final = "write the rows again"
CUT: Final = ("block_rows", "shard_blocks", "writer")
WORDS: Final = {
    "dtype_name": "dtype",
    "start": "first row",
    "n": "rows",
    "file_format": "format",
    "block_rows": "rows of a block",
    "shard_blocks": "blocks of a file, which follow from shard_bytes:",
    "writer": "written by",
}  # fields, as messages call them


@dataclass(frozen=True, slots=True)
class Plan:
    """Which rows lie in a folder, and how they are cut into files and blocks."""

    truth: LinearTruth
    seed: int
    salt: str
    dtype_name: DType
    start: int
    n: int
    file_format: str
    block_rows: int  # rows of a block, which is read and checked as one
    shard_blocks: int  # blocks of a shard, which is a file
    writer: str  # the library, with its version, on which the files' bytes depend too; "" for npy

    @property
    def row_bytes(self) -> int:
        """Bytes of one row's values."""
        return (self.truth.features + 1) * int(np.dtype(self.dtype_name).itemsize)

    @property
    def shard_rows(self) -> int:
        """Rows in a shard; the last may have fewer."""
        return self.block_rows * self.shard_blocks

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return -(-self.n // self.shard_rows)

    def rows_of(self, shard: int) -> range:
        """The numbers, within the folder, of a shard's rows."""
        return range(shard * self.shard_rows, min((shard + 1) * self.shard_rows, self.n))

    def blocks_of(self, shard: int) -> int:
        """How many blocks a shard has."""
        return -(-len(self.rows_of(shard)) // self.block_rows)

    def names_of(self, shard: int) -> tuple[str, str]:
        """The file of a shard's rows, and that of its checksums."""
        return f"rows-{shard:08d}.{self.file_format}", f"rows-{shard:08d}.sums"

    def identity_of(self, shard: int) -> bytes:
        """What tells a shard from those of all other plans, and from this plan's other shards."""
        cut = (self.dtype_name, self.start, self.n, self.file_format, self.block_rows, self.shard_blocks, self.writer)
        numbers = (VERSION, to_json_int(self.seed), self.salt, *self.truth.other_fields().values())
        return json.dumps([*numbers, *cut, shard]).encode() + self.truth.w.astype("<f8").tobytes()

    def computed(self) -> ComputedRows:
        """The same rows, computed."""
        return ComputedRows(self.truth, self.n, self.seed, self.salt, self.dtype_name, self.start, self.start + self.n)

    def to_dict(self) -> dict[str, Any]:
        """Fields for JSON."""
        return {
            "kind": KIND,
            "layout": LAYOUT,
            "random_numbers": VERSION,
            "truth": self.truth.to_dict(),
            "seed": to_json_int(self.seed),
            "salt": self.salt,
            "dtype": self.dtype_name,
            "start": self.start,
            "rows": self.n,
            "format": self.file_format,
            "block_rows": self.block_rows,
            "shard_blocks": self.shard_blocks,
            "writer": self.writer,
        }

    def differences(self, other: "Plan") -> str:
        """How another plan differs from this one, for messages."""
        both = [(field.name, getattr(self, field.name), getattr(other, field.name)) for field in fields(self)]
        found = {name: (ours, theirs) for name, ours, theirs in both if theirs != ours}
        told = [name for name in found if name not in CUT] or found  # how they are cut follows from all else
        return ", ".join(f"{WORDS.get(name, name)} {found[name][1]!r} instead of {found[name][0]!r}" for name in told)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A plan that has been carried out, and the checksum of each shard's checksums."""

    plan: Plan
    shards: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Fields for JSON."""
        return {**self.plan.to_dict(), "shards": [f"{checksum:016x}" for checksum in self.shards]}


# ---- writing --------------------------------------------------------------------------------------------------


def text_of(described: Plan | Manifest) -> bytes:
    """JSON with a digest of itself, the same bytes each time."""
    content = described.to_dict()
    return json.dumps({**content, "digest": _digest(content)}, indent=1).encode() + b"\n"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# ---- reading --------------------------------------------------------------------------------------------------


def read_text(folder: Folder, name: str) -> bytes:
    """The whole text of a plan or a manifest."""
    file = folder.open(name)
    if file.size > LARGEST_TEXT:
        raise ManifestError(f"{name} of {folder} has {file.size} bytes, which no manifest has: write the rows again")
    text = bytearray(file.size)
    file.read_into(text, 0)
    return bytes(text)


TYPES: Final = {
    "kind": str,
    "layout": int,
    "random_numbers": int,
    "truth": dict,
    "seed": (int, str),
    "salt": str,
    "dtype": str,
    "start": int,
    "rows": int,
    "format": str,
    "block_rows": int,
    "shard_blocks": int,
    "writer": str,
}
VERSIONS: Final = {"kind": KIND, "layout": LAYOUT, "random_numbers": VERSION}


def plan_from(text: bytes, place: str) -> Plan:
    """The plan in a file.

    Raises
    ------
    ManifestError
        If the file does not describe rows, or contradicts itself; `place` is named.
    """
    return _described(_content(text, place, TYPES), place)


def manifest_from(text: bytes, place: str) -> Manifest:
    """The manifest in a file; raises as `plan_from` does."""
    content = _content(text, place, {**TYPES, "shards": list})
    plan = _described(content, place)
    if len(content["shards"]) != plan.shards:
        raise ManifestError(
            f"{place} lists {len(content['shards'])} shards, but {plan.n} rows in shards of {plan.shard_rows} make "
            f"{plan.shards}: {REMEDY}"
        )
    return Manifest(plan, tuple(_checksum(shard, place) for shard in content["shards"]))


def _content(text: bytes, place: str, types: Mapping[str, Any]) -> dict[str, Any]:
    try:
        content = json.loads(text.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{place} cannot be read ({error}): {REMEDY}") from None
    if not isinstance(content, dict) or content.get("kind") != KIND:
        raise ManifestError(f"{place} does not describe planted rows: name a folder that planted has written")
    for name, value in VERSIONS.items():
        if type(content.get(name)) is not type(value) or content[name] != value:
            raise ManifestError(
                f"{place} has {name}={short(content.get(name))}, and this is version {value}: use the planted that "
                "wrote it"
            )
    wanted = {*types, "digest"}
    if set(content) != wanted:
        lacking, unknown = (short(sorted(names)) for names in (wanted - set(content), set(content) - wanted))
        raise ManifestError(f"{place} lacks the fields {lacking} and has the unknown fields {unknown}: {REMEDY}")
    for name, kind in types.items():
        if not isinstance(content[name], kind) or isinstance(content[name], bool):
            raise ManifestError(f"{place} has {name}={short(content[name])}, of the wrong type: {REMEDY}")
    digest = content.pop("digest")
    try:
        expected = _digest(content)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{place} cannot be read ({error}): {REMEDY}") from None
    if digest != expected:
        raise ManifestError(
            f"{place} was changed since it was written, as its digest shows: run planted verify --repair on the folder"
        )
    return content


def _described(content: Mapping[str, Any], place: str) -> Plan:
    try:
        seed, salt = seed_and_salt(_seed(content["seed"]), content["salt"])
        start = integer(content["start"], "start", minimum=0, maximum=LIMIT, remedy=REMEDY)
        n = integer(content["rows"], "rows", minimum=0, maximum=LIMIT - start, remedy=REMEDY)
        if content["format"] not in FILE_FORMATS:
            found = short(content["format"])
            raise ManifestError(f"format={found} must be one of {', '.join(FILE_FORMATS)}: {REMEDY}")
        if content["dtype"] not in ("float32", "float64"):
            raise ManifestError(f"dtype={short(content['dtype'])} must be float32 or float64: {REMEDY}")
        block_rows, shard_blocks = (
            integer(content[name], name, minimum=1, maximum=LIMIT, remedy=REMEDY)
            for name in ("block_rows", "shard_blocks")
        )
        truth, dtype = _truth(content["truth"]), dtype_name(content["dtype"])
        plan = Plan(truth, seed, salt, dtype, start, n, content["format"], block_rows, shard_blocks, content["writer"])
        return _possible(plan)
    except PlantedError as error:
        raise ManifestError(f"{place}: {error}" + ("" if REMEDY in str(error) else f"; {REMEDY}")) from None


def _possible(plan: Plan) -> Plan:
    """The plan; refused if no disk can hold its rows, or memory one of its blocks."""
    if plan.n * plan.row_bytes >= LIMIT or 1 < plan.block_rows > LARGEST_BLOCK // plan.row_bytes:
        raise ManifestError(
            f"rows={plan.n} in blocks of block_rows={plan.block_rows}, each row of {plan.row_bytes} bytes, are more "
            f"than any writer makes: {REMEDY}"
        )
    return plan


def _truth(fields: dict[str, Any]) -> LinearTruth:
    w, b, noise, law = (fields.get(name, {}) for name in ("w", "b", "noise", "features"))
    numbers = isinstance(w, list) and all(type(value) in (int, float) for value in (*w, b))
    laws = type(noise) in (int, float, dict) and type(law) is dict
    if not numbers or not laws or not {"w", "b", "noise"} <= set(fields) <= {"w", "b", "noise", "features"}:
        raise ManifestError(f"truth={short(fields)} must hold the numbers w, b and noise, or laws: {REMEDY}")
    truth = LinearTruth.from_dict(fields)
    told = truth.other_fields()
    for name in ("noise", "features"):  # laws as planted writes them: no other spelling, no other type of a number
        if isinstance(fields.get(name), dict) and repr(told.get(name)) != repr(fields[name]):
            raise ManifestError(f"{name}={short(fields[name])} is no law as planted writes it: {REMEDY}")
    return truth


def _seed(seed: Any) -> int:
    """An integer, or, beyond 64 bits, its hexadecimal text."""
    if isinstance(seed, int):
        return seed
    try:
        number = int(seed, 16)
    except ValueError:
        number = 0
    if to_json_int(number) != seed:
        raise ManifestError(f"seed={short(seed)} must be an integer: {REMEDY}")
    return number


def _checksum(text: Any, place: str) -> int:
    if isinstance(text, str) and len(text) == 16:
        try:
            number = int(text, 16)
        except ValueError:
            number = -1
        if number >= 0 and f"{number:016x}" == text:
            return number
    raise ManifestError(f"{place} has {short(text)} for a checksum, which are 16 hexadecimal digits: {REMEDY}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a key comes twice")
    return content


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number in JSON")
