"""Each benchmark still runs: with a few rows, one round, and those of its peers that are installed."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"
RUNS = {  # the words after `python bench/`, and the libraries without which they cannot run
    "audit.py --only planted": [],
    "batches.py": [],
    "laws.py": [],
    "mixing.py": [],
    "shapes.py": [],
    "startup.py": [],
    "audit.py": ["torch", "torchdata", "tensorflow", "grain", "datasets"],
    "disk.py write cold warm verify": ["torch"],
    "disk.py peers --peers tf.data": ["tensorflow"],
    "disk.py peers --peers Hugging&Face": ["datasets"],
    "frameworks.py": ["jax", "tensorflow", "tensorflow_datasets"],
    "frameworks.py --repeats 1": ["mxnet"],
    "generation.py": ["torch", "sklearn"],
    "minibatches.py": ["torch"],
    "shuffle.py": ["torch"],
    "small.py": ["torch"],
}


def test_no_benchmark_is_overlooked():
    programs = {path.name for path in BENCH.glob("*.py") if "__main__" in path.read_text(encoding="utf-8")}
    assert programs == {words.split()[0] for words in RUNS} | {"disk_cold.py"}  # which disk.py starts


@pytest.mark.parametrize(
    ("words", "libraries"),
    [pytest.param(*run, marks=[pytest.mark.frameworks] if run[1] else []) for run in RUNS.items()],
    ids=RUNS,
)
def test_a_benchmark_runs(tmp_path, needs, words, libraries):
    needs(*libraries)
    program, *options = [word.replace("&", " ") for word in words.split()]
    done = subprocess.run(
        [sys.executable, str(BENCH / program), *options, "--smoke"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    if "is held in memory" in done.stderr:
        pytest.skip("a temporary folder in memory: disk.py measures disks")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert done.stdout
