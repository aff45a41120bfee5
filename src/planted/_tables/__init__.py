"""The tables: rows of other people's files.

In: `.npy`, Arrow or Parquet files, and which of their columns are wanted. Out: rows without a truth.
"""

from planted._tables.tables import open_table

__all__ = [
    "open_table",
]
