"""Compiled code is kept between processes where there is a place for it, and nothing breaks where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import planted

CODE = """
import planted
from planted._rows import kernels
X, y = next(iter(planted.Loader(planted.regression([2.0, -3.4], 4.2, n=100), 32)))
print(X.shape, type(kernels.linear_rows._cache).__name__, sum(kernels.linear_rows.stats.cache_hits.values()))
"""


def run(package, env=()):
    environment = {**os.environ, "PYTHONPATH": str(package), **dict(env)}
    if "NUMBA_CACHE_DIR" not in dict(env):
        environment.pop("NUMBA_CACHE_DIR", None)
    words = [sys.executable, "-B", "-c", CODE]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, cwd="/", check=True)
    return done.stdout.split(") ")[1].split()


@pytest.fixture
def package(tmp_path):
    """A copy of the package without compiled code."""
    source = Path(planted.__file__).parent
    shutil.copytree(source, tmp_path / "site" / "planted", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "site"


def test_compiled_code_is_kept_next_to_the_package(package):
    """The second process finds what the first one compiled, in __pycache__."""
    assert run(package) == ["FunctionCache", "0"]
    assert list((package / "planted" / "_rows" / "__pycache__").glob("kernels.linear_rows*.nbc"))
    assert run(package) == ["FunctionCache", "1"]


def test_compiled_code_of_other_sources_is_not_used(package):
    """A changed definition is compiled anew, though the file that Numba looks at has kept its time and its size."""
    run(package)
    definition = package / "planted" / "_rows" / "random.py"
    definition.write_text(definition.read_text(encoding="utf-8").replace("-0.3084251284599304", "-0.3084251284599"))
    assert run(package) == ["FunctionCache", "0"]
    assert run(package) == ["FunctionCache", "1"]


def test_numba_cache_dir_chooses_another_place(package, tmp_path):
    run(package, env={"NUMBA_CACHE_DIR": str(tmp_path / "elsewhere")})
    assert list((tmp_path / "elsewhere").rglob("kernels.linear_rows*.nbc"))
    assert not (package / "planted" / "_rows" / "__pycache__").exists()


def test_a_read_only_home_and_package_still_work(package):
    """Nowhere to write, not even for root: the code is compiled in each process, and gives the same rows."""
    (package / "planted" / "_rows" / "__pycache__").touch()  # a file where the folder would be
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/nowhere")
    assert run(package, env=nowhere) == ["NullCache", "0"]
