"""The shell: the command `planted`.

In: the words of a command line. Out: tables, files, pictures, and an exit status.
"""

from planted._shell.cli import main

__all__ = [
    "main",
]
