"""Under load: each row once, nothing that waits for ever, and memory, threads and files flat.

The phases are in `endurance.py`, which can run many more of them: `python tests/loader/endurance.py --help`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import endurance
import pytest

HERE = Path(__file__).resolve().parent
SEED = 1  # of all phases; `python tests/loader/endurance.py --seed` takes others
MIB_MORE = 16  # a long run allows 4
LEAST = {"from memory": 60_000, "on demand": 60_000, "small epochs": 16_000, "disk epochs": 15_000}  # batches


@pytest.mark.skipif(os.name != "posix", reason="what is in use is counted by means of POSIX")
@pytest.mark.parametrize("name", endurance.PHASES)
def test_nothing_is_lost_or_left(name):
    """In an interpreter of its own, which has no other threads, and ends with all stacks if anything waits for ever."""
    if not endurance.PHASES[name].possible:
        pytest.skip(f"needs {endurance.PHASES[name].needs}")
    command = [sys.executable, HERE / "endurance.py", "--quick", "--json", "--seed", str(SEED), "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
    assert done.stdout, done.stderr
    sys.stdout.write(done.stdout)
    found = json.loads(done.stdout)
    assert found["verdict"] in ("flat", "memory"), found  # threads, files, the collector's objects
    assert found["growth"] < MIB_MORE, found
    assert found["batches"] >= LEAST.get(name, 400), found
    assert "Traceback" not in done.stderr, done.stderr  # nor anything lost in a finaliser or a thread


def record(**last):
    """A phase in which something grew."""
    first = {"at": 0.0, "memory": 100 << 20, "threads": 1, "system": 3, "files": 10, "objects": 1000}
    middle = [endurance.Sample(**first)] * 50
    end = endurance.Sample(**{**first, **last})
    return endurance.Record("x", 1, 1, middle[0], end, [*middle, *[end] * 50])


@pytest.mark.parametrize(
    ("last", "fault"),
    [
        ({}, []),
        ({"memory": 103 << 20}, []),
        ({"memory": 105 << 20}, ["memory"]),
        ({"threads": 2}, ["threads"]),
        ({"system": 4}, ["threads"]),
        ({"files": 11}, ["files"]),
        ({"objects": 1400}, []),
        ({"objects": 1600}, ["objects"]),
    ],
)
def test_growth_is_noticed(last, fault):
    assert record(**last).faults() == fault
    assert record(**last).row()["verdict"] == (", ".join(fault) or "flat")


def test_a_row_that_is_lost_or_comes_twice_is_noticed(tmp_path):
    world = endurance.World(SEED, tmp_path)
    batches = list(world.loaders()["memory"])
    assert endurance.delivered(batches, endurance.SMALL) == 94
    with pytest.raises(AssertionError, match="rows lost"):
        endurance.delivered(batches[1:], endurance.SMALL)
    with pytest.raises(AssertionError, match="twice: "):
        endurance.delivered([*batches, batches[0]], endurance.SMALL)
    batches[3][1][2] += 1
    with pytest.raises(AssertionError, match="Mismatched elements: 1 /"):
        endurance.delivered(batches, endurance.SMALL)
