"""The tables: rows of other people's files.

In: `.npy`, Arrow or Parquet files, and which of their columns are wanted. Out: rows without a truth. A *part* is one
file's rows, a *unit* what is decoded as a whole: a record batch, a row group.
"""

from planted._tables.opening import open_table

__all__ = [
    "open_table",
]
