"""The package as a whole: its names, and what importing it costs."""

import ast
import builtins
import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import planted

pytestmark = pytest.mark.frameworks  # what planted does not import must be there, or it proves nothing
FRAMEWORKS = {"torch", "jax", "tensorflow", "mxnet"}
NAMED = sorted(name for name in os.environ.get("PLANTED_FRAMEWORKS", "").split(",") if name)


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_exported_names_are_the_documented_ones():
    """The public names are a contract: adding or losing one is a decision, made here."""
    assert set(planted.__all__) == {
        "Audit",
        "Batch",
        "Estimate",
        "LinearTruth",
        "Loader",
        "Permutation",
        "Pipeline",
        "PlantedError",
        "PlantedRows",
        "Report",
        "Rows",
        "Verification",
        "audit",
        "check",
        "errors",
        "features",
        "least_squares",
        "noise",
        "open",
        "open_table",
        "permutation",
        "regression",
        "rows",
        "sgd",
        "verify",
        "weights",
        "write",
    }
    assert {name for name in dir(planted) if not name.startswith("_")} == set(planted.__all__) | FRAMEWORKS


@pytest.mark.parametrize("name", sorted(FRAMEWORKS))
def test_a_door_is_an_attribute_that_is_imported_when_it_is_used(name):
    """Where its framework is missing, it is an attribute that is missing, and the message says what to install."""
    code = f"""
import sys, planted
try:
    door = planted.{name}
    loaded = {name!r} in sys.modules
    print(loaded, door.minibatches.__module__)
    door.mine = 3
    assert planted.{name} is sys.modules["planted.{name}"] and planted.{name}.mine == 3
    assert "minibatches" in dir(door) and not hasattr(door, "chekc")
except AttributeError as error:
    print({name!r} in sys.modules, error)
    assert not hasattr(planted, {name!r})
"""
    loaded, found = run(code).strip().split(" ", 1)
    assert loaded == "False"
    missing = rf"planted.{name} needs {name}.*: pip install 'planted\[{name}\]'"
    assert found == f"planted.{name}" or re.fullmatch(missing, found)


@pytest.mark.parametrize("name", sorted(FRAMEWORKS))
def test_where_a_framework_is_missing_the_import_of_its_door_says_so(name):
    code = f"""
import sys, planted
sys.modules[{name!r}] = None
try:
    from planted import {name}
except planted.errors.MissingDependencyError as error:
    print(error)
"""
    assert f"pip install 'planted[{name}]'" in run(code)


def test_completion_and_help_find_the_doors_and_import_no_framework():
    code = f"""
import pydoc, rlcompleter, sys, planted
completer = rlcompleter.Completer(vars())
found, number = set(), 0
while match := completer.complete("planted.t", number):
    found.add(match)
    number += 1
help = pydoc.plain(pydoc.render_doc(planted))
for door in planted.__dir__():
    getattr(planted, door, None)
print(sorted({FRAMEWORKS} & set(sys.modules)), "# plant:" in help, *sorted(found))
"""
    assert run(code).split() == ["[]", "True", "planted.tensorflow", "planted.torch"]


def test_a_name_that_planted_does_not_have_is_said_to_be_missing():
    with pytest.raises(AttributeError, match="module 'planted' has no attribute 'chekc'"):
        planted.chekc  # noqa: B018
    assert not hasattr(planted, "_lazy_name")


def test_help_shows_the_four_verbs_and_an_example():
    """The example is run, too."""
    text = run("import planted; print(planted.__doc__)")
    for word in ("# plant:", "# feed:", "# learn:", "# check:", "planted.torch"):
        assert word in text
    example = re.search(r"::\n\n((?:    .*\n|\n)+)", text)[1]
    assert run("if True:\n" + example).splitlines()[-1].startswith("PASSED")


def test_every_exception_can_be_imported():
    """The docstrings name them."""
    named = set()
    for name in planted.__all__:
        named |= set(re.findall(r"\b[A-Z]\w+Error\b", getattr(planted, name).__doc__))
    assert "InvalidValueError" in named
    missing = {name for name in named - set(vars(builtins)) if not hasattr(planted.errors, name)}
    assert not missing


def test_every_exported_name_has_a_docstring():
    for name in planted.__all__:
        assert getattr(planted, name).__doc__, name


