"""What a batch costs: against its size, the number of features, and the position of a resume; and what it is made of.

python bench/batches.py [sizes features parts resumes] [--cores 1]
"""

import os
import sys
from itertools import islice
from statistics import median

import numpy as np

import planted
from compare import Contestant, compare, machine, options, table, take_turns, usually, write

ROWS, FEATURES, BATCH = 1 << usually(20, 12), 16, 256
SIZES = (1, 4, 32, 256, 2_048, 16_384, 65_536)
WIDTHS = (1, 4, 16, 64, 256, 1_024, 4_096)
VALUES = ROWS * FEATURES  # in each data set, however many features
SHARE = 0.25  # of the speed of a straight memory copy that batches from memory mean to reach
HUGE, HUGE_BATCH = 10**12, 100
POSITIONS = (0, 10**3, 10**6, 10**9, 10**10 - 1)
PARTS = ("sizes", "features", "parts", "resumes")


def add_options(parser):
    parser.add_argument("parts", nargs="*", help=f"any of {', '.join(PARTS)}; all by default")
    parser.add_argument("--cores", type=int, help="how many cores to use; all by default")


def computed(features=FEATURES):
    return planted.regression(planted.weights(features, seed=1), 4.2, n=max(BATCH, VALUES // features))


def epoch(name, rows, size, *, ours=True, **settings):
    loader = planted.Loader(rows, size, **settings)

    def run(_turn):
        for _X, _y in loader:
            pass

    return Contestant(name, run, len(rows), ours=ours)


def copied(name, rows, size=None, target=None):
    """The same bytes copied by NumPy to memory that is there, at once, or a batch of rows after the other."""
    X, y = np.empty_like(rows.X), np.empty_like(rows.y)
    step = size or len(rows)

    def run(_turn):
        for first in range(0, len(rows), step):
            part = slice(first, first + step)
            X[part], y[part] = rows.X[part], rows.y[part]

    return Contestant(name, run, len(rows), target=target)


def sliced(name, rows, size):
    """Two views a batch and nothing else: the least that Python takes."""

    def run(_turn):
        for first in range(0, len(rows), size):
            rows.X[first : first + size], rows.y[first : first + size]

    return Contestant(name, run, len(rows))


def costs(title, kinds, repeats):
    """A table: microseconds a batch of each kind, for each size or width; `kinds` maps these to contestants."""
    print(f"\n{title}")
    contestants = [each for _, _, several in kinds for each in several]
    rounds = take_turns(contestants, repeats)
    lines = []
    for value, batches, several in kinds:
        times = [median(rounds.seconds[each.name]) for each in several]
        row_bytes = several[0].rows * 4
        lines.append(
            [
                f"{value:_}",
                *(f"{1e6 * t / batches:.{2 if t / batches < 1e-5 else 0}f}" for t in times),
                f"{1e9 * times[0] / row_bytes * 4:.1f}",
                f"{times[-1] / times[0]:.2f}",
            ]
        )
    names = [each.name.split(",")[0] for each in kinds[0][2]]
    head = ["", *names, "ns a row, from memory", "speed, from memory, of a copy"]
    table(head, lines)
    return {"title": title, **rounds._asdict()}


def sizes(repeats):
    rows = computed()
    memory = rows.materialize()
    kinds = [
        (
            size,
            -(-ROWS // size),
            [
                epoch(f"from memory, {size}", memory, size),
                epoch(f"in order, {size}", memory, size, shuffle=False),
                epoch(f"computed, {size}", rows, size),
                sliced(f"two slices, {size}", memory, size),
                copied(f"copied, {size}", memory, size),
            ],
        )
        for size in SIZES
    ]
    found = costs(f"microseconds a batch of so many rows of {FEATURES} features", kinds, repeats)
    race = [
        epoch("planted, from memory", memory, BATCH),
        epoch("planted, from memory, in order", memory, BATCH, shuffle=False),
        epoch("planted, computed", rows, BATCH),
        copied("copied at once", memory, target=SHARE),
        copied("copied batch by batch", memory, BATCH, target=SHARE),
    ]
    title = f"batches of {BATCH} against a straight memory copy"
    return [found, compare(title, race, repeats, row_bytes=4 * (FEATURES + 1))]


def features(repeats):
    kinds = []
    for width in WIDTHS:
        rows = computed(width)
        memory = rows.materialize()
        batches = -(-len(rows) // BATCH)
        several = [
            epoch(f"from memory, {width}", memory, BATCH),
            epoch(f"in order, {width}", memory, BATCH, shuffle=False),
            epoch(f"computed, {width}", rows, BATCH),
            copied(f"copied, {width}", memory, BATCH),
        ]
        kinds.append((width, batches, several))
    return [costs(f"microseconds a batch of {BATCH} rows of so many features", kinds, repeats)]


def parts(repeats):
    """What an epoch is made of, done one after another for all rows in pieces of a chunk."""
    rows = computed()
    memory = rows.materialize()
    chunk = (2 << 20) // (4 * (FEATURES + 1)) // BATCH * BATCH
    order = planted.permutation(ROWS, 0, 0)
    pieces = [range(first, min(first + chunk, ROWS)) for first in range(0, ROWS, chunk)]
    numbers = [order.take(piece) for piece in pieces]
    ready = [memory.take(piece) for piece in numbers]

    def cut(_turn):
        for X, y in ready:
            whole = len(X) // BATCH * BATCH
            for _ in zip(X[:whole].reshape(-1, BATCH, FEATURES), y[:whole].reshape(-1, BATCH, 1), strict=True):
                pass

    several = [
        Contestant("the order", lambda _: [order.take(piece) for piece in pieces], ROWS),
        Contestant("rows gathered from memory", lambda _: [memory.take(piece) for piece in numbers][-1], ROWS),
        Contestant("rows computed", lambda _: [rows.take(piece) for piece in numbers][-1], ROWS),
        Contestant("cut into batches", cut, ROWS),
        epoch("an epoch from memory, one chunk after the other", memory, BATCH, prefetch=0),
        epoch("an epoch from memory", memory, BATCH),
        epoch("an epoch, computed", rows, BATCH),
    ]
    return [
        plain(
            f"what an epoch of {ROWS:_} rows in batches of {BATCH} is made of, one thing after another",
            several,
            repeats,
        )
    ]


def resumes(repeats):
    rows = computed()
    last = ROWS // HUGE_BATCH
    sources = {
        "computed, 10^12 rows": (planted.regression(planted.weights(FEATURES, seed=1), n=HUGE), HUGE_BATCH, POSITIONS),
        f"from memory, {ROWS:_} rows": (rows.materialize(), HUGE_BATCH, (0, 10, last // 2, last)),
    }
    several = []
    for name, (source, size, positions) in sources.items():
        loader = planted.Loader(source, size)
        state = loader.state_dict()
        for k in positions:
            at = {**state, "epoch": 3, "batch": k}

            def load(_turn, at=at, loader=loader):
                loader.load_state_dict(at)

            def first(_turn, at=at, loader=loader):
                loader.load_state_dict(at)
                next(iter(loader))

            several += [
                Contestant(f"{name}: load_state_dict, at {k:_}", load),
                Contestant(f"{name}: and the first batch, at {k:_}", first),
            ]
    return [plain(f"a resume at batch k, {HUGE_BATCH} rows a batch", several, repeats)]


def plain(title, several, repeats):
    """A table of times, without ratios."""
    print(f"\n{title}")
    rounds = take_turns(several, repeats)
    lines = []
    for each in several:
        times = [1e3 * way(rounds.seconds[each.name]) for way in (median, min, max)]
        lines.append([each.name, *(f"{time:.{2 if time > 1 else 4}f}" for time in times)])
    table(["", "median ms", "min", "max"], lines)
    return {"title": title, **rounds._asdict()}


if __name__ == "__main__":
    given = options(__doc__, add_options)
    if given.cores and given.cores < len(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, set(islice(sorted(os.sched_getaffinity(0)), given.cores)))
        os.execv(sys.executable, [sys.executable, *sys.argv])  # libraries count cores when they are imported
    facts = machine()
    wanted = given.parts or PARTS
    functions = {"sizes": sizes, "features": features, "parts": parts, "resumes": resumes}
    results = [result for part in wanted for result in functions[part](given.repeats)]
    write(given.json, facts, results)
