"""Shuffling: the order of 10^7 rows, another one each round; and the memory that it takes beyond the order itself."""

import subprocess
import sys

import numpy as np
import torch
from compare import Contestant, compare, machine, options, table, write

import planted

POSITIONS = 10**7

CONTESTANTS = [
    Contestant(
        "planted.permutation(...).take",
        lambda turn: planted.permutation(POSITIONS, seed=0, epoch=turn).take(range(POSITIONS)),
        POSITIONS,
        ours=True,
    ),
    Contestant("np.random.permutation", lambda turn: np.random.permutation(POSITIONS), POSITIONS, target=4),  # noqa: NPY002
    Contestant(
        "np.random.default_rng().permutation", lambda turn: np.random.default_rng().permutation(POSITIONS), POSITIONS
    ),
    Contestant("torch.randperm", lambda turn: torch.randperm(POSITIONS), POSITIONS),
]

# Each in a process of its own, as a process's peak never falls again. RSS sees everything; tracemalloc sees NumPy's arrays.
MEMORY = """
import resource, tracemalloc
import numpy as np
{setup}
def work(n):
    {work}
work(100_000)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
tracemalloc.start()
before = peak()
out = work({n})
print(peak() - before, tracemalloc.get_traced_memory()[1], 0 if out is None else out.nbytes)
"""
PLANTED = "import planted"
WORKS = {
    "planted.permutation(...).take": (PLANTED, "return planted.permutation(n, seed=0).take(range(n))"),
    "planted, 2^16 positions at a time": (
        PLANTED,
        "for i in range(0, n, 1 << 16): planted.permutation(n, seed=0).take(range(i, min(i + (1 << 16), n)))",
    ),
    "np.random.permutation": ("", "return np.random.permutation(n)"),
    "torch.randperm": ("import torch", "return torch.randperm(n).numpy()"),
}


def memory():
    """MB by which the peak grows while the order is made, and how much of that is the order."""
    measured = []
    for name, (setup, work) in WORKS.items():
        script = MEMORY.format(setup=setup, work=work, n=POSITIONS)
        done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        grown, traced, output = (int(word) / 1e6 for word in done.stdout.split())
        measured.append({"name": name, "output": output, "rss": grown, "traced": traced})
    table(
        f"peak memory, {POSITIONS:_} positions, MB",
        ["", "output", "RSS grew by", "beyond output", "tracemalloc peak", "beyond output"],
        (
            [
                m["name"],
                *(
                    f"{v:.1f}"
                    for v in (m["output"], m["rss"], m["rss"] - m["output"], m["traced"], m["traced"] - m["output"])
                ),
            ]
            for m in measured
        ),
    )
    return {"title": "peak memory, MB", "memory": measured}


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch")
    write(given.json, facts, [compare(f"{POSITIONS:_} positions", CONTESTANTS, given.repeats), memory()])
