"""Starting: fresh processes that import planted, take a first batch, run the demo; compiled code kept (warm) or not."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from compare import Contestant, machine, options, table, take_turns, usually, verdict, write

FIRST_BATCH = """
import os
import planted
rows = planted.rows(planted.LinearTruth([1.0] * 16, 4.2), 10**6)
X, y = next(iter(planted.Loader(rows, 256)))
os._exit(0)  # here the clock stops
"""
DEMO = ("-m", "planted", "demo")
BEYOND = "import planted, beyond numpy"
LIMITS = {BEYOND: 0.2, "first batch, warm": 1, "first batch, cold": 6, "demo, warm": 5, "demo, cold": 5}  # seconds


def python(*arguments, compiled=None):
    """Run a fresh interpreter to its end; `compiled` is the folder where compiled code is kept."""
    environment = os.environ | ({} if compiled is None else {"NUMBA_CACHE_DIR": compiled})
    done = subprocess.run([sys.executable, *arguments], check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)}: {done.stderr.strip()[-200:]}")


def first_batch(compiled):
    python("-c", FIRST_BATCH, compiled=compiled)


def demo(compiled):
    with tempfile.TemporaryDirectory() as folder:
        python(*DEMO, "--out", str(Path(folder) / "demo.png"), compiled=compiled)


def cold(work):
    def run(_turn):
        with tempfile.TemporaryDirectory() as empty:
            work(empty)

    return run


def contestants(kept):
    """`kept` is the folder of compiled code that the warm ones share; the warm-up round fills it."""
    yield Contestant("import numpy", lambda _: python("-c", "import numpy"))
    yield Contestant("import planted", lambda _: python("-c", "import planted"))
    yield Contestant("first batch, warm", lambda _: first_batch(kept))
    yield Contestant("first batch, cold", cold(first_batch))
    try:
        python(*DEMO, "--help")
    except RuntimeError as error:
        print(f"the demo is missing: {error}")
    else:
        yield Contestant("demo, warm", lambda _: demo(kept))
        yield from usually([Contestant("demo, cold", cold(demo))], [])


def line(name, seconds):
    middle, limit = median(seconds), LIMITS.get(name)
    times = (f"{t:.2f}" for t in (middle, min(seconds), max(seconds)))
    return [name, *times, *verdict(limit, limit is not None and middle <= limit)]


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine()
    print("\nseconds of a fresh process")
    with tempfile.TemporaryDirectory() as kept:
        rounds = take_turns(list(contestants(kept)), given.repeats)
    pairs = zip(rounds.seconds["import planted"], rounds.seconds["import numpy"], strict=True)
    rounds.seconds[BEYOND] = [ours - theirs for ours, theirs in pairs]
    table(["", "median s", "min", "max", "target", "verdict"], [line(*each) for each in rounds.seconds.items()])
    write(given.json, facts, [{"title": "startup", **rounds._asdict(), "targets": LIMITS}])
