"""Compiled code is kept between processes where there is a place for it, and nothing breaks where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import planted

CODE = """
import numpy as np
from planted._order import kernels as order
from planted._rows import kernels
X, y = np.arange(6.0).reshape(3, 2), np.arange(3.0).reshape(3, 1)
X_out, y_out = np.empty((2, 2)), np.empty((2, 1))
kernels.gather(np.array([2, 0]), X, y, X_out, y_out)  # small, and compiled as all are
assert X_out.tolist() == [[4, 5], [0, 1]] and y_out.tolist() == [[2], [0]]
print(type(kernels.gather._cache).__name__, sum(kernels.gather.stats.cache_hits.values()), order.walk.__qualname__)
"""


def run(package, env=()):
    """The kind of Numba's cache, how often it was hit, and the name of another compiled function, of another file."""
    environment = {**os.environ, "PYTHONPATH": str(package), **dict(env)}
    if "NUMBA_CACHE_DIR" not in dict(env):
        environment.pop("NUMBA_CACHE_DIR", None)
    words = [sys.executable, "-B", "-c", CODE]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/", check=True)
    return done.stdout.split()


@pytest.fixture
def package(tmp_path):
    """A copy of the package without compiled code."""
    source = Path(planted.__file__).parent
    shutil.copytree(source, tmp_path / "site" / "planted", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_compiled_code_is_kept_next_to_the_package(package):
    """The second process finds what the first one compiled, in __pycache__."""
    assert run(package)[:2] == ["FunctionCache", "0"]
    assert list((package / "planted" / "_rows" / "__pycache__").glob("kernels.gather*.nbc"))
    assert run(package)[:2] == ["FunctionCache", "1"]


def test_compiled_code_of_other_sources_is_not_used(package):
    """After a change of the definition it is compiled again, though the file that Numba looks at has not changed."""
    *_, name = run(package)
    definition = package / "planted" / "_rows" / "random.py"
    definition.write_text(definition.read_text(encoding="utf-8").replace("-0.3084251284599304", "-0.3084251284599"))
    *found, other = run(package)
    assert found == ["FunctionCache", "0"]
    assert other != name
    assert run(package) == ["FunctionCache", "1", other]


def test_numba_cache_dir_chooses_another_place(package, tmp_path):
    run(package, env={"NUMBA_CACHE_DIR": str(tmp_path / "elsewhere")})
    assert list((tmp_path / "elsewhere").rglob("kernels.gather*.nbc"))
    assert not (package / "planted" / "_rows" / "__pycache__").exists()


def test_a_read_only_home_and_package_still_work(package):
    """Nowhere to write, not even for root: the code is compiled in each process, and gives the same rows."""
    (package / "planted" / "_rows" / "__pycache__").touch()  # a file where the folder would be
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/nowhere")
    assert run(package, env=nowhere)[:2] == ["NullCache", "0"]
