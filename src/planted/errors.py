"""One exception tree: everything that planted raises on purpose is a `PlantedError`.

Each message names the value, the rule that it broke and the remedy. Each class is also the built-in
exception that a caller would expect (`ValueError`, `TypeError`, ...), so that code which does not know planted
handles it as usual. Where the remedy reads otherwise at the command line, the error keeps both (`in_both`).
"""

from typing import Self


class PlantedError(Exception):
    """The root of every error that planted raises on purpose."""

    __module__ = "planted"

    in_shell: str = ""  # the message in the words of the command line, where they differ

    @classmethod
    def in_both(cls, python: str, shell: str) -> Self:
        """An error that reads so in Python, and so at the command line, which prints ``error.in_shell or error``."""
        error = cls(python)
        error.in_shell = shell
        return error


class InvalidValueError(PlantedError, ValueError):
    """A value of the right type breaks a rule."""


class InvalidTypeError(PlantedError, TypeError):
    """A value is of the wrong type."""


class RowNumberError(PlantedError, IndexError):
    """A row number lies outside the rows."""


class TooLargeError(PlantedError, MemoryError):
    """What is asked for would take more memory than there is."""


class StateError(PlantedError, ValueError):
    """A saved state belongs to another data set, order or version."""


class MissingDependencyError(PlantedError, ImportError):
    """A framework or another library is asked for that is not installed."""


MissingFrameworkError = MissingDependencyError  # its name when only frameworks could be missing


class ProcessGroupError(PlantedError, RuntimeError):
    """A framework does not know which of how many processes this is."""


class ForkedError(PlantedError, RuntimeError):
    """An iterator is used in a process that was forked off after the iterator was begun."""


class DivergedError(PlantedError, ArithmeticError):
    """A learner left the finite numbers."""


class StorageError(PlantedError, OSError):
    """A disk or a store does not do what is asked of it: it is full, in use, out of reach."""


class ExistsError(StorageError, FileExistsError):
    """Something else is where rows should be written."""


class MissingError(StorageError, FileNotFoundError):
    """There are no rows, or a part of them is missing."""


class ManifestError(PlantedError, ValueError):
    """A manifest does not describe rows."""


class DamagedError(StorageError):
    """A file holds other bytes than were written."""
