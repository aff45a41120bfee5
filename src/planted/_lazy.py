"""Names that a face offers, but imports only when they are first used (PEP 562).

So a face can offer what needs Numba or a framework, while importing planted loads neither.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def lazily(face: str, names: Mapping[str, Iterable[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of the module `face`, which offers these names of its files: ``{file: names}``."""
    files = {name: file for file, offered in names.items() for name in offered}

    def __getattr__(name: str) -> Any:  # noqa: N807 -- in the face it is one
        if name not in files:
            raise AttributeError(f"module {face!r} has no attribute {name!r}")
        value = getattr(import_module(f"{face}.{files[name]}"), name)
        setattr(sys.modules[face], name, value)
        return value

    return __getattr__


class LazyModule(ModuleType):
    """A module that is imported when something in it is used.

    Completion and `help` look at each attribute of a package; a framework would take seconds to import.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked of every object by those who look at it
            raise AttributeError(f"module {self.__name__!r} has not been imported yet")
        return getattr(import_module(self.__name__), name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            setattr(import_module(self.__name__), name, value)

    def __dir__(self) -> list[str]:
        return dir(import_module(self.__name__))
