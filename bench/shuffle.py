"""Shuffling: the order of 10^7 rows, another one each round; and the memory that it takes beyond the order itself."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import planted
from compare import Contestant, compare, machine, options, table, usually, write

POSITIONS = usually(10**7, 10**5)


def ours(turn):
    return planted.permutation(POSITIONS, seed=0, epoch=turn).take(range(POSITIONS))


CONTESTANTS = [
    Contestant("planted.permutation(...).take", ours, POSITIONS, ours=True),
    Contestant("np.random.permutation", lambda _: np.random.permutation(POSITIONS), POSITIONS, target=4),  # noqa: NPY002
    Contestant("Generator.permutation", lambda _: np.random.default_rng().permutation(POSITIONS), POSITIONS),
    Contestant("torch.randperm", lambda _: torch.randperm(POSITIONS), POSITIONS),
]

# ---- memory ---------------------------------------------------------------------------------------------------

# Each in a process of its own, since a peak never falls. Not ru_maxrss: a child begins with its parent's.
PROCESS = """
from pathlib import Path
import numpy as np
{imports}
def work(n):
    {work}
def memory(kind):
    return int(Path("/proc/self/status").read_text().split(kind)[1].split()[0])
work(100_000)
before = memory("VmRSS:")
out = work({n})
print(memory("VmHWM:") - before, 0 if out is None else out.nbytes)
"""
PIECE = 1 << 16
WORKS = {
    "planted.permutation(...).take": ("import planted", "return planted.permutation(n).take(range(n))"),
    f"the same, {PIECE:_} positions at a time": (
        "import planted",
        f"for i in range(0, n, {PIECE}): planted.permutation(n).take(range(i, min(i + {PIECE}, n)))",
    ),
    "np.random.permutation": ("", "return np.random.permutation(n)"),
    "torch.randperm": ("import torch", "return torch.randperm(n).numpy()"),
}


def memory():
    """By how much the peak of resident memory grows while the order is made, and how much of that is the order."""
    if not Path("/proc/self/status").exists():
        print("peak memory: measured on Linux only")
        return {"title": "peak memory"}
    measured = {}
    for name, (imports, work) in WORKS.items():
        script = PROCESS.format(imports=imports, work=work, n=POSITIONS)
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        grown, output = map(int, done.stdout.split())
        measured[name] = {"peak": grown * 1024, "output": output}
    print(f"\npeak memory, {POSITIONS:_} positions, MB")
    table(
        ["", "peak grew by", "output", "beyond it"],
        [
            (name, *(f"{size / 1e6:.1f}" for size in (m["peak"], m["output"], m["peak"] - m["output"])))
            for name, m in measured.items()
        ],
    )
    return {"title": "peak memory", "bytes": measured}


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch")
    write(given.json, facts, [compare(f"{POSITIONS:_} positions", CONTESTANTS, given.repeats), memory()])
