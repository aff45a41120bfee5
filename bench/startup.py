"""Starting: fresh processes that import planted, take a first batch, run the demo; with compiled code kept and without."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from compare import Contestant, machine, options, table, take_turns, write

FIRST_BATCH = """
import planted
rows = planted.rows(planted.LinearTruth([1.0] * 16, 4.2), 10**6)
X, y = next(iter(planted.Loader(rows, 256)))
"""
DEMO = ("-m", "planted", "demo")
LIMITS = {  # seconds
    "import planted, beyond numpy": 0.2,
    "first batch, warm": 1,
    "first batch, cold": 6,
    "demo, warm": 5,
    "demo, cold": 5,
}


def python(*arguments, cache=None):
    """Run a fresh interpreter to its end, with compiled code kept in the folder `cache`."""
    environment = os.environ | ({} if cache is None else {"NUMBA_CACHE_DIR": cache})
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip().splitlines()[-1:]}")


def first_batch(cache):
    python("-c", FIRST_BATCH, cache=cache)


def demo(cache):
    with tempfile.TemporaryDirectory() as out:
        python(*DEMO, "--out", str(Path(out) / "demo"), cache=cache)


def cold(work):
    """The same work with an empty cache of compiled code each time."""

    def run(turn):
        with tempfile.TemporaryDirectory() as empty:
            work(empty)

    return run


def contestants(kept):
    """`kept` is the folder of compiled code that the warm ones share; the warm-up round fills it."""
    yield Contestant("import numpy", lambda turn: python("-c", "import numpy"))
    yield Contestant("import planted", lambda turn: python("-c", "import planted"))
    yield Contestant("first batch, warm", lambda turn: first_batch(kept))
    yield Contestant("first batch, cold", cold(first_batch))
    try:
        python(*DEMO, "--help")
    except RuntimeError as error:
        print(f"the demo is missing: {error}")
        return
    yield Contestant("demo, warm", lambda turn: demo(kept))
    yield Contestant("demo, cold", cold(demo))


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine()
    with tempfile.TemporaryDirectory() as kept:
        times = take_turns(list(contestants(kept)), given.repeats)
    pairs = zip(times["import numpy"], times["import planted"], strict=True)
    times["import planted, beyond numpy"] = [ours - numpys for numpys, ours in pairs]
    table(
        "seconds of a whole process, from its start to its end",
        ["", "median", "min", "max", "target", ""],
        (
            [
                name,
                *(f"{t:.2f}" for t in (median(seconds), min(seconds), max(seconds))),
                *(
                    ("", "")
                    if name not in LIMITS
                    else (f"{LIMITS[name]:g}", "met" if median(seconds) <= LIMITS[name] else "NOT met")
                ),
            ]
            for name, seconds in times.items()
        ),
    )
    write(given.json, facts, [{"title": "startup", "seconds": times, "targets": LIMITS}])
