"""Which files are meant by a path, a folder, a pattern, a URL, or a list of them.

A list's order is kept; the files of a folder and those that match a pattern come in the order of their names. Links are
followed, since they are the user's own: a cache of downloads consists of them.
"""

import glob
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from planted._disk import File, Folder, LocalFolder, RemoteFolder, is_local, reach, unknown_format
from planted.errors import InvalidTypeError, InvalidValueError, MissingError, StorageError

SUFFIXES: Final = {
    **dict.fromkeys([".npy"], "npy"),
    **dict.fromkeys([".arrow", ".feather", ".ipc"], "arrow"),
    **dict.fromkeys([".parquet", ".pq"], "parquet"),
    **dict.fromkeys([".csv"], "csv"),
}
INSTEAD: Final = {
    ".npz": "save its arrays one by one, with numpy.save",
    ".xlsx": "save it as CSV",
    ".xls": "save it as CSV",
    ".tsv": "write it with commas, as .csv, or as Parquet",
    ".gz": "unpack it first",
    ".zip": "unpack it first",
    ".json": "write it as CSV or Parquet, for instance with pandas",
    ".jsonl": "write it as CSV or Parquet, for instance with pandas",
    ".h5": "write it as CSV or Parquet, for instance with pandas",
}  # what files are asked for that are not read
PATTERN: Final = frozenset("*?[")
HIDDEN: Final = (".", "_")  # how the names begin that are no rows: what Spark, macOS and caches leave behind


@dataclass(frozen=True, slots=True)
class Place:
    """Where a file lies, and how messages call it."""

    folder: Folder
    name: str
    label: str

    def open(self) -> File:
        """The file, for reading."""
        return self.folder.open(self.name)


def places_of(paths: Any, file_format: Any, storage_options: dict[str, Any] | None) -> tuple[list[Place], str]:
    """The files that are meant, and their format."""
    known = sorted(set(SUFFIXES.values()))
    if file_format is not None and file_format not in known:
        raise unknown_format(file_format, known)
    if hasattr(paths, "shape"):  # an array or a frame, whose elements or columns would be taken for paths
        raise InvalidTypeError(
            f"paths of type {type(paths).__name__} is no path, but the values themselves: planted.Loader((X, y)) reads "
            "arrays; open_table reads files, such as 'rows/*.npy'"
        )
    several = isinstance(paths, Iterable) and not isinstance(paths, (str, bytes, os.PathLike))
    places: list[Place] = []
    for path in paths if several else [paths]:
        if isinstance(path, str) and "://" in path:
            places += _remote(path, file_format, storage_options or {})
        elif isinstance(path, (str, os.PathLike)) and isinstance(os.fspath(path), str) and os.fspath(path):
            places += _local(os.fspath(path), file_format)
        else:
            raise InvalidTypeError(
                f"paths={path!r} must be a path, a pattern or a URL, or a list of them, such as 'rows/*.npy'"
            )
    if not places:
        raise MissingError(f"paths={paths!r} names no files: name one at least")
    labels = [place.label for place in places]
    if len(set(labels)) < len(labels):
        twice = next(label for label, count in Counter(labels).items() if count > 1)
        raise InvalidValueError(f"{twice} is named twice, and its rows would be, too: name each file once")
    return places, file_format or _format_of(labels)


def _local(path: str, file_format: str | None) -> list[Place]:
    if Path(path).is_dir():
        names = _rows_among(LocalFolder(Path(path)).names(), path, file_format)
        found = [os.path.join(path, name) for name in names]  # noqa: PTH118 -- spelled as the user spells it
    elif Path(path).exists() or not PATTERN & set(path):
        found = [path]
    else:
        found = sorted(name for name in glob.glob(path, recursive=True) if not Path(name).is_dir())  # noqa: PTH207
        if not found:
            raise MissingError(f"no file matches {path!r}: name files that exist")
    return [_local_place(label) for label in found]


def _local_place(label: str) -> Place:
    try:
        path = Path(label).resolve(strict=True)
    except FileNotFoundError:
        raise MissingError(f"{label} is missing: name files that exist") from None
    except (OSError, RuntimeError) as error:  # links in a circle
        raise StorageError(f"{label}: {error}") from error
    return Place(LocalFolder(path.parent), path.name, label)


def _remote(url: str, file_format: str | None, storage_options: dict[str, Any]) -> list[Place]:
    system, path = reach(url, storage_options)
    if is_local(system):
        return _local(path, file_format)
    try:
        found = _found(system, path, url, file_format)
    except StorageError:
        raise
    except FileNotFoundError:
        raise MissingError(f"{url} is missing: name files that exist") from None
    except Exception as error:  # whatever the store's own library raises
        raise StorageError(f"{url}: {type(error).__name__}: {error}") from error
    places = []
    for file in found:
        label = url if file == path else str(system.unstrip_protocol(file))
        root, _, name = file.rpartition("/")
        places.append(Place(RemoteFolder(system, root, label.rpartition("/")[0]), name, label))
    return places


def _found(system: Any, path: str, url: str, file_format: str | None) -> list[str]:
    """The paths of the files that a path or a pattern in a store means."""
    if PATTERN & set(path) and not system.exists(path):
        found = sorted(name for name, entry in system.glob(path, detail=True).items() if entry["type"] == "file")
        if not found:
            raise MissingError(f"no file matches {url!r}: name files that exist")
        return found
    if system.info(path)["type"] == "file":
        return [path]
    names = {str(entry["name"]).rpartition("/")[2]: str(entry["name"]) for entry in system.ls(path, detail=True)}
    return [names[name] for name in _rows_among(sorted(names), url, file_format)]


def _rows_among(names: list[str], folder: str, file_format: str | None) -> list[str]:
    """The files of a folder that hold rows, by their names."""
    suffixes = {suffix for suffix, known in SUFFIXES.items() if file_format in {None, known}}
    found = [name for name in names if not name.startswith(HIDDEN) and Path(name).suffix.lower() in suffixes]
    if file_format is None:  # where there are others, a CSV file is a list of them, or of something else
        found = [name for name in found if not name.lower().endswith(".csv")] or found
    if not found:
        raise MissingError(
            f"no file of {folder!r} ends in {', '.join(sorted(suffixes))}: name the files, in a list or by a pattern "
            "such as 'rows/**/*.parquet'"
        )
    return found


def _format_of(labels: list[str]) -> str:
    """The one format of all these files, by their names."""
    formats: dict[str, str] = {}
    for label in labels:
        suffix = Path(label.partition("?")[0]).suffix.lower() if "://" in label else Path(label).suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidValueError(
                f"{label} has a name that does not tell its format: "
                + INSTEAD.get(suffix, "say format='npy', 'arrow', 'parquet' or 'csv'")
            )
        formats.setdefault(SUFFIXES[suffix], label)
    if len(formats) > 1:
        first, second = list(formats.values())[:2]
        raise InvalidValueError(
            f"{first} and {second} are of two formats, and a table has one: name files of one, or say format="
        )
    return next(iter(formats))