def test_importing_planted_loads_neither_a_compiler_nor_a_framework_nor_the_shells_libraries():
    """In one interpreter: what `import planted` has loaded."""
    others = {"numba", "llvmlite", "scipy", "click", "rich", "matplotlib", "asyncio", "pyarrow", "fsspec"}
    assert run(f"import sys, planted; print(sorted({FRAMEWORKS | others!r} & set(sys.modules)))").strip() == "[]"


def test_using_planted_imports_no_framework():
    """Rows, loaders, fits and checks in NumPy leave every framework alone."""
    code = """
import sys, planted
rows = planted.regression(w=[2.0, -3.4], b=4.2, n=100)
estimate = planted.sgd(planted.Loader(rows), epochs=1)
planted.check(planted.least_squares(rows.materialize()), rows)
print(sorted({"torch", "jax", "tensorflow", "mxnet", "sklearn", "pandas"} & set(sys.modules)))
"""
    assert run(code).strip() == "[]"


def test_global_state_is_untouched():
    """Neither NumPy's and Python's global generators, nor the environment, nor logging change."""
    code = """
import logging, os, random
import numpy as np
random.seed(1); np.random.seed(1)
before = random.getstate(), np.random.get_state()[1].tobytes(), dict(os.environ), list(logging.getLogger().handlers)
import planted
rows = planted.regression(w=[2.0, -3.4], b=4.2, n=5000)
for X, y in planted.Loader(rows, shuffle=True): pass
planted.check(planted.least_squares(rows), rows)
after = random.getstate(), np.random.get_state()[1].tobytes(), dict(os.environ), list(logging.getLogger().handlers)
print(before == after)
"""
    assert run(code).strip() == "True"


def test_the_version_is_that_of_the_metadata():
    from importlib.metadata import version

    assert version("planted") == planted.__version__


def test_the_map_shows_each_room_with_the_first_line_of_its_face():
    faces = Path(planted.__file__).parent.glob("_*/__init__.py")
    rooms = {face.parent.name: ast.get_docstring(ast.parse(face.read_text(encoding="utf-8"))) for face in faces}
    page = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^- `(_\w+)`: (.+)$", page, re.MULTILINE))
    assert shown == {room: face.splitlines()[0] for room, face in rooms.items()}


@pytest.mark.filterwarnings("ignore")  # theirs
@pytest.mark.parametrize("name", NAMED)
def test_a_framework_that_the_run_must_cover_can_be_imported(name):
    """PLANTED_FRAMEWORKS names what must not be skipped unseen."""
    importlib.import_module(name)


def test_ci_runs_each_session_of_nox():
    """In two parts, so that it names them; those that are no part of ``nox`` alone are no part of it either."""
    root = Path(__file__).parent.parent
    sessions = re.findall(r"^@nox\.session\ndef (\w+)", (root / "noxfile.py").read_text(encoding="utf-8"), re.MULTILINE)
    run = set(re.findall(r"\w+", (root / ".ci" / "run").read_text(encoding="utf-8")))
    assert {"lint", "core", "oldest", "frameworks", "mxnet", "coverage"} <= set(sessions) <= run


def test_the_oldest_libraries_that_are_admitted_are_the_oldest_that_are_tested():
    """The lower bounds in pyproject.toml, and the pins of nox's session `oldest`."""
    root = Path(__file__).parent.parent
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    bounds = dict(wanted.split(">=") for wanted in (*project["dependencies"], *extras["arrow"], *extras["remote"]))
    sessions = (root / "noxfile.py").read_text(encoding="utf-8")
    oldest = re.search(r"^OLDEST = \((.*?)^\)", sessions, re.DOTALL | re.MULTILINE)
    pins = dict(re.findall(r'"(\w+)==([\d.]+)"', oldest[1]))
    assert {name: f"{bound}.0.0"[: len(pins[name])] for name, bound in bounds.items()} == {
        name: pin for name, pin in pins.items() if name in bounds
    }


def test_the_extra_all_names_all_but_what_cannot_be_installed_beside_it():
    """And what is for those who test planted."""
    root = Path(__file__).parent.parent
    extras = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(re.findall(r"\w+", everything)) - {"planted"} == set(extras) - {"all", "mxnet", "test", "dev"}
