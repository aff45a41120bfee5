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
from planted._random import few
table = np.empty(5, np.int64)
order.shuffled_table(0x4234584E, 0xA1FE60C2, table)
assert table.tolist() == [2, 0, 3, 1, 4]  # as docs/version-1.md has it
compiled = order.shuffled_table
print(type(compiled._cache).__name__, sum(compiled.stats.cache_hits.values()), few.few_rows.__qualname__)
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
    assert list((package / "planted" / "_order" / "__pycache__").glob("kernels.shuffled_table*.nbc"))
    assert run(package)[:2] == ["FunctionCache", "1"]


def test_compiled_code_of_other_sources_is_not_used(package):
    """After a change of the definition it is compiled again, though the file that Numba looks at has not changed."""
    *_, name = run(package)
    definition = package / "planted" / "_random" / "random.py"
    definition.write_text(definition.read_text(encoding="utf-8").replace("-0.3084251284599304", "-0.3084251284599"))
    *found, other = run(package)
    assert found == ["FunctionCache", "0"]
    assert other != name
    assert run(package) == ["FunctionCache", "1", other]


def test_numba_cache_dir_chooses_another_place(package, tmp_path):
    run(package, env={"NUMBA_CACHE_DIR": str(tmp_path / "elsewhere")})
    assert list((tmp_path / "elsewhere").rglob("kernels.shuffled_table*.nbc"))
    assert not (package / "planted" / "_order" / "__pycache__").exists()


def test_a_read_only_home_and_package_still_work(package):
    """Nowhere to write, not even for root: the code is compiled in each process, and gives the same rows."""
    (package / "planted" / "_order" / "__pycache__").touch()  # a file where the folder would be
    nowhere = dict.fromkeys(("HOME", "XDG_CACHE_HOME"), "/dev/null/nowhere")
    assert run(package, env=nowhere)[:2] == ["NullCache", "0"]
