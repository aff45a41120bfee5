"""The shell: the command `planted`.

In: words. Out: tables, files, pictures, and an exit status.
"""

from planted._shell.cli import main

__all__ = [
    "main",
]
