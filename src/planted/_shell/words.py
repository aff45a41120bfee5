"""Errors in the shell's words: `--overwrite` for ``overwrite=True``, ``planted write`` for ``planted.write(...)``.

What planted raises is written for Python. Here its words become the options and commands of the shell, by one rule for
all errors, taken from the commands themselves; and what the system reports becomes a sentence.
"""

import errno
import os
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import click

from planted.errors import PlantedError

OTHER_NAMES: Final = {"n": "--rows", "dtype_name": "--dtype", "target": ""}  # Python's name is not the shell's
PYTHON: Final = re.compile(
    r"(?P<name_of>(?:LinearTruth|(?:features|noise)\.[A-Z]\w*)"  # of a truth or a law, in the shell as in Python
    r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))"
    r"|\bplanted\.(?P<command>\w+)(?:\((?P<given>[^()]*)\))?"
    r"|(?<![\w.'\"-])(?P<name>[A-Za-z]\w*)=(?P<true>True\b)?"
    r"|\b(?P<hexadecimal>0x[0-9a-f]+)\b"
)
DIGITS: Final = 40  # integers that are longer stay hexadecimal: who can read them?
REASONS: Final = {
    errno.ENOSPC: "the disk is full: make room, or name another place",
    errno.EDQUOT: "your share of the disk is full: make room, or name another place",
    errno.EACCES: "you have no permission: change it, or name another place",
    errno.EPERM: "you have no permission: change it, or name another place",
    errno.EROFS: "nothing can be written there: name another place",
    errno.EISDIR: "it is a folder: name a file",
    errno.ENOTDIR: "a part of the path is a file, not a folder: name another place",
    errno.EEXIST: "it exists already: name another place",
    errno.ENOENT: "there is no such file or folder: make it first, or name another",
    errno.ENAMETOOLONG: "the name is too long: use a shorter one",
    errno.EMFILE: "too many files are open: allow more with ulimit -n",
    errno.ELOOP: "it links to itself: name another place",
}


def in_shell_words(error: PlantedError, commands: Mapping[str, click.Command]) -> str:
    """The message of an error of planted's in the shell: the one that it keeps for it, or by the rule."""
    message = error.in_shell or str(error)
    reason = REASONS.get(getattr(error, "errno", None) or 0)
    if reason:
        message = message.replace(os.strerror(error.errno), reason)  # type: ignore[attr-defined]  # an OSError, too
    options = {**_options(commands.values()), **OTHER_NAMES}

    def said(match: re.Match[str]) -> str:
        if match["name_of"]:
            return match["name_of"]
        if match["hexadecimal"]:
            decimal = str(int(match["hexadecimal"], 16)) if len(match["hexadecimal"]) < DIGITS else ""
            return decimal or match["hexadecimal"]
        if match["command"]:
            if match["command"] not in commands:
                return match[0]
            flags = [PYTHON.sub(said, word) for word in re.findall(r"\w+=True", match["given"] or "")]
            return " ".join(["planted", match["command"], *flags])
        option = options.get(match["name"])
        return match[0] if option is None else option if match["true"] else f"{option} ".lstrip()

    return PYTHON.sub(said, message)


def _options(commands: Iterable[click.Command]) -> dict[str, str]:
    """Each option as it is typed, by the name that it has in Python."""
    typed = (max(option.opts, key=len) for command in commands for option in command.params)
    return {option.lstrip("-").replace("-", "_"): option for option in typed if option.startswith("--")}


def of_the_command_line(error: click.ClickException) -> str:
    """What cannot be read of the command line, as a sentence, and where to look it up."""
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    if isinstance(error, click.NoSuchOption) and context:
        message = f"No such option {error.option_name}{_meant(error.option_name, context.command)}"
    if not context:
        return message
    return f"{message}{'' if message.endswith('?') else '.'} Try '{context.command_path} --help'."


def _meant(name: str, command: click.Command) -> str:
    """The options that begin so or, if there are none, the one that is spelt most like it."""
    options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
    meant = sorted(option for option in options if option.startswith(name)) or get_close_matches(name, options, n=1)
    return f". Did you mean {' or '.join(meant)}?" if meant else ""


def of_the_system(error: OSError) -> str:
    """What the system reports, as a sentence that names the place and the remedy."""
    place = str(error.filename) if error.filename is not None else ""
    if error.errno in (errno.ENOTDIR, errno.EEXIST) and place:
        files = [str(path) for path in (Path(place), *Path(place).parents) if path.is_file()]
        if files:
            return f"{files[0]} is a file: name a folder"
    reason = REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__
    return f"{place}: {reason}" if place else reason
