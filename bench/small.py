"""A few rows: what an epoch of the book's size costs, in shuffled minibatches of 32 torch tensors, 2 features.

A call takes microseconds, so a turn is many calls, and its time the median of them.
"""

import time
from functools import partial
from statistics import median

import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import planted
from compare import machine, options, table, usually, write

ROWS = usually((100, 1_000, 10_000), (100,))
CALLS = usually(30, 2)  # in a turn
BATCH = 32
WANTED = {100: 40, 1_000: 100}  # microseconds that an epoch of planted's is to take at most


def by_hand(X, y):
    order = torch.randperm(len(X))
    for i in range(0, len(X), BATCH):
        numbers = order[i : i + BATCH]
        yield X[numbers], y[numbers]


def readers(n):
    computed = planted.regression([2.0, -3.4], 4.2, n=n)
    memory = computed.materialize()
    X, y = map(torch.from_numpy, computed[:])
    dataset = TensorDataset(X, y)
    sampler = BatchSampler(RandomSampler(dataset), BATCH, drop_last=False)
    return {
        "planted, from memory": partial(iter, planted.Loader(memory, BATCH, framework="torch")),
        "planted, computed": partial(iter, planted.Loader(computed, BATCH, framework="torch")),
        "DataLoader, as it comes": partial(iter, DataLoader(dataset, BATCH, shuffle=True)),
        "DataLoader, BatchSampler": partial(iter, DataLoader(dataset, batch_size=None, sampler=sampler)),
        "a loop by hand": partial(by_hand, X, y),
    }


def turn(batches):
    """The median seconds of a call."""
    seconds = []
    for _ in range(CALLS):
        start = time.perf_counter()
        for _X, _y in batches():
            pass
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def measured(n, rounds):
    """Seconds of each reader in each round, after one that does not count."""
    each = readers(n)
    seconds = {name: [] for name in each}
    for _ in range(rounds + 1):
        for name, batches in each.items():
            seconds[name].append(turn(batches))
    return {"title": f"{n} rows", "seconds": {name: times[1:] for name, times in seconds.items()}}


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch")
    results = [measured(n, given.repeats) for n in ROWS]
    middles = [{name: 1e6 * median(times) for name, times in result["seconds"].items()} for result in results]
    table(
        ["microseconds an epoch", *(f"{n:_} rows" for n in ROWS)],
        [
            *([name, *(f"{middle[name]:.0f}" for middle in middles)] for name in middles[0]),
            ["wanted of planted", *(str(WANTED.get(n, "")) for n in ROWS)],
        ],
    )
    write(given.json, facts, results)
