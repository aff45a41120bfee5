"""Parquet files. The units are row groups.

What a file says of single columns is not asked: where that is damaged, pyarrow's answer is the end of the process
(26.0: ``metadata.row_group(i).column(j)``).
"""

from dataclasses import dataclass
from typing import Any, Final, final

from planted._disk import File, LocalFile, pyarrow_for
from planted._tables.part import BLOCK_BYTES, Opened, Units, column_of, reading, source, units_of
from planted._tables.schema import Chosen, Schema

CHECKING: Final = 15  # the version of pyarrow that learned to compare the checksums of pages


def parquet(file: File, label: str) -> Opened:
    """What a file says of itself."""
    pa = pyarrow_for("parquet")
    with reading(label):
        with pa.parquet.ParquetFile(source(file), pre_buffer=False) as opened:
            metadata, types = opened.metadata, opened.schema_arrow
        schema = Schema(tuple(column_of(pa, field) for field in types))

    def part(chosen: Chosen) -> Units:
        with reading(label):
            rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
            if sum(rows) != metadata.num_rows:
                raise ValueError(f"its groups have {sum(rows)} rows, its footer speaks of {metadata.num_rows}")
            together = max(1, BLOCK_BYTES // (4 * (chosen.features + 1)))  # groups of fewer rows are read together
            return RowGroups(label, chosen.names, together, *units_of(rows, file.size))

    return Opened(schema, part)


@final
@dataclass(frozen=True, slots=True, eq=False)
class RowGroups(Units):
    """The row groups of a file."""

    def _reader(self, file: File) -> Any:
        pa = pyarrow_for("parquet")
        options = {"pre_buffer": not isinstance(file, LocalFile)}  # columns at once, where each waits for the network
        if int(pa.__version__.partition(".")[0]) >= CHECKING:
            options["page_checksum_verification"] = True
        return pa.parquet.ParquetFile(source(file), **options)

    def _unit(self, reader: Any, number: int) -> Any:
        return reader.read_row_group(number, columns=list(self.names), use_threads=False)
